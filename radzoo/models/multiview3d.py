"""Kang's 3-D multi-view CNNs: a nodule in three crops of different size, each resized to one cube, as three channels.

Kang et al., 3D multi-view convolutional neural networks for lung nodule classification, PLoS ONE 2017.
https://doi.org/10.1371/journal.pone.0188290

Known: the three views enter one network together; chains of none to three convolutions, two 3-D Inception blocks and an
Inception-ResNet; two classes (benign, malignant) or three. Reconstructed, because no layer table could be read: cubes
of 32 voxels, filters and units, a first plain convolution and then one block per stage with max pooling in between, the
share of each branch, dropout. The branches of the Inception blocks are those of Szegedy (GoogLeNet's; with 3x3x3 twice
for 5x5x5; with a linear 1x1x1 that is added to the input). The numbers of parameters are our own.
"""

from keras import ops

from radzoo.layers import add, classifier, concat, conv, relu
from radzoo.models.vgg import dense_layers
from radzoo.pooling import max_pool, thin
from radzoo.registry import register


@register(
    multiview3d={},
    multiview3d_inception={"block": "inception1"},
    multiview3d_inception_resnet={"block": "inception_resnet"},
    multiview3d_streams={"streams": True},
    multiview3d_tiny={"filters": (4, 6), "units": 8},
    multiview3d_inception_tiny={"block": "inception2", "filters": (8, 16), "units": 8},
    multiview3d_inception_resnet_tiny={"block": "inception_resnet", "filters": (8, 16), "units": 8},
    kind="classification",
    year=2017,
    fidelity="reconstruction",
    inputs={
        "multiview3d": (32, 32, 32, 3),
        "multiview3d_inception": (32, 32, 32, 3),
        "multiview3d_inception_resnet": (32, 32, 32, 3),
        "multiview3d_streams": (32, 32, 32, 3),
    },
    parameters={
        "multiview3d": 1_119_874,
        "multiview3d_inception": 1_077_018,
        "multiview3d_inception_resnet": 1_077_874,
        "multiview3d_streams": 3_355_490,
        "multiview3d_tiny": 12_648,
        "multiview3d_inception_tiny": 33_426,
        "multiview3d_inception_resnet_tiny": 33_842,
    },
)
def multiview3d(image, *, filters=(16, 32, 64), block="chain", streams=False, prefix=""):
    """One block per stage, max pooling in between.

    Args:
        image: `(batch, *spatial, channels)`, the views as channels, 2-D or 3-D.
        filters: of each stage; the first is the stem. None make the network of the dense layers alone.
        block: `chain` (a rectified 3x3x3 convolution), `inception1`, `inception2` or `inception_resnet`.
        streams: each view goes through a stream of its own (one view, one network), joined by the dense layers;
            otherwise the first kernel mixes them (multi-view, one network).

    Returns:
        The map of every stage, finest first, at strides 1, 2, 4; before the last pooling.
    """
    if streams:
        views = ops.split(image, image.shape[-1], axis=-1)
        maps = [_stream(view, filters, block, prefix, f"_view{i}") for i, view in enumerate(views, start=1)]
        return [
            concat(each, name=f"{prefix}stage{i}" if i else f"{prefix}stem")
            for i, each in enumerate(zip(*maps, strict=True))
        ]
    return _stream(image, filters, block, prefix, "")


def _stream(x, filters, block: str, prefix: str, end: str) -> list:
    features = []
    for i, count in enumerate(filters):
        stage = f"{prefix}stage{i}{end}" if i else f"{prefix}stem{end}"
        if i:
            x = max_pool(x, thin(x, 2), 2, name=stage)
        x = (BLOCKS[block] if i else chain)(x, count, stage)  # one kernel reads the views, so that it can be adapted
        features.append(x)
    return features


@multiview3d.top
def multiview3d_top(features, *, classes=2, activation="softmax", units=256, dropout=0.5):
    """The last pooling, one dense layer with dropout, and the classes."""
    return classifier(dense_layers(features, {"head_fc1": units}, dropout), classes, activation)


def chain(x, filters: int, stage: str):
    """One rectified convolution."""
    return _conv(x, filters, 3, f"{stage}_block1")


def inception1(x, filters: int, stage: str):
    """Four branches of a quarter of the filters each: 1, 1 then 3, 1 then 5, pooling then 1."""
    wide = _conv(_reduced(x, filters, stage, 3), filters // 4, 5, f"{stage}_branch3")
    return concat([*_narrow(x, filters, stage), wide], name=stage)


def inception2(x, filters: int, stage: str):
    """As `inception1`, with two convolutions of 3 in the place of that of 5."""
    twice = _conv(_reduced(x, filters, stage, 3), filters // 4, 3, f"{stage}_branch3_first")
    return concat([*_narrow(x, filters, stage), _conv(twice, filters // 4, 3, f"{stage}_branch3")], name=stage)


def inception_resnet(x, filters: int, stage: str):
    """The branches of `inception2`, a linear convolution of 1, added to the input (of as many filters), rectified."""
    linear = conv(inception2(x, filters, stage), filters, 1, bias=True, name=f"{stage}_linear")
    short = x if x.shape[-1] == filters else conv(x, filters, 1, bias=True, name=f"{stage}_short")
    return relu(add([linear, short], name=stage), name=stage)


BLOCKS = {"chain": chain, "inception1": inception1, "inception2": inception2, "inception_resnet": inception_resnet}


def _narrow(x, filters: int, stage: str) -> list:
    """The branches of 1, of 1 then 3, and of pooling then 1."""
    pooled = max_pool(x, 3, 1, padding="same", name=f"{stage}_branch4")
    return [
        _conv(x, filters // 4, 1, f"{stage}_branch1"),
        _conv(_reduced(x, filters, stage, 2), filters // 4, 3, f"{stage}_branch2"),
        _conv(pooled, filters // 4, 1, f"{stage}_branch4"),
    ]


def _reduced(x, filters: int, stage: str, branch: int):
    return _conv(x, filters // 8, 1, f"{stage}_branch{branch}_reduce")


def _conv(x, filters: int, kernel: int, name: str):
    return relu(conv(x, filters, kernel, bias=True, name=name), name=name)
