"""What a restoration learns from, and how each epoch is examined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from radzoo.data.pair_windows import PairWindows
from radzoo.recipe import Recipe


@dataclass(frozen=True)
class Restored:
    """Windows of the training part, other ones every epoch; of validation always the same (`fit.Lesson`)."""

    recipe: Recipe
    train: PairWindows
    validation: PairWindows
    loss: Callable
    score_name: str = "PSNR"

    @property
    def steps(self) -> int:
        return self.train.steps(self.recipe.batch)

    def images(self, epoch: int, outputs: int):
        return self.train.batches(batch=self.recipe.batch, seed=self.recipe.seed, epoch=epoch)

    def plain(self):
        return (images for images, _ in self.images(0, 1))

    def examined(self, model: keras.Model) -> tuple[float, float, np.ndarray]:
        """The loss, the PSNR of all windows together (white is 1), and the squared error of each window."""
        losses, squares = [], []
        for images, wanted in self.validation.batches(batch=self.recipe.batch, seed=self.recipe.seed):
            said = model.predict_on_batch(images)
            losses.append(float(np.mean(self.loss(wanted, said))))
            squares.append(((said - wanted.numpy()) ** 2).mean(axis=tuple(range(1, said.ndim))))
        squares = np.concatenate(squares)
        return float(np.mean(losses)), float(-10 * np.log10(max(squares.mean(), 1e-20))), squares

    def finish(self, model: keras.Model) -> None:
        """Nothing."""
