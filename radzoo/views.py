"""What a network says of stored images, as they are or as the mean over augmented views of each."""

from __future__ import annotations

import keras
import numpy as np

from radzoo.data import Store, batches
from radzoo.recipe import Augment

VIEW = 1 << 20  # views are the epochs from here on: no training gets so far


def answers(
    model: keras.Model,
    store: Store,
    keys,
    *,
    batch: int,
    beside: np.ndarray | None = None,
    views: int = 1,
    augment: Augment | None = None,
    seed: int = 0,
) -> np.ndarray:
    """The first output of `model` for each image, `(len(keys), k)`.

    Args:
        beside: covariates `(len(keys), c)` of a network that takes some.
        views: the mean over this many views: the image as it is, and `views - 1` that `augment` makes of it, a pure
            function of (seed, view, image).
    """
    keys = list(keys)
    said = []
    for view in range(views):
        images = batches(
            store, keys, np.zeros((len(keys), 1)), batch=batch, beside=beside,
            augment=augment if view else None, seed=seed, epoch=VIEW + view,
        )  # fmt: skip
        output = model.predict(images, verbose=0)
        output = output[0] if isinstance(output, list) else output
        said.append(output[: len(keys)])  # the padding of the last batch is cut off
    return said[0] if views == 1 else np.mean(said, axis=0)
