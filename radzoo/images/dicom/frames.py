"""The frames of one DICOM object, each as a dataset of its own with what decodes it.

A frame keeps the elements of its object and its own functional groups alone (PS3.3 C.7.6.16), so that whatever reads
one image reads a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pydicom
from pydicom import encaps

from radzoo.errors import BadInput
from radzoo.images.dicom import decode, header, luts
from radzoo.images.dicom.header import PIXELS, number

PER_FRAME = "PerFrameFunctionalGroupsSequence"
MOST = 2**16  # frames of one object

Work = Callable[[], tuple[np.ndarray, str]]


def count(dataset) -> int:
    """NumberOfFrames; 1 where it is missing.

    Raises:
        BadInput: no number of frames, or other than the functional groups have.
    """
    found = number(dataset, "NumberOfFrames", 1) or 1  # 0 is wrong, and pydicom and DCMTK read it as 1
    if found < 1 or found % 1 or found > MOST:
        raise BadInput("NumberOfFrames is no number of frames: export the image again")
    groups = len(luts.items(dataset, PER_FRAME))
    if groups and groups != found:
        raise BadInput(f"NumberOfFrames is {found:.0f}, the functional groups are of {groups} frames: export it again")
    return int(found)


def headers(dataset) -> Iterator[pydicom.Dataset]:
    """Each frame as a single image, but with the pixels of all; call it within `header.quiet`."""
    groups = luts.items(dataset, PER_FRAME)
    frames = count(dataset)
    if frames == 1 and "NumberOfFrames" not in dataset:
        yield dataset
        return
    for place in range(frames):
        frame = _copy(dataset)
        frame.add_new("NumberOfFrames", "IS", 1)
        if groups:
            frame[PER_FRAME] = pydicom.DataElement(frame[PER_FRAME].tag, "SQ", pydicom.Sequence([groups[place]]))
        yield frame


def prepare(dataset) -> list[Work]:
    """The work of decoding each frame, as `decode.prepare` for one image; call it within `header.quiet`."""
    frames = count(dataset)
    if frames == 1:
        return [decode.prepare(dataset)]
    keyword = next(keyword for keyword in PIXELS if keyword in dataset)
    single = next(headers(dataset))
    works = []
    for data in _split(dataset, keyword, frames):
        frame, element = _copy(single), dataset[keyword]
        frame[keyword] = pydicom.DataElement(element.tag, element.VR, data, is_undefined_length=True)
        works.append(decode.prepare(frame))
    return works


def _copy(dataset) -> pydicom.Dataset:
    """The same elements in a dataset of their own."""
    frame = pydicom.Dataset()
    frame.update(dataset)
    frame.file_meta = dataset.file_meta
    return frame


def _split(dataset, keyword: str, frames: int) -> Iterator[bytes]:
    try:
        value = bytes(dataset[keyword].value or b"")
    except Exception:
        raise BadInput("the pixel data is damaged: copy the file again") from None
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
            raise BadInput("uncompressed frames with half of the chroma are not read: export them as RGB")
        if number(dataset, "BitsAllocated", 0) == 1:
            yield from _single_bits(value, frames, int(number(dataset, "Rows", 0) * number(dataset, "Columns", 0)))
            return
        samples = number(dataset, "Rows", 0) * number(dataset, "Columns", 0) * number(dataset, "SamplesPerPixel", 1)
        size = int(samples * number(dataset, "BitsAllocated", 0) // 8)
        if len(value) < size * frames or not size:
            raise BadInput(f"the pixel data has {len(value)} of {size * frames} bytes: the file is truncated")
        yield from (value[place * size : (place + 1) * size] for place in range(frames))
        return
    found = 0
    try:
        for data in encaps.generate_frames(value, number_of_frames=frames):
            found += 1
            yield encaps.encapsulate([data + b"\0" * (len(data) % 2)])
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(f"the compressed pixel data is damaged ({type(error).__name__}): copy the file again") from None
    if found != frames:
        raise BadInput(f"the pixel data holds {found} of {frames} frames: the file is damaged, copy it again")


def _single_bits(value: bytes, frames: int, count: int) -> Iterator[bytes]:
    """Frames of one bit per pixel follow each other without padding, the lowest bit of a byte first (PS3.5 8.1.1)."""
    bits = np.unpackbits(np.frombuffer(value, "u1"), bitorder="little")
    if len(bits) < frames * count or not count:
        raise BadInput(f"the pixel data has {len(bits)} of {frames * count} bits: the file is truncated")
    yield from (np.packbits(bits[place * count :][:count], bitorder="little").tobytes() for place in range(frames))


def read(path) -> tuple[list[pydicom.Dataset], list[Work]]:
    """The headers of the frames of a file and their work."""
    with header.quiet():
        dataset = header.parse(path)
        works = prepare(dataset)
        return list(headers(dataset)), works
