"""From weight files to models and back, with a report of what became of every tensor."""

from __future__ import annotations

import os

import numpy as np

from radzoo import inflation
from radzoo.errors import BadInput
from radzoo.registry import build, split_overrides
from radzoo.weights.files import locate, resolve
from radzoo.weights.manifest import Manifest
from radzoo.weights.reading import Content, read_file
from radzoo.weights.report import Report, assign, few, told
from radzoo.weights.shelf import find, read_manifest
from radzoo.weights.tensor_files import digest

PROBE_TOLERANCE = 1e-4  # relative; other backends and processors round differently, wrong weights are off by far more


def tensors(manifest: Manifest, model) -> dict[str, np.ndarray]:
    """The tensors of a manifest's file, keyed like `variable.path` in `model`; a missing file is fetched.

    Raises:
        BadInput: file missing, damaged or with a wrong hash; renames that do not fit it; tensors that are not those
            of `manifest.tensors_sha256`.
    """
    return _content(manifest, model).named


def _content(manifest: Manifest, model) -> Content:
    path, file = resolve(manifest)
    content = read_file(path, file, model)
    if manifest.tensors_sha256 and digest(content.named) != manifest.tensors_sha256:
        raise BadInput(
            f"{path} holds other tensors than {manifest.name}: their sha256 is {digest(content.named)}, "
            f"expected {manifest.tensors_sha256}; remove it, then fetch {manifest.name} again"
        )
    return content


def apply(
    model, manifest: Manifest, *, channels: str | int | None = None, skip_head: bool = True,
    inflate: str | None = None, axis: int = 0,
) -> Report:  # fmt: skip
    """Loads a manifest's tensors into `model`, all of them or none.

    Args:
        channels: how the stem's RGB kernel is adapted to the model's input (`radzoo.channels.adapt`).
        skip_head: leave the file's head out and the model's own head as it is, but for the dense layers `head_fc…`
            that the paper's own end has before the classes: where the model has them, they are loaded.
        inflate, axis: how tensors of a 2-D network enter the 3-D `model` (`radzoo.inflation`).

    Raises:
        BadInput: missing, surplus or misshapen tensors, with their names and shapes.
    """
    content = _content(manifest, model)
    named = dict(content.named)
    paths = {weight.path for weight in model.weights}
    transplanted = manifest.model != model.name  # FCN's dense layers are convolutions, SegNet normalises (`find`)
    if transplanted and "head_fc6_conv/kernel" in paths:
        from radzoo.models.fcn import convolved  # Keras, which a list of weights does not need

        named = convolved(named)
    skipped = [key for key in named if skip_head and _is_new_head(key, paths)]
    named = {key: array for key, array in named.items() if key not in skipped}
    own = ("channels_", "head", "decoder") if skip_head else ("channels_",)  # layers of the model that no file can have
    new = [w.path for w in model.weights if w.path.startswith(own) or (transplanted and "_norm/" in w.path)]
    initialised = [path for path in new if path not in named]
    adapted = _adapt_stem(named, manifest, channels)
    named, inflated = inflation.inflate(named, model, inflate, axis) if inflate else (named, [])
    inflated = [key for key in inflated if key not in adapted]
    assign(model, named, manifest.name, spared=initialised)
    return told(
        manifest.name, model, content, named,
        adapted=adapted, inflated=inflated, initialised=initialised, skipped=skipped,
    )  # fmt: skip


def load(tag_or_path: str | os.PathLike) -> tuple:
    """The model of a manifest (its features, or the whole network where the file has it) with its weights.

    Args:
        tag_or_path: `"model.tag"`, or the path of a manifest.

    Returns:
        `(keras.Model, Manifest)`.

    Raises:
        BadInput: whatever is wrong with manifest, file or tensors, or another probe than the manifest's.
    """
    is_path = str(tag_or_path).endswith(".json") or os.sep in str(tag_or_path)
    manifest = read_manifest(tag_or_path) if is_path else find(str(tag_or_path))
    resolve(manifest)  # before the network is built, which takes seconds: a missing file is said at once
    model = _build(manifest)
    apply(model, manifest, skip_head=False)
    if manifest.probe is not None:
        found = probe(model)
        if not abs(found - manifest.probe) <= PROBE_TOLERANCE * abs(manifest.probe):  # NaN fails too
            raise BadInput(
                f"{manifest.name} is loaded but answers {found:.7g} to the probe, expected {manifest.probe:.7g}: "
                "file and manifest do not belong together"
            )
    return model, manifest


def probe(model) -> float:
    """Mean absolute output for `RandomState(0).rand(1, *shape)`, taken as it is, without `Input.normalise`.

    Inputs beside the image, such as covariates, are drawn after it from the same generator.
    Of several outputs the last counts, the coarsest feature map. Of a network with a `head` it is what enters that
    activation: the probabilities of a softmax have the same mean whatever the weights.
    """
    import keras

    if any(layer.name == "head" for layer in model.layers):
        model = keras.Model(model.input, model.get_layer("head").input)
    generator = np.random.RandomState(0)
    drawn = [generator.rand(1, *tensor.shape[1:]).astype("float32") for tensor in model.inputs]
    outputs = model(drawn if len(drawn) > 1 else drawn[0], training=False)
    last = outputs[-1] if isinstance(outputs, list | tuple) else outputs
    return float(np.abs(np.asarray(last, "float64")).mean())


def verify(manifest: Manifest) -> str:
    """Loads the weights for good, without fetching: hash, names, shapes, tensors and probe; says what was checked.

    Raises:
        BadInput: the file is not on this machine, or something does not hold.
    """
    found = locate(manifest)
    if found is None:
        raise BadInput(f"{manifest.name} is not on this machine: `radzoo weights fetch {manifest.name}` gets it")
    path, file = found
    load(manifest.name if manifest.folder is None else manifest.folder / f"{manifest.name}.json")
    kinds = {"sha256": "sha256 as", "md5": "md5 as", "sha256_start": "sha256 begins as"}
    checks = [f"{words} in the manifest" for kind, words in kinds.items() if getattr(file, kind)][:1]
    checks = checks or ["no hash is published"]
    checks += ["tensors"] if manifest.tensors_sha256 else []
    checks += ["probe"] if manifest.probe is not None else ["no probe is known"]
    return f"{manifest.name}: {path} is right ({', '.join([*checks, 'names and shapes'])})"


def _build(manifest: Manifest):
    spec, classes = manifest.input, manifest.outputs
    return network(manifest.model, spec.shape, manifest.top, classes, manifest.task, manifest.overrides)


def network(model: str, shape, top: bool, classes: int | None, task: str, overrides: dict):
    """What tensors are assigned to: features, or the whole network with the last activation of its task."""
    own, rest = split_overrides(model, overrides)
    if not top:
        return build(model, shape, **own)
    if task not in ("multiclass", "segmentation"):
        rest = {"activation": "linear" if task in ("regression", "restoration") else "sigmoid"} | rest
    return build(model, shape, top=True, classes=classes, **own | rest)


def _adapt_stem(named: dict, manifest: Manifest, channels) -> list[str]:
    """Adapts the one kernel that reads the RGB input, in place; its path, where that changed anything."""
    if channels in (None, "rgb") or manifest.input.shape[-1] != 3:
        return []
    from radzoo.channels import adapt

    stems = [key for key, array in named.items() if array.ndim > 3 and array.shape[-2] == 3]
    if len(stems) != 1:
        raise BadInput(f"{manifest.name}: expected one kernel on the RGB input, found {few(stems) or 'none'}")
    kernel = adapt(named[stems[0]], channels, manifest.input)
    if kernel.shape == named[stems[0]].shape and np.array_equal(kernel, named[stems[0]]):
        return []
    named[stems[0]] = kernel
    return stems


def _is_new_head(key: str, paths: set[str]) -> bool:
    """Whether a tensor belongs to the part of the head that other classes need anew."""
    return key.startswith("head") and not (key.startswith("head_fc") and key in paths)
