"""Three convolutions for low-dose CT, a network of the family of SRCNN: patches, mapping, reconstruction.

Chen et al., Low-dose CT via convolutional neural network, Biomedical Optics Express 2017.
https://arxiv.org/abs/1610.00321

Kernels and padding are those of https://github.com/eeulig/ldct-benchmark (there CNN-10): the image keeps its size. In
the lineage of SRCNN convolutions are valid, and patches of 33 pixels become 19.
"""

from radzoo.layers import conv, relu, restored
from radzoo.registry import register


@register(
    ldct_cnn={},
    ldct_cnn_tiny={"widths": (6, 4)},
    kind="restoration",
    year=2017,
    fidelity="paper",
    inputs={"ldct_cnn": (33, 33, 1)},
    parameters={"ldct_cnn": 24_513, "ldct_cnn_tiny": 1_785},
)
def ldct_cnn(image, *, widths=(64, 32), prefix=""):
    """A convolution of 9x9 and one of 3x3, rectified.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D, of any size.
        widths: filters of both.

    Returns:
        The second map alone, at stride 1.
    """
    x = image
    for stage, filters, kernel in zip(("stem", "stage1"), widths, (9, 3), strict=True):
        x = relu(conv(x, filters, kernel, bias=True, name=f"{prefix}{stage}"), name=f"{prefix}{stage}")
    return [x]


@ldct_cnn.top
def ldct_cnn_top(features, *, classes=1, activation="linear"):
    """A convolution of 5x5 to the `classes` channels of the image."""
    return restored(features[-1], classes, activation, 5)
