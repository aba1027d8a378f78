"""A segmentation from its index to its report."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from radzoo.data import Index
from radzoo.data.split import FINAL, folds
from radzoo.recipe import Recipe
from radzoo.report import segmentation as page
from radzoo.train.folder import read_json, write_csv, write_json
from radzoo.train.imaged import history, publish_run
from radzoo.train.jobs import Job, planned
from radzoo.train.segmentation import baseline
from radzoo.train.segmentation.jobs import Outcome, do, read_drawn
from radzoo.train.segmentation.measured import measured
from radzoo.train.segmentation.prepared import View
from radzoo.train.tables import loaded_weights


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
    told_of = {
        "mask": dataclasses.asdict(recipe.mask) | {"refine": best["refined"] or "none"},
        "whole": views[job.model].cases.whole, "batch": recipe.batch, "way": job.way, "test": best["test"]["dice"],
    }  # fmt: skip
    publish_run(folder, recipe, index, views[job.model].spec, job, final.facts["parameters"], told_of)
    write_csv(folder / "history.csv", history(outcomes))
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
