"""Shapes and textures in three dimensions: a grid in mm, tubes that taper, lobulated bodies, random fields."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import fft

from radzoo.images.phantoms.texture import soft


@dataclass(frozen=True, eq=False)
class Grid:
    """Voxel centres in mm along `(z, y, x)`, to the head, the back and the left, the origin in the middle.

    Attributes:
        shape: voxels along `(z, y, x)`.
        step: mm between them.
    """

    shape: tuple[int, int, int]
    step: tuple[float, float, float]

    @cached_property
    def axes(self) -> list[np.ndarray]:
        """z, y and x, each `(n,)`."""
        pairs = zip(self.shape, self.step, strict=True)
        return [((np.arange(n) - (n - 1) / 2) * step).astype("float32") for n, step in pairs]

    @property
    def open(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """z `(n, 1, 1)`, y `(1, n, 1)` and x `(1, 1, n)`."""
        return np.ix_(*self.axes)

    def places(self, voxels) -> np.ndarray:
        """`(n, 3)` voxels as places in mm."""
        return (np.asarray(voxels) - (np.array(self.shape) - 1) / 2) * self.step

    def span(self, low, high) -> tuple[np.ndarray, np.ndarray]:
        """The first voxel and the one after the last between corners `(..., 3)` in mm; none where both are equal."""
        middle, size = (np.array(self.shape) - 1) / 2, np.array(self.shape)
        first, last = np.floor(low / np.array(self.step) + middle), np.ceil(high / np.array(self.step) + middle) + 1
        return np.clip(first, 0, size).astype(int), np.clip(last, 0, size).astype(int)

    def near(self, low, high) -> tuple[tuple[slice, slice, slice], tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The part between two corners in mm: its place in the grid (perhaps empty), and its `open` axes."""
        return self.part(*self.span(low, high))

    def part(self, first, last) -> tuple[tuple[slice, slice, slice], tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The voxels of a `span` and their `open` axes."""
        place = tuple(slice(start, stop) for start, stop in zip(first, last, strict=True))
        z, y, x = (axis[each] for axis, each in zip(self.axes, place, strict=True))
        return place, (z[:, None, None], y[None, :, None], x[None, None, :])


def ellipsoid(z, y, x, centre, axes) -> np.ndarray:
    """About the distance to an ellipsoid's surface, positive inside; `centre` and `axes` `(z, y, x)`."""
    parts = [((each - c) / a) ** 2 for each, c, a in zip((z, y, x), centre, axes, strict=True)]
    return (1 - np.sqrt(parts[0] + parts[1] + parts[2])) * min(axes)


def tube(z, y, x, start, end, radii) -> np.ndarray:
    """Distance to the surface of a straight tube with round ends whose radius goes from `radii[0]` to `radii[1]`."""
    a, b, c = (float(each) for each in np.subtract(end, start))
    dz, dy, dx = z - float(start[0]), y - float(start[1]), x - float(start[2])
    share = np.clip((dz * a + dy * b + dx * c) / max(a * a + b * b + c * c, 1e-6), 0, 1)
    apart = np.sqrt((dz - share * a) ** 2 + (dy - share * b) ** 2 + (dx - share * c) ** 2)
    return float(radii[0]) + float(radii[1] - radii[0]) * share - apart


def draw_tubes(mask: np.ndarray, grid: Grid, starts, ends, radii, edge: float) -> None:
    """Adds tubes to a mask 0..1 of the grid, in place; where they overlap the higher value counts.

    Args:
        starts, ends: `(n, 3)` in mm.
        radii: `(n, 2)` in mm; a tube thinner than the edge is fainter, as its part of the voxels is smaller.
        edge: mm.
    """
    reach = radii.max(1, keepdims=True) + edge
    spans = grid.span(np.minimum(starts, ends) - reach, np.maximum(starts, ends) + reach)
    for start, end, wide, first, last in zip(starts, ends, radii, *spans, strict=True):
        if (first < last).all():
            place, (z, y, x) = grid.part(first, last)
            share = soft(tube(z, y, x, start, end, wide), edge) * min(1.0, 2 * float(wide.mean()) / edge)
            np.maximum(mask[place], share, out=mask[place])


def directions(generator, count: int) -> np.ndarray:
    """Unit vectors `(count, 3)`, all directions alike."""
    way = generator.normal(size=(count, 3))
    return way / np.linalg.norm(way, axis=1, keepdims=True)


def lobulated(z, y, x, centre, radius: float, lobes, heights, sharp: float) -> np.ndarray:
    """About the distance to the surface of a ball with bumps, positive inside.

    Args:
        lobes: unit vectors `(n, 3)` to the tops of the bumps.
        heights: `(n,)`, of the radius; negative ones are notches.
        sharp: 2 for bumps as wide as the ball, 10 for narrow ones.
    """
    dz, dy, dx = z - centre[0], y - centre[1], x - centre[2]
    apart = np.sqrt(dz**2 + dy**2 + dx**2)
    scale, edge = 1 / np.maximum(apart, 1e-3), np.float32(1)
    for (a, b, c), height in zip(lobes, heights, strict=True):
        edge = edge + height * np.exp(sharp * ((dz * a + dy * b + dx * c) * scale - 1))
    return (radius * np.clip(edge, 0.55, 1.6) - apart).astype("float32")


def field(generator, grid: Grid, exponent: float, coarsest: float, finest: float) -> np.ndarray:
    """A Gaussian random field on the grid, of variance 1, whose power falls as 1 / f^exponent.

    Args:
        coarsest, finest: wavelengths in mm, beyond which the power is flat, and at which the amplitude has fallen to
            1/e of that law.
    """
    white = fft.rfftn(generator.standard_normal(grid.shape, dtype="float32"))
    (depth, height, width), (dz, dy, dx) = grid.shape, grid.step
    fz, fy, fx = fft.fftfreq(depth, dz)[:, None, None], fft.fftfreq(height, dy)[:, None], fft.rfftfreq(width, dx)
    square = (fz**2 + fy**2 + fx**2).astype("float32")
    gain = np.exp(-square * np.float32(finest**2))
    if exponent:
        gain *= (square + np.float32(coarsest**-2.0)) ** np.float32(-exponent / 4)
    values = fft.irfftn(white * gain, s=grid.shape)
    return (values - values.mean()) / values.std()
