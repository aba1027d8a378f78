"""One pass over the tested cases: where their errors lie, and the contours of those that the page shows."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
from tqdm import tqdm

from radzoo.errors import BadInput
from radzoo.report import figures
from radzoo.report.segmentation import contours, where
from radzoo.report.segmentation.reading import cases_of, overlap

SEEN = "looked.json"  # in `figures/`: what an earlier pass found
MM3 = 1000  # in a millilitre


def look(run, pictures) -> SimpleNamespace | None:
    """Asks for every tested case once, or reads what an earlier pass left; None where there is neither.

    Returns:
        `errors`: `where.pooled` of all cases; `shown`: `{title: {"row", "dice", "drawn": [{"file", "alt", "plane"}]}}`
        for the best, the median and the worst case; `volumes`: whether the cases are volumes.
    Raises:
        BadInput: a case whose maps have different shapes.
    """
    path = run.folder / "figures" / SEEN
    if not path.is_file() and pictures is not None:
        figures.save(path, json.dumps(_pass(run, pictures)).encode())
    return SimpleNamespace(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def chosen(run) -> dict[str, int]:
    """`{title: index row}` of the best, the median and the worst case that may be shown, by the mean Dice."""
    ranked = overlap(cases_of(run, run.best))
    rows = [int(row) for row in ranked.index if row not in run.hidden]
    places = {"Best case": len(rows) - 1, "Median case": (len(rows) - 1) // 2, "Worst case": 0}
    found = {}
    for title, place in places.items():
        if rows and rows[place] not in found.values():
            found[title] = rows[place]
    return found


def _pass(run, pictures) -> dict:
    table = cases_of(run, run.best)
    dice, titles = overlap(table), {row: title for title, row in chosen(run).items()}
    tallies, shown, volumes = [], {}, False
    for row in tqdm(sorted(table["row"].unique()), desc="report", unit="case", leave=False):
        image, truth, predicted, spacing = _checked(row, *pictures(int(row)))
        volumes = truth.ndim == 3
        voxel = float(np.prod(spacing)) / (MM3 if volumes and run.unit == "mm" else 1)
        tallies.append(where.tally(truth, predicted, len(run.classes), voxel))
        if row in titles:
            drawn = contours.draw(run.folder / "figures", row, image, truth, predicted, spacing)
            shown[titles[row]] = {"row": int(row), "dice": float(dice[row]), "drawn": drawn}
    return {"errors": where.pooled(tallies), "shown": shown, "volumes": volumes}


def _checked(row, image, truth, predicted, spacing):
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape or np.shape(image)[: truth.ndim] != truth.shape:
        raise BadInput(
            f"index row {row}: image {np.shape(image)}, truth {truth.shape} and prediction {predicted.shape} came, "
            "expected one shape"
        )
    return image, truth, predicted, spacing
