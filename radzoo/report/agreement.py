"""Predicted against true numbers as figures: a scatter, and the plot of Bland and Altman."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from radzoo.report.figures import STYLE, png
from radzoo.report.measure import Measure

GREY, DARK = "#b4bbc0", "#333b42"
CROWD = 400  # units from which points become small and pale


def scatter(path: Path, truth: np.ndarray, prediction: np.ndarray, entry: dict, name: str, colour: str) -> Path:
    """The prediction over the truth: the diagonal is right, the dotted line is what an image says on average.

    Args:
        truth, prediction: `(n,)`.
        entry: of `metrics.evaluate_regression`.
        name: of the label.
    """
    ends = np.array([min(truth.min(), prediction.min()), max(truth.max(), prediction.max())])
    ends += np.array([-0.04, 0.04]) * (np.ptp(ends) or 1)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 4.6), layout="constrained")
        panel = figure.subplots()
        panel.plot(ends, ends, color=GREY, lw=1.2, label="right", zorder=1)
        panel.plot(truth, prediction, **_points(len(truth), colour))
        slope, intercept = entry["calibration_slope"]["value"], entry["calibration_intercept"]["value"]
        if slope is not None and intercept is not None:
            across = np.array([prediction.min(), prediction.max()])
            panel.plot(intercept + slope * across, across, color=DARK, lw=1.2, ls=":", label="mean truth", zorder=3)
        panel.set(xlim=ends, ylim=ends, aspect="equal", xlabel=f"true {name}", ylabel=f"predicted {name}")
        panel.legend(loc="upper left", fontsize=8)
        return png(figure, path)


def bland_altman(
    path: Path, truth: np.ndarray, prediction: np.ndarray, entry: dict, measure: Measure, name: str, colour: str
) -> Path:
    """Prediction minus truth over the mean of both, with bias and limits of agreement and their intervals.

    Bland & Altman, Lancet 1986. Over the mean of both, for over the truth alone a slope is there even without a fault.
    """
    middle, error = (truth + prediction) / 2, prediction - truth
    lines = {"agreement_high": "upper limit", "bias": "bias", "agreement_low": "lower limit"}
    shown = [entry[key] for key in lines]
    reach = max(np.abs(error).max(), *(abs(one[end] or 0) for one in shown for end in ("low", "high", "value")))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 4.6), layout="constrained")
        panel = figure.subplots()
        panel.axhline(0, color=GREY, lw=1.2, zorder=1)
        for key, text in lines.items():
            one = entry[key]
            if one["value"] is None:
                continue
            if one["low"] is not None:
                panel.axhspan(one["low"], one["high"], color=DARK, alpha=0.1, lw=0, zorder=0)
            panel.axhline(one["value"], color=DARK, lw=1.1, ls="-" if key == "bias" else "--", zorder=3)
            at, away = (1, one["value"]), (4, 0)
            panel.annotate(
                f"{text}\n{measure.signed(one['value'])}", at, away, xycoords=("axes fraction", "data"),
                textcoords="offset points", fontsize=8, va="center", color=DARK,
            )  # fmt: skip
        panel.plot(middle, error, **_points(len(truth), colour))
        panel.set(ylim=(-1.08 * reach, 1.08 * reach), xlabel=f"mean of true and predicted {name}")
        panel.set(ylabel="prediction minus truth")
        return png(figure, path)


def _points(count, colour):
    crowd = count > CROWD
    return {"marker": "o", "ls": "", "ms": 2.5 if crowd else 4, "mec": "none", "color": colour,
            "alpha": 0.35 if crowd else 0.6, "zorder": 2}  # fmt: skip
