"""Organs come in one piece: the largest component of every class, without holes."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def largest(labels: np.ndarray, *, holes: bool = True) -> np.ndarray:
    """Keeps the largest component of every label; what was apart becomes background.

    Neighbours share a side (4 in 2-D, 6 in 3-D). Of components of one size the first in reading order stays.

    Args:
        labels: integers `(y, x)` or `(z, y, x)`, 0 is background.
        holes: whether background that one label encloses is filled with it; other labels inside it stay.

    Returns:
        A new array of the same shape and type.
    """
    kept = np.zeros_like(labels)
    for label, box in enumerate(ndimage.find_objects(labels), 1):
        if box is not None:
            parts, count = ndimage.label(labels[box] == label)
            sizes = np.bincount(parts.ravel(), minlength=count + 1)
            kept[box][parts == sizes[1:].argmax() + 1] = label
    for label, box in enumerate(ndimage.find_objects(kept) if holes else (), 1):
        if box is not None:
            filled = ndimage.binary_fill_holes(kept[box] == label)
            kept[box][filled & (kept[box] == 0)] = label
    return kept
