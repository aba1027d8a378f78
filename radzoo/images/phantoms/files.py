"""Phantoms as files: DICOM radiographs of fabricated patients, and the index that lists them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.phantoms.beam import SCANNERS, Scanner
from radzoo.images.phantoms.findings import FINDINGS, PREVALENCE
from radzoo.images.phantoms.header import FORMAT, dataset

IMAGES = (1, 2, 3)  # per patient, with equal chance


@dataclass(frozen=True)
class Plan:
    """What is to be fabricated for one patient, known before any pixel is."""

    number: int  # from 1
    findings: tuple[str, ...]
    scanners: tuple[Scanner, ...]  # one per image


def plan(*, patients: int, seed: int, findings=FINDINGS, prevalence=None) -> list[Plan]:
    """Draws each patient's findings and scanners, all independent of one another.

    Args:
        prevalence: `{finding: share of patients}`, over the defaults of `PREVALENCE`.
    Raises:
        BadInput: for unknown findings, a share outside 0..1, or no patient.
    """
    shares = {**PREVALENCE, **(prevalence or {})}
    _check(patients, seed, findings, shares)
    plans = []
    for number in range(1, patients + 1):
        generator = np.random.default_rng([seed, number, 0])
        lots = dict(zip(FINDINGS, generator.random(len(FINDINGS)), strict=True))
        present = tuple(name for name in FINDINGS if name in findings and lots[name] < shares[name])
        images = int(generator.choice(IMAGES))
        scanners = tuple(SCANNERS[i] for i in generator.integers(len(SCANNERS), size=images))
        plans.append(Plan(number, present, scanners))
    return plans


def _check(patients, seed, findings, shares) -> None:
    unknown = sorted({*findings, *shares} - set(FINDINGS))
    if unknown:
        raise BadInput(f"unknown finding {', '.join(unknown)}: choose among {', '.join(FINDINGS)}")
    if not findings:
        raise BadInput(f"no finding was named: choose among {', '.join(FINDINGS)}")
    wrong = [f"{name} {share}" for name, share in shares.items() if not 0 <= share <= 1]
    if wrong:
        raise BadInput(f"prevalence {', '.join(wrong)}, expected shares from 0 to 1")
    if patients < 1 or seed < 0:
        raise BadInput(f"{patients} patients with seed {seed}: expected at least one patient and a seed from 0")


def write_set(folder, draw, *, kind, patients, seed, findings, prevalence, size) -> Path:
    """Fabricates a set into `folder` and returns its index; a complete set of the same parameters is reused.

    The files are written into a temporary folder beside it, which is renamed at the end.

    Args:
        draw: `(plan, seed, size)` to an iterator of images, float32 about 0..1.
    Raises:
        BadInput: the folder holds anything else; nothing is overwritten.
    """
    folder = Path(folder)
    plans = plan(patients=patients, seed=seed, findings=findings, prevalence=prevalence)
    if size < 32:
        raise BadInput(f"images of {size} pixels, expected at least 32")
    wanted = {
        "format": FORMAT, "kind": kind, "patients": patients, "seed": seed, "size": size,
        "prevalence": {name: (prevalence or {}).get(name, PREVALENCE[name]) for name in FINDINGS if name in findings},
    }  # fmt: skip
    if _complete(folder, wanted):
        return folder / "index.csv"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise BadInput(f"phantoms cannot be written: {error.strerror}: name another folder") from None
    try:
        _fill(unfinished, plans, draw, seed, size, [name for name in FINDINGS if name in findings])
        (unfinished / "phantom.json").write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
        unfinished.chmod(0o755)
        if not _complete(folder, wanted):  # another process may have been quicker
            os.replace(unfinished, folder)
    except OSError as error:
        raise BadInput(f"the phantoms could not be written: {error.strerror}: free some space and repeat") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder / "index.csv"


def _complete(folder: Path, wanted: dict) -> bool:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        found = json.loads((folder / "phantom.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if found == wanted and (folder / "index.csv").exists():
        return True
    what = "holds other files" if found is None else "holds phantoms of other parameters or an older version"
    raise BadInput(f"{folder} {what}, which are never overwritten: name another folder, or remove this one")


def _fill(folder: Path, plans, draw, seed: int, size: int, findings) -> None:
    from tqdm import tqdm

    (folder / "images").mkdir()
    columns = ["file", "patient_id", "scanner", "view", *findings, "no_finding", "synthetic"]
    total = sum(len(entry.scanners) for entry in plans)
    with (
        open(folder / "index.csv", "w", newline="", encoding="utf-8") as opened,
        tqdm(total=total, desc="fabricating phantoms", unit="image", file=sys.stderr) as bar,
    ):
        rows = csv.writer(opened, lineterminator="\n")
        rows.writerow(columns)
        for entry in plans:
            labels = [int(name in entry.findings) for name in findings]
            for image, values in enumerate(draw(entry, seed, size), 1):
                scanner, name = entry.scanners[image - 1], f"images/{entry.number:04d}-{image}.dcm"
                header = dataset(values, scanner, patient=entry.number, image=image, seed=seed)
                header.save_as(folder / name, enforce_file_format=True)
                identity = [name, f"phantom-{entry.number:04d}", scanner.name, "PA"]
                rows.writerow([*identity, *labels, int(not any(labels)), 1])
                bar.update()
