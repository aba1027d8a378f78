"""A classifier that is the same for every baseline, and what its result says about a model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

FOLDS = 5
STRENGTHS = (0.001, 0.01, 0.1, 1.0)  # of the fit to the training part (scikit-learn's C)
CAUTIOUS = 0.01  # where there are too few patients to choose


@dataclass(frozen=True)
class Baseline:
    """A fitted logistic regression per class, or the constant frequency of a class that cannot be learned."""

    columns: tuple
    task: str

    def probability(self, features: np.ndarray) -> np.ndarray:
        """`(n, k)`; rows of a multiclass task sum to 1."""
        given = np.stack([_probability(column, features) for column in self.columns], axis=1)
        if self.task == "multiclass":
            total = given.sum(axis=1, keepdims=True)
            given = np.where(total > 0, given / np.where(total > 0, total, 1), 1 / given.shape[1])
        return given


def fit(features: np.ndarray, labels: np.ndarray, patients, *, task: str, seed: int = 0) -> Baseline:
    """Standardised features and an L2 logistic regression, each class against the rest.

    Its strength is chosen by the log loss of a cross-validation grouped by patient, on these rows alone.
    One thread: the problem is small, and threads that wait for each other on a busy machine cost more than they give.

    Args:
        features: `(n, d)` of the training part; d may be 0.
        labels: `(n, k)`: binary k=1, multiclass one-hot, multilabel k labels.
        patients: `(n,)`; a patient is in one fold only.
    """
    from threadpoolctl import threadpool_limits

    group = np.unique(np.asarray(patients), return_inverse=True)[1]
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class of few patients is missing from a fold
        return Baseline(tuple(_choose(features, truth, group, seed) for truth in np.asarray(labels).T), task)


def suspicion(model: dict, baseline: dict, difference: dict | None = None) -> str | None:
    """Whether a model's AUC may be no more than a baseline's: the report says so in its first paragraph.

    Args:
        model, baseline: `{"value", "low", "high"}` of `metrics.evaluate`.
        difference: of the same images' AUC, model minus baseline, as from `metrics.compare`.
    Returns:
        None: the model's interval lies above the baseline's (or one of them is undefined).
        `"exposed"`: it does not, and the baseline by itself beats chance: the model may have learned no more.
        `"overlap"`: the intervals overlap, the baseline may be a coin toss, and compared image by image the model is
        better.
        `"not told apart"`: the same, but the model is not surely better: the test is too small to tell.
    """
    if any(auc[end] is None for auc in (model, baseline) for end in ("low", "high")):
        return None
    if model["low"] > baseline["high"]:
        return None
    if baseline["low"] > 0.5:
        return "exposed"
    better = difference is not None and difference["low"] is not None and difference["low"] > 0
    return "overlap" if better else "not told apart"


def _choose(features, truth, group, seed):
    """The fitted column of the best strength."""
    from sklearn.model_selection import StratifiedGroupKFold

    count = min(FOLDS, *(len(np.unique(group[truth == value])) for value in (0, 1)))
    if count < 2 or not features.shape[1]:
        return _column(features, truth, CAUTIOUS)
    folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(features, truth, group)
    folds = list(folds)

    def loss(strength):
        held = np.concatenate([test for _, test in folds])
        fitted = [_column(features[train], truth[train], strength) for train, _ in folds]
        given = np.concatenate([_probability(c, features[test]) for c, (_, test) in zip(fitted, folds, strict=True)])
        given = given.clip(1e-6, 1 - 1e-6)
        return -np.log(np.where(truth[held] == 1, given, 1 - given)).mean()

    return _column(features, truth, min(STRENGTHS, key=loss))


def _column(features, truth, strength):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if truth.min() == truth.max() or not features.shape[1]:
        return float(truth.mean())
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000)).fit(features, truth)


def _probability(column, features) -> np.ndarray:
    return np.full(len(features), column) if isinstance(column, float) else column.predict_proba(features)[:, 1]
