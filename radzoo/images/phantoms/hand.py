"""Radiographs of left hands with a bone age from 1 to 216 months, girls ahead of boys.

The skeleton of `hand_bones` in a layer of soft tissue; Beer and Lambert at an effective energy of 40 keV, quanta, blur,
and a display whose window, tone and gain differ from image to image. Hands fill the image whatever the age, as in the
public set of the RSNA (Halabi et al., Radiology 2019;290:498-503), so size in pixels tells nothing. A girl's skeleton
of a given bone age looks like that of a boy up to two years older: sex helps as a covariate. Each growth plate is a
little early or late. Not modelled: scatter, disease, other positions, trabeculae, overlap of carpal bones.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from radzoo.images.phantoms.beam import transmission
from radzoo.images.phantoms.hand_bones import MONTHS, Canvas, Growth, skeleton
from radzoo.images.phantoms.plain import Picture
from radzoo.images.phantoms.texture import field, grid, soft

PATIENTS, SIZE = 360, 224
AHEAD = 24.0  # months that girls are ahead of boys at most, in the middle of growth
SCANNERS = (
    ("Lumen 400", 25e3, 0.25),
    ("Umbra S", 12e3, 0.4),
    ("Camera Lucida", 6e3, 0.5),
)  # quanta per mm^2, blur in mm


def patient(generator: np.random.Generator, size: int) -> Iterator[tuple[dict, dict]]:
    """One radiograph `file`: `bone_age` in months, `sex` F or M."""
    months, girl = float(generator.uniform(1, MONTHS)), bool(generator.integers(2))
    name, quanta, blur = SCANNERS[generator.integers(len(SCANNERS))]
    growth = Growth(maturity(months, girl), generator.normal(1, 0.025, 34))
    bone, flesh, pixel = hand(generator, growth, size)
    image = expose(generator, bone, flesh, quanta, blur, pixel)
    tags = (("ImageLaterality", "L"), ("ViewPosition", "PA"))
    cells = {"scanner": name, "view": "PA", "sex": "F" if girl else "M", "bone_age": round(months, 1)}
    yield {"file": Picture(image, "DX", "HAND", name, None, tags)}, cells


def maturity(months: float, girl: bool) -> float:
    """How old a boy is, in months, whose skeleton looks like this one."""
    return float(months + girl * AHEAD * np.sin(np.pi * months / MONTHS))


def hand(generator, growth: Growth, size: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Areal mass of bone and of soft tissue in g/cm^2, `(size, size)` each, and the pixel in mm."""
    pixel = generator.uniform(228, 285) / size
    x, y = grid(size, pixel)
    turn, right, up = generator.normal(0, 0.10), generator.normal(8, 6), generator.normal(80, 5)
    across, along = x * np.cos(turn) - y * np.sin(turn) + right, -(y * np.cos(turn) + x * np.sin(turn)) + up
    stout = generator.uniform(0.88, 1.12)  # broad or slender hands
    canvas = Canvas((across / stout).astype("float32"), along.astype("float32"), generator.uniform(0.8, 2.0))
    segments = skeleton(canvas, growth, generator.normal(0, 0.07, 5))
    plump = generator.uniform(0.9, 1.25)
    outline = np.full(canvas.x.shape, -50, "float32")
    for start, end, half in segments:
        outline = np.maximum(outline, half * plump - away(canvas, start, end))
    palm = [(24, -4), (40, 40), (26, 88), (0, 94), (-20, 84), (-34, 74), (-26, -4)]
    outline = np.maximum(outline, polygon(canvas, palm, pixel))
    outline = cv2.GaussianBlur(outline, (0, 0), 2.5 / pixel)
    depth = np.clip(outline / (9 + 5 * soft(90 - canvas.y, 60)), 0, 1)
    thick = (17 + 11 * soft(75 - canvas.y, 60)) * np.sqrt(1 - (1 - depth) ** 2)
    rough = 1 + 0.06 * field(generator, size, 2.5, 20 / pixel, 0.75)  # spongy bone
    return canvas.mass * rough * generator.uniform(0.65, 1.35), (0.105 * thick).astype("float32"), pixel


def away(canvas: Canvas, start, end) -> np.ndarray:
    """Distance of every pixel from a segment in mm."""
    way, (dx, dy) = np.asarray(end) - start, (canvas.x - start[0], canvas.y - start[1])
    s = np.clip((dx * way[0] + dy * way[1]) / (way @ way), 0, 1)
    return np.hypot(dx - s * way[0], dy - s * way[1]).astype("float32")


def polygon(canvas: Canvas, points, pixel: float) -> np.ndarray:
    """Distance to the edge of a convex polygon (counter-clockwise), positive inside."""
    inside = np.full(canvas.x.shape, 1e3, "float32")
    for (ax, ay), (bx, by) in zip(points, [*points[1:], points[0]], strict=True):
        ex, ey = bx - ax, by - ay
        inside = np.minimum(inside, (ex * (canvas.y - ay) - ey * (canvas.x - ax)) / np.hypot(ex, ey))
    return inside


def expose(generator, bone, flesh, quanta: float, blur: float, pixel: float) -> np.ndarray:
    """The processed radiograph: bone bright, the open beam dark, about 0..1."""
    primary = transmission(flesh, bone, 40.0)
    count = quanta * pixel**2 * generator.lognormal(0, 0.3)
    signal = cv2.GaussianBlur(generator.poisson(primary * count).astype("float32"), (0, 0), max(blur / pixel, 0.3))
    depth = -np.log(np.maximum(signal / np.float32(count), 1e-3))
    inside = flesh > 0.3
    low, high = np.percentile(depth[inside], (5, generator.uniform(97, 99.8)))
    base = generator.uniform(0.05, 0.4)  # how bright soft tissue is shown
    grey = base + (generator.uniform(0.75, 1.0) - base) * (depth - low) / (high - low)
    grey = np.where(depth < low, base * depth / low, grey)  # the open beam is black
    shown = np.clip(grey, 0, 1.1) ** np.float32(generator.uniform(0.7, 1.5))
    return shown.astype("float32")
