"""Whether images, preprocessed as a manifest says, look like those that the weights were trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radzoo.errors import BadInput

SHIFT, SPREAD = 1.5, 1.7  # bounds; measured on real weights: right pixels .8 to 1.2, half the scale .4 to .6


@dataclass(frozen=True)
class Fit:
    """Statistics of images before the first batch normalisation, against those that it learned in training.

    Attributes:
        layer: the normalisation.
        images: their number.
        shift: median over its channels of |mean - learned mean|, in learned standard deviations.
        spread: geometric median over its channels of the standard deviation, over the learned one; 1 is as in training.
    """

    layer: str
    images: int
    shift: float
    spread: float

    @property
    def plausible(self) -> bool:
        """Whether the pixels can be those of the training; another body part may fail, a wrong scale must."""
        return self.shift < SHIFT and 1 / SPREAD < self.spread < SPREAD

    def __str__(self):
        word = "plausible" if self.plausible else "NOT plausible: is the manifest's input right for these weights"
        return (
            f"{self.layer} over {self.images} images: {self.spread:.2g} times the spread and {self.shift:.2g} standard "
            f"deviations beside the mean of the training: {word}"
        )


def fit_of(model, images: np.ndarray) -> Fit:
    """How far images are from the statistics of the model's first batch normalisation.

    Args:
        model: a network with its weights, such as `load(tag)` gives.
        images: `(n, *spatial, channels)`, preprocessed (`manifest.input`).

    Raises:
        BadInput: a network without batch normalisation.
    """
    import keras

    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if not norms:
        raise BadInput(f"{model.name} has no batch normalisation: nothing in its weights tells what its pixels were")
    first = norms[0]
    maps = np.asarray(keras.Model(model.input, first.input)(images, training=False), "float64")
    axes = tuple(range(maps.ndim - 1))
    mean, deviation = maps.mean(axes), maps.std(axes)
    learned = np.asarray(first.moving_mean, "float64")
    scale = np.sqrt(np.asarray(first.moving_variance, "float64") + first.epsilon)
    shift = float(np.median(np.abs(mean - learned) / scale))
    spread = float(np.exp(np.median(np.log((deviation + 1e-12) / scale))))
    return Fit(first.name, len(images), shift, spread)
