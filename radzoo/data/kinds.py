"""Images of another kind than the rest: lateral views, for-processing images, secondary captures.

They are columns of an index that `radzoo index` wrote, and each has a filter; nobody trains on a mixture unawares.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

VIEWS = (
    "PA", "AP", "LL", "RL", "LLD", "RLD", "LLO", "RLO", "LAO", "RAO", "LPO", "RPO",  # radiographs
    "CC", "MLO", "ML", "LM", "LMO", "XCCL", "XCCM", "FB", "SIO", "ISO",  # mammograms
    "LATERAL", "OBLIQUE", "AXIAL",
)  # fmt: skip
WORDS = {word: word for word in VIEWS} | {"LAT": "LATERAL", "LLAT": "LL", "RLAT": "RL", "OBL": "OBLIQUE"}
WHOLE = {"L": "LATERAL", "LEFT LATERAL": "LL", "RIGHT LATERAL": "RL"}
LATERAL = ("LL", "RL", "LATERAL")
OTHER = "OTHER"


@dataclass(frozen=True)
class Kind:
    """One kind that should not be mixed in unawares.

    Attributes:
        name: in the plural, for a sentence.
        column: of the index.
        found: whether a cell's text means it.
    """

    name: str
    column: str
    found: Callable[[str], bool]


KINDS = (
    Kind("lateral views", "view", lambda cell: view(cell) in LATERAL),
    Kind("for-processing images", "presentation_intent", lambda cell: cell.strip() == "PROCESSING"),
    Kind("secondary captures", "secondary_capture", lambda cell: cell.strip() in ("1", "1.0")),
)
BURNT_IN = Kind("images whose header says that they hold burnt-in text", "burnt_in", lambda cell: cell.strip() == "YES")


def view(text: str) -> str:
    """A view in one of the words of `VIEWS`; empty for none, `OTHER` where the text is not understood.

    `"Chest PA"` is PA; header text never passes through.
    """
    text = " ".join(text.upper().split())
    known = {WHOLE[text]} if text in WHOLE else {WORDS[word] for word in re.findall("[A-Z]+", text) if word in WORDS}
    return known.pop() if len(known) == 1 else OTHER if text else ""


def among(cells: pd.DataFrame, kinds: tuple[Kind, ...] = KINDS) -> list[tuple[Kind, int, str]]:
    """Each kind that is there beside others: the kind, how many rows, and the expression that leaves it out."""
    mixed = []
    for kind in kinds:
        if kind.column not in cells:
            continue
        values = cells[kind.column].astype(str)
        found = np.array([kind.found(value) for value in values], bool)
        if 0 < found.sum() < len(found):
            words = sorted(set(values[found].str.strip()))
            mixed.append((kind, int(found.sum()), " and ".join(f"{kind.column} != {_quoted(word)}" for word in words)))
    return mixed


def notes(cells: pd.DataFrame) -> list[str]:
    """A sentence for each kind that is mixed in."""
    return [
        f'{count} of {len(cells)} images are {kind.name}: leave them out with --data.where "{where}".'
        for kind, count, where in among(cells)
    ]


def _quoted(word: str) -> str:
    return f"'{word}'" if " " in word else word
