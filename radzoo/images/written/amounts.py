"""How much of each class there is."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from radzoo.errors import BadInput


def amounts(labels: np.ndarray, spacing_mm, classes) -> pd.DataFrame:
    """Voxels and volume of each class, of those without a voxel too.

    Args:
        labels: `(z, y, x)`, 0 outside, 1, 2, … the `classes`.
        spacing_mm: `(z, y, x)`.
    Returns:
        A row for each class, in their order: `class`, `voxels`, `ml`.
    Raises:
        BadInput: no volume, or labels beyond the classes.
    """
    if labels.ndim != 3 or len(spacing_mm) != 3:
        raise BadInput(f"labels {labels.shape} with {len(spacing_mm)} spacings came, expected a volume (z, y, x)")
    counts = np.bincount(labels.ravel(), minlength=len(classes) + 1)[1:]
    if len(counts) > len(classes):
        raise BadInput(f"the label {len(counts)} came for {len(classes)} classes")
    return pd.DataFrame({"class": list(classes), "voxels": counts, "ml": counts * math.prod(spacing_mm) / 1000})
