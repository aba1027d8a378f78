"""A manifest: what a weight file holds, which pixels it expects, where it comes from, and what may be done with it."""

from __future__ import annotations

import fnmatch
import json
import re
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path

from radzoo.errors import BadInput
from radzoo.images.input import Input
from radzoo.registry import list_models, suggest
from radzoo.weights.files import search_path

FORMATS = ("safetensors", "keras_h5", "keras_weights_h5")
LICENCES = ("code", "weights", "data")
RUN = "manifest.json"  # in a run folder
# Licences that allow commercial use, by the names of spdx.org.
COMMERCIAL = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "ISC",
    "MIT", "Unlicense",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class File:
    """One file that holds the tensors of a manifest.

    Attributes:
        bytes: its size, None when unknown.
        sha256, md5: as published; a file that has neither is held against `Manifest.tensors_sha256`.
        url: where it can be had, None when nowhere.
        format: `safetensors` (keys are variable paths), `keras_h5` (legacy) or `keras_weights_h5`.
        renames: ordered `(pattern, replacement)` from the file's layer names to those of radzoo.
    """

    name: str
    format: str
    bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None
    url: str | None = None
    renames: tuple[tuple[str, str], ...] = ()

    @property
    def published_hash(self) -> str:
        """The hash as messages show it: `sha256 …`, `md5 …`, or that there is none."""
        if self.sha256:
            return f"sha256 {self.sha256}"
        return f"md5 {self.md5}" if self.md5 else "no hash is published"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Weights of one model under one tag.

    Attributes:
        overrides: arguments of the builder that these weights need, such as `{"eps": 1.001e-5}`.
        classes: names of the classes they were trained on, or their number.
        top: the files hold the paper's whole network, not the features alone.
        files: the same tensors in one or more files, the official one first.
        tensors_sha256: digest of the named tensors (`load.digest`), the same for every serialisation.
        parameters: numbers in the file, moving statistics included.
        probe: mean absolute output for a fixed input (`load.probe`), None when it was never measured.
        source: where the weights come from and how they were converted or trained.
        licences: of the `code`, the `weights` and the `data`, apart; "unknown" is an answer.
        folder: where the manifest was read; not part of the file.
    """

    format: int
    model: str
    tag: str
    task: str
    classes: int | tuple[str, ...] | None
    input: Input
    top: bool
    files: tuple[File, ...]
    source: str
    data: str
    licences: dict[str, str]
    parameters: int | None = None
    overrides: dict = field(default_factory=dict)
    tensors_sha256: str | None = None
    probe: float | None = None
    metrics: dict = field(default_factory=dict)
    folder: Path | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        return f"{self.model}.{self.tag}"

    @property
    def outputs(self) -> int | None:
        """Number of classes."""
        return self.classes if self.classes is None or isinstance(self.classes, int) else len(self.classes)

    @property
    def commercial(self) -> bool:
        """True when code, weights and data all stand under licences that are known to allow commercial use."""
        return all(_allows_sale(self.licences[key]) for key in LICENCES)

    def to_json(self) -> str:
        content = asdict(self)
        del content["folder"]
        return _laid_out(content) + "\n"


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
    """The manifest of `<model>.<tag>`; with `model`, the tag alone is enough.

    Raises:
        BadInput: unknown name, or weights of another model.
    """
    name = tag if "." in tag or model is None else f"{model}.{tag}"
    paths = _paths()
    if name in paths:
        manifest = read_manifest(paths[name])
        if model is not None and manifest.model != model:
            raise BadInput(f"weights {name} are for {manifest.model}, not for {model}")
        return manifest
    model = model or name.partition(".")[0]
    own = sorted(known for known in paths if known.startswith(f"{model}."))
    raise BadInput(
        f"unknown weights {name!r}{suggest(name, paths)}: "
        + (f"{model} has {', '.join(own)}" if own else f"there are none for {model}, `radzoo weights list` shows all")
    )


def describe_lines(manifest: Manifest) -> list[str]:
    """What a reader wants to know about weights, one line each."""
    spec, show = manifest.input, lambda value: "unknown" if value is None else value
    lines = [
        f"weights     {manifest.name}: {'whole network' if manifest.top else 'features'}, "
        f"{show(manifest.outputs)} classes ({manifest.task}), {show(manifest.parameters)} numbers",
        f"input       {' x '.join(map(str, spec.shape))} {spec.order}, (value * {spec.scale:g} - {list(spec.mean)}) "
        f"/ {list(spec.std)}, modality {' or '.join(spec.modality) or 'any'}",
        *(f"overrides   {key} = {value}" for key, value in manifest.overrides.items()),
        f"source      {manifest.source}",
        f"data        {manifest.data}",
        *(f"licence     {key}: {manifest.licences[key]}" for key in LICENCES),
        *(f"metric      {key}: {value}" for key, value in manifest.metrics.items()),
        f"tensors     sha256 {show(manifest.tensors_sha256)}",
        f"probe       {show(manifest.probe)}",
    ]
    for file in manifest.files:
        lines.append(f"file        {file.name}, {show(file.bytes)} bytes, {file.published_hash}")
        lines.append(f"            {file.url or 'no URL is published'}")
    return lines


def _laid_out(value, indent: str = "") -> str:
    """JSON with one line for whatever fits on one; `json.dumps` spends four on every rename."""
    flat, inner = json.dumps(value, ensure_ascii=False), indent + "  "
    if not isinstance(value, dict | list | tuple) or (indent and len(indent + flat) < 100):
        return flat
    pairs = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    rows = [
        inner + (f"{json.dumps(key)}: " if isinstance(value, dict) else "") + _laid_out(item, inner)
        for key, item in pairs
    ]
    start, end = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([start, ",\n".join(rows), indent + end])


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
        demand(file.url is None or file.url.startswith(("https://", "http://")), f"{file.url!r} is no http(s) URL")
    return manifest


def _allows_sale(licence: str) -> bool:
    """`"MIT"`, `"MIT and BSD-3-Clause (remark)"`; anything else, "unknown" included, does not."""
    names = re.split(r" and ", licence.partition(" (")[0], flags=re.IGNORECASE)
    return all(name.strip() in COMMERCIAL for name in names)
