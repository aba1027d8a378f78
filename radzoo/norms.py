"""What of a model learns: stages frozen by their names, and what becomes of batch normalisation."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

import keras
import numpy as np

from radzoo import registry
from radzoo.errors import BadInput

POLICIES = ("frozen", "affine", "adapt", "recalibrate")
NEW = ("channels", "head", "decoder")  # beginnings of the stages that radzoo adds to a backbone, with random weights


def stages(model: keras.Model) -> list[str]:
    """The stages of a flat model in graph order: `["stem", "stage1", …, "head"]`; a segmenter's before the head."""
    names = dict.fromkeys(_stage(layer) for layer in model.layers if layer.weights)
    return [*(name for name in names if name not in ("channels", "head")), "head"]


def is_new(stage: str) -> bool:
    """Whether a stage is none of the backbone's: the head, a segmenter's `decoder1`, …, an adapter of channels."""
    return stage.rstrip("0123456789") in NEW


def freeze(model: keras.Model, below: str | None, *, norms: bool = True) -> list[str]:
    """Lets everything from stage `below` on learn and freezes what lies before it, in graph order.

    New layers (the head and a learned adapter of channels) always learn; those of a segmenter's decoder do, too, unless
    `below` names one of its stages. What only interpolates (`radzoo.upsampling.fixed_bilinear`) never does.

    Args:
        below: a stage of `stages(model)`; None lets all stages learn. `"head"` freezes the whole backbone.
        norms: keep the backbone's batch normalisation in inference mode, statistics and affine parameters. `layer.
            trainable = False` is the only way that holds under `fit` (Keras 3.15: `training=False` does not). That of a
            decoder has no statistics worth keeping: it learns with its stage.

    Returns:
        The stages that learn.

    Raises:
        BadInput: no such stage.
    """
    learning = _learning(model, below)
    for layer in model.layers:
        held = norms and isinstance(layer, keras.layers.BatchNormalization) and not is_new(_stage(layer))
        held = held or layer.name.endswith("_bilinear")
        layer.trainable = True  # to set what is set already is passed over on TensorFlow, variables would keep theirs
        layer.trainable = _stage(layer) in (*learning, "channels") and not held
    return learning


def check(model: keras.Model, policy: str) -> None:
    """Whether a policy of fine-tuning means anything for this model.

    Raises:
        BadInput: no such policy; or another than `frozen` for a model without batch normalisation.
    """
    if policy not in POLICIES:
        raise BadInput(f"norms={policy!r} came, expected {', '.join(POLICIES)}")
    if policy != "frozen" and all(is_new(_stage(layer)) for layer in _norms(model)):
        raise BadInput(f"norms={policy!r}, but {model.name} has no batch normalisation: leave norms at 'frozen'")


def prepare(model: keras.Model, policy: str, below: str | None) -> list[str]:
    """Freezes stages before a phase, and sets batch normalisation as the policy says. Call it before `compile`.

    - `frozen`: statistics, scale and offset are held in all stages (`recalibrate` too, once it has been done).
    - `affine`: in the stages that learn, scale and offset learn; statistics are held in all stages.
    - `adapt`: in the stages that learn, normalisation trains as from scratch, with the statistics of each batch.

    In frozen stages everything is held by every policy. In a decoder normalisation trains under all of them.

    Args:
        policy: one of `POLICIES`. A model without batch normalisation takes any: training from scratch is `adapt`.
        below: as in `freeze`.

    Returns:
        The stages that learn.

    Raises:
        BadInput: no such stage.
    """
    learning = freeze(model, below, norms=policy != "adapt")
    if policy == "affine":
        for layer in _norms(model, learning):  # the layer stays frozen: only so does it keep to its moving statistics
            for weight in layer.weights:
                weight.trainable = not _is_statistic(weight)
    return learning


def recalibrate(model: keras.Model, images: Iterable) -> None:
    """Estimates the moving statistics of all batch normalisation anew, on images without their labels.

    One pass (precise BN: Wu & Johnson 2021, arXiv 2105.07576, section 3; on the images of a new domain AdaBN: Li et
    al. 2016, arXiv 1603.04779): every normalisation uses the statistics of its batch, all else is in inference, and
    the statistics of the batches are pooled to those of all images, the spread between batches included. For the first
    normalisation that is exact; what a later one sees was normalised by batches, so let batches be large and mixed.

    Args:
        model: its moving statistics are set; nothing else changes.
        images: the batches, each what the model takes, `(n, *spatial, channels)`: normalised, of the training part,
            shuffled, not augmented. The same batches give the same statistics.

    Raises:
        BadInput: no batch normalisation, or no images.
    """
    check(model, "recalibrate")
    copy = keras.models.clone_model(model, call_function=_only_norms_train)
    for layer in copy.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    norms = _norms(copy)
    for layer in norms:
        layer.trainable, layer.momentum = True, 0.0  # after a batch, its "moving" statistics are those of the batch
    count, means, spreads = 0, [0.0] * len(norms), [0.0] * len(norms)
    for batch in images:
        batch = keras.tree.map_structure(np.asarray, batch)
        copy(batch)
        new = len(keras.tree.flatten(batch)[0])
        for i, layer in enumerate(norms):
            mean, variance = (
                np.float64(keras.ops.convert_to_numpy(w)) for w in (layer.moving_mean, layer.moving_variance)
            )
            apart = mean - means[i]
            means[i] = means[i] + apart * new / (count + new)
            spreads[i] = spreads[i] + variance * new + apart**2 * new * count / (count + new)  # Chan et al. 1983
        count += new
    if not count:
        raise BadInput("norms='recalibrate' needs images, none came: is the training part empty?")
    for layer, mean, spread in zip(norms, means, spreads, strict=True):
        model.get_layer(layer.name).moving_mean.assign(mean)
        model.get_layer(layer.name).moving_variance.assign(spread / count)


def statistics(model: keras.Model) -> dict[str, np.ndarray]:
    """Copies of all that frozen batch normalisation must keep: moving statistics, scale and offset, by path."""
    return {w.path: np.array(keras.ops.convert_to_numpy(w)) for layer in _norms(model) for w in layer.weights}


def verify(model: keras.Model, before: dict[str, np.ndarray], policy: str, below: str | None) -> None:
    """After the last epoch of a phase: what had to stay is what it was, bit for bit, and what had to move has moved.

    Args:
        before: `statistics(model)` at the start of the phase.
        policy, below: as they were given to `prepare`.

    Raises:
        RuntimeError: frozen weights moved; or under `adapt` no moving statistics did, in any stage that learned.
    """
    after = statistics(model)
    moved = [path for path, value in before.items() if not np.array_equal(value, after[path])]
    learning = _norms(model, _learning(model, below))
    free = {w.path for layer in learning if policy == "adapt" or is_new(_stage(layer)) for w in layer.weights}
    if policy == "affine":
        free |= {w.path for layer in learning for w in layer.weights if not _is_statistic(w)}
    wrong = [path for path in moved if path not in free]
    if wrong:
        raise RuntimeError(f"{len(wrong)} frozen normalisation weights moved, the first is {wrong[0]}")
    changing = {w.path for layer in learning for w in layer.weights if _is_statistic(w)}
    if policy == "adapt" and changing and not changing & set(moved):
        raise RuntimeError(f"none of {len(changing)} moving statistics moved under norms='adapt'")


def _stage(layer: keras.Layer) -> str:
    return layer.name.split("_")[0]


def _learning(model: keras.Model, below: str | None) -> list[str]:
    order = stages(model)
    if below is not None and below not in order:
        raise BadInput(f"freeze_below={below!r}{registry.suggest(below, order)}: {model.name} has {', '.join(order)}")
    if below == "head":  # with what stands between the backbone and the head
        below = next(stage for stage in order if is_new(stage))
    return order if below is None else order[order.index(below) :]


def _norms(model: keras.Model, within: list[str] | None = None) -> list[keras.Layer]:
    """Its batch normalisation, all of it or that of the stages that learn."""
    return [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        and (within is None or _stage(layer) in (*within, "channels"))
    ]


def _is_statistic(weight: keras.Variable) -> bool:
    return weight.name in ("moving_mean", "moving_variance")


def _only_norms_train(layer, *args, **kwargs):
    """Calls a layer in a graph, in training mode if it is batch normalisation and in inference mode otherwise."""
    if "training" in inspect.signature(layer.call).parameters:
        kwargs["training"] = isinstance(layer, keras.layers.BatchNormalization)
    return layer(*args, **kwargs)
