"""The planes of a DICOM series: where each image lies in the patient, from its header alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.dicom import frames, header, luts
from radzoo.images.dicom.layout import refuse_objects

TELLING = (  # what several images at one place may differ in
    "TemporalPositionIdentifier", "EchoTime", "EchoNumbers", "AcquisitionNumber", "DiffusionBValue", "TriggerTime",
    "InversionTime", "ConvolutionKernel", "ImageType", "AcquisitionTime", "ContentTime", "ReconstructionDiameter",
)  # fmt: skip
SAME = ("SeriesInstanceUID", "PatientID", "FrameOfReferenceUID", "Modality", "Rows", "Columns", "PixelSpacing")
VECTORS = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}
GROUPS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
}


@dataclass(frozen=True)
class Plane:
    """One image of a series: where its pixels are, and what its header says of its place.

    Attributes:
        file, frame: the frame of a file, from 0.
        same: values of `SAME`, as text: all planes of a series agree in them.
        telling: values of `TELLING`, as text.
    """

    file: str
    frame: int
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing_mm: tuple[float, float]
    same: tuple[str, ...]
    telling: tuple[str, ...]

    @property
    def rows_columns(self) -> tuple[int, int]:
        return int(self.same[SAME.index("Rows")]), int(self.same[SAME.index("Columns")])

    @property
    def kernel(self) -> str | None:
        return self.telling[TELLING.index("ConvolutionKernel")] or None


def planes_of(file: str, dataset) -> list[Plane]:
    """The planes of one file, whose pixels need not be there; call it within `header.quiet`.

    Raises:
        BadInput: an image without a place in the patient, or a localiser.
    """
    refuse_objects(dataset)
    return [_plane(file, place, frame) for place, frame in enumerate(frames.headers(dataset))]


def key(dataset) -> str:
    """What `FOLDER#KEY` tells series of one folder apart by: a hash of SeriesInstanceUID."""
    return hashlib.sha256(header.text(dataset, "SeriesInstanceUID").encode()).hexdigest()[:12]


def _plane(file: str, place: int, frame) -> Plane:
    vectors = {keyword: vector(frame, keyword) for keyword in VECTORS}
    if min(vectors["PixelSpacing"]) <= 0:
        raise BadInput("PixelSpacing is 0 or negative: leave this series out")
    if "LOCALIZER" in str(frame.get("ImageType") or "").upper():
        raise BadInput("is a localiser (ImageType): give the files of the series without it")
    return Plane(
        file,
        place,
        vectors["ImagePositionPatient"],
        vectors["ImageOrientationPatient"],
        vectors["PixelSpacing"],
        tuple(str(_holder(frame, word).get(word) or "") for word in SAME),
        _telling(frame),
    )


def vector(frame, keyword: str) -> tuple[float, ...]:
    """A position, orientation or spacing of one frame; BadInput where it is missing or no numbers."""
    value = _holder(frame, keyword).get(keyword)
    try:
        numbers = tuple(float(each) for each in value)
    except Exception:
        numbers = ()
    if len(numbers) != VECTORS[keyword] or not np.isfinite(numbers).all():
        what = "is missing" if value is None else f"is not {VECTORS[keyword]} finite numbers"
        raise BadInput(f"{keyword} {what}: nothing says where this image lies in the patient")
    return numbers


def _telling(frame) -> tuple[str, ...]:
    """The values of `TELLING`, of the frame's own functional groups before those of the object."""
    own = {}
    for group in luts.items(frame, frames.PER_FRAME):
        own |= {each.keyword: str(each.value) for each in group.iterall() if each.keyword in TELLING}
    return tuple(own.get(word) or header.text(frame, word) for word in TELLING)


def _holder(frame, keyword: str):
    """Where an attribute stands: in the functional group of the frame, if there is one for it."""
    return luts.group(frame, GROUPS[keyword]) if keyword in GROUPS else frame
