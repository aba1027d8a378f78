"""Torch checkpoints read without torch: the zip format of 1.6 and later, and the format before it.

Layout from torch/serialization.py. A pickle names the tensors and says where in which storage they lie; the storages
are plain bytes behind it (old), or entries `data/KEY` of an uncompressed zip (new).
"""

from __future__ import annotations

import functools
import mmap
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from radzoo.errors import BadInput
from radzoo.weights.torch_pickle import Part, unpickle
from radzoo.weights.torch_tensors import Tensor

_MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of an old file
_PROTOCOL = 1001
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
_DEEPEST = 4  # wrappers in each other; a dictionary may hold itself
_PARALLEL = "module."  # what DataParallel puts before every name
_LOCAL = 30  # bytes of a zip entry's own header, before its name


def read_torch(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The named tensors of a checkpoint, read-only views of the file in its own dtype (bfloat16 becomes float32).

    A dictionary that holds the tensors under `state_dict`, `model_state_dict`, `model` or `net` is unwrapped, and the
    `module.` of DataParallel before all names is dropped.

    Raises:
        BadInput: missing or damaged file, one that asks for anything but tensors, or one without tensors.
    """
    return read_checkpoint(path)[0]


def read_checkpoint(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """`read_torch`, and what was unwrapped, dropped and left out on the way, a clause each."""
    path = Path(path)
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise BadInput(f"{path} is empty: fetch it again")
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}): name a torch checkpoint") from None
    value, numbers = _zipped(content, path) if content[:4] == b"PK\x03\x04" else _old(content, path)
    named, notes = _state(value, path)
    return {name: _view(tensor, numbers) for name, tensor in named.items()}, notes


def _zipped(content: mmap.mmap, path: Path):
    """The unpickled value, and a function from a storage's key to its numbers."""
    try:
        entries = {entry.filename: entry for entry in zipfile.ZipFile(content).infolist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadInput(f"{path} is a zip file that breaks off or is damaged ({error}): fetch it again") from None
    if sum(entry.file_size for entry in entries.values() if entry.compress_type == zipfile.ZIP_STORED) > len(content):
        raise BadInput(f"{path} is damaged: its entries lie over each other, or beyond its end; fetch it again")
    heads = [name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl")]
    if len(heads) != 1:
        raise BadInput(f"{path} is a zip file, but no torch checkpoint: it has {len(heads)} entries named data.pkl")
    if f"{heads[0]}constants.pkl" in entries:
        raise BadInput(
            f"{path} is a TorchScript program: save it anew from torch as torch.save(model.state_dict(), FILE)"
        )

    def entry(name):
        found = entries.get(heads[0] + name)
        if found is None:
            raise BadInput(f"{path} is damaged: its entry {name!r} is missing")
        return _stored(content, found, path)

    order = bytes(entry("byteorder")) if f"{heads[0]}byteorder" in entries else b"little"
    if order not in (b"little", b"big"):
        raise BadInput(f"{path} is damaged: its byteorder is neither little nor big")
    value, storages = unpickle(Part(entry("data.pkl")), str(path))

    @functools.cache  # a storage is checked and converted once, however many tensors are views of it
    def numbers(key):
        return _numbers(entry(f"data/{key}"), storages[key], "<" if order == b"little" else ">", path)

    return value, numbers


def _stored(content: mmap.mmap, entry: zipfile.ZipInfo, path: Path) -> memoryview:
    """The bytes of an entry where they lie, after a look at their checksum."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise BadInput(f"{path} is compressed or encrypted inside, which torch never does: save it anew from torch")
    at = entry.header_offset
    local = content[at : at + _LOCAL]
    begin = at + _LOCAL + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    data = memoryview(content)[begin : begin + entry.file_size]
    if local[:4] != b"PK\x03\x04" or len(data) != entry.file_size or zlib.crc32(data) != entry.CRC:
        raise BadInput(f"{path} is damaged: the checksum of its entry {entry.filename!r} does not hold; fetch it again")
    return data


def _old(content: mmap.mmap, path: Path):
    """Magic number, protocol, system, the object, the keys of its storages: five pickles; then the storages."""
    if content[257:262] == b"ustar":
        raise BadInput(f"{path} is a tar file of torch before 0.2: open it in torch and save its state_dict anew")
    if content[:1] != b"\x80":
        raise BadInput(f"{path} is no torch checkpoint: it begins like neither of torch's two formats")
    what = str(path)
    if unpickle(content, what)[0] != _MAGIC:
        raise BadInput(f"{path} is a pickle, but no torch checkpoint: its magic number is missing")
    protocol, system = unpickle(content, what)[0], unpickle(content, what)[0]
    if protocol != _PROTOCOL or not isinstance(system, dict) or system.get("little_endian") is not True:
        raise BadInput(f"{path} is of an unknown protocol or of a big-endian machine: save it anew from torch")
    value, storages = unpickle(content, what)
    keys, _ = unpickle(content, what)
    data, rest = {}, memoryview(content)[content.tell() :]
    for key in keys if isinstance(keys, list) else [None]:
        if type(key) is not str or key not in storages:
            raise BadInput(f"{path} is damaged: the list of its storages is not that of its tensors")
        width = _type(storages[key]).itemsize
        end = 8 + int.from_bytes(rest[:8], "little") * width
        if end != 8 + storages[key].numel * width or len(rest) < end:
            raise BadInput(f"{path} breaks off in storage {key!a}, or lies about its size: fetch it again")
        data[key], rest = rest[8:end], rest[end:]

    @functools.cache
    def numbers(key):
        if key not in data:
            raise BadInput(f"{path} is damaged: its storage {key!a} is missing")
        return _numbers(data[key], storages[key], "<", path)

    return value, numbers


def _type(storage) -> np.dtype:
    """How the numbers of a storage lie in the file; NumPy knows no bfloat16, the upper half of a float32."""
    return np.dtype("uint16" if storage.kind == "bfloat16" else storage.kind)


def _numbers(data: memoryview, storage, order: str, path: Path) -> np.ndarray:
    """A whole storage in this machine's byte order: a view of the file, or its one copy."""
    kind = _type(storage).newbyteorder(order)
    if len(data) < storage.numel * kind.itemsize:
        raise BadInput(
            f"{path} is damaged: storage {storage.key!a} has {len(data)} bytes, expected {storage.numel} numbers "
            f"of {storage.kind}"
        )
    flat = np.frombuffer(data, kind, storage.numel) if storage.numel else np.empty(0, kind)
    if storage.kind == "bfloat16":
        return (flat.astype("uint32") << 16).view("float32")
    return flat.astype(kind.newbyteorder("="), copy=False)


def _view(tensor: Tensor, numbers) -> np.ndarray:
    """The tensor as a read-only view of its storage."""
    flat = numbers(tensor.storage.key)
    steps = [step * flat.itemsize for step in tensor.stride]
    start = tensor.storage.start + tensor.offset
    return np.lib.stride_tricks.as_strided(flat[start:], tensor.size, steps, writeable=False)


def _state(value, path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The named tensors within the unpickled value, and a clause for all that is not one of them."""
    notes = []
    for _ in range(_DEEPEST):
        if not isinstance(value, dict) or any(isinstance(item, Tensor) for item in value.values()):
            break
        inside = next((key for key in _WRAPPERS if isinstance(value.get(key), dict)), None)
        if inside is None:
            break
        notes.append(f"the tensors are those under {inside!r}")
        value = value[inside]
    if not isinstance(value, dict) or not any(isinstance(item, Tensor) for item in value.values()):
        raise BadInput(
            f"{path} holds a {type(value).__name__} without named tensors: expected a state_dict, alone or under "
            f"{', '.join(_WRAPPERS)}"
        )
    named = {key: item for key, item in value.items() if isinstance(item, Tensor)}
    if odd := [key for key in named if type(key) is not str]:
        raise BadInput(f"{path} has a tensor under {ascii(odd[0])[:40]}, expected names: it is no state_dict")
    if others := [ascii(key)[:40] for key in value if key not in named]:
        notes.append(f"left out, because they are no tensors: {', '.join(others[:5])}{', …' if others[5:] else ''}")
    if all(name.startswith(_PARALLEL) for name in named):
        notes.append(f"{_PARALLEL!r} is dropped from all names")
        named = {name.removeprefix(_PARALLEL): tensor for name, tensor in named.items()}
    return named, tuple(notes)
