"""The same trainings from other seeds: how far the numbers of one seed can be trusted."""

from __future__ import annotations

import numpy as np

from radzoo.data import Index
from radzoo.metrics import score
from radzoo.recipe import Recipe
from radzoo.train.judge import Answers, fold_choice, judged_folds, pooled


def repeats_of(recipe: Recipe, index: Index, repeated: list[Answers]) -> dict:
    """The entry `repeats` of one way: its test number from every seed, their mean and range.

    Args:
        repeated: the answers of one way, one per seed.

    Returns:
        `{"auc" (or "mae"): [one per seed], "mean", "low", "high", "choice": [one per seed]}`; `low` and `high` are the
        range, no interval: the seeds share their patients.
    """
    values, chosen = [], []
    for answers in repeated:
        judged = judged_folds(recipe, index, answers)
        test = pooled(judged, "test")
        if index.task == "regression":
            values.append(float(np.abs(test["probability"] - test["truth"]).mean()))
        else:
            values.append(score(index.task, test["truth"], test["probability"]))
        chosen.append(float(np.mean([fold_choice(recipe, index, answers, judged, fold) for fold in judged])))
    name = "mae" if index.task == "regression" else "auc"
    told = {"mean": float(np.mean(values)), "low": min(values), "high": max(values)}
    return {name: values, **told, "choice": chosen}
