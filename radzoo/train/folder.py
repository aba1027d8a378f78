"""The run folder: made once, never overwritten; every file appears whole or not at all."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from radzoo.atomic import replacing
from radzoo.errors import BadInput

PACKAGES = ("radzoo", "keras", "tensorflow", "jax", "numpy", "scikit-learn", "pydicom", "opencv-python-headless")


def new_folder(out: str | None, name: str) -> Path:
    """Makes the folder of a run: `out`, or the first free `runs/<name>-<number>`.

    Raises:
        BadInput: `out` exists, or cannot be made.
    """
    if out is None:
        taken = {path.name for path in Path("runs").glob(f"{name}-*")}
        out = Path("runs") / next(f"{name}-{i}" for i in range(1, len(taken) + 2) if f"{name}-{i}" not in taken)
    folder = Path(out).expanduser()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except FileExistsError:
        raise BadInput(f"the run folder {folder} exists and is never overwritten: choose another --out") from None
    except OSError as error:
        raise BadInput(f"the run folder {folder} cannot be made: {error.strerror}") from None
    return folder


@contextmanager
def naming(folder: Path):
    """What goes wrong from here on leaves a folder behind: the message says where."""
    try:
        yield
    except BadInput as error:
        raise BadInput(f"{error}; what was finished before is in {folder}") from None


def write_json(path: Path, content) -> None:
    """Writes JSON whole or not at all; NaN is refused, for JSON has none."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Writes a CSV whole or not at all."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False)  # all digits: nothing crosses a threshold


def environment(seed: int) -> dict:
    """Versions, device, commit and command (as it was typed, paths included) of this process."""
    import keras

    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "command": command(),
        "versions": versions,
        "seed": seed,
        "commit": _commit(),
        "device": ", ".join(keras.distribution.list_devices()) or platform.machine(),
        "cores": os.cpu_count(),
        "backend": keras.backend.backend(),
    }


def command() -> str:
    """What was typed, or that it was no command line."""
    if Path(sys.argv[0]).name in ("radzoo", "__main__.py"):
        return shlex.join(["radzoo", *sys.argv[1:]])
    return "radzoo.run(…) from Python"


def _commit() -> str | None:
    """The commit of radzoo itself, where it runs from a checkout."""
    here = Path(__file__).parent
    try:
        result = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, timeout=5
        )
        tracked = subprocess.run(
            ["git", "-C", str(here), "ls-files", "--error-unmatch", __file__], capture_output=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None if tracked.returncode == 0 else None
