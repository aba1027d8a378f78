"""Random changes of a training image: a function of the array and a generator, for any input pipeline."""

from __future__ import annotations

import numpy as np

from radzoo.images.geometry import warp


def augment(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    shift: float = 0.0,
    rotate: float = 0.0,
    zoom: float = 0.0,
    brightness: float = 0.0,
    contrast: float = 0.0,
    flip: bool = False,
) -> np.ndarray:
    """Moves an image and changes its grey values, within limits that are all "at most" and symmetric.

    Seven numbers are drawn whatever the options, so that switching one on leaves the others as they were.

    Args:
        image: float32 `(h, w, channels)` in 0..1.
        shift: part of the image's side, down and right each.
        rotate: degrees.
        zoom: relative change of size; below 1.
        brightness: additive, white is 1.
        contrast: relative change around the image's mean.
        flip: mirror left and right in half of the cases.
    Returns:
        float32 of the same shape in 0..1; the same image where nothing is asked for.
    """
    down, right, turn, size, gain, offset, mirror = generator.uniform(-1, 1, 7)
    mirrored = flip and mirror > 0
    if shift or rotate or zoom or mirrored:
        height, width = image.shape[:2]
        moved = (down * shift * height, right * shift * width)
        image = warp(image, shift=moved, rotate=turn * rotate, zoom=1 + size * zoom, flip=mirrored)
    if brightness or contrast:
        mean = image.mean()
        image = (image - mean) * np.float32(1 + gain * contrast) + mean + np.float32(offset * brightness)
    return image if not (shift or rotate or zoom or brightness or contrast or mirrored) else image.clip(0, 1)
