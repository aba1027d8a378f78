"""Ordered grades as cuts: column k of `(n, K - 1)` is the probability of at least grade k + 1 of K."""

from __future__ import annotations

import numpy as np


def monotone(probability) -> np.ndarray:
    """The nearest rows (least squares) that do not increase from cut to cut: pool adjacent violators.

    Each value becomes the smallest over cuts before it of the largest over cuts after it of the mean in between
    (Robertson, Wright & Dykstra, Order Restricted Statistical Inference 1988, theorem 1.4.4). Pooling keeps the sum of
    a row, which is the expected grade; a running minimum would lower it. Rows that do not increase stay bit for bit.

    Args:
        probability: `(n, cuts)`.
    """
    result = np.array(probability, float)
    turned = (np.diff(result, axis=1) > 0).any(1)
    result[turned] = _pooled(result[turned])
    return result


def grades(probability) -> np.ndarray:
    """The grade 0..K-1 of each row: how many of its monotone cuts are above one half, `(n,)`."""
    return (monotone(probability) > 0.5).sum(1)


def grade_names(classes) -> tuple[str, ...]:
    """`(">=b", ">=c")` to `("<b", "b", "c")`: the cuts do not know what the lowest grade is called."""
    named = tuple(name.removeprefix(">=") for name in classes)
    return (f"<{named[0]}", *named)


def _pooled(rows: np.ndarray) -> np.ndarray:
    first, last = np.arange(rows.shape[1])[:, None], np.arange(rows.shape[1])
    total = np.concatenate([np.zeros((len(rows), 1)), rows.cumsum(1)], axis=1)
    means = (total[:, None, 1:] - total[:, :-1, None]) / np.maximum(last - first + 1, 1)
    means = np.where(last >= first, means, -np.inf)
    largest = np.maximum.accumulate(means[:, :, ::-1], axis=2)[:, :, ::-1]
    pooled = np.minimum.accumulate(np.where(last >= first, largest, np.inf), axis=1)[:, last, last]
    return np.minimum.accumulate(pooled, axis=1).clip(0, 1)  # sums round: equal neighbours may differ by 1e-16
