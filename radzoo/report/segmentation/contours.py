"""Contours of truth and prediction on one case: the whole flat image, or three planes of a volume."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

from radzoo.images.drawn import drawn
from radzoo.masks import IGNORE
from radzoo.report import figures

JPEG = [
    *(cv2.IMWRITE_JPEG_QUALITY, 90),
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),  # else thin lines lose their colour
]
PLANES = ("axial", "coronal", "sagittal")  # across z, y and x
SIDE = 512  # pixels of the longest side, at most, before the picture is enlarged
LEAST = 384  # and of the picture, at least


def draw(folder: Path, row: int, image, truth, predicted, spacing) -> list[dict]:
    """Writes the pictures of one case.

    Args:
        folder: `figures/` of the run.
        row: of the index; file names hold it and nothing else.
        image, truth, predicted, spacing: as of `pictures` in `report.segmentation.write`.
    Returns:
        For each picture `{"file", "plane"}`: its name in the folder and what it shows.
    """
    if truth.ndim == 2:
        return [_save(folder, f"case_{row}.jpg", "the whole image", image, truth, predicted)]
    wrong, box = (predicted != truth) & (truth != IGNORE), _box(truth, predicted)
    found = []
    for axis, name in enumerate(PLANES):
        place, why = _worst(wrong, truth, axis)
        across = [each for each in range(3) if each != axis]
        cut = tuple(place if each == axis else box[each] for each in range(3))
        pixel = [spacing[each] for each in across]
        planes = [_isotropic(np.asarray(volume)[cut], pixel, axis > 0) for volume in (image, truth, predicted)]
        told = f"{name}, plane {place + 1} of {truth.shape[axis]}{why}"
        found.append(_save(folder, f"case_{row}_{name}.jpg", told, *planes))
    return found


def _worst(wrong, truth, axis) -> tuple[int, str]:
    """The plane with most wrong voxels; without any, that with most of the truth, else the middle."""
    others = tuple(each for each in range(3) if each != axis)
    for mask, why in ((wrong, ""), ((truth > 0) & (truth != IGNORE), " (nothing is wrong; most of the truth)")):
        counts = mask.sum(others)
        if counts.any():
            return int(counts.argmax()), why
    return truth.shape[axis] // 2, " (the middle: there is nothing)"


def _box(truth, predicted) -> tuple[slice, ...]:
    """What is outlined and half of its length on each side: a small organ would be lost in the whole plane."""
    mask = (truth > 0) & (truth != IGNORE) | (predicted > 0)
    sides = []
    for axis, size in enumerate(mask.shape):
        there = np.flatnonzero(mask.any(tuple(each for each in range(3) if each != axis)))
        first, last = (there[0], there[-1] + 1) if len(there) else (0, size)
        margin = max(8, (last - first) // 2)
        sides.append(slice(max(0, first - margin), last + margin))
    return tuple(sides)


def _isotropic(plane, spacing, head_up: bool):
    """A plane with square pixels; labels stay labels, and the head is above."""
    height, width = (max(1, round(n * s / min(spacing))) for n, s in zip(plane.shape, spacing, strict=True))
    sized = _sized(plane, height, width)
    return sized[::-1] if head_up else sized


def _sized(plane, height: int, width: int):
    if plane.dtype.kind in "iub":  # labels
        return cv2.resize(np.ascontiguousarray(plane, "uint16"), (width, height), interpolation=cv2.INTER_NEAREST)
    how = cv2.INTER_AREA if height < plane.shape[0] else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(plane, "float32"), (width, height), interpolation=how)


def _save(folder, file, told, image, truth, predicted):
    image = np.nan_to_num(np.asarray(image, np.float32)).clip(0, 1)
    ratio = min(1, SIDE / max(truth.shape))
    height, width = (max(1, round(n * ratio)) for n in truth.shape)
    planes = [_sized(np.asarray(plane), height, width) for plane in (image, truth, predicted)]
    scale = max(2, math.ceil(LEAST / max(height, width)))  # lines of one pixel are too faint
    figures.save(folder / file, cv2.imencode(".jpg", drawn(*planes, scale=scale)[..., ::-1], JPEG)[1].tobytes())
    return {"file": file, "plane": told}
