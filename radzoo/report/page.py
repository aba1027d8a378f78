"""From the files of a run to the page: what each part of `report.html` shows."""

from __future__ import annotations

import json
from pathlib import Path

import jinja2
import numpy as np

from radzoo.metrics import FEW, score_name
from radzoo.report import answer, cases, curves, figures, limits, made, numbers_page, tables, words
from radzoo.report.detection import detection
from radzoo.report.measure import choice
from radzoo.report.reading import read, tested

FILTERS = (words.number, words.three, words.percent, words.span, words.tally, words.rates, choice)


def write(folder: Path, pictures, explained=None) -> Path:
    """See `radzoo.report.write`."""
    run = read(folder)
    template = "numbers.html" if run.task == "regression" else "report.html"
    html = rendered(template, context(run, pictures, explained))
    figures.save(folder / "report.html", html.encode())
    return folder / "report.html"


def rendered(template: str, content: dict) -> str:
    """A page as HTML, from a template of this folder."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {function.__name__: function for function in FILTERS}
    return environment.get_template(template).render(content).strip()


def context(run, pictures, explained=None) -> dict:
    """Everything that the page shows."""
    test = tested(run, run.best)
    own = numbers_page.context(run, test) if run.task == "regression" else _classes(run, test)
    return own | {
        "run": run,
        "rows": _rows(run),
        "test": run.best["test"],
        "positive": run.titles[0] if run.task == "binary" else None,
        "kind": answer.KIND.get(run.task, "class"),
        "kinds": words.MANY[answer.KIND.get(run.task, "class")],
        "score": score_name(run.task) + (" correlation" if run.task == "regression" else ""),
        "many": words.MANY[run.unit],
        "amount": words.amount(run.best["test"], run.unit),
        "colours": figures.COLOUR,
        "few": FEW,
        "blind": [row for row, _ in answer.suspicions(run)],
        "seeded": run.seeds > 1 and run.best["test"]["claim"],
        "cross_fitted": any(row["way"] != "features" for row in run.trained),
        "classifiers": [row for row in run.trained if "; " in row["detail"] and row["model"] != words.ENSEMBLE],
        "ensembles": tables.ensembles(run),
        "comparisons": [tables.comparison(run, pair) for pair in run.metrics["comparisons"]],
        "left_out": limits.left_out(run),
        "counts": tables.counts(run),
        "readings": tables.readings(run),
        "learning": _learning(run),
        "detection": detection(run),
        "gallery": cases.gallery(run, test, pictures, explained),
        "weights": made.weights(run.environment["weights"]),
        "recipe": json.dumps(made.without_folders(run.recipe), indent=2, ensure_ascii=False),
    }


def _classes(run, test):
    """What only the page of a run with classes shows."""
    return {
        "axis": _axis(run),
        "headline": answer.headline(run),
        "alarms": answer.alarms(run),
        "lead": answer.lead(run),
        "transfer": answer.against_scratch(run),
        "cautions": limits.cautions(run),
        "calibration": limits.calibration(run) if run.best["test"]["reliability"] else [],
        "thresholds": tables.thresholds(run),
        "rule": run.best["validation"]["threshold_rule"],
        "roc": _roc(run, test) if run.best["test"]["claim"] else None,
        "reliability": _reliability(run),
    }


def _rows(run):
    """The rows of the main table: each with its name, and an evaluation (or None) per external set."""
    none = [None] * len(run.metrics["external"])
    return [
        row
        | {"label": words.way(row), "best": row is run.best, "external": row.get("external") or none}
        | {"network": " + ".join(words.members(row)[0]) if row["model"] == words.ENSEMBLE else row["model"]}
        for row in run.metrics["rows"]
    ]


def _axis(run):
    """Left end of the bars: below every interval and every fold that is shown."""
    best = run.best
    entries = [row["test"] for row in run.metrics["rows"]] + list(best["test"]["per_class"].values())
    entries += best.get("external") or []
    shown = [entry for entry in entries if entry["claim"]]
    lows = [entry["auc"]["low"] for entry in shown]
    lows += [fold["auc"] for entry in shown for fold in entry.get("folds") or []]
    return min(0.4, np.floor(10 * min((low for low in lows if low is not None), default=0.4)) / 10)


def _roc(run, test):
    """Every way for a binary task; the chosen one and that from scratch for several classes."""
    rows = [row for row in run.metrics["rows"] if row["way"] != "majority" and row is not run.best]
    if run.task != "binary":
        rows = [run.scratch] if run.scratch not in (None, run.best) else []
    models = list(dict.fromkeys(row["model"] for row in run.trained))
    drawn = []
    for row, data in [(run.best, test), *((row, tested(run, row)) for row in rows)]:
        if data is not None:
            label = f"{_label(run, row)} ({words.number(row['test']['auc']['value'])})"
            number = models.index(row["model"]) if row["model"] in models else 0
            drawn.append({"label": label, "way": row["way"], "model": number, "truth": data.truth, "score": data.score})
    entries = run.best["test"]["per_class"]
    entries = [run.best["test"]] if run.task == "binary" else [entries[name] for name in run.classes]
    shown = [k for k, entry in enumerate(entries) if entry["claim"]]  # a curve is a claim too
    for curve in drawn:
        curve |= {name: curve[name][:, shown] for name in ("truth", "score")}
    values = [(entries[k]["specificity"]["value"], entries[k]["sensitivity"]["value"]) for k in shown]
    points = [None if None in pair else (1 - pair[0], pair[1]) for pair in values]
    titles = [words.plain(run.titles[k]) for k in shown]
    return figures.inline(curves.roc(run.folder / "figures" / "roc.png", drawn, test.patients, titles, points))


def _reliability(run):
    bins = run.best["test"]["reliability"] if run.best["test"]["claim"] else None
    if not bins:
        return None
    path = run.folder / "figures" / "reliability.png"
    return figures.inline(curves.reliability(path, bins, words.plain(run.titles[0]), figures.COLOUR[run.best["way"]]))


def _learning(run):
    names = {(row["model"], row["way"]): row for row in run.metrics["rows"]}
    runs = [
        {
            "label": _label(run, names[key]),
            "way": key[1],
            "trainings": dict(list(epochs.groupby("fold", sort=False))),
        }
        for key, epochs in run.history[run.history["repeat"] == 0].groupby(["model", "way"], sort=False)
    ]
    path = run.folder / "figures" / "learning.png"
    return figures.inline(curves.learning(path, runs, score_name(run.task))) if runs else None


def _label(run, row):
    """The name of a row in a figure, where long ones have no room."""
    name = "fixed features" if row["way"] == "features" else words.way(row)
    return words.plain(f"{row['model']}, {name}" if run.several and row["model"] else name)
