"""What the parts of the page show of a run whose label is a number."""

from __future__ import annotations

from radzoo.report import agreement, figures, numbers
from radzoo.report.words import plain


def context(run, test) -> dict:
    """What `numbers.html` shows besides what every page shows.

    Args:
        run: see `reading.read`.
        test: the chosen way on its test units, see `reading.tested`.
    """
    measure, entry = run.measure, run.best["test"]
    shown = [row["test"]["mae"]["high"] for row in run.metrics["rows"] if row["test"]["claim"]]
    same = numbers.of_way(run, "majority")
    return {
        "headline": numbers.headline(run),
        "alarms": numbers.alarms(run),
        "lead": numbers.lead(run),
        "transfer": numbers.against_scratch(run),
        "cautions": numbers.cautions(run),
        "calibration": numbers.calibration(run) if entry["claim"] else [],
        "label": run.classes[0],
        "value": measure.number,
        "between": measure.span,
        "signed": measure.signed,
        "end": max((high for high in shown if high is not None), default=1.0) or 1.0,
        "same": same["test"]["mae"]["value"] if same and same["test"]["claim"] else None,
        **_figures(run, test),
    }


def _figures(run, test):
    entry = run.best["test"]
    if not entry["claim"]:
        return {"scatter": None, "bland_altman": None}
    truth, said, folder = test.truth[:, 0], test.score[:, 0], run.folder / "figures"
    name, colour = plain(run.classes[0]), figures.COLOUR[run.best["way"]]
    one = agreement.scatter(folder / "scatter.png", truth, said, entry, name, colour)
    two = agreement.bland_altman(folder / "bland_altman.png", truth, said, entry, run.measure, name, colour)
    return {"scatter": figures.inline(one), "bland_altman": figures.inline(two)}
