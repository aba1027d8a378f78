"""Images in, `Pixels` out: one `read` for every kind of file (NumPy in, NumPy out)."""

from radzoo.images.input import Input
from radzoo.images.pixels import Pixels

__all__ = ["Input", "Pixels", "read"]


def read(path, window="header") -> Pixels:
    raise NotImplementedError
