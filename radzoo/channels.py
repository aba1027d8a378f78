"""Grey into RGB: how grey images enter a network whose weights know three channels.

A grey image of 0..1 is normalised with scalars, the means over RGB of the weights' `mean` and `std`; what differs from
the per-channel normalisation that the weights were trained with is made up for inside the network, exactly.

Three windows of one CT image (`windows`), three images of one patient (`phases`), or cubes of three sizes around one
place (`cubes`), stand for red, green and blue: the weights are taken as they are, and each channel is normalised as
they were trained. Another number of them is a count.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from keras import layers, ops

from radzoo.errors import BadInput
from radzoo.images.input import Input

WAYS = ("repeat", "fold", "conv1x1", "rgb")
SEVERAL = ("windows", "phases", "cubes")  # as many channels as there are windows, images or sizes


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
        raise BadInput(f"channels={channels!r} came, expected {', '.join(WAYS + SEVERAL)}, or a count such as 2")
    return 3 if channels == "rgb" else 1


def way(channels: str | int, number: int) -> str | int:
    """What `channels` means for an input of `number` channels: `rgb`, a count, or one of the ways from grey to RGB.

    Three channels are RGB as the weights know it, unless a count was asked for.
    """
    if number == 3 and channels in (*WAYS, *SEVERAL):
        return "rgb"
    return number if channels in SEVERAL else channels


def adapted_spec(
    spec: Input, channels: str | int, *, windows=(), files: int = 1, mosaic: bool = False, cubes: int = 1
) -> Input:
    """The pixels that a network with weights of `spec` expects once it is adapted to `channels`.

    Args:
        windows: `(center, width)` of each channel, in units of the modality, for `channels="windows"`.
        files: images that make one input: the channels of `channels="phases"`, or the parts of a mosaic.
        mosaic: the images stand side by side as one wide grey image, which enters as `channels` says; of one file four
            planes of a volume do.
        cubes: of how many sizes there are, for `channels="cubes"`.

    Raises:
        BadInput: channels, windows and images that contradict one another or the weights.
    """
    number = _number(channels, windows, files, mosaic, cubes)
    if spec.shape[-1] != 3 and spec.shape[-1] != number:
        raise BadInput(f"channels={channels!r} makes {number} channels, these weights expect {spec.shape[-1]}")
    changed = {"files": files, "mosaic": mosaic} | ({"window": _pairs(windows)} if channels == "windows" else {})
    if spec.shape[-1] == 3 and way(channels, number) != "rgb":
        changed |= {"mean": (float(np.mean(spec.mean)),), "std": (float(np.mean(spec.std)),), "order": "rgb"}
    return dataclasses.replace(spec, shape=(*spec.shape[:-1], number), **changed)


def _number(channels: str | int, windows, files: int, mosaic: bool, cubes: int) -> int:
    """The channels of the image that enters the network."""
    if (channels == "cubes") != (cubes > 1):
        raise BadInput(f"channels={channels!r} came with cubes of {cubes} size(s): channels='cubes' takes several")
    if channels == "cubes":
        return cubes * files
    if channels == "windows" and not len(windows):
        raise BadInput("channels='windows' came without windows: name center and width of each, as in 40 400 -600 1500")
    if channels != "windows" and len(windows):
        raise BadInput(f"windows came with channels={channels!r}: take channels='windows', or leave them out")
    if files > 1 and mosaic and channels in SEVERAL:
        raise BadInput(f"channels={channels!r} came for a mosaic, which is one grey image: take fold, or no mosaic")
    if files > 1 and not mosaic and channels != "phases":
        raise BadInput(f"channels={channels!r} came for {files} image columns: take channels='phases', or a mosaic")
    if channels in SEVERAL:
        return len(windows) or files
    return count(channels)


def _pairs(windows) -> tuple:
    """One window is that of a grey image; several are channels."""
    pairs = tuple((float(center), float(width)) for center, width in windows)
    return pairs[0] if len(pairs) == 1 else pairs


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
