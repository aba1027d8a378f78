"""MobileNetV2: inverted residuals whose shortcuts join the thin, linear ends.

Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018. https://arxiv.org/abs/1801.04381
"""

from radzoo.errors import BadInput
from radzoo.layers import add, classifier, conv, depthwise_conv, norm, relu
from radzoo.pooling import global_pool
from radzoo.registry import register

# Table 2 by size of the feature maps, finest first: (expansion, channels, repeats); stride 2 where a stage begins.
STAGES = (
    ((1, 16, 1),),
    ((6, 24, 2),),
    ((6, 32, 3),),
    ((6, 64, 4), (6, 96, 3)),
    ((6, 160, 3), (6, 320, 1)),
)


@register(
    mobilenet_v2={"alpha": 1.0},
    mobilenet_v2_035={"alpha": 0.35},
    mobilenet_v2_tiny={"alpha": 0.35, "last": 32, "stages": (((1, 16, 1),), ((6, 24, 2),), ((6, 32, 1),))},
    kind="classification",
    year=2018,
    fidelity="paper",
    parameters={"mobilenet_v2": 3_504_872, "mobilenet_v2_035": 1_677_128, "mobilenet_v2_tiny": 38_984},
)
def mobilenet_v2(image, *, alpha, stages=STAGES, last=1280, padding="same", eps=1e-3, prefix=""):
    """Stem, inverted residual blocks, and a 1x1 convolution to `last` channels (Table 2).

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D; in 3-D with a fixed size.
        alpha: multiplies all channel counts but `last`, which only grows.
        padding: of the convolutions of stride 2: `"same"` (the authors' TensorFlow code, Keras) or `"symmetric"`
            (torch), which on even sizes sees every map one pixel aside.
        eps: of the normalisation; the authors' code and Keras have 1e-3, torch 1e-5.

    Returns:
        Feature maps, finest first, at strides 2, 4, 8, …; the last with `last` channels.

    Raises:
        BadInput: unknown padding.
    """
    if padding not in ("same", "symmetric"):
        raise BadInput(f"padding={padding!r} came, expected 'same' or 'symmetric'")
    stem = f"{prefix}stem"
    x = conv(image, _channels(32 * alpha), 3, stride=2, padding=padding, name=stem)
    x = relu(norm(x, eps=eps, name=stem), maximum=6.0, name=stem)
    features = []
    for i, groups in enumerate(stages):
        stage = f"{prefix}stage{i}" if i else stem
        rows = [(expansion, channels) for expansion, channels, repeats in groups for _ in range(repeats)]
        for j, (expansion, channels) in enumerate(rows, start=1):
            stride = 2 if i and j == 1 else 1
            ends = padding if stride > 1 else "same"
            x = _inverted_residual(x, expansion, _channels(channels * alpha), stride, ends, eps, f"{stage}_block{j}")
        features.append(x)
    x = conv(x, _channels(last * max(alpha, 1.0)), 1, name=stage)
    features[-1] = relu(norm(x, eps=eps, name=stage), maximum=6.0, name=stage)
    return features


def _inverted_residual(x, expansion, channels, stride, padding, eps, name):
    """Expand, filter each channel, project without activation; a shortcut where the shape stays."""
    y = x
    if expansion > 1:
        y = conv(y, expansion * x.shape[-1], 1, name=f"{name}_expand")
        y = relu(norm(y, eps=eps, name=f"{name}_expand"), maximum=6.0, name=f"{name}_expand")
    y = norm(depthwise_conv(y, 3, stride=stride, padding=padding, name=name), eps=eps, name=f"{name}_depthwise")
    y = relu(y, maximum=6.0, name=f"{name}_depthwise")
    y = norm(conv(y, channels, 1, name=f"{name}_project"), eps=eps, name=f"{name}_project")
    return add([x, y], name=name) if stride == 1 and x.shape[-1] == channels else y


def _channels(value):
    """The nearest multiple of 8 that is not more than 10 % below `value` (the authors' code)."""
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * value else rounded + 8


@mobilenet_v2.top
def mobilenet_v2_top(features, *, classes=1000, activation="softmax"):
    """Global average pooling and one dense layer."""
    return classifier(global_pool(features[-1], name="head"), classes, activation)
