"""A volume as a flat picture: three planes through one place, as a radiologist looks at them."""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 256  # pixels of the longest side of a plane
LETTER = 0.45  # of OpenCV's font
BARS_MM = (100, 50, 20, 10, 5, 2, 1)


def three_planes(values: np.ndarray, *, voxel=None, spacing_mm=None) -> np.ndarray:
    """`arranged` as a picture with letters: the patient's right is on the left.

    Args:
        values: `(z, y, x)` in 0..1, turned (`SPL`).
        voxel, spacing_mm: as for `arranged`; without a spacing there is no scale bar.
    Returns:
        float32 `(h, w)` in 0..1.
    """
    picture = np.round(arranged(values, voxel=voxel, spacing_mm=spacing_mm).clip(0, 1) * 255).astype("uint8")
    _, height, width, scale = _lengths(values.shape, spacing_mm)
    bottom = picture.shape[0] - 6
    for text, x, y in (("R", 3, height - 6), ("L", width - 12, height - 6), ("A", width + 3, bottom),
                       ("P", picture.shape[1] - 12, bottom)):  # fmt: skip
        _write(picture, text, x, y)
    if spacing_mm is not None:
        _bar(picture, scale, width, height)
    return picture / np.float32(255)


def arranged(values: np.ndarray, *, voxel=None, spacing_mm=None) -> np.ndarray:
    """Three planes of a volume: axial above, coronal below it, sagittal to the right of the coronal.

    Args:
        values: `(z, y, x)`, turned (`SPL`).
        voxel: `(z, y, x)` that the planes go through; None takes the middle.
        spacing_mm: `(z, y, x)`; None draws voxels as cubes.
    Returns:
        float32 `(h, w)`, 0 where there is no plane.
    """
    z, y, x = (size // 2 for size in values.shape) if voxel is None else (round(each) for each in voxel)
    depth, height, width, _ = _lengths(values.shape, spacing_mm)
    picture = np.zeros((height + depth, width + height), "float32")
    picture[:height, :width] = _sized(values[z], height, width)
    picture[height:, :width] = _sized(values[::-1, y], depth, width)  # the head is above
    picture[height:, width:] = _sized(values[::-1, :, x], depth, height)
    return picture


def _lengths(shape, spacing_mm) -> tuple[int, int, int, float]:
    """Pixels along z, y and x, and pixels per millimetre (or voxel)."""
    lengths = np.array(shape) * (spacing_mm or (1, 1, 1))
    scale = SIDE / lengths.max()
    return *(max(1, round(length * scale)) for length in lengths), scale


def _sized(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    how = cv2.INTER_AREA if plane.shape[0] > height or plane.shape[1] > width else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(plane, "float32"), (width, height), interpolation=how)


def _write(picture: np.ndarray, text: str, x: int, y: int) -> None:  # OpenCV writes on 8 bits alone
    for grey, thickness in ((0, 3), (255, 1)):  # is seen on bone and on air
        cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, LETTER, grey, thickness, cv2.LINE_AA)


def _bar(picture: np.ndarray, scale: float, width: int, height: int) -> None:
    """Above the sagittal plane, beside the axial one, where the picture is empty."""
    length = next((each for each in BARS_MM if each * scale <= height - 20), BARS_MM[-1])
    end = width + 10 + max(1, round(length * scale))
    cv2.line(picture, (width + 10, height - 14), (end, height - 14), 255, 2)
    _write(picture, f"{length} mm", width + 10, height - 20)
