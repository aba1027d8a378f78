"""Restored images as files that other programs open: NIfTI, a derived DICOM series, 16-bit PNG."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from radzoo import images
from radzoo.atomic import replacing, whole_folder
from radzoo.errors import BadInput
from radzoo.images import paths
from radzoo.images.written import grid, stem

KINDS = {"nifti": "_restored.nii.gz", "dicom": "_restored", "png": "_restored.png"}  # of `dicom` a folder


def kind_of(source: str | os.PathLike, volume: bool) -> str:
    """The kind that a restored image has by itself: `png` of images, of volumes that of the source.

    Raises:
        BadInput: a volume that cannot be opened.
    """
    if not volume:
        return "png"
    source = paths.separated(source)[0]
    with _named(source):
        return "dicom" if grid.format_of(source) == "dicom" else "nifti"


def target(source: str | os.PathLike, folder, kind: str) -> Path:
    """The file or folder that `write` makes, named after the source's file or folder.

    Raises:
        BadInput: another kind.
    """
    if kind not in KINDS:
        raise BadInput(f"the kind {kind!r} came, expected {', '.join(KINDS)}")
    return Path(folder) / (stem(source) + KINDS[kind])


def check(source: str | os.PathLike, folder, kind: str) -> None:
    """Says before hours of work what `write` would refuse after them, as far as headers tell.

    Raises:
        BadInput: as `write`.
    """
    path = target(source, folder, kind)
    if path.exists():
        raise BadInput(f"{path.name} is already in {folder}: give another folder")
    if kind == "dicom":
        from radzoo.images.written import dicom_derived

        source = paths.separated(source)[0]
        with _named(source):
            dicom_derived.opened(source)


def write(values: np.ndarray, source: str | os.PathLike, folder, kind: str, run: str = "") -> Path:
    """Writes one restored image or volume; what is there already is never touched.

    Args:
        values: on the grid that radzoo reads `source` on: a volume `(z, y, x)` in units of its modality, or an image
            `(h, w)`, white at 1, which is cut to 0..1.
        source: what was restored, as its index names it; of several files for one input, the first counts.
        folder: is made where it is missing.
        kind: `nifti` (float32), `dicom` (a derived series, `dicom_derived`) or `png` (16 bits).
        run: the name of the run, which a derived series tells.
    Returns:
        The file, or the folder of the series.
    Raises:
        BadInput: values of another shape, a source that this kind is not for, a file that is there already, a folder
            that cannot be written.
    """
    path = target(source, folder, kind)
    if path.exists():
        raise BadInput(f"{path.name} is already in {folder}: give another folder")
    source = paths.separated(source)[0]
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with _named(source), (whole_folder if kind == "dicom" else replacing)(path) as draft:
            if kind == "dicom":
                from radzoo.images.written import dicom_derived

                dicom_derived.save(values, source, draft, run)
            else:
                (_nifti if kind == "nifti" else _png)(values, source, draft)
    except OSError as error:
        raise BadInput(f"{paths.shown(source)} was not written to {folder} ({error.strerror}): check both") from None
    return path


@contextmanager
def _named(source: str):
    """Errors say which source is meant."""
    try:
        yield
    except BadInput as error:
        name = paths.shown(source)
        raise BadInput(f"{name}: {str(error).removeprefix(f'{name}: ')}") from None


def _nifti(values: np.ndarray, source: str, draft: Path) -> None:
    from radzoo.images.written import nifti

    nifti.save_values(values.astype("float32"), source, draft)


def _png(values: np.ndarray, source: str, draft: Path) -> None:
    size = images.read(source, "percentile").size
    if values.shape != size:
        raise BadInput(f"values {values.shape} came for an image of {size} pixels: give those of this image")
    Image.fromarray(np.rint(values.clip(0, 1) * 65535).astype("uint16")).save(draft, format="PNG")
