"""One file of a folder: is it one image, and what can be said of it without decoding its pixels?"""

from __future__ import annotations

import functools
import hashlib
import os
import stat

from radzoo.data.headers import describe
from radzoo.errors import BadInput
from radzoo.images import is_dicom

TAIL = 65536  # bytes at the end of a JPEG in which its end marker must lie


def look(path: str, keys) -> dict:
    """The columns of one image; those that begin with `_` (`_size`, `_nobody`, `_number`) are not for the index.

    Args:
        keys: function that gives the `Keys`; called for DICOM only, so that no secret is made without need.
    Raises:
        BadInput: why an index cannot name this file.
        OSError: the file cannot be read.
    """
    if os.path.basename(path)[0] == ".":
        raise BadInput("a hidden file")
    if path.encode("utf-8", "replace").decode("utf-8") != path or path != path.strip() or min(path) < " ":
        raise BadInput("its name is not Unicode, holds a line break or ends with a space: rename it")
    what = os.stat(path)
    if not stat.S_ISREG(what.st_mode):  # a pipe would wait for ever
        raise BadInput("no regular file")
    if not what.st_size:
        raise BadInput("the file is empty")
    with open(path, "rb") as file:
        head = file.read(132)
    if not is_dicom(head):
        return {**_picture(path, head, what.st_size), "_size": what.st_size}
    header = describe(path, keys(), functools.partial(digest, path))
    return {**header.columns, "_nobody": header.nobody, "_number": header.number, "_size": what.st_size}


def _picture(path: str, head: bytes, size: int) -> dict:
    """Height and width of a picture that seems to be whole; PNG and JPEG are checked without decoding them."""
    from PIL import Image

    from radzoo.images import raster

    if head[:6] == b"\x93NUMPY" or head[:4] == b"PK\3\4":
        raise BadInput("an archive or an array: name its images as FILE.npz#member/row in an index of your own")
    if head[:8] != b"\x89PNG\r\n\x1a\n" and head[:3] != b"\xff\xd8\xff":
        height, width = raster.read(path)[0].shape[:2]
        return {"rows": str(height), "columns": str(width)}
    try:
        with Image.open(path, formats=raster.FORMATS) as image:
            width, height = image.size
            if head[:1] == b"\x89":
                image.verify()
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error, ...
        raise BadInput(f"the image is damaged, truncated or too large ({type(error).__name__})") from None
    with open(path, "rb") as file:
        file.seek(max(0, size - TAIL))
        if head[:1] == b"\xff" and b"\xff\xd9" not in file.read():
            raise BadInput("the image is truncated")
    return {"rows": str(height), "columns": str(width)}


def digest(path: str) -> str:
    """The sha256 of a file's bytes, which tells copies."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
