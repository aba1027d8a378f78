"""Sections of nervous tissue in a transmission electron microscope: membranes, in the layout of the ISBI 2012 set.

Neurites are the cells of a power diagram in depth, bent by smooth displacements; a specimen is a short stack of
sections, so that neighbouring ones resemble each other. A section has a thickness: membranes that it cuts obliquely are
wide and faint. Inside the cells lie what a grey level takes for a membrane: mitochondria with cristae, vesicles,
microtubules, dark smears beside synapses. The mask is 255 in cells and 0 on membranes, which in the middle of the
section are `WALL` pixels wide. Not modelled: folds, tears and stains of the section, nuclei, glia.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from scipy.spatial import cKDTree

from radzoo.images.phantoms.masked import Plane
from radzoo.images.phantoms.texture import ellipse, field, grid, soft

PATIENTS, SIZE = 8, 256  # specimens; 4 nm per pixel
SECTIONS, THICK = 4, 6.0  # per specimen; pixels from one section to the next
LEVELS = (-0.3, 0.0, 0.3)  # of which a section is the mean, in thicknesses
PITCH, WALL = 38.0, 4.0  # pixels: between the middles of cells, and across a membrane
SCANNERS = (("Grain of Sand", 0.05, 0.7), ("Small World", 0.07, 0.8), ("Nutshell", 0.06, 0.6))  # noise, blur in pixels
CYTOPLASM, MEMBRANE, ORGANELLE = 0.66, 0.26, 0.45  # grey


def patient(generator: np.random.Generator, size: int) -> Iterator[tuple[dict, dict]]:
    """The sections of one specimen: `image` and `mask`, `scanner`, `section` (from 1)."""
    name, noise, blur = SCANNERS[generator.integers(len(SCANNERS))]
    tissue = draw(generator, size)
    for section in range(SECTIONS):
        clean, wall = cut(generator, tissue, section * THICK, size)
        image = cv2.GaussianBlur(clean, (0, 0), blur)
        image = image * (1 + 0.05 * field(generator, size, 4, 2 * size, size / 4)) + generator.normal(0, 0.03)
        grain = cv2.GaussianBlur(generator.standard_normal((size, size), dtype="float32"), (0, 0), 0.6)
        image = image + noise * grain / grain.std()
        image = np.rint(255 * np.clip(image, 0, 1)).astype("uint8")
        mask = np.where(wall < WALL / 2, 0, 255).astype("uint8")
        yield {"image": Plane(image), "mask": Plane(mask)}, {"scanner": name, "section": section + 1}


def draw(generator, size: int) -> dict:
    """One specimen: the middles of its cells (and a fourth axis for their sizes), their greys, bends, organelles."""
    depth, rim = SECTIONS * THICK, 2 * PITCH
    count = int((size + 2 * rim) ** 2 * (depth + 2 * rim) / PITCH**3)
    middles = generator.uniform((-rim, -rim, -rim), (depth + rim, size + rim, size + rim), (count, 3))
    weight = (PITCH * generator.uniform(0, 1, count) ** 2) ** 2  # few large cells among many small ones
    bend = [rough * field(generator, size, 4, 90, 24) for rough in (6, 6, 3, 3)]
    amount = int(generator.integers(10, 18) * (size / 256) ** 2) + 1
    mitochondria = np.column_stack(
        (
            generator.uniform((0, 0, 0), (depth, size, size), (amount, 3)),
            generator.uniform((7, 12, 0), (12, 24, np.pi), (amount, 3)),  # half axes in pixels, angle
        )
    )
    lifted = np.column_stack((middles, np.sqrt(weight.max() - weight)))
    shade = generator.normal(0, 0.035, count).astype("float32")
    return {"tree": cKDTree(lifted), "middles": lifted, "bend": bend, "mitochondria": mitochondria, "shade": shade}


def walls(tissue: dict, depth: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Distance in pixels to the nearest membrane, and which cell it is, `(size, size)` each, at one depth.

    A power diagram is a Voronoi diagram with one more axis, on which all pixels lie at 0.
    """
    row, column = np.mgrid[:size, :size].astype("float32")
    turn = depth / (SECTIONS * THICK)  # the displacement changes slowly with depth
    one, two, three, four = tissue["bend"]
    row, column = row + one + turn * three, column + two + turn * four
    at = np.stack([np.full_like(row, depth), row, column, np.zeros_like(row)], axis=-1)
    apart, near = tissue["tree"].query(at, k=2)
    gap = np.linalg.norm(tissue["middles"][near[..., 0], :3] - tissue["middles"][near[..., 1], :3], axis=-1)
    far = (apart[..., 1] ** 2 - apart[..., 0] ** 2) / (2 * np.maximum(gap, 1))
    far = far.astype("float32")  # in depth; the plane meets membranes obliquely, and the displacement stretches them
    steep = cv2.medianBlur(np.hypot(*np.gradient(far)), 5)  # not where the second nearest changes
    return far / np.clip(steep, 0.5, 1.5), near[..., 0]


def cut(generator, tissue: dict, depth: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """One section without noise, float32 `(size, size)`; and the distance to the nearest membrane in its middle."""
    levels = [walls(tissue, depth + step * THICK, size) for step in LEVELS]
    wall, cell = levels[len(LEVELS) // 2]
    dark = np.mean([soft(WALL / 2 - far, 2.0) for far, _ in levels], axis=0)
    image = CYTOPLASM + tissue["shade"][cell] + 0.025 * field(generator, size, 1.0, 30, 4)
    inside = soft(wall - WALL / 2 - 2, 2)
    specks = soft(field(generator, size, 0.0, 64, 6.0) - 1.9, 0.5)  # microtubules and ribosomes
    image = image - 0.2 * inside * specks
    image = image - 0.28 * vesicles(generator, size) * inside
    image = mitochondria(image, tissue["mitochondria"], depth, inside)
    smear = soft(field(generator, size, 2.0, 60, 14) - 1.4, 0.6) * soft(9 - wall, 8)  # beside synapses
    image = image - 0.2 * smear
    faint = 0.78 + 0.12 * field(generator, size, 2.0, 50, 12)
    return (image + (MEMBRANE - image) * dark * np.clip(faint, 0.35, 1)).astype("float32"), wall


def vesicles(generator, size: int) -> np.ndarray:
    """Rings of about 7 pixels in clusters, 0..1."""
    clusters = np.clip(field(generator, size, 2.0, 60, 16) - 0.9, 0, 1)
    middles = (generator.random((size, size)) < 0.035 * clusters).astype("float32")
    x, y = grid(11)
    ring = np.exp(-((np.hypot(x, y) - 3.4) ** 2)) * (np.hypot(x, y) < 5.4)
    return np.clip(cv2.filter2D(middles, -1, ring), 0, 1)


def mitochondria(image, drawn, depth: float, inside) -> np.ndarray:
    """Dark bodies with an outline and striped by cristae, where a section at this depth meets them."""
    x, y = grid(len(image))
    middle = (len(image) - 1) / 2
    for deep, row, column, short, long, angle in drawn:
        left = 1 - ((depth - deep) / 18) ** 2
        if left <= 0:
            continue
        edge = ellipse(x, y, (column - middle, row - middle), (short * left**0.5, long * left**0.5), angle)
        across = (x - column + middle) * np.cos(angle + 0.4) + (y - row + middle) * np.sin(angle + 0.4)
        grey = ORGANELLE - 0.12 * np.maximum(np.cos(across * 1.3), 0) - 0.15 * soft(1.5 - np.abs(edge), 1.5)
        image = image + (grey - image) * soft(edge, 1.5) * inside
    return image
