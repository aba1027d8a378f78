"""CAM and Grad-CAM: against each other, against finite differences, and over every registered classifier."""

import os
import subprocess
import sys

import cv2
import keras
import numpy as np
import pytest
from facts import fill
from keras import layers, ops

import radzoo
from radzoo import explain, registry
from radzoo.errors import BadInput

TINY = [name for name in radzoo.list_models(kind="classification") if "tiny" in name]
SIZES = {2: ((48, 48), (64, 64), (96, 96), (128, 128), (224, 224)), 3: ((32, 48, 48), (64, 64, 64), (96, 96, 96))}


def images(shape, count=2, seed=0):
    return np.random.default_rng(seed).random((count, *shape)).astype("float32")


def gap(channels=1, rank=2, classes=3, covariates=0):
    """A network of two convolutions, global average pooling and one dense layer, with scattered weights."""
    image = keras.Input((12,) * rank + (channels,), name="image")
    conv = getattr(layers, f"Conv{rank}D")
    x = layers.BatchNormalization(name="stem_norm")(conv(4, 3, padding="same", name="stem_conv")(image))
    x = layers.ReLU(name="stem_relu")(x)
    y = layers.ReLU(name="stage1_relu")(conv(4, 3, padding="same", name="stage1_conv")(x))
    x = layers.Add(name="stage1_add")([x, y])
    x, given = getattr(layers, f"GlobalAveragePooling{rank}D")(name="head_pool")(x), image
    if covariates:
        given = [image, keras.Input((covariates,), name="covariates")]
        x = layers.Concatenate(name="head_beside")([x, given[1]])
    x = layers.Dense(classes, name="head_logits")(x)
    return fill(keras.Model(given, layers.Activation("softmax", name="head")(x), name="little"))


def logits(model, given):
    return ops.convert_to_numpy(keras.Model(model.inputs, model.get_layer("head").input)([given], training=False))


@pytest.mark.parametrize("rank", [2, 3])
def test_grad_cam_of_a_gap_network_is_cam_over_the_places(rank):
    model, given = gap(rank=rank), images((12,) * rank + (1,), 5)
    for output in (None, 0, 2, [2, 0, 1, 1, 0]):
        cam = explain.cam(model, given, output)
        grad = explain.grad_cam(model, given, output, relu=False)
        assert grad.shape == (5, *(12,) * rank) and grad.dtype == cam.dtype == np.float32
        np.testing.assert_allclose(grad, cam / 12**rank, atol=1e-5 * np.abs(cam).max() / 12**rank)
        chosen = logits(model, given).argmax(1) if output is None else np.broadcast_to(output, 5)
        bias = model.get_layer("head_logits").get_weights()[1]
        axes = tuple(range(1, rank + 1))
        np.testing.assert_allclose(grad.sum(axes) + bias[chosen], logits(model, given)[range(5), chosen], rtol=1e-4)
    np.testing.assert_array_equal(
        explain.grad_cam(model, given, 1), np.maximum(explain.grad_cam(model, given, 1, relu=False), 0)
    )


def test_gradients_are_finite_differences_on_any_layer():
    """Inside a residual block the way around the layer must stay open. A bias moves all places of a channel at once."""
    model, given = gap(), images((12, 12, 1), 1)
    layer, step = model.get_layer("stage1_conv"), 1e-2
    feature = ops.convert_to_numpy(keras.Model(model.inputs, layer.output)([given]))
    kernel, bias = layer.get_weights()
    moved = []
    for channel in range(4):
        ends = []
        for sign in (1, -1):
            layer.set_weights([kernel, bias + sign * step * np.eye(4)[channel]])
            ends.append(logits(model, given)[0, 1])
        moved.append((ends[0] - ends[1]) / (2 * step) / 144)
    layer.set_weights([kernel, bias])
    found = explain.grad_cam(model, given, 1, layer="stage1_conv", relu=False)
    expected = (feature * np.array(moved, "float32")).sum(-1)
    np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())


def test_batches_and_outputs_stay_with_their_images(monkeypatch):
    model, given = gap(), images((12, 12, 1), 5)
    whole = explain.grad_cam(model, given, [0, 1, 2, 1, 0])
    monkeypatch.setattr(explain.graph, "BATCH", 2)
    np.testing.assert_allclose(explain.grad_cam(model, given, [0, 1, 2, 1, 0]), whole, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(
        explain.cam(model, given, [0, 1, 2, 1, 0])[3], explain.cam(model, given[3:4], 1)[0], rtol=1e-4
    )


def test_softmax_does_not_flatten_the_gradient():
    """A sure network has no gradient after its softmax; before it, scale does not matter."""
    model, given = gap(), images((12, 12, 1))
    before = explain.grad_cam(model, given, 0, relu=False)
    dense = model.get_layer("head_logits")
    dense.set_weights([1000 * each for each in dense.get_weights()])
    np.testing.assert_allclose(explain.grad_cam(model, given, 0, relu=False), 1000 * before, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("head", ["pool", "paper"])
@pytest.mark.parametrize("name", TINY)
def test_every_classifier(name, head, rank):
    model, backbone = built(name, head, rank)
    given = [images(each.shape[1:]) for each in model.inputs]
    found = explain.grad_cam(model, given if len(given) > 1 else given[0], relu=False)
    assert found.shape == (2, *backbone.outputs[-1].shape[1:-1]) and found.shape[1] * found.shape[2] > 1
    assert np.isfinite(found).all() and np.ptp(found) > 0
    if head == "pool":
        cam = explain.cam(model, given if len(given) > 1 else given[0])
        places = np.prod(found.shape[1:])
        np.testing.assert_allclose(found * places, cam, atol=1e-5 * np.abs(cam).max())


def built(name, head, rank):
    """The smallest size that the network takes, and has more than one place at its end."""
    if head == "paper" and registry._builder(name)[0].end is None:
        pytest.skip(f"{name} has no end of its own")
    for size in SIZES[rank]:
        try:
            backbone = radzoo.build(name, (*size, 3))
            if min(backbone.outputs[-1].shape[1:3]) > 1:
                return fill(radzoo.create_model(name, (*size, 3), classes=3, head=head)), backbone
        except BadInput as error:
            refused = error
    raise AssertionError(f"{name} takes none of the sizes: {refused}")


def test_the_end_of_a_paper_with_covariates():
    model = fill(radzoo.create_model("liver_fibrosis_tiny", (48, 48, 1), classes=5, head="paper", covariates=2))
    found = explain.grad_cam(model, [images((48, 48, 1)), images((2,))], 4, relu=False)
    assert found.ndim == 3 and np.isfinite(found).all() and np.ptp(found) > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["googlenet", "inception_v3", "resnet50", "densenet121"])
def test_full_size_networks(name):
    model = radzoo.create_model(name, (224, 224, 3), classes=3)
    found = explain.grad_cam(model, images((224, 224, 3)), relu=False)
    assert found.shape == ((2, 5, 5) if name == "inception_v3" else (2, 7, 7))
    cam = explain.cam(model, images((224, 224, 3)))
    np.testing.assert_allclose(found * found[0].size, cam, atol=1e-4 * np.abs(cam).max())


@pytest.mark.parametrize(("task", "classes"), [("binary", 1), ("ordinal", 3), ("regression", 1), ("multilabel", 4)])
def test_tasks_and_covariates(task, classes):
    model = fill(radzoo.create_model("squeezenet_tiny", (48, 48, 1), classes=classes, task=task, covariates=2))
    given = [images((48, 48, 1)), images((2,))]
    found = explain.grad_cam(model, dict(zip(("image", "covariates"), given, strict=True)), classes - 1, relu=False)
    cam = explain.cam(model, given, classes - 1)
    np.testing.assert_allclose(found * found[0].size, cam, atol=1e-5 * np.abs(cam).max())


def test_a_linear_classifier_on_pooled_features_has_a_cam():
    from radzoo.features import extractor

    model = fill(radzoo.create_model("densenet_tiny", (48, 48, 1), classes=3))
    given, kernel = images((48, 48, 1)), model.get_layer("head_logits").get_weights()[0]
    np.testing.assert_allclose(
        explain.cam(extractor(model), given, weights=kernel[:, 2]), explain.cam(model, given, 2), rtol=1e-4, atol=1e-5
    )
    with pytest.raises(BadInput, match="5 weights came, expected one for each of the 32 pooled features"):
        explain.cam(extractor(model), given, weights=np.zeros(5))


def test_explaining_leaves_the_model_as_it_was(tmp_path):
    model, given = gap(), images((12, 12, 1))
    before = [each.copy() for each in model.get_weights()], logits(model, given)
    explain.grad_cam(model, given, 0, layer="stage1_conv")
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(logits(again, given), before[1])
    assert all(np.array_equal(a, b) for a, b in zip(before[0], model.get_weights(), strict=True))


BAD = {
    "no such layer": (lambda m, x: explain.grad_cam(m, x, layer="stage1_cnv"), "did you mean stage1_conv"),
    "a flat layer": (lambda m, x: explain.grad_cam(m, x, layer="head_pool"), "'head_pool' of little gives no feature"),
    "no such output": (lambda m, x: explain.grad_cam(m, x, 3), "output 3 came, expected 0 to 2"),
    "a negative output": (lambda m, x: explain.cam(m, x, -1), "output -1 came, expected 0 to 2"),
    "outputs of other images": (lambda m, x: explain.grad_cam(m, x, [0, 1, 2]), "one number, or one for each image"),
    "a fraction": (lambda m, x: explain.grad_cam(m, x, 0.5), "output 0.5 came"),
    "another size": (lambda m, x: explain.cam(m, x[:, :8]), r"image \(2, 8, 12, 1\) came, little expects \(n, 12"),
    "no images": (lambda m, x: explain.grad_cam(m, x[:0]), r"\(0, 12, 12, 1\) came"),
    "one image alone": (lambda m, x: explain.cam(m, x[0]), r"\(12, 12, 1\) came"),
    "other inputs": (lambda m, x: explain.cam(m, {"picture": x}), "inputs picture came, little has image"),
    "maps of another rank": (lambda m, x: explain.resize(x, (24, 24)), r"maps \(2, 12, 12, 1\) came for images of"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, message = BAD[case]
    with pytest.raises(BadInput, match=message):
        call(gap(), images((12, 12, 1)))


def test_networks_that_have_no_map():
    dense = fill(radzoo.create_model("squeezenet_tiny", (48, 48, 1), classes=3, head="paper"))
    with pytest.raises(BadInput, match=r"does not end in global average pooling and one dense layer.*use grad_cam"):
        explain.cam(dense, images((48, 48, 1)))
    words = keras.Input((7,), name="tokens")
    flat = layers.Activation("sigmoid", name="head")(layers.Dense(1, name="head_logits")(words))
    with pytest.raises(BadInput, match="no feature maps before its head"):
        explain.grad_cam(keras.Model(words, flat, name="text"), images((7,)))
    with pytest.raises(BadInput, match="no layer 'head': expected a model of create_model"):
        explain.grad_cam(radzoo.build("squeezenet_tiny", (48, 48, 1)), images((48, 48, 1)))


def test_resize_is_linear_with_half_pixel_centres():
    maps = images((5, 7), 2)
    expected = [cv2.resize(each, (31, 20), interpolation=cv2.INTER_LINEAR) for each in maps]
    np.testing.assert_allclose(explain.resize(maps, (20, 31)), expected, atol=1e-5)
    from scipy.ndimage import zoom

    volume = images((3, 4, 5), 1)
    expected = zoom(volume[0], 3, order=1, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(explain.resize(volume, (9, 12, 15))[0], expected, atol=1e-5)
    assert explain.resize(np.full((1, 1, 1), 3.0), (4, 4)).tolist() == [[[3.0] * 4] * 4]


def test_overlay_colours_only_what_raised_the_output():
    image, heat = np.full((64, 64), 0.5, "float32"), np.zeros((4, 4), "float32")
    heat[1, 1], heat[3, 3] = 2, -9
    mixed = explain.overlay(image, heat)
    assert mixed.shape == (64, 64, 3) and mixed.min() >= 0 and mixed.max() <= 1
    np.testing.assert_array_equal(mixed[-16:, -16:], 0.5)  # what lowers the output stays grey
    assert np.ptp(mixed[24, 24]) > 0.3  # the middle of the hot place is coloured
    weak = explain.overlay(image, heat, peak=20.0)
    assert 0 < np.ptp(weak[24, 24]) < np.ptp(mixed[24, 24]) / 2  # on a common scale it is pale
    np.testing.assert_array_equal(explain.overlay(image[..., None], np.zeros((4, 4))), 0.5)


@pytest.mark.slow
def test_jax_says_the_same(tmp_path):
    """A network with a second input, and a layer that a residual connection goes around; the model stays whole."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "import numpy as np; from test_explain import gap, images; from radzoo import explain;"
        "model, given = gap(covariates=2), [images((12, 12, 1)), images((2,))];"
        "found = explain.grad_cam(model, given, 1, layer='stage1_conv', relu=False);"
        "model.save(sys.argv[2] + '/model.keras'); np.save(sys.argv[2] + '/map.npy', found)"
    )
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    arguments = [os.path.dirname(__file__), str(tmp_path)]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, env=environment, timeout=600)
    given = [images((12, 12, 1)), images((2,))]
    expected = explain.grad_cam(gap(covariates=2), given, 1, layer="stage1_conv", relu=False)
    np.testing.assert_allclose(np.load(tmp_path / "map.npy"), expected, atol=1e-5 * np.abs(expected).max())
