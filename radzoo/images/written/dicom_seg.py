"""Labels as a DICOM segmentation (PS3.3 A.51, BINARY) on the planes of its source, written with highdicom.

Frames are those planes in which a segment has a pixel; without any there is one empty plane, since an object of no
frames is none. Patient, study and frame of reference are those of the source.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from radzoo import __version__
from radzoo.errors import BadInput
from radzoo.images.dicom import header
from radzoo.images.palette import colour
from radzoo.images.written import grid
from radzoo.images.written.coded import coded

NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID", "FrameOfReferenceUID")
MAY_BE_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
    "StudyTime",
)  # fmt: skip
LONGEST = 64  # characters of a text (LO)
SERIES_NUMBER = 5000  # behind those of the scanner


def save(labels: np.ndarray, source: str, classes: tuple[str, ...], drafts: list[Path], run: str = "") -> None:
    """Writes one SEG object.

    Args:
        labels: `(z, y, x)` of the turned volume.
        drafts: where the one file is written to.
        run: the name of the run whose model segmented: the name of the algorithm (its first 57 characters).
    Raises:
        BadInput: a source that is no DICOM, planes that make no even grid, labels of another shape, headers that lack
            what a segmentation refers to.
    """
    _check_texts((*classes, run[:LONGEST]))
    if grid.format_of(source) != "dicom":
        raise BadInput("is no DICOM, whose headers a DICOM SEG refers to: write the segmentation as nifti or png")
    if labels.ndim == 2:
        raise BadInput(f"labels {labels.shape} of a flat image came, a DICOM SEG is made of volumes: write them as png")
    series = grid.dicom(source)
    images, planes, more = _stack(labels, series)
    with header.quiet():  # pydicom warns with values of the header
        for image in images:
            _complete(image)
        try:
            _align(images, series)
            _object(images, planes, classes, run, more).save_as(drafts[0])
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:  # highdicom quotes headers
            raise BadInput(
                f"the headers of the source do not make a DICOM SEG ({type(error).__name__}): write it as nifti"
            ) from None


def _stack(labels: np.ndarray, series: grid.Series) -> tuple[list[pydicom.Dataset], np.ndarray, dict]:
    """Headers and planes in the same order, and what highdicom is told of their places."""
    import highdicom

    if series.stack.trouble():
        raise BadInput(
            f"{series.stack.trouble()}: the labels lie on an even grid that was made for them, not on these planes; "
            "write them as nifti"
        )
    planes = grid.laid_back(labels, series.grid)
    images = [series.headers[file] for file in dict.fromkeys(plane.file for plane in series.planes)]
    if len(images) < len(series.planes):  # frames of one object, in its own order
        if len(images) > 1:
            raise BadInput(f"{len(images)} multi-frame objects make this volume: a DICOM SEG refers to one, use nifti")
        planes = planes[np.argsort([plane.frame for plane in series.planes])]
    if planes.any():
        return images, planes, {}
    place = highdicom.PlanePositionSequence("PATIENT", series.planes[0].position)
    return images, planes[:1], {"plane_positions": [place], "omit_empty_frames": False}


def _align(images: list[pydicom.Dataset], series: grid.Series) -> None:
    """One direction and the true distance of planes in all headers in memory: highdicom takes them over from there.

    Headers round directions plane by plane, and leave out the distance, or give another.
    """
    import highdicom

    first, step = series.planes[0], float(np.linalg.norm(series.grid.affine[:3, 0]))
    measures = highdicom.PixelMeasuresSequence(first.spacing_mm, slice_thickness=step, spacing_between_slices=step)
    for image in images:
        if "SharedFunctionalGroupsSequence" in image:
            shared = image.SharedFunctionalGroupsSequence[0]
            shared.PixelMeasuresSequence = measures
            shared.PlaneOrientationSequence = highdicom.PlaneOrientationSequence("PATIENT", first.orientation)
        else:
            image.ImageOrientationPatient = list(first.orientation)
            image.SliceThickness, image.SpacingBetweenSlices = (
                measures[0].SliceThickness, measures[0].SpacingBetweenSlices
            )  # fmt: skip


def _object(images, planes: np.ndarray, classes: tuple[str, ...], run: str, more: dict):
    import highdicom

    made_by = highdicom.AlgorithmIdentificationSequence(
        f"radzoo {run}".strip()[:LONGEST], codes.DCM.ArtificialIntelligence, __version__, source="radzoo"
    )
    if not all(text.isascii() for text in (*classes, run)):
        more = more | {"specific_character_set": "ISO_IR 192"}
    found = highdicom.seg.Segmentation(
        source_images=images,
        pixel_array=planes,
        segmentation_type="BINARY",
        segment_descriptions=[_described(label, each, made_by) for label, each in enumerate(classes, start=1)],
        series_instance_uid=generate_uid(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="radzoo",
        manufacturer_model_name="radzoo",
        software_versions=__version__,
        device_serial_number="radzoo",
        content_label="SEGMENTATION",
        series_description="Segmentation by radzoo",
        **more,
    )
    found.ContentCreatorName = ""  # the standard wants it, highdicom leaves it out
    return found


def _described(label: int, name: str, made_by):
    import highdicom

    what = coded(name)
    segment = highdicom.seg.SegmentDescription(
        label, name, what.category, what.type, "AUTOMATIC", made_by,
        anatomic_regions=[what.region] if what.region else None,
        display_color=highdicom.color.CIELabColor.from_rgb(*colour(label)),
    )  # fmt: skip
    if what.side:
        side = highdicom.sr.CodedConcept.from_code(what.side)
        segment.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [side]
    return segment


def _check_texts(texts: tuple[str, ...]) -> None:
    for text in texts:
        if len(text) > LONGEST or not text.isprintable() or "\\" in text:
            raise BadInput(f"the name {text!r} came, a DICOM SEG has up to 64 characters without a backslash")


def _complete(image: pydicom.Dataset) -> None:
    """What the standard wants to be there, empty where nothing is known."""
    for keyword in NEEDED:
        if not header.text(image, keyword):
            raise BadInput(f"the header has no {keyword}, which a DICOM SEG refers to: write it as nifti")
    for keyword in MAY_BE_EMPTY:
        if keyword not in image:
            setattr(image, keyword, "")
