"""Blocks of chest CT with lung nodules, and the candidates that a crude detector would call, as NIfTI volumes.

Three tables beside the volumes: `candidates.csv`, the index (`label` 1 on a nodule, else 0); `lesions.csv`, all nodules
of all scans, one row without a place for each scan without nodules; `nodules.csv`, one row per nodule, `malignant` 0 or
1. A place is `x, y, z` in the row's `frame`: `lps`, `ras` (both mm) or `voxel` (of the stored file, from 0). About one
nodule in ten has no candidate; false candidates lie on vessels, their branchings, thickened pleura and the wall.

The scanner sets spacing, slice thickness, sharpness and noise, and knows nothing of nodules. Places of nodules and of
false candidates keep the same distance from the block's border. Not modelled: emphysema, breathing, contrast agent.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from scipy import ndimage

from radzoo.images.phantoms import lung_block, nodules
from radzoo.images.phantoms.files import progress
from radzoo.images.phantoms.lung_candidates import call, lures, sites
from radzoo.images.phantoms.solid import Grid, field
from radzoo.images.phantoms.texture import soft

PATIENTS, SIZE = 80, 120  # mm of the block's sides from front to back and from right to left
HEIGHT = 0.75  # of that, from foot to head
SCANNERS = (  # name, spacing (z, y and x) in mm, blur in mm, noise in HU
    ("Slice of Moon", (1.0, 0.9), 0.5, 30.0),
    ("Cirrus", (1.25, 1.0), 0.7, 22.0),
    ("Halo 16", (2.0, 0.8), 0.6, 26.0),
    ("Halo 4", (2.5, 1.0), 0.8, 16.0),
    ("Old Faithful", (3.0, 1.2), 0.9, 20.0),
)
GRAIN = 4.4  # wavelength of the noise for a blur of 1 mm: noise is as coarse as the image
SHARES = (0.28, 0.28, 0.22, 0.16, 0.06)  # of the patients
STORED = ((1, 1), (-1, -1), (-1, 1))  # signs of the file's x and y: its axes are RAS, LPS or LAS
FRAMES = ("lps", "lps", "ras", "voxel")
WITHOUT_NODULES, WITHOUT_CANDIDATES = 3, 4  # these patients, so that every set has such a scan
PLACE = ("series", "x", "y", "z", "frame")
WHO = ("lesion_id", "patient_id", "scanner", "synthetic")


def fill(folder: Path, *, patients: int, seed: int, size: int, count: tuple[int, int] = (0, 4)) -> None:
    """Writes one volume per patient and the three tables.

    Args:
        count: nodules per patient, at least and at most. From 0, one scan has no nodules and one no candidates.
    """
    (folder / "images").mkdir()
    tables = {name: [] for name in ("candidates", "lesions", "nodules")}
    for number in progress(patients):
        generator = np.random.default_rng([seed, number])
        scanner = int(generator.choice(len(SCANNERS), p=SHARES))
        wanted = int(generator.integers(count[0], count[1] + 1))
        if number == WITHOUT_NODULES and not count[0]:
            wanted = 0
        values, affine, found, false = scan(generator, scanner, wanted, size)
        name = f"images/{number:04d}.nii.gz"
        save(folder / name, values, affine)
        candidates = call(generator, found, false)
        if number == WITHOUT_CANDIDATES and not count[0]:
            candidates = []
        rows(tables, generator, (name, number, SCANNERS[scanner][0], affine), found, candidates)
    heads = {
        "candidates": (*PLACE, "label", *WHO),
        "lesions": (*PLACE, "diameter_mm", "malignant", *WHO),
        "nodules": (*PLACE, "malignant", *WHO),
    }
    for name, head in heads.items():
        with open(folder / f"{name}.csv", "w", newline="", encoding="utf-8") as opened:
            table = csv.DictWriter(opened, head, restval="", lineterminator="\n")
            table.writeheader()
            table.writerows(tables[name])


def scan(generator, scanner: int, count: int, size: int):
    """One patient on one scanner.

    Returns:
        int16 `(z, y, x)` in HU; the affine of the file, `(x, y, z)` voxels to RAS; the nodules, each with its place in
        LPS mm; and the places `(n, 3)` of false candidates.
    """
    _, (thick, pixel), blur, noise = SCANNERS[scanner]
    parts = int(np.ceil(thick / 0.9))  # a slice is the mean of thinner ones
    slices, side = round(HEIGHT * size / thick), round(size / pixel)
    grid = Grid((slices * parts, side, side), (thick / parts, pixel, pixel))
    block = lung_block.grow(generator, grid, size)
    found = [nodules.draw(generator, place) for place in sites(generator, grid, block, count)]
    outside = soft(-block.inside - 1, 2)
    for nodule in found:
        nodules.paint(block.hu, grid, nodule, outside)
    false = lures(generator, grid, block, found)
    values = block.hu.reshape(slices, parts, side, side).mean(1)
    values = ndimage.gaussian_filter(values, (0, blur / pixel, blur / pixel))
    coarse = Grid(values.shape, (thick, pixel, pixel))
    values += noise * generator.uniform(0.8, 1.25) * field(generator, coarse, 0.0, 50, GRAIN * blur)
    values = np.rint(np.clip(values, -1024, 3071)).astype("int16")
    affine, middle = lie(generator, values.shape, (pixel, pixel, thick))
    return values, affine, [(each, middle + each.centre[::-1]) for each in found], middle + false[:, ::-1]


def lie(generator, shape, spacing) -> tuple[np.ndarray, np.ndarray]:
    """How a file lies in the patient: its affine, `(x, y, z)` voxels to RAS, and the middle of the block in LPS."""
    affine = np.diag([*spacing, 1.0]) * [*STORED[generator.integers(len(STORED))], 1.0, 1.0]
    half = affine[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    affine[:3, 3] = np.round(generator.uniform((-180, -140, -900), (180, 140, 400)) - half, 3)
    return affine, (affine[:3, 3] + half) * (-1, -1, 1)


def rows(tables, generator, scanned, found, candidates) -> None:
    """Adds one scan to the tables, in a frame of its own per table."""
    name, number, scanner, affine = scanned
    who = {"patient_id": f"phantom-{number:04d}", "scanner": scanner, "synthetic": 1}
    ids = [f"{number:04d}-{i}" for i in range(1, len(found) + 1)]
    frames = {table: FRAMES[generator.integers(len(FRAMES))] for table in tables}

    def row(table: str, place, more: dict) -> None:
        x, y, z = (f"{each:.3f}" for each in framed(place, frames[table], affine))
        cells = {"series": name, "x": x, "y": y, "z": z, "frame": frames[table]}
        tables[table].append({**cells, **more, **who})

    for (nodule, place), lesion in zip(found, ids, strict=True):
        known = {"malignant": int(nodule.malignant), "lesion_id": lesion}
        row("nodules", place, known)
        row("lesions", place, {**known, "diameter_mm": f"{nodule.diameter:.2f}"})
    if not found:
        tables["lesions"].append({"series": name, "frame": frames["lesions"], **who})
    for place, nodule in candidates:
        row("candidates", place, {"label": int(nodule >= 0), "lesion_id": ids[nodule] if nodule >= 0 else ""})


def framed(place, frame: str, affine) -> np.ndarray:
    """A place in LPS mm as `lps`, `ras` or `voxel` of the stored file, `(x, y, z)` or `(i, j, k)`."""
    ras = np.asarray(place) * (-1, -1, 1)
    return place if frame == "lps" else ras if frame == "ras" else np.linalg.solve(affine[:3, :3], ras - affine[:3, 3])


def save(path: Path, values: np.ndarray, affine: np.ndarray) -> None:
    """Writes a NIfTI file; `values` run as `Grid`, to the head, the back and the left, the file as `affine` says."""
    import nibabel

    stored = values.transpose(2, 1, 0)
    stored = stored[:: 1 if affine[0, 0] < 0 else -1, :: 1 if affine[1, 1] < 0 else -1]
    nibabel.save(nibabel.Nifti1Image(stored, affine), path)
