"""One case of a segmentation, class by class: overlap, volume and distance between surfaces.

Status of a class in a case: `measured`; `missed` (true, but not predicted) and `invented` (predicted, but not true),
both with a Dice of 0 and without distances; `both_empty`, of which nothing is defined.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from radzoo.errors import BadInput
from radzoo.masks import IGNORE, checked_labels
from radzoo.metrics.surfaces import surface_measures


def measure_case(truth, predicted, classes, *, spacing_mm, case, patient) -> list[dict]:
    """One row per class.

    Args:
        truth, predicted: label maps `(*spatial)`; where the truth is 255 nothing counts, as if the image had a hole.
        classes: names of the labels 1, 2, ...
        spacing_mm: `(y, x)` or `(z, y, x)`; None where it is not known: distances are in pixels then.
        case, patient: as they go into the rows.
    Returns:
        Rows of `case patient class dice iou voe rvd truth_ml predicted_ml error_ml asd rmsd msd hd95 unit status`. VOE
        is 1 - IoU; RVD and `error_ml` have a sign, above 0 where too much is predicted. Volumes are of 3-D cases with a
        spacing, NaN for others; the unit of the distances is `mm` or `px`.
    Raises:
        BadInput: shapes or a spacing that do not fit, labels that are no class.
    """
    truth, predicted = checked_labels(truth, len(classes) + 1), checked_labels(predicted, len(classes) + 1)
    if truth.shape != predicted.shape:
        raise BadInput(f"case {case}: truth {truth.shape} and prediction {predicted.shape} came, expected one shape")
    spacing = (1.0,) * truth.ndim if spacing_mm is None else tuple(map(float, spacing_mm))
    if len(spacing) != truth.ndim or not all(0 < step < np.inf for step in spacing):
        raise BadInput(f"case {case}: spacing {spacing} came, expected {truth.ndim} numbers above 0, one per axis")
    voxel_ml = np.prod(spacing) / 1000 if spacing_mm is not None and truth.ndim == 3 else np.nan
    known = truth != IGNORE
    rows = []
    for label, name in enumerate(classes, start=1):
        true, called = truth == label, (predicted == label) & known
        row = {"case": case, "patient": patient, "class": name}
        row |= _overlap(int(true.sum()), int(called.sum()), int((true & called).sum()), voxel_ml)
        row |= surface_measures(true, called, spacing)
        status = {(True, True): "measured", (True, False): "missed", (False, True): "invented"}
        rows.append(row | {
            "unit": "px" if spacing_mm is None else "mm",
            "status": status.get((bool(true.any()), bool(called.any())), "both_empty"),
        })  # fmt: skip
    return rows


def measure_readers(readers: dict, classes, *, spacing_mm, case, patient) -> list[dict]:
    """Readers of one case against each other, in pairs: how well a network could agree with one of them.

    Args:
        readers: name -> label map.
        classes, spacing_mm, case, patient: as `measure_case`.
    Returns:
        Rows as `measure_case`; the case of a pair is `case: one and another`, whose truth is the one.
    """
    return [
        row
        for one, other in combinations(readers, 2)
        for row in measure_case(
            readers[one], readers[other], classes, spacing_mm=spacing_mm, case=f"{case}: {one} and {other}",
            patient=patient,
        )
    ]  # fmt: skip


def _overlap(true: int, called: int, both: int, voxel_ml: float) -> dict[str, float]:
    """From counts of voxels."""
    either = true + called - both
    iou = both / either if either else np.nan
    return {
        "dice": 2 * both / (true + called) if either else np.nan,
        "iou": iou,
        "voe": 1 - iou,
        "rvd": (called - true) / true if true else np.nan,
        "truth_ml": true * voxel_ml,
        "predicted_ml": called * voxel_ml,
        "error_ml": (called - true) * voxel_ml,
    }
