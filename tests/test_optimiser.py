"""The optimizer of a phase against NumPy: depth, decay, schedules; the same numbers after an interruption."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from radzoo.errors import BadInput
from radzoo.norms import prepare
from radzoo.recipe import Phase, Recipe
from radzoo.train import state
from radzoo.train.optimiser import Schedule, check, optimiser, plateau, rate, set_rate

STEPS = 4
IMAGES = np.tile(np.float32([[0.5, -2.0, 1.0]]), (2 * STEPS, 1))  # an epoch is 4 batches of 2


def recipe(**changes):
    return Recipe(models=("any",), batch=2, **changes)


def phase(**changes):
    return Phase(**{"epochs": 3, "learning_rate": 1e-2, **changes})


def parallel(*stages):
    """A sum of dense layers, one for each stage: under the mean of the outputs every gradient is fixed, x or 1."""
    keras.utils.set_random_seed(0)
    image = keras.Input((3,), name="image")
    parts = [keras.layers.Dense(1, name=f"{stage}_dense", bias_initializer="ones")(image) for stage in stages]
    total = keras.layers.Add(name="head_sum")(parts)
    return keras.Model(image, total, name="parallel")


def mean(labels, outputs):
    return keras.ops.mean(outputs, axis=-1)


def trained(model, made, epochs=1, jit=False):
    """Path -> what `epochs` of `fit` added to each weight; its first gradient is x for kernels and 1 for biases."""
    before = {w.path: w.numpy() for w in model.weights}
    model.compile(made, mean, jit_compile=jit)
    for epoch in range(epochs):
        model.fit(IMAGES, IMAGES[:, :1], batch_size=2, initial_epoch=epoch, epochs=epoch + 1, verbose=0, shuffle=False)
    return {w.path: w.numpy() - before[w.path] for w in model.weights}


def adamw(value, gradient, rates, decay):
    """Loshchilov & Hutter 2019, algorithm 2, with Keras' constants."""
    value, m, v = np.float64(value), 0.0, 0.0
    for t, step in enumerate(rates, start=1):
        value = value - step * decay * value
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        value = value - step * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-7)
    return value


def test_nothing_asked_is_adam_bit_for_bit():
    """What numbers published before depend on."""
    model, same = parallel("stem", "head"), parallel("stem", "head")
    made = optimiser(model, recipe(), phase(), STEPS)
    assert type(made) is keras.optimizers.Adam and rate(made) == 0.01
    one, two = trained(model, made), trained(same, keras.optimizers.Adam(1e-2))
    for path in one:
        np.testing.assert_array_equal(one[path], two[path], err_msg=path)


ORDER = ("stem", *(f"stage{i}" for i in range(1, 11)), "channels", "head")  # stage1 and stage10 must not be mixed up


@pytest.mark.parametrize("below, learning", [(None, ORDER), ("stage9", ("stage9", "stage10", "channels", "head"))])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_the_learning_rate_falls_with_depth_and_frozen_stages_stay(below, learning, weight_decay):
    """The first step of Adam is the learning rate itself, whatever the gradient: the ratio is that of the rates."""
    model = parallel(*ORDER)
    prepare(model, "frozen", below)
    made = optimiser(model, recipe(depth_decay=0.5, weight_decay=weight_decay), phase(), STEPS)
    made.build(model.trainable_variables)
    before = {w.path: w.numpy() for w in model.weights}
    made.apply([keras.ops.full(v.shape, 3.0) for v in model.trainable_variables], model.trainable_variables)
    for weight in model.weights:
        stage = weight.path.split("_")[0]
        k = 0 if stage in ("channels", "head") else 11 - ORDER.index(stage)
        step = 1e-2 * 0.5**k if stage in learning else 0.0
        decayed = before[weight.path] * (1 - step * weight_decay * weight.path.endswith("kernel"))
        np.testing.assert_allclose(weight.numpy(), decayed - step, rtol=1e-6, atol=1e-7, err_msg=weight.path)
        if stage not in learning:
            np.testing.assert_array_equal(weight.numpy(), before[weight.path], err_msg=weight.path)
    assert rate(made) == 0.01


def test_only_the_head_learns_with_one_optimizer():
    model = parallel("stem", "stage1", "head")
    prepare(model, "frozen", "head")
    assert type(optimiser(model, recipe(depth_decay=0.5), phase(), STEPS)) is keras.optimizers.Adam


@pytest.mark.parametrize("jit", [False, True])
def test_everything_together_is_what_numpy_gets(jit):
    """AdamW, two depths, warm-up and cosine, three epochs of `fit`."""
    model = parallel("stem", "head")
    start = {w.path: w.numpy() for w in model.weights}
    made = optimiser(model, recipe(weight_decay=0.3, depth_decay=0.5), phase(schedule="cosine", warmup=0.5), STEPS)
    trained(model, made, epochs=3, jit=jit)
    rates = np.array([0.5, 1.0, *(0.5 * (1 + np.cos(np.pi * t / 10)) for t in range(10))]) * 1e-2
    for weight in model.weights:
        layer, name = weight.path.split("/")
        gradient, decay = (IMAGES[:1].T, 0.3) if name == "kernel" else (1.0, 0.0)
        part = {"stem_dense": 0.5, "head_dense": 1.0}[layer]
        wanted = adamw(start[weight.path], gradient, rates * part, decay)
        np.testing.assert_allclose(weight.numpy(), wanted, rtol=1e-5, atol=1e-6, err_msg=weight.path)
    assert rate(made) == 0  # a cosine has come to its end


def test_weight_decay_spares_normalisation_and_biases():
    x = image = keras.Input((4, 4, 2), name="image")
    x = keras.layers.BatchNormalization(name="stem_norm")(keras.layers.Conv2D(2, 3, name="stem_conv")(x))
    x = keras.layers.LayerNormalization(axis=(1, 2), name="stem_scale")(x)  # its scale and offset are planes
    x = keras.layers.Dense(1, name="head_logits")(keras.layers.Flatten(name="head_flat")(x))
    model = keras.Model(image, x, name="normed")
    prepare(model, "adapt", None)
    made = optimiser(model, recipe(weight_decay=0.5), phase(learning_rate=0.1), STEPS)
    made.build(model.trainable_variables)
    for weight in model.trainable_variables:
        weight.assign(np.ones(weight.shape))
    made.apply([keras.ops.zeros(v.shape) for v in model.trainable_variables], model.trainable_variables)
    for weight in model.trainable_variables:
        wanted = 0.95 if weight.path in ("stem_conv/kernel", "head_logits/kernel") else 1.0
        np.testing.assert_allclose(weight.numpy(), wanted, rtol=1e-6, err_msg=weight.path)


def test_affine_scales_learn_at_the_rate_of_their_stage():
    image = keras.Input((3,), name="image")
    x = keras.layers.BatchNormalization(name="stem_norm")(image)
    x = keras.layers.BatchNormalization(name="stage1_norm")(x)
    model = keras.Model(image, keras.layers.Dense(1, name="head_logits")(x), name="affine")
    prepare(model, "affine", None)
    made = optimiser(model, recipe(depth_decay=0.1), phase(), STEPS)
    made.build(model.trainable_variables)
    made.apply([keras.ops.ones(v.shape) for v in model.trainable_variables], model.trainable_variables)
    for layer, step in (("stem_norm", 1e-4), ("stage1_norm", 1e-3)):
        np.testing.assert_allclose(model.get_layer(layer).beta.numpy(), -step, rtol=1e-4)


@pytest.mark.parametrize(
    "schedule, wanted",
    [
        (Schedule(0.1), [0.1] * 6),
        (Schedule(0.1, warmup=2.5), [0.04, 0.08, 0.1, 0.1, 0.1, 0.1]),
        (Schedule(0.1, steps=4), [0.1, 0.0853553, 0.05, 0.0146447, 0.0, 0.0]),  # half a cosine by hand, then nothing
        (Schedule(0.1, warmup=2, steps=4), [0.05, 0.1, 0.1, 0.05, 0.0, 0.0]),
    ],
)
def test_schedules_by_hand(schedule, wanted):
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    for one in (schedule, again):
        np.testing.assert_allclose([float(one(step)) for step in range(6)], wanted, atol=1e-7)


@pytest.mark.parametrize(
    "scores, drops",
    [
        ([], 0),
        ([0.5, 0.6, 0.7], 0),
        ([0.5, 0.4], 0),
        ([0.5, 0.4, 0.5], 1),  # an equal score is no better one
        ([0.5, 0.4, 0.6, 0.5], 0),
        ([0.5, 0.4, 0.4, 0.4, 0.4], 2),
        ([0.5, 0.4, 0.4, 0.6, 0.5], 1),  # a better score does not raise the rate again
        ([float("nan"), float("nan"), 0.1], 1),
    ],
)
def test_a_plateau_lowers_the_rate(scores, drops):
    scores = [(score, 0.0) for score in scores]
    assert plateau(scores, phase(schedule="plateau", patience=5)) == pytest.approx(0.3**drops)
    assert plateau(scores, phase(schedule="cosine", patience=5)) == 1


def test_a_plateau_waits_for_the_end_of_the_warm_up_and_breaks_ties_by_the_second_number():
    worse = [(0.5, 0.0), (0.4, 0.0), (0.4, 0.0)]
    assert plateau(worse, phase(schedule="plateau", patience=4, warmup=2)) == 1
    assert plateau([*worse, (0.4, 0.0)], phase(schedule="plateau", patience=4, warmup=2)) == 0.3
    assert plateau([(0.5, -1.0), (0.5, -0.9), (0.5, -0.8)], phase(schedule="plateau", patience=2)) == 1
    assert plateau([(0.5, 0.0), (0.4, 0.0)], phase(schedule="plateau", patience=1)) == 0.3


@pytest.mark.parametrize("jit", [False, True])
def test_the_rate_can_be_set_between_epochs_without_compiling_anew(jit):
    """A second epoch at a tenth: Adam's steps under a fixed gradient are the learning rate."""
    model = parallel("stem", "head")
    made = optimiser(model, recipe(depth_decay=0.5), phase(schedule="plateau", warmup=0.5), STEPS)
    first = trained(model, made, jit=jit)
    np.testing.assert_allclose(first["head_dense/bias"], -(0.5 + 3) * 1e-2, rtol=1e-4)
    set_rate(model.optimizer, 0.1)
    assert rate(model.optimizer) == 0.001
    model.fit(IMAGES, IMAGES[:, :1], batch_size=2, verbose=0)
    np.testing.assert_allclose(model.get_layer("head_dense").bias.numpy() - 1, -3.9e-2, rtol=1e-4)
    np.testing.assert_allclose(model.get_layer("stem_dense").bias.numpy() - 1, -1.95e-2, rtol=1e-4)


def test_a_rate_that_cannot_be_set_is_said():
    made = optimiser(parallel("stem", "head"), recipe(), phase(), STEPS)
    set_rate(made, 1.0)
    with pytest.raises(ValueError, match="was not made for schedule='plateau'"):
        set_rate(made, 0.3)


def test_mixed_float16_scales_the_loss_around_all_of_them():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = parallel("stem", "head")
        made = optimiser(model, recipe(weight_decay=0.01, depth_decay=0.5), phase(schedule="plateau"), STEPS)
        moved = trained(model, made)
        assert type(model.optimizer) is keras.optimizers.LossScaleOptimizer and rate(model.optimizer) == 0.01
        np.testing.assert_allclose(moved["stem_dense/bias"] / moved["head_dense/bias"], 0.5, rtol=1e-3)
        set_rate(model.optimizer, 0.3)
        assert rate(model.optimizer) == 0.003
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_an_interrupted_training_goes_on_bit_for_bit(schedule, tmp_path):
    """All of the optimizer's state is in the file: moments, the step of the schedule, the factor of a plateau."""

    def network():
        model = parallel("stem", "stage1", "head")
        prepare(model, "frozen", "stage1")
        asked = phase(schedule=schedule, warmup=0.75)
        model.compile(optimiser(model, recipe(weight_decay=0.1, depth_decay=0.5), asked, STEPS), "mse")
        return model

    def epoch(model, number):
        if schedule == "plateau":
            set_rate(model.optimizer, 0.3**number)
        images = np.random.default_rng(number).normal(size=(8, 3)).astype("float32")
        model.fit(images, images[:, :1], batch_size=2, verbose=0, shuffle=False)

    whole, cut, again = network(), network(), network()
    for number in range(3):
        epoch(whole, number)
    epoch(cut, 0), epoch(cut, 1)
    state.save(tmp_path / "state.npz", cut, state.Progress(weights=cut.get_weights(), history=[{}, {}]))
    _, saved = state.load(tmp_path / "state.npz")
    state.restore(again, saved)
    assert rate(again.optimizer) == rate(cut.optimizer) != rate(network().optimizer)
    epoch(again, 2)
    ends = [(*model.weights, *model.optimizer.variables) for model in (whole, again)]
    for one, two in zip(*ends, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy(), err_msg=one.path)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"schedule": "linear"}, "schedule='linear' came, expected constant, cosine, plateau"),
        ({"learning_rate": 0.0}, "learning_rate=0.0 came, expected a number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate=nan came"),
        ({"warmup": 3.0}, "warmup=3.0 came, expected fewer than the 3 epochs of its phase"),
        ({"warmup": -1.0}, "warmup=-1.0 came"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1 came, expected 0 or a positive number"),
        ({"depth_decay": 0.0}, "depth_decay=0.0 came, expected a factor above 0 and at most 1"),
        ({"depth_decay": 1.5}, "depth_decay=1.5 came"),
    ],
)
def test_numbers_out_of_range_are_one_clear_line(changes, message):
    of_phase = {field.name for field in dataclasses.fields(Phase)} & changes.keys()
    asked = (recipe(), phase(**changes)) if of_phase else (recipe(**changes), phase())
    with pytest.raises(BadInput, match=message):
        check(*asked)
    with pytest.raises(BadInput, match=message):
        optimiser(parallel("stem", "head"), *asked, STEPS)


@pytest.mark.slow
def test_all_of_this_on_jax():
    """The other backend, in a process of its own."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not on_jax", __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout[-3000:]
