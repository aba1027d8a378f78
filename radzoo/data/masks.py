"""Masks of an index in the frames of their images: `(z, y, x)` or `(h, w)`, 0 outside, whole numbers inside."""

from __future__ import annotations

import os

import numpy as np

from radzoo import images
from radzoo.errors import BadInput
from radzoo.images import Pixels, raster
from radzoo.images.volumes import Volume, nrrd, resample, segments
from radzoo.images.volumes import read as read_volume

MOST = 65535


def read_mask(path: str, image: Pixels | Volume) -> tuple[np.ndarray, tuple[str, ...]]:
    """The mask of an image, and the names of its labels 1, 2, … where the file names segments.

    Args:
        path: of images, a PNG or TIFF whose stored numbers are the labels; of volumes, a volume of labels, a
            `.seg.nrrd`, or a DICOM SEG.
    Raises:
        BadInput: another size, another place in the patient, segments that overlap, or labels that are no whole numbers
            from 0 to 65535.
    """
    try:
        if isinstance(image, Pixels):
            return _flat(*raster.read(path), image), ()
        found = _segments(path)
        if found is None:
            return _labels(resample.mask_onto(read_volume(path), image).values), ()
        return _together(found, image), tuple(segment.name for segment in found)
    except OSError as error:
        raise BadInput(f"the mask {os.path.basename(path)}: {error.strerror}: check the path") from None
    except BadInput as error:
        name = os.path.basename(path)
        raise BadInput(f"the mask {name}: {str(error).removeprefix(f'{name}: ')}") from None


def renumbered(mask: np.ndarray, names: tuple[str, ...], all_names: tuple[str, ...]) -> np.ndarray:
    """Labels that count the segments of one file, as they count those of all files."""
    return np.array([0, *(all_names.index(name) + 1 for name in names)], "uint16")[mask] if names else mask


def _flat(values: np.ndarray, steps: tuple[str, ...], image: Pixels) -> np.ndarray:
    if values.shape != image.size:
        came = " x ".join(map(str, values.shape))
        raise BadInput(f"has {came} pixels, its image {image.size[0]} x {image.size[1]}: expected a grey mask as large")
    white = 255 if "scale 1/255" in steps else MOST
    return _labels(np.rint(values * np.float64(white)))


def _segments(path: str):
    """The segments of a file that names some; None for a volume of labels."""
    if os.path.isfile(path):
        with open(path, "rb") as file:
            head = file.read(2**16)
        if head[:4] == b"NRRD" and b"_LabelValue" in head:
            return nrrd.read_segments(path)
        if images.is_dicom(head) and head[128:132] == b"DICM":
            return segments.read(path)
    return None


def _together(found, image: Volume) -> np.ndarray:
    names = [segment.name for segment in found]
    if len(set(names)) < len(names):
        raise BadInput("two segments have the same name: rename one")
    whole = np.zeros(image.values.shape, "uint16")
    for number, segment in enumerate(found, start=1):
        inside = resample.mask_onto(segment.mask, image).values > 0
        shared = np.count_nonzero(whole[inside])
        if shared:
            raise BadInput(
                f"{shared} voxels of segment {number} belong to another segment too, one voxel holds one label: save "
                "segments that do not overlap"
            )
        whole[inside] = number
    return whole


def _labels(values: np.ndarray) -> np.ndarray:
    """uint16."""
    if values.min() < 0 or values.max() > MOST or (values != np.rint(values)).any():
        raise BadInput(f"holds values from {values.min():g} to {values.max():g}, expected whole numbers, 0 to {MOST}")
    return values.astype("uint16")
