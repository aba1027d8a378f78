"""Lu's 3-D CNN: a map of the probability of liver in a CT volume, which a graph cut then refines.

Lu et al., Automatic 3D liver location and segmentation via convolutional neural network and graph cut, International
Journal of Computer Assisted Radiology and Surgery 2017. https://doi.org/10.1007/s11548-016-1467-3

Known: a 3-D CNN gives a probability map, for detection and segmentation at once; a graph cut refines it. Reconstructed,
because no layer table could be read: all layers, filters, strides, and that the map is enlarged by linear
interpolation. The number of parameters is our own.
"""

from radzoo.layers import Features, conv, probabilities, relu
from radzoo.pooling import ceil_half
from radzoo.registry import register
from radzoo.upsampling import resize


@register(
    liver3d_cnn={},
    liver3d_tiny={"filters": (4, 6, 6, 4)},
    kind="segmentation",
    year=2017,
    fidelity="reconstruction",
    inputs={"liver3d_cnn": (64, 64, 64, 1)},
    parameters={"liver3d_cnn": 502_017, "liver3d_tiny": 1_081},
)
def liver3d_cnn(image, *, filters=(32, 64, 128, 64), prefix=""):
    """Four rectified convolutions, of 5 with stride 2 and of 3, with max pooling after the second.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D, of a fixed size.
        filters: of the four convolutions.

    Returns:
        The maps of the second and of the fourth, at strides 2 and 4; their attribute `taps` has the image.
    """
    fine = _rectified(_rectified(image, filters[0], f"{prefix}stem_block1", 5, 2), filters[1], f"{prefix}stem_block2")
    x = ceil_half(fine, name=f"{prefix}stage1")
    for number, count in enumerate(filters[2:], start=1):
        x = _rectified(x, count, f"{prefix}stage1_block{number}")
    return Features([fine, x], {"image": image})


@liver3d_cnn.top
def liver3d_cnn_top(features, *, classes=1, activation="softmax"):
    """The probability of liver (or of several classes) at every voxel: scores, interpolated to the image."""
    scores = conv(features[-1], classes, 1, bias=True, initial="glorot_uniform", name="head_score")
    return probabilities(resize(scores, features.taps["image"].shape[1:-1], name="head_logits"), activation)


def _rectified(x, filters: int, name: str, kernel: int = 3, stride: int = 1):
    return relu(conv(x, filters, kernel, stride=stride, bias=True, name=name), name=name)
