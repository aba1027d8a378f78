"""Compressed frames, decoded by imagecodecs: JPEG (libjpeg-turbo), JPEG-LS (CharLS), JPEG 2000 (OpenJPEG), and RLE.

A frame's own header is held against the DICOM header before a decoder takes memory.
"""

from __future__ import annotations

import numpy as np
from pydicom import uid

from radzoo.errors import BadInput
from radzoo.images.dicom.codestream import Codestream, look
from radzoo.images.dicom.layout import Layout

KINDS = {
    **dict.fromkeys((uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1), "JPEG"),
    **dict.fromkeys((uid.JPEGLSLossless, uid.JPEGLSNearLossless), "JPEG-LS"),
    **dict.fromkeys(
        (uid.JPEG2000Lossless, uid.JPEG2000, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K), "JPEG 2000"
    ),
}
LOSSY = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLSNearLossless, uid.JPEG2000, uid.HTJ2K)
HARMLESS, RATIO = 2**24, 1024  # samples, and samples per compressed byte: a larger image has less, if not all grey


def check(found: Layout) -> None:
    """Refuses transfer syntaxes without a decoder here."""
    if found.syntax != uid.RLELossless and found.syntax not in KINDS:
        raise BadInput(f"{found.syntax.name} is not read: export the image uncompressed")
    if found.syntax == uid.RLELossless and found.allocated == 1:
        raise BadInput("RLE with one bit per pixel is not read: export the image uncompressed")


def rle(found: Layout, frame: bytes) -> np.ndarray:
    """All bits of the samples, in the shape of the image.

    One segment per byte of a sample, the highest first (PS3.5 G). `dicomrle_decode` of imagecodecs 2026.3.6 crashes on
    segments that lie beyond the frame; it decodes single segments safely.
    """
    import imagecodecs

    if found.count * found.allocated // 8 > 64 * len(frame):  # two bytes never become more than 128
        raise BadInput("the RLE pixel data is too short for Rows and Columns: the file is damaged, copy it again")
    size, pixels = found.allocated // 8, found.rows * found.columns
    count, *starts = np.frombuffer(frame[:64].ljust(64, b"\0"), "<u4").tolist()
    starts = [*starts[:count], len(frame)]
    if count != size * found.samples or starts[0] < 64 or starts != sorted(starts):
        raise BadInput("the RLE segments do not fit the image: the file is damaged, copy it again")
    samples = np.empty((pixels, found.samples, size), "u1")
    for number in range(count):
        data = _run(imagecodecs.packbits_decode, frame[starts[number] : starts[number + 1]])
        if len(data) < pixels:
            raise BadInput(f"an RLE segment has {len(data)} of {pixels} bytes: the file is damaged, copy it again")
        samples[:, number // size, size - 1 - number % size] = np.frombuffer(data, "u1", pixels)
    little = samples.view(f"<{found.dtype}").reshape(found.shape)
    return little.astype(found.dtype, copy=False)


def codestream(found: Layout, frame: bytes) -> tuple[np.ndarray, str]:
    """Stored values in the shape of the image, and the photometric interpretation that they have."""
    import imagecodecs

    stream = look(frame)
    _agree(found, frame, stream)
    photometric = _colours(found, stream)
    if stream.kind == "JPEG":
        spaces = {"colorspace": "YCBCR", "outcolorspace": "YCBCR"} if found.samples == 3 else {}  # transforms nothing
        array = _run(imagecodecs.jpeg8_decode, frame, **spaces)
    elif stream.kind == "JPEG-LS":
        array = _run(imagecodecs.jpegls_decode, frame)
    else:
        array = _run(imagecodecs.jpeg2k_decode, frame[stream.start :])
    if array.size != found.count or array.shape[:2] != (found.rows, found.columns):
        raise BadInput("the compressed image is not of the size that its header says: copy the file again")
    return _fitted(array.reshape(found.shape), found, stream), photometric


def low_bits(array: np.ndarray, bits: int, signed: bool) -> np.ndarray:
    """The lowest `bits` of each value as a number, with or without a sign; what is above them does not count."""
    unused = 8 * array.itemsize - bits
    array = array.view(f"{'i' if signed else 'u'}{array.itemsize}")
    if unused:
        array = array << unused
        array >>= unused
    return array


def _agree(found: Layout, frame: bytes, stream: Codestream) -> None:
    if stream.kind != KINDS[found.syntax]:
        raise BadInput("the compressed pixel data is not encoded as the transfer syntax says: export the image again")
    if (stream.rows, stream.columns, stream.samples) != (found.rows, found.columns, found.samples):
        raise BadInput("the compressed image has another size than Rows, Columns or SamplesPerPixel: copy it again")
    if not 1 <= stream.bits <= 16 or (stream.bits > 8 and found.allocated < 16):
        raise BadInput("the compressed image has more bits than BitsAllocated, or than 16: export it uncompressed")
    if found.count > max(HARMLESS, RATIO * len(frame)):
        raise BadInput("the compressed pixel data is far too short for Rows and Columns: copy the file again")


def _colours(found: Layout, stream: Codestream) -> str:
    """What the decoded samples mean. What the codestream says of itself goes before the DICOM header."""
    if found.samples == 1:
        return found.photometric
    if stream.kind == "JPEG 2000":
        if stream.transformed != (found.photometric in ("YBR_RCT", "YBR_ICT")) and found.photometric != "RGB":
            raise BadInput("PhotometricInterpretation contradicts the JPEG 2000 codestream: export the image as RGB")
        return "YBR_FULL" if found.photometric.startswith("YBR_FULL") else "RGB"
    return stream.colours or found.photometric.removesuffix("_422")


def _fitted(array: np.ndarray, found: Layout, stream: Codestream) -> np.ndarray:
    """Decoded samples with the sign and the bits of the DICOM header.

    JPEG and JPEG-LS know no sign, and encoders of JPEG 2000 forget it: the bits count. Lossy coding may leave the
    range of BitsStored a little; there, cutting bits would turn the brightest pixels black.
    """
    if found.syntax not in LOSSY:
        return low_bits(array, min(stream.bits, found.bits), found.signed).astype(found.dtype)
    array = low_bits(array, stream.bits, found.signed)
    if stream.bits > found.bits:
        least = -(1 << found.bits - 1) if found.signed else 0
        array = array.clip(least, least + (1 << found.bits) - 1)
    return array.astype(found.dtype)


def _run(decode, *arguments, **options):
    try:
        return decode(*arguments, **options)
    except Exception as error:  # each decoder has errors of its own
        raise BadInput(f"the compressed pixel data cannot be decoded ({type(error).__name__}): copy it again") from None
