"""Where images lie: a file, a place in a file of several, the folder of a series, or several that make one input."""

from __future__ import annotations

import os
import re

from radzoo.errors import BadInput

BREAK = "\n"  # between the files of one row; what ends a line of an index stands in no path
VOLUME = re.compile(r"(.+\.(?:nii|nii\.gz|hdr|img|mgh|mgz))#(\d+)", re.IGNORECASE | re.DOTALL)  # FILE.nii.gz#3
SERIES = re.compile(r"(.+)#([0-9a-f]{12})", re.DOTALL)  # FOLDER#KEY, one series of several in a folder
ARRAY = re.compile(r"(.+\.np[yz])#(.+)", re.IGNORECASE | re.DOTALL)  # FILE.npz#train_images/17


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
    return " + ".join(os.path.basename(file) + rest for file, rest in map(_parts, separated(path)))


def file_of(path: str) -> str:
    """The file of `FILE.npz#train_images/17` or `FILE.nii.gz#3`, or the path itself."""
    return _parts(path)[0]


def series_of(path: str) -> re.Match | None:
    """`FOLDER#KEY` as folder and key; None where that is no folder."""
    match = SERIES.fullmatch(path)
    return match if match and os.path.isdir(match[1]) and not os.path.exists(path) else None


def _parts(path: str) -> tuple[str, str]:
    match = ARRAY.fullmatch(path) or VOLUME.fullmatch(path) or series_of(path)
    return (match[1], f"#{match[2]}") if match else (path, "")
