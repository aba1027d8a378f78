"""A restored volume as a DICOM series of its own, derived from its source file by file (PS3.3 C.7.6.1.1.2, C.12.4).

Each object is that of its source with new pixels, new identifiers, and what was done (`derivation`). Patient, study,
frame of reference, geometry, units and windows stay, so that it opens beside the original; where that saw nothing
(padding), nothing is seen again. Levels are the source's own where they hold all values (`levels`).

So the series names its patient, like its source: it is made for the archive that the source lies in, and is no report.
Nothing of a header goes anywhere else, names of files are numbers. Private elements are left out, since they describe
other pixels.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from radzoo.errors import BadInput
from radzoo.images.dicom import compressed, frames, header
from radzoo.images.written import derivation, grid, levels

NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID", "FrameOfReferenceUID")
OF_OTHER_LEVELS = ("PixelValueTransformationSequence", "ModalityLUTSequence", "RealWorldValueMappingSequence")
KINDS = ("CT", "MR")  # of images whose values radzoo reads as they are stored, but for a rescale


def opened(source: str) -> grid.Series:
    """The headers of a source that a series can be derived from.

    Raises:
        BadInput: a source that is no DICOM, planes that make no even grid, headers that lack what a derived series
            refers to.
    """
    if grid.format_of(source) != "dicom":
        raise BadInput("is no DICOM, which a derived series is made of: write it as nifti or png")
    series = grid.dicom(source)
    if series.stack.trouble():
        raise BadInput(f"{series.stack.trouble()}: the values lie on an even grid, not on these planes; use nifti")
    with header.quiet():
        for each in series.headers.values():
            _check(each)
    return series


def save(values: np.ndarray, source: str, folder: Path, run: str = "") -> None:
    """Writes one file for each of the source's, in the order of their planes.

    Args:
        values: `(z, y, x)` of the turned volume in units of the modality (HU).
        folder: there, and empty.
        run: the name of the run whose model restored.
    Raises:
        BadInput: as `opened`; values of another shape, or NaN; headers that cannot be written.
    """
    from tqdm import tqdm

    series = opened(source)
    planes = grid.laid_back(values, series.grid)
    if not np.isfinite(planes).all():
        raise BadInput("the restored values hold NaN or infinite ones: look at the image and the weights")
    files: dict[str, list[int]] = {}
    for place, plane in enumerate(series.planes):
        files.setdefault(plane.file, []).append(place)
    with header.quiet():
        parts = {file: list(frames.headers(series.headers[file])) for file in files}
        kept, new = levels.chosen(planes, [parts[plane.file][plane.frame] for plane in series.planes])
    deed = derivation.Deed(run, generate_uid())
    for number, (file, places) in enumerate(tqdm(files.items(), "writing", file=sys.stderr, delay=2, leave=False), 1):
        order = sorted(places, key=lambda place: series.planes[place].frame)
        data = _derived(file, planes[order], [kept[place] for place in order], new, deed)
        try:
            with header.quiet():
                data.save_as(folder / f"{number:04d}.dcm", enforce_file_format=True)
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # pydicom quotes headers
            raise BadInput(f"a header cannot be written anew ({type(error).__name__}): use nifti") from None


def _check(data: pydicom.Dataset) -> None:
    for keyword in NEEDED:
        if not header.text(data, keyword):
            raise BadInput(
                f"the header has no {keyword}, by which an archive files a derived series beside its source: export "
                "the series with its identifiers, or write it as nifti"
            )
    if header.text(data, "Modality") not in KINDS:
        raise BadInput(f"is no {' or '.join(KINDS)}, whose stored values radzoo knows how to write: use nifti")
    if not UID(data.file_meta.TransferSyntaxUID).is_little_endian:
        raise BadInput("is big-endian, which DICOM has retired: export the series again, or write it as nifti")
    if "PixelData" not in data or "ConcatenationUID" in data:
        what = "is one object cut into several (concatenation)" if "PixelData" in data else "has floating-point pixels"
        raise BadInput(f"{what}, which are not derived from: write it as nifti")


def _derived(file: str, planes: np.ndarray, kept: list[levels.Levels], new: bool, deed: derivation.Deed):
    """The object that is made of one file; `planes` and `kept` in the order of its frames."""
    with header.quiet():
        data = header.parse(file)
        works, nothing = frames.prepare(data), levels.padding(data)
    sources = (work()[0] for work in works)
    pixels = [_pixels(*each, nothing, new) for each in zip(planes, sources, kept, strict=True)]
    with header.quiet():
        try:
            derivation.describe(data, deed)
            if new:
                _rescale(data, kept[0])
            _lay_in(data, np.stack(pixels), kept[0])
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:  # pydicom converts on access
            raise BadInput(f"a header of the source is damaged ({type(error).__name__}): use nifti") from None
    return data


def _pixels(plane: np.ndarray, source: np.ndarray, kept: levels.Levels, nothing, new: bool) -> np.ndarray:
    """The levels of one plane, where the source is not padding, which stays what it was."""
    stored = kept.stored(plane)
    if nothing is not None:
        seen = (source < nothing[0]) | (source > nothing[1])
        stored = np.where(seen, stored, levels.PADDING if new else source)
    return stored.astype(kept.dtype)


def _rescale(data: pydicom.Dataset, kept: levels.Levels) -> None:
    """The new levels of all pixels, where the object keeps its own."""
    groups = [*data.get("SharedFunctionalGroupsSequence", ()), *data.get("PerFrameFunctionalGroupsSequence", ())]
    for each in (data, *groups):
        for keyword in OF_OTHER_LEVELS:
            if keyword in each:
                del each[keyword]
    holder = data
    if "SharedFunctionalGroupsSequence" in data:
        holder = pydicom.Dataset()
        data.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence = [holder]
    holder.RescaleSlope, holder.RescaleIntercept = f"{kept.slope:.6g}", f"{kept.intercept:.6g}"
    holder.RescaleType = "HU" if data.Modality == "CT" else "US"


def _lay_in(data: pydicom.Dataset, pixels: np.ndarray, kept: levels.Levels) -> None:
    """The pixels, 16 bits and uncompressed."""
    if data.file_meta.TransferSyntaxUID in compressed.LOSSY and not header.text(data, "LossyImageCompression"):
        data.LossyImageCompression = "01"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, int(kept.signed)
    for keyword, value in zip(("PixelPaddingValue", "PixelPaddingRangeLimit"), kept.padding or (), strict=False):
        if keyword in data:
            data.add_new(keyword, "SS" if kept.signed else "US", int(value))
    data.add_new("PixelData", "OW", pixels.tobytes())
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta = meta
