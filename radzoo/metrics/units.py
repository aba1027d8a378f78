"""One declared unit of analysis: the images of a study or a patient become one row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radzoo.errors import BadInput


@dataclass(frozen=True)
class Units:
    """Pooled rows, in the order in which units appear.

    Attributes:
        truth, probability: `(units, k)`.
        patients: `(units,)`, as they came.
        first: `(units,)` position of each unit's first image.
    """

    truth: np.ndarray
    probability: np.ndarray
    patients: np.ndarray
    first: np.ndarray


def pool_units(truth, probability, units, patients, aggregate: str = "mean", *, task: str | None = None) -> Units:
    """Pools the images of each unit: a finding is in the unit when it is in any of its images.

    Args:
        truth, probability: `(n, k)` per image.
        units, patients: `(n,)` identifiers per image.
        aggregate: `mean` or `max` of the images' probabilities; the `max` of a multiclass task is scaled to sum 1.
        task: of the labels; better given than guessed. None takes several columns that sum to 1 in every row for a
            multiclass task, unless they are labels (0 and 1) or the same in all rows. In a regression the truth of a
            unit is the mean of its images too.
    Raises:
        BadInput: a unit of two patients; a multiclass unit whose images have different classes; the `max` of a
            regression.
    """
    if task == "regression" and aggregate == "max":
        raise BadInput("aggregate 'max' came with a regression, whose images are averaged: leave --aggregate out")
    if aggregate not in ("mean", "max"):
        raise BadInput(f"aggregate {aggregate!r} came, expected 'mean' or 'max'")
    truth, probability = np.asarray(truth, float), np.asarray(probability, float)
    patients = np.asarray(patients)
    _, first, group = np.unique(np.asarray(units), return_index=True, return_inverse=True)
    order = np.argsort(first)  # by appearance
    group, first = np.argsort(order)[group], first[order]
    strangers = len(np.unique(group[patients != patients[first][group]]))
    if strangers:
        raise BadInput(
            f"{strangers} of {len(first)} units hold images of several patients: make unit names unique over patients"
        )
    together = np.zeros((len(first), truth.shape[1]))
    if task == "regression":
        together = _means(truth, group)
    else:
        np.maximum.at(together, group, truth)
    pooled = np.zeros_like(together)
    if aggregate == "mean":
        pooled = _means(probability, group)
    else:
        np.maximum.at(pooled, group, probability)
    if task == "multiclass" or (task is None and _like_classes(probability)):
        mixed = int((together.sum(1) > 1).sum())
        if mixed:
            raise BadInput(
                f"{mixed} of {len(first)} units hold images of different classes: correct the labels, evaluate per "
                "image, or make the classes several labels"
            )
        pooled /= pooled.sum(1, keepdims=True)
    return Units(together, pooled, patients[first], first)


def checked(truth, probability) -> tuple[np.ndarray, np.ndarray]:
    """Both as floats `(n, k)`.

    Raises:
        BadInput: shapes differ, labels other than 0 and 1, probabilities that are NaN or infinite.
    """
    truth, probability = np.asarray(truth, float), np.asarray(probability, float)
    if truth.ndim != 2 or truth.shape != probability.shape or not len(truth):
        raise BadInput(f"truth {truth.shape} and probability {probability.shape} came, expected two equal (images, k)")
    if not np.isin(truth, (0, 1)).all():
        raise BadInput("labels other than 0 and 1 came to the evaluation: map them in the index")
    if not np.isfinite(probability).all():
        raise BadInput("the model predicts NaN or infinity: its training diverged, lower the learning rate")
    return truth, probability


def _means(values, group) -> np.ndarray:
    total = np.zeros((group.max() + 1, values.shape[1]))
    np.add.at(total, group, values)
    return total / np.bincount(group)[:, None]


def _like_classes(probability) -> bool:
    one = probability.shape[1] > 1 and np.allclose(probability.sum(1), 1, atol=1e-3)
    return bool(one and (probability % 1).any() and np.ptp(probability, axis=0).any())
