"""What a derived DICOM object says of itself: what it was made of, how, by whom, and that it is for research.

The codes are those of PS3.16, CID 7005, 7202, 7203 and 7210. None of CID 7203 means a neural network; smoothing is the
nearest, and `DerivationDescription` says what it was.
"""

from __future__ import annotations

import datetime
from typing import NamedTuple

import pydicom
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from radzoo import __version__
from radzoo.images.dicom.header import number, text

LONGEST = 64  # characters of a text (LO)
SERIES_NUMBER = 5000  # behind those of the scanner
OF_OTHER_PIXELS = (
    "SmallestImagePixelValue", "LargestImagePixelValue", "SmallestPixelValueInSeries", "LargestPixelValueInSeries",
    "HistogramSequence", "IconImageSequence", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
    "DigitalSignaturesSequence", "MACParametersSequence",
)  # fmt: skip
FRAME_TYPES = ("CTImageFrameTypeSequence", "MRImageFrameTypeSequence")
OVERLAYS = range(0x6000, 0x6020, 2)


class Deed(NamedTuple):
    """What was done to a series.

    Attributes:
        run: the name of the run whose model did it.
        series: the identifier of the new series.
    """

    run: str
    series: str

    @property
    def maker(self) -> str:
        """ASCII, since what other characters mean is up to the header of the source."""
        return "".join(each if each.isascii() and each.isprintable() and each != "\\" else "?" for each in
                       f"radzoo {self.run}".strip())[:LONGEST]  # fmt: skip

    @property
    def description(self) -> str:
        return f"Restored by a neural network ({self.maker}, version {__version__}): for research, not for diagnosis"


def describe(data: pydicom.Dataset, deed: Deed) -> None:
    """Turns the header of a source into that of its derived object; call it within `header.quiet`."""
    source, from_series = _reference(data), pydicom.Dataset()
    from_series.StudyInstanceUID, from_series.SeriesInstanceUID = data.StudyInstanceUID, data.SeriesInstanceUID
    from_series.PurposeOfReferenceCodeSequence = _coded(codes.DCM.SourceSeriesForImageProcessingOperation)
    _leave_out(data)
    if "PerFrameFunctionalGroupsSequence" in data:
        _describe_frames(data, deed, source)
    else:
        kind = list(data.get("ImageType") or ())[2:3] or (["AXIAL"] if data.Modality == "CT" else ["OTHER"])
        data.ImageType = ["DERIVED", "SECONDARY", *kind]
        _derived(data, deed, source)
    data.RelatedSeriesSequence = [from_series]
    data.ContributingEquipmentSequence = [*data.get("ContributingEquipmentSequence", ()), _equipment(deed)]
    data.ContentQualification = "RESEARCH"
    _name(data, deed)


def _name(data: pydicom.Dataset, deed: Deed) -> None:
    """New identifiers, times, and a title."""
    data.SeriesInstanceUID, data.SOPInstanceUID = deed.series, generate_uid()
    data.SeriesNumber = int(number(data, "SeriesNumber", 0)) + SERIES_NUMBER
    end = " restored by radzoo"
    data.SeriesDescription = (text(data, "SeriesDescription")[: LONGEST - len(end)] + end).strip()
    now = datetime.datetime.now()
    for what in ("InstanceCreation", "Series", "Content"):
        setattr(data, f"{what}Date", now.strftime("%Y%m%d"))
        setattr(data, f"{what}Time", now.strftime("%H%M%S"))


def _describe_frames(data: pydicom.Dataset, deed: Deed, source: pydicom.Dataset) -> None:
    """The same for each frame of an enhanced object, in its functional groups (PS3.3 C.7.6.16.2.6, C.8.16.1)."""
    evidence, series = pydicom.Dataset(), pydicom.Dataset()
    series.SeriesInstanceUID, series.ReferencedSOPSequence = data.SeriesInstanceUID, [_reference(data, False)]
    evidence.StudyInstanceUID, evidence.ReferencedSeriesSequence = data.StudyInstanceUID, [series]
    data.SourceImageEvidenceSequence = [evidence]
    frames, shared = data.PerFrameFunctionalGroupsSequence, list(data.get("SharedFunctionalGroupsSequence", ()))
    types = [each for group in (*frames, *shared) for name in FRAME_TYPES for each in group.get(name, ())]
    for holder, word in ((data, "ImageType"), *((each, "FrameType") for each in types)):
        kind = list(holder.get(word) or ())[2:3] or ["VOLUME"]
        setattr(holder, word, ["DERIVED", "PRIMARY", *kind, "FILTERED"])
    for each in shared:  # a group is either shared or each frame's own
        if "DerivationImageSequence" in each:
            del each.DerivationImageSequence
    for place, group in enumerate(frames, 1):
        made, frame = pydicom.Dataset(), pydicom.Dataset()
        frame.update(source)
        frame.ReferencedFrameNumber = place
        _derived(made, deed, frame)
        group.DerivationImageSequence = [made]


def _derived(holder: pydicom.Dataset, deed: Deed, source: pydicom.Dataset) -> None:
    """What was done, behind what had been done before, and to which image."""
    before = text(holder, "DerivationDescription")
    holder.DerivationDescription = "; ".join(filter(None, (before, deed.description)))[-1024:]
    holder.DerivationCodeSequence = [*holder.get("DerivationCodeSequence", ()), *_coded(codes.DCM.Smoothing)]
    holder.SourceImageSequence = [source]


def _reference(data: pydicom.Dataset, purpose: bool = True) -> pydicom.Dataset:
    item = pydicom.Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
    if purpose:
        item.PurposeOfReferenceCodeSequence = _coded(codes.DCM.SourceImageForImageProcessingOperation)
        item.SpatialLocationsPreserved = "YES"
    return item


def _equipment(deed: Deed) -> pydicom.Dataset:
    item = pydicom.Dataset()
    item.PurposeOfReferenceCodeSequence = _coded(codes.DCM.ProcessingEquipment)
    item.Manufacturer, item.ManufacturerModelName, item.SoftwareVersions = "radzoo", deed.maker, __version__
    item.ContributionDescription = deed.description
    return item


def _leave_out(data: pydicom.Dataset) -> None:
    """What describes other pixels: private elements, extremes, signatures, overlays in bits that are cut off."""
    data.remove_private_tags()
    for keyword in OF_OTHER_PIXELS:
        if keyword in data:
            del data[keyword]
    for group in OVERLAYS:
        if (group, 0x3000) not in data:
            for tag in list(data.group_dataset(group).keys()):
                del data[tag]


def _coded(code) -> list[pydicom.Dataset]:
    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return [item]
