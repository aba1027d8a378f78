"""How values in units of the modality become the 16 bits of DICOM pixels, and which of these are padding."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from radzoo.images.dicom import chain, luts
from radzoo.images.dicom.header import number

MOST = 65000  # steps between the least and the greatest value, where the source's own levels do not do
PADDING = -32768


class Levels(NamedTuple):
    """A rescale and its 16 bits.

    Attributes:
        padding: the least and the greatest level that is padding; None for none.
    """

    slope: float
    intercept: float
    signed: bool
    padding: tuple[int, int] | None

    @property
    def dtype(self) -> str:
        return "<i2" if self.signed else "<u2"

    def stored(self, values: np.ndarray) -> np.ndarray:
        """The nearest level of each value, float64; those of `holds` fit the 16 bits."""
        return np.rint((values.astype("float64") - self.intercept) / self.slope)

    def holds(self, values: np.ndarray) -> bool:
        """Whether all values have a level, and none of them is padding."""
        levels, limits = self.stored(values), np.iinfo(self.dtype)
        if levels.min() < limits.min or levels.max() > limits.max:
            return False
        return self.padding is None or not ((levels >= self.padding[0]) & (levels <= self.padding[1])).any()


def chosen(planes: np.ndarray, headers: list) -> tuple[list[Levels], bool]:
    """The levels of each plane: its source's own, or where those do not hold all values, new ones for the series.

    New levels are signed, of the finest slope of the source and with the intercept 0 where that is enough.

    Args:
        planes: `(n, h, w)` in units of the modality.
        headers: of the frame that each plane was; call it within `header.quiet`.
    Returns:
        The levels, and whether they are new.
    """
    own = [_own(each) for each in headers]
    if all(levels and levels.holds(plane) for levels, plane in zip(own, planes, strict=True)):
        return own, False
    low, high = float(planes.min()), float(planes.max())
    slope = min((abs(levels.slope) for levels in own if levels), default=1.0)
    slope = float(f"{max(slope, (high - low) / MOST):.6g}")  # as a decimal string, which has 16 characters
    middle = 0.0 if max(abs(low), abs(high)) < MOST / 2 * slope else float(f"{(low + high) / 2:.6g}")
    there = any(padding(each) for each in headers)
    return [Levels(slope, middle, True, (PADDING, PADDING) if there else None)] * len(planes), True


def padding(frame) -> tuple[int, int] | None:
    """The stored values of a frame that are padding."""
    return chain.padding_ends(frame, _signed(frame))


def _own(frame) -> Levels | None:
    """The levels of a frame; None where it has a lookup table, or more than 16 bits."""
    holder = luts.group(frame, "PixelValueTransformationSequence")
    if luts.items(frame, "ModalityLUTSequence") or number(frame, "BitsAllocated", 0) > 16:
        return None
    slope, intercept = number(holder, "RescaleSlope", 1.0), number(holder, "RescaleIntercept", 0.0)
    return Levels(slope, intercept, _signed(frame), padding(frame))


def _signed(frame) -> bool:
    return number(frame, "PixelRepresentation", 0) == 1
