"""Grey levels alone: an image's histogram and its rim."""

from __future__ import annotations

import numpy as np

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
BORDER, CORNER = 32, 8  # a border is 1/32 of the side, a corner the square (rectangle) of 1/8 of both sides
DARK, BRIGHT = 1 / 255, 254 / 255  # as black and white as 8 bits tell


def grey_levels(image: np.ndarray) -> np.ndarray:
    """What an image's histogram and its rim tell: nothing about what lies where within it.

    Per channel: mean, standard deviation, skewness, seven percentiles, the shares of black and of white; then mean and
    standard deviation of the four borders and of the four corners, where collimation, padding and burnt-in marks are.
    The rim of a volume is that of its mean along z.

    Args:
        image: float32 `(h, w, channels)` or `(z, y, x, channels)` in 0..1, as a network sees it before normalisation.
    Returns:
        float32 `(28 * channels,)`.
    """
    return np.concatenate([_histogram(plane) + _rim(plane) for plane in np.moveaxis(image, -1, 0)]).astype("float32")


def _histogram(plane: np.ndarray) -> list[float]:
    plane = plane.astype(float)
    mean, sd = plane.mean(), plane.std()
    skewness = ((plane - mean) ** 3).mean() / sd**3 if sd > 1e-6 else 0.0
    return [mean, sd, skewness, *np.percentile(plane, PERCENTILES), (plane <= DARK).mean(), (plane >= BRIGHT).mean()]


def _rim(plane: np.ndarray) -> list[float]:
    plane = plane if plane.ndim == 2 else plane.mean(0, dtype=float)
    height, width = (max(1, side // BORDER) for side in plane.shape)
    borders = plane[:height], plane[-height:], plane[:, :width], plane[:, -width:]
    height, width = (max(1, side // CORNER) for side in plane.shape)
    corners = [rows[:, columns] for rows in (plane[:height], plane[-height:]) for columns in _ends(width)]
    return [number for part in (*borders, *corners) for number in (part.mean(dtype=float), part.std(dtype=float))]


def _ends(length: int) -> tuple[slice, slice]:
    return slice(None, length), slice(-length, None)
