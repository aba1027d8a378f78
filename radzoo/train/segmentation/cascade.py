"""What each network of a cascade (`segmenting.Cascade`) learns from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from radzoo.data.cases import Cases
from radzoo.data.classes import Meaning
from radzoo.masks import IGNORE
from radzoo.recipe import Recipe
from radzoo.segmenting import Cascade, around
from radzoo.train.segmentation.prepared import View


@dataclass(frozen=True)
class Stage:
    """One network of a run: its name in files, its place in lines, and its view of the cases."""

    name: str
    label: str
    view: View

    @property
    def folder(self) -> str:
        """Where its model is kept below that of the run."""
        return self.name.strip("_")

    def usable(self, keys) -> list[str]:
        """Without cases that do not hold the organ."""
        return [key for key in keys if not self.name or self.view.cases.usable(key)]


def stages(recipe: Recipe, view: View) -> list[Stage]:
    """The only one, or those of a cascade."""
    organ = recipe.mask.inside
    if organ is None:
        return [Stage("", "", view)]
    classes = view.meaning.classes
    others = tuple(name for name in classes if name != organ)
    return [
        Stage("_organ", f" {organ}", _seen(view, Organ(view.cases, view.meaning), (organ,))),
        Stage(
            "_inside",
            f" inside {organ}",
            _seen(view, Inside(view.cases, view.meaning, classes.index(organ) + 1), others),
        ),
    ]


def joined(looks: list, view: View, recipe: Recipe):
    """What segments an image: the only network, or all in turn."""
    return looks[0] if len(looks) == 1 else Cascade(*looks, view.meaning.classes.index(recipe.mask.inside) + 1)


def _seen(view: View, cases, classes: tuple[str, ...]) -> View:
    return dataclasses.replace(view, cases=cases, meaning=Meaning(classes, {}))


class Organ:
    """Cases of which all classes are the organ: lesions are parts of it."""

    def __init__(self, cases: Cases, meaning: Meaning):
        self.cases, self.spec, self.all = cases, cases.spec, meaning
        self.image, self.objects = cases.image, cases.objects

    def labels(self, key: str, meaning: Meaning) -> np.ndarray:
        found = self.cases.labels(key, self.all)
        return np.where(found == IGNORE, IGNORE, found > 0).astype("uint8")

    def usable(self, key: str) -> bool:
        return True


class Inside:
    """Boxes around the organ, black outside of it, where nothing counts."""

    def __init__(self, cases: Cases, meaning: Meaning, organ: int):
        self.cases, self.spec, self.all = cases, cases.spec, meaning
        others = [each for each in range(1, len(meaning.classes) + 1) if each != organ]
        self.table = np.full(256, IGNORE, "uint8")
        self.table[[0, organ]] = 0
        self.table[others] = np.arange(1, len(others) + 1)
        self.boxes: dict[str, tuple] = {}  # in memory: windows are drawn from them many times

    def image(self, key: str) -> np.ndarray:
        return self._box(key)[1]

    def labels(self, key: str, meaning: Meaning) -> np.ndarray:
        found = self.table[self.cases.labels(key, self.all)]
        return np.where(self._organ(key), found, IGNORE).astype("uint8")[self._box(key)[0]]

    def objects(self, key: str) -> np.ndarray:
        return self.cases.objects(key)[self._box(key)[0]]

    def usable(self, key: str) -> bool:
        return bool(self._organ(key).any())

    def _box(self, key: str) -> tuple:
        if key not in self.boxes:
            self.boxes[key] = around(self._organ(key), np.asarray(self.cases.image(key)))
        return self.boxes[key]

    def _organ(self, key: str) -> np.ndarray:
        found = self.cases.labels(key, self.all)
        return (found > 0) & (found != IGNORE)
