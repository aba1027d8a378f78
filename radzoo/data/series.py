"""What volumes lie in a folder: one row per DICOM series or volume file, and a reason for all that is left out.

Headers are read, pixels are not. Patients and studies appear as keys, as in `radzoo.data.survey`.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

from radzoo.data.headers import read_header, series_columns
from radzoo.data.keys import Keys
from radzoo.data.survey import Survey, printable, walk
from radzoo.errors import BadInput
from radzoo.images import is_dicom
from radzoo.images.dicom import header
from radzoo.images.volumes import nifti, nrrd, series
from radzoo.images.volumes.planes import key, planes_of
from radzoo.images.volumes.volume import Volume, turned

THICK = 2.5  # mm between planes, above which oblique planes are interpolation


def survey_series(folder: str | os.PathLike, *, progress: bool = True) -> Survey:
    """Lists the volumes of a folder and its sub-folders.

    Columns are `file` (absolute: a file, a folder, or `FOLDER#KEY` where a folder holds several series), `patient` and
    `study` (keys; empty of NIfTI and NRRD), `modality`, `planes`, `shape` and `spacing_mm` (z y x, turned to SPL),
    `manufacturer`, `model`, `body_part`, and `odd`: what a reader must know, such as uneven or tilted planes.

    Raises:
        BadInput: no such folder, or no volume in it.
    """
    from tqdm import tqdm

    folder = os.path.abspath(Path(folder).expanduser())
    if not os.path.isdir(folder):
        raise BadInput(f"{folder} is no folder: expected one with volumes in it")
    files, left_out = walk(folder)
    found, rows, keys = defaultdict(list), [], []
    for path in tqdm(files, "files", file=sys.stderr, disable=not progress):
        try:
            if _dicom(path):
                keys = keys or [Keys()]
                planes, uid, columns = _looked_at(path, keys[0])
                found[uid].append((path, planes, columns))
            else:
                rows.append(_volume_file(path))
        except BadInput as error:
            left_out.append((path, str(error)))
        except OSError as error:
            left_out.append((path, f"cannot be read ({error.strerror or type(error).__name__})"))
    places = defaultdict(set)
    for uid, members in found.items():
        for path, _, _ in members:
            places[os.path.dirname(path)].add(uid)
    others = {os.path.dirname(path) for path, _ in left_out} | {os.path.dirname(row["file"]) for row in rows}
    for uid, members in found.items():
        place = os.path.dirname(members[0][0])
        alone = len(places[place]) == 1 and place not in others
        name = members[0][0] if len(members) == 1 else place if alone else f"{place}#{uid}"
        try:
            rows.append(_series(name, members))
        except BadInput as error:
            left_out.append((name.partition("#")[0], f"{error} (a series of {len(members)} files)"))
    if not rows:
        raise BadInput(f"{folder} holds no volume that an index could name ({len(left_out)} files or series left out)")
    table = pd.DataFrame(sorted(rows, key=lambda row: row["file"]), dtype=str).fillna("")
    shown = sorted((printable(path), printable(reason)) for path, reason in left_out)
    return Survey(table, pd.DataFrame(shown, columns=["file", "reason"], dtype=str), _notes(table))


def _dicom(path: str) -> bool:
    if os.path.basename(path)[0] == ".":
        raise BadInput("a hidden file")
    if not os.path.isfile(path):
        raise BadInput("no regular file")
    with open(path, "rb") as file:
        head = file.read(352)
    if not head:
        raise BadInput("the file is empty")
    return is_dicom(head) and head[344:347] not in (b"n+1", b"ni1")


def _looked_at(path: str, keys: Keys):
    """The planes of a DICOM file, the key of its series, and columns of the index."""
    with header.quiet():
        try:
            dataset, pixels = read_header(path)
            if pixels is None:
                raise BadInput("the DICOM file holds no pixel data, or ends before it")
            length, start = pixels
            if start is not None and length != header.UNDEFINED and start + length > os.path.getsize(path):
                raise BadInput("the pixel data is truncated: copy the file again")
            return planes_of(path, dataset), key(dataset), series_columns(dataset, keys)
        except (BadInput, OSError):
            raise
        except Exception as error:  # pydicom raises what it likes, with header values in the text
            raise BadInput(f"the DICOM header is damaged ({type(error).__name__})") from None


def _series(name: str, members: list) -> dict[str, str]:
    """The row of one series."""
    if len({os.path.dirname(path) for path, _, _ in members}) > 1:
        raise BadInput("they lie in several folders: put them into one")
    planes, placed, copies = series.assembled([plane for _, each, _ in members for plane in each])
    shape = tuple(int(size) for size in (len(planes), *planes[0].rows_columns))
    odd = [placed.trouble(), f"{copies} copies left out" if copies else ""]
    return {"file": name, **members[0][2], **_geometry(shape, placed.affine, odd), "planes": str(len(planes))}


def _volume_file(path: str) -> dict[str, str]:
    """The row of a NIfTI, MGH or NRRD file."""
    with open(path, "rb") as file:
        is_nrrd = file.read(4) == b"NRRD"
    if is_nrrd:
        shape, affine = nrrd.geometry(path)
        return {"file": path, **_geometry(shape, affine, [])}
    shape, affine = nifti.geometry(path)
    count = int(np.prod(shape[3:], dtype=int))
    odd = [f"{count} volumes: name one as FILE#0 to FILE#{count - 1}" if count > 1 else ""]
    return {"file": path, **_geometry(shape[2::-1], affine, odd)}


def _geometry(shape, affine: np.ndarray, odd: list[str]) -> dict[str, str]:
    """Shape and spacing as they are once the volume is turned."""
    grid = turned(Volume(np.broadcast_to(np.uint8(0), shape), affine))  # no voxel takes memory
    thickest = max(grid.spacing_mm)
    odd = [*filter(None, odd), *([f"{thickest:.3g} mm between planes"] if thickest > THICK else [])]
    return {
        "shape": " ".join(map(str, grid.values.shape)),
        "spacing_mm": " ".join(f"{side:.4g}" for side in grid.spacing_mm),
        "odd": "; ".join(odd),
    }


def _notes(table: pd.DataFrame) -> tuple[str, ...]:
    if "patient" not in table or (table["patient"] == "").any():
        return ("Nothing says whose files without a patient are: fill that column, or one may be on two sides.",)
    return ()
