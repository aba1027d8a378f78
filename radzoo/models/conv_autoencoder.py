"""A convolutional auto-encoder for patches of ultra-low-dose CT.

Nishio et al., Convolutional auto-encoder for image denoising of ultra-low-dose CT, Heliyon 2017.
https://doi.org/10.1016/j.heliyon.2017.e00393

A reconstruction: the paper's layers could not be read. Known are the kind of network, that it works on patches, and its
pairs of 300 and 10 mA of a chest phantom. Filters, depth and patch size are filled in here, and the repeated pixels on
the way up; nothing goes across the waist, so what pooling lost is lost.
"""

from itertools import pairwise

from radzoo.anisotropy import between
from radzoo.layers import restored
from radzoo.models.unet import contract, convolutions
from radzoo.registry import register
from radzoo.upsampling import cut_to, repeat


@register(
    conv_autoencoder={},
    conv_autoencoder_tiny={"width": 4},
    kind="restoration",
    year=2017,
    fidelity="reconstruction",
    inputs={"conv_autoencoder": (36, 36, 1)},
    parameters={"conv_autoencoder": 112_001, "conv_autoencoder_tiny": 593},
)
def conv_autoencoder(image, *, width=64, levels=3, prefix=""):
    """Rectified 3x3 convolutions, with max pooling in between that rounds sizes up.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D; an unknown size has to be a multiple of 4.
        width: filters of all convolutions.
        levels: convolutions.

    Returns:
        The map of every level, finest first, at strides 1, 2, 4.
    """
    return contract(image, [(width,)] * levels, "same", None, prefix=prefix)


@conv_autoencoder.top
def conv_autoencoder_top(features, *, classes=1, activation="linear"):
    """A convolution at every level but the finest, each behind repeated pixels; the last gives the image's channels."""
    x = features[-1]
    for number, (coarse, fine) in enumerate(pairwise(reversed(features)), start=1):
        name = f"decoder{number}"
        x = cut_to(repeat(x, between(fine, coarse), name=name), fine, name=name)
        if number < len(features) - 1:
            x = convolutions(x, (x.shape[-1],), "same", None, name)
    return restored(x, classes, activation, 3)
