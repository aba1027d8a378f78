"""The header of a DICOM file as columns of an index, without pixels and without anything that names a patient.

Only what is listed here leaves a header. Codes are checked against the form that DICOM gives them, identifiers become
keys, and text is taken from the equipment alone.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

import pydicom

from radzoo.data.keys import Keys
from radzoo.data.kinds import OTHER, view
from radzoo.errors import BadInput
from radzoo.images.dicom import frames, header
from radzoo.images.dicom.layout import Layout, layout, refuse_objects

DICOMDIR = "1.2.840.10008.1.3.10"
SECONDARY_CAPTURE = re.compile(r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.7(\.\d)?")
FOR_PROCESSING = tuple(f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("1.1.1", "1.2.1", "1.3.1"))  # DX, MG, intra-oral
FOR_PRESENTATION = tuple(end[:-2] for end in FOR_PROCESSING)
LARGE = 65536  # bytes; larger elements are skipped
CODE = re.compile(r"[A-Z0-9_ ]{1,16}")
VIEW_CODES = {  # PS3.16, CID 4010 and 4014, in SNOMED CT and as SNOMED RT
    "399348003": "AP", "R-10206": "AP", "272479007": "PA", "R-40888": "PA", "R-10214": "PA",
    "399173006": "LL", "R-10236": "LL", "399198007": "RL", "R-10232": "RL",
    "399067008": "LATERAL", "R-102CD": "LATERAL", "399162004": "CC", "R-10242": "CC",
    "399368009": "MLO", "R-10226": "MLO", "399260004": "ML", "R-10224": "ML", "399352003": "LM", "R-10228": "LM",
    "399099002": "LMO", "R-10230": "LMO", "399192008": "XCCL", "R-1024A": "XCCL", "399101009": "XCCM",
    "R-1024B": "XCCM", "399196006": "FB", "R-10244": "FB", "399188001": "SIO", "R-102D0": "SIO",
    "399182000": "OBLIQUE", "R-102C1": "OBLIQUE", "399135007": "LAO", "R-10220": "LAO", "399356000": "RAO",
    "R-40985": "RAO", "399006002": "LPO", "R-10212": "LPO", "399038007": "RPO", "R-10210": "RPO",
}  # fmt: skip


@dataclass(frozen=True)
class Header:
    """What an index says of one DICOM image.

    Attributes:
        columns: `patient` (key), `study` (key), `modality`, `view`, …, as text.
        nobody: the header has no PatientID; `patient` is then a key of the study, or of the file.
        number: a key of the PatientID without its issuer; empty where there is no PatientID.
    """

    columns: dict[str, str]
    nobody: bool
    number: str


def describe(path: str | os.PathLike, keys: Keys, digest) -> Header:
    """The header of a single DICOM image.

    Args:
        digest: function without arguments; the hash of the file, asked for only where the header has no study.
    Raises:
        BadInput: why this file is no image that an index may name, in words that quote no header.
    """
    with header.quiet():
        try:
            dataset, pixels = read_header(path)
            found = _check(dataset, pixels, os.stat(path).st_size)
            study, patient = _text(dataset, "StudyInstanceUID"), _text(dataset, "PatientID")
            study_key = keys("study", study) if study else keys("study of a file", digest())
            whose = keys("patient", _text(dataset, "IssuerOfPatientID"), patient)
            own = {"patient": whose if patient else keys("nobody", study_key), "study": study_key}
            return Header(own | _columns(dataset, found), not patient, keys("number", patient) if patient else "")
        except (BadInput, MemoryError):
            raise
        except Exception as error:  # pydicom raises what it likes, with header values in the text
            if isinstance(error, OSError) and error.errno:  # the file system's, not pydicom's
                raise
            raise BadInput(f"the DICOM header is damaged ({type(error).__name__})") from None


def series_columns(dataset, keys: Keys) -> dict[str, str]:
    """What an index says of a series, from the header of one of its files; call it within `header.quiet`."""
    patient, study = _text(dataset, "PatientID"), _text(dataset, "StudyInstanceUID")
    return {
        "patient": keys("patient", _text(dataset, "IssuerOfPatientID"), patient) if patient else "",
        "study": keys("study", study) if study else "",
        "modality": _code(dataset, "Modality"),
        "manufacturer": _text(dataset, "Manufacturer")[:64],
        "model": _text(dataset, "ManufacturerModelName")[:64],
        "body_part": _code(dataset, "BodyPartExamined"),
    }


def _columns(dataset, found: Layout) -> dict[str, str]:
    sop_class, intent = _text(dataset, "SOPClassUID"), _text(dataset, "PresentationIntentType").upper()
    processing = intent == "FOR PROCESSING" or (not intent and sop_class in FOR_PROCESSING)
    presentation = intent == "FOR PRESENTATION" or (not intent and sop_class in FOR_PRESENTATION)
    modality, burnt_in = _code(dataset, "Modality"), _code(dataset, "BurnedInAnnotation")
    captured = SECONDARY_CAPTURE.fullmatch(sop_class) or "ConversionType" in dataset or modality == "SC"
    return {
        "modality": modality,
        "view": _view(dataset),
        "laterality": _laterality(dataset),
        "manufacturer": _text(dataset, "Manufacturer")[:64],
        "model": _text(dataset, "ManufacturerModelName")[:64],
        "presentation_intent": "PROCESSING" if processing else "PRESENTATION" if presentation else "",
        "burnt_in": burnt_in if burnt_in in ("YES", "NO") else "",
        "secondary_capture": str(int(bool(captured))),
        "photometric": found.photometric,
        "rows": str(found.rows),
        "columns": str(found.columns),
        "body_part": _code(dataset, "BodyPartExamined"),
    }


def read_header(path) -> tuple[pydicom.Dataset, tuple[int, int | None] | None]:
    """The header, with an empty element for pixels; and the pixels' length and their place in the file, if any."""
    found = []

    def at_pixels(tag, vr, length):
        if tag in header.PIXELS.values():
            found.append((tag, vr or "OW", length, file.tell()))
        return bool(found)

    with open(path, "rb") as file:
        if header.DEFLATED in file.read(1024):  # nothing can be skipped in there
            dataset = header.parse(path)
            return dataset, next((len(dataset[tag].value), None) for tag in header.PIXELS.values() if tag in dataset)
        file.seek(0)
        dataset = pydicom.filereader.read_partial(file, at_pixels, defer_size=LARGE, force=True)
        if not found:
            return dataset, None
        tag, vr, length, start = found[0]
        if length == header.UNDEFINED and not _whole(file, start, os.fstat(file.fileno()).st_size):
            raise BadInput("the pixel data is truncated: copy the file again")
    dataset.add_new(tag, vr, b"")
    return dataset, (length, start)


def _whole(file, start: int, size: int) -> bool:
    """Whether the fragments of encapsulated pixel data reach their delimiter."""
    file.seek(start)
    while len(item := file.read(8)) == 8:
        if item[:4] == b"\xfe\xff\xdd\xe0":
            return True
        end = file.tell() + int.from_bytes(item[4:], "little")
        if item[:4] != b"\xfe\xff\x00\xe0" or end > size:
            return False
        file.seek(end)
    return False


def _check(dataset, pixels, size: int) -> Layout:
    """How the pixels lie in the file, or BadInput where it is no image that can be read."""
    meta = dataset.file_meta if hasattr(dataset, "file_meta") else pydicom.dataset.FileMetaDataset()
    if DICOMDIR in (_text(meta, "MediaStorageSOPClassUID"), _text(dataset, "SOPClassUID")):
        raise BadInput("a DICOMDIR, which lists files and is no image")
    if pixels is None:
        raise BadInput("the DICOM file holds no pixel data, or ends before it")
    if not meta.get("TransferSyntaxUID"):  # no preamble: such files are not compressed
        meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        dataset.file_meta = meta
    refuse_objects(dataset)
    frames.place(dataset, "")
    found, (length, start) = layout(dataset), pixels
    if (length == header.UNDEFINED) != found.syntax.is_encapsulated:
        raise BadInput("the pixel data is not encoded as the transfer syntax says: export the image again")
    samples = 2 if found.photometric == "YBR_FULL_422" else found.samples  # two colours share every other pixel
    there = length if start is None else min(length, size - start)
    if length != header.UNDEFINED and there < found.rows * found.columns * samples * found.allocated // 8:
        raise BadInput("the pixel data is truncated: copy the file again")
    return found


def _view(dataset) -> str:
    """ViewPosition; where it says nothing that is understood, the code of ViewCodeSequence."""
    position, code = view(_text(dataset, "ViewPosition")), _first(dataset, "ViewCodeSequence")
    if position not in ("", OTHER) or code is None:
        return position
    return VIEW_CODES.get(_text(code, "CodeValue"), OTHER)


def _laterality(dataset) -> str:
    shared = _first(dataset, "SharedFunctionalGroupsSequence")
    anatomy = None if shared is None else _first(shared, "FrameAnatomySequence")
    places = ((dataset, "ImageLaterality"), (dataset, "Laterality"), (anatomy, "FrameLaterality"))
    sides = [_code(holder, word) for holder, word in places if holder is not None]
    return next((side for side in sides if side in ("L", "R", "B", "U")), "")


def _first(dataset, keyword: str):
    """The first item of a sequence, or None."""
    try:
        items = dataset.get(keyword)
        return items[0] if items else None
    except Exception:
        return None


def _text(dataset, keyword: str) -> str:
    """An attribute as one line of text; empty where it is absent or cannot be read."""
    try:
        value = dataset.get(keyword)
        values = value if isinstance(value, pydicom.multival.MultiValue) else [value]
        text = "\\".join("" if each is None else str(each) for each in values)
    except Exception:  # bad character sets, wrong lengths
        return ""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _code(dataset, keyword: str) -> str:
    """An attribute that must look like a code of DICOM; empty where it does not."""
    text = _text(dataset, keyword).upper()
    return text if CODE.fullmatch(text) else ""
