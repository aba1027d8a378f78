"""Where rays run: x to the right, y up, in mm from the middle of the slice, which is where the gantry turns.

A parallel ray of angle θ and place s is the line x cos θ + y sin θ = s, as in scikit-image's `radon` and in Kak and
Slaney (Principles of Computerized Tomographic Imaging, 1988, chapter 3). The ray of a fan at the source angle β and at
the fan angle γ is the parallel one of θ = β + γ and s = R sin γ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from radzoo.errors import BadInput

VIEWS = 720  # over the half circle, unless someone says otherwise: enough for 512 pixels
DETECTORS = ("equiangular", "flat")


@dataclass(frozen=True, eq=False)
class Parallel:
    """Parallel beams.

    Attributes:
        angles: `(views,)` in radians, any set in any order.
        cells: of the detector.
        cell_mm: distance between them.
        axis: the cell on which the rotation axis falls, counted from 0, fractions allowed; None is the middle.
    """

    angles: np.ndarray
    cells: int
    cell_mm: float
    axis: float | None = None

    def __post_init__(self):
        object.__setattr__(self, "angles", _angles(self.angles))
        if self.cells < 2 or not (math.isfinite(self.cell_mm) and self.cell_mm > 0):
            raise BadInput(f"{self.cells} detector cells of {self.cell_mm:g} mm came, expected at least 2 above 0 mm")
        if self.axis is not None and not 0 <= self.axis <= self.cells - 1:
            raise BadInput(f"rotation axis on cell {self.axis:g}, expected 0 to {self.cells - 1}: look at its estimate")

    @property
    def middle(self) -> float:
        """The cell on which the rotation axis falls."""
        return (self.cells - 1) / 2 if self.axis is None else float(self.axis)

    @property
    def places(self) -> np.ndarray:
        """s of every cell in mm, `(cells,)`."""
        return (np.arange(self.cells) - self.middle) * self.cell_mm


@dataclass(frozen=True, eq=False)
class Fan:
    """A fan beam whose source runs the full circle; the middle of the detector faces the rotation axis.

    Attributes:
        angles: `(views,)` of the source in radians, equal steps over the full circle.
        cells: of the detector.
        cell: distance between them: radians of an equiangular detector; mm at the rotation axis of a flat one.
        source_mm: from the source to the rotation axis.
        detector: `equiangular` or `flat`.
    """

    angles: np.ndarray
    cells: int
    cell: float
    source_mm: float
    detector: str = "equiangular"

    def __post_init__(self):
        object.__setattr__(self, "angles", _angles(self.angles))
        if self.detector not in DETECTORS:
            raise BadInput(f"detector {self.detector!r} came, expected one of {', '.join(DETECTORS)}")
        if self.cells < 2 or not (self.cell > 0 and self.source_mm > 0 and math.isfinite(self.source_mm)):
            raise BadInput(f"{self.cells} cells of {self.cell:g} at {self.source_mm:g} mm: expected 2 or more, above 0")
        steps = np.diff(self.angles)
        if len(steps) < 2 or not np.allclose(steps, 2 * np.pi / len(self.angles), rtol=1e-3):
            raise BadInput("views of a fan beam came that are no equal steps over the full circle: give such angles")
        if self.gammas[-1] >= np.pi / 2:
            raise BadInput("a fan of half a circle or more came, expected less than 90 degrees to each side")

    @property
    def gammas(self) -> np.ndarray:
        """The fan angle of every cell in radians, `(cells,)`."""
        places = (np.arange(self.cells) - (self.cells - 1) / 2) * self.cell
        return places if self.detector == "equiangular" else np.arctan(places / self.source_mm)


def standard(shape: tuple[int, int], pixel_mm: float, views: int = VIEWS) -> Parallel:
    """Parallel views over the half circle that see every corner of a slice `(h, w)`, a cell as wide as a pixel."""
    if views < 2:
        raise BadInput(f"{views} views came, expected at least 2")
    return Parallel(np.arange(views) * np.pi / views, math.ceil(math.hypot(*shape)) + 2, pixel_mm)


def _angles(angles) -> np.ndarray:
    angles = np.asarray(angles, "float64")
    if angles.ndim != 1 or not angles.size or not np.isfinite(angles).all():
        raise BadInput(f"angles of shape {angles.shape} came, expected at least one number in radians per view")
    return angles
