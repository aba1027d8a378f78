"""MeshNet against the TF.js originals of brainchop, and what it finds in a head."""

import json

import keras
import numpy as np
import pytest
from facts import fill

import radzoo
from radzoo.errors import BadInput
from radzoo.images import volumes
from radzoo.images.volumes.fitted import percentiles, scale
from radzoo.weights import File, apply, find
from radzoo.weights.reading import read_file

ORIGINALS = {"meshnet_5": "model5_gw_ae", "meshnet_20": "model20chan3cls"}
SIZE = (20, 24, 22)


def network(name, shape=(None, None, None, 1)):
    """With the weights of its manifest, for volumes of any size."""
    model = radzoo.build(name, shape, top=True)
    apply(model, find(f"{name}.brainchop"), skip_head=False)
    return model


def original(folder):
    """The model of a TF.js folder as its JSON describes it, with the numbers of its binary file; all maps."""
    told = json.loads((folder / "model.json").read_text())
    (group,) = told["weightsManifest"]
    numbers, named, at = np.concatenate([np.fromfile(folder / path, "<f4") for path in group["paths"]]), {}, 0
    for each in group["weights"]:
        count = int(np.prod(each["shape"]))
        named[each["name"]] = numbers[at : at + count].reshape(each["shape"])
        at += count
    assert at == len(numbers)
    x = image = keras.Input((None, None, None, 1))
    maps = []
    for layer in told["modelTopology"]["model_config"]["config"]["layers"][1:]:
        made = {"Conv3D": keras.layers.Conv3D, "Activation": keras.layers.Activation}[layer["class_name"]]
        known = ("filters", "kernel_size", "padding", "dilation_rate", "activation")
        made = made(**{key: layer["config"][key] for key in known if key in layer["config"]})
        x = made(x)
        if made.weights:
            made.set_weights([named[f"{layer['config']['name']}/{part}"] for part in ("kernel", "bias")])
        maps.append(x)
    return keras.Model(image, maps)


@pytest.mark.parametrize("name", ORIGINALS)
def test_layer_by_layer_as_the_original_in_its_own_orientation(name, real_weights):
    """The original sees the patient along left, inferior and anterior; here the kernels are turned instead."""
    model, theirs = network(name), original(real_weights / "brainchop" / ORIGINALS[name])
    ours = [layer.output for layer in model.layers[1:-1]]
    assert len(ours) == len(theirs.outputs) == 19
    volume = np.random.default_rng(0).random((1, *SIZE, 1), "float32")
    lia = volume.transpose(0, 3, 1, 2, 4)[:, :, ::-1, ::-1]
    assert lia.shape[1:4] == (22, 20, 24) and lia[0, 5, 2, 3, 0] == volume[0, 17, 20, 5, 0]
    found = keras.Model(model.input, ours)(volume)
    for mine, other in zip(found, theirs(np.ascontiguousarray(lia)), strict=True):
        other = np.asarray(other)[:, :, ::-1, ::-1].transpose(0, 2, 3, 1, 4)
        np.testing.assert_allclose(np.asarray(mine), other, atol=1e-4 * np.abs(other).max())
    probabilities = np.asarray(model(volume))
    assert probabilities.shape == (1, *SIZE, 3)
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)


def test_without_turned_kernels_the_answer_is_another(real_weights):
    manifest, model = find("meshnet_5.brainchop"), radzoo.build("meshnet_5", (*SIZE, 1), top=True)
    file = manifest.files[0]
    assert file.axes == "LIA"
    turned, plain = (
        read_file(real_weights / "brainchop" / file.name, each, model).named["stage1_conv/kernel"]
        for each in (file, File(name=file.name, format=file.format, renames=file.renames))
    )
    np.testing.assert_array_equal(turned, plain.transpose(1, 2, 0, 3, 4)[::-1, ::-1])
    assert np.abs(turned - plain).max() > 0.01


def test_what_is_further_inside_than_its_reach_knows_no_crop():
    """1 voxel for each unit of dilation: 4 here, 46 with the dilations of the paper."""
    model = fill(radzoo.build("meshnet_tiny", (None, None, None, 1), top=True))
    volume = np.random.default_rng(0).random((1, 16, 16, 16, 1), "float32")
    whole, part = np.asarray(model(volume)), np.asarray(model(volume[:, 2:14, 2:14, 2:14]))
    np.testing.assert_allclose(part[:, 4:-4, 4:-4, 4:-4], whole[:, 6:-6, 6:-6, 6:-6], atol=1e-5)
    assert np.abs(part[:, 3, 3:-3, 3:-3] - whole[:, 5, 5:-5, 5:-5]).max() > 1e-3


def test_percentiles_of_a_volume():
    volume = volumes.Volume(np.arange(101, dtype="float32").reshape(1, 1, 101), np.diag([1.0, 1, 1, 1]))
    for window, ends in {"percentile": (1, 99), "percentile 0 100": (0, 100), "percentile 5 95": (5, 95)}.items():
        assert percentiles(window) == ends
        found = scale(volume, window)(np.float32([ends[0], 50, ends[1]]))
        np.testing.assert_allclose(found, [0, 0.5, 1], atol=1e-6)
    for window in ("percentile 5", "percentile 95 5", "percentile 0 101", "quantile 5 95", "percentile a b"):
        with pytest.raises(BadInput, match="expected 'percentile', 'percentile 0 100', or center and width"):
            scale(volume, window)


@pytest.mark.slow
@pytest.mark.parametrize("name", ORIGINALS)
def test_grey_and_white_matter_of_a_head(name, real_weights):
    """An adult has about 400 to 700 ml of white matter and 550 to 850 ml of grey, white inside of grey."""
    manifest = find(f"{name}.brainchop")
    volume = volumes.read(real_weights / "inputs" / "brainchop_t1_crop.nii.gz")
    image = manifest.input(volume)
    assert image.shape == (256, 256, 256, 1) and (image.min(), image.max()) == (0, 1)
    head = image[34:218, 6:250, 37:221]  # and 10 voxels of air around it
    labels = np.asarray(network(name).predict(head[None], verbose=0))[0].argmax(-1)
    white, grey = (int((labels == each).sum()) / 1000 for each in (1, 2))
    print(f"{name}: {white:.0f} ml of white matter, {grey:.0f} ml of grey")
    assert 400 < white < 700 and 550 < grey < 850
    place = [np.argwhere(labels == each) for each in (1, 2)]
    centre = np.concatenate(place).mean(0)
    assert np.linalg.norm(place[0] - centre, axis=1).mean() < np.linalg.norm(place[1] - centre, axis=1).mean()
    bright = [head[..., 0][labels == each].mean() for each in (1, 2)]
    assert bright[0] > 1.15 * bright[1]  # T1
