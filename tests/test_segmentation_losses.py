"""Losses of segmentation: worked by hand, V-Net's gradient as printed, huge sums, empty masks, on both backends."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from radzoo import losses, masks
from radzoo.errors import BadInput
from radzoo.losses.pixels import spatial_mean

LABELS = np.uint8([[0, 1, 1], [0, 2, 255]])
TRUTH = masks.target(LABELS, 3)[None]
SAID = np.float32([[[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1]],
                   [[0.5, 0.1, 0.4], [0.2, 0.3, 0.5], [0.0, 0.0, 1.0]]])[None]  # fmt: skip


def drawn(shape=(2, 5, 4, 3), classes=3, seed=0):
    """Truth with every class and some ignored pixels, and probabilities."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([*range(classes), 255], shape).astype("uint8")
    p = rng.dirichlet(np.ones(classes), shape).astype("float32")
    return np.stack([masks.target(each, classes) for each in labels]), p


def test_target():
    expected = [[[1, 0, 0, 1], [0, 1, 0, 1], [0, 1, 0, 1]], [[1, 0, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0]]]
    assert TRUTH[0].tolist() == expected and TRUTH.dtype == np.float32
    weighted = masks.target(LABELS, 3, np.full((2, 3), 2.5))
    assert weighted[..., 3].tolist() == [[2.5, 2.5, 2.5], [2.5, 2.5, 0]]
    assert masks.class_counts(LABELS, 3).tolist() == [2, 2, 1]
    for labels, message in (([[0, 3]], "labels 3 came, expected 0 to 2"), ([[0, -1]], "labels -1"), ([[0.5]], "float")):
        with pytest.raises(BadInput, match=message):
            masks.target(labels, 3)
    with pytest.raises(BadInput, match=r"pixel weights \(3, 2\) came"):
        masks.target(LABELS, 3, np.ones((3, 2)))


def test_crossentropy_by_hand():
    """Five pixels count; the sixth is ignored although nothing is right about it."""
    right = np.array([0.7, 0.6, 0.8, 0.5, 0.5])
    assert float(losses.pixel_crossentropy()(TRUTH, SAID)[0]) == pytest.approx(-np.log(right).mean(), rel=1e-6)
    weights = np.array([1, 2, 2, 1, 4])  # by class, divided by the count of pixels
    loss = losses.pixel_crossentropy([1.0, 2.0, 4.0])
    assert float(loss(TRUTH, SAID)[0]) == pytest.approx(-(weights * np.log(right)).mean(), rel=1e-6)
    border = TRUTH.copy()
    border[0, 0, 0, 3] = 11
    assert float(loss(border, SAID)[0]) == pytest.approx(-(weights * [11, 1, 1, 1, 1] * np.log(right)).mean(), rel=1e-6)
    focal = losses.segmentation_loss("focal", 3)
    assert float(focal(TRUTH, SAID)[0]) == pytest.approx(-((1 - right) ** 2 * np.log(right)).mean(), rel=1e-6)


def test_dice_by_hand():
    """Class 1: 2 (.6 + .8) / (.04 + .36 + .64 + .01 + .09 + 2); class 2: 2 x .5 / (.01 x 3 + .16 + .25 + 1)."""
    one, two = 2.8 / 3.14, 1 / 1.44
    assert float(losses.dice_loss()(TRUTH, SAID)[0]) == pytest.approx(1 - (one + two) / 2, rel=1e-6)
    linear = 1 - (2.8 / (2.0 + 2) + 1 / (1.2 + 1)) / 2
    assert float(losses.dice_loss(squared=False)(TRUTH, SAID)[0]) == pytest.approx(linear, rel=1e-6)
    back = 2 * 1.2 / (0.49 + 0.09 + 0.01 + 0.25 + 0.04 + 2)
    assert float(losses.dice_loss(background=True)(TRUTH, SAID)[0]) == pytest.approx(
        1 - (one + two + back) / 3, rel=1e-6
    )
    both = losses.segmentation_loss("dice_crossentropy", 3)(TRUTH, SAID)
    parts = losses.dice_loss()(TRUTH, SAID) + losses.pixel_crossentropy()(TRUTH, SAID)
    np.testing.assert_allclose(both, parts, rtol=1e-6)


def test_tversky_by_hand():
    """Class 1: TP 1.4, FP .6, FN .6; class 2: TP .5, FP .7, FN .5."""
    one, two = 1.4 / (1.4 + 0.3 * 0.6 + 0.7 * 0.6), 0.5 / (0.5 + 0.3 * 0.7 + 0.7 * 0.5)
    assert float(losses.tversky(0.3, 0.7)(TRUTH, SAID)[0]) == pytest.approx(1 - (one + two) / 2, rel=1e-6)
    focal = ((1 - one) ** 0.75 + (1 - two) ** 0.75) / 2
    assert float(losses.focal_tversky()(TRUTH, SAID)[0]) == pytest.approx(focal, rel=1e-6)
    truth, p = drawn()
    np.testing.assert_allclose(losses.tversky(0.5, 0.5)(truth, p), losses.dice_loss(squared=False)(truth, p), rtol=1e-5)


def test_generalized_dice_by_hand():
    """Volumes 2, 2 and 1: weights 1/4, 1/4 and 1; an absent class takes the largest weight there is."""
    above = 2 * ((1.2 + 1.4) / 4 + 0.5)
    below = (1.8 + 2.0 + 2 + 2) / 4 + (1.2 + 1)
    assert float(losses.generalized_dice()(TRUTH, SAID)[0]) == pytest.approx(1 - above / below, rel=1e-6)
    without = masks.target([[0, 1, 1], [0, 255, 255]], 3)[None]
    above = 2 * (1.2 + 1.4) / 4
    below = (1.6 + 1.7 + 2 + 2) / 4 + 0.7 / 4
    assert float(losses.generalized_dice()(without, SAID)[0]) == pytest.approx(1 - above / below, rel=1e-6)


def gradient(loss, truth, p):
    p = tf.constant(p)
    with tf.GradientTape() as tape:
        tape.watch(p)
        value = tf.reduce_sum(loss(truth, p))
    return tape.gradient(value, p).numpy()


def test_gradient_of_dice_is_that_of_v_net():
    """-2 [g (sum p^2 + sum g^2) - 2 p sum p g] / (sum p^2 + sum g^2)^2, and that by finite differences in float64."""
    g, p = np.array([1.0, 1, 0, 0]), np.array([0.9, 0.4, 0.3, 0.0])
    by_hand = -2 * (g * 3.06 - 2 * p * 1.3) / 3.06**2  # sums: p^2 1.06, g^2 2, p g 1.3

    def dice(p):
        return 1 - 2 * (p * g).sum() / ((p**2).sum() + (g**2).sum())

    step = 1e-6
    finite = [(dice(p + step * e) - dice(p - step * e)) / (2 * step) for e in np.eye(4)]
    np.testing.assert_allclose(by_hand, finite, atol=1e-9)
    truth = masks.target(g.astype("uint8")[None], 2)[None]
    said = np.float32(np.stack([1 - p, p], -1))[None, None]
    ours = gradient(losses.dice_loss(), truth, said)
    np.testing.assert_allclose(ours[0, 0, :, 1], by_hand, atol=1e-6)
    assert not ours[..., 0].any()  # background is not among the classes


@pytest.mark.parametrize("jit", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", losses.KINDS)
def test_empty_perfect_and_wrong_are_finite(kind, jit):
    """All background, all ignored, perfect and entirely wrong, with their gradients, without and with XLA."""
    loss = losses.segmentation_loss(kind, 3)
    maps = np.uint8([[[0, 0], [0, 0]], [[255, 255], [255, 255]], [[0, 1], [2, 1]], [[0, 1], [2, 1]]])
    truth = np.stack([masks.target(each, 3) for each in maps])
    sure = truth[..., :3].copy()
    sure[1], sure[3] = [0, 1, 0], np.roll(sure[3], 1, -1)
    soft = np.exp(30 * sure) / np.exp(30 * sure).sum(-1, keepdims=True)
    loss = tf.function(loss, jit_compile=True) if jit else loss
    for said in (sure, soft):
        told, slope = np.asarray(loss(truth, said)), gradient(loss, truth, said)
        assert told.shape == (4,) and np.isfinite(told).all() and np.isfinite(slope).all()
        assert told[0] < 1e-6 and told[1] == 0 and told[2] < 1e-4 and told[3] > 0.9
        assert not slope[1].any()
    assert slope[3].any()


def test_a_certain_mistake_still_teaches():
    """The right class has e^-40: as much pull on its logit as cross-entropy of logits has, where a clip leaves none."""
    logits = tf.constant(np.float32([[[[40, 0]]]]))
    truth = masks.target([[1]], 2)[None]
    with tf.GradientTape() as tape:
        tape.watch(logits)
        told = losses.pixel_crossentropy()(truth, tf.nn.softmax(logits))
    np.testing.assert_allclose(tape.gradient(told, logits)[0, 0, 0], [1, -1], rtol=1e-5)


@pytest.mark.parametrize("kind", losses.KINDS)
def test_ignored_pixels_and_weights(kind):
    """What is ignored changes nothing; a pixel of weight 2 is as good as two (but for the count of cross-entropy)."""
    loss = losses.segmentation_loss(kind, 3)
    truth, p = drawn()
    other = np.where(truth[..., 3:] > 0, p, np.float32([0.1, 0.1, 0.8]))
    np.testing.assert_allclose(loss(truth, p), loss(truth, other), rtol=1e-6)
    if kind in ("crossentropy", "focal", "dice_crossentropy"):
        return
    double, twice = truth.copy(), np.concatenate([truth, truth[:, :1]], 1)
    double[:, 0, ..., 3] *= 2
    np.testing.assert_allclose(loss(double, p), loss(twice, np.concatenate([p, p[:, :1]], 1)), rtol=1e-5)


def test_half_precision_is_reduced_in_single():
    truth, p = drawn((1, 64, 64), 2)
    half = ops.cast(p, "bfloat16")
    rounded = ops.convert_to_numpy(ops.cast(half, "float32"))
    for kind in losses.KINDS:
        loss = losses.segmentation_loss(kind, 2)
        told = loss(truth, half)
        assert told.dtype == "float32"
        np.testing.assert_allclose(told, loss(truth, rounded), rtol=1e-6)


@pytest.mark.parametrize("jit", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_it_learns(jit):
    """One weight per class and channel finds the classes of a volume in mixed precision, without and with XLA."""
    labels = np.random.default_rng(0).integers(0, 3, (2, 6, 6, 6)).astype("uint8")
    image = np.eye(3, dtype="float32")[labels]
    image_input = keras.Input((6, 6, 6, 3))
    x = keras.layers.Dense(3, dtype="mixed_bfloat16")(image_input)
    model = keras.Model(image_input, keras.layers.Activation("softmax", dtype="float32")(x))
    truth = np.stack([masks.target(each, 3) for each in labels])
    loss = losses.segmentation_loss("dice_crossentropy", 3, class_weights=[1.0, 2.0, 3.0])
    model.compile(keras.optimizers.Adam(0.1), loss, jit_compile=jit)
    first, *_, last = (float(model.train_on_batch(image, truth)) for _ in range(30))
    assert last < first / 3


@pytest.mark.slow
def test_sums_of_512_cubed():
    """XLA's sum of as many float32 numbers is off by a quarter of a per cent; means axis by axis are not."""
    values = tf.fill((1, 512, 512, 512, 1), 0.1)
    exact, compiled = float(np.float32(0.1)), {"jit_compile": True}
    naive = float(tf.function(lambda x: ops.sum(x, axis=(1, 2, 3)), **compiled)(values)[0, 0]) / 512**3
    assert abs(naive / exact - 1) > 1e-3  # where a backend adds better one day, this test proves nothing any more
    for options in ({}, compiled):
        assert float(tf.function(spatial_mean, **options)(values)[0, 0]) == pytest.approx(exact, rel=2e-5)


@pytest.mark.slow
def test_dice_of_512_by_512_by_128():
    """Half of the volume, called with .9 inside and .1 outside; and one voxel alone, which a sum would round away."""
    shape = (1, 128, 512, 512)
    inside = np.zeros(shape, "float32")
    inside[:, :64] = 1
    truth = np.stack([1 - inside, inside, np.ones(shape, "float32")], -1)
    said = np.stack([0.9 - 0.8 * inside, 0.1 + 0.8 * inside], -1)
    dice = 1 - 2 * 0.9 * 0.5 / (0.5 * (0.81 + 0.01) + 0.5)
    for options in ({}, {"jit_compile": True}):
        told = tf.function(losses.dice_loss(), **options)(truth, said)
        assert float(told[0]) == pytest.approx(dice, rel=1e-4)
    truth[..., :2], said[:] = (1, 0), (1, 0)
    truth[0, 3, 4, 5, :2], said[0, 3, 4, 5] = (0, 1), (0.5, 0.5)
    for options in ({}, {"jit_compile": True}):
        told = tf.function(losses.dice_loss(), **options)(truth, said)
        assert float(told[0]) == pytest.approx(1 - 1 / 1.25, rel=1e-5)


@pytest.mark.slow
def test_on_jax():
    """The same numbers and gradients, compiled by the other backend in a process of its own."""
    script = """
import json, sys, jax, keras, numpy as np
from radzoo import losses
truth, p = (np.float32(each) for each in json.load(sys.stdin))
out = {"backend": keras.backend.backend()}
for kind in losses.KINDS:
    loss = losses.segmentation_loss(kind, 3)
    slope = jax.jit(jax.grad(lambda q: loss(truth, q).sum()))(p)
    out[kind] = np.asarray(jax.jit(loss)(truth, p)).tolist(), np.asarray(slope).tolist()
print(json.dumps(out))
"""
    truth, p = drawn()
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    told = json.dumps([truth.tolist(), p.tolist()])
    done = subprocess.run(
        [sys.executable, "-c", script], input=told, env=environment, capture_output=True, text=True, check=True
    )
    out = json.loads(done.stdout.splitlines()[-1])
    assert out.pop("backend") == "jax"
    for kind in losses.KINDS:
        loss, (there, slope) = losses.segmentation_loss(kind, 3), out[kind]
        np.testing.assert_allclose(there, loss(truth, p), rtol=1e-5)
        np.testing.assert_allclose(slope, gradient(loss, truth, p), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "kind, asked, message",
    [
        ("jaccard", {}, "loss 'jaccard' came, expected one of crossentropy, focal"),
        ("dice", {"class_weights": [1, 1, 1]}, "class weights came for dice, which balances classes itself"),
        ("focal", {"class_weights": [1, 1]}, r"class weights \[1.0, 1.0\] came, expected 3"),
        ("focal", {"class_weights": [1, 1, np.nan]}, "expected 3 finite ones"),
    ],
)
def test_what_no_loss_can_be(kind, asked, message):
    with pytest.raises(BadInput, match=message):
        losses.segmentation_loss(kind, 3, **asked)
    with pytest.raises(BadInput, match=r"truth of 4 channels and probability of 3 came, expected 3 .* and 2"):
        losses.segmentation_loss("dice", 2)(TRUTH, SAID)


def test_median_frequency_by_hand():
    """Background 150 of 200 pixels, class 1 40 of 200, class 2 10 of the 100 pixels of its only image."""
    counts = [[80, 20, 0], [70, 20, 10]]
    np.testing.assert_allclose(masks.median_frequency(counts), 0.2 / np.array([0.75, 0.2, 0.1]))
    with pytest.raises(BadInput, match="class 2 has no pixel in any image"):
        masks.median_frequency(np.array(counts)[:1])


def test_border_weights_by_hand():
    """Two pixels apart by four: between them d1 + d2 = 1 + 3 and 2 + 2; none on objects, none with one object."""
    labels = np.uint8([[1, 0, 0, 0, 1]])
    boost = 10 * np.exp(-16 / 50)
    np.testing.assert_allclose(masks.border_weights(labels), [[1, *[1 + boost] * 3, 1]], rtol=1e-6)
    weighted = masks.border_weights(labels, class_weights=[0.5, 3.0], w0=2, sigma=1)
    np.testing.assert_allclose(weighted, [[3, *[0.5 + 2 * np.exp(-8)] * 3, 3]], rtol=1e-6)
    assert (masks.border_weights(np.uint8([[1, 0, 0, 0, 0]])) == 1).all()
    assert masks.border_weights(np.uint8([[1, 0, 255, 0, 1]]))[0, 2] == 0
    touching = np.uint8([[1, 1, 0, 0, 0]])  # two objects without a border between them are known from their numbers
    beside = masks.border_weights(touching, instances=np.array([[4, 7, 0, 0, 0]]))
    np.testing.assert_allclose(beside[0, 2:], 1 + 10 * np.exp(-(np.array([3, 5, 7]) ** 2) / 50), rtol=1e-6)
    with pytest.raises(BadInput, match="expected the shape of the labels"):
        masks.border_weights(touching, instances=np.zeros((2, 2), int))


def test_border_weights_are_those_of_whole_distance_maps():
    """As U-Net's formula over distance maps of every object, sorted per pixel; also in 3-D."""
    from scipy import ndimage

    for shape in ((70, 90), (20, 24, 28)):
        labels = (ndimage.gaussian_filter(np.random.default_rng(1).normal(size=shape), 2) > 0.1).astype("uint8")
        objects = masks.components(labels)
        away = [ndimage.distance_transform_edt(objects != each) for each in range(1, objects.max() + 1)]
        one, two = np.sort(away, axis=0)[:2]
        expected = 1 + 10 * np.exp(-((one + two) ** 2) / 50) * (labels == 0)
        assert objects.max() > 3
        np.testing.assert_allclose(masks.border_weights(labels), expected, atol=2e-6)
