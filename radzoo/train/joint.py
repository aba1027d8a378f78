"""An ensemble of finished runs: a run folder of its own, whose members saw the same patients in the same parts."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np

from radzoo import report, weights
from radzoo.data import Index
from radzoo.data.split import FINAL, folds
from radzoo.errors import BadInput
from radzoo.recipe import Recipe, from_json
from radzoo.train.controls import kept_baselines
from radzoo.train.ensembles import NAME, combined, fold_weights, gathered
from radzoo.train.folder import environment, new_folder, read_csv, read_json, write_json
from radzoo.train.jobs import Job
from radzoo.train.judge import PARTS, Answers, judge
from radzoo.train.outcome import summary, with_external
from radzoo.train.publishing import final_facts
from radzoo.train.tables import MODEL_FILES, fixed_on_validation, write_ensemble, write_tables


def join(runs, *, how: str = "weights", out: str | os.PathLike | None = None) -> tuple[Path, dict]:
    """Finished runs as one: the mean of what their chosen networks say, or weights chosen on validation.

    Args:
        runs: folders, two or more, with the same labels, the same split and the same covariates.
        how: `mean`, or `weights` (`ensembles.best_weights`).
        out: the new run folder; None makes one under `runs/`.
    Returns:
        The folder, which `predict`, `evaluate` and `compare` take as any other, and the content of its `metrics.json`.
    Raises:
        BadInput: runs that are not finished, saw other splits or labels, or chose different ways.
    """
    folders = [Path(run).expanduser().resolve() for run in runs]
    if len(folders) < 2 or len(set(folders)) < len(folders):
        raise BadInput("an ensemble needs two finished runs or more, each named once")
    if how not in ("mean", "weights"):
        raise BadInput(f"--how {how} came, expected mean or weights")
    measured = [read_json(folder, "metrics.json") for folder in folders]
    _check_same(folders, measured)
    recipe = dataclasses.replace(_recipe(folders[0]), ensemble=how)
    index = _index(folders[0], measured[0])
    pairs = zip(folders, measured, strict=True)
    members = tuple(_answers(folder, each, index, number) for number, (folder, each) in enumerate(pairs, start=1))
    together = gathered(recipe, index, members)
    content, judged = summary(recipe, index, [[together, *members]], kept_baselines(folders[0]), best=together)
    fold = FINAL if len(folds(index)) > 1 else 0
    said = [_kept(each, one["best"], fold)["validation"] for each, one in zip(folders, measured, strict=True)]
    shares = fold_weights(recipe, index, fold, said)
    fixed = judge(recipe, index, fold, {"validation": combined(said, shares)})["validation"]
    content["final"] = final_facts(index, content["rows"][0], fixed) if fold else None
    texts = {"recipe.json": read_json(folders[0], "recipe.json"), "environment.json": _environment(folders, recipe)}
    texts["recipe.json"] |= {"name": NAME, "ensemble": how, "models": [member.model for member in members]}
    tables = {name: read_csv(folders[0], name) for name in ("split.csv", "images.csv")}

    def fill(folder: Path) -> None:
        write_tables(folder, index, [], {key: each for key, each in judged.items() if key[0]})
        places = [_copy(source, folder, number) for number, source in enumerate(folders, start=1)]
        beside = weights.read_manifest(folder / places[0] / "manifest.json").metrics["covariates"]
        told = fixed_on_validation(recipe, together.way, fixed, content["rows"][0]["test"], beside)
        write_ensemble(folder, index, places, shares, told)
        write_json(folder / "metrics.json", with_external(folder, content))
        report.write(folder)

    folder = new_folder(None if out is None else str(out), NAME, texts=texts, tables=tables, fill=fill)
    return folder, read_json(folder, "metrics.json")


def _check_same(folders: list[Path], measured: list[dict]) -> None:
    """Members must have been trained, chosen and tested on the same patients, image by image."""
    first = measured[0]
    for folder, other in zip(folders, measured, strict=True):
        if other["task"] == "segmentation":
            raise BadInput(f"{folder} is a segmentation, of which there are no ensembles")
        if other["best"]["model"] == NAME:
            raise BadInput(f"{folder} is an ensemble itself: name the runs of its members")
        for name in ("task", "classes", "unit", "aggregate"):
            if other[name] != first[name]:
                raise BadInput(f"{folder} has {name} {other[name]}, {folders[0]} has {first[name]}: no ensemble")
        if other["best"]["way"] != first["best"]["way"]:
            raise BadInput(
                f"{folder} chose {other['best']['way']}, {folders[0]} chose {first['best']['way']}: run both with one "
                f"way, such as --ways {first['best']['way']}"
            )
        why = _difference(folders[0], folder)
        if why:
            raise BadInput(
                f"{folder} and {folders[0]} saw other splits ({why}): a member would be tested on what another has "
                "learnt from; run both with the same index, --data.split and --seed"
            )
        beside = [weights.read_manifest(each / "manifest.json").metrics["covariates"] for each in (folders[0], folder)]
        if beside[0] != beside[1]:
            raise BadInput(f"{folder} and {folders[0]} have other covariates: run both with the same --data.covariates")


def _difference(one: Path, two: Path) -> str:
    """Why two runs did not see the same split; empty where they did."""
    splits = [read_csv(folder, "split.csv") for folder in (one, two)]
    contents = [list(read_csv(folder, "images.csv")["content"]) for folder in (one, two)]
    if splits[0].shape != splits[1].shape or contents[0] != contents[1]:
        return "they hold other images, or read them with another window"
    moved = int((splits[0].to_numpy() != splits[1].to_numpy()).any(axis=1).sum())
    return f"{moved} of {len(splits[0])} images are in another part or have another label" if moved else ""


def _recipe(folder: Path) -> Recipe:
    return from_json({key: value for key, value in read_json(folder, "recipe.json").items() if key != "name"})


def _index(folder: Path, measured: dict) -> Index:
    """Labels and parts of a finished run, as its `split.csv` keeps them; the images themselves are not needed."""
    table = read_csv(folder, "split.csv")
    labels = table.iloc[:, 5:].to_numpy("float32")
    table = table.iloc[:, :5].assign(row=table["row"].astype(int), fold=table["fold"].replace("", "0").astype(int))
    lesions = any("froc" in row["test"] for row in measured["rows"])
    notes = ("Lesions per scan (FROC) are not counted for joined runs: see those of each run.",) if lesions else ()
    return Index(table, labels, tuple(measured["classes"]), measured["task"], notes, measured["synthetic"])


def _answers(folder: Path, measured: dict, index: Index, number: int) -> Answers:
    """What the chosen network of a run said, from what its trainings kept."""
    best, raw, epochs = measured["best"], {}, {}
    for fold in folds(index):
        kept = _kept(folder, best, fold)
        raw[fold] = {part: kept[part] for part in PARTS}
        if "epochs" in kept:
            epochs[fold] = kept["epochs"]
    return Answers(f"{number}. {best['model']}", best["way"], raw, epochs=epochs)


def _kept(folder: Path, best: dict, fold) -> dict[str, np.ndarray]:
    name = Job(best["model"], best["way"], fold).name
    try:
        with np.load(folder / "jobs" / name / "probability.npz", allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError):
        raise BadInput(f"{folder} lacks jobs/{name}: expected a finished run of this version") from None


def _environment(folders: list[Path], recipe: Recipe) -> dict:
    """That of the first member, with the command of this call and the weights and licences of all."""
    each = [read_json(folder, "environment.json") for folder in folders]
    merged = {(entry["tag"], entry["way"]): entry for told in each for entry in told["weights"]}
    own = {"minutes": 0.0, "weights": list(merged.values()), "joined": [folder.name for folder in folders]}
    return each[0] | environment(recipe.seed) | own


def _copy(source: Path, folder: Path, number: int) -> str:
    """The model of a member, copied into the new run folder; its place there."""
    place = f"models/{number}"
    (folder / place).mkdir(parents=True)
    for name in MODEL_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / place / name)
    return place
