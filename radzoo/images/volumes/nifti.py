"""NIfTI-1, NIfTI-2 and MGH volumes, read with nibabel; here alone `(x, y, z)` and RAS become `(z, y, x)` and LPS."""

from __future__ import annotations

import math
import os
import warnings

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.volumes.volume import Volume, turned

LARGEST = 2**31  # voxels; a CT of 512 x 512 x 2000 has a quarter
DENSEST = 1100  # bytes that one byte of a gzip file becomes at most
CONFLICT = 0.1  # of a voxel; between the places that qform and sform give to a corner
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
REVERSED = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])


def read(path: str | os.PathLike, part: str = "") -> Volume:
    """A NIfTI or MGH file as a turned `Volume`.

    Args:
        part: of a file with several volumes, the number of one, from 0.
    Raises:
        BadInput: damaged files, headers that contradict themselves or do not say where the volume lies.
        OSError: the file cannot be read.
    """
    image = _opened(path)
    place = (..., *_place(image.shape, part))
    _check_size(path, image)
    affine = TO_LPS @ _affine(image) @ REVERSED
    try:
        values = np.asanyarray(image.dataobj[place])
    except (EOFError, OSError, ValueError) as error:
        raise BadInput(f"the voxels are damaged or truncated ({type(error).__name__}): copy the file again") from None
    if values.dtype.kind not in "iuf":
        raise BadInput(f"the voxels are of the kind {values.dtype.name}, expected numbers, one per voxel")
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise BadInput("the volume holds NaN or infinite values: repair it, or leave it out")
        values = values.astype("float32", copy=False)
    return turned(Volume(values.transpose(2, 1, 0).astype(values.dtype.newbyteorder("=")), affine))


def geometry(path: str | os.PathLike) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape of all voxels, `(x, y, z, …)`, and the affine of a `Volume`, from the header alone."""
    image = _opened(path)
    _check_axes(image.shape)
    _check_size(path, image)
    return image.shape, TO_LPS @ _affine(image) @ REVERSED


def _opened(path):
    import nibabel

    try:
        nibabel.imageglobals.logger.setLevel("CRITICAL")  # what it mends in a header, it need not tell
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = nibabel.load(path)
            _ = image.shape
    except Exception as error:  # each format has errors of its own
        if isinstance(error, OSError) and error.errno:
            raise
        raise BadInput(
            f"no volume that is read ({type(error).__name__}): expected NIfTI, MGH, NRRD or DICOM; copy it again, or "
            "convert it to NIfTI"
        ) from None
    if not isinstance(image, nibabel.Nifti1Pair | nibabel.MGHImage) or isinstance(image, nibabel.Cifti2Image):
        raise BadInput(f"is of the kind {type(image).__name__}: convert it to NIfTI, whose geometry is certain")
    return image


def _place(shape, part: str) -> tuple[int, ...]:
    """The place of one volume along the axes after the third, of which one at most is longer than 1."""
    _check_axes(shape)
    longer = [axis for axis, size in enumerate(shape) if axis > 2 and size > 1]
    if len(longer) > 1:
        raise BadInput(f"holds {' x '.join(str(shape[axis]) for axis in longer)} volumes: save the one you mean")
    count = shape[longer[0]] if longer else 1
    if not part and count > 1:
        raise BadInput(f"holds {count} volumes, expected one: name one as FILE#0 to FILE#{count - 1}")
    if part and not (part.isascii() and part.isdigit() and int(part) < count):
        raise BadInput(f"'#{part}' came, the file holds {f'the volumes 0 to {count - 1}' if count > 1 else 'volume 0'}")
    return tuple(int(part or 0) if axis in longer else 0 for axis in range(3, len(shape)))


def _check_axes(shape) -> None:
    if len(shape) < 3 or min(shape) < 1:
        raise BadInput(f"has the shape {tuple(map(int, shape))}, expected a volume of three axes: repair its header")


def _check_size(path, image) -> None:
    """Before memory is taken: the header must not claim more than the file can hold."""
    voxels = math.prod(image.shape)
    file = image.file_map["image"].filename or path  # a .hdr has its voxels in another file
    there, claimed = os.path.getsize(file), voxels * image.get_data_dtype().itemsize + image.dataobj.offset
    if math.prod(image.shape[:3]) > LARGEST:
        raise BadInput(f"the header claims {voxels} voxels, more than {LARGEST}: it is damaged, or resample the volume")
    if claimed > there * (DENSEST if str(file).endswith((".gz", ".mgz", ".bz2")) else 1):
        raise BadInput(f"the header claims {claimed} bytes, the file has {there}: it is truncated or damaged")


def _affine(image) -> np.ndarray:
    """RAS, `(x, y, z)`: what qform and sform agree on."""
    import nibabel

    if not isinstance(image, nibabel.Nifti1Pair):
        return image.affine
    try:
        qform, sform = (form(coded=True)[0] for form in (image.get_qform, image.get_sform))
    except Exception as error:  # quaternions longer than 1
        raise BadInput(f"the header's qform is damaged ({type(error).__name__}): repair it") from None
    if qform is None and sform is None:
        raise BadInput(
            "the header says nowhere how the volume lies in the patient (qform and sform have the code 0): left and "
            "right are unknown, set one of them"
        )
    if qform is None or sform is None:
        return sform if qform is None else qform
    corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float).T
    corners[:3] *= np.array(image.shape[:3], float)[:, None] - 1
    apart = np.linalg.norm(((qform - sform) @ corners)[:3], axis=0).max()
    if apart > CONFLICT * max(np.linalg.norm(sform[:3, :3], axis=0).min(), 1e-6):
        raise BadInput(
            f"qform and sform of the header contradict each other by up to {apart:.3g} mm: correct the header, or set "
            "the code of the wrong one to 0"
        )
    return sform
