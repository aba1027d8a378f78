"""Colour of DICOM images as RGB in 0..1.

YBR_FULL: PS3.3 C.7.6.3.1.2. Palettes: PS3.3 C.7.6.3.1.5, C.7.6.3.1.6 and C.7.9.2 (segmented).
"""

from __future__ import annotations

import numpy as np

from radzoo.errors import BadInput

CHANNELS = ("Red", "Green", "Blue")
MOST = 65536  # entries of a palette


def rgb(dataset, stored: np.ndarray, photometric: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Colours of a decoded image; call it within `header.quiet`.

    Args:
        stored: `(h, w, 3)` RGB or YBR_FULL, or `(h, w)` of a palette.
        photometric: what `stored` truly is, as `decode.prepare` returns it.
    Returns:
        `(h, w, 3)` float32 in 0..1, and the steps that were applied.
    """
    if photometric == "PALETTE COLOR":
        return np.stack([_looked_up(dataset, channel, stored) for channel in CHANNELS], axis=-1), ("palette",)
    white = 2 ** int(dataset.BitsStored) - 1
    values = stored.astype("float32") / np.float32(white)
    if photometric == "RGB":
        return values, (f"scale 1/{white}",)
    return _from_ybr(values, np.float32((white + 1) / 2 / white)), (f"scale 1/{white}", "YBR_FULL to RGB")


def _from_ybr(values: np.ndarray, middle: np.float32) -> np.ndarray:
    """Full-range YCbCr of ITU-R BT.601; `middle` is the level of no colour."""
    luma, blue, red = values[..., 0], values[..., 1] - middle, values[..., 2] - middle
    colours = (luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue)
    return np.stack(colours, axis=-1).clip(0, 1)


def _looked_up(dataset, channel: str, stored: np.ndarray) -> np.ndarray:
    try:
        entries, first, bits = (int(number) for number in dataset[f"{channel}PaletteColorLookupTableDescriptor"].value)
        packed = dataset.get(f"{channel}PaletteColorLookupTableData")
        segments = dataset.get(f"Segmented{channel}PaletteColorLookupTableData")
    except Exception:
        raise BadInput("the palette is missing or damaged: export the image as RGB") from None
    entries = (entries & 0xFFFF) or MOST  # pydicom may have read them as signed
    first = (first & 0xFFFF) - (MOST if stored.dtype.kind == "i" and first & 0x8000 else 0)
    if bits not in (8, 16) or not isinstance(packed if packed is not None else segments, bytes):
        raise BadInput("the palette is missing, or has neither 8 nor 16 bits: export the image as RGB")
    little = dataset.file_meta.TransferSyntaxUID.is_little_endian
    if packed is not None:
        table = _table(packed, entries, little)
    else:
        table = _expanded(_words(segments, bits == 16, little).tolist(), offset=2 if bits == 16 else 1)
    if len(table) < entries:
        raise BadInput(f"the palette has {len(table)} of {entries} entries: export the image as RGB")
    if table[:entries].max() >= 1 << bits:
        raise BadInput("the palette has entries beyond its number of bits: export the image as RGB")
    place = np.clip(stored.astype("int64") - first, 0, entries - 1)  # below the first, beyond the last: the ends
    return (table.astype("float32") / np.float32(2**bits - 1))[place]


def _table(packed: bytes, entries: int, little: bool) -> np.ndarray:
    """Entries of one byte, or of a word each, whatever their number of bits."""
    return _words(packed, len(packed) >= 2 * entries and entries > 1, little)


def _words(data: bytes, wide: bool, little: bool) -> np.ndarray:
    """The entries of an element of 16-bit words: the words, or their bytes, of which the lower one comes first."""
    words = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if little else ">u2")
    return words if wide else words.astype("<u2").view("u1")


def _expanded(data: list[int], offset: int) -> np.ndarray:
    """Expands a segmented table: runs of values (0), lines (1), and runs and lines once more (2).

    Args:
        data: bytes or words. `offset`: the bytes of one.
    """
    table: list[int] = []
    try:
        place = 0
        while place + 1 < len(data) and len(table) <= MOST:
            place = _segment(data, place, table, offset)
    except IndexError:
        raise BadInput("the segmented palette is damaged: export the image as RGB") from None
    return np.array(table[:MOST], "uint16")


def _segment(data: list[int], place: int, table: list[int], offset: int | None) -> int:
    """Appends one segment to the table and returns the place of the next; `offset` is None inside of a copy."""
    kind, length = data[place], data[place + 1]
    place += 2
    if kind == 0:
        if place + length > len(data):
            raise IndexError
        table += data[place : place + length]
        return place + length
    if kind == 1:
        start, end = table[-1], data[place]
        table += [round(start + (end - start) * step / length) for step in range(1, length + 1)]
        return place + 1
    if kind != 2 or offset is None:
        raise IndexError
    width = 4 // offset  # a 32-bit number of bytes, its lower part first
    copied = sum(part << 8 * offset * i for i, part in enumerate(data[place : place + width])) // offset
    for _ in range(length):
        if len(table) > MOST:
            break
        copied = _segment(data, copied, table, None)
    return place + width
