"""Label columns as numbers: binary, multiclass (one-hot), multilabel; ordinal and regression are in `targets`."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from radzoo.data import targets
from radzoo.data.values import Rows, check_known, listed, order, plain
from radzoo.errors import BadInput
from radzoo.recipe import Data

TRUTH = {"1": 1, "true": 1, "yes": 1, "0": 0, "false": 0, "no": 0}
RESERVED = ("row", "patient", "unit", "fold", "split", "model", "way", "digest", "file", "called")  # columns of tables
MISSING = ("", "nan", "na", "n/a", "null")


def encode(cells: pd.DataFrame, data: Data, task: str, rows: Rows) -> tuple[np.ndarray, tuple[str, ...], str]:
    """The labels of an index.

    Args:
        cells: one text column per label, one row per image.
        task: `auto`, `binary`, `multiclass`, `multilabel`, `ordinal` or `regression`. With `auto` several columns are
            multilabel, one with two values is binary, one with more is multiclass.
        rows: names rows in messages.
    Returns:
        Labels float32 `(n, k)`, the `k` class names, and the task (never `auto`).
    """
    cells = _filled(cells, rows)
    _check_names((*cells, *data.classes))
    if task in targets.TASKS:
        return *targets.encode(_only(cells, task), tuple(map(plain, data.classes)), task, rows), task
    if cells.shape[1] > 1 and task in ("multilabel", "auto"):
        return _multilabel(cells, rows), tuple(cells), "multilabel"
    column = _only(cells, task)
    values = sorted(set(column), key=order)
    classes = tuple(map(plain, data.classes))
    if classes:
        check_known(column, classes, rows)
    if len(values) == 1:
        raise BadInput(
            f"column '{column.name}' holds only the value {values[0]!r} in all {len(column)} rows: "
            "learning needs at least two, choose another --data.label or --data.where"
        )
    if task == "multilabel":
        raise BadInput("one label column came with --task multilabel: name several columns, or leave --task out")
    two = len(classes or values) == 2 or {v.lower() for v in values} <= set(TRUTH)
    if task == "binary" or (task == "auto" and (two or data.positive is not None)):
        truth, name = _binary(column, data.positive, rows)
        if truth.nunique() == 1:  # such as "1" and "yes", or 1 and 1.0
            raise BadInput(
                f"all {len(column)} labels of column '{column.name}' mean the same: learning needs both kinds"
            )
        return truth.to_numpy("float32")[:, None], (name,), "binary"
    if task == "auto" and not classes:
        _check_stray(column, values, rows)
        targets.check_few(column)
    return _one_hot(column, classes or values), classes or tuple(values), "multiclass"


def encode_as(cells: pd.DataFrame, classes: tuple[str, ...], data: Data, task: str, rows: Rows) -> np.ndarray:
    """Labels of other images for a model that knows its classes: `(n, k)`, where a class may be absent.

    Raises:
        BadInput: a value that is none of the classes, or another number of columns.
    """
    cells = _filled(cells, rows)
    if task == "multilabel":
        if cells.shape[1] != len(classes):
            raise BadInput(
                f"{cells.shape[1]} label columns came, the run has {len(classes)} ({', '.join(classes)}): name as many"
            )
        return _multilabel(cells, rows)
    column = _only(cells, task)
    if task in targets.TASKS:
        return targets.encode_as(column, classes, tuple(map(plain, data.classes)), task, rows)
    if task == "multiclass":
        check_known(column, classes, rows)
        return _one_hot(column, classes)
    return _binary(column, data.positive, rows, absent=True)[0].to_numpy("float32")[:, None]


def _filled(cells: pd.DataFrame, rows: Rows) -> pd.DataFrame:
    cells = cells.map(plain)
    for name in cells:
        empty = np.flatnonzero(cells[name].str.lower().isin(MISSING))
        if len(empty):
            raise BadInput(
                f"column '{name}' has no label in {rows(empty)}: fill them in, or leave these rows out with "
                f"--data.where \"{name} != '{cells[name].iloc[empty[0]]}'\""
            )
    return cells


def _check_names(names) -> None:
    for name in names:
        if name in RESERVED:
            raise BadInput(f"a label called {name!r} collides with a column of the run's tables: rename it")


def _only(cells: pd.DataFrame, task: str) -> pd.Series:
    if cells.shape[1] > 1:
        raise BadInput(f"{cells.shape[1]} label columns came, {task} takes one: pass --task multilabel or one column")
    return cells.iloc[:, 0]


def _check_stray(column: pd.Series, values: list[str], rows: Rows) -> None:
    """Words among numbers are a slip: 0, 1 and a "maybe"."""
    stray = [v for v in values if v.lower() not in TRUTH and not re.fullmatch(r"[-+]?\d+(\.\d+)?", v)]
    if stray and len(stray) < len(values):
        raise BadInput(
            f"column '{column.name}' holds {stray[0]!r} in {rows(np.flatnonzero(column == stray[0]))} beside "
            f"{', '.join(v for v in values if v not in stray)}: mend it, or pass --task multiclass"
        )


def _one_hot(column: pd.Series, classes) -> np.ndarray:
    return (column.to_numpy(object)[:, None] == np.array(classes, object)[None]).astype("float32")


def _binary(column: pd.Series, positive: str | None, rows: Rows, absent: bool = False) -> tuple[pd.Series, str]:
    """Which rows are positive, and the name of the positive class, which may be `absent` from another hospital."""
    truth = column.str.lower().map(TRUTH)
    if positive is None:
        _check_truth(column, truth, rows)
        return truth == 1, column.name
    positive = plain(positive)
    if positive.lower() in TRUTH and not truth.isna().any():
        sign = TRUTH[positive.lower()]
        return truth == sign, column.name if sign else f"{column.name}={positive}"
    if not absent and not (column == positive).any():
        raise BadInput(
            f"--data.positive {positive} does not occur in column '{column.name}', which holds {listed(column)}"
        )
    if column[column != positive].nunique() > 1:
        _refuse_many(column, positive, rows)
    return column == positive, positive


def _check_truth(column: pd.Series, truth: pd.Series, rows: Rows) -> None:
    """Only the words of `TRUTH` say by themselves which one is positive."""
    strange, values = np.flatnonzero(truth.isna()), sorted(set(column), key=order)
    if not len(strange):
        return
    if len(strange) == len(column) and len(values) == 2:
        choice = " or ".join(f"--data.positive {value}" for value in values)
        raise BadInput(f"column '{column.name}' holds {listed(column)}: say which one is positive, {choice}")
    if len(strange) == len(column) and len(values) > 2:
        _refuse_many(column, "", rows)
    raise BadInput(  # some cells are 0 or 1: the others are a slip
        f"column '{column.name}' holds {column.iloc[strange[0]]!r} in {rows(strange)}, expected 0 or 1: "
        "mend these rows, leave them out with --data.where, or name --data.positive"
    )


def _refuse_many(column: pd.Series, positive: str, rows: Rows) -> None:
    rarest = column[column != positive].value_counts().sort_index().idxmin()
    raise BadInput(
        f"column '{column.name}' holds {column.nunique()} values ({listed(column)}), binary takes two; {rarest!r} is "
        f"in {rows(np.flatnonzero(column == rarest))}: choose rows with --data.where, or pass --task multiclass"
    )


def _multilabel(cells: pd.DataFrame, rows: Rows) -> np.ndarray:
    for name in cells:
        strange = np.flatnonzero(~cells[name].str.lower().isin(list(TRUTH)))
        if len(strange):
            raise BadInput(
                f"column '{name}' holds {cells[name].iloc[strange[0]]!r} in {rows(strange)}, expected 0 or 1 "
                "in every column of a multilabel task"
            )
    return np.stack([cells[name].str.lower().map(TRUTH) for name in cells], axis=1).astype("float32")
