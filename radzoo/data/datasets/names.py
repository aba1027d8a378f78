"""How a dataset is named, and where it lies: `tfds:NAME`, `tfds:NAME/CONFIG:VERSION`, `tfds:NAME@/data/dir`.

Datasets are looked for on this machine's disk alone: nothing is downloaded, and no dataset's own code runs.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from radzoo.errors import BadInput
from radzoo.images.paths import DATASET
from radzoo.registry import suggest

PREFIX = "tfds:"
KEYS = "tfds:key"  # the column of keys among the cells of an index, which no feature is called
VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
SPELLING = re.compile(r"tfds:(?P<name>\w+)(?:/(?P<config>[^:@]+))?(?::(?P<version>[\d.]+))?(?:@(?P<folder>.+))?")


def is_dataset(index: str) -> bool:
    """Whether `data.index` names a TFDS dataset."""
    return index.startswith(PREFIX)


def called(index: str | os.PathLike) -> str:
    """What an index is called in messages and reports: a file's name, or `NAME:VERSION` without its folder."""
    return index.removeprefix(PREFIX).partition("@")[0] if is_dataset(str(index)) else Path(index).name


def absolute(index: str) -> str:
    """The same dataset, from whatever folder the command is run."""
    name, mark, folder = index.partition("@")
    return f"{name}@{os.path.abspath(Path(folder).expanduser())}" if mark else index


def data_folder(folder: str | os.PathLike | None = None) -> Path:
    """The folder of all datasets: the given one, `$TFDS_DATA_DIR`, or `~/tensorflow_datasets`."""
    given = folder or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return Path(os.path.abspath(Path(given).expanduser()))


def found(index: str) -> Path:
    """The folder of the newest version, or of the named one.

    Raises:
        BadInput: a spelling that is not understood, or no such dataset on this disk.
    """
    match = SPELLING.fullmatch(index)
    if match is None:
        raise BadInput(f"{index!r} came, expected tfds:NAME, tfds:NAME:1.0.0 or tfds:NAME@/folder/of/datasets")
    home = data_folder(match["folder"])
    name, config, version = match["name"], match["config"], match["version"]
    if not (home / name).is_dir():
        near = suggest(name, [path.name for path in home.iterdir() if path.is_dir()] if home.is_dir() else [])
        raise BadInput(
            f"there is no dataset {name!r}{near} in {home}: prepare it with TFDS (nothing is downloaded here), write "
            "it with `radzoo dataset`, or name its folder: tfds:NAME@FOLDER (or TFDS_DATA_DIR)"
        )
    place = home / name / config if config else home / name
    known = versions(place)
    if not known:
        others = sorted(path.name for path in (home / name).iterdir() if path.is_dir() and versions(path))
        told = f"its configurations are {', '.join(others)}: name one as tfds:{name}/{others[0]}" if others else (
            "expected a folder such as 1.0.0 with dataset_info.json: prepare it with TFDS, or let `radzoo dataset` "
            "finish it"
        )  # fmt: skip
        raise BadInput(f"{place} holds no whole version of a dataset; {told}")
    if version and version not in known:
        raise BadInput(f"{name} has no version {version} in {home}: it has {', '.join(known)}")
    return place / (version or known[-1])


def versions(place: Path) -> list[str]:
    """The whole versions below a folder, oldest first."""
    there = [path.name for path in place.iterdir()] if place.is_dir() else []
    numbers = {name: tuple(map(int, match.groups())) for name in there if (match := VERSION.fullmatch(name))}
    return sorted((name for name in numbers if (place / name / DATASET).is_file()), key=numbers.get)
