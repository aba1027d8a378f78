"""Where images lie: a file, a place in a file of several, the folder of a series, an example of a dataset, or several
that make one input.

A volume may have a place in the patient behind it, such as a candidate's: `scan.nii.gz@lps:-20.5,31,104`.
"""

from __future__ import annotations

import math
import os
import re
from typing import NamedTuple

from radzoo.errors import BadInput

BREAK = "\n"  # between the files of one row; what ends a line of an index stands in no path
VOLUME = re.compile(r"(.+\.(?:nii|nii\.gz|hdr|img|mgh|mgz))#(\d+)", re.IGNORECASE | re.DOTALL)  # FILE.nii.gz#3
SERIES = re.compile(r"(.+)#([0-9a-f]{12})", re.DOTALL)  # FOLDER#KEY, one series of several in a folder
FRAME = re.compile(r"(.+)#(\d+)", re.DOTALL)  # FILE.dcm#3, one frame of a DICOM object, whatever its name ends in
ARRAY = re.compile(r"(.+\.np[yz])#(.+)", re.IGNORECASE | re.DOTALL)  # FILE.npz#train_images/17
DATASET = "dataset_info.json"  # in the folder of a TFDS dataset; an image in it is that#train/17/image
EXAMPLE = re.compile(r"(.+/dataset_info\.json)#(([^#/]+)/(\d+)/(.+))", re.DOTALL)
PLACE = re.compile(r"(.*)@([a-z]+):([^@,]+),([^@,]+),([^@,]+)", re.DOTALL)  # VOLUME@lps:-20.5,31,104
FRAMES = ("lps", "ras", "voxel")


class Place(NamedTuple):
    """A place in a volume.

    Attributes:
        frame: `lps` or `ras`, mm in the patient as DICOM or NIfTI have it; or `voxel`, of the grid as it is stored.
        position: `(x, y, z)`; voxels `(i, j, k)` from 0, which may be fractions: column, row, and plane (of a DICOM
            series sorted along the normal of its planes).
    """

    frame: str
    position: tuple[float, float, float]


def placed(path: str, frame: str, position) -> str:
    """A path with a place behind it.

    Raises:
        BadInput: another frame, or a position that is not three finite numbers.
    """
    if frame not in FRAMES:
        raise BadInput(f"the frame {frame!r} came, expected {', '.join(FRAMES)}")
    try:
        numbers = [float(each) for each in position]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise BadInput(f"the place {' '.join(map(str, position))!r} came, expected three numbers x y z")
    return f"{path}@{frame}:{','.join(f'{each:.10g}' for each in numbers)}"


def place_of(path: str | os.PathLike) -> tuple[str, Place | None]:
    """The path (of all files of an input) without its place, and the place, if there is one.

    Raises:
        BadInput: as `placed`; or the files of one input have different places.
    """
    pairs = [_place_of(file) for file in separated(path)]
    if any(place != pairs[0][1] for _, place in pairs):
        raise BadInput("the volumes of one input have different places: give all the same one")
    return joined([file for file, _ in pairs]), pairs[0][1]


def _place_of(path: str) -> tuple[str, Place | None]:
    match = PLACE.fullmatch(path)
    if match is None or os.path.exists(path):
        return path, None
    placed(match[1], match[2], match.groups()[2:])  # refuses what is none
    return match[1], Place(match[2], tuple(map(float, match.groups()[2:])))


def joined(files) -> str:
    """The paths of images that make one input together, in their order, as one text; that of a single file is itself.

    Raises:
        BadInput: a path with a line break.
    """
    files = [os.fspath(file) for file in files]
    if any(BREAK in file for file in files):
        raise BadInput("the path of an image holds a line break: rename the file")
    return BREAK.join(files)


def separated(path: str | os.PathLike) -> list[str]:
    """The paths that `joined` put together."""
    return os.fspath(path).split(BREAK)


def shown(path: str | os.PathLike) -> str:
    """Names without folders, for messages and tables: `arterial.dcm + portal.dcm`, `set.npz#train_images/17`."""
    return " + ".join(_name(file) + rest for file, rest in map(_parts, separated(path)))


def file_of(path: str) -> str:
    """The file of `FILE.npz#train_images/17`, `FILE.nii.gz#3`, `FILE.dcm#3` or an example of a dataset, or the path
    itself."""
    return _parts(path)[0]


def archived(path: str) -> bool:
    """Whether a path is a place in an npz or in a dataset, which says nothing and which its user cannot mend."""
    return ".npz#" in path or EXAMPLE.match(path) is not None


def series_of(path: str) -> re.Match | None:
    """`FOLDER#KEY` as folder and key; None where that is no folder."""
    match = SERIES.fullmatch(path)
    return match if match and os.path.isdir(match[1]) and not os.path.exists(path) else None


def frame_of(path: str) -> re.Match | None:
    """`FILE#3` as file and frame; None where that is no file."""
    match = FRAME.fullmatch(path)
    return match if match and os.path.isfile(match[1]) and not os.path.exists(path) else None


def _name(file: str) -> str:
    """Without its folder; a dataset is called by its name and version."""
    return "/".join(file.split("/")[-3:-1]) if os.path.basename(file) == DATASET else os.path.basename(file)


def _parts(path: str) -> tuple[str, str]:
    place = PLACE.fullmatch(path)
    if place and not os.path.exists(path):
        file, rest = _parts(place[1])
        return file, rest + path[len(place[1]) :]
    match = ARRAY.fullmatch(path) or EXAMPLE.fullmatch(path) or VOLUME.fullmatch(path)
    match = match or series_of(path) or frame_of(path)
    return (match[1], f"#{match[2]}") if match else (path, "")
