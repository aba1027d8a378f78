"""Everything that a segmentation needs before it has a folder, checked: images, masks, split, weights and sizes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pandas as pd

from radzoo import weights
from radzoo.data import Index, assign_splits, read_index
from radzoo.data.cases import Cases
from radzoo.data.classes import Meaning, meaning
from radzoo.data.columns import name_rows
from radzoo.data.patches import Window
from radzoo.errors import BadInput
from radzoo.heads import create_reported
from radzoo.images import Input
from radzoo.losses import segmentation_loss
from radzoo.recipe import Recipe
from radzoo.segmenting import window_of
from radzoo.train.imaged import check_sizes, images_table, split_table
from radzoo.train.jobs import check_phases, precision
from radzoo.train.prepared import spec_of
from radzoo.train.resolved import check_flip


@dataclass(frozen=True)
class View:
    """The cases of a run as one model sees them: `keys[i]` is row i of the index."""

    spec: Input
    cases: Cases
    keys: np.ndarray
    meaning: Meaning
    window: Window


def prepared(recipe: Recipe) -> tuple[Index, dict[str, View]]:
    """What the user may have to mend is said here."""
    index = read_index(recipe.data, recipe.task, "image")
    specs, stores, keys = {}, {}, {}
    for model in recipe.models:
        specs[model] = spec_of(recipe, model)
        stores[model] = Cases(specs[model], whole=not recipe.mask.patches)
        keys[model] = np.array(stores[model].add(index.table["path"], index.table["mask"]))
    first = recipe.models[0]
    meant = _meaning(recipe, index, stores[first], keys[first])
    index = dataclasses.replace(index, classes=meant.classes, labels=_presence(stores[first], keys[first], meant))
    check_flip(recipe, index)
    inside = recipe.mask.inside
    if inside is not None and (inside not in meant.classes or len(meant.classes) == 1):
        raise BadInput(
            f"--mask.inside {inside} came, expected a class that holds others; classes: {', '.join(meant.classes)}"
        )
    index = assign_splits(index, stores[first].digests(keys[first]), recipe.data, recipe.seed, list(keys[first]))
    segmentation_loss(recipe.loss, len(meant.classes) + 1)
    views = {}
    for model in recipe.models:
        with precision(recipe):
            made, _ = network(recipe, model, specs[model], recipe.weights, len(meant.classes) + 1)
        window = window_of(made, specs[model])
        check_sizes(model, window)
        views[model] = View(specs[model], stores[model], keys[model], meant, window)
    return index, views


def network(recipe: Recipe, model: str, spec: Input, tag: str | None, classes: int) -> tuple:
    """The model ready to fit, and the report of its weights (None from scratch).

    Args:
        classes: with background.
    """
    shape = spec.shape[1:] if spec.volume and spec.shape[0] == 1 else spec.shape  # single planes: a 2-D network
    overrides = weights.find(recipe.weights, model).overrides if recipe.weights else {}
    flat = tag is not None and len(weights.find(tag, model).input.shape) == 3
    deep = len(shape) == 4
    made, loaded = create_reported(
        model, shape, classes=classes, task="segmentation", weights=tag, channels=recipe.channels,
        dropout=recipe.dropout, inflate=recipe.inflate if deep and flat else None,
        spacing_mm=spec.spacing_mm if deep else None, supervised=recipe.mask.supervised, **overrides,
    )  # fmt: skip
    check_phases(recipe, made)
    return made, loaded


def _meaning(recipe: Recipe, index: Index, cases: Cases, keys) -> Meaning:
    facts = [cases.facts(key) for key in keys]
    seen = [(tuple(each["names"][0]), tuple(each["values"][0])) for each in facts]
    return meaning(recipe.data, seen, lambda position: name_rows(index.table, [position]), recipe.mask.instances)


def _presence(cases: Cases, keys, meant: Meaning) -> np.ndarray:
    """`(n, classes)`: whether the mask of each case holds each class."""
    there = np.zeros((len(keys), len(meant.classes)), "float32")
    for i, key in enumerate(keys):
        names, values = cases.facts(key)["names"][0], cases.facts(key)["values"][0]
        found = meant.table(tuple(names), max([1, *values]))[values]
        there[i] = np.isin(np.arange(1, len(meant.classes) + 1), found)
    return there


def tables(index: Index, view: View) -> dict[str, pd.DataFrame]:
    """`split.csv`: row, patient, fold and part of every case, and which classes its mask holds; `images.csv`."""
    there = pd.DataFrame(index.labels.astype(int), columns=list(index.classes))
    facts = [view.cases.facts(key) for key in view.keys]
    return {
        "split.csv": pd.concat([split_table(index), there], axis=1),
        "images.csv": images_table(index, view.keys, facts),
    }
