"""What all trainings together say: metrics of the ways and the baselines, comparisons, the choice of the best way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from radzoo import baselines
from radzoo.data import Index
from radzoo.data.split import folds, parts
from radzoo.metrics import auc, compare
from radzoo.recipe import Recipe
from radzoo.train.jobs import Outcome, View
from radzoo.train.judge import Answers, Judged, judge, measure, pooled, row

GREY, METADATA, MAJORITY = "grey levels", "metadata", "majority"


def answers_of(outcomes: list[Outcome]) -> list[Answers]:
    """The outcomes of all folds, gathered by model and way, in the order of the recipe."""
    ways: dict[tuple, Answers] = {}
    for outcome in outcomes:
        job = outcome.job
        way = ways.setdefault((job.model, job.way), Answers(job.model, job.way, {}))
        way.raw[job.fold] = outcome.probability
        details = [*filter(None, way.detail.split("; ")), outcome.facts["detail"]]
        way.detail = "; ".join(dict.fromkeys(filter(None, details)))
        way.note = way.note or outcome.facts["note"]
    return list(ways.values())


def baseline_answers(recipe: Recipe, index: Index, view: View) -> list[Answers]:
    """What grey levels, metadata and the majority class say, learnt on the training part of each fold."""
    grey = np.stack([baselines.grey_levels(view.store[key]) for key in view.keys])
    clues = _clues(recipe, index, view)
    spelt = _spelt(recipe, index)
    used: dict[str, None] = {}
    raw: dict[str, dict] = {GREY: {}, METADATA: {}}
    for fold in folds(index):
        here = parts(index, fold)
        train = here["train"]
        encoder = baselines.Metadata.learn(clues.iloc[train], spelt)
        used |= dict.fromkeys(encoder.columns)
        for name, features in ((GREY, grey), (METADATA, encoder.transform(clues))):
            if features.shape[1]:
                learnt = baselines.fit(
                    features[train], index.labels[train], index.table["group"].to_numpy()[train],
                    task=index.task, seed=recipe.seed,
                )  # fmt: skip
                raw[name][fold] = {part: learnt.probability(features[here[part]]) for part in ("validation", "test")}
    details = {GREY: "", METADATA: ", ".join(used)}
    whole = {name: by_fold for name, by_fold in raw.items() if len(by_fold) == len(folds(index))}
    found = [Answers("", name, by_fold, detail=details[name]) for name, by_fold in whole.items()]
    prevalence = index.labels[parts(index, folds(index)[0])["train"]].mean(0)  # one for all folds: it ranks nothing
    raw = {
        fold: {part: np.tile(prevalence, (len(parts(index, fold)[part]), 1)) for part in ("validation", "test")}
        for fold in folds(index)
    }
    return [*found, Answers("", MAJORITY, raw, constant=True)]


def _spelt(recipe: Recipe, index: Index) -> list[str]:
    """Names and all values of the label columns: a folder that is named after one is the label, not a clue."""
    told = [name for name in recipe.data.label if name in index.metadata]
    values = [str(value) for name in told for value in index.metadata[name].unique()]
    return [*recipe.data.label, *index.classes, *values]


def _clues(recipe: Recipe, index: Index, view: View) -> pd.DataFrame:
    """What is known of each image without its pixels; the patients and places of arrays mean nothing."""
    data, table = recipe.data, index.table
    taken = {data.image, data.patient, data.study, data.split, *data.label}
    chosen = baselines.metadata_columns(index.metadata.columns, data.metadata, taken)
    arrays = table["path"].str.contains(".npz#", regex=False).any()
    return baselines.clues(
        index.metadata[chosen],
        patients=None if data.patient is None or arrays else table["patient"],
        paths=None if arrays else table["path"],
        folder=Path(data.index).parent,
        sizes=np.array([view.store.facts(key)["size"] for key in view.keys]),
    )


def metrics(recipe: Recipe, index: Index, ways: list[Answers], others: list[Answers]) -> tuple[dict, dict]:
    """The content of `metrics.json` but for final model and external tests, and the judged answers by model and way."""
    judged = {
        each.key: {fold: judge(recipe, index, fold, raw, each.constant) for fold, raw in each.raw.items()}
        for each in [*ways, *others]
    }
    rows = [row(recipe, index, each, judged[each.key]) for each in [*ways, *others]]
    best = ways[int(np.argmax([validation_auc(entry) for entry in rows[: len(ways)]]))]
    count = len(folds(index))
    notes = [*index.notes, *{way.note: 0 for way in ways if way.note}, *_recalibration_notes(judged[best.key])]
    measured = {
        "task": index.task,
        "classes": list(index.classes),
        "positive": index.classes[0] if index.task == "binary" else None,
        "synthetic": index.synthetic,
        "notes": notes,
        "unit": recipe.unit,
        "aggregate": recipe.aggregate,
        "design": {
            "kind": "folds" if count > 1 else "split",
            "folds": count if count > 1 else None,
            "patients": int(index.table["patient"].nunique()),
        },
        "best": {"model": best.model, "way": best.way},
        "rows": rows,
        "anew": _anew(recipe, index, [judged[way.key] for way in ways]) if count > 1 else None,
        "comparisons": _comparisons(recipe, index, ways, best, others, judged),
    }
    return measured, judged


def validation_auc(entry: dict) -> float:
    """The mean of the folds' AUCs on validation (of one fold: its AUC); what the best way is chosen by."""
    mean = entry["validation"]["fold_mean"]
    value = mean["auc"] if mean else entry["validation"]["auc"]["value"]
    return -1.0 if value is None else value


def _anew(recipe: Recipe, index: Index, ways: list[dict[int, dict[str, Judged]]]) -> dict:
    """Each fold is answered by the way that was best on its own validation part: a number that owes nothing to the
    choice among ways over all folds."""
    chosen = {}
    for fold in folds(index):
        reached = [_mean_auc(way[fold]["validation"]) for way in ways]
        chosen[fold] = ways[int(np.argmax(reached))][fold]
    return measure(recipe, index, chosen, "test")


def _mean_auc(judged: Judged) -> float:
    scores = [auc(*column) for column in zip(judged.truth.T, judged.probability.T, strict=True)]
    return float(np.nanmean(scores)) if not np.isnan(scores).all() else -1.0


def _comparisons(recipe: Recipe, index: Index, ways, best: Answers, others, judged) -> list[dict]:
    """Every pair of ways of one model, then the best way and each baseline, on the same test units."""
    pairs = [(a, b) for i, a in enumerate(ways) for b in ways[i + 1 :] if a.model == b.model]
    pairs += [(best, other) for other in others if not other.constant]
    found = []
    for a, b in pairs:
        one, two = pooled(judged[a.key], "test"), pooled(judged[b.key], "test")
        difference = compare(
            one["truth"], one["probability"], two["probability"], one["patients"],
            task=index.task, bootstrap=recipe.bootstrap, seed=recipe.seed,
        )  # fmt: skip
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
