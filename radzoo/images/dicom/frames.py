"""The frames of one DICOM object, each as a dataset of its own with what decodes it.

A frame keeps the elements of its object and its own functional groups alone (PS3.3 C.7.6.16), so that whatever reads
one image reads a frame.
"""

from __future__ import annotations

from collections.abc import Iterator

import pydicom

from radzoo.errors import BadInput
from radzoo.images.dicom import decode, header, luts
from radzoo.images.dicom.decode import Work
from radzoo.images.dicom.header import number

PER_FRAME = "PerFrameFunctionalGroupsSequence"
MOST = 2**16  # frames of one object


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
    for place in range(count(dataset)):
        yield _header(dataset, place)


def place(dataset, part: str) -> int:
    """The frame that a user means with `FILE#part`, from 0.

    Args:
        part: empty for the only frame.
    Raises:
        BadInput: no such frame, or several and none is named.
    """
    frames = count(dataset)
    if not part and frames > 1:
        raise BadInput(
            f"holds several frames ({frames}), expected one image: name one as FILE#0 to FILE#{frames - 1}, counted "
            "from 0, or read the object as a volume"
        )
    if part and not (part.isascii() and part.isdigit() and int(part) < frames):
        there = f"the frames 0 to {frames - 1}" if frames > 1 else "frame 0 alone"
        raise BadInput(f"'#{part}' came, the file holds {there}: name one of them")
    return int(part or 0)


def one(dataset, place: int) -> tuple[pydicom.Dataset, Work]:
    """The header of one frame and its work; call it within `header.quiet`."""
    frame = _header(dataset, place)
    return frame, decode.works(frame, count(dataset))[place]


def prepare(dataset) -> list[Work]:
    """The work of decoding each frame, as `decode.prepare` for one image; call it within `header.quiet`."""
    return decode.works(_header(dataset, 0), count(dataset))


def _header(dataset, place: int) -> pydicom.Dataset:
    if "NumberOfFrames" not in dataset:
        return dataset
    frame = pydicom.Dataset()
    for tag in sorted(dataset.keys()):
        if not tag.is_private:  # pydicom would convert those at once, and stumble over damaged ones
            frame[tag] = dataset.get_item(tag, keep_deferred=True)
    frame.file_meta = dataset.file_meta
    frame.add_new("NumberOfFrames", "IS", 1)
    groups = luts.items(dataset, PER_FRAME)
    if groups:
        frame[PER_FRAME] = pydicom.DataElement(frame[PER_FRAME].tag, "SQ", pydicom.Sequence([groups[place]]))
    return frame


def read(path) -> tuple[list[pydicom.Dataset], list[Work]]:
    """The headers of the frames of a file and their work."""
    with header.quiet():
        dataset = header.parse(path)
        works = prepare(dataset)
        return list(headers(dataset)), works
