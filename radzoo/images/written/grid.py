"""The grid of a file's own voxels, from headers alone, and labels laid back on it."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import pydicom

from radzoo.errors import BadInput
from radzoo.images import is_dicom, paths, volumes
from radzoo.images.dicom import header
from radzoo.images.volumes import nifti, nrrd, series
from radzoo.images.volumes.planes import Plane, planes_of
from radzoo.images.volumes.stack import Stack
from radzoo.images.volumes.volume import Volume, turned, unturned
from radzoo.images.volumes.voxels import named


@dataclass(frozen=True, eq=False)
class Series:
    """The planes of a DICOM source.

    Attributes:
        planes: along the normal of the series, without copies.
        stack: how they lie on each other.
        headers: of each file, without its pixels.
    """

    planes: list[Plane]
    stack: Stack
    headers: dict[str, pydicom.Dataset]

    @property
    def grid(self) -> Volume:
        """As `stored`; for an even series."""
        return _empty((len(self.planes), *self.planes[0].rows_columns), self.stack.affine)


def stored(source: str) -> Volume:
    """The grid of a file before it is turned, with voxels that take no memory.

    Of a DICOM series whose planes were resampled to an even grid, that grid, turned.

    Raises:
        BadInput: as `volumes.read`.
    """
    kind, file = format_of(source), paths.file_of(source)
    if kind == "dicom":
        found = dicom(source)
        return volumes.read(source, uneven="resample") if found.stack.trouble() else found.grid
    if kind == "nrrd":
        return _empty(*nrrd.geometry(file))
    shape, affine = nifti.geometry(file)
    return _empty(shape[2::-1], affine)


def dicom(source: str) -> Series:
    """The planes of a folder, of one series in it, or of a multi-frame object."""
    file = paths.file_of(source)
    files = volumes.files(file, source[len(file) + 1 :]) if os.path.isdir(file) else [file]
    planes, headers = [], {}
    for each in files:
        with named(each, files), header.quiet():
            headers[each] = header.parse(each, pixels=False)
            planes += planes_of(each, headers[each])
    planes, stack, _ = series.assembled(planes)
    return Series([planes[place] for place in stack.order], stack, headers)


def format_of(source: str) -> str:
    """`dicom`, `nrrd` or `nifti`, which stands for all else, by the first bytes."""
    file = paths.file_of(source)
    if os.path.isdir(file):
        return "dicom"
    try:
        with open(file, "rb") as opened:
            head = opened.read(352)
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror}): check the path") from None
    if head[:4] == b"NRRD":
        return "nrrd"
    return "dicom" if is_dicom(head) and head[344:347] not in (b"n+1", b"ni1") else "nifti"


def laid_back(labels: np.ndarray, grid: Volume) -> np.ndarray:
    """Labels, or other values, of the turned volume in the order of its file, `(z, y, x)`.

    Raises:
        BadInput: another shape.
    """
    shape = turned(grid).values.shape
    if labels.shape != shape:
        what = "labels" if labels.dtype.kind in "iub" else "values"
        raise BadInput(f"{what} {labels.shape} came for a volume of {shape} voxels: give those of this volume")
    return unturned(labels, grid)


def _empty(shape, affine) -> Volume:
    return Volume(np.broadcast_to(np.uint8(0), tuple(int(size) for size in shape)), affine)
