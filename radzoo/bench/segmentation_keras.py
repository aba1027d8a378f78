"""Segmentation as radzoo does it, and as one writes it in plain Keras: the same networks, loss and windows."""

from __future__ import annotations

import itertools
import json
import math
import sys

import keras
import numpy as np
from keras import layers, ops

from radzoo import masks, tiles
from radzoo.bench.serving import serve
from radzoo.data.store import WHITE
from radzoo.heads import create_model
from radzoo.images import Input
from radzoo.losses import segmentation_loss
from radzoo.segmenting import Segmenter

CLASSES, BATCH, WINDOWS, RATE = 2, 2, 4, 1e-3  # WINDOWS per step of a sliding window


def plain_unet3d(shape, classes, width=8, levels=4):
    """`unet3d_small`."""

    def twice(x, first, second):
        for filters in (first, second):
            x = layers.Conv3D(filters, 3, padding="same")(x)
            x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))
        return x

    image = keras.Input(shape)
    x, across = twice(image, width, 2 * width), []
    for level in range(1, levels):
        across.append(x)
        x = layers.MaxPooling3D(2)(x)
        x = twice(x, width * 2**level, width * 2 ** (level + 1))
    for skip in reversed(across):
        x = layers.Conv3DTranspose(x.shape[-1], 2, 2, use_bias=False)(x)
        x = twice(layers.Concatenate()([skip, x]), skip.shape[-1], skip.shape[-1])
    return keras.Model(image, layers.Conv3D(classes, 1, activation="softmax")(x))


def plain_vnet(shape, classes, width=8, left=(1, 2, 3, 3, 3), right=(3, 3, 2, 1)):
    """`vnet_small`."""

    def rectified(x):
        return layers.PReLU(keras.initializers.Constant(0.25), shared_axes=[1, 2, 3])(x)

    def normed(x):
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)

    def residual(x, filters, count):
        given = x if x.shape[-1] == filters else layers.Concatenate()([x] * filters)  # of one channel
        for _ in range(count - 1):
            x = rectified(normed(layers.Conv3D(filters, 5, padding="same")(x)))
        return rectified(layers.Add()([normed(layers.Conv3D(filters, 5, padding="same")(x)), given]))

    image = keras.Input(shape)
    x, across = residual(image, width, left[0]), []
    for level, count in enumerate(left[1:], start=1):
        across.append(x)
        x = rectified(normed(layers.Conv3D(width * 2**level, 2, 2, padding="same")(x)))
        x = residual(x, width * 2**level, count)
    for skip, count in zip(reversed(across), right, strict=True):
        x = rectified(normed(layers.Conv3DTranspose(skip.shape[-1], 2, 2)(x)))
        x = residual(layers.Concatenate()([x, skip]), 2 * skip.shape[-1], count)
    return keras.Model(image, layers.Conv3D(classes, 1, activation="softmax")(x))


def plain_loss(truth, p):
    """Cross-entropy and Dice of the organs, which every image holds."""
    overlap, size = ops.sum(truth * p, (1, 2, 3)), ops.sum(ops.square(truth) + ops.square(p), (1, 2, 3))
    dice = ops.mean(1 - 2 * overlap[:, 1:] / size[:, 1:], -1)
    return dice - ops.mean(ops.sum(truth * ops.log(ops.clip(p, 1e-30, 1)), -1), (1, 2, 3))


def plain_slide(predict, image, side, classes):
    """A sliding window with an overlap of a half and Gaussian weights; the image is no smaller than a window."""
    starts = [sorted({*range(0, length - side, side // 2), length - side}) for length in image.shape[:3]]
    one = np.exp(-(((np.arange(side) - (side - 1) / 2) / (side / 8)) ** 2) / 2)
    weight = (one[:, None, None] * one[:, None] * one)[..., None].astype("float32")
    said, weights = np.zeros((*image.shape[:3], classes), "float32"), np.zeros((*image.shape[:3], 1), "float32")
    corners = list(itertools.product(*starts))
    for first in range(0, len(corners), WINDOWS):
        boxes = [tuple(slice(a, a + side) for a in corner) for corner in corners[first : first + WINDOWS]]
        for box, answer in zip(boxes, predict(np.stack([image[box] for box in boxes])), strict=True):
            said[box] += answer * weight
            weights[box] += weight
    return said / weights


PLAIN = {"unet3d_small": plain_unet3d, "vnet_small": plain_vnet}


def step(model, loss, truth):
    """One step of training, on noise."""
    images = np.random.default_rng(0).random((BATCH, *model.input_shape[1:]), "float32")
    model.compile(keras.optimizers.Adam(RATE), loss, jit_compile="auto")  # as `train.fit` does
    return lambda: model.train_on_batch(images, truth)


def work(way: str, what: str, network: str, patch: int, side: int):
    """What is timed, and the network, of one cell; `way` is `radzoo` or `keras`."""
    rng, shape = np.random.default_rng(0), (patch,) * 3 + (1,)
    stored = rng.integers(0, WHITE + 1, (side,) * 3 + (1,), "uint16")
    image = stored / np.float32(WHITE)
    if what == "windows":
        answer = rng.random((WINDOWS, *shape[:3], CLASSES), "float32")
        if way == "keras":
            return lambda: plain_slide(lambda windows: answer[: len(windows)], image, patch, CLASSES), None
        fixed = {"patch": shape[:3], "classes": CLASSES, "batch": WINDOWS}
        return lambda: tiles.slide(lambda windows: answer, image, **fixed), None
    if way == "radzoo":
        model = create_model(network, shape, classes=CLASSES, task="segmentation")
    else:
        model = PLAIN[network](shape, CLASSES)
    if what == "step":
        labels = rng.integers(0, CLASSES, (BATCH, *shape[:3]))
        if way == "keras":
            return step(model, plain_loss, np.eye(CLASSES, dtype="float32")[labels]), model
        truth = np.stack([masks.target(each, CLASSES) for each in labels])
        return step(model, segmentation_loss("dice_crossentropy", CLASSES), truth), model
    if way == "keras":
        return lambda: plain_slide(model.predict_on_batch, image, patch, CLASSES), model
    segmenter = Segmenter(model, Input(shape=shape), WINDOWS, 0.5, False)
    return lambda: segmenter(stored), model


def multiply_adds(model) -> int:
    """Of the convolutions for one window."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Conv3D | layers.Conv3DTranspose):
            seen = layer.input if isinstance(layer, layers.Conv3DTranspose) else layer.output
            total += math.prod(layer.kernel.shape) * math.prod(seen.shape[1:-1])
    return total


if __name__ == "__main__":
    timed, built = work(**json.loads(sys.argv[1]))
    facts = {"versions": f"Keras {keras.__version__} on {keras.backend.backend()}"}
    if built is not None:
        facts |= {"parameters": built.count_params(), "multiply_adds": multiply_adds(built)}
    serve(timed, facts)
