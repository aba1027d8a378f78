"""Dealing patients out to parts so that every label is spread as evenly as it can be."""

from __future__ import annotations

import numpy as np

FIFTHS = 5


def kinds_of(labels: np.ndarray, patient: np.ndarray, task: str, parts: int) -> np.ndarray:
    """What patients are spread by, `(patients, kinds)` of 0 and 1.

    The classes that a patient shows; of a binary task also whether negatives are among them; in an ordinal task the
    grades, so that both sides of a cut are spread; in a regression the fifth in which the patient's mean lies (fewer
    and larger ranges where a fifth has fewer patients than there are parts).

    Args:
        labels: `(n, k)` as in `Index`.
        patient: `(n,)` numbers from 0.
        parts: how many there will be.
    """
    if task == "regression":
        return _ranges(labels[:, 0], patient, parts)
    if task == "binary":
        labels = np.hstack([labels, 1 - labels])
    elif task == "ordinal":
        labels = np.eye(labels.shape[1] + 1)[labels.sum(1).astype(int)]
    kinds = np.zeros((patient.max() + 1, labels.shape[1]))
    np.maximum.at(kinds, patient, labels)
    return kinds


def _ranges(values, patient, parts: int) -> np.ndarray:
    """Means are rounded as the sum of a patient's images depends on their order."""
    mean = (np.bincount(patient, values.astype(float)) / np.bincount(patient)).astype("float32")
    count = int(np.clip(len(mean) // parts, 1, FIFTHS))
    edges = np.quantile(mean, np.arange(1, count) / count, method="lower")
    return np.eye(count)[np.searchsorted(edges, mean)]


def stratify(kinds: np.ndarray, sizes: np.ndarray, fractions, rng: np.random.Generator) -> np.ndarray:
    """Iterative stratification: the rarest kind is dealt out first, each time to the part that lacks most of it.

    Sechidis et al., On the Stratification of Multi-label Data, ECML PKDD 2011. One rule is added: the last groups of a
    kind go to parts that have none of it, so that three patients with a rare label serve three parts.

    Args:
        kinds: `(groups, kinds)` patients of each kind in each group; a group stays together.
        sizes: `(groups,)` patients in each group.
        fractions: of each part, summing to 1.
    Returns:
        The part of each group, `(groups,)`.
    """
    fractions = np.asarray(fractions)
    lacking, room = fractions[:, None] * kinds.sum(axis=0), fractions * sizes.sum()
    held = np.zeros(lacking.shape)
    part = np.full(len(sizes), -1)
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]  # large groups first: small ones fill the gaps
    while (part < 0).any():
        left = kinds[part < 0].sum(axis=0)
        kind = np.where(left > 0, left, np.inf).argmin() if left.any() else None
        queue = [g for g in order if part[g] < 0 and (kind is None or kinds[g, kind])]
        for place, group in enumerate(queue):
            wanted = room if kind is None else lacking[:, kind]
            allowed = np.ones(len(room), bool)
            if kind is not None and len(queue) - place <= (held[:, kind] == 0).sum():
                allowed = held[:, kind] == 0
            best = np.lexsort((room.round(9), wanted.round(9), allowed))[-1]
            part[group] = best
            lacking[best] -= kinds[group]
            held[best] += kinds[group]
            room[best] -= sizes[group]
    return part
