"""SegNet: VGG's convolutions mirrored, and maps enlarged by the places of the maxima that pooling took.

Badrinarayanan et al., SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image Segmentation, TPAMI 2017.
https://arxiv.org/abs/1511.00561; widths and sizes as in https://github.com/alexgkendall/SegNet-Tutorial (Models)
"""

from radzoo.layers import conv, norm, pixel_classifier, relu
from radzoo.pooling import ceil_half
from radzoo.registry import register
from radzoo.responses import lrn
from radzoo.upsampling import unpool


@register(
    segnet={"blocks": ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))},
    segnet_basic={"blocks": ((64,), (64,), (64,), (64,)), "kernel": 7, "basic": True},
    segnet_tiny={"blocks": ((4, 4), (6, 6), (8,))},
    segnet_basic_tiny={"blocks": ((4,), (4,)), "kernel": 7, "basic": True},
    kind="segmentation",
    year=2017,
    fidelity="paper",
    inputs={"segnet": (360, 480, 3), "segnet_basic": (360, 480, 3)},
    parameters={"segnet": 29_449_355, "segnet_basic": 1_416_587, "segnet_tiny": 2_891, "segnet_basic_tiny": 3_043},
)
def segnet(image, *, blocks, kernel=3, basic=False, prefix=""):
    """Blocks of convolutions, each normalised and rectified, with max pooling in between that rounds sizes up.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D, of any fixed size.
        blocks: the filters of each convolution, block by block; those of `segnet` are VGG16's, under the same names.
        basic: SegNet-Basic: the image is normalised across its channels first.

    Returns:
        The last map of every block, finest first, at strides 1, 2, 4, …; before the last pooling.
    """
    x, features = lrn(image, caffe=True, name=f"{prefix}stem") if basic else image, []
    for i, filters in enumerate(blocks):
        stage = f"{prefix}stage{i}" if i else f"{prefix}stem"
        x = ceil_half(x, name=stage) if i else x
        for j, count in enumerate(filters, start=1):
            x = _normalised(x, count, kernel, True, f"{stage}_block{j}")
        features.append(x)
    return features


@segnet.top
def segnet_top(features, *, blocks, classes=11, activation="softmax", kernel=3, basic=False):
    """The last pooling; then per block unpooling by its own indices and as many convolutions, in reverse.

    The last convolution of a block has the filters of the next finer one, that of the finest block gives the classes.
    SegNet-Basic does not rectify here, and ends with one more convolution of 1.
    """
    x = ceil_half(features[-1], name="decoder1")
    for i in range(len(blocks) - 1, -1, -1):
        stage = f"decoder{len(blocks) - i}"
        x = unpool(x, features[i], name=stage)
        filters = [*blocks[i][:-1], blocks[i - 1][-1] if i else blocks[0][0]]
        for j, count in enumerate(filters if i or basic else filters[:-1], start=1):
            x = _normalised(x, count, kernel, not basic, f"{stage}_block{j}")
    return pixel_classifier(x, classes, activation, kernel=1 if basic else kernel)


def _normalised(x, filters: int, kernel: int, rectified: bool, name: str):
    x = norm(conv(x, filters, kernel, bias=True, name=name), name=name)
    return relu(x, name=name) if rectified else x
