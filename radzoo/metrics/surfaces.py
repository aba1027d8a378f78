"""Distances between the surfaces of two masks.

The surface of a mask are its voxels with a face on a voxel outside of it; what lies beyond the image is outside.
Distances are Euclidean, between voxel centres, from every surface voxel of one mask to the nearest of the other.

ASD, RMSD and MSD pool both ways: their mean, root mean square and largest (Heimann et al., SLIVER07, IEEE TMI 2009).
HD95 is the larger of the 95 % percentiles of each way, interpolated, as in MONAI. MedPy and older nnU-Net take one
percentile of both ways pooled, which is never larger.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

NEAR = 10  # voxels up to which a tree is searched: quicker than a distance map there, slower beyond


def surface_measures(truth, predicted, spacing) -> dict[str, float]:
    """`asd rmsd msd hd95` in the unit of the spacing; all NaN where a mask is empty.

    Args:
        truth, predicted: boolean `(*spatial)`.
        spacing: of a voxel along each axis.
    """
    truth, predicted = np.asarray(truth, bool), np.asarray(predicted, bool)
    if not (truth.any() and predicted.any()):
        return dict.fromkeys(("asd", "rmsd", "msd", "hd95"), np.nan)
    ways = surface_distances(truth, predicted, spacing)
    both = np.concatenate(ways)
    return {
        "asd": float(both.mean()),
        "rmsd": float(np.sqrt((both**2).mean())),
        "msd": float(both.max()),
        "hd95": float(max(np.percentile(way, 95) for way in ways)),
    }


def surface_distances(one, two, spacing) -> tuple[np.ndarray, np.ndarray]:
    """From each surface voxel of `one` to the surface of `two`, and back; both boolean `(*spatial)`, neither empty."""
    (box,) = ndimage.find_objects((one | two).astype("uint8"))
    spacing = np.asarray(spacing, float)
    one, two = ((edge, np.argwhere(edge) * spacing) for edge in (surface(one[box]), surface(two[box])))
    return _away(one, two, spacing), _away(two, one, spacing)


def surface(mask) -> np.ndarray:
    """Boolean `(*spatial)`: the voxels of a mask with a face on what is outside (SciPy erodes half as fast)."""
    inside, framed = mask.copy(), np.pad(mask, 1)
    for axis in range(mask.ndim):
        for side in (slice(None, -2), slice(2, None)):
            inside &= framed[tuple(side if each == axis else slice(1, -1) for each in range(mask.ndim))]
    return mask & ~inside


def _away(one, two, spacing) -> np.ndarray:
    """A tree over the surface for what is near, a distance map of the box where anything is far.

    Predictions are mostly near. A tree alone would take minutes for two far shells, where every voxel is about as far.

    Args:
        one, two: each a surface `(*spatial)` and its places `(n, axes)`, in the unit of the spacing.
    """
    near = NEAR * np.exp(np.log(spacing).mean())
    away = KDTree(two[1]).query(one[1], distance_upper_bound=near, workers=-1)[0]
    if np.isinf(away).any():
        away = ndimage.distance_transform_edt(~two[0], sampling=spacing)[one[0]]
    return away
