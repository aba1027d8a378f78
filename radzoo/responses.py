"""What follows a convolution in the papers: the rectifiers that they compare, and normalisation across channels.

Channels-last Keras tensors, 2-D or 3-D. Built from Keras' own operations, so that a saved model opens without radzoo.
"""

from __future__ import annotations

from keras import initializers, layers, ops

from radzoo.errors import BadInput

RECTIFIERS = ("relu", "leaky_relu", "elu", "crelu", "swish")


def activation(x, kind: str, *, slope: float = 0.01, name: str):
    """One of `RECTIFIERS`; the layer is called `<name>_<kind>`.

    `relu` max(x, 0); `leaky_relu` max(x, slope * x); `elu` x, and exp(x) - 1 below zero (Clevert 2016); `crelu` relu(x)
    beside relu(-x), which doubles the channels (Shang 2016); `swish` x * sigmoid(x) (Ramachandran 2017).

    Args:
        slope: of leaky ReLU below zero.
    """
    name = f"{name}_{kind}"
    if kind == "relu":
        return layers.ReLU(name=name)(x)
    if kind == "leaky_relu":
        return layers.LeakyReLU(slope, name=name)(x)
    if kind == "elu":
        return layers.ELU(name=name)(x)
    if kind == "crelu":
        return layers.Concatenate(name=name)([ops.relu(x), ops.relu(-x)])
    if kind == "swish":
        return layers.Activation("swish", name=name)(x)
    raise BadInput(f"rectifier {kind!r} came, expected one of {', '.join(RECTIFIERS)}")


def prelu(x, *, name: str):
    """max(x, 0) + slope * min(x, 0), with a learned slope per channel that begins at .25 (He 2015), as in Caffe."""
    spatial = list(range(1, len(x.shape) - 1))
    return layers.PReLU(initializers.Constant(0.25), shared_axes=spatial, name=f"{name}_prelu")(x)


def lrn(x, *, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0, caffe: bool = False, name: str):
    """Local response normalisation across neighbouring channels: `x / (k + alpha * sum of squares) ** beta`.

    Args:
        size: channels in the sum, `size // 2` on either side; odd.
        k: Krizhevsky 2012, section 3.3, has 2.
        caffe: Caffe's (and torch's) function: alpha is divided by `size`, and k is 1.
    """
    if caffe:
        alpha, k = alpha / size, 1.0
    x = ops.cast(x, "float32")  # squares leave the range of float16
    nothing = [(0, 0)] * (len(x.shape) - 1)
    squares = ops.pad(ops.square(x), [*nothing, (size // 2, size // 2)])
    total = sum(squares[..., i : i + x.shape[-1]] for i in range(size))
    return layers.Multiply(name=f"{name}_lrn")([x, ops.power(k + alpha * total, -beta)])
