"""Everything that a restoration needs before it has a folder, checked: images, targets, split, weights and sizes."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass

import numpy as np
import pandas as pd

from radzoo import registry, weights
from radzoo.data import Index, aligned, assign_splits, read_index
from radzoo.data.pairs import Pairs
from radzoo.data.patches import Window
from radzoo.data.worse import worse
from radzoo.errors import BadInput
from radzoo.heads import create_reported
from radzoo.images import Input
from radzoo.losses import restoration_loss
from radzoo.perceptual import feature_network
from radzoo.recipe import Recipe
from radzoo.segmenting import window_of
from radzoo.train.imaged import check_sizes, images_table, split_table
from radzoo.train.jobs import check_phases, precision
from radzoo.train.prepared import spec_of


@dataclass(frozen=True)
class View:
    """The pairs of a run as one model sees them: `keys[i]` is row i of the index."""

    spec: Input
    pairs: Pairs
    keys: np.ndarray
    window: Window


def prepared(recipe: Recipe) -> tuple[Index, dict[str, View]]:
    """What the user may have to mend is said here."""
    index = read_index(recipe.data, recipe.task, "image")
    restoration_loss(recipe.loss, network=feature_network)  # weights that are missing are said at once
    made_worse = worse(recipe.restoration, clean=index.synthetic)
    masks = index.table["mask"] if "mask" in index.table else [""] * len(index.table)
    specs, windows, views = {}, {}, {}
    for model in recipe.models:  # before minutes of simulation
        specs[model] = spec_of(recipe, model)
        if not recipe.weights:
            specs[model] = _own_scale(specs[model])
        if made_worse and isinstance(specs[model].window, str):
            raise BadInput("a scan is simulated in HU: pass --window CENTER WIDTH, such as 1024 4096")
        with precision(recipe):
            made, _ = network(recipe, model, specs[model], recipe.weights)
        windows[model] = window_of(made, specs[model])
        check_sizes(model, windows[model])
    for model, spec in specs.items():
        pairs = Pairs(spec, recipe.restoration.window, made_worse)
        keys = np.array(pairs.add(index.table["path"], index.table["target"], masks))
        views[model] = View(spec, pairs, keys, windows[model])
    first = views[recipe.models[0]]
    index = assign_splits(index, first.pairs.digests(first.keys), recipe.data, recipe.seed, list(first.keys))
    notes = [*index.notes, *([made_worse.sentence] if made_worse else [])]
    notes += aligned.said([first.pairs.facts(key)["beside"] for key in first.keys])
    return dataclasses.replace(index, notes=tuple(notes)), views


def of_way(view: View, way: str) -> View:
    """The view of a network with random weights, beside one with weights whose normalisation is no concern of it."""
    if way != "scratch":
        return view
    spec, pairs = _own_scale(view.spec), copy.copy(view.pairs)
    pairs.spec = spec
    return dataclasses.replace(view, spec=spec, pairs=pairs)


def _own_scale(spec: Input) -> Input:
    """Without weights, which have their own, the image in 0..1 as its target is: a residual network adds to it."""
    channels = spec.shape[-1]
    return dataclasses.replace(spec, mean=(0.0,) * channels, std=(1.0,) * channels, scale=1.0, order="rgb")


def network(recipe: Recipe, model: str, spec: Input, tag: str | None) -> tuple:
    """The model ready to fit, and the report of its weights (None from scratch)."""
    shape = spec.shape[1:] if spec.volume and spec.shape[0] == 1 else spec.shape  # single planes: a 2-D network
    overrides = weights.find(recipe.weights, model).overrides if recipe.weights else {}
    flat = tag is not None and len(weights.find(tag, model).input.shape) == 3
    deep = len(shape) == 4
    decoded = registry.describe(model).kind == "classification"  # other networks have an end of their own
    made, loaded = create_reported(
        model, shape, classes=1, task="restoration", weights=tag, channels=recipe.channels, dropout=recipe.dropout,
        inflate=recipe.inflate if deep and flat else None, spacing_mm=spec.spacing_mm if deep else None,
        residual=recipe.restoration.residual and decoded, **overrides,
    )  # fmt: skip
    check_phases(recipe, made)
    return made, loaded


def tables(index: Index, view: View) -> dict[str, pd.DataFrame]:
    """`split.csv` and `images.csv`."""
    facts = [view.pairs.facts(key) for key in view.keys]
    return {"split.csv": split_table(index), "images.csv": images_table(index, view.keys, facts)}
