"""Where pixels lie: fitting an image into a network's shape, and one affine move of it."""

from __future__ import annotations

import cv2
import numpy as np

CV_CHANNELS = 4  # warpAffine takes no more at once: its border value is a Scalar


def letterbox(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Scales an image into `shape` with its aspect kept, centred, the rest black.

    Shrinking averages over the area of each new pixel (no aliasing), enlarging is bilinear. An image whose size
    already fits is only framed: its pixels stay as they are, bit for bit.

    Args:
        values: `(h, w)` or `(h, w, channels)`, in 0..1.
        shape: `(h, w)` of the result.
    Returns:
        float32 `(h, w)` or `(h, w, channels)` in 0..1.
    """
    values = np.asarray(values, "float32")
    scale = min(shape[0] / values.shape[0], shape[1] / values.shape[1])
    height, width = (
        min(side, max(1, round(length * scale))) for side, length in zip(shape, values.shape, strict=False)
    )
    if (height, width) != values.shape[:2]:
        rule = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        values = _by_channels(values, lambda part: cv2.resize(part, (width, height), interpolation=rule))
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    framed = np.zeros((*shape, *values.shape[2:]), "float32")
    framed[top : top + height, left : left + width] = values.clip(0, 1)
    return framed


def warp(
    image: np.ndarray,
    *,
    shift: tuple[float, float] = (0.0, 0.0),
    rotate: float = 0.0,
    zoom: float = 1.0,
    flip: bool = False,
    crop: tuple[float, float, float] = (0.0, 0.0, 1.0),
    bend: np.ndarray | None = None,
) -> np.ndarray:
    """Crops, mirrors, rotates and zooms about the centre, shifts and bends, in one bilinear resampling; black outside.

    Args:
        image: `(h, w)` or `(h, w, channels)`.
        shift: `(down, right)` in pixels.
        rotate: degrees counter-clockwise, as `np.rot90`.
        zoom: factor of size; above 1 the content grows.
        flip: mirror left and right.
        crop: `(top, left, part)`: what begins at the pixel (top, left) and has this part of each side is enlarged to
            the whole, corner pixels onto corner pixels, so that no edge fades into the black outside.
        bend: `(2, h, w)`, pixels (down, right) from where each pixel of the result would be read without it to where
            it is read.
    Returns:
        float32, of the shape of `image`.
    """
    image = np.asarray(image, "float32")
    height, width = image.shape[:2]
    center = ((width - 1) / 2, (height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(center, rotate, zoom)  # from old (x, y) to new (x, y)
    if flip:  # x -> width - 1 - x comes first
        matrix[:, 2] += matrix[:, 0] * (width - 1)
        matrix[:, 0] *= -1
    top, left, part = crop  # x -> (x - left) / part comes before all
    matrix[:, 2] -= matrix[:, :2] @ (left / part, top / part)
    matrix[:, :2] /= part
    matrix[:, 2] += shift[1], shift[0]
    if bend is not None:
        back = cv2.invertAffineTransform(matrix)
        y, x = np.indices((height, width))
        places = [back[row, 0] * x + back[row, 1] * y + back[row, 2] + bend[1 - row] for row in range(2)]
        right, down = (each.astype("float32") for each in places)
        return _by_channels(image, lambda part: cv2.remap(part, right, down, cv2.INTER_LINEAR, borderValue=0))
    return _by_channels(
        image,
        lambda part: cv2.warpAffine(part, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=0),
    )


def _by_channels(image: np.ndarray, function) -> np.ndarray:
    """Runs an OpenCV function on at most four channels at a time, and keeps the channel axis that OpenCV drops."""
    if image.ndim == 2:
        return function(image)
    parts = np.split(image, range(CV_CHANNELS, image.shape[-1], CV_CHANNELS), axis=-1)
    done = [function(np.ascontiguousarray(part)) for part in parts]
    return np.concatenate([part.reshape(*part.shape[:2], -1) for part in done], axis=-1)
