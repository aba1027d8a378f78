"""One DICOM image: stored values, rescale, window, inversion, in the order of PS3.3 and PS3.4.

Read today: uncompressed single images, MONOCHROME1, MONOCHROME2 and RGB. What would change pixels and is not
understood is refused, never skipped. Messages name attributes, not their values: headers hold the patient's data.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import warnings
from contextlib import contextmanager

import numpy as np
import pydicom
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from radzoo.errors import BadInput
from radzoo.images import intensity
from radzoo.images.pixels import Pixels

CROSS_SECTIONAL = ("CT", "MR", "PT", "NM")  # PixelSpacing is measured in the patient, by construction
REFUSED = {
    "ModalityLUTSequence": "a Modality LUT",
    "PresentationLUTSequence": "a Presentation LUT",
    "SharedFunctionalGroupsSequence": "functional groups (an enhanced multi-frame object)",
}
_quiet_lock = threading.Lock()  # the filters of `warnings` belong to the whole process


def read(path: str | os.PathLike, window="header") -> Pixels:
    """A DICOM file as `Pixels`.

    Args:
        window: `"header"` (the first window of the header, or the full range where it has none), `"percentile"`, or
            `(center, width)` in units of the modality. CT has no window of its own: it must be given.
    Raises:
        BadInput: damaged files, and what is not read yet.
    """
    with _quiet():
        dataset = _parse(path)
        _check(dataset)
        modality = str(dataset.get("Modality") or "") or None
        try:
            stored = dataset.pixel_array
        except Exception as error:  # pydicom's decoders raise what they like, with header values in the text
            raise BadInput(f"the pixel data cannot be decoded ({type(error).__name__}): export it again") from None
        if dataset.PhotometricInterpretation == "RGB":
            values, steps = intensity.without_units(stored.astype("float32") / np.float32(255), window)
            steps = ("scale 1/255", *steps)
        else:
            values, steps = _grey(dataset, stored, modality, window)
        return Pixels(values, modality, _spacing_mm(dataset, modality), applied=steps)


def _grey(dataset, stored: np.ndarray, modality: str | None, choice) -> tuple[np.ndarray, tuple[str, ...]]:
    steps = []
    padding = _padding(dataset, stored)
    slope, intercept = _number(dataset, "RescaleSlope", 1.0), _number(dataset, "RescaleIntercept", 0.0)
    if slope == 0:
        raise BadInput("RescaleSlope is 0: export the image again")
    values = stored * slope + intercept
    if (slope, intercept) != (1, 0):
        steps.append("rescale")
    values, step = _windowed(dataset, values, modality, choice, None if padding is None else ~padding)
    steps.append(step)
    if dataset.PhotometricInterpretation == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE":
        values = 1 - values  # both say the same and mean one inversion
        steps.append("inverted")
    if padding is not None and padding.any():
        values[padding] = 0
        steps.append("padding black")
    return values, tuple(steps)


def _windowed(dataset, values, modality, choice, mask) -> tuple[np.ndarray, str]:
    if choice == "percentile":
        return intensity.percentile(values, mask=mask), "percentile 1 99"
    if choice != "header":
        center, width = choice
        return intensity.window(values, center, width), f"window {center:g} {width:g}"
    if modality == "CT":
        raise BadInput("CT needs a window that fits the question: give center and width, such as --window 40 400")
    if "VOILUTSequence" in dataset:
        raise BadInput("holds a VOI LUT, which is not read yet: give a window in numbers or 'percentile'")
    center, width = _number(dataset, "WindowCenter", None), _number(dataset, "WindowWidth", None)
    if center is None or width is None:
        shown = values if mask is None else values[mask]
        step = f"full range {shown.min():g} {shown.max():g}" if shown.size else ""
        return intensity.percentile(values, 0, 100, mask=mask), step
    function = str(dataset.get("VOILUTFunction") or "LINEAR")
    step = f"window {center:g} {width:g}" + ("" if function == "LINEAR" else f" {function}")
    return intensity.window(values, center, width, function), step


def _padding(dataset, stored: np.ndarray) -> np.ndarray | None:
    """Where the scanner saw nothing: the stored values from PixelPaddingValue to PixelPaddingRangeLimit."""
    first = _number(dataset, "PixelPaddingValue", None)
    if first is None:
        return None
    last = _number(dataset, "PixelPaddingRangeLimit", first)
    unused = 8 * stored.itemsize - int(dataset.BitsStored)  # the same bits are cut as from the pixels
    ends = np.array([int(first), int(last)]).astype(stored.dtype) << unused >> unused  # 63536 is -2000 if signed
    return (stored >= ends.min()) & (stored <= ends.max())


def _parse(path) -> pydicom.Dataset:
    try:
        dataset = pydicom.dcmread(path, force=True)
        pixels = dataset.get(0x7FE00010)  # PixelData, as an element
        syntax = dataset.file_meta.get("TransferSyntaxUID") if hasattr(dataset, "file_meta") else None
        if syntax is None:  # no preamble: pydicom has found the encoding by trial
            implicit, little = dataset.original_encoding
            syntax = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
            dataset.file_meta = pydicom.dataset.FileMetaDataset()
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else syntax
    except Exception as error:
        raise BadInput(f"the DICOM file is damaged or truncated ({type(error).__name__}): copy it again") from None
    if pixels is None:
        raise BadInput("the DICOM file holds no pixel data, or ends before it: give an image object")
    if syntax.is_private or not syntax.is_transfer_syntax:
        raise BadInput("the DICOM transfer syntax is unknown: export the image uncompressed")
    if syntax.is_encapsulated or pixels.is_undefined_length:
        raise BadInput(f"{syntax.name} is not read yet: decompress the file first, such as with gdcmconv --raw")
    return dataset


def _check(dataset) -> None:
    """Refuses what the chain does not do, before any memory is taken."""
    for keyword, what in REFUSED.items():
        if keyword in dataset:
            raise BadInput(f"holds {what}, which is not read yet: export a plain image")
    if _number(dataset, "NumberOfFrames", 1) != 1:
        raise BadInput("holds several frames, expected one image: export the frame you mean")
    photometric, samples = dataset.get("PhotometricInterpretation"), _number(dataset, "SamplesPerPixel", 1)
    if (photometric, samples) not in (("MONOCHROME1", 1), ("MONOCHROME2", 1), ("RGB", 3)):
        raise BadInput(
            "PhotometricInterpretation is not MONOCHROME1, MONOCHROME2 or RGB: export the image as one of these"
        )
    rows, columns = _number(dataset, "Rows", 0), _number(dataset, "Columns", 0)
    allocated, bits = _number(dataset, "BitsAllocated", 0), _number(dataset, "BitsStored", 0)
    if rows < 1 or columns < 1:
        raise BadInput("Rows or Columns is missing: export the image again")
    if allocated not in ((8,) if photometric == "RGB" else (8, 16, 32)) or not 1 <= bits <= allocated:
        raise BadInput("BitsAllocated and BitsStored make no image that is read yet: export it with 8 or 16 bits")
    if _number(dataset, "HighBit", bits - 1) != bits - 1:
        raise BadInput("HighBit is not BitsStored - 1 (a retired layout): export the image again")
    expected, found = int(rows * columns * samples * allocated) // 8, len(dataset.PixelData or b"")
    if found < expected:
        raise BadInput(f"the pixel data has {found} of {expected} bytes: the file is truncated, copy it again")


def _number(dataset, keyword: str, default: float | None) -> float | None:
    """The (first) value of a numeric attribute, or `default` where it is absent or empty."""
    try:
        value = dataset.get(keyword)
        if isinstance(value, pydicom.multival.MultiValue | list | tuple):
            value = value[0] if len(value) else None
        number = default if value is None or value == "" else float(value)
    except Exception:
        raise BadInput(f"{keyword} is not a number: export the image again") from None
    if number is not None and not math.isfinite(number):
        raise BadInput(f"{keyword} is not finite: export the image again")
    return number


def _spacing_mm(dataset, modality: str | None) -> tuple[float, float] | None:
    """Distance of pixel centres in the patient; None for projections that only know their detector."""
    try:
        spacing, detector = (
            tuple(float(number) for number in dataset.get(keyword) or ())
            for keyword in ("PixelSpacing", "ImagerPixelSpacing")
        )
    except (TypeError, ValueError):
        return None
    if len(spacing) != 2 or not all(math.isfinite(number) and number > 0 for number in spacing):
        return None
    calibrated = dataset.get("PixelSpacingCalibrationType") or (detector and detector != spacing)
    return spacing if modality in CROSS_SECTIONAL or calibrated else None


@contextmanager
def _quiet():
    """Silences pydicom: its warnings quote header values."""
    log = logging.getLogger("pydicom")
    with _quiet_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        level = log.level
        log.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            log.setLevel(level)
