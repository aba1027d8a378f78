"""Objects that are to be told apart, such as nuclei: from probabilities to objects, and how many are right.

An instance map is integer `(*spatial)`: 0 is background, every other number one object.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage, sparse

from radzoo.errors import BadInput
from radzoo.masks import components
from radzoo.metrics.areas import FEW
from radzoo.metrics.bootstrap import intervals
from radzoo.metrics.resampling import grouped

THRESHOLDS = np.arange(0.5, 1, 0.05).round(2)  # of the Data Science Bowl 2018


def instances_of(probability, *, threshold: float = 0.5, smallest: int = 0, waist: float | None = None) -> np.ndarray:
    """Objects of a probability map.

    Args:
        probability: `(*spatial)` of being inside any object.
        threshold: at least this much is inside.
        smallest: objects of fewer pixels are dropped.
        waist: cuts touching objects apart (watershed of the distance to the background), where that distance falls by
            at least so many pixels between two middles; 1 is a good start. None keeps connected components whole.
    Returns:
        int32 `(*spatial)`, 0, then 1..n.
    """
    inside = np.asarray(probability) >= threshold
    found = components(inside)
    if waist is not None:
        found = _cut(inside, found, waist)
    sizes = np.bincount(found.ravel())
    kept = sizes >= max(smallest, 1)
    kept[0] = False
    return (np.cumsum(kept) * kept).astype("int32")[found]


def _cut(inside, found, waist: float) -> np.ndarray:
    from skimage.morphology import h_maxima  # here, since scikit-image is slow to import
    from skimage.segmentation import watershed

    depth = ndimage.distance_transform_edt(inside)
    middles = ndimage.label(h_maxima(depth, waist), np.ones((3,) * depth.ndim))[0]
    parts = watershed(-depth, middles, mask=inside)
    return np.where(parts > 0, parts, (found + parts.max()) * inside)  # what is too flat for a middle stays whole


def matched(truth, predicted) -> tuple[np.ndarray, int, int]:
    """IoUs of the pairs of objects above one half, and the numbers of true and of predicted objects.

    Above one half an object overlaps one other at most, so that no assignment is needed.

    Args:
        truth, predicted: instance maps of one shape.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape:
        raise BadInput(f"truth {truth.shape} and prediction {predicted.shape} came, expected one shape")
    (ids, i), (others, j) = (np.unique(each, return_inverse=True) for each in (truth.ravel(), predicted.ravel()))
    joint = sparse.coo_array((np.ones(len(i)), (i, j)), shape=(len(ids), len(others))).tocsr().tocoo()
    true_sizes, predicted_sizes = np.bincount(i), np.bincount(j)
    iou = joint.data / (true_sizes[joint.row] + predicted_sizes[joint.col] - joint.data)
    objects = (ids[joint.row] != 0) & (others[joint.col] != 0)
    return iou[objects & (iou > 0.5)], int((ids != 0).sum()), int((others != 0).sum())


def evaluate_instances(pairs, patients, *, bootstrap: int = 2000, seed: int = 0) -> dict:
    """F1 at an IoU above .5, and the score of the Data Science Bowl 2018, with intervals over patients.

    Args:
        pairs: an iterable of `(truth, predicted)` instance maps, one pair per image.
        patients: `(images,)`.
    Returns:
        `f1` (objects of all images pooled, 2 TP / (2 TP + FP + FN)) and `ap` (TP / (TP + FP + FN) averaged over the
        thresholds .5, .55, ... .95, then over images; an image without any object has none) as `{"value", "low",
        "high"}`; `images patients claim truth predicted matched`, the last three numbers of objects.
    Raises:
        BadInput: no image, or not one patient for each.
    """
    rows = [matched(*pair) for pair in pairs]
    if not rows or len(rows) != len(patients):
        raise BadInput(f"{len(rows)} images and {len(patients)} patients came, expected at least one and as many")
    hits = np.array([len(iou) for iou, _, _ in rows], float)
    objects = np.array([[true, called] for _, true, called in rows], float)
    precision = np.array([_average(*row) for row in rows])
    known, people = ~np.isnan(precision), grouped(patients)

    def statistics(weights):
        weights = np.asarray(weights, float)
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "f1": 2 * (weights @ hits) / (weights @ objects.sum(1)),
                "ap": weights @ np.nan_to_num(precision) / (weights @ known),
            }

    return intervals(statistics, people, bootstrap, seed) | {
        "images": len(rows), "patients": people.count, "claim": people.count >= FEW,
        "truth": int(objects[:, 0].sum()), "predicted": int(objects[:, 1].sum()), "matched": int(hits.sum()),
    }  # fmt: skip


def _average(iou, true: int, called: int) -> float:
    if not true + called:
        return np.nan
    hits = (iou[:, None] > THRESHOLDS).sum(0)
    return float((hits / (true + called - hits)).mean())
