"""Torch checkpoints written without torch: a pickler that writes names which mean nothing here, and both containers."""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np

TYPES = {"float32": "FloatStorage", "float64": "DoubleStorage", "float16": "HalfStorage", "int64": "LongStorage",
         "uint16": "BFloat16Storage"}  # fmt: skip


class Global:
    """Pickled as the name of a global that need not exist."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    def __init__(self, target, *arguments):
        self.target, self.arguments = target, arguments


class Stored(tuple):
    """A persistent id."""


class Writer(pickle._Pickler):
    """The pickler in Python, taught to write names, calls and persistent ids that mean nothing here."""

    def save(self, thing, *rest, **options):
        if isinstance(thing, Global):
            self.write(pickle.GLOBAL + f"{thing.module}\n{thing.name}\n".encode())
        elif isinstance(thing, Call):
            self.save(thing.target)
            self.save(thing.arguments)
            self.write(pickle.REDUCE)
        elif isinstance(thing, Stored):
            self.save(tuple(thing))
            self.write(pickle.BINPERSID)
        else:
            super().save(thing, *rest, **options)


def pickled(value, protocol=2):
    out = io.BytesIO()
    Writer(out, protocol).dump(value)
    return out.getvalue()


def tensor(key, array, *, size=None, stride=None, offset=0, numel=None, kind=None, view=()):
    """What torch pickles for a tensor in storage `key`, which holds `array`."""
    steps = stride if stride is not None else tuple(s // array.itemsize for s in array.strides)
    numel = array.size if numel is None else numel
    storage = Stored(("storage", Global("torch", kind or TYPES[array.dtype.name]), key, "cpu", numel, *view))
    rebuild = Global("torch._utils", "_rebuild_tensor_v2")
    return Call(rebuild, storage, offset, array.shape if size is None else size, steps, False, OrderedDict())


def write_zip(path, value, storages, order=b"little", protocol=2, **more):
    with zipfile.ZipFile(path, "w", more.get("compression", zipfile.ZIP_STORED)) as file:
        file.writestr("archive/data.pkl", value if isinstance(value, bytes) else pickled(value, protocol))
        if order:
            file.writestr("archive/byteorder", order)
        for key, array in storages.items():
            file.writestr(f"archive/data/{key}", array.tobytes())
        file.writestr("archive/version", b"3\n")
    return path


def write_old(path, value, storages, keys=None):
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    with open(path, "wb") as file:
        for part in (0x1950A86A20F9469CFC6C, 1001, system):
            file.write(pickle.dumps(part, 2))
        file.write(value if isinstance(value, bytes) else pickled(value))
        file.write(pickle.dumps(sorted(storages) if keys is None else keys, 2))
        for key in sorted(storages):
            file.write(struct.pack("<q", storages[key].size) + storages[key].tobytes())
    return path


def state_of(model, name_of) -> tuple[OrderedDict, dict]:
    """What torch would save for a Keras model: pickled tensors by torch's names, and their storages.

    Args:
        name_of: from a layer's name to the path of torch's module.
    """
    state, storages = OrderedDict(), {}

    def add(name, array):
        key = str(len(storages))
        storages[key] = array
        state[name] = tensor(key, array)

    for layer in model.layers:
        weights = [np.asarray(weight) for weight in layer.weights]
        module = name_of(layer.name) if weights else None
        if not weights:
            continue
        if weights[0].ndim > 1:  # (*size, in, out) to (out, in, *size)
            axes = (weights[0].ndim - 1, weights[0].ndim - 2, *range(weights[0].ndim - 2))
            weights[0] = np.ascontiguousarray(weights[0].transpose(axes))
        for leaf, array in zip(("weight", "bias", "running_mean", "running_var"), weights, strict=False):
            add(f"{module}.{leaf}", array)
        if len(weights) == 4:
            add(f"{module}.num_batches_tracked", np.array(7, "int64"))
    return state, storages
