"""Losses of classes, grades and numbers, with one weight per class.

A loss is a function of `(truth, prediction)`, both `(batch, k)`, to `(batch,)`.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from radzoo.errors import BadInput

EPSILON = 1e-7  # probabilities are kept this far from 0 and 1
GAMMA = 2.0  # of the focal loss: the best of Lin et al. (ICCV 2017, table 1b)


def weighted_binary_crossentropy(positive, negative, gamma: float = 0.0):
    """Mean over labels of `-(positive y (1 - p)^gamma log p + negative (1 - y) p^gamma log(1 - p))`.

    Args:
        positive, negative: `(labels,)` weights of an image with and without the label.
        gamma: 0 is cross-entropy; above it what is told rightly counts less, the focal loss (Lin et al., Focal Loss for
            Dense Object Detection, ICCV 2017, equation 5, with these weights for its alpha).

    Returns:
        A loss of `(truth, probability)`, both `(batch, labels)`, to `(batch,)`.
    """
    terms = _binary_terms(np.float32(positive), np.float32(negative), gamma)

    def loss(truth, probability):
        return ops.mean(terms(truth, probability), axis=-1)

    return loss


def weighted_categorical_crossentropy(weights, gamma: float = 0.0):
    """Sum over classes of `-weight y (1 - p)^gamma log p`.

    Args:
        weights: `(classes,)`.
        gamma: as in `weighted_binary_crossentropy`.

    Returns:
        A loss of `(one-hot truth, probability)`, both `(batch, classes)`, to `(batch,)`.
    """
    weights = np.float32(weights)

    def loss(truth, probability):
        p = ops.clip(probability, EPSILON, 1.0)
        return -ops.sum(weights * truth * _unsure(1 - p, gamma) * ops.log(p), axis=-1)

    return loss


def ordinal_crossentropy(weights, gamma: float = 0.0, label_smoothing: float = 0.0):
    """Sum over cuts of the binary cross-entropy (Cao et al., Pattern Recognition Letters 2020, equation 4).

    An image counts by the weight of its grade, the same for all its cuts. Weights that differ between the two sides of
    a cut would move every cut towards one half, away from the order that all cuts share.

    Args:
        weights: `(grades,)`.
        gamma: as in `weighted_binary_crossentropy`.
        label_smoothing: as in `loss_for`.

    Returns:
        A loss of `(cumulative truth, probability)`, both `(batch, grades - 1)`, to `(batch,)`.
    """
    lowest, steps, terms = np.float32(weights[0]), np.float32(np.diff(weights)), _binary_terms(1.0, 1.0, gamma)

    def loss(truth, probability):
        weight = lowest + ops.sum(steps * truth, axis=-1)
        return weight * ops.sum(terms(_soft(truth, label_smoothing, 2), probability), axis=-1)

    return loss


def huber(truth, prediction):
    """Half the squared error up to one standard deviation of the target, linear beyond (Huber 1964), `(batch,)`.

    For standardised targets (`data.scale`). Squares as in the mean squared error while the network is nearly right; a
    mistyped label pulls no harder than one that is off by a standard deviation, so that learning rates which suit the
    classes suit a number too.
    """
    away = ops.abs(truth - prediction)
    near = ops.minimum(away, 1.0)
    return ops.mean(near * (away - 0.5 * near), axis=-1)


def loss_for(task: str, labels, *, class_weights: bool, kind: str = "crossentropy", label_smoothing: float = 0.0):
    """The loss of a task, the one that training uses.

    Args:
        task: `binary`, `multilabel`, `multiclass`, `ordinal` or `regression`.
        labels: `(n, k)` of the training part, as in `data.Index`; each class must occur, and in `binary`, `multilabel`
            and `ordinal` also not occur. A regression does not look at them, and learns standardised targets.
        class_weights: weigh classes (of `ordinal`: grades) inversely to how often they occur, as scikit-learn's
            `balanced`. Nothing in a regression.
        kind: `crossentropy`, or `focal` with gamma 2.
        label_smoothing: s in [0, 1): 1 becomes 1 - s + s / k and 0 becomes s / k, with k classes, 2 for a label or cut
            (Szegedy et al., Rethinking the Inception Architecture, CVPR 2016, section 7).
    Raises:
        BadInput: another kind or smoothing, or one of them asked of a regression.
    """
    if kind not in ("crossentropy", "focal"):
        raise BadInput(f"loss {kind!r} came, expected crossentropy or focal")
    if not 0 <= label_smoothing < 1:
        raise BadInput(f"label smoothing {label_smoothing} came, expected at least 0 and less than 1")
    if task == "regression":
        if kind != "crossentropy" or label_smoothing:
            raise BadInput("a focal loss and label smoothing are for classes: leave them out of a regression")
        return huber
    gamma = GAMMA if kind == "focal" else 0.0
    if task == "ordinal":
        weights = _grade_weights(labels) if class_weights else np.ones(np.shape(labels)[1] + 1)
        return ordinal_crossentropy(weights, gamma, label_smoothing)
    loss, kinds = (balanced if class_weights else plain)(labels, task, gamma), 2
    if task == "multiclass":
        kinds = np.shape(labels)[1]

    def smoothed(truth, probability):
        return loss(_soft(truth, label_smoothing, kinds), probability)

    return smoothed if label_smoothing else loss


def balanced(labels: np.ndarray, task: str, gamma: float = 0.0):
    """The loss of a task whose classes weigh inversely to how often they occur (as scikit-learn's `balanced`).

    Args:
        labels: `(n, k)` of the training part; each class must occur, and in `multilabel` also not occur.
        task: `binary`, `multilabel` or `multiclass`.
    """
    share = np.asarray(labels, "float64").mean(0)
    if task == "multiclass":
        return weighted_categorical_crossentropy(1 / (len(share) * share), gamma)
    return weighted_binary_crossentropy(0.5 / share, 0.5 / (1 - share), gamma)


def plain(labels: np.ndarray, task: str, gamma: float = 0.0):
    """The loss of a task in which every image weighs the same; arguments as `balanced`."""
    ones = np.ones(np.shape(labels)[1])
    if task == "multiclass":
        return weighted_categorical_crossentropy(ones, gamma)
    return weighted_binary_crossentropy(ones, ones, gamma)


def _binary_terms(positive, negative, gamma: float):
    def terms(truth, probability):
        p = ops.clip(probability, EPSILON, 1 - EPSILON)
        said = positive * truth * _unsure(1 - p, gamma) * ops.log(p)
        return -(said + negative * (1 - truth) * _unsure(p, gamma) * ops.log(1 - p))

    return terms


def _soft(truth, smoothing: float, kinds: int):
    return truth * (1 - smoothing) + smoothing / kinds if smoothing else truth


def _unsure(missing, gamma: float):
    """How much a class still counts of which this probability is missing."""
    return ops.power(missing, gamma) if gamma else 1.0


def _grade_weights(labels) -> np.ndarray:
    """`(grades,)` of mean 1 over images; a grade without images weighs nothing."""
    labels = np.asarray(labels, float)
    counts = np.bincount(labels.sum(1).astype(int), minlength=labels.shape[1] + 1)
    return np.where(counts > 0, len(labels) / (np.maximum(counts, 1) * (counts > 0).sum()), 0.0)
