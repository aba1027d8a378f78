"""How good a classifier is, and how sure of that one can be: NumPy alone, no training framework.

Images of one patient resemble each other, so every interval comes from drawing *patients* with replacement
(the cluster bootstrap: Field & Welsh, Bootstrapping clustered data, JRSS B 2007). A resample is a row of
integer image weights; a statistic is computed for all of them at once from one sort and cumulative sums.
"""

from __future__ import annotations

import numpy as np

from radzoo.errors import BadInput

THRESHOLD_RULE = "highest threshold with a sensitivity of at least 0.90 on validation"
FEW = 10  # below this many positives or negatives one image moves sensitivity or specificity by over .1


def cluster_bootstrap(patients, count: int, seed: int) -> np.ndarray:
    """Draws patients with replacement; each image weighs as often as its patient was drawn.

    Args:
        patients: `(n,)` one identifier per image; only their equality and order of appearance matter.
        count: number of resamples.
        seed: any integer >= 0; the stream is the bootstrap's own, because a split drawn from
            `default_rng(seed)` would share its first random numbers with the first resample.
    Returns:
        int16 `(count, n)`.
    """
    _, first, group = np.unique(np.asarray(patients), return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))  # numbered by appearance: renaming patients changes no number
    size = len(first)
    drawn = np.random.default_rng([seed, 0xB007]).multinomial(size, np.full(size, 1 / size), size=count)
    return drawn.astype(np.int16)[:, order[group]]


def interval(values) -> tuple[float, float, int]:
    """95 % percentile interval of resampled values: `(low, high, undefined)`.

    Resamples where the statistic is NaN are left out and counted in `undefined`; the ends are NaN if none is
    left.
    """
    values = np.asarray(values, float)
    defined = values[~np.isnan(values)]
    low, high = np.percentile(defined, [2.5, 97.5]) if len(defined) else (np.nan, np.nan)
    return float(low), float(high), len(values) - len(defined)


def auc(truth, score, weights=None):
    """Area under the ROC curve as the rank statistic: P(score of a positive > of a negative), ties count 1/2.

    Args:
        truth: `(n,)` 0 or 1.
        score: `(n,)`, larger is more positive.
        weights: None, `(n,)`, or `(resamples, n)`.
    Returns:
        A float, or `(resamples,)`; NaN where one class is missing. Equals `sklearn.metrics.roc_auc_score`.
    """
    return _weighted(_auc, truth, score, weights)


def average_precision(truth, score, weights=None):
    """Mean precision over the steps of recall, as in scikit-learn; arguments as `auc`."""
    return _weighted(_average_precision, truth, score, weights)


def threshold_for(truth, score, sensitivity: float = 0.9) -> float | None:
    """The highest t at which `score >= t` finds at least this part of the positives; None without any."""
    positives = np.sort(np.asarray(score, float)[np.asarray(truth) == 1])[::-1]
    if not len(positives):
        return None
    needed = int(np.ceil(sensitivity * len(positives) - 1e-9))  # .9 * 10 must need 9, whatever floats say
    return float(positives[max(needed, 1) - 1])


def roc_band(truth, score, patients, bootstrap: int = 500, seed: int = 0):
    """The ROC curve with a pointwise 95 % band over resampled patients.

    Returns:
        `(fpr, tpr, low, high)`, each `(201,)`, over a grid of false positive rates; NaN without one class.
    """
    grid = np.linspace(0, 1, 201)
    truth, score = np.asarray(truth), np.asarray(score, float)

    def curves(weights):
        tied = _tied(truth, score, weights)
        positive, negative = (np.pad(part.cumsum(1), ((0, 0), (1, 0))) for part in tied)  # from (0, 0) on
        with np.errstate(invalid="ignore"):
            hit, false = positive / positive[:, -1:], negative / negative[:, -1:]
        bad = np.isnan(hit[:, 0]) | np.isnan(false[:, 0])
        rows = [grid * np.nan if b else np.interp(grid, f, h) for b, f, h in zip(bad, false, hit, strict=True)]
        return np.reshape(rows, (-1, len(grid)))

    point = curves(np.ones((1, len(truth))))[0]
    resampled = _resampled(curves, cluster_bootstrap(patients, bootstrap, seed))
    resampled = resampled[~np.isnan(resampled[:, 0])]
    low, high = np.percentile(resampled, [2.5, 97.5], axis=0) if len(resampled) else (grid * np.nan,) * 2
    return grid, point, low, high


def evaluate(truth, probability, patients, *, task, classes, thresholds=None, bootstrap=2000, seed=0) -> dict:
    """Everything that is reported about one model on one part of the data, for JSON (None where undefined).

    Args:
        truth: `(n, k)` 0 or 1; binary k=1, multiclass one-hot, multilabel k labels.
        probability: `(n, k)`.
        patients: `(n,)`.
        task: `binary`, `multiclass` or `multilabel`.
        classes: k names (for binary unused).
        thresholds: k numbers fixed on validation; None fixes them here (THRESHOLD_RULE). Pass on
            `validation["thresholds"]` when testing.
    Returns:
        `images patients positives thresholds threshold_rule auc average_precision accuracy sensitivity
        specificity threshold confusion note per_class`. A measured number is `{"value", "low", "high"}`, with
        `"undefined"` where some resamples had none. For k > 1, `auc` and `average_precision` are means over
        the classes that have both positives and negatives (in a resample: those that still have), and
        `per_class` holds each against the rest. `accuracy` and `confusion` (rows are the truth) are at the
        threshold for binary, of the likeliest class for multiclass, and None for multilabel.
    """
    truth, probability = _checked(truth, probability)
    weights = cluster_bootstrap(patients, bootstrap, seed)
    rule = "given" if thresholds is not None else THRESHOLD_RULE
    if thresholds is None:
        thresholds = [threshold_for(*column) for column in zip(truth.T, probability.T, strict=True)]
    result = {
        "images": len(truth),
        "patients": len(np.unique(np.asarray(patients))),
        "positives": [int(count) for count in truth.sum(0)],
        "thresholds": [None if t is None else float(t) for t in thresholds],
        "threshold_rule": rule,
    }
    columns = [_column(*column, weights) for column in zip(truth.T, probability.T, thresholds, strict=True)]
    return (
        result
        | (_one(columns[0]) if task == "binary" else _many(columns, classes))
        | _decisions(truth, probability, thresholds, task, weights)
    )


def compare(truth, a, b, patients, *, task, bootstrap=2000, seed=0) -> dict:
    """AUC of `a` minus AUC of `b` (means over classes for k > 1) on the same images and the same resamples.

    Returns:
        `{"difference", "low", "high", "p"}`; p is two-sided, from the bootstrap distribution of the
        difference, and never 0: its smallest value is 2 / (bootstrap + 1).
    """
    truth, a = _checked(truth, a)
    _, b = _checked(truth, b)
    weights = cluster_bootstrap(patients, bootstrap, seed)
    pairs = list(zip(truth.T, a.T, b.T, strict=True))
    point = _mean(np.array([[auc(t, one) - auc(t, two)] for t, one, two in pairs]))[0]
    drawn = _mean(np.stack([auc(t, one, weights) - auc(t, two, weights) for t, one, two in pairs]))
    low, high, _ = interval(drawn)
    drawn = drawn[~np.isnan(drawn)]
    tail = min((drawn <= 0).sum(), (drawn >= 0).sum())
    p = min(1.0, 2 * (tail + 1) / (len(drawn) + 1)) if len(drawn) else np.nan
    return {"difference": _number(point), "low": _number(low), "high": _number(high), "p": _number(p)}


def _tied(truth, score, weights):
    """Summed weights of positives and of negatives at each distinct score, highest first."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    weights, truth = weights[:, order], truth[order]
    return tuple(np.add.reduceat(weights * side, starts, axis=1) for side in (truth, 1 - truth))


def _auc(truth, score, weights):
    positive, negative = _tied(truth, score, weights)
    above = positive.cumsum(1) - positive / 2
    with np.errstate(invalid="ignore"):
        return (negative * above).sum(1) / (positive.sum(1) * negative.sum(1))


def _average_precision(truth, score, weights):
    positive, negative = _tied(truth, score, weights)
    hit = positive.cumsum(1)
    with np.errstate(invalid="ignore"):
        precision = hit / np.maximum(hit + negative.cumsum(1), 1e-12)
        return (positive * precision).sum(1) / positive.sum(1)


def _weighted(statistic, truth, score, weights):
    truth, score = np.asarray(truth, float), np.asarray(score, float)
    rows = np.ones((1, len(truth))) if weights is None else np.atleast_2d(weights)
    values = _resampled(lambda block: statistic(truth, score, block), rows)
    return values if weights is not None and np.ndim(weights) == 2 else float(values[0])


def _resampled(statistic, weights):
    """`statistic` of all rows of `weights`, in blocks of 16 MB: many images must not fill the memory."""
    blocks = np.array_split(weights, max(1, -(-weights.size // 2_000_000)))
    return np.concatenate([statistic(block.astype(float)) for block in blocks])


def _share(of, among, weights):
    """The share of the images `among` that are also `of`, with its interval over the rows of `weights`."""
    both, among = np.asarray(of * among, float), np.asarray(among, float)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = _resampled(lambda w: (w @ both) / (w @ among), weights)
        return _measured(np.float64(both.sum()) / among.sum(), drawn)


def _column(truth, score, threshold, weights):
    """One class against the rest: its JSON entry, and the resampled values that the means need."""
    drawn = {"auc": auc(truth, score, weights), "average_precision": average_precision(truth, score, weights)}
    positives, negatives = int(truth.sum()), int((1 - truth).sum())
    entry = {"positives": positives, "negatives": negatives, "note": _note(positives, negatives)}
    if positives and negatives:
        entry["auc"] = _measured(auc(truth, score), drawn["auc"])
        entry["average_precision"] = _measured(average_precision(truth, score), drawn["average_precision"])
    else:  # with one class alone no curve exists, although sklearn would call its average precision 1
        drawn = {name: np.full(len(weights), np.nan) for name in drawn}
        entry |= {name: _measured(np.nan, []) for name in drawn}
    called = score >= (np.inf if threshold is None else threshold)
    known = threshold is not None
    entry["sensitivity"] = _share(called, truth, weights) if known else _measured(np.nan, [])
    entry["specificity"] = _share(~called, 1 - truth, weights) if known else _measured(np.nan, [])
    entry["threshold"] = None if threshold is None else float(threshold)
    return entry, drawn


def _note(positives, negatives):
    for count, name in ((positives, "positive"), (negatives, "negative")):
        if count == 0:
            return f"no {name} images: AUC is undefined"
        if count < FEW:
            return f"fewer than {FEW} {name} images ({count}): the numbers say little"
    return None


def _one(column):
    return {key: value for key, value in column[0].items() if key not in ("positives", "negatives")} | {"per_class": {}}


def _many(columns, classes):
    """Means over classes with their own intervals, and the entry of each class."""
    means = {}
    for name in ("auc", "average_precision"):
        values = np.array([[np.nan if e[name]["value"] is None else e[name]["value"]] for e, _ in columns])
        means[name] = _measured(_mean(values)[0], _mean(np.stack([drawn[name] for _, drawn in columns])))
    weak = [name for name, (entry, _) in zip(classes, columns, strict=True) if entry["note"]]
    note = f"fewer than {FEW} positive or negative images: {', '.join(weak)}" if weak else None
    per_class = {name: entry for name, (entry, _) in zip(classes, columns, strict=True)}
    return means | {
        "sensitivity": None,
        "specificity": None,
        "threshold": None,
        "note": note,
        "per_class": per_class,
    }


def _decisions(truth, probability, thresholds, task, weights):
    if task == "multilabel" or (task == "binary" and thresholds[0] is None):
        return {"accuracy": _measured(np.nan, []), "confusion": None}
    if task == "binary":
        true, called, count = truth[:, 0].astype(int), (probability[:, 0] >= thresholds[0]).astype(int), 2
    else:
        true, called, count = truth.argmax(1), probability.argmax(1), truth.shape[1]
    confusion = np.bincount(count * true + called, minlength=count * count).reshape(count, count)
    return {"accuracy": _share(true == called, np.ones(len(true)), weights), "confusion": confusion.tolist()}


def _mean(columns):
    """Mean over the first axis of what is defined; NaN where nothing is (without NumPy's warning)."""
    defined = ~np.isnan(columns)
    with np.errstate(invalid="ignore"):
        return np.where(defined, columns, 0).sum(0) / defined.sum(0)


def _measured(value, drawn):
    low, high, undefined = interval(drawn)
    measured = {"value": _number(value), "low": _number(low), "high": _number(high)}
    return measured | ({"undefined": undefined} if undefined else {})


def _number(value):
    return float(value) if np.isfinite(value) else None


def _checked(truth, probability):
    truth, probability = np.asarray(truth, float), np.asarray(probability, float)
    if truth.ndim != 2 or truth.shape != probability.shape or not len(truth):
        raise BadInput(f"truth {truth.shape} and probability {probability.shape} came, expected two equal (images, k)")
    if not np.isin(truth, (0, 1)).all():
        raise BadInput("labels other than 0 and 1 came to the evaluation: map them in the index")
    if not np.isfinite(probability).all():
        raise BadInput("the model predicts NaN or infinity: its training diverged, lower the learning rate")
    return truth, probability
