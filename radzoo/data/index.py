"""An index: which images there are, whose they are, and what is known about them."""

from __future__ import annotations

import difflib
import os
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from radzoo.data.labels import encode
from radzoo.data.store import cache_folder
from radzoo.data.where import conditions, matches
from radzoo.errors import BadInput
from radzoo.recipe import Data

NPZ_PARTS = ("train", "val", "test")
VALIDATION = ("val", "valid", "validation")


@dataclass(frozen=True, eq=False)
class Index:
    """The images of a run, one row each.

    Attributes:
        table: `row` (position in the user's file, from 0), `path` (absolute, or `FILE.npz#train_images/17`), `patient`,
            `split` (empty, `train`, `validation` or `test`).
        labels: float32 `(n, k)`: binary `k = 1`, multiclass one-hot, multilabel one column per label.
        classes: the positive class, the values, or the label columns.
        task: `binary`, `multiclass` or `multilabel`.
        notes: one sentence each for what a reader of the report must know.
        synthetic: whether every image is fabricated.
    """

    table: pd.DataFrame
    labels: np.ndarray
    classes: tuple[str, ...]
    task: str
    notes: tuple[str, ...] = ()
    synthetic: bool = False


def read_index(data: Data, task: str = "auto") -> Index:
    """Reads `data.index`: a CSV, an `.npz` in the layout of MedMNIST, or `phantom:KIND`.

    Raises:
        BadInput: where the file, a column, a label, a patient or a split value is missing or not understood.
    """
    notes: list[str] = []
    fabricated = data.index.startswith("phantom:")
    if fabricated:
        data = _phantoms(data, notes)
    file = Path(data.index).expanduser()
    if not data.index or not file.is_file():
        raise BadInput(
            f"the index {data.index!r} is not a file: --data.index takes a CSV with one row per image, "
            "an .npz with train_images and train_labels, or phantom:chest"
        )
    if file.suffix.lower() == ".npz":
        cells, data = _npz(file, data)
    else:
        cells = _csv(file)
    if not len(cells):
        raise BadInput(f"the index {file.name} has no rows: expected one row per image below the header")
    cells = _select(cells, data.where, file, notes)
    table = _table(cells, data, file, notes)
    labels = pd.DataFrame({name: _column(cells, name, "label", file) for name in data.label})
    encoded = encode(labels, data, task, lambda positions: name_rows(table, positions))
    fabricated = fabricated or ("synthetic" in cells and set(cells["synthetic"].str.strip()) == {"1"})
    return Index(table, *encoded, tuple(notes), fabricated)


def name_rows(table: pd.DataFrame, positions, limit: int = 5) -> str:
    """Words for rows of an index: `rows 2, 9 and 4 more (the header is row 1)`, or the places in an npz."""
    chosen = table.iloc[list(positions)]
    shown = [
        path.rpartition("#")[2] if ".npz#" in path else str(row + 2)
        for row, path in zip(chosen["row"][:limit], chosen["path"][:limit], strict=True)
    ]
    more = f" and {len(chosen) - limit} more" if len(chosen) > limit else ""
    sheet = " (the header is row 1)" if shown and shown[0].isdigit() else ""
    return f"row{'s' if len(chosen) > 1 else ''} {', '.join(shown)}{more}{sheet}"


def _csv(file: Path) -> pd.DataFrame:
    try:  # text only, so that ids keep their leading zeros; blank lines count, so that row numbers are the user's
        cells = pd.read_csv(
            file, dtype=str, keep_default_na=False, skip_blank_lines=False, index_col=False, encoding="utf-8-sig"
        ).fillna("")
    except pd.errors.EmptyDataError:
        raise BadInput(f"the index {file.name} is empty: expected a header and one row per image") from None
    except (ValueError, OSError) as error:  # ParserError and UnicodeDecodeError are ValueErrors
        reason = " ".join(str(error).split())
        raise BadInput(f"the index {file.name} cannot be read as CSV in UTF-8: {reason}") from None
    cells.columns = cells.columns.str.strip()
    return cells[(cells != "").any(axis=1)]


def _npz(file: Path, data: Data) -> tuple[pd.DataFrame, Data]:
    """The arrays of an npz as the table that a CSV would hold."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            parts = [p for p in NPZ_PARTS if f"{p}_images" in archive and f"{p}_labels" in archive]
            arrays = {p: archive[f"{p}_labels"].reshape(len(archive[f"{p}_labels"]), -1) for p in parts}
            counts = {p: len(archive[f"{p}_images"]) for p in parts}
            names = ", ".join(archive.files)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BadInput(f"{file.name} cannot be read as npz: {error}") from None
    if not parts:
        raise BadInput(f"{file.name} holds {names or 'nothing'}; expected train_images, train_labels, val_…, test_…")
    for part, labels in arrays.items():
        if len(labels) != counts[part] or labels.shape[1] != arrays[parts[0]].shape[1]:
            raise BadInput(f"{file.name}: {part}_labels {labels.shape} do not fit its {counts[part]} {part}_images")
    labels = np.concatenate(list(arrays.values()))
    width = labels.shape[1]
    columns = data.label if len(data.label) == width else tuple(f"label_{i}" for i in range(width))
    cells = pd.DataFrame(labels.astype(str), columns=list(columns), dtype=str)
    cells["image"] = [f"{file.absolute()}#{p}_images/{i}" for p in parts for i in range(counts[p])]
    if len(parts) > 1:
        cells["split"] = [p for p in parts for _ in range(counts[p])]
        data = replace(data, split="split")
    label = columns if data.label == Data().label else data.label
    return cells, replace(data, image="image", label=label)


def _phantoms(data: Data, notes: list[str]) -> Data:
    from radzoo.images import phantoms

    kind = data.index.partition(":")[2]
    index = phantoms.write(cache_folder() / "phantoms" / kind, kind=kind)
    columns = pd.read_csv(index, dtype=str, nrows=0).columns
    label = data.label
    if not set(label) <= set(columns):
        label = ("nodule",)
        notes.append(f"The phantoms have no label {', '.join(data.label)}: the label is nodule instead.")
    return replace(data, index=str(index), image="file", patient="patient_id", label=label)


def _select(cells: pd.DataFrame, where: str | None, file: Path, notes: list[str]) -> pd.DataFrame:
    if where is None:
        return cells
    keep = np.ones(len(cells), bool)
    for column, op, value in conditions(where):
        keep &= matches(_column(cells, column, "where", file), op, value)
    if not keep.any():
        raise BadInput(f"--data.where {where!r} keeps none of the {len(cells)} rows of {file.name}: widen it")
    notes.append(f"{keep.sum()} of {len(keep)} rows of the index were kept: {where}.")
    return cells[keep]


def _table(cells: pd.DataFrame, data: Data, file: Path, notes: list[str]) -> pd.DataFrame:
    images = _column(cells, data.image, "image", file).str.strip()
    table = pd.DataFrame({"row": cells.index.to_numpy(), "path": images.to_numpy()})
    _refuse(table, images == "", f"column '{data.image}' names no image in {{}}: fill them in or remove these rows")
    table["path"] = [os.path.abspath(file.parent / image) for image in images]
    double = table["path"].duplicated(keep=False)
    _refuse(table, double, "the same image stands in several rows, {}: keep one row per image")
    if data.patient is None:
        table["patient"] = [f"image {row}" for row in table["row"]]
        notes.append("There is no patient column: each image counts as a patient of its own.")
    else:
        table["patient"] = _column(cells, data.patient, "patient", file).str.strip().to_numpy()
        nobody = table["patient"].str.lower().isin(("", "nan"))
        _refuse(table, nobody, f"column '{data.patient}' names no patient in {{}}: fill them in or remove these rows")
    table["split"] = ""
    if isinstance(data.split, str):
        given = _column(cells, data.split, "split", file).str.strip().to_numpy()
        table["split"] = _given_parts(pd.Series(given), table, data)
    return table


def _given_parts(values: pd.Series, table: pd.DataFrame, data: Data) -> pd.Series:
    """The user's words for the parts as `train`, `validation`, `test`; `data.test` may rename the validation part."""
    words = {"train": "train"} | dict.fromkeys(VALIDATION, "validation") | {data.test.lower(): "test"}
    parts = values.str.lower().map(words)
    occur = sorted(set(values) - {""})
    if not (parts == "test").any():
        raise BadInput(
            f"no row of column '{data.split}' is the test set '{data.test}': pass --data.test VALUE, "
            f"VALUE one of {', '.join(occur) or 'nothing, the column is empty'}"
        )
    strange = parts.isna()
    first = values[strange].iloc[0] if strange.any() else ""
    expected = f"expected train, val or the test set '{data.test}'"
    _refuse(table, strange, f"column '{data.split}' holds {first!r} in {{}}, {expected}")
    if not (parts == "train").any():
        raise BadInput(
            f"no row of column '{data.split}' is 'train', it holds {', '.join(occur)}: nothing to learn from"
        )
    return parts


def _refuse(table: pd.DataFrame, bad, message: str) -> None:
    positions = np.flatnonzero(bad)
    if len(positions):
        raise BadInput(message.replace("{}", name_rows(table, positions)))


def _column(cells: pd.DataFrame, name: str, role: str, file: Path) -> pd.Series:
    """The column of that name, or BadInput that lists the columns there are, near matches first."""
    if name in cells:
        return cells[name]
    near = difflib.get_close_matches(name, cells.columns, n=3, cutoff=0.5)
    near += [c for c in cells.columns if c.lower() == name.lower() and c not in near]
    others = near + [c for c in cells.columns if c not in near]
    listed = ", ".join(others[:20]) + (f" and {len(others) - 20} more" if len(others) > 20 else "")
    raise BadInput(f"{file.name} has no column '{name}' (--data.{role}); its columns are {listed}")
