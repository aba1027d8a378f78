"""DnCNN: a chain of convolutions that learns the noise, which is then subtracted.

Zhang et al., Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for Image Denoising, TIP 2017.
https://arxiv.org/abs/1608.03981; seventeen layers for one level of noise (DnCNN-S), as in https://github.com/cszn/DnCNN

The authors train with batch normalisation and publish networks in which it is merged into the convolutions
(`merged=True`, 555,137 parameters, and what the weights of this zoo are). Both have the same outputs at inference.
"""

from radzoo.layers import Features, conv, norm, pick, relu, residual
from radzoo.registry import register

EPS = 1e-4


@register(
    dncnn={},
    dncnn_tiny={"depth": 4, "width": 4},
    kind="restoration",
    year=2017,
    fidelity="paper",
    inputs={"dncnn": (40, 40, 1), "dncnn_tiny": (32, 32, 1)},
    parameters={"dncnn": 556_097, "dncnn_tiny": 381},
)
def dncnn(image, *, depth=17, width=64, merged=False, prefix=""):
    """All convolutions but the last: 3x3, rectified, normalised from the second on.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D, of any size.
        depth: convolutions, the last included.
        width: maps of each.
        merged: biases in place of batch normalisation.

    Returns:
        The last map alone, at stride 1; the image is among its taps.
    """
    x = image
    for i in range(depth - 1):
        stage = f"{prefix}stage{i}" if i else f"{prefix}stem"
        x = conv(x, width, 3, bias=merged or not i, name=stage)
        x = x if merged or not i else norm(x, eps=EPS, name=stage)
        x = relu(x, name=stage)
    return Features([x], {"image": image})


@dncnn.top
def dncnn_top(features, *, classes=1, activation="linear"):
    """A 3x3 convolution to the noise, and the image without it.

    Args:
        classes: channels of the image, as many as entered.
    """
    layer = pick(features[-1], "Conv")(classes, 3, padding="same", dtype="float32", name="head_logits")
    return residual(layer(features[-1]), activation, features.taps["image"], subtract=True)
