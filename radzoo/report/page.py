"""From the files of a run to what the page says: the headline, the tables, the cases."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import jinja2
import numpy as np
import pandas as pd

from radzoo.errors import BadInput
from radzoo.report import cases, figures, words

SPLITS = ("train", "validation", "test")


def write(folder: Path, pictures) -> Path:
    """See `radzoo.report.write`."""
    run = read(folder)
    place = Path(__file__).parent
    template = jinja2.Environment(
        loader=jinja2.FileSystemLoader(place),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template.filters |= {"number": words.number, "percent": words.percent, "span": words.span}
    html = template.get_template("report.html").render(context(run, pictures))
    figures.save(folder / "report.html", html.strip().encode())
    return folder / "report.html"


def read(folder: Path) -> SimpleNamespace:
    """The files of a run folder; `run.best` is the row of `metrics.json` that won on validation."""
    names = ["recipe.json", "environment.json", "metrics.json", "split.csv", "history.csv", "predictions.csv"]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise BadInput(f"{folder} lacks {', '.join(missing)}: a report needs the folder of a finished run")
    values = [json.loads((folder / name).read_text()) for name in names[:3]]
    tables = [
        pd.read_csv(folder / name, dtype={"patient": str, "phase": str}, keep_default_na=False, na_values=[""])
        for name in names[3:]
    ]
    run = SimpleNamespace(folder=folder, **{n.split(".")[0]: v for n, v in zip(names, values + tables, strict=True)})
    trained = [row for row in run.metrics["rows"] if row["way"] != "majority"]
    if not trained:
        raise BadInput(f"{folder}/metrics.json holds no trained way: nothing to report")
    run.task = run.metrics["task"]
    run.several = len({row["model"] for row in trained}) > 1
    run.best = words.chosen(run.metrics)
    same = [row for row in trained if row["way"] == "scratch" and row["model"] == run.best["model"]]
    run.scratch = (same or [row for row in trained if row["way"] == "scratch"] or [None])[0]
    run.labels = list(run.split.columns[3:])
    binary = run.task == "binary"
    run.labels = run.labels[:1] if binary else run.labels
    run.titles = [run.metrics["positive"] or run.labels[0]] if binary else run.labels
    return run


def context(run, pictures) -> dict:
    """Everything that `report.html` shows."""
    metrics = run.metrics
    rows = [row | {"label": words.way(row), "best": row is run.best} for row in metrics["rows"]]
    tested = [row["test"]["auc"] for row in rows] + [c["auc"] for c in run.best["test"]["per_class"].values()]
    lows = [measured["low"] for measured in tested if measured["low"] is not None]
    test = truth_and_scores(run, run.best)
    return {
        "run": run,
        "rows": rows,
        "positive": run.titles[0] if run.task == "binary" else None,
        "axis": min(0.4, np.floor(10 * min(lows, default=0.4)) / 10),  # left end of the interval bars
        "headline": words.headline(run),
        "cautions": words.cautions(run),
        "comparisons": [words.comparison(run, pair) for pair in metrics["comparisons"]],
        "counts": counts(run),
        "roc": _roc(run, test),
        "learning": _learning(run),
        "blocks": cases.blocks(run, test, pictures),
        "several": run.several,
        "weights": _weights(run.environment["weights"]),
        "recipe": json.dumps(run.recipe, indent=2, ensure_ascii=False),
    }


def counts(run) -> list[dict]:
    """Images and patients per class and split: rows of `{"name", "cells": [(images, patients), ...]}`."""

    def row(name, chosen):
        parts = [run.split[chosen & (run.split["split"] == split)] for split in SPLITS]
        return {"name": name, "cells": [(len(part), part["patient"].nunique()) for part in parts]}

    rows = [row(title, run.split[label] == 1) for label, title in zip(run.labels, run.titles, strict=True)]
    if run.task == "binary":
        rows.append(row(f"without {run.titles[0]}", run.split[run.labels[0]] == 0))
    return [*rows, row("all", run.split["row"].notna())]


def _weights(entries):
    """What was loaded, once per file: ways that loaded the same tensors share an entry and stand in its `ways`."""
    merged = []
    for entry in entries:
        content = {key: value for key, value in entry.items() if key != "way"}
        same = next((other for other in merged if other["content"] == content), None)
        if same is None:
            same = {"content": content, "ways": []}
            merged.append(same)
        same["ways"] += [words.PURPOSE[entry["way"]]] if "way" in entry else []
    return [other["content"] | {"ways": other["ways"]} for other in merged]


def truth_and_scores(run, row) -> SimpleNamespace:
    """Test images of one way: `rows (n,)`, `patients (n,)`, `truth (n, k)`, `score (n, k)`."""
    table = run.predictions
    of_way = (table["model"].fillna("") == row["model"]) & (table["way"] == row["way"]) & (table["split"] == "test")
    table = table[of_way]
    known = run.split.set_index("row").loc[table["row"]]
    return SimpleNamespace(
        rows=table["row"].to_numpy(),
        patients=known["patient"].to_numpy(str),
        truth=known[run.labels].to_numpy(float),
        score=table.iloc[:, 5 : 5 + len(run.labels)].to_numpy(float),
    )


def _roc(run, test):
    rows = [row for row in run.metrics["rows"] if row["way"] != "majority" and row is not run.best]
    if run.task != "binary":
        rows = [run.scratch] if run.scratch not in (None, run.best) else []
    models = [row["model"] for row in run.metrics["rows"]]
    curves = []
    for row in [run.best, *rows]:
        data = truth_and_scores(run, row)
        area = f"{_label(run, row)} ({words.number(row['test']['auc']['value'])})"
        model = sorted(set(models), key=models.index).index(row["model"])
        curves.append({"label": area, "way": row["way"], "model": model, "truth": data.truth, "score": data.score})
    entries = run.best["test"]["per_class"]
    entries = [run.best["test"]] if run.task == "binary" else [entries[label] for label in run.labels]
    values = [(e["specificity"]["value"], e["sensitivity"]["value"]) for e in entries]
    points = [None if None in pair else (1 - pair[0], pair[1]) for pair in values]
    titles = [_plain(title) for title in run.titles]
    return figures.inline(figures.roc(run.folder / "figures" / "roc.png", curves, test.patients, titles, points))


def _learning(run):
    names = {(row["model"], row["way"]): row for row in run.metrics["rows"]}
    runs = [
        {"label": _label(run, names[key]), "way": key[1], "epochs": epochs}
        for key, epochs in run.history.groupby(["model", "way"], sort=False)
    ]
    return figures.inline(figures.learning(run.folder / "figures" / "learning.png", runs)) if runs else None


def _label(run, row):
    return _plain(f"{row['model']}, {words.way(row)}" if run.several else words.way(row))


def _plain(text):
    """A name without the dollar signs that matplotlib would read as mathematics."""
    return text.replace("$", r"\$")
