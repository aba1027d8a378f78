"""Liver masses on CT volumes in three contrast phases, after Yasaka (2018): `liver_ct` in depth, as NIfTI files.

Categories, enhancement and scanners are those of `liver_ct`. One mass per patient lies near the middle of a crop whose
size in voxels is the same for all; size of the mass, spacing, noise and timing of the bolus vary independently of its
category. Every phase has a breath of its own: the organ moves by some millimetres, mostly along z.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from scipy import ndimage

from radzoo.images.phantoms.files import progress
from radzoo.images.phantoms.liver_ct import CATEGORIES, LIVER, MASS, PHASES, SCANNERS, VESSEL, enhanced
from radzoo.images.phantoms.lung_ct import GRAIN
from radzoo.images.phantoms.solid import Grid, directions, draw_tubes, field, lobulated
from radzoo.images.phantoms.texture import soft

PATIENTS, SIZE = 100, 64  # voxels from front to back and from right to left
SLICES, THICK, PIXEL = 24, (2.5, 3.0), (1.1, 1.3)  # mm
BREATH = (2.0, 1.0, 1.0)  # mm, standard deviation along z, y and x


def fill(folder: Path, *, patients: int, seed: int, size: int) -> None:
    """Writes three volumes per patient, and `index.csv`: `plain`, `arterial`, `delayed`, `patient_id`, `category`, …"""
    import nibabel

    (folder / "images").mkdir()
    table = []
    for number in progress(patients):
        volumes, spacing, cells = crops(np.random.default_rng([seed, number]), size)
        names = {phase: f"images/{number:04d}-{phase}.nii.gz" for phase in PHASES}
        shape = np.array(volumes[0].shape)
        affine = np.diag([-spacing[2], -spacing[1], spacing[0], 1.0])  # voxels run to left, back and head
        affine[:3, 3] = -affine[:3, :3] @ ((shape[::-1] - 1) / 2)
        for values, name in zip(volumes, names.values(), strict=True):
            nibabel.save(nibabel.Nifti1Image(values.transpose(2, 1, 0), affine), folder / name)
        table.append({**names, "patient_id": f"phantom-{number:04d}", **cells, "synthetic": 1})
    with open(folder / "index.csv", "w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def crops(generator: np.random.Generator, size: int) -> tuple[list[np.ndarray], tuple[float, ...], dict]:
    """The phases of one patient, int16 `(z, y, x)` in HU; spacing in mm; `scanner`, `category`, `diameter_mm`."""
    name, noise, blur = SCANNERS[generator.integers(len(SCANNERS))]
    thick, pixel = float(np.round(generator.uniform(*THICK), 2)), float(np.round(generator.uniform(*PIXEL), 2))
    grid = Grid((SLICES, size, size), (thick, pixel, pixel))
    category = CATEGORIES[generator.integers(len(CATEGORIES))]
    radius = float(np.exp(generator.uniform(np.log(7), np.log(20)))) * size / SIZE
    volumes = []
    for clean in phases(generator, grid, category, radius):
        values = ndimage.gaussian_filter(clean, (0.3, blur / pixel, blur / pixel))
        values += 0.8 * noise * field(generator, grid, 0.0, 50, GRAIN * blur)
        volumes.append(np.rint(np.clip(values, -1024, 3071)).astype("int16"))
    return volumes, grid.step, {"scanner": name, "category": category, "diameter_mm": round(2 * radius, 1)}


def phases(generator, grid: Grid, category: str, radius: float) -> list[np.ndarray]:
    """The three phases of one mass in HU `(z, y, x)`, without noise."""
    fat, bolus = generator.normal(0, 9), generator.uniform(0.75, 1.2)
    organ = [LIVER[0] + fat] + [LIVER[0] + fat + bolus * (level - LIVER[0]) for level in LIVER[1:]]
    z, y, x = grid.open
    centre, lobes, half = generator.uniform(-4, 4, 3), directions(generator, 8), np.array(grid.shape) * grid.step / 2
    heights = generator.uniform(-1, 1, 8) * (0.06 if category == "E" else 0.25)
    inside = lobulated(z, y, x, centre, radius, lobes, heights, 5.0)
    edge = 1.5 if category in "DE" else float(generator.uniform(1.5, 5))
    mass, rim = soft(inside, edge), np.exp(-(((inside - 2.5) / 2.5) ** 2))
    mosaic = field(generator, grid, 2.5, 14, 1.5)
    ways = directions(generator, int(generator.integers(6, 11)))
    wide = np.repeat(radius * generator.uniform(0.3, 0.5, (len(ways), 1)), 2, axis=1)
    pools = np.zeros(grid.shape, "float32")
    draw_tubes(pools, grid, centre + 0.8 * radius * ways, centre + 0.82 * radius * ways, wide, 1.5)
    veins, arteries = (vessels(generator, grid, half, *kind) for kind in (((6, 12), (1.2, 4.0)), ((4, 10), (0.7, 1.5))))
    body, spread, volumes = surroundings(generator, z, y, x), generator.normal(0, 5, 3), []
    for i, step in enumerate(MASS[category]):
        level = 6 + spread[0] if category == "E" else organ[i] + step + spread[i]
        lesion = enhanced(category, i, level, organ[i], bolus, inside, rim, mosaic, pools, radius)
        liver = organ[i] + 3 * mosaic + (VESSEL[i] - LIVER[i] + (bolus - 1) * 15 * (i > 0)) * veins
        liver = liver + (0, 70 * bolus, 15)[i] * arteries
        image = body(liver * (1 - mass) + lesion * mass, i)
        moved = generator.normal(0, BREATH) / grid.step
        volumes.append(ndimage.shift(image.astype("float32"), moved, order=1, mode="nearest"))
    return volumes


def vessels(generator, grid: Grid, half, count, radius) -> np.ndarray:
    """A mask 0..1 of vessels that enter at one place of the crop's border, bend and taper."""
    mask, starts, ends, radii = np.zeros(grid.shape, "float32"), [], [], []
    root = directions(generator, 1)[0] * half
    for _ in range(int(generator.integers(*count))):
        start, wide = root + generator.normal(0, 4, 3), generator.uniform(*radius)
        way = generator.uniform(-0.7, 0.7, 3) * half - start
        way /= np.linalg.norm(way)
        for _ in range(8):
            length = generator.uniform(8, 14)
            end = start + way * length
            starts.append(start), ends.append(end), radii.append((wide, 0.88 * wide))
            start, wide, way = end, 0.88 * wide, way + generator.normal(0, 0.25, 3)
            way /= np.linalg.norm(way)
    draw_tubes(mask, grid, np.array(starts), np.array(ends), np.array(radii), float(np.mean(grid.step)))
    return mask


def surroundings(generator, z, y, x):
    """What lies beside the liver: a function that lays fat and wall beyond the liver's edge."""
    way, away = directions(generator, 1)[0] * (0.5, 1, 1), generator.uniform(22, 50)
    outside = z * way[0] + y * way[1] + x * way[2] + 0.004 * (y * way[2] - x * way[1]) ** 2 - away
    muscle, share = soft(outside - generator.uniform(6, 16), 2), soft(outside, 2)

    def body(image, phase: int):
        return image * (1 - share) + (-100 * (1 - muscle) + (55 + 8 * phase) * muscle) * share

    return body
