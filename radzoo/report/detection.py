"""Candidates as a detector: lesions found over false positives per scan."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from radzoo.report import words
from radzoo.report.figures import COLOUR, DASH, STYLE, inline, png


def detection(run) -> dict | None:
    """What the page says of lesions and scans; None where the images are no candidates."""
    told = run.best["test"].get("froc")
    if told is None:
        return None
    rows = [
        {"label": words.way(row), "best": row is run.best, "way": row["way"], "froc": row["test"]["froc"]}
        for row in run.metrics["rows"]
        if "froc" in row["test"]
    ]
    elsewhere = zip(run.metrics["external"], run.best.get("external") or [], strict=True)
    others = [
        {"label": f"{source['name']} ({entry['froc']['lesions']} lesions, {entry['froc']['scans']} scans)",
         "best": True, "froc": entry["froc"]}
        for source, entry in elsewhere if "froc" in entry and entry["claim"]
    ]  # fmt: skip
    rates = [entry["rate"] for entry in told["sensitivity"]]
    return {
        "told": told,
        "claim": run.best["test"]["claim"],
        "said": sentences(told)[0 if run.best["test"]["claim"] else 1 :],
        "rows": [*rows, *others],
        "rates": [str(Fraction(rate)) for rate in rates],
        "per_slice": [f"{rate * told['scans'] / told['planes']:.2g}" for rate in rates],
        "figure": inline(_froc(run.folder / "figures" / "froc.png", rows)) if run.best["test"]["claim"] else None,
        "unfound": [inline(file) for file in sorted((run.folder / "figures").glob("unfound_*.jpg"))],
    }


def sentences(told: dict) -> list[str]:
    """The answer in words; `told` as of `train.detection.froc`."""
    one = next(entry for entry in told["sensitivity"] if entry["rate"] == 1)
    lost = told["without_candidate"]
    missing = f" {lost} of them have no candidate, so that no threshold finds them." if lost else ""
    return [
        f"At one false positive per scan it finds {words.percent(one['value'])} of the lesions (95 % CI "
        f"{words.percent(one['low'])} to {words.percent(one['high'])}); CPM {words.number(told['cpm']['value'])} "
        f"({words.span(told['cpm'])}).",
        f"Tested were {told['lesions']} reference lesions in {told['scans']} scans ({told['planes']} slices) of "
        f"{words.plural(told['patients'], 'patient')}, with {told['candidates']} candidates.{missing}",
    ]


def _froc(path: Path, rows: list[dict]) -> Path:
    """All ways over a logarithmic axis of the rates; the chosen one with its intervals."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        axes = figure.subplots()
        for row in sorted(rows, key=lambda row: not row["best"]):
            curve, colour = row["froc"]["curve"], COLOUR[row["way"]]
            label = f"{row['label']} (CPM {words.number(row['froc']['cpm']['value'])})"
            axes.step(curve["false_positives"], curve["sensitivity"], where="post", color=colour, ls=DASH[row["way"]],
                      lw=2 if row["best"] else 1.2, label=label)  # fmt: skip
            if row["best"]:
                entries = [entry for entry in row["froc"]["sensitivity"] if entry["low"] is not None]
                value = np.array([entry["value"] for entry in entries])
                ends = np.array([(entry["low"], entry["high"]) for entry in entries]).reshape(-1, 2).T
                axes.errorbar([entry["rate"] for entry in entries], value, np.abs(ends - value), fmt="o", ms=4,
                              color=colour, lw=1, capsize=2)  # fmt: skip
                ceiling = 1 - row["froc"]["without_candidate"] / row["froc"]["lesions"]
                if ceiling < 1:
                    axes.axhline(ceiling, color="#8a9299", lw=0.8, ls=":")
        rates = [entry["rate"] for entry in rows[0]["froc"]["sensitivity"]]
        axes.set_xscale("log", base=2)
        axes.set(xlim=(rates[0] / 1.3, rates[-1] * 1.3), ylim=(0, 1.02), xlabel="false positives per scan",
                 ylabel="lesions found")  # fmt: skip
        axes.set_xticks(rates, [str(Fraction(rate)) for rate in rates])
        axes.legend(loc="best", fontsize=8)
        return png(figure, path)
