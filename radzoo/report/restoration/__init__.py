"""The report of a restoration run: how far the error fell, what was blurred or lost, and a slice by every way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from radzoo.report.restoration.terminal import table

__all__ = ["table", "write"]


def write(folder: str | os.PathLike, pictures: Callable[[int], tuple] | None = None) -> Path:
    """Makes `figures/` and `report.html` from the other files of a run folder.

    Args:
        folder: holds `recipe.json`, `environment.json`, `metrics.json`, `split.csv`, `history.csv` and `cases.csv`;
            `noise.csv`, `inserts.csv` and `tissues.csv` where they could be measured; where there is an `images.csv`,
            cases whose `burnt_in` is not empty are not shown.
        pictures: index row of a tested case -> `(wanted, ways, spacing_mm, labels)`: images `(h, w)` or `(z, y, x)` in
            the unit of `metrics.json`, `ways` from the name of a way to its image, the spacing in the order of the
            axes, and a label map of inserts or None. It is asked for three cases; None shows what an earlier call left
            in `figures/`.
    Returns:
        The path of the page. Only files that an earlier call made are replaced.
    Raises:
        BadInput: a file of the run is missing.
    """
    from radzoo.report.restoration import page  # pandas, matplotlib and jinja2: not before they are needed

    return page.write(Path(folder), pictures)
