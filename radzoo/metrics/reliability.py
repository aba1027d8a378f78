"""Whether probabilities mean what they say: calibration intercept and slope, Brier score, reliability bins.

The words are those of Van Calster et al. (J. Clinical Epidemiology 2016; BMC Medicine 2019): the intercept with the
slope held at 1 is calibration in the large (0 is right, below it risks are overestimated), the slope of the logistic
recalibration is 1 where predictions are as spread as they should be, below 1 where they are too extreme.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import rankdata

from radzoo.metrics.areas import carriers
from radzoo.metrics.intervals import mean, measured, proportion, quantile
from radzoo.metrics.resampling import Patients

SURE = 14.0  # logits beyond this (a probability of .999999) grow only logarithmically
BINS, PER_BIN = 10, 10


def soft_ends(score) -> np.ndarray:
    """The identity within +-14, logarithmic beyond: one saturated prediction must not outweigh all others."""
    over = np.abs(score) - SURE
    return np.where(over > 0, np.sign(score) * (SURE + np.log1p(np.maximum(over, 0))), score)


def safe_logit(probability) -> np.ndarray:
    """The logit with `soft_ends`: finite at 0 and 1, still strictly increasing where a clip would make ties."""
    probability = np.clip(np.asarray(probability, float), 1e-300, 1 - 2.0**-53)
    return soft_ends(logit(probability))


def fit_intercept(score, truth) -> float:
    """The a of sum(truth) = sum(expit(a + score)): logistic regression with `score` as an offset."""
    return float(brentq(lambda a: (truth - expit(a + score)).sum(), -100, 100, xtol=1e-10))


def fit_logistic(score, truth) -> tuple[np.ndarray, np.ndarray]:
    """Maximum likelihood of truth ~ expit(a + b score), by Newton's method with halved steps.

    Args:
        score: `(n,)`, not constant.
        truth: `(n,)` in [0, 1]; 0s and 1s must overlap (`overlapping`), otherwise no maximum exists.
    Returns:
        `(a, b)`, and the inverse `(2, 2)` of the information.
    """
    centre, scale = score.mean(), score.std()
    design = np.stack([np.ones_like(score), (score - centre) / scale], axis=1)
    beta, best = np.zeros(2), -np.inf
    beta[0] = logit(truth.mean())

    def likelihood(b):
        said = design @ b
        return (truth * said - np.logaddexp(0, said)).sum()

    best = likelihood(beta)
    for _ in range(100):
        said = expit(design @ beta)
        information = (design * (said * (1 - said))[:, None]).T @ design
        step = np.linalg.solve(information, design.T @ (truth - said))
        while likelihood(beta + step) < best and np.abs(step).max() > 1e-12:
            step /= 2
        beta, best = beta + step, likelihood(beta + step)
        if np.abs(step).max() < 1e-10:
            break
    back = np.array([[1, -centre / scale], [0, 1 / scale]])  # to the scale of `score`
    return back @ beta, back @ np.linalg.inv(information) @ back.T


def overlapping(score, truth) -> bool:
    """Whether a finite slope exists (Albert & Anderson, Biometrika 1984, in one dimension)."""
    positive, negative = score[truth == 1], score[truth == 0]
    return bool(positive.min() < negative.max() and negative.min() < positive.max())


def reliability(truth, probability, patients: Patients) -> dict:
    """`brier`, `calibration_intercept`, `calibration_slope` and the bins of the reliability curve, `reliability`.

    Intercept and slope have the sandwich variance between patients (White 1982; Liang & Zeger, Biometrika 1986), with
    Student's quantiles. Both are None with one class, the slope also where no finite one exists.

    Args:
        truth, probability: `(n,)`.
    """
    entry = {
        "brier": mean((truth - probability) ** 2, patients),
        "calibration_intercept": None,
        "calibration_slope": None,
        "reliability": bins(truth, probability, patients),
    }
    score = safe_logit(probability)
    if 0 < truth.sum() < len(truth):
        entry["calibration_intercept"] = _intercept(truth, score, patients)
        if overlapping(score, truth):
            entry["calibration_slope"] = _slope(truth, score, patients)
    return entry


def _intercept(truth, score, patients):
    a = fit_intercept(score, truth)
    said = expit(a + score)
    own = patients.sums(truth - said) / (said * (1 - said)).sum()
    return _plus_minus(a, (own**2).sum(), patients, patients.count)


def _slope(truth, score, patients):
    (a, b), inverse = fit_logistic(score, truth)
    away = truth - expit(a + b * score)
    own = np.stack([patients.sums(away), patients.sums(away * score)], axis=1) @ inverse[1]
    return _plus_minus(b, (own**2).sum(), patients, carriers(truth, patients))


def _plus_minus(value, variance, patients, few):
    if patients.count < 2:
        return measured(value)
    half = quantile(few - 1) * np.sqrt(variance * patients.count / (patients.count - 1))
    return measured(value, value - half, value + half)


def bins(truth, probability, patients: Patients) -> list[dict]:
    """At most ten bins of equally many units, about ten or more in each; equal predictions stay together."""
    count = int(np.clip(len(truth) // PER_BIN, 1, BINS))
    number = ((rankdata(probability) - 0.5) / len(truth) * count).astype(int)
    curve = []
    for here in (number == i for i in np.unique(number)):
        share = proportion(truth == 1, here, patients)
        curve.append({
            "predicted": float(probability[here].mean()), "observed": share["value"],
            "low": share["low"], "high": share["high"], "count": int(here.sum()),
        })  # fmt: skip
    return curve
