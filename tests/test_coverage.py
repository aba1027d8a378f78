"""What the 95 % intervals of `radzoo.metrics` really cover, on fabricated cohorts whose truth is known.

`python tests/test_coverage.py` prints the table of recipes/RESULTS.md; `pytest -m slow` holds every cell to 93-97 %.
Scores are normal within each class (the binormal model), so areas, curves, shares and calibration have closed forms
or one-dimensional integrals. Two to four units of a patient share half the variance of their scores and of the latent
variable that is cut into labels. As in a report, only cohorts with ten events and ten non-events count (`claim`).
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm

from radzoo import metrics

SIZES = (50, 200, 1000)
SETTINGS = [(area, prevalence) for area in (0.7, 0.9) for prevalence in (0.3, 0.5)]  # averaged in a cell
REPLICATIONS = 400  # per setting: 1600 a cell, 1000 of the largest cohorts, 1200 of means: Monte-Carlo error .5 to .7 %
SHARED = 0.5  # correlation within a patient
BENT = (0.4, 0.7)  # the model's logit is .4 + .7 times the right one: known intercept and slope
OTHER = 0.8  # the second score separates the classes by this much less, and correlates .6 with the first
EDGES = (("AUC .97, n = 50", 50, 0.97, 0.3), ("20 events in 1,000", 1000, 0.9, 0.02))
HONEST = {  # pooling over folds is pessimistic, and the folds' models share patients: an interval cannot see either
    ("AUC, pooled over 5 folds", n, clustered): (0.9, 0.97) for n in (50, 200) for clustered in (False, True)
}  # fmt: skip
LABELS = ((0.7, 0.3), (0.8, 0.4), (0.9, 0.5))  # area and prevalence of three labels


def people(rng, n, clustered):
    """Patients of `n` units: one each, or two to four each."""
    if not clustered:
        return np.arange(n)
    return np.repeat(np.arange(n), rng.integers(2, 5, n))[:n]


def noise(rng, patients):
    """Standard normal, correlated within patients where they have several units."""
    n = len(patients)
    if patients[-1] == n - 1:
        return rng.normal(size=n)
    return np.sqrt(SHARED) * rng.normal(size=n)[patients] + np.sqrt(1 - SHARED) * rng.normal(size=n)


def distance(area):
    """Between the means of the two classes."""
    return np.sqrt(2) * norm.ppf(area)


def right_logit(score, area, prevalence):
    """Of the true risk at a score."""
    return distance(area) * score - distance(area) ** 2 / 2 + logit(prevalence)


def cohort(rng, patients, area, prevalence):
    """Truth, true risk, and the probabilities of two models; the first one's are miscalibrated in a known way."""
    truth = (noise(rng, patients) < norm.ppf(prevalence)).astype(float)
    own, other = noise(rng, patients), noise(rng, patients)
    right = right_logit(distance(area) * truth + own, area, prevalence)
    second = OTHER * distance(area) * truth + 0.6 * own + 0.8 * other
    return truth, expit(right), expit(BENT[0] + BENT[1] * right), expit(second)


@cache
def facts(area, prevalence):
    """The true values, by integration over the score."""
    away = distance(area)
    score = np.linspace(-9, 9 + away, 40001)
    step = score[1] - score[0]
    positive, negative = prevalence * norm.pdf(score - away), (1 - prevalence) * norm.pdf(score)
    said = BENT[0] + BENT[1] * right_logit(score, area, prevalence)
    found, false = prevalence * norm.sf(score - away), (1 - prevalence) * norm.sf(score)
    excess = lambda a: ((positive * expit(-a - said) - negative * expit(a + said)) * step).sum()  # noqa: E731
    spared = norm.cdf(away + norm.ppf(0.1))
    return {
        "AUC": area,
        "average precision": (positive * found / (found + false) * step).sum() / prevalence,
        "sensitivity": 0.9,
        "specificity": spared,
        "accuracy": 0.9 * prevalence + spared * (1 - prevalence),
        "Brier score": ((positive * expit(-said) ** 2 + negative * expit(said) ** 2) * step).sum(),
        "calibration intercept": brentq(excess, -9, 9),
        "calibration slope": 1 / BENT[1],
        "AUC difference": area - norm.cdf(OTHER * away / np.sqrt(2)),
        "threshold": expit(BENT[0] + BENT[1] * right_logit(away + norm.ppf(0.1), area, prevalence)),
    }


def one_class(rng, n, clustered, area, prevalence, blind=False):
    """Whether each interval of a binary task holds the truth, `{name: [bool]}`; None without a claim.

    `blind` hides which units belong together.
    """
    patients, true = people(rng, n, clustered), facts(area, prevalence)
    truth, risk, model, second = cohort(rng, patients, area, prevalence)
    patients = np.arange(n) if blind else patients
    columns = truth[:, None], model[:, None]
    said = metrics.evaluate(
        *columns, patients, task="binary", classes=["x"], thresholds=[true["threshold"]], bootstrap=200
    )
    if not said["claim"]:
        return None
    pair = metrics.compare(*columns, second[:, None], patients, task="binary", bootstrap=200)
    names = {name.lower().replace(" ", "_").replace("brier_score", "brier"): name for name in true}
    inside = {name: [holds(said[key], true[name])] for key, name in names.items() if key in said and key != "threshold"}
    inside["AUC difference"] = [holds(pair, true["AUC difference"])]
    order = np.argsort(model)
    edges = np.cumsum([0] + [each["count"] for each in said["reliability"]])
    inside["reliability bins"] = [
        holds(each, risk[order[start:end]].mean())
        for each, start, end in zip(said["reliability"], edges, edges[1:], strict=False)
    ]
    if n < 1000 or rng.random() < 0.25:  # the band is the slowest
        grid, _, low, high = metrics.roc_band(truth, model, patients, bootstrap=100)
        at = [20, 40, 100]  # false positive rates .1, .2, .5
        curve = norm.cdf(distance(area) + norm.ppf(grid[at]))
        inside["ROC band"] = list((low[at] <= curve) & (curve <= high[at]))
    return inside


def several_labels(rng, n, clustered):
    """The same for means over three labels."""
    patients = people(rng, n, clustered)
    truth, _, model, second = (np.stack(each, 1) for each in zip(*(cohort(rng, patients, *s) for s in LABELS)))  # noqa: B905
    options = {"task": "multilabel", "bootstrap": 200}
    said = metrics.evaluate(truth, model, patients, classes=list("abc"), **options)
    if not said["claim"]:
        return None
    mean = {key: np.mean([facts(*s)[key] for s in LABELS]) for key in facts(*LABELS[0])}
    pair = metrics.compare(truth, model, second, patients, **options)
    return {
        "AUC, mean of 3 labels": [holds(said["auc"], mean["AUC"])],
        "average precision, mean of 3 labels": [holds(said["average_precision"], mean["average precision"])],
        "Brier score, mean of 3 labels": [holds(said["brier"], mean["Brier score"])],
        "AUC difference, mean of 3 labels": [holds(pair, mean["AUC difference"])],
    }


def classes(rng, patients):
    """Three classes of equal share, one score each: truth `(n, 3)` and right probabilities."""
    label = (3 * norm.cdf(noise(rng, patients))).astype(int)
    score = np.stack([noise(rng, patients) for _ in range(3)], 1) + 1.2 * np.eye(3)[label]
    risk = np.exp(1.2 * score)
    return np.eye(3)[label], risk / risk.sum(1, keepdims=True)


@cache
def class_facts():
    """True Brier score and accuracy of `classes`, from half a million units (standard error .0007)."""
    truth, risk = classes(np.random.default_rng(0), np.arange(500_000))
    accuracy = (truth.argmax(1) == risk.argmax(1)).mean()
    return ((truth - risk) ** 2).sum(1).mean(), accuracy, metrics.auc(truth[:, 0], risk[:, 0])


def three_classes(rng, n, clustered):
    patients = people(rng, n, clustered)
    truth, risk = classes(rng, patients)
    said = metrics.evaluate(truth, risk, patients, task="multiclass", classes=list("abc"), bootstrap=200)
    if not said["claim"]:
        return None
    brier, accuracy, area = class_facts()
    return {
        "AUC, mean of 3 classes": [holds(said["auc"], area)],
        "Brier score, 3 classes": [holds(said["brier"], brier)],
        "accuracy, 3 classes": [holds(said["accuracy"], accuracy)],
    }


def folds_of_five(rng, n, clustered):
    """The AUC pooled over five folds by patient, each called by a linear discriminant that the other four taught.

    True is the AUC of these five models on new patients: the mean over pairs of models, one for the positive and one
    for the negative unit, of a normal integral.
    """
    patients = people(rng, n, clustered)
    truth = (noise(rng, patients) < norm.ppf(0.4)).astype(float)
    means = np.array([0.8, 0.6, 0.4, 0, 0])
    seen = np.stack([noise(rng, patients) for _ in means], 1) + truth[:, None] * means
    turn = np.argsort(np.argsort(np.bincount(patients, truth) / np.bincount(patients), kind="stable"))
    fold, score, models = turn[patients] % 5, np.zeros(n), []  # stratified by label, as radzoo's folds are
    for i in range(5):
        train = fold != i
        held = [seen[train & (truth == side)] for side in (0, 1)]
        if min(map(len, held)) < 3:
            return None
        spread = sum(np.cov(side.T) * (len(side) - 1) for side in held) / (train.sum() - 2)
        slope = np.linalg.solve(spread, held[1].mean(0) - held[0].mean(0))
        offset = np.log(len(held[1]) / len(held[0])) - slope @ (held[1].mean(0) + held[0].mean(0)) / 2
        score[fold == i] = (seen @ slope + offset)[fold == i]
        models.append((offset, slope @ means, slope @ slope, (fold == i).mean()))
    offset, gain, size, share = np.array(models).T
    wins = norm.cdf((offset[:, None] + gain[:, None] - offset) / np.sqrt(size[:, None] + size))
    said = metrics.evaluate(
        truth[:, None], expit(score)[:, None], patients, task="binary", classes=["x"], folds=fold + 1, bootstrap=200
    )
    return {"AUC, pooled over 5 folds": [holds(said["auc"], share @ wins @ share)]} if said["claim"] else None


def holds(said, true):
    """Whether an interval contains the truth; an interval that does not exist counts as a miss, unless withheld."""
    return None if said is None else said["low"] is not None and bool(said["low"] <= true <= said["high"])


def simulate(make, n, clustered, replications, seed=0, **setting):
    """`{statistic: (share of intervals that hold the truth, their number, share of cohorts that claim)}`."""
    rng, kept, tried = np.random.default_rng([seed, n, clustered]), [], 0
    while len(kept) < replications:
        tried += 1
        inside = make(rng, n, clustered, **setting)
        kept += [inside] if inside else []
    names = dict.fromkeys(name for each in kept for name in each)
    pooled = {name: [x for each in kept for x in each.get(name, []) if x is not None] for name in names}
    return {name: (float(np.mean(x)), len(x), len(kept) / tried) for name, x in pooled.items() if x}


def run(tasks, workers=2):
    """`{statistic: {column: coverage}}`, means over the tasks of a column, which are the arguments of `job`."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    rows = {}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for column, shares in pool.map(job, tasks):
            for name, share in shares.items():
                rows.setdefault(name, {}).setdefault(column, []).append(share)
    return {name: {column: float(np.mean(x)) for column, x in row.items()} for name, row in rows.items()}


def job(task):
    column, make, n, clustered, replications, setting = task
    return column, {
        name: share for name, (share, _, _) in simulate(make, n, clustered, replications, **setting).items()
    }


def table(replications=REPLICATIONS):
    """The promise: realistic areas and prevalences."""
    kinds = [(one_class, replications, {"area": a, "prevalence": p}) for a, p in SETTINGS]
    kinds += [(make, 3 * replications, {}) for make in (several_labels, three_classes, folds_of_five)]
    cells = [(n, clustered) for clustered in (False, True) for n in SIZES]
    return run([
        ((n, c), make, n, c, count * 5 // 8 if n == 1000 and make is one_class else count, setting)
        for n, c in cells[::-1] for make, count, setting in kinds
    ])  # fmt: skip


def edges(replications=REPLICATIONS):
    """Beyond the promise: nearly perfect scores on few patients, and few events among many patients."""
    return run([
        ((name, c), one_class, n, c, 2 * replications, {"area": a, "prevalence": p})
        for name, n, a, p in EDGES for c in (False, True)
    ])  # fmt: skip


def markdown(rows, columns):
    """A table of recipes/RESULTS.md: per cent, a star outside 93-97."""
    heads = [f"{f'n = {n}' if isinstance(n, int) else n}, {'clustered' if c else 'not clustered'}" for n, c in columns]
    lines = ["| interval of | " + " | ".join(heads) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        said = [f"{100 * row[cell]:.1f}" + ("" if 0.93 <= row[cell] <= 0.97 else " *") for cell in columns]
        lines.append(f"| {name} | " + " | ".join(said) + " |")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("make", "clustered", "setting"),
    [
        (one_class, False, {"area": 0.8, "prevalence": 0.4}),
        (one_class, True, {"area": 0.8, "prevalence": 0.4}),
        (several_labels, True, {}),
        (three_classes, False, {}),
        (folds_of_five, True, {}),
    ],
)
def test_intervals_cover_roughly(make, clustered, setting):
    for name, (share, _, _) in simulate(make, 90, clustered, 100, seed=1, **setting).items():
        assert share >= 0.87, name


def test_the_simulation_sees_who_ignores_patients():
    blind = simulate(one_class, 200, True, 120, area=0.9, prevalence=0.5, blind=True)
    assert min(blind[name][0] for name in ("AUC", "accuracy", "Brier score", "calibration intercept")) < 0.91


@pytest.mark.slow
def test_intervals_cover_what_they_promise():
    for name, row in table().items():
        for (n, clustered), share in row.items():
            low, high = HONEST.get((name, n, clustered), (0.93, 0.97))
            assert low <= share <= high, f"{name}, n = {n}, clustered {clustered}: {share:.3f}"


@pytest.mark.slow
def test_intervals_at_the_edges():
    for name, row in edges().items():
        for column, share in row.items():
            assert 0.9 <= share <= 1, f"{name}, {column}: {share:.3f}"


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else REPLICATIONS
    print(markdown(table(count), [(n, clustered) for clustered in (False, True) for n in SIZES]), flush=True)
    print("\n" + markdown(edges(count), [(name, clustered) for name, *_ in EDGES for clustered in (False, True)]))
