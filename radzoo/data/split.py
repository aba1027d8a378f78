"""Training, validation and test parts, or the folds of a cross-validation, that share no patient and no image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from radzoo.data.index import Index, name_rows
from radzoo.data.presence import check_parts
from radzoo.data.stratify import kinds_of, stratify
from radzoo.errors import BadInput
from radzoo.images.paths import archived
from radzoo.recipe import Data

PARTS = ("train", "validation", "test")
CARVED = 0.2  # of the given training patients, where no validation part is given
FOLDS = 5
FRACTIONS = (0.6, 0.2, 0.2)
ENOUGH = 1000  # patients, from which on one test part says enough
ENOUGH_MASKS = 200  # where each patient says more than yes or no: it has a mask, or an image
FINAL = "final"


def assign_splits(index: Index, digests: list[str], data: Data, seed: int, keys: list[str] | None = None) -> Index:
    """Fills `table.split` and `table.fold`: keeps and checks a given split, or splits by patient, stratified by label.

    With folds, `fold` (1, 2, …) is the one in which an image is tested, and `split` its part when the final model is
    trained; otherwise `fold` is 0. `table.group` is equal for patients who share an identical image: they stay
    together, in the folds that choose a classifier too. `table.digest` is that of the pixels.

    In the given split of an npz or a dataset, images that a later part repeats are left out: their `split` stays empty.

    Args:
        digests: one per image, equal for identical pixels: an image that two patients share ties them together.
        seed: the same seed gives the same parts, in whatever order the rows come, and whatever size or window the
            images are read with: patients are dealt in the order of `keys`.
        keys: one per image, of its file (`Store.add`); None takes the digests.
    Raises:
        BadInput: a patient or an identical image on two given sides, too few patients, a class absent from a part; in
            a regression a part of fewer than three patients or of one value.
    """
    table, notes = index.table.copy(), list(index.notes)
    digests = pd.Series(list(digests), index=table.index)
    keys = digests if keys is None else pd.Series(list(keys), index=table.index)
    table["group"] = _groups(pd.factorize(table["patient"])[0], digests, keys)
    table["fold"], table["digest"] = 0, digests
    rng = np.random.default_rng(seed)
    everything = np.ones(len(table), bool)
    given = bool((table["split"] != "").any())
    design = data.split
    if design is None:
        enough = ENOUGH_MASKS if index.task in ("segmentation", "restoration") else ENOUGH
        design = FOLDS if table["patient"].nunique() < enough else FRACTIONS
    if not given and isinstance(design, int):
        names = _fold_names(design)
        blocks = _split(index, digests, keys, everything, names, [1 / design] * design, rng, notes)
        table["fold"] = [names.index(block) + 1 for block in blocks]
        table["split"] = np.where(table["fold"] == 1, "validation", "train")
        check_parts(index, [(name, blocks == name) for name in names], _advice(design))
        return replace(index, table=table, notes=tuple(notes))
    if not given:
        table["split"] = _split(index, digests, keys, everything, PARTS, _fractions(design), rng, notes)
    else:
        _check_sides(table, table["patient"], "patients")
        if table["path"].map(archived).all():
            _leave_copies_out(table, digests, notes)
        _check_sides(table, digests, "identical images")
        if not (table["split"] == "validation").any():
            train = (table["split"] == "train").to_numpy()
            parts = _split(index, digests, keys, train, PARTS[:2], (1 - CARVED, CARVED), rng, notes)
            table.loc[train, "split"] = parts
            carved = table[table["split"] == "validation"]
            people = carved["patient"].nunique()
            notes.append(
                f"The split names no validation part: {people} patient{'s' * (people > 1)} ({len(carved)} "
                f"image{'s' * (len(carved) > 1)}) of its training part guide as validation."
            )
    advice = "mend the split column, or pass fractions (--data.split 0.6 0.2 0.2)" if given else _advice(None)
    check_parts(index, [(part, (table["split"] == part).to_numpy()) for part in PARTS], advice)
    return replace(index, table=table, notes=tuple(notes))


def parts(index: Index, fold: int | str = 0) -> dict[str, np.ndarray]:
    """Positions of the images of `train`, `validation` and `test`.

    Args:
        fold: 0 for a single split; 1, 2, … of a cross-validation: block `fold` is the test part and the block after it
            the validation part; `"final"` for the model that is trained when all folds are done, and has no test part.
    """
    table = index.table
    if fold in (0, FINAL):
        split = table["split"].to_numpy()
        return {part: np.flatnonzero(split == part) for part in (PARTS if fold == 0 else PARTS[:2])}
    block, count = table["fold"].to_numpy(), int(table["fold"].max())
    after = fold % count + 1
    train = np.flatnonzero((block != fold) & (block != after))
    return {"train": train, "validation": np.flatnonzero(block == after), "test": np.flatnonzero(block == fold)}


def folds(index: Index) -> list[int]:
    """The folds of a cross-validation, or `[0]` for a single split."""
    count = int(index.table["fold"].max())
    return list(range(1, count + 1)) if count else [0]


def _split(
    index: Index, digests: pd.Series, keys: pd.Series, here, parts, fractions, rng, notes: list[str]
) -> np.ndarray:
    """The part of each row in `here`; adds a note where patients had to be tied together."""
    patient, names = pd.factorize(index.table["patient"][here])
    group = _groups(patient, digests[here], keys[here])
    of_group = pd.Series(group).groupby(patient).first().to_numpy()  # the group of each patient
    sizes = np.bincount(of_group)
    if len(sizes) < len(fractions):
        raise BadInput(
            f"all images come from {len(names)} patient{'s' * (len(names) > 1)} ({len(sizes)} where patients with an "
            f"identical image count as one): {' and '.join(parts)} need at least {len(fractions)}"
        )
    if sizes.max() > 1:
        rows = np.flatnonzero(here)[(sizes[group] > 1) & digests[here].duplicated(keep=False).to_numpy()]
        notes.append(
            f"{sizes[sizes > 1].sum()} patients share an identical image with another patient; those who share stay "
            f"together in one part ({name_rows(index.table, rows)})."
        )
    of_patient = kinds_of(index.labels[here], patient, index.task, len(fractions))
    kinds = np.zeros((len(sizes), of_patient.shape[1]))
    np.add.at(kinds, of_group, of_patient)
    return np.array(parts, object)[stratify(kinds, sizes, fractions, rng)[group]]


def _groups(patient: np.ndarray, digests: pd.Series, keys: pd.Series) -> np.ndarray:
    """A number per row, equal for all patients that are tied by identical images.

    Numbers follow the keys of the images, so that the order of rows and the names of patients do not matter.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    picture = pd.factorize(digests)[0] + patient.max() + 1  # patients and pictures are nodes, rows are edges
    nodes = picture.max() + 1
    tied = connected_components(coo_matrix((np.ones(len(patient)), (patient, picture)), (nodes, nodes)), False)[1]
    return np.unique(keys.groupby(tied[patient]).transform("min"), return_inverse=True)[1]


def _fractions(split) -> tuple[float, ...]:
    if len(split) != 3 or min(split) <= 0 or abs(sum(split) - 1) > 1e-6:
        raise BadInput(
            f"--data.split {' '.join(map(str, split))} came; expected three positive fractions for training, "
            "validation and test that sum to 1, such as 0.6 0.2 0.2"
        )
    return tuple(split)


def _check_sides(table: pd.DataFrame, owner: pd.Series, what: str) -> None:
    sides = table["split"].replace("", pd.NA).groupby(owner).transform("nunique")  # NA: left out, on no side
    if (sides > 1).any():
        count = owner[sides > 1].nunique()
        raise BadInput(
            f"{count} {what} on more than one side of the given split, in "
            f"{name_rows(table, np.flatnonzero(sides > 1))}: "
            "mend the split column, or pass fractions (--data.split 0.6 0.2 0.2)"
        )


def _leave_copies_out(table: pd.DataFrame, digests: pd.Series, notes: list[str]) -> None:
    """Published data cannot be mended by their user: copies of test images leave training, the test set stays."""
    side = table["split"].map(PARTS.index)
    copies = np.flatnonzero(side < side.groupby(digests).transform("max"))
    if len(copies):
        notes.append(
            f"{len(copies)} images of the given split have an identical copy in a later part (training, validation, "
            f"test) and were left out: {name_rows(table, copies)}."
        )
        table.loc[copies, "split"] = ""


def _fold_names(count: int) -> list[str]:
    if count < 3:
        raise BadInput(
            f"--data.split {count} came, expected at least 3 folds: one block is tested, one guides, the others train"
        )
    return [f"fold {number}" for number in range(1, count + 1)]


def _advice(count: int | None) -> str:
    if count is None:
        return "give more data, other fractions (--data.split) or another seed (--seed)"
    fewer = "fewer folds (--data.split 3)" if count > 3 else "one split (--data.split 0.6 0.2 0.2)"
    return f"give more data, or ask for {fewer}"
