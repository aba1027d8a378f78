"""`radzoo list`, `radzoo describe`, `radzoo recipes`."""

from __future__ import annotations

import tyro

import radzoo
from radzoo.commands.parsing import start_keras
from radzoo.errors import BadInput
from radzoo.recipe import read_recipe, recipe_names

Positional = tyro.conf.Positional


def list_models(pattern: Positional[str] = "*", kind: str | None = None, table: bool = False):
    """Lists models.

    Args:
        pattern: shell pattern of the names.
        kind: classification, segmentation, restoration or text.
        table: as the Markdown table of the README, with multiply-adds; builds every network, which takes minutes.
    """
    names = radzoo.list_models(pattern, kind=kind)
    if not names:
        raise BadInput(f"no model matches {pattern!r}: `radzoo list` shows all names")
    if table:
        print(markdown([name for name in names if not name.endswith("_tiny")]))
        return
    for name in names:
        card = radzoo.describe(name)
        print(f"{name:<20} {card.year}  {card.parameters:>12,} parameters  {card.title.split(':')[0]}")


def markdown(names: list[str]) -> str:
    """One row per model; the tiny variants are for tests."""
    start_keras()
    from radzoo import weights
    from radzoo.operations import multiply_adds

    lines = [
        "| model | parameters | multiply-adds | input | paper | weights (their licence) |",
        "|---|---|---|---|---|---|",
    ]
    for name in names:
        card = radzoo.describe(name)
        billions = multiply_adds(radzoo.build(name, card.input, top=True)) / 1e9
        licences = {tag: weights.find(tag).licences["weights"].partition(" (")[0] for tag in card.weights}
        tags = [f"`{tag.partition('.')[2]}` ({licence})" for tag, licence in licences.items()]
        paper = f"{card.paper.split(',')[0]} {card.year}" + (" (reconstruction)" if card.fidelity != "paper" else "")
        cells = f"`{name}`", f"{card.parameters:,}", f"{billions:.3g} G", " x ".join(map(str, card.input)), paper
        lines.append(f"| {' | '.join(cells)} | {', '.join(tags) or 'none'} |")
    return "\n".join(lines)


def describe(model: Positional[str]):
    """Says what is known of a model."""
    card = radzoo.describe(model)
    for key in ("name", "family", "title", "paper", "year", "kind", "fidelity"):
        print(f"{key:<12} {getattr(card, key)}")
    print(f"{'parameters':<12} {card.parameters:,} (trainable, whole network of the paper)")
    print(f"{'weights':<12} {', '.join(card.weights) or 'none'}")


def recipes():
    """Lists the recipes that come with radzoo."""
    for name in recipe_names():
        print(f"{name:<24} {read_recipe(name)[1].partition(chr(10))[0]}")
