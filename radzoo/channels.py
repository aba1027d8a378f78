"""Grey into RGB: how a one-channel image enters a network whose weights know three channels.

A grey image of 0..1 is normalised with scalars, the means over RGB of the weights' `mean` and `std`; what differs from
the per-channel normalisation that the weights were trained with is made up for inside the network, exactly.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from keras import layers, ops

from radzoo.errors import BadInput
from radzoo.images.input import Input

WAYS = ("repeat", "fold", "conv1x1", "rgb")


def count(channels: str | int) -> int:
    """Channels of the image that enters the network: 1, 3 for `rgb`, or the count itself.

    Raises:
        BadInput: `channels` is none of `repeat`, `fold`, `conv1x1`, `rgb`, or a positive count.
    """
    if isinstance(channels, str) and channels.isdigit():
        channels = int(channels)
    if isinstance(channels, int) and not isinstance(channels, bool) and channels > 0:
        return channels
    if channels not in WAYS:
        raise BadInput(f"channels={channels!r} came, expected {', '.join(WAYS)}, or a count such as 2")
    return 3 if channels == "rgb" else 1


def adapted_spec(spec: Input, channels: str | int) -> Input:
    """The pixels that a network with RGB weights of `spec` expects once it is adapted to `channels`."""
    number = count(channels)
    if channels == "rgb":
        return spec
    mean, std = float(np.mean(spec.mean)), float(np.mean(spec.std))
    return dataclasses.replace(spec, shape=(*spec.shape[:-1], number), mean=(mean,), std=(std,), order="rgb")


def entry(image, channels: str | int, spec: Input):
    """The layers between the network's input and the unchanged builder.

    Args:
        image: Keras tensor, normalised as `adapted_spec(spec, channels)` says.

    Returns:
        `fold`: the image and a plane of ones, which after the builder's zero padding is a bias that knows the border
        (left out where `mean` and `std` are equal over the channels). `repeat`: three copies, each normalised for its
        channel. `conv1x1`: a trainable 1x1 convolution to three channels that starts as `repeat`. Otherwise the image.
    """
    gain, offset = _per_channel(spec)
    equal = np.allclose(gain, 1) and np.allclose(offset, 0)
    if channels == "fold" and not equal:
        return layers.Concatenate(name="channels_ones")([image, ops.ones_like(image)])
    if channels == "repeat":
        image = layers.Concatenate(name="channels_repeat")([image] * 3)
        if not equal:  # Normalization computes (x - mean) / sqrt(variance); its constants are no weights
            scale = layers.Normalization(mean=-offset / gain, variance=gain**-2.0, name="channels_scale")
            image = scale(image)
    if channels == "conv1x1":
        conv = layers.Conv2D if len(image.shape) == 4 else layers.Conv3D
        layer = conv(3, 1, name="channels_conv")
        image = layer(image)
        kernel = gain.reshape((1,) * (len(image.shape) - 2) + (1, 3))
        layer.set_weights([kernel.astype("float32"), offset.astype("float32")])
    return image


def adapt(kernel: np.ndarray, channels: str | int, spec: Input) -> np.ndarray:
    """The stem kernel of RGB weights, `(*size, 3, filters)`, for the image that `entry` hands to the builder.

    `fold` is exact: with m and s the means over RGB of `mean` and `std`, the first slice is
    `sum_c W_c s / std_c` and the second, on the plane of ones, `sum_c W_c (m - mean_c) / std_c`. A count k repeats
    the kernel's mean over RGB, times 3/k so that the response to a grey image keeps its size. The result is float64:
    the last rounding is that of the model's own dtype.
    """
    kernel = np.asarray(kernel, "float64")
    gain, offset = _per_channel(spec)
    if channels == "fold":
        image = (kernel * gain[:, None]).sum(-2, keepdims=True)
        ones = (kernel * offset[:, None]).sum(-2, keepdims=True)
        equal = np.allclose(gain, 1) and np.allclose(offset, 0)
        kernel = image if equal else np.concatenate([image, ones], axis=-2)
    elif channels not in WAYS:
        number = count(channels)
        kernel = np.repeat(kernel.mean(-2, keepdims=True) * 3 / number, number, axis=-2)
    return kernel


def _per_channel(spec: Input) -> tuple[np.ndarray, np.ndarray]:
    """`gain` and `offset` per RGB channel that turn a scalar normalisation into the weights' own."""
    mean, std = np.broadcast_to(spec.mean, 3).astype(float), np.broadcast_to(spec.std, 3).astype(float)
    return std.mean() / std, (mean.mean() - mean) / std
