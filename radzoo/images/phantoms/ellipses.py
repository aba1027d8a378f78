"""Slices made of ellipses, each pixel the mean of what lies in it; and the ellipses' own exact line integrals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FINE = 4  # samples of a pixel along each axis


@dataclass(frozen=True)
class Ellipse:
    """An ellipse in mm: x to the right, y down, from the middle of the slice.

    Attributes:
        centre, axes: `(x, y)`, the half axes before it is turned.
        hu: its value, which replaces what lies under it.
        angle: radians, clockwise as seen.
    """

    centre: tuple[float, float]
    axes: tuple[float, float]
    hu: float
    angle: float = 0.0

    def integral(self, theta, s) -> np.ndarray:
        """Length in mm that rays x cos θ - y sin θ = s (with y down) have inside it."""
        x, y = self.centre
        turn = theta + self.angle
        wide = (self.axes[0] * np.cos(turn)) ** 2 + (self.axes[1] * np.sin(turn)) ** 2
        apart = s - (x * np.cos(theta) - y * np.sin(theta))
        return 2 * self.axes[0] * self.axes[1] / wide * np.sqrt(np.maximum(wide - apart**2, 0))


def paint(shapes, size: int, pixel: float, ground: float = -1000.0) -> np.ndarray:
    """Lays ellipses over one another, the last on top.

    Args:
        size: of the square slice in pixels of `pixel` mm.
        ground: HU where there is none.
    Returns:
        float32 HU `(size, size)`.
    """
    fine, step = np.full((size * FINE, size * FINE), ground, "float32"), pixel / FINE
    places = (np.arange(size * FINE) - (size * FINE - 1) / 2) * step
    for shape in shapes:
        (x, y), reach = shape.centre, max(shape.axes)
        columns, rows = (slice(*np.searchsorted(places, (at - reach, at + reach))) for at in (x, y))
        dx, dy = places[None, columns] - x, places[rows, None] - y
        cos, sin = np.cos(shape.angle), np.sin(shape.angle)
        inside = ((dx * cos + dy * sin) / shape.axes[0]) ** 2 + ((dy * cos - dx * sin) / shape.axes[1]) ** 2 <= 1
        fine[rows, columns][inside] = shape.hu
    return fine.reshape(size, FINE, size, FINE).mean((1, 3), dtype="float32")
