"""What every reader of images returns."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pixels:
    """One decoded image, before it is fitted to a network.

    Attributes:
        values: float32 in 0..1, `(h, w)` grey with dense tissue bright, or `(h, w, 3)` RGB.
        modality: DICOM modality such as `"DX"`; None where the file does not say.
        spacing_mm: `(y, x)` distance of pixel centres in the patient, or None when unknown.
        applied: the steps from stored values to `values`, in order, such as `("rescale", "window 40 400", "inverted")`.
    """

    values: np.ndarray
    modality: str | None = None
    spacing_mm: tuple[float, float] | None = None
    applied: tuple[str, ...] = ()

    @property
    def photometric(self) -> str:
        return "RGB" if self.values.ndim == 3 else "MONOCHROME2"
