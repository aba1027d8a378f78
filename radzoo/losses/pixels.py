"""Cross-entropy of pixels, and how losses take means over an image.

Truth is float32 `(batch, *spatial, classes + 1)` as `masks.target` makes it: one-hot, then the pixel's weight, 0 where
a pixel counts nowhere. Probability is `(batch, *spatial, classes)`.
"""

from __future__ import annotations

import numpy as np
from keras import ops

# A probability below this counts as this. It is far below that of an image (`classes.EPSILON`): what is clipped has no
# gradient, and among a million pixels some are always certain and wrong.
LEAST = 1e-30


def parts(truth, probability):
    """One-hot `(batch, *spatial, classes)`, weight `(batch, *spatial, 1)` and probability, all float32."""
    truth = ops.cast(truth, "float32")
    return truth[..., :-1], truth[..., -1:], ops.cast(probability, "float32")


def spatial_mean(values):
    """Means over all pixels, `(batch, *spatial, k)` to `(batch, k)`.

    One axis at a time: a float32 sum of 512^3 numbers stands still at 2^24 where a backend adds them one by one, but a
    mean of means never adds more than one axis holds.
    """
    for _ in range(len(values.shape) - 2):
        values = ops.mean(values, axis=-2)
    return values


def pixel_crossentropy(class_weights=None, gamma: float = 0.0):
    """Mean over the pixels that count of `-w_c w(x) (1 - p)^gamma log p`, p of the true class.

    It is divided by the number of pixels whose weight is not 0, not by the sum of weights: so it is U-Net's sum up to a
    constant, and a border that weighs ten times more pulls ten times more.

    Args:
        class_weights: `(classes,)`, background first; None is 1 for all.
        gamma: above 0 the focal loss, as in `weighted_binary_crossentropy`.
    Returns:
        A loss of `(truth, probability)` to `(batch,)`; 0 for an image in which nothing counts.
    """
    weights = np.float32(1.0 if class_weights is None else class_weights)

    def loss(truth, probability):
        one_hot, pixel, probability = parts(truth, probability)
        p = ops.clip(probability, LEAST, 1.0)
        unsure = ops.power(1 - p, gamma) if gamma else 1.0
        said = -ops.sum(weights * one_hot * unsure * ops.log(p), axis=-1, keepdims=True)
        counted = spatial_mean(ops.cast(pixel > 0, "float32"))
        return quotient(spatial_mean(pixel * said), counted, counted > 0)[:, 0]

    return loss


def quotient(above, below, some):
    """Where there is some; elsewhere 0 with no gradient, which a division by nearly 0 would make NaN under XLA."""
    return ops.where(some, above / ops.where(some, below, 1.0), 0.0)
