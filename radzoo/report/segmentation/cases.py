"""The cases of the page: contours of the best, the median and the worst, and the table of all."""

from __future__ import annotations

import numpy as np

from radzoo.report import figures
from radzoo.report.measure import decimals
from radzoo.report.segmentation.reading import cases_of, overlap
from radzoo.report.segmentation.words import length
from radzoo.report.words import number

STATUS = {"missed": "missed", "invented": "found where there is none", "both_empty": "not there, not found"}
FIRST = 12  # lines of the table that are shown at once


def gallery(run, seen) -> list[dict]:
    """`[{"title", "row", "dice", "pictures": [{"uri", "plane"}]}]`; empty where nobody gave pictures.

    Args:
        seen: of `looking.look`.
    """
    found = []
    for title, case in (seen.shown if seen else {}).items():
        pictures = [
            {"uri": figures.inline(run.folder / "figures" / one["file"]), "plane": one["plane"]}
            for one in case["drawn"]
        ]
        found.append({"title": title, "row": case["row"], "dice": number(case["dice"]), "pictures": pictures})
    order = ["Best case", "Median case", "Worst case"]
    return sorted(found, key=lambda case: order.index(case["title"]))


def table(run) -> dict:
    """Every tested case, the worst first: `{"first", "rest"}` of `{"row", "fold", "dice", "cells"}`.

    A cell is `(Dice or what happened, HD95 and volume error)` of a class.
    """
    lines, ranked = cases_of(run, run.best), overlap(cases_of(run, run.best))
    by_row = dict(list(lines.groupby("row")))
    empty = [row for row in by_row if row not in ranked.index]
    spread = lines.groupby("class")["truth_ml"].std().fillna(0)
    places = {name: decimals(spread[name]) for name in run.classes}
    rows = [_line(run, row, by_row[row], ranked.get(row), places) for row in [*ranked.index, *empty]]
    return {"first": rows[:FIRST], "rest": rows[FIRST:]}


def _line(run, row, lines, dice, places) -> dict:
    by_class = {line["class"]: line for line in lines.to_dict("records")}
    cells = [_cell(by_class[name], run.unit, places[name]) for name in run.classes]
    return {"row": row, "fold": lines["fold"].iloc[0], "dice": number(dice), "cells": cells}


def _cell(line, unit, places) -> tuple[str, str]:
    if line["status"] == "both_empty":
        return STATUS["both_empty"], ""
    known = not np.isnan(line["error_ml"])
    volume = f"{line['error_ml']:+.{places}f} ml".replace("-", "\N{MINUS SIGN}") if known else ""
    if line["status"] in STATUS:
        return STATUS[line["status"]], volume
    far = "" if np.isnan(line["hd95"]) else length(line["hd95"], unit)
    return number(line["dice"]), ", ".join(filter(None, (far, volume)))
