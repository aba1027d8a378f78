"""Fixed features: computed once, cached by weights; a classifier that training images alone choose."""

import fabricate
import keras
import numpy as np
import pytest
import skops.io
from keras import layers
from sklearn.metrics import roc_auc_score

from radzoo import features, metrics
from radzoo.data import Store
from radzoo.errors import BadInput
from radzoo.features import choice as choosing
from radzoo.images.input import Input

SPEC = Input(shape=(16, 16, 1), mean=(0.5,), std=(0.25,))
KINDS = ("logistic regression", "support vector machine", "random forest")
NUMBER_KINDS = ("ridge regression", "support vector machine", "random forest")
TASKS = ("binary", "multiclass", "multilabel")


def network(seed=0):
    keras.utils.set_random_seed(seed)
    x = image = keras.Input((16, 16, 1))  # without a name: Keras numbers it
    x = layers.Conv2D(6, 3, activation="relu", name="stem_conv")(x)
    x = layers.GlobalAveragePooling2D(name="head_pool")(x)
    return keras.Model(image, layers.Dense(1, name="head_logits")(x), name="small")


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A store of 22 pictures and their keys, and a cache of features that is still empty."""
    monkeypatch.setenv("RADZOO_CACHE", str(tmp_path / "cache"))
    index = fabricate.pictures(tmp_path / "pictures", patients=11)
    store = Store(SPEC, tmp_path / "store")
    return store, store.add(sorted(index.parent.glob("*.png")), progress=False)


@pytest.fixture
def calls(monkeypatch):
    """Counts the images that networks are asked about."""
    seen, original = [], keras.Model.predict

    def predict(self, images, **options):
        seen.append(sum(len(batch[0]) for batch in images))
        return original(self, images, **options)

    monkeypatch.setattr(keras.Model, "predict", predict)
    return seen


def test_features_are_the_pooled_maps(stored):
    store, keys = stored
    model = network()
    got = features.extract(features.extractor(model), store, keys, batch=4, progress=False)
    images = np.stack([SPEC.normalise(store[key]) for key in keys])
    pooled = keras.Model(model.input, model.get_layer("head_pool").output)(images)
    assert got.shape == (22, 6) and got.dtype == np.float32
    np.testing.assert_allclose(got, pooled, rtol=1e-5, atol=1e-6)


def test_the_backbone_runs_once_per_image(stored, calls):
    store, keys = stored
    model = features.extractor(network())
    first = features.extract(model, store, keys[:10], batch=4, progress=False)
    assert sum(calls) == 12  # ten, and two that fill the last batch
    again = features.extract(model, store, keys[:10], batch=4, progress=False)
    assert sum(calls) == 12
    np.testing.assert_array_equal(first, again)
    more = features.extract(model, store, keys[::-1], batch=4, progress=False)
    assert sum(calls) == 12 + 12  # only the twelve that were not there
    np.testing.assert_array_equal(more[::-1][:10], first)  # in the order that was asked for
    reborn = features.extractor(network())  # another process would build it anew
    features.extract(reborn, store, keys, batch=4, progress=False)
    assert sum(calls) == 24


def test_the_cache_is_keyed_by_weights_and_transform(stored, calls):
    store, keys = stored
    model = network()
    first = features.extract(features.extractor(model), store, keys, batch=22, progress=False)
    kernel = model.get_layer("stem_conv").kernel
    value = kernel.numpy()
    value[0, 0, 0, 0] += 0.5
    kernel.assign(value)
    second = features.extract(features.extractor(model), store, keys, batch=22, progress=False)
    assert calls == [22, 22] and not np.array_equal(first, second)
    brighter = Store(Input(shape=(16, 16, 1), mean=(0.4,), std=(0.25,)), store.folder)
    third = features.extract(features.extractor(model), brighter, keys, batch=22, progress=False)
    assert calls == [22, 22, 22] and not np.array_equal(second, third)


def test_an_interrupted_extraction_keeps_what_was_done(stored, calls, monkeypatch):
    store, keys = stored
    model, counted = features.extractor(network()), keras.Model.predict

    def interrupted(self, images, **options):
        if len(calls) == 2:
            raise KeyboardInterrupt
        return counted(self, images, **options)

    monkeypatch.setattr("radzoo.features.extraction.CHUNK", 2)
    monkeypatch.setattr(keras.Model, "predict", interrupted)
    with pytest.raises(KeyboardInterrupt):
        features.extract(model, store, keys, batch=4, progress=False)
    monkeypatch.setattr(keras.Model, "predict", counted)
    features.extract(model, store, keys, batch=4, progress=False)
    assert calls == [8, 8, 8]  # 16 of 22 were there; six and two that fill the batch


def test_mixed_precision_gives_float32_features(stored):
    store, keys = stored
    plain = features.extract(features.extractor(network()), store, keys, batch=22, progress=False)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = features.extract(features.extractor(network()), store, keys, batch=22, progress=False)
    finally:
        keras.config.set_dtype_policy("float32")
    assert mixed.dtype == np.float32
    np.testing.assert_allclose(mixed, plain, atol=0.02 * np.abs(plain).max())


def problem(task="binary", patients=40, images=3, shift=1.5, seed=0, labels=3):
    """`(features, labels, patients)`: columns shifted by `shift` standard deviations where a label is set."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(patients), images)
    if task == "multiclass":
        truth = np.eye(labels, dtype="float32")[owner % labels]
    else:
        count = 1 if task == "binary" else labels
        truth = ((owner[:, None] >> np.arange(count)) % 2).astype("float32")
    values = rng.normal(size=(len(owner), 8)).astype("float32")
    values[:, : truth.shape[1]] += shift * truth
    return values, truth, np.array([f"p{i}" for i in owner])


@pytest.fixture
def only(monkeypatch):
    """`only("random forest")` leaves the first candidate of that kind, and makes forests of 20 trees."""
    every = choosing.candidates

    def choose(*kinds):
        def some(*arguments):
            found = fabricate.candidates(every)(*arguments)
            names = [next(name for name in found if name.startswith(kind)) for kind in kinds]
            return {name: found[name] for name in names}

        monkeypatch.setattr(choosing, "candidates", some)

    return choose


@pytest.mark.parametrize("task", TASKS)
def test_folds_share_no_patient(task):
    _, labels, patients = problem(task)
    folds = features.patient_folds(labels, patients, task=task, seed=0)
    assert len(folds) == choosing.FOLDS
    held_out = np.concatenate([held for _, held in folds])
    np.testing.assert_array_equal(np.sort(held_out), np.arange(len(labels)))  # each image is held out once
    for train, held in folds:
        assert not set(patients[train]) & set(patients[held])
        assert labels[held].any(0).all() and labels[train].any(0).all()  # stratified: every class in every fold


def test_fewer_folds_for_a_rare_class():
    labels = np.float32([1, 1, 0, 0, 0, 0, 0, 0])[:, None]
    folds = features.patient_folds(labels, list("abcdefgh"), task="binary", seed=0)
    assert len(folds) == 2 and all(labels[held].sum() == 1 for _, held in folds)
    with pytest.raises(BadInput, match="one patient in the training part"):
        features.patient_folds(labels, list("aabcdefg"), task="binary", seed=0)


def test_choice_beats_chance_where_there_is_something_and_not_where_there_is_nothing(only):
    values, labels, patients = problem(patients=60, shift=1.5)
    choice = features.choose(values, labels, patients, task="binary", progress=False)
    table = dict(choice.table)
    assert len(table) == 9 and {name.split(",")[0] for name in table} == set(KINDS)
    assert choice.detail in table and table[choice.detail] == max(table.values())
    assert max(table.values()) > 0.8 and min(table.values()) > 0.6, table
    fresh, truth, _ = problem(patients=60, shift=1.5, seed=1)
    assert roc_auc_score(truth[:, 0], choice.probability(fresh)[:, 0]) > 0.8

    only(*KINDS)
    noise, labels, patients = problem(patients=60, shift=0.0)
    blind = features.choose(noise, labels, patients, task="binary", progress=False)
    spread = np.sqrt((180 + 1) / (12 * 90 * 90))  # standard deviation of an AUC by chance, 90 against 90 images
    assert all(abs(value - 0.5) < 4 * spread for _, value in blind.table)


def test_patients_do_not_leak():
    """Features that name the patient and nothing else: grouped folds must not profit from knowing the patient."""
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(30), 6)
    values = rng.normal(size=(30, 8))[owner] + 0.01 * rng.normal(size=(180, 8))
    labels = rng.permutation(np.repeat([0.0, 1.0], 15))[owner][:, None]
    forest = choosing.candidates("binary", True, 0)["random forest, leaves of 1"](None).set_params(n_estimators=20)
    grouped, leaky = (
        np.mean([choosing._fold_score(forest, values, labels[:, 0].astype(bool), labels, "binary", *f) for f in folds])
        for folds in (
            features.patient_folds(labels, owner, task="binary", seed=0),
            features.patient_folds(labels, np.arange(180), task="binary", seed=0),
        )
    )
    assert leaky > 0.95 and grouped < 0.8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task, labels", [("binary", 1), ("multiclass", 2), ("multiclass", 3), ("multilabel", 2)])
def test_probabilities(only, tmp_path, kind, task, labels):
    """In 0..1, one column per class, right side up, and the same after a round trip through the file."""
    only(kind)
    values, truth, patients = problem(task, labels=labels)
    choice = features.choose(values, truth, patients, task=task, progress=False)
    assert choice.detail.startswith(kind)
    probability = choice.probability(values)
    assert probability.shape == truth.shape
    assert probability.min() >= 0 and probability.max() <= 1
    assert min(roc_auc_score(*pair) for pair in zip(truth.T, probability.T, strict=True)) > 0.7
    if task == "multiclass":
        np.testing.assert_allclose(probability.sum(1), 1, rtol=1e-6)
    features.save_classifier(choice, tmp_path / "classifier.skops")
    loaded = features.load_classifier(tmp_path / "classifier.skops")
    assert loaded.detail == choice.detail
    np.testing.assert_array_equal(loaded.probability(values[:5]), probability[:5])


@pytest.mark.parametrize("kind", KINDS)
def test_class_weights_lift_the_rare_class(only, kind):
    only(kind)
    values, _, patients = problem(patients=60, shift=0)
    labels = (np.repeat(np.arange(60), 3) % 10 == 0).astype("float32")[:, None]
    values[:, :1] += labels
    mean = {}
    for weighted in (True, False):
        choice = features.choose(values, labels, patients, task="binary", class_weights=weighted, progress=False)
        mean[weighted] = choice.probability(values)[labels[:, 0] == 1].mean()
    # Platt's sigmoid is fitted to the real frequencies, so weights move the machine's border and not its probabilities
    assert mean[True] > mean[False] or kind == "support vector machine"


def test_the_same_choice_twice(only):
    only(*KINDS)
    values, labels, patients = problem("multiclass")
    one, two = (features.choose(values, labels, patients, task="multiclass", seed=3, progress=False) for _ in range(2))
    assert (one.detail, one.table) == (two.detail, two.table)
    np.testing.assert_array_equal(one.probability(values), two.probability(values))


@pytest.mark.parametrize("kind", KINDS)
def test_a_label_that_almost_every_patient_has(only, kind):
    """A fold without the two patients that lack it still has both kinds."""
    only(kind)
    values, labels, patients = problem("multilabel", labels=2)
    labels[:, 1] = ~np.isin(patients, ["p7", "p8"])
    choice = features.choose(values, labels, patients, task="multilabel", progress=False)
    assert choice.probability(values).shape == (120, 2)


@pytest.mark.parametrize("has", [True, False])
def test_a_label_of_a_single_patient_leaves_the_support_vector_machine_out(has):
    values, labels, patients = problem("multilabel", labels=2)
    labels[:, 1] = (patients == "p7") == has
    choice = features.choose(values, labels, patients, task="multilabel", progress=False)
    assert "single training patient" in choice.note and not any("support vector" in name for name, _ in choice.table)
    assert np.isfinite(choice.probability(values)).all() and choice.probability(values).shape == (120, 2)


def numbers(patients=40, images=3, seed=0):
    """`(features, labels, patients)`: a number far from 0, of which two of the eight columns know something."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(patients), images)
    age = 100 + 20 * rng.normal(size=patients)[owner]
    values = rng.normal(size=(len(owner), 8)).astype("float32")
    values[:, :2] += ((age - 100) / 10)[:, None]
    return values, age.astype("float32")[:, None], np.array([f"p{i}" for i in owner])


@pytest.mark.parametrize("kind", NUMBER_KINDS)
def test_numbers(only, tmp_path, kind):
    """In the units of the target, better than any constant, and the same after a round trip through the file."""
    only(kind)
    values, labels, patients = numbers()
    choice = features.choose(values, labels, patients, task="regression", progress=False)
    assert choice.detail.startswith(kind) and dict(choice.table)[choice.detail] > 0.5
    fresh, truth, _ = numbers(seed=1)
    told = choice.probability(fresh)
    assert told.shape == truth.shape and metrics.score("regression", truth, told) > 0.7
    line = metrics.recalibrate(labels, choice.probability(values), "regression")  # the first ridge says almost the mean
    assert np.abs(line.apply(told) - truth).mean() < 0.8 * np.abs(truth - np.median(truth)).mean()
    assert abs(told.mean() - truth.mean()) < 10  # in the units of the target
    features.save_classifier(choice, tmp_path / "classifier.skops")
    loaded = features.load_classifier(tmp_path / "classifier.skops")
    assert loaded.task == "regression"
    np.testing.assert_array_equal(loaded.probability(fresh[:5]), told[:5])


def test_spearman_chooses_among_regressors(only):
    only(*NUMBER_KINDS)
    values, labels, patients = numbers()
    labels = np.exp(labels / 20)  # a curve that no line follows
    table = dict(features.choose(values[:, :2], labels, patients, task="regression", progress=False).table)
    assert len(table) == 3 and all(0.5 < reached < 1 for reached in table.values()), table
    noise = np.random.default_rng(0).normal(size=values.shape)
    blind = features.choose(noise, labels, patients, task="regression", progress=False)
    assert all(abs(reached) < 0.35 for _, reached in blind.table), blind.table


def test_folds_of_numbers():
    _, labels, patients = numbers(13, 2)
    folds = features.patient_folds(labels, patients, task="regression", seed=0)
    assert len(folds) == 4  # three patients in each
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(26))
    assert all(not set(patients[train]) & set(patients[held]) for train, held in folds)
    with pytest.raises(BadInput, match="3 patients in the training part: a regression needs at least 4"):
        features.patient_folds(labels[:6], patients[:6], task="regression", seed=0)


@pytest.mark.parametrize("kind", KINDS)
def test_cuts_do_not_increase(only, tmp_path, kind):
    only(kind)
    values, labels, patients = numbers()
    cuts = (labels >= [80, 100, 120]).astype("float32")
    choice = features.choose(values, cuts, patients, task="ordinal", progress=False)
    noise = 3 * np.random.default_rng(2).normal(size=(200, 8))
    told = choice.probability(noise)
    assert told.shape == (200, 3) and (np.diff(told, axis=1) <= 0).all() and 0 <= told.min() <= told.max() <= 1
    assert min(roc_auc_score(*pair) for pair in zip(cuts.T, choice.probability(values).T, strict=True)) > 0.7
    features.save_classifier(choice, tmp_path / "classifier.skops")
    np.testing.assert_array_equal(features.load_classifier(tmp_path / "classifier.skops").probability(noise), told)


class Stranger:
    """Not scikit-learn's: a run folder must not be able to name it."""

    def __init__(self):
        self.value = 1


def test_a_file_with_a_foreign_class_is_refused(tmp_path):
    path = tmp_path / "classifier.skops"
    skops.io.dump({"detail": "x", "classifier": Stranger()}, path)
    with pytest.raises(BadInput, match=r"classifier.skops asks for test_features.Stranger, .* not loaded"):
        features.load_classifier(path)
