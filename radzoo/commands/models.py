"""`radzoo list`, `radzoo describe`, `radzoo recipes`."""

from __future__ import annotations

import tyro

import radzoo
from radzoo.errors import BadInput
from radzoo.recipe import read_recipe, recipe_names

Positional = tyro.conf.Positional


def list_models(pattern: Positional[str] = "*", kind: str | None = None):
    """Lists models.

    Args:
        pattern: shell pattern of the names.
        kind: classification, segmentation, restoration or text.
    """
    names = radzoo.list_models(pattern, kind=kind)
    if not names:
        raise BadInput(f"no model matches {pattern!r}: `radzoo list` shows all names")
    for name in names:
        card = radzoo.describe(name)
        print(f"{name:<20} {card.year}  {card.parameters:>12,} parameters  {card.title.split(':')[0]}")


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
