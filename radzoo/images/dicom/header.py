"""The header of a DICOM file: read quietly, and checked before any memory is taken.

Messages name attributes, not their values: headers hold the patient's data. Names of transfer syntaxes and of kinds
of object come from the standard, and are told.
"""

from __future__ import annotations

import io
import itertools
import logging
import math
import os
import threading
import warnings
import zlib
from contextlib import contextmanager

import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from radzoo.errors import BadInput

LARGEST_FILE = 2**31  # bytes; one image is far smaller
UNDEFINED = 0xFFFFFFFF  # the length of compressed pixel data
MOST_ELEMENTS = 20_000  # outside of sequences; images have some hundreds
DEFLATED = DeflatedExplicitVRLittleEndian.encode()
PIXELS = {"PixelData": 0x7FE00010, "FloatPixelData": 0x7FE00008, "DoubleFloatPixelData": 0x7FE00009}
_lock = threading.Lock()  # the filters of `warnings` belong to the whole process


class _File(io.BufferedReader):
    """A file of which no more is read than is there: a length beyond its end would reserve what it claims."""

    def __init__(self, path: str | os.PathLike):
        super().__init__(io.FileIO(os.fspath(path)))
        self.size = os.fstat(self.fileno()).st_size

    def read(self, size=-1) -> bytes:
        left = max(self.size - self.tell(), 0)
        return super().read(left if size is None or size < 0 else min(size, left))


def parse(path: str | os.PathLike, pixels: bool = True) -> pydicom.Dataset:
    """The elements of a file, with a transfer syntax and pixel data; call it within `quiet`.

    Args:
        pixels: whether the pixel data is read too; without, its element is empty, and all beyond it is left out.
    Raises:
        BadInput: damaged or truncated files, and objects without pixels.
        OSError: the file cannot be read.
    """
    if os.path.getsize(path) > LARGEST_FILE:
        raise BadInput("the file has more than 2 GiB, expected one image: export the frame you mean")
    try:
        with _File(path) as file:
            deflated = DEFLATED in file.read(1024)
            file.seek(0)
            dataset = _inflated(path, file.read()) if deflated else None
            if dataset is None:
                file.seek(0)
                dataset = _elements(file, pixels)
        meta = dataset.file_meta if hasattr(dataset, "file_meta") else FileMetaDataset()
        syntax = meta.get("TransferSyntaxUID")
        if not syntax:  # pydicom has found the encoding by trial
            implicit, little = dataset.original_encoding
            explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
            meta.TransferSyntaxUID = syntax = ImplicitVRLittleEndian if implicit else explicit
            dataset.file_meta = meta
        found = [keyword for keyword, tag in PIXELS.items() if tag in dataset]
        undefined = bool(found) and dataset[found[0]].is_undefined_length
    except BadInput:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:  # the file system's, not pydicom's
            raise
        raise BadInput(f"the DICOM file is damaged or truncated ({type(error).__name__}): copy it again") from None
    if len(found) != 1:
        raise BadInput(f"the DICOM file {_kind(dataset)}: give an image object")
    if not isinstance(syntax, UID) or syntax.is_private or not syntax.is_transfer_syntax:
        raise BadInput("the DICOM transfer syntax is unknown: export the image uncompressed")
    if syntax.is_encapsulated != undefined:
        raise BadInput("the pixel data is not encoded as the transfer syntax says: export the image again")
    return dataset


def _elements(file: _File, pixels: bool) -> pydicom.Dataset:
    """The dataset of a file that is not deflated."""
    if pixels:
        return pydicom.filereader.read_partial(file, stop_when=_counter(), force=True)
    beyond, reached = _counter(), []

    def stop(tag, vr, length) -> bool:
        if tag in PIXELS.values():
            reached.append((tag, vr or "OW", length))
        return bool(reached) or beyond(tag, vr, length)

    dataset = pydicom.filereader.read_partial(file, stop_when=stop, force=True)
    for tag, vr, length in reached:
        dataset[tag] = pydicom.DataElement(tag, vr, b"", is_undefined_length=length == UNDEFINED)
    return dataset


def _inflated(path, data: bytes) -> pydicom.Dataset | None:
    """The dataset of a deflated file, which pydicom would inflate without end; None for all other files."""
    meta = pydicom.filereader.read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return None
    start = 132 + 12 + meta.FileMetaInformationGroupLength
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = inflate.decompress(data[start:], LARGEST_FILE // 2)
    if not inflate.eof:
        raise BadInput("the deflated DICOM file is truncated, or more than 1 GiB when inflated: export it again")
    dataset = pydicom.filereader.read_dataset(
        io.BytesIO(plain), is_implicit_VR=False, is_little_endian=True, stop_when=_counter()
    )
    dataset.file_meta = meta
    return dataset


def _counter():
    """Lets pydicom go on for `MOST_ELEMENTS`; a file whose end is all zeros has millions of empty elements."""
    count = itertools.count()

    def stop(tag, vr, length) -> bool:
        if next(count) > MOST_ELEMENTS:
            raise BadInput(f"the DICOM file has more than {MOST_ELEMENTS} elements: it is damaged, copy it again")
        return False

    return stop


def _kind(dataset) -> str:
    """Why a file has no pixels, in the standard's own name of its kind."""
    try:
        kind = UID(dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID") or "")
        if kind.type == "SOP Class":
            return f"is of the kind {kind.name} and holds no pixel data, or ends before it"
    except Exception:  # a damaged name: the file is refused all the same
        pass
    return "holds no pixel data, or ends before it"


def number(dataset, keyword: str, default: float | None) -> float | None:
    """The (first) value of a numeric attribute, or `default` where it is absent or empty."""
    try:
        value = dataset.get(keyword)
        if isinstance(value, pydicom.multival.MultiValue | list | tuple):
            value = value[0] if len(value) else None
        result = default if value is None or value == "" else float(value)
    except Exception:
        raise BadInput(f"{keyword} is not a number: export the image again") from None
    if result is not None and not math.isfinite(result):
        raise BadInput(f"{keyword} is not finite: export the image again")
    return result


def text(dataset, keyword: str) -> str:
    """The (first) value of an attribute as text, empty where it is absent or cannot be read."""
    try:
        value = dataset.get(keyword)
        if isinstance(value, pydicom.multival.MultiValue | list | tuple):
            value = value[0] if len(value) else None
        return "" if value is None else str(value).strip()
    except Exception:
        return ""


@contextmanager
def quiet():
    """Silences pydicom: its warnings quote header values. One thread at a time."""
    log = logging.getLogger("pydicom")
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        level = log.level
        log.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            log.setLevel(level)
