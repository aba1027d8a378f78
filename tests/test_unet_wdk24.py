"""The small lung U-Net against torch's own answers with its published weights."""

import subprocess

import numpy as np
import pytest
from keras import ops

import radzoo
from radzoo.heads import create_reported
from radzoo.images import volumes
from radzoo.images.intensity import window
from radzoo.images.pixels import Pixels
from radzoo.weights import apply, find, read_keras, read_torch
from radzoo.weights.reading import read_file

SCRIPT = """
import sys, numpy, torch
from torch import nn
def pair(n, m):
    return nn.Sequential(nn.Conv2d(n, m, 3, 1, 1), nn.BatchNorm2d(m), nn.ReLU(),
                         nn.Conv2d(m, m, 3, 1, 1), nn.BatchNorm2d(m), nn.ReLU())
widths = [1, 16, 32, 64, 128]
net = nn.ModuleDict({f"conv{i}": pair(widths[i - 1], widths[i]) for i in (1, 2, 3)})
net["middle"] = pair(64, 128)
for i in (3, 2, 1):
    net[f"upsample{i}"] = nn.ConvTranspose2d(widths[i + 1], widths[i], 3, 2, 1, 1)
    net[f"upconv{i}"] = pair(widths[i + 1], widths[i])
net["final"] = nn.Conv2d(16, 1, 1)
net.load_state_dict(torch.load(sys.argv[1], map_location="cpu", weights_only=True))
net.eval()
with torch.no_grad():
    x, across = torch.from_numpy(numpy.load(sys.argv[2])), []
    for i in (1, 2, 3):
        across.append(net[f"conv{i}"](x))
        x = nn.functional.max_pool2d(across[-1], 2)
    x = net["middle"](x)
    for i in (3, 2, 1):
        x = net[f"upconv{i}"](torch.cat([net[f"upsample{i}"](x), across[i - 1]], 1))
    numpy.save(sys.argv[3], torch.sigmoid(net["final"](x)).numpy())
"""


def slices():
    """HU + 1024 of two lungs in a body, roughly, and no square."""
    y, x = np.mgrid[:256, :320]
    body, lungs = (x - 160) ** 2 + 2 * (y - 128) ** 2 < 140**2, (abs(x - 160) - 60) ** 2 + (y - 128) ** 2 / 2 < 40**2
    noise = np.random.default_rng(0).normal(0, 20, (2, *y.shape, 1))
    return (noise + np.where(lungs, 170, np.where(body, 1060, 20))[..., None]).clip(0).astype("float32")


def network(real_weights, shape=(256, 320, 1)):
    """With its published weights, for another size than theirs."""
    model = radzoo.build("unet_wdk24", shape, top=True)
    apply(model, find("unet_wdk24.lctsc"), skip_head=False)
    return model


def test_the_keras_file_by_hand(real_weights):
    """Convolutions, statistics and up-convolutions written out, by the names in the file."""
    file, x = read_keras(real_weights / "unet_small_lung.weights.h5"), slices()

    def pair(x, name):
        for conv, norm in (("0", "1"), ("3", "4")):
            (kernel, bias), (gamma, beta, mean, variance) = file[f"{name}_{conv}"], file[f"{name}_{norm}"]
            x = ops.conv(x, kernel, padding="same") + bias
            x = ops.relu((x - mean) / ops.sqrt(variance + 1e-5) * gamma + beta)
        return x

    across, image = [], x
    for i in (1, 2, 3):
        across.append(pair(x, f"conv{i}"))
        x = ops.max_pool(across[-1], 2, 2)
    x = pair(x, "middle")
    for i in (3, 2, 1):
        kernel, bias = file[f"upsample{i}"]
        x = ops.conv_transpose(x, kernel, 2, padding="valid")[:, 1:, 1:] + bias
        x = pair(ops.concatenate([x, across[i - 1]], axis=-1), f"upconv{i}")
    expected = np.asarray(ops.sigmoid(ops.conv(x, file["final"][0]) + file["final"][1]))[..., 0]
    found = np.asarray(network(real_weights)(image, training=False))
    assert expected.min() < 0.2 < 0.8 < expected.max()
    np.testing.assert_allclose(found[..., 1], expected, atol=1e-5)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)


def test_both_files_hold_the_same_tensors(real_weights):
    manifest, model = find("unet_wdk24.lctsc"), radzoo.build("unet_wdk24", (64, 64, 1), top=True)
    torch_file, keras_file = (read_file(real_weights / file.name, file, model).named for file in manifest.files)
    assert torch_file.keys() == keras_file.keys() == {weight.path for weight in model.weights}
    for path, array in torch_file.items():
        np.testing.assert_array_equal(array, keras_file[path], err_msg=path)
    up = read_torch(real_weights / "UNet_wdk24.pt")["upsample2.weight"]
    np.testing.assert_array_equal(torch_file["decoder2_up_conv/kernel"], up.transpose(2, 3, 1, 0))


@pytest.mark.slow
def test_torch_gives_the_same_lungs(real_weights, torch_python, tmp_path):
    np.save(tmp_path / "in.npy", slices().transpose(0, 3, 1, 2))
    files = [real_weights / "UNet_wdk24.pt", tmp_path / "in.npy", tmp_path / "out.npy"]
    command = [torch_python, "-c", SCRIPT, *files]
    done = subprocess.run(command, env={"PATH": "/usr/bin"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = np.load(tmp_path / "out.npy")[:, 0]
    found = np.asarray(network(real_weights)(slices(), training=False))[..., 1]
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.slow
def test_lungs_of_a_patient_through_the_manifest(real_weights, real_data):
    """Bases of two lungs, enlarged from 3 mm: Dice above .8 with TotalSegmentator's."""
    model, manifest = radzoo.load("unet_wdk24.lctsc")
    ct, truth = (volumes.read(real_data / "totalseg" / f"example_{name}.nii.gz").values for name in ("ct_sm", "seg"))
    lungs = np.isin(truth, range(10, 15))
    z = np.argsort(lungs.sum((1, 2)))[-4:]
    assert manifest.input.normalise(np.float32([0, 1])).tolist() == [0, 4095]  # -1024 and 3071 HU
    pixels = [manifest.input(Pixels(window(ct[i], *manifest.input.window), modality="CT")) for i in z]
    masks = [manifest.input.fit(Pixels(lungs[i].astype("float32")))[..., 0] > 0.5 for i in z]
    found = np.asarray(model.predict(np.stack(pixels), verbose=0))[..., 1] > 0.5
    assert 2 * (found & masks).sum() / (found.sum() + np.sum(masks)) > 0.8


def test_a_head_of_its_own_on_the_published_layers(real_weights):
    """Other classes: everything but the last convolution is loaded."""
    model, report = create_reported("unet_wdk24", (64, 64, 1), classes=4, task="segmentation", weights="lctsc")
    assert model.output_shape == (None, 64, 64, 4)
    assert report.initialised == ("head_score/kernel", "head_score/bias")
    assert len(report.loaded) + len(report.transposed) == len(model.weights) - 2
