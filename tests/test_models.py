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
from facts import FACTS, count, fill, probe

import radzoo
from radzoo import registry

TINY = [name for name in radzoo.list_models() if name.endswith("_tiny")]
FULL = [name for name in radzoo.list_models() if not name.endswith("_tiny")]


def measured(name: str) -> tuple:
    """The row of `FACTS`; probes are measured on tiny variants alone, full-size networks are counted."""
    card = radzoo.describe(name)
    size = 64 if card.name in TINY else 224
    whole = radzoo.build(name, (size, size, 3), top=True)
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


def test_probes_on_jax():
    """The same constants on the other backend, in a process of its own."""
    script = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import radzoo; from facts import fill, probe\n"
        "rows = {n: [probe(fill(radzoo.build(n, s))) for s in ((64, 64, 3), (16, 32, 32, 1))] for n in sys.argv[2:]}\n"
        "import keras; print(json.dumps([keras.backend.backend(), rows]))"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    out = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent), *TINY],
        env=environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    backend, rows = json.loads(out.splitlines()[-1])
    assert backend == "jax"
    for name in TINY:
        np.testing.assert_allclose(rows[name], FACTS[name][2:], rtol=1e-4)


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("shape", [(64, 64, 1), (33, 47, 3), (16, 32, 32, 2)])
def test_features_halve(name, shape):
    """Feature maps come finest first, at strides 2, 4, 8, … (a valid stem may cost a pixel)."""
    for i, output in enumerate(radzoo.build(name, shape).outputs, start=1):
        for size, full in zip(output.shape[1:-1], shape[:-1], strict=True):
            assert abs(size - full / 2**i) <= 1.5


def test_reload_without_custom_objects(tmp_path):
    """Saved models give the same outputs again, and open in a process that knows Keras alone."""
    for name in TINY:
        for shape in ((32, 32, 1), (16, 32, 32, 1)):
            model = fill(radzoo.create_model(name, shape, classes=2))
            path = tmp_path / f"{name}_{len(shape)}.keras"
            model.save(path)
            image = np.random.RandomState(0).rand(1, *shape).astype("float32")
            np.testing.assert_array_equal(keras.models.load_model(path)(image), model(image))
    code = (
        "import keras, pathlib, sys; files = list(pathlib.Path().glob('*.keras'));"
        f"assert len(files) == {2 * len(TINY)}; [keras.models.load_model(file) for file in files];"
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


def copy_by_order(source: keras.Model, target: keras.Model) -> None:
    """Weights of every layer that has some, in graph order; shapes must agree one by one."""
    ours = [layer for layer in target.layers if layer.weights]
    theirs = [layer for layer in source.layers if layer.weights]
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        mine.set_weights(other.get_weights())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "reference", "arguments", "overrides"),
    [
        ("densenet121", "DenseNet121", {}, {"eps": 1.001e-5}),
        ("mobilenet_v2", "MobileNetV2", {"alpha": 1.0}, {}),
        ("mobilenet_v2_035", "MobileNetV2", {"alpha": 0.35}, {}),
    ],
)
@pytest.mark.parametrize("size", [224, 160])
def test_parity_with_keras_applications(name, reference, arguments, overrides, size):
    theirs = getattr(keras.applications, reference)(weights=None, input_shape=(size, size, 3), **arguments)
    ours = radzoo.build(name, (size, size, 3), top=True, **overrides)
    fill(theirs)
    copy_by_order(theirs, ours)
    image = np.random.RandomState(1).standard_normal((2, size, size, 3)).astype("float32")
    expected = np.array(theirs(image, training=False))
    np.testing.assert_allclose(np.array(ours(image, training=False)), expected, rtol=1e-5, atol=1e-9)
    assert expected.std() > 0


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
        (lambda: radzoo.build("squeezenet_tiny", (4, 32, 32, 1)), "too small"),
        (lambda: radzoo.build("squeezenet_tiny", (32, 32, 3), cell=True), "did you mean ceil"),
        (lambda: radzoo.build("squeezenet_tiny", (32, 32, 3), dropout=0.1), "top=True"),
        (lambda: radzoo.create_model("squeezenet_tiny", (32, 32, 3), classes=2, task="binary"), "classes=1"),
        (
            lambda: radzoo.create_model("squeezenet_tiny", (32, 32, 3), classes=2, task="ordinal"),
            "multilabel",
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
