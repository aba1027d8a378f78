"""The loss of a segmentation by its name."""

from __future__ import annotations

import numpy as np

from radzoo.errors import BadInput
from radzoo.losses.classes import GAMMA
from radzoo.losses.overlap import dice_loss, focal_tversky, generalized_dice, tversky
from radzoo.losses.pixels import pixel_crossentropy

OVERLAP = {"dice": dice_loss, "generalized_dice": generalized_dice, "tversky": tversky, "focal_tversky": focal_tversky}
KINDS = ("crossentropy", "focal", "dice_crossentropy", *OVERLAP)


def segmentation_loss(kind: str, classes: int, *, class_weights=None):
    """The loss that training uses; defaults of each kind as in its own function.

    Args:
        kind: `crossentropy`, `focal` (gamma 2), `dice`, `dice_crossentropy` (their sum), `generalized_dice`, `tversky`
            or `focal_tversky`.
        classes: with background.
        class_weights: `(classes,)` of the cross-entropy, background first; None is 1 for all.
    Returns:
        A loss of `(truth, probability)` to `(batch,)`; truth is `(batch, *spatial, classes + 1)`, as `masks.target`.
    Raises:
        BadInput: another kind, weights that do not fit, weights for a loss of overlap; when called, other channels.
    """
    if kind not in KINDS:
        raise BadInput(f"loss {kind!r} came, expected one of {', '.join(KINDS)}")
    if class_weights is not None:
        class_weights = _checked(kind, classes, class_weights)
    gamma = GAMMA if kind == "focal" else 0.0
    loss = OVERLAP[kind]() if kind in OVERLAP else pixel_crossentropy(class_weights, gamma)
    dice = dice_loss() if kind == "dice_crossentropy" else None

    def named(truth, probability):
        if probability.shape[-1] != classes or truth.shape[-1] != classes + 1:
            raise BadInput(
                f"truth of {truth.shape[-1]} channels and probability of {probability.shape[-1]} came, expected "
                f"{classes + 1} (classes, then the pixel's weight) and {classes}"
            )
        return loss(truth, probability) + (dice(truth, probability) if dice else 0.0)

    return named


def _checked(kind: str, classes: int, weights) -> np.ndarray:
    if kind in OVERLAP:
        raise BadInput(f"class weights came for {kind}, which balances classes itself: leave them out")
    weights = np.asarray(weights, float)
    if weights.shape != (classes,) or not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise BadInput(f"class weights {weights.tolist()} came, expected {classes} finite ones >= 0, background first")
    return weights
