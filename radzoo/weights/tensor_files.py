"""Named tensors on disk: safetensors keyed by variable path, and a digest that no serialisation changes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from radzoo.errors import BadInput


def digest(named: dict[str, np.ndarray]) -> str:
    """sha256 over key, dtype, shape and little-endian bytes of all tensors, sorted by key."""
    total = hashlib.sha256()
    for key in sorted(named):
        array = np.ascontiguousarray(named[key])
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        total.update(f"{key} {array.dtype.name} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def save(model, path: str | os.PathLike) -> None:
    """Writes `model.weights`, keyed by `variable.path`, as safetensors; an existing file is never overwritten."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    path = Path(path)
    if path.exists():
        raise BadInput(f"{path} exists: choose another name or remove it first")
    named = {weight.path: np.ascontiguousarray(weight) for weight in model.weights}
    if len(named) != len(model.weights):
        raise ValueError(f"{model.name} has two weights of one path")
    temporary = path.with_name(f"{path.name}.new")
    try:
        save_file(named, temporary)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:  # a full disk comes as either
        raise BadInput(f"{path} was not written ({error}): free some space, or choose another folder") from None
    finally:
        temporary.unlink(missing_ok=True)


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The named tensors of a safetensors file; a damaged one is BadInput."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise BadInput(f"{path} cannot be read as safetensors ({error}): it is damaged or of another kind") from None
