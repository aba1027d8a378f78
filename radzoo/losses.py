"""Losses on probabilities, with one weight per class; they run on every Keras backend, compiled or not."""

from __future__ import annotations

import numpy as np
from keras import ops

EPSILON = 1e-7  # probabilities are kept this far from 0 and 1


def weighted_binary_crossentropy(positive, negative):
    """Mean over images and labels of `-(positive y log p + negative (1 - y) log(1 - p))`.

    Args:
        positive, negative: `(labels,)` weights of an image with and without the label.

    Returns:
        A loss of `(truth, probability)`, both `(batch, labels)`, to `(batch,)`.
    """
    positive, negative = np.float32(positive), np.float32(negative)

    def loss(truth, probability):
        p = ops.clip(probability, EPSILON, 1 - EPSILON)
        return -ops.mean(positive * truth * ops.log(p) + negative * (1 - truth) * ops.log(1 - p), axis=-1)

    return loss


def weighted_categorical_crossentropy(weights):
    """Sum over classes of `-weight y log p`.

    Args:
        weights: `(classes,)`.

    Returns:
        A loss of `(one-hot truth, probability)`, both `(batch, classes)`, to `(batch,)`.
    """
    weights = np.float32(weights)

    def loss(truth, probability):
        return -ops.sum(weights * truth * ops.log(ops.clip(probability, EPSILON, 1.0)), axis=-1)

    return loss


def balanced(labels: np.ndarray, task: str):
    """The loss of a task whose classes weigh inversely to how often they occur (as scikit-learn's `balanced`).

    Args:
        labels: `(n, k)` of the training part; each class must occur, and in `multilabel` also not occur.
        task: `binary`, `multilabel` or `multiclass`.
    """
    share = np.asarray(labels, "float64").mean(0)
    if task == "multiclass":
        return weighted_categorical_crossentropy(1 / (len(share) * share))
    return weighted_binary_crossentropy(0.5 / share, 0.5 / (1 - share))


def plain(labels: np.ndarray, task: str):
    """The loss of a task in which every image weighs the same; arguments as `balanced`."""
    ones = np.ones(np.shape(labels)[1])
    return weighted_categorical_crossentropy(ones) if task == "multiclass" else weighted_binary_crossentropy(ones, ones)
