"""What every example of a dataset says beside its pixels: parts, folds, labels, and keys of patients."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from radzoo.data.columns import column, name_rows
from radzoo.data.datasets.layout import ABOUT, FOLD, KEY, ROW, Told
from radzoo.data.datasets.looking import Look
from radzoo.data.datasets.names import is_dataset
from radzoo.data.index import Index
from radzoo.data.keys import Keys
from radzoo.data.sources import from_npz, from_phantoms
from radzoo.data.split import PARTS, assign_splits
from radzoo.data.values import order, plain
from radzoo.errors import BadInput
from radzoo.recipe import Data

ONLY = PARTS[0]  # the only part of a dataset that was dealt to folds, as TFDS calls that of a dataset without parts
RESERVED = (ROW, KEY, FOLD, "split")


@dataclass(frozen=True, eq=False)
class Plan:
    """A dataset but for its pixels.

    Attributes:
        told: its metadata.
        cells: the columns of an example as they are written, one row per example of the index, in its order.
        parts: name -> positions of its rows.
        values: of each label column, in the order of their numbers; none for a regression.
        mask_dtype: uint8 or uint16.
    """

    told: Told
    cells: pd.DataFrame
    parts: dict[str, list[int]]
    values: dict[str, tuple[str, ...]]
    mask_dtype: str


def effective(data: Data) -> Data:
    """`data` with the names that phantoms and arrays give to their columns.

    Raises:
        BadInput: an index that is a dataset, or whose rows are places in volumes.
    """
    if is_dataset(data.index):
        raise BadInput(f"{data.index} is a dataset already: give the index of its images")
    if data.index.startswith("phantom:"):
        data = from_phantoms(data, [])
    if data.place:
        raise BadInput("places in volumes came (--data.place), a dataset holds whole volumes: give one row for each")
    return from_npz(Path(data.index).expanduser(), data)[1] if data.index.lower().endswith(".npz") else data


def roles(data: Data, index: Index, *, volumes: bool, mask: str | None, window, seed: int) -> Told:
    """The metadata as far as the index tells them.

    Raises:
        BadInput: a column with two roles or with a name that no feature can have.
    """
    texts = tuple(dict.fromkeys((*data.covariates, *(data.metadata or ()))))
    about = [name + ABOUT for name in data.image]
    named = [*RESERVED, *data.image, *about, *data.label, *filter(None, (mask, data.patient, data.study)), *texts]
    twice = [name for name, count in Counter(named).items() if count > 1]
    if twice:
        raise BadInput(f"column '{twice[0]}' came twice, or collides with a feature of every dataset: rename it")
    if any("/" in name for name in named):
        raise BadInput(f"column '{next(name for name in named if '/' in name)}' holds a slash: rename it")
    for name in texts:
        column(index.metadata, name, "covariates or --data.metadata", Path(data.index))
    return Told(
        volumes=volumes, image=data.image, label=data.label, task=index.task, classes=index.classes,
        window="header" if volumes else window, folds=0, seed=seed, mask=mask, patient=data.patient, study=data.study,
        texts=texts, synthetic=index.synthetic,
    )  # fmt: skip


def mask_paths(data: Data, index: Index, mask: str | None) -> list[str | None]:
    """The file of each row's mask.

    Raises:
        BadInput: rows without one.
    """
    if mask is None:
        return [None] * len(index.table)
    file = Path(data.index).expanduser()
    cells = column(index.metadata, mask, "mask", file).str.strip()
    empty = (cells == "").to_numpy().nonzero()[0]
    if len(empty):
        raise BadInput(
            f"column '{mask}' names no mask in {name_rows(index.table, empty)}: fill them in, or leave these rows out "
            "with --where"
        )
    return [str(file.absolute().parent / cell) for cell in cells]


def plan(data: Data, index: Index, told: Told, looks: list[Look], *, plain_ids: bool) -> Plan:
    """Deals patients, and fills in what only the images tell.

    Raises:
        BadInput: a split that no run would take, or masks of two kinds.
    """
    index = assign_splits(index, [each.shown for each in looks], data, told.seed, [each.key for each in looks])
    table = index.table
    folds = int(table["fold"].max())
    parts = {part: (table["split"] == part).to_numpy().nonzero()[0].tolist() for part in PARTS}
    parts = {ONLY: list(range(len(table)))} if folds else {part: rows for part, rows in parts.items() if rows}
    segments = tuple(sorted({name for each in looks for name in each.segments}))
    if segments and not all(each.segments for each in looks):
        raise BadInput("some masks name their segments, others hold numbers only: save all of them in one way")
    most = max(len(segments), *(each.labels for each in looks))
    notes = [note.replace(f": {data.where}.", ".") for note in index.notes]  # a filter may name patients
    told = replace(told, folds=folds, segments=segments, notes=tuple(notes))
    cells, values = _cells(data, index, told, looks, plain_ids)
    return Plan(told, cells, parts, values, "uint8" if most < 256 else "uint16")


def _cells(data: Data, index: Index, told: Told, looks: list[Look], plain_ids: bool):
    table, columns, values = index.table, {}, {}
    columns[ROW], columns[KEY] = table["row"].astype(int), [each.key for each in looks]
    if told.folds:
        columns[FOLD] = table["fold"].astype(int)
    for name in told.label:
        words = index.words[name].map(plain)
        columns[name] = words.astype(float) if told.task == "regression" else words
        known = data.classes or sorted(set(words), key=lambda word: (word == data.positive, *order(word)))
        values[name] = () if told.task == "regression" else tuple(map(plain, known))
    keys = Keys() if (told.patient or told.study) and not plain_ids else None
    for role, name in (("patient", told.patient), ("study", told.study)):
        if name:
            ids = table["patient"] if role == "patient" else index.metadata[name].str.strip()
            columns[name] = [keys(role, each) if keys else each for each in ids]
    columns |= {name: index.metadata[name].to_numpy() for name in told.texts}
    return pd.DataFrame({name: list(column) for name, column in columns.items()}), values
