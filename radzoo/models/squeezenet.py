"""SqueezeNet 1.1: AlexNet's accuracy with fifty times fewer parameters.

Iandola et al., SqueezeNet, 2016. https://arxiv.org/abs/1602.07360; version 1.1 from the authors' repository.
"""

from keras import layers

from radzoo.layers import activate, concat, conv, relu
from radzoo.layers import dropout as drop
from radzoo.pooling import ceil_pool, global_pool, max_pool, thin
from radzoo.registry import register


@register(
    squeezenet={"fires": ((16, 16), (32, 32), (48, 48, 64, 64))},
    squeezenet_tiny={"fires": ((4, 4), (8,)), "width": 8},
    kind="classification",
    year=2016,
    fidelity="paper",
    parameters={"squeezenet": 1_235_496, "squeezenet_tiny": 69_624},
)
def squeezenet(image, *, fires, width=64, ceil=True, prefix=""):
    """A strided convolution, then fire modules with max pooling in between.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D.
        fires: per stage the squeeze widths of its fire modules; each expands to eight times its squeeze width.
        ceil: pooling rounds sizes up as in Caffe and torch; False drops the rest as in the Keras port, whose files
            carry it. Both agree on odd sizes, such as those of a 224 input.

    Returns:
        Feature maps, finest first, at strides 2, 4, 8, 16.
    """
    stem = f"{prefix}stem"
    x = relu(conv(image, width, 3, stride=2, padding="valid", bias=True, name=stem), name=stem)
    features = [x]
    number = 2  # the authors count their fire modules from 2
    for i, widths in enumerate(fires, start=1):
        stage = f"{prefix}stage{i}"
        x = ceil_pool(x, 3, name=stage) if ceil else max_pool(x, thin(x, 3), 2, name=stage)
        for squeeze in widths:
            x = _fire(x, squeeze, f"{stage}_fire{number}")
            number += 1
        features.append(x)
    return features


def _fire(x, squeeze, name):
    """Squeeze with 1x1, expand with 1x1 and 3x3 side by side."""
    x = relu(conv(x, squeeze, 1, bias=True, name=f"{name}_squeeze"), name=f"{name}_squeeze")
    sides = [
        relu(conv(x, 4 * squeeze, k, bias=True, name=f"{name}_expand{k}"), name=f"{name}_expand{k}") for k in (1, 3)
    ]
    return concat(sides, name=name)


@squeezenet.top
def squeezenet_top(features, *, classes=1000, activation="softmax", dropout=0.5):
    """Dropout, a 1x1 convolution to the classes, ReLU, global average pooling.

    The ReLU before the pooling is the paper's; without softmax it would hold every probability above one half and is
    left out.
    """
    x = drop(features[-1], dropout, name="head")
    x = conv(x, classes, 1, bias=True, name="head")
    if activation == "softmax":
        x = relu(x, name="head")
    x = layers.Identity(name="head_logits")(global_pool(x, name="head"))
    return activate(x, activation)
