"""Segmentation networks against what their papers print: counts, sizes, and the ways back to the image by hand."""

import os
import subprocess
import sys
from pathlib import Path

import fabricate
import keras
import numpy as np
import pytest
from facts import count, fill

import radzoo
from radzoo.models.fcn import convolved
from radzoo.models.vnet import residual
from radzoo.norms import prepare
from radzoo.pooling import ceil_half
from radzoo.upsampling import fixed_bilinear, repeat, resize, unpool, up_conv

TINY = [name for name in radzoo.list_models(kind="segmentation") if name.endswith("_tiny")]
THICK = (5.0, 1.0, 1.0)


def noise(shape, seed=0) -> np.ndarray:
    return np.random.RandomState(seed).standard_normal((1, *shape)).astype("float32")


def made(function, *shapes) -> keras.Model:
    inputs = [keras.Input(shape) for shape in shapes]
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], function(*inputs))


# What each paper prints for its whole network: input, output, learned parameters (SPECS 6-8, 10, 11, 19, 31).
PRINTED = [
    ("unet", (572, 572, 1), {}, (388, 388, 2), 31_030_658),
    ("unet", (572, 572, 1), {"classes": 1}, (388, 388, 1), 31_030_593),
    ("unet", (572, 572, 3), {"classes": 1}, (388, 388, 1), 31_031_745),
    ("unet", (572, 572, 1), {"norm": True}, (388, 388, 2), 31_042_434),
    ("unet_same", (256, 256, 1), {}, (256, 256, 1), 31_031_685),
    ("unet3d", (116, 132, 132, 3), {}, (28, 44, 44, 3), 19_069_955),
    ("unet3d", (116, 132, 132, 3), {"bn": "full"}, (28, 44, 44, 3), 19_074_627),
    ("unet3d", (64, 64, 32, 3), {"padding": "same"}, (64, 64, 32, 3), 19_069_955),
    ("vnet", (64, 128, 128, 1), {}, (64, 128, 128, 2), 65_175_314),
    ("vnet_released", (64, 128, 128, 1), {}, (64, 128, 128, 2), 61_982_682),
    ("segnet", (360, 480, 3), {}, (360, 480, 11), 29_449_355),
    ("segnet_basic", (360, 480, 3), {}, (360, 480, 11), 1_416_587),
    ("liver3d_cnn", (32, 40, 36, 1), {}, (32, 40, 36, 1), 502_017),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shape", "options", "output", "parameters"), PRINTED)
def test_printed_networks(name, shape, options, output, parameters):
    model = radzoo.build(name, shape, top=True, **options)
    assert model.output_shape == (None, *output)
    assert count(model) == parameters


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "learned", "whole"),
    [
        ("fcn32s", 134_346_581, 136_152_917),
        ("fcn16s", 134_357_354, 134_815_994),
        ("fcn8s", 134_362_751, 134_489_759),
    ],
)
def test_fcn_has_frozen_weights(name, learned, whole):
    model = radzoo.build(name, (224, 224, 3), top=True)
    assert (count(model), model.count_params()) == (learned, whole)


def test_cuts_across_unet():
    """4, 16, 40 and 88 pixels per side for 572, and the sizes of the paper's figure."""
    model = radzoo.build("unet", (572, 572, 1), top=True, width=2)
    cuts = [model.get_layer(f"decoder{i}_cut").cropping for i in (1, 2, 3, 4)]
    assert cuts == [((n, n), (n, n)) for n in (4, 16, 40, 88)]
    sizes = [model.get_layer(f"{stage}_block2_relu").output.shape[1] for stage in ("stem", "stage2", "stage4")]
    assert sizes == [568, 136, 28]
    assert [model.get_layer(f"decoder{i}_block2_relu").output.shape[1] for i in (1, 4)] == [52, 388]
    unknown = radzoo.build("unet", (None, None, 1), top=True, width=2)
    unknown.set_weights(model.get_weights())
    image = noise((188, 204, 1))
    found = np.asarray(unknown(image, training=False))
    assert found.shape == (1, 4, 20, 2)
    shifted = np.asarray(unknown(np.roll(image, 16, 2), training=False))
    np.testing.assert_allclose(shifted[:, :, 16:], found[:, :, :4], atol=1e-5)  # nothing but the image is seen


def test_cuts_across_3d_unet():
    model = radzoo.build("unet3d", (116, 132, 132, 3), top=True, width=1)
    assert model.output_shape == (None, 28, 44, 44, 3)
    assert [model.get_layer(f"decoder{i}_cut").cropping[0] for i in (1, 2, 3)] == [(4, 4), (16, 16), (40, 40)]
    kinds = {name: [w.name for w in model.get_layer(name).weights] for name in ("stem_block1_norm", "decoder1_up_conv")}
    assert kinds == {"stem_block1_norm": ["moving_mean", "moving_variance"], "decoder1_up_conv": ["kernel"]}


@pytest.mark.parametrize("name", ["unet_same_tiny", "vnet_tiny", "segnet_tiny", "segnet_basic_tiny", "liver3d_tiny"])
@pytest.mark.parametrize("shape", [(33, 47, 1), (9, 14, 13, 1)])
def test_every_size_comes_back(name, shape):
    model = fill(radzoo.build(name, shape, top=True, classes=3))
    found = np.asarray(model(noise(shape), training=False))
    assert found.shape == (1, *shape[:-1], 3)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)
    assert found.std(axis=tuple(range(len(shape)))).max() > 1e-3  # places differ


@pytest.mark.parametrize("name", TINY)
def test_ready_to_fit(name):
    """`create_model` ends in `head_logits` and `head`, a softmax in float32, from whatever the network is."""
    model = radzoo.create_model(name, (64, 64, 1), classes=3, task="segmentation", head="paper")
    end = model.get_layer("head")
    assert model.output_names == ["head"] and model.output_shape[-1] == 3
    assert end.activation is keras.activations.softmax and end.compute_dtype == "float32"
    assert end.input is model.get_layer("head_logits").output


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_learns(name):
    """Every weight of the whole network moves in one step, but for the scores' way up in FCN."""
    keras.utils.set_random_seed(0)  # of dropout
    model = fill(radzoo.create_model(name, (64, 64, 1), classes=3, task="segmentation", head="paper"))
    before = {weight.path: np.array(weight) for weight in model.trainable_weights}
    model.compile("adam", "sparse_categorical_crossentropy")
    model.train_on_batch(noise((64, 64, 1)), np.random.RandomState(0).randint(0, 3, (1, *model.output_shape[1:-1])))
    same = [weight.path for weight in model.trainable_weights if np.array_equal(before[weight.path], weight)]
    assert same == []


WHOLE = (  # what the process with JAX runs, too: logits of whole networks, by name and rank
    "import radzoo, keras, numpy as np; from facts import fill\n"
    "def logits(name, shape):\n"
    "    model = fill(radzoo.build(name, shape, top=True, classes=3))\n"
    "    image = np.random.RandomState(0).rand(1, *shape).astype('float32')\n"
    "    return keras.Model(model.input, model.get_layer('head_logits').output).predict(image, verbose=0)\n"
    "def all_logits(names):\n"
    "    pairs = [(name, shape) for name in names for shape in ((64, 48, 1), (24, 32, 36, 1))]\n"
    "    pairs = [(name, shape) for name, shape in pairs if len(shape) == 3 or not name.startswith('fcn')]\n"
    "    return {f'{name}{len(shape)}': logits(name, shape) for name, shape in pairs}\n"
)


@pytest.mark.slow
def test_whole_networks_on_jax(tmp_path):
    """The same weights give the same logits on the other backend, in 2-D and in 3-D.

    FCN in 2-D alone: its kernels of 64x64x64 take JAX many minutes on a processor.
    """
    script = f"{WHOLE}import sys; assert keras.backend.backend() == 'jax'\n"
    script += "np.savez(sys.argv[1], **all_logits(sys.argv[2:]))"
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    file = tmp_path / "logits.npz"
    subprocess.run([sys.executable, "-c", script, str(file), *TINY], env=environment, check=True)
    here = {}
    exec(WHOLE, here)
    for key, expected in here["all_logits"](TINY).items():
        found = np.load(file)[key]
        assert expected.std() > 0
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max(), err_msg=key)


@pytest.mark.slow
def test_whole_networks_reload(tmp_path):
    """Unpooling, frozen kernels, cuts and resizing are saved with the model, which Keras alone opens."""
    for name, shape in (("segnet_tiny", (17, 22, 1)), ("fcn8s_tiny", (20, 30, 1)), ("liver3d_tiny", (7, 9, 10, 1))):
        model = fill(radzoo.build(name, shape, top=True, classes=2))
        model.save(tmp_path / f"{name}.keras")
        again = keras.models.load_model(tmp_path / f"{name}.keras")
        np.testing.assert_array_equal(again(noise(shape)), model(noise(shape)))
    assert len(again.weights) == len(model.weights)
    code = "import keras, sys; [keras.models.load_model(f) for f in sys.argv[1:]]; assert 'radzoo' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, *map(str, tmp_path.glob("*.keras"))], check=True)


def test_one_class_is_a_sigmoid():
    """Softmax over one class would be one everywhere."""
    for name, classes, activation in (
        ("unet_same", 1, "sigmoid"),
        ("unet_same", 3, "softmax"),
        ("liver3d_cnn", 1, "sigmoid"),
    ):
        options = {"width": 2, "levels": 2} if name == "unet_same" else {"filters": (2, 2, 2, 2)}
        model = radzoo.build(name, (32, 32, 1), top=True, classes=classes, **options)
        assert model.get_layer("head").activation is getattr(keras.activations, activation)
    assert model.output_shape == (None, 32, 32, 1)
    printed = radzoo.build("unet_same", (32, 32, 1), top=True, width=2, levels=2)
    assert printed.output_shape == (None, 32, 32, 1) and printed.get_layer("head_narrow_conv").filters == 2


BEFORE = np.array([[1, 5, 0, 0], [2, 3, 0, 0], [4, 4, 1, 2], [4, 0, 3, 3]], "float32")
PLACED = np.array([[0, 10, 20, 0], [0, 0, 0, 0], [30, 0, 0, 0], [0, 0, 40, 0]], "float32")


def test_unpooling_by_hand():
    """Values go where the maxima were; of equal ones to the first, of zeros to the upper left; gradients come back."""
    model = made(lambda x, before: unpool(x, before, name="x"), (2, 2, 1), (4, 4, 1))
    given = np.array([[10, 20], [30, 40]], "float32").reshape(1, 2, 2, 1)
    np.testing.assert_array_equal(np.asarray(model([given, BEFORE.reshape(1, 4, 4, 1)]))[0, ..., 0], PLACED)

    weight = keras.layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones")
    image, before = keras.Input((2, 2, 1)), keras.Input((4, 4, 1))
    trained = keras.Model([image, before], unpool(weight(image), before, name="x"))
    trained.compile(keras.optimizers.SGD(1.0), lambda truth, found: keras.ops.sum(truth * found))
    wanted = np.arange(16, dtype="float32").reshape(1, 4, 4, 1) / 1000
    trained.train_on_batch([given, BEFORE.reshape(1, 4, 4, 1)], wanted)
    gradient = (10 * 1 + 20 * 2 + 30 * 8 + 40 * 14) / 1000  # wanted at the four places
    assert float(weight.get_weights()[0].item()) == pytest.approx(1 - gradient, rel=1e-5)


@pytest.mark.parametrize("shape", [(7, 5, 2), (8, 6, 2), (3, 5, 4, 2), (1, 6, 7, 2)])
def test_unpooling_undoes_pooling(shape):
    """Each maximum is back where it was, everything else is zero: against a loop over windows, odd sizes included."""
    before = np.round(np.maximum(noise(shape), 0), 1)  # many ties, whole windows of zeros
    image = keras.Input(shape)
    pooled = ceil_half(image, name="x")
    found = np.asarray(keras.Model(image, unpool(pooled + 1, image, name="x"))(before))[0]
    expected = np.zeros(shape, "float32")
    for window in np.ndindex(*pooled.shape[1:-1], shape[-1]):
        *corner, channel = window
        part = before[0][(*(slice(2 * i, 2 * i + 2) for i in corner), channel)]
        place = np.unravel_index(part.argmax(), part.shape)
        expected[(*(2 * i + j for i, j in zip(corner, place, strict=True)), channel)] = part.max() + 1
    np.testing.assert_array_equal(found, expected)


def test_unpooling_compiled():
    """XLA gives the same numbers, ties and odd sizes included."""
    image = keras.Input((5, 6, 2))
    model = keras.Model(image, unpool(ceil_half(image, name="x") + 1, image, name="x"))
    given = np.round(np.maximum(noise((5, 6, 2)), 0), 1)
    found = []
    for jit in (False, True):
        model.compile(jit_compile=jit)
        found.append(model.predict(given, verbose=0))
    np.testing.assert_array_equal(*found)
    assert found[0].any()


def test_residual_of_vnet():
    """The input is added before the last rectifier, tiled over the filters; no rectifier in between adds and sums."""
    model = made(lambda x: residual(x, 4, 2, False, "x"), (5, 6, 2))
    for layer in model.layers:  # convolutions that give nothing, and slopes of .5
        layer.set_weights([np.full_like(w, 0.5 if "prelu" in layer.name else 0) for w in layer.get_weights()])
    given = noise((5, 6, 2))
    tiled = np.concatenate([given, given], -1)
    np.testing.assert_allclose(model(given), np.where(tiled > 0, tiled, 0.5 * tiled), rtol=1e-6)
    names = [layer.name for layer in model.layers if "prelu" in layer.name or "add" in layer.name]
    assert names == ["x_block1_prelu", "x_add", "x_block2_prelu"]
    assert model.get_layer("x_block1_prelu").alpha.shape == (1, 1, 4)
    volume = radzoo.build("vnet_tiny", (8, 8, 8, 1))
    assert volume.get_layer("stem_block1_prelu").alpha.shape == (1, 1, 1, 4)
    np.testing.assert_allclose(volume.get_layer("stem_block1_prelu").alpha, 0.25)


def test_bilinear_kernels():
    """FCN's: `(1 - |i - centre| / factor)` along each axis, on the diagonal of channels alone, and never learned."""
    layer = made(lambda x: fixed_bilinear(x, 2, name="x"), (3, 3, 2)).get_layer("x_bilinear")
    row = np.array([0.25, 0.75, 0.75, 0.25])
    kernel = layer.get_weights()[0]
    for channel in (0, 1):
        np.testing.assert_allclose(kernel[..., channel, channel], np.outer(row, row))
        assert not kernel[..., channel, 1 - channel].any()
    model = radzoo.create_model("fcn8s_tiny", (40, 40, 1), classes=2, task="segmentation", head="paper")
    prepare(model, "adapt", None)
    ours = {weight.path for weight in model.trainable_weights}
    assert not any("bilinear" in path for path in ours) and any("head_score" in path for path in ours)


@pytest.mark.parametrize("skips", [0, 1, 2])
def test_places_of_fcn(skips):
    """What lights up in the scores is where the image has it: offsets of 19, 27 and 31 pixels for a border of 100."""
    model = radzoo.build("fcn8s", (70, 90, 1), top=True, classes=2, skips=skips, blocks=((1,),) * 5, units=1)
    assert model.get_layer("head_cut").cropping[0][0] == (19, 27, 31)[skips]
    cuts = [model.get_layer(f"head_score_pool{i}_cut").cropping[0][0] for i in (4, 3)[:skips]]
    assert cuts == [5, 9][:skips]
    if skips == 0:  # the centre of score (j, k) lies on pixel 32 * (j + 3) + 15.5 - 99 of the image
        scores = keras.Model(model.get_layer("head_score_conv").output, model.get_layer("head_logits").output)
        given = np.zeros((1, *scores.input_shape[1:]), "float32")
        given[0, 1, 2, 0] = 1
        found = np.asarray(scores(given))[0, ..., 0]
        rows, columns = np.nonzero(found == found.max())
        assert (rows.mean(), columns.mean()) == (32 * 4 + 15.5 - 99, 32 * 5 + 15.5 - 99)


@pytest.mark.slow
def test_weights_of_vgg_transplanted():
    """Without a border the same tensors give VGG's own maps, and its dense layers the same numbers as convolutions."""
    vgg = fill(radzoo.build("vgg16", (224, 224, 3), top=True, units=64, classes=5))
    whole = radzoo.build("fcn32s", (224, 224, 3), top=True, units=64)
    named = convolved({weight.path: np.asarray(weight) for weight in vgg.weights})
    for weight in whole.weights:
        if "score" not in weight.path and "bilinear" not in weight.path:
            weight.assign(named.pop(weight.path))
    assert not named
    image, layers = noise((224, 224, 3)), ("stage2_block3_relu", "stage4_block3_relu", "head_pool", "head_fc7_relu")
    *maps, pooled, dense = keras.Model(vgg.input, [vgg.get_layer(n).output for n in layers])(image, training=False)
    bare = radzoo.build("fcn32s", (224, 224, 3), border=1)
    bare.set_weights(whole.get_weights()[: len(bare.weights)])
    for found, expected in zip(bare(image, training=False)[2::2], maps, strict=True):
        np.testing.assert_array_equal(found, expected)
    end = keras.Model(whole.get_layer("head_pool5_pool").output, whole.get_layer("head_fc7_relu").output)
    given = np.zeros((1, *end.input_shape[1:]), "float32")
    given[:, 2:9, 3:10] = pooled
    found, expected = np.asarray(end(given, training=False))[:, 2, 3], np.asarray(dense)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.max())
    assert expected.std() > 0


@pytest.mark.parametrize("shape", [(5, 6, 3), (3, 4, 5, 3)])
def test_resizing_is_linear(shape):
    """A plane keeps its slope inside, the border repeats; axes are independent: against one axis after the other."""
    sizes = tuple(4 * n - 1 for n in shape[:-1])
    given = noise(shape)
    found = np.asarray(made(lambda x: resize(x, sizes, name="x"), shape)(given))
    expected = given
    for axis, (n, size) in enumerate(zip(shape[:-1], sizes, strict=True), start=1):
        places = (np.arange(size) + 0.5) * n / size - 0.5
        row = lambda line, places=places, n=n: np.interp(places, np.arange(n), line)  # noqa: E731
        expected = np.apply_along_axis(row, axis, expected)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_ways_up_by_hand():
    """An up-convolution writes one kernel per pixel; with stride 1 along z nothing is doubled there."""
    given = np.arange(1, 5, dtype="float32").reshape(1, 2, 2, 1)
    model = made(lambda x: up_conv(x, 1, 2, name="x"), (2, 2, 1))
    model.set_weights([np.array([[1, 2], [3, 4]], "float32").reshape(2, 2, 1, 1), np.zeros(1)])
    np.testing.assert_allclose(np.asarray(model(given))[0, ..., 0], np.kron(given[0, ..., 0], [[1, 2], [3, 4]]))
    assert made(lambda x: up_conv(x, 5, 2, (1, 2, 2), name="x"), (3, 4, 4, 2)).output_shape == (None, 3, 8, 8, 5)
    found = made(lambda x: repeat(x, (1, 2), name="x"), (2, 2, 1))(given)
    np.testing.assert_array_equal(np.asarray(found)[0, ..., 0], [[1, 1, 2, 2], [3, 3, 4, 4]])


@pytest.mark.parametrize(
    ("name", "options", "thinnest"),
    [
        ("unet_same_tiny", {}, 12),
        ("unet3d_tiny", {"padding": "same", "levels": 3}, 12),
        ("vnet_tiny", {}, 12),
        ("segnet_tiny", {}, 6),
        ("liver3d_tiny", {}, 12),
    ],
)
def test_thick_slices_come_back(name, options, thinnest):
    """What is not halved along z on the way down is not doubled on the way up: nothing is cut, no slice moves."""
    shape = (12, 48, 40, 1)
    setting = {"classes": 2, "task": "segmentation", "head": "paper", "spacing_mm": THICK, **options}
    model = fill(radzoo.create_model(name, shape, **setting))
    assert model.output_shape == (None, *shape[:-1], 2)
    assert not any(layer.name.endswith("_cut") for layer in model.layers)
    assert min(layer.output.shape[1] for layer in model.layers if len(layer.output.shape) == 5) == thinnest
    assert np.asarray(model(noise(shape), training=False)).std() > 1e-3


def test_thick_slices_of_valid_convolutions():
    model = radzoo.create_model(
        "unet_tiny", (24, 48, 44, 1), classes=2, task="segmentation", head="paper", spacing_mm=THICK, levels=3
    )
    assert model.output_shape == (None, 24 - 20, 48 - 40, 44 - 40, 2)
    assert model.get_layer("decoder2_cut").cropping == ((6, 6), (16, 16), (16, 16))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: radzoo.build("unet", (570, 300, 1), top=True, width=1), r"\(570, 300\) came.*suit \(572, 300\)"),
        (lambda: radzoo.build("unet", (180, 188, 1), top=True, width=1), r"suit \(188, 188\): enlarge it by mirrored"),
        (lambda: radzoo.build("unet3d", (68, 92, 92, 1), top=True, width=1), r"suit \(92, 92, 92\)"),
        (lambda: radzoo.build("unet", (32, 32, 1), top=True, width=1), "too small for unet"),
        (lambda: radzoo.build("unet_tiny", (64, 64, 1), padding="full"), "expected 'valid' or 'same'"),
        (lambda: radzoo.build("unet3d_tiny", (32, 64, 64, 1), bn="batch"), "expected 'plain' or 'full'"),
        (lambda: radzoo.build("vnet_tiny", (32, 32, 1), top=True, left=(1, 1)), r"right=\(2, 1\) came for 2 stages"),
        (lambda: radzoo.build("segnet_tiny", (None, 32, 1), top=True), "fixed input size"),
        (lambda: radzoo.build("fcn32s_tiny", (None, None, 1), top=True), "fixed input size"),
        (lambda: radzoo.build("fcn8s_tiny", (64, 64, 1), blocks=((2,),)), "expected 5"),
        (lambda: radzoo.build("fcn8s_tiny", (64, 64, 1), top=True, border=9), "use border=100"),
        (lambda: radzoo.build("liver3d_tiny", (None, 32, 32, 1), top=True), "fixed sizes"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(radzoo.BadInput, match=message):
        call()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fcn32s", "segnet"])
def test_networks_that_begin_as_vgg_take_its_weights(name, tmp_path, monkeypatch):
    """By the tag of VGG16; with one grey channel, too. What VGG16 has not begins anew."""
    fabricate.weights(tmp_path, "vgg16", "tests")
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    options = {"units": 8} if name == "fcn32s" else {}
    vgg = radzoo.create_model("vgg16", (64, 64, 3), classes=2, weights="tests")
    for channels in (3, 1):
        made = radzoo.create_model(
            name, (64, 64, channels), classes=3, task="segmentation", weights="tests", channels="fold", **options
        )
        for layer in ("stage1_block1_conv", "stage4_block3_conv"):
            np.testing.assert_array_equal(made.get_layer(layer).kernel, vgg.get_layer(layer).kernel)
    with pytest.raises(radzoo.BadInput, match=r"weights vgg16\.tests are for vgg16, not for resnet18"):
        radzoo.create_model("resnet18", (64, 64, 3), classes=2, weights="vgg16.tests")
