"""`radzoo weights list|describe|fetch|verify|import`."""

from __future__ import annotations

from pathlib import Path

import tyro

from radzoo.commands.parsing import start_keras
from radzoo.errors import BadInput
from radzoo.images import Input

Positional = tyro.conf.Positional
NO_TAG = "no weights named: `radzoo weights list` shows all tags, such as squeezenet.imagenet"


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


def verify_weights(tags: Positional[tuple[str, ...]]):
    """Loads weights for good: hash, names, shapes, tensors, probe."""
    from radzoo import weights

    if not tags:
        raise BadInput(NO_TAG)
    start_keras()
    for tag in tags:
        print(weights.verify(weights.find(tag)))


def import_weights(
    file: Positional[Path],
    model: str,
    tag: str,
    input: Input,
    to: Path | None = None,
    top: bool = False,
    licence_code: str = "unknown",
    licence_weights: str = "unknown",
    licence_data: str = "unknown",
):
    """Turns a Keras file (`.h5` or `.weights.h5`) into safetensors with a manifest, and says what was loaded.

    Args:
        file: the weights of `model`.
        model: registered name.
        tag: name of the weights, so that `model.tag` finds them.
        input: the pixels that the weights expect; no file says so.
        to: folder for both files; the cache by default.
        top: the file holds the whole network of the paper.
    """
    from radzoo import weights

    licences = {"code": licence_code, "weights": licence_weights, "data": licence_data}
    start_keras()
    path = weights.import_file(file, model, tag, to=to or weights.cache(), input=input, top=top, licences=licences)
    print("\n".join([f"written      {path}", *weights.describe_lines(weights.read_manifest(path))]))


COMMANDS = {
    "list": list_weights,
    "describe": describe_weights,
    "fetch": fetch_weights,
    "verify": verify_weights,
    "import": import_weights,
}
