"""The stored values of one DICOM image, uncompressed or compressed."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import numpy as np
from pydicom import encaps
from pydicom.pixels.utils import expand_ybr422, unpack_bits
from pydicom.uid import RLELossless

from radzoo.errors import BadInput
from radzoo.images.dicom import compressed
from radzoo.images.dicom.layout import Layout, layout


def stored(dataset) -> np.ndarray:
    """Stored values with their sign, `(rows, columns)` or `(rows, columns, 3)`; colours as they are stored.

    Bits outside of BitsStored (retired overlays, say) do not count. The type has BitsAllocated bits.

    Raises:
        BadInput: what cannot be decoded right.
    """
    return prepare(dataset)()[0]


def prepare(dataset) -> Callable[[], tuple[np.ndarray, str]]:
    """Takes from the dataset what decoding needs; call it within `header.quiet`.

    Returns:
        The work that is left, to be done outside of `header.quiet`, so that threads decode at the same time. It
        returns the stored values, and the photometric interpretation that they truly have.
    """
    found = layout(dataset)
    try:
        value = bytes(dataset[found.keyword].value or b"")
    except Exception:
        raise BadInput("the pixel data is damaged: copy the file again") from None
    if not found.syntax.is_encapsulated:
        return partial(_plain, found, _image_bytes(found, value))
    compressed.check(found)
    try:
        source = io.BytesIO(value)
        several = len(encaps.parse_basic_offsets(source)) > 1
        frame = b"".join(encaps.generate_fragments(source))
    except Exception as error:
        raise BadInput(f"the compressed pixel data is damaged ({type(error).__name__}): copy the file again") from None
    if several:
        raise BadInput("the pixel data holds several frames, expected one image: export the frame you mean")
    if found.syntax == RLELossless:
        return partial(_rle, found, frame)
    return partial(compressed.codestream, found, frame)


def _image_bytes(found: Layout, value: bytes) -> bytes:
    """Exactly the bytes of the image, without padding."""
    subsampled = found.photometric == "YBR_FULL_422"
    whole = (found.count * found.allocated + 7) // 8
    expected = found.rows * found.columns * 2 if subsampled else whole
    if len(value) < expected:
        raise BadInput(f"the pixel data has {len(value)} of {expected} bytes: the file is truncated, copy it again")
    if len(value) >= (whole if subsampled else 2 * max(expected, 2)):
        raise BadInput("the pixel data is far longer than Rows and Columns say: export the image again")
    swapped = found.words and found.allocated <= 8 and not found.syntax.is_little_endian
    if swapped:  # bytes that big-endian files keep as words
        value = value[: len(value) // 2 * 2]
        value = np.frombuffer(value, ">u2").astype("<u2").tobytes()
    return value[:expected]


def _plain(found: Layout, data: bytes) -> tuple[np.ndarray, str]:
    planar, photometric = found.planar, found.photometric
    if photometric == "YBR_FULL_422":
        data, planar, photometric = expand_ybr422(data, 8), 0, "YBR_FULL"
    if found.allocated == 1:
        array = unpack_bits(data)[: found.count]
    else:
        order = "<" if found.syntax.is_little_endian else ">"
        array = np.frombuffer(data, np.dtype(found.dtype).newbyteorder(order), found.count).astype(found.dtype, copy=False)
    return _resolved(found, _shaped(found, array, planar)), photometric


def _rle(found: Layout, frame: bytes) -> tuple[np.ndarray, str]:
    return _resolved(found, compressed.rle(found, frame)), found.photometric


def _shaped(found: Layout, array: np.ndarray, planar: int) -> np.ndarray:
    if found.samples == 3 and planar:
        return np.ascontiguousarray(np.moveaxis(array.reshape(3, found.rows, found.columns), 0, -1))
    return array.reshape(found.shape)


def _resolved(found: Layout, array: np.ndarray) -> np.ndarray:
    """Only the bits from HighBit downwards that BitsStored counts; all of a floating-point image."""
    if found.keyword == "PixelData":
        array = compressed.low_bits(array, found.bits + found.shift, found.signed)
        return array >> found.shift if found.shift else array
    if not np.isfinite(array).all():
        raise BadInput("the image holds NaN or infinite values: repair or leave out this image")
    return array
