"""RED-CNN: RED-Net for low-dose CT, with valid 5x5 convolutions and the image itself added at the end.

Chen et al., Low-Dose CT with a Residual Encoder-Decoder Convolutional Neural Network, TMI 2017.
https://arxiv.org/abs/1702.00288

A patch of 55 pixels is 35 at the waist and 55 again; a whole slice goes through in the same way, from 21 pixels on.
Topology as in https://github.com/SSinyu/RED-CNN and https://github.com/eeulig/ldct-benchmark. The last rectifier is the
paper's, for values that are nowhere negative; `create_model` leaves it out, as ldct-benchmark does.
"""

from radzoo.layers import FAINT, restored
from radzoo.models.rednet import contracted, mirrored
from radzoo.registry import register


@register(
    redcnn={},
    redcnn_tiny={"depth": 3, "width": 4},
    kind="restoration",
    year=2017,
    fidelity="paper",
    inputs={"redcnn": (55, 55, 1), "redcnn_tiny": (33, 33, 1)},
    parameters={"redcnn": 1_848_865, "redcnn_tiny": 1_821},
)
def redcnn(image, *, depth=5, width=96, kernel=5, prefix=""):
    """Rectified convolutions without padding, each of which costs two pixels on every side.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D.
        depth, width: as in `radzoo.models.rednet`.

    Returns:
        The last map alone, at stride 1; the image and all maps are among its taps.
    """
    return contracted(image, depth, width, kernel, "valid", FAINT, prefix)


@redcnn.top
def redcnn_top(features, *, classes=1, activation="relu", kernel=5):
    """Transposed convolutions that give the pixels back; the maps of convolutions 4 and 2 are added, then the image.

    Args:
        classes: channels of the image, as many as entered.
    """
    x = mirrored(features, kernel, "valid", FAINT)
    image = features.taps["image"]
    return restored(x, classes, activation, kernel, layer="Transpose", padding="valid", image=image)
