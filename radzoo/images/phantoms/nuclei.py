"""Fields of a light microscope full of nuclei, many of them touching, with one number per nucleus.

Of two kinds as in the 2018 Data Science Bowl: fluorescence (bright nuclei of very different brightness on dark, haze,
debris) and a stained section (dark nuclei on bright stroma with fibres). `patient_id` is the slide, of which two fields
are seen. The mask is a 16-bit map of instances, 0 where there is none; touching nuclei have no pixel between them.
Debris and fibres belong to no nucleus. Not modelled: mitoses, nuclei out of one another's focus, colour.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from radzoo.images.phantoms.masked import Plane
from radzoo.images.phantoms.texture import field, grid, soft

PATIENTS, SIZE = 24, 256  # slides
FIELDS = 2
STAINS = ("fluorescence", "section")
SCANNERS = (("Small World", 0.9), ("Pinhole", 1.3), ("Drop of Water", 0.7))  # blur in pixels
OVERLAP = 0.15  # of a new nucleus, which the others may cover


def patient(generator: np.random.Generator, size: int) -> Iterator[tuple[dict, dict]]:
    """Two fields of one slide: `image` and `mask`, `scanner`, `stain`, the number of `nuclei`."""
    name, blur = SCANNERS[generator.integers(len(SCANNERS))]
    stain = STAINS[generator.integers(len(STAINS))]
    radius, long = generator.uniform(6, 13), generator.uniform(1.1, 2.0)
    look = generator.uniform(0, 1, 3)
    for _ in range(FIELDS):
        count = int(generator.uniform(0.08, 0.4) * size**2 / (np.pi * radius**2)) + 2
        number, inside, shade = scatter(generator, size, count, radius, long)
        clean = (glow if stain == "fluorescence" else dye)(generator, number > 0, inside, shade, look)
        image = cv2.GaussianBlur(clean.astype("float32"), (0, 0), blur)
        quanta = generator.uniform(150, 600)
        image = generator.poisson(np.maximum(image, 0) * quanta) / quanta + generator.normal(0, 0.012, image.shape)
        image = np.rint(255 * np.clip(image, 0, 1)).astype("uint8")
        cells = {"scanner": name, "stain": stain, "nuclei": int(number.max())}
        yield {"image": Plane(image), "mask": Plane(number.astype("uint16"))}, cells


def scatter(generator, size: int, count: int, radius: float, long: float):
    """Nuclei one after the other, most of them beside an earlier one.

    Args:
        radius, long: of a typical nucleus: mean radius in pixels, and the ratio of its axes.
    Returns:
        The number of the nucleus at each pixel, from 1 without gaps; the distance to its edge in pixels, positive
        inside; a random number of its own in 0..1. `(size, size)` each.
    """
    number = np.zeros((size, size), int)
    inside, shade = np.full((size, size), -99, "float32"), np.zeros((size, size), "float32")
    x, y = grid(size)
    placed, turn = [], generator.uniform(0, np.pi)
    for _ in range(3 * count):
        middle = generator.uniform(-size / 2, size / 2, 2)
        mean = radius * np.exp(generator.normal(0, 0.2))
        if placed and generator.random() < 0.65:
            near, way = placed[generator.integers(len(placed))], generator.uniform(0, 2 * np.pi)
            middle = near[:2] + (near[2] + mean) * generator.uniform(0.85, 1.1) * np.array([np.cos(way), np.sin(way)])
        reach = 2.5 * long * mean * np.array([[-1], [1]])
        corners = np.clip(np.rint(middle[::-1] + size / 2 + reach), 0, size).astype(int)
        part = tuple(slice(*pair) for pair in corners.T)  # the others are far away
        edge = nucleus(generator, x[:, part[1]], y[part[0]], middle, mean, long, turn)
        body = edge > 0
        free = body & (number[part] == 0)
        if not free.sum() > max((1 - OVERLAP) * body.sum(), 20):
            continue
        placed.append((*middle, mean))
        number[part][free] = len(placed)
        inside[part] = np.maximum(inside[part], edge)
        shade[part][free] = generator.random()
        if len(placed) == count:
            break
    return number, inside, shade


def nucleus(generator, x, y, middle, mean: float, long: float, turn: float) -> np.ndarray:
    """About the distance to the edge of a bent ellipse whose outline is a little uneven, positive inside."""
    angle = turn + generator.normal(0, 0.6)
    ratio = max(long * np.exp(generator.normal(0, 0.12)), 1.0) ** 0.5
    dx, dy, cos, sin = x - middle[0], y - middle[1], np.cos(angle), np.sin(angle)
    along, across = (dx * cos + dy * sin) / ratio, (dy * cos - dx * sin) * ratio
    across = across + generator.normal(0, 0.1) * along**2 / mean
    around, uneven = np.arctan2(across, along), np.float32(1)
    for harmonic in (2, 3, 4):
        uneven = uneven + generator.normal(0, 0.035) * np.cos(harmonic * around + generator.uniform(0, 6.28))
    return ((mean * uneven - np.hypot(along, across)) / ratio**0.5).astype("float32")


def glow(generator, nuclei, inside, shade, look) -> np.ndarray:
    """Fluorescence, mostly within 0..1: nuclei whose brightness spans a factor of eight, haze around them, debris."""
    size = len(nuclei)
    level = (0.1 + 0.2 * look[0]) * 8 ** (shade - 0.25)
    chromatin = 1 + 0.22 * field(generator, size, 1.0, 16, 4) - 0.3 * soft(field(generator, size, 0, 64, 9) - 1.6, 0.5)
    bright = nuclei * level * chromatin * soft(inside + 1, 4)
    haze = cv2.GaussianBlur(bright.astype("float32"), (0, 0), 9) * (0.4 + 0.5 * look[1])
    uneven = 0.05 + 0.05 * look[2] + 0.06 * field(generator, size, 4, size, size / 3)
    ghosts = (0.12 + 0.15 * look[0]) * soft(field(generator, size, 1.5, 40, 22) - 1.1, 1.0)  # nuclei of another plane
    specks = soft(field(generator, size, 0, 64, 5.5) - 3.0, 0.4) * 0.5
    return np.maximum(uneven, 0.02) + bright + haze + ghosts + specks


def dye(generator, nuclei, inside, shade, look) -> np.ndarray:
    """A stained section, mostly within 0..1: dark mottled nuclei, stroma with fibres about as dark as the palest."""
    size = len(nuclei)
    stroma = 0.78 + 0.08 * look[0] + 0.05 * field(generator, size, 3, 60, 4)
    fibres = np.abs(field(generator, size, 1.0, 50, 14))
    stroma = stroma - (0.2 + 0.12 * look[1]) * soft(0.15 - fibres, 0.25)
    clots = soft(field(generator, size, 1.5, 40, 18) - 1.1, 0.8)  # cytoplasm and red cells
    stroma = stroma - 0.3 * clots
    depth = (0.14 + 0.1 * look[2]) + 0.28 * shade
    chromatin = 1 + 0.2 * field(generator, size, 1.0, 12, 3) + 0.25 * np.exp(-((inside / 1.5) ** 2))
    return stroma - nuclei * depth * chromatin * soft(inside + 1.5, 3)
