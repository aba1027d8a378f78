"""A volume as a flat picture: three planes through one place, as a radiologist looks at them."""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 256  # pixels of the longest side of a plane
LETTER = 0.45  # of OpenCV's font
BARS_MM = (100, 50, 20, 10, 5, 2, 1)


def three_planes(values: np.ndarray, *, voxel=None, spacing_mm=None) -> np.ndarray:
    """Axial above, coronal below it, sagittal to the right of the coronal; the patient's right is on the left.

    Args:
        values: `(z, y, x)` in 0..1, turned (`SPL`).
        voxel: `(z, y, x)` that the planes go through; None takes the middle.
        spacing_mm: `(z, y, x)`; None draws voxels as cubes, without a scale bar.
    Returns:
        float32 `(h, w)` in 0..1.
    """
    z, y, x = (size // 2 for size in values.shape) if voxel is None else (round(each) for each in voxel)
    lengths = np.array(values.shape) * (spacing_mm or (1, 1, 1))
    scale = SIDE / lengths.max()
    depth, height, width = (max(1, round(length * scale)) for length in lengths)
    picture = np.zeros((height + depth, width + height), "uint8")  # OpenCV writes on 8 bits alone
    picture[:height, :width] = _sized(values[z], height, width)
    picture[height:, :width] = _sized(values[::-1, y], depth, width)  # the head is above
    picture[height:, width:] = _sized(values[::-1, :, x], depth, height)
    _write(picture, "R", 3, height - 6)
    _write(picture, "L", width - 12, height - 6)
    _write(picture, "A", width + 3, height + depth - 6)
    _write(picture, "P", width + height - 12, height + depth - 6)
    if spacing_mm is not None:
        _bar(picture, scale, width, height)
    return picture / np.float32(255)


def _sized(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    how = cv2.INTER_AREA if plane.shape[0] > height or plane.shape[1] > width else cv2.INTER_LINEAR
    sized = cv2.resize(np.ascontiguousarray(plane, "float32"), (width, height), interpolation=how)
    return np.round(sized.clip(0, 1) * 255).astype("uint8")


def _write(picture: np.ndarray, text: str, x: int, y: int) -> None:
    for grey, thickness in ((0, 3), (255, 1)):  # is seen on bone and on air
        cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, LETTER, grey, thickness, cv2.LINE_AA)


def _bar(picture: np.ndarray, scale: float, width: int, height: int) -> None:
    """Above the sagittal plane, beside the axial one, where the picture is empty."""
    length = next((each for each in BARS_MM if each * scale <= height - 20), BARS_MM[-1])
    end = width + 10 + max(1, round(length * scale))
    cv2.line(picture, (width + 10, height - 14), (end, height - 14), 255, 2)
    _write(picture, f"{length} mm", width + 10, height - 20)
