"""Weights of one's own: the backbone of a run, written with its manifest for other recipes to start from."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from radzoo.errors import BadInput
from radzoo.registry import build
from radzoo.weights.files import file_hash
from radzoo.weights.load import probe
from radzoo.weights.manifest import File, Manifest
from radzoo.weights.report import assign
from radzoo.weights.shelf import read_manifest
from radzoo.weights.tensor_files import digest, read_safetensors, save


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
    if trained.metrics.get("streams", "none") != "none":  # the network itself saw one slice at a time
        trained = replace(trained, input=replace(trained.input, shape=trained.input.shape[1:], spacing_mm=None))
    target, described = targets(to, trained.model, tag)
    built = build(trained.model, trained.input.shape, **trained.overrides)
    named = read_safetensors(Path(run) / "weights.safetensors")
    added = ("head", "decoder")  # what the task put on the backbone
    assign(built, {key: value for key, value in named.items() if not key.startswith(added)}, str(run))
    save(built, target)
    manifest = replace(
        trained, tag=tag, top=False, files=(), licences=licences, source=source, data=data, probe=probe(built),
        metrics={key: value for key, value in trained.metrics.items() if key not in ("thresholds", "streams")},
    )  # fmt: skip
    return write_manifest(manifest, built, target, described)


def targets(to: str | os.PathLike, model: str, tag: str) -> tuple[Path, Path]:
    """Where tensors and manifest of `model.tag` go; neither may exist."""
    if not tag or not all(part.isalnum() for part in tag.split("_")):
        raise BadInput(f"tag {tag!r} came, expected letters, digits and underscores")
    to = Path(to).expanduser()
    targets = to / f"{model}.{tag}.safetensors", to / f"{model}.{tag}.json"
    for taken in targets:
        if taken.exists():
            raise BadInput(f"{taken} exists and is not overwritten: choose another tag or folder")
    to.mkdir(parents=True, exist_ok=True)
    return targets


def write_manifest(manifest: Manifest, built, target: Path, described: Path) -> Path:
    """The manifest, with what only the written file `target` can tell, as `described`."""
    file = File(name=target.name, format="safetensors", bytes=target.stat().st_size, sha256=file_hash(target))
    manifest = replace(
        manifest,
        files=(file,),
        parameters=sum(int(np.prod(weight.shape)) for weight in built.weights),
        tensors_sha256=digest({weight.path: np.asarray(weight) for weight in built.weights}),
    )
    temporary = described.with_name(f"{described.name}.new")
    temporary.write_text(manifest.to_json(), encoding="utf-8")
    os.replace(temporary, described)
    return described
