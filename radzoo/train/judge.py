"""From raw predictions to what they say: units, recalibration and threshold from validation, then the test part."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from radzoo.data import Index
from radzoo.data.split import folds, parts
from radzoo.metrics import (
    Recalibration,
    evaluate,
    evaluate_ordinal,
    evaluate_regression,
    pool_units,
    recalibrate,
    score,
    threshold_for,
)
from radzoo.metrics.score import WORST
from radzoo.recipe import Recipe
from radzoo.train.detection import froc

PARTS = ("validation", "test")
CONSTANT = "says the same for every image"
HALVINGS = 20


@dataclass
class Answers:
    """What one way says of every image of validation and test: `raw[fold][part]` is `(images, k)`."""

    model: str
    way: str
    raw: dict[int, dict[str, np.ndarray]]
    detail: str = ""
    note: str = ""
    constant: bool = False  # says the same for every image: there is nothing to recalibrate
    epochs: dict[int, np.ndarray] = field(default_factory=dict)  # of a network: what each epoch said of validation
    members: tuple[Answers, ...] = ()  # of an ensemble

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
        thresholds = (None if index.task == "regression" else 0.5,) * k
    else:
        fixed = recalibrate(guide.truth, guide.raw, index.task)
        thresholds = _thresholds(recipe, index.task, guide.truth, fixed.apply(guide.raw))
    return {part: apply(each, fixed, thresholds, constant) for part, each in pooled.items()}


def judged_folds(recipe: Recipe, index: Index, answers: Answers) -> dict[int, dict[str, Judged]]:
    """`judge` for every fold of one way."""
    return {fold: judge(recipe, index, fold, raw, answers.constant) for fold, raw in answers.raw.items()}


def _thresholds(recipe: Recipe, task: str, truth: np.ndarray, probability: np.ndarray) -> tuple:
    """One per class by the rule of the recipe; a number has none."""
    columns = zip(truth.T, probability.T, strict=True)
    return tuple(None if task == "regression" else threshold_for(*column, recipe.threshold) for column in columns)


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
    """The entry of `metrics.json` for one way: validation and test over all folds together.

    `choice` is what the best way is chosen by: the mean of the folds' scores on validation, for a network that kept the
    best of many epochs on these images the score of `cross_fitted`.
    """
    thresholds = {str(fold or ""): list(each["validation"].thresholds) for fold, each in judged.items()}
    entry = {"model": answers.model, "way": answers.way, "detail": answers.detail, "thresholds": thresholds}
    entry["choice"] = float(np.mean([fold_choice(recipe, index, answers, judged, fold) for fold in judged]))
    return entry | {part: measure(recipe, index, judged, part) for part in PARTS}


def fold_choice(recipe: Recipe, index: Index, answers: Answers, judged: dict[int, dict[str, Judged]], fold) -> float:
    """What one fold says for a way: its score on validation, cross-fitted where the best of many epochs was kept."""
    if fold in answers.epochs:
        return cross_fitted(recipe, index, fold, answers.epochs[fold])
    if answers.members:  # with equal weights: those that were swept on validation know these patients
        members = [member.epochs.get(fold, member.raw[fold]["validation"][None]) for member in answers.members]
        return cross_fitted(recipe, index, fold, *members)
    guide = judged[fold]["validation"]
    return score(index.task, guide.truth, guide.probability)


def cross_fitted(recipe: Recipe, index: Index, fold, *epochs: np.ndarray) -> float:
    """What the best epoch is worth on validation patients that did not choose it.

    The patients of validation are halved at random; the epoch that is best on one half is scored on the other. The mean
    over both halves of several halvings owes nothing to the maximum over epochs, which favours a network that is tried
    often over one that is tried once.

    Args:
        epochs: `(epochs, images, k)`, what each epoch said of the validation images; of an ensemble one array for each
            member, whose best epochs are averaged.
    """
    here = parts(index, fold)["validation"]
    said = [[units(recipe, index, here, each).raw for each in member] for member in epochs]
    guide = units(recipe, index, here, epochs[0][0])
    patients = np.unique(guide.patients, return_inverse=True)[1]
    generator, found = np.random.default_rng(recipe.seed), []
    for _ in range(HALVINGS):
        first = generator.permutation(patients.max() + 1)[patients] % 2 == 0
        for half in (first, ~first):
            best = [max(each, key=lambda raw: score(index.task, guide.truth[half], raw[half])) for each in said]
            found.append(score(index.task, guide.truth[~half], np.mean(best, axis=0)[~half]))
    numbers = index.task == "regression"  # for which it means a constant, and not that a class is absent
    defined = [value for value in found if numbers or value > WORST]
    return float(np.mean(defined)) if defined else WORST


def measure(recipe: Recipe, index: Index, judged: dict[int, dict[str, Judged]], part: str) -> dict:
    """`evaluated` on one part of all folds together; each unit is called by the threshold of its own fold.

    Of tested candidates also their `froc`.
    """
    together = pooled(judged, part)
    constant = all(each[part].recalibration.note == CONSTANT for each in judged.values())
    several = together["folds"] if len(folds(index)) > 1 else None
    told = evaluated(recipe, index, together, rule=None if constant else recipe.threshold, folds=several)
    if part == "test" and index.candidates is not None and not constant:
        told["froc"] = froc(recipe, index, together)
    return told


def evaluated(recipe: Recipe, index: Index, together: dict, *, rule: str | None, folds=None) -> dict:
    """The numbers of the task, with intervals.

    Args:
        together: `truth raw probability patients thresholds` of the units.
    """
    units = together["truth"], together["probability"], together["patients"]
    options = {"raw": together["raw"], "folds": folds, "bootstrap": recipe.bootstrap, "seed": recipe.seed}
    if index.task == "regression":
        return evaluate_regression(*units, **options)
    options |= {"classes": index.classes, "thresholds": together["thresholds"], "rule": rule}
    if index.task == "ordinal":
        return evaluate_ordinal(*units, **options)
    return evaluate(*units, task=index.task, **options)


def pooled(judged: dict[int, dict[str, Judged]], part: str) -> dict[str, np.ndarray]:
    """One part of all folds, one below the other: `truth raw probability patients rows`, `thresholds` and `folds`."""
    together = {
        name: np.concatenate([getattr(each[part], name) for each in judged.values()])
        for name in ("truth", "raw", "probability", "patients", "rows")
    }
    counts = [len(each[part].truth) for each in judged.values()]
    limits = np.array([each[part].thresholds for each in judged.values()], float)  # None becomes NaN
    return together | {"thresholds": limits.repeat(counts, 0), "folds": np.repeat(list(judged), counts)}
