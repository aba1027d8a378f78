"""The files of a segmentation run, and the cases of one way."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pandas as pd

from radzoo.report.imaged import files, hidden
from radzoo.report.segmentation.words import with_claims


def read(folder: Path) -> SimpleNamespace:
    """What the page needs of a run folder.

    Returns:
        The content of each file under its name; `cases` has the column `patient`, too. `task`, `classes`, `unit`,
        `folds` (0 for one split), `rows` (`words.with_claims`), `best` (the chosen one), `trained` and `baselines`
        (rows with and without a model), `scratch` (the row to hold the chosen against, or None), `several` (more than
        one model) and `hidden` (index rows whose picture may show text about a patient).
    Raises:
        BadInput: a file is missing.
    """
    run = files(folder, ("split", "history", "cases"))
    metrics = run.metrics
    run.task = metrics["task"]
    run.classes, run.unit, run.folds = metrics["classes"], metrics["unit"], metrics["folds"]
    run.rows = [with_claims(row) for row in metrics["rows"]]
    run.best = run.rows[metrics["best"]]
    run.trained = [row for row in run.rows if row["model"]]
    run.baselines = [row for row in run.rows if not row["model"]]
    run.several = len({row["model"] for row in run.trained}) > 1
    scratch = [row for row in run.trained if row["way"] == "scratch"]
    scratch.sort(key=lambda row: (row["model"] != run.best["model"], row["refined"] != run.best["refined"]))
    run.scratch = scratch[0] if scratch else None
    run.cases["patient"] = run.cases["row"].map(run.split.drop_duplicates("row").set_index("row")["patient"])
    run.hidden = hidden(run)
    return run


def cases_of(run, row) -> pd.DataFrame:
    """The lines of `cases.csv` of one row of the results: one per tested case and class."""
    table = run.cases
    same = [table[name] == row[name] for name in ("model", "way", "refined")]
    return table[same[0] & same[1] & same[2]]


def overlap(table: pd.DataFrame) -> pd.Series:
    """Index row -> Dice as the mean over its classes, lowest first; a class that is nowhere counts for nothing."""
    return table.groupby("row")["dice"].mean().dropna().sort_values(kind="stable")
