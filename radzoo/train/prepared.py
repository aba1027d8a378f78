"""Everything that a run needs before it has a folder, checked: images, split and weights; `resume` needs the same."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from pathlib import Path

import numpy as np
import pandas as pd

from radzoo import channels as grey
from radzoo import registry, weights
from radzoo.data import Index, Store, assign_splits, read_index
from radzoo.data.candidates import counted
from radzoo.data.split import FINAL, folds
from radzoo.errors import BadInput
from radzoo.images import Input
from radzoo.recipe import Recipe
from radzoo.train.controls import metadata_names
from radzoo.train.detection import with_scans
from radzoo.train.external import Apart, known_patients, read_other
from radzoo.train.folder import read_csv, read_json
from radzoo.train.jobs import View, beside, network, precision
from radzoo.train.resolved import check_flip, check_loss, check_units
from radzoo.train.tables import split_table

WITHOUT_WEIGHTS = Input(shape=(224, 224, 3), mean=(0.5,), std=(0.25,))  # the size is that of the paper


def prepared(recipe: Recipe) -> tuple[Index, dict[str, View]]:
    """Everything that the user may have to mend, before there is a folder: files, labels, split, weights, sizes."""
    specs = {model: spec_of(recipe, model) for model in recipe.models}
    index = read_index(recipe.data, recipe.task, recipe.unit)
    check_flip(recipe, index)
    check_units(recipe, index)
    views = {}
    for model, spec in specs.items():
        store = Store(spec)
        views[model] = View(spec, store, np.array(store.add(index.table["path"])))
    first = views[recipe.models[0]]
    index = with_scans(index, first.store, first.keys)
    dealt = index.table.get("key", pd.Series(first.keys))  # a dataset knows the keys of the files it was made of
    index = assign_splits(index, first.store.digests(first.keys), recipe.data, recipe.seed, list(dealt))
    if index.candidates is not None:
        counted(index.candidates, index.table, recipe.seed)  # refuses a reference without the split of its own scans
    metadata_names(recipe, index)
    check_loss(recipe, index)
    learnt = [beside(index, fold)[0] for fold in (*folds(index), *([FINAL] if len(folds(index)) > 1 else []))]
    if recipe.data.test_index is not None:
        contents = [first.store.facts(key)["content"] for key in first.keys]
        apart = Apart(known_patients(recipe.data, recipe.data.index, index.table["patient"]), contents)
        other, _ = read_other(recipe, index.classes, recipe.data.test_index, first.store, apart)
        for each in filter(None, learnt):
            each.transform(other.covariates)
    for model, spec in specs.items():
        with precision(recipe):
            network(recipe, index, model, spec, recipe.weights, learnt[0].width if learnt[0] else 0)
    return index, views


def spec_of(recipe: Recipe, model: str) -> Input:
    """The pixels that this model gets in this run; the weights are looked for, so that they are not missed later."""
    card = registry.describe(model)
    spec = dataclasses.replace(WITHOUT_WEIGHTS, shape=(*card.input[:2], 3))
    if recipe.weights is not None:
        manifest = weights.find(recipe.weights, model)
        weights.resolve(manifest)
        spec = manifest.input
    _check_channels(recipe)
    spec = grey.adapted_spec(
        spec, recipe.channels, windows=recipe.windows, files=len(recipe.data.image), mosaic=recipe.data.mosaic,
        cubes=max(1, len(recipe.patch_mm)),
    )  # fmt: skip
    size = recipe.size or (spec.shape[:-1] if recipe.weights else card.input[:-1])
    size = (size, size) if isinstance(size, int) else size
    window = spec.window if recipe.window == "header" or recipe.windows else recipe.window
    volume = {"spacing_mm": recipe.spacing_mm, "uneven": recipe.uneven}
    if recipe.patch != "none":
        volume |= {"patch": recipe.patch, "patch_mm": recipe.patch_mm}
    return dataclasses.replace(spec, shape=(*size, spec.shape[-1]), window=window, **volume)


def _check_channels(recipe: Recipe) -> None:
    """One image is grey or RGB; several are phases or a mosaic, several windows of one are windows."""
    channels, files = recipe.channels, len(recipe.data.image)
    if channels not in grey.SEVERAL and grey.count(channels) not in (1, 3):
        raise BadInput(f"channels={channels!r}: images of an index have 1 channel or 3 (rgb)")
    if channels == "phases" and files < 2:
        raise BadInput("channels='phases' came with one image column: name several, as --data.image plain arterial")
    if channels == "windows" and len(recipe.windows) == 1:
        raise BadInput("channels='windows' came with one window: pass it as --window CENTER WIDTH, or name several")


def check_unchanged(folder: Path, recipe: Recipe, index: Index) -> None:
    """What a run goes on with must be what it began with.

    Raises:
        BadInput: the index, its images, its labels, its other columns or the weights changed.
    """
    now = pd.read_csv(io.StringIO(split_table(index).to_csv(index=False)), dtype=str, keep_default_na=False)
    same = now.equals(read_csv(folder, "split.csv"))
    if not same or list(index.table["digest"]) != list(read_csv(folder, "images.csv")["digest"]):
        raise BadInput(
            f"the index, its images or its labels changed since the run in {folder} began: put them back as they were, "
            "or start a new run"
        )
    if read_json(folder, "environment.json").get("began_with") != began_with(recipe, index):
        raise BadInput(
            "the weights, the reference or the other columns of the index are not those that the run in "
            f"{folder} began with: put them back, or start a new run"
        )


def began_with(recipe: Recipe, index: Index) -> dict:
    """Hashes of what a run depends on besides images and labels: weights, and metadata for their baseline."""
    found = {model: weights.find(recipe.weights, model) for model in recipe.models if recipe.weights}
    cells = index.metadata.to_csv(index=False).encode()
    lesions = {} if index.candidates is None else {"lesions": index.candidates.digest()}
    return lesions | {
        "weights": {model: weights.file_hash(weights.resolve(manifest)[0]) for model, manifest in found.items()},
        "metadata": hashlib.sha256(cells).hexdigest(),
        "covariates": hashlib.sha256(index.covariates.to_csv(index=False).encode()).hexdigest(),
    }
