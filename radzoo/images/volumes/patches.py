"""What networks see of a volume around one place: the planes of a cube, and cubes of several sizes, in millimetres.

Sampling is trilinear at exact places in the patient, so that spacing and orientation of the volume do not matter; what
lies outside of the volume is `fill`.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from radzoo.errors import BadInput
from radzoo.images.volumes.volume import Volume

X, Y, Z = np.eye(3)  # to the patient's left, back and head
HALF = np.sqrt(0.5)
# The nine symmetry planes of a cube (Setio et al. 2016), each as the directions of its columns (downwards) and of its
# rows (to the right): three along the axes, six along the diagonals.
NINE = np.array(
    [
        [Y, X], [-Z, X], [-Z, Y],
        [-Z, HALF * (X - Y)], [-Z, HALF * (X + Y)],
        [Y, HALF * (X - Z)], [Y, HALF * (X + Z)],
        [HALF * (Y - Z), X], [HALF * (Y + Z), X],
    ]
)  # fmt: skip


def planes(
    volume: Volume, centre, *, size_mm: float = 50.0, pixels: int = 64, directions=NINE, fill: float | None = None
) -> np.ndarray:
    """Square patches through one place.

    Args:
        centre: LPS `(x, y, z)`, mm; it lies in the middle of every patch, between its pixels where `pixels` is even.
        size_mm: side of a patch, from the outer edge of the first pixel to that of the last.
        directions: `(n, 2, 3)`, unit vectors of columns and rows of each patch.
        fill: of what lies outside; None takes the least value of the volume.
    Returns:
        float32 `(n, pixels, pixels)`.
    Raises:
        BadInput: a centre outside of the volume, or a size that is not positive.
    """
    places = _places(size_mm, pixels)
    downwards, rightwards = np.asarray(directions, float).transpose(1, 0, 2)[:, :, None, None]
    steps = places[:, None, None] * downwards + places[None, :, None] * rightwards
    return _at(volume, _inside(volume, centre) + steps, fill)


def cubes(volume: Volume, centre, *, sizes_mm, voxels: int, fill: float | None = None) -> np.ndarray:
    """Cubes of several sizes around one place, each with the same number of voxels (views of Kang et al. 2017).

    Args:
        centre, fill: as for `planes`.
        sizes_mm: side of each cube.
    Returns:
        float32 `(len(sizes_mm), voxels, voxels, voxels)`, axes `(z, y, x)`.
    """
    found = []
    for size_mm in sizes_mm:
        places = _places(size_mm, voxels)
        z, y, x = np.meshgrid(places, places, places, indexing="ij")
        found.append(_at(volume, _inside(volume, centre) + np.stack([x, y, z], axis=-1), fill))
    return np.stack(found)


def _places(size_mm: float, count: int) -> np.ndarray:
    """Centres of pixels, mm from the middle."""
    if not (np.isfinite(size_mm) and size_mm > 0 and count >= 1):
        raise BadInput(f"a patch of {size_mm} mm and {count} pixels came, expected positive numbers")
    return (np.arange(count) - (count - 1) / 2) * (size_mm / count)


def _inside(volume: Volume, centre) -> np.ndarray:
    centre = np.asarray(centre, float)
    if centre.shape != (3,) or not np.isfinite(centre).all():
        raise BadInput("a place is not three finite numbers (x, y, z) in mm: correct it")
    voxel = volume.voxels([centre])[0]
    if (voxel < -0.5).any() or (voxel > np.array(volume.values.shape) - 0.5).any():
        where = ", ".join(f"{each:.1f}" for each in voxel)
        raise BadInput(
            f"the place lies outside of its volume, at voxel ({where}) of {volume.values.shape}: is it LPS, RAS or "
            "voxels, and of this volume?"
        )
    return centre


def _at(volume: Volume, positions: np.ndarray, fill: float | None) -> np.ndarray:
    """Trilinear values at `(..., 3)` positions; up to half a voxel outside counts as the nearest voxel."""
    size = np.array(volume.values.shape)
    voxels = np.ascontiguousarray(volume.voxels(positions.reshape(-1, 3)).T)  # a row per axis: twice as fast
    least, most = voxels.min(1), voxels.max(1)
    low = np.clip(np.floor(least).astype(int), 0, size - 1)
    high = np.clip(np.ceil(most).astype(int) + 1, low + 1, size)
    box = volume.values[tuple(map(slice, low, high))].astype("float32")  # of a large volume only what is needed
    values = ndimage.map_coordinates(box, voxels - low[:, None], order=1, mode="nearest")
    if (least >= -0.5).all() and (most <= size - 0.5).all():
        return values.reshape(positions.shape[:-1])
    outside = ((voxels < -0.5) | (voxels > size[:, None] - 0.5)).any(0)
    values[outside] = float(volume.values.min()) if fill is None else fill
    return values.reshape(positions.shape[:-1])
