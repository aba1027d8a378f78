"""What the pages of a segmentation and of a restoration share: files, counts of cases, and how the networks learned."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd

from radzoo.errors import BadInput
from radzoo.report import curves, figures, words

JSON = ("recipe", "environment", "metrics")
TEXT = dict.fromkeys(
    ("patient", "fold", "split", "phase", "way", "model", "refined", "class", "status", "burnt_in", "stage", "insert"),
    str,
)


def files(folder: Path, tables: tuple[str, ...]) -> SimpleNamespace:
    """The run's JSON files and tables, each under its name, and `folder`.

    Raises:
        BadInput: one is missing.
    """
    names = [f"{name}.json" for name in JSON] + [f"{name}.csv" for name in tables]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise BadInput(f"{folder} lacks {', '.join(missing)}: a report needs the folder of a finished run")
    run = SimpleNamespace(folder=folder)
    for name in JSON:
        setattr(run, name, json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))
    for name in tables:
        setattr(run, name, table(folder / f"{name}.csv"))
    return run


def table(path: Path) -> pd.DataFrame:
    """A CSV of a run, names as text."""
    found = pd.read_csv(path, dtype=TEXT, keep_default_na=False, na_values=[""])
    return found.fillna({name: "" for name in found.columns if name in TEXT})


def hidden(run) -> set[int]:
    """Index rows whose picture may show text about a patient."""
    path = run.folder / "images.csv"
    if run.recipe["burnt_in"] or not path.is_file():
        return set()
    images = table(path)
    return set(images.loc[images["burnt_in"] != "", "row"])


def counts(run) -> dict:
    """Cases and patients per part: `{"parts": names, "cells": [(cases, patients)]}`."""
    split = run.split
    if run.folds:
        parts = {f"fold {fold}": split["fold"] == str(fold) for fold in range(1, run.folds + 1)}
        parts["all"] = split["fold"] != ""
    else:
        names = {"training": "train", "validation": "validation", "test": "test"}
        parts = {name: split["split"] == value for name, value in names.items()}
    chosen = [split[part] for part in parts.values()]
    return {"parts": list(parts), "cells": [(len(cell), cell["patient"].nunique()) for cell in chosen]}


def learning(run, label: Callable[..., str], score: str) -> str | None:
    """The learning curves as a data URI.

    Args:
        label: of a model, a way and, where the history has one, a stage.
        score: what validation was judged by.
    """
    names = [name for name in ("model", "way", "stage") if name in run.history]
    runs = [
        {
            "label": words.plain(label(*found)),
            "way": found[1],
            "trainings": dict(list(epochs.groupby("fold", sort=False))),
        }
        for found, epochs in run.history.groupby(names, sort=False)
    ]
    path = run.folder / "figures" / "learning.png"
    return figures.inline(curves.learning(path, runs, score)) if runs else None
