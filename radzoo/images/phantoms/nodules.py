"""Lung nodules: benign ones are smooth balls or slightly ellipsoid, malignant ones lobulated and spiculated.

Shape alone tells them apart. In patients the diameter tells much as well (most small nodules are benign); here
diameter, place, density, calcification and ground glass are drawn alike for both, so that what is learnt is the shape.
A nodule of 12 mm or more has about the volume of a ball of its diameter, lobes and spicules included, so that the
amount of tissue says little; a smaller malignant one has more, else nothing would be left between its spicules.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radzoo.images.phantoms.solid import Grid, directions, draw_tubes, lobulated
from radzoo.images.phantoms.texture import soft

DIAMETER = (4.0, 20.0)  # mm
SOLID, GLASS, CHALK = 35.0, -620.0, 320.0  # HU
CALCIFIED, PART_SOLID = 0.12, 0.15  # share of nodules, of either class
LEAST = 0.75  # of the drawn radius: so much is left to the body when its spicules take their share
CORE = 0.45  # of the radius: so far from its centre every nodule is nodule


@dataclass(frozen=True, eq=False)
class Nodule:
    """One nodule before it is painted."""

    centre: np.ndarray  # (z, y, x) in mm of the block
    diameter: float
    malignant: bool
    density: float  # HU
    kind: str  # solid, calcified, part-solid
    seed: int  # of its shape


def draw(generator: np.random.Generator, centre) -> Nodule:
    """A nodule at this place; every nodule takes the same number of draws whatever it becomes."""
    diameter = float(generator.uniform(*DIAMETER))
    malignant, share = bool(generator.random() < 0.5), generator.random()
    kind = "calcified" if share < CALCIFIED else "part-solid" if share < CALCIFIED + PART_SOLID else "solid"
    density, seed = float(generator.normal(SOLID, 12)), int(generator.integers(2**31))
    return Nodule(np.asarray(centre, float), diameter, malignant, density, kind, seed)


def shape(nodule: Nodule, grid: Grid) -> tuple[tuple, np.ndarray, np.ndarray]:
    """Where a nodule lies in the grid, how much of each voxel it is, and the distance to its body's surface in mm."""
    drawn = radius = nodule.diameter / 2
    reach = 2 * radius + 6
    place, axes = grid.near(nodule.centre - reach, nodule.centre + reach)
    own = Grid(tuple(axis.size for axis in axes), grid.step)
    offset = nodule.centre - [float(axis.ravel()[[0, -1]].mean()) for axis in axes]  # of the nodule in its own part
    edge, voxel, wanted = max(grid.step), float(np.prod(grid.step)), 4 / 3 * np.pi * radius**3
    for _ in range(3):  # lobes and spicules add volume: the body gives it back
        generator = np.random.default_rng(nodule.seed)
        inside = body(generator, nodule.malignant, *own.open, offset, radius)
        mask = soft(inside, edge)
        if nodule.malignant:
            spicules(generator, mask, own, offset, drawn, edge)
        radius = max(LEAST * drawn, radius * float((wanted / (mask.sum() * voxel)) ** (1 / 3)))
    return place, mask, inside


def body(generator, malignant: bool, z, y, x, centre, radius: float) -> np.ndarray:
    """Distance to the surface of the nodule's body: lobes and notches, or a smooth, slightly ellipsoid ball."""
    if malignant:
        count = int(generator.integers(6, 11))
        heights = generator.uniform(0.4, 0.7, count) * generator.choice([1, -1], count)
        return lobulated(z, y, x, centre, radius, directions(generator, count), heights, 9.0)
    way, longer = directions(generator, 1)[0], generator.uniform(1, 1.25)
    return lobulated(z, y, x, centre, radius, np.stack([way, -way]), np.full(2, longer - 1), 1.5)


def spicules(generator, mask: np.ndarray, grid: Grid, centre, radius: float, edge: float) -> None:
    """Lines that run straight out of the body and taper, painted into its mask."""
    count = int(6 + 2 * radius * generator.uniform(2, 3))
    ways, length = directions(generator, count), radius * generator.uniform(0.4, 1.0, count) + 3.5
    wide = (0.45 + 0.08 * radius) * generator.uniform(0.8, 1.2, count)
    starts, ends = centre + ways * 0.6 * radius, centre + ways * (radius + length)[:, None]
    draw_tubes(mask, grid, starts, ends, np.stack([wide, 0.35 * wide], axis=1), edge)


def paint(hu: np.ndarray, grid: Grid, nodule: Nodule, wall: np.ndarray) -> None:
    """Lays a nodule into a block in HU, in place; `wall` is how much of each voxel lies outside of the lung."""
    place, mask, inside = shape(nodule, grid)
    lung = hu[place]
    if nodule.kind == "part-solid":  # the core is solid, the rim lets the lung shine through
        solid = soft(inside - 0.45 * nodule.diameter / 2, 0.2 * nodule.diameter + 1)
        value = np.maximum(GLASS, lung) * (1 - solid) + nodule.density * solid
    elif nodule.kind == "calcified":
        core = soft(inside - 0.5 * nodule.diameter / 2, 1.5)
        value = nodule.density + (CHALK - nodule.density) * core
    else:
        value = nodule.density
    mask = mask * (1 - wall[place])
    hu[place] = lung * (1 - mask) + value * mask
