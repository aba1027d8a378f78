"""A small U-Net for the lungs on CT slices: pairs of normalised convolutions, up-convolutions that overlap.

The network of https://github.com/knottwill/UNet-Small, trained on 12 patients of the Lung CT Segmentation Challenge
2017; its plan is that of Ronneberger et al., U-Net, MICCAI 2015. https://arxiv.org/abs/1505.04597
"""

from keras import layers, ops

from radzoo.errors import BadInput
from radzoo.layers import activate, concat, conv, norm_relu, pick, rank
from radzoo.pooling import max_pool
from radzoo.registry import register


@register(
    unet_wdk24={},
    unet_wdk24_tiny={"width": 4, "levels": 2},
    kind="segmentation",
    year=2024,
    fidelity="paper",
    inputs={"unet_wdk24": (512, 512, 1)},
    parameters={"unet_wdk24": 536_913, "unet_wdk24_tiny": 8_429},
)
def unet_wdk24(image, *, width=16, levels=3, dropout=0.5, prefix=""):
    """Pairs of 3x3 convolutions of twice the filters each time, max pooling in between.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D.
        width: filters of the first pair.
        levels: poolings.
        dropout: rate of whole maps, behind every pooling.

    Returns:
        The map of every pair, finest first, at strides 1, 2, 4, 8.
    """
    x, features = image, []
    for level in range(levels + 1):
        stage = f"{prefix}stage{level}" if level else f"{prefix}stem"
        if level:
            x = max_pool(x, 2, name=stage)
            x = pick(x, "SpatialDropout")(dropout, name=f"{stage}_dropout")(x)
        x = _pair(x, width * 2**level, stage)
        features.append(x)
    return features


@unet_wdk24.top
def unet_wdk24_top(features, *, classes=2, activation="softmax"):
    """Up-convolution of half the filters, the finer map beside it, a pair of convolutions; at last one 1x1 convolution.

    The background has no kernel of its own, its logit is 0: of two classes softmax is then the one sigmoid of the
    published network. Sizes have to be multiples of 8.
    """
    if classes < 2:
        raise BadInput(f"classes={classes} came, expected 2 or more: this network has no kernel for the first of them")
    x = features[-1]
    for number, skip in enumerate(features[-2::-1], start=1):
        name = f"decoder{number}"
        x = _pair(concat([_up(x, skip.shape[-1], name), skip], name=name), skip.shape[-1], name)
    score = pick(x, "Conv")(classes - 1, 1, name="head_score")(x)
    logits = ops.concatenate([ops.zeros_like(score[..., :1]), score], axis=-1)
    return activate(layers.Identity(name="head_logits")(logits), activation)


def _pair(x, filters: int, name: str):
    for k in (1, 2):
        x = norm_relu(conv(x, filters, 3, bias=True, name=f"{name}_{k}"), name=f"{name}_{k}")
    return x


def _up(x, filters: int, name: str):
    """Torch's transposed convolution of kernel 3, stride 2 and both paddings 1: the first pixel falls away."""
    transposed = getattr(layers, f"Conv{rank(x)}DTranspose")
    x = transposed(filters, 3, 2, "valid", name=f"{name}_up_conv")(x)
    return pick(x, "Cropping")(((1, 0),) * rank(x), name=f"{name}_up_crop")(x)
