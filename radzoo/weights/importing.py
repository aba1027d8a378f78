"""Somebody else's Keras file as weights of radzoo: `radzoo weights import`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.input import Input
from radzoo.registry import build
from radzoo.weights.files import file_hash
from radzoo.weights.keras_files import read_keras, rename
from radzoo.weights.load import assign, by_path, probe
from radzoo.weights.manifest import LICENCES, File, Manifest, find, list_weights
from radzoo.weights.tensor_files import digest, save


def import_file(
    path: str | os.PathLike,
    model: str,
    tag: str,
    *,
    to: str | os.PathLike,
    input: Input,
    top: bool = False,
    classes: int | tuple[str, ...] | None = None,
    task: str = "multiclass",
    renames=None,
    overrides: dict | None = None,
    source: str | None = None,
    data: str = "unknown",
    licences: dict[str, str] | None = None,
) -> Path:
    """Reads a Keras `.h5` or `.weights.h5` file and writes `<model>.<tag>.safetensors` and its manifest into `to`.

    Args:
        input: the pixels that the weights expect; a file does not say, so it has to be told.
        top: the file holds the whole network.
        renames: from the file's layer names to radzoo's; None takes those that radzoo has for files of this model.
        licences: of `code`, `weights` and `data`; what is not given is "unknown".

    Returns:
        The path of the manifest.

    Raises:
        BadInput: unreadable file, tensors that do not fit the model, or a target that exists.
    """
    if not tag or not all(part.isalnum() for part in tag.split("_")):
        raise BadInput(f"tag {tag!r} came, expected letters, digits and underscores")
    to, name = Path(to).expanduser(), f"{model}.{tag}"
    target, described = to / f"{name}.safetensors", to / f"{name}.json"
    for taken in (target, described):
        if taken.exists():
            raise BadInput(f"{taken} exists and is not overwritten: choose another tag or folder")
    unknown = set(licences or ()) - set(LICENCES)
    if unknown:
        raise BadInput(f"licence of {', '.join(sorted(unknown))} came, expected {', '.join(LICENCES)}")

    count = len(classes) if isinstance(classes, tuple) else classes
    network = build(model, input.shape, top=top, classes=count if top else None, **(overrides or {}))
    layers = rename(read_keras(path), _usual_renames(model, top) if renames is None else renames)
    assign(network, by_path(layers, network), Path(path).name)
    answer = probe(network)
    if not np.isfinite(answer):
        raise BadInput(f"{path} gives {answer} for the probe: its weights hold NaN or infinite values")

    to.mkdir(parents=True, exist_ok=True)
    save(network, target)
    manifest = Manifest(
        format=1, model=model, tag=tag, task=task, input=input, top=top, data=data,
        classes=network.output_shape[-1] if top and classes is None else classes,
        overrides=dict(overrides or {}),
        files=(File(name=target.name, format="safetensors", bytes=target.stat().st_size, sha256=file_hash(target)),),
        parameters=sum(int(np.prod(weight.shape)) for weight in network.weights),
        tensors_sha256=digest({weight.path: np.asarray(weight) for weight in network.weights}),
        probe=answer,
        source=source or f"imported from {Path(path).name} (sha256 {file_hash(Path(path))})",
        licences={key: (licences or {}).get(key, "unknown") for key in LICENCES},
    )  # fmt: skip
    temporary = described.with_name(f"{described.name}.new")
    temporary.write_text(manifest.to_json(), encoding="utf-8")
    os.replace(temporary, described)
    return described


def _usual_renames(model: str, top: bool) -> tuple:
    """The renames of the first Keras file that radzoo knows for this model, head or not as asked."""
    for name in list_weights(f"{model}.*"):
        manifest = find(name)
        for file in manifest.files:
            if manifest.top == top and file.format != "safetensors":
                return file.renames
    return ()
