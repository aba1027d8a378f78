"""Fan beams by rebinning: the ray (β, γ) of a fan is the parallel ray θ = β + γ, s = R sin γ (Kak and Slaney, 3.4)."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from radzoo.physics.geometry import Fan, Parallel

MARGIN = 12  # views repeated beyond the circle's ends, and cells of nothing beside it, so that splines do not see them


def between(fan: Fan, shape: tuple[int, int], pixel_mm: float) -> Parallel:
    """Parallel views over the half circle, twice as dense as the fan's, from which it can be read."""
    reach = fan.source_mm * math.sin(fan.gammas[-1])
    fine = min(pixel_mm, 2 * reach / (fan.cells - 1)) / 2
    views = max(fan.angles.size, math.ceil(np.pi * max(shape) / 2))
    return Parallel(np.arange(views) * np.pi / views, 2 * math.ceil(reach / fine) + 1, fine)


def from_parallel(sinograms: np.ndarray, parallel: Parallel, fan: Fan) -> np.ndarray:
    """Readings of a fan.

    Args:
        sinograms: `(..., views, cells)` of `parallel`, equal steps over the half circle from 0 on.
    Returns:
        float32 `(..., views, cells)` of the fan.
    """
    whole = np.concatenate([sinograms, sinograms[..., ::-1]], axis=-2)  # from the other side s changes sign
    views = (fan.angles[:, None] + fan.gammas) * parallel.angles.size / np.pi
    cells = fan.source_mm * np.sin(fan.gammas) / parallel.cell_mm + parallel.middle
    return _read(whole, views, np.broadcast_to(cells, views.shape))


def to_parallel(sinograms: np.ndarray, fan: Fan) -> tuple[np.ndarray, Parallel]:
    """A fan's readings as those of parallel beams over the full circle, with as many views and cells.

    Args:
        sinograms: `(..., views, cells)` of the fan.
    Returns:
        float32 of the same shape; and the parallel beams, which reach as far from the axis as the fan's.
    """
    reach = fan.source_mm * math.sin(fan.gammas[-1])
    parallel = Parallel(fan.angles, fan.cells, 2 * reach / (fan.cells - 1))
    gamma = np.arcsin(np.clip(parallel.places / fan.source_mm, -1, 1))
    cells = (gamma if fan.detector == "equiangular" else np.tan(gamma) * fan.source_mm) / fan.cell
    views = (parallel.angles[:, None] - gamma - fan.angles[0]) * fan.angles.size / (2 * np.pi)
    return _read(sinograms, views, np.broadcast_to(cells + (fan.cells - 1) / 2, views.shape)), parallel


def _read(sinograms: np.ndarray, views: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Values of sinograms over the full circle `(..., v, c)` between their views and cells, both `(n, m)`."""
    *batch, count, width = sinograms.shape
    where = np.stack([np.mod(views, count), cells]) + MARGIN
    result = np.empty((int(np.prod(batch)), *views.shape), "float32")
    for slot, sinogram in zip(result, sinograms.reshape(-1, count, width), strict=True):
        wide = np.pad(np.pad(sinogram, ((MARGIN, MARGIN), (0, 0)), "wrap"), ((0, 0), (MARGIN, MARGIN)))
        slot[...] = ndimage.map_coordinates(wide, where, order=3)
    return result.reshape(*batch, *views.shape)
