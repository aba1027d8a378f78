"""Dealing patients out to parts so that every label is spread as evenly as it can be."""

from __future__ import annotations

import numpy as np


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
