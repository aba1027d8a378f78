"""Whether the edges of a real image are still there, so that blurring is not called denoising."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

SCALE = 1.0  # pixels, of the Gaussian whose derivatives the gradients are
SHARE = 0.1  # of the pixels in the window are edges, those of the steepest wanted gradient
AROUND = 5  # pixels of the square that must lie in the window
FEWEST = 100  # pixels of edges that a number needs


def edge_ratio(restored, wanted, low: float, high: float, *, inside=None) -> float:
    """How steep the edges of the wanted image are in the restored one: 1 as steep, below 1 blurred, above 1 sharpened.

    The slope of the regression of the restored gradient on the wanted one, in its direction, over the wanted edges: sum
    of (grad r . grad w) / sum of |grad w|^2. Noise in the restored image points anywhere and so counts neither as
    sharpness nor as blur; noise in the wanted image pulls the ratio of every method below 1 alike, because what is
    steep by noise alone is not steep elsewhere. A step edge blurred by a Gaussian of s pixels, in a wanted image that
    has one of e, has a ratio of sqrt(2 a / (2 a + s^2)) with a = 1 + e^2.

    Args:
        restored, wanted: `(h, w)` or `(z, y, x)`; gradients are those within planes.
        low, high: the window; an edge lies in it if the 5 x 5 wanted pixels around do, so that the skin and the
            diaphragm, hundreds of HU high, do not decide about vessels and organs.
        inside: boolean of the same shape, where edges are looked for; None everywhere.
    Returns:
        NaN where fewer than 100 pixels are edges.
    """
    wanted, restored = np.asarray(wanted, float), np.asarray(restored, float)
    kept = within(wanted, low, high)
    if inside is not None:
        kept &= inside
    aims = gradient(wanted)
    steep = np.hypot(*aims)
    if not steep[kept].any():
        return np.nan
    edges = kept & (steep >= np.quantile(steep[kept], 1 - SHARE)) & (steep > 0)
    if edges.sum() < FEWEST:
        return np.nan
    both = sum(one[edges] @ other[edges] for one, other in zip(gradient(restored), aims, strict=True))
    return float(both / (steep[edges] ** 2).sum())


def within(image: np.ndarray, low: float, high: float) -> np.ndarray:
    """Boolean of the same shape: whether the 5 x 5 pixels around, in the plane, lie in the window."""
    square = (1,) * (image.ndim - 2) + (AROUND, AROUND)
    return (ndimage.minimum_filter(image, square) >= low) & (ndimage.maximum_filter(image, square) <= high)


def gradient(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Along y and along x, per pixel, of planes smoothed by a Gaussian of one pixel."""
    still = (0,) * (image.ndim - 2)
    sigma = (*still, SCALE, SCALE)
    return tuple(ndimage.gaussian_filter(image, sigma, order=(*still, *order)) for order in ((1, 0), (0, 1)))
