"""Columns of an index: which image, whose it is, in which part; and words for rows that are not as they should be."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import numpy as np
import pandas as pd

from radzoo.errors import BadInput
from radzoo.images.paths import BREAK, FRAMES, archived, joined, place_of, placed, separated
from radzoo.recipe import Data

VALIDATION = ("val", "valid", "validation")


def column(cells: pd.DataFrame, name: str, role: str, file: Path) -> pd.Series:
    """The column of that name, or BadInput that lists the columns there are, near matches first."""
    if name in cells:
        return cells[name]
    near = difflib.get_close_matches(name, cells.columns, n=3, cutoff=0.5)
    near += [c for c in cells.columns if c.lower() == name.lower() and c not in near]
    others = near + [c for c in cells.columns if c not in near]
    listed = ", ".join(others[:20]) + (f" and {len(others) - 20} more" if len(others) > 20 else "")
    raise BadInput(f"{file.name} has no column '{name}' (--data.{role}); its columns are {listed}")


def name_rows(table: pd.DataFrame, positions, limit: int = 5) -> str:
    """Words for rows of an index: `rows 2, 9 and 4 more (the header is row 1)`, or the places in an npz or dataset."""
    chosen = table.iloc[list(positions)]
    shown = [
        path.rpartition("#")[2] if archived(path) else str(row + 2)
        for row, path in zip(chosen["row"][:limit], chosen["path"][:limit], strict=True)
    ]
    more = f" and {len(chosen) - limit} more" if len(chosen) > limit else ""
    sheet = " (the header is row 1)" if shown and shown[0].isdigit() else ""
    return f"row{'s' if len(chosen) > 1 else ''} {', '.join(shown)}{more}{sheet}"


def image_table(cells: pd.DataFrame, data: Data, file: Path) -> pd.DataFrame:
    """`row` and `path` of every image; several image columns make one path of all files (`paths.joined`)."""
    if len(set(data.image)) < len(data.image) or not data.image:
        raise BadInput(f"--data.image {' '.join(data.image)} came: name each image column once, in the order you want")
    columns = {name: column(cells, name, "image", file).str.strip() for name in data.image}
    table = pd.DataFrame({"row": cells.index.to_numpy(), "path": columns[data.image[0]].to_numpy()})
    for name, images in columns.items():
        _refuse(table, images == "", f"column '{name}' names no image in {{}}: fill them in or remove these rows")
        broken = images.str.contains(BREAK, regex=False)
        _refuse(table, broken, f"column '{name}' holds a line break in {{}}: rename these files")
    places = located(cells, data, file) if data.place else None
    rows = enumerate(zip(*columns.values(), strict=True))
    table["path"] = [
        joined(os.path.abspath(file.parent / image) + (places[i] if places else "") for image in row) for i, row in rows
    ]
    double = table["path"].duplicated(keep=False)
    _refuse(table, double, "the same image stands in several rows, {}: keep one row per image")
    return table


def mask_paths(cells: pd.DataFrame, data: Data, file: Path, table: pd.DataFrame) -> list[str]:
    """The mask of every image, absolute; with those of other readers one path of all (`paths.joined`), empty for none.

    Raises:
        BadInput: no mask column, or an image without a mask of the first.
    """
    if not data.mask or len(set(data.mask)) < len(data.mask) or set(data.mask) & set(data.image):
        raise BadInput(
            f"--data.mask {' '.join(data.mask) or 'without a column'} came: a segmentation needs a column of masks, "
            "and each reader one of his own"
        )
    columns = [column(cells, name, "mask", file).str.strip() for name in data.mask]
    message = (
        f"column '{data.mask[0]}' names no mask in {{}}: remove these rows, or name an empty mask if all is normal"
    )
    _refuse(table, (columns[0] == "").to_numpy(), message)
    rows = zip(*columns, strict=True)
    return [joined(os.path.abspath(file.parent / mask) if mask else "" for mask in row) for row in rows]


def target_paths(cells: pd.DataFrame, data: Data, file: Path, table: pd.DataFrame) -> list[str]:
    """The wanted image of every image, absolute; empty where none are given (`Data.target`).

    Raises:
        BadInput: an image without one, or the column of the images themselves.
    """
    if data.target is None:
        return [""] * len(table)
    if data.target in data.image:
        raise BadInput(f"--data.target {data.target} came, which is the image itself: name the column of wanted images")
    targets = column(cells, data.target, "target", file).str.strip()
    _refuse(table, (targets == "").to_numpy(), f"column '{data.target}' names no image in {{}}: remove these rows")
    return [os.path.abspath(file.parent / target) for target in targets]


def located(cells: pd.DataFrame, data: Data, file: Path) -> list[str]:
    """What stands behind the path of each row: `@lps:-20.5,31,104`.

    Raises:
        BadInput: a place that is not three numbers, or an unknown frame; the row is named as the user counts it.
    """
    if data.frame in cells:
        frames = cells[data.frame].str.strip().str.lower()
    elif data.frame in FRAMES:
        frames = [data.frame] * len(cells)
    else:
        raise BadInput(
            f"{file.name} has no column '{data.frame}' that says what its places are: add one, or pass --data.frame "
            f"with one of {', '.join(FRAMES)}"
        )
    positions = zip(*(column(cells, name, "place", file).str.strip() for name in data.place), strict=True)
    found = []
    for row, frame, position in zip(cells.index, frames, positions, strict=True):
        try:
            found.append(placed("", frame, position))
        except BadInput as error:
            raise BadInput(f"{file.name}, row {row + 2} (the header is row 1): {error}") from None
    return found


def add_owners(table: pd.DataFrame, cells: pd.DataFrame, data: Data, unit: str, file: Path, notes: list[str]) -> None:
    """Fills `patient` and `unit`: the image, the study or the patient, whichever is counted.

    Raises:
        BadInput: a column that the unit needs is missing or has gaps, or a study belongs to two patients.
    """
    images = [f"image {row}" for row in table["row"]]
    volumes = [place_of(path)[0] for path in table["path"]]
    study = None if data.study is None else _ids(table, cells, data.study, "study", file)
    if data.patient is not None:
        table["patient"] = _ids(table, cells, data.patient, "patient", file)
    else:
        what = "study" if study is not None else "volume" if data.place else "image"
        table["patient"] = {"study": study, "volume": volumes, "image": images}[what]
        notes.append(f"There is no patient column: each {what} counts as a patient of its own.")
    if (unit == "patient" and data.patient is None) or (unit == "study" and study is None):
        raise BadInput(f"--unit {unit} came, but no column tells {unit} from {unit}: name it with --data.{unit}")
    table["unit"] = {"image": images, "study": study, "patient": table["patient"]}[unit]
    shared = table["patient"].groupby(table["unit"]).transform("nunique") > 1
    _refuse(
        table,
        shared,
        f"a study of column '{data.study}' belongs to more than one patient in {{}}: mend these rows, or write "
        "patient and study into one column",
    )
    if len(data.image) > 1 or data.place:
        _look_at_files(table.assign(path=volumes), notes)


def given_parts(table: pd.DataFrame, cells: pd.DataFrame, data: Data, file: Path) -> pd.Series:
    """The user's words for the parts as `train`, `validation`, `test`; `data.test` may rename the validation part."""
    values = pd.Series(column(cells, data.split, "split", file).str.strip().to_numpy())
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


def _ids(table: pd.DataFrame, cells: pd.DataFrame, name: str, role: str, file: Path) -> np.ndarray:
    ids = column(cells, name, role, file).str.strip().to_numpy()
    empty = np.isin([each.lower() for each in ids], ("", "nan"))
    _refuse(table, empty, f"column '{name}' names no {role} in {{}}: fill them in or remove these rows")
    return ids


def _look_at_files(table: pd.DataFrame, notes: list[str]) -> None:
    """Rows may share files, such as neighbouring slices or the volume of several places, but only within a patient."""
    files = table["path"].map(separated).explode()
    owners = table["patient"].reindex(files.index).groupby(files.to_numpy()).transform("nunique")
    _refuse(
        table,
        (owners > 1).groupby(level=0).any(),
        "rows of different patients name the same file, {}: give each patient's rows files of their own, or name the "
        "patient column (--data.patient)",
    )
    twice = sum(len(set(paths)) < len(paths) for paths in map(separated, table["path"]))
    if twice:
        notes.append(f"{twice} of {len(table)} rows name the same file in more than one image column.")


def _refuse(table: pd.DataFrame, bad, message: str) -> None:
    positions = np.flatnonzero(bad)
    if len(positions):
        raise BadInput(message.replace("{}", name_rows(table, positions)))
