"""Pooling that follows the rank of its input; every layer is called `<name>_pool` (or `<name>_energy`)."""

from __future__ import annotations

from radzoo.anisotropy import acting, followed, window
from radzoo.layers import pad, per_axis, pick, rank


def thin(x, size: int) -> tuple:
    """A pooling window of `size` that is in 3-D no deeper than the stack, so that few slices suffice."""
    depth = x.shape[1] if rank(x) == 3 else None
    return (size if depth is None else min(size, depth), *(size,) * (rank(x) - 1))


def max_pool(x, size, stride=None, *, padding="valid", name: str):
    """Maximum pooling; `size` and `stride` are one number or one per spatial axis.

    Padding (`"same"`) never wins. With stride 1 and an odd size it is that of torch and Caffe, too. For thick slices
    one number does not act along all axes (`radzoo.anisotropy`).
    """
    return _pooled(x, x, "MaxPooling", size, stride, padding, name)


def ceil_pool(x, size: int, *, name: str):
    """Max pooling of 2 or 3 with stride 2 that rounds sizes up, as Caffe and torch do, over maps nowhere negative.

    One zero at the end, which never wins, makes room for the last window on even sizes and changes nothing on odd
    ones. In 3-D the window is no deeper than the stack.
    """
    x = pad(x, (0, 1), name=f"{name}_pool")
    return max_pool(x, thin(x, size), 2, name=name)


def ceil_half(x, *, name: str):
    """Max pooling of 2 with stride 2 that rounds odd sizes up; nothing is added where an axis is not halved.

    The sizes of Caffe's pooling, over maps with any sign, and of unknown sizes.
    """
    return max_pool(x, 2, 2, padding="same", name=name)


def average_pool(x, size, stride=None, *, padding="valid", name: str):
    """Average pooling; arguments as `max_pool`.

    Args:
        padding: `"valid"`, `"same"` (TensorFlow's: the mean of what lies inside the image), or `"symmetric"` (torch
            and Caffe: size // 2 zeros on both sides, which count).
    """
    given = x
    if padding == "symmetric":
        sizes = per_axis(x, size)
        x, padding = pick(x, "ZeroPadding")(tuple(n // 2 for n in sizes), name=f"{name}_pool_pad")(x), "valid"
    return _pooled(given, x, "AveragePooling", size, stride, padding, name)


def adaptive_pool(x, size: int, *, name: str):
    """Mean over `size` windows along each axis, overlapping where they do not divide it (torch's adaptive pooling)."""
    return pick(x, "AdaptiveAveragePooling")(size, name=f"{name}_pool")(x)


def global_pool(x, *, name: str):
    """Global average pooling: `(batch, *spatial, channels)` to `(batch, channels)`."""
    return pick(x, "GlobalAveragePooling")(name=f"{name}_pool")(x)


def energy(x, *, name: str):
    """Energy of a texture: the mean of each rectified feature map over its whole extent, `(batch, channels)`."""
    return pick(x, "GlobalAveragePooling")(name=f"{name}_energy")(x)


def _pooled(given, x, kind: str, size, stride, padding: str, name: str):
    """Pooling of `x`, which is `given` with or without a border."""
    stride = size if stride is None else stride
    acts = acting(given, stride)
    y = pick(x, kind)(window(size, stride, acts), acts, padding, name=f"{name}_pool")(x)
    return followed(given, acts, y)
