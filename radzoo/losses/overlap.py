"""Losses of overlap: soft Dice, generalised Dice and Tversky. Truth, probability and weights as in `pixels`.

Per image and class, then the mean over the classes that the image holds. A class that is not there has no overlap to
learn: its Dice is 0 whatever the network says, with a gradient of 0. Where images without a class are to teach that it
is absent, add cross-entropy (`dice_crossentropy`). A pixel of weight 2 counts as two pixels, one of weight 0 as none.
"""

from __future__ import annotations

from keras import ops

from radzoo.losses.pixels import parts, quotient, spatial_mean

SURE = 1e-6  # a power below 1 has no finite slope at 0: overlap closer to 1 than this teaches nothing


def dice_loss(*, squared: bool = True, background: bool = False):
    """1 - Dice, with Dice = 2 sum(p g) / (sum(p^2) + sum(g^2)) (Milletari et al., V-Net, 3DV 2016).

    The gradient is V-Net's as printed; its released layer computes another one, of the rounded prediction.

    Args:
        squared: False for the linear denominator, sum(p) + sum(g).
        background: count channel 0 as a class too.
    Returns:
        A loss of `(truth, probability)` to `(batch,)`, 0 for an image without any of the classes.
    """

    def loss(truth, probability):
        truth, pixel, p = _classes(truth, probability, background)
        size = spatial_mean(pixel * truth)
        both = spatial_mean(pixel * truth * p)
        said = spatial_mean(pixel * (ops.square(p) if squared else p))
        return _over_classes(1 - quotient(2 * both, said + size, size > 0), size)

    return loss


def generalized_dice():
    """1 - 2 sum_c w_c sum(p g) / sum_c w_c sum(p + g), w_c = 1 / sum(g)^2, over all classes, background too.

    Sudre et al., Generalised Dice Overlap, DLMIA 2017. Weights are relative to the largest; a class that the image does
    not hold takes that one, as in the authors' NiftyNet, so that calling it still costs.

    Returns:
        A loss of `(truth, probability)` to `(batch,)`.
    """

    def loss(truth, probability):
        truth, pixel, p = parts(truth, probability)
        size = spatial_mean(pixel * truth)
        present = size > 0
        smallest = ops.min(ops.where(present, size, 1e9), axis=-1, keepdims=True)
        weight = ops.where(present, ops.square(smallest / ops.where(present, size, 1.0)), 1.0)
        both = ops.sum(weight * spatial_mean(pixel * truth * p), axis=-1)
        total = ops.sum(weight * (size + spatial_mean(pixel * p)), axis=-1)
        some = ops.any(present, axis=-1)
        return ops.where(some, 1 - quotient(2 * both, total, some), 0.0)

    return loss


def tversky(alpha: float = 0.3, beta: float = 0.7, *, background: bool = False):
    """1 - T, T = TP / (TP + alpha FP + beta FN), soft counts; Dice (linear) where both are a half.

    Salehi et al., Tversky Loss Function for Image Segmentation, MLMI 2017; beta above alpha favours sensitivity.

    Returns:
        A loss of `(truth, probability)` to `(batch,)`.
    """
    return focal_tversky(1.0, alpha, beta, background=background)


def focal_tversky(gamma: float = 4 / 3, alpha: float = 0.3, beta: float = 0.7, *, background: bool = False):
    """(1 - T)^(1 / gamma) with T of `tversky` (Abraham & Khan, ISBI 2019, equation 4, whose alpha is this beta).

    Returns:
        A loss of `(truth, probability)` to `(batch,)`.
    """

    def loss(truth, probability):
        truth, pixel, p = _classes(truth, probability, background)
        size = spatial_mean(pixel * truth)
        both = spatial_mean(pixel * truth * p)
        false, lost = spatial_mean(pixel * (1 - truth) * p), size - both
        missing = 1 - quotient(both, both + alpha * false + beta * lost, size > 0)
        if gamma != 1:
            missing = ops.power(ops.maximum(missing, SURE), 1 / gamma)
        return _over_classes(missing, size)

    return loss


def _classes(truth, probability, background: bool):
    truth, pixel, probability = parts(truth, probability)
    first = 0 if background else 1
    return truth[..., first:], pixel, probability[..., first:]


def _over_classes(loss, size):
    """Mean over the classes that an image holds; `(batch, classes)` both, to `(batch,)`."""
    present = ops.cast(size > 0, "float32")
    count = ops.sum(present, axis=-1)
    return quotient(ops.sum(present * loss, axis=-1), count, count > 0)
