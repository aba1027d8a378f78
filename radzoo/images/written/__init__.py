"""Segmentations as files that other programs open: NIfTI, DICOM SEG, PNG. Restored images are written by `restored`.

A DICOM SEG holds what its series says of the patient and of the study, since a PACS files it by that. The other kinds
hold nothing of a header but where the voxels lie.
"""

from __future__ import annotations

import importlib
import os
import re
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from radzoo.atomic import replacing
from radzoo.errors import BadInput
from radzoo.images import paths
from radzoo.images.written.amounts import amounts

__all__ = ["KINDS", "amounts", "stem", "targets", "write"]

KINDS = {  # the ends of the files of each kind
    "nifti": ("_seg.nii.gz", "_seg.txt"),
    "dicom_seg": ("_seg.dcm",),
    "png": ("_seg.png", "_overlay.png"),
}
READ = re.compile(  # the end of a file's name that says its format; folders and numbers after a point are names
    r"(\.nii)?\.(nii|gz|hdr|img|mgh|mgz|nrrd|nhdr|dcm|dicom|png|jpe?g|tiff?|bmp|pgm|np[yz])$", re.IGNORECASE
)


def write(labels: np.ndarray, source: str | os.PathLike, classes, folder, kind: str, **options) -> list[Path]:
    """Writes the labels of one image or volume; a file that is there already is never touched.

    Args:
        labels: whole numbers on the grid that radzoo reads `source` on, `(z, y, x)` of the turned volume or `(h, w)`;
            0 is background, 1, 2, … are `classes`.
        source: what was segmented, as its index names it; of several files for one input, the first counts.
        classes: names of the labels from 1.
        folder: is made where it is missing.
        kind: `nifti` (and a list of labels that ITK-SNAP opens), `dicom_seg`, or `png`.
        options: of `dicom_seg`, `run`; of `png`, `window`.
    Returns:
        The files, as `targets` names them.
    Raises:
        BadInput: labels of another shape or beyond the classes, a source that this kind is not for, a file that is
            there already, a folder that cannot be written.
    """
    labels, classes = checked(labels, classes)
    files = targets(source, folder, kind)
    there = [file.name for file in files if file.exists()]
    if there:
        raise BadInput(f"{' and '.join(there)} is already in {folder}: give another folder")
    source = paths.separated(source)[0]
    name = paths.shown(source)
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with ExitStack() as together:  # all files appear at once, at the end
            drafts = [together.enter_context(replacing(file)) for file in files]
            _writer(kind).save(labels, source, classes, drafts, **options)
    except OSError as error:
        raise BadInput(f"{name} was not written to {folder} ({error.strerror}): check both") from None
    except BadInput as error:
        raise BadInput(f"{name}: {str(error).removeprefix(f'{name}: ')}") from None
    return files


def targets(source: str | os.PathLike, folder, kind: str) -> list[Path]:
    """The files that `write` makes: named after the source's file or folder, never after what its header says.

    `scan.nii.gz#3` becomes `scan_3_seg.nii.gz`.

    Raises:
        BadInput: another kind.
    """
    if kind not in KINDS:
        raise BadInput(f"the kind {kind!r} came, expected {', '.join(KINDS)}")
    return [Path(folder) / (stem(source) + end) for end in KINDS[kind]]


def stem(source: str | os.PathLike) -> str:
    """The name of a source without its format, as a part of new file names."""
    source = paths.separated(source)[0]
    file = paths.file_of(source)
    name = os.path.basename(os.path.abspath(file))
    if not os.path.isdir(file):
        name = READ.sub("", name)
    return re.sub(r"[^\w.-]+", "_", name + source[len(file) :]).strip("_") or "image"


def _writer(kind: str):
    """The module of a kind, imported when it is used: highdicom takes a second."""
    return importlib.import_module(f"{__name__}.{kind}")


def checked(labels, classes) -> tuple[np.ndarray, tuple[str, ...]]:
    """The labels in as few bits as their classes need, uint8 or uint16, and the names of these.

    Raises:
        BadInput: no whole numbers, more labels than classes, classes without or with the same name.
    """
    labels, names = np.asarray(labels), tuple(str(each).strip() for each in classes)
    if not names or "" in names or len(set(names)) < len(names):
        raise BadInput(
            f"the classes {', '.join(names) or '(none)'} came, expected a name for each label, all different"
        )
    if labels.dtype.kind not in "iub" or labels.ndim not in (2, 3) or not labels.size:
        raise BadInput(f"labels {labels.shape} of {labels.dtype.name} came, expected whole numbers (h, w) or (z, y, x)")
    if labels.min() < 0 or labels.max() > min(len(names), 65535):
        raise BadInput(
            f"labels {labels.min()} to {labels.max()} came, expected 0 to {len(names)}, the number of classes"
        )
    return labels.astype("uint8" if len(names) < 256 else "uint16", copy=False), names
