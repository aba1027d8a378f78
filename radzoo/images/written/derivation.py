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
OVERLAYS = range(0x6000, 0x6020, 2)


class Deed(NamedTuple):
    """Attributes: the name of the run whose model restored; the identifier of the new series."""

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
    source = _reference(data)
    from_series = pydicom.Dataset()
    from_series.StudyInstanceUID, from_series.SeriesInstanceUID = data.StudyInstanceUID, data.SeriesInstanceUID
    from_series.PurposeOfReferenceCodeSequence = _coded(codes.DCM.SourceSeriesForImageProcessingOperation)
    _leave_out(data)
    enhanced = "PerFrameFunctionalGroupsSequence" in data
    if enhanced:
        _describe_frames(data, deed, source)
    kind = list(data.get("ImageType") or ())[2:3] or (["AXIAL"] if data.Modality == "CT" else ["OTHER"])
    data.ImageType = ["DERIVED", "PRIMARY", *kind, "FILTERED"] if enhanced else ["DERIVED", "SECONDARY", *kind]
    data.RelatedSeriesSequence = [from_series]
    data.SourceImageSequence = [source]
    before = text(data, "DerivationDescription")
    data.DerivationDescription = "; ".join(filter(None, (before, deed.description)))[-1024:]
    data.DerivationCodeSequence = [*data.get("DerivationCodeSequence", ()), *_coded(codes.DCM.Smoothing)]
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
    """The same for each frame of an enhanced object, in its functional groups."""
    evidence, series = pydicom.Dataset(), pydicom.Dataset()
    series.SeriesInstanceUID, series.ReferencedSOPSequence = data.SeriesInstanceUID, [_reference(data, False)]
    evidence.StudyInstanceUID, evidence.ReferencedSeriesSequence = data.StudyInstanceUID, [series]
    data.SourceImageEvidenceSequence = [evidence]
    groups = list(data.PerFrameFunctionalGroupsSequence)
    for shared in data.get("SharedFunctionalGroupsSequence", ()):
        if "DerivationImageSequence" in shared:
            del shared.DerivationImageSequence
        groups.append(shared)
    for group in groups:
        for keyword in ("CTImageFrameTypeSequence", "MRImageFrameTypeSequence"):
            for each in group.get(keyword, ()):
                each.FrameType = ["DERIVED", "PRIMARY", *list(each.get("FrameType") or ())[2:3], "FILTERED"]
    for place, group in enumerate(data.PerFrameFunctionalGroupsSequence, 1):
        made, frame = pydicom.Dataset(), pydicom.Dataset()
        frame.update(source)
        frame.ReferencedFrameNumber = place
        made.DerivationDescription, made.DerivationCodeSequence = deed.description, _coded(codes.DCM.Smoothing)
        made.SourceImageSequence = [frame]
        group.DerivationImageSequence = [made]


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
