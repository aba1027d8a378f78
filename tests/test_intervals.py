"""Intervals against hand-worked values, other libraries and slow second implementations (coverage: test_coverage)."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm, t, ttest_ind
from sklearn.metrics import average_precision_score, roc_auc_score

from radzoo import metrics
from radzoo.metrics.areas import auc_interval, delong, newcombe_variance
from radzoo.metrics.intervals import effective_size, logit_interval, mean, measured, proportion, welch, wilson
from radzoo.metrics.resampling import grouped, jackknife_deviation

NAMES = ("auc", "average_precision", "accuracy", "sensitivity", "specificity", "brier", "calibration_intercept",
         "calibration_slope")  # fmt: skip


def cohort(patients=60, each=3, seed=0):
    """Units that share half the variance of score and label within a patient."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(patients), each)
    shared = rng.normal(size=(2, patients))[:, who] + rng.normal(size=(2, patients * each))
    truth = (shared[0] > 0.4).astype(float)
    return truth[:, None], 1 / (1 + np.exp(-(1.5 * truth + shared[1] - 1)))[:, None], who


def evaluated(truth, score, patients, **options):
    options = {"task": "binary", "classes": ["x"], "thresholds": [0.5], "bootstrap": 2000} | options
    return metrics.evaluate(truth, score, patients, **options)


def width(said):
    return said["high"] - said["low"]


def test_wilson_is_scipys():
    for found, n in ((0, 12), (12, 12), (3, 17), (190, 200)):
        theirs = binomtest(found, n).proportion_ci(method="wilson")
        assert wilson(found / n, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    said = evaluated(*cohort(40, 1))  # each patient once: nothing but Wilson
    truth, score, _ = cohort(40, 1)
    theirs = binomtest(int(((score >= 0.5) & (truth == 1)).sum()), int(truth.sum())).proportion_ci(method="wilson")
    assert (said["sensitivity"]["low"], said["sensitivity"]["high"]) == pytest.approx((theirs.low, theirs.high))


def test_effective_size_by_hand():
    # patients with 2, 2, 1 units; the first has two hits, the others none: share 2/5, residuals .6 * 2, -.8, -.4
    people, yes = grouped([1, 1, 2, 2, 3]), np.array([1, 1, 0, 0, 0.0])
    variance = 3 / 2 * (1.2**2 + 0.8**2 + 0.4**2) / 25
    assert variance == pytest.approx(0.1344)  # 2.8 times the binomial .4 * .6 / 5: more than copies could make it
    assert effective_size(yes, people) == 25 / 9  # so held at (2 + 2 + 1)^2 / (4 + 4 + 1)
    people, yes = grouped([1, 1, 2, 2, 3, 3]), np.array([1, 0, 1, 0, 1, 1.0])
    # share 4/6; residuals 1 - 4/3 twice, 2 - 4/3; variance 3/2 * (1/9 + 1/9 + 4/9) / 36 = 1/36
    assert effective_size(yes, people) == 6  # (2/9) / (1/36) = 8 is more than there are
    assert effective_size(np.ones(6), people) == 3  # no variance to learn from: as if units were copies


def test_copies_of_units_are_no_news():
    truth, score, _ = cohort(80, 1)
    once = evaluated(truth, score, np.arange(80))
    thrice = evaluated(*(np.repeat(x, 3, axis=0) for x in (truth, score, np.arange(80))))
    for name in NAMES:
        assert thrice[name]["value"] == pytest.approx(
            once[name]["value"], abs=1e-9 + 0.02 * (name == "average_precision")
        )
        assert width(thrice[name]) > 0.96 * width(once[name]), name
    for name in ("sensitivity", "specificity", "accuracy"):
        assert thrice[name] == pytest.approx(once[name])
    other = np.random.default_rng(3).random(score.shape)
    one = metrics.compare(truth, score, other, np.arange(80), task="binary")
    three = metrics.compare(*(np.repeat(x, 3, axis=0) for x in (truth, score, other, np.arange(80))), task="binary")
    assert width(three) > 0.96 * width(one)


def test_a_unit_repeated_within_its_patients_does_not_shrink_a_clustered_interval():
    truth, score, patients = cohort()
    once, twice = (
        evaluated(truth, score, patients),
        evaluated(*(np.repeat(x, 2, axis=0) for x in (truth, score, patients))),
    )
    for name in NAMES:
        assert width(twice[name]) > 0.97 * width(once[name]), name  # the bootstrap's own noise is 1.6 %


def test_names_and_order_do_not_matter():
    truth, score, patients = cohort()
    said = evaluated(truth, score, patients)
    assert evaluated(truth, score, [f"name {99 - p}" for p in patients]) == said
    order = np.random.default_rng(1).permutation(len(truth))
    shuffled = evaluated(truth[order], score[order], patients[order])
    for name in NAMES:
        assert shuffled[name]["value"] == pytest.approx(said[name]["value"])
        tolerance = 0.005 if name == "auc" else 1e-9  # other resamples; nothing else is drawn
        assert shuffled[name]["low"] == pytest.approx(said[name]["low"], abs=tolerance)
        assert shuffled[name]["high"] == pytest.approx(said[name]["high"], abs=tolerance)


def wins(positive, negative):
    return np.array([[float(p > n) + 0.5 * (p == n) for n in negative] for p in positive])


def test_delong_by_hand():
    # wins: .9 beats .5 .2 .1; .5 ties .5 and beats two; .3 beats two: rows 1, 2.5/3, 2/3; columns 1.5/3, 1, 1
    truth, score = np.array([1, 1, 1, 0, 0, 0]), np.array([0.9, 0.5, 0.3, 0.5, 0.2, 0.1])
    areas, covariance = delong(truth, [score])
    assert areas[0] == pytest.approx(7.5 / 9)
    # row variance ((1/6)^2 + 0 + (1/6)^2) / 2 = 1/36; column variance ((1/3)^2 + 2 (1/6)^2) / 2 = 1/12; each over 3
    assert covariance[:, 0, 0] == pytest.approx([1 / 108, 1 / 36])


def test_delong_is_the_double_loop():
    """DeLong, DeLong & Clarke-Pearson 1988, equations 4 to 6, with ties, for three scores at once."""
    rng = np.random.default_rng(0)
    truth = (rng.random(70) < 0.4).astype(int)
    scores = [np.round(truth * shift + rng.normal(size=70), 1) for shift in (0.5, 1, 2)]
    areas, covariance = delong(truth, scores)
    kernels = [wins(score[truth == 1], score[truth == 0]) for score in scores]
    rows, columns = np.array([k.mean(1) for k in kernels]), np.array([k.mean(0) for k in kernels])
    slow = np.zeros((3, 3))
    for r in range(3):
        for s in range(3):
            for side in (rows, columns):
                away = sum((side[r, i] - areas[r]) * (side[s, i] - areas[s]) for i in range(side.shape[1]))
                slow[r, s] += away / (side.shape[1] - 1) / side.shape[1]
    np.testing.assert_allclose(areas, [roc_auc_score(truth, score) for score in scores])
    np.testing.assert_allclose(covariance.sum(0), slow, rtol=1e-12)


def test_delong_and_bootstrap_agree():
    truth, score, patients = cohort(600, 1)
    deviation = metrics.auc(truth[:, 0], score[:, 0], metrics.cluster_bootstrap(patients, 4000, 0)).std()
    assert np.sqrt(delong(truth[:, 0], [score[:, 0]])[1].sum()) == pytest.approx(deviation, rel=0.04)


def test_newcombe_variance_is_hanley_and_mcneils_with_equal_groups():
    area, n = 0.8, 30
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    hanley = (area * (1 - area) + (n - 1) * (q1 + q2 - 2 * area**2)) / n**2  # Hanley & McNeil, Radiology 1982
    assert newcombe_variance(area, n, n) == pytest.approx(hanley)
    assert newcombe_variance(0.8, 20, 50) == pytest.approx(newcombe_variance(0.2, 50, 20))


def test_a_perfect_auc_is_no_certainty():
    truth = np.repeat([1.0, 0.0], [15, 35])
    people = grouped(np.arange(50))
    low, high = auc_interval(truth, truth + np.arange(50) / 1000, 1.0, people)
    assert high == 1 and (1 - low) ** 2 == pytest.approx(norm.ppf(0.975) ** 2 * newcombe_variance(low, 15, 35))
    assert 0.85 < low < 0.95
    assert auc_interval(1 - truth, truth + np.arange(50) / 1000, 0.0, people) == pytest.approx((0, 1 - low))
    two = np.repeat(truth, 2)  # copies within patients: the same patients, the same interval
    twice = auc_interval(two, np.repeat(truth + np.arange(50) / 1000, 2), 1.0, grouped(np.arange(100) // 2), 0.0)
    assert twice == pytest.approx((low, 1), rel=1e-3)


@pytest.mark.parametrize("each", [1, 2])
def test_evaluate_of_perfect_scores_has_width(each):
    truth, patients = np.tile([1.0, 0, 0], 30)[:, None], np.arange(90) // each
    said = evaluated(truth, 0.2 + 0.6 * truth + 1e-3 * np.arange(90)[:, None] / 90, patients)
    for name in ("auc", "average_precision", "sensitivity", "specificity", "accuracy"):
        assert said[name]["value"] == said[name]["high"] == 1 and 0.7 < said[name]["low"] < 0.98
    assert said["calibration_slope"] is None  # perfect separation: no finite slope exists
    several = np.hstack([truth, 1 - truth])
    many = evaluated(
        several, 0.2 + 0.6 * several, patients, task="multilabel", classes=["a", "b"], thresholds=[0.5, 0.5]
    )
    assert many["auc"]["value"] == many["auc"]["high"] == 1 and many["auc"]["low"] < 0.98


def test_a_mean_of_certain_and_perfect_has_width():
    truth = np.tile([[1.0, 0], [0, 1]], (20, 1))
    score = np.stack([truth[:, 0] * 0.5 + np.arange(40) / 200, np.full(40, 0.5)], 1)  # AUC 1 and a constant
    said = evaluated(truth, score, np.arange(40), task="multilabel", classes=["a", "b"], thresholds=[0.5, 0.5])["auc"]
    assert said["value"] == 0.75 and said["low"] < 0.74 and said["high"] == 0.75


def test_one_score_for_all_is_certainly_half():
    truth, _, patients = cohort(40, 2)
    said = evaluated(truth, np.full_like(truth, 0.3), patients)
    assert said["auc"] == {"value": 0.5, "low": 0.5, "high": 0.5}


def test_turning_the_score_round_turns_the_interval_round():
    truth, score, patients = cohort(50, 1)
    said, turned = evaluated(truth, score, patients)["auc"], evaluated(truth, 1 - score, patients)["auc"]
    assert (turned["low"], turned["high"]) == pytest.approx((1 - said["high"], 1 - said["low"]))


def test_average_precision_is_the_jackknife_over_patients():
    truth, score, patients = cohort(40, 2)
    kept = [patients != p for p in range(40)]
    slow = np.array([average_precision_score(truth[k], score[k]) for k in kept])
    deviation = np.sqrt(39 / 40 * ((slow - slow.mean()) ** 2).sum())
    assert jackknife_deviation(np.r_[slow, np.nan]) == pytest.approx(deviation)
    few = min(len(set(patients[truth[:, 0] == side])) for side in (0, 1))
    value = average_precision_score(truth, score)
    expected = logit_interval(value, deviation, t.ppf(0.975, few - 1))
    said = evaluated(truth, score, patients)["average_precision"]
    assert (said["low"], said["high"]) == pytest.approx(expected)


def test_a_mean_by_hand():
    # values .1 .3 .2 of patients a a b: mean .2, sums of residuals 0 and 0: no variance; then .1 .2 | .3
    assert mean(np.array([0.1, 0.3, 0.2]), grouped(["a", "a", "b"]))["low"] == pytest.approx(0.2)
    said = mean(np.array([0.1, 0.2, 0.3]), grouped(["a", "a", "b"]))
    deviation = np.sqrt(2 * (0.1**2 + 0.1**2) / 9)
    assert (said["low"], said["high"]) == pytest.approx(
        logit_interval(0.2, deviation, 12.70620474)
    )  # t with one degree
    assert said["value"] == pytest.approx(0.2)
    assert mean(np.array([0.2]), grouped(["a"])) == {"value": 0.2, "low": None, "high": None}


def test_degrees_of_freedom_are_welchs():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=12), rng.normal(0, 3, 30)
    assert welch([a.var(ddof=1) / 12, b.var(ddof=1) / 30], [12, 30]) == pytest.approx(
        ttest_ind(a, b, equal_var=False).df
    )
    assert welch([0, 0], [12, 30]) == 11 and welch([0, 1], [12, 30]) == 29 and welch([1], [1]) == 1


def test_measured_numbers_are_json():
    assert measured(np.float32(0.5), 0.25, np.inf, 3) == {"value": 0.5, "low": 0.25, "high": None, "undefined": 3}
    assert proportion(np.ones(3, bool), np.zeros(3, bool), grouped([1, 2, 3])) == measured(np.nan)


def test_two_perfect_scores_differ_by_nothing_certain():
    truth = np.repeat([1.0, 0.0], 20)[:, None]
    rng = np.random.default_rng(0)
    a, b = (truth + 0.5 * rng.random(truth.shape) for _ in range(2))
    for patients in (np.arange(40), np.arange(40) // 2):
        said = metrics.compare(truth, a, b, patients, task="binary", bootstrap=100)
        assert said["difference"] == 0 and said["low"] == pytest.approx(-said["high"]) and said["high"] > 0.05
    same = metrics.compare(truth, a, 2 * a + 1, patients, task="binary", bootstrap=100)  # ranks all alike
    assert same == {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    said = metrics.compare(truth, a, np.full_like(a, 0.5), np.arange(40), task="binary")  # against a constant
    assert said["difference"] == 0.5 and 0.39 < said["low"] < 0.5 and 0 < said["p"] < 1e-6
    nothing = metrics.compare(np.ones((4, 1)), np.zeros((4, 1)), np.ones((4, 1)), np.arange(4), task="binary")
    assert set(nothing.values()) == {None}


def test_p_and_interval_say_the_same():
    truth, score, patients = cohort(40, 1)
    rng = np.random.default_rng(2)
    for shift in np.linspace(0.2, 3, 30):
        said = metrics.compare(truth, score, score + shift * rng.normal(size=score.shape), patients, task="binary")
        assert (said["p"] < 0.05) == (said["low"] > 0 or said["high"] < 0)
