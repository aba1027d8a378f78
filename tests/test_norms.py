"""Policies of batch normalisation: what each lets move under `fit`, on both backends, with XLA and without."""

import os
import subprocess
import sys
from pathlib import Path

import fabricate
import keras
import numpy as np
import pytest

import radzoo
from radzoo.errors import BadInput
from radzoo.norms import POLICIES, check, prepare, recalibrate, statistics, verify

STATISTICS, AFFINE = ("moving_mean", "moving_variance"), ("gamma", "beta")


def network(rank=2, drop=0.5):
    """Two stages and a head, with dropout before each normalisation but the first; no statistic is 0 or 1."""
    keras.utils.set_random_seed(0)
    conv = {2: keras.layers.Conv2D, 3: keras.layers.Conv3D}[rank]
    pool = {2: keras.layers.GlobalAveragePooling2D, 3: keras.layers.GlobalAveragePooling3D}[rank]
    x = image = keras.Input((6,) * rank + (2,), name="image")
    for stage in ("stem", "stage1"):
        x = conv(3, 3, name=f"{stage}_conv")(x)
        x = keras.layers.BatchNormalization(name=f"{stage}_norm", momentum=0.9, epsilon=1e-3)(x)
        x = keras.layers.Dropout(drop, name=f"{stage}_drop")(keras.layers.ReLU(name=f"{stage}_relu")(x))
    x = keras.layers.Dense(1, activation="sigmoid", name="head_logits")(pool(name="head_pool")(x))
    model = keras.Model(image, x, name="network")
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, 3) for _ in range(4)])
    return model


def pictures(count=12, rank=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0.7, 2.0, (count, *(6,) * rank, 2)).astype("float32")


def moved_by_fit(model, jit=False):
    images, before = pictures(rank=len(model.input_shape) - 2), {w.path: w.numpy() for w in model.weights}
    labels = np.arange(len(images)).reshape(-1, 1) % 2
    model.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy", jit_compile=jit)
    model.fit(images, labels, batch_size=4, verbose=0)
    return {w.path for w in model.weights if not np.array_equal(before[w.path], w.numpy())}


def paths(*stages, of):
    return {f"{stage}_norm/{name}" for stage in stages for name in of}


KERNELS = {f"{layer}/{name}" for layer in ("stem_conv", "stage1_conv", "head_logits") for name in ("kernel", "bias")}


CASES = [(policy, below, jit) for policy in POLICIES for below in (None, "stage1") for jit in (False, True)]
QUICK = [("frozen", None, False), ("affine", "stage1", True), ("adapt", "stage1", False), ("adapt", None, False)]


@pytest.mark.parametrize(
    "policy, below, jit",
    [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in CASES if case not in QUICK)],
)
def test_exactly_what_the_policy_says_moves_under_fit(policy, below, jit):
    learning = ("stem", "stage1") if below is None else ("stage1",)
    model = network()
    before = statistics(model)
    assert prepare(model, policy, below) == [*learning, "head"]
    moved = moved_by_fit(model, jit)
    kernels = {path for path in KERNELS if path.startswith((*learning, "head"))}
    free = {"affine": AFFINE, "adapt": (*STATISTICS, *AFFINE)}.get(policy, ())
    # before batch statistics the bias of a convolution has no gradient but rounding errors
    unsure = {path for path in kernels if "conv/bias" in path} if policy == "adapt" else set()
    assert moved - unsure == (kernels | paths(*learning, of=free)) - unsure
    verify(model, before, policy, below)


def test_policies_follow_one_another():
    """Each phase sets everything anew: nothing of an earlier policy stays."""
    model = network(drop=0)
    for policy, below, count in [
        ("affine", None, 4),
        ("frozen", None, 0),
        ("adapt", "stage1", 2),
        ("affine", "head", 0),
    ]:
        prepare(model, policy, below)
        assert sum(weight.name in AFFINE for weight in model.trainable_variables) == count
        assert not any(weight.name in STATISTICS for weight in model.trainable_variables)


def test_affine_layers_answer_with_their_statistics_and_can_be_saved(tmp_path):
    model = network()
    prepare(model, "affine", None)
    moved_by_fit(model)
    images = pictures(seed=3)
    answer = np.asarray(model(images, training=False))
    keras.Model(model.input, model.output).save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(np.asarray(again(images, training=False)), answer, rtol=1e-6)
    before = statistics(again)
    prepare(again, "affine", None)
    assert paths("stem", "stage1", of=AFFINE) <= moved_by_fit(again)
    verify(again, before, "affine", None)


def one_norm(rank=2, dtype=None):
    """Dropout, a convolution that passes channels on, and one normalisation."""
    x = image = keras.Input((6,) * rank + (2,), name="image")
    x = keras.layers.Dropout(0.5, name="stem_drop", dtype=dtype)(x)
    x = keras.layers.BatchNormalization(name="stem_norm", dtype=dtype)(x)
    return keras.Model(image, keras.layers.Flatten(name="head_flat")(x), name="one")


@pytest.mark.parametrize("rank, dtype", [(2, "float32"), (3, "float32"), (2, "mixed_float16"), (3, "mixed_bfloat16")])
def test_recalibrated_statistics_are_those_of_all_images(rank, dtype):
    """Mean and population variance of every pixel of every image, batches of unequal size and mean included."""
    model, images = one_norm(rank, dtype), pictures(10, rank) + np.arange(10).reshape(-1, *(1,) * (rank + 1))
    norm = model.get_layer("stem_norm")
    norm.set_weights([np.float32(pair) for pair in ([1.5, 2.0], [0.5, -1.0], [9.0, -9.0], [50.0, 0.01])])
    recalibrate(model, (images[i : i + 4] for i in range(0, 10, 4)))
    seen = np.float64(np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(images, norm.compute_dtype)), "float32"))
    axes = tuple(range(rank + 1))
    np.testing.assert_allclose(norm.moving_mean.numpy(), seen.mean(axes), rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance.numpy(), seen.var(axes), rtol=1e-5)
    np.testing.assert_array_equal(norm.gamma.numpy(), np.float32([1.5, 2.0]))
    assert norm.momentum == 0.99 and norm.trainable


@pytest.mark.parametrize("rank", [2, 3])
def test_recalibration_passes_through_the_whole_network(rank):
    """On the one batch that it was calibrated on, inference equals training mode without dropout."""
    model, images = network(rank), pictures(8, rank)
    flags = [layer.trainable for layer in model.layers]
    kept = {w.path: w.numpy() for w in model.weights}
    recalibrate(model, [images])
    inference = np.asarray(model(images, training=False))
    bare = network(rank, drop=0)
    bare.set_weights(list(kept.values()))
    np.testing.assert_allclose(inference, np.asarray(bare(images, training=True)), rtol=1e-4)
    assert {w.path for w in model.weights if not np.array_equal(kept[w.path], w.numpy())} == paths(
        "stem", "stage1", of=STATISTICS
    )
    assert flags == [layer.trainable for layer in model.layers]
    once = statistics(model)
    recalibrate(model, [images])  # from other statistics than before: none of them is left in the answer
    for path, value in statistics(model).items():
        np.testing.assert_array_equal(value, once[path], err_msg=path)


def test_a_folded_network_is_recalibrated_too(tmp_path, monkeypatch):
    """Its graph has operations that are no layers: the plane of ones."""
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    fabricate.weights(tmp_path)
    made = radzoo.create_model("mobilenet_v2_tiny", (32, 32, 1), classes=2, weights="tests")
    model = keras.Model(made.input, made.get_layer("head_pool").output, name="pooled")
    images = np.random.default_rng(0).normal(size=(4, 32, 32, 1)).astype("float32")
    answers = []
    for _ in range(2):
        answers.append([np.asarray(model(images, training=training)) for training in (False, True)])
        recalibrate(model, [images])
    largest = np.abs(answers[1][1]).max()
    assert np.abs(np.subtract(*answers[0])).max() > 0.01 * largest
    assert np.abs(np.subtract(*answers[1])).max() < 1e-5 * largest


def test_recalibration_of_a_frozen_network_with_numbers_beside_the_image():
    other = network()
    recalibrate(other, [pictures(8)])
    plain, numbers = network(), keras.Input((3,), name="covariates")
    both = keras.layers.Concatenate(name="head_both")([plain.output, numbers])
    model = keras.Model([plain.input, numbers], both, name="beside")
    prepare(model, "frozen", "head")
    recalibrate(model, [(pictures(8), np.zeros((8, 3), "float32"))])
    assert not model.get_layer("stem_norm").trainable
    for path, value in statistics(model).items():
        np.testing.assert_array_equal(value, statistics(other)[path], err_msg=path)


def bare():
    image = keras.Input((4,), name="image")
    return keras.Model(image, keras.layers.Dense(1, name="head_logits")(image), name="bare")


def test_what_makes_no_sense_is_one_clear_line():
    for policy in POLICIES[1:]:
        with pytest.raises(BadInput, match=f"norms='{policy}', but bare has no batch normalisation: leave norms at"):
            check(bare(), policy)
        check(network(), policy)
    check(bare(), "frozen")
    assert prepare(bare(), "adapt", None) == ["head"]  # from scratch any network will do
    with pytest.raises(BadInput, match="norms='frosen' came, expected frozen, affine, adapt, recalibrate"):
        check(network(), "frosen")
    with pytest.raises(BadInput, match="norms='recalibrate', but bare has no"):
        recalibrate(bare(), [np.zeros((2, 4))])
    with pytest.raises(BadInput, match="needs images, none came"):
        recalibrate(network(), [])
    with pytest.raises(BadInput, match="freeze_below='stage2', did you mean stage1"):
        prepare(network(), "affine", "stage2")


@pytest.mark.parametrize(
    "policy, below, weight",
    [
        ("frozen", None, "stage1_norm/beta"),
        ("recalibrate", None, "stem_norm/moving_mean"),
        ("affine", None, "stage1_norm/moving_variance"),
        ("affine", "stage1", "stem_norm/gamma"),
        ("adapt", "stage1", "stem_norm/moving_mean"),
    ],
)
def test_what_moves_though_it_should_stay_is_noticed(policy, below, weight):
    model = network()
    before = statistics(model)
    layer, name = weight.split("/")
    variable = getattr(model.get_layer(layer), name)
    variable.assign(np.nextafter(variable.numpy(), np.float32(9)))
    with pytest.raises(RuntimeError, match=f"1 frozen normalisation weights moved, the first is {weight}"):
        verify(model, before, policy, below)


def test_what_stays_though_it_should_move_is_noticed():
    model = network()
    before = statistics(model)
    prepare(model, "frozen", None)
    moved_by_fit(model)
    with pytest.raises(RuntimeError, match="none of 4 moving statistics moved under norms='adapt'"):
        verify(model, before, "adapt", None)
    verify(model, before, "adapt", "head")  # no normalisation in the head
    verify(model, before, "frozen", None)


@pytest.mark.slow
def test_all_of_this_on_jax():
    """The other backend, in a process of its own."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "slow or not slow",
        "-k",
        "not on_jax",
    ]
    done = subprocess.run(
        [*command, __file__], env=environment, capture_output=True, text=True, cwd=Path(__file__).parent.parent
    )
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout[-3000:]
