"""How well membranes part cells: Rand scores, warping error, pixel error, of 2-D images.

Maps are boolean `(h, w)`, True inside a cell, False on membranes. Cells are connected by faces, membranes by corners
too.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from scipy import ndimage, sparse

from radzoo.errors import BadInput
from radzoo.masks import components


def membrane_scores(truth, predicted) -> dict[str, float]:
    """`rand` (the F-score) `rand_split rand_merge rand_error warping_error pixel_error` of one image.

    Args:
        truth, predicted: boolean `(h, w)`, True inside a cell.
    Raises:
        BadInput: other or different shapes, or no cell in the truth.
    """
    truth, predicted = np.asarray(truth, bool), np.asarray(predicted, bool)
    if truth.ndim != 2 or truth.shape != predicted.shape:
        raise BadInput(f"truth {truth.shape} and prediction {predicted.shape} came, expected two equal (h, w)")
    if not truth.any():
        raise BadInput("membranes everywhere came as truth, expected cells too: leave this image out")
    found, split, merge = rand_scores(components(truth), thinned(components(predicted)))
    return {
        "rand": found,
        "rand_split": split,
        "rand_merge": merge,
        "rand_error": rand_error(components(truth), components(predicted)),
        "warping_error": warping_error(truth, predicted),
        "pixel_error": float((truth != predicted).mean()),
    }


def thinned(segments) -> np.ndarray:
    """Segments `(h, w)` grown to where they meet: borders have no width left, so that their width cannot cost.

    A map without any segment stays one of 0, as if all cells were one.
    """
    nearest = ndimage.distance_transform_edt(segments == 0, return_distances=False, return_indices=True)
    return segments[tuple(nearest)] if segments.any() else segments


def rand_scores(truth, predicted) -> tuple[float, float, float]:
    """The foreground-restricted Rand F-score, its split and merge score; 1 is best.

    With p_ij the share of pixels in predicted segment i and true segment j, of the pixels inside true cells, split is
    sum p_ij^2 / sum_j t_j^2, merge sum p_ij^2 / sum_i s_i^2, and F their harmonic mean (Arganda-Carreras et al.,
    Crowdsourcing the creation of image segmentation algorithms for connectomics, Frontiers in Neuroanatomy 2015). The
    challenge thins predicted borders to one pixel first; `thinned` leaves them none.

    Args:
        truth, predicted: integer `(h, w)`; pixels whose truth is 0 do not count.
    """
    inside = truth != 0
    pairs, predicted_sizes, true_sizes = _squares(predicted[inside], truth[inside])
    return 2 * pairs / (predicted_sizes + true_sizes), pairs / true_sizes, pairs / predicted_sizes


def rand_error(truth, predicted) -> float:
    """The share of pairs of pixels that only one of two maps puts into one segment (Rand, JASA 1971).

    Over all pixels of `(h, w)`, those of the borders (0) as one more segment; 1 minus the Rand index, 0 is best.
    """
    both, one, other = _squares(truth.ravel(), predicted.ravel())
    return float((one + other - 2 * both) / (truth.size * (truth.size - 1.0)))


def warping_error(truth, predicted) -> float:
    """The share of pixels that still differ after the truth was bent to the prediction without tearing or joining it.

    Pixels are flipped towards the prediction as long as one is simple, that is, as long as flipping it changes no
    connection (Jain et al., Boundary Learning by Optimization with Topological Constraints, CVPR 2010). The least over
    all orders of flips is not known: what one order reaches is an upper bound of it. Beyond the image is membrane. A
    shifted or wider border costs nothing, a gap or a wrong wall does.

    Args:
        truth, predicted: boolean `(h, w)`, True inside a cell.
    """
    bent, goal = np.pad(truth, 1).tolist(), np.pad(predicted, 1).tolist()
    waiting = deque(map(tuple, np.argwhere(np.pad(truth != predicted, 1)).tolist()))
    while waiting:
        y, x = waiting.popleft()
        if bent[y][x] == goal[y][x]:
            continue
        around = [(y + dy, x + dx) for dy, dx in RING]
        if SIMPLE[sum(bent[v][u] << bit for bit, (v, u) in enumerate(around))]:
            bent[y][x] = goal[y][x]
            waiting.extend((v, u) for v, u in around if bent[v][u] != goal[v][u])
    return float((np.array(bent) != np.array(goal)).sum() / truth.size)


def _squares(one, two) -> tuple[float, float, float]:
    """Sums of squared counts: of pairs of segments, of those of `one`, and of those of `two`; both `(n,)`."""
    (_, i), (_, j) = (np.unique(each, return_inverse=True) for each in (one, two))
    joint = sparse.coo_array((np.ones(len(i)), (i, j))).tocsr()
    return tuple(float((np.asarray(counts) ** 2).sum()) for counts in (joint.data, joint.sum(1), joint.sum(0)))


RING = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]  # neighbours, clockwise


def _simple_pixels() -> list[bool]:
    """For each of the 256 neighbourhoods, whether flipping the middle changes no connection.

    It does not where the neighbourhood holds one part of cell with a face on the middle, and one part of membrane (Kong
    & Rosenfeld, Digital topology, CVGIP 1989).
    """
    simple = []
    for code in range(256):
        cell = np.zeros((3, 3), bool)
        for bit, (dy, dx) in enumerate(RING):
            cell[1 + dy, 1 + dx] = code >> bit & 1
        wall = ~cell
        wall[1, 1] = False
        parts = ndimage.label(cell)[0]
        facing = {int(parts[place]) for place in ((0, 1), (1, 0), (1, 2), (2, 1))} - {0}
        simple.append(len(facing) == 1 and ndimage.label(wall, np.ones((3, 3)))[1] == 1)
    return simple


SIMPLE = _simple_pixels()
