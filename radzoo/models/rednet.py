"""RED-Net: convolutions, as many transposed ones back, and every second map added to its mirror image.

Mao et al., Image Restoration Using Very Deep Convolutional Encoder-Decoder Networks with Symmetric Skip Connections,
NIPS 2016. https://arxiv.org/abs/1603.09056

The paper's tables have 64 maps, the authors' released network has 128: both are here. Nothing is added to the output
(the released network has no way across from its input), and the ten layers of rednet10 have no ways across at all.
"""

from radzoo.layers import Features, add, conv, relu, restored
from radzoo.registry import register
from radzoo.upsampling import up_conv


@register(
    rednet10={"depth": 5, "across": False},
    rednet20={"depth": 10},
    rednet30={"depth": 15},
    rednet10_128={"depth": 5, "across": False, "width": 128},
    rednet20_128={"depth": 10, "width": 128},
    rednet30_128={"depth": 15, "width": 128},
    rednet_tiny={"depth": 3, "width": 4},
    kind="restoration",
    year=2016,
    fidelity="paper",
    inputs={
        "rednet10": (50, 50, 1),
        "rednet20": (50, 50, 1),
        "rednet30": (50, 50, 1),
        "rednet10_128": (50, 50, 1),
        "rednet20_128": (50, 50, 1),
        "rednet30_128": (50, 50, 1),
    },
    parameters={
        "rednet10": 296_641,
        "rednet20": 665_921,
        "rednet30": 1_035_201,
        "rednet10_128": 1_183_105,
        "rednet20_128": 2_658_945,
        "rednet30_128": 4_134_785,
        "rednet_tiny": 741,
    },
)
def rednet(image, *, depth, width=64, prefix=""):
    """Rectified 3x3 convolutions that keep the size.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D, of any size.
        depth: convolutions; the first is the stem, each other one a stage.
        width: maps of each of them.

    Returns:
        The last map alone, at stride 1; all maps are among its taps.
    """
    return contracted(image, depth, width, 3, "same", "he_normal", prefix)


@rednet.top
def rednet_top(features, *, classes=1, activation="linear", across=True):
    """Transposed convolutions of 3x3; before its rectifier every second one is joined by the map of its mirror image.

    Args:
        classes: channels of the image.
        across: False for no ways across.
    """
    x = mirrored(features, 3, "same", "he_normal", across)
    return restored(x, classes, activation, 3, layer="Transpose")


def contracted(image, depth: int, width: int, kernel: int, padding: str, initial, prefix: str) -> Features:
    """Rectified convolutions of one width; the taps are the image, and every map by its number from 1."""
    x, taps = image, {"image": image}
    for i in range(depth):
        stage = f"{prefix}stage{i}" if i else f"{prefix}stem"
        x = relu(conv(x, width, kernel, padding=padding, bias=True, initial=initial, name=stage), name=stage)
        taps[str(i + 1)] = x
    return Features([x], taps)


def mirrored(features, kernel: int, padding: str, initial, across: bool = True):
    """All transposed convolutions but the last: of `depth` the k-th mirrors convolution `depth - k`.

    Their maps are added where that number is even, so that every second one has a way across.
    """
    x, depth = features[-1], len(features.taps) - 1
    for k in range(1, depth):
        name = f"decoder{k}"
        x = up_conv(x, x.shape[-1], kernel, 1, padding=padding, initial=initial, name=name)
        if across and (depth - k) % 2 == 0:
            x = add([x, features.taps[str(depth - k)]], name=name)
        x = relu(x, name=name)
    return x
