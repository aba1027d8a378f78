"""`radzoo weights list|describe|fetch|verify|import`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tyro

from radzoo.commands.parsing import start_keras
from radzoo.errors import BadInput
from radzoo.images import Input

Positional = tyro.conf.Positional
NO_TAG = "no weights named: `radzoo weights list` shows all tags, such as squeezenet.imagenet"
UNTOLD = Input(shape=(0, 0, 1))  # what the command line gives where no input is named


def list_weights(pattern: Positional[str] = "*", commercial: bool = False):
    """Lists weights.

    Args:
        pattern: shell pattern of `model.tag`.
        commercial: only those whose code, weights and data are all known to allow commercial use.
    """
    from radzoo import weights

    for name in weights.list_weights(pattern, commercial=commercial or None):
        manifest = weights.find(name)
        try:
            here = "here" if weights.locate(manifest) else "not here"
        except BadInput:  # a file of that name with another hash
            here = "damaged"
        licences = ", ".join(f"{key} {manifest.licences[key]}" for key in ("code", "weights", "data"))
        print(f"{name:<28} {here:<9} {licences}")


def describe_weights(tag: Positional[str]):
    """Says what weights hold, what pixels they expect, where they come from, and under which licences."""
    from radzoo import weights

    print("\n".join(weights.describe_lines(weights.find(tag))))


def fetch_weights(tags: Positional[tuple[str, ...]], to: Path | None = None):
    """Downloads weights, resuming what was interrupted, and verifies them.

    Args:
        tags: `model.tag`, one or more.
        to: the folder to fill (for a machine without a network); the cache by default.
    """
    from radzoo import weights

    if not tags:
        raise BadInput(NO_TAG)
    for tag in tags:
        path, _ = weights.fetch(weights.find(tag), to)
        print(path)


def verify_weights(tags: Positional[tuple[str, ...]], images: tuple[Path, ...] = ()):
    """Loads weights for good: hash, names, shapes, tensors, probe.

    Args:
        tags: `model.tag`, one or more.
        images: of the kind that the weights were trained on; says whether their pixels, preprocessed as the manifest
            says, fit the statistics within the weights.
    """
    from radzoo import weights

    if not tags:
        raise BadInput(NO_TAG)
    start_keras()
    for tag in tags:
        print(weights.verify(weights.find(tag)))
        if images:
            model, manifest = weights.load(tag)
            print(f"{tag}: {weights.fit_of(model, np.stack([manifest.input(image) for image in images]))}")


def import_weights(
    file: Positional[Path],
    model: str,
    tag: str,
    input: Input = UNTOLD,
    like: str | None = None,
    to: Path | None = None,
    top: bool = False,
    missing: tuple[str, ...] = (),
    classes: int | None = None,
    task: str | None = None,
    renames: tuple[tuple[str, str], ...] | None = None,
    overrides: tuple[str, ...] = (),
    licence_code: str = "unknown",
    licence_weights: str = "unknown",
    licence_data: str = "unknown",
):
    """Turns a Keras file (`.h5`, `.weights.h5`) or a torch checkpoint into safetensors with a manifest.

    Prints what became of every tensor: loaded, transposed, left at its initial value, left out.

    Args:
        file: the weights of `model`.
        model: registered name.
        tag: name of the weights, so that `model.tag` finds them.
        input: the pixels that the weights expect; no file says so, but `like` does.
        like: known weights whose file names its tensors alike, such as resnet50.imagenet_torch.
        to: folder for both files; the cache by default.
        top: the file holds the whole network of the paper; without it the file's head is left out.
        missing: layers, by the beginning of their names (head), that the file may lack: they stay as they begin.
        classes: outputs of the whole network.
        task: multiclass, multilabel, binary or regression.
        renames: pairs of pattern and replacement, from the file's layers to radzoo's.
        overrides: arguments of the model, such as stride_in_1x1=false.
    """
    from radzoo import weights

    licences = {"code": licence_code, "weights": licence_weights, "data": licence_data}
    if input.shape == UNTOLD.shape and input != UNTOLD:
        raise BadInput("--input.shape is missing: give it with the other parts of the input, or take all from --like")
    start_keras()
    path, report = weights.import_reported(
        file, model, tag, to=to or weights.cache(), input=None if input == UNTOLD else input, like=like, top=top,
        missing=missing, classes=classes, task=task, renames=renames, licences=licences,
        overrides=dict(map(_override, overrides)),
    )  # fmt: skip
    print("\n".join([*report.table(), str(report), f"written      {path}"]))
    print("\n".join(weights.describe_lines(weights.read_manifest(path))))


def _override(text: str) -> tuple:
    key, _, value = text.partition("=")
    try:
        value = json.loads(value)
    except ValueError:
        raise BadInput(f"--overrides {text!r} came, expected NAME=VALUE such as eps=1e-3 or bias=true") from None
    return key, tuple(value) if isinstance(value, list) else value


COMMANDS = {
    "list": list_weights,
    "describe": describe_weights,
    "fetch": fetch_weights,
    "verify": verify_weights,
    "import": import_weights,
}
