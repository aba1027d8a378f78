"""One number by which epochs, ways and classifiers are chosen, always on images that were not learnt from."""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from radzoo.metrics.curves import auc

WORST = -1.0


def score(task: str, truth, probability) -> float:
    """Higher is better. Classes and ordinal cuts: the mean AUC of the columns that hold both kinds.

    Regression: Spearman's rank correlation. Like the AUC it asks for the order alone, and leaves the scale to the
    recalibration that is fitted on validation next. An error in units of the target would prefer a network that says
    the mean of all to one that ranks them well and is off by a constant. A constant prediction orders nothing: it gets
    the worst value there is, so that any other wins. Where nothing is defined, the value is -1 too.

    Args:
        task: `binary`, `multiclass`, `multilabel`, `ordinal` or `regression`.
        truth, probability: `(n, k)`.
    """
    truth, probability = np.asarray(truth, float), np.asarray(probability, float)
    if task == "regression":
        truth, prediction = truth.ravel(), probability.ravel()
        if len(truth) < 2 or not np.isfinite(prediction).all() or not (np.ptp(truth) and np.ptp(prediction)):
            return WORST
        return float(spearmanr(truth, prediction).statistic)
    areas = [auc(*column) for column in zip(truth.T, probability.T, strict=True)]
    areas = [area for area in areas if not np.isnan(area)]
    return float(np.mean(areas)) if areas else WORST


def score_name(task: str) -> str:
    """What `score` is called in lines and tables."""
    return "Spearman" if task == "regression" else "AUC"
