"""A volume as a flat picture: three planes through one place, as a radiologist looks at them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

SIDE = 256  # pixels of the longest side of a plane
LETTER = 0.45  # of OpenCV's font
BARS_MM = (100, 50, 20, 10, 5, 2, 1)
RING, YELLOW = 9, (1.0, 0.85, 0.0)  # its radius in pixels: what it marks stays to be seen


def three_planes(
    values: np.ndarray, *, voxel=None, spacing_mm=None, scale: Callable | None = None, ring: bool = False
) -> np.ndarray:
    """`arranged` as a picture with letters: the patient's right is on the left.

    Args:
        values: `(z, y, x)`, turned (`SPL`).
        voxel, spacing_mm, scale: as for `arranged`; without a spacing there is no scale bar.
        ring: around the voxel, in yellow.
    Returns:
        float32 `(h, w)` in 0..1; with a ring `(h, w, 3)`.
    """
    planes = arranged(values, voxel=voxel, spacing_mm=spacing_mm, scale=scale)
    picture = np.round(planes.clip(0, 1) * 255).astype("uint8")
    depth, height, width, enlarged = _lengths(values.shape, spacing_mm)
    bottom = picture.shape[0] - 6
    for text, x, y in (("R", 3, height - 6), ("L", width - 12, height - 6), ("A", width + 3, bottom),
                       ("P", picture.shape[1] - 12, bottom)):  # fmt: skip
        _write(picture, text, x, y)
    if spacing_mm is not None:
        bar(picture, enlarged, height - 20, width + 10, height - 14)  # beside the axial plane, where nothing is
    if not ring:
        return picture / np.float32(255)
    z, y, x = ((place + 0.5) / size for place, size in zip(voxel, values.shape, strict=True))
    mark = np.zeros_like(picture)
    for right, down in ((x * width, y * height), (x * width, height + (1 - z) * depth),
                        (width + y * height, height + (1 - z) * depth)):  # fmt: skip
        cv2.circle(mark, (round(right), round(down)), RING, 255, 1, cv2.LINE_AA)
    part = mark[..., None] / np.float32(255)
    return picture[..., None] / np.float32(255) * (1 - part) + np.float32(YELLOW) * part


def arranged(values: np.ndarray, *, voxel=None, spacing_mm=None, scale: Callable | None = None) -> np.ndarray:
    """Three planes of a volume: axial above, coronal below it, sagittal to the right of the coronal.

    Args:
        values: `(z, y, x)`, turned (`SPL`).
        voxel: `(z, y, x)` that the planes go through; None takes the middle.
        spacing_mm: `(z, y, x)`; None draws voxels as cubes.
        scale: from the values to 0..1, where they are not.
    Returns:
        float32 `(h, w)`, 0 where there is no plane.
    """
    z, y, x = (size // 2 for size in values.shape) if voxel is None else (round(each) for each in voxel)
    depth, height, width, _ = _lengths(values.shape, spacing_mm)
    picture = np.zeros((height + depth, width + height), "float32")
    scale = scale or (lambda plane: plane)
    picture[:height, :width] = _sized(scale(values[z]), height, width)
    picture[height:, :width] = _sized(scale(values[::-1, y]), depth, width)  # the head is above
    picture[height:, width:] = _sized(scale(values[::-1, :, x]), depth, height)
    return picture


def nine(planes: np.ndarray) -> np.ndarray:
    """Nine planes `(9, h, w)` as three rows of three, in their order."""
    return np.vstack([np.hstack(row) for row in np.split(planes, 3)])


def bar(picture: np.ndarray, scale: float, most: int, x: int, y: int) -> None:
    """Draws a scale bar from `(x, y)` to the right into a uint8 picture, at most `most` pixels long.

    Args:
        scale: pixels per millimetre.
    """
    length = next((each for each in BARS_MM if each * scale <= most), BARS_MM[-1])
    cv2.line(picture, (x, y), (x + max(1, round(length * scale)), y), 255, 2)
    _write(picture, f"{length} mm", x, y - 6)


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
