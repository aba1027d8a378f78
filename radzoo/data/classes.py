"""What the numbers and names in masks mean: the labels of the user's files as the classes 1, 2, … of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from radzoo.errors import BadInput
from radzoo.masks import IGNORE
from radzoo.recipe import Data

MOST = 50  # labels that nobody named; more are instances, or an image


@dataclass(frozen=True)
class Meaning:
    """The classes of a run, and which labels of a mask are which.

    Attributes:
        classes: names of the classes 1, 2, …; background is 0.
        labels: the number, or name of a segment, of each label -> its class.
        ignore: the label that counts nowhere.
        instances: every label is an object of the only class.
    """

    classes: tuple[str, ...]
    labels: dict[int | str, int]
    ignore: int | None = None
    instances: bool = False

    def table(self, names: tuple[str, ...], largest: int) -> np.ndarray:
        """uint8 `(largest + 1,)`: label of one mask -> class; its labels 1, 2, … have `names` if it names segments.

        A label without a class is background.
        """
        found = np.zeros(largest + 1, "uint8")
        if self.instances:
            found[1:] = 1
        for label in range(1, largest + 1):
            known = names[label - 1] if names and label <= len(names) else label
            found[label] = self.labels.get(known, found[label])
        if self.ignore is not None and self.ignore <= largest and not names:
            found[self.ignore] = IGNORE
        return found


def meaning(
    data: Data, seen: list[tuple[tuple[str, ...], tuple[int, ...]]], row: Callable[[int], str], instances=False
):
    """The classes that the masks of an index hold.

    Args:
        data: its `classes`, `ignore` and `others`.
        seen: of each mask the names of its segments (none for a map of numbers) and the labels that occur in it.
        row: position -> words for the row of that mask.
    Raises:
        BadInput: all masks are empty, labels that the classes do not name, names that do not agree across cases.
    """
    there = {_called(names, label): i for i, (names, labels) in reversed(list(enumerate(seen))) for label in labels}
    there = {label: i for label, i in there.items() if label != 0 and (data.ignore is None or label != data.ignore)}
    if not there:
        raise BadInput(f"all {len(seen)} masks are empty: is --data.mask the right column?")
    words = {isinstance(label, str) for label in there}
    if len(words) > 1:
        named = next(i for label, i in there.items() if isinstance(label, str))
        number = next(i for label, i in there.items() if not isinstance(label, str))
        raise BadInput(f"the mask of {row(named)} names its segments, that of {row(number)} has numbers: use one kind")
    if instances:
        if len(data.classes) > 1:
            raise BadInput(f"classes {', '.join(data.classes)} came with --mask.instances, which are of one class")
        return Meaning(data.classes or ("object",), {}, data.ignore, True)
    classes, labels = _named(data.classes, there) if data.classes else _all(there)
    strange = [label for label in there if label not in labels]
    if strange and data.others == "refuse":
        told = ", ".join(map(str, strange[:10])) + (", …" if len(strange) > 10 else "")
        raise BadInput(
            f"label{'s' * (len(strange) > 1)} {told} came, first in {row(there[strange[0]])}; the classes are "
            f"{', '.join(f'{name}={_numbers(labels, i)}' for i, name in enumerate(classes, start=1))}: name them in "
            "--data.classes, or pass --data.others background"
        )
    absent = [name for i, name in enumerate(classes, start=1) if not any(labels.get(label) == i for label in there)]
    if absent:
        raise BadInput(f"no mask holds {', '.join(absent)}: drop it from --data.classes, or correct its number")
    return Meaning(classes, labels, data.ignore)


def _called(names: tuple[str, ...], label: int) -> int | str:
    return names[label - 1] if names and label else label


def _all(there: dict) -> tuple[tuple[str, ...], dict]:
    """Every label is a class of its own name."""
    if len(there) > MOST:
        raise BadInput(f"the masks hold {len(there)} labels: name those you want (--data.classes liver=5), or pass "
                       "--mask.instances True if each number is one object")  # fmt: skip
    order = sorted(there)
    return tuple(str(label) for label in order), {label: i for i, label in enumerate(order, start=1)}


def _named(entries: tuple[str, ...], there: dict) -> tuple[tuple[str, ...], dict]:
    """`liver=5`, `lungs=1+2`, or names alone, which count the labels from 1."""
    names = tuple(entry.partition("=")[0].strip() for entry in entries)
    if len(set(names)) < len(names) or not all(names):
        raise BadInput(f"--data.classes {' '.join(entries)} came: give each class a name of its own")
    given = [entry.partition("=")[2] for entry in entries]
    if any(given):
        labels = {}
        for i, (entry, numbers) in enumerate(zip(entries, given, strict=True), start=1):
            for part in numbers.split("+"):
                label = int(part) if part.strip().isdigit() else part.strip()
                if label in ("", 0) or label in labels:
                    raise BadInput(f"--data.classes {entry!r} came, expected NAME=LABEL such as liver=5 or lungs=1+2")
                labels[label] = i
        return names, labels
    if all(isinstance(label, str) for label in there):
        return names, {name: i for i, name in enumerate(names, start=1)}
    if len(there) == len(names) == 1:  # 0 and 255
        return names, dict.fromkeys(there, 1)
    if len(there) <= len(names) < max(there):
        raise BadInput(
            f"labels {', '.join(map(str, sorted(there)))} came for the classes {', '.join(names)}: say which is which, "
            f"as --data.classes {names[0]}={min(there)} …"
        )
    return names, {i: i for i in range(1, len(names) + 1)}


def _numbers(labels: dict, number: int) -> str:
    return "+".join(str(label) for label, each in labels.items() if each == number)
