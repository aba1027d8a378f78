"""What a run is judged by, and how it is written: an AUC, or the mean absolute error in the unit of its label."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from radzoo.report import words

UNDEFINED = -1.0  # the score on validation of what has none


@dataclass(frozen=True)
class Measure:
    """The number of the headline.

    Attributes:
        key: its name in `metrics.json`.
        name: its name for the reader.
        rank: the key of what compares a way with chance, and by which the best way is chosen.
        decimals: of an error, in the unit of the label; an AUC has two.
    """

    key: str = "auc"
    name: str = "AUC"
    rank: str = "auc"
    decimals: int = 2

    def number(self, value) -> str:
        if value is None or self.key == "auc":
            return words.number(value)
        text = f"{value:.{self.decimals}f}"
        text = text.removeprefix("-") if not float(text) else text  # no -0.0
        return text.replace("-", "\N{MINUS SIGN}")

    def signed(self, value) -> str:
        """A difference with its sign."""
        if value is None or self.key == "auc":
            return words.signed(value)
        return f"{value:+.{self.decimals}f}".replace("-", "\N{MINUS SIGN}")

    def span(self, measured) -> str:
        """The interval, `7.1 to 9.4`."""
        if not measured or measured["low"] is None:
            return words.NOTHING
        return f"{self.number(measured['low'])} to {self.number(measured['high'])}"

    def told(self, measured) -> str:
        """The value with its interval, `8.2 (7.1 to 9.4)`."""
        return f"{self.number(measured['value'])} ({self.span(measured)})"

    def of(self, entry) -> str:
        """`told` of an evaluation, or how many were tested where that is too few."""
        return self.told(entry[self.key]) if entry["claim"] else words.tally(entry)


def measure(metrics: dict) -> Measure:
    """The measure of the content of a `metrics.json`.

    A number is written with three digits of the labels' standard deviation: a bone age in months with one decimal, a
    ratio of sizes with three.
    """
    if metrics["task"] != "regression":
        return Measure()
    return Measure("mae", "MAE", "spearman", decimals(words.chosen(metrics)["test"]["truth_sd"]))


def decimals(spread: float | None) -> int:
    """As many as three digits of a standard deviation have."""
    return int(np.clip(2 - math.floor(math.log10(spread or 1.0)), 0, 6))


def choice(row: dict) -> str:
    """What the best way was chosen by: its score on validation, the mean over seeds."""
    repeats = row.get("repeats")
    value = float(np.mean(repeats["choice"])) if repeats else row["choice"]
    if not row["validation"]["claim"]:
        return words.tally(row["validation"])
    return words.NOTHING if value == UNDEFINED else words.number(value)


def seeds(measured: Measure, row: dict) -> str:
    """`0.93 (0.91 to 0.96 over 5 seeds)`, or a dash for what has no seed."""
    repeats = row.get("repeats")
    if not repeats or not row["test"]["claim"]:
        return words.NOTHING
    return f"{measured.number(repeats['mean'])} ({measured.span(repeats)} over {len(repeats[measured.key])} seeds)"
