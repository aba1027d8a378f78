"""FBPConvNet: a U-Net behind filtered back-projection that learns what sparse views did wrong.

Jin et al., Deep Convolutional Neural Network for Inverse Problems in Imaging, TIP 2017.
https://arxiv.org/abs/1611.03679; layer by layer as in https://github.com/panakino/FBPConvNet (cnn_unet_init.m)

Other than U-Net it has three convolutions at the finest level, batch normalisation throughout, transposed convolutions
of 3x3 that are normalised and rectified, and the image added to its output.
"""

from radzoo.layers import Features, norm_relu, restored
from radzoo.models.unet import contract, expand
from radzoo.registry import register
from radzoo.upsampling import up_conv


@register(
    fbpconvnet={},
    fbpconvnet_small={"width": 16},
    fbpconvnet_tiny={"width": 4, "levels": 3},
    kind="restoration",
    year=2017,
    fidelity="paper",
    inputs={"fbpconvnet": (512, 512, 1), "fbpconvnet_small": (512, 512, 1), "fbpconvnet_tiny": (32, 32, 1)},
    parameters={"fbpconvnet": 34_562_945, "fbpconvnet_small": 2_164_193, "fbpconvnet_tiny": 8_537},
)
def fbpconvnet(image, *, width=64, levels=5, prefix=""):
    """The contracting path: normalised, rectified 3x3 convolutions, three at first, then two at every level.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D; an unknown size has to be a multiple of 16.
        width: filters of the first level; each level has twice those of the one before.

    Returns:
        The map of every level, finest first, at strides 1, 2, 4, …; the image is among its taps.
    """
    filters = [(width * 2**i,) * (2 if i else 3) for i in range(levels)]
    return Features(contract(image, filters, "same", "full", prefix=prefix), {"image": image})


@fbpconvnet.top
def fbpconvnet_top(features, *, classes=1, activation="linear"):
    """The expanding path, a 1x1 convolution, and the image added to it.

    Args:
        classes: channels of the image, as many as entered.
    """
    x = expand(features, _up, "same", "full")
    return restored(x, classes, activation, 1, image=features.taps["image"])


def _up(x, skip, stride, name):
    """MatConvNet crops the row and the column that 3x3 kernels write beyond the end; so does `"same"`."""
    return norm_relu(up_conv(x, skip.shape[-1], 3, stride, name=name), name=name)
