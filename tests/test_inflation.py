"""2-D weights in 3-D networks: a volume of equal slices answers as its slice does, for every registered family."""

import dataclasses

import fabricate
import keras
import numpy as np
import pytest
from facts import VIEWS, fill

import radzoo
from radzoo import channels, inflation, registry, weights
from radzoo.heads import create_reported
from radzoo.images.input import Input
from radzoo.weights.report import assign

TINY = [name for name in radzoo.list_models(kind="classification") if name.endswith("_tiny") and name not in VIEWS]
IMAGENET = Input(shape=(32, 32, 3), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
# Slices, so many that the padding of no layer reaches the middle one: more for larger strides and kernels.
DEPTH = {"googlenet_tiny": 192, "googlenet_bn_tiny": 192, "zfnet_tiny": 192, "inception_tiny": 448}


def test_kernels_by_hand():
    flat = np.arange(6.0).reshape(1, 2, 3, 1)  # (h, w, in, out)
    mean = inflation.kernel(flat, 4, 0, "mean")
    assert mean.shape == (4, 1, 2, 3, 1)
    np.testing.assert_allclose(mean[2, 0, :, :, 0], [[0, 0.25, 0.5], [0.75, 1, 1.25]])
    for depth, middle in ((1, 0), (2, 0), (3, 1), (4, 1), (5, 2)):  # of an even depth the first of the two
        center = inflation.kernel(flat, depth, 2, "center")
        assert center.shape == (1, 2, depth, 3, 1)
        np.testing.assert_array_equal(center[:, :, middle], flat)
        assert np.count_nonzero(center) == 5
    np.testing.assert_allclose(inflation.kernel(flat, 3, 1, "mean").sum(1), flat)


def features(name, shape, way, flat, how=None, axis=0):
    """The features of `name` on `shape` with the weights of the 2-D RGB model `flat`, inflated where `how` is given."""
    image = keras.Input((*shape, channels.count(way)))
    model = keras.Model(image, list(registry.backbone(name, channels.entry(image, way, IMAGENET))))
    named = {weight.path: weight.numpy() for weight in flat.weights}
    stem = next(key for key in named if named[key].ndim == 4)
    named[stem] = channels.adapt(named[stem], way, IMAGENET)
    if how:
        named, inflated = inflation.inflate(named, model, how, axis)
        kernels = [w.path for w in model.weights if len(w.shape) == 5 or "_depthwise_z" in w.path]
        assert sorted(inflated) == sorted(kernels) and inflated
    assign(model, named, "test", [w.path for w in model.weights if w.path.startswith("channels_")])
    return model


def slices(volume, axis):
    """Feature maps of the first image of a batch, with the inflated axis first."""
    return np.moveaxis(np.asarray(volume)[0], axis, 0)


def off(name, how, axis, way="fold", depth=None):
    """By how much each slice of each feature map differs from the 2-D map, as a part of its maximum."""
    source = fill(radzoo.build(name, IMAGENET.shape))
    flat = features(name, (32, 32), way, source)
    depth = depth or DEPTH.get(name, 96)
    shape = [32, 32]
    shape.insert(axis, depth)
    volume = features(name, shape, way, source, how, axis)
    image = np.random.RandomState(1).randn(1, 32, 32, channels.count(way)).astype("float32")
    ours = volume(np.repeat(np.expand_dims(image, 1 + axis), depth, 1 + axis), training=False)
    theirs = flat(image, training=False)
    pairs = zip(*(x if isinstance(x, list) else [x] for x in (ours, theirs)), strict=True)
    return [[np.abs(z - y[0]).max() / np.abs(y).max() for z in slices(x, axis)] for x, y in
            ((x, np.asarray(y)) for x, y in pairs)]  # fmt: skip


@pytest.mark.parametrize("name", TINY)
def test_equal_slices_answer_as_one_of_them(name):
    """`mean` away from the border, on a grey image with its plane of ones; `center` everywhere, on an RGB image."""
    for each in off(name, "mean", 0):
        assert each[len(each) // 2] <= 2e-5
    for each in off(name, "center", 1, "rgb", depth=32):
        assert max(each) <= 2e-5


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("name", ["mobilenet_v2_tiny", "squeezenet_tiny"])
def test_any_axis(name, axis):
    """Depthwise convolutions, which are sums over z, included."""
    for each in off(name, "mean", axis):
        assert each[len(each) // 2] <= 2e-5
    for each in off(name, "center", 2 if axis == 1 else 0, "repeat", depth=32):
        assert max(each) <= 2e-5


def test_the_border_is_not_the_same():
    """Zero padding takes its part of a mean: what is measured in the middle above can fail."""
    for each in off("densenet_tiny", "mean", 0):
        assert each[0] > 0.05 and each[-1] > 0.05


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    fabricate.weights(tmp_path)
    return tmp_path


@pytest.mark.parametrize("way, number", [("fold", 1), ("repeat", 1), ("conv1x1", 1), ("rgb", 3), ("phases", 3), (2, 2)])
def test_models_ready_to_fit(shelf, way, number):
    """2-D weights into a 3-D task model, with every way of the channels; the report names every weight once."""
    model, report = create_reported(
        "mobilenet_v2_tiny", (64, 32, 32, number), classes=2, weights="tests", channels=way, inflate="mean"
    )
    flat = radzoo.create_model("mobilenet_v2_tiny", (32, 32, number), classes=2, weights="tests", channels=way)
    named = [*report.loaded, *report.adapted, *report.inflated, *report.initialised]
    assert sorted(named) == sorted(w.path for w in model.weights)
    assert len(report.adapted) == (way in ("fold", 2)) and f"{len(report.inflated)} inflated" in str(report)
    assert {path for path in report.inflated if "_z" in path} >= {
        f"stem_block1_depthwise_z{z}/kernel" for z in range(3)
    }
    image = np.random.RandomState(1).rand(1, 32, 32, number).astype("float32")
    inner = [keras.Model(m.input, m.get_layer("stage1_block1_depthwise_relu").output) for m in (model, flat)]
    ours = slices(inner[0](np.repeat(image[:, None], 64, 1), training=False), 0)
    theirs = np.asarray(inner[1](image, training=False))[0]
    assert np.abs(ours[len(ours) // 2] - theirs).max() <= 1e-5 * np.abs(theirs).max()


@pytest.mark.parametrize(
    "shape, options, message",
    [
        ((16, 32, 32, 1), {}, "2-D weights came for the volume .*inflate='mean' or inflate='center'"),
        ((16, 32, 32, 1), {"inflate": "average"}, "inflate='average' came, expected 'mean' or 'center'"),
        ((16, 32, 32, 1), {"inflate": "mean", "axis": 3}, "axis=3 came, expected 0, 1 or 2"),
        ((32, 32, 1), {"inflate": "mean"}, r"in a 3-D network, not for the input \(32, 32, 1\)"),
        ((16, 32, 32, 1), {"inflate": "mean", "weights": None}, "is for 2-D weights"),
        ((16, 32, 32, 1), {"inflate": "mean", "head": "paper"}, "use head='pool'"),
    ],
)
def test_bad_arguments(shelf, shape, options, message):
    with pytest.raises(radzoo.BadInput, match=message):
        radzoo.create_model("mobilenet_v2_tiny", shape, classes=2, **{"weights": "tests", **options})


def test_volume_weights_are_not_inflated(tmp_path, monkeypatch):
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    spec = dataclasses.replace(IMAGENET, shape=(16, 32, 32, 3))
    fabricate.weights(tmp_path)
    (tmp_path / "mobilenet_v2_tiny.tests.safetensors").unlink()
    volume = fill(radzoo.build("mobilenet_v2_tiny", spec.shape))
    weights.save(volume, tmp_path / "mobilenet_v2_tiny.tests.safetensors")
    manifest = dataclasses.replace(weights.find("mobilenet_v2_tiny.tests"), input=spec)
    (tmp_path / "mobilenet_v2_tiny.tests.json").write_text(manifest.to_json(), encoding="utf-8")
    model = radzoo.create_model("mobilenet_v2_tiny", (16, 32, 32, 1), classes=2, weights="tests")
    assert len(model.get_layer("stem_conv").kernel.shape) == 5
    with pytest.raises(radzoo.BadInput, match="is for 2-D weights"):
        radzoo.create_model("mobilenet_v2_tiny", (16, 32, 32, 1), classes=2, weights="tests", inflate="mean")


@pytest.mark.slow
@pytest.mark.parametrize("how, axis", [("mean", 0), ("center", 2)])
def test_real_weights(real_weights, how, axis):
    """MobileNetV2 of ImageNet on a grey volume: the pooled features of the inflated network away from the border."""
    name, shape = "mobilenet_v2_035", [64, 64, 1]
    shape.insert(axis, 160)
    model = radzoo.create_model(
        name, tuple(shape), classes=1, task="binary", weights="imagenet", inflate=how, axis=axis
    )
    flat = radzoo.create_model(name, (64, 64, 1), classes=1, task="binary", weights="imagenet")
    layer = "stage2_block1_depthwise_relu"
    image = np.random.RandomState(1).rand(1, 64, 64, 1).astype("float32")
    ours = keras.Model(model.input, model.get_layer(layer).output)(
        np.repeat(np.expand_dims(image, 1 + axis), 160, 1 + axis), training=False
    )
    theirs = np.asarray(keras.Model(flat.input, flat.get_layer(layer).output)(image, training=False))[0]
    ours = slices(ours, axis)
    assert np.abs(ours[len(ours) // 2] - theirs).max() <= 1e-5 * np.abs(theirs).max()
