"""Crops of T1-weighted brain MR around one hippocampus with its outline: 1 anterior part (head), 2 posterior part.

In the layout of the Decathlon's hippocampus task, and of its size: about 35 x 51 x 35 mm, voxels of 1 mm. The
hippocampus is a bent, flattened rod that rises from its thick head in front to its thin tail; the coronal plane where
the head's bulge ends parts the labels. Right and left ones are each other's mirror image. Its grey is that of what it
touches: the amygdala before and above its head, the cortex below it, the nuclei above its tail. Fluid fills the
temporal horn beside it and the cistern medial of it. Not modelled: subfields, vessels, motion.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from radzoo.images.phantoms.hippocampus import SCANNERS, SPREAD
from radzoo.images.phantoms.masked import Block, stored
from radzoo.images.phantoms.solid import Grid, ellipsoid, field
from radzoo.images.phantoms.texture import soft

PATIENTS, SIZE = 60, 51  # mm of the longest side, which is that from front to back
FLUID, GREY, WHITE = 0.12, 0.55, 0.85
ANTERIOR, POSTERIOR = 1, 2


def patient(generator: np.random.Generator, size: int) -> Iterator[tuple[dict, dict]]:
    """One crop: `image` and `mask`, `scanner`, `side`, millilitres of both parts."""
    scanner, noise = SCANNERS[generator.integers(len(SCANNERS))]
    shape = np.rint(np.array([0.69, 1.0, 0.69]) * size).astype(int) + generator.integers(-2, 3, 3)
    grid, right = Grid(tuple(shape.tolist()), (1.0, 1.0, 1.0)), bool(generator.integers(2))
    tissue, mask = crop(generator, grid, size / SIZE)
    if right:
        tissue, mask = tissue[..., ::-1], mask[..., ::-1]
    tissue = tissue * (1 + 0.1 * field(generator, grid, 4, 80, 30))
    real, imaginary = generator.normal(0, 1.4 * noise, (2, *grid.shape))
    image = np.hypot(tissue + real, imaginary) * np.exp(generator.uniform(np.log(200), np.log(2500)))
    volumes = {
        name: round(float((mask == value).sum()) / 1000, 3)
        for name, value in (("anterior_ml", ANTERIOR), ("posterior_ml", POSTERIOR))
    }
    pictures = {"image": Block(stored(image, 0, 32767), grid.step), "mask": Block(mask, grid.step)}
    yield pictures, {"scanner": scanner, "side": "right" if right else "left", **volumes}


def crop(generator, grid: Grid, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """A left hippocampus, lateral at +x: tissue without noise, float32, and the mask, uint8, both `(z, y, x)`."""
    between = generator.uniform
    z, y, x = (axis / np.float32(scale) for axis in grid.open)
    z, y, x = z - between(-2, 2), y - between(-2, 2), x - between(-2, 2)
    inside, floor, neck = rod(generator, z, y, x)
    folds = field(generator, grid, 0.0, 40, 8.0 * scale)
    tissue = WHITE + 0.02 * field(generator, grid, 2, 20, 2)
    cortex(tissue, z - floor + between(7.5, 9) + 1.2 * folds, folds)
    wander = 1.2 * field(generator, grid, 2.0, 20, 5)

    def lay(distance, grey: float, edge: float = 1.2):
        share = soft(distance, edge)
        tissue[:] = tissue * (1 - share) + grey * share

    nuclei = ellipsoid(z, y, x, (between(14, 19), between(2, 10), between(-14, -8)), between((8, 12, 8), (12, 16, 12)))
    lay(nuclei + wander, between(0.6, 0.72), 3.0)
    cleft = between(0.8, 2.2) + wander / 2 - np.abs(x - between(-13, -10) - 0.5 * folds)
    lay(np.minimum(cleft, 9 - np.abs(z - floor)), FLUID)  # the cistern between temporal lobe and brain stem
    lay(ellipsoid(z, y, x, (between(4, 7), between(-22, -18), between(-2, 3)), between((6, 7, 7), (8, 9, 9))), GREY)
    subiculum = 3 - np.hypot(z - floor + 5, 0.7 * (x + 5.5))
    lay(np.minimum(subiculum, 18 - np.abs(y)) + wander / 2, GREY)
    wide = between(0.9, 2.6) * np.clip((between(10, 18) - y) / 14, 0, 1)
    lay(np.minimum(wide + wander / 2 - np.abs(inside + 1.8), 0.45 * x + 0.6 * (z - floor)), FLUID)  # temporal horn
    lay(inside + wander / 4, GREY * between(0.95, 1.05))
    mask = np.where(inside + wander / 4 > 0, np.where(y < neck, ANTERIOR, POSTERIOR), 0)
    return tissue.astype("float32"), mask.astype("uint8")


def rod(generator, z, y, x) -> tuple[np.ndarray, np.ndarray, float]:
    """Distance to the hippocampus, positive inside; the height of its axis over y `(1, n, 1)`; y of the head's end."""
    between = generator.uniform
    grow = np.exp(generator.normal(0, SPREAD)) ** (1 / 3)
    half, neck, rise, bend = 20 * grow * between(0.95, 1.05), between(-6, -2), between(10, 15), between(5, 9)
    along = np.linspace(-1, 1, 33)
    head = 1 / (1 + np.exp((along * half - neck) / 1.5))
    height = rise * (0.5 * along + 0.25 * along**2)
    wide = grow * (3.5 + 2.7 * head - 0.7 * np.maximum(along, 0))
    tips = np.sqrt(np.clip(1 - np.abs(along) ** 6, 0, 1))  # the ends are round
    across = bend * (0.2 - along**2) + 2.0 * head
    inside = np.full(np.broadcast_shapes(z.shape, y.shape, x.shape), -99, "float32")
    for step, up, left, thick, round_ in zip(along, height, across, wide, tips, strict=True):
        apart = np.sqrt(((z - up) * 1.25) ** 2 + (y - step * half) ** 2 + ((x - left) * 0.8) ** 2)
        inside = np.maximum(inside, np.float32(thick * max(round_, 0.4)) - apart)
    floor = np.interp(y.ravel(), along * half, height).reshape(1, -1, 1).astype("float32")
    return inside, floor, neck


def cortex(tissue: np.ndarray, depth: np.ndarray, folds: np.ndarray) -> None:
    """Gyri below, in place: grey and fluid along the zeros of a random field where `depth` in mm is negative."""
    below = soft(-depth, 1.5)
    ribbon, sulcus = soft(0.75 - np.abs(folds), 0.3), soft(0.16 - np.abs(folds), 0.2)
    ribbon = np.maximum(ribbon, soft(2.5 + depth, 1.5))
    here = tissue * (1 - ribbon) + GREY * ribbon
    here = here * (1 - sulcus) + FLUID * sulcus
    tissue[:] = tissue * (1 - below) + here * below
