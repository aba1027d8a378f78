"""How sure an area under the ROC curve is, and a difference of two.

DeLong's variance (Biometrics 1988, by the fast algorithm of Sun & Xu, IEEE Signal Processing Letters 2014) needs each
patient once; otherwise the variance is that of the bootstrap over patients. Both are too small where few events score
high: with 15 events and an AUC of .9 an interval on the logit scale covers 90 %, and at AUC 1 it has no width.
Newcombe's interval (Statistics in Medicine 2006, method 5) has neither weakness, but trusts one shape of the curve
and knows no patients. So his is taken with his variance times a factor, the estimated variance over his, and this
factor is drawn towards the design effect of the patients' units (1 where each appears once) by as much as `PRIOR` more
events would do. With the bootstrap, quantiles are Student's: positives and negatives each bring their variance, from
so many patients (Brunner & Munzel, Biometrical Journal 2000).
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.stats import rankdata

from radzoo.metrics.intervals import Z, quantile, welch
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
    """Areas `(k,)` of k scores of the same units, each of another patient, and their covariance in two parts.

    Args:
        truth: `(n,)` with at least two 0s and two 1s.
        scores: k arrays `(n,)`.
    Returns:
        The areas, and `(2, k, k)`: what the positives and what the negatives add to the covariance.
    """
    pairs = [placements(truth, score) for score in scores]
    sides = [np.stack(side) for side in zip(*pairs, strict=True)]
    return sides[0].mean(1), np.stack([np.atleast_2d(np.cov(side)) / side.shape[1] for side in sides])


def holders(truth, patients: Patients) -> tuple[int, int]:
    """How many patients have a positive, and how many a negative unit."""
    return patients.holding(truth == 1), patients.holding(truth == 0)


def carriers(truth, patients: Patients) -> int:
    """The smaller of these two numbers: what most variances rest on."""
    return min(holders(truth, patients))


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
    if not 0 < area < 1:
        return _score_interval(area, Z * np.sqrt(copies(truth, patients)), m, n)
    parts, usual = delong(truth, [score])[1][:, 0, 0], newcombe_variance(area, m, n)
    single = float(parts.sum())
    q = Z if deviation is None else quantile(welch(parts, holders(truth, patients)))
    variance = steadied(single if deviation is None else deviation**2, single, usual, truth, patients)
    return _score_interval(area, q * np.sqrt(variance / usual), m, n)


def difference_error(truth, one, two, patients: Patients, deviation: float | None = None) -> tuple[float, float]:
    """Standard error of the difference of two paired AUCs, steadied like that of one; and its degrees of freedom.

    Args:
        deviation: standard error over resampled patients; None takes DeLong's, for patients that appear once.
    """
    m, n = int((truth == 1).sum()), int((truth == 0).sum())
    if min(m, n) < 2:
        return np.nan, 1.0
    areas, covariance = delong(truth, [one, two])
    parts = np.maximum(covariance[:, 0, 0] + covariance[:, 1, 1] - 2 * covariance[:, 0, 1], 0)
    (own, shared), (_, other) = covariance.sum(0)
    correlation = shared / np.sqrt(own * other) if min(own, other) > 0 else 0.0
    usual = [0.0 if s.min() == s.max() else newcombe_variance(a, m, n) for s, a in zip((one, two), areas, strict=True)]
    anchor = sum(usual) - 2 * correlation * np.sqrt(usual[0] * usual[1])
    single = float(parts.sum())
    variance = steadied(single if deviation is None else deviation**2, single, anchor, truth, patients)
    return float(np.sqrt(variance)), welch(parts, holders(truth, patients))


def copies(truth, patients: Patients) -> float:
    """How much larger the variance of an AUC is if all units of a patient and class are copies of one."""
    counts = (truth == 1).sum(), (truth == 0).sum()
    return newcombe_variance(0.5, *holders(truth, patients)) / newcombe_variance(0.5, *counts)


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
