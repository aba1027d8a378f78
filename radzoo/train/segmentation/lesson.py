"""What a segmentation network learns from, and how each epoch is examined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import keras
import numpy as np

from radzoo.data.patches import Patches
from radzoo.masks import IGNORE, target
from radzoo.metrics.score import WORST
from radzoo.recipe import Augment, Recipe
from radzoo.segmenting import Segmenter

PLAIN = Augment()


@dataclass(frozen=True)
class Windows:
    """Windows of the training part; validation cases are segmented whole after every epoch (`fit.Lesson`)."""

    recipe: Recipe
    train: Patches
    validation: Patches
    loss: Callable
    score_name: str = "Dice"

    @property
    def steps(self) -> int:
        return self.train.steps(self.recipe.batch)

    @cached_property
    def augment(self) -> Augment | None:
        return None if self.recipe.augment == PLAIN else self.recipe.augment

    def images(self, epoch: int, outputs: int):
        return self.train.batches(
            batch=self.recipe.batch, seed=self.recipe.seed, epoch=epoch, augment=self.augment, outputs=outputs
        )

    def plain(self):
        return (images for images, _ in self.train.batches(batch=self.recipe.batch, seed=self.recipe.seed))

    def examined(self, model: keras.Model) -> tuple[float, float, np.ndarray]:
        """The mean Dice over classes of the mean over cases; `(cases, classes)` Dice, NaN where a class is nowhere.

        Windows do not overlap here and nothing is mirrored: it is done after every epoch.
        """
        look = Segmenter(model, self.train.cases.spec, self.recipe.batch, 0.0, False)
        found, losses = [], []
        for key in self.validation.keys:
            probability, labels = look(self.validation.cases.image(key)), self.validation.labels[key]
            truth = target(labels, self.validation.classes)[None]
            losses.append(float(np.mean(self.loss(truth, probability[None]))))
            found.append(overlaps(labels, probability.argmax(-1), self.validation.classes))
        said = np.array(found)
        return float(np.mean(losses)), mean_dice(said), said

    def finish(self, model: keras.Model) -> None:
        """Nothing."""


def overlaps(truth: np.ndarray, labels: np.ndarray, classes: int) -> list[float]:
    """Dice of the classes 1, 2, …; NaN where one is neither there nor drawn."""
    known, found = truth != IGNORE, []
    for each in range(1, classes):
        one, two = (truth == each) & known, (labels == each) & known
        total = np.count_nonzero(one) + np.count_nonzero(two)
        found.append(2 * np.count_nonzero(one & two) / total if total else np.nan)
    return found


def mean_dice(dice: np.ndarray) -> float:
    """The mean over classes of the mean over cases `(cases, classes)`; NaN is left out."""
    seen = ~np.isnan(dice)
    if not seen.any():
        return WORST
    means = np.nansum(dice, axis=0)[seen.any(0)] / seen.sum(0)[seen.any(0)]
    return float(means.mean())
