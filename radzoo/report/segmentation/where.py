"""Where the wrong voxels lie: at the true border or far from it, too much or too little, low or high in the patient."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_dilation, find_objects

from radzoo.masks import IGNORE

PARTS = ("below", "lowest third", "middle third", "top third", "above")
FAR = ("one", "two", "more")  # steps from the true border


def tally(truth: np.ndarray, predicted: np.ndarray, classes: int, voxel: float) -> list[dict]:
    """What is wrong in one case, class by class.

    The distance of a wrong voxel is counted in steps over faces (edges of a pixel): a voxel too many that touches the
    true region, and one too few that touches its outside, are one step away. The edge of the image is no border.

    Args:
        truth, predicted: `(h, w)` or `(z, y, x)`, 0 to `classes`; where the truth is 255 nothing is counted.
        voxel: volume of one, the unit of what is returned.
    Returns:
        For each class from 1: `truth`, `right`; `too_much` and `too_little`, each `{"one", "two", "more", "other"}`:
        by steps, and how much of all of them lies between this class and another one; `parts` (volumes alone): for
        each of `PARTS` along z, where thirds are those of the true planes, `(right, too much, too little)`.
    """
    counted = truth != IGNORE
    return [_class(truth, predicted, counted, label, voxel) for label in range(1, classes + 1)]


def _class(truth, predicted, counted, label, voxel):
    box = _box((truth == label) | (predicted == label) & counted)
    truth, predicted, counted = truth[box], predicted[box], counted[box]
    is_, said = truth == label, (predicted == label) & counted
    much, little = said & ~is_, is_ & ~said
    outside = ~is_ & counted
    found = {"truth": is_.sum() * voxel, "right": (is_ & said).sum() * voxel}
    found["too_much"] = _steps(much, is_, truth, voxel)
    found["too_little"] = _steps(little, outside, predicted, voxel)
    if is_.ndim == 3:
        found["parts"] = _parts(is_, is_ & said, much, little, voxel)
    return found


def _box(mask) -> tuple[slice, ...]:
    """The box around a mask and two voxels more on each side, so that borders within two steps are inside."""
    found = find_objects(mask.astype(np.uint8))
    if not found:
        return (slice(0, 1),) * mask.ndim
    return tuple(slice(max(0, side.start - 2), side.stop + 2) for side in found[0])


def _steps(wrong, beyond, other, voxel):
    """How many steps the wrong voxels lie from the nearest voxel `beyond` the border."""
    one = wrong & binary_dilation(beyond)
    two = wrong & binary_dilation(beyond, iterations=2) & ~one
    counts = {"one": one.sum(), "two": two.sum(), "more": (wrong & ~one & ~two).sum()}
    return {name: float(count * voxel) for name, count in (counts | {"other": (wrong & (other > 0)).sum()}).items()}


def _parts(is_, right, much, little, voxel):
    planes = np.flatnonzero(is_.any((1, 2)))
    sums = [mask.sum((1, 2)) * voxel for mask in (right, much, little)]
    if not len(planes):
        return None
    first, last = planes[0], planes[-1]
    z = np.arange(len(is_))
    third = np.floor(3 * (z - first + 0.5) / (last - first + 1)).astype(int) + 1
    place = np.where(z < first, 0, np.where(z > last, 4, third))
    return [[float(each[place == part].sum()) for each in sums] for part in range(len(PARTS))]


def pooled(cases: list[list[dict]]) -> list[dict]:
    """The sums of several cases, class by class, as `tally`; `parts` is None where no case has them."""
    return [_sum([case[k] for case in cases]) for k in range(len(cases[0]))]


def _sum(found):
    total = {name: float(sum(one[name] for one in found)) for name in ("truth", "right")}
    for side in ("too_much", "too_little"):
        total[side] = {name: sum(one[side][name] for one in found) for name in (*FAR, "other")}
    parts = [one["parts"] for one in found if one.get("parts")]
    return total | {"parts": np.sum(parts, axis=0).tolist() if parts else None}


def shares(total: dict) -> dict:
    """What the table of one class shows: shares of the true volume, of the wrong volume, and Dice along z.

    Returns:
        `too_much`, `too_little`: of the true volume; `one`, `two`, `more`, `other`: of the wrong volume; `parts`: Dice
        of the thirds; `beyond`: of the wrong volume, below and above the true planes. None where nothing is divided.
    """
    sums = {side: sum(total[side][name] for name in FAR) for side in ("too_much", "too_little")}
    wrong = sum(sums.values())
    found = {side: _share(value, total["truth"]) for side, value in sums.items()}
    found |= {name: _share(sum(total[side][name] for side in sums), wrong) for name in (*FAR, "other")}
    if total["parts"] is None:
        return found | {"parts": None, "beyond": None}
    below, *thirds, above = total["parts"]
    dice = [_share(2 * right, 2 * right + much + little) for right, much, little in thirds]
    return found | {"parts": dice, "beyond": _share(below[1] + above[1], wrong)}


def _share(part, whole):
    return part / whole if whole else None
