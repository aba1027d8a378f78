"""What the smaller tables of the page hold."""

from __future__ import annotations

import re

import pandas as pd

from radzoo.metrics import score_name
from radzoo.report import words

CHAINS = 8  # lines of the table of how images were read


def comparison(run, pair) -> dict:
    """A stored comparison as the table writes it."""
    rows = {words.key(row): row for row in run.metrics["rows"]}
    names = {end: pair[end].strip() for end in "ab"}
    names = {end: words.way(rows[name], sentence=True) if name in rows else name for end, name in names.items()}
    p, signed = pair["p"], run.measure.signed
    return names | {
        "difference": signed(pair["difference"]),
        "span": words.NOTHING if pair["low"] is None else f"{signed(pair['low'])} to {signed(pair['high'])}",
        "p": words.NOTHING if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}",
    }


def counts(run) -> dict:
    """Images and patients per class and part: `{"parts": names, "rows": [{"name", "cells": [(images, patients)]}],
    "spread": [text per part]}`, the last the median and range of a number, else empty.

    The parts are training, validation and test; or the folds in which images are tested, and all of them.
    """
    table = run.split
    if run.folds:
        parts = {f"fold {fold}": table["fold"] == str(fold) for fold in range(1, run.folds + 1)}
        parts["all"] = table["fold"] != ""
    else:
        names = {"training": "train", "validation": "validation", "test": "test"}
        parts = {name: table["split"] == value for name, value in names.items()}

    def row(name, chosen):
        cells = [table[chosen & part] for part in parts.values()]
        return {"name": name, "cells": [(len(cell), cell["patient"].nunique()) for cell in cells]}

    rows, spread = [], []
    if run.task == "regression":
        spread = [_spread(run, table[part].iloc[:, 5]) for part in parts.values()]
    elif run.task == "ordinal":
        grade = table.iloc[:, 5:].sum(axis=1)
        rows = [row(name, grade == k) for k, name in enumerate(run.grades)]
    else:
        rows = [row(title, table.iloc[:, 5 + k] == 1) for k, title in enumerate(run.titles)]
    if run.task == "binary":
        rows.append(row(f"without {run.titles[0]}", table.iloc[:, 5] == 0))
    return {"parts": list(parts), "rows": [*rows, row("all", table["row"].notna())], "spread": spread}


def _spread(run, values):
    """Median and range of a label."""
    if values.empty:
        return words.NOTHING
    middle, low, high = (run.measure.number(value) for value in (values.median(), values.min(), values.max()))
    return f"{middle} ({low} to {high})"


def thresholds(run) -> dict:
    """Thresholds of the chosen way: `{"columns": names, "rows": [(class, [numbers])]}`; the last column is in use."""
    final = {"final": run.metrics["final"]["thresholds"]} if run.metrics["final"] else {}
    found = run.best["thresholds"] | final
    names = {fold: f"fold {fold}" for fold in found if fold not in ("", "final")}
    names |= {fold: name for fold, name in (("final", "final model"), ("", "threshold")) if fold in found}
    rows = [(title, [found[fold][k] for fold in names]) for k, title in enumerate(run.titles)]
    return {"columns": list(names.values()), "rows": rows}


def readings(run) -> dict:
    """How the images were read: `{"rows": [{"applied", "modality", "spacing", "images"}], "more", "kinds", "short"}`.

    `more` images are in kinds that have no line of their own.

    Numbers give way to `…` where every image has its own: a table of a thousand windows says nothing.
    """
    columns = ["applied", "modality", "spacing_source"]
    table = run.images[columns].astype("string").fillna("")
    short = table.drop_duplicates().shape[0] > CHAINS
    if short:
        table["applied"] = table["applied"].map(lambda text: re.sub(r"(?<!\w)-?\d[\d.e+-]*", "…", text))
    grouped = table.value_counts(sort=True).reset_index(name="images")
    grouped = grouped.sort_values(["images", *columns], ascending=[False, True, True, True])
    rows = [
        {
            "applied": line.applied or "nothing to apply",
            "modality": line.modality or words.NOTHING,
            "spacing": line.spacing_source or "unknown",
            "images": line.images,
        }
        for line in grouped.head(CHAINS).itertuples()
    ]
    return {"rows": rows, "more": int(grouped["images"][CHAINS:].sum()), "kinds": len(grouped), "short": short}


def burnt_in(run) -> pd.Series:
    """Index row -> why a picture of the image may show text about a patient; rows without a reason are absent."""
    return run.images.set_index("row")["burnt_in"].dropna().astype(str)


def ensembles(run) -> list[str]:
    """What each ensemble is made of, and where its weights come from."""
    said = []
    for row in run.trained:
        if row["model"] != words.ENSEMBLE:
            continue
        names, weights = words.members(row)
        told = f"{words.capital(words.way(row))}: the weighted mean of {words.listed(names)}"
        equal = all(len(set(each.split(" : "))) == 1 for each in weights)
        of, tested = (" of each fold", "a fold") if run.folds else ("", "this run")
        if equal:
            said.append(told.replace("the weighted mean", "the plain mean") + ", each with the same weight.")
        else:
            said.append(
                f"{told}, with the weights {'; '.join(weights)} that had the best {score_name(run.task)} on the "
                f"validation images{of}; no image that {tested} tests had a say in them."
            )
    return said
