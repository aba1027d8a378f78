"""The voxels of a DICOM series: each plane decoded by one of several threads, in units of the modality."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.dicom import chain, frames, header, suv
from radzoo.images.volumes.planes import Plane


@contextlib.contextmanager
def named(file: str, files: list[str]):
    """Errors say which file of several is meant; that of one file is said by whoever asked for it."""
    try:
        yield
    except BadInput as error:
        if len(files) == 1:
            raise
        raise BadInput(f"{os.path.basename(file)}: {error}") from None


def decoded(planes: list[Plane], names: list[str], threads: int | None) -> tuple[np.ndarray, str | None, tuple]:
    """`(n, h, w)` in units of the modality, the modality, and the steps that were applied."""
    values, modality, steps = None, None, {}  # a dict keeps the order of its keys
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        for place, (array, kind, more) in _few_ahead(pool, _jobs(planes, names)):
            values, modality, steps = _room(values, len(planes), array), kind, steps | dict.fromkeys(more)
            values[place] = array
    return values, modality, tuple(steps)


def _jobs(planes: list[Plane], names: list[str]) -> Iterator[tuple[int, Callable]]:
    """The place of each plane and what decodes it; a file of several planes is read once, at its turn."""
    files: dict[str, list[int]] = {}
    for place, plane in enumerate(planes):
        files.setdefault(plane.file, []).append(place)
    for file, places in files.items():
        if len(places) == 1:
            yield places[0], partial(_in_file, file, planes[places[0]].frame, names)
            continue
        with named(file, names):
            parts, works = frames.read(file)
        for place in places:
            frame = planes[place].frame
            yield place, partial(_in_units, file, parts[frame], works[frame], names)


def _few_ahead(pool: ThreadPoolExecutor, jobs):
    """Places and results in order, while no more than some wait: a series need not lie in memory twice."""
    waiting: deque = deque()
    for place, job in jobs:
        waiting.append((place, pool.submit(job)))
        if len(waiting) > 4 * (os.cpu_count() or 1):
            first, done = waiting.popleft()
            yield first, done.result()
    for place, done in waiting:
        yield place, done.result()


def _room(values: np.ndarray | None, count: int, array: np.ndarray) -> np.ndarray:
    """Where `array` fits in: int16 as long as that holds everything exactly."""
    whole = array.dtype.kind in "iu" or bool((array == np.rint(array)).all())
    fits = whole and array.min() >= -32768 and array.max() <= 32767
    if values is None:
        return np.empty((count, *array.shape), "int16" if fits else "float32")
    return values if fits or values.dtype == "float32" else values.astype("float32")


def _in_file(file: str, frame: int, names: list[str]) -> tuple[np.ndarray, str | None, tuple[str, ...]]:
    with named(file, names):
        parts, works = frames.read(file)
    return _in_units(file, parts[frame], works[frame], names)


def _in_units(file: str, part, work, names: list[str]) -> tuple[np.ndarray, str | None, tuple[str, ...]]:
    """One plane, its modality, and the steps that were applied."""
    with named(file, names):
        stored, photometric = work()
        if photometric != "MONOCHROME2":
            raise BadInput(f"is {photometric}, expected MONOCHROME2: colours and inverted greys make no volume")
        with header.quiet():
            array, steps = chain.in_units(part, stored)
            modality = header.text(part, "Modality") or None
            if modality == "PT":
                array, steps = array * suv.factor(part), (*steps, "SUV by body weight")
        return array, modality, steps
