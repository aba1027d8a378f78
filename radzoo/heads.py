"""Backbone -> model ready to fit, and what of it learns."""

from __future__ import annotations

import logging

import keras
import numpy as np

from radzoo import channels as grey
from radzoo import registry
from radzoo.errors import BadInput
from radzoo.images.input import Input
from radzoo.layers import classifier, global_pool

log = logging.getLogger("radzoo")

ACTIVATION = {"binary": "sigmoid", "multilabel": "sigmoid", "multiclass": "softmax", "regression": "linear"}


def create_model(
    name: str,
    input_shape: tuple,
    *,
    classes: int,
    task: str = "multiclass",
    head: str | None = None,
    weights: str | None = None,
    channels: str | int = "fold",
    **overrides,
) -> keras.Model:
    """A flat functional model, ready to fit: adapted input, backbone, head.

    Args:
        input_shape: `(h, w, channels)` or `(z, y, x, channels)`. One channel is adapted to RGB weights as `channels`
            says; three channels are taken as RGB.
        classes: outputs; 1 for `task="binary"`.
        task: decides the activation: `binary` and `multilabel` sigmoid, `multiclass` softmax, `regression` none.
        head: `"pool"` (global average and one dense layer, the default) or `"paper"` (the architecture's own end).
        weights: a tag such as `"imagenet"` (then `<name>.imagenet`), `"model.tag"`, or None for random weights.
        overrides: arguments of the builder; those that the weights' manifest sets must agree with it.

    Returns:
        `keras.Model` that expects the pixels of `input_spec(weights, channels)`; its last layers are `head_logits`
        and `head` (the activation, float32).

    Raises:
        BadInput: unknown names or arguments, contradicting shapes, or weights that do not fit.
    """
    model, report = create_reported(
        name, input_shape, classes=classes, task=task, head=head, weights=weights, channels=channels, **overrides
    )
    if report is not None:
        log.info("%s", report)
    return model


def create_reported(
    name, input_shape, *, classes, task="multiclass", head=None, weights=None, channels="fold", **overrides
):
    """`create_model`, and the `weights.Report` of what was loaded, adapted and initialised (None without weights)."""
    if weights is None:
        return _assemble(name, input_shape, classes, task, head, None, channels, overrides), None
    from radzoo.weights import apply, find, resolve

    manifest = find(weights, name)
    resolve(manifest)  # a missing file is said at once, before a large network is built
    overrides = _agreed(manifest, overrides)
    model = _assemble(name, input_shape, classes, task, head, manifest.input, channels, overrides)
    return model, apply(model, manifest, channels=_way(input_shape, channels))


def input_spec(weights: str, channels: str | int = "fold") -> Input:
    """The pixels that a model with these weights expects, once it is adapted to `channels`.

    Args:
        weights: `"model.tag"`.
        channels: as in `create_model`; `"rgb"` for the weights as they are.
    """
    from radzoo.weights import find

    return grey.adapted_spec(find(weights).input, channels)


def _assemble(name, input_shape, classes, task, head, spec, channels, overrides) -> keras.Model:
    if task not in ACTIVATION:
        raise BadInput(f"task={task!r} came, expected {', '.join(ACTIVATION)}")
    if task == "binary" and classes != 1:
        raise BadInput(f"a binary task has one sigmoid unit (classes=1), got classes={classes}")
    shape = registry.checked_shape(input_shape)
    image = x = keras.Input(shape, name="image")
    if spec is not None:
        way = _way(shape, channels)
        if shape[-1] != grey.count(way):
            raise BadInput(
                f"input_shape {shape} has {shape[-1]} channels, channels={channels!r} expects "
                f"{grey.count(way)} (or 3 for RGB images)"
            )
        x = grey.entry(x, way, spec)
    own, rest = registry.split_overrides(name, overrides)
    features = registry.backbone(name, x, **own)
    if head in (None, "pool"):
        outputs = classifier(global_pool(features[-1], name="head"), classes, ACTIVATION[task])
    elif head == "paper":
        outputs = registry.end(name)(features, classes=classes, activation=ACTIVATION[task], **rest)
    else:
        raise BadInput(f"head={head!r} came, expected 'pool' or 'paper'")
    return keras.Model(image, outputs, name=name)


def _way(shape: tuple, channels: str | int) -> str | int:
    """Three channels are RGB as the weights know it, unless a count was asked for."""
    return "rgb" if shape[-1] == 3 and channels in grey.WAYS else channels


def _agreed(manifest, overrides: dict) -> dict:
    """The manifest's overrides and the caller's; a contradiction raises."""
    for key in manifest.overrides.keys() & overrides.keys():
        if manifest.overrides[key] != overrides[key]:
            raise BadInput(
                f"{key}={overrides[key]!r} contradicts the weights {manifest.model}.{manifest.tag}, "
                f"which have {key}={manifest.overrides[key]!r}: leave it out or choose other weights"
            )
    return {**manifest.overrides, **overrides}


def stages(model: keras.Model) -> list[str]:
    """The stages of a flat model in graph order: `["stem", "stage1", …, "head"]`."""
    names = dict.fromkeys(layer.name.split("_")[0] for layer in model.layers if layer.weights)
    return [*(name for name in names if name not in ("channels", "head")), "head"]


def freeze(model: keras.Model, below: str | None, *, norms: bool = True) -> list[str]:
    """Lets everything from stage `below` on learn and freezes what lies before it, in graph order.

    New layers (the head and a learned adapter of channels) always learn.

    Args:
        below: a stage of `stages(model)`; None lets all stages learn.
        norms: keep all batch normalisation in inference mode, statistics and affine parameters. `layer.trainable =
            False` is the only way that holds under `fit` (Keras 3.15: `training=False` does not).

    Returns:
        The stages that learn.

    Raises:
        BadInput: no such stage.
    """
    order = stages(model)
    if below is not None and below not in order:
        raise BadInput(f"freeze_below={below!r}{registry.suggest(below, order)}: {model.name} has {', '.join(order)}")
    learning = order if below is None else order[order.index(below) :]
    for layer in model.layers:
        stage = layer.name.split("_")[0]
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = stage in (*learning, "channels") and not (norms and is_norm)
    return learning


def statistics(model: keras.Model) -> dict[str, np.ndarray]:
    """Copies of all that frozen batch normalisation must keep: moving statistics, scale and offset, by path."""
    return {
        weight.path: np.array(keras.ops.convert_to_numpy(weight))
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        for weight in layer.weights
    }
