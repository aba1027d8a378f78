"""`task="restoration"`: a decoder with a linear head on any backbone, and the networks that end so by themselves."""

import fabricate
import keras
import numpy as np
import pytest
from facts import fill

import radzoo
from radzoo.heads import create_reported
from radzoo.losses import squared_error
from radzoo.norms import stages

SMALL = (8, 6, 4)
BACKBONES = radzoo.list_models("*_tiny", kind="classification")
QUICK = ["vgg_tiny", "unet_same_tiny"]
OWN_END = [n for n in radzoo.list_models("*_tiny", kind="segmentation") if n not in ("unet_tiny", "unet3d_tiny")]


def noise(shape, seed=0) -> np.ndarray:
    return np.random.RandomState(seed).rand(2, *shape).astype("float32")


def restorer(name, shape=(32, 32, 1), classes=1, **options):
    return radzoo.create_model(name, shape, classes=classes, task="restoration", **options)


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in BACKBONES])
def test_every_backbone_restores(name):
    """Odd sizes, even sizes, volumes; an image of any sign in float32, by itself or added to what came."""
    for shape in [(33, 47, 1), (64, 48, 1)] + [(16, 33, 40, 1)] * (name != "multistream_tiny"):
        model = fill(restorer(name, shape))
        assert model.output_shape == (None, *shape) and model.output_names == ["head"]
        assert stages(model)[-2].startswith("decoder")
    residual = fill(restorer(name, shape, residual=True))
    given = noise(shape)
    direct, added = (np.asarray(each(given, training=False)) for each in (model, residual))
    assert direct.dtype == np.float32 and direct.std() > 0.01
    np.testing.assert_allclose(added - direct, given, atol=1e-5 * max(1, np.abs(direct).max()))


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in OWN_END])
def test_segmentation_networks_end_linear(name):
    """A U-Net for pseudo-CT: the network's own end without softmax."""
    classes = 2 if name == "unet_wdk24_tiny" else 1
    model = fill(restorer(name, (64, 64, 2), classes=classes))
    assert model.output_shape == (None, 64, 64, classes)
    assert model.get_layer("head").activation is keras.activations.linear


def test_three_dimensional_unet_for_pseudo_ct():
    """Leynes: patches of two channels (fat, water), one linear output, the size of the patch."""
    model = restorer("unet3d_tiny", (12, 16, 16, 2), padding="same", bn="full")
    assert model.output_shape == (None, 12, 16, 16, 1)
    assert model.get_layer("head").activation is keras.activations.linear


def test_weights_of_the_backbone_are_loaded(tmp_path, monkeypatch):
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    fabricate.weights(tmp_path, "vgg_tiny")
    model, report = create_reported(
        "vgg_tiny", (32, 32, 1), classes=1, task="restoration", weights="tests", residual=True
    )
    assert {path.split("_")[0].rstrip("0123456789") for path in report.initialised} == {"decoder", "head"}
    last = model.get_layer("head_logits")
    last.set_weights([np.zeros_like(weight) for weight in last.get_weights()])
    given = noise((32, 32, 1))
    seen = radzoo.input_spec("vgg_tiny.tests").normalise(given)
    np.testing.assert_allclose(model(seen, training=False), given, atol=1e-6)  # the image itself, in the target's 0..1


def test_half_precision_adds_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert restorer("unet_same_tiny").get_layer("head_logits").compute_dtype == "float32"
        model = restorer("vgg_tiny", residual=True)
        assert model.get_layer("decoder1_1_conv").compute_dtype == "bfloat16"
        last = model.get_layer("head_logits")
        last.set_weights([np.zeros_like(weight) for weight in last.get_weights()])
        np.testing.assert_array_equal(model(noise((32, 32, 1)), training=False), noise((32, 32, 1)))
    finally:
        keras.config.set_dtype_policy("float32")


def test_the_finest_stage_sees_the_pixels():
    """Behind a stem of stride 2 the image joins the last stage; a network with maps of its size needs no more."""
    joined = restorer("resnet_tiny", decoder=SMALL)
    assert [tensor.shape[1:] for tensor in joined.get_layer("decoder3_concat").input] == [(32, 32, 6), (32, 32, 1)]
    masks = radzoo.create_model("resnet_tiny", (32, 32, 1), classes=2, task="segmentation")
    assert "decoder3_concat" not in {layer.name for layer in masks.layers}
    own = restorer("vgg_tiny")
    assert [tensor.shape[-1] for tensor in own.get_layer("decoder2_concat").input][1] == 8  # the stem's map


@pytest.mark.slow
def test_noise_is_learnt_away():
    """Squares on grey in noise: half of the squared error is gone on images that were not trained on."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    clean = np.full((40, 32, 32, 1), 0.3, "float32")
    for image, (y, x) in zip(clean, rng.integers(2, 18, (40, 2)), strict=True):
        image[y : y + 12, x : x + 12] = 0.7
    noisy = clean + rng.normal(0, 0.1, clean.shape).astype("float32")
    model = restorer("resnet_tiny", decoder=SMALL)
    model.compile(keras.optimizers.Adam(3e-3), squared_error)
    model.fit(noisy[:32], clean[:32], batch_size=4, epochs=40, verbose=0)
    found = model.predict(noisy[32:], verbose=0)
    before, left = (float(np.mean(squared_error(clean[32:], x))) for x in (noisy[32:], found))
    assert left < 0.5 * before


@pytest.mark.parametrize(
    "options, message",
    [
        ({"head": "pool"}, "head='pool' came for a restoration.* take head='restorer'"),
        ({"head": "paper"}, "the end of resnet_tiny gives classes of an image, no image: take head='restorer'"),
        ({"head": "segmenter"}, "head='segmenter' came for a restoration task"),
        ({"task": "segmentation", "classes": 2, "head": "restorer"}, "head='restorer' came for a segmentation task"),
        ({"task": "binary", "residual": True}, "residual is of head='restorer', head=None came: leave it out"),
        ({"name": "redcnn_tiny", "residual": True}, "residual is of head='restorer', head='paper' came"),
        ({"supervised": True}, "supervised is of head='segmenter', head='restorer' came"),
        ({"classes": 2, "residual": True}, "1 channels came for 2 outputs, but a residual network"),
        ({"classes": 0}, "classes=0"),
        ({"dropout": 0.5}, "dropout came for a restoration"),
        ({"covariates": 2}, "covariates came for a restoration"),
        ({"shape": (None, 32, 1)}, "fixed input size"),
        (
            {"name": "unet_tiny", "shape": (62, 62, 1)},
            r"unet_tiny makes \(\d+, \d+\) of an image of \(62, 62\), but a restoration keeps the size: pass padding",
        ),
        ({"name": "unet_wdk24_tiny"}, "classes=1 came, expected 2 or more"),
    ],
)
def test_bad_arguments(options, message):
    options = {"name": "resnet_tiny", "shape": (32, 32, 1), "classes": 1, "task": "restoration"} | options
    with pytest.raises(radzoo.BadInput, match=message):
        radzoo.create_model(options.pop("name"), options.pop("shape"), **options)
