"""Restoration networks against what their papers print, and against their own arithmetic written out."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from facts import count, fill
from keras import ops

import radzoo
from radzoo.upsampling import up_conv

TINY = [name for name in radzoo.list_models(kind="restoration") if name.endswith("_tiny")]
RESIDUAL = ["dncnn_tiny", "fbpconvnet_tiny", "redcnn_tiny"]
ORDERS = {"rednet30": [(1, 14), (3, 12), (5, 10), (7, 8), (9, 6), (11, 4), (13, 2)],
          "rednet20": [(2, 8), (4, 6), (6, 4), (8, 2)], "rednet10": []}  # fmt: skip


def noise(shape, seed=0) -> np.ndarray:
    return np.random.RandomState(seed).rand(1, *shape).astype("float32")


def restoring(name, shape, **options) -> keras.Model:
    return radzoo.create_model(name, shape, classes=options.pop("classes", 1), task="restoration", **options)


# What each paper prints: input, learned parameters (SPECS 13, 14, 31); of the auto-encoder what was filled in.
PRINTED = [
    ("rednet10", (50, 50, 1), {}, 296_641),
    ("rednet20", (50, 50, 1), {}, 665_921),
    ("rednet30", (50, 50, 1), {}, 1_035_201),
    ("rednet10_128", (50, 50, 1), {}, 1_183_105),
    ("rednet20_128", (50, 50, 1), {}, 2_658_945),
    ("rednet30_128", (50, 50, 1), {}, 4_134_785),
    ("redcnn", (55, 55, 1), {}, 1_848_865),
    ("ldct_cnn", (33, 33, 1), {}, 24_513),
    ("conv_autoencoder", (36, 36, 1), {}, 112_001),
    ("dncnn", (40, 40, 1), {}, 556_097),
    ("dncnn", (40, 40, 1), {"merged": True}, 555_137),
    ("fbpconvnet", (512, 512, 1), {}, 34_562_945),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shape", "options", "parameters"), PRINTED)
def test_printed_networks(name, shape, options, parameters):
    model = radzoo.build(name, shape, top=True, **options)
    assert model.output_shape == (None, *shape)
    assert count(model) == parameters


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("shape", [(33, 47, 1), pytest.param((13, 18, 21, 1), marks=pytest.mark.slow)])
def test_every_size_comes_back(name, shape):
    """In 2-D and 3-D, odd and even; `head` is linear and float32, and answers place by place."""
    model = fill(restoring(name, shape))
    found = np.asarray(model(noise(shape), training=False))
    assert found.shape == (1, *shape) and found.std() > 1e-3
    end = model.get_layer("head")
    assert model.output_names == ["head"] and end.activation is keras.activations.linear
    assert end.compute_dtype == model.get_layer("head_logits").compute_dtype == "float32"


@pytest.mark.parametrize("name", TINY)
def test_what_is_learnt(name):
    """With a last convolution of zeros a residual network is the identity, a direct one is zero everywhere."""
    shape = (33, 30, 1)
    model = fill(restoring(name, shape))
    last = model.get_layer("head_logits")
    last.set_weights([np.zeros_like(weight) for weight in last.get_weights()])
    given = noise(shape) - 0.5  # nothing is cut at 0
    expected = given if name in RESIDUAL else np.zeros_like(given)
    np.testing.assert_array_equal(model(given, training=False), expected)


def test_dncnn_subtracts():
    model = restoring("dncnn_tiny", (9, 8, 1))
    model.get_layer("head_logits").set_weights([np.zeros((3, 3, 4, 1)), np.array([0.25])])
    given = noise((9, 8, 1))
    np.testing.assert_array_equal(model(given, training=False), given - np.float32(0.25))


@pytest.mark.parametrize("name", ORDERS)
def test_ways_across_rednet(name):
    """Transposed convolution k is joined by the map of convolution `depth - k`, summed before the rectifier."""
    model = radzoo.build(name, (16, 16, 1), top=True, width=1)
    found = []
    for layer in model.layers:
        if layer.name.endswith("_add"):
            up, across = (tensor._keras_history.operation.name for tensor in layer.input)
            assert up == layer.name.replace("_add", "_conv")
            assert layer.output is model.get_layer(layer.name.replace("_add", "_relu")).input
            stage = int(across.removeprefix("stage").removesuffix("_relu"))
            found.append((int(layer.name[len("decoder") : -len("_add")]), stage + 1))
    assert found == ORDERS[name]
    depth = int(name[-2:]) // 2
    kinds = [type(layer) for layer in model.layers]
    assert (kinds.count(keras.layers.Conv2D), kinds.count(keras.layers.Conv2DTranspose)) == (depth, depth)


def test_redcnn_as_its_paper_draws_it():
    """Five valid convolutions, 55 to 35 pixels, and five back; sums before the rectifiers; by Keras' operations."""
    model = fill(radzoo.build("redcnn", (55, 55, 1), top=True, width=3))
    weights = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    given = noise((55, 55, 1))
    x, maps = given, []
    for name in ("stem", "stage1", "stage2", "stage3", "stage4"):
        kernel, bias = weights[f"{name}_conv"]
        x = ops.relu(ops.conv(x, kernel, padding="valid") + bias)
        maps.append(x)
    assert x.shape == (1, 35, 35, 3) and model.get_layer("stage4_relu").output.shape == (None, 35, 35, 3)
    for number, across in ((1, maps[3]), (2, 0.0), (3, maps[1]), (4, 0.0)):
        kernel, bias = weights[f"decoder{number}_conv"]
        x = ops.relu(ops.conv_transpose(x, kernel, 1, padding="valid") + bias + across)
    kernel, bias = weights["head_logits"]
    x = ops.conv_transpose(x, kernel, 1, padding="valid") + bias + given
    expected = np.asarray(x)
    np.testing.assert_allclose(model(given), np.maximum(expected, 0), rtol=1e-4, atol=1e-5 * expected.std())
    linear = restoring("redcnn", (55, 55, 1), width=3)
    linear.set_weights(model.get_weights())
    assert expected.min() < 0 < expected.max()
    np.testing.assert_allclose(linear(given), expected, rtol=1e-4, atol=1e-5 * expected.std())


def test_merged_normalisation_of_dncnn():
    """`gamma / sqrt(variance + 1e-4)` into the kernels, what is left into the biases: the same image."""
    whole = fill(restoring("dncnn_tiny", (12, 11, 1)))
    merged = restoring("dncnn_tiny", (12, 11, 1), merged=True)
    for name in ("stem_conv", "head_logits"):
        merged.get_layer(name).set_weights(whole.get_layer(name).get_weights())
    for stage in ("stage1", "stage2"):
        (kernel,) = whole.get_layer(f"{stage}_conv").get_weights()
        gamma, beta, mean, variance = whole.get_layer(f"{stage}_norm").get_weights()
        gain = gamma / np.sqrt(variance + 1e-4)
        merged.get_layer(f"{stage}_conv").set_weights([kernel * gain, beta - mean * gain])
    given = noise((12, 11, 1))
    found, expected = (np.asarray(model(given, training=False)) for model in (merged, whole))
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.std())
    assert not any("norm" in layer.name for layer in merged.layers)


def test_up_convolution_of_fbpconvnet():
    """MatConvNet's `crop [0 1 0 1]`: of the five rows that 3x3 kernels write for two pixels the last one is lost."""
    model = radzoo.build("fbpconvnet_tiny", (8, 8, 1), top=True)
    layer = model.get_layer("decoder1_up_conv")
    assert (layer.kernel_size, layer.strides, layer.output.shape) == ((3, 3), (2, 2), (None, 4, 4, 8))
    x = keras.Input((2, 2, 1))
    own = keras.Model(x, up_conv(x, 1, 3, name="x"))
    kernel = np.arange(1, 10, dtype="float32").reshape(3, 3)
    own.set_weights([kernel[..., None, None], np.zeros(1)])
    given, expected = np.array([[1, 10], [100, 1000]], "float32"), np.zeros((5, 5))
    for i, j in np.ndindex(2, 2):
        expected[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += given[i, j] * kernel
    np.testing.assert_array_equal(np.asarray(own(given[None, ..., None]))[0, ..., 0], expected[:4, :4])


def test_half_precision_does_not_touch_the_image():
    """bfloat16 inside, yet the image that is added comes through bit by bit, and what learns is float32."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        for name in RESIDUAL:
            model = restoring(name, (24, 24, 1))
            first = next(layer for layer in model.layers if layer.weights)
            assert first.name.startswith("stem") and first.compute_dtype == "bfloat16"
            last = model.get_layer("head_logits")
            last.set_weights([np.zeros_like(weight) for weight in last.get_weights()])
            np.testing.assert_array_equal(model(noise((24, 24, 1)), training=False), noise((24, 24, 1)))
    finally:
        keras.config.set_dtype_policy("float32")


def test_several_channels():
    """As many outputs as channels for a residual network, any number for a direct one."""
    assert restoring("redcnn_tiny", (20, 20, 3), classes=3).output_shape == (None, 20, 20, 3)
    assert restoring("ldct_cnn_tiny", (20, 20, 3), classes=2).output_shape == (None, 20, 20, 2)
    with pytest.raises(radzoo.BadInput, match="3 channels came for 1 outputs, but a residual network changes its own"):
        restoring("fbpconvnet_tiny", (16, 16, 3))


def test_thick_slices_come_back():
    """What is not halved along z on the way down is not doubled on the way up."""
    for name in ("fbpconvnet_tiny", "conv_autoencoder_tiny"):
        model = restoring(name, (7, 32, 36, 1), spacing_mm=(5.0, 1.0, 1.0))
        assert model.output_shape == (None, 7, 32, 36, 1)
        assert not any(layer.name.endswith("_cut") for layer in model.layers)
        assert min(layer.output.shape[1] for layer in model.layers if len(layer.output.shape) == 5) == 7


def test_too_small_for_valid_convolutions():
    with pytest.raises(radzoo.BadInput, match=r"\(20, 64, 1\) is too small for redcnn: enlarge it"):
        radzoo.build("redcnn", (20, 64, 1), width=1)
    assert radzoo.build("redcnn", (21, 64, 1), top=True, width=1).output_shape == (None, 21, 64, 1)


WHOLE = (  # what the process with JAX runs, too: images of whole networks, by name and rank
    "import radzoo, keras, numpy as np; from facts import fill\n"
    "def image(name, shape):\n"
    "    model = fill(radzoo.create_model(name, shape, classes=1, task='restoration'))\n"
    "    given = np.random.RandomState(0).rand(1, *shape).astype('float32')\n"
    "    return model.predict(given, verbose=0)\n"
    "def images(names):\n"
    "    return {f'{n}{len(s)}': image(n, s) for n in names for s in ((33, 26, 1), (13, 14, 15, 1))}\n"
)


@pytest.mark.slow
def test_whole_networks_on_jax(tmp_path):
    """The same weights give the same image on the other backend, in 2-D and in 3-D."""
    script = (
        f"{WHOLE}import sys; assert keras.backend.backend() == 'jax'\nnp.savez(sys.argv[1], **images(sys.argv[2:]))"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    file, names = tmp_path / "images.npz", [*TINY, "resnet_tiny"]
    subprocess.run([sys.executable, "-c", script, str(file), *names], env=environment, check=True)
    here = {}
    exec(WHOLE, here)
    for key, expected in here["images"](names).items():
        np.testing.assert_allclose(
            np.load(file)[key], expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max(), err_msg=key
        )
        assert expected.std() > 0


@pytest.mark.slow
def test_whole_networks_reload(tmp_path):
    """Keras alone opens them, and they answer as before."""
    for name in TINY:
        model = fill(restoring(name, (17, 22, 1)))
        model.save(tmp_path / f"{name}.keras")
        again = keras.models.load_model(tmp_path / f"{name}.keras")
        np.testing.assert_array_equal(again(noise((17, 22, 1))), model(noise((17, 22, 1))))
    code = "import keras, sys; [keras.models.load_model(f) for f in sys.argv[1:]]; assert 'radzoo' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, *map(str, tmp_path.glob("*.keras"))], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_learns(name):
    """Every weight of the whole network moves in one step."""
    model = fill(restoring(name, (24, 24, 1)))
    before = {weight.path: np.array(weight) for weight in model.trainable_weights}
    model.compile("adam", "mse")
    model.train_on_batch(noise((24, 24, 1)), noise((24, 24, 1), 1))
    assert [w.path for w in model.trainable_weights if np.array_equal(before[w.path], w)] == []
