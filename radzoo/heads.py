"""Backbone -> model ready to fit, and what of it learns."""

from __future__ import annotations

import inspect
import logging

import keras
import numpy as np
from keras import layers, ops

from radzoo import channels as grey
from radzoo import inflation, registry
from radzoo.anisotropy import building
from radzoo.decoders import restorer, segmenter
from radzoo.errors import BadInput
from radzoo.images.input import Input
from radzoo.layers import activate, classifier
from radzoo.pooling import global_pool
from radzoo.streams import check as check_streams
from radzoo.streams import folded, pooled

log = logging.getLogger("radzoo")

DECODERS = {"segmentation": "segmenter", "restoration": "restorer"}  # heads of the tasks that answer for every pixel
ACTIVATION = {
    "binary": "sigmoid", "multilabel": "sigmoid", "multiclass": "softmax", "ordinal": "sigmoid", "regression": "linear",
    "segmentation": "softmax", "restoration": "linear",
}  # fmt: skip


def create_model(
    name: str,
    input_shape: tuple,
    *,
    classes: int,
    task: str = "multiclass",
    head: str | None = None,
    weights: str | None = None,
    channels: str | int = "fold",
    inflate: str | None = None,
    axis: int = 0,
    streams: str = "none",
    spacing_mm: tuple[float, float, float] | None = None,
    dropout: float = 0.0,
    covariates: int = 0,
    decoder: tuple[int, ...] | None = None,
    supervised: bool = False,
    residual: bool = False,
    **overrides,
) -> keras.Model:
    """A flat functional model, ready to fit: adapted input, backbone, head.

    Args:
        input_shape: `(h, w, channels)` or `(z, y, x, channels)`; with streams `(views, h, w, channels)`. One channel is
            adapted to RGB weights as `channels` says; three channels are taken as RGB, and so are three `windows` or
            `phases`.
        classes: outputs; 1 for `task="binary"`, one less than there are grades for `task="ordinal"`, one more than
            there are organs for `task="segmentation"`: channel 0 is the background. For `task="restoration"` the
            channels of the wanted image.
        task: decides the activation: `binary`, `multilabel` and `ordinal` sigmoid, `multiclass` and `segmentation`
            softmax, `regression` and `restoration` none. Ordinal outputs are the probabilities to reach the second,
            third, … grade; they fall by construction.
        head: `"pool"` (global average and one dense layer), `"paper"` (the architecture's own end), `"segmenter"` or
            `"restorer"` (a U-Net decoder, `radzoo.decoders`). None is the first; of a segmentation or a restoration the
            second for networks whose own end answers for every pixel, a decoder for all others.
        weights: a tag such as `"imagenet"` (then `<name>.imagenet`), `"model.tag"`, or None for random weights.
        inflate: how weights of a 2-D network enter a 3-D one (`radzoo.inflation`): `"mean"` or `"center"`.
        axis: the spatial axis of the volume that the 2-D network did not have, 0 for z.
        streams: a 2-D network sees each view, or each slice of a volume, alone; how the views are brought together
            (`radzoo.streams`): `"late"`, `"mean"`, `"max"` or `"attention"`.
        spacing_mm: `(z, y, x)` of the voxels of a volume, where slices are thick: strides act along z only once the
            voxels are about as long in the plane (`radzoo.anisotropy`).
        dropout: rate before the dense layer of the pool head.
        covariates: numbers beside the image, a second input `(batch, covariates)` named "covariates" that joins the
            pooled features.
        decoder: channels of the decoder's stages, coarsest first.
        supervised: the segmenter has two auxiliary outputs, `[head, head_auxiliary1, head_auxiliary2]`.
        residual: the restorer's output is added to the image, in 0..1 whatever the weights normalise it with; a paper's
            network does what its paper says.
        overrides: arguments of the builder; those that the weights' manifest sets must agree with it.

    Returns:
        `keras.Model` that expects the pixels of `input_spec(weights, channels)`; its last layers are `head_logits`
        and `head` (the activation, float32).

    Raises:
        BadInput: unknown names or arguments, contradicting shapes, or weights that do not fit.
    """
    model, report = create_reported(
        name, input_shape, classes=classes, task=task, head=head, weights=weights, channels=channels, inflate=inflate,
        axis=axis, streams=streams, spacing_mm=spacing_mm, dropout=dropout, covariates=covariates, decoder=decoder,
        supervised=supervised, residual=residual, **overrides,
    )  # fmt: skip
    if report is not None:
        log.info("%s", report)
    return model


def create_reported(
    name, input_shape, *, classes, task="multiclass", head=None, weights=None, channels="fold", inflate=None,
    axis=0, streams="none", spacing_mm=None, dropout=0.0, covariates=0, decoder=None, supervised=False,
    residual=False, **overrides,
):  # fmt: skip
    """`create_model`, and the `weights.Report` of what was loaded, adapted and initialised (None without weights)."""
    top = {"classes": classes, "task": task, "dropout": dropout, "covariates": covariates}
    _check_task(**top)
    if task in DECODERS:
        own = registry.describe(name).kind in (task, "segmentation")  # a U-Net restores with its own end, too
        head = head or ("paper" if own else DECODERS[task])
        _check_pixels(name, input_shape, task, head, streams, dropout, covariates)
    top |= _decoding(head, decoder, supervised, residual)
    check_streams(name, input_shape, streams, head=head, inflate=inflate, spacing_mm=spacing_mm)
    seen = input_shape if streams == "none" else input_shape[1:]  # by the backbone
    end = {"head": head, "streams": streams, "spacing_mm": spacing_mm}
    if weights is None:
        inflation.check(None, seen, inflate, axis, head)
        return _assemble(name, input_shape, top, None, channels, overrides, **end), None
    from radzoo.weights import apply, find, resolve

    manifest = find(weights, name)
    resolve(manifest)  # a missing file is said at once, before a large network is built
    inflation.check(len(manifest.input.shape) == 3, seen, inflate, axis, head)
    overrides = _agreed(manifest, overrides)
    model = _assemble(name, input_shape, top, manifest.input, channels, overrides, **end)
    whole = head == "paper" and manifest.task == task == "restoration" and manifest.outputs == classes
    report = apply(
        model, manifest, channels=grey.way(channels, input_shape[-1]), skip_head=not whole, inflate=inflate, axis=axis
    )  # fmt: skip
    return model, report


def input_spec(weights: str, channels: str | int = "fold", **arrangement) -> Input:
    """The pixels that a model with these weights expects, once it is adapted to `channels`.

    Args:
        weights: `"model.tag"`.
        channels: as in `create_model`; `"rgb"` for the weights as they are.
        arrangement: `windows`, `files` and `mosaic`, as in `radzoo.channels.adapted_spec`.
    """
    from radzoo.weights import find

    return grey.adapted_spec(find(weights).input, channels, **arrangement)


def _assemble(name, input_shape, top: dict, spec, channels, overrides, *, head, streams, spacing_mm) -> keras.Model:
    shape = registry.checked_shape(input_shape)
    image = keras.Input(shape, name="image")
    x = image if streams == "none" else folded(image)
    if spec is not None:
        way = grey.way(channels, shape[-1])
        if shape[-1] != grey.count(way):
            raise BadInput(
                f"input_shape {shape} has {shape[-1]} channels, channels={channels!r} expects "
                f"{grey.count(way)} (or 3 for RGB images)"
            )
        x = grey.entry(x, way, spec)
    own, rest = registry.split_overrides(name, overrides)
    beside = keras.Input((top["covariates"],), name="covariates") if top["covariates"] else None
    with building(x, spacing_mm):
        features = registry.backbone(name, x, **own)
        if streams != "none":
            outputs = _pool_head(pooled(features[-1], shape[0], streams), beside, **top)
        elif head in (None, "pool"):
            outputs = _pool_head(global_pool(features[-1], name="head"), beside, **top)
        elif head == "paper":
            outputs = _paper_head(name, features, beside, rest, **top)
        elif head == "segmenter" and top["task"] == "segmentation":
            ends = {key: top[key] for key in ("classes", "decoder", "supervised")}
            outputs = segmenter(features, x, name=name, activation=ACTIVATION["segmentation"], **ends)
        elif head == "restorer" and top["task"] == "restoration":
            ends = {"channels": top["classes"], "decoder": top["decoder"], "added": None}
            if top["residual"]:
                ends["added"] = image if spec is None else _as_it_was(image, spec, way)
            outputs = restorer(features, x, name=name, **ends)
        else:
            raise BadInput(f"head={head!r} came for a {top['task']} task, expected 'pool' or 'paper'")
    if top["task"] == "restoration" and outputs.shape[1:-1] != shape[:-1]:
        raise BadInput(
            f"{name} makes {tuple(outputs.shape[1:-1])} of an image of {shape[:-1]}, but a restoration keeps the size: "
            "pass padding='same', or take head='restorer'"
        )
    return keras.Model(image if beside is None else [image, beside], outputs, name=name)


def _as_it_was(image, spec: Input, way: str | int):
    """The image before `Input.normalise`: what a target is compared with is no network's normalisation."""
    mean, std = (np.asarray(each if way == "rgb" else [np.mean(each)]) for each in (spec.mean, spec.std))
    undo = layers.Normalization(mean=-mean / std, variance=(spec.scale / std) ** 2, dtype="float32", name="head_image")
    image = undo(image)
    return image[..., ::-1] if way == "rgb" and spec.order == "bgr" else image


def _check_task(task: str, classes: int, covariates: int, **_) -> None:
    if task not in ACTIVATION:
        raise BadInput(f"task={task!r} came, expected {', '.join(ACTIVATION)}")
    if task in ("binary", "regression") and classes != 1:
        raise BadInput(f"a {task} task has one output (classes=1), got classes={classes}")
    if task == "segmentation" and classes < 2:
        raise BadInput(f"classes={classes} came for a segmentation, expected 2 or more: the background is one of them")
    if classes < 1 or covariates < 0:
        raise BadInput(f"classes={classes} and covariates={covariates} came, expected at least 1 and 0")


def _check_pixels(name: str, shape, task: str, head: str, streams: str, dropout: float, covariates: int) -> None:
    """What has no meaning where every pixel has an answer of its own."""
    card, own = registry.describe(name), DECODERS[task]
    if head == "pool":
        raise BadInput(f"head='pool' came for a {task}: an average knows no places, take head={own!r}")
    if head == "paper" and task == "restoration" and card.kind not in (task, "segmentation"):
        raise BadInput(f"the end of {name} gives classes of an image, no image: take head={own!r}")
    refused = {"streams": streams != "none", "covariates": covariates, "dropout": dropout and head == own}
    for what in (what for what, given in refused.items() if given):
        raise BadInput(f"{what} came for a {task}, which has a place for none: leave it out")
    if head == own and card.family == "multistream" and len(shape) == 4:
        raise BadInput(f"{name} takes (views, h, w, channels), no volume: take another network")


def _decoding(head: str | None, decoder, supervised: bool, residual: bool) -> dict:
    """The arguments of a decoder, after a look at whether the head is one that takes them."""
    if head not in DECODERS.values() and (decoder is not None or supervised):
        raise BadInput(f"decoder and supervised are of head='segmenter', head={head!r} came: leave them out")
    for what, given, own in (("supervised", supervised, "segmenter"), ("residual", residual, "restorer")):
        if given and head != own:
            raise BadInput(f"{what} is of head={own!r}, head={head!r} came: leave it out")
    return {"decoder": decoder, "supervised": supervised, "residual": residual}


def _paper_head(name: str, features, beside, rest: dict, classes: int, task: str, dropout: float, **_):
    """The architecture's own end; its auxiliary heads only where they are asked for."""
    takes = inspect.signature(registry.end(name)).parameters
    if task == "ordinal":
        raise BadInput(f"the end of {name} knows no ordinal task: use head='pool'")
    if beside is not None and "covariates" not in takes:
        raise BadInput(f"the end of {name} takes no covariates: use head='pool'")
    if dropout and "dropout" not in takes:
        raise BadInput(f"the end of {name} takes no dropout: leave it out")
    options = {"classes": classes, "activation": ACTIVATION[task], **rest}
    if "auxiliary" in takes:
        options = {"auxiliary": False} | options
    if "covariates" in takes:
        options["covariates"] = beside
    if dropout:
        options["dropout"] = dropout
    return registry.end(name)(features, **options)


def _pool_head(pooled, beside, classes: int, task: str, dropout: float, **_):
    """Pooled features, and what is known beside the image, to `head_logits` and `head`."""
    x = layers.Dropout(dropout, name="head_dropout")(pooled) if dropout else pooled
    if beside is not None:
        x = layers.Concatenate(name="head_beside")([x, beside])
    if task == "regression":  # float32, for bfloat16 knows no number between 150 and 151
        x = layers.Dense(classes, name="head_logits", dtype="float32")(x)
        return activate(x, ACTIVATION[task])
    if task != "ordinal":
        return classifier(x, classes, ACTIVATION[task])
    score = layers.Dense(1, name="head_score")(x)
    steps = layers.Dense(classes, use_bias=False, name="head_cuts")(ops.ones_like(score))  # one number per cut
    falling = score - ops.cumsum(ops.softplus(steps), axis=-1)
    return activate(layers.Identity(name="head_logits")(falling), ACTIVATION[task])


def _agreed(manifest, overrides: dict) -> dict:
    """The manifest's overrides and the caller's; a contradiction raises."""
    for key in manifest.overrides.keys() & overrides.keys():
        if manifest.overrides[key] != overrides[key]:
            raise BadInput(
                f"{key}={overrides[key]!r} contradicts the weights {manifest.model}.{manifest.tag}, "
                f"which have {key}={manifest.overrides[key]!r}: leave it out or choose other weights"
            )
    return {**manifest.overrides, **overrides}
