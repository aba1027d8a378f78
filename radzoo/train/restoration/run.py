"""A restoration from its index to its report."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from radzoo.data import Index
from radzoo.data.split import FINAL, folds
from radzoo.images import Input
from radzoo.recipe import Recipe
from radzoo.report import restoration as page
from radzoo.train.folder import read_json, write_csv, write_json
from radzoo.train.imaged import history, publish_run
from radzoo.train.jobs import Job, planned
from radzoo.train.restoration import baseline
from radzoo.train.restoration.jobs import do, read_restored
from radzoo.train.restoration.measured import Scale, measured, name_of
from radzoo.train.restoration.prepared import View, of_way
from radzoo.train.tables import loaded_weights

TOLD = ("window", "low", "high", "data_range", "psnr")  # of the manifest: PSNR says nothing without its window


def go(folder: Path, recipe: Recipe, index: Index, views: dict[str, View]) -> dict:
    """Trains what is not trained yet, evaluates all, and writes tables, model and report.

    Returns:
        The content of `metrics.json`.
    """
    start = time.perf_counter()
    first = views[recipe.models[0]]
    others = [
        baseline.do(folder, recipe.seed, index, fold, first, way)
        for fold in folds(index)
        for way in baseline.ways(first)
    ]
    outcomes = [do(folder, recipe, index, job, _seen(views, job)) for job in planned(recipe, index)]
    told, tables = measured(recipe, index, first, [*outcomes, *others])
    best = told["rows"][told["best"]]
    job = Job(best["model"], best["way"], 0)
    if len(folds(index)) > 1:
        job = dataclasses.replace(job, fold=FINAL)
        outcomes.append(do(folder, recipe, index, job, _seen(views, job)))
    final = next(each for each in outcomes if each.job == job)
    told_of = {
        "restoration": dataclasses.asdict(recipe.restoration), "batch": recipe.batch, "way": job.way,
        "simulated": told["simulated"], "test": {name: best["windows"][-1][name] for name in TOLD},
    }  # fmt: skip
    publish_run(folder, recipe, index, _refusing(_seen(views, job)), job, final.facts["parameters"], told_of)
    write_csv(folder / "history.csv", history(outcomes).drop(columns="stage"))
    for name, table in tables.items():
        if len(table):
            write_csv(folder / f"{name}.csv", table.drop(columns="patient").rename(columns={"case": "row"}))
    write_json(folder / "metrics.json", told)
    began = read_json(folder, "environment.json")
    spent = {"minutes": round((time.perf_counter() - start) / 60, 2), "xla": final.facts["xla"]}
    write_json(folder / "environment.json", began | spent | {"weights": loaded_weights(outcomes)})
    page.write(folder, _pictures(index, first, [*outcomes, *others]))
    return told


def _refusing(view: View) -> Input:
    """What the network expects; one of CT alone, in HU, refuses a header that says something else."""
    kinds = {"CT"} if view.pairs.worse else {view.pairs.facts(key)["modality"] for key in view.keys}
    return dataclasses.replace(view.spec, modality=("CT",)) if kinds == {"CT"} else view.spec


def _seen(views: dict[str, View], job: Job) -> View:
    return of_way(views[job.model], job.way)


def _pictures(index: Index, view: View, outcomes: list):
    """Row of the index -> the target, the image of every way in test by its name, the spacing, and labels; in units."""
    place, scale = {row: i for i, row in enumerate(index.table["row"])}, Scale(view)

    def pictures(row: int):
        position = place[row]
        fold = int(index.table["fold"].iloc[position])
        here = [each for each in outcomes if each.job.fold == fold]
        ways = {name_of(each): scale(read_restored(each.place, row)) for each in here}
        key = view.keys[position]
        wanted = scale(baseline.grey(view.pairs.target(key)))
        return wanted, ways, view.pairs.facts(key)["spacing_mm"] or (1.0,) * wanted.ndim, view.pairs.labels(key)

    return pictures
