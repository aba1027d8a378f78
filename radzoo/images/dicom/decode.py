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

Work = Callable[[], tuple[np.ndarray, str]]


def stored(dataset) -> np.ndarray:
    """Stored values with their sign, `(rows, columns)` or `(rows, columns, 3)`; colours as they are stored.

    Bits outside of BitsStored (retired overlays, say) do not count. The type has BitsAllocated bits.

    Raises:
        BadInput: what cannot be decoded right.
    """
    return prepare(dataset)()[0]


def prepare(dataset) -> Work:
    """Takes from the dataset of one image what decoding needs; call it within `header.quiet`.

    Returns:
        The work that is left, to be done outside of `header.quiet`, so that threads decode at the same time. It
        returns the stored values, and the photometric interpretation that they truly have.
    """
    return works(dataset, 1)[0]


def works(dataset, frames: int) -> list[Work]:
    """The work of each frame, as `prepare` for one image; call it within `header.quiet`.

    Args:
        dataset: of one frame (`frames.headers`), with the pixels of all.
    """
    found = layout(dataset)
    try:
        value = dataset[found.keyword].value or b""
        value = value if isinstance(value, bytes) else bytes(value)
    except Exception:
        raise BadInput("the pixel data is damaged: copy the file again") from None
    if not found.syntax.is_encapsulated:
        value = _checked(found, value, frames)
        return [partial(_plain, found, value, place) for place in range(frames)]
    compressed.check(found)
    work = _rle if found.syntax == RLELossless else compressed.codestream
    return [partial(work, found, frame) for frame in _encapsulated(value, frames)]


def _encapsulated(value: bytes, frames: int) -> list[bytes]:
    """The compressed frames."""
    try:
        if frames == 1:  # all fragments, however they are listed
            source = io.BytesIO(value)
            several = len(encaps.parse_basic_offsets(source)) > 1
            found = [b"".join(encaps.generate_fragments(source))]
        else:
            several, found = False, list(encaps.generate_frames(value, number_of_frames=frames))
    except Exception as error:
        raise BadInput(f"the compressed pixel data is damaged ({type(error).__name__}): copy the file again") from None
    if several:
        raise BadInput("the pixel data holds several frames, NumberOfFrames says one: export the image again")
    if len(found) != frames:
        raise BadInput(f"the pixel data holds {len(found)} of {frames} frames: the file is damaged, copy it again")
    return found


def _checked(found: Layout, value: bytes, frames: int) -> bytes:
    """Uncompressed pixel data, found to be as long as it must be, its bytes in the order of the pixels."""
    subsampled = found.photometric == "YBR_FULL_422"
    bits = _samples(found) * found.allocated
    expected, more = (frames * bits + 7) // 8, ((frames + 1) * bits + 7) // 8
    if len(value) < expected:
        raise BadInput(f"the pixel data has {len(value)} of {expected} bytes: the file is truncated, copy it again")
    if len(value) >= (frames * found.count if subsampled else max(more, 4)):
        raise BadInput("the pixel data is far longer than Rows and Columns say: export the image again")
    if found.words and found.allocated <= 8 and not found.syntax.is_little_endian:  # bytes that lie in words
        value = np.frombuffer(value[: len(value) // 2 * 2], ">u2").astype("<u2").tobytes()
    return value


def _samples(found: Layout) -> int:
    """Samples of one uncompressed frame; with half of the chroma, two pixels share their colours."""
    return found.rows * found.columns * 2 if found.photometric == "YBR_FULL_422" else found.count


def _plain(found: Layout, value: bytes, place: int) -> tuple[np.ndarray, str]:
    planar, photometric, count = found.planar, found.photometric, _samples(found)
    if found.allocated == 1:  # frames follow each other without padding (PS3.5 8.1.1)
        start, skipped = divmod(place * count, 8)
        array = unpack_bits(value[start : (place * count + count + 7) // 8])[skipped : skipped + count]
    elif photometric == "YBR_FULL_422":
        data = expand_ybr422(value[place * count : (place + 1) * count], 8)
        array, planar, photometric = np.frombuffer(data, found.dtype, found.count), 0, "YBR_FULL"
    else:
        dtype = np.dtype(found.dtype).newbyteorder("<" if found.syntax.is_little_endian else ">")
        array = np.frombuffer(value, dtype, count, place * count * dtype.itemsize).astype(found.dtype, copy=False)
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
