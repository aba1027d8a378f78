"""What is known about every model before it is built.

Cards are read from the source of `radzoo/models/*.py` without running it, so that listing imports no Keras.
"""

from __future__ import annotations

import ast
import difflib
import fnmatch
import functools
from dataclasses import dataclass
from pathlib import Path

from radzoo.errors import BadInput

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Card:
    """What is known about a model before it is built.

    Attributes:
        input: the image for which the paper prints the network, `(h, w, channels)`; of some `(z, y, x, channels)` or
            `(views, h, w, channels)`.
        parameters: trainable parameters of the whole network, with that input and the head that its paper prints.
        fidelity: `"paper"`, or `"reconstruction"` where the paper's layer table could not be read.
        weights: tags of the manifests that radzoo ships for it.
    """

    name: str
    family: str
    title: str
    paper: str
    year: int
    kind: str
    input: tuple[int, ...]
    parameters: int
    fidelity: str
    weights: tuple[str, ...]


def list_models(pattern: str = "*", *, kind: str | None = None) -> list[str]:
    """Registered names that match a shell pattern, sorted. `kind`: classification, segmentation, restoration, text."""
    return sorted(
        name for name, card in _cards().items() if fnmatch.fnmatch(name, pattern) and kind in (None, card.kind)
    )


def describe(name: str) -> Card:
    """The card of a registered model.

    Raises:
        BadInput: the name is unknown; near matches are listed.
    """
    cards = _cards()
    if name not in cards:
        raise BadInput(f"unknown model {name!r}{suggest(name, cards)}: `radzoo list` shows all names")
    return cards[name]


def suggest(name: str, known) -> str:
    """`", did you mean …?"` with the near matches of `name`, or nothing."""
    near = difflib.get_close_matches(str(name), list(known), n=3, cutoff=0.5)
    return f", did you mean {' or '.join(near)}?" if near else ""


def packaged(folder: str) -> Path:
    """The folder `recipes` or `weights`, as installed (`radzoo/_recipes`) or in a checkout (`recipes`)."""
    installed = _HERE / f"_{folder}"
    return installed if installed.is_dir() else _HERE.parent / folder


@functools.cache
def _cards() -> dict[str, Card]:
    cards: dict[str, Card] = {}
    for path in sorted((_HERE / "models").glob("[!_]*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        title, _, rest = ast.get_docstring(module).partition("\n\n")
        paper = " ".join(rest.partition("\n\n")[0].split())
        for keywords in _registrations(module):
            fields = {key: keywords.pop(key) for key in ("kind", "year", "fidelity")}
            parameters, inputs = keywords.pop("parameters"), keywords.pop("inputs", {})
            for name in keywords:
                weights = tuple(p.stem for p in sorted(packaged("weights").glob(f"{name}.*.json")))
                cards[name] = Card(
                    name=name, family=path.stem, title=title, paper=paper,
                    input=inputs.get(name, (224, 224, 3)), parameters=parameters[name], weights=weights, **fields,
                )  # fmt: skip
    return cards


def _registrations(module: ast.Module):
    for node in module.body:
        for call in getattr(node, "decorator_list", ()):
            if isinstance(call, ast.Call) and getattr(call.func, "id", None) == "register":
                yield {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
