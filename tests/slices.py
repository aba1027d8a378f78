"""DICOM series and enhanced objects for tests, with chosen geometry and nothing of a patient."""

from __future__ import annotations

import numpy as np
import pydicom
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT, ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1"
ROW, COLUMN = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


def plane(stored, position, row=ROW, column=COLUMN, spacing=(1.0, 1.0), series="a", **changes) -> pydicom.FileDataset:
    """One CT image; `changes` are attributes, None removes one."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CT
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[series, str(position), str(changes)])
    data = pydicom.FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = CT, meta.MediaStorageSOPInstanceUID
    data.SeriesInstanceUID = generate_uid(entropy_srcs=[series])
    data.FrameOfReferenceUID, data.Modality = generate_uid(entropy_srcs=["frame"]), "CT"
    data.ImagePositionPatient, data.ImageOrientationPatient = list(map(float, position)), [*row, *column]
    data.PixelSpacing, data.SamplesPerPixel, data.PhotometricInterpretation = list(spacing), 1, "MONOCHROME2"
    data.RescaleSlope, data.RescaleIntercept = 1, -1024
    stored = np.asarray(stored, "uint16")
    data.Rows, data.Columns = stored.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
    data.PixelData = stored.tobytes()
    for name, value in changes.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    return data


def write(folder, planes) -> list[str]:
    """The planes as files whose names tell nothing of their order."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for number, data in enumerate(planes):
        names.append(str(folder / f"{(number * 7) % 101:03d}.dcm"))
        data.save_as(names[-1])
    return names


def even(count=6, shape=(5, 7), step=2.0, seed=0, **changes) -> list[pydicom.FileDataset]:
    """Axial planes, first the one nearest to the head."""
    rng = np.random.default_rng(seed)
    return [plane(rng.integers(0, 3000, shape), (-10, -20, 50 - step * number), **changes) for number in range(count)]


def enhanced(planes) -> pydicom.FileDataset:
    """The planes as frames of one object, each with its own place and rescale."""
    data = plane(np.zeros((2, 2)), (0, 0, 0), ImagePositionPatient=None, ImageOrientationPatient=None)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = ENHANCED_CT
    data.SeriesInstanceUID = planes[0].SeriesInstanceUID
    del data.PixelSpacing, data.RescaleSlope, data.RescaleIntercept
    shared, groups = pydicom.Dataset(), []
    measures = pydicom.Dataset()
    measures.PixelSpacing = planes[0].PixelSpacing
    shared.PixelMeasuresSequence = [measures]
    for one in planes:
        group, place, turn, units = (pydicom.Dataset() for _ in range(4))
        place.ImagePositionPatient, turn.ImageOrientationPatient = one.ImagePositionPatient, one.ImageOrientationPatient
        units.RescaleSlope, units.RescaleIntercept = one.RescaleSlope, one.RescaleIntercept
        units.RescaleType = "HU"
        group.PlanePositionSequence, group.PlaneOrientationSequence = [place], [turn]
        group.PixelValueTransformationSequence = [units]
        groups.append(group)
    data.SharedFunctionalGroupsSequence, data.PerFrameFunctionalGroupsSequence = [shared], groups
    data.NumberOfFrames, data.Rows, data.Columns = len(planes), planes[0].Rows, planes[0].Columns
    data.PixelData = b"".join(one.PixelData for one in planes)
    return data
