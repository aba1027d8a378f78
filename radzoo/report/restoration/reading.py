"""The files of a restoration run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from radzoo.report.imaged import files, hidden, table
from radzoo.report.restoration.words import NOISY, error

MEASURED = ("tissues", "noise", "inserts")  # tables that a run has where there is something to measure


def read(folder: Path) -> SimpleNamespace:
    """What the page needs of a run folder.

    Returns:
        The content of each file under its name, those of `MEASURED` None where they are not. `task`, `unit`, `folds`
        (0 for one split), `test` (`cases patients claim`), `rows`, `best` (the chosen one), `trained` (rows with a
        model), `noisy` (the row of the images as they came, or None), `classical` (rows of other baselines), `several`
        (more than one model), `scratch` (the row to hold the chosen against, or None), `window` (the entry of the
        chosen way in the window of the headline), `measure` (how an error is written) and `hidden` (index rows whose
        picture may show text about a patient).
    Raises:
        BadInput: a file is missing.
    """
    run = files(folder, ("split", "history", "cases"))
    for name in MEASURED:
        path = folder / f"{name}.csv"
        setattr(run, name, table(path) if path.is_file() else None)
    metrics = run.metrics
    run.task, run.unit, run.folds, run.test = (metrics[name] for name in ("task", "unit", "folds", "tested"))
    run.rows, run.best = metrics["rows"], metrics["rows"][metrics["best"]]
    run.trained = [row for row in run.rows if row["model"]]
    run.noisy = next((row for row in run.rows if row["name"] == NOISY), None)
    run.classical = [row for row in run.rows if not row["model"] and row is not run.noisy]
    run.several = len({row["model"] for row in run.trained}) > 1
    scratch = [row for row in run.trained if row["way"] == "scratch" and row is not run.best]
    scratch.sort(key=lambda row: row["model"] != run.best["model"])
    run.scratch = scratch[0] if scratch else None
    run.window, run.measure = run.best["windows"][0], error(metrics)
    if run.noisy is None:
        run.noise = None  # of an error that is no noise
    run.hidden = hidden(run)
    return run
