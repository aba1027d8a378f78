"""What a compressed frame says of itself, read from its first markers before any decoder sees it.

JPEG: ISO 10918-1 annex B. JPEG-LS: ISO 14495-1 annex C. JPEG 2000: ISO 15444-1 annex A.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from radzoo.errors import BadInput

START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the others are tables
TILES = 16384  # each takes memory of its own; 64 x 64 pixels of a large radiograph make half as many
DAMAGED = "the compressed pixel data is damaged: copy the file again"


@dataclass(frozen=True)
class Codestream:
    """The header of one encoded frame.

    Attributes:
        kind: `"JPEG"`, `"JPEG-LS"` or `"JPEG 2000"`.
        bits: precision of a sample.
        colours: `"RGB"` or `"YBR_FULL"` as decoded without any transform (JPEG), or after undoing its own (JPEG
            2000); None where it does not say.
        transformed: the stream undoes a colour transform of its own (JPEG 2000).
        start: where in the frame it begins.
    """

    kind: str
    rows: int
    columns: int
    samples: int
    bits: int
    colours: str | None = None
    transformed: bool = False
    start: int = 0


def look(frame: bytes) -> Codestream:
    """Reads the header of a frame.

    Raises:
        BadInput: no such codestream, a truncated one, or one that no decoder here does.
    """
    if b"\xff\xd9" not in frame[-16:]:  # end of image; what follows is padding
        raise BadInput("the compressed pixel data does not end as it should: the file is damaged, copy it again")
    try:
        if frame[:2] == b"\xff\xd8":
            return _jpeg(frame)
        start = frame.find(b"\xff\x4f\xff\x51", 0, 4096)  # behind the boxes of a JP2 file, which DICOM forbids
        if start >= 0 and (start == 0 or frame[4:8] == b"jP  "):
            return _jpeg2000(frame, start)
    except (struct.error, IndexError):
        raise BadInput(DAMAGED) from None
    raise BadInput(DAMAGED)


def _segments(frame: bytes, start: int, last: int):
    """Yields (marker, content) from `start` to the marker `last`, which begins the coded data."""
    while True:
        prefix, marker = frame[start], frame[start + 1]
        if prefix != 0xFF:
            raise BadInput(DAMAGED)
        if marker == 0xFF:  # fill
            start += 1
            continue
        if marker == last:
            return
        (length,) = struct.unpack_from(">H", frame, start + 2)
        yield marker, frame[start + 4 : start + 2 + length]
        start += 2 + max(length, 2)


def _jpeg(frame: bytes) -> Codestream:
    found, colours = None, None
    for marker, content in _segments(frame, 2, 0xDA):
        if marker in START_OF_FRAME or marker == 0xF7:
            if found:
                raise BadInput(DAMAGED)
            found = (marker, *struct.unpack_from(">BHHB", content))
            if content[6::3][:3] in (b"RGB", b"rgb"):  # components named by letters
                colours = "RGB"
        elif marker == 0xE0 and content[:4] == b"JFIF":
            colours = "YBR_FULL"
        elif marker == 0xEE and content[:5] == b"Adobe" and len(content) > 11 and colours is None:
            colours = "YBR_FULL" if content[11] else "RGB"
    if not found:
        raise BadInput(DAMAGED)
    marker, bits, rows, columns, samples = found
    return Codestream("JPEG-LS" if marker == 0xF7 else "JPEG", rows, columns, samples, bits, colours)


def _jpeg2000(frame: bytes, start: int) -> Codestream:
    size, transformed = None, None
    for marker, content in _segments(frame, start + 2, 0x90):
        if marker == 0x51:
            size = content
        elif marker == 0x52:
            transformed = content[4] == 1
    if size is None or transformed is None:
        raise BadInput(DAMAGED)
    right, bottom, left, top = struct.unpack_from(">4I", size, 2)
    (samples,) = struct.unpack_from(">H", size, 34)
    components = [tuple(size[36 + 3 * i : 39 + 3 * i]) for i in range(min(samples, 4))]
    if len(set(components)) != 1 or components[0][1:] != (1, 1):
        raise BadInput("the JPEG 2000 components differ in size or precision: export the image uncompressed")
    across, down, tile_left, tile_top = struct.unpack_from(">4I", size, 18)
    if not across or not down or (right - tile_left) / across * ((bottom - tile_top) / down) > TILES:
        raise BadInput(f"the JPEG 2000 codestream has more than {TILES} tiles: export the image uncompressed")
    bits = (components[0][0] & 0x7F) + 1
    return Codestream("JPEG 2000", bottom - top, right - left, samples, bits, None, transformed, start)
