"""Somebody else's Keras file, or a run of one's own, as weights of radzoo: `radzoo weights import`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.input import Input
from radzoo.registry import build
from radzoo.weights.files import file_hash
from radzoo.weights.keras_files import read_keras, rename
from radzoo.weights.load import assign, by_path, probe
from radzoo.weights.manifest import LICENCES, File, Manifest, find, list_weights, read_manifest
from radzoo.weights.tensor_files import digest, read_safetensors, save


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
    target, described = _targets(to, model, tag)
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

    save(network, target)
    manifest = Manifest(
        format=1, model=model, tag=tag, task=task, input=input, top=top, data=data,
        classes=network.output_shape[-1] if top and classes is None else classes,
        overrides=dict(overrides or {}), files=(), probe=answer,
        source=source or f"imported from {Path(path).name} (sha256 {file_hash(Path(path))})",
        licences={key: (licences or {}).get(key, "unknown") for key in LICENCES},
    )  # fmt: skip
    return _write_manifest(manifest, network, target, described)


def import_run(
    run: str | os.PathLike, tag: str, *, to: str | os.PathLike, licences: dict[str, str], source: str, data: str
) -> Path:
    """Makes the backbone of a run's best network, without its head, weights that other recipes can start from.

    Args:
        run: folder of a finished run whose best way trained a network (not fixed features).
        licences: of `code`, `weights` and `data`.
        source, data: what the manifest says of the training and of its images.

    Returns:
        The path of the manifest.

    Raises:
        BadInput: no such run, a network with a learned adapter of channels, or a target that exists.
    """
    trained = read_manifest(Path(run) / "manifest.json")
    if trained.metrics.get("way") == "features":
        raise BadInput(f"the best way of {run} is fixed features: there is no trained network to import")
    target, described = _targets(to, trained.model, tag)
    network = build(trained.model, trained.input.shape, **trained.overrides)
    named = read_safetensors(Path(run) / "weights.safetensors")
    assign(network, {key: value for key, value in named.items() if not key.startswith("head")}, str(run))
    save(network, target)
    manifest = replace(
        trained, tag=tag, top=False, files=(), licences=licences, source=source, data=data, probe=probe(network),
        metrics={key: value for key, value in trained.metrics.items() if key != "thresholds"},  # of the head
    )  # fmt: skip
    return _write_manifest(manifest, network, target, described)


def _targets(to: str | os.PathLike, model: str, tag: str) -> tuple[Path, Path]:
    """Where tensors and manifest go; neither may exist."""
    if not tag or not all(part.isalnum() for part in tag.split("_")):
        raise BadInput(f"tag {tag!r} came, expected letters, digits and underscores")
    to = Path(to).expanduser()
    targets = to / f"{model}.{tag}.safetensors", to / f"{model}.{tag}.json"
    for taken in targets:
        if taken.exists():
            raise BadInput(f"{taken} exists and is not overwritten: choose another tag or folder")
    to.mkdir(parents=True, exist_ok=True)
    return targets


def _write_manifest(manifest: Manifest, network, target: Path, described: Path) -> Path:
    """Adds what only the written file can tell."""
    file = File(name=target.name, format="safetensors", bytes=target.stat().st_size, sha256=file_hash(target))
    manifest = replace(
        manifest,
        files=(file,),
        parameters=sum(int(np.prod(weight.shape)) for weight in network.weights),
        tensors_sha256=digest({weight.path: np.asarray(weight) for weight in network.weights}),
    )
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
