"""Arrays on disk that many threads look at."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np


def mapped(path: Path) -> np.ndarray:
    """An `.npy` file, not read before it is looked at.

    NumPy parses its header with `ast`, which in Python 3.11 now and then fails with a SystemError ("AST constructor
    recursion depth mismatch", CPython issue 106905) where another thread parses too. So a header is parsed once: by
    who adds the file, before threads come.
    """
    return np.memmap(path, mode="r", **_header(path))


@cache
def _header(path: Path) -> dict:
    array = np.load(path, mmap_mode="r")
    order = "C" if array.flags.c_contiguous else "F"
    return {"dtype": array.dtype, "shape": array.shape, "offset": array.offset, "order": order}
