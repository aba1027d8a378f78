"""How sure an area under the ROC curve is, and a difference of two.

DeLong's variance (Biometrics 1988, by the fast algorithm of Sun & Xu, IEEE Signal Processing Letters 2014) needs each
patient once; otherwise the variance is that of the bootstrap over patients. Both are too small where few events score
high: with 15 events and an AUC of .9 an interval on the logit scale covers 90 %, and at AUC 1 it has no width.
Newcombe's interval (Statistics in Medicine 2006, method 5) has neither weakness, but trusts one shape of the curve
and knows no patients. So his is taken with his variance times a factor, the estimated variance over his, and this
factor is drawn towards the design effect of the patients' units (1 where each appears once) by as much as `PRIOR` more
events would do.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.stats import rankdata

from radzoo.metrics.intervals import Z, quantile
from radzoo.metrics.resampling import Patients

FEW = 10  # fewer patients with, or without, a class than this: counts, no claim
PRIOR = 10


def placements(truth, score) -> tuple[np.ndarray, np.ndarray]:
    """For each positive the share of negatives it beats, for each negative the share of positives it yields to."""
    positive, negative = score[truth == 1], score[truth == 0]
    m, n = len(positive), len(negative)
    ranks = rankdata(np.r_[positive, negative])
    return (ranks[:m] - rankdata(positive)) / n, 1 - (ranks[m:] - rankdata(negative)) / m


def delong(truth, scores) -> tuple[np.ndarray, np.ndarray]:
    """Areas `(k,)` and their covariance `(k, k)` of k scores of the same units, each of another patient.

    Args:
        truth: `(n,)` with at least two 0s and two 1s.
        scores: k arrays `(n,)`.
    """
    pairs = [placements(truth, score) for score in scores]
    positive, negative = (np.stack(side) for side in zip(*pairs, strict=True))
    covariance = sum(np.atleast_2d(np.cov(side)) / side.shape[1] for side in (positive, negative))
    return positive.mean(1), covariance


def carriers(truth, patients: Patients) -> int:
    """The smaller of the numbers of patients with a positive and with a negative unit: what the variance rests on."""
    return min(patients.holding(truth == 1), patients.holding(truth == 0))


def newcombe_variance(area, m: float, n: float):
    """Of an AUC of m positives and n negatives: Hanley & McNeil's, made symmetric by Newcombe (2006, method 5)."""
    more = (m + n) / 2 - 1
    return area * (1 - area) * (1 + more * (1 - area) / (2 - area) + more * area / (1 + area)) / (m * n)


def auc_interval(truth, score, area: float, patients: Patients, deviation: float | None = None):
    """The interval of one AUC.

    Args:
        area: the AUC of `score`.
        deviation: its standard error over resampled patients; None takes DeLong's, for patients that appear once.
    Returns:
        `(low, high)`; NaN where a class has one unit only. A constant score has an AUC of .5 for certain.
    """
    m, n = int((truth == 1).sum()), int((truth == 0).sum())
    if score.min() == score.max():
        return 0.5, 0.5
    if min(m, n) < 2 or (deviation is not None and not np.isfinite(deviation)):
        return np.nan, np.nan
    few, single = carriers(truth, patients), float(delong(truth, [score])[1][0, 0])
    if not 0 < area < 1:
        return _score_interval(area, Z * np.sqrt(copies(truth, patients)), m, n)
    variance = single if deviation is None else deviation**2
    factor = steadied(variance, single, newcombe_variance(area, m, n), truth, patients) / newcombe_variance(area, m, n)
    return _score_interval(area, (Z if deviation is None else quantile(few)) * np.sqrt(factor), m, n)


def difference_variance(truth, one, two, patients: Patients, deviation: float | None = None) -> float:
    """Of the difference of two paired AUCs, drawn like that of one towards what Newcombe's variances would give.

    Args:
        deviation: standard error over resampled patients; None takes DeLong's, for patients that appear once.
    """
    m, n = int((truth == 1).sum()), int((truth == 0).sum())
    if min(m, n) < 2:
        return np.nan
    areas, covariance = delong(truth, [one, two])
    own = covariance.diagonal()
    shared = covariance[0, 1] / np.sqrt(own.prod()) if own.min() > 0 else 0.0
    usual = [0.0 if s.min() == s.max() else newcombe_variance(a, m, n) for s, a in zip((one, two), areas, strict=True)]
    anchor = sum(usual) - 2 * shared * np.sqrt(usual[0] * usual[1])
    single = max(own.sum() - 2 * covariance[0, 1], 0.0)
    return float(steadied(single if deviation is None else deviation**2, single, anchor, truth, patients))


def copies(truth, patients: Patients) -> float:
    """How much larger the variance of an AUC is if all units of a patient and class are copies of one."""
    counts = [[patients.holding(truth == side), (truth == side).sum()] for side in (1, 0)]
    return newcombe_variance(0.5, *(held for held, _ in counts)) / newcombe_variance(0.5, *(all_ for _, all_ in counts))


def steadied(variance, single, anchor, truth, patients: Patients):
    """`variance`, drawn towards `anchor` times the design effect (`variance` over what it were of `single` units)."""
    few, most = carriers(truth, patients), copies(truth, patients)
    effect = np.clip(variance / single, 1, most) if single > 0 else most
    return (few * variance + PRIOR * effect * anchor) / (few + PRIOR)


def _score_interval(area, q, m, n):
    """All areas from which `area` is at most `q` of *their* standard errors away."""

    def beyond(other):
        return (area - other) ** 2 - q**2 * newcombe_variance(other, m, n)

    low = brentq(beyond, 0, min(area, 1 - 1e-9)) if area > 0 else 0.0  # at 1 itself `beyond` is 0, never below
    high = brentq(beyond, max(area, 1e-9), 1) if area < 1 else 1.0
    return float(low), float(high)
