"""Everything that is reported about ordered grades: each cut as a class, and the grades themselves."""

from __future__ import annotations

import numpy as np

from radzoo.metrics.bootstrap import intervals
from radzoo.metrics.cuts import grade_names, grades
from radzoo.metrics.evaluation import evaluate
from radzoo.metrics.intervals import proportion
from radzoo.metrics.resampling import grouped
from radzoo.metrics.thresholds import DEFAULT
from radzoo.metrics.units import checked


def evaluate_ordinal(
    truth, probability, patients, *, classes, thresholds=None, rule=DEFAULT, raw=None, folds=None, bootstrap=2000,
    seed=0,
) -> dict:  # fmt: skip
    """What `evaluate` says of the cuts as several labels, and how far the grades agree.

    The grade of a unit is the number of its cuts above one half (`cuts.grades`), whatever the thresholds are: these
    belong to the cuts. Shares have Wilson's interval (`intervals.proportion`); kappa and the error in grades the
    bootstrap over patients (`bootstrap`).

    Args:
        truth, probability: `(n, K - 1)` of at least grade 1, 2, …
        classes: names of the cuts, `(">=b", …)`.
        the others: as in `evaluate`.
    Returns:
        As `evaluate`, where `accuracy` is the share of exactly right grades and `confusion` counts grades (rows are the
        truth); and `grades` (K names), `within_one` (the share at most one grade off), `kappa` (Cohen's with quadratic
        weights, Psychological Bulletin 1968; None where all grades are equal) and `grade_error` (mean absolute error in
        grades), each `{"value", "low", "high"}`.
    """
    truth, probability = checked(truth, probability)
    told = evaluate(
        truth, probability, patients, task="multilabel", classes=classes, thresholds=thresholds, rule=rule, raw=raw,
        folds=folds, bootstrap=bootstrap, seed=seed,
    )  # fmt: skip
    people, everyone = grouped(patients), np.ones(len(truth), bool)
    true, said, count = truth.sum(1).astype(int), grades(probability), truth.shape[1] + 1
    cells = np.bincount(count * true + said, minlength=count * count).reshape(count, count)
    return told | {
        "grades": list(grade_names(classes)),
        "accuracy": proportion(true == said, everyone, people),
        "within_one": proportion(abs(true - said) <= 1, everyone, people),
        **intervals(lambda weights: _agreement(weights, true, said, count), people, bootstrap, seed),
        "confusion": cells.tolist(),
    }


def _agreement(weights, true, said, count: int) -> dict[str, np.ndarray]:
    """`kappa` and `grade_error` of `(rows, n)` weights."""
    weights = np.asarray(weights, float)
    one, two = np.eye(count)[true], np.eye(count)[said]
    total = weights.sum(1)
    away = weights @ (true - said) ** 2 / total
    apart = (np.arange(count)[:, None] - np.arange(count)) ** 2
    by_chance = np.einsum("ri,ij,rj->r", weights @ one, apart, weights @ two) / total**2
    with np.errstate(invalid="ignore", divide="ignore"):
        kappa = np.where(by_chance > 0, 1 - away / by_chance, np.nan)
    return {"kappa": kappa, "grade_error": weights @ abs(true - said) / total}
