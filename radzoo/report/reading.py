"""The files of a run folder, and the test units of one way."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from radzoo.errors import BadInput
from radzoo.metrics import pool_units
from radzoo.report.measure import measure
from radzoo.report.words import chosen

JSON = ("recipe", "environment", "metrics")
CSV = ("split", "history", "predictions", "images")
BASELINES = ("grey levels", "metadata", "covariates", "majority")
TEXT = dict.fromkeys(("patient", "unit", "fold", "phase", "way", "model"), str)


def read(folder: Path) -> SimpleNamespace:
    """What the page needs of a run folder.

    Returns:
        The content of each file under its name, and `task`, `unit`, `folds` (their number, 0 for a split), `classes`
        (k names of columns), `titles` (k names for the reader), `trained` (the rows that are no baseline), `best` (the
        chosen row), `scans` (whether images are places in scans), `wide` (whether their pictures are: those of several
        volumes, too), `scratch` (the row to hold it against, or None),
        `several` (more than one model), `seeds` (their number), `measure` (what the headline holds) and for ordered
        grades `grades` (their names).
    Raises:
        BadInput: a file is missing, no way was trained, or an earlier version wrote the folder.
    """
    task = _task(folder / "metrics.json")
    if task in ("segmentation", "restoration"):
        raise BadInput(f"{folder} is a {task}, which is not compared: its cases.csv holds every case")
    names = [f"{name}.json" for name in JSON] + [f"{name}.csv" for name in CSV]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise BadInput(f"{folder} lacks {', '.join(missing)}: a report needs the folder of a finished run")
    run = SimpleNamespace(folder=folder)
    for name in JSON:
        setattr(run, name, json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))
    for name in CSV:
        setattr(run, name, _table(folder / f"{name}.csv"))
    metrics = run.metrics
    run.task, run.unit, run.folds = metrics["task"], metrics["unit"], metrics["design"]["folds"] or 0
    run.classes = list(metrics["classes"])[: 1 if run.task == "binary" else None]
    run.titles = [metrics["positive"]] if run.task == "binary" else run.classes
    if run.task == "ordinal":
        run.titles = [name.replace(">=", "\N{GREATER-THAN OR EQUAL TO}\N{NO-BREAK SPACE}") for name in run.classes]
        run.grades = _grades(chosen(metrics)["test"]["grades"], run.recipe["data"].get("classes"))
    run.trained = [row for row in metrics["rows"] if row["way"] not in BASELINES]
    if not run.trained:
        raise BadInput(f"{folder}/metrics.json holds no trained way: nothing to report")
    run.best, run.scans = chosen(metrics), run.recipe.get("patch", "none") != "none"
    run.wide = run.scans or (isinstance(run.recipe["size"], list) and len(run.recipe["data"]["image"]) > 1)
    if "choice" not in run.best:
        raise BadInput(f"{folder} was made by an earlier version of radzoo: run its recipe anew")
    run.measure, run.seeds = measure(metrics), metrics.get("repeats", 1)
    run.several = len({row["model"] for row in run.trained}) > 1
    scratch = [row for row in run.trained if row["way"] == "scratch"]
    run.scratch = next((row for row in scratch if row["model"] == run.best["model"]), (scratch or [None])[0])
    return run


def _grades(names, told) -> list[str]:
    """The names of the grades; the cuts do not know the lowest, but a recipe that names all grades does."""
    known = told and [str(name) for name in told[1:]] == names[1:]
    return [str(told[0]) if known else names[0], *names[1:]]


def _task(metrics: Path) -> str:
    return json.loads(metrics.read_text(encoding="utf-8"))["task"] if metrics.is_file() else ""


def _table(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, dtype=TEXT, keep_default_na=False, na_values=[""])
    words = [name for name in table.columns if name in TEXT]
    return table.fillna(dict.fromkeys(words, ""))


def tested(run, row) -> SimpleNamespace | None:
    """The test units (images, studies or patients) of one way; None where the run kept no predictions of it.

    Returns:
        `rows`: for each of n units the index rows of its images; `patients (n,)`; `truth`, `score` and `thresholds`
        `(n, k)`, the last those of the fold where the unit was tested, NaN where undefined.
    """
    table, k = run.predictions, len(run.classes)
    table = table[(table["model"] == row["model"]) & (table["way"] == row["way"]) & (table["split"] == "test")]
    if table.empty:
        return None
    images = run.split[run.split["unit"].isin(table["unit"])]
    labels = images.iloc[:, 5 : 5 + k].to_numpy(float)
    how = "mean" if run.task == "regression" else "max"
    pooled = pool_units(labels, labels, images["unit"].to_numpy(), images["patient"].to_numpy(), how, task=run.task)
    names = images["unit"].to_numpy()[pooled.first]
    truth = pd.DataFrame(pooled.truth, index=names).loc[table["unit"]]
    rows = images.groupby("unit")["row"].agg(list)
    first = table.columns.get_loc("way") + 1
    return SimpleNamespace(
        rows=[rows[unit] for unit in table["unit"]],
        patients=table["patient"].to_numpy(),
        truth=truth.to_numpy(float),
        score=table.iloc[:, first : first + k].to_numpy(float),
        thresholds=np.array([row["thresholds"][fold] for fold in table["fold"]], float).reshape(len(table), k),
    )
