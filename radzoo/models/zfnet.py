"""ZFNet: AlexNet in one tower, with a smaller and denser first layer that its visualisations asked for.

Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014. https://arxiv.org/abs/1311.2901
"""

from radzoo.models.alexnet import alexnet_top, convolutions
from radzoo.registry import register


@register(
    zfnet={"rows": ((96, 7, 2, 1, 1), (256, 5, 2, 0, 1), (384, 3, 1, 1, 1), (384, 3, 1, 1, 1), (256, 3, 1, 1, 1))},
    zfnet_tiny={
        "rows": ((8, 5, 2, 1, 1), (12, 3, 2, 0, 1), (12, 3, 1, 1, 1), (12, 3, 1, 1, 1), (8, 3, 1, 1, 1)),
        "units": 16,
    },
    kind="classification",
    year=2014,
    fidelity="paper",
    parameters={"zfnet": 62_357_608, "zfnet_tiny": 22_388},
)
def zfnet(image, *, rows, prefix=""):
    """Five rectified convolutions; the first two are pooled and then normalised across feature maps (Figure 3).

    The paper prints no formula for its "contrast normalized across feature maps": it is read as Krizhevsky's response
    normalisation.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D; 224 in the paper, then maps of 110, 26 and 13.
        rows: `(filters, kernel, stride, padding, groups)` of every convolution, as in `alexnet`.

    Returns:
        The rectified maps of convolutions 1, 2 and 5 at strides 2, 8 and 16, before pooling.
    """
    maps = convolutions(image, rows, response="krizhevsky", pool_first=True, prefix=prefix)
    return [maps[0], maps[1], maps[-1]]


@zfnet.top
def zfnet_top(features, *, classes=1000, activation="softmax", units=4096, dropout=0.5):
    """AlexNet's end, with biases that begin at zero."""
    return alexnet_top(
        features, classes=classes, activation=activation, units=units, dropout=dropout, dense_bias=0.0
    )  # fmt: skip
