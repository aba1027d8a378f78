"""A segmentation from its index to its report."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pandas as pd

from radzoo import weights
from radzoo.atomic import replacing
from radzoo.data import Index
from radzoo.data.datasets.names import called
from radzoo.data.split import FINAL, folds
from radzoo.recipe import Recipe
from radzoo.report import segmentation as page
from radzoo.train.fit import HISTORY
from radzoo.train.folder import read_json, write_csv, write_json
from radzoo.train.jobs import Job, models_folder, planned
from radzoo.train.segmentation import baseline
from radzoo.train.segmentation.jobs import Outcome, do, read_drawn
from radzoo.train.segmentation.measured import measured
from radzoo.train.segmentation.prepared import View
from radzoo.train.tables import loaded_weights, publish


def go(folder: Path, recipe: Recipe, index: Index, views: dict[str, View]) -> dict:
    """Trains what is not trained yet, evaluates all, and writes tables, model and report.

    Returns:
        The content of `metrics.json`.
    """
    start = time.perf_counter()
    first = views[recipe.models[0]]
    outcomes = [do(folder, recipe, index, job, views[job.model]) for job in planned(recipe, index)]
    others = [baseline.do(folder, recipe, index, fold, first) for fold in folds(index)]
    told, cases = measured(recipe, index, first, [*outcomes, *others])
    best = told["rows"][told["best"]]
    job = Job(best["model"], best["way"], 0)
    if len(folds(index)) > 1:
        job = dataclasses.replace(job, fold=FINAL)
        outcomes.append(do(folder, recipe, index, job, views[job.model]))
    final = next(each for each in outcomes if each.job == job)
    _publish(folder, recipe, index, views[job.model], final, best)
    write_csv(folder / "history.csv", _history(outcomes))
    write_csv(folder / "cases.csv", cases)
    write_json(folder / "metrics.json", told)
    began = read_json(folder, "environment.json")
    spent = {"minutes": round((time.perf_counter() - start) / 60, 2), "xla": final.facts["xla"]}
    write_json(folder / "environment.json", began | spent | {"weights": loaded_weights(outcomes)})
    page.write(folder, _pictures(index, first, outcomes, best))
    return told


def _pictures(index: Index, view: View, outcomes: list[Outcome], best: dict):
    """Row of the index -> its image in 0..1, the truth, what the best way drew in test, and the spacing."""
    place = {row: i for i, row in enumerate(index.table["row"])}

    def pictures(row: int):
        position = place[row]
        fold = int(index.table["fold"].iloc[position])
        wanted = (best["model"], best["way"], fold)
        drawn = next(each for each in outcomes if (each.job.model, each.job.way, each.job.fold) == wanted)
        key = view.keys[position]
        labels = read_drawn(drawn.place, best["refined"], row)
        spacing = view.cases.facts(key)["spacing_mm"] or (1.0,) * labels.ndim
        return view.cases.shown(key), view.cases.truth(key, view.meaning), labels, spacing

    return pictures


def _history(outcomes: list[Outcome]) -> pd.DataFrame:
    rows = [
        {"fold": each.job.fold or "", "model": each.job.model, "way": each.job.way, **epoch}
        for each in outcomes
        for epoch in each.facts["history"]
    ]
    return pd.DataFrame(rows, columns=["fold", "model", "way", "stage", *HISTORY])


def _publish(folder: Path, recipe: Recipe, index: Index, view: View, outcome: Outcome, best: dict) -> None:
    """A manifest beside each network of the chosen way, and all of it at the top of the run folder."""
    own = models_folder(folder, outcome.job)
    source = "from scratch" if outcome.job.way == "scratch" else f"{recipe.weights}, {outcome.job.way}"
    origin = weights.find(recipe.weights, outcome.job.model) if recipe.weights else None
    licences = {"code": "Apache-2.0", "weights": "unknown", "data": "unknown"}
    if origin and outcome.job.way != "scratch":
        licences["weights"] = f"unknown (made from {origin.name}: {origin.licences['weights']})"
    told = {
        "mask": dataclasses.asdict(recipe.mask) | {"refine": best["refined"] or "none"},
        "whole": view.cases.whole, "batch": recipe.batch, "way": outcome.job.way, "test": best["test"]["dice"],
    }  # fmt: skip
    for file in own.rglob("weights.safetensors"):
        manifest = weights.Manifest(
            format=1, model=outcome.job.model, tag="run", task="segmentation", classes=index.classes, input=view.spec,
            top=False, overrides=origin.overrides if origin else {},
            files=(weights.File(
                name=file.name, format="safetensors", bytes=file.stat().st_size, sha256=weights.file_hash(file)
            ),),
            parameters=outcome.facts["parameters"], source=f"trained by radzoo run ({source})",
            data=called(recipe.data.index), licences=licences, metrics=told,
        )  # fmt: skip
        with replacing(file.parent / "manifest.json") as temporary:
            temporary.write_text(manifest.to_json(), encoding="utf-8")
    publish(folder, outcome.job)
