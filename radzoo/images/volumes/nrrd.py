"""NRRD volumes and the segmentations of 3-D Slicer (.seg.nrrd), read with pynrrd."""

from __future__ import annotations

import os
import re

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.volumes.segments import Segment
from radzoo.images.volumes.volume import Volume, turned

SPACES = {  # what turns the space of a header into LPS
    **dict.fromkeys(("left-posterior-superior", "LPS"), (1, 1, 1)),
    **dict.fromkeys(("right-anterior-superior", "RAS"), (-1, -1, 1)),
    **dict.fromkeys(("left-anterior-superior", "LAS"), (1, -1, 1)),
}


def read(path: str | os.PathLike) -> Volume:
    """A NRRD file with one volume.

    Raises:
        BadInput: damaged files, several volumes, a header without a place in the patient.
    """
    values, header = _opened(path)
    if values.ndim != 3:
        raise BadInput(f"has the shape {values.shape[::-1]}, expected one volume of three axes")
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise BadInput("the volume holds NaN or infinite values: repair it, or leave it out")
        values = values.astype("float32", copy=False)
    return turned(Volume(values, _affine(header)))


def geometry(path: str | os.PathLike) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape `(z, y, x)` and the affine of a `Volume`, from the header alone."""
    import nrrd

    try:
        header = nrrd.read_header(str(path))
        shape = tuple(int(size) for size in header["sizes"])[-3:][::-1]
    except Exception as error:
        raise BadInput(f"the NRRD file is damaged or truncated ({type(error).__name__}): copy it again") from None
    return shape, _affine(header)


def read_segments(path: str | os.PathLike) -> list[Segment]:
    """The segments of a file that 3-D Slicer wrote, in its order; each on the (cropped) grid of the file.

    Raises:
        BadInput: as `read`; and a file without named segments.
    """
    values, header = _opened(path)
    affine = _affine(header)
    layers = values[None] if values.ndim == 3 else np.moveaxis(values, -1, 0)  # a file counts layers before x
    numbers = sorted(int(found[1]) for key in header if (found := re.fullmatch(r"Segment(\d+)_LabelValue", key)))
    if not numbers:
        raise BadInput("names no segments (Segment0_Name, …): read it as a volume of labels")
    found = []
    for number in numbers:
        try:
            label = int(header[f"Segment{number}_LabelValue"])
            layer = int(header.get(f"Segment{number}_Layer", 0))
        except ValueError:
            label = layer = -1
        if not 0 <= layer < len(layers) or label < 0:
            raise BadInput(f"Segment{number} has a label or a layer that is not in the file: save it again")
        mask = (layers[layer] == label).astype("uint8")
        name = str(header.get(f"Segment{number}_Name") or f"Segment{number}")
        found.append(Segment(name, turned(Volume(mask, affine))))
    return found


def _opened(path) -> tuple[np.ndarray, dict]:
    """`(z, y, x)`, or with the list of layers last, and the header."""
    import nrrd

    try:
        header = nrrd.read_header(str(path))
        claimed = int(np.prod([int(size) for size in header["sizes"]], dtype=object))
        if claimed > 1100 * os.path.getsize(path) and "data file" not in header:
            raise BadInput(f"the header claims {claimed} voxels, far more than the file holds: it is damaged")
        values = nrrd.read(str(path), index_order="C")[0]
    except BadInput:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise BadInput(f"the NRRD file is damaged or truncated ({type(error).__name__}): copy it again") from None
    if values.dtype.kind not in "iuf":
        raise BadInput(f"the voxels are of the kind {values.dtype.name}, expected numbers")
    return values, header


def _affine(header: dict) -> np.ndarray:
    space = str(header.get("space", ""))
    signs = SPACES.get(space)
    directions, origin = header.get("space directions"), header.get("space origin")
    if signs is None or directions is None or origin is None:
        raise BadInput(
            "the header does not say where the volume lies in the patient (space, space directions and space origin): "
            "save it again with them"
        )
    rows = np.array([row for row in np.atleast_2d(directions) if np.isfinite(row).all()], float)
    if rows.shape != (3, 3) or np.shape(origin) != (3,):
        raise BadInput("the header's space directions are no three vectors: save the volume again")
    affine = np.eye(4)
    affine[:3, :3] = (rows[::-1] * signs).T  # the file counts x, y, z
    affine[:3, 3] = np.array(origin, float) * signs
    return affine
