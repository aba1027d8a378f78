"""Patients drawn with replacement, and patients left out: a resample is a row of integer unit weights.

Units (images, studies) of one patient resemble each other, so it is patients that are drawn (the cluster bootstrap:
Field & Welsh, Bootstrapping clustered data, JRSS B 2007). A statistic is computed for many rows at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

BLOCK = 1 << 16  # weights at a time: half a megabyte of floats stays in the cache, whatever the number of units
DELETED = 1000  # more patients than this are left out in groups


@dataclass(frozen=True)
class Patients:
    """Who belongs to whom: `group` is `(n,)`, the number of each unit's patient, counted by appearance."""

    group: np.ndarray
    count: int

    @property
    def single(self) -> bool:
        """Whether each patient appears once."""
        return self.count == len(self.group)

    def sums(self, values) -> np.ndarray:
        """`(count,)`: the sum of `(n,)` values over each patient's units."""
        return np.bincount(self.group, values, self.count)

    def holding(self, rows) -> int:
        """How many patients have at least one unit among `rows`, `(n,)` booleans."""
        return len(np.unique(self.group[np.asarray(rows, bool)]))

    def only(self, rows) -> Patients:
        """The patients of a part of the units."""
        return grouped(self.group[np.asarray(rows, bool)])


def grouped(patients) -> Patients:
    """Numbers patients by appearance, so that renaming them changes no number.

    Args:
        patients: `(n,)` one identifier per unit; only their equality and order of appearance matter.
    """
    _, first, group = np.unique(np.asarray(patients), return_index=True, return_inverse=True)
    return Patients(np.argsort(np.argsort(first))[group], len(first))


def resamples(patients: Patients, count: int, seed: int) -> Iterator[np.ndarray]:
    """Blocks of int16 `(rows, n)`, `count` rows in all; each unit weighs as often as its patient was drawn.

    The stream of random numbers is the bootstrap's own, because a split drawn from `default_rng(seed)` would share
    its first numbers with the first resample.
    """
    rng, size = np.random.default_rng([seed, 0xB007]), patients.count
    for rows in _blocks(count, max(size, len(patients.group))):
        drawn = rng.integers(0, size, (rows, size)) + np.arange(rows)[:, None] * size
        times = np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size)
        yield times.astype(np.int16)[:, patients.group]


def cluster_bootstrap(patients, count: int, seed: int) -> np.ndarray:
    """All resamples at once.

    Args:
        patients: `(n,)` one identifier per unit.
        count: number of resamples.
        seed: any integer >= 0.
    Returns:
        int16 `(count, n)`.
    """
    people = grouped(patients)
    return np.concatenate([np.zeros((0, len(people.group)), np.int16), *resamples(people, count, seed)])


def left_out(patients: Patients) -> Iterator[np.ndarray]:
    """Blocks of int8 `(rows, n)`: each row leaves one patient out, or one of 1000 groups of patients.

    Groups bound the time for many patients (Kott, The delete-a-group jackknife, J. Official Statistics 2001).
    """
    deal = patients.group % DELETED
    done = 0
    for rows in _blocks(min(patients.count, DELETED), len(deal)):
        yield (deal != np.arange(done, done + rows)[:, None]).astype(np.int8)
        done += rows


def jackknife_deviation(drawn) -> float:
    """The standard error of a statistic, from what it is over `left_out` where it is defined (Efron & Stein 1981)."""
    values = drawn[~np.isnan(drawn)]
    size = len(values)
    return float(np.sqrt((size - 1) / size * ((values - values.mean()) ** 2).sum())) if size > 1 else np.nan


def _blocks(count: int, width: int) -> Iterator[int]:
    """Sizes that add up to `count`, each at most `BLOCK` weights of `width` a row."""
    size = max(1, BLOCK // width)
    yield from (min(size, count - start) for start in range(0, count, size))
