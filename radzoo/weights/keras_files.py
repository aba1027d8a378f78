"""Keras weight files read as `{layer: arrays}`, without Keras, and their layers renamed to those of radzoo."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from radzoo.errors import BadInput

_NO_WEIGHTS = ("optimizer", "seed_generator", "metrics", "_metrics")  # parts of a saved model that are no layer


def read_keras(path) -> dict[str, list[np.ndarray]]:
    """The arrays of every layer that has some, in the order of the layer's weights.

    Args:
        path: a legacy `.h5` file (also a whole model, `model_weights` inside), or a `.weights.h5` file. The latter is
            read by the layer names that it stores: Keras itself goes by position, which swaps layers silently.

    Raises:
        BadInput: the file is missing, damaged, or no Keras weight file.
    """
    import h5py

    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            if any(key.startswith("layer_names") for key in root.attrs):
                found = list(_legacy(root))
            elif "layers" in file:
                found = list(_modern(file["layers"], "layers"))
            else:
                raise BadInput(f"{path} is HDF5, but no Keras weight file: neither layer_names nor layers are in it")
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist: name a Keras .h5 or .weights.h5 file") from None
    except (OSError, KeyError, RuntimeError) as error:
        raise BadInput(f"{path} cannot be read as HDF5 ({error}): it is damaged or of another kind") from None
    layers = {}
    for name, arrays in found:
        if name in layers:
            raise BadInput(f"{path} holds two layers named {name!r}: its layers cannot be told apart")
        layers[name] = arrays
    return layers


def rename(layers: dict, renames, *, partial: bool = False) -> dict:
    """`layers` under new names: each `(pattern, replacement)` is applied to all names, one after the other.

    Args:
        partial: a pattern may match no layer, as where a part of the file is missing.

    Raises:
        BadInput: a pattern that matches no layer, or two layers that end under one name.
    """
    names = {layer: layer for layer in layers}
    for pattern, replacement in renames:
        try:
            changed = {layer: re.subn(pattern, replacement, name) for layer, name in names.items()}
        except (re.error, IndexError) as error:
            raise BadInput(f"rename {pattern!r} -> {replacement!r} is no regular expression: {error}") from None
        if not partial and not any(count for _, count in changed.values()):
            known = ", ".join(list(names.values())[:5])
            raise BadInput(f"rename {pattern!r} matches none of the {len(names)} layers ({known}, …): mend or drop it")
        names = {layer: name for layer, (name, _) in changed.items()}
    origin = {}
    for layer, name in names.items():
        if name in origin:
            raise BadInput(
                f"the renames turn both {origin[name]!r} and {layer!r} into {name!r}: each needs its own name"
            )
        origin[name] = layer
    return {name: layers[layer] for name, layer in origin.items()}


def renumber(layers: dict) -> dict:
    """`layers` whose names Keras itself numbered (`conv2d_17`) counted anew from 1, kind by kind.

    Keras goes on counting through a session, so that the same network has other numbers in every file.
    """
    numbers = {}
    for layer in layers:
        if found := re.fullmatch(r"([a-z_]+(?:\dd)?)(?:_(\d+))?", layer):
            numbers.setdefault(found[1], []).append((int(found[2] or 0), layer))
    names = {}
    for kind, counted in numbers.items():
        for i, (_, layer) in enumerate(sorted(counted), start=1):
            names[layer] = f"{kind}_{i}" if len(counted) > 1 else layer
    return {names.get(layer, layer): arrays for layer, arrays in layers.items()}


def _legacy(root):
    """Keras 1 and 2: a group per layer, its arrays listed in `weight_names`."""
    for layer in _texts(root, "layer_names"):
        arrays = [_array(root[layer][weight]) for weight in _texts(root[layer], "weight_names")]
        if arrays:
            yield layer, arrays


def _texts(group, key: str) -> list[str]:
    """An attribute that lists names; Keras cuts what HDF5 finds too long into `key0`, `key1`, …"""
    parts = (
        [key]
        if key in group.attrs
        else sorted(
            (name for name in group.attrs if re.fullmatch(rf"{key}\d+", name)), key=lambda name: int(name[len(key) :])
        )
    )
    names = [name for part in parts for name in group.attrs[part]]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _modern(group, name: str):
    """Keras 3: `vars/0`, `vars/1`, … of every layer, whose own name is an attribute of `vars`."""
    if "vars" in group:
        numbers = sorted(group["vars"], key=int)
        if numbers:
            own = group["vars"].attrs.get("name", name)
            yield (own.decode() if isinstance(own, bytes) else str(own)), [_array(group["vars"][n]) for n in numbers]
    for key, child in group.items():
        if key != "vars" and hasattr(child, "items") and not key.startswith(_NO_WEIGHTS):
            yield from _modern(child, key)


def _array(dataset) -> np.ndarray:
    array = np.asarray(dataset)
    if not np.issubdtype(array.dtype, np.floating):
        raise BadInput(f"{dataset.file.filename}: {dataset.name} holds {array.dtype}, expected floating-point weights")
    return array
