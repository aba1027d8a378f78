"""An index: which images there are, whose they are, and what is known about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from radzoo.data import covariates, kinds
from radzoo.data.candidates import Candidates, check_labels, read_candidates
from radzoo.data.columns import add_owners, column, given_parts, image_table, mask_paths, name_rows, target_paths
from radzoo.data.datasets import names
from radzoo.data.labels import encode, encode_as
from radzoo.data.sources import from_csv, from_npz, from_phantoms
from radzoo.data.where import conditions, matches
from radzoo.errors import BadInput
from radzoo.recipe import Data

__all__ = ["Index", "name_rows", "read_external", "read_index"]


@dataclass(frozen=True, eq=False)
class Index:
    """The images of a run, one row each.

    Attributes:
        table: `row` (position in the user's file, from 0), `path` (absolute, or `FILE.npz#train_images/17`), `patient`,
            `unit` (what is counted: the image, study or patient), `split` (empty, `train`, `validation` or `test`); of
            a dataset that radzoo wrote `key`, by which patients were dealt to its parts; of a segmentation `mask`
            (absolute; `paths.joined` where several readers drew masks, empty for one who did not); of a restoration
            `target`, and `mask` where there are some.
        labels: float32 `(n, k)`: binary `k = 1`, multiclass one-hot, multilabel one column per label; of a segmentation
            whether the mask holds each class, once the masks are read (`data.cases`).
        classes: the positive class, the values, or the label columns.
        task: as of `Recipe`, but never `auto`.
        notes: one sentence each for what a reader of the report must know.
        synthetic: whether every image is fabricated.
        metadata: the user's CSV as text, every column of it, row by row as `table`; no columns for an npz.
        covariates: the columns of `Data.covariates` as text, row by row as `table`.
        candidates: the lesions that the rows hit or miss, where they are candidates.
        words: the label columns as text, row by row as `table`.
    """

    table: pd.DataFrame
    labels: np.ndarray
    classes: tuple[str, ...]
    task: str
    notes: tuple[str, ...] = ()
    synthetic: bool = False
    metadata: pd.DataFrame | None = None
    covariates: pd.DataFrame | None = None
    candidates: Candidates | None = None
    words: pd.DataFrame | None = None


def read_index(data: Data, task: str = "auto", unit: str = "image") -> Index:
    """Reads `data.index`: a CSV, an `.npz` in the layout of MedMNIST, `tfds:NAME`, or `phantom:KIND`.

    Args:
        unit: `image`, `study` or `patient`: what is counted, called and compared.
    Raises:
        BadInput: where the file, a column, a label, a patient, a study or a split value is missing or not understood.
    """
    if task in ("segmentation", "restoration"):
        read = _read(replace(data, label=()), unit, task=task)
        return _index(read, np.zeros((len(read.table), 0), "float32"), (), task)
    read = _read(data, unit)
    labels, classes, task = encode(read.labels, read.data, task, lambda positions: name_rows(read.table, positions))
    return _index(read, labels, classes, task)


def read_external(data: Data, index: str, classes: tuple[str, ...], task: str, unit: str = "image") -> Index:
    """Another index with the columns, the classes and the filter of a run: `index` is read instead of `data.index`.

    Its rows are all a test set, whatever parts it names.

    Args:
        classes: of the run; one of them may be absent here.
        task: of the run, never `auto`.
    Raises:
        BadInput: as `read_index`; or a class that the run does not know.
    """
    read = _read(replace(data, index=index, split=None), unit, parts=False)
    labels = encode_as(read.labels, classes, data, task, lambda positions: name_rows(read.table, positions))
    if task == "binary" and data.positive is not None:
        others = sorted(set(read.labels.iloc[:, 0].str.strip()) - {data.positive})
        read.notes.append(f"{', '.join(others) or 'No value'} counts as not {data.positive} in {names.called(index)}.")
    return _index(read, labels, tuple(classes), task)


def _index(read: _Read, labels, classes, task: str) -> Index:
    if read.candidates is not None:
        check_labels(read.candidates, labels, task, read.table)
    words = read.labels.reset_index(drop=True)
    return Index(
        read.table, labels, classes, task, tuple(read.notes), read.synthetic, read.metadata, read.covariates,
        read.candidates, words,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Read:
    """An index before its labels are numbers; `data` as the source of the images changed it."""

    table: pd.DataFrame
    labels: pd.DataFrame
    data: Data
    notes: list[str]
    synthetic: bool
    metadata: pd.DataFrame
    covariates: pd.DataFrame
    candidates: Candidates | None


def _read(data: Data, unit: str, parts: bool = True, task: str = "") -> _Read:
    notes: list[str] = []
    synthetic = data.index.startswith("phantom:")
    if synthetic:
        data = from_phantoms(data, notes)
    cells, data, file = _cells(data, notes)
    if not len(cells):
        raise BadInput(f"the index {file.name} has no rows: expected one row per image below the header")
    cells = _select(cells, data.where, file, notes)
    arrays = file.suffix.lower() == ".npz"
    table = image_table(cells, data, file)
    if names.KEYS in cells:
        table["key"] = cells.pop(names.KEYS).to_numpy()
    if task == "restoration":
        table["target"] = target_paths(cells, data, file, table)
    if task == "segmentation" or (task == "restoration" and data.mask):
        table["mask"] = mask_paths(cells, data, file, table)
    add_owners(table, cells, data, unit, file, notes)
    table["split"] = given_parts(table, cells, data, file) if parts and isinstance(data.split, str) else ""
    notes += kinds.notes(cells)
    labels = pd.DataFrame({name: column(cells, name, "label", file) for name in data.label}, index=cells.index)
    synthetic = synthetic or ("synthetic" in cells and set(cells["synthetic"].str.strip()) == {"1"})
    metadata = (cells.iloc[:, :0] if arrays else cells).reset_index(drop=True)
    for name in data.covariates:
        column(cells, name, "covariates", file)
    beside = covariates.read(cells, data.covariates, lambda positions: name_rows(table, positions))
    found = read_candidates(table, cells, data, file)
    notes += [found.note] if found and found.note else []
    return _Read(table, labels, data, notes, synthetic, metadata, beside, found)


def _cells(data: Data, notes: list[str]) -> tuple[pd.DataFrame, Data, Path]:
    """The rows as text, `data` as their source changed it, and a path whose name messages call the index."""
    if names.is_dataset(data.index):
        from radzoo.data.datasets.reading import from_dataset

        return *from_dataset(data, notes), Path(names.called(data.index))
    file = Path(data.index).expanduser()
    if not data.index or not file.is_file():
        raise BadInput(
            f"the index {data.index!r} is not a file: --data.index takes a CSV with one row per image, "
            "an .npz with train_images and train_labels, tfds:NAME, or phantom:chest"
        )
    if file.suffix.lower() == ".npz":
        return *from_npz(file, data), file
    return from_csv(file), data, file


def _select(cells: pd.DataFrame, where: str | None, file: Path, notes: list[str]) -> pd.DataFrame:
    if where is None:
        return cells
    keep = np.ones(len(cells), bool)
    for name, op, value in conditions(where):
        keep &= matches(column(cells, name, "where", file), op, value)
    if not keep.any():
        raise BadInput(f"--data.where {where!r} keeps none of the {len(cells)} rows of {file.name}: widen it")
    notes.append(f"{keep.sum()} of {len(keep)} rows of the index were kept: {where}.")
    return cells[keep]
