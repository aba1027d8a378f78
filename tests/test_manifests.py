"""The manifests that radzoo ships: official files and hashes, licences, pixels, and names held against the models."""

import dataclasses
import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
from test_weights import scatter, write_legacy

from radzoo import build
from radzoo.errors import BadInput
from radzoo.images.input import Input
from radzoo.registry import packaged
from radzoo.weights import File, apply, find, fit_of, list_weights, load, locate, read_manifest, torch_layers

MANIFESTS = {path.stem: read_manifest(path) for path in sorted(packaged("weights").glob("*.json"))}
TORCH = {name: m for name, m in MANIFESTS.items() if m.tag == "imagenet_torch"}
KERAS = {name: m for name, m in MANIFESTS.items() if m.tag == "imagenet" and m.model != "squeezenet"}
REAL = Path(os.environ.get("RADZOO_WEIGHTS", "").split(os.pathsep)[0] or "nowhere")
IMAGENET = Input(shape=(224, 224, 3), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
real_files = pytest.mark.skipif(not (REAL / "inputs").is_dir(), reason="RADZOO_WEIGHTS has no real weights")


def test_every_family_has_its_files():
    resnets, densenets = {"resnet50", "resnet101", "resnet152"}, {"densenet121", "densenet169", "densenet201"}
    both = {"vgg16", "vgg19", "inception_v3", "mobilenet_v2"} | resnets | densenets
    assert {m.model for m in TORCH.values()} == both | {
        "alexnet_owt", "googlenet_bn", "resnet18", "resnet34", "squeezenet"
    }  # fmt: skip
    assert {m.model for m in KERAS.values()} == both | {"mobilenet", "mobilenet_v2_035"}


@pytest.mark.parametrize("name", TORCH)
def test_torchvision_files_are_the_official_ones(name):
    manifest = TORCH[name]
    (file,) = manifest.files
    assert re.search(rf"-{file.sha256_start}\.pth$", file.name)
    assert file.url == f"https://download.pytorch.org/models/{file.name}"
    assert (manifest.top, manifest.outputs, manifest.licences["code"]) == (True, 1000, "BSD-3-Clause")
    ported = manifest.model in ("googlenet_bn", "inception_v3")  # torchvision's transform_input: -1 to 1
    expected = Input(shape=manifest.input.shape, mean=(0.5,), std=(0.5,)) if ported else IMAGENET
    assert manifest.input == expected


@pytest.mark.parametrize("name", KERAS)
def test_keras_files_have_the_hashes_in_the_source_of_keras(name):
    file = KERAS[name].files[0]
    assert file.url.endswith(f"/{file.name}")
    assert file.url.startswith("https://storage.googleapis.com/tensorflow/keras-applications/")
    family = re.match("densenet|resnet|mobilenet_v2|[a-z0-9_]+?(?=[.])", name)[0]
    source = Path(keras.__file__).parent / "src" / "applications" / f"{family}.py"
    if not source.is_file():
        pytest.skip(f"this Keras ships no source of keras.applications.{family}")
    text = source.read_text()
    if "mobilenet" in name:
        assert file.md5 is None
        assert "file_hash" not in text  # Keras publishes none
    else:
        assert f'"{file.md5}"' in text


@pytest.mark.parametrize("name", MANIFESTS)
def test_three_licences_apart_and_no_invented_hash(name):
    manifest = MANIFESTS[name]
    assert manifest.commercial == manifest.name.endswith("phantom_chest")
    for file in manifest.files:
        for kind, digits in (("sha256", 64), ("md5", 32)):
            value = getattr(file, kind)
            assert value is None or re.fullmatch(rf"[0-9a-f]{{{digits}}}", value)
    if manifest.model.startswith("vgg") and manifest.tag == "imagenet":
        assert manifest.licences["weights"].startswith("CC-BY-4.0")


def test_overrides_say_where_a_source_differs_from_the_paper():
    assert find("resnet50.imagenet").overrides == {"bias": True, "eps": 1.001e-5, "stride_in_1x1": True}
    assert find("resnet50.imagenet_torch").overrides == {"stride_in_1x1": False}  # eps 1e-5 is the builder's own
    assert find("mobilenet_v2.imagenet_torch").overrides == {"padding": "symmetric", "eps": 1e-5}
    assert find("inception_v3.imagenet").overrides == {"scale": False}


def test_radimagenet_is_a_file_that_the_user_brings():
    names = list_weights("*.radimagenet")
    assert names == ["densenet121.radimagenet", "inception_v3.radimagenet", "resnet50.radimagenet"]
    for name in names:
        manifest = find(name)
        assert manifest.input == find(names[0]).input  # one preprocessing, said to be unsure
        assert "issue 18" in manifest.source
        assert [file.url for file in manifest.files] == [None]
    # Caffe's means, then 1/255, in BGR: black, and white, of the last channel (red)
    black, white = (manifest.input.normalise(np.full((1, 1, 3), value, "float32"))[0, 0, 2] for value in (0, 1))
    np.testing.assert_allclose([black, white], [-123.68 / 255, 1 - 123.68 / 255], rtol=1e-6)


def test_the_first_digits_of_a_hash_are_checked(tmp_path, monkeypatch):
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    (tmp_path / "w-00000000.pth").write_bytes(b"x")
    start = hashlib.sha256(b"x").hexdigest()[:8]
    file = File(name="w-00000000.pth", format="torch", sha256_start=start)
    manifest = dataclasses.replace(find("resnet18.imagenet_torch"), files=(file,))
    assert file.published_hash == f"sha256 begins with {start}"
    assert locate(manifest)[0] == tmp_path / "w-00000000.pth"
    wrong = dataclasses.replace(manifest, files=(dataclasses.replace(file, sha256_start="12345678"),))
    with pytest.raises(BadInput, match="expected one that begins with 12345678: remove it"):
        locate(wrong)


TORCHVISION = {"alexnet_owt": "alexnet", "googlenet_bn": "googlenet", "squeezenet": "squeezenet1_1"}  # others alike
URLS = """
import json, sys, torchvision
print(json.dumps([torchvision.models.get_model_weights(name).IMAGENET1K_V1.url for name in sys.argv[1:]]))
"""
SHAPES = """
import json, sys, torch, torchvision
with torch.device("meta"):
    network = torchvision.models.get_model(sys.argv[1])
print(json.dumps({key: list(value.shape) for key, value in network.state_dict().items()}))
"""


def told_by_torch(python, script, *arguments):
    done = subprocess.run([python, "-c", script, *arguments], env={"PATH": "/usr/bin"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_urls_are_those_in_the_source_of_torchvision(torch_python):
    urls = told_by_torch(torch_python, URLS, *(TORCHVISION.get(m.model, m.model) for m in TORCH.values()))
    for manifest, url in zip(TORCH.values(), urls, strict=True):
        (file,) = manifest.files
        assert (file.url, file.name) == (url, url.rpartition("/")[2])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet34", "resnet101", "resnet152", "vgg19", "densenet169", "densenet201"])
def test_every_tensor_of_torchvision_has_its_place(name, torch_python):
    """Renames are a bijection between torch's modules and the layers, with equal shapes; others have parity tests."""
    manifest = TORCH[f"{name}.imagenet_torch"]
    shapes = told_by_torch(torch_python, SHAPES, name)
    model = build(name, manifest.input.shape, top=True, **manifest.overrides)
    expected = {layer.name: [tuple(w.shape) for w in layer.weights] for layer in model.layers if layer.weights}
    spellings = [shapes]
    if name.startswith("densenet"):  # the file itself is of torch 0.3, with dots within
        dotted = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", key): shape for key, shape in shapes.items()}
        assert dotted.keys() != shapes.keys()
        spellings.append(dotted)
    for spelling in spellings:
        named = {key: np.broadcast_to(np.float32(0), shape) for key, shape in spelling.items()}
        found = torch_layers(named, manifest.files[0])
        assert {layer: [array.shape for array in arrays] for layer, arrays in found.items()} == expected
        assert sum(array.size for arrays in found.values() for array in arrays) == manifest.parameters


@pytest.mark.slow
@pytest.mark.parametrize("name, size", [("mobilenet", 64), ("inception_v3", 96), ("resnet50", 64), ("vgg16", 32)])
def test_official_files_answer_like_keras_applications(name, size, tmp_path, monkeypatch):
    """Names and tensors of what Keras itself writes, through the manifest of the official file."""
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    makers = {"mobilenet": "MobileNet", "inception_v3": "InceptionV3", "resnet50": "ResNet50", "vgg16": "VGG16"}
    keras.layers.Conv2D(1, 1)  # Keras counts on through a session, its own names change with it
    network = getattr(keras.applications, makers[name])(weights=None, include_top=False, input_shape=(size, size, 3))
    write_legacy(tmp_path / "w.h5", scatter(network))
    manifest = find(f"{name}.imagenet")
    file = dataclasses.replace(manifest.files[0], name="w.h5", md5=None)
    model = build(name, (size, size, 3), **manifest.overrides)
    report = apply(model, dataclasses.replace(manifest, files=(file,)), skip_head=False)
    assert (len(report.loaded), report.initialised) == (len(model.weights), ())
    assert sum(int(np.prod(weight.shape)) for weight in model.weights) == manifest.parameters
    image = np.random.default_rng(1).normal(size=(1, size, size, 3)).astype("float32")
    ours, theirs = np.asarray(model(image, training=False)[-1]), np.asarray(network(image, training=False))
    if name == "vgg16":  # radzoo's last map is before the last pooling
        ours = np.asarray(keras.ops.max_pool(ours, 2, 2))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.slow
@real_files
def test_the_real_small_mobilenet_sees_the_cat_and_answers_like_keras():
    model, manifest = load("mobilenet_025.imagenet_int8")
    image = manifest.input(REAL / "inputs" / "cat.bmp")[None]
    chances = np.asarray(model(image, training=False))[0]
    names = (REAL / "inputs" / "imagenet_labels.txt").read_text().splitlines()[1:]
    assert any("cat" in names[i].lower() for i in np.argsort(-chances)[:5])
    network = keras.applications.MobileNet((128, 128, 3), alpha=0.25, weights=None)
    network.load_weights(REAL / manifest.files[0].name)
    np.testing.assert_allclose(chances, np.asarray(network(image, training=False))[0], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@real_files
def test_statistics_within_real_weights_tell_the_scale_of_their_pixels():
    model, manifest = load("mobilenet_v2_035.imagenet")
    image = manifest.input(REAL / "inputs" / "cat.bmp")[None]
    right, half, bytes_ = (fit_of(model, pixels) for pixels in (image, image / 2, (image + 1) * 127.5))
    assert right.plausible
    assert half.spread == pytest.approx(right.spread / 2, rel=1e-3)
    assert not half.plausible
    assert not bytes_.plausible
    assert "NOT plausible" in str(bytes_)


def test_statistics_are_those_worked_out_by_hand():
    image = keras.Input((2, 2, 1))
    model = keras.Model(image, keras.layers.BatchNormalization(epsilon=0.0, name="stem_norm")(image))
    model.get_layer("stem_norm").set_weights([np.ones(1), np.zeros(1), np.array([3.0]), np.array([4.0])])
    fit = fit_of(model, np.float32([0, 2, 0, 2]).reshape(1, 2, 2, 1))  # mean 1, standard deviation 1
    assert (fit.layer, fit.images) == ("stem_norm", 1)
    assert (fit.shift, fit.spread) == (pytest.approx(1.0), pytest.approx(0.5))
    with pytest.raises(BadInput, match="no batch normalisation"):
        fit_of(keras.Model(image, keras.layers.ReLU()(image)), np.zeros((1, 2, 2, 1)))
