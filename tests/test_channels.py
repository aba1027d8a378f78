"""Grey into RGB: `fold`, `repeat` and the fresh `conv1x1` are the same function of the same pixels."""

import fabricate
import keras
import numpy as np
import pytest
from facts import fill

import radzoo
from radzoo import channels
from radzoo.images.input import Input

SPECS = {
    "imagenet": Input(shape=(64, 64, 3), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "caffe": Input(shape=(64, 64, 3), scale=255, mean=(103.939, 116.779, 123.68), order="bgr"),
    "plusminus": Input(shape=(64, 64, 3), scale=255, mean=(127.5,), std=(127.5,)),
}
TINY = [name for name in radzoo.list_models(kind="classification") if name.endswith("_tiny")]
FEW = ("densenet_tiny", "mobilenet_v2_tiny", "squeezenet_tiny")  # padding of three kinds: torch's, TensorFlow's, none


def maps(name, way, spec, shape, source):
    """All feature maps of `source` (RGB weights) adapted to `way`, for one grey image fed through its own spec."""
    image = keras.Input((*shape, channels.count(way)))
    model = keras.Model(image, list(radzoo.registry.backbone(name, channels.entry(image, way, spec))))
    given = {layer.name: layer.get_weights() for layer in source.layers}
    for layer in model.layers:
        if layer.name in given:
            values = given[layer.name]
            if values and values[0].shape != layer.get_weights()[0].shape:
                values = [channels.adapt(values[0], way, spec), *values[1:]]
            layer.set_weights(values)
    grey = np.random.RandomState(0).rand(2, *shape, 1).astype("float32")
    adapted = channels.adapted_spec(spec, way)
    outputs = model(adapted.normalise(np.repeat(grey, channels.count(way), -1)))
    return [np.array(x) for x in (outputs if isinstance(outputs, list) else [outputs])]


CASES = [(name, "imagenet", (64, 64)) for name in TINY]  # 3-D of every family: test_inflation.py
CASES += [(name, spec, shape) for name in FEW for spec in SPECS for shape in ((64, 64), (16, 32, 32))]


@pytest.mark.parametrize("name, spec, shape", sorted(set(CASES)))
def test_fold_equals_repeat_everywhere(name, spec, shape):
    source = fill(radzoo.build(name, (*shape, 3)))
    reference = maps(name, "rgb", SPECS[spec], shape, source)  # three equal channels through the unchanged network
    for way in ("repeat", "fold", "conv1x1"):
        for ours, theirs in zip(maps(name, way, SPECS[spec], shape, source), reference, strict=True):
            assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max(), way


def test_plain_sum_of_kernels_is_not_good_enough():
    """What the peers do (sum the kernels, average mean and std) is off by far more: the test above can fail."""
    spec = SPECS["imagenet"]
    source = fill(radzoo.build("densenet_tiny", (64, 64, 3)))
    right = maps("densenet_tiny", "rgb", spec, (64, 64), source)[0]
    plain = fill(radzoo.build("densenet_tiny", (64, 64, 1)))
    for layer in plain.layers:
        values = source.get_layer(layer.name).get_weights() if layer.weights else []
        if layer.name == "stem_conv":
            values = [values[0].sum(-2, keepdims=True)]
        layer.set_weights(values)
    grey = np.random.RandomState(0).rand(2, 64, 64, 1).astype("float32")
    wrong = np.array(plain(channels.adapted_spec(spec, "fold").normalise(grey))[0])
    assert np.abs(wrong - right).max() > 1e-2 * np.abs(right).max()


def test_count_keeps_the_response_to_grey():
    """k equal channels through the k-channel kernel answer like one grey channel through the mean kernel times 3."""
    kernel = np.random.RandomState(0).standard_normal((3, 3, 3, 5))
    for k in (1, 2, 4, 7):
        adapted = channels.adapt(kernel, k, SPECS["plusminus"])
        assert adapted.shape == (3, 3, k, 5)
        np.testing.assert_allclose(adapted.sum(-2), kernel.sum(-2), rtol=1e-5)


def test_adapted_spec_by_hand():
    spec = channels.adapted_spec(SPECS["imagenet"], "fold")
    assert spec.shape == (64, 64, 1)
    np.testing.assert_allclose(spec.mean, (0.485 + 0.456 + 0.406) / 3)
    np.testing.assert_allclose(spec.std, (0.229 + 0.224 + 0.225) / 3)
    assert channels.adapted_spec(SPECS["caffe"], "rgb") == SPECS["caffe"]
    assert channels.adapted_spec(SPECS["caffe"], 4).shape == (64, 64, 4)


def test_equal_means_need_no_plane_of_ones():
    image = keras.Input((64, 64, 1))
    assert channels.entry(image, "fold", SPECS["plusminus"]) is image
    assert channels.entry(image, "fold", SPECS["imagenet"]).shape[-1] == 2


def test_conv1x1_is_learned_and_repeat_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    fabricate.weights(tmp_path)
    for way, count in (("conv1x1", 2), ("repeat", 0)):
        model = radzoo.create_model("mobilenet_v2_tiny", (32, 32, 1), classes=2, weights="tests", channels=way)
        assert sum(w.path.startswith("channels") for w in model.trainable_weights) == count


def test_what_several_channels_mean():
    assert [channels.way(way, 3) for way in ("fold", "rgb", "windows", "phases", 3)] == ["rgb"] * 4 + [3]
    assert [channels.way(way, 2) for way in ("fold", "windows", "phases", 2)] == ["fold", 2, 2, 2]
    assert channels.way("phases", 1) == 1


@pytest.mark.parametrize("bad", ["fould", 0, -1, "grey", True, 1.5])
def test_unknown_channels(bad):
    with pytest.raises(radzoo.BadInput, match="expected repeat"):
        channels.count(bad)
