"""Losses, on every Keras backend, compiled or not: functions of `(truth, prediction)` to `(batch,)`."""

from radzoo.losses.classes import (
    balanced,
    huber,
    loss_for,
    ordinal_crossentropy,
    plain,
    weighted_binary_crossentropy,
    weighted_categorical_crossentropy,
)
from radzoo.losses.overlap import dice_loss, focal_tversky, generalized_dice, tversky
from radzoo.losses.pixels import pixel_crossentropy
from radzoo.losses.restoration import (
    absolute_error,
    gradient_difference,
    laplacian_difference,
    perceptual,
    restoration_loss,
    squared_error,
)
from radzoo.losses.segmentation import KINDS, segmentation_loss
from radzoo.masks import IGNORE

__all__ = [
    "IGNORE",
    "KINDS",
    "absolute_error",
    "balanced",
    "dice_loss",
    "focal_tversky",
    "generalized_dice",
    "gradient_difference",
    "huber",
    "laplacian_difference",
    "loss_for",
    "ordinal_crossentropy",
    "perceptual",
    "pixel_crossentropy",
    "plain",
    "restoration_loss",
    "segmentation_loss",
    "squared_error",
    "tversky",
    "weighted_binary_crossentropy",
    "weighted_categorical_crossentropy",
]
