"""Slices, mammograms and hands as DICOM: CT in HU, MR, MG and DX in arbitrary units, nobody's data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

FORMAT = 1  # of every kind but the chest: one more whenever the same parameters give other pixels
STORAGE = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "MG": "1.2.840.10008.5.1.4.1.1.1.2",
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
}
BITS = 12
HU_OFFSET = -1024.0


@dataclass(frozen=True, eq=False)
class Picture:
    """One image before it is a file.

    Attributes:
        values: float32 `(h, w)`: HU for CT; else the display window is 0..1 and dense or bright tissue is high.
        spacing: of the pixels in mm; None where the image was enlarged and nobody kept by how much.
        tags: further attributes of the header, keyword by keyword.
    """

    suffix: ClassVar[str] = ".dcm"
    values: np.ndarray
    modality: str
    part: str
    scanner: str
    spacing: float | None
    tags: tuple[tuple[str, object], ...] = ()

    def save(self, path: Path, *, patient: int, image: object, seed: int) -> None:
        """Writes the file; its identifiers follow from seed, patient, image and pixels, its dates are empty."""
        dataset(self, patient, image, seed).save_as(path, enforce_file_format=True)


def dataset(picture: Picture, patient: int, image: object, seed: int):
    """The picture as a pydicom `FileDataset`."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    def uid(*parts):
        sources = ["radzoo phantom", picture.part, str(FORMAT), str(seed), str(patient), str(image), *parts]
        return generate_uid(entropy_srcs=sources)

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = STORAGE[picture.modality]
    meta.MediaStorageSOPInstanceUID = uid(hashlib.sha256(picture.values.tobytes()).hexdigest())
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = generate_uid(entropy_srcs=["radzoo"])
    meta.ImplementationVersionName = "RADZOO"
    data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID = uid("study"), uid("series")
    data.PatientName, data.PatientID = f"Phantom^No {patient:04d}", f"phantom-{patient:04d}"
    data.PatientBirthDate = data.PatientSex = ""
    data.QualityControlSubject = "YES"  # a phantom, in the words of DICOM
    data.StudyDate = data.StudyTime = data.AccessionNumber = data.ReferringPhysicianName = data.StudyID = ""
    data.SeriesNumber, data.InstanceNumber = 1, 1
    data.Modality, data.BodyPartExamined = picture.modality, picture.part
    data.Manufacturer, data.ManufacturerModelName = "Fata Morgana", picture.scanner
    data.ImageType = ["DERIVED", "PRIMARY", *(["AXIAL"] if picture.modality == "CT" else [])]
    data.DerivationDescription = "Fabricated by radzoo: no patient, no exposure"
    data.BurnedInAnnotation = "NO"
    for keyword, value in picture.tags:
        setattr(data, keyword, value)
    _pixels(data, picture)
    return data


def _pixels(data, picture: Picture) -> None:
    """Stored numbers: HU for CT, head-room around the display window for the others."""
    top = 2**BITS - 1
    if picture.modality == "CT":
        stored, slope, intercept, kind = picture.values - HU_OFFSET, 1, HU_OFFSET, "HU"
        data.WindowCenter, data.WindowWidth = 40, 400
    else:
        stored, slope, intercept, kind = (picture.values + 0.125) * (top * 0.8), 1, 0, "US"
        data.WindowCenter, data.WindowWidth = round(top * 0.5, 3), round(top * 0.8, 3)
    if picture.modality in ("MG", "DX"):
        data.PresentationIntentType, data.PresentationLUTShape = "FOR PRESENTATION", "IDENTITY"
    if picture.modality != "MR":
        data.RescaleSlope, data.RescaleIntercept, data.RescaleType = slope, intercept, kind
    stored = np.clip(np.rint(stored), 0, top).astype("<u2")
    data.PhotometricInterpretation = "MONOCHROME2"
    data.Rows, data.Columns = stored.shape
    data.SamplesPerPixel, data.PixelRepresentation = 1, 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, BITS, BITS - 1
    if picture.spacing is not None:
        keyword = "PixelSpacing" if picture.modality in ("CT", "MR") else "ImagerPixelSpacing"
        setattr(data, keyword, [round(picture.spacing, 5)] * 2)
    data.PixelData = stored.tobytes()
