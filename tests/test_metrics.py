import json
import time

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score, roc_curve

from radzoo import metrics
from radzoo.errors import BadInput
from radzoo.metrics.resampling import BLOCK, grouped, left_out, resamples


def cohort(n=200, classes=1, per_patient=1, seed=0, ties=True):
    """Fabricated truth `(n, classes)`, informative scores, and patients with several images each."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((n, classes)) < 0.35).astype(float)
    score = np.clip(0.5 + 0.25 * (truth - 0.5) + rng.normal(0, 0.2, truth.shape), 0, 1)
    return truth, np.round(score, 2) if ties else score, np.arange(n) // per_patient


def test_auc_by_hand():
    # pairs (positive, negative): .8>.5, .8>.1, .5=.5, .5>.1 -> (1 + 1 + .5 + 1) / 4
    assert metrics.auc([1, 0, 1, 0], [0.8, 0.5, 0.5, 0.1]) == 3.5 / 4
    # the patient of the first positive drawn twice: (2 + 2 + .5 + 1) / (3 * 2)
    assert metrics.auc([1, 0, 1, 0], [0.8, 0.5, 0.5, 0.1], [2, 1, 1, 1]) == 5.5 / 6
    assert np.isnan(metrics.auc([1, 1], [0.2, 0.3]))


def test_average_precision_by_hand():
    # recall 1/2 at precision 1, then recall 1 at precision 2/3
    assert metrics.average_precision([1, 0, 1], [0.9, 0.5, 0.1]) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


@pytest.mark.parametrize("ties", [True, False])
def test_resampled_statistics_equal_sklearn(ties):
    truth, score, patients = cohort(120, per_patient=3, ties=ties)
    weights = metrics.cluster_bootstrap(patients, 50, 1)
    for ours, theirs in ((metrics.auc, roc_auc_score), (metrics.average_precision, average_precision_score)):
        slow = [theirs(truth[:, 0], score[:, 0], sample_weight=row) for row in weights]
        np.testing.assert_allclose(ours(truth[:, 0], score[:, 0], weights), slow, rtol=0, atol=1e-12)
        assert ours(truth[:, 0], score[:, 0]) == pytest.approx(theirs(truth[:, 0], score[:, 0]), abs=1e-12)


def test_blocks_do_not_change_numbers():
    truth, score, patients = cohort(3000)
    weights = metrics.cluster_bootstrap(patients, 1000, 0)  # 3 million weights: two blocks
    np.testing.assert_array_equal(
        metrics.auc(truth[:, 0], score[:, 0], weights)[600:],
        metrics.auc(truth[:, 0], score[:, 0], weights[600:]),
    )


def test_two_thousand_resamples_of_a_thousand_images_are_quick():
    truth, score, patients = cohort(1000, ties=False)
    weights = metrics.cluster_bootstrap(patients, 2000, 0)
    start = time.process_time()
    metrics.auc(truth[:, 0], score[:, 0], weights)
    assert time.process_time() - start < 1


def test_images_of_a_patient_are_drawn_together():
    patients = ["b", "a", "b", "c"]
    weights = metrics.cluster_bootstrap(patients, 500, 3)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    assert (weights[:, [0, 1, 3]].sum(1) == 3).all()  # three patients are drawn, whatever their images
    np.testing.assert_array_equal(weights, metrics.cluster_bootstrap([9, 40, 9, -1], 500, 3))  # names do not matter
    assert not np.array_equal(weights, metrics.cluster_bootstrap(patients, 500, 4))


def test_the_bootstrap_shares_no_random_numbers_with_the_split():
    weights = metrics.cluster_bootstrap(np.arange(1000), 1, 0)[0]
    assert abs(np.corrcoef(weights, np.random.default_rng(0).random(1000))[0, 1]) < 0.15


def test_one_image_per_patient_is_the_ordinary_bootstrap():
    truth, score, patients = cohort(150)
    ours = metrics.auc(truth[:, 0], score[:, 0], metrics.cluster_bootstrap(patients, 2000, 0))
    rng = np.random.default_rng(5)
    drawn = [rng.integers(0, 150, 150) for _ in range(2000)]
    ordinary = [metrics.auc(truth[i, 0], score[i, 0]) for i in drawn]
    np.testing.assert_allclose(*(np.percentile(x, [2.5, 97.5]) for x in (ours, ordinary)), atol=0.012)
    assert ours.std() == pytest.approx(np.std(ordinary), rel=0.06)


def test_resamples_come_in_blocks_of_bounded_size():
    people = grouped(np.arange(30_000) // 3)
    blocks = list(resamples(people, 40, 0))
    assert max(block.size for block in blocks) <= BLOCK and len(blocks) > 1
    np.testing.assert_array_equal(np.concatenate(blocks), metrics.cluster_bootstrap(people.group, 40, 0))
    assert [len(block) for block in resamples(grouped(np.arange(BLOCK + 1)), 2, 0)] == [1, 1]


def test_the_jackknife_leaves_every_patient_out_once():
    patients = np.array(["b", "a", "b", "c"])
    np.testing.assert_array_equal(
        np.concatenate(list(left_out(grouped(patients)))), [[0, 1, 0, 1], [1, 0, 1, 1], [1, 1, 1, 0]]
    )
    many = np.concatenate(list(left_out(grouped(np.arange(2500)))))
    assert len(many) == 1000 and (many.sum(0) == 999).all() and set(many.shape[1] - many.sum(1)) == {2, 3}


def test_clustered_images_get_a_wider_interval():
    truth, score, _ = cohort(60)
    truth, score = np.repeat(truth, 8, 0), np.repeat(score, 8, 0)  # eight identical images per patient
    width = {}
    for name, patients in (("patient", np.arange(480) // 8), ("image", np.arange(480))):
        measured = metrics.evaluate(truth, score, patients, task="binary", classes=["x"], bootstrap=500)["auc"]
        width[name] = measured["high"] - measured["low"]
    assert width["patient"] > 2 * width["image"]  # sqrt(8) in the limit


def test_sensitivity_rule():
    score = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 0.55, 0.15])
    truth = np.array([1] * 10 + [0, 0])
    assert metrics.threshold_for(truth, score) == 0.2  # nine of ten
    assert metrics.threshold_for(truth, score, "sensitivity 0.91") == 0.1
    assert metrics.threshold_for(truth, score, "sensitivity 0.7") == 0.4  # in floats .7 * 10 is more than 7
    assert metrics.threshold_for([1] * 100, np.arange(100), "sensitivity 0.29") == 71  # and .29 * 100 less than 29
    assert metrics.threshold_for([1, 1, 1], [0.3, 0.3, 0.9], "sensitivity 0.5") == 0.3  # equals are called together
    assert metrics.threshold_for([0, 0], [0.1, 0.2]) is None
    for seed in range(20):
        truth, score = (column[:, 0] for column in cohort(97, seed=seed)[:2])
        sensitivity = {t: (score[truth == 1] >= t).mean() for t in np.unique(score)}
        assert metrics.threshold_for(truth, score) == max(t for t, value in sensitivity.items() if value >= 0.9)


def test_specificity_rule():
    truth, score = np.array([0] * 10 + [1, 1]), np.array([*np.arange(10) / 10, 0.85, 0.95])
    assert metrics.threshold_for(truth, score, "specificity 0.9") == 0.85  # above .8, below .9
    assert metrics.threshold_for(truth, score, "specificity 1") == 0.95
    assert metrics.threshold_for([0, 0, 0, 1], [0.1, 0.5, 0.5, 0.2], "specificity 0.5") == np.nextafter(0.5, 1)
    assert metrics.threshold_for([1, 1], [0.1, 0.2], "specificity 0.9") is None
    for seed in range(20):
        truth, score = (column[:, 0] for column in cohort(97, seed=seed)[:2])
        chosen = metrics.threshold_for(truth, score, "specificity 0.85")
        specificity = {t: (score[truth == 0] < t).mean() for t in np.unique(score)}
        assert chosen == min(t for t, value in specificity.items() if value >= 0.85)


def test_youden_rule():
    # at .4: 3 of 3 found, 2 of 4 spared: 1.5; at .6: 2/3 + 1 = 1.67; at .7: 1/3 + 1
    truth, score = [1, 1, 1, 0, 0, 0, 0], [0.7, 0.6, 0.4, 0.5, 0.45, 0.2, 0.1]
    assert metrics.threshold_for(truth, score, "youden") == 0.6
    assert metrics.threshold_for([1, 0, 1, 0], [0.9, 0.5, 0.3, 0.1], "youden") == 0.3  # .3 and .9 tie: .3 misses less
    assert metrics.threshold_for([1, 1], [0.1, 0.2], "youden") is None
    for seed in range(20):
        truth, score = (column[:, 0] for column in cohort(97, seed=seed)[:2])
        false, hit, at = roc_curve(truth, score, drop_intermediate=False)
        chosen = metrics.threshold_for(truth, score, "youden")
        assert (hit - false)[at == chosen] == pytest.approx((hit - false).max())


def test_rules_are_read_and_told():
    assert metrics.read_rule("specificity 0.955") == ("specificity", 0.955)
    assert metrics.rule_text("sensitivity 0.9") == "highest threshold with a sensitivity of at least 0.90 on validation"
    assert (
        metrics.rule_text("specificity 0.955") == "lowest threshold with a specificity of at least 0.955 on validation"
    )
    assert "sensitivity and specificity" in metrics.rule_text("youden")
    for wrong in ("sensitivity", "sensitivity 90", "sensitivity 0", "recall 0.9", "youden 0.9", "", "sensitivity nan"):
        with pytest.raises(BadInput, match="threshold rule"):
            metrics.threshold_for([1, 0], [0.2, 0.1], wrong)


def test_evaluate_binary_by_hand():
    truth, score = np.array([[1], [1], [0], [0], [0]]), np.array([[0.9], [0.4], [0.6], [0.2], [0.1]])
    result = metrics.evaluate(truth, score, list("aabcd"), task="binary", classes=["sick"], thresholds=[0.5])
    assert (result["images"], result["patients"], result["positives"]) == (5, 4, [2])
    assert result["confusion"] == [[2, 1], [1, 1]] == confusion_matrix(truth, score >= 0.5).tolist()
    assert result["accuracy"]["value"] == 3 / 5
    assert result["sensitivity"]["value"] == 1 / 2 and result["specificity"]["value"] == 2 / 3
    assert result["auc"]["value"] == 5 / 6  # of six pairs only .4 < .6 is wrong
    assert result["threshold"] == 0.5 and result["thresholds"] == [0.5]
    assert result["note"] == "fewer than 10 patients with the class (1): counts, no claim" and result["claim"] is False
    assert (result["events"], result["non_events"]) == ([1], [3])
    # patient a holds both positives: without a (or with a alone) there is no AUC
    assert result["auc"]["undefined"] > 0.25 * 2000
    json.dumps(result, allow_nan=False)


def test_thresholds_travel_from_validation_to_test():
    validation = metrics.evaluate(*cohort(100), task="binary", classes=["x"], bootstrap=50)
    truth, score, patients = cohort(100, seed=1)
    test = metrics.evaluate(
        truth,
        score,
        patients,
        task="binary",
        classes=["x"],
        thresholds=validation["thresholds"],
        bootstrap=50,
    )
    assert validation["sensitivity"]["value"] >= 0.9 and validation["threshold_rule"] == metrics.rule_text(
        "sensitivity 0.90"
    )
    assert test["threshold"] == validation["threshold"]
    assert test["sensitivity"]["value"] == (score[truth == 1] >= validation["threshold"]).mean()


def test_evaluate_multiclass_equals_sklearn():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 150)
    truth = np.eye(3)[labels]
    probability = rng.dirichlet([1, 1, 1], 150) * 0.6 + truth * 0.4 * rng.random((150, 1))
    probability /= probability.sum(1, keepdims=True)
    result = metrics.evaluate(
        truth, probability, np.arange(150), task="multiclass", classes=["a", "b", "c"], bootstrap=100
    )
    assert result["auc"]["value"] == pytest.approx(roc_auc_score(labels, probability, multi_class="ovr"))
    assert result["confusion"] == confusion_matrix(labels, probability.argmax(1)).tolist()
    assert result["accuracy"]["value"] == (labels == probability.argmax(1)).mean()
    assert result["auc"]["low"] < result["auc"]["value"] < result["auc"]["high"]
    for k, name in enumerate("abc"):
        entry = result["per_class"][name]
        assert entry["auc"]["value"] == pytest.approx(roc_auc_score(truth[:, k], probability[:, k]))
        assert entry["positives"] == (labels == k).sum() and entry["sensitivity"]["value"] >= 0.9
    json.dumps(result, allow_nan=False)


def test_a_label_without_positives_is_left_out_and_said():
    truth, score, patients = cohort(80, classes=3)
    truth[:, 1] = 0
    result = metrics.evaluate(truth, score, patients, task="multilabel", classes=["a", "b", "c"], bootstrap=50)
    empty = result["per_class"]["b"]
    assert empty["auc"] == empty["average_precision"] == {"value": None, "low": None, "high": None}
    assert empty["sensitivity"]["value"] is None and "no patients with the class" in empty["note"]
    both = [result["per_class"][name]["auc"]["value"] for name in ("a", "c")]
    assert result["auc"]["value"] == pytest.approx(np.mean(both)) and "b" in result["note"]
    assert result["thresholds"][1] is None and result["confusion"] is None
    json.dumps(result, allow_nan=False)


def test_compare_is_paired():
    truth, score, patients = cohort(200, per_patient=2)
    same = metrics.compare(truth, score, score, patients, task="binary", bootstrap=200)
    assert same == {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    noise = np.random.default_rng(7).random(score.shape)
    better = metrics.compare(truth, score, noise, patients, task="binary", bootstrap=200)
    assert better["low"] > 0 and 0 < better["p"] < 1e-6
    worse = metrics.compare(truth, noise, score, patients, task="binary", bootstrap=200)
    assert worse["difference"] == -better["difference"] and worse["low"] == pytest.approx(-better["high"])
    slightly = np.clip(score + 0.02 * noise, 0, 1)  # nearly the same scores: pairing makes the interval narrow
    paired = metrics.compare(truth, score, slightly, patients, task="binary", bootstrap=200)
    alone = metrics.evaluate(truth, score, patients, task="binary", classes=["x"], bootstrap=200)["auc"]
    assert paired["high"] - paired["low"] < 0.3 * (alone["high"] - alone["low"])


def test_compare_over_classes_is_the_difference_of_the_means():
    truth, score, patients = cohort(120, classes=4)
    other = cohort(120, classes=4, seed=2)[1]
    options = {"task": "multilabel", "bootstrap": 50}
    a, b = (metrics.evaluate(truth, s, patients, classes=list("abcd"), **options)["auc"] for s in (score, other))
    difference = metrics.compare(truth, score, other, patients, **options)["difference"]
    assert difference == pytest.approx(a["value"] - b["value"])


def test_same_seed_same_numbers():
    options = {"task": "binary", "classes": ["x"], "bootstrap": 99}
    results = [metrics.evaluate(*cohort(60, per_patient=2), **options, seed=seed) for seed in (0, 0, 1)]
    assert results[0] == results[1] != results[2]


def test_roc_band_follows_sklearn():
    truth, score, patients = cohort(150, ties=False)
    grid, curve, low, high = metrics.roc_band(truth[:, 0], score[:, 0], patients, bootstrap=200)
    false, hit, _ = roc_curve(truth[:, 0], score[:, 0], drop_intermediate=False)
    np.testing.assert_allclose(curve, np.interp(grid, false, hit), atol=1e-12)
    assert (low <= high).all() and (low <= curve + 1e-9).mean() > 0.95 and (curve <= high + 1e-9).mean() > 0.95
    assert curve[-1] == low[-1] == 1
    assert np.isnan(metrics.roc_band(np.ones(5), np.arange(5), np.arange(5), 10)[1]).all()


@pytest.mark.parametrize(
    ("truth", "probability", "words"),
    [
        (np.zeros((3, 1)), np.zeros((3, 2)), "expected two equal"),
        (np.full((3, 1), 2.0), np.zeros((3, 1)), "other than 0 and 1"),
        (np.zeros((3, 1)), np.full((3, 1), np.nan), "diverged"),
    ],
)
def test_bad_input_is_one_line(truth, probability, words):
    with pytest.raises(BadInput, match=words) as caught:
        metrics.evaluate(truth, probability, np.arange(3), task="binary", classes=["x"])
    assert "\n" not in str(caught.value)


def test_without_resamples_values_stay():
    result = metrics.evaluate(*cohort(30, per_patient=2), task="binary", classes=["x"], bootstrap=0)
    assert result["auc"]["value"] > 0.5 and result["auc"]["low"] is None
    json.dumps(result, allow_nan=False)


def test_folds_have_their_own_thresholds_and_areas():
    truth, score, patients = cohort(90, ties=False)
    folds = np.repeat([1, 2, 3], 30)
    limits = np.select([folds == 1, folds == 2], [0.4, 0.6], np.nan)[:, None]  # none could be fixed for fold 3
    result = metrics.evaluate(
        truth, score, patients, task="binary", classes=["x"], thresholds=limits, folds=folds, rule="youden"
    )
    assert result["thresholds"] is None and result["threshold"] is None
    assert result["threshold_rule"] == metrics.rule_text("youden")
    here = (folds < 3) & (truth[:, 0] == 1)
    assert result["sensitivity"]["value"] == pytest.approx((score >= limits)[here].mean())
    assert np.sum(result["confusion"]) == 60
    areas = [roc_auc_score(truth[folds == i], score[folds == i]) for i in (1, 2, 3)]
    assert [row["auc"] for row in result["folds"]] == pytest.approx(areas)
    assert [(row["fold"], row["images"]) for row in result["folds"]] == [(1, 30), (2, 30), (3, 30)]
    assert result["fold_mean"] == {"auc": pytest.approx(np.mean(areas)), "sd": pytest.approx(np.std(areas, ddof=1))}
    assert result["auc"]["value"] == pytest.approx(roc_auc_score(truth, score))  # pooled
    same = metrics.evaluate(truth, score, patients, task="binary", classes=["x"], thresholds=np.full((90, 1), 0.5))
    assert same["thresholds"] == [0.5] and same["folds"] is same["fold_mean"] is None
    json.dumps(result, allow_nan=False)


def test_events_are_patients():
    truth = np.repeat([[1], [0]], [30, 30], axis=0)
    score, patients = np.linspace(1, 0, 60)[:, None], np.r_[np.repeat(np.arange(9), 4)[:30], np.arange(100, 130)]
    result = metrics.evaluate(truth, score, patients, task="binary", classes=["x"], bootstrap=20)
    assert result["positives"] == [30] and result["events"] == [8] and result["non_events"] == [30]
    assert result["claim"] is False and "(8)" in result["note"]
    assert metrics.evaluate(truth, score, np.arange(60), task="binary", classes=["x"])["claim"] is True
    mixed = metrics.evaluate(truth, score, np.arange(60) % 30, task="binary", classes=["x"], bootstrap=20)
    assert mixed["events"] == mixed["non_events"] == [30]  # a patient with units of both kinds counts in both


def test_pooled_units_by_hand():
    truth, score = np.array([[0], [1], [0], [0]]), np.array([[0.2], [0.6], [0.9], [0.1]])
    units, patients = ["s2", "s1", "s2", "s2"], ["p", "q", "p", "p"]
    mean = metrics.pool_units(truth, score, units, patients)
    np.testing.assert_allclose(mean.probability, [[0.4], [0.6]])  # s2 comes first
    assert mean.truth.tolist() == [[0], [1]] and list(mean.patients) == ["p", "q"] and mean.first.tolist() == [0, 1]
    assert metrics.pool_units(truth, score, units, patients, "max").probability.tolist() == [[0.9], [0.6]]
    found = metrics.pool_units([[0, 1], [1, 0]], [[0.2, 0.9], [0.4, 0.5]], [7, 7], [1, 1], "max")
    assert found.truth.tolist() == [[1, 1]] and found.probability.tolist() == [[0.4, 0.9]]  # multilabel: any


def test_pooled_classes_stay_probabilities():
    truth, score = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0, 1, 0]])
    one = metrics.pool_units(truth, score, [1, 1, 2], [1, 1, 2], "mean").probability
    np.testing.assert_allclose(one[0], [0.4, 0.4, 0.2])
    most = metrics.pool_units(truth, score, [1, 1, 2], [1, 1, 2], "max").probability
    np.testing.assert_allclose(most[0], np.array([0.6, 0.5, 0.3]) / 1.4)
    with pytest.raises(BadInput, match="1 of 1 units hold images of different classes"):
        metrics.pool_units(truth, score, [1, 1, 1], [1, 1, 1])
    several = metrics.pool_units(truth, truth, [1, 1, 1], [1, 1, 1], "max", task="multilabel")
    assert several.truth.tolist() == several.probability.tolist() == [[1, 1, 0]]
    for constant in (truth, np.full((3, 3), 1 / 3)):  # labels, or a majority class: nothing tells which task this is
        assert metrics.pool_units(truth, constant, [1, 1, 1], [1, 1, 1], "max").truth.tolist() == [[1, 1, 0]]
    with pytest.raises(BadInput, match="1 of 2 units hold images of several patients"):
        metrics.pool_units(truth, score, [1, 1, 2], [1, 2, 3])
    with pytest.raises(BadInput, match="'mean' or 'max'"):
        metrics.pool_units(truth, score, [1, 1, 2], [1, 1, 2], "median")


@pytest.mark.parametrize(("n", "classes", "per_patient"), [(5000, 1, 2), (1000, 14, 1)])
def test_evaluate_is_quick(n, classes, per_patient):
    truth, score, patients = cohort(n, classes, per_patient, ties=False)
    start = time.process_time()
    task = "binary" if classes == 1 else "multilabel"
    metrics.evaluate(truth, score, patients, task=task, classes=[str(i) for i in range(classes)])
    assert time.process_time() - start < 10
