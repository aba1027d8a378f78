"""What the page calls a row of results, and the sentences that compare rows."""

from __future__ import annotations

from radzoo.metrics import FEW
from radzoo.report import figures, words
from radzoo.report.words import number, signed, span

BASELINE = {"grey": "grey levels alone"}
REFINED = {"crf": "CRF", "graph_cut": "graph cut", "largest": "largest component"}
COLOUR = figures.COLOUR | {"grey": figures.COLOUR["grey levels"]}


def way(row, sentence: bool = False) -> str:
    """How a row is called in a table, or within a sentence."""
    said = words.way(row, sentence) if row["model"] else BASELINE.get(row["way"], row["way"])
    if not row["refined"]:
        return said
    return f"{said} {'with' if sentence else '+'} {REFINED.get(row['refined'], row['refined'].replace('_', ' '))}"


def colour(row) -> str:
    """The colour of a way."""
    return COLOUR.get(row["way"], COLOUR["majority"])


def with_claims(row) -> dict:
    """A row whose classes have a `claim` of their own: for that, `FEW` cases must have the class, or be said to.

    A lesion in 3 of 40 patients is not measured by the 37 others. Where no class can be claimed, the row cannot.
    """
    test = row["test"]
    per_class = {
        name: entry | {"claim": test["claim"] and present(entry) >= FEW} for name, entry in test["per_class"].items()
    }
    claim = any(entry["claim"] for entry in per_class.values())
    return row | {"test": test | {"per_class": per_class, "claim": claim}}


def present(entry) -> int:
    """In how many cases there is something of a class, in the truth or in the prediction."""
    return entry["measured"] + entry["missed"] + entry["invented"]


def key(row, several: bool) -> str:
    """How `differences` of `metrics.json` call a row: `finetune`, `finetune crf`, of several models `unet finetune`."""
    parts = [row["model"] if several else "", row["way"], row["refined"]]
    return " ".join(part for part in parts if part)


def difference(run, one, two) -> dict | None:
    """The stored difference of two rows, turned so that it reads `one` minus `two`; None where there is none."""
    ends = [_names(run, one), _names(run, two)]
    for found in run.metrics["differences"]:
        first, _, second = found["name"].partition(" against ")
        dice = found["dice"]
        if first in ends[0] and second in ends[1]:
            return dice
        if first in ends[1] and second in ends[0]:
            turned = {"value": dice["value"], "low": dice["high"], "high": dice["low"]}
            return dice | {name: None if value is None else -value for name, value in turned.items()}
    return None


def _names(run, row) -> set[str]:
    return {key(row, True), key(row, run.several)}


def titled(run, name: str) -> str:
    """A name of `differences` for the reader."""
    for row in run.rows:
        if name in _names(run, row):
            return way(row, sentence=True)
    return name


def told(measured) -> str:
    """`0.87 (0.85 to 0.89)`."""
    return f"{number(measured['value'])} ({span(measured)})"


def small(measured) -> str:
    """`told` with three digits: a warping error has its first behind several zeros."""
    value, low, high = (measured[end] for end in ("value", "low", "high"))
    span_ = words.NOTHING if low is None else f"{low:.3g} to {high:.3g}"
    return words.NOTHING if value is None else f"{value:.3g} ({span_})"


def length(value, unit: str) -> str:
    """A distance with its unit: `1.4 mm`, `3.2 px`."""
    return words.NOTHING if value is None else f"{value:.1f}\N{NO-BREAK SPACE}{unit}"


def gap(measured) -> str:
    """A difference with its interval, `+0.04 (+0.02 to +0.06)`; one that would be 0.00 has a third place."""
    places = 2 if abs(measured["value"]) >= 0.005 else 3
    value, low, high = (signed(measured[name], places) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
