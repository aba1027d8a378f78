"""Architectures against what their papers print: counts, sizes of maps, layers from formulas, first values."""

import keras
import numpy as np
import pytest
from facts import count, fill

import radzoo
from radzoo.layers import conv, grouped_conv
from radzoo.pooling import energy
from radzoo.responses import RECTIFIERS, activation, lrn


def run(layer, shape: tuple, seed: int = 0, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Normal noise of `shape` and what the function `layer` makes of it."""
    x = scale * np.random.RandomState(seed).standard_normal(shape).astype("float32")
    image = keras.Input(shape[1:])
    return x, np.array(keras.Model(image, layer(image))(x))


# Counts of whole networks with other ends than the printed ones: SPECS 1, 2, 12.
NAIVE = [(*row[:4], 1) for row in ((96, 11, 4, 0), (256, 5, 1, 2), (384, 3, 1, 1), (384, 3, 1, 1), (256, 3, 1, 1))]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape", "arguments", "parameters"),
    [
        ("alexnet", (227, 227, 3), {"classes": 2}, 56_876_418),
        ("alexnet", (224, 224, 3), {}, 60_965_224),  # pooling that rounds up forgives the paper's misprint
        ("alexnet", (227, 227, 3), {"rows": NAIVE}, 62_378_344),
        ("tcnn3", (227, 227, 3), {"classes": 11}, 19_630_859),
        ("tcnn3", (None, None, 3), {}, 23_682_792),
    ],
)
def test_counts(name, shape, arguments, parameters):
    assert count(radzoo.build(name, shape, top=True, **arguments)) == parameters


@pytest.mark.slow
@pytest.mark.parametrize(("name", "parameters"), [("vgg16", 14_714_688), ("vgg19", 20_024_384)])
def test_convolutions_of_vgg(name, parameters):
    assert count(radzoo.build(name, (64, 64, 3))) == parameters


@pytest.mark.parametrize(
    ("name", "shape", "sizes", "flattened"),
    [
        ("alexnet", (227, 227, 3), (55, 27, 13), 6 * 6 * 256),
        ("alexnet", (224, 224, 3), (54, 27, 13), 6 * 6 * 256),
        ("alexnet_owt", (224, 224, 3), (55, 27, 13), 6 * 6 * 256),
        ("alexnet_owt", (300, 260, 3), None, 6 * 6 * 256),
        ("zfnet", (224, 224, 3), (110, 26, 13), 6 * 6 * 256),
        ("tcnn3", (227, 227, 3), (55, 27, 13), 384),
        ("tcnn5", (300, 260, 3), None, 256),
        ("tcnn_hybrid", (227, 227, 3), (55, 27, 13), 6 * 6 * 256 + 384),
        ("vgg16", (224, 224, 3), (224, 112, 56, 28, 14), 7 * 7 * 512),
        ("kooi_cnn", (250, 250, 1), (250, 125, 62, 31), 15 * 15 * 64),
        ("liver_mass_cnn", (70, 70, 3), (70, 35, 17), 8 * 8 * 128),
    ],
)
def test_sizes(name, shape, sizes, flattened):
    """Sizes of the maps, and the units that the first dense layer (here of eight) reads."""
    whole = radzoo.build(name, shape, top=True, units=8, classes=2)
    reads = next(layer for layer in whole.layers if isinstance(layer, keras.layers.Dense))
    assert reads.kernel.shape == (flattened, 8)
    if sizes:
        maps = radzoo.build(name, shape).outputs
        assert tuple(output.shape[1:3] for output in maps) == tuple((n, n) for n in sizes)


def test_ild_cnn():
    """32 pixels become 31, 30, 29, 28, 27 under 16, 36, 64, 100, 144 filters, then 864 and 288 units."""
    model = radzoo.build("ild_cnn", (32, 32, 1), top=True)
    maps = [layer.output.shape[1:] for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert maps == [(31, 31, 16), (30, 30, 36), (29, 29, 64), (28, 28, 100), (27, 27, 144)]
    units = [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert units == [864, 288, 7]
    assert count(model) == 471_567
    kernel = model.get_layer("stage1_block1_conv").get_weights()[0].reshape(-1, 36)
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(36), atol=1e-5)  # orthogonal first values


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("alexnet", {"MaxPooling2D": 3, "Dense": 3, "Multiply": 2, "Dropout": 2}),
        ("zfnet", {"Conv2D": 5, "MaxPooling2D": 3, "Dense": 3, "Multiply": 2, "Dropout": 2}),
        ("alexnet_owt", {"Conv2D": 5, "MaxPooling2D": 3, "Dense": 3, "Dropout": 2}),
        ("tcnn3", {"MaxPooling2D": 2, "GlobalAveragePooling2D": 1, "Dense": 3, "Multiply": 2}),
        ("liver_mass_cnn", {"Conv2D": 6, "MaxPooling2D": 3, "Dense": 3}),
        ("liver_fibrosis_cnn", {"Conv2D": 4, "MaxPooling2D": 4, "Dense": 3}),
        ("kooi_cnn", {"Conv2D": 5, "Dense": 3}),
    ],
)
def test_numbers_of_layers(name, kinds):
    model = radzoo.build(name, (128, 128, 3), top=True, **({} if "fibrosis" in name else {"units": 8}))
    for kind, number in kinds.items():
        assert sum(type(layer).__name__ == kind for layer in model.layers) == number, kind


def test_normalisation_before_or_after_pooling():
    """AlexNet normalises 55 pixels and then pools, CaffeNet and T-CNN pool and normalise 27; one tower has none."""
    for name, size in (("alexnet", 55), ("caffenet", 27), ("tcnn2", 27)):
        assert radzoo.build(name, (227, 227, 3)).get_layer("stem_lrn").output.shape[1:3] == (size, size)
    assert not any("lrn" in layer.name for layer in radzoo.build("alexnet_owt_tiny", (64, 64, 3)).layers)


def test_dropout_before_or_after():
    """Caffe: dense, ReLU, dropout; torchvision: dropout, dense, ReLU."""
    for name, order in (("alexnet_tiny", "dense relu dropout"), ("alexnet_owt_tiny", "dropout dense relu")):
        names = [layer.name for layer in radzoo.build(name, (64, 64, 3), top=True).layers]
        dense = [f"head_{fc}_{kind}" for fc in ("fc6", "fc7") for kind in order.split()]
        assert [n for n in names if n.startswith("head_fc")] == dense


def test_first_values_of_alexnet():
    """Normal weights of deviation .01; biases 1 in convolutions 2, 4, 5 and in FC6 and FC7, else 0."""
    model = radzoo.build("alexnet", (64, 64, 3))
    assert model.get_layer("stage2_block1_conv").get_weights()[0].std() == pytest.approx(0.01, rel=0.02)
    whole = radzoo.build("alexnet_tiny", (64, 64, 3), top=True)
    ones = {name for name, value in ((w.path.split("/")[0], w) for w in whole.weights) if np.all(np.array(value) == 1)}
    towers = {f"{stage}_group{i}_conv" for stage in ("stage1", "stage2_block2", "stage2_block3") for i in (1, 2)}
    assert ones == towers | {"head_fc6_dense", "head_fc7_dense"}
    assert not any(np.array(w).any() for w in radzoo.build("zfnet_tiny", (64, 64, 3), top=True).weights if w.ndim == 1)


@pytest.mark.parametrize("spatial", [(3, 4), (2, 3, 2)])
@pytest.mark.parametrize("caffe", [False, True])
def test_lrn(spatial, caffe):
    """Krizhevsky's equation as a loop over channels; Caffe divides alpha by n and begins at one."""
    x, got = run(lambda y: lrn(y, caffe=caffe, name="x"), (2, *spatial, 7), scale=100)
    n, alpha, beta, k = (5, 1e-4 / 5, 0.75, 1) if caffe else (5, 1e-4, 0.75, 2)
    expected = np.empty_like(x)
    for i in range(7):
        around = range(max(0, i - n // 2), min(6, i + n // 2) + 1)
        expected[..., i] = x[..., i] / (k + alpha * sum(x[..., j].astype("float64") ** 2 for j in around)) ** beta
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    assert np.abs(expected - x).max() > 10  # it does something


def test_lrn_compiled():
    """Response normalisation and the two towers learn under XLA, and in float16 squares beyond its range are finite."""
    image = keras.Input((4, 4, 6))
    model = keras.Model(image, lrn(grouped_conv(image, 4, 3, 2, name="y"), name="x"))
    x = np.random.RandomState(0).rand(2, 4, 4, 6).astype("float32")
    losses = []
    for jit in (False, True):
        model.compile("sgd", "mse", jit_compile=jit)
        fill(model)
        losses.append([float(model.train_on_batch(x, np.ones((2, 4, 4, 4)))) for _ in range(3)])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert losses[0][2] < losses[0][0]
    image = keras.Input((2, 2, 8), dtype="float16")
    half = np.array(keras.Model(image, lrn(image, name="x"))(np.full((1, 2, 2, 8), 1000, "float16")))
    assert half.min() > 0


@pytest.mark.parametrize("shape", [(2, 9, 8, 6), (2, 5, 6, 7, 6)])
def test_grouped_convolution(shape):
    """Split, convolve, concatenate against Keras' own groups."""
    image = keras.Input(shape[1:])
    ours = fill(keras.Model(image, grouped_conv(image, 8, 3, 2, stride=2, bias=True, name="x")))
    full = keras.Model(image, conv(image, 8, 3, stride=2, bias=True, name="x"))
    kind = type(full.get_layer("x_conv"))
    theirs = kind(8, 3, strides=2, groups=2)
    parts = [ours.get_layer(f"x_group{i}_conv").get_weights() for i in (1, 2)]
    x = np.random.RandomState(0).standard_normal(shape).astype("float32")
    padded = np.pad(x, [(0, 0), *[(1, 1)] * (len(shape) - 2), (0, 0)])
    theirs.build(padded.shape)
    theirs.set_weights([np.concatenate(both, axis=-1) for both in zip(*parts, strict=True)])
    np.testing.assert_allclose(ours(x), theirs(padded), rtol=1e-5, atol=1e-5)


def test_energy_is_the_mean_after_the_rectifier():
    x, got = run(lambda y: energy(keras.layers.ReLU()(y), name="x"), (2, 5, 6, 3))
    np.testing.assert_allclose(got, np.maximum(x, 0).mean((1, 2)), rtol=1e-5)
    model = fill(radzoo.build("tcnn_tiny", (48, 40, 3), top=True))
    inner = keras.Model(model.input, [model.get_layer(n).output for n in ("stage2_block1_conv", "head_energy")])
    before, pooled = inner(np.random.RandomState(0).rand(2, 48, 40, 3))
    np.testing.assert_allclose(pooled, np.maximum(before, 0).mean((1, 2)), rtol=1e-5)
    larger = radzoo.build("tcnn_tiny", (64, 64, 3), top=True)
    larger.set_weights(model.get_weights())  # no dense layer depends on the size of the image


def test_hybrid_reads_texture_and_shape():
    """Energies of convolution 3 come after the flattened pooling, and cost as many weights as they have partners."""
    model = radzoo.build("tcnn_hybrid_tiny", (64, 64, 3), top=True)
    plain = radzoo.build("alexnet_tiny", (64, 64, 3), top=True)
    assert count(model) - count(plain) == 16 * 16
    joined = model.get_layer("head_concat").output.shape[-1]
    assert joined == model.get_layer("head_flatten").output.shape[-1] + 16


@pytest.mark.parametrize("kind", RECTIFIERS)
def test_rectifiers(kind):
    formula = {
        "relu": lambda x: np.maximum(x, 0),
        "leaky_relu": lambda x: np.maximum(x, 0.3 * x),
        "elu": lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1),
        "crelu": lambda x: np.concatenate([np.maximum(x, 0), np.maximum(-x, 0)], axis=-1),
        "swish": lambda x: x / (1 + np.exp(-x)),
    }[kind]
    x, got = run(lambda y: activation(y, kind, slope=0.3, name="x"), (2, 4, 4, 3))
    np.testing.assert_allclose(got, formula(x), rtol=1e-5, atol=1e-6)
    model = radzoo.build("ild_tiny", (16, 16, 1), rectifier=kind)
    assert model.outputs[0].shape == (None, 14, 14, 36 if kind == "crelu" else 18)
    assert model.get_layer(f"stem_{kind}") is not None


def test_leaky_relu_of_the_lung_patches():
    """The default slope is .01 as everywhere, the paper's is .3."""
    x, got = run(lambda y: activation(y, "leaky_relu", name="x"), (1, 4, 4, 1))
    np.testing.assert_allclose(got, np.maximum(x, 0.01 * x), rtol=1e-6)
    layer = radzoo.build("ild_tiny", (16, 16, 1)).get_layer("stem_leaky_relu")
    assert layer.negative_slope == pytest.approx(0.3)


def test_covariates_beside_the_image():
    """Three numbers are a second input that moves the grade; without them there is one input and fewer weights."""
    model = fill(radzoo.build("liver_fibrosis_tiny", (32, 32, 1), top=True))
    assert [tensor.name for tensor in model.inputs] == ["image", "covariates"]
    assert model.inputs[1].shape == (None, 3)
    image = np.random.RandomState(0).rand(1, 32, 32, 1).astype("float32")
    grades = [float(model([image, np.array([row], "float32")])[0, 0]) for row in ([1, 0, 0], [0, 5, 0])]
    assert grades[0] != grades[1]
    alone = radzoo.build("liver_fibrosis_tiny", (32, 32, 1), top=True, covariates=0)
    assert [tensor.name for tensor in alone.inputs] == ["image"]
    assert count(model) - count(alone) == 3 * 8
    scores = radzoo.build("liver_fibrosis_tiny", (32, 32, 1), top=True, classes=5, activation="softmax")
    assert scores.output_shape == (None, 5)


@pytest.mark.parametrize("name", ["alexnet_tiny", "zfnet_tiny", "alexnet_owt_tiny", "vgg_tiny", "tcnn_hybrid_tiny"])
def test_whole_networks_in_3d(name):
    """Stacks of a few slices pass all poolings."""
    assert radzoo.build(name, (16, 64, 64, 1), top=True, classes=3).output_shape == (None, 3)


def test_reconstructions_say_so():
    for name in ("kooi_cnn", "liver_mass_cnn", "liver_fibrosis_cnn"):
        card = radzoo.describe(name)
        assert card.fidelity == "reconstruction"
        module = __import__(f"radzoo.models.{card.family}", fromlist=["x"])
        assert "Reconstructed" in module.__doc__
    assert radzoo.describe("alexnet").fidelity == "paper"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: radzoo.build("alexnet_tiny", (64, 64, 3), response="cafe"), "'caffe'"),
        (lambda: radzoo.build("ild_tiny", (16, 16, 1), rectifier="gelu"), "leaky_relu"),
        (lambda: radzoo.build("vgg_tiny", (None, None, 3), top=True), "fixed input size"),
        (lambda: radzoo.build("vgg_tiny", (64, 64, 3), top=True, covariates=2), "no argument 'covariates'"),
        (lambda: radzoo.build("liver_fibrosis_tiny", (64, 64, 1), covariates=2), "top=True"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(radzoo.BadInput, match=message):
        call()
