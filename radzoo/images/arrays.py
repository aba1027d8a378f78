"""Images in npz and npy files; `folder/file.npz#train_images/17` names row 17 of one member."""

from __future__ import annotations

import functools
import os
import threading

import numpy as np

from radzoo.errors import BadInput

# Threads would decompress one file twice, and `np.load` has Python parse a header, which fails at random in Python 3.11
# when threads do it at the same time (cpython issue 106905).
_one_at_a_time = threading.Lock()


def read(path: str | os.PathLike, part: str = "") -> tuple[np.ndarray, tuple[str, ...]]:
    """One image of an array file.

    Args:
        path: an `.npz` or `.npy` file.
        part: `name`, `name/row` (npz) or `row` (npy); empty for a file that holds one image.
    Returns:
        float32 in 0..1, `(h, w)` or `(h, w, 3)`, and the steps that were applied.
    Raises:
        BadInput: no such member or row, a stack without a row, or values that are no image.
    """
    name, row = _split(part)
    stat = os.stat(path)
    with _one_at_a_time:
        array = _member(os.fspath(path), name, stat.st_mtime_ns, stat.st_size)
    if row is not None:
        if array.ndim < 3 or row >= len(array):
            raise BadInput(f"there is no image {row} in an array of shape {array.shape}")
        array = array[row]
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[-1] == 3):
        raise BadInput(
            f"an array of shape {array.shape} is not one image: name one as "
            f"FILE{'#' + name + '/0' if name else '#0'}, expected (h, w), (h, w, 1) or (h, w, 3) there"
        )
    return unit_range(array)


def unit_range(array: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """uint8 and uint16 divided by their full scale, floats as they are if in 0..1; with the step applied.

    Raises:
        BadInput: another type, NaN or infinity, or floats outside 0..1.
    """
    if not array.size:
        raise BadInput("an image without pixels came")
    if array.dtype in (np.uint8, np.uint16):
        white = np.iinfo(array.dtype).max
        return (array / np.float32(white)).astype("float32"), (f"scale 1/{white}",)
    if not np.issubdtype(array.dtype, np.floating):
        raise BadInput(f"pixels are {array.dtype}, expected uint8, uint16, or floats in 0..1: convert them")
    if not np.isfinite(array).all():
        raise BadInput("the image holds NaN or infinite values: repair or leave out this image")
    if array.min() < 0 or array.max() > 1:
        raise BadInput(f"floats span {array.min():g} to {array.max():g}, expected 0..1: scale them before saving")
    return array.astype("float32"), ()


def _split(part: str) -> tuple[str, int | None]:
    name, _, row = part.rpartition("/")
    return (name, int(row)) if row.isdecimal() else (part, None)


@functools.lru_cache(maxsize=4)  # training, validation and test of one file; 4,000 reads decompress it once
def _member(path: str, name: str, mtime_ns: int, size: int) -> np.ndarray:
    """One array of the file; time and size are in the key, so that a file that was rewritten is read again."""
    try:
        opened = np.load(path, mmap_mode="r", allow_pickle=False)  # a npy stays on disk
        if isinstance(opened, np.ndarray):
            names, array = [], opened
        else:
            with opened:
                inside = opened.zip.namelist()
                names = [each for each in opened.files if each + ".npy" in inside]
                name = names[0] if len(names) == 1 and not name else name
                array = opened[name] if name in names else None
    except Exception as error:  # zipfile, zlib and numpy each have their own idea of a damaged file
        raise BadInput(f"the array file is damaged or truncated ({type(error).__name__}): copy it again") from None
    if isinstance(opened, np.ndarray) and name:
        raise BadInput(f"a npy file has no arrays with names, {name!r} came: name a row as FILE.npy#0")
    if array is None and not names:  # some other zip archive
        raise BadInput("is an archive without arrays, expected a npz that numpy.savez wrote")
    if array is None:
        held = ", ".join(names[:8])
        raise BadInput(f"holds {held}, {name or 'no array'!r} was asked for: name one image as FILE.npz#{names[0]}/0")
    return array
