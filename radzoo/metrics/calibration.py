"""Recalibration, fitted on validation: class weights and small samples shift probabilities, and this shifts them back.

Binary and multilabel: logit(p') = a + b logit(p) with Platt's smoothed targets, which keep a perfectly separated
validation part from promising certainty (Platt, Advances in Large Margin Classifiers 1999). Multiclass: softmax of
b log(p) + a_k with one slope (Guo et al., ICML 2017, who call it temperature, plus their bias). Ordinal: each cut as a
label, then monotone (`cuts`). Regression: y' = a + b y by least squares.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

from radzoo.metrics.areas import FEW
from radzoo.metrics.cuts import monotone
from radzoo.metrics.regression import checked_numbers
from radzoo.metrics.reliability import fit_intercept, fit_logistic, safe_logit, soft_ends
from radzoo.metrics.units import checked

RIDGE = 0.01  # in units: decides only where validation says nothing of a class
NO_ORDER = "the order on validation is no better than chance, slope kept at 1"
ALL_EQUAL = "all predictions are equal, only the intercept was recalibrated"


@dataclass(frozen=True)
class Recalibration:
    """What was fitted on validation.

    Attributes:
        task: `binary`, `multilabel`, `multiclass`, `ordinal` or `regression`.
        intercept: one number per class; in a regression in the units of the target.
        slope: one positive number per class; a multiclass task repeats its only one.
        note: what could not be fitted, or "".
    """

    task: str
    intercept: tuple
    slope: tuple
    note: str = ""

    def apply(self, probability) -> np.ndarray:
        """Recalibrated `(n, k)`. Binary and multilabel keep the order of every float32 within a class: AUC stays; so
        does the order of a regression, and that within a cut unless cuts cross."""
        probability = np.asarray(probability, float)
        intercept, slope = np.array(self.intercept, float), np.array(self.slope, float)
        if (intercept == 0).all() and (slope == 1).all():
            return monotone(probability) if self.task == "ordinal" else probability.copy()
        if self.task == "regression":
            return intercept + slope * probability
        if self.task == "multiclass":
            return softmax(slope * _safe_log(probability) + intercept, axis=1)
        changed = expit(soft_ends(intercept + slope * safe_logit(probability)))
        changed = np.where((intercept == 0) & (slope == 1), probability, changed)
        return monotone(changed) if self.task == "ordinal" else changed

    def to_json(self) -> dict:
        return asdict(self) | {"intercept": list(self.intercept), "slope": list(self.slope)}

    @classmethod
    def from_json(cls, told: dict) -> Recalibration:
        return cls(told["task"], tuple(told["intercept"]), tuple(told["slope"]), told.get("note", ""))


def recalibrate(truth, probability, task: str) -> Recalibration:
    """Fits a recalibration on validation units.

    A slope that is not positive would turn the order round: then it stays 1 and only the intercept is fitted, as in a
    regression on fewer than 10 units. A label of which validation has one class only stays as it is. All is noted.

    Args:
        truth, probability: `(n, k)`; in a regression numbers in the units of the target.
        task: `binary`, `multilabel`, `multiclass`, `ordinal` or `regression`.
    """
    if task == "regression":
        return _line(*checked_numbers(truth, probability))
    truth, probability = checked(truth, probability)
    if task == "multiclass":
        return _multiclass(truth, probability)
    fits = [_one(*column) for column in zip(truth.T, probability.T, strict=True)]
    notes = {}
    for number, (_, _, note) in enumerate(fits, 1):
        if note:
            notes.setdefault(note, []).append(number)
    labels = {"binary": "", "ordinal": "cuts {}: "}.get(task, "labels {}: ")
    said = [labels.format(", ".join(map(str, numbers))) + note for note, numbers in notes.items()]
    return Recalibration(task, tuple(a for a, _, _ in fits), tuple(b for _, b, _ in fits), "; ".join(said))


def _one(truth, probability):
    positives, negatives = truth.sum(), (1 - truth).sum()
    if not (positives and negatives):
        return 0.0, 1.0, "validation has one class only, nothing was recalibrated"
    score = safe_logit(probability)
    target = np.where(truth == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    if np.ptp(score) < 1e-4:  # float32 noise of one constant answer, which no slope should blow up
        return fit_intercept(score, target), 1.0, ALL_EQUAL
    intercept, slope = fit_logistic(score, target)[0]
    if slope > 0:
        return float(intercept), float(slope), ""
    return fit_intercept(score, target), 1.0, NO_ORDER


def _line(truth, prediction) -> Recalibration:
    """The line of truth on prediction."""
    away, slope, note = prediction - prediction.mean(), 1.0, ""
    if np.ptp(prediction) <= 1e-6 * np.abs(prediction).max():  # float32 noise of one number
        note = ALL_EQUAL
    elif len(truth) < FEW:
        note = f"fewer than {FEW} units on validation, slope kept at 1"
    elif away @ truth <= 0:
        note = NO_ORDER
    else:
        slope = away @ truth / (away @ away)
    return Recalibration("regression", (float(truth.mean() - slope * prediction.mean()),), (float(slope),), note)


def _multiclass(truth, probability):
    score, counts, k = _safe_log(probability), truth.sum(0), truth.shape[1]
    target = np.where(truth == 1, counts + 1, 1) / (truth @ counts + k)[:, None]  # Platt's, for k classes
    slope, intercept = _fit_softmax(score, target, free=True)
    notes = []
    if slope <= 0:
        slope, intercept = _fit_softmax(score, target, free=False)
        notes.append(NO_ORDER)
    missing = int((counts == 0).sum())
    if missing:
        notes.append(f"{missing} of {k} classes have no validation unit")
    return Recalibration("multiclass", tuple(map(float, intercept)), (float(slope),) * k, "; ".join(notes))


def _fit_softmax(score, target, free: bool):
    """Slope (fixed at 1 unless `free`) and intercepts that sum to 0, by penalised maximum likelihood."""

    def loss(x):
        slope, intercept = (x[0] if free else 1.0), x[1:]
        said = slope * score + intercept
        away = softmax(said, axis=1) - target
        value = -(target * log_softmax(said, axis=1)).sum() + RIDGE / 2 * ((intercept**2).sum() + (x[0] - 1) ** 2)
        gradient = np.r_[free * (away * score).sum() + RIDGE * (x[0] - 1), away.sum(0) + RIDGE * intercept]
        return value, gradient

    found = minimize(loss, np.r_[1.0, np.zeros(score.shape[1])], jac=True, method="BFGS", options={"gtol": 1e-6}).x
    return (found[0] if free else 1.0), found[1:] - found[1:].mean()


def _safe_log(probability) -> np.ndarray:
    return np.log(np.maximum(probability, 1e-7))
