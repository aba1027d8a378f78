"""A file appears whole or not at all."""

from __future__ import annotations

import errno
import os
import uuid
from contextlib import contextmanager
from pathlib import Path

from radzoo.errors import BadInput


@contextmanager
def whole(path: Path):
    """Yields a temporary path beside `path`, which takes its place when all went well.

    No two processes write to the same temporary file. One that was killed leaves `.NAME.*.part*` behind.
    """
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.part{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path):
    """`whole`, with a full disk said in one line."""
    try:
        with whole(path) as temporary:
            yield temporary
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BadInput(f"the disk is full: {path} was not written; free some space and run again") from None
        raise


def sweep(folder: Path) -> None:
    """Removes what a killed process left half-written below `folder`."""
    for path in folder.rglob(".*.part*"):
        if path.is_file():
            path.unlink(missing_ok=True)
