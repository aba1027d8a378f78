"""A recipe with its overrides, checked before any image is read."""

from __future__ import annotations

import dataclasses
import math
import os
from pathlib import Path

import pandas as pd

from radzoo import registry
from radzoo.data import Index
from radzoo.errors import BadInput
from radzoo.images.augment import turns_on_laterality
from radzoo.metrics import read_rule
from radzoo.recipe import Recipe


def resolved(recipe: Recipe, overrides: dict) -> Recipe:
    """The recipe that is run; paths become absolute, so that it can be resumed from anywhere.

    Raises:
        BadInput: a value that no run can have.
    """
    if isinstance(overrides.get("data"), dict):
        overrides = {**overrides, "data": dataclasses.replace(recipe.data, **overrides["data"])}
    recipe = dataclasses.replace(recipe, **overrides)
    if not recipe.models or not recipe.ways:
        raise BadInput("a recipe needs at least one model and one way")
    for names in (recipe.models, recipe.ways):
        if len(set(names)) < len(names):
            raise BadInput(f"{', '.join(names)} came: a model or a way that is named twice would be trained twice")
    for model in recipe.models:
        registry.describe(model)
    if recipe.batch < 1 or recipe.bootstrap < 100 or recipe.seed < 0:
        raise BadInput("batch must be at least 1, bootstrap at least 100, seed at least 0")
    if recipe.size is not None and recipe.size < 1:
        raise BadInput(f"size {recipe.size} came, expected the side of the square input in pixels")
    read_rule(recipe.threshold)
    _check_augment(recipe.augment)
    if not all(0 < phase.learning_rate < math.inf for phase in (*recipe.phases, recipe.scratch)):
        raise BadInput("each learning rate must be a number above 0")
    if min(phase.patience for phase in (*recipe.phases, recipe.scratch)) < 1:
        raise BadInput("patience must be at least 1: so many epochs that are no better end a phase")
    if not recipe.phases or min(phase.epochs for phase in (*recipe.phases, recipe.scratch)) < 1:
        raise BadInput("a recipe needs at least one phase, and each phase (scratch too) at least one epoch")
    data = dataclasses.replace(
        recipe.data, index=_absolute(recipe.data.index), test_index=_absolute(recipe.data.test_index)
    )
    return dataclasses.replace(recipe, data=data)


def check_flip(recipe: Recipe, index: Index) -> None:
    """A mirror image of a left-sided finding is a right-sided one."""
    if recipe.augment.flip and turns_on_laterality([*recipe.data.label, *index.classes]):
        raise BadInput(
            f"--augment.flip mirrors left and right, but the label ({', '.join(recipe.data.label)}) tells sides apart: "
            "leave flips off"
        )


def check_units(recipe: Recipe, index: Index) -> None:
    """A study or patient whose images show different classes has no class."""
    if index.task != "multiclass" or recipe.unit == "image":
        return
    several = pd.DataFrame(index.labels).groupby(index.table["unit"].to_numpy()).max().sum(axis=1) > 1
    if several.any():
        raise BadInput(
            f"{several.sum()} of {len(several)} {recipe.unit} units hold images of different classes: pass "
            "--unit image, or correct the labels"
        )


def _check_augment(augment) -> None:
    parts = {name: getattr(augment, name) for name in ("shift", "zoom", "crop", "contrast", "erase")}
    if not all(0 <= value < 1 for value in parts.values()):
        raise BadInput(f"{augment} came: {', '.join(parts)} are parts of 1, from 0 to below 1")
    if min(augment.rotate, augment.brightness, augment.noise) < 0:
        raise BadInput(f"{augment} came: rotate, brightness and noise are limits, from 0 on")


def _absolute(index: str | None) -> str | None:
    if not index or index.startswith("phantom:"):
        return index
    return os.path.abspath(Path(index).expanduser())
