"""Losses: worked by hand, against scikit-learn's weights and Keras' losses, and on the other backend."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from radzoo import losses
from radzoo.errors import BadInput

TRUTH = np.float32([[1, 0], [0, 1], [1, 1]])
PROBABILITY = np.float32([[0.8, 0.3], [0.4, 0.9], [0.05, 0.5]])


def test_binary_by_hand():
    loss = losses.weighted_binary_crossentropy([2.0, 1.0], [0.5, 3.0])
    expected = [
        -(2 * np.log(0.8) + 3 * np.log(0.7)) / 2,
        -(0.5 * np.log(0.6) + 1 * np.log(0.9)) / 2,
        -(2 * np.log(0.05) + 1 * np.log(0.5)) / 2,
    ]
    np.testing.assert_allclose(loss(TRUTH, PROBABILITY), expected, rtol=1e-6)


def test_categorical_by_hand():
    loss = losses.weighted_categorical_crossentropy([1.0, 2.0, 4.0])
    truth, probability = np.eye(3, dtype="float32")[[0, 2]], np.float32([[0.7, 0.2, 0.1], [0.5, 0.25, 0.25]])
    np.testing.assert_allclose(loss(truth, probability), [-np.log(0.7), -4 * np.log(0.25)], rtol=1e-6)


def test_weights_of_one_are_the_losses_of_keras():
    rng = np.random.default_rng(0)
    truth, probability = rng.integers(0, 2, (20, 4)).astype("float32"), rng.uniform(0.01, 0.99, (20, 4))
    ours = losses.plain(truth, "multilabel")(truth, probability.astype("float32"))
    theirs = keras.losses.binary_crossentropy(truth, probability.astype("float32"))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    one_hot = np.eye(4, dtype="float32")[rng.integers(0, 4, 20)]
    probability = (probability / probability.sum(1, keepdims=True)).astype("float32")
    ours = losses.plain(one_hot, "multiclass")(one_hot, probability)
    np.testing.assert_allclose(ours, keras.losses.categorical_crossentropy(one_hot, probability), rtol=1e-5)


def test_balanced_binary_weights_are_those_of_scikit_learn():
    labels = np.float32([[1]] * 3 + [[0]] * 17)
    negative, positive = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels[:, 0])
    half = np.full((20, 1), 0.5, "float32")
    weight = np.asarray(losses.balanced(labels, "binary")(labels, half)) / np.log(2)
    np.testing.assert_allclose(weight, np.where(labels[:, 0] == 1, positive, negative), rtol=1e-6)
    assert weight.mean() == pytest.approx(1)  # the size of the loss, and so the learning rate, keeps its meaning


def test_balanced_multiclass_weights_are_those_of_scikit_learn():
    classes = np.repeat([0, 1, 2], [2, 6, 12])
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 2]), y=classes)[classes]
    third = np.full((20, 3), 1 / 3, "float32")
    one_hot = np.eye(3, dtype="float32")[classes]
    weight = np.asarray(losses.balanced(one_hot, "multiclass")(one_hot, third)) / np.log(3)
    np.testing.assert_allclose(weight, expected, rtol=1e-6)


def test_balanced_multilabel_weighs_each_label_by_itself():
    labels = np.float32([[1, 1], [0, 1], [0, 1], [0, 0]])
    both, half = losses.balanced(labels, "multilabel"), np.full((4, 2), 0.5, "float32")
    alone = [np.asarray(losses.balanced(labels[:, [k]], "binary")(labels[:, [k]], half[:, [k]])) for k in (0, 1)]
    np.testing.assert_allclose(both(labels, half), (alone[0] + alone[1]) / 2, rtol=1e-6)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_certainty_costs_a_finite_price(task):
    truth = np.float32([[1], [0]]) if task == "binary" else np.eye(2, dtype="float32")
    loss = losses.plain(truth, task)
    wrong, right = np.asarray(loss(truth, 1 - truth)), np.asarray(loss(truth, truth))
    assert np.isfinite(wrong).all() and (wrong > 10).all() and (np.abs(right) < 1e-6).all()


def test_focal_by_hand():
    """Lin et al., equation 5: what is told rightly with p = .8 counts (1 - .8)^2 = .04 of its cross-entropy."""
    loss = losses.loss_for("multilabel", TRUTH, class_weights=False, kind="focal")
    expected = [
        -(0.04 * np.log(0.8) + 0.09 * np.log(0.7)) / 2,
        -(0.16 * np.log(0.6) + 0.01 * np.log(0.9)) / 2,
        -(0.9025 * np.log(0.05) + 0.25 * np.log(0.5)) / 2,
    ]
    np.testing.assert_allclose(loss(TRUTH, PROBABILITY), expected, rtol=1e-5)
    one_hot, probability = np.eye(3, dtype="float32")[[0, 2]], np.float32([[0.7, 0.2, 0.1], [0.5, 0.25, 0.25]])
    loss = losses.weighted_categorical_crossentropy([1.0, 2.0, 4.0], gamma=2.0)
    np.testing.assert_allclose(loss(one_hot, probability), [-0.09 * np.log(0.7), -4 * 0.5625 * np.log(0.25)], rtol=1e-5)


def test_focal_is_the_loss_of_keras():
    rng = np.random.default_rng(0)
    truth, p = rng.integers(0, 2, (20, 4)).astype("float32"), rng.uniform(0.01, 0.99, (20, 4)).astype("float32")
    ours = losses.loss_for("multilabel", truth, class_weights=False, kind="focal")(truth, p)
    np.testing.assert_allclose(ours, keras.losses.binary_focal_crossentropy(truth, p, gamma=2.0), rtol=1e-4)
    one_hot, p = np.eye(4, dtype="float32")[rng.integers(0, 4, 20)], p / p.sum(1, keepdims=True)
    ours = losses.loss_for("multiclass", one_hot, class_weights=False, kind="focal")(one_hot, p)
    theirs = keras.losses.categorical_focal_crossentropy(one_hot, p, alpha=1.0, gamma=2.0)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_weights_take_the_place_of_alpha():
    labels, half = np.float32([[1]] * 3 + [[0]] * 17), np.full((20, 1), 0.5, "float32")
    balanced = losses.loss_for("binary", labels, class_weights=True, kind="focal")(labels, half)
    np.testing.assert_allclose(balanced, 0.25 * np.asarray(losses.balanced(labels, "binary")(labels, half)), rtol=1e-6)


@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass"])
def test_label_smoothing_is_that_of_keras(task):
    rng = np.random.default_rng(0)
    columns = 1 if task == "binary" else 4
    truth, p = rng.integers(0, 2, (20, columns)).astype("float32"), rng.uniform(0.01, 0.99, (20, columns))
    theirs = keras.losses.binary_crossentropy
    if task == "multiclass":
        truth, theirs = np.eye(4, dtype="float32")[rng.integers(0, 4, 20)], keras.losses.categorical_crossentropy
        p /= p.sum(1, keepdims=True)
    ours = losses.loss_for(task, truth, class_weights=False, label_smoothing=0.1)(truth, p.astype("float32"))
    np.testing.assert_allclose(ours, theirs(truth, p.astype("float32"), label_smoothing=0.1), rtol=1e-5)


CUTS = np.float32([[0, 0], [1, 0], [1, 1], [1, 1]])  # grades 0, 1, 2, 2
CUT_PROBABILITY = np.float32([[0.3, 0.1], [0.8, 0.4], [0.9, 0.5], [0.6, 0.2]])
CUT_LOSSES = -np.log([0.7 * 0.9, 0.8 * 0.6, 0.9 * 0.5, 0.6 * 0.2])


def test_ordinal_by_hand():
    plain = losses.loss_for("ordinal", CUTS, class_weights=False)
    np.testing.assert_allclose(plain(CUTS, CUT_PROBABILITY), CUT_LOSSES, rtol=1e-6)
    weights = compute_class_weight("balanced", classes=np.arange(3), y=[0, 1, 2, 2])[[0, 1, 2, 2]]
    balanced = losses.loss_for("ordinal", CUTS, class_weights=True)
    np.testing.assert_allclose(balanced(CUTS, CUT_PROBABILITY), weights * CUT_LOSSES, rtol=1e-6)
    smooth = losses.loss_for("ordinal", CUTS, class_weights=True, label_smoothing=0.2)(CUTS, CUT_PROBABILITY)
    soft = -(0.1 * np.log(0.3) + 0.9 * np.log(0.7) + 0.1 * np.log(0.1) + 0.9 * np.log(0.9))
    assert float(smooth[0]) == pytest.approx(weights[0] * soft, rel=1e-5)  # the weight is that of the true grade
    focal = losses.loss_for("ordinal", CUTS, class_weights=False, kind="focal")(CUTS, CUT_PROBABILITY)
    assert float(focal[0]) == pytest.approx(-(0.09 * np.log(0.7) + 0.01 * np.log(0.9)), rel=1e-5)


def test_an_absent_grade_and_the_best_constant_keep_the_order():
    """Weights by grade leave cuts in their order; the balanced loss of several labels would put all of them at .5."""
    gap = np.float32([[0, 0], [1, 1], [1, 1]])
    loss = losses.loss_for("ordinal", gap, class_weights=True)
    assert np.isfinite(loss(gap, np.full((3, 2), 0.5, "float32"))).all()
    grade = np.repeat([0, 1, 2, 3], [70, 15, 10, 5])
    labels = np.float32(grade[:, None] >= [1, 2, 3])
    grid = np.linspace(0.05, 0.95, 91, dtype="float32")
    best = {}
    for name, loss in (
        ("ordinal", losses.loss_for("ordinal", labels, class_weights=True)),
        ("labels", losses.balanced(labels, "multilabel")),
    ):
        for cut in range(3):
            said = np.full((91, 3), 0.5, "float32")
            said[:, cut] = grid
            reached = [np.mean(loss(labels, np.broadcast_to(row, labels.shape))) for row in said]
            best[name, cut] = grid[np.argmin(reached)]
    assert [best["ordinal", cut] for cut in range(3)] == pytest.approx([0.75, 0.5, 0.25], abs=0.011)
    assert [best["labels", cut] for cut in range(3)] == pytest.approx([0.5] * 3, abs=0.011)


def test_huber_is_that_of_keras():
    truth, said = np.float32([[0.0], [0.5], [-3.0], [1.0]]), np.float32([[0.0], [1.0], [1.0], [0.0]])
    loss = losses.loss_for("regression", truth, class_weights=True)
    np.testing.assert_allclose(loss(truth, said), [0, 0.125, 3.5, 0.5], rtol=1e-6)
    np.testing.assert_allclose(loss(truth, said), keras.losses.huber(truth, said, delta=1.0), rtol=1e-6)


@pytest.mark.parametrize(
    "task, asked, message",
    [
        ("binary", {"kind": "dice"}, "loss 'dice' came, expected crossentropy or focal"),
        ("binary", {"label_smoothing": 1.0}, r"label smoothing 1.0 came, expected .* less than 1"),
        ("regression", {"kind": "focal"}, "are for classes: leave them out of a regression"),
        ("regression", {"label_smoothing": 0.1}, "are for classes"),
    ],
)
def test_what_no_loss_can_be(task, asked, message):
    with pytest.raises(BadInput, match=message):
        losses.loss_for(task, TRUTH, class_weights=False, **asked)


@pytest.mark.parametrize("kind", ["crossentropy", "focal"])
@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass", "ordinal"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_everything_is_finite_at_the_ends_and_learns_compiled(kind, task, smoothing):
    """p of exactly 0 and 1, with gradients, through `fit` without and with XLA."""
    labels = {"binary": TRUTH[:, 1:], "multilabel": TRUTH, "multiclass": np.eye(3, dtype="float32"), "ordinal": CUTS}
    truth = labels[task]
    loss = losses.loss_for(task, truth, class_weights=True, kind=kind, label_smoothing=smoothing)
    for said in (truth, 1 - truth):
        told = np.asarray(loss(truth, said))
        assert told.shape == (len(truth),) and np.isfinite(told).all() and (told >= 0).all()
    image = keras.Input((truth.shape[1],))
    model = keras.Model(image, keras.layers.Dense(truth.shape[1], kernel_initializer="identity")(image))
    for jit in (False, True):  # logits 0 and 1 stand for certain probabilities: the clip must not break a gradient
        model.compile(keras.optimizers.SGD(0.01), loss, jit_compile=jit)
        assert np.isfinite(model.train_on_batch(truth, truth))
        assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.slow
def test_on_jax():
    """The same numbers, and a finite gradient, compiled by the other backend in a process of its own."""
    script = """
import json, sys, jax, keras, numpy as np
from radzoo import losses
p, out = np.float32(json.loads(sys.argv[2])), {"backend": keras.backend.backend()}
for task, kind, truth in json.loads(sys.argv[1]):
    truth = np.float32(truth)
    loss = losses.loss_for(task, truth, class_weights=True, kind=kind)
    told = np.asarray(jax.jit(loss)(truth, p)).tolist()
    out[task + kind] = told, np.asarray(jax.grad(lambda q: loss(truth, q).sum())(p)).tolist()
print(json.dumps(out))
"""
    cases = [
        ("multilabel", "crossentropy", TRUTH),
        ("multilabel", "focal", TRUTH),
        ("multiclass", "focal", np.eye(2)[[0, 1, 0]]),
        ("ordinal", "focal", CUTS[:3]),
        ("regression", "crossentropy", TRUTH),
    ]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    told = json.dumps([(task, kind, truth.tolist()) for task, kind, truth in cases])
    arguments = [sys.executable, "-c", script, told, json.dumps(PROBABILITY.tolist())]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True)
    out = json.loads(done.stdout.splitlines()[-1])
    assert out.pop("backend") == "jax"
    for task, kind, truth in cases:
        here = losses.loss_for(task, truth, class_weights=True, kind=kind)
        there, slope = out[task + kind]
        np.testing.assert_allclose(there, here(np.float32(truth), PROBABILITY), rtol=1e-5)
        assert np.isfinite(slope).all() and np.any(slope)
