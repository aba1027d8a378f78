"""From the planes of a series to one straight grid, or the reason why they make none (numbers in, numbers out).

Planes are ordered by their position along the normal of the series (PS3.3 C.7.6.2.1.1), never by file name or instance
number. The planes of a message are numbered in this order, from 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radzoo.errors import BadInput

PARALLEL = 1e-3  # between the cosines of planes that lie in one direction; headers round them to four digits
SAME_PLACE = 1e-3  # mm
UNEVEN = 0.01  # of the step
ROUNDING = 0.02  # mm, which headers lose in writing positions
DRIFT = 0.5  # pixels that planes may shift in their own plane from the first to the last
WHOLE = 0.05  # of a step: a gap this near to 2, 3, … steps is one of missing planes


class Crowded(BadInput):
    """Several planes lie at one place."""


@dataclass(frozen=True)
class Stack:
    """How planes lie on each other.

    Attributes:
        order: indices of the planes along the normal.
        places: mm along the normal of the ordered planes, from 0.
        step: median distance of neighbours, mm.
        shifts: `(n, 2)` mm along columns and rows by which each ordered plane has slid in its plane.
        affine: `(4, 4)`, LPS, of the ordered planes if they are even and straight.
        tilt: degrees between the normal and the line on which the planes lie.
        even: whether all steps are equal and no plane has slid.
    """

    order: np.ndarray
    places: np.ndarray
    step: float
    shifts: np.ndarray
    affine: np.ndarray
    tilt: float
    even: bool

    def trouble(self) -> str:
        """What is not even, in numbers; empty where all is."""
        found = []
        gaps = np.diff(self.places)
        if not _even(gaps, self.step):
            found.append(f"its planes lie {gaps.min():.4g} to {gaps.max():.4g} mm apart")
        if self.tilt:
            found.append(f"its planes are tilted by {self.tilt:.1f} degrees (gantry)")
        elif not self.even and not found:
            found.append(f"its planes slide by up to {np.abs(self.shifts).max():.3g} mm")
        return " and ".join(found)


def stack(positions, orientations, spacing_mm) -> Stack:
    """Orders planes and looks for what does not fit.

    Args:
        positions: `(n, 3)` ImagePositionPatient, mm, LPS.
        orientations: `(n, 6)` ImageOrientationPatient: the direction of a row, then of a column.
        spacing_mm: `(y, x)` of all planes.
    Raises:
        Crowded: several planes at one place.
        BadInput: one plane, planes in several directions, missing ones, slides without a rule.
    """
    positions, orientations = np.asarray(positions, float), np.asarray(orientations, float)
    if len(positions) < 2:
        raise BadInput("the series has one plane, expected a volume of two or more")
    normal, row, column = _directions(orientations)
    along = positions @ normal
    order = np.argsort(along, kind="stable")
    positions, places = positions[order], along[order] - along.min()
    gaps = np.diff(places)
    if (gaps < SAME_PLACE).any():
        raise Crowded(_crowded(places))
    step = float(np.median(gaps))
    _refuse_missing(gaps, step)
    line = positions - positions[0] - places[:, None] * normal
    shifts = np.stack([line @ column, line @ row], axis=1)
    tilt = _tilt(places, shifts, spacing_mm)
    slid = (np.abs(shifts - shifts[0]) > DRIFT * np.array(spacing_mm)).any()
    affine = np.eye(4)
    mean = (positions[-1] - positions[0]) / (len(positions) - 1)
    along_z = normal * (places[-1] / (len(places) - 1)) if slid else mean
    affine[:3, :3] = np.stack([along_z, column * spacing_mm[0], row * spacing_mm[1]], axis=1)
    affine[:3, 3] = positions[0]
    return Stack(order, places, step, shifts, affine, tilt, _even(gaps, step) and not slid)


def _directions(orientations: np.ndarray) -> np.ndarray:
    """Normal, row and column of all planes, of length 1."""
    if not np.isfinite(orientations).all():
        raise BadInput("ImageOrientationPatient is not finite: leave this series out")
    kinds: list[np.ndarray] = []
    members = []
    for each in orientations:
        here = next((i for i, kind in enumerate(kinds) if np.abs(each - kind).max() < PARALLEL), len(kinds))
        if here == len(kinds):
            kinds.append(each)
        members.append(here)
    if len(kinds) > 1:
        counts = sorted(np.bincount(members).tolist(), reverse=True)
        told = ", ".join(map(str, counts[:5])) + (", …" if len(counts) > 5 else "")
        raise BadInput(
            f"the planes lie in {len(kinds)} directions ({told} planes): a localiser or several acquisitions are mixed "
            "in, give the files of one direction"
        )
    row, column = orientations.mean(0)[:3], orientations.mean(0)[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if not np.allclose(lengths, 1, atol=0.01) or abs(row @ column) > 0.01:
        raise BadInput("ImageOrientationPatient is no pair of unit vectors at right angles: leave this series out")
    row, column = row / lengths[0], column / lengths[1]
    return np.stack([np.cross(row, column), row, column])


def _even(gaps: np.ndarray, step: float) -> bool:
    return bool((np.abs(gaps - step) <= max(UNEVEN * step, ROUNDING)).all())


def _crowded(places: np.ndarray) -> str:
    """Several planes at one place."""
    groups = np.split(places, np.flatnonzero(np.diff(places) >= SAME_PLACE) + 1)
    counts = [len(each) for each in groups]
    if len(set(counts)) == 1:
        return f"{counts[0]} planes lie at each of {len(counts)} places"
    return f"up to {max(counts)} planes lie at one place ({len(places)} planes at {len(counts)} places)"


def _refuse_missing(gaps: np.ndarray, step: float) -> None:
    steps = gaps / step
    whole = (np.abs(steps - steps.round()) <= WHOLE * steps.round()) & (steps.round() >= 1)
    holes = np.flatnonzero(whole & (steps.round() > 1))
    if whole.all() and len(holes):
        told = ", ".join(f"{round(steps[hole]) - 1} after plane {hole + 1}" for hole in holes[:5])
        raise BadInput(
            f"planes are missing: {told}{', …' if len(holes) > 5 else ''} of {len(gaps) + 1}, where the others lie "
            f"{step:.4g} mm apart: copy the series again"
        )


def _tilt(places: np.ndarray, shifts: np.ndarray, spacing_mm) -> float:
    """Degrees, 0 where planes stay over each other within half a pixel."""
    slope = (places @ (shifts - shifts[0])) / (places @ places)
    rest = shifts - shifts[0] - places[:, None] * slope
    if (np.abs(rest) > DRIFT * np.array(spacing_mm)).any():
        raise BadInput(f"the planes slide in their own plane by up to {np.abs(rest).max():.3g} mm without a rule")
    if (np.abs(slope) * places[-1] <= DRIFT * np.array(spacing_mm)).all():
        return 0.0
    return float(np.degrees(np.arctan(np.linalg.norm(slope))))
