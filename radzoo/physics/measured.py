"""Projections that a scanner measured, in the layout of Data Exchange (De Carlo et al., J. Synchrotron Rad. 2014).

exchange/data, data_white, data_dark    (views, rows, cells): with the object, without it, without beam
exchange/theta                          the views' angles
"""

from __future__ import annotations

import os

import numpy as np
from skimage.registration import phase_cross_correlation

from radzoo.errors import BadInput
from radzoo.physics.geometry import Parallel

FIELDS = ("data", "data_white", "data_dark", "theta")


def read(path: str | os.PathLike) -> tuple[np.ndarray, Parallel]:
    """Line integrals of parallel beams, with the rotation axis as `axis` estimates it.

    Returns:
        float32 `(rows, views, cells)`, one sinogram per row of the detector; and the beams, whose cells count as 1 mm
        because the files do not say how wide they are.
    Raises:
        BadInput: no such file or fields, other shapes, readings that are no light at all.
    """
    import h5py

    name = os.path.basename(path)
    try:
        with h5py.File(path) as opened:
            data, white, dark, theta = (opened[f"exchange/{field}"][()].astype("float64") for field in FIELDS)
            unit = opened["exchange/theta"].attrs.get("units", "degrees")
    except (OSError, KeyError, TypeError, AttributeError):
        raise BadInput(f"{name}: expected HDF5 with {', '.join(FIELDS)} in its group exchange") from None
    if data.ndim != 3 or theta.shape != data.shape[:1] or not white.shape[1:] == dark.shape[1:] == data.shape[1:]:
        raise BadInput(
            f"{name}: shapes {data.shape}, {white.shape}, {dark.shape}, {theta.shape} of {', '.join(FIELDS)} disagree"
        )
    light = white.mean(0) - dark.mean(0)
    share = (data - dark.mean(0)) / np.where(light > 0, light, 1)
    if not (light > 0).all() or not (share > 0).all():
        raise BadInput(f"{name}: readings without light: mend dead cells and readings below the dark field first")
    lines = -np.log(share).astype("float32").transpose(1, 0, 2)
    angles = theta if (unit.decode() if isinstance(unit, bytes) else unit).startswith("rad") else np.radians(theta)
    return lines, Parallel(angles, lines.shape[-1], 1.0, axis(lines, angles))


def axis(sinograms: np.ndarray, angles: np.ndarray) -> float:
    """The cell on which the rotation axis falls: a view from behind is the view from the front, mirrored there.

    Args:
        sinograms: `(rows, views, cells)`.
        angles: `(views,)` in radians.
    Raises:
        BadInput: no two views that face each other within 2 degrees.
    """
    missed = angles[:, None] + np.pi - angles  # from the front's opposite to the view at hand
    front, back = np.unravel_index(np.abs(missed).argmin(), missed.shape)
    if abs(missed[front, back]) > np.radians(2):
        raise BadInput("no two views face each other within 2 degrees: the rotation axis cannot be told")
    views = sinograms.mean(0)
    facing = views[back]
    if missed[front, back]:  # read between its neighbours, or on beyond the last one: a degree moves an edge by cells
        beside = np.argsort(np.abs(angles - angles[back]))[1]
        facing = facing + missed[front, back] / (angles[beside] - angles[back]) * (views[beside] - facing)
    (shift,), *_ = phase_cross_correlation(
        views[front], facing[::-1], upsample_factor=20, normalization=None, disambiguate=True
    )
    return float((sinograms.shape[-1] - 1 + shift) / 2)
