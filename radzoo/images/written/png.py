"""Labels as pictures: their numbers, and their contours on the image.

Of a volume there are three planes, those that hold most of the labels: axial above, coronal below it, sagittal to the
right of the coronal; the patient's right is on the left.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from radzoo import images
from radzoo.errors import BadInput
from radzoo.images import volumes
from radzoo.images.drawn import drawn
from radzoo.images.volumes import fitted

SIDE = 512  # pixels of the longest side of a volume
SOFT_TISSUE = (40.0, 400.0)  # HU


def save(labels: np.ndarray, source: str, classes: tuple[str, ...], drafts: list[Path], window=None) -> None:
    """Writes the numbers of the labels as grey levels, and their contours on the image.

    Args:
        labels: `(h, w)`, or `(z, y, x)` of the turned volume, uint8 or uint16.
        drafts: where the two files are written to.
        window: `"percentile"`, or `(center, width)`; None takes percentiles, and 40 400 of a volume in HU.
    Raises:
        BadInput: labels of another shape, or a source that cannot be read.
    """
    image, numbers = (_flat if labels.ndim == 2 else _planes)(labels, source, window)
    Image.fromarray(np.ascontiguousarray(numbers)).save(drafts[0], format="PNG")
    Image.fromarray(drawn(image, predicted=numbers)).save(drafts[1], format="PNG")


def _flat(labels: np.ndarray, source: str, window) -> tuple[np.ndarray, np.ndarray]:
    pixels = images.read(source, window or "percentile")
    if labels.shape != pixels.size:
        raise BadInput(f"labels {labels.shape} came for an image of {pixels.size} pixels: give those of this image")
    return pixels.values, labels


def _planes(labels: np.ndarray, source: str, window) -> tuple[np.ndarray, np.ndarray]:
    volume = volumes.read(source, uneven="resample")
    if labels.shape != volume.size:
        raise BadInput(f"labels {labels.shape} came for a volume of {volume.size} voxels: give those of this volume")
    scale = fitted.scale(volume, window or (SOFT_TISSUE if volume.modality == "CT" else "percentile"))
    shown = labels > 0
    sums = (shown.sum((1, 2)), shown.sum((0, 2)), shown.sum((0, 1)))
    z, y, x = (int(each.argmax()) if each.any() else len(each) // 2 for each in sums)
    lengths = np.array(volume.size) * volume.spacing_mm
    depth, height, width = (max(1, round(length)) for length in lengths * SIDE / lengths.max())
    planes = (
        ((z,), slice(0, height), slice(0, width)),
        ((slice(None, None, -1), y), slice(height, None), slice(0, width)),  # the head is above
        ((slice(None, None, -1), slice(None), x), slice(height, None), slice(width, None)),
    )
    image = np.zeros((height + depth, width + height), "float32")
    numbers = np.zeros(image.shape, labels.dtype)
    for plane, down, across in planes:
        size = numbers[down, across].shape[::-1]
        image[down, across] = cv2.resize(scale(volume.values[plane]), size, interpolation=cv2.INTER_LINEAR)
        near = cv2.INTER_NEAREST_EXACT
        numbers[down, across] = cv2.resize(np.ascontiguousarray(labels[plane]), size, interpolation=near)
    return image, numbers
