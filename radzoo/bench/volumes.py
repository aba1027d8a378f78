"""Volumes: series against pydicom's plain loop, the pipeline against its decoder, patches, and memory."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from radzoo.bench import series
from radzoo.bench.timing import medians
from radzoo.data import Store, batches
from radzoo.images import Input, volumes
from radzoo.images.volumes import patches
from radzoo.images.volumes import series as reader

WINDOW = (40.0, 400.0)
PLACES = 20  # where patches are taken
PEAK = """
import sys
from radzoo.bench.serving import peak
from radzoo.images import volumes
from radzoo.images.volumes import series

before = peak()
size = volumes.read(sys.argv[1]).values.nbytes
print(before, peak(), size)
"""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        ours, theirs: how many of `unit`, per second unless the unit is MB; `theirs` is None where nothing compares.
        against: what `theirs` is of.
    """

    work: str
    ours: float
    unit: str
    against: str
    theirs: float | None

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs if self.theirs else math.nan


def written(folder: Path, planes: int, size: int) -> dict[str, list[str]]:
    """The files of the phantom in each encoding."""
    return {name: series.write(folder / name, name, planes, size) for name in series.SYNTAXES}


def reading(files: dict[str, list[str]], rounds: int) -> Iterator[Row]:
    """Decoding and assembling each series, with one and with two threads."""
    for name, each in files.items():
        theirs = {
            "theirs 1": lambda e=each: series.plain_loop(e, 1),
            "theirs 2": lambda e=each: series.plain_loop(e, 2),
        }
        try:
            series.plain_loop(each[:1], 1)
        except RuntimeError:  # pydicom without a decoder
            theirs = {}
        ours = {f"ours {n}": lambda e=each, n=n: reader.read(e, uneven="resample", threads=n) for n in (1, 2)}
        seconds = medians(ours | theirs, rounds)
        for n in (1, 2):
            other = len(each) / seconds[f"theirs {n}"] if theirs else None
            told = "pydicom's loop" if theirs else "pydicom has no decoder"
            threads = f"{n} thread{'s' if n > 1 else ''}"
            yield Row(f"series, {name}, {threads}", len(each) / seconds[f"ours {n}"], "planes", told, other)


def feeding(files: dict[str, list[str]], folder: Path, rounds: int) -> Iterator[Row | str]:
    """From series to batches: how fast each step is alone, and which one holds up the others."""
    paths = [os.path.dirname(each[0]) for each in files.values()]
    shape = np.array(volumes.read(paths[0]).size)
    spec = Input(shape=(*(int(side) for side in np.maximum(shape // (1, 2, 2), 1)), 1), window=WINDOW)
    read = [volumes.read(path) for path in paths]
    store = Store(spec, folder / "store")
    keys = store.add(paths, progress=False)
    images, many = [store[key] for key in keys], keys * 4
    labels = np.zeros((len(many), 1))
    seconds = medians(
        {
            "decoding": lambda: [volumes.read(path) for path in paths],
            "fitting to the shape": lambda: [spec.fit(volume) for volume in read],
            "reading the store": lambda: [store[key] for key in keys],
            "normalising": lambda: [spec.normalise(image) for image in images],
            "batches": lambda: [None for _ in batches(store, many, labels, batch=2)],
        },
        rounds,
    )
    seconds = {name: value / len(many if name == "batches" else paths) for name, value in seconds.items()}
    limit = 1 / seconds["decoding"]
    for name, value in seconds.items():
        yield Row(f"pipeline, {name}", 1 / value, "volumes", "decoding, its limit", limit)
    first, later = ("decoding", "fitting to the shape"), ("reading the store", "normalising")
    yield f"Bottleneck of the first pass, which fills the store: {max(first, key=seconds.get)}."
    alone = sum(seconds[name] for name in later)
    slowest = max(later, key=seconds.get) if alone > seconds["batches"] / 2 else "handing batches over to tf.data"
    yield f"Bottleneck of all later passes, {seconds['decoding'] / seconds['batches']:.3g} times as fast: {slowest}."


def cutting(folder: str, rounds: int) -> Iterator[Row]:
    """Patches around places, against SciPy alone on as many points of the whole volume."""
    volume = volumes.read(folder)
    rng = np.random.default_rng(0)
    voxels = rng.uniform(0.3, 0.7, (PLACES, 3)) * volume.size
    places, whole = volume.positions(voxels), volume.values.astype("float32")

    def plain(points):
        for voxel in voxels:
            ndimage.map_coordinates(whole, voxel[:, None] + points, order=1, mode="nearest")

    kinds = {
        "nine planes of 64 x 64": (9, (9, 64, 64), lambda at: patches.planes(volume, at)),
        "one cube of 32 x 32 x 32": (1, (32, 32, 32), lambda at: patches.cubes(volume, at, sizes_mm=(50,), voxels=32)),
    }
    for name, (count, shape, cut) in kinds.items():
        points = (np.indices(shape).reshape(3, -1) - np.array(shape)[:, None] / 2) * 0.7
        seconds = medians(
            {"ours": lambda cut=cut: [cut(at) for at in places], "plain": lambda points=points: plain(points)}, rounds
        )
        ours, theirs = (PLACES * count / seconds[each] for each in ("ours", "plain"))
        yield Row(f"patches, {name}", ours, "patches", "map_coordinates", theirs)


def memory(folder: Path, planes: int, size: int) -> Iterator[Row]:
    """The peak of a process that reads a raw series, with Python and without, against the size of the array."""
    series.write(folder, "raw", planes, size)
    command = [sys.executable, "-c", PEAK, str(folder)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    before, peak, array = map(int, printed.split())
    what = f"reading {size} x {size} x {planes}"
    yield Row(f"peak memory, {what}", peak / 1e6, "MB", "the array", array / 1e6)
    yield Row(f"peak memory, {what}, without Python", (peak - before) / 1e6, "MB", "the array", array / 1e6)
