"""DnCNN with its published weights: the same numbers from both of its files, from torch, and the published gain."""

import subprocess

import numpy as np
import pytest
from keras import ops

import radzoo
from radzoo.heads import create_reported
from radzoo.weights import find, probe, read_keras
from radzoo.weights.reading import read_file

NAME = "dncnn.sigma25"
SIGMA = 25 / 255
SCRIPT = """
import sys, numpy, torch
from torch import nn
layers = [nn.Conv2d(1, 64, 3, padding=1), nn.ReLU()]
for _ in range(15):
    layers += [nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()]
net = nn.Module()
net.model = nn.Sequential(*layers, nn.Conv2d(64, 1, 3, padding=1))
net.load_state_dict(torch.load(sys.argv[1], map_location="cpu", weights_only=True))
with torch.no_grad():
    x = torch.from_numpy(numpy.load(sys.argv[2]))
    numpy.save(sys.argv[3], (x - net.model(x)).numpy())
"""


def noisy(clean: np.ndarray) -> np.ndarray:
    """White noise of the level that was trained on, not cut at 0 and 1."""
    return clean + np.random.RandomState(0).normal(0, SIGMA, clean.shape).astype("float32")


def psnr(clean, found) -> float:
    """In dB, for a data range of 1."""
    return float(-10 * np.log10(np.square(np.asarray(found, "float64") - clean).mean()))


def scene(shape=(40, 47)) -> np.ndarray:
    """Smooth grey with an edge, in 0..1."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (0.5 + 0.2 * np.sin(y / 9) + 0.2 * (x > 20)).astype("float32")[None, ..., None]


def network(shape, **options):
    """With its published weights, for an image of any size."""
    return radzoo.create_model("dncnn", shape, classes=1, task="restoration", weights="sigma25", **options)


def test_the_keras_copy_by_hand(real_weights):
    """Seventeen convolutions written out, by the names in the other file."""
    file = read_keras(real_weights / "dncnn_25.weights.h5")
    given = x = noisy(scene())
    for i in range(1, 18):
        kernel, bias = file[f"conv{i}"]
        x = ops.conv(x, kernel, padding="same") + bias
        x = ops.relu(x) if i < 17 else x
    found, expected = np.asarray(network((40, 47, 1))(given, training=False)), np.asarray(given - x)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert psnr(scene(), found) > psnr(scene(), given) + 10  # 20.2 dB to more than 30


@pytest.mark.slow
def test_both_files_hold_the_same_tensors(real_weights):
    manifest, (model, report) = find(NAME), create_reported(
        "dncnn", (16, 16, 1), classes=1, task="restoration", weights="sigma25"
    )  # fmt: skip
    torch_file, keras_file = (read_file(real_weights / file.name, file, model).named for file in manifest.files)
    assert torch_file.keys() == keras_file.keys() == {weight.path for weight in model.weights}
    for path, array in torch_file.items():
        np.testing.assert_array_equal(array, keras_file[path], err_msg=path)
    assert report.initialised == () and report.skipped == ()  # the head is loaded, too
    assert manifest.parameters == 555_137 == sum(array.size for array in torch_file.values())


@pytest.mark.slow
def test_load_is_checked_by_the_probe(real_weights):
    model, manifest = radzoo.load(NAME)
    assert model.input_shape == (None, 256, 256, 1) and manifest.task == "restoration"
    assert probe(model) == pytest.approx(manifest.probe, rel=1e-4)
    assert model.get_layer("head").activation.__name__ == "linear"


def test_what_contradicts_the_weights(real_weights):
    with pytest.raises(radzoo.BadInput, match="1 channels came for 2 outputs"):
        radzoo.create_model("dncnn", (16, 16, 1), classes=2, task="restoration", weights="sigma25")
    with pytest.raises(radzoo.BadInput, match=r"merged=False contradicts the weights dncnn\.sigma25"):
        network((16, 16, 1), merged=False)


@pytest.mark.slow
def test_torch_gives_the_same_image(real_weights, torch_python, tmp_path):
    np.save(tmp_path / "in.npy", noisy(scene()).transpose(0, 3, 1, 2))
    files = [real_weights / "dncnn_25.pth", tmp_path / "in.npy", tmp_path / "out.npy"]
    done = subprocess.run(
        [torch_python, "-c", SCRIPT, *files], env={"PATH": "/usr/bin"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    expected = np.load(tmp_path / "out.npy").transpose(0, 2, 3, 1)
    np.testing.assert_allclose(network((40, 47, 1))(noisy(scene()), training=False), expected, atol=1e-5)
    assert np.abs(expected - noisy(scene())).mean() > SIGMA / 2


def photographs() -> dict[str, np.ndarray]:
    """Grey photographs that come with scikit-image, 256 pixels a side; none of them is in Set12."""
    from skimage import color, data, transform

    pictures = {"camera": data.camera(), "coins": data.coins(), "moon": data.moon(), "brick": data.brick()}
    pictures["astronaut"] = color.rgb2gray(data.astronaut())
    whole = {name: x / 255 if x.dtype == np.uint8 else x for name, x in pictures.items()}
    return {
        name: np.float32(transform.resize(x, (256, 256), anti_aliasing=True))[None, ..., None]
        for name, x in whole.items()
    }


def radiographs(folder) -> dict[str, np.ndarray]:
    """Chest radiographs at 256 pixels."""
    import cv2

    files = sorted((folder / "chest_nih14" / "images").glob("*.png"))[::60][:5]
    pictures = (cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in files)
    return {
        f"chest {i}": np.float32(cv2.resize(x, (256, 256), interpolation=cv2.INTER_AREA))[None, ..., None] / 255
        for i, x in enumerate(pictures, start=1)
    }


@pytest.mark.slow
def test_published_gain_on_real_images(real_weights, real_data, printed):
    """Set12 is not at hand (published there: 30.43 dB from 20.17): photographs of its kind, and radiographs."""
    model = radzoo.load(NAME)[0]
    lines, found = [], {}
    for name, clean in {**photographs(), **radiographs(real_data)}.items():
        given = noisy(clean)
        before, found[name] = psnr(clean, given), psnr(clean, model.predict(given, verbose=0))
        lines.append(f"{name:10} {before:6.2f} dB noisy, {found[name]:6.2f} dB denoised")
        assert before == pytest.approx(-20 * np.log10(SIGMA), abs=0.1)  # 20.17
        assert found[name] > before + 9
    printed("DnCNN, sigma 25/255, data range 1", "\n".join(lines))
    assert np.mean([found[name] for name in photographs()]) > 30.4
    assert min(value for name, value in found.items() if "chest" in name) > 33
