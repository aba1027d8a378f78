"""What is known beside the image (sex, age, field strength, …) as the numbers that enter the head of a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from radzoo.errors import BadInput

MANY = 20  # values of a column of words, from which on it is taken for names or remarks
Rows = Callable[[np.ndarray], str]


@dataclass(frozen=True)
class Covariates:
    """How each column becomes numbers, learnt on the training part.

    Attributes:
        numbers: column -> mean and standard deviation; the number enters standardised, and as 0 where it did not vary.
        words: column -> the categories of the training part; one 0/1 number each, but for the first. A single one is 0.
        unseen: column -> categories of other rows, which enter as the first one: the network could learn nothing of
            them.
    """

    numbers: dict[str, tuple[float, float]]
    words: dict[str, tuple[str, ...]]
    unseen: dict[str, tuple[str, ...]]

    @classmethod
    def learn(cls, cells: pd.DataFrame, train: np.ndarray) -> Covariates:
        """From the training rows; of the others only what kind of column it is, and which categories there are.

        Args:
            cells: text, one column per covariate, no gaps (`read`).
            train: positions of the training rows.
        Raises:
            BadInput: a column that is the same for everybody, or that has too many categories.
        """
        numbers, words, unseen = {}, {}, {}
        for name in cells:
            values = pd.to_numeric(cells[name], errors="coerce").to_numpy(float)
            kinds = sorted(set(cells[name]))
            if len(kinds) == 1:
                raise BadInput(f"covariate '{name}' is {kinds[0]!r} in every row and says nothing: leave it out")
            if np.isfinite(values).all():
                known = values[train]
                numbers[name] = float(known.mean()), float(known.std())
            elif len(kinds) > MANY:
                raise BadInput(f"covariate '{name}' holds {len(kinds)} words, such as {kinds[0]!r}: expected a few")
            else:
                words[name] = tuple(sorted(set(cells[name].iloc[train])))
                unseen[name] = tuple(kind for kind in kinds if kind not in words[name])
        return cls(numbers, words, unseen)

    @property
    def width(self) -> int:
        """How many numbers enter the network."""
        return len(self.numbers) + sum(max(len(kinds) - 1, 1) for kinds in self.words.values())

    def transform(self, cells: pd.DataFrame) -> np.ndarray:
        """float32 `(n, width)`.

        Raises:
            BadInput: a column is missing, or holds what the training did not know.
        """
        missing = [name for name in (*self.numbers, *self.words) if name not in cells]
        if missing:
            raise BadInput(f"the covariate{'s' if len(missing) > 1 else ''} {', '.join(missing)} did not come")
        parts = [np.zeros((len(cells), 0))]
        for name, (mean, sd) in self.numbers.items():
            values = pd.to_numeric(cells[name], errors="coerce").to_numpy(float)
            if not np.isfinite(values).all():
                strange = cells[name].iloc[int(np.flatnonzero(~np.isfinite(values))[0])]
                raise BadInput(f"covariate '{name}' is {strange!r}, expected a number")
            parts.append((values[:, None] - mean) / sd if sd else np.zeros((len(cells), 1)))
        for name, kinds in self.words.items():
            known = {*kinds, *self.unseen[name]}
            strange = sorted(set(cells[name]) - known)
            if strange:
                raise BadInput(f"covariate '{name}' is {strange[0]!r}, expected {' or '.join(sorted(known))}")
            others = np.array(kinds[1:] or [None], object)  # a single category is never another one
            parts.append(cells[name].to_numpy(object)[:, None] == others[None])
        return np.concatenate(parts, axis=1).astype("float32")

    def to_json(self) -> dict:
        return asdict(self)

    @classmethod
    def from_json(cls, told: dict) -> Covariates:
        return cls(**{name: {key: tuple(value) for key, value in each.items()} for name, each in told.items()})


def read(cells: pd.DataFrame, names: tuple[str, ...], rows: Rows) -> pd.DataFrame:
    """The covariate columns as text without gaps; what is unknown is not guessed.

    Raises:
        BadInput: an empty cell.
    """
    found = cells[list(names)].apply(lambda column: column.str.strip()).reset_index(drop=True)
    for name in names:
        empty = np.flatnonzero(found[name].str.lower().isin(("", "nan", "na", "n/a", "null")))
        if len(empty):
            raise BadInput(
                f"covariate '{name}' is empty in {rows(empty)}: fill it in, leave these rows out with --data.where, or "
                "leave the covariate out"
            )
    return found
