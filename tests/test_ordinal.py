"""Ordered grades: cuts that keep their order, agreement against scikit-learn, and recalibration."""

import numpy as np
import pytest
from sklearn.isotonic import isotonic_regression
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from radzoo import metrics
from radzoo.metrics.bootstrap import intervals
from radzoo.metrics.ordinal import _agreement
from radzoo.metrics.resampling import cluster_bootstrap, grouped

CLASSES = (">=b", ">=c", ">=d")


def cohort(n=200, each=1, seed=0, slope=3.0):
    """`(labels, probability, patients)` of four grades."""
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n // each), each)
    grade = rng.choice(4, n // each, p=[0.1, 0.4, 0.3, 0.2])[patients]
    score = slope * (grade - 1.5) + 2 * rng.normal(size=n)
    probability = 1 / (1 + np.exp(-(score[:, None] - slope * np.array([-1, 0, 1]))))
    return (grade[:, None] >= [1, 2, 3]).astype(float), probability, patients


def test_monotone_by_hand():
    told = metrics.monotone([[0.9, 0.5, 0.1], [0.5, 0.9, 0.1], [0.2, 0.4, 0.9], [0.9, 0.1, 0.4]])
    np.testing.assert_allclose(told, [[0.9, 0.5, 0.1], [0.7, 0.7, 0.1], [0.5, 0.5, 0.5], [0.9, 0.25, 0.25]])


@pytest.mark.parametrize("cuts", [1, 2, 5, 12])
def test_monotone_is_isotonic_regression(cuts):
    rows = np.random.default_rng(cuts).random((300, cuts))
    told = metrics.monotone(rows)
    np.testing.assert_allclose(told, [isotonic_regression(row, increasing=False) for row in rows], atol=1e-12)
    assert (np.diff(told, axis=1) <= 0).all()
    np.testing.assert_allclose(told.sum(1), rows.sum(1))  # the expected grade stays
    np.testing.assert_array_equal(metrics.monotone(told), told)


def test_grades():
    assert metrics.grades([[0.9, 0.6, 0.2], [0.4, 0.3, 0.2], [0.9, 0.8, 0.7], [0.4, 0.9, 0.1]]).tolist() == [
        1 + 1,
        0,
        3,
        2,
    ]
    assert metrics.grades([[0.3, 0.6, 0.2]]).tolist() == [0]  # a single high cut above a low one is no grade 2
    assert metrics.grade_names(CLASSES) == ("<b", "b", "c", "d")


def test_agreement():
    labels, probability, patients = cohort(each=2)
    told = metrics.evaluate_ordinal(labels, probability, patients, classes=CLASSES, bootstrap=200)
    true, said = labels.sum(1).astype(int), metrics.grades(probability)
    assert told["kappa"]["value"] == pytest.approx(cohen_kappa_score(true, said, weights="quadratic"))
    assert told["accuracy"]["value"] == pytest.approx((true == said).mean()) and told["accuracy"]["value"] < 0.9
    assert told["within_one"]["value"] == pytest.approx((abs(true - said) < 2).mean())
    assert told["grade_error"]["value"] == pytest.approx(abs(true - said).mean())
    np.testing.assert_array_equal(told["confusion"], confusion_matrix(true, said))
    assert told["grades"] == ["<b", "b", "c", "d"] and list(told["per_class"]) == list(CLASSES)
    for name in ("kappa", "accuracy", "within_one", "grade_error"):
        assert told[name]["low"] < told[name]["value"] < told[name]["high"]
    cuts = metrics.evaluate(labels, probability, patients, task="multilabel", classes=CLASSES, bootstrap=200)
    assert told["auc"] == cuts["auc"] and told["thresholds"] == cuts["thresholds"]
    assert set(told) - set(cuts) == {"grades", "within_one", "kappa", "grade_error"}


def test_kappa_over_resampled_patients():
    """The interval follows the values that scikit-learn finds among copies of the patients drawn."""
    labels, probability, patients = cohort(80, each=2)
    true, said = labels.sum(1).astype(int), metrics.grades(probability)
    drawn = [
        cohen_kappa_score(np.repeat(true, row), np.repeat(said, row), weights="quadratic")
        for row in cluster_bootstrap(patients, 400, 0)
    ]
    told = metrics.evaluate_ordinal(labels, probability, patients, classes=CLASSES, bootstrap=400)["kappa"]
    low, high = np.percentile(drawn, [2.5, 97.5])
    assert told["low"] == pytest.approx(low, abs=0.05) and told["high"] == pytest.approx(high, abs=0.03)


def coverage(n, each, replications):
    """How often the intervals of kappa and of the error in grades hold what 400,000 units have, in percent."""
    labels, probability, _ = cohort(400_000, seed=99)
    true = _agreement(np.ones((1, 400_000)), labels.sum(1).astype(int), metrics.grades(probability), 4)
    held = dict.fromkeys(true, 0)
    for replication in range(replications):
        labels, probability, patients = cohort(n, each, seed=[n, each, replication])
        grades = labels.sum(1).astype(int), metrics.grades(probability)
        told = intervals(lambda rows, pair=grades: _agreement(rows, *pair, 4), grouped(patients), 500, replication)
        for name, value in true.items():
            held[name] += told[name]["low"] <= value[0] <= told[name]["high"]
    return {name: 100 * count / replications for name, count in held.items()}


@pytest.mark.slow
@pytest.mark.parametrize("n, each", [(40, 1), (90, 3), (200, 1)])
def test_intervals_cover_what_they_promise(n, each):
    told = coverage(n, each, 500)
    print(n, each, told)
    assert all(91 <= share <= 98 for share in told.values()), told


def test_without_any_difference_there_is_no_kappa():
    labels, said = np.ones((6, 2)), np.full((6, 2), 0.9)
    told = metrics.evaluate_ordinal(labels, said, range(6), classes=(">=1", ">=2"), bootstrap=20)
    assert told["kappa"]["value"] is None and told["accuracy"]["value"] == 1 and told["auc"]["value"] is None


def test_recalibrated_cuts_keep_their_order():
    labels, probability, _ = cohort(400)
    crossed = probability[:, [1, 0, 2]]  # each cut is recalibrated to its own frequency
    fixed = metrics.recalibrate(labels, crossed, "ordinal")
    told = fixed.apply(crossed)
    assert (np.diff(told, axis=1) <= 0).all()
    np.testing.assert_allclose(told.mean(0), labels.mean(0), atol=0.03)
    each = metrics.recalibrate(labels, crossed, "multilabel")
    assert (fixed.intercept, fixed.slope) == (each.intercept, each.slope)
    np.testing.assert_allclose(told, metrics.monotone(each.apply(crossed)))
    assert metrics.Recalibration.from_json(fixed.to_json()) == fixed
    nothing = metrics.Recalibration("ordinal", (0.0,) * 3, (1.0,) * 3)
    np.testing.assert_array_equal(nothing.apply(crossed), metrics.monotone(crossed))
    gone = metrics.recalibrate(np.c_[labels[:, :2], labels[:, 2] * 0], probability, "ordinal")
    assert gone.note == "cuts 3: validation has one class only, nothing was recalibrated"


def test_units_take_their_highest_grade():
    pooled = metrics.pool_units([[1, 0], [1, 1]], [[0.9, 0.2], [0.8, 0.7]], ["a", "a"], ["p", "p"], task="ordinal")
    assert pooled.truth.tolist() == [[1, 1]]
    np.testing.assert_allclose(pooled.probability, [[0.85, 0.45]])


def test_holm_by_hand():
    """Holm 1979: the smallest of four counts four times, the next three times, and none falls below the one before."""
    assert metrics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    told = metrics.holm([0.5, None, 0.6, 0.01])
    assert told[1] is None and [told[0], told[2], told[3]] == pytest.approx([1.0, 1.0, 0.03])
    assert metrics.holm([]) == [] and metrics.holm([None]) == [None] and metrics.holm([0.2]) == [0.2]
