"""3-D U-Net: U-Net for volumes, with batch normalisation, and filters that double before each pooling.

Çiçek et al., 3D U-Net: Learning Dense Volumetric Segmentation from Sparse Annotation, MICCAI 2016.
https://arxiv.org/abs/1606.06650

The paper prints (x, y, z) and 132x132x116 voxels of three channels that become 44x44x28; here the axes are (z, y, x).
It counts 19,069,955 parameters and says that normalisation learns a scale and an offset. Both cannot be: the count is
met by normalisation without them and up-convolutions without biases, which is the default; `bn="full"` learns them.
The paper normalises by the statistics of the current batch at test time, too; here those of training are kept.
"""

from radzoo.errors import BadInput
from radzoo.layers import pixel_classifier
from radzoo.models.unet import contract, expand
from radzoo.registry import register
from radzoo.upsampling import up_conv


@register(
    unet3d={},
    unet3d_small={"width": 8, "padding": "same", "bn": "full"},
    unet3d_tiny={"width": 2, "levels": 2},
    kind="segmentation",
    year=2016,
    fidelity="paper",
    inputs={"unet3d": (116, 132, 132, 3), "unet3d_small": (64, 64, 64, 1)},
    parameters={"unet3d": 19_069_955, "unet3d_small": 1_193_571, "unet3d_tiny": 1_431},
)
def unet3d(image, *, width=32, levels=4, padding="valid", bn="plain", prefix=""):
    """The analysis path: two rectified 3x3x3 convolutions per level, the second with twice the filters of the first.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D.
        width: filters of the first convolution; each level begins with what the one before it ended with.
        padding: `"valid"` as printed, or `"same"`, as in `radzoo.models.unet`.
        bn: batch normalisation before every rectifier: `"plain"` without a learned scale and offset, or `"full"`.

    Returns:
        The map of every level, finest first, at strides 1, 2, 4, ….
    """
    if bn not in ("plain", "full"):
        raise BadInput(f"bn={bn!r} came, expected 'plain' or 'full'")
    filters = [(width * 2**i, width * 2 ** (i + 1)) for i in range(levels)]
    return contract(image, filters, padding, bn, prefix=prefix)


@unet3d.top
def unet3d_top(features, *, classes=3, activation="softmax", padding="valid", bn="plain"):
    """The synthesis path: linear up-convolutions that keep the filters, the map across, two convolutions; classes."""
    return pixel_classifier(expand(features, _up, padding, bn), classes, activation)


def _up(x, skip, stride, name):
    return up_conv(x, x.shape[-1], 2, stride, bias=False, name=name)
