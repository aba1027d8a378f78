"""From torch's tensors to Keras' layers: axes, order, flattened maps, and names."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from radzoo.errors import BadInput
from radzoo.weights import File, read_keras, read_torch, torch_layers
from radzoo.weights.keras_files import renumber
from radzoo.weights.reading import read_file

REAL = Path(os.environ.get("RADZOO_WEIGHTS", "").split(os.pathsep)[0] or "nowhere")
GENERATOR = np.random.default_rng(0)


def described(*renames, **more):
    return File(name="w.pth", format="torch", renames=renames, **more)


def values(*shape):
    return GENERATOR.normal(size=shape).astype("float32")


def test_order_axes_and_what_is_dropped():
    named = {
        "norm.num_batches_tracked": np.array(3), "norm.running_var": values(4), "norm.bias": values(4),
        "norm.running_mean": values(4), "norm.weight": values(4), "conv.bias": values(4),
        "conv.weight": values(4, 3, 5, 7), "solid.weight": values(2, 3, 4, 5, 6), "fc.weight": values(4, 9),
        "fc.bias": values(4), "dw.weight": values(4, 1, 3, 5),
    }  # fmt: skip
    read = torch_layers(named, described(("^dw$", "stage1_depthwise"), ("^fc$", "head_logits")))
    assert sorted(read) == ["conv", "head_logits", "norm", "solid", "stage1_depthwise"]
    for array, leaf in zip(read["norm"], ("weight", "bias", "running_mean", "running_var"), strict=True):
        np.testing.assert_array_equal(array, named[f"norm.{leaf}"])
    kernel, bias = read["conv"]
    assert kernel.shape == (5, 7, 3, 4)
    assert kernel[4, 6, 2, 1] == named["conv.weight"][1, 2, 4, 6]
    np.testing.assert_array_equal(bias, named["conv.bias"])
    assert read["solid"][0].shape == (4, 5, 6, 3, 2)
    assert read["solid"][0][3, 1, 5, 2, 1] == named["solid.weight"][1, 2, 3, 1, 5]
    np.testing.assert_array_equal(read["head_logits"][0], named["fc.weight"].T)
    assert read["stage1_depthwise"][0].shape == (3, 5, 4, 1)
    assert read["stage1_depthwise"][0][2, 4, 3, 0] == named["dw.weight"][3, 0, 2, 4]


def test_a_dense_layer_after_a_flattened_map_answers_alike():
    """`W x` with x flattened channels first, as torch does it, against channels last."""
    kernel, image = values(5, 3 * 2 * 4), values(2, 4, 3)  # a map of 2 x 4 pixels and 3 channels
    expected = kernel @ image.transpose(2, 0, 1).ravel()
    read = torch_layers(
        {"fc.weight": kernel}, described(("fc", "head_fc6_dense"), flatten={"head_fc6_dense": (3, 2, 4)})
    )
    np.testing.assert_allclose(image.ravel() @ read["head_fc6_dense"][0], expected, rtol=1e-5)
    wrong = described(("fc", "head_fc6_dense"), flatten={"head_fc6_dense": (3, 2, 5)})
    with pytest.raises(BadInput, match="has 24 inputs, but flatten says"):
        torch_layers({"fc.weight": kernel}, wrong)


def test_convolutions_answer_alike():
    """A strided and a depthwise convolution, worked out by sums over the window."""
    image, kernel, single = values(1, 5, 5, 3), values(4, 3, 3, 3), values(3, 1, 3, 3)
    read = torch_layers({"a.weight": kernel, "b.weight": single}, described(("^b$", "b_depthwise")))
    conv = keras.ops.conv(image, read["a"][0], 2, "valid")
    depthwise = keras.ops.depthwise_conv(image, read["b_depthwise"][0], 2, "valid")
    window = image[0, 2:5, 0:3].transpose(2, 0, 1)  # channels first
    np.testing.assert_allclose(conv[0, 1, 0], (kernel * window).sum((1, 2, 3)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(depthwise[0, 1, 0], (single[:, 0] * window).sum((1, 2)), rtol=1e-5, atol=1e-6)


def test_what_is_no_layer_is_refused():
    for named, message in [
        ({"a.in_proj_weight": values(2)}, "'a.in_proj_weight' is none of weight"),
        ({"a.weight": np.zeros(3, "int8")}, "holds int8"),
    ]:
        with pytest.raises(BadInput, match=message):
            torch_layers(named, described())
    with pytest.raises(BadInput, match="both 'a' and 'b' into 'x'"):
        torch_layers({"a.weight": values(2), "b.weight": values(2)}, described(("[ab]", "x")))


@pytest.mark.skipif(not (REAL / "UNet_wdk24.pt").is_file(), reason="RADZOO_WEIGHTS has no real torch files")
def test_the_real_unet_equals_its_keras_file():
    """Convolutions, transposed convolutions and normalisation with its statistics, by renames alone."""
    renames = ((r"\.(\d)$", r"_\1"),)
    read = torch_layers(read_torch(REAL / "UNet_wdk24.pt"), described(*renames))
    expected = read_keras(REAL / "unet_small_lung.weights.h5")
    assert sorted(read) == sorted(expected)
    assert sum(map(len, read.values())) == 92
    for layer, arrays in expected.items():
        for ours, theirs in zip(read[layer], arrays, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_layers_that_keras_numbered_are_counted_anew():
    counted = ["conv2d_94", "conv2d_93", "predictions", "batch_normalization", "batch_normalization_2", "block1_conv1"]
    assert list(renumber(dict.fromkeys(counted, 0))) == [
        "conv2d_2", "conv2d_1", "predictions", "batch_normalization_1", "batch_normalization_2", "block1_conv1"
    ]  # fmt: skip


def test_a_convolution_as_large_as_the_map_becomes_a_dense_layer(tmp_path):
    image = keras.Input((2, 2, 3))
    whole = keras.Model(image, layers.Conv2D(4, 2, name="preds")(image))
    whole.save_weights(tmp_path / "w.weights.h5")
    file = File(
        name="w.weights.h5",
        format="keras_weights_h5",
        renames=(("preds", "head_logits"),),
        flatten={"head_logits": (3, 2, 2)},
    )
    dense = keras.Model(image, layers.Dense(4, name="head_logits")(layers.Flatten()(image)))
    named = read_file(tmp_path / "w.weights.h5", file, dense).named
    for weight in dense.weights:
        weight.assign(named[weight.path])
    pixels = values(1, 2, 2, 3)
    np.testing.assert_allclose(dense(pixels), whole(pixels)[:, 0, 0], rtol=1e-5, atol=1e-6)
