"""Pictures and masks that are no DICOM: PNG in two dimensions, NIfTI in three."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np


@dataclass(frozen=True, eq=False)
class Plane:
    """A grey PNG.

    Attributes:
        values: uint8 or uint16 `(h, w)`.
    """

    suffix: ClassVar[str] = ".png"
    values: np.ndarray

    def save(self, path: Path, **identity) -> None:
        """Writes the file, which has no header that could say whose it is."""
        import cv2

        done, encoded = cv2.imencode(self.suffix, self.values)
        if not done:
            raise TypeError(f"{self.values.dtype} {self.values.shape} is no grey PNG")
        path.write_bytes(encoded.tobytes())


@dataclass(frozen=True, eq=False)
class Block:
    """A NIfTI volume around the origin.

    Attributes:
        values: int16 or uint8 `(z, y, x)`, to the head, the back and the left.
        spacing: mm, `(z, y, x)`.
    """

    suffix: ClassVar[str] = ".nii.gz"
    values: np.ndarray
    spacing: tuple[float, float, float]

    def save(self, path: Path, **identity) -> None:
        """Writes the file, which has no header that could say whose it is."""
        import nibabel

        affine = np.diag([-self.spacing[2], -self.spacing[1], self.spacing[0], 1.0])  # LPS, of which NIfTI writes RAS
        affine[:3, 3] = -affine[:3, :3] @ ((np.array(self.values.shape[::-1]) - 1) / 2)
        nibabel.save(nibabel.Nifti1Image(self.values.transpose(2, 1, 0), affine), path)


def stored(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rounded int16 within these bounds."""
    return np.rint(np.clip(values, low, high)).astype("int16")
