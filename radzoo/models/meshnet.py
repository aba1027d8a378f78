"""MeshNet: a chain of dilated 3x3x3 convolutions that sees far around every voxel and never leaves its grid.

Fedorov et al., End-to-end Learning of Brain Tissue Segmentation from Imperfect Labeling, IJCNN 2017.
https://arxiv.org/abs/1612.00940; the variants are those of https://github.com/neuroneural/brainchop (Masoud et al.,
Brainchop, Journal of Open Source Software 2023, https://doi.org/10.21105/joss.05098), read from its weights.

Every map has the size of the volume, so memory goes with voxels times width: on a CPU meshnet_20 took 5.3 GB for
183x243x183 voxels, meshnet_5 took 2.4 GB for 256x256x256. The network takes any size. What lies less than 46 voxels
inside of a crop may be another answer: on the head of brainchop, cropped to its bounding box, Dice with the whole was
.98 (white matter) and .97 (grey), and .998 and .996 with 10 voxels of air around it.
"""

from keras import layers

from radzoo.layers import activate, pick
from radzoo.registry import register


@register(
    meshnet_5={"width": 5, "rectifier": "relu"},
    meshnet_20={"width": 20},
    meshnet_21={"width": 21, "classes": 18},
    meshnet_tiny={"width": 4, "dilations": (1, 2, 1)},
    kind="segmentation",
    year=2017,
    fidelity="paper",
    inputs={
        "meshnet_5": (256, 256, 256, 1),
        "meshnet_20": (256, 256, 256, 1),
        "meshnet_21": (256, 256, 256, 1),
    },
    parameters={"meshnet_5": 5_598, "meshnet_20": 87_183, "meshnet_21": 96_408, "meshnet_tiny": 423},
)
def meshnet(image, *, width, dilations=(1, 2, 4, 8, 16, 8, 4, 2, 1), rectifier="elu", prefix=""):
    """Convolutions of one width that keep the size; their reach is 1 voxel for every unit of dilation.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D, of any size.
        width: channels of every map.
        dilations: of the convolutions; the first is the stem, each other one a stage.
        rectifier: behind each of them, a name that Keras knows.

    Returns:
        The last map alone, at stride 1.
    """
    x = image
    for i, dilation in enumerate(dilations):
        stage = f"{prefix}stage{i}" if i else f"{prefix}stem"
        convolution = pick(x, "Conv")(
            width, 3, padding="same", dilation_rate=dilation, kernel_initializer="he_normal", name=f"{stage}_conv"
        )  # fmt: skip
        x = layers.Activation(rectifier, name=f"{stage}_{rectifier}")(convolution(x))
    return [x]


@meshnet.top
def meshnet_top(features, *, classes=3, activation="softmax"):
    """A 1x1x1 convolution to the classes: background, white and grey matter in the first two variants."""
    return activate(pick(features[-1], "Conv")(classes, 1, name="head_logits")(features[-1]), activation)
