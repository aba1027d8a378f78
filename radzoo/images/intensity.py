"""What pixel values mean: from units of the modality to 0..1."""

from __future__ import annotations

import numpy as np

from radzoo.errors import BadInput


def ends(window: tuple[float, float]) -> tuple[np.float32, np.float32]:
    """The values that `(center, width)` makes 0 and 1 of, as LINEAR counts levels."""
    center, width = window
    return np.float32(center - width / 2), np.float32(center + width / 2 - 1)


def window(values: np.ndarray, center: float, width: float, function: str = "LINEAR") -> np.ndarray:
    """Maps values around `center` to 0..1 as DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3 define it.

    LINEAR is the default of the standard and counts grey levels: its window has `width` levels, so it is half a
    level to the left and one level narrower than LINEAR_EXACT.

    Args:
        values: any shape, in the units of `center` and `width` (HU for CT).
        function: `"LINEAR"`, `"LINEAR_EXACT"` or `"SIGMOID"` (the values of VOILUTFunction).
    Returns:
        float32 of the same shape.
    Raises:
        BadInput: a width that the function does not allow, or an unknown function.
    """
    if width <= 0 or (function == "LINEAR" and width < 1):
        least = "at least 1" if function == "LINEAR" else "above 0"
        raise BadInput(f"window width {width:g}, expected {least}: give another window, or 'percentile'")
    values = np.asarray(values, "float64")
    if function == "SIGMOID":
        with np.errstate(over="ignore"):  # of tiny widths: infinite, and clipped
            exponent = np.clip(-4 * ((values - center) / width), -700, 700)  # exp(709) is the last float64
        return (1 / (1 + np.exp(exponent))).astype("float32")
    if function == "LINEAR_EXACT":
        with np.errstate(over="ignore"):
            return ((values - center) / width + 0.5).clip(0, 1).astype("float32")
    if function != "LINEAR":
        raise BadInput("an unknown VOI LUT function, expected LINEAR, LINEAR_EXACT or SIGMOID: give 'percentile'")
    if width == 1:  # a threshold
        return (values > center - 0.5).astype("float32")
    return ((values - (center - 0.5)) / (width - 1) + 0.5).clip(0, 1).astype("float32")


def percentile(values: np.ndarray, low: float = 1, high: float = 99, mask: np.ndarray | None = None) -> np.ndarray:
    """Stretches the range between two percentiles to 0..1; 0 and 100 are the full range.

    Args:
        values: any shape; colours of an image are stretched together.
        mask: the pixels that count (padding does not); None for all.
    Returns:
        float32 of the same shape.
    Raises:
        BadInput: no range to stretch.
    """
    values = np.asarray(values, "float64")
    counted = values if mask is None else values[mask]
    if not counted.size:
        raise BadInput("all pixels are padding: leave this image out")
    start, end = np.percentile(counted, (low, high))
    if start == end:
        if counted.min() == counted.max():
            raise BadInput("all pixels are equal: leave this image out")
        raise BadInput(f"percentiles {low:g} and {high:g} of the pixels are equal: give window 'header' or numbers")
    return ((values - start) / (end - start)).clip(0, 1).astype("float32")


def without_units(values: np.ndarray, choice) -> tuple[np.ndarray, tuple[str, ...]]:
    """Applies a window choice to an image in 0..1 whose file knows no units: colours, photographs, arrays.

    Returns:
        The image and the steps that were applied.
    """
    if choice == "header":
        return values, ()
    if choice == "percentile":
        return percentile(values), ("percentile 1 99",)
    raise BadInput("this image has no units, so a window in numbers means nothing: give 'header' or 'percentile'")
