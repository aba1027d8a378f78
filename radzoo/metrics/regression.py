"""Everything that is reported about predicted numbers, and the paired comparison of two predictions."""

from __future__ import annotations

import numpy as np
from scipy.stats import t

from radzoo.errors import BadInput
from radzoo.metrics.areas import FEW
from radzoo.metrics.bootstrap import intervals
from radzoo.metrics.intervals import number, quantile, ratio_variance
from radzoo.metrics.numbers import Numbers
from radzoo.metrics.resampling import grouped

UNCALIBRATED = ("mae", "bias", "calibration_intercept", "calibration_slope")
SHARED = "; it leaves out that the models of the folds share training patients"


def evaluate_regression(truth, prediction, patients, *, raw=None, folds=None, bootstrap=2000, seed=0) -> dict:
    """Numbers with 95 % intervals, for JSON (None where undefined). A row is a unit: an image, a study or a patient.

    All intervals are of one kind, the bias-corrected and accelerated bootstrap over patients, expanded for few of them
    (`bootstrap`). Of normal numbers they cover 92 to 96 % from 30 patients on; of 20 with three images each 91 % for
    the limits of agreement and the root mean squared error, which rest on few large errors (tests/test_regression.py).

    Args:
        truth, prediction: `(n, 1)` or `(n,)`, in the units of the target.
        patients: `(n,)`.
        raw: predictions before recalibration, for `uncalibrated`.
        folds: `(n,)` integers, the fold in which a unit was tested, or None.
        bootstrap: number of resamples; 0 leaves the intervals undefined.
    Returns:
        `images patients claim note interval truth_mean truth_sd`; as `{"value", "low", "high"}` the mean absolute error
        `mae`, `rmse`, `median_error` (absolute), `r2` (against the mean of these very units, below 0 where the
        prediction is worse), `spearman`, `pearson`, `bias` (prediction minus truth), its 95 % limits of agreement
        `agreement_low` and `agreement_high` (bias -+ 1.96 standard deviations: Bland & Altman, Lancet 1986), and the
        line of truth on prediction, `calibration_intercept` (0 is right) and `calibration_slope` (1 is right, below it
        predictions are too extreme); `uncalibrated` some of these of `raw`, plain numbers; `folds` with `fold images
        mae spearman` each; `fold_mean` with `mae mae_sd spearman sd`.
    Raises:
        BadInput: other shapes, or numbers that are not finite.
    """
    truth, prediction = checked_numbers(truth, prediction)
    people = grouped(patients)
    method = f"bootstrap over patients ({bootstrap} resamples), bias-corrected and accelerated"
    return {
        "images": len(truth),
        "patients": people.count,
        "claim": people.count >= FEW,
        "note": None if people.count >= FEW else f"fewer than {FEW} patients ({people.count}): counts, no claim",
        "interval": method + (SHARED if folds is not None else ""),
        "truth_mean": float(truth.mean()),
        "truth_sd": number(truth.std(ddof=1)) if len(truth) > 1 else None,
        **intervals(Numbers(truth, prediction).statistics, people, bootstrap, seed),
        "uncalibrated": None if raw is None else _uncalibrated(*checked_numbers(truth, raw)),
        **_by_fold(truth, prediction, folds),
    }


def compare_regression(truth, a, b, patients) -> dict:
    """Mean absolute error of `a` minus that of `b` on the same units: below 0, `a` is nearer.

    A paired t test over patients: the variance is that of a mean over units whose number differs between patients
    (Cochran 1977, chapter 6), with Student's quantiles. Predictions that err equally everywhere differ by exactly 0.

    Args:
        truth, a, b: `(n, 1)` or `(n,)`.
        patients: `(n,)`.
    Returns:
        `{"difference", "low", "high", "p"}` as `compare`; p is two-sided, all but the difference None for one patient.
    """
    truth, a = checked_numbers(truth, a)
    _, b = checked_numbers(truth, b)
    people = grouped(patients)
    worse = np.abs(a - truth) - np.abs(b - truth)
    difference = float(worse.mean())
    if not worse.any():
        return {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    if people.count < 2:
        return {"difference": difference, "low": None, "high": None, "p": None}
    error = np.sqrt(ratio_variance(worse, people))
    half = quantile(people.count - 1) * error
    p = 2 * t.sf(abs(difference) / error, people.count - 1) if error > 0 else 0.0
    return {"difference": difference, "low": difference - half, "high": difference + half, "p": float(p)}


def checked_numbers(truth, prediction) -> tuple[np.ndarray, np.ndarray]:
    """Both as floats `(n,)`.

    Raises:
        BadInput: other shapes, or numbers that are not finite.
    """
    truth, prediction = np.asarray(truth, float), np.asarray(prediction, float)
    shapes = [each.shape[:1] if each.ndim == 2 and each.shape[1] == 1 else each.shape for each in (truth, prediction)]
    if shapes[0] != shapes[1] or len(shapes[0]) != 1 or not shapes[0][0]:
        raise BadInput(f"truth {truth.shape} and prediction {prediction.shape} came, expected two equal (images, 1)")
    if not np.isfinite(truth).all():
        raise BadInput("labels that are no finite numbers came to the evaluation: mend them in the index")
    if not np.isfinite(prediction).all():
        raise BadInput("the model predicts NaN or infinity: its training diverged, lower the learning rate")
    return truth.ravel(), prediction.ravel()


def _uncalibrated(truth, raw) -> dict:
    point = Numbers(truth, raw).statistics(np.ones((1, len(truth))))
    return {name: number(point[name][0]) for name in UNCALIBRATED}


def _by_fold(truth, prediction, folds) -> dict:
    """Each fold's error and order, and their means without intervals: see `evaluation._by_fold`."""
    if folds is None:
        return {"folds": None, "fold_mean": None}
    rows = []
    for fold in np.unique(np.asarray(folds)):
        here = np.asarray(folds) == fold
        point = Numbers(truth[here], prediction[here]).statistics(np.ones((1, here.sum())))
        said = {name: number(point[name][0]) for name in ("mae", "spearman")}
        rows.append({"fold": int(fold), "images": int(here.sum()), **said})
    mean = {}
    for name, sd in (("mae", "mae_sd"), ("spearman", "sd")):
        known = [row[name] for row in rows if row[name] is not None]
        mean[name] = float(np.mean(known)) if known else None
        mean[sd] = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return {"folds": rows, "fold_mean": mean}
