"""The report of a run: figures, and one HTML page that needs nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from radzoo.report.looking import Explained, explained
from radzoo.report.terminal import table as answers_table

__all__ = ["Explained", "compare", "explained", "table", "write"]


def write(
    folder: str | os.PathLike,
    pictures: Callable[[int], np.ndarray] | None = None,
    explained: Explained | None = None,
) -> Path:
    """Makes `figures/` and `report.html` from the other files of a run folder.

    Args:
        folder: holds `recipe.json`, `environment.json`, `metrics.json`, `split.csv`, `history.csv`, `predictions.csv`
            and `images.csv`.
        pictures: index row -> the network's view of that image, `(h, w)` or `(h, w, 3)` in 0..1. It is asked only for
            what an earlier call did not leave in `figures/`; None shows what is there.
    Returns:
        The path of the page. Only files that an earlier call made are replaced.
    Raises:
        BadInput: a file of the run is missing.
    """
    from radzoo.report import page  # pandas, matplotlib and jinja2: not before they are needed

    return page.write(Path(folder), pictures, explained)


def table(metrics: dict) -> str:
    """The results of a run as plain text for a terminal; the way that was chosen on validation is starred.

    Args:
        metrics: the content of `metrics.json`.
    """
    if metrics["task"] == "segmentation":
        from radzoo.report import segmentation

        return segmentation.table(metrics)
    if metrics["task"] == "restoration":
        from radzoo.report import restoration

        return restoration.table(metrics)
    return answers_table(metrics)


def compare(runs, *, names=None, all_ways: bool = False, out: str | os.PathLike | None = None):
    """Finished runs on the same tested units: every pair, paired, and Holm-corrected for the number of pairs.

    Units are matched by the pixels of their images. p and interval are DeLong's for one class and patients that appear
    once, else those of a bootstrap over patients; of a regression the mean absolute errors are compared by a paired t
    over patients. Beside it stands a plain bootstrap over patients, the same resamples for all.

    Args:
        runs: folders of finished runs, at least two.
        names: what the reader calls them; None takes the names of the folders.
        all_ways: every way of each run, instead of the one that it chose on validation.
        out: the page to write, which must not exist; None writes none.
    Returns:
        `comparing.Comparison`; `str()` of it is a table for a terminal.
    Raises:
        BadInput: no finished runs; another task, classes, unit, test units, labels or patients; `out` exists.
    """
    from radzoo.report import compared, comparing

    out = None if out is None else Path(out)
    if out is not None:
        compared.check_new(out)
    found = comparing.compare(runs, names=names, all_ways=all_ways)
    if out is not None:
        compared.write(out, found)
    return found
