"""The store: every image is decoded once, and kept on disk as the pixels that a network sees."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.input import Input

FORMAT = 1  # counts up when the same file would be decoded to other pixels
WHITE = 65535
THREADS = 2
NPZ_ROW = re.compile(r"(?P<file>.+\.npz)#(?P<member>[^#/]+)/(?P<row>\d+)$", re.IGNORECASE)


def cache_folder() -> Path:
    """`$RADZOO_CACHE`, or `~/.cache/radzoo`."""
    return Path(os.environ.get("RADZOO_CACHE") or "~/.cache/radzoo").expanduser()


class Store:
    """Decoded images as uint16 arrays on disk, one file each, in a folder named by the transform.

    The key of an image is the sha256 of its bytes, so a file that moved or stands in two indexes is decoded once.
    Mean, std, scale and channel order are applied later and do not matter here. Two runs may share a store: a file
    appears whole or not at all.

    Args:
        spec: what the weights expect of an image.
        folder: default is `<cache>/store/<digest of the transform>`.
    """

    def __init__(self, spec: Input, folder: Path | None = None):
        transform = {"format": FORMAT, "shape": spec.shape, "window": spec.window, "modality": spec.modality}
        name = hashlib.sha256(json.dumps(transform, sort_keys=True).encode()).hexdigest()[:16]
        self.spec = spec
        self.folder = Path(folder) if folder else cache_folder() / "store" / name

    def add(self, paths, *, progress: bool = True) -> list[str]:
        """Decodes what is not there yet; returns the key of each path (a file, or `FILE.npz#train_images/17`).

        Raises:
            BadInput: files that do not exist, or images that cannot be used; the good ones are stored nevertheless.
        """
        from tqdm import tqdm

        paths = [os.fspath(path) for path in paths]
        _check_files(paths)
        members = lru_cache(maxsize=2)(_member)  # the arrays of an npz, while this call lasts
        keys, bad = [], []
        pool = ThreadPoolExecutor(THREADS)
        try:
            jobs = [pool.submit(self._add, path, members) for path in paths]
            for path, job in zip(paths, tqdm(jobs, "images", file=sys.stderr, disable=not progress), strict=True):
                try:
                    keys.append(job.result())
                except BadInput as error:
                    bad.append(f"{_base(path)} (image {len(keys) + len(bad) + 1} of {len(paths)}): {error}")
        finally:  # Ctrl-C: what is decoded stays, what waits is dropped
            pool.shutdown(cancel_futures=True)
        if bad:
            more = f"; {len(bad) - 1} more images cannot be used either" if len(bad) > 1 else ""
            raise BadInput(f"{bad[0]}{more}: mend them or remove them from the index")
        return keys

    def digests(self, keys) -> list[str]:
        """The sha256 of the stored pixels: equal for identical images, however their files were encoded."""
        return [hashlib.sha256(np.load(self._path(key)).tobytes()).hexdigest() for key in keys]

    def __getitem__(self, key: str) -> np.ndarray:
        """The image float32 `(h, w, channels)` in 0..1."""
        return np.load(self._path(key)).astype("float32") / np.float32(WHITE)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npy"

    def _add(self, path: str, members) -> str:
        inside = NPZ_ROW.match(path)
        if inside:
            source = _row(members(inside["file"], inside["member"]), int(inside["row"]), path)
            key = hashlib.sha256(f"{source.dtype.str}{source.shape}".encode() + source.tobytes()).hexdigest()
        else:
            source = path
            with open(path, "rb") as file:
                key = hashlib.file_digest(file, "sha256").hexdigest()
        if not self._path(key).exists():
            self._write(key, self.spec.read(source))
        return key

    def _write(self, key: str, image: np.ndarray) -> None:
        path = self._path(key)
        temporary = path.with_name(f".{key}.{uuid.uuid4().hex}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, "xb") as file:
                np.save(file, np.round(image * WHITE).astype("uint16"))
            os.replace(temporary, path)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
                raise
            raise BadInput(f"cannot write to the store {self.folder}: {error.strerror}; set RADZOO_CACHE") from None
        finally:
            temporary.unlink(missing_ok=True)
