"""The cases of the page: the same slice of the best, the median and the worst by every way, and the table of all."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from tqdm import tqdm

from radzoo.errors import BadInput
from radzoo.metrics import Window, body_mask
from radzoo.report import figures
from radzoo.report.restoration import looking, rims
from radzoo.report.restoration.words import NOISY, PSNR, SHARPNESS, came, named

SEEN = "looked.json"  # in `figures/`: what an earlier call drew
FIRST = 12  # lines of the table that are shown at once


def errors(run, name: str) -> pd.DataFrame:
    """The lines of `cases.csv` of one way in the window of the headline, by index row, the least error first."""
    table = run.cases
    table = table[(table["way"] == name) & (table["window"] == run.window["window"])]
    return table.set_index("row").sort_values("rmse", kind="stable")


def chosen(run) -> dict[str, int]:
    """`{title: index row}` of the median, the worst and the best case that may be shown."""
    rows = [int(row) for row in errors(run, run.best["name"]).index if row not in run.hidden]
    found = {}
    for title, place in (("Median case", (len(rows) - 1) // 2), ("Worst case", len(rows) - 1), ("Best case", 0)):
        if rows and rows[place] not in found.values():
            found[title] = rows[place]
    return found


def look(run, pictures) -> dict:
    """Draws what the page shows of images, or reads what an earlier call drew.

    Returns:
        `cases`, `{title: {"row", "drawn"}}`, and `rim` (`rims.draw`); nothing where nobody gave pictures.
    """
    path = run.folder / "figures" / SEEN
    if pictures is not None:
        figures.save(path, json.dumps(_drawn(run, pictures)).encode())
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"cases": {}, "rim": None}


def gallery(run, seen: dict) -> list[dict]:
    """`[{"title", "row", "rmse", "pictures": [{"uri", "said"}]}]` of what `look` saw."""
    own = errors(run, run.best["name"])["rmse"]
    return [
        {
            "title": title,
            "row": case["row"],
            "rmse": own[case["row"]],
            "pictures": [
                {"uri": figures.inline(run.folder / "figures" / one["file"]), "said": _said(one)}
                for one in case["drawn"]
            ],
        }
        for title, case in seen["cases"].items()
    ]


def _said(one) -> str:
    plane = f", plane {one['plane']}" if one["plane"] else ""
    return f"{one['window']} window{plane}"


def _drawn(run, pictures) -> dict:
    ct, found, rim = run.unit == "HU", {}, None
    shown = [Window(each["window"], each["low"], each["high"]) for each in run.best["windows"]]
    shown = [window for window in shown if window.name != "full"] or shown
    for title, row in tqdm(chosen(run).items(), desc="report", unit="case", leave=False):
        wanted, ways, spacing, labels = pictures(row)
        order = [run.best["name"], *(each["name"] for each in (*run.classical, *run.trained) if each is not run.best)]
        images = {named(run.metrics, name): ways[name] for name in order}
        body = _shown(wanted) if ct else np.ones(wanted.shape, bool)
        drawn = looking.draw(
            run.folder / "figures", row, ways.get(NOISY), images, wanted, spacing, body=body, windows=shown,
            unit=run.unit, came=came(run.metrics),
        )  # fmt: skip
        found[title] = {"row": row, "drawn": drawn}
        if rim is None and labels is not None and run.inserts is not None:
            rim = rims.draw(run, row, {each["name"]: ways[each["name"]] for each in run.rows}, labels, spacing)
    return {"cases": found, "rim": rim}


def _shown(wanted: np.ndarray) -> np.ndarray:
    """The body, or all of an image that shows none."""
    try:
        return body_mask(wanted)
    except BadInput:
        return np.ones(wanted.shape, bool)


def table(run) -> dict:
    """Every tested case by the chosen way, the worst first: `{"first", "rest"}` of `{"row", "fold", "cells"}`: the
    error, that of the image as it came (where there is one), PSNR and sharpness."""
    own, before = errors(run, run.best["name"]), errors(run, NOISY)["rmse"]
    rows = []
    for row, line in own[::-1].iterrows():
        error = [run.measure.number(line["rmse"]), *([run.measure.number(before[row])] if run.noisy else [])]
        rest = [each.number(None if np.isnan(line[each.key]) else line[each.key]) for each in (PSNR, SHARPNESS)]
        rows.append({"row": row, "fold": line["fold"], "cells": error + rest})
    return {"first": rows[:FIRST], "rest": rows[FIRST:]}
