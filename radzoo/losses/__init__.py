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
from radzoo.losses.segmentation import KINDS, segmentation_loss
from radzoo.masks import IGNORE

__all__ = [
    "IGNORE",
    "KINDS",
    "balanced",
    "dice_loss",
    "focal_tversky",
    "generalized_dice",
    "huber",
    "loss_for",
    "ordinal_crossentropy",
    "pixel_crossentropy",
    "plain",
    "segmentation_loss",
    "tversky",
    "weighted_binary_crossentropy",
    "weighted_categorical_crossentropy",
]
