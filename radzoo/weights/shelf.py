"""Where manifests lie: read, checked, listed and found by name."""

from __future__ import annotations

import fnmatch
import json
import re
from dataclasses import MISSING, fields
from pathlib import Path

from radzoo.errors import BadInput
from radzoo.images.input import Input
from radzoo.registry import list_models, suggest
from radzoo.weights.files import search_path
from radzoo.weights.manifest import LICENCES, File, Manifest

FORMATS = ("safetensors", "keras_h5", "keras_weights_h5", "torch")
RUN = "manifest.json"  # in a run folder
BEGUN = dict.fromkeys(
    ("fcn32s", "fcn16s", "fcn8s", "segnet"), "vgg16"
)  # networks that begin as another, layer by layer


def read_manifest(path) -> Manifest:
    """The manifest of a JSON file.

    Raises:
        BadInput: the file is no JSON, or has a key too many, one too few, or a value that makes no sense.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read as a manifest ({error}): expected JSON as in weights/*.json") from None
    if not isinstance(content, dict) or content.get("format") != 1:
        raise BadInput(f'{path} is no manifest that this radzoo reads: expected an object with "format": 1')
    for key, kind in (("files", list), ("input", dict), ("licences", dict)):
        if not isinstance(content.get(key), kind):
            raise BadInput(f"{path}: {key!r} is missing or no {kind.__name__}: write it as in weights/*.json")
    content["files"] = tuple(_made(File, file, path, "a file") for file in content["files"])
    content["input"] = _made(Input, content["input"], path, "input")
    return _checked(_made(Manifest, {**content, "folder": path.resolve().parent}, path, "the manifest"), path)


def list_weights(pattern: str = "*", *, commercial: bool | None = None) -> list[str]:
    """Names `<model>.<tag>` of all manifests that match a shell pattern, sorted.

    Args:
        commercial: True keeps those whose three licences all allow commercial use, False the others.
    """
    names = sorted(name for name in _paths() if fnmatch.fnmatch(name, pattern))
    if commercial is None:
        return names
    return [name for name in names if find(name).commercial == commercial]


def find(tag: str, model: str | None = None) -> Manifest:
    """The manifest of `<model>.<tag>`; with `model`, the tag alone is enough. A network that begins as another (FCN and
    SegNet as VGG16) takes the weights of that one.

    Raises:
        BadInput: unknown name, or weights of another model.
    """
    name = tag if "." in tag or model is None else f"{model}.{tag}"
    paths, other = _paths(), BEGUN.get(model)
    if name not in paths and f"{other}.{tag}" in paths:
        name = f"{other}.{tag}"
    if name in paths:
        manifest = read_manifest(paths[name])
        if model is not None and manifest.model not in (model, other):
            raise BadInput(f"weights {name} are for {manifest.model}, not for {model}")
        return manifest
    model = model or name.partition(".")[0]
    own = sorted(known for known in paths if known.startswith(f"{model}."))
    raise BadInput(
        f"unknown weights {name!r}{suggest(name, paths)}: "
        + (f"{model} has {', '.join(own)}" if own else f"there are none for {model}, `radzoo weights list` shows all")
    )


def _paths() -> dict[str, Path]:
    """Manifest files by name; what is found first on the search path counts."""
    models, paths = set(list_models()), {}
    for folder in search_path():
        for path in sorted(folder.glob("*.*.json")):
            if path.name.partition(".")[0] in models:
                paths.setdefault(path.stem, path)
    return paths


def _made(kind, content: dict, path: Path, what: str):
    known = {f.name: f for f in fields(kind)}
    surplus = sorted(set(content) - set(known))
    required = {name for name, f in known.items() if f.default is MISSING and f.default_factory is MISSING}
    missing = sorted(required - set(content))
    if surplus or missing:
        parts = [f"unknown {key!r}{suggest(key, known)}" for key in surplus] + [f"missing {key!r}" for key in missing]
        raise BadInput(f"{path}: {what} has {', '.join(parts)}: write it as in weights/*.json")
    return kind(**{key: _tuples(value) for key, value in content.items()})


def _tuples(value):
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _checked(manifest: Manifest, path: Path) -> Manifest:
    def demand(holds, message):
        if not holds:
            raise BadInput(f"{path}: {message}")

    named = path.stem == manifest.name or path.name == RUN  # the manifest of a run is found by its folder
    demand(named, f"it is for {manifest.name}, so its name must be {manifest.name}.json")
    demand(manifest.files, "'files' is empty: name at least one file")
    demand(set(manifest.licences) == set(LICENCES), f"'licences' must have the keys {', '.join(LICENCES)}")
    for file in manifest.files:
        plain = Path(file.name).name == file.name and "\\" not in file.name  # a name such as ../x leaves the folder
        demand(plain, f"file name {file.name!r} must be a plain name, without a folder")
        demand(file.format in FORMATS, f"file format {file.format!r} came, expected {' or '.join(FORMATS)}")
        start = file.sha256_start
        demand(
            start is None or re.fullmatch(r"[0-9a-f]{8,64}", start),
            f"'sha256_start' {start!r} is no 8 or more hex digits",
        )
        known = sorted("SAL".find(letter) if letter in "SAL" else "IPR".find(letter) for letter in file.axes)
        demand(known == [0, 1, 2], f"'axes' {file.axes!r} came, expected where three axes run to, such as LIA or SPL")
        counts = all(isinstance(n, int) and n > 0 for size in file.flatten.values() for n in size)
        demand(counts, f"'flatten' {file.flatten} does not give (channels, *size) of a map for each layer")
        demand(file.url is None or file.url.startswith(("https://", "http://")), f"{file.url!r} is no http(s) URL")
    return manifest
