"""The tensors of one weight file of any format, keyed like the variables of a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radzoo.weights.keras_files import read_keras, rename, renumber
from radzoo.weights.tensor_files import read_safetensors
from radzoo.weights.torch_files import read_checkpoint
from radzoo.weights.torch_layers import Part, torch_parts

# Names by their number, for layers that a file has and a model has not, such as the head of a whole network.
_USUAL = {
    1: ("kernel",), 2: ("kernel", "bias"), 3: ("beta", "moving_mean", "moving_variance"),
    4: ("gamma", "beta", "moving_mean", "moving_variance"),
}  # fmt: skip


AXES = "SPL"  # where (z, y, x) of a volume run to
OPPOSITE = dict(zip("SPLIAR", "IARSPL", strict=True))


@dataclass(frozen=True, eq=False)
class Content:
    """What a file holds, for one model.

    Attributes:
        named: tensors by variable path.
        origin: their names in the file.
        moved: paths of those whose axes were moved on the way from torch.
        dropped: tensors of the file that have no place in Keras.
        notes: what else was done to the file's names, a clause each.
    """

    named: dict[str, np.ndarray]
    origin: dict[str, str]
    moved: frozenset[str] = frozenset()
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_file(path: Path, file, model, *, partial: bool = False) -> Content:
    """Reads `path` as the manifest's `file` says.

    Args:
        partial: renames may match nothing; what is missing then shows when the tensors are assigned.

    Raises:
        BadInput: unreadable or malicious file, or renames that do not fit it.
    """
    dropped = notes = ()
    if file.format == "safetensors":
        named = read_safetensors(path)
        return Content(named, {key: key for key in named})
    if file.format == "torch":
        tensors, notes = read_checkpoint(path)
        layers, dropped = torch_parts(tensors, file, partial=partial)
    else:
        layers = {
            layer: [Part(array, f"{layer}/{i}") for i, array in enumerate(arrays)]
            for layer, arrays in read_keras(path).items()
        }
        layers = renumber(layers) if file.renumber else layers
        layers = rename(layers, file.renames, partial=partial)
        for layer in file.flatten.keys() & layers.keys():  # a convolution as large as the map instead of a dense layer
            layers[layer] = [_dense(part) for part in layers[layer]]
    parts = by_path(layers, model)
    if file.axes != AXES:
        parts = {path: _turned(part, file.axes) for path, part in parts.items()}
    return Content(
        {path: part.array for path, part in parts.items()},
        {path: part.origin for path, part in parts.items()},
        frozenset(path for path, part in parts.items() if part.moved),
        dropped,
        notes,
    )


def by_path(layers: dict[str, list], model) -> dict:
    """`{layer: arrays}` keyed like `variable.path`: by the order within the model's layer of the same name."""
    known = {layer.name: [weight.path for weight in layer.weights] for layer in model.layers}
    named = {}
    for layer, arrays in layers.items():
        paths = known.get(layer, ())
        if len(paths) != len(arrays):
            names = _USUAL.get(len(arrays), map(str, range(len(arrays))))
            paths = [f"{layer}/{name}" for name in names]
        named.update(zip(paths, arrays, strict=True))
    return named


def _turned(part: Part, axes: str) -> Part:
    """A kernel `(*size, in, out)` on axes that run to `axes`, for those that run to `AXES`."""
    if part.array.ndim != 5:
        return part
    places = [axes.index(letter) if letter in axes else axes.index(OPPOSITE[letter]) for letter in AXES]
    array = part.array.transpose(*places, 3, 4)
    mirrored = tuple(i for i, letter in enumerate(AXES) if letter not in axes)
    return Part(np.flip(array, mirrored), part.origin, moved=True)


def _dense(part: Part) -> Part:
    array = part.array
    return Part(array.reshape(-1, array.shape[-1]), part.origin, moved=True) if array.ndim > 2 else part
