"""Skull-stripped brains with multiple sclerosis: FLAIR and T1 at 2 mm, and the lesions' mask.

    image    FLAIR: fluid dark, cortex a little brighter than white matter, lesions bright
    t1       T1: fluid dark, white matter brighter than cortex, lesions grey, some of them dark

Lesions lie along the ventricles, many of them pointing away from them, in deep white matter and below the cortex; their
load spans a factor of a hundred. A grey level does not find them: FLAIR has bright caps and rims of ventricles in
every brain, bright patches of cortex, a bias field. The two images are registered and have noise of their own. Not
modelled: atrophy with load, gadolinium, lesions of the spinal cord, the two images' different blur.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from radzoo.images.phantoms.brain import Brain, draw
from radzoo.images.phantoms.masked import Block, stored
from radzoo.images.phantoms.solid import Grid, directions, field
from radzoo.images.phantoms.texture import soft

PATIENTS, SIZE = 30, 80  # voxels from front to back; fewer along the other axes
SCANNERS = (("Larmor 1", 0.04, 0.4), ("Larmor 3", 0.022, 0.3), ("Precess", 0.03, 0.35))  # noise, blur in voxels
LENGTH = 168.0  # mm, of the longest side
FLAIR = {"fluid": 0.08, "white": 0.5, "grey": 0.6, "lesion": 0.95}
T1 = {"fluid": 0.15, "white": 0.85, "grey": 0.58, "lesion": 0.55}
TOP = 4095


def patient(generator: np.random.Generator, size: int) -> Iterator[tuple[dict, dict]]:
    """One patient: `image` (FLAIR), `t1` and `mask`, `scanner`, `lesions_ml`."""
    name, noise, blur = SCANNERS[generator.integers(len(SCANNERS))]
    step = LENGTH / size
    grid = Grid((round(0.82 * size), size, round(0.82 * size)), (step, step, step))
    brain = draw(generator, grid)
    lesion = lesions(generator, grid, brain)
    mask = (lesion > 0.5).astype("uint8")
    pictures = {}
    for column, level in (("image", FLAIR), ("t1", T1)):
        values = contrast(generator, grid, brain, lesion, level, flair=column == "image")
        values = ndimage.gaussian_filter(values, blur)
        values *= np.exp(0.12 * field(generator, grid, 4, 300, 90))
        real, imaginary = generator.normal(0, noise, (2, *grid.shape))
        values = np.hypot(values + real, imaginary) * (brain.inside > -0.5 * step)
        pictures[column] = Block(stored(values * generator.uniform(0.5, 0.95) * TOP, 0, TOP), grid.step)
    pictures["mask"] = Block(mask, grid.step)
    yield pictures, {"scanner": name, "lesions_ml": round(float(mask.sum()) * step**3 / 1000, 2)}


def lesions(generator, grid: Grid, brain: Brain) -> np.ndarray:
    """How much of each voxel is lesion, 0..1."""
    load = float(np.exp(generator.uniform(np.log(0.4), np.log(35))))
    share, made = np.zeros(grid.shape, "float32"), 0.0
    near = np.where(brain.white > 0.8, np.exp(np.minimum(brain.ventricle, 0) / 5), 0).ravel()
    anywhere = (brain.white > 0.8).astype("float32").ravel()
    chances = [weight / weight.sum() for weight in (near, anywhere)]
    rough = field(generator, grid, 1.5, 20, 5)
    sizes = np.log(2.0), np.log(4.0 + 2.5 * np.log10(load + 1))
    for _ in range(400):
        beside = generator.random() < 0.7
        place = np.unravel_index(generator.choice(len(near), p=chances[not beside]), grid.shape)
        centre, radius = grid.places([place])[0], float(np.exp(generator.uniform(*sizes)))
        way = directions(generator, 1)[0]
        if beside:  # a finger of Dawson points away from the ventricle
            way = np.array([axis[place] for axis in brain.away]) + 0.3 * way
            way /= max(np.linalg.norm(way), 1e-6)
        part, (z, y, x) = grid.near(centre - 3 * radius, centre + 3 * radius)
        dz, dy, dx = z - centre[0], y - centre[1], x - centre[2]
        along = dz * way[0] + dy * way[1] + dx * way[2]
        across = np.sqrt(np.maximum(dz**2 + dy**2 + dx**2 - along**2, 0))
        long = 1.7 if beside else 1.2
        one = soft(radius * (1 + 0.25 * rough[part]) - np.hypot(along / long, across), 1.5) * brain.white[part]
        made += float(np.maximum(one - share[part], 0).sum()) * float(np.prod(grid.step)) / 1000
        share[part] = np.maximum(share[part], one)
        if made >= load:
            break
    return share


def contrast(generator, grid: Grid, brain: Brain, lesion, level: dict, *, flair: bool) -> np.ndarray:
    """One sequence without noise."""
    values = level["grey"] * brain.grey + level["white"] * brain.white + level["fluid"] * brain.fluid
    values = values + 0.02 * field(generator, grid, 2, 40, 4) * (brain.fluid < 0.5)
    if flair:
        rim = np.exp(-(((brain.ventricle + 1.0) / 1.6) ** 2)) * generator.uniform(0.08, 0.25)  # in every brain
        patches = soft(field(generator, grid, 2, 40, 12) - 1.0, 1.0) * brain.grey * generator.uniform(0.05, 0.16)
        values = values + rim * brain.white * (0.6 + brain.caps) + patches
        target = level["lesion"] * generator.uniform(0.9, 1.1) + 0.08 * field(generator, grid, 2, 30, 8)
    else:
        target = level["lesion"] - 0.15 * soft(field(generator, grid, 2, 40, 15) - 0.8, 0.8)  # black holes
    return values + (target - values) * lesion * 0.9
