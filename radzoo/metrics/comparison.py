"""Two scores of the same units: the paired difference of their areas under the ROC curve; many comparisons at once."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata, t

from radzoo.metrics.areas import auc_interval, carriers, difference_error
from radzoo.metrics.curves import Ranking, auc
from radzoo.metrics.intervals import number, quantile, welch
from radzoo.metrics.resampling import grouped, resamples
from radzoo.metrics.units import checked


def compare(truth, a, b, patients, *, task, bootstrap=2000, seed=0) -> dict:
    """AUC of `a` minus AUC of `b` (means over classes for k > 1) on the same units.

    The standard error is DeLong's for one class and patients that appear once, otherwise that of the bootstrap over
    patients, the same resamples for both; for one class it is steadied as that of one area is (`areas`). Quantiles and
    p are Student's with Welch's degrees of freedom. Two scores that rank all units alike differ by exactly 0. Where the
    standard error is 0 although they do not (both perfect), the intervals of the two areas are combined (Zou,
    Psychological Methods 2007).

    Args:
        truth, a, b: `(n, k)`.
        patients: `(n,)`.
        task: `binary`, `multiclass`, `multilabel` or `ordinal` (its cuts are labels).
    Returns:
        `{"difference", "low", "high", "p"}`, None where undefined; p is two-sided.
    """
    truth, a = checked(truth, a)
    _, b = checked(truth, b)
    people = grouped(patients)
    columns = [(y, one, two) for y, one, two in zip(truth.T, a.T, b.T, strict=True) if 0 < y.sum() < len(y)]
    if not columns:
        return dict.fromkeys(("difference", "low", "high", "p"))
    difference = float(np.mean([auc(y, one) - auc(y, two) for y, one, two in columns]))
    if all(np.array_equal(rankdata(one), rankdata(two)) for _, one, two in columns):
        return {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    error, degrees = _standard_error(columns, people, bootstrap, seed)
    q = quantile(degrees)
    if error == 0:
        low, high = np.mean([_combined(*column, people) for column in columns], axis=0)
        error = (difference - low if difference > 0 else high - difference) / q
    else:
        low, high = max(difference - q * error, -1.0), min(difference + q * error, 1.0)
    p = 2 * t.sf(abs(difference) / error, max(degrees, 1)) if error > 0 else np.nan
    return {"difference": difference, "low": number(low), "high": number(high), "p": number(p)}


def _standard_error(columns, people, bootstrap, seed) -> tuple[float, float]:
    """Of the mean difference over the columns; and its degrees of freedom."""
    if len(columns) == 1 and people.single:
        return difference_error(*columns[0], people)
    pairs = [(Ranking(y, one), Ranking(y, two)) for y, one, two in columns]
    drawn = [
        np.stack([one.areas(block)[0] - two.areas(block)[0] for one, two in pairs])
        for block in resamples(people, bootstrap, seed)
    ]
    drawn = np.concatenate([np.zeros((len(pairs), 0)), *drawn], axis=1)
    if len(columns) == 1:
        return difference_error(*columns[0], people, spread(drawn[0]))
    few = [carriers(y, people) for y, _, _ in columns]
    return spread(mean_of_defined(drawn)), welch([spread(each) ** 2 for each in drawn], few)


def holm(p_values) -> list[float | None]:
    """p values of several comparisons, adjusted: below .05, the chance that any null hypothesis was wrongly rejected
    is below .05 (Holm, Scandinavian Journal of Statistics 1979).

    Args:
        p_values: in any order; None (undefined) stays None and is not counted.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted, largest = [None] * len(p_values), 0.0
    for rank, (p, place) in enumerate(known):
        largest = min(1.0, max(largest, (len(known) - rank) * p))
        adjusted[place] = largest
    return adjusted


def mean_of_defined(columns) -> np.ndarray:
    """Mean over the first axis of what is defined; NaN where nothing is (without NumPy's warning)."""
    defined = ~np.isnan(columns)
    with np.errstate(invalid="ignore"):
        return np.where(defined, columns, 0).sum(0) / defined.sum(0)


def spread(drawn) -> float:
    """The standard deviation of the resampled values that are defined; NaN where fewer than two are."""
    drawn = drawn[~np.isnan(drawn)]
    return float(drawn.std(ddof=1)) if len(drawn) > 1 else np.nan


def _combined(truth, one, two, people):
    """From the intervals of two areas that of their difference, as if they were independent."""
    ends = []
    for score in (one, two):
        area = auc(truth, score)
        ends.append((area, *auc_interval(truth, score, area, people, None if people.single else 0.0)))
    (a, low, high), (b, below, above) = ends
    return a - b - np.hypot(a - low, above - b), a - b + np.hypot(high - a, b - below)
