"""The Dice of every case as a dot, class by class and way by way. A mean hides the cases that failed; dots do not."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from radzoo.report.figures import STYLE, png

CROWD = 150  # cases from which dots become small and pale
WIDTH = 0.7  # of the room of one column that dots fill


def draw(path: Path, columns: list[dict]) -> Path:
    """Groups of columns side by side: a group is a class, a column within it a way.

    Args:
        columns: `{"class", "way", "colour", "dice", "failed"}`: the name of the class and of the way, the Dice of the
            cases `(n,)`, and whether the class was missed or invented there `(n,)`. Columns of one class follow each
            other.
    """
    names = list(dict.fromkeys(column["class"] for column in columns))
    places = [i + names.index(column["class"]) for i, column in enumerate(columns)]  # a gap between classes
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(min(9, 1.6 + 0.75 * (places[-1] + 1)), 3.6), layout="constrained")
        panel = figure.subplots()
        labelled = set()
        for place, column in zip(places, columns, strict=True):
            label = column["way"] if column["way"] not in labelled else None
            labelled.add(column["way"])
            _column(panel, place, column, label)
        for name in names:
            own = [place for place, column in zip(places, columns, strict=True) if column["class"] == name]
            panel.annotate(name, (np.mean(own), -0.05), (0, 0), xycoords=("data", "axes fraction"), va="top",
                           textcoords="offset points", ha="center", fontsize=9)  # fmt: skip
        panel.set(ylim=(-0.02, 1.02), xlim=(-0.7, places[-1] + 0.7), ylabel="Dice of a case")
        panel.set_xticks([])
        panel.grid(axis="y", color="#eceff1", lw=0.8)
        panel.set_axisbelow(True)
        figure.legend(loc="outside upper left", ncols=3, fontsize=8)
        return png(figure, path)


def _column(panel, place, column, label):
    dice, failed = np.asarray(column["dice"], float), np.asarray(column["failed"], bool)
    x = place + WIDTH * _spread(dice)
    crowd = len(dice) > CROWD
    style = {"ls": "", "marker": "o", "ms": 2.5 if crowd else 3.8, "color": column["colour"]}
    panel.plot(x[~failed], dice[~failed], alpha=0.4 if crowd else 0.6, mec="none", label=label, **style)
    panel.plot(x[failed], dice[failed], mfc="white", **style)
    panel.plot([place - 0.36, place + 0.36], [np.median(dice)] * 2, color="#1f262c", lw=1.6)


def _spread(values) -> np.ndarray:
    """Places in -.5 to .5: dots of much the same height lie beside each other, the same ones in every drawing."""
    found = np.zeros(len(values))
    bins = np.round(values * 50)
    most = max(np.unique(bins, return_counts=True)[1], default=1)
    for each in np.unique(bins):
        here = np.flatnonzero(bins == each)
        found[here] = (np.arange(len(here)) - (len(here) - 1) / 2) / max(most, 8)
    return found
