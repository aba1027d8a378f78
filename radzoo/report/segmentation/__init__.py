"""The report of a segmentation run: what was outlined how well, and where the outlines go wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from radzoo.report.segmentation.terminal import table

__all__ = ["table", "write"]


def write(folder: str | os.PathLike, pictures: Callable[[int], tuple] | None = None) -> Path:
    """Makes `figures/` and `report.html` from the other files of a run folder.

    Args:
        folder: holds `recipe.json`, `environment.json`, `metrics.json`, `split.csv`, `history.csv` and `cases.csv`;
            where there is an `images.csv`, cases whose `burnt_in` is not empty are not shown.
        pictures: index row -> `(image, truth, predicted, spacing)`: the image `(h, w)`, `(h, w, 3)` or `(z, y, x)` in
            0..1, both label maps `(h, w)` or `(z, y, x)`, the prediction being that of the chosen way when the case was
            tested, and the spacing of the axes in `unit` of `metrics.json`. Every tested case is asked for once, one
            after the other, unless an earlier call left all in `figures/`; None shows what is there.
    Returns:
        The path of the page. Only files that an earlier call made are replaced.
    Raises:
        BadInput: a file of the run is missing, or a case has maps of different shapes.
    """
    from radzoo.report.segmentation import page  # pandas, matplotlib and jinja2: not before they are needed

    return page.write(Path(folder), pictures)
