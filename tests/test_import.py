"""`radzoo weights import`: torch checkpoints by known manifests, what is said of every tensor, and what is refused."""

import re
import subprocess
from collections import OrderedDict

import numpy as np
import pytest
from test_weights import scatter
from torch_writer import Call, Global, state_of, write_old, write_zip

from radzoo import build
from radzoo.errors import BadInput
from radzoo.heads import create_reported
from radzoo.images.input import Input
from radzoo.weights import File, find, import_reported, load, read_manifest
from radzoo.weights.torch_layers import torch_layers

RGB = Input(shape=(32, 32, 3))
LIKE = ("--model", "resnet_tiny", "--tag", "mine", "--like", "resnet18.imagenet_torch")


@pytest.fixture(autouse=True)
def shelf(monkeypatch, tmp_path):
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("RADZOO_OFFLINE", "1")
    return tmp_path


def torchvision_name(layer):
    """torchvision's module for a layer of a ResNet, written without the manifest's renames."""
    kind = {"conv": "conv", "norm": "bn"}
    if layer == "head_logits":
        return "fc"
    stage, *middle, last = layer.split("_")
    if stage == "stem":
        return f"{kind[last]}1"
    block, part = middle
    start = f"layer{stage[5:]}.{int(block[5:]) - 1}."
    return f"{start}downsample.{int(last == 'norm')}" if part == "shortcut" else f"{start}{kind[last]}{part}"


@pytest.fixture(scope="module")
def network():
    return scatter(build("resnet_tiny", (32, 32, 3), top=True, classes=5))


@pytest.fixture
def state(network):
    return state_of(network, torchvision_name)


@pytest.mark.parametrize("write", [write_zip, write_old])
def test_a_torchvision_file_comes_back_by_a_known_manifest(write, network, state, shelf, cli):
    tensors, storages = state
    wrapped = {"epoch": 9, "state_dict": OrderedDict((f"module.{key}", value) for key, value in tensors.items())}
    write(shelf / "mine.pth", wrapped, storages)
    code, out, err = cli("weights", "import", shelf / "mine.pth", *LIKE, "--top", "--classes", 5, "--to", shelf)
    assert (code, err) == (0, "")
    row = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert re.search(r"8x16\s+transposed\s+layer2\.0\.downsample\.0\.weight", row["stage2_block1_shortcut_conv/kernel"])
    assert re.search(r"\b8\s+loaded\s+bn1\.running_var", row["stem_norm/moving_variance"])
    assert re.search(r"transposed\s+fc\.weight", row["head_logits/kernel"])
    assert re.search(r"of no use in Keras\s+bn1\.num_batches_tracked", out)
    assert sum(
        line.split()[0] in {weight.path for weight in network.weights} for line in out.splitlines() if line
    ) == len(network.weights)
    assert "the tensors are those under 'state_dict'; 'module.' is dropped from all names" in out
    model, manifest = load("resnet_tiny.mine")
    assert (manifest.overrides, manifest.classes) == ({}, 5)
    assert manifest.input == find("resnet18.imagenet_torch").input
    for ours, theirs in zip(model.weights, network.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_file_without_a_head_and_a_file_whose_head_is_not_wanted(network, state, shelf):
    tensors, storages = state
    headless = OrderedDict((key, value) for key, value in tensors.items() if not key.startswith("fc"))
    path = write_zip(shelf / "half.pth", headless, {k: v for k, v in storages.items()})
    how = {"like": "resnet18.imagenet_torch", "to": shelf, "input": RGB}
    with pytest.raises(BadInput, match="2 missing: head_logits/kernel, head_logits/bias"):
        import_reported(path, "resnet_tiny", "a", top=True, classes=2, **how)
    written, report = import_reported(path, "resnet_tiny", "a", top=True, classes=2, missing=("head",), **how)
    assert report.initialised == ("head_logits/kernel", "head_logits/bias")
    assert "left at its initial value" in "\n".join(report.table())
    assert "at their initial values: head_logits/kernel" in read_manifest(written).source
    whole = write_zip(shelf / "whole.pth", tensors, storages)
    _, report = import_reported(whole, "resnet_tiny", "b", **how)  # features alone
    assert sorted(report.skipped) == ["head_logits/bias", "head_logits/kernel"]
    assert ("head_logits/bias", "5", "left out", "fc.bias") in report.rows
    _, report = import_reported(whole, "resnet_tiny", "c", top=True, classes=2, missing=("head",), **how)
    assert report.initialised == ("head_logits/kernel", "head_logits/bias")  # of another size in the file
    model, _ = load("resnet_tiny.c")
    for ours, theirs in zip(model.weights[:-2], network.weights[:-2], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(BadInput, match="missing 'haed' is the beginning of no layer"):
        import_reported(whole, "resnet_tiny", "d", missing=("haed",), **how)


def test_what_does_not_fit_is_one_line_and_exit_code_two(network, state, shelf, cli):
    tensors, storages = state
    good = write_zip(shelf / "good.pth", tensors, storages)
    half = OrderedDict(list(tensors.items())[: len(tensors) // 2])
    grey = scatter(build("resnet_tiny", (32, 32, 1), top=True, classes=5))
    other = scatter(build("squeezenet_tiny", (32, 32, 3)))
    evil = {**tensors, "x": Call(Global("posix", "system"), "touch was_here")}
    (shelf / "cut.pth").write_bytes(good.read_bytes()[:3000])
    cases = [
        (write_zip(shelf / "half.pth", half, storages), (), r"\d+ missing: .*: use weights of this model"),
        (write_zip(shelf / "other.pth", *state_of(other, lambda name: name)), (), r"\d+ missing: .*; \d+ surplus"),
        (shelf / "cut.pth", (), "breaks off or is damaged"),
        (write_old(shelf / "evil.pth", evil, storages), (), r"asks for posix\.system"),
        (good, ("--classes", 3), r"head of the file has 5 outputs, the model 3"),
        (write_zip(shelf / "grey.pth", *state_of(grey, torchvision_name)), (), "images of 1 channels, the model for 3"),
        (shelf / "none.pth", (), "does not exist"),
        (good, ("--overrides", "width"), "expected NAME=VALUE"),
        (good, ("--overrides", "widht=8"), "did you mean width"),
        (good, ("--input.scale", 255), r"--input\.shape is missing"),
    ]
    for path, more, message in cases:
        more = more if "--classes" in more else (*more, "--classes", 5)
        code, out, err = cli("weights", "import", path, *LIKE, "--top", "--to", shelf / "to", *more)
        assert (code, out) == (2, ""), err
        assert err.count("\n") == 1
        assert re.search(message, err), err
    assert not (shelf / "was_here").exists()
    assert not list((shelf / "to").glob("*"))


def test_names_have_to_be_told(shelf, state):
    path = write_zip(shelf / "w.pth", *state)
    with pytest.raises(BadInput, match=r"like=resnet18\.imagenet_torch, or renames"):
        import_reported(path, "resnet18", "x", to=shelf, input=RGB)
    with pytest.raises(BadInput, match=r"the pixels that w\.pth expects are not known"):
        import_reported(path, "resnet_tiny", "x", to=shelf)
    with pytest.raises(BadInput, match=r"is a torch file, and densenet121\.imagenet knows none of that kind"):
        import_reported(path, "resnet_tiny", "x", to=shelf, like="densenet121.imagenet")


def test_the_papers_own_dense_layers_are_loaded_and_flattened_maps_must_be_told(shelf):
    network = scatter(build("vgg_tiny", (32, 32, 3), top=True, classes=5))
    path = write_zip(shelf / "vgg.pth", *state_of(network, lambda name: name))
    with pytest.raises(BadInput, match=r"flattens a map of \(16, 4, 4\)|flattens a map of \(16, \d, \d\)"):
        import_reported(path, "vgg_tiny", "mine", to=shelf, input=RGB, top=True, classes=5)
    size = tuple(network.get_layer("head_flatten").input.shape[1:])
    flatten = {"head_fc6_dense": (size[-1], *size[:-1])}
    import_reported(path, "vgg_tiny", "mine", to=shelf, input=RGB, top=True, classes=5, flatten=flatten)
    model, report = create_reported("vgg_tiny", (32, 32, 3), classes=2, weights="mine", head="paper")
    assert report.initialised == ("head_logits/kernel", "head_logits/bias")
    assert sorted(report.skipped) == ["head_logits/bias", "head_logits/kernel"]
    np.testing.assert_array_equal(model.get_layer("head_fc7_dense").kernel, network.get_layer("head_fc7_dense").kernel)
    kernel = np.asarray(network.get_layer("head_fc6_dense").kernel).T  # as torch has it
    file = File(name="x", format="torch", flatten=flatten)
    (expected,) = torch_layers({"head_fc6_dense.weight": kernel}, file)["head_fc6_dense"]
    np.testing.assert_array_equal(model.get_layer("head_fc6_dense").kernel, expected)
    _, report = create_reported("vgg_tiny", (32, 32, 3), classes=2, weights="mine")
    assert len(report.skipped) == 6  # a pooled head has no place for them


def test_a_checkpoint_of_chexnet_is_named_by_its_manifest():
    """Keys as torch 0.3 wrote them: the network's own name, dots within `norm.1`, a sequence at the end."""
    expected = {"conv0": "stem_conv", "norm0": "stem_norm", "norm5": "stage4_norm"}
    for i in range(1, 5):
        for part in ("norm", "conv"):
            expected |= {f"denseblock{i}.denselayer16.{part}.{k}": f"stage{i}_block16_{k}_{part}" for k in (1, 2)}
        if i < 4:
            expected |= {f"transition{i}.norm": f"stage{i}_norm", f"transition{i}.conv": f"stage{i}_transition_conv"}
    expected = {f"features.{name}": layer for name, layer in expected.items()} | {"classifier.0": "head_logits"}
    manifest = find("densenet121.chexnet")
    for name, layer in expected.items():
        named = {f"densenet121.{key}.weight": np.zeros((int(key == name) + 1, 1), "float32") for key in expected}
        assert torch_layers(named, manifest.files[0])[layer][0].shape == (1, 2)
    assert (manifest.task, manifest.outputs, manifest.classes[0]) == ("multilabel", 14, "Atelectasis")


def test_a_network_with_covariates_is_imported_and_found_again(shelf):
    """Two inputs: the probe draws the covariates after the image, and the image as if it were alone."""
    network = scatter(build("liver_fibrosis_tiny", (32, 32, 1), top=True))
    path = write_zip(shelf / "liver.pth", *state_of(network, lambda name: name))
    how = {"to": shelf, "input": Input(shape=(32, 32, 1)), "top": True, "classes": 1, "task": "regression"}
    with pytest.raises(BadInput, match=r"flattens a map of \(6, 8, 8\)"):
        import_reported(path, "liver_fibrosis_tiny", "mine", renames=(), **how)
    network.save_weights(shelf / "mine.weights.h5")
    import_reported(shelf / "mine.weights.h5", "liver_fibrosis_tiny", "mine", renames=(), **how)
    model, manifest = load("liver_fibrosis_tiny.mine")
    generator = np.random.RandomState(0)
    image, beside = (generator.rand(1, *shape).astype("float32") for shape in ((32, 32, 1), (3,)))
    answer = np.abs(np.asarray(network([image, beside], training=False))).mean()
    assert manifest.probe == pytest.approx(float(answer), rel=1e-5)
    np.testing.assert_array_equal(model([image, beside]), network([image, beside]))
    assert manifest.probe != pytest.approx(float(np.abs(network([image, 0 * beside])).mean()), rel=1e-3)


def test_a_task_decides_the_last_activation_of_an_imported_network(shelf, state):
    path = write_zip(shelf / "w.pth", *state)
    how = {"like": "resnet18.imagenet_torch", "to": shelf, "input": RGB, "top": True, "classes": tuple("abcde")}
    import_reported(path, "resnet_tiny", "findings", task="multilabel", **how)
    model, manifest = load("resnet_tiny.findings")
    assert model.get_layer("head").get_config()["activation"] == "sigmoid"
    assert (manifest.task, manifest.classes) == ("multilabel", ("a", "b", "c", "d", "e"))


CHEXNET = r"""
import collections, re, sys, numpy, torch, torchvision
network = torchvision.models.densenet121(num_classes=14)
network.classifier = torch.nn.Sequential(network.classifier, torch.nn.Sigmoid())
network.train()(torch.rand(4, 3, 64, 64))  # statistics of its own
network.eval()
state = collections.OrderedDict()
for name, value in network.state_dict().items():
    if not name.endswith("num_batches_tracked"):  # as torch 0.3 had it
        state["module.densenet121." + re.sub(r"(denselayer[0-9]+[.](?:norm|conv))([12])", r"\1.\2", name)] = value
checkpoint = {"epoch": 1, "state_dict": state, "best_loss": 0.1, "optimizer": {"state": {}, "param_groups": []}}
torch.save(checkpoint, sys.argv[1] + "/model.pth.tar", _use_new_zipfile_serialization=False)
pixels = torch.rand(1, 3, 224, 224)
numpy.savez(sys.argv[1] + "/answers.npz", pixels=pixels.numpy(), chances=network(pixels).detach().numpy())
"""


@pytest.mark.slow
def test_a_checkpoint_like_chexnet_answers_like_torch(torch_python, shelf):
    subprocess.run([torch_python, "-c", CHEXNET, shelf], check=True, env={"PATH": "/usr/bin"})
    model, manifest = load("densenet121.chexnet")
    assert sum(int(np.prod(weight.shape)) for weight in model.weights) == manifest.parameters
    found = np.load(shelf / "answers.npz")
    chances = model(found["pixels"].transpose(0, 2, 3, 1), training=False)
    np.testing.assert_allclose(chances, found["chances"], rtol=1e-5, atol=1e-6)
