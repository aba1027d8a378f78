"""Photographs of images: PNG, JPEG, TIFF, BMP and PGM, with 1 to 16 bits.

Sixteen bits means that 65535 is white. Files that keep 12-bit data in 16 bits come out dark, as they do in any
viewer; the window `"percentile"` repairs this.
"""

from __future__ import annotations

import logging
import os

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.arrays import unit_range

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "PPM")  # Pillow knows more; what cannot be tested is not opened


def read(path: str | os.PathLike) -> tuple[np.ndarray, tuple[str, ...]]:
    """A picture as float32 in 0..1, `(h, w)` or `(h, w, 3)`, and the steps that were applied.

    Alpha is composited over black, palettes are looked up, the EXIF orientation is obeyed.

    Raises:
        BadInput: no image, a damaged or truncated one, or one with several pages.
    """
    with open(path, "rb") as file:
        head = file.read(32)
    array = None
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        array = _tiff(path)
    if array is None:
        array = _pillow(path, deep=head[:4] == b"\x89PNG" and head[24:25] == b"\x10" and head[25:26] != b"\0")
    values, steps = unit_range(array)
    if values.ndim == 3 and values.shape[-1] in (2, 4):
        values, steps = values[..., :-1] * values[..., -1:], (*steps, "alpha over black")
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != 2 and values.shape[-1] != 3:
        raise BadInput(f"the image has {values.shape[-1]} channels, expected grey or RGB: split the channels first")
    return values, steps


def _pillow(path, deep: bool) -> np.ndarray:
    """Decodes with Pillow; `deep` are PNGs of 16 bits and several channels, which Pillow cuts to 8 bits."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path, formats=FORMATS) as image:
            image.load()  # raises on truncation, which OpenCV would fill with grey
            if deep:
                return _opencv(path)
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith("I"):  # 16 bits of grey; as mode "I" they are int32
                return np.asarray(image).astype("uint16")
            alpha = "A" in image.mode or "transparency" in image.info
            if image.mode in ("L", "1") and not alpha:
                return np.asarray(image.convert("L"))
            return np.asarray(image.convert("RGBA" if alpha else "RGB"))
    except UnidentifiedImageError:
        raise BadInput("is no image that radzoo reads, expected DICOM, PNG, JPEG, TIFF, BMP, PGM, npz or npy") from None
    except BadInput:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise BadInput(
            f"the image is damaged, truncated or too large ({type(error).__name__}): copy it again"
        ) from None


def _opencv(path) -> np.ndarray:
    import cv2

    image = cv2.imdecode(np.fromfile(path, "uint8"), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise BadInput("the image is damaged: copy it again")
    return image[..., [2, 1, 0, 3][: image.shape[-1]]] if image.ndim == 3 else image


def _tiff(path) -> np.ndarray | None:
    """Decodes the TIFFs of which Pillow would lose bits or the sign of grey; None leaves the file to Pillow."""
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it finds wrong is said below, in one line
    try:
        with tifffile.TiffFile(path) as file:
            pages, page = len(file.pages), file.pages[0]
            plain = page.dtype == np.uint16 and page.samplesperpixel == 1 and page.photometric == 1
            if pages != 1:
                raise BadInput(f"the TIFF holds {pages} pages, expected one: save the page you mean as its own file")
            return None if plain or page.bitspersample <= 8 else _tiff_array(page)
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(f"the TIFF is damaged or truncated ({type(error).__name__}): copy it again") from None


def _tiff_array(page) -> np.ndarray:
    array = page.asarray()
    if array.ndim == 3 and page.planarconfig == 2:  # one plane per channel
        array = np.moveaxis(array, 0, -1)
    if page.photometric == 0 and array.dtype == np.uint16:  # white is zero
        array = np.uint16(65535) - array
    if array.ndim == 3 and array.shape[-1] in (2, 4):
        if page.extrasamples == (1,):  # alpha that is multiplied in already
            return array[..., :-1]
        if page.extrasamples != (2,):
            raise BadInput(f"the TIFF has {array.shape[-1]} channels, none of them alpha: save grey or RGB")
    return array
