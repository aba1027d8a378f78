"""The files of a segmentation run, and the cases of one way."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd

from radzoo.errors import BadInput
from radzoo.report.segmentation.words import with_claims

JSON = ("recipe", "environment", "metrics")
CSV = ("split", "history", "cases")
TEXT = dict.fromkeys(
    ("patient", "fold", "split", "phase", "way", "model", "refined", "class", "status", "burnt_in", "stage"), str
)


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
    run.hidden = _hidden(run)
    return run


def _table(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, dtype=TEXT, keep_default_na=False, na_values=[""])
    return table.fillna({name: "" for name in table.columns if name in TEXT})


def _hidden(run) -> set[int]:
    path = run.folder / "images.csv"
    if run.recipe["burnt_in"] or not path.is_file():
        return set()
    images = _table(path)
    return set(images.loc[images["burnt_in"] != "", "row"])


def cases_of(run, row) -> pd.DataFrame:
    """The lines of `cases.csv` of one row of the results: one per tested case and class."""
    table = run.cases
    same = [table[name] == row[name] for name in ("model", "way", "refined")]
    return table[same[0] & same[1] & same[2]]


def overlap(table: pd.DataFrame) -> pd.Series:
    """Index row -> Dice as the mean over its classes, lowest first; a class that is nowhere counts for nothing."""
    return table.groupby("row")["dice"].mean().dropna().sort_values(kind="stable")
