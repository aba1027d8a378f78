"""Label columns that are more than classes: grades in an order, and numbers.

Grades g0 < g1 < … become cuts, one column ">=g" for each but the lowest: cumulative labels let a network answer each
cut while all share one order (Cao et al., Pattern Recognition Letters 2020; Frank & Hall, ECML 2001).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from radzoo.data.values import Rows, check_known, listed, number, order
from radzoo.errors import BadInput

TASKS = ("ordinal", "regression")
MOST = 20  # different numbers that may be grades; above, they are a quantity
CUT = ">="


def encode(column: pd.Series, grades: tuple[str, ...], task: str, rows: Rows) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels float32 `(n, k)` and names of a column of filled cells.

    Args:
        grades: the user's order, lowest first; empty sorts numbers by size.
        task: `ordinal` or `regression`.
    Returns:
        Ordinal: cumulative labels `(n, K - 1)`, names `">=g1", …`. Regression: numbers `(n, 1)`, the column's name.
    Raises:
        BadInput: words without an order, a value outside it, fewer than three grades; a text or a single value where
            numbers are expected.
    """
    if task == "regression":
        if grades:
            raise BadInput("--data.classes came with a regression, whose labels are numbers: leave them out")
        values = _numbers(column, rows)
        if (values == values[0]).all():
            raise BadInput(f"column '{column.name}' holds only the number {values[0]:g}: learning needs different ones")
        return values.astype("float32")[:, None], (column.name,)
    grades = grades or _sorted(column, rows)
    check_known(column, grades, rows)
    if len(grades) < 3 or len(set(grades)) < len(grades):
        raise BadInput(
            f"an ordinal task takes three different grades or more, {', '.join(grades)} came: with two leave --task out"
        )
    return _cumulative(column.map(grades.index).to_numpy(), len(grades)), tuple(CUT + grade for grade in grades[1:])


def encode_as(column: pd.Series, classes: tuple[str, ...], grades: tuple[str, ...], task: str, rows: Rows):
    """Labels of other images, `(n, k)`, for a model with these classes; some grades may be absent.

    Cuts do not name the lowest grade: without the user's order it is the one number that is below all cuts.

    Raises:
        BadInput: a value that is no grade of the model, or no number.
    """
    if task == "regression":
        return _numbers(column, rows).astype("float32")[:, None]
    cuts = tuple(name.removeprefix(CUT) for name in classes)
    if grades and grades[1:] != cuts:
        raise BadInput(f"--data.classes {' '.join(grades)} came, the model knows the cuts {', '.join(classes)}")
    known = grades or (*_below(column, cuts[0]), *cuts)
    check_known(column, known, rows)
    return _cumulative(column.map(known.index).to_numpy() + len(classes) + 1 - len(known), len(classes) + 1)


def check_few(column: pd.Series) -> None:
    """
    Raises:
        BadInput: so many different numbers that they are hardly classes.
    """
    values = set(column)
    if len(values) > MOST and all(number(value) is not None for value in values):
        raise BadInput(
            f"column '{column.name}' holds {len(values)} different numbers ({listed(column)}): pass --task regression "
            "for a quantity, --task ordinal for grades in their order, or --task multiclass"
        )


def _below(column: pd.Series, cut: str) -> list[str]:
    """The smallest number of a column, if it is below the lowest cut."""
    read = {value: number(value) for value in set(column)}
    below = [value for value, size in read.items() if None not in (size, number(cut)) and size < number(cut)]
    return sorted(below, key=order)[:1]


def _sorted(column: pd.Series, rows: Rows) -> tuple[str, ...]:
    """The numbers of a column by size, which must be few; words have no order of their own."""
    values = sorted(set(column), key=order)
    words = [value for value in values if number(value) is None]
    if len(words) == len(values):
        raise BadInput(
            f"column '{column.name}' holds words ({listed(column)}): say their order with "
            f"--data.classes {' '.join(values[:MOST])}"
        )
    if words:
        raise BadInput(
            f"column '{column.name}' holds {words[0]!r} in {rows(np.flatnonzero(column == words[0]))} beside numbers: "
            "mend it, or say the order of all grades with --data.classes"
        )
    if len(values) > MOST:
        raise BadInput(
            f"column '{column.name}' holds {len(values)} different numbers ({listed(column)}), an ordinal task takes "
            f"at most {MOST} grades: pass --task regression"
        )
    return tuple(values)


def _numbers(column: pd.Series, rows: Rows) -> np.ndarray:
    values = [number(value) for value in column]
    strange = np.flatnonzero([value is None for value in values])
    if len(strange):
        raise BadInput(
            f"column '{column.name}' holds {column.iloc[strange[0]]!r} in {rows(strange)}, a regression takes finite "
            "numbers with a decimal point: mend these rows, or leave them out with --data.where"
        )
    return np.array(values)


def _cumulative(grade: np.ndarray, count: int) -> np.ndarray:
    return (grade[:, None] >= np.arange(1, count)).astype("float32")
