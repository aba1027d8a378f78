"""Convolution, normalisation and dense ends that follow the rank of their input: 2-D or 3-D from one definition.

Every function takes a channels-last Keras tensor and a name, and names its layers `<name>_conv`, `<name>_norm`, ….
"""

from __future__ import annotations

from keras import initializers, layers, ops

from radzoo.anisotropy import acting, followed
from radzoo.errors import BadInput

MOMENTUM = 0.9  # of moving statistics; a few hundred images give too few steps for Keras' .99
FAINT = 0.01  # standard deviation of first kernels, with which a residual network begins close to the image as it came


class Features(list):
    """Feature maps, finest first, of a backbone whose end reads more than these.

    Attributes:
        taps: `{"auxiliary1": map, …}`, the inner maps that the heads `head_auxiliary1`, … read; or `"image"`, the
            input itself, and inner maps by the names that the network's own end has for them.
    """

    def __init__(self, maps, taps: dict):
        super().__init__(maps)
        self.taps = taps

    def tap(self, key: str, *, least: int):
        """The map of one auxiliary head, which needs `least` pixels along each axis; BadInput where it has fewer."""
        sizes = self.taps[key].shape[1:-1]
        if None not in sizes and min(sizes) < least:
            raise BadInput(
                f"head_{key} needs maps of at least {least} pixels a side, got {sizes}: "
                "enlarge the image or pass auxiliary=False"
            )
        return self.taps[key]


def rank(x) -> int:
    """Number of spatial axes: 2 or 3."""
    return len(x.shape) - 2


def pick(x, name: str):
    """The Keras layer class for the rank of `x`: `pick(x, "Conv")` is Conv2D or Conv3D."""
    return getattr(layers, f"{name}{rank(x)}D")


def per_axis(x, value) -> tuple:
    """One number for all spatial axes, or one per axis, as one per axis."""
    return (value,) * rank(x) if isinstance(value, int) else tuple(value)


def initializer(initial):
    """A name that Keras knows, or normal noise of this standard deviation."""
    return initial if isinstance(initial, str) else initializers.RandomNormal(stddev=initial)


def pad(x, amount, *, name: str):
    """Zeros around the spatial axes; `amount` is one number, one per axis, or one `(before, after)` for all axes."""
    if isinstance(amount, tuple) and len(amount) == 2 and rank(x) == 2 and not isinstance(amount[0], tuple):
        amount = (amount, amount)
    elif isinstance(amount, tuple) and len(amount) == 2:
        amount = (amount,) * rank(x)
    return followed(x, 1, pick(x, "ZeroPadding")(amount, name=f"{name}_pad")(x))


def conv(
    x, filters: int, kernel, *, stride=1, padding="symmetric", bias=False, initial="he_normal", bias_initial=0.0, name
):
    """Convolution.

    Args:
        kernel, stride: one number or one per spatial axis. For thick slices one number does not act along all axes
            (`radzoo.anisotropy`).
        padding: `"symmetric"` (torch and Caffe: kernel // 2 on both sides), `"same"` (TensorFlow's, which for
            stride 2 and an even size pads only the end), or `"valid"`.
        initial: of the kernel, a name that Keras knows or the standard deviation of normal noise.
        bias_initial: first value of the biases.
    """
    kernel, stride, given = per_axis(x, kernel), per_axis(x, acting(x, stride)), x
    if padding == "symmetric" and set(stride) != {1}:
        if any(kernel):
            x = pick(x, "ZeroPadding")(tuple(k // 2 for k in kernel), name=f"{name}_pad")(x)
        padding = "valid"
    y = pick(x, "Conv")(
        filters,
        kernel,
        strides=stride,
        padding="same" if padding == "symmetric" else padding,
        use_bias=bias,
        kernel_initializer=initializer(initial),
        bias_initializer=initializers.Constant(bias_initial),
        name=f"{name}_conv",
    )(x)
    return followed(given, stride, y)


def grouped_conv(x, filters: int, kernel, groups: int, *, name: str, **arguments):
    """Convolution in `groups` that see their own share of the channels (AlexNet's two towers); arguments as `conv`.

    Split, convolve, concatenate: the same numbers as Keras' `groups`, ten times faster on a CPU.
    """
    shares = ops.split(x, groups, axis=-1)
    names = [f"{name}_group{i}" for i in range(1, groups + 1)]
    maps = [conv(y, filters // groups, kernel, name=n, **arguments) for y, n in zip(shares, names, strict=True)]
    return concat(maps, name=name)


def depthwise_conv(x, kernel: int, *, stride: int = 1, padding="same", name: str):
    """Depthwise convolution without bias; `padding` as in `conv`.

    In 3-D it is a sum of depthwise 2-D convolutions over z: grouped Conv3D is about a hundred times slower on a CPU
    (`../shared/FACTS.md`), and Keras has no DepthwiseConv3D. There the input needs a static shape.
    """
    if padding == "symmetric":
        x, padding = pad(x, kernel // 2, name=f"{name}_depthwise"), "valid"
    if rank(x) == 2:
        return layers.DepthwiseConv2D(kernel, stride, padding, use_bias=False, name=f"{name}_depthwise")(x)
    if None in x.shape[1:]:
        raise BadInput(f"{name}: a 3-D depthwise convolution needs a fixed input size, got {x.shape[1:]}")
    return _depthwise_volume(x, kernel, per_axis(x, acting(x, stride)), padding, name)


def _depthwise_volume(x, kernel: int, strides: tuple, padding: str, name: str):
    """A depthwise convolution over `(z, y, x)`, as a sum of those over `(y, x)`."""
    given, (across, down, right) = x, strides
    uneven = down != right  # TensorFlow has no such convolution: it is taken at every place, then thinned out
    if padding == "same":
        ends = [_same(size, kernel, step) for size, step in zip(x.shape[1:-1], strides, strict=True)]
        ends = ends if uneven else [ends[0], (0, 0), (0, 0)]
        x = layers.ZeroPadding3D(tuple(ends), name=f"{name}_pad")(x)
    depth, *plane, channels = x.shape[1:]
    out = (depth - kernel) // across + 1
    inner = (1, "valid") if uneven else (down, padding)
    terms = []
    for z in range(kernel):
        planes = ops.reshape(x[:, z : z + (out - 1) * across + 1 : across], (-1, *plane, channels))
        y = layers.DepthwiseConv2D(kernel, *inner, use_bias=False, name=f"{name}_depthwise_z{z}")(planes)
        y = y[:, ::down, ::right] if uneven else y
        terms.append(ops.reshape(y, (-1, out, *y.shape[1:])))
    return followed(given, strides, layers.Add(name=f"{name}_depthwise")(terms))


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after an axis, as TensorFlow pads for `"same"`."""
    lacking = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return lacking // 2, lacking - lacking // 2


def norm(x, *, eps: float = 1e-5, scale: bool = True, center: bool = True, name: str):
    """Batch normalisation, with a learned scale and offset unless `scale` or `center` is False."""
    layer = layers.BatchNormalization(
        momentum=MOMENTUM, epsilon=eps, scale=scale, center=center, name=f"{name}_norm"
    )  # fmt: skip
    return layer(x)


def relu(x, *, maximum: float | None = None, name: str):
    """Rectifier, clipped at `maximum` where one is given."""
    return layers.ReLU(maximum, name=f"{name}_relu")(x)


def norm_relu(x, *, eps: float = 1e-5, scale: bool = True, name: str):
    """Batch normalisation, then a rectifier."""
    return relu(norm(x, eps=eps, scale=scale, name=name), name=name)


def flatten(x, *, name: str):
    """`(batch, *spatial, channels)` to `(batch, units)`, in the order z, y, x, channels."""
    if None in x.shape[1:]:
        raise BadInput(f"dense layers need a fixed input size, got features of {x.shape[1:]}: use head='pool'")
    return layers.Flatten(name=f"{name}_flatten")(x)


def dense(x, units: int, *, initial="he_normal", bias_initial=0.0, name: str):
    """Dense layer and ReLU; `initial` and `bias_initial` as in `conv`."""
    kernel, bias = initializer(initial), initializers.Constant(bias_initial)
    x = layers.Dense(units, kernel_initializer=kernel, bias_initializer=bias, name=f"{name}_dense")(x)
    return relu(x, name=name)


def dropout(x, rate: float, *, name: str):
    """Sets a share `rate` of the units to zero in training."""
    return layers.Dropout(rate, name=f"{name}_dropout")(x)


def concat(tensors, *, name: str):
    """Channels of all tensors, one after the other."""
    return layers.Concatenate(name=f"{name}_concat")(tensors)


def add(tensors, *, name: str):
    """Sum of tensors of one shape."""
    return layers.Add(name=f"{name}_add")(tensors)


def classifier(x, classes: int, activation: str | None, *, initial="glorot_uniform", name: str = "head"):
    """Pooled features `(batch, channels)` to `head`, in float32 under every dtype policy; `initial` as in `conv`."""
    logits = layers.Dense(classes, kernel_initializer=initializer(initial), name=f"{name}_logits")(x)
    return activate(logits, activation, name=name)


def pixel_classifier(x, classes: int, activation: str | None, *, kernel: int = 1):
    """Feature maps to `head_logits` and `head`, `(batch, *spatial, classes)`, by one convolution.

    With `activation="linear"` they are the channels of an image (`restored`).
    """
    if activation == "linear":
        return restored(x, classes, activation, kernel)
    layer = pick(x, "Conv")(
        classes, kernel, padding="same", kernel_initializer="glorot_uniform", name="head_logits"
    )  # fmt: skip
    return probabilities(layer(x), activation)


def restored(x, channels: int, activation: str | None, kernel: int, *, layer="Conv", padding="same", image=None):
    """Feature maps to an image: one convolution `head_logits`, then `head`, in float32 under every dtype policy.

    Both convolution and sum are float32: bfloat16 has 128 steps between 1/2 and 1, which of 4096 HU are 16 HU each. The
    kernel begins `FAINT`: an image spans 0..1, what a usual one makes of normalised maps several times that.

    Args:
        layer: `"Conv"`, or `"Transpose"` for a transposed convolution.
        image: of a residual network, the image that its output is added to.
    """
    convolution = getattr(layers, f"Conv{rank(x)}DTranspose") if layer == "Transpose" else pick(x, layer)
    y = convolution(
        channels, kernel, padding=padding, kernel_initializer=initializer(FAINT), dtype="float32", name="head_logits"
    )  # fmt: skip
    return residual(y(x), activation, image)


def residual(x, activation: str | None, image=None, *, subtract=False):
    """`head`, an image in float32: `x`, or `x` added to `image`, or (DnCNN's noise) subtracted from it."""
    if image is not None:
        if image.shape[-1] != x.shape[-1]:
            raise BadInput(
                f"an image of {image.shape[-1]} channels came for {x.shape[-1]} outputs, but a residual network "
                "changes its own input: as many outputs as channels, or a direct network"
            )
        way = layers.Subtract if subtract else layers.Add
        x = way(dtype="float32", name="head_residual")([image, x])
    return activate(x, activation)


def probabilities(logits, activation: str | None):
    """`head`, from maps of logits. Softmax over one class would be 1 everywhere: it becomes a sigmoid."""
    return activate(logits, "sigmoid" if activation == "softmax" and logits.shape[-1] == 1 else activation)


def activate(logits, activation: str | None, *, name: str = "head"):
    """The last layer, `head`: float32, so that probabilities keep their precision in mixed training."""
    return layers.Activation(activation or "linear", dtype="float32", name=name)(logits)
