"""The scale on which a network learns a number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radzoo.errors import BadInput


@dataclass(frozen=True)
class Scale:
    """A network learns `(y - mean) / sd` of its training part: months and millimetres then ask for one learning rate.

    Attributes:
        mean, sd: of the training labels, in their own units.
    """

    mean: float
    sd: float

    @classmethod
    def of(cls, labels) -> Scale:
        """From the training labels `(n, 1)`.

        Raises:
            BadInput: they are all the same.
        """
        labels = np.asarray(labels, float)
        mean, sd = float(labels.mean()), float(labels.std())
        if not sd > 0:
            raise BadInput(f"all {len(labels)} training labels are {mean:g}: a network needs different ones")
        return cls(mean, sd)

    def apply(self, labels) -> np.ndarray:
        """What the network learns, float32."""
        return ((np.asarray(labels, float) - self.mean) / self.sd).astype("float32")

    def inverse(self, prediction) -> np.ndarray:
        """What the network says, in the units of the labels."""
        return np.asarray(prediction, float) * self.sd + self.mean
