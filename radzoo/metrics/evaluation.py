"""Everything that is reported about one model on one part of the data."""

from __future__ import annotations

import numpy as np

from radzoo.metrics.areas import FEW
from radzoo.metrics.comparison import mean_of_defined, spread
from radzoo.metrics.curves import Ranking, auc
from radzoo.metrics.entries import one_class, shared
from radzoo.metrics.intervals import logit_interval, mean, measured, number, proportion, quantile, welch
from radzoo.metrics.reliability import reliability
from radzoo.metrics.resampling import Patients, grouped, jackknife_deviation, left_out, resamples
from radzoo.metrics.thresholds import DEFAULT, rule_text, threshold_for
from radzoo.metrics.units import checked

SHARED = "; it leaves out that the models of the folds share training patients"
CALIBRATION = ("brier", "calibration_intercept", "calibration_slope")


def evaluate(
    truth, probability, patients, *, task, classes, thresholds=None, rule=DEFAULT, raw=None, folds=None, bootstrap=2000,
    seed=0,
) -> dict:  # fmt: skip
    """Numbers with 95 % intervals, for JSON (None where undefined). A row is a unit: an image, a study or a patient.

    AUC: DeLong's variance where each patient appears once, otherwise the bootstrap over patients, in Newcombe's
    interval (`areas`). Average precision: jackknife over patients, logit scale (the bootstrap's copies of patients are
    ties, which make it too sure). Sensitivity, specificity, accuracy, reliability: Wilson, with an effective number of
    units (`intervals`). Brier score: variance between patients, logit scale. Calibration: sandwich over patients.

    Args:
        truth: `(n, k)` 0 or 1; binary k=1, multiclass one-hot, multilabel k labels.
        probability: `(n, k)`.
        patients: `(n,)`.
        task: `binary`, `multiclass` or `multilabel`.
        classes: k names (for binary unused).
        thresholds: fixed on validation, `(k,)` or one row per unit `(n, k)`, NaN or None where undefined; None fixes
            them here by `rule`. Units without a threshold are left out of what needs one.
        rule: how the thresholds were fixed (`thresholds.read_rule`); None for given ones that follow no rule.
        raw: `(n, k)` probabilities before recalibration, for `uncalibrated`.
        folds: `(n,)` integers, the fold in which a unit was tested, or None.
        bootstrap: number of resamples; 0 leaves the intervals that need them undefined.
    Returns:
        `images patients positives events non_events claim thresholds threshold_rule interval auc average_precision
        accuracy sensitivity specificity threshold brier calibration_intercept calibration_slope uncalibrated
        reliability confusion note per_class folds fold_mean`. A measured number is `{"value", "low", "high"}`, with
        `"undefined"` where some resamples had none. For k > 1, `auc` and `average_precision` are means over the
        classes that have both positives and negatives (in a resample: those that still have), and `per_class` holds
        each against the rest; `brier` is the mean over labels, for multiclass the sum over classes (Brier 1950, 0 to
        2). `accuracy` and `confusion` (rows are the truth) are at the threshold for binary, of the likeliest class for
        multiclass, and None for multilabel. Intervals are kept without a `claim`: it is for the reader to withhold.
    """
    truth, probability = checked(truth, probability)
    people, limits = grouped(patients), _limits(truth, probability, thresholds, rule)
    rankings = [Ranking(*column) for column in zip(truth.T, probability.T, strict=True)]
    drawn = _drawn(rankings, people, bootstrap, seed)
    columns = [
        one_class(truth[:, i], probability[:, i], limits[:, i], people, drawn["auc"][i], drawn["left_out"][i])
        for i in range(truth.shape[1])
    ]
    same = [shared(column) for column in limits.T]
    result = {
        "images": len(truth),
        "patients": people.count,
        **{key: [column[key] for column in columns] for key in ("positives", "events", "non_events")},
        "thresholds": [value for value, _ in same] if all(alike for _, alike in same) else None,
        "threshold_rule": "given" if rule is None else rule_text(rule),
        "interval": _method(people, len(columns), bootstrap) + (SHARED if folds is not None else ""),
    }
    if task == "binary":
        lifted = ("positives", "negatives", "events", "non_events")
        result |= {key: value for key, value in columns[0].items() if key not in lifted} | {"per_class": {}}
    else:
        result |= _many(columns, classes, drawn) | {"brier": _brier(truth, probability, task, people)}
    return (
        result
        | {"uncalibrated": _uncalibrated(truth, raw, people)}
        | _decisions(truth, probability, limits, task, people)
        | _by_fold(truth, probability, folds)
    )


def _limits(truth, probability, thresholds, rule) -> np.ndarray:
    """Thresholds per unit, `(n, k)`, NaN where there is none."""
    if thresholds is None:
        columns = zip(truth.T, probability.T, strict=True)
        thresholds = [threshold_for(*column, rule or DEFAULT) for column in columns]
    return np.broadcast_to(np.asarray(thresholds, float), truth.shape)  # None becomes NaN


def _drawn(rankings, people: Patients, bootstrap, seed) -> dict:
    """Areas of every class over resampled patients and over patients left out, `(k, rows)` each, as far as needed."""
    needed = 0 if people.single and len(rankings) == 1 else bootstrap
    area = [[ranking.areas(block)[0] for ranking in rankings] for block in resamples(people, needed, seed)]
    precision = [[ranking.areas(block)[1] for ranking in rankings] for block in left_out(people)]
    empty = np.zeros((len(rankings), 0))
    return {
        "auc": np.concatenate([empty, *map(np.stack, area)], axis=1),
        "left_out": np.concatenate([empty, *map(np.stack, precision)], axis=1),
    }


def _method(people: Patients, k: int, bootstrap: int) -> str:
    if people.single and k == 1:
        return "DeLong's variance, as a score interval (Newcombe)"
    resampled = f"bootstrap over patients ({bootstrap} resamples)"
    return f"{resampled}, as a score interval (Newcombe)" if k == 1 else f"{resampled}, on the logit scale"


def _many(columns, classes, drawn) -> dict:
    """Means over classes with their own intervals, and the entry of each class."""
    curved = [i for i, column in enumerate(columns) if column["auc"]["value"] is not None]
    few = [min(columns[i]["events"], columns[i]["non_events"]) for i in curved]
    result = {}
    for name, resampled, error in (
        ("auc", drawn["auc"], spread),
        ("average_precision", drawn["left_out"], jackknife_deviation),
    ):
        mine, means = [columns[i][name] for i in curved], mean_of_defined(resampled)
        value = np.mean([each["value"] for each in mine]) if mine else np.nan
        degrees = welch([error(resampled[i]) ** 2 for i in curved], few) if mine else 1
        low, high = logit_interval(value, error(means), quantile(degrees))
        if mine and (value in (0, 1) or error(means) == 0):  # no resample differs: take the bounds of the classes
            low, high = np.array([[each["low"], each["high"]] for each in mine], float).mean(0)
        result[name] = measured(value, low, high, np.isnan(means).sum() if name == "auc" else 0)
    weak = [name for name, column in zip(classes, columns, strict=True) if column["note"]]
    return result | {
        "claim": any(column["claim"] for column in columns),
        **dict.fromkeys(("sensitivity", "specificity", "threshold", "reliability", *CALIBRATION)),
        "note": f"fewer than {FEW} patients with or without the class: {', '.join(weak)}" if weak else None,
        "per_class": dict(zip(classes, columns, strict=True)),
    }


def _brier(truth, probability, task, people):
    squares = (truth - probability) ** 2
    return mean(squares.sum(1), people, top=2.0) if task == "multiclass" else mean(squares.mean(1), people)


def _uncalibrated(truth, raw, people) -> dict | None:
    if raw is None or truth.shape[1] > 1:
        return None
    entry = reliability(truth[:, 0], checked(truth, raw)[1][:, 0], people)
    return {name: entry[name] and entry[name]["value"] for name in CALIBRATION}


def _decisions(truth, probability, limits, task, people) -> dict:
    known = ~np.isnan(limits[:, 0])
    if task == "multilabel" or (task == "binary" and not known.any()):
        return {"accuracy": measured(np.nan), "confusion": None}
    if task == "binary":
        true, called, count = truth[:, 0].astype(int), (probability[:, 0] >= limits[:, 0]).astype(int), 2
    else:
        true, called, count, known = truth.argmax(1), probability.argmax(1), truth.shape[1], np.ones(len(truth), bool)
    confusion = np.bincount((count * true + called)[known], minlength=count * count).reshape(count, count)
    return {"accuracy": proportion(true == called, known, people), "confusion": confusion.tolist()}


def _by_fold(truth, probability, folds) -> dict:
    """Each fold's AUC, and their mean without an interval: no unbiased estimate of its variance exists, because the
    folds train on each other's patients (Bengio & Grandvalet, JMLR 2004)."""
    if folds is None:
        return {"folds": None, "fold_mean": None}
    rows = []
    for fold in np.unique(np.asarray(folds)):
        here = np.asarray(folds) == fold
        pairs = zip(truth[here].T, probability[here].T, strict=True)
        area = mean_of_defined(np.array([auc(*pair) for pair in pairs])[:, None])[0]
        positives = [int(count) for count in truth[here].sum(0)]
        rows.append({"fold": int(fold), "images": int(here.sum()), "positives": positives, "auc": number(area)})
    areas = [row["auc"] for row in rows if row["auc"] is not None]
    sd = float(np.std(areas, ddof=1)) if len(areas) > 1 else None
    return {"folds": rows, "fold_mean": {"auc": float(np.mean(areas)), "sd": sd} if areas else None}
