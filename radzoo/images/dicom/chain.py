"""The grey chain of one image: padding, modality LUT or rescale, VOI LUT or window, one inversion.

The order and the rules are those of PS3.3 C.7.5.1.1.2 (padding), C.11.1 (modality), C.11.2 (VOI), C.11.6 and
PS3.4 N.2 (presentation). Steps name what was applied, never the explanations that a header gives.
"""

from __future__ import annotations

import numpy as np
from pydicom.multival import MultiValue

from radzoo.errors import BadInput
from radzoo.images import intensity
from radzoo.images.dicom import luts
from radzoo.images.dicom.header import number

# X-ray angiography and fluoroscopy (and biplane, retired): their modality LUT leads back from the stored values to
# the intensity of the beam and is not part of display, PS3.3 C.8.7.1.1.2. DCMTK does the same.
BACKWARDS = tuple(f"1.2.840.10008.5.1.4.1.1.12.{last}" for last in (1, 2, 3))


def grey(dataset, stored: np.ndarray, modality: str | None, choice) -> tuple[np.ndarray, tuple[str, ...]]:
    """Stored values as they are meant to be seen, with black at 0.

    Args:
        dataset: `pydicom.Dataset` of a monochrome image, enhanced ones with one frame included.
        stored: `(h, w)`, integers with their sign or (float pixel data) floats.
        choice: `"header"`, `"percentile"`, `(center, width)`, or several of these; all but the first replace the VOI of
            the header.
    Returns:
        float32 `(h, w)` in 0..1, or `(h, w, windows)` for several, and the steps that were applied.
    Raises:
        BadInput: a header that makes no image, CT without a window, NaN.
    """
    padding = _padding(dataset, stored)
    counted = None if padding is None else ~padding
    inverted = _inverted(dataset)
    values, signed, steps = _modality(dataset, stored)
    values, step = _windowed(dataset, values, modality, choice, signed, counted)
    steps = (*steps, step)
    if inverted:
        values, steps = 1 - values, (*steps, "inverted")
    if padding is not None and padding.any():
        values[padding] = 0
        steps = (*steps, "padding black")
    return values, steps


def in_units(dataset, stored: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Stored values in units of the modality (HU in CT), as a plane of a volume.

    Args:
        dataset, stored: as for `grey`.
    Returns:
        `(h, w)`, padding at the least value of what the scanner saw, and the steps that were applied.
    Raises:
        BadInput: a header that makes no values, NaN.
    """
    padding = _padding(dataset, stored)
    values, _, steps = _modality(dataset, stored)
    if padding is None or not padding.any() or padding.all():
        return values, steps
    values = np.where(padding, values[~padding].min(), values)
    return values, (*steps, "padding at the least value")


def _padding(dataset, stored: np.ndarray) -> np.ndarray | None:
    """Where the scanner saw nothing: the stored values from PixelPaddingValue to PixelPaddingRangeLimit."""
    kind = {"f4": "Float", "f8": "DoubleFloat"}.get(stored.dtype.str[1:], "")
    ends = padding_ends(dataset, stored.dtype.kind == "i", kind)
    return None if ends is None else (stored >= ends[0]) & (stored <= ends[1])


def padding_ends(dataset, signed: bool, kind: str = "") -> tuple[float, float] | None:
    """The least and the greatest stored value that is padding; None where the header names none.

    Args:
        signed: whether the pixels are.
        kind: of floating-point pixels, as their keyword begins.
    """
    first = number(dataset, f"{kind}PixelPaddingValue", None)
    if first is None:
        return None
    last = number(dataset, f"{kind}PixelPaddingRangeLimit", first)
    if not kind:
        first, last = (_as_stored(dataset, end, signed) for end in (first, last))
    return min(first, last), max(first, last)


def _as_stored(dataset, value: float, signed: bool) -> int:
    """A padding value with the sign of the pixels: files write its 16 bits as SS or US, extended to 16 bits or not."""
    value, bits = int(value), int(number(dataset, "BitsStored", 16))
    if not signed:
        return value + 65536 if value < 0 else value
    if value > 32767:
        value -= 65536
    return value - 2**bits if 2 ** (bits - 1) <= value < 2**bits else value


def _modality(dataset, stored: np.ndarray) -> tuple[np.ndarray, bool, tuple[str, ...]]:
    """Modality LUT *or* rescale: values in units of the modality, whether they could be negative, the step."""
    low, high = _range(dataset, stored)
    holder = luts.group(dataset, "PixelValueTransformationSequence")
    tables = luts.items(dataset, "ModalityLUTSequence")
    slope, intercept = number(holder, "RescaleSlope", 1.0), number(holder, "RescaleIntercept", 0.0)
    if dataset.get("SOPClassUID") in BACKWARDS:
        there = tables or (slope, intercept) != (1, 0)
        return stored, low < 0, ("modality LUT not for display",) if there else ()
    if tables:
        table = luts.table(tables[0], low < 0, "ModalityLUTSequence")
        return luts.look_up(stored, table), False, ("modality LUT",)
    if slope == 0:
        raise BadInput("RescaleSlope is 0: export the image again")
    if (slope, intercept) == (1, 0):
        return stored, low < 0, ()
    scaled = (low * slope, high * slope)
    ends = [each + intercept for each in scaled]
    whole = stored.dtype.kind in "iu" and slope % 1 == intercept % 1 == 0
    if whole and max(map(abs, (*scaled, *ends))) < 2**31:
        values = stored.astype("int32")  # whole numbers stay whole: the same values in a third of the time
        values *= int(slope)
        values += int(intercept)
        return values, min(ends) < 0, ("rescale",)
    with np.errstate(over="ignore", invalid="ignore"):
        values = stored * slope + intercept
    if not np.isfinite(values).all():
        raise BadInput("RescaleSlope and RescaleIntercept make values beyond all numbers: export the image again")
    return values, min(ends) < 0, ("rescale",)


def _range(dataset, stored: np.ndarray) -> tuple[float, float]:
    """The least and the greatest value that could be stored."""
    if stored.dtype.kind == "f":
        if not np.isfinite(stored).all():
            raise BadInput("the image holds NaN or infinite values: repair or leave out this image")
        return float(stored.min()), float(stored.max())
    bits = int(number(dataset, "BitsStored", 8 * stored.itemsize))
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if stored.dtype.kind == "i" else (0, 2**bits - 1)


def _windowed(dataset, values, modality, choice, signed, counted) -> tuple[np.ndarray, str]:
    if choice == "percentile":
        return intensity.percentile(values, mask=counted), "percentile 1 99"
    if choice != "header" and isinstance(choice[0], tuple):  # several windows, one channel each
        shown = [intensity.window(values, *pair) for pair in choice]
        return np.stack(shown, axis=-1), f"windows {', '.join(f'{center:g} {width:g}' for center, width in choice)}"
    if choice != "header":
        center, width = choice
        return intensity.window(values, center, width), f"window {center:g} {width:g}"
    if modality == "CT":
        raise BadInput(
            "CT needs a window that fits the question, that of its header is not used: "
            "give center and width, such as --window 40 400"
        )
    return _voi(dataset, values, signed, counted)


def _voi(dataset, values, signed: bool, counted) -> tuple[np.ndarray, str]:
    """The VOI of the header: its LUT before its window, the first where it has several; else the full range."""
    holder = luts.group(dataset, "FrameVOILUTSequence")
    tables = luts.items(holder, "VOILUTSequence")
    if tables:
        table = luts.table(tables[0], signed, "VOILUTSequence")
        return luts.look_up(values, table) / np.float32(2**table.bits - 1), "VOI LUT" + _first_of(len(tables))
    center, width = number(holder, "WindowCenter", None), number(holder, "WindowWidth", None)
    if center is None and width is None:
        shown = values if counted is None else values[counted]
        step = f"full range {shown.min():g} {shown.max():g}" if shown.size else ""
        return intensity.percentile(values, 0, 100, mask=counted), step
    if center is None or width is None:
        raise BadInput("has only one of WindowCenter and WindowWidth: give a window in numbers, or 'percentile'")
    function = str(holder.get("VOILUTFunction") or "LINEAR").strip().upper()
    values = intensity.window(values, center, width, function)
    named = "" if function == "LINEAR" else f" {function}"
    return values, f"window {center:g} {width:g}{named}" + _first_of(_count(holder.WindowCenter))


def _inverted(dataset) -> bool:
    """Whether the least value is white. MONOCHROME1 and INVERSE say the same, once."""
    if luts.items(dataset, "PresentationLUTSequence"):
        raise BadInput("holds a Presentation LUT, which is for printers and is not read: export a plain image")
    shape = str(dataset.get("PresentationLUTShape") or "IDENTITY").strip().upper()
    if shape not in ("IDENTITY", "INVERSE"):
        raise BadInput("PresentationLUTShape is not IDENTITY or INVERSE: export a plain image")
    return dataset.PhotometricInterpretation == "MONOCHROME1" or shape == "INVERSE"


def _count(value) -> int:
    return len(value) if isinstance(value, MultiValue) else 1


def _first_of(count: int) -> str:
    return f" (1 of {count})" if count > 1 else ""
