"""What the masks of a run are worth: tables of tested cases, intervals, differences, and the choice on validation."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from radzoo.data import Index
from radzoo.data.split import folds, parts
from radzoo.metrics import compare_segmentation, evaluate_instances, measure_readers, segmentation_summary
from radzoo.metrics.bootstrap import intervals
from radzoo.metrics.instances import instances_of
from radzoo.metrics.membranes import membrane_scores
from radzoo.metrics.overlap import measure_case
from radzoo.metrics.resampling import grouped
from radzoo.recipe import Recipe
from radzoo.segmenting import PLAIN
from radzoo.train.segmentation.jobs import Outcome, kinds, read_drawn
from radzoo.train.segmentation.lesson import mean_dice, overlaps
from radzoo.train.segmentation.prepared import View

WAIST = 1  # pixels by which the middles of two objects that touch are deeper than where they meet
SCORES = ("rand", "rand_error", "warping_error", "pixel_error")


def measured(recipe: Recipe, index: Index, view: View, outcomes: list[Outcome]) -> tuple[dict, pd.DataFrame]:
    """The content of `metrics.json`, and `cases.csv`: a line for each way, tested case and class.

    Args:
        outcomes: of all folds; those without a model are baselines.
    """
    ways: dict[tuple, dict[int, Path]] = {}
    for outcome in outcomes:
        for kind in kinds(recipe) if outcome.job.model else (PLAIN,):
            ways.setdefault((outcome.job.model, outcome.job.way, kind), {})[outcome.job.fold] = outcome.place
    rows, tables = [], {}
    for (model, way, kind), places in ways.items():
        label = " ".join(filter(None, (model, way, kind)))
        tables[model, way, kind] = table = _table(index, view, places, kind, label)
        test = segmentation_summary(table, index.classes, bootstrap=recipe.bootstrap, seed=recipe.seed)
        test["special"] = _special(recipe, index, view, places, kind)
        choice, cases = _validation(index, view, places, kind)
        rows.append({
            "model": model, "way": way, "refined": kind, "detail": "", "choice": choice,
            "validation": {"cases": cases, "dice": {"value": choice}}, "test": test,
        })  # fmt: skip
    best = max((i for i, row in enumerate(rows) if row["model"]), key=lambda i: rows[i]["choice"])
    count = len(folds(index))
    told = {
        "task": index.task, "classes": list(index.classes), "synthetic": index.synthetic, "notes": list(index.notes),
        "unit": rows[best]["test"]["unit"], "patients": int(index.table["patient"].nunique()),
        "cases": len(index.table), "folds": 0 if count == 1 else count, "best": best, "rows": rows, "final": None,
        "ceiling": _readers(recipe, index, view), "differences": _differences(index, tables, rows[best]),
    }  # fmt: skip
    columns = ["row", "fold", "model", "way", "refined"]
    cases = pd.concat(
        [each.assign(model=key[0], way=key[1], refined=key[2]) for key, each in tables.items()], ignore_index=True
    ).rename(columns={"case": "row"})
    return told, cases[[*columns, *(name for name in cases if name not in (*columns, "patient"))]]


def _table(index: Index, view: View, places: dict[int, Path], kind: str, label: str) -> pd.DataFrame:
    """Tested cases of all folds: rows of `measure_case`, and the fold."""
    from tqdm import tqdm

    rows = []
    tested = [(fold, position) for fold in places for position in parts(index, fold)["test"]]
    for fold, position in tqdm(tested, f"measuring {label}", file=sys.stderr):
        row, patient = int(index.table["row"].iloc[position]), index.table["patient"].iloc[position]
        key = view.keys[position]
        truth, drawn = view.cases.truth(key, view.meaning), read_drawn(places[fold], kind, row)
        spacing = view.cases.facts(key)["spacing_mm"]
        told = measure_case(truth, drawn, index.classes, spacing_mm=spacing, case=row, patient=patient)
        rows += [each | {"fold": fold or ""} for each in told]
    return pd.DataFrame(rows)


def _validation(index: Index, view: View, places: dict[int, Path], kind: str) -> tuple[float, int]:
    """The mean over folds of the mean Dice on validation, by which ways are chosen; and how many cases that are."""
    found, cases = [], 0
    for fold, place in places.items():
        dice = []
        for position in parts(index, fold)["validation"]:
            drawn = read_drawn(place, kind, int(index.table["row"].iloc[position]))
            truth = view.cases.truth(view.keys[position], view.meaning)
            dice.append(overlaps(truth, drawn, len(index.classes) + 1))
        found.append(mean_dice(np.array(dice)))
        cases += len(dice)
    return float(np.mean(found)), cases


def _special(recipe: Recipe, index: Index, view: View, places: dict[int, Path], kind: str) -> dict:
    """What membranes and objects are scored by, with intervals over patients."""
    if not (recipe.mask.membranes or recipe.mask.instances):
        return {}
    pairs, patients = [], []
    for fold, place in places.items():
        for position in parts(index, fold)["test"]:
            key = view.keys[position]
            drawn = read_drawn(place, kind, int(index.table["row"].iloc[position])) == 1
            truth = view.cases.stored(key)[0] if recipe.mask.instances else view.cases.truth(key, view.meaning) == 1
            pairs.append((truth, drawn))
            patients.append(index.table["patient"].iloc[position])
    options = {"bootstrap": recipe.bootstrap, "seed": recipe.seed}
    found = {}
    if recipe.mask.instances:
        objects = [(truth, instances_of(drawn, waist=WAIST)) for truth, drawn in pairs]
        told = evaluate_instances(objects, patients, **options)
        found |= {"F1 of objects": told["f1"], "AP of objects": told["ap"]}
    if recipe.mask.membranes:
        scores = pd.DataFrame([membrane_scores(*pair) for pair in pairs])[list(SCORES)]
        found |= means(scores, patients, **options)
    return found


def means(scores: pd.DataFrame, patients, *, bootstrap: int, seed: int) -> dict[str, dict]:
    """The mean of every column over cases, with its interval over patients."""
    values = scores.to_numpy(float)

    def statistics(weights):
        weights = np.asarray(weights, float)
        return dict(zip(scores, (weights @ values / weights.sum(1, keepdims=True)).T, strict=True))

    return intervals(statistics, grouped(patients), bootstrap, seed)


def _readers(recipe: Recipe, index: Index, view: View) -> dict | None:
    """How well the readers agree with one another, where several drew the same case."""
    rows = []
    for position, key in enumerate(view.keys):
        facts = view.cases.facts(key)
        if len(facts["readers"]) > 1:
            drawn = {str(each + 1): view.cases.truth(key, view.meaning, each) for each in facts["readers"]}
            case, patient = int(index.table["row"].iloc[position]), index.table["patient"].iloc[position]
            rows += measure_readers(drawn, index.classes, spacing_mm=facts["spacing_mm"], case=case, patient=patient)
    if not rows:
        return None
    told = segmentation_summary(pd.DataFrame(rows), index.classes, bootstrap=recipe.bootstrap, seed=recipe.seed)
    return told | {"cases": len({row["case"].partition(":")[0] for row in rows})}


def _differences(index: Index, tables: dict, best: dict) -> list[dict]:
    """The chosen way against the others of its model, and against the baseline: the same cases, paired."""
    chosen = (best["model"], best["way"], best["refined"])
    others = [key for key in tables if key != chosen and key[0] in ("", best["model"])]
    found = []
    for other in others:
        told = compare_segmentation(tables[chosen], tables[other], index.classes)
        names = [" ".join(filter(None, key)) for key in (chosen, other)]
        found.append({"name": " against ".join(names), "dice": {k: told[k] for k in ("value", "low", "high", "p")}})
    return found
