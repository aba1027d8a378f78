"""A U-Net decoder on every backbone: sizes, places, what is loaded, what learns."""

import os
import subprocess
import sys
from pathlib import Path

import fabricate
import keras
import numpy as np
import pytest
from facts import fill

import radzoo
from radzoo.decoders import enlarged
from radzoo.heads import create_reported
from radzoo.norms import POLICIES, check, is_new, prepare, recalibrate, stages, statistics, verify
from radzoo.recipe import Phase, Recipe
from radzoo.train.optimiser import optimiser

TINY = radzoo.list_models("*_tiny", kind="classification")
QUICK = ["alexnet_tiny", "ild_tiny", "vgg_tiny"]
SMALL = (8, 6, 4)  # channels of decoders that are trained here


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    fabricate.weights(tmp_path)


def segmenter(name, shape=(32, 32, 1), classes=2, **options):
    return radzoo.create_model(name, shape, classes=classes, task="segmentation", **options)


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in TINY])
def test_every_backbone_answers_in_the_size_of_its_image(name):
    """Odd sizes, even sizes, volumes; probabilities of every pixel have the sum 1."""
    for shape in [(33, 47, 3), (64, 48, 1)] + [(16, 33, 40, 2)] * (name != "multistream_tiny"):
        model = fill(segmenter(name, shape, classes=3))
        assert model.output_shape == (None, *shape[:-1], 3)
        assert [layer.name for layer in model.layers][-1] == "head" and model.get_layer("head_logits")
        order = [stage for stage in stages(model) if stage.startswith("decoder")]
        assert order == [f"decoder{i + 1}" for i in range(len(order))] and order
    said = np.asarray(model(np.random.default_rng(0).random((2, *shape), "float32")))
    assert said.dtype == np.float32 and said.std() > 0.01
    np.testing.assert_allclose(said.sum(-1), 1, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["densenet121", "googlenet", "inception_v3", "mobilenet_v2", "resnet50", "vgg16"])
def test_full_size_backbones_too(name):
    model = segmenter(name, (224, 224, 3))
    widths = [model.get_layer(f"decoder{i}_2_conv").filters for i in range(1, 6) if f"decoder{i}" in stages(model)]
    assert widths == ([128, 64, 32, 16] if name.startswith("vgg") else [256, 128, 64, 32, 16])
    assert model.output_shape == (None, 224, 224, 2)


def test_maps_are_repeated_then_cropped_or_padded():
    """By hand: 2 to 5 is twice and a zero at the end, 3 to 5 twice and one less, 5 to 7 a zero on both sides."""

    def made(row, size):
        x = keras.Input((len(row), 1, 1))
        model = keras.Model(x, enlarged(x, (size, 1), name="x"))
        return np.asarray(model(np.float32(row).reshape(1, -1, 1, 1))).ravel().tolist()

    assert made([1, 2], 5) == [1, 1, 2, 2, 0]
    assert made([1, 2, 3], 5) == [1, 1, 2, 2, 3]
    assert made([1, 2], 2) == [1, 2]
    assert made([1, 2, 3, 4, 5], 7) == [0, 1, 2, 3, 4, 5, 0]  # once, as after a valid convolution of 3
    assert made([1, 2], 8) == [1, 1, 1, 1, 2, 2, 2, 2]
    x = keras.Input((3, 8, 8, 2))
    assert enlarged(x, (3, 16, 17), name="y").shape == (None, 3, 16, 17, 2)


@pytest.mark.parametrize("name, shape", [("resnet_tiny", (193, 40, 1)), ("alexnet_tiny", (231, 67, 1))])
def test_what_moves_in_the_image_moves_alike_in_the_answer(name, shape):
    """By the coarsest stride, away from the borders: every map stands where the pixels stand that it was made of."""
    step = 8 if name == "resnet_tiny" else 16
    model = fill(segmenter(name, shape, decoder=SMALL))
    model = keras.Model(model.input, model.get_layer("head_logits").output)
    image = np.random.default_rng(0).random((1, *shape), "float32")
    moved = np.roll(image, step, axis=1)
    before, after = (np.asarray(model(each, training=False))[0, ..., 0] for each in (image, moved))
    middle = slice(shape[0] // 2, shape[0] // 2 + 20)
    ahead = slice(middle.start + step, middle.stop + step)
    np.testing.assert_allclose(after[ahead], before[middle], atol=1e-4 * before.std())
    assert np.abs(after[middle] - before[middle]).max() > 0.3 * before.std()  # the image itself is not that even


def test_an_axis_that_was_not_halved_is_not_doubled():
    model = segmenter("resnet_tiny", (20, 64, 48, 1), spacing_mm=(5.0, 1.0, 1.0), decoder=SMALL)
    assert [model.get_layer(f"decoder{i}_up").size for i in (1, 2, 3)] == [(2, 2, 2), (1, 2, 2), (1, 2, 2)]
    assert model.output_shape == (None, 20, 64, 48, 2)


@pytest.mark.parametrize(
    "channels, shape, inflate",
    [
        ("fold", (32, 32, 1), None),
        ("windows", (32, 32, 3), None),
        (2, (32, 32, 2), None),
        ("fold", (8, 32, 32, 1), "mean"),
    ],
)
def test_the_encoder_has_its_weights_and_the_decoder_is_new(shelf, channels, shape, inflate):
    options = {"classes": 3, "weights": "tests", "channels": channels, "inflate": inflate}
    model, report = create_reported("mobilenet_v2_tiny", shape, task="segmentation", **options)
    plain, _ = create_reported("mobilenet_v2_tiny", shape, **options)
    assert {path.split("_")[0].rstrip("0123456789") for path in report.initialised} == {"decoder", "head"}
    named = [*report.loaded, *report.adapted, *report.inflated, *report.initialised]
    assert sorted(named) == sorted(weight.path for weight in model.weights)
    for weight in plain.weights:
        if not weight.path.startswith("head"):
            own = model.get_layer(weight.path.split("/")[0]).weights
            np.testing.assert_array_equal(next(w for w in own if w.path == weight.path), weight)


def learnable(count=8, size=32):
    """Squares brighter than the noise around them, and which pixels are theirs."""
    rng = np.random.default_rng(0)
    masks = np.zeros((count, size, size), int)
    for mask, (y, x) in zip(masks, rng.integers(2, size - 14, (count, 2)), strict=True):
        mask[y : y + 12, x : x + 12] = 1
    return (rng.normal(0, 0.3, masks.shape) + masks).astype("float32")[..., None], masks


def trained(model, epochs, policy="adapt", below=None, rate=1e-2):
    images, masks = learnable()
    prepare(model, policy, below)
    losses = ["sparse_categorical_crossentropy"] * len(model.outputs)
    model.compile(keras.optimizers.Adam(rate), losses if len(losses) > 1 else losses[0])
    model.fit(images, [masks] * len(losses) if len(losses) > 1 else masks, batch_size=4, epochs=epochs, verbose=0)


def test_outputs_of_deep_supervision():
    """Three in the size of the image, from maps of that size, of its half and of its quarter."""
    model = segmenter("resnet_tiny", decoder=SMALL, supervised=True)
    assert model.output_names == ["head", "head_auxiliary1", "head_auxiliary2"]
    assert [output.shape for output in model.outputs] == [(None, 32, 32, 2)] * 3
    sources = [model.get_layer(f"head{end}_logits").input.shape[1:] for end in ("", "_auxiliary1", "_auxiliary2")]
    assert sources == [(32, 32, 4), (16, 16, 6), (8, 8, 8)]
    assert segmenter("ild_tiny", supervised=True).output_names == ["head"]  # one stage has nothing coarser


@pytest.mark.slow
def test_places_are_learnt():
    keras.utils.set_random_seed(0)
    model = segmenter("resnet_tiny", decoder=SMALL, supervised=True)
    trained(model, 25)
    images, masks = learnable()
    for said, least in zip(model(images, training=True), (0.9, 0.9, 0.8), strict=True):
        found = np.asarray(said).argmax(-1)
        assert 2 * (found * masks).sum() / (found.sum() + masks.sum()) > least


@pytest.mark.parametrize("policy", ["frozen", *(pytest.param(each, marks=pytest.mark.slow) for each in POLICIES[1:])])
def test_freezing_the_backbone_leaves_decoder_and_head(policy):
    """Exactly these move under `fit`, with the normalisation of the decoder under every policy."""
    model = segmenter("resnet_tiny", decoder=SMALL)
    before, kept = {w.path: np.array(w) for w in model.weights}, statistics(model)
    trained(model, 1, policy, "head")
    moved = {w.path for w in model.weights if not np.array_equal(before[w.path], w)}
    assert moved == {path for path in before if is_new(path.split("_")[0])}
    assert any("moving_mean" in path for path in moved)
    verify(model, kept, policy, "head")
    model.get_layer("stem_norm").gamma.assign(np.full(8, 3.0, "float32"))
    with pytest.raises(RuntimeError, match="1 frozen normalisation weights moved, the first is stem_norm/gamma"):
        verify(model, kept, policy, "head")


def test_stages_of_the_decoder_can_be_frozen_by_name():
    model = segmenter("resnet_tiny", decoder=SMALL)
    assert stages(model) == ["stem", "stage1", "stage2", "decoder1", "decoder2", "decoder3", "head"]
    assert prepare(model, "frozen", "head") == ["decoder1", "decoder2", "decoder3", "head"]
    assert prepare(model, "frozen", "decoder2") == ["decoder2", "decoder3", "head"]
    assert not model.get_layer("decoder1_1_norm").trainable and model.get_layer("decoder2_1_norm").trainable
    assert prepare(model, "affine", "stage2")[0] == "stage2"
    assert not model.get_layer("stage2_block1_1_norm").trainable and model.get_layer("decoder1_1_norm").trainable


def test_normalisation_of_the_decoder_alone_is_none_of_the_backbone():
    for policy in ("affine", "adapt", "recalibrate"):
        with pytest.raises(radzoo.BadInput, match="vgg_tiny has no batch normalisation"):
            check(segmenter("vgg_tiny"), policy)
    model = segmenter("resnet_tiny", decoder=SMALL)
    recalibrate(model, [learnable()[0]])
    assert np.abs(np.asarray(model.get_layer("decoder1_1_norm").moving_mean)).max() > 0


def test_the_decoder_learns_as_fast_as_the_head():
    """Depth is counted in stages of the backbone: the last of them is one below, however long the decoder is."""
    model = segmenter("resnet_tiny", decoder=SMALL)
    prepare(model, "adapt", None)
    made = optimiser(
        model, Recipe(models=("resnet_tiny",), depth_decay=0.5), Phase(epochs=1, learning_rate=0.8), steps=1
    )
    made.build(model.trainable_variables)
    rates = {}
    for each in made.optimizers:
        learnt = {variable.path for variable in each._trainable_variables}
        rates |= {path.split("_")[0]: float(each.learning_rate) for path in learnt}
    expected = {"head": 0.8, **dict.fromkeys(("decoder1", "decoder2", "decoder3"), 0.8)}
    assert rates == pytest.approx(expected | {"stage2": 0.4, "stage1": 0.2, "stem": 0.1})


def test_saved_models_need_no_radzoo(tmp_path):
    model = fill(segmenter("alexnet_tiny", (75, 80, 1), decoder=SMALL))  # is cropped and padded
    model.save(tmp_path / "model.keras")
    image = np.random.default_rng(0).random((1, 75, 80, 1), "float32")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(again(image)), np.asarray(model(image)))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"classes": 1}, "classes=1 came for a segmentation, expected 2 or more: the background"),
        ({"head": "pool"}, "head='pool' came for a segmentation.* take head='segmenter'"),
        ({"head": "unet"}, "head='unet' came for a segmentation task"),
        ({"task": "multiclass", "head": "segmenter"}, "head='segmenter' came for a multiclass task"),
        ({"task": "multiclass", "supervised": True}, "supervised are of head='segmenter'"),
        ({"head": "paper", "decoder": (8,)}, "supervised are of head='segmenter'"),
        ({"covariates": 2}, "covariates came for a segmentation"),
        ({"dropout": 0.5}, "dropout came for a segmentation"),
        ({"streams": "late", "shape": (4, 32, 32, 1)}, "streams came for a segmentation"),
        ({"decoder": (8, 4)}, r"decoder=\(8, 4\) came, expected 3 whole numbers for the stages on resnet_tiny"),
        ({"decoder": (8, 4, 0)}, "expected 3 whole numbers"),
        ({"shape": (None, 32, 1)}, "fixed input size"),
        ({"name": "multistream_tiny", "shape": (9, 32, 32, 1)}, r"takes \(views, h, w, channels\), no volume"),
    ],
)
def test_bad_arguments(options, message):
    options = {"name": "resnet_tiny", "shape": (32, 32, 1), "classes": 2, "task": "segmentation"} | options
    with pytest.raises(radzoo.BadInput, match=message):
        radzoo.create_model(options.pop("name"), options.pop("shape"), **options)


@pytest.mark.slow
def test_real_weights_in_three_dimensions(real_weights):
    """ImageNet in a volume of thick slices, folded to grey: all but the decoder and the head is loaded."""
    model, report = create_reported(
        "mobilenet_v2_035", (16, 96, 96, 1), classes=3, task="segmentation", weights="imagenet", inflate="mean",
        spacing_mm=(5.0, 1.0, 1.0),
    )  # fmt: skip
    assert model.output_shape == (None, 16, 96, 96, 3)
    assert all(is_new(path.split("_")[0]) for path in report.initialised) and len(report.adapted) == 1


@pytest.mark.slow
def test_sizes_and_places_on_jax():
    """The other backend, in a process of its own; it compiles every operation, hence one backbone."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", __file__]
    command += ["-k", "vgg_tiny or repeated or not_halved"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout[-3000:]
