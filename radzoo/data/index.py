"""An index: which images there are, whose they are, and what is known about them."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from radzoo.data.labels import encode
from radzoo.data.sources import from_csv, from_npz, from_phantoms
from radzoo.data.where import conditions, matches
from radzoo.errors import BadInput
from radzoo.recipe import Data

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
        data = from_phantoms(data, notes)
    file = Path(data.index).expanduser()
    if not data.index or not file.is_file():
        raise BadInput(
            f"the index {data.index!r} is not a file: --data.index takes a CSV with one row per image, "
            "an .npz with train_images and train_labels, or phantom:chest"
        )
    if file.suffix.lower() == ".npz":
        cells, data = from_npz(file, data)
    else:
        cells = from_csv(file)
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
