"""Every registered model against the table of facts and, where one exists, a second implementation."""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pytest
from facts import BORDERS, FACTS, STRIDES, VIEWS, count, fill, probe

import radzoo
from radzoo import registry
from radzoo.pooling import ceil_pool

QUICK = ["squeezenet_tiny"]
TINY = [name for name in radzoo.list_models() if name.endswith("_tiny")]
FULL = [name for name in radzoo.list_models() if not name.endswith("_tiny")]
some_then_all = pytest.mark.parametrize(
    "names", [QUICK, pytest.param([name for name in TINY if name not in QUICK], marks=pytest.mark.slow)]
)


def measured(name: str) -> tuple:
    """The row of `FACTS`; probes are measured on tiny variants alone, full-size networks are counted."""
    card = radzoo.describe(name)
    size = 64 if name in TINY else 224
    tiny = name in TINY and card.input == (224, 224, 3)
    whole = radzoo.build(name, (64, 64, 3) if tiny else card.input, top=True)
    features = radzoo.build(name, (size, size, 3))
    probes = (None, None)
    if name in TINY:
        volume = radzoo.build(name, (16, 32, 32, 1))
        probes = (round(probe(fill(features)), 5), round(probe(fill(volume)), 5))
    return (count(whole), tuple(output.shape[-1] for output in features.outputs), *probes)


@pytest.mark.parametrize("name", [*TINY, *(pytest.param(name, marks=pytest.mark.slow) for name in FULL)])
def test_facts(name):
    row = measured(name)
    assert name in FACTS, f"add to tests/facts.py: {name!r}: {row},"
    assert row[:2] == FACTS[name][:2]
    assert radzoo.describe(name).parameters == row[0]
    if name in TINY:
        np.testing.assert_allclose(row[2:], FACTS[name][2:], rtol=1e-4)


def test_every_model_has_a_row():
    assert set(FACTS) == set(radzoo.list_models())


@some_then_all
def test_probes_on_jax(names):
    """The same constants on the other backend, in a process of its own; JAX compiles every operation, which is slow."""
    script = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import radzoo; from facts import fill, probe\n"
        "rows = {n: [probe(fill(radzoo.build(n, s))) for s in ((64, 64, 3), (16, 32, 32, 1))] for n in sys.argv[2:]}\n"
        "import keras; print(json.dumps([keras.backend.backend(), rows]))"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    out = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent), *names],
        env=environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    backend, rows = json.loads(out.splitlines()[-1])
    assert backend == "jax"
    for name in names:
        np.testing.assert_allclose(rows[name], FACTS[name][2:], rtol=1e-4)


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("shape", [(64, 64, 1), (33, 47, 3), (16, 32, 32, 2)])
def test_strides(name, shape):
    """Feature maps come finest first, at strides 2, 4, 8, … or the table's (a valid stem may cost a pixel)."""
    outputs = radzoo.build(name, shape).outputs
    for stride, output in zip(strides(name), outputs, strict=True):
        views = int(name in VIEWS and len(shape) == 4)
        assert output.shape[1 : 1 + views] == shape[:views]
        for size, full in zip(output.shape[1 + views : -1], shape[views:-1], strict=True):
            assert abs(size - full / stride) <= BORDERS.get(name, 1.5)


def strides(name: str) -> tuple[int, ...]:
    return STRIDES.get(name, (2, 4, 8, 16, 32))[: len(FACTS[name][1])]


@pytest.mark.parametrize("name", TINY)
def test_growth(name):
    """Pixels added to the image add their number over the stride to the features, whatever the borders cost."""
    more = 2 * strides(name)[-1]
    small, large = (radzoo.build(name, (64, width, 1)).outputs for width in (80, 80 + more))
    for stride, before, after in zip(strides(name), small, large, strict=True):
        assert after.shape[1] == before.shape[1]
        assert after.shape[2] - before.shape[2] == more / stride


@some_then_all
def test_reload_without_custom_objects(tmp_path, names):
    """Saved models give the same outputs again, and open in a process that knows Keras alone."""
    for name in names:
        for shape in ((32, 32, 1), (16, 32, 32, 1)):
            model = fill(radzoo.create_model(name, shape, classes=2))
            path = tmp_path / f"{name}_{len(shape)}.keras"
            model.save(path)
            image = np.random.RandomState(0).rand(1, *shape).astype("float32")
            np.testing.assert_array_equal(keras.models.load_model(path)(image), model(image))
    code = (
        "import keras, pathlib, sys; files = list(pathlib.Path().glob('*.keras'));"
        f"assert len(files) == {2 * len(names)}; [keras.models.load_model(file) for file in files];"
        "assert 'radzoo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


@pytest.mark.parametrize("name", TINY)
def test_layer_names(name):
    """Names are the weight file's format: unique, and each begins with its stage."""
    model = radzoo.create_model(name, (32, 32, 3), classes=2)
    paths = [weight.path for weight in model.weights]
    assert len(set(paths)) == len(paths)
    assert {path.split("_")[0].rstrip("0123456789") for path in paths} == {"stem", "stage", "head"}


def test_depthwise_3d_is_a_grouped_convolution():
    """The sum over z of depthwise 2-D convolutions against Keras' grouped Conv3D, strides and odd sizes included."""
    from radzoo.layers import depthwise_conv

    for stride, shape in ((1, (5, 6, 7, 4)), (2, (6, 8, 7, 4)), (2, (7, 5, 8, 4))):
        image = keras.Input(shape)
        ours = keras.Model(image, depthwise_conv(image, 3, stride=stride, name="x"))
        grouped = keras.layers.Conv3D(4, 3, strides=stride, padding="same", groups=4, use_bias=False)
        theirs = keras.Model(image, grouped(image))
        fill(ours)
        planes = [ours.get_layer(f"x_depthwise_z{z}").get_weights()[0] for z in range(3)]  # (3, 3, 4, 1)
        grouped.set_weights([np.stack(planes).transpose(0, 1, 2, 4, 3)])
        x = np.random.RandomState(0).rand(2, *shape).astype("float32")
        np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(30, 31), (32, 35), (33, 33)])
def test_ceil_pooling(size):
    """One zero at the end rounds 3/2 pooling up on even sizes and changes nothing on odd ones (Caffe, torch)."""
    ours = radzoo.build("squeezenet_tiny", (*size, 3)).outputs
    for before, after in pairwise(ours):
        assert after.shape[1:3] == tuple(-(-(n - 3) // 2) + 1 for n in before.shape[1:3])


@pytest.mark.parametrize("shape", [(8, 8), (7, 10), (1, 6, 7), (2, 5, 8), (5, 6, 6)])
@pytest.mark.parametrize("size", [2, 3])
def test_ceil_pooling_by_hand(shape, size):
    """The maximum of every window that begins inside the map, cut off at its end; a thin stack is one window deep."""
    image = keras.Input((*shape, 1))
    x = np.random.RandomState(0).rand(1, *shape, 1).astype("float32")
    found = np.array(keras.Model(image, ceil_pool(image, size, name="x"))(x))[0, ..., 0]
    windows = (min(size, shape[0] + 1) if len(shape) == 3 else size, *(size,) * (len(shape) - 1))
    places = [(n + 1 - window) // 2 + 1 for n, window in zip(shape, windows, strict=True)]
    assert found.shape == tuple(places)
    for place in np.ndindex(*places):
        part = tuple(slice(2 * i, 2 * i + window) for i, window in zip(place, windows, strict=True))
        assert found[place] == x[0, ..., 0][part].max(initial=0)


@pytest.mark.parametrize("name", ["alexnet_tiny", "googlenet_tiny", "googlenet_bn_tiny", "squeezenet_tiny"])
def test_few_slices_suffice_where_pooling_rounds_up(name):
    assert radzoo.build(name, (4, 64, 64, 1)).outputs[-1].shape[1] == 1


@pytest.mark.slow
def test_the_printed_googlenet_reads_thin_volumes():
    assert [output.shape[1] for output in radzoo.build("googlenet", (16, 96, 96, 1)).outputs] == [8, 4, 2, 1, 1]


def test_overrides_of_another_spelling_are_taken():
    """Whole numbers for numbers, lists for tuples, NumPy's numbers, and no name where a name may be left out."""
    radzoo.build("resnet_tiny", (32, 32, 3), blocks=[1, 1], width=np.int64(8), eps=1)
    whole = radzoo.build("alexnet_tiny", (64, 64, 3), top=True, activation=None, response=None)
    assert not any("lrn" in layer.name for layer in whole.layers)


def test_the_card_of_a_variant_names_its_origin():
    assert "torchvision" in radzoo.describe("googlenet_bn").paper


def test_cards_agree_with_the_registry():
    """What `describe` reads from the source is what the decorators registered."""
    for name in radzoo.list_models():
        builder, arguments = registry._builder(name)
        assert builder.__module__ == f"radzoo.models.{radzoo.describe(name).family}"
        assert isinstance(arguments, dict)
        assert radzoo.describe(name).title and "http" in radzoo.describe(name).paper
    assert set(registry._builders) == set(radzoo.list_models())


def test_listing_imports_no_keras():
    code = (
        "import sys, radzoo; radzoo.list_models(); radzoo.describe('densenet121'); radzoo.list_weights();"
        "assert not {'keras', 'tensorflow', 'pandas', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_list_models_filters():
    assert "densenet121" in radzoo.list_models("dense*")
    assert "squeezenet" not in radzoo.list_models("dense*")
    assert radzoo.list_models(kind="text") == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: radzoo.build("densenet12", (32, 32, 3)), "did you mean .*densenet121"),
        (lambda: radzoo.build("squeezenet_tiny", (3, 224, 224)), "channels-last"),
        (lambda: radzoo.build("squeezenet_tiny", (32, 32)), "expected"),
        (lambda: radzoo.build("squeezenet_tiny", (2, 32, 32, 1)), "too small"),
        (
            lambda: radzoo.build("inception_v3", (16, 96, 96, 1)),
            r"\(16, 96, 96, 1\) is too small .* 75 pixels along every axis: enlarge it, or pass padding='symmetric'",
        ),
        (lambda: radzoo.build("mobilenet_tiny", (None, 32, 32, 1)), "depthwise convolution needs a fixed input size"),
        (lambda: radzoo.build("resnet_tiny", (32, 32, 3), blocks=3), r"blocks=3 came for resnet_tiny, expected a list"),
        (lambda: radzoo.build("resnet_tiny", (32, 32, 3), eps="x"), "eps='x' came .* expected a number such as 1e-05"),
        (lambda: radzoo.build("resnet_tiny", (32, 32, 3), stride_in_1x1="no"), "expected true or false such as True"),
        (lambda: radzoo.build("resnet_tiny", (32, 32, 3), bottleneck=0), "bottleneck=0 came .* expected true or false"),
        (lambda: radzoo.build("resnet_tiny", (32, 32, 3), width=True), "width=True came .* expected a whole number"),
        (lambda: radzoo.build("resnet_tiny", (32, 32, 3), width=8.5), "width=8.5 came .* expected a whole number"),
        (lambda: radzoo.build("alexnet_tiny", (64, 64, 3), response=2), "response=2 came .* expected a name"),
        (lambda: radzoo.build("squeezenet_tiny", (32, 32, 3), top=True, dropout="x"), "expected a number such as 0.5"),
        (
            lambda: radzoo.create_model("resnet_tiny", (32, 32, 3), classes=2, blocks="22"),
            r"blocks='22' came for resnet_tiny, expected a list",
        ),
        (lambda: radzoo.build("squeezenet_tiny", (32, 32, 3), cell=True), "did you mean ceil"),
        (lambda: radzoo.build("squeezenet_tiny", (32, 32, 3), dropout=0.1), "top=True"),
        (lambda: radzoo.create_model("squeezenet_tiny", (32, 32, 3), classes=2, task="binary"), "classes=1"),
        (
            lambda: radzoo.create_model("squeezenet_tiny", (32, 32, 3), classes=2, task="ordinal", head="paper"),
            "use head='pool'",
        ),
        (
            lambda: radzoo.create_model("squeezenet_tiny", (32, 32, 3), classes=2, head="gap"),
            "'pool' or 'paper'",
        ),
    ],
)
def test_bad_names_and_shapes(call, message):
    with pytest.raises(radzoo.BadInput, match=message):
        call()
