"""A file appears whole or not at all."""

from __future__ import annotations

import errno
import os
import uuid
from contextlib import contextmanager
from pathlib import Path

from radzoo.errors import BadInput


@contextmanager
def replacing(path: Path):
    """Yields a temporary path beside `path`, which takes its place when all went well; a full disk is one line.

    No two processes write to the same temporary file. One that was killed leaves `.NAME.*.part*` behind.
    """
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.part{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BadInput(f"the disk is full: {path} was not written; free some space and run again") from None
        raise
    finally:
        temporary.unlink(missing_ok=True)
