"""A manifest: what a weight file holds, which pixels it expects, where it comes from, and what may be done with it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from radzoo.images.input import Input

LICENCES = ("code", "weights", "data")
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
        sha256_start: the first digits of the sha256, where no more is published (torchvision, in its file names).
        url: where it can be had, None when nowhere.
        format: `safetensors` (keys are variable paths), `keras_h5` (legacy), `keras_weights_h5` or `torch`.
        renumber: layers that Keras numbered by itself are first counted anew from 1 (`keras_files.renumber`).
        renames: ordered `(pattern, replacement)` from the file's layer names (of torch: module paths) to radzoo's.
        axes: how a 3-D network saw the patient, if not as radzoo shows volumes: where its axes run to, such as "LIA"
            (FreeSurfer's, read by nibabel). Its kernels are turned to "SPL"; that is exact where no stride acts.
        flatten: dense layers that follow a flattened map, with its `(channels, *size)`; torch flattens channels first.
    """

    name: str
    format: str
    bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None
    sha256_start: str | None = None
    url: str | None = None
    renumber: bool = False
    renames: tuple[tuple[str, str], ...] = ()
    axes: str = "SPL"
    flatten: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def published_hash(self) -> str:
        """The hash as messages show it: `sha256 …`, `md5 …`, or that there is none."""
        if self.sha256:
            return f"sha256 {self.sha256}"
        if self.sha256_start and not self.md5:
            return f"sha256 begins with {self.sha256_start}"
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


def _allows_sale(licence: str) -> bool:
    """`"MIT"`, `"MIT and BSD-3-Clause (remark)"`; anything else, "unknown" included, does not."""
    names = re.split(r" and ", licence.partition(" (")[0], flags=re.IGNORECASE)
    return all(name.strip() in COMMERCIAL for name in names)
