"""Kooi's mammography CNN: a small VGG over patches around candidate lesions.

Kooi et al., Large scale deep learning for computer aided detection of mammographic lesions, Medical Image Analysis
2017. https://doi.org/10.1016/j.media.2016.07.007

Known: patches of 250x250 pixels (5 cm), 3x3 convolutions of 16, 16, 32, 32 and 64 filters, 2x2 max pooling, two dense
layers of 300, dropout of one half, He's initial weights, RMSProp at 5e-5. Reconstructed, because the paper's table
could not be read: convolutions keep the size; pooling follows every convolution but the fourth; dropout follows both
dense layers; two classes. The number of parameters depends on this and is our own.
"""

from radzoo.layers import classifier
from radzoo.models.vgg import dense_layers, vgg
from radzoo.registry import register


@register(
    kooi_cnn={},
    kooi_tiny={"blocks": ((4,), (6,), (8, 8)), "units": 8},
    kind="classification",
    year=2017,
    fidelity="reconstruction",
    inputs={"kooi_cnn": (250, 250, 1)},
    parameters={"kooi_cnn": 4_446_066, "kooi_tiny": 5_552},
)
def kooi_cnn(image, *, blocks=((16,), (16,), (32,), (32, 64)), prefix=""):
    """Five rectified 3x3 convolutions with max pooling in between; arguments and features as `vgg`."""
    return vgg(image, blocks=blocks, prefix=prefix)


@kooi_cnn.top
def kooi_cnn_top(features, *, classes=2, activation="softmax", units=300, dropout=0.5):
    """The last pooling, two dense layers with dropout, and the classes."""
    return classifier(dense_layers(features, {"head_fc1": units, "head_fc2": units}, dropout), classes, activation)
