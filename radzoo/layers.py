"""Convolution, normalisation and pooling that follow the rank of their input: 2-D or 3-D from one definition.

Every function takes a channels-last Keras tensor and a name, and names its layers `<name>_conv`, `<name>_norm`, ….
"""

from __future__ import annotations

from keras import layers, ops

MOMENTUM = 0.9  # of moving statistics; a few hundred images give too few steps for Keras' .99


def rank(x) -> int:
    """Number of spatial axes: 2 or 3."""
    return len(x.shape) - 2


def _pick(x, name: str):
    """The Keras layer class for the rank of `x`: `_pick(x, "Conv")` is Conv2D or Conv3D."""
    return getattr(layers, f"{name}{rank(x)}D")


def _tuple(x, value) -> tuple:
    return (value,) * rank(x) if isinstance(value, int) else tuple(value)


def pad(x, amount, *, name: str):
    """Zeros around the spatial axes; `amount` is one number, one per axis, or one `(before, after)` for all axes."""
    if isinstance(amount, tuple) and len(amount) == 2 and rank(x) == 2 and not isinstance(amount[0], tuple):
        amount = (amount, amount)
    elif isinstance(amount, tuple) and len(amount) == 2:
        amount = (amount,) * rank(x)
    return _pick(x, "ZeroPadding")(amount, name=f"{name}_pad")(x)


def conv(x, filters: int, kernel, *, stride=1, padding="symmetric", bias=False, name: str):
    """Convolution.

    Args:
        kernel, stride: one number or one per spatial axis.
        padding: `"symmetric"` (torch and Caffe: kernel // 2 on both sides), `"same"` (TensorFlow's, which for
            stride 2 and an even size pads only the end), or `"valid"`.
    """
    kernel, stride = _tuple(x, kernel), _tuple(x, stride)
    if padding == "symmetric" and set(stride) != {1}:
        if any(kernel):
            x = _pick(x, "ZeroPadding")(tuple(k // 2 for k in kernel), name=f"{name}_pad")(x)
        padding = "valid"
    return _pick(x, "Conv")(
        filters,
        kernel,
        strides=stride,
        padding="same" if padding == "symmetric" else padding,
        use_bias=bias,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)


def depthwise_conv(x, kernel: int, *, stride: int = 1, name: str):
    """Depthwise convolution with TensorFlow's `same` padding and no bias.

    In 3-D it is a sum of depthwise 2-D convolutions over z: grouped Conv3D is about a hundred times slower on a CPU
    (`../shared/FACTS.md`), and Keras has no DepthwiseConv3D. There the input needs a static shape.
    """
    if rank(x) == 2:
        return layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, name=f"{name}_depthwise")(x)
    depth, *plane, channels = x.shape[1:]
    if None in (depth, *plane):
        raise ValueError(f"{name}: a 3-D depthwise convolution needs a fixed input size, got {x.shape[1:]}")
    out = -(-depth // stride)
    before = max((out - 1) * stride + kernel - depth, 0) // 2
    after = max((out - 1) * stride + kernel - depth, 0) - before
    x = layers.ZeroPadding3D(((before, after), (0, 0), (0, 0)), name=f"{name}_pad")(x)
    terms = []
    for z in range(kernel):
        planes = ops.reshape(x[:, z : z + (out - 1) * stride + 1 : stride], (-1, *plane, channels))
        y = layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, name=f"{name}_depthwise_z{z}")(planes)
        terms.append(ops.reshape(y, (-1, out, *y.shape[1:])))
    return layers.Add(name=f"{name}_depthwise")(terms)


def norm(x, *, eps: float = 1e-5, name: str):
    """Batch normalisation."""
    return layers.BatchNormalization(momentum=MOMENTUM, epsilon=eps, name=f"{name}_norm")(x)


def relu(x, *, maximum: float | None = None, name: str):
    """Rectifier, clipped at `maximum` where one is given."""
    return layers.ReLU(maximum, name=f"{name}_relu")(x)


def norm_relu(x, *, eps: float = 1e-5, name: str):
    """Batch normalisation, then a rectifier."""
    return relu(norm(x, eps=eps, name=name), name=name)


def max_pool(x, size, stride=None, *, name: str):
    """Maximum pooling without padding; `size` and `stride` are one number or one per spatial axis."""
    return _pick(x, "MaxPooling")(size, stride, name=f"{name}_pool")(x)


def average_pool(x, size, stride=None, *, name: str):
    """Average pooling without padding; arguments as `max_pool`."""
    return _pick(x, "AveragePooling")(size, stride, name=f"{name}_pool")(x)


def global_pool(x, *, name: str):
    """Global average pooling: `(batch, *spatial, channels)` to `(batch, channels)`."""
    return _pick(x, "GlobalAveragePooling")(name=f"{name}_pool")(x)


def concat(tensors, *, name: str):
    """Channels of all tensors, one after the other."""
    return layers.Concatenate(name=f"{name}_concat")(tensors)


def add(tensors, *, name: str):
    """Sum of tensors of one shape."""
    return layers.Add(name=f"{name}_add")(tensors)


def classifier(x, classes: int, activation: str | None):
    """Pooled features `(batch, channels)` to `head`, in float32 under every dtype policy."""
    return activate(layers.Dense(classes, name="head_logits")(x), activation)


def activate(logits, activation: str | None):
    """The last layer, `head`: float32, so that probabilities keep their precision in mixed training."""
    return layers.Activation(activation or "linear", dtype="float32", name="head")(logits)
