"""A DICOM series as a `Volume`: planes sorted by position, each with its own modality LUT or rescale.

What makes no straight, even grid is refused with its numbers. Messages name attributes and counts, never values that
could name a patient.
"""

from __future__ import annotations

import contextlib
import hashlib
import os

import numpy as np
import pydicom

from radzoo.errors import BadInput
from radzoo.images.dicom import header
from radzoo.images.volumes.planes import SAME, TELLING, Plane, key, planes_of
from radzoo.images.volumes.stack import Crowded, Stack, stack
from radzoo.images.volumes.straight import straight
from radzoo.images.volumes.volume import Volume, turned
from radzoo.images.volumes.voxels import decoded, named


def read(files: list[str], *, uneven: str = "refuse", threads: int | None = None) -> Volume:
    """The files of one series as a turned `Volume`: HU in CT, SUV in PET; int16 where that holds all, else float32.

    Args:
        files: one plane each, or multi-frame objects with a place for each frame (enhanced CT and MR).
        uneven: what becomes of tilted or unevenly spaced planes: `"refuse"`, or `"resample"` to a straight grid.
        threads: that decode; None takes as many as there are cores.
    Raises:
        BadInput: no series; several; missing, doubled or mixed planes; files that cannot be decoded.
    """
    if uneven not in ("refuse", "resample"):
        raise BadInput(f"uneven={uneven!r}, expected 'refuse' or 'resample'")
    planes, placed, copies = assembled([plane for file in files for plane in _planes(file, files)])
    if placed.trouble() and uneven == "refuse":
        raise BadInput(f"{placed.trouble()}: no even grid; uneven='resample' interpolates one")
    ordered = [planes[place] for place in placed.order]
    values, modality, steps = decoded(ordered, files, threads)
    affine, stored = placed.affine, None
    if placed.trouble():
        values, affine = straight(values, placed, ordered[0].spacing_mm)
        stored = np.full((4, 4), np.nan)  # planes and columns of the file are none of this grid
        steps = (*steps, f"resampled, as {placed.trouble()}")
    if copies:
        steps = (f"{copies} copies left out", *steps)
    return turned(Volume(values, affine, modality, steps, stored, ordered[0].kernel))


def assembled(planes: list[Plane]) -> tuple[list[Plane], Stack, int]:
    """Planes without copies, how they lie on each other, and how many copies there were.

    Raises:
        BadInput: planes of several series; missing, doubled or mixed ones.
    """
    planes, copies = _distinct(planes)
    _agree(planes)
    return planes, _stacked(planes), copies


def members(folder: str, wanted: str) -> list[str]:
    """The files of one series of a folder, by its key; other files are passed over."""
    found = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir() or entry.name.startswith("."):
            continue
        with header.quiet(), contextlib.suppress(Exception):  # what is no DICOM is no member
            dataset = pydicom.dcmread(entry.path, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"])
            if key(dataset) == wanted:
                found.append(entry.path)
    if not found:
        raise BadInput(f"the folder holds no series #{wanted}: make its index again")
    return found


def _planes(file: str, files: list[str]) -> list[Plane]:
    with named(file, files), header.quiet():
        return planes_of(file, header.parse(file, pixels=False))


def _distinct(planes: list[Plane]) -> tuple[list[Plane], int]:
    """Without planes of files that are the same, byte for byte; and how many those are."""
    if not planes:
        raise BadInput("no file came, expected those of a series")
    places = [(plane.position, plane.telling) for plane in planes]
    if len(set(places)) == len(places):
        return planes, 0
    kept, seen = [], set()
    for plane in planes:
        with open(plane.file, "rb") as file:
            content = (hashlib.file_digest(file, "sha256").digest(), plane.frame)
        if content not in seen:
            kept.append(plane)
        seen.add(content)
    return kept, len(planes) - len(kept)


def _agree(planes: list[Plane]) -> None:
    for word, *values in zip(SAME, *(plane.same for plane in planes), strict=True):
        kinds = sorted({value: values.count(value) for value in values}.values(), reverse=True)
        if len(kinds) > 1:
            told = ", ".join(map(str, kinds[:5])) + (", …" if len(kinds) > 5 else "")
            raise BadInput(f"the planes have {len(kinds)} values of {word} ({told} planes): give one series")


def _stacked(planes: list[Plane]) -> Stack:
    try:
        return stack(
            [plane.position for plane in planes], [plane.orientation for plane in planes], planes[0].spacing_mm
        )
    except Crowded as error:
        telling = [word for word, *values in zip(TELLING, *(p.telling for p in planes), strict=True) if _few(values)]
        which = f", which differ in {', '.join(telling)}" if telling else ""
        raise BadInput(f"{error}{which}: give the files of one of them") from None


def _few(values: list[str]) -> bool:
    """Whether a value tells images at one place apart, and not just each from all others."""
    return 1 < len(set(values)) <= len(values) // 2
