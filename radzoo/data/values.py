"""The values of a label column as a user writes them: compared, ordered and listed as text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pandas as pd

from radzoo.errors import BadInput

Rows = Callable[[np.ndarray], str]  # positions to the words that name these rows to the user


def plain(value: str) -> str:
    """`" 2.0 "` to `"2"`: a column of integers with one gap is written as floats by pandas and by spreadsheets."""
    value = str(value).strip()
    return re.sub(r"\.0+$", "", value) if re.fullmatch(r"-?\d+\.0+", value) else value


def number(value: str) -> float | None:
    """A finite number, or None where the text is something else."""
    try:
        read = float(value)
    except ValueError:
        return None
    return read if math.isfinite(read) and "_" not in value else None


def order(value: str) -> tuple[bool, float, str]:
    """Numbers by size, then words by letters."""
    read = number(value)
    return read is None, read or 0.0, value


def listed(column: pd.Series) -> str:
    """The first values of a column, in their order."""
    values = sorted(set(column), key=order)
    return ", ".join(values[:8]) + (", …" if len(values) > 8 else "")


def check_known(column: pd.Series, classes: tuple[str, ...], rows: Rows) -> None:
    """
    Raises:
        BadInput: a value that is none of the classes.
    """
    unknown = sorted(set(column) - set(classes), key=order)
    if unknown:
        raise BadInput(
            f"column '{column.name}' holds {unknown[0]!r} in {rows(np.flatnonzero(column == unknown[0]))}, "
            f"expected one of {', '.join(classes)} (--data.classes)"
        )
