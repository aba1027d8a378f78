"""Named masks on one grid: what segmentation files hold. DICOM SEG is read here, .seg.nrrd in `nrrd`.

In a DICOM SEG (PS3.3 C.8.20) every frame belongs to one segment, or (LABELMAP) holds the labels of all; empty frames
may be missing, so a place without a frame of a segment is empty.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.dicom import frames, header, luts
from radzoo.images.dicom.header import number
from radzoo.images.volumes.planes import vector
from radzoo.images.volumes.volume import Volume, turned

OFF_GRID = 0.05  # of the spacing between planes
MOST_PLANES = 2**14


@dataclass(frozen=True, eq=False)
class Segment:
    """One segment of a segmentation.

    Attributes:
        name: as its author called it.
        mask: uint8 `Volume`, 1 inside. Segments may overlap.
    """

    name: str
    mask: Volume


def read(path: str | os.PathLike, part: float = 0.5) -> list[Segment]:
    """The segments of a DICOM SEG, all on the grid of its frames; `resample.mask_onto` brings one to its image.

    Args:
        part: of a FRACTIONAL segmentation, what a voxel must hold of a segment to be in it.
    Raises:
        BadInput: no segmentation, frames that make no grid, segments that nobody names.
    """
    with header.quiet():
        dataset = header.parse(path)
        if header.text(dataset, "Modality") != "SEG":
            raise BadInput("is no DICOM segmentation (SEG): read it as a volume")
        kind = header.text(dataset, "SegmentationType")
        names = _names(dataset)
        parts, works = list(frames.headers(dataset)), frames.prepare(dataset)
        places, affine, planes = _grid(parts)
        owners = [None if kind == "LABELMAP" else _owner(part_of, names) for part_of in parts]
        most = number(dataset, "MaximumFractionalValue", 255)
    decoded = [work()[0] for work in works]
    if kind not in ("BINARY", "FRACTIONAL", "LABELMAP"):
        raise BadInput("SegmentationType is not BINARY, FRACTIONAL or LABELMAP: export it again")
    found = []
    for label, name in names.items():
        mask = np.zeros((planes, *decoded[0].shape), "uint8")
        for place, owner, frame in zip(places, owners, decoded, strict=True):
            if owner is None:
                mask[place] |= (frame == label).astype("uint8")
            elif owner == label:
                mask[place] |= (frame >= part * most if kind == "FRACTIONAL" else frame > 0).astype("uint8")
        found.append(Segment(name, turned(Volume(mask, affine))))
    return found


def _names(dataset) -> dict[int, str]:
    found = {}
    for item in luts.items(dataset, "SegmentSequence"):
        label = int(number(item, "SegmentNumber", -1))
        if label < 0 or label in found:
            raise BadInput("SegmentNumber is missing or comes twice: export the segmentation again")
        found[label] = header.text(item, "SegmentLabel") or f"Segment {label}"
    found.pop(0, None)  # of a LABELMAP: the background
    if not found:
        raise BadInput("the segmentation names no segments: export it again")
    return found


def _owner(frame, names: dict[int, str]) -> int:
    owner = int(number(luts.group(frame, "SegmentIdentificationSequence"), "ReferencedSegmentNumber", -1))
    if owner not in names:
        raise BadInput("a frame belongs to a segment that is not in SegmentSequence: export it again")
    return owner


def _grid(parts) -> tuple[list[int], np.ndarray, int]:
    """The plane of each frame, the affine of the planes, and how many there are."""
    positions = np.array([vector(part, "ImagePositionPatient") for part in parts])
    turns = np.array([vector(part, "ImageOrientationPatient") for part in parts])
    spacing = np.array([vector(part, "PixelSpacing") for part in parts])
    if np.ptp(turns, axis=0).max() > 1e-3 or np.ptp(spacing, axis=0).max() > 1e-4:
        raise BadInput("the frames have several directions or pixel spacings: export the segmentation of one series")
    row, column = turns[0, :3], turns[0, 3:]
    normal = np.cross(row, column)
    along = (positions - positions[0]) @ normal
    slid = positions - positions[0] - along[:, None] * normal
    if np.abs(slid).max() > spacing[0].min() / 2:
        raise BadInput("the frames slide in their own plane (gantry tilt): export the segmentation on a straight grid")
    step = _step(parts[0], along)
    places = (along - along.min()) / step
    if np.abs(places - places.round()).max() > OFF_GRID or places.max() > MOST_PLANES:
        raise BadInput(f"the frames lie off a grid of {step:.4g} mm: export the segmentation on an even grid")
    affine = np.eye(4)
    affine[:3, :3] = np.stack([normal * step, column * spacing[0, 0], row * spacing[0, 1]], axis=1)
    affine[:3, 3] = positions[along.argmin()]
    return [int(place) for place in places.round()], affine, int(places.max().round()) + 1


def _step(frame, along: np.ndarray) -> float:
    """SpacingBetweenSlices; without it the least distance of planes, or SliceThickness of a single one."""
    measures = luts.group(frame, "PixelMeasuresSequence")
    gaps = np.diff(np.unique(along.round(4)))
    thickness = number(measures, "SliceThickness", 0.0)
    step = number(measures, "SpacingBetweenSlices", 0.0) or (float(gaps.min()) if len(gaps) else thickness)
    if step <= 0:
        raise BadInput("the frames have no spacing between planes: export the segmentation again")
    return step
