"""Strides for thick slices: where they act, and that nothing else changes."""

import re

import keras
import numpy as np
import pytest
from facts import fill

import radzoo
from radzoo import registry
from radzoo.anisotropy import building
from radzoo.errors import BadInput
from radzoo.layers import conv, depthwise_conv
from radzoo.pooling import average_pool, ceil_pool, max_pool

TINY = [name for name in radzoo.list_models(kind="classification") if name.endswith("_tiny")]
THICK, FINE = (5.0, 1.0, 1.0), (1.0, 1.0, 1.0)
SHAPE = (40, 96, 96, 1)


def backbone(name, spacing_mm, shape=SHAPE):
    image = keras.Input(shape)
    with building(image, spacing_mm):
        return keras.Model(image, list(registry.backbone(name, image)))


def strides(model):
    """Of each feature map along each axis, as far as borders let them be told."""
    sizes = model.input.shape[1:-1]
    return [
        tuple(2 ** round(np.log2(a / b)) for a, b in zip(sizes, output.shape[1:-1], strict=True))
        for output in model.outputs
    ]


@pytest.mark.parametrize(
    "name, thick",
    [  # 5 x 1 x 1 mm, then 5 x 2 x 2, then 5 x 4 x 4, from where on all axes are halved
        ("resnet_tiny", [(1, 2, 2), (1, 4, 4), (2, 8, 8)]),
        ("resnet_bottleneck_tiny", [(1, 2, 2), (1, 4, 4), (2, 8, 8)]),
        ("densenet_tiny", [(1, 2, 2), (1, 4, 4), (2, 8, 8)]),
        ("mobilenet_tiny", [(1, 2, 2), (1, 4, 4), (2, 8, 8)]),
        ("mobilenet_v2_tiny", [(1, 2, 2), (1, 4, 4), (2, 8, 8)]),
        ("vgg_tiny", [(1, 1, 1), (1, 2, 2), (1, 4, 4)]),
        ("googlenet_bn_tiny", [(1, 2, 2), (1, 4, 4), (2, 8, 8), (4, 16, 16)]),
        ("inception_tiny", [(1, 2, 2), (1, 4, 4), (2, 8, 8), (4, 16, 16), (8, 32, 32)]),
    ],
)
def test_thick_slices_are_halved_last(name, thick):
    assert strides(backbone(name, THICK)) == thick


def test_the_kernels_are_those_of_the_isotropic_network():
    one, other = (backbone("resnet_tiny", spacing) for spacing in (THICK, FINE))
    assert (strides(one)[0], strides(other)[0]) == ((1, 2, 2), (2, 2, 2))
    assert [(w.path, w.shape) for w in one.weights] == [(w.path, w.shape) for w in other.weights]


def test_every_axis_may_be_the_thick_one():
    """A network turned about has the features of the network, turned about: depthwise convolutions included."""
    image = np.random.default_rng(0).random((1, 20, 32, 36, 1)).astype("float32")
    for name in ("mobilenet_v2_tiny", "squeezenet_tiny"):
        model = fill(backbone(name, THICK, image.shape[1:]))
        expected = np.asarray(model(image, training=False)[-1])
        turned = backbone(name, (1, 1, 5), image.transpose(0, 2, 3, 1, 4).shape[1:])
        depth = {}
        for weight in model.weights:  # a depthwise kernel over z is a sum of 2-D ones
            match = re.fullmatch(r"(.*_depthwise)_z(\d)/kernel", weight.path)
            if match:
                depth.setdefault(match[1], []).append(weight.numpy())
        for weight in turned.weights:
            match = re.fullmatch(r"(.*_depthwise)_z(\d)/kernel", weight.path)
            value = next(w for w in model.weights if w.path == weight.path).numpy()
            if match:
                value = np.stack(depth[match[1]]).transpose(1, 2, 0, 3, 4)[int(match[2])]
            elif value.ndim == 5:
                value = value.transpose(1, 2, 0, 3, 4)
            weight.assign(value)
        found = np.asarray(turned(image.transpose(0, 2, 3, 1, 4), training=False)[-1]).transpose(0, 3, 1, 2, 4)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if "incep" in n or "google" in n else []) for n in TINY]
)
def test_equal_spacing_changes_nothing(name):
    """The same layers, wired in the same way; Keras numbers what has no name by its process."""
    graphs = []
    for spacing in (None, (1.2, 0.7, 0.7)):  # less than twice is equal
        model = backbone(name, spacing, (33, 64, 80, 1))
        graphs.append(re.sub(r"_\d+\b", "", re.sub(r'"(keras_tensor|functional)[^"]*"', "", model.to_json())))
    assert graphs[0] == graphs[1] and len(graphs[0]) > 1000


@pytest.mark.slow
def test_every_network_takes_few_slices():
    for name in TINY:
        if name not in ("multistream_tiny", "ild_tiny"):  # valid convolutions; the others pad, or pool what there is
            shapes = [output.shape[1] for output in backbone(name, (10.0, 1.0, 1.0), (7, 96, 96, 1)).outputs]
            assert min(shapes) >= 1, name


def test_layers_by_hand():
    x = keras.Input((12, 16, 16, 2))
    with building(x, (2.0, 1.0, 1.0)):  # nnU-Net halves below twice the finest, which this is not
        assert conv(x, 3, 3, stride=2, name="a").shape == (None, 12, 8, 8, 3)
        assert conv(x, 3, 3, stride=4, name="b").shape == (None, 6, 4, 4, 3)
        assert depthwise_conv(x, 3, stride=2, name="c").shape == (None, 12, 8, 8, 2)
        assert max_pool(x, 2, 2, name="d").shape == average_pool(x, 2, name="e").shape == (None, 12, 8, 8, 2)
        assert max_pool(x, 3, 2, padding="same", name="f").shape == (None, 12, 8, 8, 2)
        assert ceil_pool(x, 2, name="g").shape[2:] == (8, 8, 2)
        again = max_pool(max_pool(x, 2, name="h"), 2, name="i")  # 2 x 2 x 2 mm by now
        assert again.shape == (None, 6, 4, 4, 2)
    with building(x, (1.9, 1.0, 1.0)):
        assert conv(x, 3, 3, stride=2, name="j").shape == (None, 6, 8, 8, 3)
    assert conv(x, 3, 3, stride=2, name="k").shape == (None, 6, 8, 8, 3)  # and outside nothing is known


def test_models_ready_to_fit(tmp_path):
    model = fill(radzoo.create_model("resnet_tiny", SHAPE, classes=2, spacing_mm=THICK))
    assert model.get_layer("head_pool").input.shape[1:-1] == (20, 12, 12)
    image = np.random.default_rng(0).random((1, *SHAPE)).astype("float32")
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        np.asarray(keras.models.load_model(tmp_path / "model.keras")(image)), np.asarray(model(image))
    )
    assert radzoo.create_model("vgg_tiny", SHAPE, classes=2, head="paper", spacing_mm=THICK).output_shape == (None, 2)


@pytest.mark.parametrize(
    "shape, spacing",
    [((64, 64, 1), (1, 1, 1)), ((16, None, None, 1), (5, 1, 1)), (SHAPE, (5, 1)), (SHAPE, (0, 1, 1))],
)
def test_what_has_no_spacing(shape, spacing):
    with pytest.raises(BadInput, match="expected three positive numbers for a volume"):
        radzoo.create_model("resnet_tiny", shape, classes=2, spacing_mm=spacing)


@pytest.mark.slow
def test_inflated_weights(real_weights):
    options = {"classes": 1, "task": "binary", "weights": "imagenet", "inflate": "mean"}
    one, other = (
        radzoo.create_model("mobilenet_v2_035", (24, 96, 96, 1), spacing_mm=each, **options) for each in (THICK, None)
    )
    for ours, theirs in zip(one.weights, other.weights, strict=True):
        if not ours.path.startswith("head"):
            np.testing.assert_array_equal(ours, theirs)
    assert one.get_layer("head_pool").input.shape[1:-1] == (3, 3, 3)
