"""The parts of a flat model that an explanation needs: inputs, feature maps, what enters the last activation."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from radzoo.errors import BadInput
from radzoo.registry import suggest

BATCH = 16  # images whose feature maps and gradients are held at a time


def logits(model: keras.Model):
    """What enters the last activation."""
    last = next((each for each in model.layers if each.name == "head"), None)
    if last is None:
        raise BadInput(f"{model.name} has no layer 'head': expected a model of create_model, or of load for a run")
    if len(last.output.shape) > 2:
        raise BadInput(f"{model.name} is a segmentation, which says where by itself: look at its masks")
    return last.input


def stage(layer) -> str:
    """The stage of a layer: what its name begins with."""
    return layer.name.split("_")[0]


def streams(model: keras.Model) -> bool:
    """Whether the feature maps are those of several views (`streams.pooled`, `models.multistream`)."""
    return any(each.name.rpartition("_")[2] == "views" for each in model.layers)


def rank(model: keras.Model) -> int:
    """Axes of the image, with batch and channels."""
    return max(len(each.shape) for each in model.inputs)


def features(model: keras.Model, name: str | None):
    """The output of layer `name`, or the last spatial output before the head."""
    spatial = {
        each.name: each.output
        for each in model.layers
        if hasattr(each.output, "shape") and len(each.output.shape) == max(rank(model), 4)
        and not isinstance(each, keras.layers.InputLayer) and not each.name.startswith("head_auxiliary")
    }  # fmt: skip
    if name is None:
        before = [tensor for each, tensor in spatial.items() if each.split("_")[0] != "head"]
        if not before:
            raise BadInput(f"{model.name} has no feature maps before its head: there is no place to point at")
        return before[-1]
    if name not in spatial:
        known = [each.name for each in model.layers]
        if name in known:
            raise BadInput(f"layer {name!r} of {model.name} gives no feature maps that lead to 'head': name another")
        raise BadInput(f"{model.name} has no layer {name!r}{suggest(name, spatial)}")
    return spatial[name]


def inputs(model: keras.Model, images) -> list:
    """`images` as one array per input."""
    names = [each.name for each in model.inputs]
    if isinstance(images, dict):
        if set(images) != set(names):
            raise BadInput(f"inputs {', '.join(images)} came, {model.name} has {', '.join(names)}")
        images = [images[name] for name in names]
    given = images if isinstance(images, list | tuple) and len(names) > 1 else [images]
    arrays = [np.asarray(each, "float32") for each in given]
    if len(arrays) != len(names):
        raise BadInput(f"{len(arrays)} arrays came, {model.name} has {len(names)} inputs: {', '.join(names)}")
    for array, each in zip(arrays, model.inputs, strict=True):
        sizes = zip(array.shape, each.shape, strict=array.ndim == len(each.shape))
        fits = array.ndim == len(each.shape) and all(want in (None, have) for have, want in sizes)
        if not fits or len(array) != len(arrays[0]) or not len(array):
            raise BadInput(f"{each.name} {array.shape} came, {model.name} expects (n, {str(each.shape[1:])[1:]}")
    return arrays


def batches(arrays: list):
    """Pairs of a slice of the images and their tensors."""
    for start in range(0, len(arrays[0]), BATCH):
        here = slice(start, start + BATCH)
        yield here, [ops.convert_to_tensor(each[here]) for each in arrays]
