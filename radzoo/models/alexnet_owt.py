"""AlexNet in one tower, without response normalisation: the one that torchvision's weights are of.

Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014. https://arxiv.org/abs/1404.5997
"""

from radzoo.layers import classifier, dense, flatten
from radzoo.layers import dropout as drop
from radzoo.models.alexnet import convolutions, pool
from radzoo.pooling import adaptive_pool
from radzoo.registry import register


@register(
    alexnet_owt={
        "rows": ((64, 11, 4, 2, 1), (192, 5, 1, 2, 1), (384, 3, 1, 1, 1), (256, 3, 1, 1, 1), (256, 3, 1, 1, 1))
    },
    alexnet_owt_tiny={
        "rows": ((8, 5, 2, 2, 1), (12, 3, 1, 1, 1), (16, 3, 1, 1, 1), (12, 3, 1, 1, 1), (12, 3, 1, 1, 1)),
        "units": 16,
        "bins": 2,
    },
    kind="classification",
    year=2014,
    fidelity="paper",
    parameters={"alexnet_owt": 61_100_840, "alexnet_owt_tiny": 24_332},
)
def alexnet_owt(image, *, rows, prefix=""):
    """Five rectified convolutions, the first two followed by overlapping max pooling.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D.
        rows: `(filters, kernel, stride, padding, groups)` of every convolution, as in `alexnet`.

    Returns:
        The rectified maps of convolutions 1, 2 and 5 at strides 4, 8 and 16, before pooling.
    """
    maps = convolutions(image, rows, ceil=False, initial="he_normal", prefix=prefix)
    return [maps[0], maps[1], maps[-1]]


@alexnet_owt.top
def alexnet_owt_top(features, *, classes=1000, activation="softmax", units=4096, bins=6, dropout=0.5):
    """The third pooling, adaptive pooling to `bins` along each axis, then dropout before each of two dense layers."""
    x = pool(features[-1], False, name="head")
    if set(x.shape[1:-1]) != {bins}:  # at 224 there is nothing to adapt
        x = adaptive_pool(x, bins, name="head_adaptive")
    x = flatten(x, name="head")
    for name in ("head_fc6", "head_fc7"):
        x = dense(drop(x, dropout, name=name), units, name=name)
    return classifier(x, classes, activation)
