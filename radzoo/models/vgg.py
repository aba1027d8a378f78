"""VGG: nothing but small convolutions, stacked until two or three of them see as far as one large one.

Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015.
https://arxiv.org/abs/1409.1556
"""

from radzoo.layers import classifier, conv, dense, flatten, relu
from radzoo.layers import dropout as drop
from radzoo.pooling import ceil_half, max_pool, thin
from radzoo.registry import register


@register(
    vgg16={"blocks": ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))},
    vgg19={"blocks": ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512, 512, 512), (512, 512, 512, 512))},
    vgg_tiny={"blocks": ((8, 8), (12,), (16, 16)), "units": 16},
    kind="classification",
    year=2015,
    fidelity="paper",
    parameters={"vgg16": 138_357_544, "vgg19": 143_667_240, "vgg_tiny": 39_420},
)
def vgg(image, *, blocks, prefix=""):
    """Blocks of rectified 3x3 convolutions with max pooling in between (Table 1, columns D and E).

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D.
        blocks: the filters of each convolution, block by block; the first block is the stem.

    Returns:
        The last map of every block, finest first, at strides 1, 2, 4, …; before the last pooling.
    """
    return convolutions(image, blocks, prefix=prefix)


def convolutions(image, blocks, *, ceil=False, prefix="") -> list:
    """The features of `vgg`; `ceil`: pooling rounds odd sizes up, as Caffe does."""
    x, features = image, []
    for i, widths in enumerate(blocks):
        stage = f"{prefix}stage{i}" if i else f"{prefix}stem"
        if i:
            x = ceil_half(x, name=stage) if ceil else max_pool(x, thin(x, 2), 2, name=stage)
        for j, filters in enumerate(widths, start=1):
            x = relu(conv(x, filters, 3, bias=True, name=f"{stage}_block{j}"), name=f"{stage}_block{j}")
        features.append(x)
    return features


@vgg.top
def vgg_top(features, *, classes=1000, activation="softmax", units=4096, dropout=0.5):
    """The last pooling, two dense layers, each rectified and then dropped out, and the classes."""
    names = ("head_fc6", "head_fc7")
    return classifier(dense_layers(features, {name: units for name in names}, dropout), classes, activation)


def dense_layers(features, units: dict[str, int], rate: float, join=None):
    """The last pooling, flattened, and rectified dense layers.

    Args:
        units: of every dense layer, by name.
        rate: of the dropout behind each of them.
        join: from the flattened maps to what the first dense layer reads.
    """
    x = flatten(max_pool(features[-1], thin(features[-1], 2), 2, name="head"), name="head")
    x = join(x) if join else x
    for name, count in units.items():
        x = dense(x, count, name=name)
        x = drop(x, rate, name=name) if rate else x
    return x
