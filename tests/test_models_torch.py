"""Whole networks against torch with the same weights, read from torch's own files by radzoo's own reader."""

import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest

import radzoo
from radzoo.weights import find
from radzoo.weights.manifest import File
from radzoo.weights.reading import read_file
from radzoo.weights.report import assign

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("torch_models.py")
TOLERANCE = 1e-5  # of the largest output

# Networks of torchvision: sizes, and whether they have auxiliary heads. The last size is odd and no square.
TORCHVISION = {
    "alexnet_owt": ("224x224",),
    "vgg16": ("224x224",),
    "googlenet_bn": ("224x224", "231x215"),
    "inception_v3": ("299x299", "303x331"),
    "resnet18": ("224x224", "203x187"),
    "resnet50": ("224x224", "203x187"),
    "densenet121": ("224x224", "203x187"),
    "squeezenet": ("224x224", "211x200"),
    "mobilenet_v2": ("224x224", "203x187"),
}
TOWERS = {"flatten": {"head_fc6_dense": (256, 6, 6)}}
HEADS = {"flatten": {f"head_auxiliary{i}_dense": (128, 4, 4) for i in (1, 2)}}
# Printed networks that torchvision does not have: name in torch_models.py, radzoo's, overrides, size, file.
PRINTED = [
    ("alexnet", "alexnet", {}, "227x227", TOWERS),
    ("caffenet", "caffenet", {}, "227x227", TOWERS),
    ("googlenet", "googlenet", {}, "224x224", HEADS),
    ("googlenet_caffe", "googlenet", {"norm": "caffe"}, "224x224", HEADS),
    ("unet", "unet", {}, "204x188", {}),
    ("segnet", "segnet", {}, "75x90", {}),
    ("redcnn", "redcnn", {"classes": 3}, "55x61", {}),
    ("dncnn", "dncnn", {"classes": 3}, "40x47", {}),
    ("fbpconvnet", "fbpconvnet", {"classes": 3}, "48x64", {}),
]


def answers(python: Path, name: str, folder: Path, sizes) -> dict:
    """Runs torch; its weights are then in `folder / "weights.pth"`."""
    done = subprocess.run(
        [str(python), str(SCRIPT), name, str(folder), *sizes], env={"PATH": "/usr/bin"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return dict(np.load(folder / "answers.npz"))


def logits(name: str, size: str, **overrides) -> keras.Model:
    """The whole network up to its last activations, main output first."""
    model = radzoo.build(name, (*map(int, size.split("x")), 3), top=True, **overrides)
    ends = [layer.name for layer in model.layers if layer.name in ("head", "head_auxiliary1", "head_auxiliary2")]
    return keras.Model(model.input, [model.get_layer(end).input for end in sorted(ends)], name=name)


def compare(model: keras.Model, image: np.ndarray, expected: list) -> None:
    found = model(image.astype("float32"), training=False)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        scale = np.abs(theirs).max()
        assert theirs.std() > 0.01 * scale  # not the biases alone
        error = np.abs(np.array(ours) - theirs).max() / scale
        print(f"{model.name} {image.shape[1:3]}: largest difference {error:.1e} of the largest output {scale:.3g}")
        assert error <= TOLERANCE


def outputs(found: dict, size: str) -> list:
    return [found[key] for key in sorted(found) if key.startswith("output") and key.endswith(size)]


@pytest.mark.parametrize("name", TORCHVISION)
def test_parity_with_torchvision(name, torch_python, tmp_path):
    """Through the manifest of torchvision's weights: its renames, its overrides and its way with pixels."""
    manifest = find(f"{name}.imagenet_torch")
    found = answers(torch_python, name, tmp_path, TORCHVISION[name])
    first = None
    for size in TORCHVISION[name]:
        model = logits(name, size, **manifest.overrides)
        if first is None:
            content = read_file(tmp_path / "weights.pth", manifest.files[0], model)
            assign(model, content.named, name)
            first = model
        else:
            model.set_weights(first.get_weights())
        compare(model, manifest.input.normalise(found[f"pixels_{size}"] / np.float32(255)), outputs(found, size))


@pytest.mark.parametrize(("name", "own", "overrides", "size", "file"), PRINTED, ids=[row[0] for row in PRINTED])
def test_parity_with_printed_networks(name, own, overrides, size, file, torch_python, tmp_path):
    found = answers(torch_python, name, tmp_path, [size])
    model = logits(own, size, **overrides)
    content = read_file(tmp_path / "weights.pth", File(name="weights.pth", format="torch", **file), model)
    assign(model, content.named, name)
    compare(model, found[f"pixels_{size}"], outputs(found, size))
