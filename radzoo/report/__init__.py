"""The report of a run: figures, and one HTML page that needs nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from radzoo.report.terminal import table

__all__ = ["table", "write"]


def write(folder: str | os.PathLike, pictures: Callable[[int], np.ndarray] | None = None) -> Path:
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

    return page.write(Path(folder), pictures)
