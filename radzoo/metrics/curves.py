"""ROC and precision-recall: a score is sorted once, then any number of resamples costs two cumulative sums."""

from __future__ import annotations

import numpy as np

from radzoo.metrics.intervals import wilson
from radzoo.metrics.resampling import BLOCK, grouped, resamples


class Ranking:
    """One score against one truth, highest first; units of equal score are counted together.

    Args:
        truth: `(n,)` 0 or 1.
        score: `(n,)`, larger is more positive.
    """

    def __init__(self, truth, score):
        truth, score = np.asarray(truth), np.asarray(score, float)
        self.order = np.argsort(-score, kind="stable")
        ranked, self.positive = score[self.order], np.flatnonzero(truth[self.order] == 1)
        self.starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]][: len(ranked)])
        self.ends = np.r_[self.starts[1:], len(ranked)]  # of each distinct score
        of = np.searchsorted(self.starts, self.positive, side="right") - 1  # the distinct score of each positive
        last = np.r_[of[1:] != of[:-1], True][: len(of)]
        self.last, self.hit = np.flatnonzero(last), of[last]

    def areas(self, weights) -> np.ndarray:
        """AUC and average precision, `(2, rows)`, of `(rows, n)` weights; NaN where one class weighs nothing."""
        if not len(self.positive):
            return np.full((2, len(weights)), np.nan)
        ranked = np.asarray(weights)[:, self.order].astype(float)
        all_ = np.zeros((len(ranked), ranked.shape[1] + 1))
        np.cumsum(ranked, axis=1, out=all_[:, 1:])
        positive = ranked[:, self.positive].cumsum(1)[:, self.last]  # at or above each distinct score of a positive
        here = np.diff(positive, axis=1, prepend=0)
        at, above = all_[:, self.ends[self.hit]], all_[:, self.starts[self.hit]]
        positives = positive[:, -1]
        negatives = all_[:, -1] - positives
        beaten = negatives[:, None] - (at - positive + above - positive + here) / 2  # a tie is half a victory
        with np.errstate(invalid="ignore", divide="ignore"):
            area = (here * beaten).sum(1) / (positives * negatives)
            precision = (here * positive / np.maximum(at, 1e-300)).sum(1) / positives
        return np.stack([area, np.where(negatives > 0, precision, np.nan)])

    def resampled(self, blocks) -> np.ndarray:
        """`areas` over all blocks, `(2, resamples)`."""
        return np.concatenate([np.zeros((2, 0)), *(self.areas(block) for block in blocks)], axis=1)

    def curve(self, weights, grid) -> np.ndarray:
        """The true positive rate at each false positive rate of `grid`, `(rows, len(grid))`; NaN without one class."""
        ranked = np.asarray(weights)[:, self.order].astype(float)
        positive = np.zeros_like(ranked)
        positive[:, self.positive] = ranked[:, self.positive]
        sides = [np.pad(side.cumsum(1)[:, self.ends - 1], ((0, 0), (1, 0))) for side in (positive, ranked - positive)]
        with np.errstate(invalid="ignore"):
            hit, false = (side / side[:, -1:] for side in sides)
        bad = np.isnan(hit[:, 0]) | np.isnan(false[:, 0])
        rows = [grid * np.nan if b else np.interp(grid, f, h) for b, f, h in zip(bad, false, hit, strict=True)]
        return np.reshape(rows, (-1, len(grid)))


def auc(truth, score, weights=None):
    """Area under the ROC curve as the rank statistic: P(score of a positive > of a negative), ties count 1/2.

    Args:
        truth: `(n,)` 0 or 1.
        score: `(n,)`, larger is more positive.
        weights: None, `(n,)`, or `(resamples, n)`.
    Returns:
        A float, or `(resamples,)`; NaN where one class is missing. Equals `sklearn.metrics.roc_auc_score`.
    """
    return _weighted(0, truth, score, weights)


def average_precision(truth, score, weights=None):
    """Mean precision over the steps of recall, as in scikit-learn, but NaN where one class is missing; as `auc`."""
    return _weighted(1, truth, score, weights)


def _weighted(which, truth, score, weights):
    rows = np.ones((1, len(truth))) if weights is None else np.atleast_2d(weights)
    blocks = np.array_split(rows, max(1, -(-rows.size // BLOCK)))
    values = Ranking(truth, score).resampled(blocks)[which]
    return values if weights is not None and np.ndim(weights) == 2 else float(values[0])


def roc_band(truth, score, patients, bootstrap: int = 500, seed: int = 0):
    """The ROC curve with a pointwise 95 % band.

    At each false positive rate the band is Wilson's interval with the number of positives that would explain the
    variance over resampled patients (after Zhou & Qin, Statistics in Medicine 2005, who showed that the plain bootstrap
    covers too little where sensitivity nears 1, and add two successes and two failures as Agresti & Coull 1998 do).

    Args:
        bootstrap: number of resamples; 0 gives the curve alone, its band is NaN.
    Returns:
        `(fpr, tpr, low, high)`, each `(201,)`, over a grid of false positive rates; NaN without one class.
    """
    grid, people, ranking = np.linspace(0, 1, 201), grouped(patients), Ranking(truth, score)
    point = ranking.curve(np.ones((1, len(truth))), grid)[0]
    positives = np.asarray(truth) == 1
    holders, count = people.holding(positives), int(positives.sum())
    drawn = np.concatenate(
        [grid[None][:0], *(ranking.curve(rows, grid) for rows in resamples(people, bootstrap, seed))]
    )
    drawn = drawn[~np.isnan(drawn[:, 0])]
    if len(drawn) < 2 or np.isnan(point[0]):
        return grid, point, grid * np.nan, grid * np.nan
    mild = (point * count + 2) / (count + 4)
    size = np.clip(mild * (1 - mild) / np.maximum(drawn.var(0, ddof=1), 1e-12), 1, count)
    low, high = wilson(point, np.where((point > 0) & (point < 1), size, np.minimum(size, holders)))
    low[-1] = high[-1] = 1.0  # at a false positive rate of 1 every unit is called: nothing is uncertain
    return grid, point, low, high
