"""Crops of T1-weighted brain MR around one hippocampus, as NIfTI volumes: how many millilitres is it?

A hippocampus is drawn as a bent tube, thick at its head (in front) and thin at its tail, grey between white matter, the
dark temporal horn above it and cortex below. Volumes scatter as in the Decathlon's hippocampus task (3.3 +- .4 ml, both
hippocampi alike); the size of the crop, the scanner and the range of the intensities say nothing of it. Intensities are
arbitrary, with a bias field and Rician noise. Not modelled: subfields, the amygdala, motion.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from radzoo.images.phantoms.files import progress

PATIENTS, SIZE = 120, 56  # mm of the longest side, which is that from front to back
SCANNERS = (("Larmor 1", 0.05), ("Larmor 3", 0.03), ("Precess", 0.04))  # noise
SPREAD = 0.13  # of the logarithm of the volume
FLUID, GREY, WHITE = 0.15, 0.55, 0.85


def fill(folder: Path, *, patients: int, seed: int, size: int) -> None:
    """Writes one volume per patient, voxels of 1 mm, and `index.csv`: `file`, `patient_id`, `scanner`, `volume_ml`."""
    import nibabel

    (folder / "images").mkdir()
    rows = []
    for number in progress(patients):
        values, volume, scanner = crop(np.random.default_rng([seed, number]), size)
        name, shape = f"images/{number:04d}.nii.gz", np.array(values.shape)
        affine = np.diag([-1.0, -1.0, 1.0, 1.0])  # voxels run to left, back and head: LPS, of which NIfTI writes RAS
        affine[:3, 3] = [(shape[2] - 1) / 2, (shape[1] - 1) / 2, -(shape[0] - 1) / 2]
        nibabel.save(nibabel.Nifti1Image(values.transpose(2, 1, 0), affine), folder / name)
        rows.append((name, f"phantom-{number:04d}", scanner, f"{volume:.3f}", 1))
    with open(folder / "index.csv", "w", newline="", encoding="utf-8") as opened:
        table = csv.writer(opened, lineterminator="\n")
        table.writerow(("file", "patient_id", "scanner", "volume_ml", "synthetic"))
        table.writerows(rows)


def crop(generator: np.random.Generator, size: int) -> tuple[np.ndarray, float, str]:
    """int16 `(z, y, x)`, voxels of 1 mm; the volume in ml; the scanner."""
    scanner, noise = SCANNERS[generator.integers(len(SCANNERS))]
    shape = np.array([0.68, 0.95, 0.68]) * size + generator.integers(-2, 3, 3)
    z, y, x = np.indices(np.rint(shape).astype(int)).astype("float32")
    z, y, x = (axis - (axis.max()) / 2 for axis in (z, y, x))
    inside = tube(generator, z, y, x, size)
    horn = np.clip(1.5 - np.hypot((x - generator.uniform(2, 5)) / 3, (z - generator.uniform(6, 9)) / 2), 0, 1)
    cortex = np.clip(2 - np.abs(z + 11 + 2 * np.sin(x / 4 + generator.uniform(0, 6))), 0, 1)
    tissue = np.full(z.shape, WHITE, "float32")
    for part, grey in ((cortex, GREY), (horn, FLUID), (inside, GREY * generator.uniform(0.95, 1.05))):
        tissue = tissue * (1 - part) + grey * part
    slope = generator.normal(0, 0.1, 3)
    tissue = tissue * (1 + (slope[0] * z + slope[1] * y + slope[2] * x) / size)
    real, imaginary = generator.normal(0, noise, (2, *tissue.shape))
    measured = np.hypot(tissue + real, imaginary) * generator.uniform(200, 2500)
    return np.rint(measured).astype("int16"), float(inside.sum()) / 1000, scanner


def tube(generator: np.random.Generator, z, y, x, size: int) -> np.ndarray:
    """How much of each voxel is hippocampus."""
    along = np.linspace(-1, 1, 41)  # from head to tail
    scale = np.exp(generator.normal(0, SPREAD)) ** (1 / 3) * size / SIZE
    half = 18.5 * scale * generator.uniform(0.95, 1.05)
    bend, rise = generator.uniform(3, 6) * scale, generator.uniform(3, 6) * scale
    middle = np.stack([rise * (along**2 - 0.4), half * along, bend * (along**2 - 0.4)], axis=1)
    middle += generator.normal(0, 1, 3)
    radius = 4.3 * scale * (1 - 0.28 * along) * np.sqrt(18.5 * scale / half)
    inside = np.full(z.shape, -np.inf, "float32")
    for (down, back, left), here in zip(middle, radius, strict=True):
        apart = np.sqrt((z - down) ** 2 + (y - back) ** 2 + ((x - left) * 0.9) ** 2)
        inside = np.maximum(inside, here - apart)
    return np.clip(inside + 0.5, 0, 1)
