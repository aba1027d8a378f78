"""ResNet: blocks of convolutions learn what to add to their input.

He et al., Deep Residual Learning for Image Recognition, CVPR 2016. https://arxiv.org/abs/1512.03385
"""

from functools import partial

from radzoo.layers import add, classifier, conv, norm, norm_relu, pad, relu
from radzoo.pooling import global_pool, max_pool
from radzoo.registry import register


@register(
    resnet18={"blocks": (2, 2, 2, 2), "bottleneck": False},
    resnet34={"blocks": (3, 4, 6, 3), "bottleneck": False},
    resnet50={"blocks": (3, 4, 6, 3)},
    resnet101={"blocks": (3, 4, 23, 3)},
    resnet152={"blocks": (3, 8, 36, 3)},
    resnet_tiny={"blocks": (1, 2), "bottleneck": False, "width": 8},
    resnet_bottleneck_tiny={"blocks": (2, 1), "width": 8},
    kind="classification",
    year=2016,
    fidelity="paper",
    parameters={
        "resnet18": 11_689_512,
        "resnet34": 21_797_672,
        "resnet50": 25_557_032,
        "resnet101": 44_549_160,
        "resnet152": 60_192_808,
        "resnet_tiny": 27_728,
        "resnet_bottleneck_tiny": 74_896,
    },
)
def resnet(image, *, blocks, bottleneck=True, width=64, stride_in_1x1=True, bias=False, eps=1e-5, prefix=""):
    """Stem, then `blocks[i]` residual blocks per stage; each stage doubles the channels and halves the size (Table 1).

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D.
        bottleneck: three convolutions per block (50 layers and more) instead of two.
        width: channels of the stem and of the first stage; a bottleneck leaves four times as many.
        stride_in_1x1: a bottleneck halves the size in its first convolution (the paper, Keras) or in its 3x3
            ("v1.5": torch, NVIDIA). As many parameters, another function.
        bias: convolutions have biases, as in the files of Keras.
        eps: of the normalisation; the authors and torch have 1e-5, the files of Keras 1.001e-5.

    Returns:
        Feature maps, finest first, at strides 2, 4, 8, 16, 32.
    """
    unit = partial(conv, bias=bias)
    stem = f"{prefix}stem"
    x = norm_relu(unit(image, width, 7, stride=2, name=stem), eps=eps, name=stem)
    features = [x]
    x = max_pool(pad(x, 1, name=f"{stem}_pool"), 3, 2, name=stem)  # after ReLU a zero never wins
    for i, count in enumerate(blocks, start=1):
        channels = width * 2 ** (i - 1)
        for j in range(1, count + 1):
            name, stride = f"{prefix}stage{i}_block{j}", 2 if i > 1 and j == 1 else 1
            if bottleneck:
                rows = ((channels, 1), (channels, 3), (4 * channels, 1))
                strides = (stride, 1, 1) if stride_in_1x1 else (1, stride, 1)
            else:
                rows, strides = ((channels, 3), (channels, 3)), (stride, 1)
            x = _residual(x, rows, strides, unit, eps, name)
        features.append(x)
    return features


def _residual(x, rows, strides, unit, eps, name):
    """Convolutions `rows` of (channels, kernel), added to the input; projected where the shape changes (option B)."""
    y = x
    for k, ((channels, kernel), stride) in enumerate(zip(rows, strides, strict=True), start=1):
        y = norm(unit(y, channels, kernel, stride=stride, name=f"{name}_{k}"), eps=eps, name=f"{name}_{k}")
        if k < len(rows):
            y = relu(y, name=f"{name}_{k}")
    if x.shape[-1] != channels or max(strides) > 1:
        shortcut = f"{name}_shortcut"
        x = norm(unit(x, channels, 1, stride=max(strides), name=shortcut), eps=eps, name=shortcut)
    return relu(add([x, y], name=name), name=name)


@resnet.top
def resnet_top(features, *, classes=1000, activation="softmax"):
    """Global average pooling and one dense layer."""
    return classifier(global_pool(features[-1], name="head"), classes, activation)
