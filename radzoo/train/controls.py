"""What needs no network: grey levels, metadata, covariates and a constant, learnt and tested on the same folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from radzoo import baselines
from radzoo.data import Index
from radzoo.data.split import folds, parts
from radzoo.images.paths import archived, separated
from radzoo.recipe import Recipe
from radzoo.train.folder import read_json, write_json
from radzoo.train.jobs import View, beside
from radzoo.train.judge import PARTS, Answers

GREY, METADATA, BESIDE, MAJORITY = "grey levels", "metadata", "covariates", "majority"


def baseline_answers(recipe: Recipe, index: Index, view: View) -> list[Answers]:
    """What grey levels, metadata, covariates and the majority say, learnt on the training part of each fold."""
    grey = np.stack([baselines.grey_levels(view.store[key]) for key in view.keys])
    known = clues(recipe, index, view)
    spelt = _spelt(recipe, index)
    used: dict[str, None] = {}
    raw: dict[str, dict] = {GREY: {}, METADATA: {}, BESIDE: {}}
    for fold in folds(index):
        here = parts(index, fold)
        train = here["train"]
        encoder = baselines.Metadata.learn(known.iloc[train], spelt)
        used |= dict.fromkeys(encoder.columns)
        numbers = beside(index, fold)[1]
        for name, features in ((GREY, grey), (METADATA, encoder.transform(known)), (BESIDE, numbers)):
            if features is not None and features.shape[1]:
                learnt = baselines.fit(
                    features[train], index.labels[train], index.table["group"].to_numpy()[train],
                    task=index.task, seed=recipe.seed,
                )  # fmt: skip
                raw[name][fold] = {part: learnt.probability(features[here[part]]) for part in PARTS}
    details = {GREY: "", METADATA: ", ".join(used), BESIDE: ", ".join(recipe.data.covariates)}
    whole = {name: by_fold for name, by_fold in raw.items() if len(by_fold) == len(folds(index))}
    found = [Answers("", name, by_fold, detail=details[name]) for name, by_fold in whole.items()]
    raw = {}
    for fold in folds(index):
        # Of classes, one prevalence for all folds: several would rank patients by their fold. A median ranks nothing.
        train = parts(index, fold if index.task == "regression" else folds(index)[0])["train"]
        said = baselines.constant(index.labels[train], index.task)
        raw[fold] = {part: np.tile(said, (len(parts(index, fold)[part]), 1)) for part in PARTS}
    return [*found, Answers("", MAJORITY, raw, constant=True)]


def keep_baselines(folder: Path, others: list[Answers]) -> None:
    """What the baselines said, for an ensemble of this run with others: `jobs/baselines.json`."""
    told = [
        {"way": each.way, "detail": each.detail, "constant": each.constant, "raw": _mapped(each.raw, str, _listed)}
        for each in others
    ]
    path = folder / "jobs" / "baselines.json"
    if not path.is_file():  # a resumed run finds them as they were
        write_json(path, told)


def kept_baselines(folder: Path) -> list[Answers]:
    """What `keep_baselines` wrote."""
    return [
        Answers("", told["way"], _mapped(told["raw"], int, np.array), told["detail"], constant=told["constant"])
        for told in read_json(folder, "jobs/baselines.json")
    ]


def _mapped(raw: dict, key, value) -> dict:
    return {key(fold): {part: value(each) for part, each in by_part.items()} for fold, by_part in raw.items()}


def _listed(raw: np.ndarray) -> list:
    return raw.tolist()


def _spelt(recipe: Recipe, index: Index) -> list[str]:
    """Names and all values of the label columns: a folder that is named after one is the label, not a clue."""
    told = [name for name in recipe.data.label if name in index.metadata]
    values = [str(value) for name in told for value in index.metadata[name].unique()]
    return [*recipe.data.label, *index.classes, *values]


def clues(recipe: Recipe, index: Index, view: View) -> pd.DataFrame:
    """What is known of each image without its pixels; the patients and places of arrays and datasets mean nothing."""
    data, table = recipe.data, index.table
    arrays = table["path"].map(archived).any()
    return baselines.clues(
        index.metadata[metadata_names(recipe, index)],
        patients=None if data.patient is None or arrays else table["patient"],
        paths=None if arrays else [separated(path)[0] for path in table["path"]],
        folder=Path(data.index).parent,
        sizes=np.array([view.store.facts(key)["size"] for key in view.keys]),
    )


def metadata_names(recipe: Recipe, index: Index) -> list[str]:
    """The columns of the index that tell where an image comes from.

    Raises:
        BadInput: the recipe names a column that is not there, or that has another role.
    """
    data = recipe.data
    taken = {*data.image, data.patient, data.study, data.split, *data.label}
    return baselines.metadata_columns(index.metadata.columns, data.metadata, taken)
