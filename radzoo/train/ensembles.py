"""Several models as one: the mean of what they say, or a weighted one whose weights validation chooses."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from radzoo.data import Index
from radzoo.data.split import parts
from radzoo.errors import BadInput
from radzoo.metrics import score
from radzoo.recipe import Recipe
from radzoo.train.judge import PARTS, Answers, units

NAME = "ensemble"  # the model of such an answer
RATIOS = [(10 - i, 1) for i in range(9)] + [(1, 1)] + [(1, 2 + i) for i in range(9)]  # Lakhani & Sundaram 2017
STEPS = 10  # of each weight, where there are more than two members
MOST = 5  # members whose weights can be swept: 1,001 combinations


def best_weights(count: int, how: str, reached: Callable[[tuple[float, ...]], float]) -> tuple[float, ...]:
    """Weights of `count` members that add up to 1; `how` is `mean`, or `weights`: those that reach the highest score.

    Two members are swept from 10:1 to 1:10 (Lakhani & Sundaram, Radiology 2017), more in steps of a tenth. Of equally
    good weights the most equal ones are taken, so that chance moves nothing away from the mean.

    Args:
        reached: the score of weights on validation; never on the test part.
    """
    equal = (1 / count,) * count
    if how == "mean" or count == 1:
        return equal
    if count > MOST:
        raise BadInput(f"the weights of {count} models cannot be swept: name at most {MOST}, or take their mean")
    if count == 2:
        swept = [(a / (a + b), b / (a + b)) for a, b in RATIOS]
    else:
        grid = itertools.product(range(STEPS + 1), repeat=count)
        swept = [equal, *(tuple(part / STEPS for part in tenths) for tenths in grid if sum(tenths) == STEPS)]
    return max(swept, key=lambda weights: (round(reached(weights), 12), -np.std(weights)))


def combined(members: list[np.ndarray], weights) -> np.ndarray:
    """The weighted mean of probabilities (not of logits), or of numbers."""
    return sum(weight * np.asarray(member, float) for weight, member in zip(weights, members, strict=True))


def ensembles(recipe: Recipe, index: Index, ways: list[Answers]) -> list[Answers]:
    """One answer per way: all models of the recipe together."""
    return [gathered(recipe, index, tuple(each for each in ways if each.way == way)) for way in recipe.ways]


def gathered(recipe: Recipe, index: Index, members: tuple[Answers, ...]) -> Answers:
    """What several models of one way say together, with weights for each fold of its own."""
    raw, used = {}, {}
    for fold in members[0].raw:
        used[fold] = fold_weights(recipe, index, fold, [each.raw[fold]["validation"] for each in members])
        raw[fold] = {part: combined([each.raw[fold][part] for each in members], used[fold]) for part in PARTS}
    told = dict.fromkeys(" : ".join(f"{weight:.2g}" for weight in weights) for weights in used.values())
    detail = f"{' + '.join(member.model for member in members)}, {'; '.join(told)}"
    return Answers(NAME, members[0].way, raw, detail=detail, members=members)


def fold_weights(recipe: Recipe, index: Index, fold, said: list[np.ndarray]) -> tuple[float, ...]:
    """Weights from what the members say of the validation images of one fold, `(images, k)` each.

    Each candidate is combined image by image and then pooled into units, as the ensemble's answers are.
    """
    here = parts(index, fold)["validation"]
    guide = units(recipe, index, here, said[0])

    def reached(weights) -> float:
        return score(index.task, guide.truth, units(recipe, index, here, combined(said, weights)).raw)

    return best_weights(len(said), recipe.ensemble, reached)
