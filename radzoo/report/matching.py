"""Whether runs were tested on the same: units are matched by the pixels of their images, never by the order of rows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

from radzoo.errors import BadInput
from radzoo.metrics import pool_units
from radzoo.report import words

ADVICE = "compare runs with the same index, --data.split, --data.where and --seed"
NAMED = 3  # units that a refusal names


def matched(runs: list[SimpleNamespace]) -> SimpleNamespace:
    """The units that every run tested, in the order of the first run.

    Args:
        runs: of `reading.read`, with `name`, what the reader calls them.
    Returns:
        `truth (n, k)`, `patients (n,)`, `images`, `units`: for each run its names of the n units; `notes`.
    Raises:
        BadInput: another task, other classes or another unit; other test units, labels or patients.
    """
    first, *others = runs
    for other in others:
        for what, one, two in (
            ("task", first.task, other.task),
            ("unit", first.unit, other.unit),
            ("classes", ", ".join(first.metrics["classes"]), ", ".join(other.metrics["classes"])),
        ):
            if one != two:
                raise BadInput(
                    f"{first.name} and {other.name} cannot be compared: {what} {one} in the first, {two} in the other"
                )
    tables = [_units(run) for run in runs]
    notes, units = [], [tables[0]["unit"].to_numpy()]
    for other, table in zip(others, tables[1:], strict=True):
        mine, theirs = _keyed(first, tables[0], other, table, notes)
        _check_same(first, mine, other, theirs)
        theirs = theirs.loc[mine.index]
        _check_truth(first, mine, other, theirs)
        units.append(theirs["unit"].to_numpy())
    truth = np.stack(tables[0]["truth"].to_list())
    images = int(tables[0]["rows"].map(len).sum())
    patients = tables[0]["patient"].to_numpy()
    return SimpleNamespace(truth=truth, patients=patients, images=images, units=units, notes=notes)


def scores(run: SimpleNamespace, row: dict, units) -> np.ndarray:
    """What one way of a run said of `units` (the run's own names) when they were tested, `(n, k)`."""
    table = run.predictions
    table = table[(table["model"] == row["model"]) & (table["way"] == row["way"]) & (table["split"] == "test")]
    if table.empty:
        raise BadInput(f"{run.name} keeps no predictions of {words.way(row, sentence=True)}: run its recipe anew")
    first = table.columns.get_loc("way") + 1
    return table.set_index("unit").iloc[:, first - 1 : first - 1 + len(run.classes)].loc[units].to_numpy(float)


def _units(run) -> pd.DataFrame:
    """The tested units: `unit`, `patient`, `truth`, index `rows` and the hashes `content` of their images."""
    if "content" not in run.images:
        raise BadInput(f"{run.name} was made by an earlier version of radzoo: run its recipe anew")
    table, best = run.predictions, run.best
    table = table[(table["model"] == best["model"]) & (table["way"] == best["way"]) & (table["split"] == "test")]
    images = run.split[run.split["unit"].isin(table["unit"])]
    labels = images.iloc[:, 5 : 5 + len(run.classes)].to_numpy(float)
    pooled = pool_units(labels, labels, images["unit"].to_numpy(), images["patient"].to_numpy(), task=run.task)
    first = images.iloc[pooled.first]
    content = images["row"].map(run.images.set_index("row")["content"])
    grouped = pd.DataFrame({"unit": images["unit"], "row": images["row"], "content": content}).groupby("unit")
    return pd.DataFrame({
        "unit": first["unit"].to_numpy(),
        "patient": first["patient"].to_numpy(),
        "truth": list(pooled.truth),
        "rows": grouped["row"].agg(sorted).loc[first["unit"]].to_list(),
        "content": grouped["content"].agg(lambda each: " ".join(sorted(each))).loc[first["unit"]].to_list(),
    })  # fmt: skip


def _keyed(one, mine, two, theirs, notes) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables with what identifies a unit as their index: its pixels; the same pixels twice are counted.

    Other windows give all images other pixels: then units go by the names of patient and unit, if all of these agree.
    """
    if not set(mine["content"]) & set(theirs["content"]):
        names = [list(zip(table["patient"], table["unit"], strict=True)) for table in (mine, theirs)]
        indexes = [str(run.recipe["data"]["index"]).replace("\\", "/").rpartition("/")[2] for run in (one, two)]
        if set(names[0]) == set(names[1]) and indexes[0] == indexes[1]:
            notes.append(
                f"{one.name} and {two.name} read the images in another way (such as another window), so their pixels "
                "differ; images were matched by patient and row of the index."
            )
            return mine.set_index(pd.Index(names[0])), theirs.set_index(pd.Index(names[1]))
    keys = [table["content"] + " " + table.groupby("content").cumcount().astype(str) for table in (mine, theirs)]
    return mine.set_index(keys[0]), theirs.set_index(keys[1])


def _check_same(one, mine, two, theirs) -> None:
    lost, added = mine[~mine.index.isin(theirs.index)], theirs[~theirs.index.isin(mine.index)]
    if len(lost) or len(added):
        many = words.MANY[one.unit]
        raise BadInput(
            f"{one.name} and {two.name} were tested on different {many}: {len(lost)} of the {len(mine)} of {one.name} "
            f"are not tested in {two.name}{_rows(lost)}, {len(added)} of the {len(theirs)} of {two.name} not in "
            f"{one.name}{_rows(added)}: {ADVICE}"
        )


def _check_truth(one, mine, two, theirs) -> None:
    many = words.MANY[one.unit]
    other = ~np.isclose(np.stack(mine["truth"].to_list()), np.stack(theirs["truth"].to_list())).all(1)
    if other.any():
        raise BadInput(
            f"{other.sum()} of {len(mine)} tested {many} have other labels in {two.name} than in {one.name}"
            f"{_rows(mine[other])}: correct the index, and run both recipes on it"
        )
    groups = [pd.factorize(table["patient"])[0] for table in (mine, theirs)]
    if not np.array_equal(*groups):
        raise BadInput(
            f"{(groups[0] != groups[1]).sum()} of {len(mine)} tested {many} belong to other patients in {two.name} "
            f"than in {one.name}: name the same --data.patient in both"
        )


def _rows(table) -> str:
    """Where to look: the first rows of the index."""
    if not len(table):
        return ""
    rows = [str(rows[0]) for rows in table["rows"]]
    more = ", …" if len(rows) > NAMED else ""
    return f" (index row{'s' if len(rows) > 1 else ''} {', '.join(rows[:NAMED])}{more})"
