"""A 2-D network for several views: what the views share, what their order means, and whose weights they have."""

import os
import subprocess
import sys

import fabricate
import keras
import numpy as np
import pytest
from facts import fill

import radzoo
from radzoo import explain
from radzoo.errors import BadInput
from radzoo.features import extractor
from radzoo.heads import create_reported

WAYS = ("late", "mean", "max", "attention")
NAME, SHAPE, VIEWS = "vgg_tiny", (16, 12, 1), 9


def images(count=2, views=VIEWS, seed=0):
    """Noise, louder in some views than in others."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, views, *SHAPE)) * rng.uniform(0.1, 3, (count, views, 1, 1, 1))).astype("float32")


def made(way, views=VIEWS, **more):
    options = {"classes": 3, "task": "multiclass", "streams": way} | more
    return fill(radzoo.create_model(options.pop("name", NAME), (views, *SHAPE), **options))


def features(way, given):
    return np.asarray(extractor(made(way, given.shape[1]))(given))


def test_identical_patches_have_identical_features():
    """SPECS 33.3; and another picture in one view changes the features of that view and of no other."""
    given = np.repeat(images(views=1), VIEWS, axis=1)
    each = features("late", given).reshape(2, VIEWS, -1)
    assert np.ptp(each[:, 0]) > 0.1
    np.testing.assert_allclose(each, np.repeat(each[:, :1], VIEWS, axis=1), rtol=1e-6, atol=1e-6)
    given[:, 4] = images(views=1, seed=1)[:, 0]
    moved = np.abs(features("late", given).reshape(2, VIEWS, -1) - each).max((0, 2)) > 1e-3
    assert np.flatnonzero(moved).tolist() == [4]


@pytest.mark.parametrize("way", WAYS)
def test_the_order_of_views(way):
    given, order = images(), np.random.default_rng(1).permutation(VIEWS)
    before, after = features(way, given), features(way, given[:, order])
    if way == "late":  # the same vectors, in the new order
        before = before.reshape(2, VIEWS, -1)[:, order].reshape(2, -1)
        assert np.abs(features(way, given) - after).max() > 0.1
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("way", ["mean", "max", "attention"])
def test_equal_slices_answer_as_one_of_them(way):
    """With the same weights, the head's included, the 2-D network gives the same probabilities."""
    flat, model = fill(radzoo.create_model(NAME, SHAPE, classes=3)), made(way)
    shared = {weight.path: weight for weight in flat.weights}
    for weight in model.weights:
        if "attention" not in weight.path:
            weight.assign(shared.pop(weight.path))
    assert not shared
    given = images(views=1)
    np.testing.assert_allclose(
        np.asarray(model(np.repeat(given, VIEWS, axis=1))), np.asarray(flat(given[:, 0])), rtol=1e-4, atol=1e-6
    )


def test_views_are_taken_together_by_hand():
    """Mean, maximum and gated attention (Ilse et al., equation 9) of what late fusion leaves apart."""
    given = images()
    each = features("late", given).reshape(2, VIEWS, -1)
    np.testing.assert_allclose(features("mean", given), each.mean(1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(features("max", given), each.max(1), rtol=1e-4, atol=1e-5)
    model = made("attention")
    (v, a), (u, b), (w,) = (
        model.get_layer(f"head_attention_{part}").get_weights() for part in ("content", "gate", "score")
    )
    score = np.exp((np.tanh(each @ v + a) / (1 + np.exp(-(each @ u + b)))) @ w)
    share = score / score.sum(1, keepdims=True)
    said = keras.Model(model.inputs, [model.get_layer(name).output for name in ("head_attention", "head_pool")])(
        [given]
    )
    np.testing.assert_allclose(np.asarray(said[0]), share, rtol=1e-4)
    np.testing.assert_allclose(np.asarray(said[1]), (share * each).sum(1), rtol=1e-4, atol=1e-5)
    assert np.ptp(share) > 1e-3


@pytest.mark.parametrize(
    "way, number",
    [
        ("fold", 1),
        ("conv1x1", 1),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in (("repeat", 1), ("rgb", 3))),
    ],
)
def test_weights_are_those_of_single_images(tmp_path, monkeypatch, way, number):
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    fabricate.weights(tmp_path)
    options = {"classes": 2, "weights": "tests", "channels": way}
    model, report = create_reported("mobilenet_v2_tiny", (5, 32, 32, number), streams="mean", **options)
    flat, same = create_reported("mobilenet_v2_tiny", (32, 32, number), **options)
    assert (report.loaded, report.adapted, report.inflated) == (same.loaded, same.adapted, ())
    for ours, theirs in zip(model.weights, flat.weights, strict=True):
        assert ours.path == theirs.path
        if not ours.path.startswith("head"):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "way, task, classes",
    [("late", "binary", 1), ("mean", "multilabel", 2), ("max", "ordinal", 3), ("attention", "regression", 1)],
)
def test_tasks_covariates_and_reloading(way, task, classes, tmp_path):
    model = made(way, 3, task=task, classes=classes, covariates=2, dropout=0.5)
    given = [images(views=3), np.float32([[0, 1], [2, 3]])]
    said = np.asarray(model(given))
    assert said.shape == (2, classes) and np.isfinite(said).all() and np.abs(said[0] - said[1]).min() > 0
    if task == "ordinal":
        assert (np.diff(said) <= 0).all()
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(keras.models.load_model(tmp_path / "model.keras")(given)), said)


def test_stages_freeze_as_in_one_image():
    from radzoo import norms

    model, flat = made("attention"), fill(radzoo.create_model(NAME, SHAPE, classes=3))
    assert norms.stages(model) == norms.stages(flat)
    norms.freeze(model, "head")
    assert {weight.path.split("/")[0] for weight in model.trainable_weights} == {
        "head_attention_content", "head_attention_gate", "head_attention_score", "head_logits"
    }  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_maps_of_each_view(way):
    """What late, mean and max let through is linear in the maps, so that these add up to the answer."""
    model, given = made(way, 4), images(views=4)
    found = explain.grad_cam(model, given, 1, relu=False)
    assert found.shape == (2, 4, 4, 3) and np.ptp(found) > 0
    logits = keras.Model(model.inputs, model.get_layer("head_logits").output)([given])
    bias = model.get_layer("head_logits").get_weights()[1]
    if way != "attention":
        np.testing.assert_allclose(found.sum((1, 2, 3)), np.asarray(logits)[:, 1] - bias[1], rtol=1e-3, atol=1e-4)
    if way == "mean":
        np.testing.assert_allclose(found * found[0].size, explain.cam(model, given, 1), rtol=1e-3, atol=1e-3)
    else:
        with pytest.raises(BadInput, match="does not end in global average pooling"):
            explain.cam(model, given, 1)


def test_a_map_shows_the_view_that_counts():
    """The maximum passes what one view says: the views that lose in every channel have an empty map."""
    model, given = made("max", 3), images(1, 3)
    found = np.abs(explain.grad_cam(model, given, 0, relu=False)).sum((2, 3))[0]
    each = np.asarray(extractor(made("late", 3))(given)).reshape(3, -1)
    kernel = model.get_layer("head_logits").get_weights()[0][:, 0]
    wins = np.array([np.abs(each[view] * kernel)[each.argmax(0) == view].sum() for view in range(3)])
    assert ((found > 1e-6) == (wins > 1e-6)).all()


@pytest.mark.parametrize(
    "name, shape, options, message",
    [
        (NAME, (5, 32, 32, 1), {"streams": "latest"}, "streams='latest' came, expected none, late, mean, max, att"),
        (NAME, (32, 32, 1), {}, r"came for the input \(32, 32, 1\), expected \(views, h, w, channels\)"),
        (NAME, (5, None, None, 1), {}, "expected .*all fixed"),
        (NAME, (5, 32, 32, 1), {"inflate": "mean"}, "inflate='mean' came with streams='late': a stream is 2-D"),
        (NAME, (5, 32, 32, 1), {"head": "paper"}, "head='paper' came with streams='late'"),
        (NAME, (5, 32, 32, 1), {"spacing_mm": (5, 1, 1)}, "no stride acts across views"),
        ("multistream_late", (9, 64, 64, 1), {}, "multistream_late has streams of its own"),
    ],
)
def test_bad_arguments(name, shape, options, message):
    with pytest.raises(BadInput, match=message):
        radzoo.create_model(name, shape, classes=2, **{"streams": "late", **options})


@pytest.mark.slow
def test_attention_learns_which_view_to_look_at():
    """The label is a bright spot in one view of nine, another in each image: the attention goes there."""
    rng = np.random.default_rng(0)
    given, labels = rng.normal(0, 0.3, (96, VIEWS, *SHAPE)).astype("float32"), np.arange(96) % 2
    where = rng.integers(VIEWS, size=96)
    for i in np.flatnonzero(labels):
        given[i, where[i], 4:10, 3:9] += 2
    keras.utils.set_random_seed(0)
    model = radzoo.create_model(NAME, (VIEWS, *SHAPE), classes=1, task="binary", streams="attention")
    model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy")
    model.fit(given, labels[:, None], batch_size=16, epochs=25, verbose=0)
    assert ((model.predict(given, verbose=0)[:, 0] > 0.5) == labels).mean() > 0.95
    share = keras.Model(model.inputs, model.get_layer("head_attention").output).predict(given, verbose=0)[..., 0]
    sick = labels == 1
    assert (share[sick].argmax(1) == where[sick]).mean() > 0.9 and share[sick].max(1).mean() > 0.5


@pytest.mark.slow
def test_jax_says_the_same(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "import numpy as np; from test_streams import WAYS, explain, images, made;"
        "given = images(views=4);"
        "np.savez(sys.argv[2], **{way: np.asarray(made(way, 4)(given)) for way in WAYS},"
        " cam=explain.grad_cam(made('attention', 4), given, 1, relu=False))"
    )
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    arguments = [os.path.dirname(__file__), str(tmp_path / "said.npz")]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, env=environment, timeout=600)
    given, said = images(views=4), np.load(tmp_path / "said.npz")
    for way in WAYS:
        np.testing.assert_allclose(said[way], np.asarray(made(way, 4)(given)), rtol=1e-3, atol=1e-5)
    expected = explain.grad_cam(made("attention", 4), given, 1, relu=False)
    np.testing.assert_allclose(said["cam"], expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in radzoo.list_models("*_tiny") if not n.startswith("multistream")])
def test_every_backbone_can_be_a_stream(name):
    model = fill(radzoo.create_model(name, (3, 96, 96, 1), classes=2, streams="late"))
    flat = fill(radzoo.create_model(name, (96, 96, 1), classes=2))
    given = np.random.default_rng(0).random((1, 3, 96, 96, 1)).astype("float32")
    each = np.asarray(extractor(model)(given)).reshape(3, -1)
    np.testing.assert_allclose(each, np.asarray(extractor(flat)(given[0])), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_real_weights(real_weights):
    """MobileNetV2 of ImageNet, grey folded: each slice of a volume has the features of the slice alone."""
    options = {"classes": 1, "task": "binary", "weights": "imagenet"}
    given = np.random.RandomState(1).rand(1, 4, 64, 48, 1).astype("float32")
    model = radzoo.create_model("mobilenet_v2_035", given.shape[1:], streams="late", **options)
    flat = radzoo.create_model("mobilenet_v2_035", given.shape[2:], **options)
    each = np.asarray(extractor(model)(given)).reshape(4, -1)
    np.testing.assert_allclose(each, np.asarray(extractor(flat)(given[0])), rtol=1e-4, atol=1e-5)
