"""From torch's named tensors to the layers of Keras: grouped, renamed, and with the axes where Keras has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radzoo.errors import BadInput
from radzoo.weights.keras_files import rename

_ORDER = ("weight", "bias", "running_mean", "running_var")  # kernel, bias; gamma, beta, moving mean and variance
_DROPPED = "num_batches_tracked"


@dataclass(frozen=True, eq=False)
class Part:
    """One tensor on its way from a file to a layer: its name in the file, and whether its axes were moved."""

    array: np.ndarray
    origin: str
    moved: bool = False


def torch_layers(named: dict[str, np.ndarray], file) -> dict[str, list[np.ndarray]]:
    """`{layer: arrays}` in the order of Keras' weights, from the tensors of a state_dict.

    Args:
        named: tensors by torch's names, such as `features.conv0.weight` (`read_torch`).
        file: a `File` of format "torch". Its `renames` turn module paths (`features.conv0`) into layers (`stem_conv`),
            a bijection; its `flatten` names the dense layers that follow a flattened map, with the map's (channels,
            *size), because torch flattens channels first.

    Convolutions go from `(out, in, *size)` to `(*size, in, out)`, those of layers named `…_depthwise` to `(*size,
    channels, 1)`; dense kernels are transposed; `num_batches_tracked` is dropped.

    Raises:
        BadInput: renames that do not fit, tensors that belong to no known kind of layer, or a wrong `flatten`.
    """
    layers, _ = torch_parts(named, file)
    return {layer: [part.array for part in parts] for layer, parts in layers.items()}


def torch_parts(named: dict[str, np.ndarray], file, *, partial: bool = False) -> tuple[dict, tuple[str, ...]]:
    """`torch_layers` as `Part`s, and the names of the tensors that were dropped; `partial` as in `rename`."""
    modules, dropped = {}, []
    for name, array in named.items():
        module, _, leaf = name.rpartition(".")
        if leaf == _DROPPED:
            dropped.append(name)
        elif leaf not in _ORDER:
            raise BadInput(
                f"tensor {name!a} is none of {', '.join(_ORDER)}: radzoo reads dense, convolution and norm layers"
            )
        elif not np.issubdtype(array.dtype, np.floating):
            raise BadInput(f"tensor {name!a} holds {array.dtype}, expected floating-point weights")
        else:
            modules.setdefault(module, {})[leaf] = Part(array, name)
    renamed = rename(modules, file.renames, partial=partial)
    layers = {
        layer: [_moved(leaves[leaf], layer, file.flatten.get(layer)) for leaf in _ORDER if leaf in leaves]
        for layer, leaves in renamed.items()
    }
    return layers, tuple(dropped)


def _moved(part: Part, layer: str, flattened) -> Part:
    array = part.array
    if array.ndim < 2:
        return part
    if array.ndim == 2 and flattened:
        if array.shape[1] != np.prod(flattened):
            raise BadInput(
                f"{part.origin} has {array.shape[1]} inputs, but flatten says {tuple(flattened)} for {layer}: "
                "the weights are for another image size"
            )
        array = array.reshape(len(array), *flattened)
    if layer.endswith("_depthwise"):
        array = np.moveaxis(array, (0, 1), (-2, -1))
    else:
        array = np.moveaxis(array, (0, 1), (-1, -2))
    if flattened:
        array = array.reshape(-1, array.shape[-1])
    return Part(array, part.origin, moved=True)
