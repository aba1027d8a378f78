"""From weight files to models and back, with a report of what became of every tensor."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from radzoo.errors import BadInput
from radzoo.registry import build
from radzoo.weights.files import locate, resolve
from radzoo.weights.keras_files import read_keras, rename
from radzoo.weights.manifest import Manifest, find, read_manifest
from radzoo.weights.tensor_files import digest, read_safetensors

PROBE_TOLERANCE = 1e-4  # relative; other backends and processors round differently, wrong weights are off by far more
# Names by their number, for layers that a file has and a model has not, such as the head of a whole network.
_USUAL = {1: ("kernel",), 2: ("kernel", "bias"), 4: ("gamma", "beta", "moving_mean", "moving_variance")}


@dataclass(frozen=True)
class Report:
    """What became of the tensors of a file and of the weights of a model, by variable path.

    Attributes:
        loaded: assigned as they are in the file.
        adapted: assigned after an adaptation to the input's channels.
        initialised: weights of the model that the file cannot have: its new head, its learned adapter of channels.
        skipped: tensors of the file's own head.
    """

    weights: str
    loaded: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()
    initialised: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    def __str__(self):
        parts = [f"{len(self.loaded)} tensors loaded"]
        for word in ("adapted", "initialised", "skipped"):
            keys = getattr(self, word)
            parts.append(f"{len(keys)} {word}" + (f" ({_few(keys)})" if keys else ""))
        return f"{self.weights}: {', '.join(parts)}"


def tensors(manifest: Manifest, model) -> dict[str, np.ndarray]:
    """The tensors of a manifest's file, keyed like `variable.path` in `model`; a missing file is fetched.

    Raises:
        BadInput: file missing, damaged or with a wrong hash; renames that do not fit it; tensors that are not those
            of `manifest.tensors_sha256`.
    """
    path, file = resolve(manifest)
    if file.format == "safetensors":
        named = read_safetensors(path)
    else:
        named = by_path(rename(read_keras(path), file.renames), model)
    if manifest.tensors_sha256 and digest(named) != manifest.tensors_sha256:
        raise BadInput(
            f"{path} holds other tensors than {manifest.name}: their sha256 is {digest(named)}, "
            f"expected {manifest.tensors_sha256}; remove it, then fetch {manifest.name} again"
        )
    return named


def by_path(layers: dict[str, list[np.ndarray]], model) -> dict[str, np.ndarray]:
    """`{layer: arrays}` keyed like `variable.path`: by the order within the model's layer of the same name."""
    known = {layer.name: [weight.path for weight in layer.weights] for layer in model.layers}
    named = {}
    for layer, arrays in layers.items():
        paths = known.get(layer, ())
        if len(paths) != len(arrays):
            names = _USUAL.get(len(arrays), map(str, range(len(arrays))))
            paths = [f"{layer}/{name}" for name in names]
        named.update(zip(paths, arrays, strict=True))
    return named


def apply(model, manifest: Manifest, *, channels: str | int | None = None, skip_head: bool = True) -> Report:
    """Loads a manifest's tensors into `model`, all of them or none.

    Args:
        channels: how the stem's RGB kernel is adapted to the model's input (`radzoo.channels.adapt`).
        skip_head: leave the file's head out and the model's own head as it is.

    Raises:
        BadInput: missing, surplus or misshapen tensors, with their names and shapes.
    """
    named = tensors(manifest, model)
    skipped = [key for key in named if skip_head and _is_head(key)]
    named = {key: array for key, array in named.items() if key not in skipped}
    own = ("channels_", "head") if skip_head else ("channels_",)  # layers of the model that no file can have
    initialised = [w.path for w in model.weights if w.path.startswith(own) and w.path not in named]
    adapted = _adapt_stem(named, manifest, channels)
    assign(model, named, manifest.name, spared=initialised)
    loaded = [key for key in named if key not in adapted]
    return Report(manifest.name, tuple(loaded), tuple(adapted), tuple(initialised), tuple(skipped))


def assign(model, named: dict[str, np.ndarray], what: str, spared=()) -> None:
    """Assigns every tensor to the weight of its path, after a check of all; `spared` weights keep their values."""
    weights = {weight.path: weight for weight in model.weights if weight.path not in spared}
    if len(weights) + len(spared) != len(model.weights):
        raise ValueError(f"{model.name} has two weights of one path")
    faults = {
        "missing": [path for path in weights if path not in named],
        "surplus": [key for key in named if key not in weights],
        "misshapen": [
            f"{key} {named[key].shape} for {tuple(weight.shape)}"
            for key, weight in weights.items()
            if key in named and named[key].shape != tuple(weight.shape)
        ],
    }
    if any(faults.values()):
        listed = "; ".join(f"{len(keys)} {word}: {_few(keys)}" for word, keys in faults.items() if keys)
        raise BadInput(f"{what} does not fit {model.name} ({listed}): use weights of this model and of these overrides")
    for path, weight in weights.items():
        weight.assign(named[path])


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

    Of several outputs the last counts, the coarsest feature map. Of a network with a `head` it is what enters that
    activation: the probabilities of a softmax have the same mean whatever the weights.
    """
    import keras

    if any(layer.name == "head" for layer in model.layers):
        model = keras.Model(model.input, model.get_layer("head").input)
    image = np.random.RandomState(0).rand(1, *model.input_shape[1:]).astype("float32")
    outputs = model(image, training=False)
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
    checks = [f"{kind} as in the manifest" for kind in ("sha256", "md5") if getattr(file, kind)][:1]
    checks = checks or ["no hash is published"]
    checks += ["tensors"] if manifest.tensors_sha256 else []
    checks += ["probe"] if manifest.probe is not None else ["no probe is known"]
    return f"{manifest.name}: {path} is right ({', '.join([*checks, 'names and shapes'])})"


def _build(manifest: Manifest):
    classes = manifest.outputs if manifest.top else None
    return build(manifest.model, manifest.input.shape, top=manifest.top, classes=classes, **manifest.overrides)


def _adapt_stem(named: dict, manifest: Manifest, channels) -> list[str]:
    """Adapts the one kernel that reads the RGB input, in place; its path, where that changed anything."""
    if channels in (None, "rgb") or manifest.input.shape[-1] != 3:
        return []
    from radzoo.channels import adapt

    stems = [key for key, array in named.items() if array.ndim > 3 and array.shape[-2] == 3]
    if len(stems) != 1:
        raise BadInput(f"{manifest.name}: expected one kernel on the RGB input, found {_few(stems) or 'none'}")
    kernel = adapt(named[stems[0]], channels, manifest.input)
    if kernel.shape == named[stems[0]].shape and np.array_equal(kernel, named[stems[0]]):
        return []
    named[stems[0]] = kernel
    return stems


def _is_head(path: str) -> bool:
    return path.startswith("head")


def _few(keys) -> str:
    """The first five of many."""
    return ", ".join(list(keys)[:5]) + (", …" if len(keys) > 5 else "")
