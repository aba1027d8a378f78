"""Filtered back-projection of parallel and fan beams (Kak and Slaney 1988, chapter 3)."""

from __future__ import annotations

import numpy as np
from scipy import fft

from radzoo.errors import BadInput
from radzoo.physics import fan
from radzoo.physics.geometry import Fan, Parallel
from radzoo.physics.projection import in_channels, warp

WINDOWS = {  # on the ramp, by frequency as a share of the highest one
    "ramp": np.ones_like,
    "shepp-logan": lambda share: np.sinc(share / 2),
    "cosine": lambda share: np.cos(np.pi * share / 2),
    "hann": lambda share: (1 + np.cos(np.pi * share)) / 2,
}


def fbp(
    sinograms: np.ndarray, geometry: Parallel | Fan, shape: tuple[int, int], pixel_mm: float, filter: str = "ramp"
) -> np.ndarray:
    """Images from their line integrals.

    Args:
        sinograms: `(..., views, cells)`.
        shape: `(h, w)` of the images, in their middle the rotation axis.
        filter: of `WINDOWS`; `ramp` is Ram-Lak.
    Returns:
        float32 `(..., h, w)` in 1/mm.
    Raises:
        BadInput: views that do not cover the half circle, another number of readings, an unknown filter.
    """
    if sinograms.shape[-2:] != (geometry.angles.size, geometry.cells):
        raise BadInput(f"{sinograms.shape[-2:]} readings came, expected {geometry.angles.size} x {geometry.cells}")
    if isinstance(geometry, Fan):
        sinograms, geometry = fan.to_parallel(sinograms, geometry)
    weights = arcs(geometry.angles)[:, None]
    filtered = filtering(np.asarray(sinograms), geometry.cell_mm, filter) * weights
    *batch, views, cells = filtered.shape
    result = np.zeros((int(np.prod(batch)), *shape), "float32")
    for some, rows in in_channels(filtered.reshape(-1, views, cells)):
        total = np.zeros((*shape, *rows.shape[2:]), "float32")
        for view, angle in enumerate(geometry.angles):
            total += _smear(rows[view : view + 1], angle, shape, pixel_mm, geometry)
        result[some] = total if total.ndim == 2 else np.moveaxis(total, -1, 0)[: len(result[some])]
    return result.reshape(*batch, *shape)


def filtering(sinograms: np.ndarray, cell_mm: float, filter: str) -> np.ndarray:
    """Every view convolved with the band-limited ramp, sampled in space so that a constant stays right (eq. 61)."""
    if filter not in WINDOWS:
        raise BadInput(f"filter {filter!r} came, expected one of {', '.join(WINDOWS)}")
    cells = sinograms.shape[-1]
    size = fft.next_fast_len(2 * cells, real=True)
    place = np.minimum(np.arange(size), size - np.arange(size))
    kernel = np.where(place % 2, -1 / (np.pi * np.maximum(place, 1)) ** 2, 0)
    kernel[0] = 0.25
    gain = fft.rfft(kernel).real / cell_mm * WINDOWS[filter](2 * fft.rfftfreq(size))
    return fft.irfft(fft.rfft(sinograms, size) * gain, size)[..., :cells]


def arcs(angles: np.ndarray) -> np.ndarray:
    """How much of the half circle each view stands for, in radians; their sum is π.

    Raises:
        BadInput: a gap more than three times as wide as it is between most neighbours.
    """
    turn = np.mod(angles, np.pi)
    order = np.argsort(turn)
    gaps = np.diff(turn[order], append=turn[order[0]] + np.pi)
    apart = gaps[gaps > 1e-6]  # views from opposite sides see the same rays
    if apart.size < 2 or apart.max() > 3 * np.median(apart):
        raise BadInput(
            f"{angles.size} views leave {np.degrees(gaps.max()):.1f} of 180 degrees unseen: filtered back-projection "
            "needs views that cover the half circle"
        )
    weights = np.empty_like(turn)
    weights[order] = (gaps + np.roll(gaps, 1)) / 2
    return weights


def _smear(row: np.ndarray, angle: float, shape, pixel_mm: float, geometry: Parallel) -> np.ndarray:
    """One filtered view `(1, cells)`, laid back over the image along its rays, linear between cells."""
    (h, w), scale = shape, pixel_mm / geometry.cell_mm
    right, down = scale * np.cos(angle), -scale * np.sin(angle)  # cells per column, per row
    first = geometry.middle - right * (w - 1) / 2 - down * (h - 1) / 2
    return warp(row, [(right, down, first), (0, 0, 0)], (w, h))
