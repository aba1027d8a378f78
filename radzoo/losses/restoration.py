"""Losses of restored images, and their sums by one name.

Truth and prediction are `(batch, *spatial, channels)`, 2-D or 3-D, in the scale of the network's input; a loss is a
function of both to `(batch,)`, a mean over pixels and channels in float32. Edges are differences of neighbours,
whatever their spacing.
"""

from __future__ import annotations

import re

from keras import ops

from radzoo.errors import BadInput
from radzoo.losses.pixels import spatial_mean

_TERM = re.compile(r"\s*(?:(\d+\.?\d*(?:e-?\d+)?)\s*\*)?\s*([a-z]\w*)(?::([\w.]+))?\s*")


def squared_error(truth, prediction):
    """Mean of `(y' - y)^2`, which PSNR is made of."""
    return _mean(ops.square(_float(prediction) - _float(truth)))


def absolute_error(truth, prediction):
    """Mean of `|y' - y|`, which outliers and noise in the target pull less."""
    return _mean(ops.abs(_float(prediction) - _float(truth)))


def gradient_difference(truth, prediction):
    """Sum over axes of the mean of `(|dy'| - |dy|)^2`, d between neighbours along that axis.

    Mathieu et al., Deep multi-scale video prediction beyond mean square error, ICLR 2016, arXiv 1511.05440, with the
    square of Nie et al., MICCAI 2017. It sees how steep edges are but neither which way nor at what height: add it to
    another loss. An axis of one pixel has no gradient and does not count.

    Raises:
        BadInput: no axis is longer than one pixel.
    """
    total = []
    for axis in _long(truth, 2):
        steep = [ops.abs(_difference(_float(image), axis)) for image in (prediction, truth)]
        total.append(_mean(ops.square(steep[0] - steep[1])))
    return sum(total)


def laplacian_difference(truth, prediction):
    """Mean of `(|Ly'| - |Ly|)^2`, L the sum over axes of second differences, at pixels that have all their neighbours.

    Leynes et al., Zero-Echo-Time and Dixon Deep Pseudo-CT (ZeDD-CT), Journal of Nuclear Medicine 2018, names such a
    loss; its formula could not be read, and this one follows that of the gradient. Axes of fewer than three pixels do
    not count.

    Raises:
        BadInput: no axis has three pixels.
    """
    axes = _long(truth, 3)
    inner = slice(1, -1)
    curved = []
    for image in (_float(prediction), _float(truth)):
        total = 0.0
        for axis in axes:
            bent = _difference(_difference(image, axis), axis)
            total = total + bent[tuple(inner if i in axes and i != axis else slice(None) for i in range(bent.ndim))]
        curved.append(ops.abs(total))
    return _mean(ops.square(curved[0] - curved[1]))


def perceptual(network):
    """Mean squared difference of feature maps (Johnson et al., ECCV 2016; of CT: Yang et al., TMI 2018).

    Args:
        network: a frozen `keras.Model` from grey planes `(n, h, w, 1)` to one map (`radzoo.perceptual`).

    Returns:
        A loss of one-channel images; of volumes the mean over their planes.
    """

    def loss(truth, prediction):
        if truth.shape[-1] != 1 or prediction.shape[-1] != 1:
            raise BadInput(f"a perceptual loss sees grey images, {truth.shape[-1]} channels came: take other losses")
        planes = [ops.reshape(_float(x), (-1, *x.shape[-3:])) for x in (truth, prediction)]
        maps = [_float(network(x, training=False)) for x in planes]
        error = _mean(ops.square(maps[1] - maps[0]))
        return error if len(truth.shape) == 4 else ops.mean(ops.reshape(error, (-1, truth.shape[1])), axis=-1)

    return loss


TERMS = {
    "mse": squared_error, "l1": absolute_error, "gradient": gradient_difference, "laplacian": laplacian_difference,
}  # fmt: skip


def restoration_loss(kind: str = "mse", *, network=None):
    """The loss that training uses.

    Args:
        kind: a sum of `mse`, `l1`, `gradient`, `laplacian` and `perceptual:WEIGHTS`, each by itself or with a factor:
            `"l1 + gradient + laplacian"` (Leynes), `"mse + 0.1*perceptual:vgg19.imagenet"`.
        network: from the name of weights to the network of `perceptual`, such as `radzoo.perceptual.feature_network`;
            called here, once for every such term.

    Returns:
        A loss of `(truth, prediction)` to `(batch,)`.

    Raises:
        BadInput: a term that is not known or makes no sense; when called, images of different shapes.
    """
    terms = [(factor, perceptual(network(of)) if of else TERMS[name]) for factor, name, of in parsed(kind)]

    def named(truth, prediction):
        sizes = zip(truth.shape[1:], prediction.shape[1:], strict=False)
        known = all(a == b for a, b in sizes if None not in (a, b))
        if len(truth.shape) != len(prediction.shape) or not known:  # they would be stretched to each other's size
            raise BadInput(f"images of {tuple(prediction.shape[1:])} came for targets of {tuple(truth.shape[1:])}")
        return sum(factor * loss(truth, prediction) for factor, loss in terms)

    return named


def parsed(kind: str) -> list[tuple[float, str, str | None]]:
    """`(factor, name, weights)` of every term of a sum; weights are those of a perceptual term, else None."""
    terms = []
    for part in kind.split("+"):
        found = _TERM.fullmatch(part)
        factor, name, of = found.groups() if found else (None, None, None)
        if name not in (*TERMS, "perceptual") or (name == "perceptual") != bool(of) or float(factor or 1) == 0:
            raise BadInput(
                f"loss {kind!r} came, expected {', '.join(TERMS)} or perceptual:WEIGHTS such as "
                "perceptual:vgg19.imagenet, or a sum such as 'l1 + 0.5*gradient'"
            )
        terms.append((float(factor or 1), name, of))
    return terms


def _float(image):
    return ops.cast(image, "float32")


def _mean(values):
    return ops.mean(spatial_mean(values), axis=-1)


def _difference(image, axis: int):
    """Every pixel but the first less its neighbour before it."""
    before = (slice(None),) * axis
    return image[(*before, slice(1, None))] - image[(*before, slice(None, -1))]


def _long(image, least: int) -> list[int]:
    """The spatial axes of at least so many pixels; an unknown size is taken to be long."""
    axes = [axis for axis in range(1, len(image.shape) - 1) if (image.shape[axis] or least) >= least]
    if not axes:
        raise BadInput(f"images of {tuple(image.shape[1:-1])} came, a loss of edges needs {least} pixels along an axis")
    return axes
