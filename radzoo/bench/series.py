"""Fabricated CT series in the encodings of hospitals, and pydicom's plain loop over their files."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pydicom
from pydicom import uid
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder
from pydicom.pixels.processing import apply_modality_lut

CT = "1.2.840.10008.5.1.4.1.1.2"
SYNTAXES = {
    "raw": uid.ExplicitVRLittleEndian,
    "RLE": uid.RLELossless,
    "JPEG 2000": uid.JPEG2000Lossless,
    "JPEG-LS": uid.JPEGLSLossless,
}
STEP, PIXEL = 1.0, 0.7  # mm


def write(folder: Path, encoding: str, planes: int, size: int) -> list[str]:
    """A phantom of an ellipse of soft tissue with a noisy inside, one file per plane; returns the files.

    Args:
        encoding: of `SYNTAXES`.
        size: rows and columns.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng, files = np.random.default_rng(0), []
    y, x = np.mgrid[:size, :size] / size - 0.5
    body = (x / 0.45) ** 2 + (y / 0.35) ** 2 < 1
    for place in range(planes):
        lungs = (abs(x) - 0.2) ** 2 / 0.02 + y**2 / 0.04 < 1 - place / planes
        stored = np.where(body, np.where(lungs, 174, 1064), 24) + rng.normal(0, 12, (size, size))
        files.append(str(folder / f"{place:04d}.dcm"))
        _plane(stored.clip(0, 4095).astype("uint16"), place, encoding).save_as(files[-1])
    return files


def _plane(stored: np.ndarray, place: int, encoding: str) -> pydicom.FileDataset:
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = SYNTAXES[encoding], CT
    meta.MediaStorageSOPInstanceUID = f"2.25.{place + 1}"
    data = pydicom.FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = CT, meta.MediaStorageSOPInstanceUID, "CT"
    data.SeriesInstanceUID, data.FrameOfReferenceUID = "2.25.1001", "2.25.1002"
    data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, place * STEP], [1, 0, 0, 0, 1, 0]
    data.PixelSpacing, data.SamplesPerPixel, data.PhotometricInterpretation = [PIXEL, PIXEL], 1, "MONOCHROME2"
    data.Rows, data.Columns = stored.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.RescaleSlope, data.RescaleIntercept = 1, -1024
    encoded = _encoded(stored, data, encoding)
    data.PixelData = encoded if encoding == "raw" else encapsulate([encoded + b"\0" * (len(encoded) % 2)])
    data["PixelData"].is_undefined_length = encoding != "raw"
    data["PixelData"].VR = "OW" if encoding == "raw" else "OB"
    return data


def _encoded(stored: np.ndarray, data: pydicom.Dataset, encoding: str) -> bytes:
    import imagecodecs

    if encoding == "raw":
        return stored.tobytes()
    if encoding == "RLE":
        words = {"rows": data.Rows, "columns": data.Columns, "samples_per_pixel": 1, "number_of_frames": 1}
        bits = {"bits_allocated": 16, "bits_stored": 12, "pixel_representation": 0}
        grey = {"photometric_interpretation": "MONOCHROME2"}
        return get_encoder(uid.RLELossless).encode(stored, **words, **bits, **grey)
    if encoding == "JPEG-LS":
        return imagecodecs.jpegls_encode(stored)
    return imagecodecs.jpeg2k_encode(stored, codecformat="j2k", level=0, reversible=True)


def plain_loop(files: list[str], threads: int) -> np.ndarray:
    """`(n, h, w)`: what one writes with pydicom alone, in the order of the files."""
    if threads == 1:
        return np.stack([_hu(file) for file in files])
    with ThreadPoolExecutor(threads) as pool:
        return np.stack(list(pool.map(_hu, files)))


def _hu(file: str) -> np.ndarray:
    data = pydicom.dcmread(file)
    return apply_modality_lut(data.pixel_array, data).astype("int16")


def in_folder(folder: str | os.PathLike) -> list[str]:
    """The files of a user's series, in the order of their names."""
    return sorted(entry.path for entry in os.scandir(folder) if entry.is_file() and not entry.name.startswith("."))
