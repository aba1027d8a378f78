"""From raw predictions to what they say: units, recalibration and threshold from validation, then the test part."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from radzoo.data import Index
from radzoo.data.split import folds, parts
from radzoo.metrics import Recalibration, evaluate, pool_units, recalibrate, threshold_for
from radzoo.recipe import Recipe

PARTS = ("validation", "test")
CONSTANT = "says the same for every image"


@dataclass
class Answers:
    """What one way says of every image of validation and test: `raw[fold][part]` is `(images, k)`."""

    model: str
    way: str
    raw: dict[int, dict[str, np.ndarray]]
    detail: str = ""
    note: str = ""
    constant: bool = False  # says the same for every image: there is nothing to recalibrate

    @property
    def key(self) -> tuple[str, str]:
        return self.model, self.way

    @property
    def name(self) -> str:
        return " ".join(filter(None, self.key))


@dataclass(frozen=True)
class Judged:
    """Units of one part of one fold, with what was fixed on validation.

    Attributes:
        rows: position in the index of each unit's first image.
        truth, raw, probability: `(units, k)`; `raw` before recalibration.
        patients: `(units,)`.
        thresholds: k numbers, None where there is none.
    """

    rows: np.ndarray
    truth: np.ndarray
    raw: np.ndarray
    probability: np.ndarray
    patients: np.ndarray
    thresholds: tuple
    recalibration: Recalibration


def judge(recipe: Recipe, index: Index, fold, raw: dict[str, np.ndarray], constant: bool = False) -> dict[str, Judged]:
    """Pools images into units; fits recalibration and thresholds on validation alone, and applies them to all parts."""
    pooled = {part: units(recipe, index, parts(index, fold)[part], values) for part, values in raw.items()}
    guide, k = pooled["validation"], len(index.classes)
    if constant:
        fixed = Recalibration(task=index.task, intercept=(0.0,) * k, slope=(1.0,) * k, note=CONSTANT)
        thresholds = (0.5,) * k
    else:
        fixed = recalibrate(guide.truth, guide.raw, index.task)
        columns = zip(guide.truth.T, fixed.apply(guide.raw).T, strict=True)
        thresholds = tuple(threshold_for(*column, recipe.threshold) for column in columns)
    return {part: apply(each, fixed, thresholds, constant) for part, each in pooled.items()}


def units(recipe: Recipe, index: Index, here: np.ndarray, raw: np.ndarray) -> Judged:
    """The units of the images in `here`, nothing recalibrated yet."""
    table = index.table.iloc[here]
    pooled = pool_units(
        index.labels[here],
        raw,
        table["unit"].to_numpy(),
        table["patient"].to_numpy(),
        recipe.aggregate,
        task=index.task,
    )
    none = Recalibration(task=index.task, intercept=(), slope=())
    return Judged(here[pooled.first], pooled.truth, pooled.probability, pooled.probability, pooled.patients, (), none)


def apply(pooled: Judged, fixed: Recalibration, thresholds: tuple, constant: bool = False) -> Judged:
    """Recalibrated probabilities and thresholds, both fixed elsewhere."""
    probability = pooled.raw if constant else fixed.apply(pooled.raw)
    return dataclasses.replace(pooled, probability=probability, thresholds=thresholds, recalibration=fixed)


def row(recipe: Recipe, index: Index, answers: Answers, judged: dict[int, dict[str, Judged]]) -> dict:
    """The entry of `metrics.json` for one way: validation and test over all folds together."""
    thresholds = {str(fold or ""): list(each["validation"].thresholds) for fold, each in judged.items()}
    entry = {"model": answers.model, "way": answers.way, "detail": answers.detail, "thresholds": thresholds}
    return entry | {part: measure(recipe, index, judged, part) for part in PARTS}


def measure(recipe: Recipe, index: Index, judged: dict[int, dict[str, Judged]], part: str) -> dict:
    """`metrics.evaluate` on one part of all folds together; each unit is called by the threshold of its own fold."""
    together = pooled(judged, part)
    constant = all(each[part].recalibration.note == CONSTANT for each in judged.values())
    return evaluate(
        together["truth"], together["probability"], together["patients"], task=index.task, classes=index.classes,
        thresholds=together["thresholds"], rule=None if constant else recipe.threshold, raw=together["raw"],
        folds=together["folds"] if len(folds(index)) > 1 else None, bootstrap=recipe.bootstrap, seed=recipe.seed,
    )  # fmt: skip


def pooled(judged: dict[int, dict[str, Judged]], part: str) -> dict[str, np.ndarray]:
    """One part of all folds, one below the other: `truth raw probability patients rows`, `thresholds` and `folds`."""
    together = {
        name: np.concatenate([getattr(each[part], name) for each in judged.values()])
        for name in ("truth", "raw", "probability", "patients", "rows")
    }
    counts = [len(each[part].truth) for each in judged.values()]
    limits = np.array([each[part].thresholds for each in judged.values()], float)  # None becomes NaN
    return together | {"thresholds": limits.repeat(counts, 0), "folds": np.repeat(list(judged), counts)}
