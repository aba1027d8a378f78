"""Which rows of an index to keep: `source contains starter_images and age >= 18`."""

from __future__ import annotations

import operator
import re

import numpy as np
import pandas as pd

from radzoo.errors import BadInput

ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
CONDITION = re.compile(
    r"""\s* (?: "(?P<quoted>[^"]+)" | (?P<column>[^"'=!<>]+?) )
        \s* (?: (?P<op>==|!=|<=|>=|<|>) | \b(?P<contains>contains)\b )
        \s* (?: "(?P<double>[^"]*)" | '(?P<single>[^']*)' | (?P<bare>[^"'\s].*?) )
        \s* (?: $ | \s and \s )""",
    re.VERBOSE,
)


def conditions(expression: str) -> list[tuple[str, str, str]]:
    """`(column, operator, value)` of each condition of `COLUMN OP VALUE [and COLUMN OP VALUE] …`.

    OP is one of `contains == != < <= > >=`; a column or value that holds ` and ` is put in quotes.
    """
    found, at = [], 0
    while at < len(expression) or not found:
        match = CONDITION.match(expression, at)
        if match is None:
            raise BadInput(
                f"--data.where {expression!r} is not understood from {expression[at:]!r} on: "
                "write COLUMN OP VALUE [and ...], OP one of contains == != < <= > >="
            )
        value = next(match[g] for g in ("double", "single", "bare") if match[g] is not None)
        found.append((match["quoted"] or match["column"], match["op"] or "contains", value))
        at = match.end()
    return found


def matches(cells: pd.Series, op: str, value: str) -> np.ndarray:
    """Which cells (text) fulfil `op value`; numbers compare as numbers, an empty cell is smaller than nothing."""
    if op == "contains":
        return cells.str.contains(value, regex=False).to_numpy(bool)
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(float)
    number = pd.to_numeric(value, errors="coerce")
    if op in ORDER:
        if np.isnan(number):
            raise BadInput(f"--data.where compares '{cells.name} {op} {value}': expected a number after {op}")
        words = cells[np.isnan(numbers) & (cells.str.strip() != "").to_numpy()]
        if len(words):
            raise BadInput(f"--data.where needs numbers for {op}, column '{cells.name}' holds {words.iloc[0]!r}")
        return ORDER[op](numbers, number)
    equal = (cells.str.strip() == value).to_numpy(bool) | (numbers == number)  # NaN equals nothing
    return equal if op == "==" else ~equal
