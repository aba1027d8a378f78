"""Calibration and recalibration against scikit-learn, known distortions and hand-worked values."""

import json

import numpy as np
import pytest
from scipy.special import expit, logit, softmax
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from radzoo import metrics
from radzoo.metrics.reliability import bins, fit_logistic, reliability, safe_logit
from radzoo.metrics.resampling import grouped


def cohort(n=400, seed=0, intercept=0.0, slope=1.0):
    """Truth drawn from risks whose logits were `intercept + slope` times the model's."""
    rng = np.random.default_rng(seed)
    said = rng.normal(-0.5, 1.5, n)
    return (rng.random(n) < expit(intercept + slope * said)).astype(float), expit(said)


def sklearn_fit(truth, probability, weights=None):
    fit = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit(probability)[:, None], truth, weights)
    return fit.intercept_[0], fit.coef_[0, 0]


def test_brier_intercept_and_slope():
    truth, probability = cohort(intercept=0.4, slope=0.7)
    said = reliability(truth, probability, grouped(np.arange(400)))
    assert said["brier"]["value"] == pytest.approx(brier_score_loss(truth, probability))
    assert said["calibration_slope"]["value"] == pytest.approx(sklearn_fit(truth, probability)[1], abs=1e-5)
    a = said["calibration_intercept"]["value"]
    assert expit(a + logit(probability)).mean() == pytest.approx(truth.mean())  # what the likelihood asks for
    assert said["calibration_slope"]["low"] < 0.7 < said["calibration_slope"]["high"]


def test_intercept_by_hand():
    # everyone is told .2, half are ill: logit(.5) - logit(.2) = log 4
    said = reliability(np.array([1, 0, 1, 0.0]), np.full(4, 0.2), grouped(range(4)))
    assert said["calibration_intercept"]["value"] == pytest.approx(np.log(4)) and said["calibration_slope"] is None
    # information 4 * .25, residuals +-.5: variance 4 * .25 / 1 * 4/3
    half = said["calibration_intercept"]["high"] - np.log(4)
    assert half == pytest.approx(3.182446 * np.sqrt(4 / 3), rel=1e-5)  # t with three degrees


def test_the_sandwich_is_what_resampled_patients_show():
    rng = np.random.default_rng(1)
    patients = np.repeat(np.arange(400), 3)
    shared = rng.normal(size=400)[patients]
    said = 1.2 * (shared + rng.normal(size=1200))
    truth = (rng.random(1200) < expit(said + rng.normal(size=400)[patients])).astype(float)
    entry = reliability(truth, expit(said), grouped(patients))
    drawn = metrics.cluster_bootstrap(patients, 300, 0)
    slopes = [fit_logistic(said.repeat(row), truth.repeat(row))[0][1] for row in drawn]
    value = entry["calibration_slope"]
    assert (value["high"] - value["low"]) / 2 / 1.97 == pytest.approx(np.std(slopes), rel=0.12)


def test_no_slope_where_none_exists():
    people = grouped(range(6))
    truth = np.array([0, 0, 0, 1, 1, 1.0])
    for score in ([0.1, 0.2, 0.3, 0.7, 0.8, 0.9], [0.1, 0.2, 0.5, 0.5, 0.8, 0.9], [0.9, 0.8, 0.7, 0.3, 0.2, 0.1]):
        assert reliability(truth, np.array(score), people)["calibration_slope"] is None
    assert reliability(truth, np.array([0.1, 0.2, 0.6, 0.5, 0.8, 0.9]), people)["calibration_slope"]["value"] > 0
    one = reliability(np.ones(6), np.linspace(0.1, 0.9, 6), people)
    assert one["calibration_intercept"] is None and one["calibration_slope"] is None and one["brier"]["value"] > 0


def test_bins_are_sklearns():
    truth, probability = cohort(500)
    said = bins(truth, probability, grouped(range(500)))
    observed, predicted = calibration_curve(truth, probability, n_bins=10, strategy="quantile")
    np.testing.assert_allclose([each["observed"] for each in said], observed)
    np.testing.assert_allclose([each["predicted"] for each in said], predicted)
    assert {each["count"] for each in said} == {50} and all(
        each["low"] < each["observed"] < each["high"] for each in said
    )


def test_bins_hold_ten_units_and_keep_equals_together():
    truth, probability = cohort(45)
    assert [each["count"] for each in bins(truth, probability, grouped(range(45)))] == [11, 11, 12, 11]
    assert len(bins(truth[:7], probability[:7], grouped(range(7)))) == 1
    coarse = np.repeat([0.1, 0.2, 0.9], 15)
    assert [each["predicted"] for each in bins(truth, coarse, grouped(range(45)))] == pytest.approx([0.1, 0.2, 0.9])


def test_fit_is_platts():
    """Smoothed targets are the same as every unit once as a positive and once as a negative, with these weights."""
    truth, probability = cohort(200, slope=2)
    target = np.where(truth == 1, (truth.sum() + 1) / (truth.sum() + 2), 1 / ((1 - truth).sum() + 2))
    both, twice = np.r_[np.ones(200), np.zeros(200)], np.tile(probability, 2)
    theirs = sklearn_fit(both, twice, np.r_[target, 1 - target])
    ours = metrics.recalibrate(truth[:, None], probability[:, None], "binary")
    assert (ours.intercept[0], ours.slope[0]) == pytest.approx(theirs, abs=1e-4) and ours.note == ""
    expected = expit(ours.intercept[0] + ours.slope[0] * logit(probability))
    np.testing.assert_allclose(ours.apply(probability[:, None])[:, 0], expected, rtol=1e-9)


def test_class_weights_are_undone():
    """Positives weighed ten times multiply the odds by ten: recalibration takes it back, for patients it never saw."""
    truth, probability = cohort(20_000, intercept=-1)
    probability = expit(logit(probability) - 1)
    weighted = expit(logit(probability) + np.log(10))[:, None]
    fitted = metrics.recalibrate(truth[:10_000, None], weighted[:10_000], "binary")
    assert fitted.intercept[0] == pytest.approx(-np.log(10), abs=0.1) and fitted.slope[0] == pytest.approx(1, abs=0.05)
    after = fitted.apply(weighted[10_000:])
    assert weighted.mean() > 2 * truth.mean() and after.mean() == pytest.approx(truth[10_000:].mean(), abs=0.01)
    said = metrics.evaluate(
        truth[10_000:, None], after, np.arange(10_000), task="binary", classes=["x"], raw=weighted[10_000:], bootstrap=0
    )
    assert said["calibration_intercept"]["low"] < 0 < said["calibration_intercept"]["high"]
    assert said["calibration_slope"]["low"] < 1 < said["calibration_slope"]["high"]
    assert said["uncalibrated"]["calibration_intercept"] == pytest.approx(-np.log(10), abs=0.1)
    assert said["uncalibrated"]["brier"] > said["brier"]["value"]


@pytest.mark.parametrize("slope", [0.2, 1, 4])
def test_auc_stays_even_where_float32_saturates(slope):
    rng = np.random.default_rng(0)
    truth = (rng.random(3000) < 0.5).astype(float)
    score = expit((truth * 6 + rng.normal(0, 8, 3000)).astype(np.float32))  # from 1e-11 to exactly 1
    assert (score == 1).any() and score.dtype == np.float32
    fitted = metrics.Recalibration("binary", (-1.0,), (slope,))
    after = fitted.apply(score[:, None])[:, 0]
    assert (np.diff(after[np.argsort(score)]) >= 0).all() and len(np.unique(after)) == len(np.unique(score))
    assert roc_auc_score(truth, after) == roc_auc_score(truth, score)
    fitted = metrics.recalibrate(truth[:, None], score[:, None], "binary")
    assert metrics.auc(truth, fitted.apply(score[:, None])[:, 0]) == metrics.auc(truth, score)


def test_ends_are_finite_and_ordered():
    score = safe_logit([0, 1e-30, 1e-9, 1e-7, 0.5, 1 - 1e-7, 1 - 1e-9, 1])
    assert np.isfinite(score).all() and (np.diff(score) > 0).all() and score[4] == 0
    assert score[3] == pytest.approx(-14 - np.log1p(logit(1 - 1e-7) - 14)) and score[0] > -25
    assert safe_logit(0.3) == pytest.approx(logit(0.3))


def test_a_turned_order_is_not_turned_back():
    truth, probability = cohort(300, slope=-1)
    fitted = metrics.recalibrate(truth[:, None], probability[:, None], "binary")
    assert fitted.slope == (1.0,) and "no better than chance" in fitted.note
    after = fitted.apply(probability[:, None])
    assert after.mean() == pytest.approx(truth.mean(), abs=0.01)
    assert metrics.auc(truth, after[:, 0]) == metrics.auc(truth, probability) < 0.5


def test_separated_and_equal_predictions():
    truth = np.repeat([0.0, 1.0], 20)[:, None]
    sure = metrics.recalibrate(truth, 0.3 + 0.4 * truth, "binary").apply(0.3 + 0.4 * truth)
    assert sure[0, 0] == pytest.approx(1 / 22, abs=1e-6) and sure[-1, 0] == pytest.approx(21 / 22, abs=1e-6)  # Platt's
    equal = metrics.recalibrate(truth[10:], np.full((30, 1), 0.9), "binary")
    assert equal.slope == (1.0,) and "equal" in equal.note
    assert equal.apply([[0.9]])[0, 0] == pytest.approx((10 / 12 + 20 * 21 / 22) / 30)  # the mean of the targets


def test_labels_have_their_own():
    truth, probability = (np.stack(pair, 1) for pair in zip(cohort(300), cohort(300, seed=1, intercept=2), strict=True))
    truth = np.c_[truth, np.zeros(300)]
    probability = np.c_[probability, np.full(300, 0.1)]
    fitted = metrics.recalibrate(truth, probability, "multilabel")
    alone = metrics.recalibrate(truth[:, 1:2], probability[:, 1:2], "binary")
    assert (fitted.intercept[1], fitted.slope[1]) == (alone.intercept[0], alone.slope[0])
    assert fitted.note == "labels 3: validation has one class only, nothing was recalibrated"
    after = fitted.apply(probability)
    np.testing.assert_array_equal(after[:, 2], probability[:, 2])
    np.testing.assert_allclose(after[:, 1:2], alone.apply(probability[:, 1:2]))


def classes(n=6000, seed=0):
    """Three classes, and the probabilities of a model that was told other class shares and is twice too sure."""
    rng = np.random.default_rng(seed)
    score = rng.normal((0, -1, -2), 1.2, (n, 3))
    right = softmax(score, axis=1)
    label = (rng.random(n)[:, None] > right.cumsum(1)).sum(1)
    return np.eye(3)[label], softmax(2 * score + [0, 2.5, 4], axis=1), right


def test_classes_with_shifted_shares_are_undone():
    truth, probability, right = classes()
    fitted = metrics.recalibrate(truth, probability, "multiclass")
    assert fitted.slope == pytest.approx((0.5,) * 3, abs=0.03)
    shift = -np.array([0, 1.25, 2])
    assert fitted.intercept == pytest.approx(tuple(shift - shift.mean()), abs=0.12)
    assert sum(fitted.intercept) == pytest.approx(0)
    after = fitted.apply(probability)
    np.testing.assert_allclose(after.sum(1), 1)
    assert np.abs(after - right).mean() < 0.01 < 0.2 < np.abs(probability - right).mean()
    np.testing.assert_allclose(after.mean(0), truth.mean(0), atol=1e-3)  # the likelihood asks for it


def test_two_classes_are_a_binary_task():
    truth, probability = cohort(300, intercept=1, slope=0.6)
    pair = metrics.recalibrate(*(np.stack([1 - x, x], 1) for x in (truth, probability)), "multiclass")
    one = metrics.recalibrate(truth[:, None], probability[:, None], "binary")
    assert pair.slope[0] == pytest.approx(one.slope[0], abs=1e-3)
    assert pair.intercept[1] - pair.intercept[0] == pytest.approx(one.intercept[0], abs=1e-3)


def test_classes_that_cannot_be_fitted():
    truth, probability, _ = classes(400)
    turned = metrics.recalibrate(truth, softmax(-np.log(probability), axis=1), "multiclass")
    assert turned.slope == (1.0,) * 3 and "no better than chance" in turned.note
    here = truth[:, 2] == 0
    missing = metrics.recalibrate(truth[here], probability[here], "multiclass")
    assert missing.note == "1 of 3 classes have no validation unit" and np.isfinite(missing.intercept).all()
    certain = metrics.recalibrate(truth, truth, "multiclass").apply(truth)
    assert 0.98 < certain.max() < 1 and (certain.argmax(1) == truth.argmax(1)).all()


def test_recalibration_travels_as_json():
    truth, probability, _ = classes(300)
    for task, columns in (("multiclass", slice(None)), ("binary", slice(1)), ("multilabel", slice(None))):
        fitted = metrics.recalibrate(truth[:, columns], probability[:, columns], task)
        told = json.loads(json.dumps(fitted.to_json(), allow_nan=False))
        assert metrics.Recalibration.from_json(told) == fitted


def test_fit_survives_outliers_and_extreme_scales():
    truth, probability = cohort(300)
    score = np.r_[logit(probability), 40, -40]
    (a, b), _ = fit_logistic(1e-3 * score + 5, np.r_[truth, 0, 1])
    (c, d), _ = fit_logistic(score, np.r_[truth, 0, 1])
    assert b == pytest.approx(1e3 * d, rel=1e-6) and a == pytest.approx(c - 5e3 * d, rel=1e-6)
