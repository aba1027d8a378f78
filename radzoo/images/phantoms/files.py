"""Phantoms as files: a folder that is complete or not there, and the index of a kind's images."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from radzoo.errors import BadInput


def write_set(folder: str | os.PathLike, index: str, wanted: dict, fill: Callable[[Path], None]) -> Path:
    """Fabricates a set into `folder` and returns its index; a complete set of the same parameters is reused.

    The files are written into a temporary folder beside it, which is renamed at the end.

    Args:
        index: the name of the file in the folder that is the index.
        wanted: the parameters that the set is known by, kept in `phantom.json`.
        fill: writes all files of the set into the empty folder that it is given.
    Raises:
        BadInput: the folder holds anything else; nothing is overwritten.
    """
    folder = Path(folder)
    if _complete(folder, index, wanted):
        return folder / index
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise BadInput(f"phantoms cannot be written: {error.strerror}: name another folder") from None
    try:
        fill(unfinished)
        (unfinished / "phantom.json").write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
        unfinished.chmod(0o755)
        if not _complete(folder, index, wanted):  # another process may have been quicker
            os.replace(unfinished, folder)
    except OSError as error:
        raise BadInput(f"the phantoms could not be written: {error.strerror}: free some space and repeat") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder / index


def _complete(folder: Path, index: str, wanted: dict) -> bool:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        found = json.loads((folder / "phantom.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if found == wanted and (folder / index).exists():
        return True
    what = "holds other files" if found is None else "holds phantoms of other parameters or an older version"
    raise BadInput(f"{folder} {what}, which are never overwritten: name another folder, or remove this one")


def fill(folder: Path, patient, *, patients: int, seed: int, size: int) -> None:
    """Writes the images of a kind, and `index.csv`, one row per image (or set of phases, or image and mask).

    Args:
        patient: `(generator, size)` to an iterator of rows, each a pair: `{column: Picture}` (or what else has `suffix`
            and `save`), which become files, those of the column `mask` in a folder of their own; and `{column: number
            or word}`. Every patient has a generator of its own.
    """
    rows = []
    for number in progress(patients):
        for image, (pictures, cells) in enumerate(patient(np.random.default_rng([seed, number]), size), 1):
            names = {}
            for column, picture in pictures.items():
                names[column] = name(column, number, image) + picture.suffix
                (folder / names[column]).parent.mkdir(exist_ok=True)
                picture.save(folder / names[column], patient=number, image=(image, column), seed=seed)
            rows.append({**names, "patient_id": f"phantom-{number:04d}", **cells, "synthetic": 1})
    with open(folder / "index.csv", "w", newline="", encoding="utf-8") as opened:
        table = csv.DictWriter(opened, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def name(column: str, number: int, image: int) -> str:
    """Of a patient's file, without its suffix."""
    part = "" if column in ("file", "image", "mask") else f"-{column}"
    return f"{'masks' if column == 'mask' else 'images'}/{number:04d}-{image}{part}"


def progress(patients: int):
    """The patients' numbers, from 1, with a bar on the terminal."""
    from tqdm import tqdm

    return tqdm(range(1, patients + 1), desc="fabricating phantoms", unit="patient", file=sys.stderr)
