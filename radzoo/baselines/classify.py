"""A linear fit that is the same for every baseline, and what its result says about a model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from radzoo.metrics import monotone

FOLDS = 5
STRENGTHS = (0.001, 0.01, 0.1, 1.0)  # of the fit to the training part (scikit-learn's C)
CAUTIOUS = 0.01  # where there are too few patients to choose


@dataclass(frozen=True)
class Baseline:
    """A fitted regression per class (logistic) or number (ridge), or the constant where nothing can be learned."""

    columns: tuple
    task: str

    def probability(self, features: np.ndarray) -> np.ndarray:
        """`(n, k)`; rows of a multiclass task sum to 1, cuts do not increase, numbers are in the target's units."""
        given = np.stack([_probability(column, features) for column in self.columns], axis=1)
        if self.task == "multiclass":
            total = given.sum(axis=1, keepdims=True)
            given = np.where(total > 0, given / np.where(total > 0, total, 1), 1 / given.shape[1])
        return monotone(given) if self.task == "ordinal" else given


def fit(features: np.ndarray, labels: np.ndarray, patients, *, task: str, seed: int = 0) -> Baseline:
    """Standardised features and an L2 logistic regression, each class against the rest; a ridge regression of a number.

    Its strength is chosen by the log loss (of a number: the squared error) of a cross-validation grouped by patient, on
    these rows alone.
    One thread: the problem is small, and threads that wait for each other on a busy machine cost more than they give.

    Args:
        features: `(n, d)` of the training part; d may be 0.
        labels: `(n, k)`: binary k=1, multiclass one-hot, multilabel k labels, ordinal k cuts, regression k=1 number.
        patients: `(n,)`; a patient is in one fold only.
    """
    from threadpoolctl import threadpool_limits

    group = np.unique(np.asarray(patients), return_inverse=True)[1]
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class of few patients is missing from a fold
        choose = _choose_ridge if task == "regression" else _choose
        return Baseline(tuple(choose(features, truth, group, seed) for truth in np.asarray(labels).T), task)


def constant(labels: np.ndarray, task: str) -> np.ndarray:
    """What can be said without looking at anything, `(k,)`: how frequent each class is, or the median number, which has
    the smallest mean absolute error of all constants."""
    labels = np.asarray(labels, float)
    return np.median(labels, axis=0) if task == "regression" else labels.mean(0)


def suspicion(model: dict, baseline: dict, difference: dict | None = None, *, task: str = "binary") -> str | None:
    """Whether a model's AUC may be no more than a baseline's: the report says so in its first paragraph.

    Args:
        model, baseline: `{"value", "low", "high"}`: `auc` of `metrics.evaluate`, or in a regression `spearman` of
            `metrics.evaluate_regression`.
        difference: of the same images' AUC, model minus baseline, as from `metrics.compare`; in a regression that of
            the mean absolute error, from `metrics.compare_regression`.
        task: only `regression` differs from the others: chance is 0, and a difference below 0 is better.
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
    if baseline["low"] > (0.0 if task == "regression" else 0.5):
        return "exposed"
    better = False
    if difference is not None and difference["low"] is not None:
        better = difference["high"] < 0 if task == "regression" else difference["low"] > 0
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


def _choose_ridge(features, truth, group, seed):
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    count = min(FOLDS, len(np.unique(group)))
    if truth.min() == truth.max() or not features.shape[1]:
        return float(truth.mean())

    def fitted(strength, rows):
        return make_pipeline(StandardScaler(), Ridge(1 / strength)).fit(features[rows], truth[rows])

    everything = np.arange(len(truth))
    if count < 2:
        return fitted(CAUTIOUS, everything)
    folds = list(GroupKFold(count, shuffle=True, random_state=seed).split(features, truth, group))

    def loss(strength):
        away = [fitted(strength, train).predict(features[test]) - truth[test] for train, test in folds]
        return (np.concatenate(away) ** 2).mean()

    return fitted(min(STRENGTHS, key=loss), everything)


def _column(features, truth, strength):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if truth.min() == truth.max() or not features.shape[1]:
        return float(truth.mean())
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000)).fit(features, truth)


def _probability(column, features) -> np.ndarray:
    if isinstance(column, float):
        return np.full(len(features), column)
    return column.predict_proba(features)[:, 1] if hasattr(column, "predict_proba") else column.predict(features)
