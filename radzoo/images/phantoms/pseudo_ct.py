"""Heads on MR (T1) and on CT, registered: `input`, `target` in HU, and `mask`: 0 air, 1 soft tissue, 2 bone.

Bone and air are both dark on MR, which is what makes the task one: sinuses have walls of bone. A patient's bone has a
density of its own (`bone_hu`), which MR does not show. Not modelled: jaw and teeth, the two scans' different shape.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from radzoo.images.phantoms.brain import Brain, draw
from radzoo.images.phantoms.masked import Block, stored
from radzoo.images.phantoms.ms_lesions import SCANNERS, TOP
from radzoo.images.phantoms.solid import Grid, ellipsoid, field
from radzoo.images.phantoms.texture import soft

PATIENTS, SIZE = 24, 96  # voxels from front to back; fewer along the other axes
LENGTH = 216.0  # mm, of the longest side
SOFT, BONE = 1, 2
HU = {"air": -1000, "fat": -90, "muscle": 55, "fluid": 8, "grey": 38, "white": 29}
T1 = {
    "air": 0.0, "fat": 1.1, "muscle": 0.45, "fluid": 0.15, "grey": 0.58, "white": 0.85, "bone": 0.05, "marrow": 0.35,
}  # fmt: skip


def patient(generator: np.random.Generator, size: int) -> Iterator[tuple[dict, dict]]:
    """One head: `input`, `target` and `mask`; `scanner` of the MR, `bone_hu`."""
    name, noise, blur = SCANNERS[generator.integers(len(SCANNERS))]
    step = LENGTH / size
    grid = Grid((round(0.85 * size), size, round(0.85 * size)), (step, step, step))
    shares = tissues(generator, grid, draw(generator, grid))
    dense = int(generator.integers(1000, 1601))
    level = {**HU, "bone": dense, "marrow": round(0.4 * dense)}
    ct = sum(level[tissue] * share for tissue, share in shares.items())
    mr = ndimage.gaussian_filter(sum(T1[tissue] * share for tissue, share in shares.items()), blur)
    mr *= np.exp(0.12 * field(generator, grid, 4, 300, 90))
    real, imaginary = generator.normal(0, noise, (2, *grid.shape))
    mr = np.hypot(mr + real, imaginary) * generator.uniform(0.4, 0.8) * TOP
    bone = shares["bone"] + shares["marrow"] > 0.5
    mask = np.where(bone, BONE, np.where(shares["air"] > 0.5, 0, SOFT)).astype("uint8")
    values = {"input": stored(mr, 0, TOP), "target": stored(ct, -1000, 3071), "mask": mask}
    yield {column: Block(each, grid.step) for column, each in values.items()}, {"scanner": name, "bone_hu": dense}


def tissues(generator, grid: Grid, brain: Brain) -> dict[str, np.ndarray]:
    """Shares of each voxel, whose sum is 1: air around and in sinuses, fat under the skin, muscle, skull, brain."""
    edge, between = grid.step[0], generator.uniform
    outward = -brain.inside  # mm from the brain
    skull = 2.5 + np.maximum(between(5, 9) + 1.2 * field(generator, grid, 3, 100, 25), 2.5)  # its outer surface
    head = np.maximum(skull + between(4, 8) - outward, face(generator, grid))
    hollow = np.maximum(sinuses(generator, grid, outward - 1.5, skull - 1.5 - outward), nose(generator, grid))
    rest, shares = np.ones(grid.shape, "float32"), {}

    def take(name: str, share):
        shares[name] = shares.get(name, 0) + rest * share
        rest[...] *= 1 - share

    take("air", np.maximum(soft(-head, edge), soft(hollow, edge)))
    take("bone", soft(np.minimum(hollow + 3, head - 3), edge))  # the walls of what is hollow
    beyond = soft(outward - skull, edge)
    take("fat", beyond * soft(between(4, 7) - head, 2))
    take("muscle", beyond)
    take("marrow", soft(np.minimum(outward - 4.5, skull - 2 - outward), edge))  # between the tables
    take("bone", soft(outward - 2.5, edge))
    whole = np.maximum(brain.grey + brain.white + brain.fluid, 1e-6)
    inside = np.minimum(whole, 1)
    for name in ("grey", "white"):
        shares[name] = rest * inside * getattr(brain, name) / whole
    shares["fluid"] = rest * (inside * brain.fluid / whole + 1 - inside)
    return shares


def face(generator, grid: Grid) -> np.ndarray:
    """Distance to the surface of face and neck in mm, positive inside."""
    z, y, x = grid.open
    wide = generator.uniform(0.95, 1.05)
    front = ellipsoid(z, y, x, (-42, -22, 0), (62, 72 * wide, 66 * wide))
    return np.maximum(front, ellipsoid(z, y, x, (-95, 18, 0), (90, 54 * wide, 56 * wide)))


def nose(generator, grid: Grid) -> np.ndarray:
    """Distance to the air of nasal cavity and maxillary sinuses in mm, positive inside."""
    between, (z, y, x) = generator.uniform, grid.open
    nearest = ellipsoid(z, y, x, (-58, -62, 0), (between(14, 20), 24, between(7, 10)))
    for side in (-1, 1):
        axes = between(9, 14, 3)
        nearest = np.maximum(nearest, ellipsoid(z, y, x, (-58, -54, side * 28), axes))
    return nearest


def sinuses(generator, grid: Grid, below, above) -> np.ndarray:
    """Distance to air within the skull in mm, positive inside: behind the forehead, and behind both ears.

    Args:
        below, above: mm to the walls of the bone that holds them, positive between.
    """
    between, nearest = generator.uniform, np.full(grid.shape, -99, "float32")
    for side in (-1, 1):
        front = ((between(0, 12), -80, side * between(8, 16)), (between(8, 16), 14, between(8, 16)))
        ear = ((between(-35, -25), between(18, 30), side * 62), (between(8, 14), between(8, 14), 14))
        for centre, axes in (front, ear):
            nearest = np.maximum(nearest, ellipsoid(*grid.open, centre, axes))
    return np.minimum(nearest, np.minimum(below, above))
