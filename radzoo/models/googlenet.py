"""GoogLeNet: modules that look at their input with kernels of several sizes side by side.

Szegedy et al., Going Deeper with Convolutions, CVPR 2015. https://arxiv.org/abs/1409.4842; googlenet_bn is not that
paper's but torchvision's variant with batch normalisation, https://github.com/pytorch/vision
"""

from functools import partial

from radzoo.errors import BadInput
from radzoo.layers import (
    Features,
    classifier,
    concat,
    conv,
    dense,
    flatten,
    norm_relu,
    relu,
)
from radzoo.layers import dropout as drop
from radzoo.pooling import adaptive_pool, average_pool, ceil_pool, global_pool, max_pool
from radzoo.registry import register
from radzoo.responses import lrn

# Table 1: the modules 3a to 5b; per module the widths 1x1 | 3x3 reduce, 3x3 | 5x5 reduce, 5x5 | pool projection.
STAGES = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)
NORMS = ("krizhevsky", "caffe", "batch")


@register(
    googlenet={},
    googlenet_bn={"norm": "batch", "kernel": 3, "last_pool": 2, "adaptive": True, "dropout": 0.2},
    googlenet_tiny={
        "stages": (((8, 4, 8, 4, 4, 4), (8, 4, 8, 4, 8, 4)), ((8, 4, 16, 4, 8, 8),)),
        "width": 8,
        "taps": ((2, 1), (2, 2)),
        "auxiliary_width": 16,
    },
    googlenet_bn_tiny={
        "stages": (((8, 4, 8, 4, 4, 4), (8, 4, 8, 4, 8, 4)), ((8, 4, 16, 4, 8, 8),)),
        "width": 8,
        "taps": ((2, 1), (2, 2)),
        "auxiliary_width": 16,
        "norm": "batch",
        "kernel": 3,
        "last_pool": 2,
        "adaptive": True,
        "dropout": 0.2,
    },
    kind="classification",
    year=2015,
    fidelity="paper",
    parameters={
        "googlenet": 13_378_280,
        "googlenet_bn": 13_004_888,
        "googlenet_tiny": 324_412,
        "googlenet_bn_tiny": 372_472,
    },
)
def googlenet(
    image,
    *,
    stages=STAGES,
    width=64,
    taps=((3, 1), (3, 4)),
    norm="krizhevsky",
    kernel=5,
    last_pool=3,
    eps=1e-3,
    prefix="",
):
    """Convolutions down to stride 4, then stages of Inception modules (Table 1).

    `googlenet` is the printed network. `googlenet_bn` is torchvision's: batch normalisation instead of local response
    normalisation and biases, 3x3 in place of 5x5, and a last pooling of 2/2.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D.
        width: channels of the stem.
        taps: `(stage, block)` of the modules that the auxiliary heads read: 4a and 4d.
        norm: `"krizhevsky"` (the paper prints no constants; these are AlexNet's), `"caffe"` (the constants of the
            Caffe model zoo), or `"batch"`.
        kernel: of the third branch.
        last_pool: size of the last maximum pooling, of stride 2. All of them round sizes up, as Caffe and torch do.
        eps: of batch normalisation.

    Returns:
        `layers.Features`, finest first, at strides 2, 4, 8, 16, 32, with the taps of the auxiliary heads.

    Raises:
        BadInput: unknown `norm`.
    """
    unit = _unit(norm, eps)
    local = partial(lrn, caffe=norm == "caffe") if norm != "batch" else lambda x, name: x
    x = unit(image, width, 7, stride=2, name=f"{prefix}stem")
    features, heads = [x], {}
    stage = f"{prefix}stage1"
    x = local(ceil_pool(x, 3, name=stage), name=f"{prefix}stem")
    x = unit(unit(x, width, 1, name=f"{stage}_reduce"), 3 * width, 3, name=stage)
    x = local(x, name=stage)
    features.append(x)
    for i, modules in enumerate(stages, start=2):
        stage = f"{prefix}stage{i}"
        x = ceil_pool(x, last_pool if i == len(stages) + 1 else 3, name=stage)
        for j, widths in enumerate(modules, start=1):
            x = _module(x, widths, kernel, unit, f"{stage}_block{j}")
            if (i, j) in taps:
                heads[f"auxiliary{len(heads) + 1}"] = x
        features.append(x)
    return Features(features, heads)


def _unit(norm: str, eps: float):
    """Convolution with what follows it: biases and ReLU, or batch normalisation and ReLU."""
    if norm not in NORMS:
        raise BadInput(f"norm={norm!r} came, expected {', '.join(NORMS)}")

    def unit(x, filters, kernel, *, stride=1, name):
        x = conv(x, filters, kernel, stride=stride, bias=norm != "batch", name=name)
        return norm_relu(x, eps=eps, name=name) if norm == "batch" else relu(x, name=name)

    return unit


def _module(x, widths, kernel, unit, name):
    """Four branches side by side (Figure 2b)."""
    one, reduce3, three, reduce5, five, projection = widths
    middle = unit(unit(x, reduce3, 1, name=f"{name}_branch2_reduce"), three, 3, name=f"{name}_branch2")
    wide = unit(unit(x, reduce5, 1, name=f"{name}_branch3_reduce"), five, kernel, name=f"{name}_branch3")
    pooled = max_pool(x, 3, 1, padding="same", name=f"{name}_branch4")
    pooled = unit(pooled, projection, 1, name=f"{name}_branch4")
    return concat([unit(x, one, 1, name=f"{name}_branch1"), middle, wide, pooled], name=name)


@googlenet.top
def googlenet_top(
    features,
    *,
    classes=1000,
    activation="softmax",
    dropout=0.4,
    auxiliary=True,
    auxiliary_width=128,
    adaptive=False,
    norm="krizhevsky",
    eps=1e-3,
):
    """Global average pooling, dropout and one dense layer; two auxiliary heads on inner modules (section 5).

    Args:
        auxiliary: also the auxiliary outputs, whose losses enter training with a weight of 0.3 each.
        auxiliary_width: channels of their 1x1 convolution; their dense layer has eight times as many.
        adaptive: they pool to 4x4 whatever the size (torch), instead of 5x5 with stride 3, which gives 4x4 at 224.
        norm, eps: as in the builder.

    Returns:
        The main output, or `[main, auxiliary1, auxiliary2]`.

    Raises:
        BadInput: maps too small for the auxiliary heads.
    """
    x = drop(global_pool(features[-1], name="head"), dropout, name="head")
    main = classifier(x, classes, activation)
    if not auxiliary:
        return main
    outputs = [main]
    for key in features.taps:
        name = f"head_{key}"
        x = features.tap(key, least=4 if adaptive else 5)
        x = adaptive_pool(x, 4, name=name) if adaptive else average_pool(x, 5, 3, name=name)
        x = _unit(norm, eps)(x, auxiliary_width, 1, name=f"{name}_reduce")
        x = dense(flatten(x, name=name), 8 * auxiliary_width, name=name)
        x = drop(x, 0.7, name=name)
        outputs.append(classifier(x, classes, activation, name=name))
    return outputs
