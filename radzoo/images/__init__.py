"""Images in, `Pixels` out: one `read` for every kind of file (NumPy in, NumPy out)."""

from __future__ import annotations

import dataclasses
import math
import os

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.input import Input
from radzoo.images.pixels import Pixels

__all__ = ["Input", "Pixels", "is_dicom", "of_array", "read"]


def read(path: str | os.PathLike, window: str | tuple = "header") -> Pixels:
    """Reads one image; its content decides the format, not its name.

    Args:
        path: DICOM, PNG, JPEG, TIFF, BMP, PGM, npz or npy. `folder/file.npz#train_images/17` is image 17 of one
            member of an array file, `folder/file.dcm#3` frame 3 of a multi-frame object, both counted from 0.
        window: `"header"` (what the file declares, or its full range), `"percentile"` (1 to 99 of the pixels), or
            `(center, width)` in units of the modality, for DICOM; several `((center, width), …)` are one channel each.
    Returns:
        `Pixels`; RGB whose channels are all equal is returned as grey.
    Raises:
        BadInput: names the file without its folder, and says what to do.
    """
    file, part = _split(os.fspath(path))
    name = os.path.basename(file) + (f"#{part}" if part else "")
    try:
        window = _window(window)
        pixels = _checked(_decode(file, part, window), window)
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or type(error).__name__
        raise BadInput(f"{name}: {reason}: check the path") from None
    except MemoryError:
        raise BadInput(f"{name}: the image needs more memory than there is: make it smaller") from None
    except BadInput as error:
        raise BadInput(f"{name}: {error}") from None
    return pixels


def of_array(array: np.ndarray, window: str | tuple = "header") -> Pixels:
    """An array as `Pixels`, as if it came from a file without units.

    Args:
        array: `(h, w)`, `(h, w, 1)` or `(h, w, 3)`: uint8, uint16, or floats in 0..1.
        window: `"header"` or `"percentile"`.
    Raises:
        BadInput: as `read`, without a file's name.
    """
    from radzoo.images import arrays, intensity

    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[-1] == 3):
        raise BadInput(f"an array of shape {array.shape} came, expected an image (h, w), (h, w, 1) or (h, w, 3)")
    window = _window(window)
    values, steps = arrays.unit_range(array)
    values, more = intensity.without_units(values, window)
    return _checked(Pixels(values, applied=(*steps, *more)), window)


def _checked(pixels: Pixels, window) -> Pixels:
    """RGB of equal channels becomes grey; an image that shows nothing is refused."""
    values = pixels.values
    if values.ndim == 3 and isinstance(window[0], str | float) and (values == values[..., :1]).all():
        pixels = dataclasses.replace(pixels, values=np.ascontiguousarray(values[..., 0]))
    if not np.isfinite(values).all():
        raise BadInput("the image holds NaN or infinite values: repair or leave out this image")
    if values.min() == values.max():
        after = f" after {' and '.join(pixels.applied)}" if pixels.applied else ""
        raise BadInput(f"all pixels are equal{after}: leave this image out, or give another window")
    return pixels


def _decode(file: str, part: str, window) -> Pixels:
    from radzoo.images import arrays, intensity, raster  # here, so that `import radzoo.images` is quick

    if os.path.isdir(file):
        raise BadInput("is a folder, expected one image: name a file in it")
    with open(file, "rb") as opened:
        head = opened.read(132)
    if not head:
        raise BadInput("the file is empty: copy it again")
    if head[:6] == b"\x93NUMPY" or head[:4] == b"PK\3\4":
        values, steps = arrays.read(file, part)
    elif is_dicom(head):
        from radzoo.images import dicom

        return dicom.read(file, window, part)
    elif part:
        raise BadInput("only DICOM, npz and npy files have parts after '#': leave it out")
    else:
        values, steps = raster.read(file)
    values, more = intensity.without_units(values, window)
    return Pixels(values, applied=(*steps, *more))


def is_dicom(head: bytes) -> bool:
    """DICM after the preamble; or, without a preamble, a first element of group 2 or 8 in either byte order."""
    return head[128:132] == b"DICM" or head[:2] in (b"\2\0", b"\x08\0", b"\0\2", b"\0\x08")


def _split(path: str) -> tuple[str, str]:
    """`file.npz#name/3` is a file and its part, unless a file has just this name."""
    file, mark, part = path.rpartition("#")
    return (file, part) if mark and not os.path.exists(path) else (path, "")


def _window(choice):
    """The choice as `"header"`, `"percentile"`, two floats, or several pairs of them; lists come from JSON."""
    if choice in ("header", "percentile"):
        return choice
    if isinstance(choice, tuple | list) and choice and all(isinstance(each, tuple | list) for each in choice):
        pairs = tuple(map(_window, choice))
        return pairs if len(pairs) > 1 else pairs[0]
    try:
        center, width = (float(number) for number in choice)
    except (TypeError, ValueError):
        center = width = math.nan
    if not (math.isfinite(center) and math.isfinite(width)):
        raise BadInput(f"window {choice!r}, expected 'header', 'percentile', or center and width")
    return center, width
