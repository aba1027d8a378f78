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


@pytest.mark.slow
def test_on_jax():
    """The same numbers, and a finite gradient, compiled by the other backend in a process of its own."""
    script = """
import json, sys, jax, keras, numpy as np
from radzoo import losses
truth, p = np.float32(json.loads(sys.argv[1])), np.float32(json.loads(sys.argv[2]))
out = {"backend": keras.backend.backend()}
for task in ("multilabel", "multiclass"):
    loss = losses.balanced(truth, task)
    out[task] = np.asarray(jax.jit(loss)(truth, p)).tolist()
    out[task + " slope"] = np.asarray(jax.grad(lambda q: loss(truth, q).sum())(p)).tolist()
print(json.dumps(out))
"""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    arguments = [sys.executable, "-c", script, json.dumps(TRUTH.tolist()), json.dumps(PROBABILITY.tolist())]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True)
    out = json.loads(done.stdout.splitlines()[-1])
    assert out.pop("backend") == "jax"
    for task in ("multilabel", "multiclass"):
        np.testing.assert_allclose(out[task], losses.balanced(TRUTH, task)(TRUTH, PROBABILITY), rtol=1e-5)
        assert np.isfinite(out[f"{task} slope"]).all() and np.any(out[f"{task} slope"])
