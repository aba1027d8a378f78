"""Shapes and textures that several kinds share: grids, soft edges, lobulated outlines, random fields, cells."""

from __future__ import annotations

import numpy as np


def grid(size: int, pixel: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates x `(1, size)` to the right and y `(size, 1)` down, the origin in the middle."""
    axis = ((np.arange(size) - (size - 1) / 2) * pixel).astype("float32")
    return axis[None, :], axis[:, None]


def soft(inside: np.ndarray, width: float) -> np.ndarray:
    """A mask 0..1 of a signed distance (positive inside) whose edge is `width` wide."""
    return np.clip(0.5 + inside / np.float32(width), 0, 1)


def ellipse(x, y, centre, axes, angle: float = 0.0) -> np.ndarray:
    """About the distance to an ellipse's edge, positive inside; `angle` in radians, clockwise as seen."""
    dx, dy, cos, sin = x - centre[0], y - centre[1], np.cos(angle), np.sin(angle)
    along, across = (dx * cos + dy * sin) / axes[0], (dy * cos - dx * sin) / axes[1]
    return ((1 - np.hypot(along, across)) * min(axes)).astype("float32")


def lobulated(generator, x, y, centre, radius: float, rough: float) -> np.ndarray:
    """Distance to the edge of a blob, positive inside: a circle with five harmonics of amplitude `rough`."""
    dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
    angle, edge = np.arctan2(dy, dx), np.float32(1)
    for harmonic in range(2, 7):
        edge = edge + rough / harmonic**0.7 * generator.normal() * np.cos(harmonic * angle + generator.uniform(0, 6.28))
    return (radius * np.clip(edge, 0.4, 1.7) - np.hypot(dx, dy)).astype("float32")


def field(generator, size: int, exponent: float = 3.0, coarsest: float = 64.0, finest: float = 1.0) -> np.ndarray:
    """A Gaussian random field `(size, size)` of variance 1 whose power falls as 1 / f^exponent.

    Args:
        coarsest, finest: wavelengths in pixels, beyond which the power is flat, and at which the amplitude has fallen
            to 1/e of that law.
    """
    wide = size + int(coarsest) // 2  # so that opposite borders do not match
    white = generator.standard_normal((wide, wide), dtype="float32")
    fx, fy = np.fft.rfftfreq(wide), np.fft.fftfreq(wide)
    square = fx[None] ** 2 + fy[:, None] ** 2
    gain = (square + coarsest**-2.0) ** (-exponent / 4) * np.exp(-square * finest**2)
    noise = np.fft.irfft2(np.fft.rfft2(white) * gain.astype("float32"), s=(wide, wide))[:size, :size]
    return ((noise - noise.mean()) / noise.std()).astype("float32")


def cells(generator, size: int, pitch: float) -> tuple[np.ndarray, np.ndarray]:
    """Voronoi cells about `pitch` pixels wide: distance to the nearest wall in pixels, and a random number per cell."""
    from scipy.spatial import cKDTree

    count = int(((size + 4 * pitch) / pitch) ** 2) + 4
    points = generator.uniform(-2 * pitch, size + 2 * pitch, (count, 2))
    rows, columns = np.mgrid[:size, :size]
    (first, second), nearest = _two_nearest(cKDTree(points), rows, columns)
    shade = generator.random(count)[nearest]
    return ((second - first) / 2).astype("float32"), shade.astype("float32")


def _two_nearest(tree, rows, columns):
    distance, index = tree.query(np.stack([rows, columns], axis=-1), k=2)
    return (distance[..., 0], distance[..., 1]), index[..., 0]


def dots(generator, size: int, count: int, radius: tuple[float, float], inside=None) -> np.ndarray:
    """Round bumps of height 1, at random (or where the mask `inside` is above .5); overlaps take the higher one."""
    total, (x, y) = np.zeros((size, size), "float32"), grid(size)
    places = np.argwhere(np.ones((size, size)) if inside is None else inside > 0.5)
    if not len(places):
        return total
    for row, column in places[generator.integers(len(places), size=count)]:
        far = np.hypot(x - x[0, column], y - y[row, 0])
        total = np.maximum(total, soft(generator.uniform(*radius) - far, 1.5))
    return total


def branches(generator, x, y, reach: float, radius: tuple[float, float], count: int) -> np.ndarray:
    """Masks 0..1 of vessels that leave one point near the image's edge, bend and taper; lengths as `x` and `y`."""
    turn = generator.uniform(0, 2 * np.pi)
    root = 0.6 * reach * np.array([np.cos(turn), np.sin(turn)])
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape), "float32")
    for _ in range(count):
        way = turn + np.pi + generator.uniform(-1.1, 1.1)
        wide, length, bend = generator.uniform(*radius), reach * generator.uniform(0.6, 1.5), generator.normal(0, 0.25)
        dx, dy = x - root[0] - generator.normal(0, 0.05 * reach), y - root[1] - generator.normal(0, 0.05 * reach)
        along, across = dx * np.cos(way) + dy * np.sin(way), dy * np.cos(way) - dx * np.sin(way)
        part = along / length
        across = across - bend * length * part**2 - 0.04 * length * np.sin(7 * part + way)
        inside = np.minimum(wide * (1 - 0.8 * np.clip(part, 0, 1)) - np.abs(across), np.minimum(along, length - along))
        total = np.maximum(total, soft(inside, 1.5))
    return total


def shift(image: np.ndarray, right: float, down: float, turn: float = 0.0) -> np.ndarray:
    """An image moved by pixels (and turned by degrees), its border repeated."""
    import cv2

    size = image.shape[0]
    move = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), turn, 1.0)
    move[:, 2] += right, down
    return cv2.warpAffine(image, move, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
