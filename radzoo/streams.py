"""A 2-D network for each of several views, with one set of weights, and how the views are brought together.

Views are planes through a candidate or the slices of a volume. They are folded into the batch, so that the network and
its weights are those of single images, and unfolded where the feature maps end.

Late fusion: Setio et al., Pulmonary Nodule Detection in CT Images, IEEE TMI 2016.
https://doi.org/10.1109/TMI.2016.2536809
Attention: Ilse, Tomczak and Welling, Attention-based Deep Multiple Instance Learning, ICML 2018 (the gated one).
https://arxiv.org/abs/1802.04712
"""

from __future__ import annotations

from keras import layers, ops

from radzoo import registry
from radzoo.errors import BadInput
from radzoo.pooling import global_pool

WAYS = ("none", "late", "mean", "max", "attention")
UNITS = 128  # of the attention, as in the paper


def check(name: str, shape: tuple, way: str, *, head: str | None, inflate: str | None, spacing_mm) -> None:
    """Whether `name` can be the stream of an input of this shape.

    Raises:
        BadInput: an unknown way, an input without views, a network with streams of its own, or options that mean
            nothing for a stream.
    """
    if way not in WAYS:
        raise BadInput(f"streams={way!r} came, expected {', '.join(WAYS)}")
    if way == "none":
        return
    if len(shape) != 4 or None in shape:
        raise BadInput(
            f"streams={way!r} came for the input {tuple(shape)}, expected (views, h, w, channels), all fixed"
        )
    if registry.describe(name).family == "multistream":
        raise BadInput(f"{name} has streams of its own: leave streams={way!r} out, or take another network")
    if head not in (None, "pool"):
        raise BadInput(f"head={head!r} came with streams={way!r}: the end of a paper knows one image, take head='pool'")
    if inflate is not None:
        raise BadInput(
            f"inflate={inflate!r} came with streams={way!r}: a stream is 2-D, as its weights are; leave it out"
        )
    if spacing_mm is not None:
        raise BadInput(f"spacing_mm={spacing_mm} came with streams={way!r}: no stride acts across views; leave it out")


def folded(image):
    """`(batch, views, h, w, channels)` to `(batch * views, h, w, channels)`."""
    return ops.reshape(image, (-1, *image.shape[2:]))


def pooled(features, views: int, way: str):
    """Feature maps of all views to one vector, the layer `head_pool`.

    Args:
        features: `(batch * views, h, w, channels)`. Unfolded they are the layer `views`, which Grad-CAM explains.
        way: `late` (the pooled features of all views, one after the other), `mean` or `max` over the views, or
            `attention`: their mean, weighted as a small network says, whose weights `(batch, views, 1)` are the layer
            `head_attention`. All but the first take views in any order.

    Returns:
        `(batch, channels)`, of `late` `(batch, views * channels)`.
    """
    maps = layers.Identity(name="views")(ops.reshape(features, (-1, views, *features.shape[1:])))
    if way == "mean":
        return global_pool(maps, name="head")
    each = ops.mean(maps, axis=(2, 3))
    if way == "late":
        return layers.Flatten(name="head_pool")(each)
    if way == "max":
        return layers.GlobalMaxPooling1D(name="head_pool")(each)
    return layers.Identity(name="head_pool")(ops.sum(_attention(each) * each, axis=1))


def _attention(each):
    """How much each view counts: `(batch, views, 1)`, of sum 1 over the views (equation 9)."""
    content = layers.Dense(UNITS, activation="tanh", name="head_attention_content")(each)
    gate = layers.Dense(UNITS, activation="sigmoid", name="head_attention_gate")(each)
    score = layers.Dense(1, use_bias=False, name="head_attention_score")(content * gate)
    return layers.Softmax(axis=1, name="head_attention")(score)
