"""Volumes on other grids: another spacing, another size, the frame of another volume. Linear for images, nearest for
labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from radzoo.errors import BadInput
from radzoo.images.volumes.volume import Volume, turned

SAME_GRID = 0.01  # voxels by which corners of one grid may differ
OUTSIDE = 0.01  # part of the labelled voxels that an image may not reach
MIRRORED = np.diag([-1.0, -1.0, 1.0, 1.0])  # LPS written as RAS, or the reverse
LARGEST = 2**31  # voxels


def to_spacing(volume: Volume, spacing_mm, *, labels: bool = False) -> Volume:
    """The same field of view with another spacing `(z, y, x)`; images are smoothed first where voxels grow.

    The outer faces of the first voxels stay where they are; the far faces move by less than half a new voxel.

    Raises:
        BadInput: a spacing that is not positive, or makes more than 2**31 voxels.
    """
    wanted, old = np.array(spacing_mm, float), np.array(volume.spacing_mm)
    if wanted.shape != (3,) or not np.isfinite(wanted).all() or (wanted <= 0).any():
        raise BadInput(f"spacing_mm is {spacing_mm}, expected three positive numbers (z, y, x)")
    factor = wanted / old
    shape = tuple(int(size) for size in np.maximum(np.rint(np.array(volume.values.shape) / factor), 1))
    if np.prod(np.array(shape, float)) > LARGEST:
        raise BadInput(f"spacing_mm {spacing_mm} makes {shape} voxels, more than {LARGEST}: take a larger one")
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ ((factor - 1) / 2)
    affine[:3, :3] *= factor
    values = volume.values
    if not labels:
        values = ndimage.gaussian_filter(values.astype("float32"), np.maximum(factor - 1, 0) / 2, mode="nearest")
    values = _sampled(values, factor, (factor - 1) / 2, shape, labels, mode="nearest")
    told = " x ".join(f"{each:g}" for each in wanted)
    return replace(volume, values=values, affine=affine, applied=(*volume.applied, f"resampled to {told} mm"))


def onto(volume: Volume, grid: Volume, *, labels: bool = False, fill: float | None = None) -> Volume:
    """A volume on the voxels of another; outside of its field it is `fill` (None: its least value, of labels 0)."""
    if same_grid(volume, grid):
        return volume
    there = np.linalg.inv(volume.affine) @ grid.affine
    if fill is None:
        fill = 0 if labels else float(volume.values.min())
    values = volume.values if labels else volume.values.astype("float32")
    mode = "grid-constant" if labels else "constant"  # a label fills its voxel, and rounding loses none at the border
    values = _sampled(values, there[:3, :3], there[:3, 3], grid.values.shape, labels, mode=mode, cval=fill)
    return replace(volume, values=values, affine=grid.affine, applied=(*volume.applied, "resampled onto another grid"))


def mask_onto(mask: Volume, image: Volume) -> Volume:
    """A mask in the frame of its image: where they overlap in the patient decides, not the shapes of the arrays.

    Raises:
        BadInput: a mask that is the image's mirrored (one header is LPS where the other is RAS), or whose labels lie
            outside of the image by more than 1 %.
    """
    if same_grid(mask, image):
        return mask
    mirrored = turned(replace(mask, affine=MIRRORED @ mask.affine))
    if same_grid(mirrored, turned(image)):
        raise BadInput(
            "the mask lies mirrored to its image (x and y have the other sign): one of the two headers is RAS where "
            "the other is LPS, correct it"
        )
    labelled = np.argwhere(mask.values)
    if len(labelled):
        there = image.voxels(mask.positions(labelled))
        inside = ((there >= -0.5) & (there <= np.array(image.values.shape) - 0.5)).all(1)
        if inside.mean() < 1 - OUTSIDE:
            away = np.linalg.norm(mask.positions(labelled).mean(0) - _centre(image))
            raise BadInput(
                f"{np.count_nonzero(~inside)} of {len(inside)} labelled voxels lie outside of the image (centres "
                f"{away:.0f} mm apart): is this the mask of this image?"
            )
    return onto(mask, image, labels=True)


def crop_or_pad(volume: Volume, shape, *, centre=None, fill: float | None = None) -> Volume:
    """A box of `shape` voxels `(z, y, x)` around a voxel (None: the middle), padded where it reaches out.

    Args:
        centre: voxel `(z, y, x)`, which becomes voxel `shape // 2`.
        fill: of voxels that are not there; None takes the least value.
    """
    shape, size = np.array(shape, int), np.array(volume.values.shape)
    if shape.shape != (3,) or (shape < 1).any():
        raise BadInput(f"the box is {tuple(shape)} voxels, expected three positive numbers (z, y, x)")
    first = (size // 2 if centre is None else np.rint(centre).astype(int)) - shape // 2
    fill = volume.values.min() if fill is None else fill
    values = np.full(tuple(shape), fill, volume.values.dtype)
    low, high = np.clip(first, 0, size), np.clip(first + shape, 0, size)
    here = tuple(slice(a, b) for a, b in zip(low - first, high - first, strict=True))
    values[here] = volume.values[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    affine = volume.affine.copy()
    affine[:3, 3] = volume.positions(first[None])[0]
    return replace(volume, values=values, affine=affine)


def same_grid(one: Volume, two: Volume) -> bool:
    """Whether two volumes have the same voxels at the same places."""
    if one.values.shape != two.values.shape:
        return False
    corners = np.array([[z, y, x] for z in (0, 1) for y in (0, 1) for x in (0, 1)]) * (np.array(one.values.shape) - 1)
    return bool(np.abs(two.voxels(one.positions(corners)) - corners).max() < SAME_GRID)


def _centre(volume: Volume) -> np.ndarray:
    return volume.positions((np.array([volume.values.shape]) - 1) / 2)[0]


def _sampled(values, matrix, offset, shape, labels: bool, **options) -> np.ndarray:
    return ndimage.affine_transform(values, matrix, offset, shape, order=0 if labels else 1, prefilter=False, **options)
