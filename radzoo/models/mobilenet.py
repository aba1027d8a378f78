"""MobileNet: every convolution split into one filter per channel and a 1x1 mixture of the channels.

Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, 2017.
https://arxiv.org/abs/1704.04861
"""

from radzoo.errors import BadInput
from radzoo.layers import classifier, conv, depthwise_conv, norm, pad, relu
from radzoo.pooling import global_pool
from radzoo.registry import register

# Table 1 by size of the feature maps, finest first: the channels of each block; stride 2 where a stage begins.
STAGES = ((64,), (128, 128), (256, 256), (512, 512, 512, 512, 512, 512), (1024, 1024))


@register(
    mobilenet={"alpha": 1.0},
    mobilenet_025={"alpha": 0.25},
    mobilenet_tiny={"alpha": 0.25, "stages": ((64,), (128, 128), (256,))},
    kind="classification",
    year=2017,
    fidelity="paper",
    parameters={"mobilenet": 4_231_976, "mobilenet_025": 470_072, "mobilenet_tiny": 70_200},
)
def mobilenet(image, *, alpha, stages=STAGES, padding="same", eps=1e-3, prefix=""):
    """A strided convolution, then depthwise separable blocks (Table 1).

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D; in 3-D with a fixed size.
        alpha: multiplies all channel counts (the width multiplier).
        padding: of the depthwise convolutions of stride 2: `"same"` (TensorFlow's, the authors' code), or `"end"`
            (Keras: always one zero at the end). They differ on odd sizes alone; 224 has none.
        eps: of the normalisation (the authors' TensorFlow code).

    Returns:
        Feature maps, finest first, at strides 2, 4, 8, …

    Raises:
        BadInput: unknown padding.
    """
    if padding not in ("same", "end"):
        raise BadInput(f"padding={padding!r} came, expected 'same' or 'end'")
    stem = f"{prefix}stem"
    x = conv(image, int(32 * alpha), 3, stride=2, padding="same", name=stem)
    x = relu(norm(x, eps=eps, name=stem), maximum=6.0, name=stem)
    features = []
    for i, rows in enumerate(stages):
        stage = f"{prefix}stage{i}" if i else stem
        for j, channels in enumerate(rows, start=1):
            stride = 2 if i and j == 1 else 1
            x = _separable(x, int(channels * alpha), stride, padding, eps, f"{stage}_block{j}")
        features.append(x)
    return features


def _separable(x, channels, stride, padding, eps, name):
    """One filter per channel, then a 1x1 convolution, each with normalisation and ReLU6."""
    ends = padding == "end" and stride > 1
    if ends:
        x = pad(x, (0, 1), name=f"{name}_end")
    x = depthwise_conv(x, 3, stride=stride, padding="valid" if ends else "same", name=name)
    x = relu(norm(x, eps=eps, name=f"{name}_depthwise"), maximum=6.0, name=f"{name}_depthwise")
    x = norm(conv(x, channels, 1, name=f"{name}_pointwise"), eps=eps, name=f"{name}_pointwise")
    return relu(x, maximum=6.0, name=f"{name}_pointwise")


@mobilenet.top
def mobilenet_top(features, *, classes=1000, activation="softmax"):
    """Global average pooling and one dense layer."""
    return classifier(global_pool(features[-1], name="head"), classes, activation)
