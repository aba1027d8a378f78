"""The way back to finer maps, 2-D or 3-D from one definition: up-convolution, repetition, unpooling, linear resizing.

Channels-last Keras tensors, built from Keras' own operations. A decoder undoes the strides that its encoder really took
(`radzoo.anisotropy.between`), and cuts what it has to the size of the map that it joins.
"""

from __future__ import annotations

import functools
from itertools import product

import numpy as np
from keras import layers, ops

from radzoo.anisotropy import followed
from radzoo.errors import BadInput
from radzoo.layers import initializer, per_axis, pick, rank


def up_conv(x, filters: int, kernel: int, stride=2, *, padding="same", bias=True, initial="he_normal", name: str):
    """Transposed convolution to a map `stride` times as large; the layer is called `<name>_conv`.

    Args:
        stride: one number or one per spatial axis; the kernel stays as it is.
        padding: `"same"` (an odd kernel with stride 2 loses what it writes beyond the end), or `"valid"`, where the map
            is larger by the kernel less the stride.
        initial: of the kernel, as in `layers.conv`.
    """
    strides = per_axis(x, stride)
    layer = _transposed(x)(
        filters, kernel, strides, padding, use_bias=bias, kernel_initializer=initializer(initial), name=f"{name}_conv"
    )  # fmt: skip
    return followed(x, tuple(1 / step for step in strides), layer(x))


def repeat(x, times=2, *, name: str):
    """Every pixel `times` times along each axis, one number or one per axis; the layer is called `<name>_repeat`."""
    times = per_axis(x, times)
    return followed(x, tuple(1 / n for n in times), pick(x, "UpSampling")(times, name=f"{name}_repeat")(x))


def fixed_bilinear(x, factor: int, *, name: str):
    """FCN's transposed convolution: bilinear weights that do not learn, `<name>_bilinear`, without padding.

    The kernel of 2 * factor has the weights `1 - |distance to its centre| / factor` along each axis and joins every
    channel with itself alone. `radzoo.norms` never lets such a layer learn.

    Returns:
        A map of `(n + 1) * factor` pixels from one of n; it fades within half a factor of its border.
    """
    channels, size = x.shape[-1], 2 * factor
    row = 1 - np.abs(np.arange(size) - (size - 1) / 2) / factor
    window = functools.reduce(np.multiply.outer, [row] * rank(x))
    layer = _transposed(x)(
        channels, size, factor, "valid", use_bias=False, kernel_initializer="zeros", trainable=False,
        name=f"{name}_bilinear",
    )  # fmt: skip
    y = layer(x)
    layer.set_weights([window[..., None, None] * np.eye(channels)])
    return y


def unpool(x, before, *, name: str):
    """Every value at the place of its window's maximum in `before`, zeros elsewhere (SegNet's unpooling by index).

    Of equal maxima the first place counts, as in Caffe: along the last axis first. On maps that are zero over whole
    windows, as rectified ones are, that is the rule more often than the exception.

    Args:
        x: `(batch, *spatial, channels)`, of the sizes that `radzoo.pooling.ceil_half` makes of `before`.
        before: the map that was pooled, nowhere negative, with fixed sizes of any parity.

    Returns:
        A map of the shape of `before`.
    """
    sizes = before.shape[1:-1]
    if None in sizes:
        raise BadInput(f"unpooling needs a fixed input size, got maps of {sizes}: name all sizes in input_shape")
    windows = [-(-n // m) for n, m in zip(sizes, x.shape[1:-1], strict=True)]  # 1 where an axis was not halved
    ends = [(0, m * w - n) for n, m, w in zip(sizes, x.shape[1:-1], windows, strict=True)]
    whole = ops.pad(before, [(0, 0), *ends, (0, 0)])
    parts = [
        whole[(slice(None), *(slice(start, None, w) for start, w in zip(place, windows, strict=True)))]
        for place in product(*map(range, windows))
    ]
    best, free, placed = functools.reduce(ops.maximum, parts), ops.ones_like(x), []
    for part in parts:
        hit = free * ops.cast(ops.equal(part, best), x.dtype)
        free = free - hit
        placed.append(x * hit)
    for axis in range(rank(x), 0, -1):
        step = windows[axis - 1]
        placed = [_woven(placed[i : i + step], axis) for i in range(0, len(placed), step)]
    return cut(followed(x, tuple(1 / w for w in windows), placed[0]), ends, name=f"{name}_unpool")


def _woven(parts: list, axis: int):
    """Maps of one shape, their places along `axis` in turn."""
    shape = list(parts[0].shape)
    shape[axis] *= len(parts)
    return ops.reshape(ops.stack(parts, axis=axis + 1), (-1, *shape[1:]))


def resize(x, sizes: tuple, *, name: str):
    """Linear interpolation to fixed sizes, pixel centres half a pixel inside; the layer is called `<name>`.

    Only the last two axes can be resized at once: in 3-D each slice is, and then the rows of all slices along z.
    """
    if None in (*x.shape[1:-1], *sizes):
        raise BadInput(f"resizing needs fixed sizes, got maps of {x.shape[1:-1]} for {sizes}: name all sizes")
    channels = x.shape[-1]
    if rank(x) == 2:
        y = ops.image.resize(x, sizes, "bilinear")
    else:
        depth, *plane = sizes
        flat = ops.image.resize(ops.reshape(x, (-1, *x.shape[2:])), plane, "bilinear")
        rows = ops.reshape(flat, (-1, x.shape[1], plane[0] * plane[1], channels))
        y = ops.reshape(ops.image.resize(rows, (depth, plane[0] * plane[1]), "bilinear"), (-1, *sizes, channels))
    return layers.Identity(name=name)(y)


def cut(x, amounts, *, name: str):
    """Without `(before, after)` pixels along each axis, one pair per axis; the layer is called `<name>_cut`."""
    if not any(map(any, amounts)):
        return x
    return followed(x, 1, pick(x, "Cropping")(tuple(amounts), name=f"{name}_cut")(x))


def cut_to(x, like, *, name: str):
    """`x` without the pixels at its end that `like` does not have; unknown sizes are taken to be equal."""
    sizes = zip(x.shape[1:-1], like.shape[1:-1], strict=True)
    return cut(x, [(0, n - m if n is not None and m is not None else 0) for n, m in sizes], name=name)


def _transposed(x):
    return getattr(layers, f"Conv{rank(x)}DTranspose")
