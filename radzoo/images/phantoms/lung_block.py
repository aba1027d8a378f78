"""A block of chest CT in HU: one lung with a part of its wall, of the mediastinum and of the diaphragm.

Coordinates in mm are those of `solid.Grid`, x mirrored for left lungs so that the mediastinum always lies at +x. The
cavity is a superellipse that narrows to the head; ribs, muscle and fat follow its outside; arteries and veins leave the
hilum, split in two by Murray's law (r^3 is kept) and taper, bronchi run beside the first arteries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radzoo.images.phantoms.solid import Grid, draw_tubes, ellipsoid, field
from radzoo.images.phantoms.texture import soft

SIZE = 120.0  # mm, of the block that the numbers below are for
AIR, LUNG, FAT, TISSUE, BLOOD, MARROW, CORTEX = -1000.0, -855.0, -100.0, 40.0, 42.0, 180.0, 800.0  # HU
TRUNKS, GENERATIONS, THINNEST = (5, 4), 8, 0.45  # of arteries and of veins; mm
BRONCHI = 4  # generations of arteries with a bronchus beside them


@dataclass(frozen=True, eq=False)
class Block:
    """One block before its nodules.

    Attributes:
        hu: float32 `(z, y, x)`.
        inside: distance to the lung's surface in mm, positive in the lung.
        vessels: `(n, 3)` places in mm along vessels, `(z, y, x)`, branchings among them, those of the thickest first.
        bumps: `(n, 3)` places of thickened pleura.
    """

    hu: np.ndarray
    inside: np.ndarray
    vessels: np.ndarray
    bumps: np.ndarray


def grow(generator: np.random.Generator, grid: Grid, size: float) -> Block:
    """The anatomy of one patient; `size` is the side of the block in mm, which the anatomy is scaled to."""
    scale, side = size / SIZE, (-1, 1)[generator.integers(2)]
    z, y, x = (axis / np.float32(scale) for axis in grid.open)
    x = x * side
    cavity, lung = surfaces(generator, z, y, x)
    cavity, lung = cavity * scale, lung * scale
    bumps, thick = pleura(generator, grid, lung)
    lung = lung - thick
    coarse = field(generator, grid, 3.5, 60, 6)
    hu = LUNG + generator.normal(0, 12) + 22 * coarse + np.float32(0.35 * scale) * y  # denser at the back
    hu += 14 * field(generator, grid, 1.5, 8, 2)
    fissure = z + generator.uniform(0.5, 0.9) * y + generator.uniform(-15, 15) + 3 * coarse
    hu += 130 * soft(0.7 - np.abs(fissure * np.float32(scale)), max(grid.step))
    edge = float(np.mean(grid.step))
    blood, air, places = tree(generator, grid, lung, scale, side, edge)
    outside = wall(generator, z, y, x, cavity, scale, coarse)
    share = soft(-lung, edge)
    hu = hu * (1 - share) + outside * share
    hu = hu * (1 - blood) + BLOOD * blood
    hu = hu * (1 - air) + (AIR + 40) * air
    return Block(hu.astype("float32"), lung, places, bumps)


def surfaces(generator, z, y, x) -> tuple[np.ndarray, np.ndarray]:
    """Distances in mm, positive inside: of the thoracic cavity, and of the lung within it."""
    between = generator.uniform
    narrow = 1 - 0.1 * ((z + 40) / 90).clip(0) ** 2 * between(0.6, 1.4)
    across, deep = between(72, 82) * narrow, between(60, 70) * narrow
    ring = (np.abs((x - 30) / across) ** 2.3 + np.abs((y + between(2, 10)) / deep) ** 2.3) ** (1 / 2.3)
    cavity = ((1 - ring) * 66).astype("float32")
    waves = 3 * np.sin(z / between(9, 14) + between(0, 6)) * np.sin(y / between(14, 20) + between(0, 6))
    middle = between(38, 48) + waves - 0.004 * (y + 5) ** 2 - x
    heart = -ellipsoid(z, y, x, between((-45, -42, 58), (-15, -22, 72)), between((34, 26, 26), (44, 36, 38)))
    dome = z - between(-95, -25) + (((x - 15) / between(8, 11)) ** 2 + ((y - 5) / between(8, 11)) ** 2) / 2
    lung = np.minimum(np.minimum(cavity, middle), np.minimum(heart, 0.8 * dome))
    return cavity, lung.astype("float32")


def pleura(generator, grid: Grid, lung) -> tuple[np.ndarray, np.ndarray]:
    """Bumps of the pleura: their places, and how many mm of the lung they take."""
    surface = np.argwhere(np.abs(lung) < 0.6 * max(grid.step))
    thick = np.zeros(grid.shape, "float32")
    places = grid.places(surface[generator.integers(len(surface), size=int(generator.integers(8, 14)))])
    for place in places:
        wide, high = generator.uniform(2.5, 6), generator.uniform(1.5, 5)
        part, (z, y, x) = grid.near(place - 3 * wide, place + 3 * wide)
        square = (z - place[0]) ** 2 + (y - place[1]) ** 2 + (x - place[2]) ** 2
        thick[part] = np.maximum(thick[part], high * np.exp(-square / wide**2))
    return places, thick


def wall(generator, z, y, x, cavity, scale: float, coarse) -> np.ndarray:
    """HU of all that is not lung: mediastinum within the cavity; ribs, muscle, fat and air outside of it."""
    depth = -cavity
    tissue = TISSUE + generator.normal(0, 4) + 4 * coarse
    pads = soft(coarse - generator.uniform(0.5, 1.1), 0.3)  # fat between vessels and nodes
    tissue = tissue * (1 - pads) + FAT * pads
    muscle = generator.uniform(10, 20) * scale
    under = soft(depth - muscle - 3 * coarse, 2.0)
    tissue = tissue * (1 - under) + (FAT + 6 * coarse) * under
    pitch, slope = generator.uniform(22, 28), generator.uniform(-0.7, -0.3)
    along = (z + slope * y + generator.uniform(0, pitch)) % pitch - pitch / 2
    ring = np.hypot((depth - 6 * scale) / (4.2 * scale), along / 6.5)
    bone = soft((1 - ring) * 4.2, 1.0)
    marrow = soft((0.72 - ring) * 4.2, 1.0)
    tissue = tissue * (1 - bone) + (CORTEX * (1 - marrow) + MARROW * marrow) * bone
    bare = soft(depth - generator.uniform(22, 40) * scale, 1.0)
    return tissue * (1 - bare) + AIR * bare


def tree(generator, grid: Grid, lung, scale: float, side: int, edge: float):
    """Masks 0..1 of vessels and of air in bronchi, and places along the vessels, the thickest first."""
    blood, shell, air = (np.zeros(grid.shape, "float32") for _ in range(3))
    arteries, veins = (branches(generator, grid, lung, trunks, scale, side) for trunks in TRUNKS)
    for start, _, end, radius in arteries[:BRONCHI]:
        beside = np.cross(end - start, generator.normal(size=3))
        beside *= (1.9 * radius / np.linalg.norm(beside, axis=1))[:, None]
        wide = np.stack([radius, 0.85 * radius], axis=1)
        draw_tubes(shell, grid, start + beside, end + beside, wide, edge)
        draw_tubes(air, grid, start + beside, end + beside, 0.72 * wide, edge)
    start, middle, end, radius = (np.concatenate(part) for part in zip(*arteries, *veins, strict=True))
    starts, ends = np.concatenate([start, middle]), np.concatenate([middle, end])
    radii = np.concatenate([np.outer(radius, (1, 0.95)), np.outer(radius, (0.95, 0.9))])
    seen = np.maximum(distance(grid, lung, starts), distance(grid, lung, ends)) > -5  # the others the wall hides
    starts, ends, radii = starts[seen], ends[seen], radii[seen]
    draw_tubes(blood, grid, starts, ends, radii, edge)
    blood *= soft(lung + 1, 2)
    blood = np.maximum(blood, 0.8 * np.clip(shell - air, 0, 1)) * (1 - air)
    places, thickness = np.concatenate([starts, (starts + ends) / 2]), np.concatenate([radii, radii])[:, 0]
    return blood, air, places[np.argsort(-thickness, kind="stable")]


def branches(generator, grid: Grid, lung, trunks: int, scale: float, side: int) -> list[tuple]:
    """Vessels from the hilum outwards: start, middle and end `(n, 3)` in mm and radius `(n,)`, for each generation."""
    hilum = np.array([generator.uniform(-15, 15), generator.uniform(-8, 12), 40 * side])
    start = (hilum + generator.normal(0, 4, (trunks, 3))) * scale
    way = generator.normal(0, 0.65, (trunks, 3)) * (1, 1, 0) - (0, 0, 0.8 * side)
    radius, found = generator.uniform(2.8, 4.6, trunks), []
    for generation in range(GENERATIONS):
        way /= np.linalg.norm(way, axis=1, keepdims=True)
        length = (radius * generator.uniform(4, 7.5, len(radius)) + 4) * scale
        end = start + length[:, None] * way
        middle = (start + end) / 2 + 0.08 * length[:, None] * generator.normal(size=way.shape)
        found.append((start, middle, end, radius))
        share = generator.uniform(0.3, 0.7, len(radius))
        radius = 0.9 * np.stack([radius * share ** (1 / 3), radius * (1 - share) ** (1 / 3)], axis=1).ravel()
        start = np.repeat(end, 2, axis=0)
        way = np.repeat(way, 2, axis=0) + generator.normal(0, 0.5, (len(radius), 3))
        inside = (distance(grid, lung, start) > 1) | (generation < 2)  # the first ones lie in the mediastinum
        alive = (radius > THINNEST) & inside
        start, radius, way = start[alive], radius[alive], way[alive]
    return found


def distance(grid: Grid, lung: np.ndarray, places: np.ndarray) -> np.ndarray:
    """`lung` at the voxels nearest to places `(n, 3)` in mm; -inf outside of the grid."""
    found = np.rint(places / grid.step + (np.array(grid.shape) - 1) / 2).astype(int)
    there = ((found >= 0) & (found < grid.shape)).all(1)
    values = np.full(len(places), -np.inf, "float32")
    values[there] = lung[tuple(found[there].T)]
    return values
