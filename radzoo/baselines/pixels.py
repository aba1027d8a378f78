"""What a mask is worth that knows no shapes: each pixel by its grey values, blurred and not, and its place.

A segmentation that is no better than this has learnt nothing that a threshold and an atlas do not know.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from radzoo.masks import IGNORE

BLURS = (1.0, 3.0, 9.0)  # pixels, standard deviation
SAMPLED = 100_000  # pixels of the training part, the same number of each image
ROUNDS = 60
CHUNK = 1 << 20  # pixels at once


def learn(images, masks, seed: int) -> HistGradientBoostingClassifier:
    """Gradient boosting on pixels of the training part, classes as often as they are.

    Args:
        images: arrays `(*spatial, channels)`, read one after the other.
        masks: of each uint8 classes `(*spatial)`; 255 counts nowhere.
    """
    generator, found = np.random.default_rng(seed), []
    images, masks = list(images), list(masks)
    for image, mask in zip(images, masks, strict=True):
        known = np.flatnonzero(mask.ravel() != IGNORE)
        chosen = generator.choice(known, min(len(known), -(-SAMPLED // len(images))), replace=False)
        found.append((features(np.asarray(image)).reshape(mask.size, -1)[chosen], mask.ravel()[chosen]))
    made = HistGradientBoostingClassifier(max_iter=ROUNDS, early_stopping=False, random_state=seed)
    with threadpool_limits(1):
        return made.fit(np.concatenate([each[0] for each in found]), np.concatenate([each[1] for each in found]))


def answer(made: HistGradientBoostingClassifier, image, classes: int) -> np.ndarray:
    """float32 `(*spatial, classes)`."""
    image = np.asarray(image)
    told = features(image)
    told = told.reshape(-1, told.shape[-1])
    said = np.zeros((len(told), classes), "float32")
    for first in range(0, len(told), CHUNK):
        here = slice(first, first + CHUNK)
        with threadpool_limits(1):  # threads that wait for one another take longer than one does alone
            said[here, made.classes_.astype(int)] = made.predict_proba(told[here])
    return said.reshape(*image.shape[:-1], classes)


def features(image: np.ndarray) -> np.ndarray:
    """float32 `(*spatial, k)`: each channel, its blurs, and the place as a part of the side."""
    channels = [image[..., each].astype("float32") for each in range(image.shape[-1])]
    blurred = [ndimage.gaussian_filter(each, blur) for each in channels for blur in BLURS]
    grid = np.meshgrid(*(np.linspace(0, 1, side, dtype="float32") for side in image.shape[:-1]), indexing="ij")
    return np.stack([*channels, *blurred, *grid], axis=-1)
