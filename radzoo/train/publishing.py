"""The chosen way at the top of a run folder; after folds it is trained once more, on all patients but those that guide
it."""

from __future__ import annotations

from pathlib import Path

from radzoo.data import Index
from radzoo.data.split import FINAL, folds
from radzoo.metrics import score
from radzoo.recipe import Recipe
from radzoo.train.ensembles import NAME, combined, fold_weights
from radzoo.train.jobs import Job, Outcome, View, do
from radzoo.train.judge import Judged, judge
from radzoo.train.outcome import choice, is_best
from radzoo.train.tables import fixed_on_validation, publish, write_ensemble, write_manifest


def chosen(
    folder: Path, recipe: Recipe, index: Index, views: dict[str, View], outcomes: list[Outcome], measured: dict
) -> tuple[dict, list[Outcome]]:
    """Manifests, the chosen model or ensemble at the top of the folder and, after folds, its final training.

    Returns:
        The metrics with what the final model adds, and the outcomes with those of the final training.
    """
    best = next(entry for entry in measured["rows"] if is_best(entry, measured))
    members, way = members_of(measured), best["way"]
    split = len(folds(index)) == 1
    if split:
        kept = [outcome for outcome in outcomes if not outcome.job.repeat]
        last = [next(each for each in kept if (each.job.model, each.job.way) == (model, way)) for model in members]
    else:
        kept = last = [do(folder, recipe, index, Job(model, way, FINAL), views[model]) for model in members]
        outcomes = [*outcomes, *last]
    _manifests(folder, recipe, index, views, kept, measured)
    fold, said = last[0].job.fold, [each.probability["validation"] for each in last]
    shares = fold_weights(recipe, index, fold, said)
    fixed = judge(recipe, index, fold, {"validation": combined(said, shares)})["validation"]
    if best["model"] == NAME:
        told = fixed_on_validation(recipe, way, fixed, best["test"], last[0].facts["covariates"])
        write_ensemble(folder, index, [f"models/{each.job.model}_{way}" for each in last], shares, told)
    else:
        publish(folder, last[0].job)
    return measured | {"final": None if split else final_facts(index, best, fixed)}, outcomes


def members_of(measured: dict) -> list[str]:
    """The models of the chosen way; those of an ensemble in the order of their own scores on validation."""
    best = measured["best"]
    rows = [row for row in measured["rows"] if row["way"] == best["way"] and row["model"] != NAME]
    named = [row["model"] for row in sorted(rows, key=lambda row: -choice(row))]
    return named if best["model"] == NAME else [best["model"]]


def _manifests(folder: Path, recipe: Recipe, index: Index, views, outcomes: list[Outcome], measured: dict) -> None:
    """One for each model that is kept."""
    for outcome in outcomes:
        job = outcome.job
        row = next(row for row in measured["rows"] if (row["model"], row["way"]) == (job.model, job.way))
        fixed = judge(recipe, index, job.fold, {"validation": outcome.probability["validation"]})["validation"]
        told = fixed_on_validation(recipe, job.way, fixed, row["test"], outcome.facts["covariates"])
        write_manifest(folder, recipe, index, outcome, views[job.model], told)


def final_facts(index: Index, best: dict, fixed: Judged) -> dict:
    """What `metrics.json` says of the final training."""
    best["thresholds"][FINAL] = list(fixed.thresholds)
    counts = index.table["split"].value_counts()
    return {
        **{part: int(counts[part]) for part in ("train", "validation")},
        "thresholds": list(fixed.thresholds),
        "validation_score": score(index.task, fixed.truth, fixed.probability),
    }
