"""ROC, reliability and learning curves. Made without pyplot, so no global state of the caller changes."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from radzoo import metrics
from radzoo.report.figures import COLOUR, DASH, STYLE, png

MARKER = ("", "o", "s", "^", "D", "v")


def roc(path: Path, curves: list[dict], patients: np.ndarray, classes: list[str], points: list | None) -> Path:
    """ROC curves, one panel per class; the first of `curves` gets the band.

    Args:
        curves: `{"label", "way", "model", "truth", "score"}` with `(n, k)` arrays; one colour per way, one marker per
            number of the model.
        patients: `(n,)`.
        classes: k titles.
        points: for each class the operating point `(1 - specificity, sensitivity)` of the first curve, or None.
    """
    columns = min(len(classes), 3 if len(classes) <= 6 else 4)
    rows = math.ceil(len(classes) / columns)
    side = 4.6 if len(classes) == 1 else 2.9 if columns <= 3 else 2.4
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(side * columns, side * rows + 0.35), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for k, panel in enumerate(axes.flat):
            if k >= len(classes):
                panel.set_axis_off()
                continue
            _roc_panel(panel, [c | {"truth": c["truth"][:, k], "score": c["score"][:, k]} for c in curves], patients)
            panel.set_title(classes[k] if len(classes) > 1 else "")
            if points and points[k]:
                panel.plot(*points[k], "o", ms=6, mfc="white", mec=COLOUR[curves[0]["way"]], mew=1.8, zorder=5)
        names = "1 \N{MINUS SIGN} specificity (false alarms)", "sensitivity"
        if len(classes) == 1:
            axes.flat[0].set(xlabel=names[0], ylabel=names[1])
        else:
            figure.supxlabel(names[0], fontsize=9, color="#333b42")
            figure.supylabel(names[1], fontsize=9, color="#333b42")
        handles, labels = axes.flat[0].get_legend_handles_labels()
        if len(classes) == 1:
            axes.flat[0].legend(handles, labels, loc="lower right", fontsize=8, frameon=True, edgecolor="none")
        else:
            figure.legend(handles, labels, loc="outside upper left", ncols=3, fontsize=8)
        return png(figure, path)


def _roc_panel(panel, curves, patients):
    panel.plot([0, 1], [0, 1], color="#c9ced2", lw=0.8)
    for number, curve in enumerate(curves):
        grid, line, low, high = metrics.roc_band(
            curve["truth"], curve["score"], patients, bootstrap=500 if number == 0 else 0
        )
        colour, dash = COLOUR[curve["way"]], DASH[curve["way"]]
        if number == 0:
            panel.fill_between(grid, low, high, color=colour, alpha=0.16, lw=0)
        style = {"color": colour, "ls": dash, "lw": 2 if number == 0 else 1.2, "label": curve["label"], "zorder": 3}
        marker = {"marker": MARKER[curve["model"] % len(MARKER)], "ms": 4, "markevery": 25}
        panel.plot([0, *grid], [0, *line], **style, **marker)
    if np.isnan(line).all():
        panel.text(0.5, 0.5, "one class only", ha="center", color="#5b6770")
    panel.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    panel.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    panel.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])


def reliability(path: Path, bins: list[dict], finding: str, colour: str) -> Path:
    """The share that has the finding over the probability that the network gives, with Wilson bars.

    Args:
        bins: `{"predicted", "observed", "low", "high", "count"}`, as `metrics.evaluate` returns them.
        finding: name of what is looked for.
        colour: of the way.
    """
    x, y, low, high = (np.array([one[name] for one in bins]) for name in ("predicted", "observed", "low", "high"))
    end = min(1.0, math.ceil(10 * max(x.max(), high.max()) + 0.2) / 10)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.8, 4.6), layout="constrained")
        panel = figure.subplots()
        panel.plot([0, end], [0, end], color="#b4bbc0", lw=1.2, label="perfect")
        bars = [np.maximum(y - low, 0), np.maximum(high - y, 0)]
        panel.errorbar(x, y, bars, fmt="o", color=colour, ms=5, elinewidth=1.6, capsize=2.5, label="tested")
        last = -1.0
        for one in bins:  # the count of a bin, where it does not run into that of the last
            if one["predicted"] - last > 0.085 * end:
                last = one["predicted"]
                place = (one["predicted"], min(one["high"], end))
                panel.annotate(f"{one['count']}", place, (0, 3), textcoords="offset points", ha="center", fontsize=8)
        names = "probability that the network gives", f"share with {finding}"
        panel.set(xlim=(-0.02 * end, 1.02 * end), ylim=(-0.02 * end, 1.06 * end), aspect="equal")
        panel.set(xlabel=names[0], ylabel=names[1])
        panel.legend(loc="upper left", fontsize=9)
        return png(figure, path)


def learning(path: Path, runs: list[dict], measure: str = "AUC") -> Path:
    """Loss and score over epochs, one row per way: thin lines for folds, a thick one for the model in use.

    Args:
        runs: `{"label", "way", "trainings"}`, the last `{fold: rows of history.csv}` where fold is empty, 1..k, final.
        measure: the name of the score, `metrics.score_name`.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.2, 2.1 * len(runs) + 0.2), layout="constrained")
        axes = figure.subplots(len(runs), 2, squeeze=False)
        for (loss, area), run in zip(axes, runs, strict=True):
            if measure != "PSNR":  # decibels have no end
                lowest = min(epochs["val_score"].min() for epochs in run["trainings"].values())
                chance = 0.5 if measure == "AUC" else 0.0
                area.set(ylim=(np.nanmin([chance - 0.05, lowest]), 1.01))
                area.axhline(chance, color="#c9ced2", lw=0.8, zorder=0)
            loss.set_title(f"{run['label']}: loss")
            area.set_title(f"{measure} on validation")
            for fold, epochs in run["trainings"].items():
                _training(loss, area, fold, epochs, COLOUR[run["way"]])
            _legend(loss)
            longest = max(map(len, run["trainings"].values()))
            for panel in (loss, area):
                panel.set_xlim(0.5, max(longest, 2) + 0.5)
                panel.xaxis.get_major_locator().set_params(integer=True)
                if list(run["trainings"]) == [""]:
                    _phases(panel, run["trainings"][""]["phase"].to_numpy())
        for panel in axes[-1]:
            panel.set_xlabel("epoch")
        return png(figure, path)


def _training(loss, area, fold, epochs, colour):
    """The lines of one training."""
    steps, thin = np.arange(1, len(epochs) + 1), fold not in ("", "final")
    marker = {} if thin else {"marker": "o", "ms": 2.5}
    style = marker | {"lw": 0.7 if thin else 1.8, "alpha": 0.7 if thin else 1}
    name = "" if fold == "" else ", folds" if thin else ", final model"
    loss.plot(steps, epochs["loss"], color="#7b848b", ls="--", label=f"training{name}", **style)
    loss.plot(steps, epochs["val_loss"], color=colour, label=f"validation{name}", **style)
    area.plot(steps, epochs["val_score"], color=colour, **style)


def _legend(panel):
    """One entry per name: five folds are one kind of line."""
    lines = dict(zip(*panel.get_legend_handles_labels()[::-1], strict=True))
    panel.legend(lines.values(), lines.keys(), fontsize=7.5, loc="upper right", ncols=1 + (len(lines) > 2))


def _phases(panel, phases):
    """A dotted line where a phase begins, and its name above the axis' foot."""
    starts = [i for i in range(len(phases)) if i == 0 or phases[i] != phases[i - 1]]
    if len(starts) < 2:
        return
    for start in starts:
        panel.axvline(start + 0.5, color="#8a9299", lw=0.8, ls=":")
        panel.annotate(
            f"phase {phases[start]}", (start + 0.5, 0.03), (3, 0), xycoords=("data", "axes fraction"),
            textcoords="offset points", fontsize=7, color="#5b6770",
        )  # fmt: skip
