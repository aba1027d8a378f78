"""How much a network computes: multiply-adds of its convolutions and dense layers, counted from the built model."""

from __future__ import annotations

import math

from keras import layers

COUNTED = (layers.Conv2D, layers.Conv3D, layers.DepthwiseConv2D, layers.Dense)
TRANSPOSED = (layers.Conv2DTranspose, layers.Conv3DTranspose)


def multiply_adds(model) -> int:
    """Multiply-adds for one image, which is what papers call FLOPs (He et al. 2016, Table 1).

    Each weight of a kernel is used once at every place of the layer's output, of a transposed convolution's at every
    place of its input. Normalisation, activations and pooling
    are left out: together they are a few per cent.

    Args:
        model: a flat functional 2-D model, or a 3-D one without depthwise convolutions, with a fixed input size.
    """
    places = {COUNTED: lambda layer: layer.output, TRANSPOSED: lambda layer: layer.input}
    return sum(
        math.prod(where(layer).shape[1:-1]) * math.prod(layer.kernel.shape)
        for kinds, where in places.items()
        for layer in model.layers
        if isinstance(layer, kinds)
    )
