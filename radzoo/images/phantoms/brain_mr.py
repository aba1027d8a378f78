"""Axial T2-weighted slices of brains with a glioblastoma, after Korfiatis (2017).

Korfiatis et al., J Digit Imaging 2017;30:622-628: slices of 155 patients in three classes, methylated or unmethylated
MGMT promoter, and slices of the same patients without tumour. That methylation can be seen is an assumption: a later
study found no such correlation (arXiv 2304.00774). Here it is arbitrary and small: a methylated tumour's solid part is
coarsely mottled, an unmethylated one's finely; site, size, oedema, necrosis and the scanner are the same in both.

Modelled: scalp, skull, cerebrospinal fluid, cortex with its folds, white matter, ventricles and deep nuclei, which
change with the level; tumour, necrosis, oedema and the push on their surroundings. Not modelled: real gyri, vessels,
cerebellum, operations. Grey values are arbitrary: each image has a gain of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from radzoo.images.phantoms.plain import Picture
from radzoo.images.phantoms.texture import ellipse, field, grid, lobulated, soft

PATIENTS, SIZE = 120, 144
FIELD = 230.0  # mm
CLASSES = ("methylated", "unmethylated", "no_tumour")
SCANNERS = (("Larmor 1", 0.035, 0.9), ("Larmor 3", 0.02, 0.6), ("Precess", 0.028, 0.75))  # noise, blur in mm
FLUID, GREY, WHITE, SCALP, BONE = 1.0, 0.56, 0.40, 0.50, 0.06


def patient(generator: np.random.Generator, size: int) -> Iterator[tuple[dict, dict]]:
    """Three slices `file` through the tumour and two away from it: `mgmt`, one of `CLASSES`, and `level_mm`."""
    methylated = bool(generator.integers(2))
    name, noise, blur = SCANNERS[generator.integers(len(SCANNERS))]
    head = generator.uniform(-1, 1, 6)
    top = generator.uniform(5, 45)  # height of the tumour above the foramen of Monro, mm
    radius = generator.uniform(13, 25)
    centre = generator.choice([-1, 1]) * generator.uniform(24, 42), generator.uniform(-38, 38)
    steps = [*generator.uniform(-0.45, 0.45, 3) * radius, -32 - radius * 0.5, generator.choice([-24, 30]) + 0.0]
    for step in steps:
        level = float(np.clip(top + step, -8, 62))
        away = abs(level - top) > radius
        seen = 0.0 if away else float(np.sqrt(radius**2 - (level - top) ** 2))
        image = brain(generator, level, head, centre, seen, methylated, size)
        image = cv2.GaussianBlur(image.astype("float32"), (0, 0), blur * size / FIELD)
        image = image * (1 + 0.08 * field(generator, size, 4, 2 * size, size / 4))
        real, imaginary = generator.standard_normal((2, size, size), dtype="float32") * np.float32(noise)
        image = np.hypot(image + real, imaginary) / generator.uniform(0.85, 1.25)
        picture = Picture(image.astype("float32"), "MR", "HEAD", name, FIELD / size)
        kind = "no_tumour" if away else CLASSES[0 if methylated else 1]
        yield {"file": picture}, {"scanner": name, "level_mm": round(level, 1), "mgmt": kind}


def brain(generator, level: float, head, centre, seen: float, methylated: bool, size: int) -> np.ndarray:
    """One slice without noise, `(size, size)`; `seen` is the radius of the tumour at this level in mm, 0 for none."""
    pixel = FIELD / size
    x, y = grid(size, pixel)
    turn = 0.04 * head[4] + generator.normal(0, 0.02)
    x, y = x * np.cos(turn) + y * np.sin(turn) + 3 * head[5], y * np.cos(turn) - x * np.sin(turn)
    shrink = np.sqrt(1 - (max(level - 5, 0) / 85) ** 2)
    wide, long = (66 + 4 * head[0]) * shrink, (82 + 5 * head[1]) * shrink
    if seen:  # the mass pushes what surrounds it away
        dx, dy = x - centre[0] * shrink, y - centre[1] * shrink
        push = 0.25 * seen * np.exp(-(dx**2 + dy**2) / (2 * (1.5 * seen) ** 2)) / np.maximum(np.hypot(dx, dy), 6)
        x, y = x - push * dx, y - push * dy
    inside = ellipse(x, y, (0, 0), (wide, long))
    tissue = matter(generator, x, y, inside, level, head, pixel)
    if seen:
        tissue = tumour(generator, tissue, dx, dy, seen, methylated, pixel)
    image = FLUID * 0.9 * soft(inside + 2.5, 2) * (1 - soft(inside, 2)) + tissue * soft(inside, 2)
    image = image + BONE * soft(inside + 9, 2) * (1 - soft(inside + 2.5, 2))
    diploe = 0.25 * np.exp(-(((inside + 5.7) / 1.2) ** 2))
    return image + diploe + SCALP * (soft(inside + 15, 2) - soft(inside + 9, 2)).clip(0)


def matter(generator, x, y, inside, level: float, head, pixel: float) -> np.ndarray:
    """White matter, cortex and sulci, ventricles, deep nuclei and the fissure between the hemispheres."""
    size = x.shape[1] if x.ndim == 2 else x.size
    folds = field(generator, size, 0.0, 24 / pixel, 7.5 / pixel)  # its zeros wind like sulci
    depth = inside + 5.0 * np.abs(folds) - 2
    sulci = soft(0.12 - np.abs(folds), 0.3) * soft(15 - inside, 5)
    cortex = soft(9.5 - depth, 2.5)
    tissue = WHITE * (1 - cortex) + GREY * cortex + 0.012 * field(generator, size, 2, 20 / pixel)
    fissure = soft(1.1 - np.abs(x), 1.5) * soft(np.abs(y) - 28 + 40 * (level > 32), 10)
    tissue = tissue + (FLUID * 0.9 - tissue) * np.maximum(0.85 * sulci, 0.8 * fissure)
    size_of = (1 + 0.35 * head[2]) * np.clip((40 - level) / 18, 0, 1)
    for side in (-1, 1):
        if level < 26:
            nuclei = [((side * 20, 8), (8, 14), side * 0.3), ((side * 24, -8), (6, 15), side * -0.25)]
            for place, axes, angle in nuclei:
                tissue = tissue + (0.5 - tissue) * 0.8 * soft(ellipse(x, y, place, axes, angle), 3)
        if size_of > 0:
            front = ellipse(x, y, (side * 9, -22), (4.2 * size_of + 0.5, 13), side * -0.35)
            back = ellipse(x, y, (side * 17, 26), (5 * size_of + 0.5, 17), side * -0.3)
            body = ellipse(x, y, (side * 11, 2), (4 * size_of + 0.5, 24), 0.0) - 6 * (level < 14)
            horns = np.maximum(np.maximum(front, back), body)
            tissue = tissue + (FLUID - tissue) * soft(horns, 1.8)
    if level < 12:
        tissue = tissue + (FLUID - tissue) * soft(ellipse(x, y, (0, 4), (2.2 + head[2], 11)), 1.8)
    return tissue


def tumour(generator, tissue, dx, dy, seen: float, methylated: bool, pixel: float) -> np.ndarray:
    """Oedema along the white matter, a solid ring whose mottling is coarse or fine, a core of necrosis."""
    size = tissue.shape[0]
    edge = lobulated(generator, dx, dy, (0, 0), seen, 0.12)
    spread = generator.uniform(0.35, 0.9) * seen
    swollen = soft(edge + spread * (1 + 0.5 * field(generator, size, 2.0, 40 / pixel, 8 / pixel)), 5)
    swollen = swollen * soft(0.52 - tissue, 0.12)  # white matter swells, cortex hardly
    tissue = tissue + (generator.uniform(0.72, 0.85) - tissue) * 0.9 * swollen
    grey, fluid = generator.uniform(0.54, 0.66), generator.uniform(0.85, 0.98)
    core = soft(
        edge - generator.uniform(0.35, 0.75) * seen + 0.15 * seen * field(generator, size, 2, 20 / pixel, 4 / pixel), 3
    )
    wave = 9.0 if methylated else 4.0  # mm; last, so that all else is the same
    solid = grey + 0.075 * field(generator, size, 0.0, finest=wave / pixel)
    solid = solid * (1 - core) + fluid * core
    mask = soft(edge, 2.5)
    return tissue * (1 - mask) + solid * mask
