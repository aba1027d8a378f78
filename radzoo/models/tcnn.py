"""T-CNN: the energy of learned filters, as texture analysis has always read filter banks.

Andrearczyk and Whelan, Using Filter Banks in Convolutional Neural Networks for Texture Classification, Pattern
Recognition Letters 2016. https://arxiv.org/abs/1601.02919; layers from https://github.com/vandrearczyk/caffe-TCNN
"""

from radzoo.layers import Features, concat, flatten
from radzoo.models.alexnet import KRIZHEVSKY, convolutions, dense_end
from radzoo.pooling import ceil_pool, energy
from radzoo.registry import register


@register(
    tcnn1={"depth": 1},
    tcnn2={"depth": 2},
    tcnn3={"depth": 3},
    tcnn4={"depth": 4},
    tcnn5={"depth": 5},
    tcnn_tiny={"depth": 3, "rows": ((8, 5, 2, 2, 1), (16, 3, 1, 1, 2), (12, 3, 1, 1, 1)), "units": 16},
    kind="classification",
    year=2016,
    fidelity="paper",
    inputs={
        "tcnn1": (227, 227, 3),
        "tcnn2": (227, 227, 3),
        "tcnn3": (227, 227, 3),
        "tcnn4": (227, 227, 3),
        "tcnn5": (227, 227, 3),
    },
    parameters={
        "tcnn1": 21_310_568,
        "tcnn2": 22_273_384,
        "tcnn3": 23_682_792,
        "tcnn4": 24_346_728,
        "tcnn5": 24_265_064,
        "tcnn_tiny": 20_420,
    },
)
def tcnn(image, *, depth, rows=KRIZHEVSKY, bias=1.0, prefix=""):
    """The first `depth` convolutions of CaffeNet, under the names that its weights have.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D; 227 in the paper.
        bias: first value of the biases of convolutions 2, 4 and 5.

    Returns:
        Rectified maps at strides 4, 8 and 16, as far as the depth goes.
    """
    maps = convolutions(image, rows[:depth], response="caffe", pool_first=True, bias=bias, prefix=prefix)
    return [*maps[:2], maps[-1]] if depth > 2 else maps


@tcnn.top
def tcnn_top(features, *, classes=1000, activation="softmax", units=4096, dropout=0.5):
    """The energy layer and AlexNet's dense layers: any input size gives as many weights."""
    return dense_end(energy(features[-1], name="head"), classes, activation, units=units, rate=dropout, bias=1.0)


@register(
    tcnn_hybrid={},
    tcnn_hybrid_tiny={
        "rows": ((8, 5, 2, 2, 1), (16, 3, 1, 1, 2), (16, 3, 1, 1, 1), (16, 3, 1, 1, 2), (12, 3, 1, 1, 2)),
        "units": 16,
    },
    kind="classification",
    year=2016,
    fidelity="paper",
    inputs={"tcnn_hybrid": (227, 227, 3)},
    parameters={"tcnn_hybrid": 62_538_088, "tcnn_hybrid_tiny": 26_180},
)
def tcnn_hybrid(image, *, rows=KRIZHEVSKY, bias=1.0, prefix=""):
    """TS-CNN, texture beside shape: CaffeNet, whose end also reads the energy of the third convolution.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D; 227 in the paper.
        bias: first value of the biases of convolutions 2, 4 and 5.

    Returns:
        The rectified maps of convolutions 1, 2 and 5 at strides 4, 8 and 16; the third is the tap `texture`.
    """
    maps = convolutions(image, rows, response="caffe", pool_first=True, bias=bias, prefix=prefix)
    return Features([maps[0], maps[1], maps[-1]], {"texture": maps[2]})


@tcnn_hybrid.top
def tcnn_hybrid_top(features, *, classes=1000, activation="softmax", units=4096, dropout=0.5):
    """The energy of the third convolution beside the flattened fifth pooling, then AlexNet's dense layers."""
    texture = energy(features.taps["texture"], name="head")
    shape = flatten(ceil_pool(features[-1], 3, name="head"), name="head")
    x = concat([shape, texture], name="head")
    return dense_end(x, classes, activation, units=units, rate=dropout, bias=1.0)
