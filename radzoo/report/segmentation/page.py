"""From the files of a segmentation run to the page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from radzoo.images import palette
from radzoo.metrics import FEW
from radzoo.report import figures, imaged, made, words
from radzoo.report.page import rendered
from radzoo.report.segmentation import cases, dots, limits, looking, saying, volumes, where
from radzoo.report.segmentation.reading import cases_of, read
from radzoo.report.segmentation.words import colour, gap, length, present, small, titled, way

PER_CLASS = 4  # classes that have columns of their own in the table of ways
SPECIAL = {
    "rand": "foreground Rand score", "rand_error": "Rand error", "warping_error": "warping error",
    "pixel_error": "pixel error",
}  # fmt: skip


def write(folder: Path, pictures) -> Path:
    """See `radzoo.report.segmentation.write`."""
    html = rendered("segmentation/page.html", context(read(folder), pictures))
    figures.save(folder / "report.html", html.encode())
    return folder / "report.html"


def context(run, pictures) -> dict:
    """Everything that the page shows."""
    seen, test = looking.look(run, pictures), run.best["test"]
    return {
        "run": run,
        "test": test,
        "detection": None,
        "few": FEW,
        "headline": saying.headline(run),
        "alarms": saying.alarms(run),
        "lead": saying.lead(run),
        "transfer": saying.against_scratch(run),
        "cautions": saying.cautions(run),
        "blind": [(way(row), row) for row in saying.blind(run)],
        "rows": [row | {"label": way(row), "colour": colour(row), "best": row is run.best} for row in run.rows],
        "axis": _axis(run),
        "columns": run.classes if 1 < len(run.classes) <= PER_CLASS else [],
        "palette": [f"rgb{palette.colour(k + 1)}" for k in range(len(run.classes))],
        "far": lambda measured: length(measured["value"], run.unit),
        "present": present,
        "differences": [_difference(run, found) for found in run.metrics["differences"]],
        "special": _special(run),
        "dots": _dots(run),
        "volumes": volumes.compare(run),
        "errors": [where.shares(total) for total in seen.errors] if seen and test["claim"] else [],
        "solid": seen is not None and seen.volumes,
        "gallery": cases.gallery(run, seen),
        "hidden": len(run.hidden & set(cases_of(run, run.best)["row"])),
        "table": cases.table(run),
        "counts": imaged.counts(run),
        "learning": _learning(run),
        "score": "Dice",
        "left_out": limits.left_out(run),
        "weights": made.weights(run.environment["weights"]),
        "recipe": json.dumps(made.without_folders(run.recipe), indent=2, ensure_ascii=False),
    }


def _axis(run) -> float:
    """Left end of the bars: below every interval that is shown."""
    lows = [row["test"]["dice"]["low"] for row in run.rows if row["test"]["claim"]]
    return max(0.0, float(np.floor(10 * min((low for low in lows if low is not None), default=0) - 0.5) / 10))


def _difference(run, found) -> dict:
    first, _, second = found["name"].partition(" against ")
    dice, p = found["dice"], found["dice"]["p"]
    return {
        "a": titled(run, first),
        "b": titled(run, second),
        "gap": words.NOTHING if dice["low"] is None else gap(dice),
        "p": words.NOTHING if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}",
    }


def _special(run) -> dict:
    """Measures of membranes and of nuclei: `{"names", "rows": [(label, [text])]}`, empty where there are none."""
    names = list(run.best["test"]["special"])
    rows = [
        (way(row), [small(found[name]) if name in found else words.NOTHING for name in names])
        for row in run.rows
        if (found := row["test"]["special"])
    ]
    return {"names": [SPECIAL.get(name, name) for name in names], "rows": rows if names else []}


def _dots(run):
    """The chosen way beside that from scratch and the first baseline."""
    beside = [row for row in (run.scratch, *run.baselines[:1]) if row is not None and row is not run.best]
    columns = []
    for name in run.classes:
        for row in (run.best, *beside):
            table = cases_of(run, row)
            table = table[(table["class"] == name) & table["dice"].notna()]
            if len(table):
                failed = table["status"].isin(("missed", "invented"))
                columns.append({"class": words.plain(name), "way": words.plain(way(row)), "colour": colour(row),
                                "dice": table["dice"], "failed": failed})  # fmt: skip
    path = run.folder / "figures" / "dice.png"
    return figures.inline(dots.draw(path, columns)) if columns else None


def _learning(run):
    """One row for each way, and for each network of a cascade."""
    names = {(row["model"], row["way"]): row for row in run.rows if not row["refined"]}
    stages = {"organ": f", {run.recipe['mask']['inside']}", "inside": ", inside"}

    def label(model, named, stage):
        return (f"{model} {named}" if run.several else way(names[model, named])) + stages.get(stage, "")

    return imaged.learning(run, label, "Dice")
