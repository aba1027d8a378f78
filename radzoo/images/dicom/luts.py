"""What a header keeps in sequences: lookup tables (PS3.3 C.11.1 and C.11.2), functional groups (PS3.3 C.7.6.16)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pydicom

from radzoo.errors import BadInput


class Table(NamedTuple):
    """A lookup table.

    Attributes:
        entries: uint16 `(n,)`; the output range is 0 to `2**bits - 1`, whatever the entries span.
        first: the input value that the first entry belongs to.
        bits: of the output, 8 to 16.
    """

    entries: np.ndarray
    first: int
    bits: int


def items(dataset: pydicom.Dataset, keyword: str) -> list[pydicom.Dataset]:
    """The items of a sequence; none where it is absent or empty."""
    try:
        found = list(dataset.get(keyword) or ())
    except Exception:  # pydicom converts on access, and raises what it likes
        found = [None]
    if not all(isinstance(item, pydicom.Dataset) for item in found):
        raise BadInput(f"{keyword} is damaged: export the image again")
    return found


def group(dataset: pydicom.Dataset, keyword: str) -> pydicom.Dataset:
    """Where the attributes of one functional group are: with its only frame, shared, or (plain objects) in `dataset`.

    Raises:
        BadInput: groups of several frames.
    """
    for sequence in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        found = items(dataset, sequence)
        if len(found) > 1:
            raise BadInput(f"{sequence} has {len(found)} items, expected one frame: export the frame you mean")
        inner = items(found[0], keyword) if found else []
        if inner:
            return inner[0]
    return dataset


def table(item: pydicom.Dataset, signed: bool, name: str) -> Table:
    """Reads a lookup table.

    Args:
        item: holds LUTDescriptor and LUTData.
        signed: whether what goes into the table may be negative. This alone decides how the first value is read
            (PS3.3 C.11.2.1.1): files write it in either VR.
        name: of the sequence, for messages.
    Raises:
        BadInput: a descriptor or data that make no table.
    """
    try:
        count, first, bits = (int(number) & 0xFFFF for number in item.LUTDescriptor)
    except Exception:
        raise BadInput(f"{name} has no LUTDescriptor of three numbers: export the image again") from None
    count = count or 65536  # which 16 bits cannot say
    if signed and first > 32767:
        first -= 65536
    if not 8 <= bits <= 16:
        raise BadInput(f"{name} has {bits} bits per entry, expected 8 to 16: export the image again")
    words = _words(item, name)
    if len(words) >= count:
        entries = words[:count]
    elif bits == 8 and len(words) == (count + 1) // 2:  # two entries in a word, the first in its low byte
        entries = words.view("u1")[:count].astype("uint16")
    else:
        raise BadInput(f"{name} has {len(words)} of {count} entries: export the image again")
    if entries.max() >> bits:
        raise BadInput(f"{name} has entries of more than the {bits} bits it declares: export the image again")
    return Table(entries, first, bits)


def look_up(values: np.ndarray, table: Table) -> np.ndarray:
    """The entry of every value; those before the first get the first entry, those after the last the last.

    Args:
        values: any shape; fractions, which a rescale slope may leave, are rounded to the nearest whole number.
    Returns:
        uint16 of the same shape, 0 to `2**table.bits - 1`.
    """
    nearest = values.astype("int64") if values.dtype.kind in "iu" else np.floor(values + 0.5)
    last = table.first + len(table.entries) - 1
    return table.entries[np.clip(nearest, table.first, last).astype("int64") - table.first]


def _words(item: pydicom.Dataset, name: str) -> np.ndarray:
    """LUTData as little-endian 16-bit words: it is US or SS (numbers) or OW, OB or UN (bytes in the file's order)."""
    try:
        value = item.LUTData
        if isinstance(value, bytes):
            big = item.original_encoding[1] is False and item["LUTData"].VR != "OB"  # OB has no byte order
            return np.frombuffer(value + b"\0" * (len(value) % 2), ">u2" if big else "<u2").astype("<u2")
        return (np.atleast_1d(np.asarray(value, "int64")) & 0xFFFF).astype("<u2")
    except Exception:
        raise BadInput(f"{name} has no LUTData that can be read: export the image again") from None
