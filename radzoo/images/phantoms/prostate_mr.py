"""T2-weighted MR of the pelvis with the prostate's outline, in the layout of PROMISE12: thick axial slices.

    z to the head, y to the back, x to the left, in mm from the middle of the block

A bright peripheral zone embraces a mottled transition zone, both within a thin dark capsule; the transition zone is as
dark as the muscle beside it, the peripheral zone as bright as fat, bladder and seminal vesicles. The receiver's field
is uneven, with a coil in the rectum very much so. Dark foci lie in half of the peripheral zones and belong to the
prostate. Not modelled: motion, haemorrhage after biopsy, chemical shift, levels of anatomy below the apex.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from radzoo.images.phantoms.masked import Block, stored
from radzoo.images.phantoms.solid import Grid, ellipsoid, field
from radzoo.images.phantoms.texture import soft

PATIENTS, SIZE = 30, 144  # pixels of the axial slices
SCANNERS = (  # name, spacing z and in plane in mm, slices, noise, a coil in the rectum
    ("Larmor 1", (3.6, 0.62), 22, 0.05, True),
    ("Larmor 3", (3.0, 0.6), 26, 0.03, False),
    ("Precess", (3.6, 0.7), 22, 0.04, False),
)
FLUID, FAT, PERIPHERAL, TRANSITION, MUSCLE, DARK = 1.0, 0.75, 0.78, 0.42, 0.22, 0.08


def patient(generator: np.random.Generator, size: int) -> Iterator[tuple[dict, dict]]:
    """One volume: `image` and `mask`, `scanner`, `volume_ml`."""
    name, (thick, pixel), slices, noise, coil = SCANNERS[generator.integers(len(SCANNERS))]
    grid = Grid((slices, size, size), (thick, pixel * SIZE / size, pixel * SIZE / size))
    tissue, prostate, wall = pelvis(generator, grid)
    tissue = ndimage.gaussian_filter(tissue, (0.35, 0.7, 0.7))
    gain = np.exp(0.18 * field(generator, grid, 4, 150, 60))
    if coil:
        gain = gain * (1 + 2.2 * np.exp(-np.maximum(-wall, 0) / 22))
    tissue = tissue * gain / np.median(gain)
    real, imaginary = generator.normal(0, noise, (2, *grid.shape))
    image = np.hypot(tissue + real, imaginary) * generator.uniform(150, 900)
    mask = (prostate > 0).astype("uint8")
    pictures = {"image": Block(stored(image, 0, 32767), grid.step), "mask": Block(mask, grid.step)}
    yield pictures, {"scanner": name, "volume_ml": round(float(mask.sum() * np.prod(grid.step)) / 1000, 1)}


def pelvis(generator, grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tissue without noise; distances in mm, positive inside, to the prostate's and to the rectum's surface."""
    between = generator.uniform
    z, y, x = grid.open
    bumps, fine = field(generator, grid, 4, 60, 12), field(generator, grid, 1.0, 12, 2)
    z, y, x = z - between(-6, 2), y - between(-3, 3), x - between(-4, 4)
    tissue = (FAT + 0.05 * fine + 0.06 * bumps).astype("float32")

    def lay(distance, value, edge: float = 1.0) -> None:
        share = soft(distance, edge)
        tissue[:] = tissue * (1 - share) + value * share

    prostate, deep = gland(generator, z, y, x, bumps)
    vein = field(generator, grid, 0, 30, 4) - 1.0  # plexus around the prostate
    lay(np.minimum(2 * vein, np.minimum(-prostate - 1, 8 + prostate)), 0.95)
    for side in (-1, 1):
        lay(9 + 2 * bumps - np.hypot((side * x - between(44, 50)) / 0.8, (y + 2) / 3.2) + 0 * z, MUSCLE + 0.03 * fine)
        sling = 2.2 - np.abs(side * x - 27 - 0.012 * (y - 12) ** 2 - 0.15 * z - bumps)
        lay(np.minimum(np.minimum(sling, 30 - np.abs(y - 14)), 8 - z), MUSCLE)  # levator ani
    bone = ellipsoid(z, y, x, (-22, -44, 0), (26, 13, 30))
    lay(bone, DARK), lay(bone - 2, 0.4 + 0.05 * fine), lay(np.minimum(bone, 2.5 - np.abs(x)), MUSCLE)
    bladder = ellipsoid(z, y, x, (between(38, 48), between(-16, -4), 0), between((20, 18, 24), (30, 28, 38)))
    lay(bladder, MUSCLE + 0.05), lay(bladder - between(2, 5), FLUID)
    vesicles = ellipsoid(z, y, x, (deep[0] + 5, deep[1] + 4, 0), (8, 6, 24)) + bumps
    lay(vesicles, FAT + 0.3 * np.clip(field(generator, grid, 0, 50, 5), -1.5, 1), 2)
    rectum = between(12, 17) + bumps - np.hypot(x / 1.15, y - deep[2] - 0.004 * z**2 - 0.1 * z)
    filling = generator.choice([DARK / 2, 0.3, 0.6]) * (1 + 0.4 * np.clip(fine, -1, 1))
    lay(rectum, MUSCLE + 0.12), lay(rectum - between(2.5, 4), filling)
    prostate = np.minimum(prostate, -rectum - 1.5)
    lay(prostate + 0.6 + 0.7 * bumps, 0.25), lay(prostate, interior(generator, grid, z, y, x, prostate, bumps))
    return tissue, prostate.astype("float32"), rectum.astype("float32")


def gland(generator, z, y, x, bumps):
    """Distance to the prostate's surface; z and y of where the seminal vesicles are, y of the rectum's middle."""
    between, grow = generator.uniform, np.exp(generator.normal(0.08, 0.16))
    high, deep, wide = between((19, 14, 22), (24, 18, 26)) * grow
    taper = 1 + 0.3 * np.clip(-z / high, 0, 1) ** 2  # towards the apex
    prostate = ellipsoid(z, (y - 0.1 * z) * taper, x * taper, (0, 0, 0), (high, deep, wide))
    notch = 2.5 * np.exp(-((x / 7) ** 2)) * soft(y - 0.6 * deep, 6)  # it is flat or hollow behind
    return prostate - notch + 1.3 * bumps, (high, 0.5 * deep, deep + between(13, 16))


def interior(generator, grid: Grid, z, y, x, prostate, bumps) -> np.ndarray:
    """Peripheral and transition zone with its nodules, urethra, a dark focus."""
    between = generator.uniform
    rind = between(4, 9) * soft(y + 0.25 * np.abs(x) - between(-4, 4), 14)  # thick behind and beside
    zone = soft(prostate - rind - 0.8 * bumps, 1.5)
    septa = 0.09 * field(generator, grid, 1.0, 10, 2)
    peripheral = PERIPHERAL * between(0.85, 1.1) + septa
    nodules = field(generator, grid, 0.0, 50, between(10, 16))
    transition = TRANSITION * between(0.85, 1.15) + 0.14 * nodules - 0.16 * soft(0.15 - np.abs(nodules), 0.25)
    values = peripheral * (1 - zone) + transition * zone
    if generator.random() < 0.5:
        side, radius = generator.choice([-1, 1]), between(4, 9)
        place = between(-8, 8), between(9, 13), side * between(6, 18)
        focus = ellipsoid(z, y, x, place, (radius, 0.7 * radius, radius))
        values = values + (0.3 - values) * soft(focus, 3)
    duct = soft(2.0 - np.hypot(x, y + 2 + 0.15 * z), 2)
    front = soft(-y - 9 - 0.05 * x**2, 4)  # fibromuscular stroma
    values = values * (1 - 0.6 * front) + MUSCLE * 0.6 * front
    return values * (1 - duct) + 0.8 * duct
