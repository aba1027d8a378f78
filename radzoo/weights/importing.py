"""Somebody else's Keras or torch file as weights of radzoo: `radzoo weights import`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.input import Input
from radzoo.weights.files import file_hash
from radzoo.weights.load import network, probe
from radzoo.weights.manifest import LICENCES, File, Manifest
from radzoo.weights.own import targets, write_manifest
from radzoo.weights.reading import read_file
from radzoo.weights.report import Report, assign, told
from radzoo.weights.shelf import find, list_weights
from radzoo.weights.tensor_files import save


def import_file(path: str | os.PathLike, model: str, tag: str, **how) -> Path:
    """`import_reported` without the report: the path of the manifest."""
    return import_reported(path, model, tag, **how)[0]


def import_reported(
    path: str | os.PathLike,
    model: str,
    tag: str,
    *,
    to: str | os.PathLike,
    input: Input | None = None,
    like: str | None = None,
    top: bool = False,
    missing: tuple[str, ...] = (),
    classes: int | tuple[str, ...] | None = None,
    task: str | None = None,
    renames=None,
    flatten: dict | None = None,
    overrides: dict | None = None,
    source: str | None = None,
    data: str = "unknown",
    licences: dict[str, str] | None = None,
) -> tuple[Path, Report]:
    """Reads a Keras or torch file and writes `<model>.<tag>.safetensors` and its manifest into `to`.

    Args:
        input: the pixels that the weights expect; a file does not say, so it has to be told, or `like` tells it.
        like: known weights, `model.tag`, whose file names its tensors alike: input, task, renames, flatten and
            overrides are theirs where they are not given.
        top: the file holds the whole network; without it, the head of the file is left out.
        missing: beginnings of layer names, such as "head", that the file may lack or have in another shape; they keep
            their initial values.
        renames: from the file's layer names to radzoo's; None takes those of `like`, or those that radzoo has for
            Keras files of this model.
        flatten, overrides: as in a manifest.
        licences: of `code`, `weights` and `data`; what is not given is "unknown".

    Returns:
        The path of the manifest, and what became of every tensor.

    Raises:
        BadInput: unreadable file, tensors that do not fit the model, or a target that exists.
    """
    path = Path(path)
    target, described = targets(to, model, tag)
    unknown = set(licences or ()) - set(LICENCES)
    if unknown:
        raise BadInput(f"licence of {', '.join(sorted(unknown))} came, expected {', '.join(LICENCES)}")
    known = find(like) if like else None
    if input is None and known is None:
        raise BadInput(f"the pixels that {path.name} expects are not known: give input.shape and the rest, or like=TAG")
    input = input or known.input
    task = task or (known.task if known else "multiclass")
    count = len(classes) if isinstance(classes, tuple) else classes
    if top and classes is None and known:
        classes, count = known.classes, known.outputs
    overrides = {**(known.overrides if known else {}), **(overrides or {})}
    file = _described(path, model, top, known, renames, flatten)

    built = network(model, input.shape, top, count, task, overrides)
    _check_flatten(file, built)
    report = _fill(built, path, file, missing, partial=bool(known or missing))
    answer = probe(built)
    if not np.isfinite(answer):
        raise BadInput(f"{path} gives {answer} for the probe: its weights hold NaN or infinite values")

    save(built, target)
    origin = source or f"imported from {path.name} (sha256 {file_hash(path)})"
    left = f"; at their initial values: {', '.join(report.initialised)}" if report.initialised else ""
    manifest = Manifest(
        format=1, model=model, tag=tag, task=task, input=input, top=top, data=data,
        classes=built.get_layer("head").output.shape[-1] if top and classes is None else classes,
        overrides=overrides, files=(), probe=answer, source=origin + left,
        licences={key: (licences or {}).get(key, "unknown") for key in LICENCES},
    )  # fmt: skip
    return write_manifest(manifest, built, target, described), report


def _described(path: Path, model: str, top: bool, known: Manifest | None, renames, flatten) -> File:
    """What is known of the names in the file; its first bytes tell its format."""
    try:
        with open(path, "rb") as opened:
            start = opened.read(8)
    except OSError as error:
        raise BadInput(
            f"{path} does not exist or cannot be read ({error.strerror}): name a Keras or torch file"
        ) from None
    is_keras = start == b"\x89HDF\r\n\x1a\n" or path.suffix in (".h5", ".hdf5", ".keras")
    formats = ("keras_h5", "keras_weights_h5") if is_keras else ("torch",)
    like = File(name=path.name, format=formats[0])
    if known:
        files = [file for file in known.files if file.format in formats]
        if not files:
            kind = "Keras" if is_keras else "torch"
            raise BadInput(f"{path} is a {kind} file, and {known.name} knows none of that kind: choose another like")
        like = files[0]
    if not is_keras and known is None and renames is None:
        alike = [name for name in list_weights(f"{model}.*") if any(f.format == "torch" for f in find(name).files)]
        if alike:
            raise BadInput(
                f"{path} is no Keras file; if it is a torch checkpoint, say how its tensors are named: "
                f"like={' or '.join(alike)}, or renames"
            )
    if renames is None:
        renames = like.renames if known else _usual_renames(model, top) if is_keras else ()
    return replace(
        like,
        name=path.name,
        format=formats[0],
        renames=tuple(renames),
        flatten=like.flatten if flatten is None else flatten,
    )


def _check_flatten(file: File, built) -> None:
    """A flattened map in a torch file is in another order, which no shape betrays."""
    for layer in built.layers if file.format == "torch" and not file.flatten else ():
        if type(layer).__name__ == "Flatten" and int(np.prod(layer.input.shape[1:-1])) > 1:
            size = (layer.input.shape[-1], *layer.input.shape[1:-1])
            raise BadInput(
                f"{built.name} flattens a map of {size} (channels first), which torch does in another order: "
                "pass like=TAG of known torch weights, or flatten"
            )


def _fill(built, path: Path, file: File, missing, *, partial: bool) -> Report:
    """Assigns the file's tensors, all but what may be missing."""
    content = read_file(path, file, built, partial=partial)
    shapes = {weight.path: tuple(weight.shape) for weight in built.weights}
    for start in missing:
        if not any(key.startswith(start) for key in (*shapes, *content.named)):
            raise BadInput(f"missing {start!r} is the beginning of no layer of {built.name}: such as head or stage4")
    spared = [
        key for key, shape in shapes.items()
        if key.startswith(tuple(missing)) and getattr(content.named.get(key), "shape", None) != shape
    ]  # fmt: skip
    has_head = any(key.startswith("head") for key in shapes)
    skipped = [
        key for key in content.named
        if key in spared or (key not in shapes and key.startswith((*missing, *(() if has_head else ("head",)))))
    ]  # fmt: skip
    named = {key: array for key, array in content.named.items() if key not in skipped}
    assign(built, named, path.name, spared=spared)
    return told(path.name, built, content, named, initialised=spared, skipped=skipped)


def _usual_renames(model: str, top: bool) -> tuple:
    """The renames of the first Keras file that radzoo knows for this model, head or not as asked."""
    for name in list_weights(f"{model}.*"):
        manifest = find(name)
        for file in manifest.files:
            if manifest.top == top and file.format.startswith("keras"):
                return file.renames
    return ()
