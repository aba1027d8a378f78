"""The tables and manifests of a run folder."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from radzoo import weights
from radzoo.atomic import replacing
from radzoo.data import Index
from radzoo.data.datasets.names import called
from radzoo.data.split import folds
from radzoo.finished import ENSEMBLE
from radzoo.recipe import Recipe
from radzoo.train.fit import HISTORY
from radzoo.train.folder import write_csv, write_json
from radzoo.train.jobs import Job, Outcome, View, models_folder
from radzoo.train.judge import PARTS, Judged

MODEL_FILES = ("model.keras", "weights.safetensors", "manifest.json", "classifier.skops")


def split_table(index: Index) -> pd.DataFrame:
    """Row, patient, unit, fold, part and labels of every image; no fold where there is a single split."""
    table = index.table[["row", "patient", "unit", "fold", "split"]].copy()
    if len(folds(index)) == 1:
        table["fold"] = ""
    labels = index.labels if index.task == "regression" else index.labels.astype(int)
    return pd.concat([table, columns(index.classes, labels)], axis=1)


def images_table(index: Index, view: View) -> pd.DataFrame:
    """What each image was and what was applied to it; no file is named.

    `digest` is that of the pixels that the first model gets, `content` that of the decoded image.
    """
    facts = [view.store.facts(key) for key in view.keys]
    return pd.DataFrame(
        {
            "row": index.table["row"].to_numpy(),
            "digest": index.table["digest"].to_numpy(),
            "content": [each["content"] for each in facts],
            "modality": [each["modality"] for each in facts],
            "spacing_mm": [" ".join(f"{side:g}" for side in each["spacing_mm"] or ()) for each in facts],
            "spacing_source": [each["spacing_source"] for each in facts],
            "burnt_in": [each["burnt_in"] for each in facts],
            "applied": ["; ".join(each["applied"]) for each in facts],
        }
    )  # fmt: skip


def history_table(outcomes: list[Outcome]) -> pd.DataFrame:
    """One row per epoch of every training."""
    rows = [
        {"fold": each.job.fold or "", "model": each.job.model, "way": each.job.way, "repeat": each.job.repeat, **epoch}
        for each in outcomes
        for epoch in each.facts["history"]
    ]
    return pd.DataFrame(rows, columns=["fold", "model", "way", "repeat", *HISTORY])


def predictions_table(index: Index, judged: dict[tuple[str, str], dict[int, dict[str, Judged]]]) -> pd.DataFrame:
    """Recalibrated probabilities of every unit, as validation and as test; `row` is its first image."""
    tables = []
    for (model, way), by_fold in judged.items():
        for fold, by_part in by_fold.items():
            for part in PARTS:
                each = by_part[part]
                table = index.table.iloc[each.rows][["row", "patient", "unit"]].reset_index(drop=True)
                table["fold"], table["split"], table["model"], table["way"] = fold or "", part, model, way
                tables.append(pd.concat([table, columns(index.classes, each.probability)], axis=1))
    return pd.concat(tables, ignore_index=True)


def loaded_weights(outcomes) -> list[dict]:
    """What was loaded, adapted and initialised in each way, under which licences."""
    found = {}
    for outcome in outcomes:
        told = outcome.facts["loaded"]
        if told is not None:
            manifest = weights.find(told["weights"])
            entry = {"tag": manifest.name, "way": outcome.job.way, "licences": manifest.licences}
            entry |= {"loaded": len(told["loaded"]), "adapted": told["adapted"]}
            found[manifest.name, outcome.job.way] = entry | {"initialised": told["initialised"]}
    return list(found.values())


def columns(classes, values: np.ndarray) -> pd.DataFrame:
    """One column per class."""
    return pd.DataFrame(np.asarray(values, float if values.dtype.kind == "f" else int), columns=list(classes))


def fixed_on_validation(recipe: Recipe, way: str, fixed: Judged, test: dict, covariates: dict | None) -> dict:
    """What `predict` needs besides the weights.

    Args:
        fixed: validation, whose recalibration and thresholds go with the model.
        test: what was measured on the test part.
        covariates: how they become numbers (`Covariates.to_json`).
    """
    return {
        "way": way, "unit": recipe.unit, "aggregate": recipe.aggregate, "threshold_rule": recipe.threshold,
        "thresholds": list(fixed.thresholds), "recalibration": fixed.recalibration.to_json(),
        "test": test.get("auc") or test["mae"], "covariates": covariates, "views": recipe.views,
        "augment": dataclasses.asdict(recipe.augment), "seed": recipe.seed, "streams": recipe.streams,
    }  # fmt: skip


def write_ensemble(folder: Path, index: Index, places: list[str], shares, told: dict) -> None:
    """`ensemble.json` at the top of a run folder, instead of a model; the members' models are in `places`."""
    members = [{"folder": place, "share": share} for place, share in zip(places, shares, strict=True)]
    write_json(
        folder / ENSEMBLE, {"members": members, "task": index.task, "classes": list(index.classes), "metrics": told}
    )


def write_manifest(folder: Path, recipe: Recipe, index: Index, outcome: Outcome, view: View, told: dict):
    """The manifest beside the model of a job: the same kind as of any other weights, with what `predict` needs."""
    own = models_folder(folder, outcome.job)
    file, way = own / "weights.safetensors", outcome.job.way
    source = "from scratch" if way == "scratch" else f"{recipe.weights}, {way}"
    origin = weights.find(recipe.weights, outcome.job.model) if recipe.weights else None
    licences = {"code": "Apache-2.0", "weights": "unknown", "data": "unknown"}
    if origin and way != "scratch":  # what was learnt before comes under its own terms; of the user's we know none
        licences["weights"] = f"unknown (made from {origin.name}: {origin.licences['weights']})"
    manifest = weights.Manifest(
        format=1, model=outcome.job.model, tag="run", task=index.task, classes=index.classes, input=view.spec,
        top=False, overrides=origin.overrides if origin else {},
        files=(weights.File(
            name=file.name, format="safetensors", bytes=file.stat().st_size, sha256=weights.file_hash(file)
        ),),
        parameters=outcome.facts["parameters"], source=f"trained by radzoo run ({source})",
        data=called(recipe.data.index), licences=licences,
        metrics=told,
    )  # fmt: skip
    with replacing(own / "manifest.json") as temporary:
        temporary.write_text(manifest.to_json(), encoding="utf-8")


def publish(folder: Path, job: Job) -> None:
    """The files of the chosen model also at the top of the run folder."""
    own = models_folder(folder, job)
    for file in filter(Path.is_file, own.rglob("*")):
        place = folder / file.relative_to(own)
        place.parent.mkdir(exist_ok=True)
        with replacing(place) as temporary:
            shutil.copyfile(file, temporary)


def write_tables(folder: Path, index: Index, outcomes: list[Outcome], judged: dict) -> None:
    """`history.csv` and `predictions.csv`."""
    write_csv(folder / "history.csv", history_table(outcomes))
    write_csv(folder / "predictions.csv", predictions_table(index, judged))
