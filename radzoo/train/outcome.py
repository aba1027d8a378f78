"""What all trainings together say: metrics of the ways and the baselines, comparisons, the choice of the best way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from radzoo.data import Index
from radzoo.data.split import folds
from radzoo.metrics import compare, compare_regression
from radzoo.recipe import Recipe
from radzoo.train.ensembles import ensembles
from radzoo.train.jobs import Outcome
from radzoo.train.judge import PARTS, Answers, Judged, fold_choice, judged_folds, measure, pooled, row
from radzoo.train.repeated import repeats_of


def answers_of(outcomes: list[Outcome], repeat: int = 0) -> list[Answers]:
    """The outcomes of all folds of one repeat, gathered by model and way, in the order of the recipe."""
    ways: dict[tuple, Answers] = {}
    for outcome in outcomes:
        job = outcome.job
        if job.repeat != repeat:
            continue
        way = ways.setdefault((job.model, job.way), Answers(job.model, job.way, {}))
        way.raw[job.fold] = {part: outcome.probability[part] for part in PARTS}
        if "epochs" in outcome.probability:
            way.epochs[job.fold] = outcome.probability["epochs"]
        details = [*filter(None, way.detail.split("; ")), outcome.facts["detail"]]
        way.detail = "; ".join(dict.fromkeys(filter(None, details)))
        way.note = way.note or outcome.facts["note"]
    return list(ways.values())


def metrics(recipe: Recipe, index: Index, outcomes: list[Outcome], others: list[Answers]) -> tuple[dict, dict]:
    """The content of `metrics.json` but for final model and external tests, and the judged answers by model and way."""
    seeds = [_ways(recipe, index, outcomes, repeat) for repeat in range(recipe.repeats)]
    return summary(recipe, index, seeds, others)


def summary(
    recipe: Recipe, index: Index, seeds: list[list[Answers]], others: list[Answers], best: Answers | None = None
) -> tuple[dict, dict]:
    """`metrics` of what all ways said, one list per seed; `best` is chosen on validation unless it is given."""
    ways = seeds[0]
    judged = {each.key: judged_folds(recipe, index, each) for each in [*ways, *others]}
    rows = [row(recipe, index, each, judged[each.key]) for each in [*ways, *others]]
    if len(seeds) > 1:
        for entry, repeated in zip(rows, zip(*seeds, strict=True), strict=False):
            entry["repeats"] = repeats_of(recipe, index, list(repeated))
    best = best or ways[int(np.argmax([choice(entry) for entry in rows[: len(ways)]]))]
    count = len(folds(index))
    notes = [
        *index.notes,
        *_remarks(recipe),
        *{way.note: 0 for way in ways if way.note},
        *_recalibration_notes(judged[best.key]),
    ]
    measured = {
        "task": index.task,
        "classes": list(index.classes),
        "positive": index.classes[0] if index.task == "binary" else None,
        "synthetic": index.synthetic,
        "notes": notes,
        "unit": recipe.unit,
        "aggregate": recipe.aggregate,
        "repeats": len(seeds),
        "design": {
            "kind": "folds" if count > 1 else "split",
            "folds": count if count > 1 else None,
            "patients": int(index.table["patient"].nunique()),
        },
        "best": {"model": best.model, "way": best.way},
        "rows": rows,
        "anew": _anew(recipe, index, ways, judged) if count > 1 else None,
        "comparisons": _comparisons(recipe, index, ways, best, others, judged),
    }
    return measured, judged


def _ways(recipe: Recipe, index: Index, outcomes: list[Outcome], repeat: int) -> list[Answers]:
    ways = answers_of(outcomes, repeat)
    return ways + (ensembles(recipe, index, ways) if recipe.ensemble != "none" else [])


def choice(entry: dict) -> float:
    """What the best way is chosen by: the score on validation (`judge.row`), the mean over repeats."""
    repeats = entry.get("repeats")
    return float(np.mean(repeats["choice"])) if repeats else entry["choice"]


def _remarks(recipe: Recipe) -> list[str]:
    """What a reader might take for granted."""
    said = []
    if recipe.weights is None and {"features", "finetune"} & set(recipe.ways):
        said.append("No weights were named: fixed features and fine-tuning began from random weights.")
    if recipe.views > 1 and "features" in recipe.ways:
        said.append(f"The {recipe.views} views of each test image are for networks: fixed features see it as it is.")
    return said


def _anew(recipe: Recipe, index: Index, ways: list[Answers], judged: dict) -> dict:
    """Each fold is answered by the way that was best on its own validation part: a number that owes nothing to the
    choice among ways over all folds."""
    chosen = {}
    for fold in folds(index):
        reached = [fold_choice(recipe, index, way, judged[way.key], fold) for way in ways]
        chosen[fold] = judged[ways[int(np.argmax(reached))].key][fold]
    return measure(recipe, index, chosen, "test")


def _comparisons(recipe: Recipe, index: Index, ways, best: Answers, others, judged) -> list[dict]:
    """Every pair of ways of one model, each ensemble and its members, then the best way and each baseline, on the same
    test units. The difference is that of AUCs, of numbers that of mean absolute errors (below 0: the first is better).
    """
    pairs = [(a, b) for i, a in enumerate(ways) for b in ways[i + 1 :] if a.model == b.model]
    pairs += [(way, member) for way in ways for member in way.members]
    pairs += [(best, other) for other in others if not other.constant or index.task == "regression"]
    found = []
    for a, b in pairs:
        one, two = pooled(judged[a.key], "test"), pooled(judged[b.key], "test")
        scores = one["truth"], one["probability"], two["probability"], one["patients"]
        if index.task == "regression":
            difference = compare_regression(*scores)
        else:
            difference = compare(*scores, task=index.task, bootstrap=recipe.bootstrap, seed=recipe.seed)
        found.append({"a": a.name, "b": b.name} | difference)
    return found


def _recalibration_notes(judged: dict[int, dict[str, Judged]]) -> list[str]:
    """What went otherwise than planned when probabilities were recalibrated, fold by fold."""
    told: dict[str, list[str]] = {}
    for fold, each in judged.items():
        if each["validation"].recalibration.note:
            told.setdefault(each["validation"].recalibration.note, []).append(str(fold))
    where = {note: f" in fold {', '.join(at)}" if at != ["0"] else "" for note, at in told.items()}
    return [f"Recalibration{where[note]}: {note}" for note in told]


def with_external(folder: Path, measured: dict) -> dict:
    """`metrics.json` with what other hospitals' images said of the chosen model, if they were tried."""
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in external_files(folder)]
    rows = [
        entry | ({"external": [each["evaluation"] for each in kept]} if is_best(entry, measured) else {})
        for entry in measured["rows"]
    ]
    named = [{key: each[key] for key in ("name", "date", "looks", "images", "patients", "notes")} for each in kept]
    return measured | {"rows": rows, "external": named}


def external_files(folder: Path) -> list[Path]:
    """`external-1.json`, `external-2.json`, … of a run folder, in their order."""
    return sorted(folder.glob("external-*.json"), key=lambda path: int(path.stem.partition("-")[2]))


def is_best(entry: dict, measured: dict) -> bool:
    """Whether a row of `metrics.json` is the way that was chosen on validation."""
    return {"model": entry["model"], "way": entry["way"]} == measured["best"]
