"""Planes that are tilted or unevenly spaced, resampled to a straight, even grid: a choice that a user makes."""

from __future__ import annotations

import cv2
import numpy as np

from radzoo.images.volumes.stack import Stack


def straight(planes: np.ndarray, stack: Stack, spacing_mm) -> tuple[np.ndarray, np.ndarray]:
    """Each plane slides back in its plane, then planes are interpolated along the normal, both linearly.

    The grid takes in all planes; where there is none, it holds the least value of the series.

    Args:
        planes: `(n, h, w)` in the order of the stack.
        spacing_mm: `(y, x)`.
    Returns:
        float32 `(z, y, x)`, with `stack.step` between planes, and its affine.
    """
    slid = (stack.shifts / np.array(spacing_mm)).astype(float)  # pixels (y, x)
    low, high = np.floor(slid.min(0)).astype(int), np.ceil(slid.max(0)).astype(int)
    height, width = np.array(planes.shape[1:]) + high - low
    least = float(planes.min())
    moved = np.empty((len(planes), height, width), "float32")
    for plane, (y, x), out in zip(planes, slid - low, moved, strict=True):
        move = np.array([[1, 0, x], [0, 1, y]], float)
        cv2.warpAffine(
            plane.astype("float32"), move, (int(width), int(height)), dst=out, flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT, borderValue=least,
        )  # fmt: skip
    wanted = np.arange(0, stack.places[-1] + 1e-6 * stack.step, stack.step)
    above = np.clip(np.searchsorted(stack.places, wanted, side="right"), 1, len(planes) - 1)
    weight = (wanted - stack.places[above - 1]) / (stack.places[above] - stack.places[above - 1])
    weight = weight.astype("float32")[:, None, None]
    values = (1 - weight) * moved[above - 1] + weight * moved[above]
    affine = stack.affine.copy()
    normal = np.cross(affine[:3, 2], affine[:3, 1])
    affine[:3, 0] = normal / np.linalg.norm(normal) * stack.step
    affine[:3, 3] += affine[:3, 1] * low[0] + affine[:3, 2] * low[1]
    return values, affine
