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
from radzoo.images.phantoms.solid import Grid, directions, field, soft

PATIENTS, SIZE = 80, 120  # mm of the block's sides from front to back and from right to left
HEIGHT = 0.75  # of that, from foot to head
NODULES = (0, 4)  # per patient, at least and at most
FALSE = (15, 30)  # false candidates per scan
MISSED, TWICE = 0.1, 0.15  # share of nodules without a candidate, and with two
MARGIN = 0.12  # of the sides: so far from the border lies every place
SCANNERS = (  # name, spacing (z, y and x) in mm, blur in mm, noise in HU
    ("Slice of Moon", (1.0, 0.9), 0.5, 42.0),
    ("Cirrus", (1.25, 1.0), 0.7, 28.0),
    ("Halo 16", (2.0, 0.8), 0.6, 30.0),
    ("Halo 4", (2.5, 1.0), 0.8, 20.0),
    ("Old Faithful", (3.0, 1.2), 0.9, 24.0),
)
SHARES = (0.28, 0.28, 0.22, 0.16, 0.06)  # of the patients
STORED = ((1, 1), (-1, -1), (-1, 1))  # whether the file's x and y run to the right's or front's other side, in RAS
FRAMES = ("lps", "lps", "ras", "voxel")
WITHOUT_NODULES, WITHOUT_CANDIDATES = 3, 4  # these patients, so that every set has such a scan
PLACE = ("series", "x", "y", "z", "frame")
WHO = ("lesion_id", "patient_id", "scanner", "synthetic")


def fill(folder: Path, *, patients: int, seed: int, size: int, count: tuple[int, int] = NODULES) -> None:
    """Writes one volume per patient and the three tables."""
    (folder / "images").mkdir()
    tables = {name: [] for name in ("candidates", "lesions", "nodules")}
    for number in progress(patients):
        generator = np.random.default_rng([seed, number])
        scanner = int(generator.choice(len(SCANNERS), p=SHARES))
        few = 0 if number == WITHOUT_NODULES and not count[0] else int(generator.integers(count[0], count[1] + 1))
        values, affine, found, false = scan(generator, scanner, few, size)
        name = f"images/{number:04d}.nii.gz"
        save(folder / name, values, affine)
        candidates = [] if number == WITHOUT_CANDIDATES and not count[0] else call(generator, found, false)
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
    found = [nodules.draw(generator, place) for place in sites(generator, grid, block, count, size)]
    outside = soft(-block.inside - 1, 2)
    for nodule in found:
        nodules.paint(block.hu, grid, nodule, outside)
    false = lures(generator, grid, block, found, size)
    values = block.hu.reshape(slices, parts, side, side).mean(1)
    values = ndimage.gaussian_filter(values, (0, blur / pixel, blur / pixel))
    coarse = Grid(values.shape, (thick, pixel, pixel))
    values += noise * generator.uniform(0.8, 1.25) * field(generator, coarse, 0.0, 50, 1.1 * blur)
    values = np.rint(np.clip(values, -1024, 3071)).astype("int16")
    affine = np.diag([*STORED[generator.integers(len(STORED))], 1.0, 1.0]) @ np.diag([pixel, pixel, thick, 1.0])
    middle = generator.uniform((-180, -140, -900), (180, 140, 400))  # of the block, RAS
    affine[:3, 3] = np.round(middle - affine[:3, :3] @ ((np.array(values.shape[::-1]) - 1) / 2), 3)
    middle = (affine[:3, 3] + affine[:3, :3] @ ((np.array(values.shape[::-1]) - 1) / 2)) * (-1, -1, 1)
    lps = lambda places: np.reshape(places, (-1, 3))[:, ::-1] + middle  # noqa: E731
    return values, affine, [(each, lps(each.centre)[0]) for each in found], lps(false)


def sites(generator, grid: Grid, block, count: int, size: int) -> np.ndarray:
    """Places of nodules in mm: anywhere in the lung, at its wall, or at a vessel."""
    inner = np.array([HEIGHT * size, size, size]) * (0.5 - MARGIN)
    chosen = []
    for _ in range(200):
        if len(chosen) == count:
            break
        place, way = generator.uniform(-inner, inner), generator.random()
        if way < 0.3:
            place = block.vessels[generator.integers(len(block.vessels))] + generator.normal(0, 2, 3)
        deep = float(lung_block.distance(grid, block.inside, place[None])[0])
        low, high = (2, 6) if 0.3 <= way < 0.5 else (5, np.inf)  # mm from the wall
        far = all(np.linalg.norm(place - each) > 24 for each in chosen)
        if low < deep < high and far and (np.abs(place) < inner).all():
            chosen.append(place)
    return np.reshape(chosen, (-1, 3))


def lures(generator, grid: Grid, block, found, size: int) -> np.ndarray:
    """Places in mm that a crude detector mistakes for nodules: vessels, pleura and wall, none within a nodule."""
    inner = np.array([HEIGHT * size, size, size]) * (0.5 - MARGIN)
    surface = np.argwhere(np.abs(block.inside) < 1.5)
    surface = surface[generator.integers(len(surface), size=60)]
    surface = np.array([[axis[i] for axis, i in zip(grid.axes, each, strict=True)] for each in surface])
    vessels = block.vessels[lung_block.distance(grid, block.inside, block.vessels) > 2]
    vessels = vessels[: max(40, len(vessels) // 3)]  # the thicker ones
    kept, wanted = [], int(generator.integers(FALSE[0], FALSE[1] + 1))
    for _ in range(20 * wanted):
        if len(kept) == wanted:
            break
        way = generator.random()
        among = vessels if way < 0.65 else block.bumps if way < 0.85 else surface
        place = among[generator.integers(len(among))] + generator.normal(0, 0.7, 3)
        clear = all(np.linalg.norm(place - each.centre) > each.diameter / 2 + 4 for each in found)
        if clear and (np.abs(place) < inner).all() and all(np.linalg.norm(place - each) > 4 for each in kept):
            kept.append(place)
    return np.reshape(kept, (-1, 3))


def call(generator, found, false) -> list[tuple[np.ndarray, int]]:
    """What a crude detector calls: places in LPS mm, each with the number of its nodule, -1 for none; shuffled."""
    called = [(place, -1) for place in false]
    for number, (nodule, place) in enumerate(found):
        share, ways, near = generator.random(), directions(generator, 2), generator.random(2) ** (1 / 3)
        times = 0 if share < MISSED else 2 if share > 1 - TWICE else 1
        for way, part in zip(ways[:times], near, strict=False):
            called.append((place + way * part * min(2.5, nodules.CORE * nodule.diameter / 2), number))
    return [called[i] for i in generator.permutation(len(called))]


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
