"""What one pixel measures in the patient (PS3.3 10.7), and pixels that are not square made so."""

from __future__ import annotations

import math

import cv2
import numpy as np

from radzoo.errors import BadInput
from radzoo.images.dicom import luts
from radzoo.images.dicom.header import number

CROSS_SECTIONAL = ("CT", "MR", "PT", "NM")  # PixelSpacing is measured in the patient, by construction
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # its multi-frame variants go on after a dot
DETECTOR = {"ImagerPixelSpacing": "at the detector", "NominalScannedPixelSpacing": "on the film"}
ROUNDING = 0.005  # spacings this near to each other, relatively, are the same one written with fewer digits
SQUARE = 0.001  # as are pixels that are square to this part
MOST_ENLARGED = 10  # times; a small focus close to the patient reaches 2
LONGEST = 20  # times as long as wide; no scanner makes such pixels
MOST_PIXELS = 2**27  # of an image made square

Pair = tuple[float, float]


def spacing(dataset, modality: str | None) -> tuple[Pair | None, str]:
    """The distance of pixel centres in the patient, where the header knows it.

    A projection enlarges: the spacing at its detector, or of its film, is no spacing in the patient.

    Returns:
        `(y, x)` in mm or None, and where it comes from, or why it is None.
    """
    if modality == "US":
        found, source = _ultrasound(dataset)
    else:
        found, source = _calibrated(dataset, modality)
    broken = [keyword for keyword in ("PixelSpacing", *DETECTOR, "PixelAspectRatio") if _is_broken(dataset, keyword)]
    return found, "; ".join([source, *(f"{keyword} is not two positive numbers: ignored" for keyword in broken)])


def square(values: np.ndarray, dataset, spacing_mm: Pair | None) -> tuple[np.ndarray, Pair | None, tuple[str, ...]]:
    """Makes pixels square by enlarging the axis on which they lie further apart, bilinearly.

    Args:
        values: float32 `(h, w)` or `(h, w, 3)`.
        spacing_mm: `(y, x)`, as `spacing` found it.
    Returns:
        The image, its spacing, and the step; all as they were where pixels are square or the header does not say.
    Raises:
        BadInput: pixels of an absurd shape.
    """
    shape = spacing_mm or _shape(dataset)
    if shape is None:
        return values, spacing_mm, ()
    (y, x), ratio = shape, max(shape) / min(shape)
    if ratio <= 1 + SQUARE:
        return values, spacing_mm, ()
    height, width = values.shape[:2]
    if ratio > LONGEST or ratio * height * width > MOST_PIXELS:
        raise BadInput("the header's pixels are absurdly long or wide: correct its spacing, or leave this image out")
    height, width = (round(height * ratio), width) if y > x else (height, round(width * ratio))
    values = cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
    return values, spacing_mm and (min(shape),) * 2, (f"square pixels {y:g} x {x:g}",)


def _calibrated(dataset, modality: str | None) -> tuple[Pair | None, str]:
    measures = luts.group(dataset, "PixelMeasuresSequence")  # always in the patient, PS3.3 C.7.6.16.2.1
    pixel = _pair(measures, "PixelSpacing")
    detector, where = next(((found, keyword) for keyword in DETECTOR if (found := _pair(dataset, keyword))), (None, ""))
    kind = str(dataset.get("PixelSpacingCalibrationType") or "")
    if pixel and kind in ("GEOMETRY", "FIDUCIAL"):
        return pixel, f"PixelSpacing, calibrated ({kind})"
    if pixel and detector and not _same(pixel, detector):
        return pixel, f"PixelSpacing, calibrated (differs from {where})"
    captured = f"{dataset.get('SOPClassUID')}.".startswith(f"{SECONDARY_CAPTURE}.")
    if pixel and not captured and (modality in CROSS_SECTIONAL or measures is not dataset):
        return pixel, "PixelSpacing"
    if where == "ImagerPixelSpacing":
        factor = _number(dataset, "EstimatedRadiographicMagnificationFactor")
        if 1 <= factor <= MOST_ENLARGED:
            return tuple(side / factor for side in detector), f"{where} / EstimatedRadiographicMagnificationFactor"
    if detector:
        return None, f"{where} is {DETECTOR[where]}: uncalibrated"
    return None, "PixelSpacing may be at the detector: uncalibrated" if pixel else "no PixelSpacing"


def _ultrasound(dataset) -> tuple[Pair | None, str]:
    """The spacing of the one region, if it is a picture in cm (PS3.3 C.8.5.5) and covers the whole image."""
    regions = luts.items(dataset, "SequenceOfUltrasoundRegions")
    if len(regions) != 1:
        return None, f"{len(regions)} ultrasound regions, expected one" if regions else "no ultrasound region"
    region = regions[0]
    units = [_number(region, f"PhysicalUnits{axis}Direction") for axis in "XY"]
    sides = [abs(_number(region, f"PhysicalDelta{axis}")) for axis in "YX"]
    if _number(region, "RegionSpatialFormat") != 1 or units != [3, 3] or not all(0 < side < 100 for side in sides):
        return None, "the ultrasound region is no picture in cm"
    left, top, right, bottom = (
        _number(region, f"RegionLocation{edge}") for edge in ("MinX0", "MinY0", "MaxX1", "MaxY1")
    )
    if left > 0 or top > 0 or right < dataset.Columns - 1 or bottom < dataset.Rows - 1:
        return None, "the ultrasound region is a part of the image"
    return tuple(10 * side for side in sides), "ultrasound region"


def _shape(dataset) -> Pair | None:
    """The sides `(y, x)` of a pixel in any unit. PixelAspectRatio counts last: it is for images without a spacing."""
    measures = luts.group(dataset, "PixelMeasuresSequence")
    return (
        _pair(measures, "PixelSpacing")
        or next((found for keyword in DETECTOR if (found := _pair(dataset, keyword))), None)
        or _pair(dataset, "PixelAspectRatio")
    )


def _number(dataset, keyword: str) -> float:
    """A number, 0 where it is missing or none: a strange spacing does not make an image unreadable."""
    try:
        return number(dataset, keyword, 0.0)
    except BadInput:
        return 0.0


def _pair(dataset, keyword: str) -> Pair | None:
    """Two positive numbers, vertical first; None where the attribute is absent or anything else."""
    try:
        value = dataset.get(keyword)
        y, x = (float(side) for side in value)
    except Exception:  # no sequence, no numbers, or what pydicom raises on access
        return None
    return (y, x) if all(math.isfinite(side) and side > 0 for side in (y, x)) else None


def _is_broken(dataset, keyword: str) -> bool:
    holder = luts.group(dataset, "PixelMeasuresSequence") if keyword == "PixelSpacing" else dataset
    empty = keyword not in holder or holder.get_item(keyword).value in (None, "", b"")
    return not empty and _pair(holder, keyword) is None


def _same(one: Pair, other: Pair) -> bool:
    return all(math.isclose(a, b, rel_tol=ROUNDING) for a, b in zip(one, other, strict=True))
