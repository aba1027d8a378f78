"""Manifests, Keras files, and the way of tensors into models; by parity with keras.applications and on real files."""

import dataclasses
import json
import os
import re
import time
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from radzoo import build, create_model, list_models
from radzoo.errors import BadInput
from radzoo.images.input import Input
from radzoo.registry import packaged
from radzoo.weights import (
    File,
    apply,
    describe_lines,
    digest,
    find,
    import_file,
    list_weights,
    load,
    probe,
    read_keras,
    read_manifest,
    rename,
    save,
    tensors,
    verify,
)

REAL = os.environ.get("RADZOO_WEIGHTS", "")
real_files = pytest.mark.skipif(
    not (Path(REAL) / "squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5").is_file(),
    reason="RADZOO_WEIGHTS does not name the folder of the real weight files",
)
SHIPPED = sorted(path.stem for path in packaged("weights").glob("*.json"))
GREY = Input(shape=(32, 32, 1))


@pytest.fixture
def shelf(monkeypatch, tmp_path):
    """An empty search path and no network."""
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("RADZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RADZOO_OFFLINE", "1")
    return tmp_path


def scatter(model, seed=0):
    """Random values for all weights, moving statistics too, so that no two tensors can be swapped unnoticed."""
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        scale = 1 / np.sqrt(np.prod(weight.shape[:-1])) if len(weight.shape) > 1 else 0.2
        values = generator.normal(0, scale, weight.shape)
        weight.assign(1 + np.abs(values) if "variance" in weight.path or "gamma" in weight.path else values)
    return model


def write_legacy(path, model, renamed=lambda name: name, within=None):
    """What Keras 2 wrote: a group per layer, its arrays listed in `weight_names`."""
    with h5py.File(path, "w") as file:
        root = file.create_group(within) if within else file
        root.attrs["layer_names"] = [renamed(layer.name).encode() for layer in model.layers]
        for layer in model.layers:
            group = root.create_group(renamed(layer.name))
            names = [f"{renamed(layer.name)}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.weights, strict=True):
                group[name] = np.asarray(weight)


def on_shelf(manifest, shelf, file_name, file_format):
    """The manifest, for another file with the same layer names."""
    file = File(name=file_name, format=file_format, renames=manifest.files[0].renames)
    return dataclasses.replace(manifest, files=(file,), tensors_sha256=None, folder=shelf)


def old_mobilenet_name(name):
    """The layer names inside the official MobileNetV2 files, older than those of today's keras.applications."""
    parts = name.removesuffix("_BN").split("_")
    if parts[0] == "expanded":
        parts = ["block", "0", parts[-1]]
    if parts[0] != "block" or parts[-1] not in ("expand", "depthwise", "project"):
        return name
    number, part = parts[1], parts[-1]
    return f"bn{number}_conv_{number}_bn_{part}" if name.endswith("_BN") else f"mobl{number}_conv_{number}_{part}"


@pytest.fixture(scope="module")
def mobilenet():
    network = keras.applications.MobileNetV2((64, 64, 3), alpha=0.35, weights=None, include_top=False)
    image = np.random.default_rng(1).normal(size=(1, 64, 64, 3)).astype("float32")
    scatter(network)
    return network, image, np.asarray(network(image, training=False))


@pytest.mark.parametrize("kind", ["weights.h5", "legacy", "legacy with the names of the official files", "whole"])
def test_mobilenet_files_give_the_outputs_of_keras_applications(mobilenet, shelf, kind):
    network, image, expected = mobilenet
    if kind == "weights.h5":
        network.save_weights(shelf / "w.weights.h5")
        manifest = on_shelf(find("mobilenet_v2_035.imagenet"), shelf, "w.weights.h5", "keras_weights_h5")
    else:
        naming = old_mobilenet_name if "official" in kind else lambda name: name
        write_legacy(shelf / "w.h5", network, naming, within="model_weights" if kind == "whole" else None)
        manifest = on_shelf(find("mobilenet_v2_035.imagenet"), shelf, "w.h5", "keras_h5")
    model = build("mobilenet_v2_035", (64, 64, 3))
    report = apply(model, manifest, skip_head=False)
    assert (len(report.loaded), report.initialised, report.skipped) == (len(network.weights), (), ())
    np.testing.assert_allclose(model(image, training=False)[-1], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("naming", ["today", "official"])
def test_densenet_files_give_the_outputs_of_keras_applications(shelf, naming):
    network = scatter(keras.applications.DenseNet121(weights=None, include_top=False, input_shape=(64, 64, 3)))
    image = np.random.default_rng(1).normal(size=(1, 64, 64, 3)).astype("float32")
    slash = {"conv1_conv": "conv1/conv", "conv1_bn": "conv1/bn"} if naming == "official" else {}
    write_legacy(shelf / "w.h5", network, lambda name: slash.get(name, name))
    manifest = find("densenet121.imagenet")
    model = build("densenet121", (64, 64, 3), **manifest.overrides)
    apply(model, on_shelf(manifest, shelf, "w.h5", "keras_h5"), skip_head=False)
    expected = np.asarray(network(image, training=False))
    np.testing.assert_allclose(model(image, training=False)[-1], expected, rtol=1e-5, atol=1e-5 * expected.max())
    assert sum(int(np.prod(weight.shape)) for weight in model.weights) == manifest.parameters


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_manifests_are_complete_and_survive_a_round_trip(name, tmp_path):
    manifest = read_manifest(packaged("weights") / f"{name}.json")
    assert manifest.name == name
    assert manifest.model in list_models()
    (tmp_path / f"{name}.json").write_text(manifest.to_json())
    assert read_manifest(tmp_path / f"{name}.json") == manifest
    text = "\n".join(describe_lines(manifest))
    assert all(licence in text for licence in manifest.licences.values())
    assert name in list_weights()


def test_the_official_md5_of_densenet_are_those_in_the_source_of_keras():
    source = Path(keras.__file__).parent / "src" / "applications" / "densenet.py"
    if not source.is_file():
        pytest.skip("this Keras ships no source of keras.applications.densenet")
    published = dict(re.findall(r'"(\w+_notop\.h5)",\s+\w+,\s+cache.*\s+file_hash="(\w+)"', source.read_text()))
    assert len(published) == 3
    for name in ("densenet121", "densenet169", "densenet201"):
        (file,) = find(f"{name}.imagenet").files
        assert published[file.name] == file.md5


def test_a_tag_means_the_weights_of_the_model_and_unknown_ones_name_what_there_is():
    assert find("imagenet", "squeezenet") == find("squeezenet.imagenet")
    with pytest.raises(BadInput, match=r"mobilenet_v2 has mobilenet_v2\.imagenet, mobilenet_v2\.imagenet_int8"):
        find("imagnet", "mobilenet_v2")
    with pytest.raises(BadInput, match=r"did you mean squeezenet\.imagenet"):
        find("squeezenet.imagnet")
    with pytest.raises(BadInput, match="there are none for densenet_tiny"):
        find("imagenet", "densenet_tiny")
    with pytest.raises(BadInput, match="are for squeezenet, not for densenet121"):
        find("squeezenet.imagenet", "densenet121")


def test_commercial_use_needs_three_known_licences():
    manifest = find("squeezenet.imagenet")
    assert not manifest.commercial  # ImageNet's terms
    free = {"code": "MIT", "weights": "MIT and BSD-3-Clause (remark)", "data": "CC0-1.0"}
    assert dataclasses.replace(manifest, licences=free).commercial
    assert not dataclasses.replace(manifest, licences={**free, "data": "unknown"}).commercial
    assert not dataclasses.replace(manifest, licences={**free, "data": "CC-BY-NC-4.0"}).commercial
    assert "squeezenet.imagenet" not in list_weights(commercial=True)
    assert "squeezenet.imagenet" in list_weights("squeeze*", commercial=False)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"tagg": "x"}, "unknown 'tagg', did you mean tag"),
        ({"task": None}, "missing 'task'"),
        ({"format": 2}, '"format": 1'),
        ({"files": []}, "'files' is empty"),
        ({"files": "w.h5"}, "'files' is missing or no list"),
        ({"files": [{"name": "../w.h5", "format": "keras_h5"}]}, "must be a plain name"),
        ({"files": [{"name": "w.h5", "format": "caffe"}]}, "expected safetensors or keras_h5"),
        ({"files": [{"name": "w.h5", "format": "keras_h5", "url": "file:///etc/passwd"}]}, "is no http"),
        ({"licences": {"code": "MIT"}}, "keys code, weights, data"),
        ({"tag": "other"}, "its name must be squeezenet.other.json"),
    ],
)
def test_a_bad_manifest_is_one_clear_line(tmp_path, change, message):
    content = json.loads(find("squeezenet.imagenet").to_json())
    content = {key: value for key, value in {**content, **change}.items() if value is not None or key not in change}
    path = tmp_path / "squeezenet.imagenet.json"
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput) as caught:
        read_manifest(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_json_is_no_manifest(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(BadInput, match="cannot be read as a manifest"):
        read_manifest(tmp_path / "x.json")


def small(first="a", second="b"):
    image = keras.Input((8,))
    return keras.Model(image, layers.Dense(8, name=second)(layers.Dropout(0.5)(layers.Dense(8, name=first)(image))))


def test_weights_h5_goes_by_name_where_keras_goes_by_position(tmp_path):
    model = scatter(small())
    model.compile("adam", "mse")
    model.save_weights(tmp_path / "w.weights.h5")
    read = read_keras(tmp_path / "w.weights.h5")
    assert sorted(read) == ["a", "b"]  # neither optimizer nor the seed of the dropout
    swapped = small("b", "a")
    swapped.load_weights(tmp_path / "w.weights.h5")
    for name in "ab":
        kernel = np.asarray(model.get_layer(name).kernel)
        np.testing.assert_array_equal(read[name][0], kernel)
        assert not np.array_equal(swapped.get_layer(name).kernel, kernel)  # why radzoo reads the file itself


def test_the_order_of_weights_is_numeric_and_long_name_lists_are_joined(tmp_path):
    with h5py.File(tmp_path / "new.weights.h5", "w") as file:
        group = file.create_group("layers/rnn/vars")
        group.attrs["name"] = "many"
        for i in range(12):
            group[str(i)] = np.float32([i])
    assert [int(array[0]) for array in read_keras(tmp_path / "new.weights.h5")["many"]] == list(range(12))
    with h5py.File(tmp_path / "old.h5", "w") as file:
        for i in range(11):
            file.attrs[f"layer_names{i}"] = [f"layer{i}".encode()]
            file.create_group(f"layer{i}").attrs["weight_names"] = [b"kernel:0"]
            file[f"layer{i}/kernel:0"] = np.float32([i])
    assert list(read_keras(tmp_path / "old.h5")) == [f"layer{i}" for i in range(11)]


def test_damaged_and_foreign_files_are_one_clear_line(tmp_path):
    small().save_weights(tmp_path / "w.weights.h5")
    whole = (tmp_path / "w.weights.h5").read_bytes()
    (tmp_path / "cut.weights.h5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.h5").write_text("not HDF5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1.0]
    for name, message in [
        ("cut.weights.h5", "damaged"), ("text.h5", "damaged"), ("other.h5", "no Keras weight file"),
        ("none.h5", "does not exist"),
    ]:  # fmt: skip
        with pytest.raises(BadInput, match=message) as caught:
            read_keras(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_renames_are_ordered_and_a_bijection():
    found = {"fire2/a": [1], "fire2/b": [2]}
    assert rename(found, [("^fire2/", "stage1_"), ("_b$", "_c")]) == {"stage1_a": [1], "stage1_c": [2]}
    with pytest.raises(BadInput, match="both 'fire2/a' and 'fire2/b' into 'x'"):
        rename(found, [("fire2/.", "x")])
    with pytest.raises(BadInput, match="matches none of the 2 layers"):
        rename(found, [("fire3", "x")])
    with pytest.raises(BadInput, match="no regular expression"):
        rename(found, [("(", "x")])


@pytest.fixture
def own(shelf):
    """A tiny whole network as a user imports it: safetensors and manifest, made from a Keras file."""
    network = scatter(build("squeezenet_tiny", (32, 32, 3), top=True, classes=4))
    network.save_weights(shelf / "mine.weights.h5")
    spec = Input(shape=(32, 32, 3), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
    path = import_file(
        shelf / "mine.weights.h5", "squeezenet_tiny", "mine",
        to=shelf, input=spec, top=True, classes=("a", "b", "c", "d"), licences={"weights": "MIT"},
    )  # fmt: skip
    return network, path


def test_an_imported_file_comes_back_as_it_was(own):
    network, path = own
    model, manifest = load("squeezenet_tiny.mine")
    assert manifest == read_manifest(path)
    assert manifest.licences == {"code": "unknown", "weights": "MIT", "data": "unknown"}
    assert manifest.classes == ("a", "b", "c", "d")
    assert "mine.weights.h5" in manifest.source
    for ours, theirs in zip(model.weights, network.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert manifest.probe == pytest.approx(probe(network))
    assert "tensors, probe" in verify(manifest)
    with pytest.raises(BadInput, match="exists and is not overwritten"):
        import_file(path, "squeezenet_tiny", "mine", to=path.parent, input=manifest.input)


def test_a_manifest_finds_its_file_beside_it(own, tmp_path_factory):
    _, path = own
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for source in (path, path.with_suffix(".safetensors")):
        source.rename(elsewhere / source.name)
    model, manifest = load(elsewhere / path.name)
    assert probe(model) == pytest.approx(manifest.probe)


def test_a_missing_file_is_said_before_the_network_is_built(shelf):
    start = time.monotonic()
    with pytest.raises(
        BadInput, match=r"densenet201_weights_tf_dim_ordering_tf_kernels_notop\.h5 is not on this machine"
    ):
        load("densenet201.imagenet")
    assert time.monotonic() - start < 1
    with pytest.raises(BadInput, match=r"`radzoo weights fetch densenet201\.imagenet` gets it"):
        verify(find("densenet201.imagenet"))


def test_import_refuses_nan_and_tensors_that_do_not_fit(shelf):
    network = build("squeezenet_tiny", (32, 32, 1))
    network.weights[0].assign(np.full(network.weights[0].shape, np.nan))
    network.save_weights(shelf / "nan.weights.h5")
    with pytest.raises(BadInput, match="NaN"):
        import_file(shelf / "nan.weights.h5", "squeezenet_tiny", "x", to=shelf, input=GREY)
    with pytest.raises(BadInput, match="1 misshapen: stem_conv/kernel"):
        wide = dataclasses.replace(GREY, shape=(32, 32, 2))
        import_file(shelf / "nan.weights.h5", "squeezenet_tiny", "x", to=shelf, input=wide)
    with pytest.raises(BadInput, match=r"tag '\.\./x'"):
        import_file(shelf / "nan.weights.h5", "squeezenet_tiny", "../x", to=shelf, input=GREY)
    assert sorted(path.name for path in shelf.iterdir()) == ["nan.weights.h5"]


def test_a_new_head_is_initialised_and_said_and_the_stem_is_folded(own):
    network, _ = own
    model = create_model("squeezenet_tiny", (32, 32, 1), classes=2, weights=None)
    manifest = find("squeezenet_tiny.mine")
    with pytest.raises(BadInput, match=r"misshapen: stem_conv/kernel \(3, 3, 3, 8\) for \(3, 3, 1, 8\)"):
        apply(model, manifest)
    model = create_model("squeezenet_tiny", (32, 32, 1), classes=2, weights="mine", channels="fold")
    before = [np.asarray(weight).copy() for weight in model.get_layer("head_logits").weights]
    report = apply(model, manifest, channels="fold")
    assert report.adapted == ("stem_conv/kernel",)
    assert report.initialised == ("head_logits/kernel", "head_logits/bias")
    assert sorted(report.skipped) == ["head_conv/bias", "head_conv/kernel"]
    assert len(report.loaded) + 1 + 2 == len(model.weights)
    assert "1 adapted (stem_conv/kernel), 2 initialised (head_logits/kernel, head_logits/bias)" in str(report)
    for weight, was in zip(model.get_layer("head_logits").weights, before, strict=True):
        np.testing.assert_array_equal(weight, was)
    np.testing.assert_array_equal(model.get_layer("stem_conv").bias, network.get_layer("stem_conv").bias)


def test_a_learned_adapter_of_channels_is_reported_as_initialised(own):
    model = create_model("squeezenet_tiny", (32, 32, 1), classes=2, weights="mine", channels="conv1x1")
    report = apply(model, find("squeezenet_tiny.mine"), channels="conv1x1")
    assert set(report.initialised) == {
        "channels_conv/kernel", "channels_conv/bias", "head_logits/kernel", "head_logits/bias"
    }  # fmt: skip
    assert report.adapted == ()


def test_features_take_no_head_and_a_head_takes_no_features_silently(own):
    manifest = find("squeezenet_tiny.mine")
    features = build("squeezenet_tiny", (32, 32, 3))
    assert sorted(apply(features, manifest).skipped) == ["head_conv/bias", "head_conv/kernel"]
    with pytest.raises(BadInput, match="2 surplus: head_conv/bias, head_conv/kernel"):
        apply(features, manifest, skip_head=False)


def test_what_does_not_fit_is_listed_and_nothing_is_assigned(own, shelf):
    manifest = find("squeezenet_tiny.mine")
    other = build("squeezenet_tiny", (32, 32, 3), top=True, classes=4, fires=((4, 6), (8,), (8,)))
    before = [np.asarray(weight).copy() for weight in other.weights]
    with pytest.raises(
        BadInput, match=r"6 missing: stage3_fire5_squeeze_conv/kernel, .*, …; \d+ misshapen: "
    ) as caught:
        apply(other, manifest, skip_head=False)
    assert "\n" not in str(caught.value)
    for weight, was in zip(other.weights, before, strict=True):
        np.testing.assert_array_equal(weight, was)


def test_other_tensors_and_other_answers_than_the_manifest_says_are_refused(own):
    _, path = own
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "probe": content["probe"] * 1.001}))
    with pytest.raises(BadInput, match="to the probe, expected"):
        load(path)
    path.write_text(json.dumps({**content, "tensors_sha256": "0" * 64}))
    with pytest.raises(BadInput, match=r"holds other tensors than squeezenet_tiny\.mine"):
        load(path)
    file = path.with_suffix(".safetensors")
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(BadInput, match=r"has sha256 .*, expected .*: remove it"):
        load(path)


def test_the_digest_does_not_depend_on_file_format_or_byte_order(own, shelf):
    network, path = own
    write_legacy(shelf / "w.h5", network)
    legacy = dataclasses.replace(read_manifest(path), files=(File(name="w.h5", format="keras_h5"),))
    features = build("squeezenet_tiny", (32, 32, 3))  # knows no head: its tensors get the same names all the same
    assert digest(tensors(legacy, features)) == legacy.tensors_sha256
    assert digest({"a": np.float32([1, 2])}) == digest({"a": np.array([1, 2], ">f4")})
    assert digest({"a": np.float32([1, 2])}) != digest({"b": np.float32([1, 2])})
    assert digest({"a": np.float32([1, 2])}) != digest({"a": np.float32([[1, 2]])})


def test_saving_never_overwrites_and_a_damaged_file_is_one_line(own, shelf):
    network, _ = own
    save(network, shelf / "w.safetensors")
    with pytest.raises(BadInput, match=r"w\.safetensors exists"):
        save(network, shelf / "w.safetensors")
    (shelf / "w.safetensors").write_bytes(b"no")
    manifest = dataclasses.replace(
        find("squeezenet_tiny.mine"), files=(File(name="w.safetensors", format="safetensors"),)
    )
    with pytest.raises(BadInput, match="cannot be read as safetensors"):
        apply(network, manifest)
    assert not list(shelf.glob("*.new"))


@pytest.fixture
def real(monkeypatch, tmp_path):
    monkeypatch.setenv("RADZOO_CACHE", str(tmp_path))
    monkeypatch.setenv("RADZOO_OFFLINE", "1")


@pytest.mark.slow
@real_files
@pytest.mark.parametrize("name", ["squeezenet.imagenet", "mobilenet_v2_035.imagenet", "mobilenet_v2.imagenet_int8"])
def test_the_real_files_load_by_manifest(real, name):
    model, manifest = load(name)  # checks hash, names, shapes, tensors and probe
    assert sum(int(np.prod(weight.shape)) for weight in model.weights) == manifest.parameters


@pytest.mark.slow
@real_files
def test_the_real_mobilenet_answers_like_keras_applications(real):
    model, manifest = load("mobilenet_v2_035.imagenet")
    network = keras.applications.MobileNetV2((224, 224, 3), alpha=0.35, weights=None, include_top=False)
    network.load_weights(Path(REAL) / manifest.files[1].name)
    image = manifest.input(Path(REAL) / "inputs" / "cat.bmp")[None]
    np.testing.assert_allclose(model(image, training=False)[-1], network(image, training=False), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@real_files
def test_the_real_squeezenet_answers_like_its_publishers_network(real):
    model, manifest = load("squeezenet.imagenet")
    kernels = read_keras(Path(REAL) / manifest.files[0].name)

    def conv(x, name, stride=1, padding="valid"):
        kernel, bias = kernels[name]
        return keras.ops.relu(keras.ops.conv(x, kernel, stride, padding) + bias)

    image = manifest.input(Path(REAL) / "inputs" / "cat.bmp")[None]
    x = conv(image, "conv1", 2)
    for fire in range(2, 10):
        if fire in (2, 4, 6):
            x = keras.ops.max_pool(x, 3, 2)
        x = conv(x, f"fire{fire}/squeeze1x1")
        sides = [conv(x, f"fire{fire}/expand1x1"), conv(x, f"fire{fire}/expand3x3", padding="same")]
        x = keras.ops.concatenate(sides, axis=-1)
    np.testing.assert_allclose(model(image, training=False)[-1], x, rtol=1e-5, atol=1e-3)


@pytest.mark.slow
@real_files
def test_the_real_classifier_sees_the_cat(real):
    model, manifest = load("mobilenet_v2.imagenet_int8")
    names = (Path(REAL) / "inputs" / "imagenet_labels.txt").read_text().splitlines()[1:]
    image = manifest.input(Path(REAL) / "inputs" / "cat.bmp")[None]
    chances = np.asarray(model(image, training=False))[0]
    best = [names[i] for i in np.argsort(-chances)[:3]]
    assert len(names) == 1000
    assert "cat" in best[0].lower(), best
