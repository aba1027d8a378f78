"""A volume and its place in the patient.

One convention for all formats: voxels are `(z, y, x)`, the patient is LPS in millimetres as in DICOM (x grows to the
patient's left, y to the back, z to the head), and each axis of the array runs along the direction of the patient that
it is nearest to. Turning a volume so is a transposition with mirrored axes; nothing is resampled by it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.paths import Place

SKEW = 0.01  # cosine between two axes that are meant to be at right angles: half a degree
AXES = "zyx"


@dataclass(frozen=True, eq=False)
class Volume:
    """A grid of voxels in a patient.

    Attributes:
        values: `(z, y, x)`: HU in CT, relative intensities in MR, whole numbers in a mask.
        affine: float64 `(4, 4)`: voxel `(z, y, x, 1)` to the centre of that voxel `(x, y, z, 1)`, LPS, mm.
        modality: DICOM modality such as `"CT"`; None where the file does not say.
        applied: the steps from stored values to `values`, in order.
        stored: float64 `(4, 4)`: voxel `(i, j, k, 1)` of the file, before it was turned, to LPS; None where it is
            `affine` with its axes reversed, NaN where planes were resampled to a straight grid.
        kernel: of the reconstruction of CT, such as `"B30f"`; None where the file does not say.
    Raises:
        BadInput: an array that is not 3-D, or axes without length, not finite or not at right angles.
    """

    values: np.ndarray
    affine: np.ndarray
    modality: str | None = None
    applied: tuple[str, ...] = ()
    stored: np.ndarray | None = None
    kernel: str | None = None

    def __post_init__(self):
        if self.values.ndim != 3 or not self.values.size:
            raise BadInput(f"the volume has the shape {self.values.shape}, expected (z, y, x) with voxels in it")
        object.__setattr__(self, "affine", checked(self.affine))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of voxel centres along `(z, y, x)`."""
        return tuple(float(length) for length in np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def size(self) -> tuple[int, int, int]:
        """Voxels along `(z, y, x)`."""
        return self.values.shape

    @property
    def spacing_source(self) -> str:
        """Where `spacing_mm` comes from, as of `Pixels`."""
        return "geometry of the volume"

    def content(self) -> bytes:
        """What the volume shows: equal for files that decode to the same."""
        return np.ascontiguousarray(self.values).tobytes()

    @property
    def origin(self) -> tuple[float, float, float]:
        """The centre of voxel `(0, 0, 0)`, LPS `(x, y, z)`, mm."""
        return tuple(float(each) for each in self.affine[:3, 3])

    @property
    def direction(self) -> np.ndarray:
        """`(3, 3)`: column i is the direction of array axis i in the patient, of length 1."""
        return self.affine[:3, :3] / np.array(self.spacing_mm)

    @property
    def orientation(self) -> str:
        """Where the axes `(z, y, x)` run to, one letter each of LR, AP, SI; turned volumes are `SPL`."""
        return "".join(
            pair[int(column[axis] > 0)]
            for axis, column, pair in (
                (int(np.abs(column).argmax()), column, ("RL", "AP", "IS")[int(np.abs(column).argmax())])
                for column in self.direction.T
            )
        )

    def positions(self, voxels) -> np.ndarray:
        """`(n, 3)` voxels `(z, y, x)`, which may be fractions, as LPS `(x, y, z)` in mm."""
        return np.asarray(voxels, float) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def voxels(self, positions) -> np.ndarray:
        """`(n, 3)` LPS positions `(x, y, z)` in mm as voxels `(z, y, x)`, which may be fractions or lie outside."""
        return (np.asarray(positions, float) - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T

    def position(self, place: Place) -> np.ndarray:
        """A place in any frame as LPS `(x, y, z)`, mm."""
        x, y, z = place.position
        if place.frame == "voxel":
            stored = self.affine[:, [2, 1, 0, 3]] if self.stored is None else self.stored
            if np.isnan(stored).any():
                raise BadInput("a voxel of a file whose planes make no even grid came: give its place in mm (lps)")
            return (stored @ (x, y, z, 1))[:3]
        return np.array((x, y, z) if place.frame == "lps" else (-x, -y, z), float)


def checked(affine) -> np.ndarray:
    """float64 `(4, 4)`.

    Raises:
        BadInput: not finite, an axis without length, or axes that are not at right angles.
    """
    affine = np.array(affine, float)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise BadInput("the header's geometry has NaN or infinite numbers: repair it, or leave this volume out")
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if (lengths < 1e-6).any():
        axes = " and ".join(name for name, length in zip(AXES, lengths, strict=True) if length < 1e-6)
        raise BadInput(f"the spacing along {axes} is 0: repair the header, or leave this volume out")
    unit = affine[:3, :3] / lengths
    for one, two in itertools.combinations(range(3), 2):
        cosine = abs(unit[:, one] @ unit[:, two])
        if cosine > SKEW:
            degrees = np.degrees(np.arccos(min(cosine, 1)))
            raise BadInput(
                f"the axes {AXES[one]} and {AXES[two]} meet at {degrees:.1f} degrees, expected right angles: resample "
                "the volume to a straight grid first"
            )
    return affine


def turned(volume: Volume) -> Volume:
    """The same voxels with `z` nearest to the patient's head, `y` to the back, `x` to the left (`orientation` SPL)."""
    order = nearest_axes(volume.direction)
    values, affine = volume.values.transpose(order), volume.affine[:, [*order, 3]].copy()
    signs = [affine[2 - axis, axis] for axis in range(3)]
    for axis in range(3):
        if signs[axis] < 0:
            affine[:3, 3] += affine[:3, axis] * (values.shape[axis] - 1)
            affine[:3, axis] *= -1
            values = np.flip(values, axis)
    if order == (0, 1, 2) and min(signs) > 0:
        return volume
    step = f"{volume.orientation} to SPL"
    stored = volume.affine[:, [2, 1, 0, 3]] if volume.stored is None else volume.stored
    return replace(volume, values=values, affine=affine, applied=(*volume.applied, step), stored=stored)


def unturned(values: np.ndarray, grid: Volume) -> np.ndarray:
    """Values on the turned grid, in the order of the grid before it was turned: what undoes `turned`.

    Args:
        grid: before it was turned.
    """
    order = nearest_axes(grid.direction)
    flipped = [axis for axis in range(3) if grid.affine[2 - axis, order[axis]] < 0]
    return np.flip(values, flipped).transpose(np.argsort(order))


def nearest_axes(direction: np.ndarray) -> tuple[int, int, int]:
    """Which array axis becomes z, which y, which x: together they lie as near to the patient's axes as any choice."""
    weight = np.abs(direction)[::-1]  # row 0: how much each array axis runs along the patient's z
    return max(itertools.permutations(range(3)), key=lambda order: sum(weight[row, order[row]] for row in range(3)))
