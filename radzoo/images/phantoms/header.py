"""The DICOM header of a phantom: plain DX and CR, with nothing in it that could be taken for a patient."""

from __future__ import annotations

import hashlib

import numpy as np

from radzoo.images.phantoms.beam import MAGNIFICATION, SOURCE_DETECTOR, Scanner

FORMAT = 1  # of the images: one more whenever the same parameters give other pixels
STORAGE = {"DX": "1.2.840.10008.5.1.4.1.1.1.1", "CR": "1.2.840.10008.5.1.4.1.1.1"}


def dataset(values: np.ndarray, scanner: Scanner, *, patient: int, image: int, seed: int):
    """A DX or CR image as a pydicom `FileDataset`; identifiers follow from seed, patient and image, dates are empty.

    Args:
        values: float32 `(h, w)`, dense tissue bright, the display window being 0..1.
    """
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    def uid(*parts):
        return generate_uid(entropy_srcs=["radzoo phantom", str(FORMAT), str(seed), *map(str, parts)])

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = STORAGE[scanner.modality]
    meta.MediaStorageSOPInstanceUID = uid(patient, image, hashlib.sha256(values.tobytes()).hexdigest())
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = generate_uid(entropy_srcs=["radzoo"])
    meta.ImplementationVersionName = "RADZOO"
    data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID = uid(patient, image, "study"), uid(patient, image, "series")
    _describe(data, scanner, patient, image)
    _pixels(data, values, scanner)
    return data


def _describe(data, scanner: Scanner, patient: int, image: int) -> None:
    """Who (nobody), with what, how: the modules of patient, study, equipment and acquisition."""
    data.PatientName, data.PatientID = f"Phantom^No {patient:04d}", f"phantom-{patient:04d}"
    data.PatientBirthDate = data.PatientSex = ""
    data.QualityControlSubject = "YES"  # a phantom, in the words of DICOM
    data.StudyDate = data.StudyTime = data.AccessionNumber = data.ReferringPhysicianName = ""
    data.StudyID, data.SeriesNumber, data.InstanceNumber = str(image), 1, 1
    data.Modality, data.BodyPartExamined, data.ViewPosition = scanner.modality, "CHEST", "PA"
    data.PatientOrientation = ["L", "F"]
    data.Manufacturer, data.ManufacturerModelName = scanner.maker, scanner.name
    data.ImageType = ["DERIVED", "PRIMARY"]
    data.DerivationDescription = "Fabricated by radzoo: no patient, no exposure"
    data.BurnedInAnnotation = "NO"
    data.KVP, data.DistanceSourceToDetector = scanner.kvp, SOURCE_DETECTOR
    data.EstimatedRadiographicMagnificationFactor = round(MAGNIFICATION, 4)
    if scanner.modality == "DX":
        data.PresentationIntentType, data.ImageLaterality = "FOR PRESENTATION", "U"


def _pixels(data, values: np.ndarray, scanner: Scanner) -> None:
    """Stored numbers with head-room around the display window, which the header gives in rescaled units."""
    top = 2**scanner.bits - 1
    stored = np.clip(np.rint((values + 0.125) * (top * 0.8)), 0, top).astype("<u2")
    low, high = 0.1 * top, 0.9 * top
    if scanner.inverted:
        stored, low, high = top - stored, top - high, top - low
    data.PhotometricInterpretation = "MONOCHROME1" if scanner.inverted else "MONOCHROME2"
    data.PresentationLUTShape = "INVERSE" if scanner.inverted else "IDENTITY"
    data.Rows, data.Columns = stored.shape
    data.SamplesPerPixel, data.PixelRepresentation = 1, 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, scanner.bits, scanner.bits - 1
    data.RescaleSlope, data.RescaleIntercept, data.RescaleType = scanner.slope, 0, "US"
    data.WindowCenter = round((low + high) / 2 * scanner.slope, 3)
    data.WindowWidth = round((high - low) * scanner.slope, 3)
    data.VOILUTFunction = "LINEAR"
    data.PixelIntensityRelationship, data.PixelIntensityRelationshipSign = "LOG", -1 if scanner.inverted else 1
    pitch = scanner.field / stored.shape[0]
    data.ImagerPixelSpacing = [round(pitch, 5)] * 2
    data.PixelSpacing = [round(pitch / MAGNIFICATION, 5)] * 2  # in the middle of the patient
    data.PixelSpacingCalibrationType = "GEOMETRY"
    data.PixelSpacingCalibrationDescription = "source to detector 1800 mm, to the mid-coronal plane 1680 mm"
    data.PixelData = stored.tobytes()
