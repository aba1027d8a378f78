"""Losses of restored images: worked by hand, in 2-D and 3-D, on both backends, and through a network with weights."""

import json
import os
import subprocess
import sys

import fabricate
import keras
import numpy as np
import pytest

from radzoo import losses
from radzoo.errors import BadInput
from radzoo.losses.restoration import parsed
from radzoo.perceptual import feature_network

TRUTH = np.float32([[0, 1, 3], [2, 2, 2], [5, 0, 1]])[None, ..., None]
FOUND = np.float32([[1, 1, 2], [0, 2, 5], [5, 1, 1]])[None, ..., None]


def volume(plane) -> np.ndarray:
    """The plane three times: nothing changes along z."""
    return np.repeat(plane[:, None], 3, axis=1)


def value(loss, truth=TRUTH, found=FOUND) -> float:
    (only,) = np.asarray(loss(truth, found))
    return float(only)


def test_errors_by_hand():
    """Differences 1, 0, -1, -2, 0, 3, 0, 1, 0."""
    assert value(losses.squared_error) == pytest.approx(16 / 9)
    assert value(losses.absolute_error) == pytest.approx(8 / 9)
    two = losses.squared_error(np.concatenate([TRUTH, FOUND]), np.concatenate([FOUND, FOUND]))
    np.testing.assert_allclose(two, [16 / 9, 0])
    assert value(losses.squared_error, volume(TRUTH), volume(FOUND)) == pytest.approx(16 / 9)


def test_gradient_difference_by_hand():
    """|dy| of truth 2 1 1 / 3 2 1, found 1 1 3 / 5 1 4; |dx| 1 2 / 0 0 / 5 1 and 0 1 / 2 3 / 4 0."""
    down = (1 + 0 + 4 + 4 + 1 + 9) / 6
    right = (1 + 1 + 4 + 9 + 1 + 1) / 6
    assert value(losses.gradient_difference) == pytest.approx(down + right)
    assert value(losses.gradient_difference, volume(TRUTH), volume(FOUND)) == pytest.approx(down + right)
    turned = np.swapaxes(volume(TRUTH), 1, 3), np.swapaxes(volume(FOUND), 1, 3)
    assert value(losses.gradient_difference, *turned) == pytest.approx(down + right)
    assert value(losses.gradient_difference, TRUTH, 7 - TRUTH) == 0  # neither height nor direction
    thin = TRUTH[:, :1], FOUND[:, :1]  # one row: |dx| 1 2 and 0 1
    assert value(losses.gradient_difference, *thin) == pytest.approx(1)


def test_laplacian_difference_by_hand():
    """The four neighbours of the middle less four times it: 1 + 0 + 2 + 2 - 8 = -3, and 1 + 1 + 0 + 5 - 8 = -1."""
    assert value(losses.laplacian_difference) == pytest.approx((3 - 1) ** 2)
    assert value(losses.laplacian_difference, volume(TRUTH), volume(FOUND)) == pytest.approx(4)
    two = [image[:, :2] for image in (TRUTH, FOUND)]  # two rows: second differences along x, 1 and 0; 1 and 1
    assert value(losses.laplacian_difference, *two) == pytest.approx((0 + 1) / 2)
    ramp = np.arange(60, dtype="float32").reshape(1, 5, 4, 3, 1)
    bowl = np.square(ramp[:, :1, :1] * 0 + np.arange(4.0, dtype="float32")[:, None, None]) + 0 * ramp
    assert value(losses.laplacian_difference, ramp, bowl) == pytest.approx(4)  # a ramp has none, z^2 has 2


def test_float32_over_many_pixels():
    """A sum of 4 million numbers would stand still; half precision is widened first."""
    truth = np.zeros((1, 2048, 2048, 1), "float16")
    found = np.full_like(truth, 0.1)
    assert value(losses.squared_error, truth, found) == pytest.approx(float(found[0, 0, 0, 0]) ** 2, rel=1e-5)
    assert np.asarray(losses.absolute_error(truth, found)).dtype == np.float32


def test_sums_by_name():
    assert parsed("l1+0.5*gradient + 1e-3 * perceptual:vgg19.imagenet") == [
        (1.0, "l1", None), (0.5, "gradient", None), (0.001, "perceptual", "vgg19.imagenet"),
    ]  # fmt: skip
    leynes = losses.restoration_loss("l1 + 2*gradient + 0.5*laplacian")
    assert value(leynes) == pytest.approx(8 / 9 + 2 * (19 + 17) / 6 + 0.5 * 4)
    assert value(losses.restoration_loss()) == pytest.approx(16 / 9)
    for kind in ("mae", "mse gradient", "mse +", "-1*mse", "0*mse", "perceptual", "mse:vgg19.imagenet", ""):
        with pytest.raises(BadInput, match="came, expected mse, l1, gradient, laplacian or perceptual:WEIGHTS"):
            losses.restoration_loss(kind)


def test_shapes_that_would_be_stretched():
    for found in (FOUND[:, :1], FOUND[..., 0], np.concatenate([FOUND, FOUND], -1)):
        with pytest.raises(BadInput, match="came for targets of"):
            losses.restoration_loss("mse")(TRUTH, found)
    with pytest.raises(BadInput, match=r"\(1, 1\) came, a loss of edges needs 2 pixels"):
        losses.gradient_difference(TRUTH[:, :1, :1], FOUND[:, :1, :1])


@pytest.fixture
def network(tmp_path, monkeypatch):
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    fabricate.weights(tmp_path, "vgg_tiny")
    return feature_network("vgg_tiny.tests")


def pairs(shape=(2, 24, 20, 1)):
    rng = np.random.default_rng(0)
    return rng.random(shape, "float32"), rng.random(shape, "float32")


def test_perceptual_loss(network):
    """The maps of the RGB network for three equal channels, normalised by its manifest; a volume plane by plane."""
    import radzoo
    from radzoo.weights import apply, find

    manifest = find("vgg_tiny.tests")
    rgb = radzoo.build("vgg_tiny", (24, 20, 3))
    apply(rgb, manifest)
    truth, found = pairs()
    maps = [np.asarray(rgb(manifest.input.normalise(np.repeat(x, 3, -1)))[-1]) for x in (truth, found)]
    expected = np.square(maps[1] - maps[0]).mean((1, 2, 3))
    loss = losses.perceptual(network)
    np.testing.assert_allclose(loss(truth, found), expected, rtol=1e-4)
    np.testing.assert_allclose(loss(truth[None], found[None]), [expected.mean()], rtol=1e-4)
    summed = losses.restoration_loss("mse + 0.1*perceptual:vgg_tiny.tests", network=feature_network)
    plain = np.square(found - truth).mean((1, 2, 3))
    np.testing.assert_allclose(summed(truth, found), plain + 0.1 * expected, rtol=1e-4)
    with pytest.raises(BadInput, match="grey images, 2 channels came"):
        loss(np.repeat(truth, 2, -1), np.repeat(found, 2, -1))


def test_perceptual_network_is_frozen(network):
    """Training by it moves the restorer and none of its own weights."""
    assert network.trainable_weights == [] and len(network.weights) > 4
    before = [np.array(weight) for weight in network.weights]
    x = keras.Input((24, 20, 1))
    model = keras.Model(x, keras.layers.Conv2D(1, 3, padding="same", kernel_initializer="zeros")(x))
    model.compile(keras.optimizers.SGD(1e-3), losses.perceptual(network))
    first = model.train_on_batch(*pairs())
    assert model.train_on_batch(*pairs()) < first
    assert all(np.array_equal(old, new) for old, new in zip(before, network.weights, strict=True))


def test_weights_that_see_no_colours(tmp_path, monkeypatch):
    from radzoo.images.input import Input

    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    fabricate.weights(tmp_path, "vgg_tiny", input=Input(shape=(32, 32, 1)))
    with pytest.raises(BadInput, match=r"vgg_tiny.tests sees \(32, 32, 1\), a perceptual loss takes weights for RGB"):
        feature_network("vgg_tiny.tests")


@pytest.mark.slow
def test_real_weights_tell_blur_from_noise(real_weights, real_data):
    """MobileNetV2's maps: an image is nearer to itself shifted in grey than blurred to the same squared error."""
    import cv2

    file = sorted((real_data / "chest_nih14" / "images").glob("*.png"))[0]
    image = cv2.resize(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), (224, 224), interpolation=cv2.INTER_AREA)
    image = np.float32(image)[None, ..., None] / 255
    blurred = cv2.GaussianBlur(image[0, ..., 0], (0, 0), 2)[None, ..., None]
    shifted = image + np.sqrt(np.square(blurred - image).mean())
    loss = losses.restoration_loss("perceptual:mobilenet_v2_035.imagenet", network=feature_network)
    assert value(losses.squared_error, image, shifted) == pytest.approx(
        value(losses.squared_error, image, blurred), rel=1e-3
    )
    assert value(loss, image, blurred) > 2 * value(loss, image, shifted) > 0
    assert value(loss, image, image) == 0


EVERY = "mse + l1 + gradient + laplacian + perceptual:vgg_tiny.tests"


@pytest.mark.slow
def test_the_same_on_jax(network, tmp_path):
    """Values and one step of compiled training, in a process of the other backend."""
    script = (
        "import sys, json; sys.path.insert(0, sys.argv[1]); import keras; assert keras.backend.backend() == 'jax'\n"
        "from test_restoration_losses import both; print(json.dumps(both()))"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", script, os.path.dirname(__file__)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    np.testing.assert_allclose(json.loads(done.stdout.splitlines()[-1]), both(), rtol=1e-4)


def both() -> list[float]:
    """The sum of all losses in 3-D, and in a compiled step of training in 2-D."""
    loss = losses.restoration_loss(EVERY, network=feature_network)
    truth, found = pairs()
    x = keras.Input((24, 20, 1))
    model = keras.Model(x, keras.layers.Conv2D(1, 3, padding="same", kernel_initializer="ones")(x))
    model.compile(keras.optimizers.SGD(1e-4), loss)
    return [float(model.train_on_batch(truth, found)), *map(float, loss(truth[None], found[None]))]
