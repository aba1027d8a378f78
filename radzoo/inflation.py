"""2-D weights for a 3-D network: kernels gain an axis, so that a volume of equal slices answers as its slice does.

`mean` is that of Carreira and Zisserman, Quo Vadis, Action Recognition?, CVPR 2017. https://arxiv.org/abs/1705.07750
"""

from __future__ import annotations

import re

import numpy as np

from radzoo.errors import BadInput

WAYS = ("mean", "center")


def check(flat: bool, shape: tuple, how: str | None, axis: int, head: str | None) -> None:
    """Whether weights and network need an inflation, and can have the one that was asked for.

    Args:
        flat: the weights are of a 2-D network; None where there are no weights.
        shape: the input of the network, with its channels.

    Raises:
        BadInput: an inflation that is missing, not needed or unknown, or of the dense layers of an `head="paper"`.
    """
    if how is not None and how not in WAYS:
        raise BadInput(f"inflate={how!r} came, expected {' or '.join(map(repr, WAYS))}")
    if how is None and flat and len(shape) == 4:
        raise BadInput(f"2-D weights came for the volume {tuple(shape)}: pass inflate='mean' or inflate='center'")
    if how is not None and not (flat and len(shape) == 4):
        raise BadInput(f"inflate={how!r} is for 2-D weights in a 3-D network, not for the input {tuple(shape)}")
    if how is not None and axis not in (0, 1, 2):
        raise BadInput(f"axis={axis!r} came, expected 0, 1 or 2: that of (z, y, x) which the image did not have")
    if how is not None and head == "paper":
        raise BadInput("the dense layers of a paper's end know one size of their input, no volume: use head='pool'")


def inflate(named: dict[str, np.ndarray], model, how: str, axis: int) -> tuple[dict[str, np.ndarray], list[str]]:
    """The tensors of a 2-D network as those of the 3-D `model`; tensors that are no kernels stay as they are.

    Args:
        named: by the path of their weight in the 2-D network.
        how: `"mean"`, the kernel over the depth of the model's kernel, everywhere along `axis`; or `"center"`, the
            kernel in the middle of `axis` and zeros elsewhere. Of an even depth the middle is the first of the two.
        axis: of `(z, y, x)`; the axes of the image lie on the other two in their order.

    Returns:
        All tensors by the path of their weight in `model`, and the paths of those that were inflated. What fits no
        weight of the model is left as it is, for `weights.assign` to name.
    """
    shapes = {weight.path: tuple(weight.shape) for weight in model.weights}
    result, inflated = {}, []
    for key, array in named.items():
        layer, _, last = key.rpartition("/")
        slices = sorted(  # of a depthwise convolution, which in 3-D is a sum over z (`layers.depthwise_conv`)
            (path for path in shapes if re.fullmatch(rf"{re.escape(layer)}_z\d+/{last}", path)),
            key=lambda path: int(re.search(r"_z(\d+)/", path)[1]),
        )
        if slices:
            depth = (len(slices), *shapes[slices[0]])[axis]
            parts = dict(zip(slices, kernel(array, depth, axis, how), strict=True))
        elif array.ndim == 4 and len(shapes.get(key, ())) == 5:
            parts = {key: kernel(array, shapes[key][axis], axis, how)}
        else:
            result[key] = array
            continue
        result |= parts
        inflated += parts
    return result, inflated


def kernel(flat: np.ndarray, depth: int, axis: int, how: str) -> np.ndarray:
    """A kernel `(h, w, in, out)` with a new axis of `depth` at the place `axis`, in float64."""
    flat = np.expand_dims(np.asarray(flat, "float64"), axis)
    weights = np.full(depth, 1 / depth) if how == "mean" else np.eye(depth)[(depth - 1) // 2]
    return flat * weights.reshape([depth if i == axis else 1 for i in range(5)])
