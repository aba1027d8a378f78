"""The lung patch CNN: small kernels, no pooling before the end, for textures of interstitial lung disease.

Anthimopoulos et al., Lung Pattern Classification for Interstitial Lung Diseases Using a Deep Convolutional Neural
Network, IEEE Transactions on Medical Imaging 2016. https://doi.org/10.1109/TMI.2016.2535865
"""

from radzoo.layers import classifier, conv, dense
from radzoo.layers import dropout as drop
from radzoo.pooling import global_pool
from radzoo.registry import register
from radzoo.responses import activation as rectify


@register(
    ild_cnn={},
    ild_tiny={"depth": 2, "width": 2},
    kind="classification",
    year=2016,
    fidelity="paper",
    inputs={"ild_cnn": (32, 32, 1)},
    parameters={"ild_cnn": 471_567, "ild_tiny": 6_933},
)
def ild_cnn(image, *, depth=5, width=4, rectifier="leaky_relu", slope=0.3, prefix=""):
    """Valid 2x2 convolutions, layer `i` with `width * (i + 1) ** 2` filters; 32 pixels become 27.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D; one channel of 32x32 in the paper.
        rectifier: `leaky_relu`, or another of `radzoo.responses.RECTIFIERS`; the paper compares.
        slope: of leaky ReLU below zero.

    Returns:
        One feature map at stride 1, `depth` pixels smaller than the image.
    """
    x = image
    for i in range(1, depth + 1):
        name = f"{prefix}stage1_block{i - 1}" if i > 1 else f"{prefix}stem"
        filters = width * (i + 1) ** 2
        x = conv(x, filters, 2, padding="valid", bias=True, initial="orthogonal", name=name)
        x = rectify(x, rectifier, slope=slope, name=name)
    return [x]


@ild_cnn.top
def ild_cnn_top(features, *, classes=7, activation="softmax", dropout=0.5):
    """The mean over the whole map, dense layers of six and two times its channels, dropout before every layer."""
    channels = features[-1].shape[-1]
    x = drop(global_pool(features[-1], name="head"), dropout, name="head")
    for name, factor in (("head_fc1", 6), ("head_fc2", 2)):
        x = drop(dense(x, factor * channels, initial="he_uniform", name=name), dropout, name=name)
    return classifier(x, classes, activation, initial="he_uniform")
