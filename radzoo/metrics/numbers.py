"""Statistics of predicted against true numbers, for many resamples at once."""

from __future__ import annotations

import numpy as np

ROUNDING = 1e-13  # of a mean square
AGREEMENT = 1.96  # standard deviations to the 95 % limits of agreement


class Numbers:
    """Pairs of a true and a predicted number, sorted once.

    Args:
        truth, prediction: `(n,)`.
    """

    def __init__(self, truth, prediction):
        truth, prediction = np.asarray(truth, float), np.asarray(prediction, float)
        self.error = prediction - truth
        self.order = np.argsort(np.abs(self.error), kind="stable")
        self.places = truth.mean(), prediction.mean()  # sums of squares are taken around these: no digits are lost
        self.truth, self.prediction = truth - self.places[0], prediction - self.places[1]
        self.sorted = _Ties(truth), _Ties(prediction)

    def statistics(self, weights) -> dict[str, np.ndarray]:
        """Every number of `evaluate_regression`, each `(rows,)`, of whole weights `(rows, n)`; NaN where undefined.

        A unit of weight 2 counts as two units in every one of them.
        """
        weights = np.asarray(weights, float)
        count, error = weights.sum(1), self.error
        with np.errstate(invalid="ignore", divide="ignore"):
            bias, squares = weights @ error / count, weights @ error**2 / count
            deviation = np.sqrt(weights @ (error - error.mean()) ** 2 - count * (bias - error.mean()) ** 2)
            deviation = deviation / np.sqrt(count - 1)
            truth, prediction, both, means = _moments(weights, self.truth, self.prediction)
            slope = both / prediction
            intercept = self.places[0] + means[0] - slope * (self.places[1] + means[1])
            return {
                "mae": weights @ np.abs(error) / count,
                "rmse": np.sqrt(squares),
                "median_error": self._median(weights, count),
                "r2": 1 - squares / truth,
                "spearman": self._spearman(weights),
                "pearson": both / np.sqrt(truth * prediction),
                "bias": bias,
                "agreement_low": bias - AGREEMENT * deviation,
                "agreement_high": bias + AGREEMENT * deviation,
                "calibration_intercept": intercept,
                "calibration_slope": slope,
            }

    def _median(self, weights, count) -> np.ndarray:
        reached, errors = weights[:, self.order].cumsum(1), np.abs(self.error)[self.order]
        lower = (reached >= np.floor((count + 1) / 2)[:, None]).argmax(1)
        upper = (reached >= np.ceil((count + 1) / 2)[:, None]).argmax(1)
        return (errors[lower] + errors[upper]) / 2

    def _spearman(self, weights) -> np.ndarray:
        ranks = [ties.ranks(weights) for ties in self.sorted]
        truth, prediction, both, _ = _moments(weights, *ranks)
        return both / np.sqrt(truth * prediction)


class _Ties:
    """The order of `(n,)` values, and which of them are equal."""

    def __init__(self, values):
        self.order = np.argsort(values, kind="stable")
        ranked = values[self.order]
        starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        self.starts, self.ends = starts, np.r_[starts[1:], len(ranked)]
        self.back = np.argsort(self.order)
        self.place = np.repeat(np.arange(len(starts)), self.ends - starts)

    def ranks(self, weights) -> np.ndarray:
        """Mean ranks of every unit, `(rows, n)`, when each is there as often as it weighs; around the middle rank."""
        reached = np.pad(weights[:, self.order].cumsum(1), ((0, 0), (1, 0)))
        if len(self.starts) == weights.shape[1]:  # no ties: the slices need no copies
            return ((reached[:, :-1] + reached[:, 1:] - reached[:, -1:]) / 2)[:, self.back]
        middle = (reached[:, self.starts] + reached[:, self.ends] - reached[:, -1:]) / 2
        return middle[:, self.place[self.back]]


def _moments(weights, one, two):
    """Weighted variances of `one` and `two`, their covariance, and both means, each `(rows,)`; NaN without spread."""
    count = weights.sum(1)
    first, second, both = (_sum(weights, values) / count for values in (one, two, one * two))
    own, other = (_spread(_sum(weights, values**2) / count, mean) for values, mean in ((one, first), (two, second)))
    return own, other, both - first * second, (first, second)


def _sum(weights, values) -> np.ndarray:
    return weights @ values if values.ndim == 1 else np.einsum("rn,rn->r", weights, values)


def _spread(squares, mean) -> np.ndarray:
    """The variance; NaN where it is no more than what rounding leaves of equal values."""
    variance = squares - mean**2
    return np.where(variance > ROUNDING * squares, variance, np.nan)
