"""What the words of a torch checkpoint stand for, as plain data that is checked: names, storages, tensors."""

from __future__ import annotations

import math
from dataclasses import dataclass

# torch's storage types and what they hold.
_KINDS = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip
TYPES = {f"{module}.{name}": kind for module in ("torch", "torch.cuda") for name, kind in _KINDS.items()}
BUILDERS = (
    "torch.Size", "torch.device", "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
)  # fmt: skip
_AXES, _MOST = 16, 2**48


@dataclass(frozen=True, eq=False)
class Name:
    """A global that the pickle asks for, such as `torch.FloatStorage`: a word, nothing behind it."""

    text: str


@dataclass(frozen=True, eq=False)
class Storage:
    """`numel` numbers of one kind under a key of the file; a view of an old file begins at `start`."""

    key: str
    kind: str
    numel: int
    start: int = 0


@dataclass(frozen=True, eq=False)
class Tensor:
    """A strided view of a storage, checked to lie inside it; all counts in elements."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def storage_of(identity, storages: dict[str, Storage]) -> Storage:
    """The storage of a persistent id; `storages` collects all of a file.

    Args:
        identity: `("storage", type, key, location, numel)`, in old files with `(key, offset, numel)` of a view behind.

    Raises:
        ValueError: an id of another kind, or one that contradicts an earlier one.
    """
    word, kind, key, _, numel, *rest = identity
    if word != "storage" or not isinstance(kind, Name) or kind.text not in TYPES or type(key) is not str:
        raise ValueError("a persistent id that is no storage")
    whole = Storage(key, TYPES[kind.text], _counts((numel,))[0])
    known = storages.setdefault(key, whole)
    if (known.kind, known.numel) != (whole.kind, whole.numel):
        raise ValueError(f"two storages under the key {key!a:.40}")
    if not rest or rest[0] is None:
        return known
    _, start, length = rest[0]
    _counts((start, length))
    if start + length > numel:
        raise ValueError(f"a view of {length} numbers from {start} in a storage of {numel}")
    return Storage(key, whole.kind, length, start)


def built(name: str, arguments: tuple):
    """What torch's own function `name` would have made, as data.

    Raises:
        ValueError: a tensor outside its storage, or arguments that make no sense.
    """
    if name == "torch.Size":
        return _counts(arguments[0])
    if name == "torch.device":
        return "device"  # where the tensor lay is of no interest
    if name.endswith("_rebuild_parameter"):
        if not isinstance(arguments[0], Tensor):
            raise ValueError(f"a parameter of {type(arguments[0]).__name__}")
        return arguments[0]
    return _tensor(*arguments[:4])


def _tensor(storage, offset, size, stride) -> Tensor:
    if not isinstance(storage, Storage):
        raise ValueError(f"a tensor in {type(storage).__name__}")
    (offset,), size, stride = _counts((offset,)), _counts(size), _counts(stride)
    if len(size) != len(stride):
        raise ValueError(f"a tensor of {len(size)} axes and {len(stride)} strides")
    count = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if count else offset
    # More elements than the storage has would let a small file fill the memory.
    # NumPy multiplies the sizes of an empty tensor, too, all but the noughts.
    if math.prod(filter(None, size)) >= _MOST:
        raise ValueError(f"a tensor of {len(size)} axes that are longer than any file")
    if count > storage.numel or last >= storage.numel + (count == 0):
        raise ValueError(f"a tensor {size} from {offset}, beyond its storage of {storage.numel} numbers")
    return Tensor(storage, offset, size, stride)


def _counts(values) -> tuple[int, ...]:
    if not isinstance(values, tuple | list) or len(values) > _AXES:
        raise ValueError("sizes that are no short list")
    if any(type(value) is not int or not 0 <= value < _MOST for value in values):
        raise ValueError("sizes that are no counts")
    return tuple(values)
