"""Random changes of training volumes: the options of `augment`, in three dimensions."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from radzoo.images.elastic import displacement

AXES = 3


def augment_volume(
    volume: np.ndarray,
    generator: np.random.Generator,
    *,
    shift: float = 0.0,
    rotate: float = 0.0,
    zoom: float = 0.0,
    crop: float = 0.0,
    elastic: float = 0.0,
    brightness: float = 0.0,
    contrast: float = 0.0,
    noise: float = 0.0,
    erase: float = 0.0,
    flip: bool = False,
) -> np.ndarray:
    """Moves a volume, changes its grey values, adds noise and hides a box, within limits that are all "at most".

    Args:
        volume: float32 in 0..1, `(z, y, x, channels)`.
        shift: part of the side, along each axis.
        rotate: degrees about each axis, one rotation after the other.
        zoom, brightness, contrast, noise: as in `augment.augment`.
        crop: part of each side that is cut away before the rest is enlarged.
        elastic: smooth displacement, as a part of the side along each axis (`elastic.displacement`).
        erase: volume of a box of uniform noise, as a part of the whole.
        flip: mirror left and right (x) in half of the cases.
    Returns:
        float32 of the same shape in 0..1; black comes in from outside; the same volume where nothing is asked for.
    """
    draw = generator.uniform(-1, 1, 20)
    grain, filling, bending = (np.random.default_rng(seed) for seed in generator.integers(2**63, size=3))
    size = np.array(volume.shape[:AXES])
    mirrored = bool(flip) and draw[0] > 0
    if mirrored or shift or rotate or zoom or crop or elastic:
        part = 1 - crop * (draw[1] + 1) / 2
        matrix = _rotation(np.radians(rotate) * draw[2:5]) * (part / (1 + zoom * draw[5]))
        moved = draw[6:9] * shift * size + draw[9:12] * (1 - part) / 2 * size
        if mirrored:
            matrix[:, 2] *= -1  # from new places to old ones: x is mirrored last
        middle = (size - 1) / 2
        bend = displacement(volume.shape[:AXES], elastic, bending) if elastic else None
        volume = _each_channel(volume, matrix, middle - matrix @ middle - moved, bend)
    if brightness or contrast:
        mean = volume.mean(axis=(0, 1, 2), keepdims=True)
        volume = (volume - mean) * np.float32(1 + draw[12] * contrast) + mean + np.float32(draw[13] * brightness)
    if noise:
        volume = volume + np.float32((draw[14] + 1) / 2 * noise) * grain.standard_normal(volume.shape, dtype="float32")
    if erase:
        side = np.maximum((((draw[15] + 1) / 2 * erase) ** (1 / AXES) * size).astype(int), 0)
        first = ((draw[16:19] + 1) / 2 * (size - side + 1)).astype(int)
        box = tuple(slice(a, a + b) for a, b in zip(first, side, strict=True))
        volume = volume.copy()
        volume[box] = filling.random(volume[box].shape, dtype="float32")
    return volume.clip(0, 1)


def _rotation(angles) -> np.ndarray:
    """About z, then y, then x, on `(z, y, x)`."""
    found = np.eye(AXES)
    for axis, angle in enumerate(angles):
        one, two = (other for other in range(AXES) if other != axis)
        turn = np.eye(AXES)
        turn[one, one] = turn[two, two] = np.cos(angle)
        turn[one, two], turn[two, one] = -np.sin(angle), np.sin(angle)
        found = turn @ found
    return found


def _each_channel(volume: np.ndarray, matrix, offset, bend) -> np.ndarray:
    """Trilinear, black outside; with `bend`, places are moved by so many voxels after the affine map."""
    parts = np.moveaxis(volume, -1, 0)
    if bend is None:
        parts = [ndimage.affine_transform(part, matrix, offset, order=1) for part in parts]
    else:
        grid = np.tensordot(matrix, np.indices(bend.shape[1:]), 1) + np.reshape(offset, (AXES, 1, 1, 1))
        parts = [ndimage.map_coordinates(part, grid + bend, order=1) for part in parts]
    return np.stack(parts, axis=-1).astype("float32")
