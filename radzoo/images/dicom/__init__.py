"""One DICOM image as `Pixels`: header, stored values, then the grey chain or colour.

What would change pixels and is not understood is refused, never skipped. Messages name attributes, not their values:
headers hold the patient's data.
"""

from __future__ import annotations

import os
import re

from radzoo.errors import BadInput
from radzoo.images import intensity
from radzoo.images.dicom import chain, colour, frames, header, spacing
from radzoo.images.dicom.layout import refuse_objects
from radzoo.images.pixels import Pixels

CODE = re.compile(r"[A-Z0-9_ ]{1,16}")  # PS3.5, value representation CS
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # and its family, which continues with a point


def read(path: str | os.PathLike, window="header", part: str = "") -> Pixels:
    """A DICOM file, or one frame of it, as `Pixels`.

    Args:
        window: `"header"` (what the header says, or the full range where it has none), `"percentile"`, or
            `(center, width)` in units of the modality, or several. CT has no window of its own: it must be given.
        part: the number of a frame, from 0; empty where there is one.
    Raises:
        BadInput: damaged files, and what is not read.
    """
    with header.quiet():
        dataset = header.parse(path)
        refuse_objects(dataset)
        frame, work = frames.one(dataset, frames.place(dataset, part))
    stored, photometric = work()  # outside, so that threads decode at the same time
    with header.quiet():
        try:
            return _shown(frame, stored, photometric, window)
        except (BadInput, MemoryError):
            raise
        except Exception as error:  # pydicom converts an attribute when it is asked for, and raises what it likes
            raise BadInput(f"the DICOM header is damaged ({type(error).__name__}): copy the file again") from None


def _shown(dataset, stored, photometric: str, window) -> Pixels:
    modality = header.text(dataset, "Modality")
    modality = modality if CODE.fullmatch(modality) else None  # free text may hold anything
    if photometric.startswith("MONOCHROME"):
        values, steps = chain.grey(dataset, stored, modality, window)
    else:
        values, steps = colour.rgb(dataset, stored, photometric)
        values, more = intensity.without_units(values, window)
        steps = (*steps, *more)
    spacing_mm, source = spacing.spacing(dataset, modality)
    values, spacing_mm, more = spacing.square(values, dataset, spacing_mm)
    return Pixels(values, modality, spacing_mm, source, (*steps, *more), _burnt_in(dataset, modality))


def _burnt_in(dataset, modality: str | None) -> str | None:
    """Why the picture may show text about a patient; None where the header rules it out."""
    said, kind = header.text(dataset, "BurnedInAnnotation"), header.text(dataset, "SOPClassUID")
    if said == "YES":
        return "BurnedInAnnotation is YES"
    if f"{kind}.".startswith(f"{SECONDARY_CAPTURE}.") or "ConversionType" in dataset or modality == "SC":
        return "secondary capture"
    return None if said == "NO" else "BurnedInAnnotation is missing"
