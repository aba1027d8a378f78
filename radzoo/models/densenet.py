"""DenseNet: every layer reads the feature maps of all layers before it.

Huang et al., Densely Connected Convolutional Networks, CVPR 2017. https://arxiv.org/abs/1608.06993
"""

from radzoo.layers import classifier, concat, conv, norm_relu, pad
from radzoo.pooling import average_pool, global_pool, max_pool
from radzoo.registry import register


@register(
    densenet121={"blocks": (6, 12, 24, 16)},
    densenet169={"blocks": (6, 12, 32, 32)},
    densenet201={"blocks": (6, 12, 48, 32)},
    densenet_tiny={"blocks": (2, 2), "growth": 8, "width": 16},
    kind="classification",
    year=2017,
    fidelity="paper",
    parameters={
        "densenet121": 7_978_856,
        "densenet169": 14_149_480,
        "densenet201": 20_013_928,
        "densenet_tiny": 48_216,
    },
)
def densenet(image, *, blocks, growth=32, width=64, eps=1e-5, prefix=""):
    """Stem, then `blocks[i]` dense layers per stage, halving channels and size in between (Table 1).

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D.
        growth: feature maps that each dense layer adds.
        width: channels of the stem.
        eps: of the normalisation; torch has 1e-5, the files of Keras 1.001e-5.

    Returns:
        Feature maps after normalisation and ReLU, finest first, at strides 2, 4, 8, …
    """
    stem = f"{prefix}stem"
    x = norm_relu(conv(image, width, 7, stride=2, name=stem), eps=eps, name=stem)
    features = [x]
    x = max_pool(pad(x, 1, name=f"{stem}_pool"), 3, 2, name=stem)
    for i, count in enumerate(blocks, start=1):
        stage = f"{prefix}stage{i}"
        for j in range(1, count + 1):
            x = concat([x, _dense_layer(x, growth, eps, f"{stage}_block{j}")], name=f"{stage}_block{j}")
        x = norm_relu(x, eps=eps, name=stage)
        features.append(x)
        if i < len(blocks):  # transition: half the channels, half the size
            x = conv(x, x.shape[-1] // 2, 1, name=f"{stage}_transition")
            x = average_pool(x, 2, name=f"{stage}_transition")
    return features


def _dense_layer(x, growth, eps, name):
    """Bottleneck of four times the growth, then the new feature maps (DenseNet-B)."""
    x = conv(norm_relu(x, eps=eps, name=f"{name}_1"), 4 * growth, 1, name=f"{name}_1")
    return conv(norm_relu(x, eps=eps, name=f"{name}_2"), growth, 3, name=f"{name}_2")


@densenet.top
def densenet_top(features, *, classes=1000, activation="softmax"):
    """Global average pooling and one dense layer."""
    return classifier(global_pool(features[-1], name="head"), classes, activation)
