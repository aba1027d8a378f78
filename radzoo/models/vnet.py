"""V-Net: volumes through residual stages of 5x5x5 convolutions; convolutions take the place of pooling.

Milletari et al., V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image Segmentation, 3DV 2016.
https://arxiv.org/abs/1606.04797; vnet_released from https://github.com/faustomilletari/VNet (Prototxt)

The paper counts no parameters. Rectifiers learn one slope per channel (PReLU), as in the authors' Caffe.
"""

from itertools import pairwise

from keras import ops

from radzoo.anisotropy import between
from radzoo.errors import BadInput
from radzoo.layers import add, concat, conv, pixel_classifier
from radzoo.layers import norm as normalise
from radzoo.registry import register
from radzoo.responses import prelu
from radzoo.upsampling import cut_to, up_conv


@register(
    vnet={},
    vnet_released={"left": (1, 1, 2, 3, 3), "right": (3, 2, 1, 1), "wide_end": True},
    vnet_small={"width": 8, "norm": True},
    vnet_tiny={"width": 4, "left": (1, 2, 1), "right": (2, 1)},
    kind="segmentation",
    year=2016,
    fidelity="paper",
    inputs={"vnet": (64, 128, 128, 1), "vnet_released": (64, 128, 128, 1), "vnet_small": (64, 64, 64, 1)},
    parameters={"vnet": 65_175_314, "vnet_released": 61_982_682, "vnet_small": 16_299_530, "vnet_tiny": 25_950},
)
def vnet(image, *, width=16, left=(1, 2, 3, 3, 3), norm=False, prefix=""):
    """The left path: residual stages with 2x2x2 convolutions of stride 2 in between that double the filters.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D; odd sizes are rounded up.
        width: filters of the first stage.
        left: the number of convolutions in each stage.
        norm: batch normalisation behind every convolution (the paper has none), so that it learns from scratch.

    Returns:
        The map of every stage, finest first, at strides 1, 2, 4, ….
    """
    x, features = image, []
    for i, count in enumerate(left):
        name = f"{prefix}stage{i}" if i else f"{prefix}stem"
        if i:
            x = conv(x, width * 2**i, 2, stride=2, padding="same", bias=True, name=f"{name}_down")
            x = _rectified(x, norm, f"{name}_down")
        x = residual(x, width * 2**i, count, norm, name)
        features.append(x)
    return features


@vnet.top
def vnet_top(
    features, *, classes=2, activation="softmax", right=(3, 3, 2, 1), wide_end=False, norm=False
):  # fmt: skip
    """The right path: up-convolution to half the filters, the map across beside it, a residual stage; then classes.

    Args:
        right: the number of convolutions in each stage, coarsest first.
        wide_end: a rectified convolution of 5 to as many maps as classes before the last, as the authors released it.
    """
    if len(right) != len(features) - 1:
        raise BadInput(f"right={tuple(right)} came for {len(features)} stages, expected {len(features) - 1} numbers")
    strides = [between(fine, coarse) for fine, coarse in pairwise(features)]
    x = features[-1]
    for number, (count, skip, stride) in enumerate(
        zip(right, features[-2::-1], reversed(strides), strict=True), start=1
    ):  # fmt: skip
        name, filters = f"decoder{number}", skip.shape[-1]
        x = _rectified(up_conv(x, filters, 2, stride, name=f"{name}_up"), norm, f"{name}_up")
        x = concat([cut_to(x, skip, name=f"{name}_up"), skip], name=name)
        x = residual(x, 2 * filters, count, norm, name)
    if wide_end:
        x = _rectified(conv(x, classes, 5, bias=True, name="head_wide"), norm, "head_wide")
    return pixel_classifier(x, classes, activation)


def residual(x, filters: int, count: int, norm: bool, name: str):
    """`count` convolutions of 5; before the last rectifier the input of the stage is added, tiled over the filters."""
    given = x
    for number in range(1, count + 1):
        block = f"{name}_block{number}"
        x = conv(x, filters, 5, bias=True, name=block)
        x = normalise(x, name=block) if norm else x
        x = add([x, _tiled(given, filters)], name=name) if number == count else x
        x = prelu(x, name=block)
    return x


def _tiled(x, filters: int):
    """Channel c of the result is channel c modulo their number of `x`."""
    channels = x.shape[-1]
    return x if channels == filters else ops.concatenate([x] * -(-filters // channels), axis=-1)[..., :filters]


def _rectified(x, norm: bool, name: str):
    return prelu(normalise(x, name=name) if norm else x, name=name)
