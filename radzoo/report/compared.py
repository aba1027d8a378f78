"""The page of a comparison of runs."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

from radzoo.errors import BadInput
from radzoo.metrics import FEW
from radzoo.report import figures, saying, words
from radzoo.report.page import rendered

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#E69F00", "#5b6770")  # one per run, then from the start


def write(out: Path, found) -> Path:
    """Writes the page; it needs nothing else and names no folder but the runs'."""
    try:
        figures.save(out, rendered("comparison.html", context(found)).encode())
    except OSError as error:
        raise BadInput(f"{out} was not written: {error.strerror}") from None
    return out


def check_new(out: Path) -> None:
    """Refuses a page that exists, and a folder that does not."""
    if out.exists():
        raise BadInput(f"{out} exists and is never overwritten: choose another --out")
    if not out.parent.is_dir():
        raise BadInput(f"{out} was not written: the folder {out.parent} does not exist")


def context(found) -> dict:
    """Everything that `comparison.html` shows."""
    unit = found.runs[0].unit
    labels = [saying.label(found, row) for row in found.rows]
    return {
        "found": found,
        "labels": labels,
        "colours": [COLOURS[row["number"] % len(COLOURS)] for row in found.rows],
        "headline": saying.headline(found),
        "lead": saying.lead(found),
        "cautions": saying.cautions(found),
        "axis": axis(found),
        "reach": reach(found),
        "several": len({row["number"] for row in found.rows}) < len(found.rows),
        "unit": unit,
        "amount": words.amount({"images": found.tested["units"], "patients": found.tested["patients"]}, unit),
        "synthetic": any(run.metrics["synthetic"] for run in found.runs),
        "repeated": any(row["repeats"] for row in found.rows),
        "few": FEW,
        "p": saying.p_value,
        "write": partial(saying.number, found),
        "sign": partial(saying.signed, found),
        "between": partial(saying.both, found),
        "spans": [saying.span(found, row["measured"]) for row in found.rows],
    }


def axis(found) -> tuple[float, float]:
    """Ends of the axis of the measure."""
    ends = [row["measured"][end] for row in found.rows for end in ("value", "low", "high")]
    ends += [value for row in found.rows for value in (row["repeats"] or {"seeds": []})["seeds"]]
    known = [value for value in ends if value is not None]
    if found.measure == "MAE":
        return 0.0, 1.05 * max(known, default=1.0)
    return min(0.4, math.floor(10 * min(known, default=0.4)) / 10), 1.0


def reach(found) -> float:
    """Half the width of the axis of differences, a round number."""
    most = max((abs(pair[end] or 0) for pair in found.pairs for end in ("difference", "low", "high")), default=0)
    step = 10 ** math.floor(math.log10(most)) / 2 if most > 0 else 0.05
    return step * math.ceil(most / step + 1e-9)
