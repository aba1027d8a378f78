"""Metadata alone: where an image comes from, as numbers, by an encoder that has seen the training part alone."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import pandas as pd

from radzoo.errors import BadInput
from radzoo.images.augment import name_words
from radzoo.registry import suggest

WHERE_FROM = {
    *("source", "site", "hospital", "institution", "centre", "center", "vendor", "manufacturer", "model", "scanner"),
    *("station", "device", "detector", "machine", "repository", "width", "height", "rows", "columns", "mode", "view"),
    *("modality", "kvp", "exposure"),
}
WHERE_FROM_WHOLE = {"orig w", "orig h"}
WHAT_IT_SHOWS = {  # a column that also has one of these words speaks of the patient, not of the camera
    *("label", "labels", "finding", "findings", "diagnosis", "class", "target", "outcome", "severity", "survival"),
    *("prediction", "score", "age", "sex", "patient", "body", "heart", "lesion", "nodule", "mass", "tumor", "tumour"),
    *("bbox", "box", "mask", "roi"),
}
FREQUENT = 5  # training images that a word or value needs to become a feature of its own
WORDS = 200  # features of one column at most, the most frequent first
NUMERIC = 0.9  # part of the cells that must be numbers for a column to count as one of numbers
BINS = 5
SIDES = ("depth", "height", "width")


def metadata_columns(columns: Iterable[str], metadata: tuple[str, ...] | None, taken: set[str]) -> list[str]:
    """The columns of an index that tell where an image comes from.

    Args:
        columns: of the index, in their order.
        metadata: the user's choice (`data.metadata`); None takes columns by the words of their names. Findings,
            severity, survival, age and sex never count: they are about the patient.
        taken: columns that already mean something: image, labels, patient, study, split.
    Raises:
        BadInput: a chosen column does not exist, or is taken.
    """
    columns = list(columns)
    if metadata is None:
        return [name for name in columns if name not in taken and _where_from(name)]
    for name in metadata:
        if name not in columns:
            raise BadInput(f"the index has no column '{name}'{suggest(name, columns)} (--data.metadata)")
        if name in taken:
            raise BadInput(f"--data.metadata names '{name}', which is an image, label, patient, study or split column")
    return list(metadata)


def clues(
    cells: pd.DataFrame,
    *,
    patients: Sequence[str] | None = None,
    paths: Sequence[str] | None = None,
    folder: str | os.PathLike = ".",
    sizes: np.ndarray | None = None,
) -> pd.DataFrame:
    """Everything that is known about each image without its pixels, as text, one column per clue.

    The letters of a file's name are left out, because they often spell the diagnosis; of its numbers the first and the
    last count (patients and pictures are numbered in the order they came in).

    Args:
        cells: `metadata_columns` of the index, one row per image.
        patients: ids as in the index; None where every image was made a patient of its own.
        paths: of the image files; None for arrays, whose places mean nothing.
        folder: of the index: what stands above it is the user's machine and no clue.
        sizes: `(n, 2)` height and width of the images in their files, in pixels, or `(n, 3)` of volumes `(z, y, x)`.
    """
    table = cells.astype(str).reset_index(drop=True)
    if patients is not None:
        ids = pd.Series(list(patients), dtype=str)
        parts = ids.str.extract(r"(?s)^(.*?)(\d*)\D*$")  # the last digits, and what stands before them
        table["patient: prefix"], table["patient: number"] = parts[0], parts[1]
        table["patient: length"] = ids.str.len().astype(str)
    if paths is not None:
        below = [PurePath(os.path.relpath(path, folder)) for path in paths]
        numbers = [re.findall(r"\d+", path.stem) or [""] for path in below]
        table["file: folder"] = [path.parent.as_posix() for path in below]
        table["file: type"] = [path.suffix for path in below]
        table["file: first number"] = [found[0] for found in numbers]
        table["file: last number"] = [found[-1] for found in numbers]
    if sizes is not None:
        columns = np.asarray(sizes).T.astype(str)
        for name, side in zip(SIDES[-len(columns) :], columns, strict=True):
            table[f"image: {name}"] = side
    return table


@dataclass(frozen=True)
class Metadata:
    """Clues as numbers, by an encoder that has seen the training part alone.

    Attributes:
        numbers: column -> `(sorted values, frequent values)` of the training part.
        words: column -> the frequent words.
    """

    numbers: dict[str, tuple[np.ndarray, tuple[float, ...]]]
    words: dict[str, tuple[str, ...]]

    @classmethod
    def learn(cls, table: pd.DataFrame, labels: Iterable[str] = ()) -> Metadata:
        """From the training rows of `clues`.

        Args:
            labels: names and values of the label columns. A folder that is named after a class is the label itself
                and no clue, so words that spell a label are left out.
        """
        spelt = {_stem(word) for name in labels for word in name_words(name)}
        numbers, words = {}, {}
        for column in table:
            if table[column].nunique() == 1:  # the same for every image
                continue
            values, filled = _values(table[column]), table[column].str.strip() != ""
            if filled.any() and np.isfinite(values[filled]).mean() >= NUMERIC:
                known = np.sort(values[np.isfinite(values)])
                numbers[column] = known, _frequent(known, len(table))
            else:
                said = [word for cell in table[column] for word in _words(cell)]
                allowed = [word for word in said if not spelt & set(map(_stem, name_words(word)))]
                words[column] = _frequent(allowed, len(table))
        return cls(numbers, words)

    @property
    def columns(self) -> tuple[str, ...]:
        """The clues that differ between training images; without any there is no metadata to speak of."""
        return (*self.numbers, *(column for column, frequent in self.words.items() if frequent))

    def transform(self, table: pd.DataFrame) -> np.ndarray:
        """float32 `(n, features)`; no feature where `columns` is empty."""
        parts = [np.zeros((len(table), 0))]
        for column, (known, frequent) in self.numbers.items():
            values = _values(table[column])
            parts += _ranks(values, known), values[:, None] == np.array(frequent)
        for column, frequent in self.words.items():
            cells = [_words(cell) for cell in table[column]]
            parts.append(np.reshape([[word in cell for word in frequent] for cell in cells], (len(table), -1)))
        return np.concatenate(parts, axis=1).astype("float32")


def _where_from(name: str) -> bool:
    words = name_words(name)
    known = words & WHERE_FROM or " ".join(re.findall(r"[a-z]+", name.lower())) in WHERE_FROM_WHOLE
    return bool(known) and not words & WHAT_IT_SHOWS


def _stem(word: str) -> str:
    """So that a folder `findings` is known from a label `finding`."""
    return word.rstrip("s")


def _words(cell: str) -> set[str]:
    """The whole cell, its parts between separators (`hospital_1`), and its runs of letters."""
    cell = cell.strip().lower()
    return {cell, *(part.strip() for part in re.split(r"[/\\:;,|]", cell)), *re.findall(r"[^\W\d_]+", cell)}


def _values(cells: pd.Series) -> np.ndarray:
    return pd.to_numeric(cells, errors="coerce").to_numpy(float)


def _frequent(values, rows: int) -> tuple:
    """What occurs in at least five rows, and not in all."""
    return tuple(value for value, count in Counter(values).most_common(WORDS) if FREQUENT <= count < rows)


def _ranks(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The place of each number among those of the training part, the fifth that it falls into, and whether it is one.

    Ranks and not the numbers: ids may have thirty digits.
    """
    absent = ~np.isfinite(values)
    filled = np.where(absent, np.median(known), values)
    rank = (np.searchsorted(known, filled) + np.searchsorted(known, filled, side="right")) / (2 * len(known))
    fifth = np.digitize(rank, np.arange(1, BINS) / BINS)
    return np.column_stack([rank, fifth[:, None] == np.arange(BINS), absent])
