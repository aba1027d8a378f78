"""A finished restoration on new images: better ones in the frame of each."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from radzoo import weights
from radzoo.errors import BadInput
from radzoo.finished import load
from radzoo.images.intensity import ends
from radzoo.images.paths import shown
from radzoo.images.written import restored as written
from radzoo.restoring import Restorer, restored

KINDS = ("auto", *written.KINDS)


def cleans(run: str | os.PathLike) -> bool:
    """Whether a run folder holds a restoration."""
    place = Path(run) / "manifest.json"
    return place.is_file() and weights.read_manifest(place).task == "restoration"


def clean(
    run: str | os.PathLike, files, *, out: str | os.PathLike | None = None, kind: str = "auto",
    batch: int | None = None, progress: bool = True,
) -> pd.DataFrame:  # fmt: skip
    """Restores images or volumes as the run did, and writes them.

    Args:
        run: the folder of a finished restoration.
        files: as in an index, a folder of a DICOM series among them; where the run's index has several image columns,
            so many files are one image.
        out: folder for the restored images; None writes none.
        kind: `nifti`, `dicom` (a derived series) or `png`; `auto` is the kind of each source. Nothing is overwritten.
        batch: windows per step; None takes that of the run.

    Returns:
        One row per image: `file`, `written` (the name in `out`), and in units of the image the `mean` and `sd` of what
        was added to it.

    Raises:
        BadInput: no such run, an image that cannot be used, or a file that is there already; the first before anything
            is written, the others leave what was written before.
    """
    from tqdm import tqdm

    model, manifest = load(run)
    spec, told = manifest.input, manifest.metrics["restoration"]
    files = spec.grouped([os.fspath(file) for file in files])
    if not files:
        raise BadInput("no image came: name at least one file")
    if kind not in KINDS:
        raise BadInput(f"kind {kind!r} came, expected {', '.join(KINDS)}")
    if kind != "auto" and (kind == "png") == spec.volume:
        what = "volumes" if spec.volume else "images"
        raise BadInput(f"kind {kind!r} came for a run that restores {what}: leave it out")
    window, rows = told["window"] and ends(told["window"]), []
    if window and kind == "dicom":
        raise BadInput("kind 'dicom' came for a run that makes images of another modality: write them as nifti")
    chosen = {file: _kind(file, spec.volume, window) if kind == "auto" else kind for file in files}
    _check_targets(files, out, chosen)
    size = manifest.metrics["batch"] if batch is None else batch
    restorer = Restorer(model, spec, size, told["overlap"], told["turns"], told["turns"])
    for file in tqdm(files, "images", file=sys.stderr, disable=not progress or len(files) == 1):
        try:
            opened = spec.opened(file)
            values = restored(restorer, opened, window)
        except BadInput as error:
            name = shown(file)
            raise BadInput(str(error) if str(error).startswith(name) else f"{name}: {error}") from None
        row = {"file": shown(file)}
        if out is not None:
            row["written"] = written.write(values, file, out, chosen[file], Path(run).name).name
        if not window:
            row |= _change(values, opened[0])
        rows.append(row)
    return pd.DataFrame(rows)


def _kind(file: str, volume: bool, window) -> str:
    """A derived series holds the modality of its source: CT made of MR is none."""
    return "nifti" if window and volume else written.kind_of(file, volume)


def _change(values: np.ndarray, image) -> dict[str, float]:
    away = values - (image.values if image.values.ndim == values.ndim else image.values.mean(-1))
    return {"mean": float(away.mean()), "sd": float(away.std())}


def _check_targets(files: list[str], out, chosen: dict[str, str]) -> None:
    """No two images make the same file, and none is there already: said before hours of work."""
    if out is None:
        return
    targets = [written.target(file, out, chosen[file]) for file in files]
    double = {target.name for target in targets if targets.count(target) > 1}
    if double:
        raise BadInput(f"several images would be written as {sorted(double)[0]}: give each a folder of its own")
    for file in files:
        written.check(file, out, chosen[file])
