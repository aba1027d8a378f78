"""From a coarse map to a picture: resizing, and colour over the image."""

from __future__ import annotations

import numpy as np

from radzoo.errors import BadInput


def resize(maps, shape: tuple) -> np.ndarray:
    """Linear interpolation (bilinear in 2-D, trilinear in 3-D) of `(n, *spatial)` to `(n, *shape)`, float32.

    Pixels are areas (half-pixel centres), as in `cv2.INTER_LINEAR`; the border is continued.
    """
    maps = np.asarray(maps, "float32")
    if maps.ndim != len(shape) + 1:
        raise BadInput(f"maps {maps.shape} came for images of shape {tuple(shape)}: expected (n, *spatial)")
    for axis, size in enumerate(shape, start=1):
        old = maps.shape[axis]
        place = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
        low = np.minimum(place.astype(int), max(old - 2, 0))
        part = (place - low).astype("float32").reshape([-1 if i == axis else 1 for i in range(maps.ndim)])
        high = np.minimum(low + 1, old - 1)
        maps = maps.take(low, axis) * (1 - part) + maps.take(high, axis) * part
    return maps


def overlay(image, heat, *, peak: float | None = None) -> np.ndarray:
    """A map laid over its image: colour where the output was raised, and a line around the upper half of the map.

    Colour grows more opaque with the map, so that the anatomy stays visible and what the network did not use is grey.

    Args:
        image: `(h, w)`, `(h, w, 1)` or `(h, w, 3)` in 0..1.
        heat: one map of `grad_cam`, of any size; what is negative is left out.
        peak: the value of full colour, to show several maps on one scale; None takes the map's own maximum.

    Returns:
        float32 `(h, w, 3)` in 0..1.
    """
    import cv2
    import matplotlib

    image = np.nan_to_num(np.asarray(image, "float32")).clip(0, 1)
    image = image if image.ndim == 3 else image[..., None]
    image = np.broadcast_to(image, (*image.shape[:2], 3))
    heat = np.maximum(resize(np.asarray(heat)[None], image.shape[:2])[0], 0)
    peak = float(heat.max()) if peak is None else float(peak)
    share = (heat / peak).clip(0, 1) if peak > 0 else np.zeros_like(heat)
    colour = matplotlib.colormaps["plasma"](0.25 + 0.7 * share)[..., :3]
    alpha = 0.6 * share[..., None] ** 0.8
    mixed = np.ascontiguousarray(image * (1 - alpha) + colour * alpha, "float32")
    inside = (heat >= heat.max() / 2).astype("uint8") if heat.max() > 0 else np.zeros(heat.shape, "uint8")
    lines = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
    width = max(1, round(max(image.shape[:2]) / 256))
    for grey, thickness in ((0.0, 3 * width), (1.0, width)):  # white on black is seen on bone and on air
        cv2.drawContours(mixed, lines, -1, (grey,) * 3, thickness, cv2.LINE_AA)
    return mixed.clip(0, 1)
