"""Volumes in, `Volume` out: one `read` for NIfTI, NRRD, DICOM series and multi-frame objects (NumPy in, NumPy out)."""

from __future__ import annotations

import os

from radzoo.errors import BadInput
from radzoo.images.paths import VOLUME, frame_of, series_of
from radzoo.images.volumes.volume import Volume

__all__ = ["Volume", "read"]


def read(path: str | os.PathLike, *, uneven: str = "refuse") -> Volume:
    """Reads one volume; its content decides the format, not its name.

    Args:
        path: NIfTI, MGH or NRRD; a multi-frame DICOM object; or a folder with the files of one DICOM series.
            `FOLDER#KEY` is one series of several, as `radzoo index --series` names it; `FILE#3` is volume 3 of a
            NIfTI file that holds several, counted from 0.
        uneven: what becomes of tilted or unevenly spaced DICOM planes: `"refuse"`, or `"resample"` to a straight grid.
    Returns:
        `Volume`, axes turned to `SPL`; HU in CT.
    Raises:
        BadInput: names the file without its folder, and says what to do.
    """
    path = os.fspath(path)
    match = VOLUME.fullmatch(path) or series_of(path) or frame_of(path)
    file, part = (match[1], match[2]) if match else (path, "")
    name = os.path.basename(os.path.normpath(file)) + (f"#{part}" if part else "")
    try:
        return _decoded(file, part, uneven)
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or type(error).__name__
        raise BadInput(f"{name}: {reason}: check the path") from None
    except MemoryError:
        raise BadInput(f"{name}: the volume needs more memory than there is: resample or crop it") from None
    except BadInput as error:
        raise BadInput(f"{name}: {error}") from None


def _decoded(file: str, part: str, uneven: str) -> Volume:
    from radzoo.images import is_dicom  # here, so that `import radzoo.images.volumes` is quick
    from radzoo.images.volumes import nifti, nrrd, series

    if os.path.isdir(file):
        return series.read(files(file, part), uneven=uneven)
    with open(file, "rb") as opened:
        head = opened.read(352)
    if not head:
        raise BadInput("the file is empty: copy it again")
    is_object = is_dicom(head) and head[344:347] not in (b"n+1", b"ni1")  # NIfTI may begin like a DICOM element
    if part and (is_object or head[:4] == b"NRRD"):
        raise BadInput("only NIfTI and MGH files hold several volumes: leave out what follows the '#'")
    if head[:4] == b"NRRD":
        return nrrd.read(file)
    if is_object:
        return series.read([file], uneven=uneven)
    return nifti.read(file, part)


def files(folder: str, key: str = "") -> list[str]:
    """The files of a folder, all of them DICOM; or those of the series that has this key."""
    from radzoo.images import is_dicom
    from radzoo.images.volumes import series

    if key:
        return series.members(folder, key)
    found = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith(".") or entry.is_dir():
            continue
        with open(entry.path, "rb") as file:
            if not is_dicom(file.read(132)):
                raise BadInput(f"{entry.name} is no DICOM file: move it out of the folder of the series")
        found.append(entry.path)
    if not found:
        raise BadInput("the folder holds no files, expected those of one series")
    return found
