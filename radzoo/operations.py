"""How much a network computes: multiply-adds of its convolutions and dense layers, counted from the built model."""

from __future__ import annotations

import math

from keras import layers

COUNTED = (layers.Conv2D, layers.Conv3D, layers.DepthwiseConv2D, layers.Dense)


def multiply_adds(model) -> int:
    """Multiply-adds for one image, which is what papers call FLOPs (He et al. 2016, Table 1).

    Each weight of a kernel is used once at every place of the layer's output. Normalisation, activations and pooling
    are left out: together they are a few per cent.

    Args:
        model: a flat functional 2-D model, or a 3-D one without depthwise convolutions, with a fixed input size.
    """
    return sum(
        math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)
        for layer in model.layers
        if isinstance(layer, COUNTED)
    )
