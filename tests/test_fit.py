"""The training loop: when it stops, which weights it leaves, and that the same seed gives the same numbers."""

import dataclasses
import importlib

import fabricate
import keras
import numpy as np
import pytest

import radzoo
from radzoo import norms
from radzoo.data import Store, settle_threads
from radzoo.errors import BadInput
from radzoo.images.input import Input
from radzoo.losses import balanced
from radzoo.metrics import auc
from radzoo.norms import freeze
from radzoo.recipe import Augment, Phase, Recipe
from radzoo.train import state
from radzoo.train.fit import HISTORY, Part, fit, xla_state
from radzoo.views import answers

loop = importlib.import_module("radzoo.train.fit")  # `radzoo.train.fit` the module, whatever the package exports
settle_threads()  # before TensorFlow starts, as a run does
SPEC = Input(shape=(32, 32, 1), mean=(0.5,), std=(0.25,))


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """`(store, train, validation)`: 24 and 10 pictures with and without a disc."""
    folder = tmp_path_factory.mktemp("fit")
    index = fabricate.pictures(folder / "pictures", patients=17)
    store = Store(SPEC, folder / "store")
    keys = store.add([index.parent / row[0] for row in fabricate.rows(index)], progress=False)
    labels = np.array([[float(row[2])] for row in fabricate.rows(index)], "float32")
    return store, Part(keys[:24], labels[:24]), Part(keys[24:], labels[24:])


def recipe(**changes):
    return Recipe(**{"models": ("mobilenet_v2_tiny",), "batch": 8, "augment": Augment(shift=0.1), **changes})


def network(seed=0, name="mobilenet_v2_tiny"):
    keras.utils.set_random_seed(seed)
    return radzoo.create_model(name, SPEC.shape, classes=1, task="binary")


def train(parts, model, phases, policy="frozen", **changes):
    store, train, validation = parts
    return fit(model, recipe(**changes), phases, train, validation, store, task="binary", policy=policy).history


class Script:
    """Takes the place of an epoch: sets every weight to the epoch's number, and answers with written values."""

    def __init__(self, monkeypatch, *rows):
        self.rows, self.began = list(rows), []
        monkeypatch.setattr(loop, "_epoch", self)

    def __call__(self, model, lesson, phase, progress):
        epoch = len(progress.history)
        self.began.append(float(np.ravel(model.get_layer("head_logits").kernel.numpy())[0]))
        for weight in model.trainable_weights:
            weight.assign(np.full(weight.shape, epoch + 1.0))
        area, loss = self.rows[epoch]
        place = {"phase": progress.phase, "epoch": epoch + 1, "learning_rate": phase.learning_rate}
        row = {"loss": loss, "val_loss": loss, "val_score": area, "seconds": 0.0}
        return place | row, np.full((2, 1), epoch + 1.0)


def kernel(model):
    return model.get_layer("head_logits").kernel.numpy().ravel()[0]


def small():
    image = keras.Input((4,), name="image")
    x = keras.layers.Dense(3, name="stem_conv")(image)
    return keras.Model(image, keras.layers.Dense(1, activation="sigmoid", name="head_logits")(x), name="small")


def script_fit(phases):
    some = Part(["a", "b"], np.float32([[0], [1]]))
    model = small()
    return model, fit(model, recipe(), phases, some, some, None, task="binary", policy="adapt").history


def test_stops_after_patience_and_keeps_the_best(monkeypatch):
    Script(monkeypatch, (0.6, 0.9), (0.8, 0.7), (0.7, 0.5), (0.79, 0.6), (0.9, 0.1))
    model, history = script_fit((Phase(epochs=9, learning_rate=1e-3, patience=2),))
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]  # two epochs without a better one, the fifth never comes
    assert kernel(model) == 2


def test_of_equal_areas_the_lower_loss_is_better(monkeypatch):
    Script(monkeypatch, (0.5, 0.9), (0.5, 0.7), (0.5, 0.8), (0.5, 0.7))
    model, history = script_fit((Phase(epochs=9, learning_rate=1e-3, patience=2),))
    assert len(history) == 4 and kernel(model) == 2


def test_the_next_phase_starts_from_the_best_weights(monkeypatch):
    script = Script(monkeypatch, (0.6, 0.9), (0.8, 0.7), (0.7, 0.8), (0.75, 0.6), (0.85, 0.6), (0.7, 0.6))
    phases = (Phase(epochs=3, learning_rate=1e-2, patience=5), Phase(epochs=3, learning_rate=1e-3, patience=5))
    model, history = script_fit(phases)
    assert [row["phase"] for row in history] == [1, 1, 1, 2, 2, 2]
    assert [row["learning_rate"] for row in history] == [1e-2] * 3 + [1e-3] * 3
    assert script.began[1:] == [1, 2, 2, 4, 5]  # the fourth epoch begins with the weights of the second
    assert kernel(model) == 5


def test_a_second_phase_that_only_harms_is_undone(monkeypatch):
    Script(monkeypatch, (0.9, 0.1), (0.6, 0.9), (0.7, 0.9), (0.8, 0.9))
    phases = (Phase(epochs=1, learning_rate=1e-2), Phase(epochs=9, learning_rate=1e-3, patience=3))
    model, history = script_fit(phases)
    assert len(history) == 4 and kernel(model) == 1


@pytest.fixture(scope="module")
def trained(parts):
    """Two phases on pictures: `(model, history)`."""
    model = network()
    phases = (Phase(epochs=2, learning_rate=1e-2, freeze_below="head"), Phase(epochs=2, learning_rate=1e-3))
    return model, train(parts, model, phases)


def test_history(trained):
    _, history = trained
    assert all(tuple(sorted(row)) == tuple(sorted(HISTORY)) for row in history)
    assert [(row["phase"], row["epoch"]) for row in history] == [(1, 1), (1, 2), (2, 3), (2, 4)]
    assert np.isfinite([list(row.values()) for row in history]).all()


def test_the_model_is_that_of_the_best_epoch(trained, parts):
    """Its AUC and its loss on validation, computed anew, stand in the history."""
    model, history = trained
    store, train, validation = parts
    probability = answers(model, store, validation.keys, batch=8)
    assert probability.shape == (10, 1)
    best = max(history, key=lambda row: (row["val_score"], -row["val_loss"]))
    assert auc(validation.labels[:, 0], probability[:, 0]) == pytest.approx(best["val_score"], abs=1e-12)
    loss = np.mean(balanced(train.labels, "binary")(validation.labels, probability))
    assert loss == pytest.approx(best["val_loss"], rel=1e-5)
    images = np.stack([SPEC.normalise(store[key]) for key in validation.keys])
    np.testing.assert_allclose(probability, model(images, training=False), rtol=1e-4, atol=1e-6)


def test_the_same_seed_gives_the_same_numbers(trained, parts):
    model, history = trained
    again = network()
    phases = (Phase(epochs=2, learning_rate=1e-2, freeze_below="head"), Phase(epochs=2, learning_rate=1e-3))
    assert [{**row, "seconds": 0} for row in train(parts, again, phases)] == [{**row, "seconds": 0} for row in history]
    for one, two in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy(), err_msg=one.path)


class Stop(BaseException):
    """Ctrl-C, at a moment that a test chooses."""


def dropping():
    """A network with batch normalisation and dropout, whose random state must survive too."""
    keras.utils.set_random_seed(0)
    x = image = keras.Input(SPEC.shape, name="image")
    x = keras.layers.Conv2D(4, 5, strides=4, name="stem_conv")(x)
    x = keras.layers.BatchNormalization(name="stem_norm", momentum=0.5)(x)
    x = keras.layers.Dropout(0.5, name="head_drop")(keras.layers.Flatten(name="head_flat")(x))
    x = keras.layers.Dense(1, activation="sigmoid", name="head_logits")(x)
    return keras.Model(image, x, name="dropping")


PHASES = (Phase(epochs=2, learning_rate=1e-2, freeze_below="head"), Phase(epochs=3, learning_rate=3e-3, patience=2))


WARMING = tuple(dataclasses.replace(phase, schedule="plateau", warmup=0.5) for phase in PHASES)


@pytest.mark.parametrize(
    "policy, stops, phases, deep",
    [
        ("frozen", (1, 2, 3, 4, 5), PHASES, {}),
        ("adapt", (2,), PHASES, {}),
        ("recalibrate", (1, 3), WARMING, {"weight_decay": 0.1, "depth_decay": 0.5}),
    ],
)
def test_an_interrupted_training_ends_with_the_same_numbers(parts, tmp_path, monkeypatch, policy, stops, phases, deep):
    store, train_part, validation = parts
    arguments = {"task": "binary", "policy": policy}
    whole = dropping()
    fitted = fit(whole, recipe(**deep), phases, train_part, validation, store, **arguments)
    history = fitted.history
    kept, keep = tmp_path / "state.npz", state.save

    def stopping(path, model, progress):
        keep(path, model, progress)
        if len(progress.history) in left:
            left.remove(len(progress.history))
            raise Stop

    left = [epoch for epoch in stops if epoch <= len(history)]
    monkeypatch.setattr(state, "save", stopping)
    for _ in range(len(left)):
        with pytest.raises(Stop):
            fit(dropping(), recipe(**deep), phases, train_part, validation, store, kept=kept, **arguments)
    again = dropping()
    resumed = fit(again, recipe(**deep), phases, train_part, validation, store, kept=kept, **arguments)
    assert [{**row, "seconds": 0} for row in resumed.history] == [{**row, "seconds": 0} for row in history]
    np.testing.assert_array_equal(resumed.validation, fitted.validation)
    for one, two in zip(whole.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy(), err_msg=one.path)


def test_a_stop_while_the_state_is_written_keeps_the_one_before(parts, tmp_path, monkeypatch):
    store, train_part, validation = parts
    kept, savez = tmp_path / "state.npz", np.savez

    def torn(path, **arrays):
        if kept.exists():
            path.write_bytes(b"PK half")
            raise KeyboardInterrupt
        savez(path, **arrays)

    monkeypatch.setattr(np, "savez", torn)
    with pytest.raises(KeyboardInterrupt):
        fit(dropping(), recipe(), PHASES, train_part, validation, store, task="binary", policy="frozen", kept=kept)
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]
    assert len(state.load(kept)[0].history) == 1


def test_the_state_of_another_network_or_a_damaged_one_is_said(parts, tmp_path):
    store, train_part, validation = parts
    kept = tmp_path / "state.npz"
    arguments = {"task": "binary", "policy": "frozen", "kept": kept}
    fit(dropping(), recipe(), PHASES[:1], train_part, validation, store, **arguments)
    with pytest.raises(BadInput, match="belongs to another network"):
        fit(network(), recipe(), PHASES[:1], train_part, validation, store, **arguments)
    kept.write_bytes(kept.read_bytes()[:1000])
    with pytest.raises(BadInput, match=r"state.npz is damaged .*remove it, and this training starts anew"):
        fit(dropping(), recipe(), PHASES[:1], train_part, validation, store, **arguments)


def test_it_learns(parts):
    store, part, _ = parts
    model = network(name="squeezenet_tiny")
    history = fit(
        model, recipe(augment=Augment()), (Phase(epochs=12, learning_rate=3e-3, patience=12),), part, part, store,
        task="binary", policy="adapt",
    ).history  # fmt: skip
    assert max(row["val_score"] for row in history) > 0.9
    assert min(row["val_loss"] for row in history) < 0.8 * history[0]["val_loss"]


def test_norms_that_move_though_frozen_are_noticed(monkeypatch):
    Script(monkeypatch, (0.6, 0.9))
    monkeypatch.setattr(norms, "prepare", lambda model, policy, below: freeze(model, below, norms=False))
    x = image = keras.Input((4,), name="image")
    x = keras.layers.BatchNormalization(name="stem_norm")(x)
    model = keras.Model(image, keras.layers.Dense(1, name="head_logits")(x), name="small")
    some = Part(["a", "b"], np.float32([[0], [1]]))
    with pytest.raises(RuntimeError, match="frozen normalisation weights moved, the first is stem_norm/beta"):
        fit(model, recipe(), (Phase(epochs=1, learning_rate=1.0),), some, some, None, task="binary", policy="frozen")


def test_a_loss_that_is_no_number_is_one_clear_line(parts):
    model = network(name="squeezenet_tiny")
    with pytest.raises(BadInput, match=r"the loss is .*nan.* in epoch 1: lower the learning rate"):
        train(parts, model, (Phase(epochs=2, learning_rate=1e30),), policy="adapt")


@pytest.mark.parametrize("jit", ["auto", "off", "on"])
def test_xla_state_says_what_was_asked_and_what_is(jit):
    model = small()
    model.compile("adam", "mse", jit_compile=loop.JIT[jit])
    state = xla_state(model, jit)
    assert state["on"] == (jit == "on")
    assert {"auto": "no GPU", "off": "switched off", "on": "asked for"}[jit] in state["why"]


def test_xla_state_names_the_layers_that_forbid_it():
    image = keras.Input((8, 8, 1))
    x = keras.layers.RandomRotation(0.1, name="turn")(image)
    model = keras.Model(image, keras.layers.Dense(1)(keras.layers.Flatten()(x)))
    model.compile("adam", "mse", jit_compile="auto")
    assert xla_state(model, "auto") == {"on": False, "why": "layers that cannot be compiled: turn"}


def test_a_regression_answers_in_units_of_its_labels(parts):
    """The scale of the labels goes into the last layer; the history and the answers of each epoch are in units, too."""
    store, part, validation = parts
    part, validation = (Part(each.keys, 100 + 30 * each.labels) for each in (part, validation))
    keras.utils.set_random_seed(0)
    model = radzoo.create_model("squeezenet_tiny", SPEC.shape, classes=1, task="regression")
    phases = (Phase(epochs=3, learning_rate=3e-3),)
    fitted = fit(model, recipe(augment=Augment()), phases, part, validation, store, task="regression", policy="adapt")
    best = max(range(3), key=lambda i: (fitted.history[i]["val_score"], -fitted.history[i]["val_loss"]))
    said = answers(model, store, validation.keys, batch=8)
    np.testing.assert_allclose(said, fitted.validation[best], rtol=1e-5)
    assert 80 < said.mean() < 150


def test_auxiliary_heads_add_three_tenths_of_their_loss(parts):
    """The loss of an epoch without learning is the main head's plus .3 of each auxiliary head's."""
    store, part, _ = parts
    part = Part(part.keys[:16], part.labels[:16])
    x = image = keras.Input(SPEC.shape, name="image")
    x = keras.layers.Flatten(name="head_flat")(x)
    names = ("head", "head_auxiliary1", "head_auxiliary2")
    keras.utils.set_random_seed(0)
    model = keras.Model(image, [keras.layers.Dense(1, activation="sigmoid", name=name)(x) for name in names])
    images = np.stack([SPEC.normalise(store[key]) for key in part.keys])
    loss = balanced(part.labels, "binary")
    terms = [float(np.mean(loss(part.labels, np.array(output)))) for output in model(images)]
    what, phases = recipe(augment=Augment()), (Phase(epochs=1, learning_rate=1e-12),)
    (row,) = fit(model, what, phases, part, part, store, task="binary", policy="adapt").history
    assert row["loss"] == pytest.approx(terms[0] + 0.3 * (terms[1] + terms[2]), rel=1e-4)
    assert row["val_loss"] == pytest.approx(terms[0], rel=1e-4)


def test_covariates_reach_the_head(parts):
    """Labels that only the covariate tells are learnt through it."""
    store, part, _ = parts
    labels = np.random.default_rng(0).integers(0, 2, (24, 1)).astype("float32")
    part = Part(part.keys, labels, 2 * labels - 1)
    keras.utils.set_random_seed(0)
    model = radzoo.create_model("squeezenet_tiny", SPEC.shape, classes=1, task="binary", covariates=1)
    phases = (Phase(epochs=12, learning_rate=3e-2, freeze_below="head", patience=12),)
    history = fit(model, recipe(augment=Augment()), phases, part, part, store, task="binary", policy="frozen").history
    assert history[-1]["val_score"] == 1
