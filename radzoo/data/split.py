"""Training, validation and test parts that share no patient and no image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from radzoo.data.index import Index, name_rows
from radzoo.errors import BadInput
from radzoo.recipe import Data

PARTS = ("train", "validation", "test")
CARVED = 0.2  # of the given training patients, where no validation part is given


def assign_splits(index: Index, digests: list[str], data: Data, seed: int) -> Index:
    """Fills `table.split`: keeps and checks a given split, or splits by patient, stratified by label.

    Args:
        digests: one per image, equal for identical pixels: an image that two patients share ties them together.
        seed: the same seed gives the same parts, in whatever order the rows come.
    Raises:
        BadInput: a patient or an identical image on two given sides, too few patients, a class absent from a part.
    """
    table, notes = index.table.copy(), list(index.notes)
    digests = pd.Series(list(digests), index=table.index)
    rng = np.random.default_rng(seed)
    given = bool((table["split"] != "").any())
    if given:
        _check_sides(table, table["patient"], "{} patients stand on more than one side of the given split")
        _check_sides(table, digests, "{} identical images stand on more than one side of the given split")
    part_of = (lambda here, fractions: _split(index, table, digests, here, fractions, rng, notes))
    if not given:
        everything = np.ones(len(table), bool)
        table["split"] = np.array(PARTS)[part_of(everything, _fractions(data.split))]
    elif not (table["split"] == "validation").any():
        train = (table["split"] == "train").to_numpy()
        parts = part_of(train, (1 - CARVED, CARVED))
        table.loc[train, "split"] = np.array(PARTS)[parts]
        carved = table[table["split"] == "validation"]
        notes.append(
            f"The split names no validation part: {carved['patient'].nunique()} patients ({len(carved)} images) "
            "of its training part were set aside for validation."
        )
    _check_classes(index, table, given)
    return replace(index, table=table, notes=tuple(notes))


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


def _split(index, table, digests, here, fractions, rng, notes) -> np.ndarray:
    """The part of each row in `here`, whole groups of patients at a time."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    patient, names = pd.factorize(table["patient"][here])
    image, pictures = pd.factorize(digests[here])
    nodes = len(names) + len(pictures)  # patients and pictures are the nodes, rows are the edges
    edges = coo_matrix((np.ones(len(patient)), (patient, image + len(names))), shape=(nodes, nodes))
    group = connected_components(edges, directed=False)[1][patient]
    first = digests[here].groupby(group).transform("min")  # names a group by its content, whatever the order of rows
    group = np.unique(first, return_inverse=True)[1]
    sizes = pd.Series(patient).groupby(group).nunique().to_numpy()
    if len(sizes) < len(fractions):
        raise BadInput(
            f"all images come from {len(names)} patients in {len(sizes)} groups without a common image, "
            f"{len(fractions)} parts need at least {len(fractions)}: give images of more patients"
        )
    if len(sizes) < len(names):
        shared = digests.duplicated(keep=False) & here & (sizes[_spread(group, here)] > 1)
        notes.append(
            f"{len(names) - (sizes == 1).sum()} patients share an identical image with another and stay together in "
            f"one part ({name_rows(table, np.flatnonzero(shared))})."
        )
    labels = index.labels[here]
    labels = np.hstack([labels, 1 - labels]) if index.task == "binary" else labels
    of_patient = np.zeros((len(names), labels.shape[1]))
    np.maximum.at(of_patient, patient, labels)
    kinds = np.zeros((len(sizes), labels.shape[1]))
    owner = pd.Series(group).groupby(patient).first().to_numpy()
    np.add.at(kinds, owner, of_patient)
    return stratify(kinds, sizes, fractions, rng)[group]


def _spread(group: np.ndarray, here: np.ndarray) -> np.ndarray:
    spread = np.zeros(len(here), int)
    spread[here] = group
    return spread


def _fractions(split) -> tuple[float, ...]:
    if len(split) != 3 or min(split) <= 0 or abs(sum(split) - 1) > 1e-6:
        raise BadInput(
            f"--data.split {' '.join(map(str, split))} came; expected three positive fractions for training, "
            "validation and test that sum to 1, such as 0.6 0.2 0.2"
        )
    return tuple(split)


def _check_sides(table: pd.DataFrame, owner: pd.Series, message: str) -> None:
    sides = table["split"].groupby(owner).transform("nunique")
    if (sides > 1).any():
        count = owner[sides > 1].nunique()
        raise BadInput(
            f"{message.format(count)}, in {name_rows(table, np.flatnonzero(sides > 1))}: "
            "mend the split column, or pass fractions (--data.split 0.6 0.2 0.2)"
        )


def _check_classes(index: Index, table: pd.DataFrame, given: bool) -> None:
    """Every part must hold images with and without each class: nothing can be learnt or measured otherwise."""
    missing, absent = [], set()
    for part in PARTS:
        here = (table["split"] == part).to_numpy()
        counts, total = index.labels[here].sum(axis=0).astype(int), int(here.sum())
        if not total:
            raise BadInput(f"the {part} part has no image: give images of more patients or other fractions")
        for name, count, everywhere in zip(index.classes, counts, index.labels.sum(axis=0).astype(int), strict=True):
            if count in (0, total):
                word = "no image with" if count == 0 else "no image without"
                missing.append(f"{part} ({total} images) has {word} '{name}' ({everywhere} of {len(table)} in all)")
                absent.add(name)
    if not missing:
        return
    more = f" and {len(missing) - 6} more" if len(missing) > 6 else ""
    if index.task == "multilabel":
        advice = f"drop {', '.join(n for n in index.classes if n in absent)} from --data.label, or give more data"
    elif given:
        advice = "mend the split column, or pass fractions (--data.split 0.6 0.2 0.2)"
    else:
        advice = "give more data, other fractions (--data.split) or another seed (--seed)"
    raise BadInput(f"a class is absent from a part: {'; '.join(missing[:6])}{more}: {advice}")
