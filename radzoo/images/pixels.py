"""What every reader of images returns."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pixels:
    """One decoded image, before it is fitted to a network.

    Attributes:
        values: float32 in 0..1, `(h, w)` grey with dense tissue bright, `(h, w, 3)` RGB, or `(h, w, windows)` where
            several windows were asked for; pixels are square.
        modality: DICOM modality such as `"DX"`; None where the file does not say.
        spacing_mm: `(y, x)` distance of pixel centres in the patient, or None when unknown.
        spacing_source: where `spacing_mm` comes from, such as `"PixelSpacing, calibrated"`, or why it is None.
        applied: the steps from stored values to `values`, in order, such as `("rescale", "window 40 400", "inverted")`.
        burnt_in: why a picture of it may show text about a patient: `"BurnedInAnnotation is YES"`,
            `"BurnedInAnnotation is missing"`, `"secondary capture"`; None where the header rules it out, and where
            there is no header.
    """

    values: np.ndarray
    modality: str | None = None
    spacing_mm: tuple[float, float] | None = None
    spacing_source: str | None = None
    applied: tuple[str, ...] = ()
    burnt_in: str | None = None

    @property
    def photometric(self) -> str:
        return "RGB" if self.values.ndim == 3 else "MONOCHROME2"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.values.shape[:2]

    def content(self) -> bytes:
        """What the image shows, rounded to 16 bits: equal for files that decode to the same."""
        return np.round(self.values * 65535).astype("uint16").tobytes()
