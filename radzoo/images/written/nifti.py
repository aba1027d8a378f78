"""Labels, or other numbers, as NIfTI, on the voxels of their source: the same order of axes, the same place.

The geometry of a NIfTI source is taken over bit by bit, qform and sform with their codes, but none of its texts.
Sources of other formats get the affine of their own voxels, as RAS.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np

from radzoo.images import paths
from radzoo.images.palette import colour
from radzoo.images.volumes.nifti import REVERSED, TO_LPS
from radzoo.images.written import grid

PLACE = (
    "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
    "srow_x", "srow_y", "srow_z", "xyzt_units",
)  # fmt: skip
APART = 0.05  # of a voxel; qform knows no axes that are not at right angles
SCANNER = 1


def save(labels: np.ndarray, source: str, classes: tuple[str, ...], drafts: list[Path]) -> None:
    """Writes `.nii.gz` and a list of labels.

    Args:
        labels: `(z, y, x)` of the turned volume, uint8 or uint16.
        drafts: where the two files are written to.
    Raises:
        BadInput: no volume, or labels of another shape.
    """
    save_values(labels, source, drafts[0])
    drafts[1].write_text(_list(classes), encoding="utf-8")


def save_values(values: np.ndarray, source: str, draft: Path) -> None:
    """Writes `.nii.gz` alone, of numbers of any type; else as `save`."""
    stored = grid.stored(source)
    values = grid.laid_back(values, stored).transpose(2, 1, 0)
    theirs = nibabel.load(paths.file_of(source)).header if grid.format_of(source) == "nifti" else None
    if isinstance(theirs, nibabel.Nifti1Header):
        image = _like(values, theirs)
    else:
        image = _placed(values, TO_LPS @ stored.affine @ REVERSED)
    draft.write_bytes(gzip.compress(image.to_bytes(), 6, mtime=0))


def _like(values: np.ndarray, theirs) -> nibabel.Nifti1Image:
    two = isinstance(theirs, nibabel.Nifti2Header)
    image = (nibabel.Nifti2Image if two else nibabel.Nifti1Image)(values, None)
    for field in PLACE:
        image.header[field] = theirs[field]
    image.header["pixdim"][:4] = theirs["pixdim"][:4]  # the sign of the first belongs to qform
    return image


def _placed(values: np.ndarray, affine: np.ndarray) -> nibabel.Nifti1Image:
    image = nibabel.Nifti1Image(values, None)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, SCANNER)
    image.set_qform(affine, SCANNER)
    far = [*values.shape, 1]
    if np.abs((image.get_qform() - affine) @ far).max() > APART * np.linalg.norm(affine[:3, :3], axis=0).min():
        image.set_qform(None, 0)
    return image


def _list(classes: tuple[str, ...]) -> str:
    """The labels as ITK-SNAP reads them: number, colour, opacity, two flags of display, name."""
    rows = ['0 0 0 0 0 0 0 "background"']
    for label, name in enumerate(classes, start=1):
        shown = " ".join(name.replace('"', "'").split())
        rows.append(f'{label} {" ".join(map(str, colour(label)))} 1 1 1 "{shown}"')
    return "\n".join(rows) + "\n"
