"""Slices that can be scanned: what is refused, and how many are taken at a time."""

from __future__ import annotations

import math

import numpy as np

from radzoo.errors import BadInput


def checked(hu: np.ndarray, spacing_mm) -> float:
    """The side of the square pixels in mm, of slices that can be projected.

    Raises:
        BadInput: pixels that are not square, values that are no number, or that are no CT with air around.
    """
    if hu.ndim not in (2, 3) or not hu.size:
        raise BadInput(f"an image of shape {hu.shape} came, expected a slice (h, w) or a volume (z, h, w)")
    step = tuple(float(each) for each in spacing_mm)
    if len(step) != hu.ndim or not min(step) > 0 or not math.isclose(step[-1], step[-2], rel_tol=1e-3):
        raise BadInput(f"spacing {step} mm came, expected one number per axis and square pixels: resample the image")
    low, high = float(np.min(hu)), float(np.max(hu))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise BadInput("the image holds NaN or infinite values: repair or leave out this image")
    if low > -500 or low < -10000 or high > 40000:
        raise BadInput(f"values span {low:g} to {high:g}, expected whole slices of CT in HU, air around the patient")
    return step[-1]


def fours(volume: np.ndarray) -> list[np.ndarray]:
    """Four planes at a time: as many as are projected together, and no more sinograms in memory than these."""
    return [volume] if volume.ndim == 2 else [volume[start : start + 4] for start in range(0, len(volume), 4)]
