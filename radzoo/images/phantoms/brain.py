"""A brain in depth without its skull, as shares of grey matter, white matter and fluid; after `brain_mr` in the plane.

z runs to the head, y to the back, x to the left, in mm from the middle. Folds are the zeros of a random field. Not
modelled: real gyri, the insula, vessels; cerebellum and brain stem are simple bodies.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from radzoo.images.phantoms.solid import Grid, ellipsoid, field, tube
from radzoo.images.phantoms.texture import soft

VENTRICLE = (  # of one side: places z, y, x in mm and radius, from the frontal horn to the occipital and temporal ones
    ((8, -38, 10), 3.0), ((16, -22, 9), 5.0), ((22, 0, 10), 4.5), ((20, 18, 15), 5.0), ((8, 30, 23), 6.0),
    ((0, 46, 24), 2.5), ((8, 30, 23), 5.5), ((-10, 20, 30), 3.0), ((-18, 2, 30), 2.0),
)  # fmt: skip
NUCLEI = (((6, 8, 13), (9, 14, 8)), ((8, -12, 24), (13, 15, 5)), ((14, -22, 15), (8, 10, 4)))  # centre, half axes


@dataclass(frozen=True, eq=False)
class Brain:
    """Maps float32 `(z, y, x)`.

    Attributes:
        grey, white, fluid: shares of each voxel.
        inside: distance to the surface in mm, positive inside.
        ventricle: distance to the lateral ventricles in mm, positive inside.
        caps: 1 at their frontal and occipital tips, falling to 0.
        away: the direction away from them, three maps.
    """

    grey: np.ndarray
    white: np.ndarray
    fluid: np.ndarray
    inside: np.ndarray
    ventricle: np.ndarray
    caps: np.ndarray
    away: tuple[np.ndarray, np.ndarray, np.ndarray]


def draw(generator: np.random.Generator, grid: Grid) -> Brain:
    """One adult's brain."""
    between, edge = generator.uniform, float(np.mean(grid.step))
    size = float(np.clip(generator.normal(1, 0.04), 0.92, 1.03))
    z, y, x = (axis / np.float32(size) for axis in grid.open)
    bend = 1.2 * field(generator, grid, 4, 120, 40)
    folds = field(generator, grid, 0.0, 60, 19.0)
    hemispheres, lower = outline(z, y, x, bend)
    inside = np.maximum(hemispheres, lower)
    ventricle = ventricles(generator, grid, z, y, x, bend)
    cortex, gaps = mantle(z, y, x, hemispheres, lower, folds, bend)
    for side in (-1, 1):
        for place, axes in NUCLEI:
            nucleus = ellipsoid(z, y, x, (place[0], place[1], side * place[2]), axes) + 0.5 * bend
            cortex = np.maximum(cortex, soft(nucleus, 3) * 0.9)
    third = np.minimum(between(1.5, 3.0) - np.abs(x), 9 - np.hypot(z - 2, (y - 2) / 1.3))
    tissue = soft(inside, edge)
    fluid = np.maximum(gaps, np.maximum(soft(ventricle, edge), soft(third, edge)))
    grey, white = tissue * (1 - fluid) * cortex, tissue * (1 - fluid) * (1 - cortex)
    slopes = np.gradient(-ventricle)
    length = np.maximum(np.sqrt(sum(axis**2 for axis in slopes)), 1e-6)
    caps = soft(np.abs(y - 4) - 36, 14) * np.exp(np.minimum(ventricle, 0) / 6)
    maps = (grey, white, tissue * fluid, inside * size, ventricle, caps)
    return Brain(*(each.astype("float32") for each in maps), tuple(axis / length for axis in slopes))


def mantle(z, y, x, hemispheres, lower, folds, bend) -> tuple[np.ndarray, np.ndarray]:
    """Shares of grey matter along the surfaces, and of fluid in the sulci and between the hemispheres."""
    middle = np.abs(x + 0.3 * bend)
    apart = soft(np.hypot(z - 6, (y - 2) / 1.6) - 22, 8)  # around this core the hemispheres are two
    sulci = soft(0.10 - np.abs(folds), 0.25) * soft(20 - hemispheres, 6) * soft(hemispheres - lower, 6)
    depth = np.minimum(hemispheres, 13 * np.abs(folds) + 0.5 * np.maximum(hemispheres - 13, 0) + 1)
    cortex = np.maximum(soft(6.5 - depth, 3), soft(4 - middle, 2) * apart)
    folia = 0.7 + 0.3 * np.sin(2 * np.pi * (z + 0.3 * y + bend) / 6)
    cerebellum = soft(10 - lower, 4) * folia * (y > 18)
    return np.where(lower > hemispheres, cerebellum, cortex), np.maximum(
        0.9 * sulci, 0.8 * soft(0.8 - middle, 2) * apart
    )


def outline(z, y, x, bend) -> tuple[np.ndarray, np.ndarray]:
    """Distances to the surfaces of the hemispheres, and of cerebellum and brain stem, positive inside."""
    high = np.where(z > 4, (z - 4) / 54, (4 - z) / 27)
    top = (1 - np.sqrt(high**2 + (y / 80) ** 2 + (x / 64) ** 2)) * 52 + bend
    temporal = [ellipsoid(z, y, x, (-20, -14, side * 40), (20, 34, 22)) + bend for side in (-1, 1)]
    cerebellum = [ellipsoid(z, y, x, (-34, 44, side * 22), (20, 28, 28)) + bend / 2 for side in (-1, 1)]
    stem = np.minimum(13 - np.hypot(x / 1.1, y - 14 - 0.2 * (z + 30)), 30 - np.abs(z + 35))
    return np.maximum(top, np.maximum(*temporal)), np.maximum(np.maximum(*cerebellum), stem)


def ventricles(generator, grid: Grid, z, y, x, bend) -> np.ndarray:
    """Distance to both lateral ventricles in mm, positive inside; they are wide in some and narrow in others."""
    wide = float(generator.uniform(0.6, 1.5))
    nearest = np.full(grid.shape, -99, "float32")
    for side in (-1, 1):
        chain = [(np.array(place) * (1, 1, side), radius * wide) for place, radius in VENTRICLE]
        for (start, first), (end, last) in itertools.pairwise(chain):
            nearest = np.maximum(nearest, tube(z, y, x, start, end, (first, last)))
    return nearest + 0.4 * bend
