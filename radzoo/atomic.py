"""A file, or a folder, appears whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
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
def whole_folder(path: Path):
    """Yields a new folder beside `path`, which gets its name when all went well; `path` must not exist.

    Raises:
        BadInput: `path` exists by then, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        temporary.mkdir()
        yield temporary
        if path.exists():
            raise BadInput(f"{path.name} is already in {path.parent}: give another folder")
        os.rename(temporary, path)
    except OSError as error:
        _say_full(error, path)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def replacing(path: Path):
    """`whole`, with a full disk said in one line."""
    try:
        with whole(path) as temporary:
            yield temporary
    except OSError as error:
        _say_full(error, path)
        raise


def _say_full(error: OSError, path: Path) -> None:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise BadInput(f"the disk is full: {path} was not written; free some space and run again") from None


def sweep(folder: Path) -> None:
    """Removes what a killed process left half-written below `folder`."""
    for path in folder.rglob(".*.part*"):
        if path.is_file():
            path.unlink(missing_ok=True)
