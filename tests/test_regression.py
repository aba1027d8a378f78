"""Predicted numbers: against SciPy and formulas by hand, over resampled patients, and how often intervals hold."""

import numpy as np
import pytest
from scipy.stats import bootstrap, linregress, pearsonr, spearmanr, ttest_rel
from sklearn.metrics import mean_absolute_error, median_absolute_error, r2_score, root_mean_squared_error

from radzoo import metrics
from radzoo.errors import BadInput
from radzoo.metrics.bootstrap import acceleration, bca
from radzoo.metrics.numbers import Numbers
from radzoo.metrics.resampling import grouped, left_out, resamples

NAMES = (
    *("mae", "rmse", "median_error", "r2", "spearman", "pearson", "bias", "agreement_low", "agreement_high"),
    *("calibration_intercept", "calibration_slope"),
)


def cohort(n=60, each=1, seed=0, decimals=1):
    """`(truth, prediction, patients)` with ties, errors that patients share, a bias and too extreme predictions."""
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n // each), each)
    truth, error = ((rng.normal(size=n // each)[patients] + rng.normal(size=n)) / np.sqrt(2) for _ in range(2))
    return (100 + 10 * truth).round(decimals), (103 + 13 * truth + 8 * error).round(decimals), patients


def theirs(truth, prediction):
    """The same numbers by other people's hands."""
    line, error = linregress(prediction, truth), prediction - truth
    limits = error.mean() - 1.96 * error.std(ddof=1), error.mean() + 1.96 * error.std(ddof=1)
    first = mean_absolute_error(truth, prediction), root_mean_squared_error(truth, prediction)
    order = spearmanr(truth, prediction)[0], pearsonr(truth, prediction)[0]
    fit = median_absolute_error(truth, prediction), r2_score(truth, prediction)
    return dict(zip(NAMES, (*first, *fit, *order, error.mean(), *limits, line.intercept, line.slope), strict=True))


def test_values():
    truth, prediction, patients = cohort(each=2)
    told = metrics.evaluate_regression(truth[:, None], prediction[:, None], patients, bootstrap=50)
    for name, value in theirs(truth, prediction).items():
        assert told[name]["value"] == pytest.approx(value, rel=1e-9), name
        assert told[name]["low"] < value < told[name]["high"]
    assert (told["images"], told["patients"], told["claim"], told["note"]) == (60, 30, True, None)
    assert (told["truth_mean"], told["truth_sd"]) == pytest.approx((truth.mean(), truth.std(ddof=1)))
    few = metrics.evaluate_regression(truth[:18], prediction[:18], patients[:18], bootstrap=50)
    assert not few["claim"] and few["note"] == "fewer than 10 patients (9): counts, no claim"


@pytest.mark.parametrize("decimals", [6, 0, -1])  # no ties; some; a handful of values, all tied
def test_a_weight_is_a_number_of_copies(decimals):
    truth, prediction, _ = cohort(decimals=decimals)
    weights = np.random.default_rng(1).integers(0, 4, (5, 60))
    told = Numbers(truth, prediction).statistics(weights)
    for row, weight in enumerate(weights):
        for name, value in theirs(np.repeat(truth, weight), np.repeat(prediction, weight)).items():
            assert told[name][row] == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_shift_and_scale():
    """Numbers far from zero lose no digits, and other units change what has a unit and nothing else."""
    truth, prediction, patients = cohort()
    near = metrics.evaluate_regression(truth, prediction, patients, bootstrap=100)
    far = metrics.evaluate_regression(1e6 + 12 * truth, 1e6 + 12 * prediction, patients, bootstrap=100)
    for name in ("r2", "spearman", "pearson", "calibration_slope"):
        assert list(far[name].values()) == pytest.approx(list(near[name].values()), rel=1e-6), name
    for name in ("mae", "rmse", "median_error", "bias", "agreement_low"):
        assert list(far[name].values()) == pytest.approx([12 * v for v in near[name].values()], rel=1e-6), name


def test_what_a_constant_cannot_tell():
    truth, _, patients = cohort()
    told = metrics.evaluate_regression(truth, np.full(60, 100.3), patients, bootstrap=20)
    for name in ("spearman", "pearson", "calibration_slope", "calibration_intercept"):
        assert told[name]["value"] is None and told[name]["low"] is None
    assert told["mae"]["value"] == pytest.approx(np.abs(truth - 100.3).mean()) and told["r2"]["value"] < 0
    same = metrics.evaluate_regression(np.full(60, 0.1), truth, patients, bootstrap=20)
    assert same["r2"]["value"] is None and same["spearman"]["value"] is None
    right = metrics.evaluate_regression(truth, truth, patients, bootstrap=20)
    assert right["mae"] == {"value": 0, "low": 0, "high": 0} and right["r2"]["value"] == 1
    alone = metrics.evaluate_regression([1, 2], [1, 3], ["a", "a"], bootstrap=20)
    assert alone["mae"] == {"value": 0.5, "low": None, "high": None}


def test_folds_and_raw():
    truth, prediction, patients = cohort()
    folds = np.repeat([1, 2, 3], 20)
    told = metrics.evaluate_regression(truth, prediction, patients, raw=2 * prediction, folds=folds, bootstrap=0)
    own = [theirs(truth[folds == fold], prediction[folds == fold]) for fold in (1, 2, 3)]
    assert [row["mae"] for row in told["folds"]] == pytest.approx([each["mae"] for each in own])
    spearman = [each["spearman"] for each in own]
    assert told["fold_mean"]["spearman"] == pytest.approx(np.mean(spearman))
    assert told["fold_mean"]["sd"] == pytest.approx(np.std(spearman, ddof=1))
    assert told["uncalibrated"]["calibration_slope"] == pytest.approx(told["calibration_slope"]["value"] / 2)
    assert told["mae"]["low"] is None and "share training patients" in told["interval"]


def test_bca_is_scipys_but_for_its_levels(monkeypatch):
    """With the normal quantile and no expansion, the interval is that of SciPy."""
    values = np.random.default_rng(0).exponential(size=40)
    monkeypatch.setattr("radzoo.metrics.bootstrap.quantile", lambda degrees: 1.959964 * np.sqrt(39 / 40))
    people = grouped(np.arange(40))
    drawn = np.concatenate([block @ values / 40 for block in resamples(people, 20000, 0)])
    left = np.concatenate([block @ values / 39 for block in left_out(people)])
    ours = bca(values.mean(), drawn, left, 40)
    scipys = bootstrap((values,), np.mean, n_resamples=20000, rng=1, method="BCa").confidence_interval
    assert (ours["low"], ours["high"]) == pytest.approx((scipys.low, scipys.high), rel=0.01)
    away = values - values.mean()
    assert acceleration(left) == pytest.approx((away**3).sum() / (6 * (away**2).sum() ** 1.5))
    assert acceleration(np.ones(5)) == 0


def test_patients_and_not_images_are_drawn():
    truth, prediction, patients = cohort(120, each=6)
    width = {}
    for name, who in (("patients", patients), ("images", np.arange(120))):
        told = metrics.evaluate_regression(truth, prediction, who, bootstrap=500)["bias"]
        width[name] = told["high"] - told["low"]
    assert width["patients"] > 1.4 * width["images"]


def test_compare_is_the_paired_t_test():
    truth, a, patients = cohort()
    b = a + np.random.default_rng(1).normal(size=60)
    told = metrics.compare_regression(truth[:, None], a[:, None], b[:, None], patients)
    test = ttest_rel(np.abs(a - truth), np.abs(b - truth))
    assert told["p"] == pytest.approx(test.pvalue) and told["difference"] == pytest.approx(
        mean_absolute_error(truth, a) - mean_absolute_error(truth, b)
    )
    assert (told["low"], told["high"]) == pytest.approx(tuple(test.confidence_interval()))
    twice = metrics.compare_regression(*(np.repeat(each, 2) for each in (truth, a, b, patients)))
    assert twice == pytest.approx(told)  # copies of an image tell nothing new
    assert metrics.compare_regression(truth, a, a, patients) == {"difference": 0, "low": 0, "high": 0, "p": 1}
    assert metrics.compare_regression([1], [2], [4], ["x"]) == {"difference": -2, "low": None, "high": None, "p": None}
    always = metrics.compare_regression([0.0, 0], [1.0, 1], [2.0, 2], [0, 1])
    assert always == {"difference": -1, "low": -1, "high": -1, "p": 0}


@pytest.mark.parametrize(
    "truth, prediction, words",
    [
        ([[1.0], [2.0]], [[1.0, 2.0], [1.0, 2.0]], "expected two equal"),
        ([1.0, 2.0], [1.0], "expected two equal"),
        ([], [], "expected two equal"),
        ([1.0, np.nan], [1.0, 2.0], "no finite numbers"),
        ([1.0, 2.0], [1.0, np.inf], "predicts NaN or infinity"),
    ],
)
def test_bad_numbers(truth, prediction, words):
    with pytest.raises(BadInput, match=words):
        metrics.evaluate_regression(truth, prediction, range(len(truth)))


def test_the_score_prefers_order_to_a_constant():
    truth = np.arange(10.0)[:, None]
    rng = np.random.default_rng(0)
    far = 1000 + truth + rng.normal(size=(10, 1))  # recalibration will bring it back
    constant = np.full((10, 1), 4.5)
    backwards = -truth
    order = [metrics.score("regression", truth, each) for each in (far, backwards, constant)]
    assert order == pytest.approx([spearmanr(truth, far)[0], -1, -1]) and order[0] > 0.9
    assert metrics.score("regression", truth, rng.normal(size=(10, 1))) > metrics.score("regression", truth, constant)
    assert metrics.score("regression", truth, np.full((10, 1), np.nan)) == -1
    labels, said = np.float32([[0, 1], [1, 1], [1, 1]]), np.float32([[0.1, 0.2], [0.1, 0.9], [0.8, 0.3]])
    for task in ("multilabel", "ordinal"):  # the second column has one class
        assert metrics.score(task, labels, said) == pytest.approx(0.75)
    assert metrics.score("binary", labels[:, 1:], said[:, 1:]) == -1
    assert [metrics.score_name(task) for task in ("ordinal", "regression")] == ["AUC", "Spearman"]


def test_a_line_from_validation():
    truth, prediction, _ = cohort()
    fixed = metrics.recalibrate(truth[:, None], prediction[:, None], "regression")
    line = linregress(prediction, truth)
    assert (fixed.intercept[0], fixed.slope[0], fixed.note) == pytest.approx((line.intercept, line.slope, ""))
    again = metrics.evaluate_regression(truth, fixed.apply(prediction[:, None]), range(60), bootstrap=0)
    assert again["calibration_slope"]["value"] == pytest.approx(1)
    assert again["bias"]["value"] == pytest.approx(0, abs=1e-9)
    assert metrics.Recalibration.from_json(fixed.to_json()) == fixed
    for said, note in (
        (prediction[:9], "fewer than 10 units on validation, slope kept at 1"),
        (-prediction, "no better than chance, slope kept at 1"),
        (np.full(60, 4.0), "all predictions are equal"),
        (100 + np.float32(1e-5) * (np.arange(60) % 2), "all predictions are equal"),
    ):
        kept = metrics.recalibrate(truth[: len(said), None], said[:, None], "regression")
        assert kept.slope == (1,) and note in kept.note
        assert kept.apply(said[:, None]).mean() == pytest.approx(truth[: len(said)].mean())


def test_images_of_a_unit_are_averaged():
    pooled = metrics.pool_units([[1], [3], [5]], [[2], [6], [7]], list("aab"), list("ppq"), task="regression")
    assert pooled.truth.tolist() == [[2], [5]] and pooled.probability.tolist() == [[4], [7]]
    with pytest.raises(BadInput, match="aggregate 'max' came with a regression"):
        metrics.pool_units([[1]], [[2]], ["a"], ["p"], "max", task="regression")


def coverage(n, each, replications, seed=0):
    """How often the intervals of bivariate normal numbers hold what two million of them have, in percent."""
    truth, prediction, _ = cohort(2_000_000, decimals=6, seed=7)
    true = {name: value[0] for name, value in Numbers(truth, prediction).statistics(np.ones((1, 2_000_000))).items()}
    held = dict.fromkeys(NAMES, 0)
    for replication in range(replications):
        sample = cohort(n, each, seed=[seed, n, each, replication], decimals=6)
        told = metrics.evaluate_regression(*sample, bootstrap=500, seed=replication)
        for name in NAMES:
            held[name] += told[name]["low"] <= true[name] <= told[name]["high"]
    return {name: 100 * count / replications for name, count in held.items()}


def test_intervals_cover_roughly():
    told = coverage(60, 3, 40)
    assert min(told.values()) >= 75, told


@pytest.mark.slow
@pytest.mark.parametrize("n, each", [(30, 1), (60, 3), (200, 1), (300, 3)])
def test_intervals_cover_what_they_promise(n, each):
    """500 replications: a cell of 95 % is within 92-98 by chance. Limits of agreement need more patients than 20."""
    told = coverage(n, each, 500)
    print(n, each, told)
    for name, share in told.items():
        least = 88 if n < 100 and name.startswith("agreement") else 90 if n < 100 else 92
        assert least <= share <= 98.5, (name, told)


if __name__ == "__main__":
    for n, each in ((30, 1), (60, 3), (200, 1), (300, 3)):
        print(n, each, {name: round(share, 1) for name, share in coverage(n, each, 1000).items()})
