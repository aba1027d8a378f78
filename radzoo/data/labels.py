"""Label columns as numbers: binary, multiclass (one-hot) or multilabel."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd

from radzoo.errors import BadInput
from radzoo.recipe import Data

TRUTH = {"1": 1, "true": 1, "yes": 1, "0": 0, "false": 0, "no": 0}
RESERVED = ("row", "patient", "split", "model", "way", "file", "called")
MISSING = ("", "nan", "na", "n/a", "null")

Rows = Callable[[np.ndarray], str]  # positions to the words that name these rows to the user


def encode(cells: pd.DataFrame, data: Data, task: str, rows: Rows) -> tuple[np.ndarray, tuple[str, ...], str]:
    """The labels of an index.

    Args:
        cells: one text column per label, one row per image.
        task: `auto`, `binary`, `multiclass` or `multilabel`. Several columns are multilabel, one with two values is
            binary, one with more is multiclass.
        rows: names rows in messages.
    Returns:
        Labels float32 `(n, k)`, the `k` class names, and the task (never `auto`).
    """
    cells = cells.map(_plain)
    for name in cells:
        empty = np.flatnonzero(cells[name].str.lower().isin(MISSING))
        if len(empty):
            raise BadInput(
                f"column '{name}' has no label in {rows(empty)}: fill them in, or leave these rows out with "
                f"--data.where \"{name} != '{cells[name].iloc[empty[0]]}'\""
            )
    for name in (*cells, *data.classes):
        if name in RESERVED:
            raise BadInput(f"a label called {name!r} collides with a column of the run's tables: rename it")
    if cells.shape[1] > 1 and task in ("multilabel", "auto"):
        return _multilabel(cells, rows), tuple(cells), "multilabel"
    if cells.shape[1] > 1:
        raise BadInput(f"{cells.shape[1]} label columns came, {task} takes one: pass --task multilabel or one column")
    column = cells.iloc[:, 0]
    classes = tuple(map(_plain, data.classes))
    values = sorted(set(column), key=_order)
    unknown = [v for v in values if classes and v not in classes]
    if unknown:
        raise BadInput(
            f"column '{column.name}' holds {unknown[0]!r} in {rows(np.flatnonzero(column == unknown[0]))}, "
            f"expected one of {', '.join(classes)} (--data.classes)"
        )
    if len(values) == 1:
        raise BadInput(
            f"column '{column.name}' holds only the value {values[0]!r} in all {len(column)} rows: "
            "learning needs at least two, choose another --data.label or --data.where"
        )
    if task == "multilabel":
        raise BadInput("one label column came with --task multilabel: name several columns, or leave --task out")
    two = len(classes or values) == 2 or {v.lower() for v in values} <= set(TRUTH)
    if task == "binary" or (task == "auto" and (two or data.positive is not None)):
        labels, name = _binary(column, values, data.positive, rows)
        return labels, (name,), "binary"
    stray = [v for v in values if v.lower() not in TRUTH and not re.fullmatch(r"[-+]?\d+(\.\d+)?", v)]
    if task == "auto" and not classes and stray and len(stray) < len(values):  # 0, 1 and a "maybe"
        raise BadInput(
            f"column '{column.name}' holds {stray[0]!r} in {rows(np.flatnonzero(column == stray[0]))} beside "
            f"{', '.join(v for v in values if v not in stray)}: mend it, or pass --task multiclass"
        )
    classes = classes or tuple(values)
    one_hot = column.to_numpy(object)[:, None] == np.array(classes, object)[None]
    return one_hot.astype("float32"), classes, "multiclass"


def _binary(column: pd.Series, values: list[str], positive: str | None, rows: Rows) -> tuple[np.ndarray, str]:
    truth = column.str.lower().map(TRUTH)
    listed = ", ".join(values[:8]) + (", …" if len(values) > 8 else "")
    if positive is None:
        if not truth.isna().any():
            return _column(truth == 1, column, rows), column.name
        strange = np.flatnonzero(truth.isna())
        if len(strange) < len(column):  # some cells are 0 or 1: the others are a slip
            raise BadInput(
                f"column '{column.name}' holds {column.iloc[strange[0]]!r} in {rows(strange)}, expected 0 or 1: "
                "mend these rows, leave them out with --data.where, or name --data.positive"
            )
        choice = " or ".join(f"--data.positive {v}" for v in values[:2])
        if len(values) == 2:
            raise BadInput(f"column '{column.name}' holds {listed}: say which one is positive, {choice}")
    elif not truth.isna().any() and _plain(positive).lower() in TRUTH:
        sign = TRUTH[_plain(positive).lower()]
        return _column(truth == sign, column, rows), column.name if sign else f"{column.name}={positive}"
    elif _plain(positive) not in values:
        raise BadInput(f"--data.positive {positive} does not occur in column '{column.name}', which holds {listed}")
    if len(values) > 2:
        others = column[column != _plain(positive or "")]
        rarest = others.value_counts().sort_index().idxmin()
        raise BadInput(
            f"column '{column.name}' holds {len(values)} values ({listed}), binary takes two; {rarest!r} is in "
            f"{rows(np.flatnonzero(column == rarest))}: choose rows with --data.where, or pass --task multiclass"
        )
    return _column(column == _plain(positive), column, rows), _plain(positive)


def _column(is_positive: pd.Series, column: pd.Series, rows: Rows) -> np.ndarray:
    labels = is_positive.to_numpy("float32")[:, None]
    if labels.min() == labels.max():  # such as "1" and "yes", or 1 and 1.0
        raise BadInput(f"all {len(column)} labels of column '{column.name}' mean the same: learning needs both kinds")
    return labels


def _multilabel(cells: pd.DataFrame, rows: Rows) -> np.ndarray:
    for name in cells:
        strange = np.flatnonzero(~cells[name].str.lower().isin(list(TRUTH)))
        if len(strange):
            raise BadInput(
                f"column '{name}' holds {cells[name].iloc[strange[0]]!r} in {rows(strange)}, expected 0 or 1 "
                "in every column of a multilabel task"
            )
    return np.stack([cells[name].str.lower().map(TRUTH) for name in cells], axis=1).astype("float32")


def _plain(value: str) -> str:
    """`" 2.0 "` to `"2"`: a column of integers with one gap is written as floats by pandas and by spreadsheets."""
    value = str(value).strip()
    return re.sub(r"\.0+$", "", value) if re.fullmatch(r"-?\d+\.0+", value) else value


def _order(value: str) -> tuple[bool, float, str]:
    """Numbers by size, then words by letters."""
    try:
        return False, float(value), value
    except ValueError:
        return True, 0.0, value
