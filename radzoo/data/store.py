"""The store: every image is decoded once, and kept on disk as the pixels that a network sees."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from radzoo.atomic import whole
from radzoo.data.datasets.reading import read as read_examples
from radzoo.errors import BadInput
from radzoo.images import arrays, volumes
from radzoo.images.input import Input
from radzoo.images.paths import ARRAY, EXAMPLE, VOLUME, Place, file_of, frame_of, place_of, separated, series_of, shown

FORMAT = 3  # counts up when the same file would be decoded to other pixels
WHITE = 65535
FACTS = ("modality", "spacing_mm", "spacing_source", "burnt_in", "applied")  # of `Pixels`, kept beside the array
THREADS = 2


def cache_folder() -> Path:
    """`$RADZOO_CACHE`, or `~/.cache/radzoo`."""
    return Path(os.environ.get("RADZOO_CACHE") or "~/.cache/radzoo").expanduser()


def as_stored(image: np.ndarray) -> np.ndarray:
    """An image in 0..1 as it comes back from a store: float32, rounded to 16 bits."""
    return np.round(image * WHITE).astype("uint16").astype("float32") / np.float32(WHITE)


class Store:
    """Decoded images as uint16 arrays on disk, one file each, in a folder named by the transform.

    Beside each array lies a small JSON file: what the image was, and what was applied to it.

    The key of an image is the sha256 of its bytes (of an example of a dataset, of what is stored there), so a file that
    moved or stands in two indexes is decoded once; that of several images that make one input (`paths.joined`) is made
    of their keys in order, that of a place in a volume of the volume's key and the place. A volume is read once for all
    of its places. Mean, std, scale and channel order are applied later and do not matter here. Two runs may share a
    store: a file appears whole or not at all.

    Args:
        spec: what the weights expect of an image.
        folder: default is `<cache>/store/<digest of the transform>`.
    """

    def __init__(self, spec: Input, folder: Path | None = None):
        transform = {"format": FORMAT, "shape": spec.shape, "window": spec.window, "modality": spec.modality}
        if spec.reads_volumes:
            transform |= {"spacing_mm": spec.spacing_mm, "uneven": spec.uneven}
        if spec.patch:
            transform |= {"patch": spec.patch, "patch_mm": spec.patch_mm}
        if spec.files > 1 or spec.mosaic:
            transform |= {"files": spec.files, "mosaic": spec.mosaic}
        name = hashlib.sha256(json.dumps(transform, sort_keys=True).encode()).hexdigest()[:16]
        self.spec = spec
        self.folder = Path(folder) if folder else cache_folder() / "store" / name

    def add(self, paths, *, progress: bool = True) -> list[str]:
        """Decodes what is not there yet; returns the key of each path (a file, `FILE.npz#member/17`, an example of a
        dataset, or joined).

        Raises:
            BadInput: files that do not exist, or images that cannot be used; the good ones are stored nevertheless.
        """
        from tqdm import tqdm

        paths = [os.fspath(path) for path in paths]
        _check_files(paths, folders=self.spec.reads_volumes)
        groups, keys, bad = _by_volume(paths), {}, []
        pool = ThreadPoolExecutor(THREADS)
        try:
            jobs = self._jobs(pool, groups)
            for job in tqdm(jobs, "images", len(groups), file=sys.stderr, disable=not progress):
                found, refused = job()
                keys |= found
                bad += refused
        except OSError as error:  # images that cannot be read are BadInput by now: this is the store's own disk
            reason = error.strerror or error
            raise BadInput(f"cannot write to {self.folder}: {reason}; make room, or set RADZOO_CACHE") from None
        finally:  # Ctrl-C: what is decoded stays, what waits is dropped
            pool.shutdown(cancel_futures=True)
        if bad:
            path, error = bad[0]
            name = shown(path)
            reason = f"{name} (image {paths.index(path) + 1} of {len(paths)}): {str(error).removeprefix(f'{name}: ')}"
            more = f" ({len(bad) - 1} more images cannot be used either)" if len(bad) > 1 else ""
            raise BadInput(f"{reason}, or remove it from the index{more}")
        return [keys[path] for path in paths]

    def digests(self, keys) -> list[str]:
        """The sha256 of the stored pixels: equal for identical images, however their files were encoded."""
        return [hashlib.sha256(self._values(key).tobytes()).hexdigest() for key in keys]

    def __getitem__(self, key: str) -> np.ndarray:
        """The image or volume, float32 in 0..1, of the shape that the weights expect."""
        return self._values(key).astype("float32") / np.float32(WHITE)

    def facts(self, key: str) -> dict:
        """What is known of the decoded image.

        `modality`, `spacing_mm`, `spacing_source`, `burnt_in`, `applied` (as `Pixels`), `size` `[h, w]` or `[z, y,
        x]`, and `content`, a hash of what was decoded before it is fitted to a network.

        Of several images that make one input these are the facts of the first, but `applied` is that of all, and
        `burnt_in` of the first that has one."""
        return json.loads(self._path(key).with_suffix(".json").read_text(encoding="utf-8"))

    def _values(self, key: str) -> np.ndarray:
        """The array as it is stored.

        Not by `np.load`: that has Python parse the header, which fails at random in Python 3.11 when threads do it at
        the same time ("AST constructor recursion depth mismatch", cpython issue 106905).
        """
        content = self._path(key).read_bytes()
        start = 10 + int.from_bytes(content[8:10], "little")  # version 1.0 of the format, which `np.save` writes
        return np.frombuffer(content, "<u2", offset=start).reshape(self.spec.shape)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npy"

    def _jobs(self, pool: ThreadPoolExecutor, groups: dict[str, list[str]]):
        """What gives `_add` for each volume: files are read in threads, the examples of a dataset as they come."""
        examples = [path for path in groups if EXAMPLE.fullmatch(separated(path)[0])]
        files = groups.keys() - set(examples)
        for job in [
            pool.submit(self._add, groups[path], partial(_digests, path), partial(self.spec.opened, path))
            for path in groups
            if path in files
        ]:
            yield job.result
        for path, digest, decode in read_examples(examples, self.spec):
            yield partial(self._add, groups[path], partial(str, digest), decode)

    def _add(self, paths: list[str], digest: Callable, decode: Callable) -> tuple[dict, list[tuple[str, BadInput]]]:
        """Keys of the paths that lie in one volume, which is read once, and those that cannot be used."""
        try:
            name = digest()
            keys = {path: _placed(name, place_of(path)[1]) for path in paths}
            missing = [path for path in paths if not self._path(keys[path]).exists()]
            for path in missing:
                self.spec.check_place(place_of(path)[1])
            images = decode() if missing else []
            facts = _facts(images) if missing else {}
        except BadInput as error:
            return {}, [(path, error) for path in paths]
        bad = []
        for path in missing:
            place = place_of(path)[1]
            try:
                image = self.spec.fit(*images) if place is None else self.spec.fit_around(images, [place])[0]
            except BadInput as error:
                bad.append((path, error))
                continue
            self._write(keys[path], image, facts | {"content": _placed(facts["content"], place)})
        return keys, bad

    def _write(self, key: str, image: np.ndarray, facts: dict) -> None:
        path = self._path(key)
        content = io.BytesIO()  # written by Python, which reports a full disk; ndarray.tofile may not
        np.save(content, np.round(image * WHITE).astype("<u2"))
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path.with_suffix(".json")) as temporary:  # first: where the array is, its facts are
            temporary.write_text(json.dumps(facts), encoding="utf-8")
        with whole(path) as temporary:
            temporary.write_bytes(content.getvalue())


def _facts(images) -> dict:
    """What is kept of decoded images; see `Store.facts`."""
    facts = {name: getattr(images[0], name, None) for name in FACTS} | {"size": images[0].size}
    if len(images) > 1:
        facts["applied"] = [f"{i}: {step}" for i, each in enumerate(images, start=1) for step in each.applied]
        facts["burnt_in"] = next((text for each in images if (text := getattr(each, "burnt_in", None))), None)
    return facts | {"content": hashlib.sha256(b"".join(each.content() for each in images)).hexdigest()}


def _by_volume(paths: list[str]) -> dict[str, list[str]]:
    """Paths by the volume that they are places in; a path without a place by itself."""
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(place_of(path)[0], []).append(path)
    return found


def _digest(path: str) -> str:
    """The sha256 of a file, of one image of an array file, or of the files of a folder whatever their names."""
    array, several = ARRAY.fullmatch(path), VOLUME.fullmatch(path) or frame_of(path)
    if array:
        values, _ = arrays.read(array[1], array[2])
        return hashlib.sha256(f"{values.shape}".encode() + values.tobytes()).hexdigest()
    try:
        if several:
            return hashlib.sha256(f"{_sha256(several[1])}#{int(several[2])}".encode()).hexdigest()
        series = series_of(path)
        if series or os.path.isdir(path):
            files = volumes.files(*series.groups()) if series else volumes.files(path)
            return hashlib.sha256("\n".join(sorted(map(_sha256, files))).encode()).hexdigest()
        return _sha256(path)
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}") from None


def _sha256(file: str) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def image_digest(path: str) -> str:
    """The key of an image: the sha256 of its bytes; of images that make one input, that of their digests in order; of a
    place in a volume, that of the volume's and the place."""
    volume, place = place_of(path)
    return _placed(_digests(volume), place)


def _digests(path: str) -> str:
    digests = [_digest(file) for file in separated(path)]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _placed(digest: str, place: Place | None) -> str:
    return digest if place is None else hashlib.sha256(f"{digest}@{tuple(place)}".encode()).hexdigest()


def _check_files(paths: list[str], folders: bool) -> None:
    files = [file_of(file) for path in paths for file in separated(path)]
    exist = {file: os.path.isfile(file) or (folders and os.path.isdir(file)) for file in set(files)}
    missing = [file for file in files if not exist[file]]
    if missing:
        raise BadInput(
            f"{len(missing)} of {len(files)} image files do not exist, the first is {missing[0]}: "
            "mend the paths of the index (they are relative to its folder)"
        )
