"""The run folder: made once, never overwritten; every file appears whole or not at all."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout

from radzoo.atomic import replacing
from radzoo.errors import BadInput

PACKAGES = ("radzoo", "keras", "tensorflow", "jax", "numpy", "scikit-learn", "pydicom", "opencv-python-headless")


def new_folder(
    out: str | None,
    name: str,
    *,
    texts: dict[str, object],
    tables: dict[str, pd.DataFrame],
    fill: Callable[[Path], None] | None = None,
) -> Path:
    """Makes the folder of a run, `out` or the first free `runs/<name>-<number>`, with its first files already in it.

    It is filled under another name and then renamed: a run that is killed at any moment has a folder that `resume`
    understands, or none.

    Args:
        fill: writes further files into the folder before it gets its name.

    Raises:
        BadInput: `out` exists, or cannot be made.
    """
    if out is None:
        taken = {path.name for path in Path("runs").glob(f"{name}-*")}
        out = Path("runs") / next(f"{name}-{i}" for i in range(1, len(taken) + 2) if f"{name}-{i}" not in taken)
    folder = Path(out).expanduser()
    if folder.exists():
        raise BadInput(f"the run folder {folder} exists and is never overwritten: choose another --out")
    unfinished = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    try:
        unfinished.mkdir(parents=True)
        for file, content in texts.items():
            write_json(unfinished / file, content)
        for file, table in tables.items():
            write_csv(unfinished / file, table)
        if fill is not None:
            fill(unfinished)
        os.rename(unfinished, folder)
    except OSError as error:
        raise BadInput(f"the run folder {folder} cannot be made: {error.strerror}") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


@contextmanager
def alone(folder: Path):
    """No other process may write into a run folder at the same time."""
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise BadInput(f"another process is at work in {folder}: wait for it, or stop it") from None
    try:
        yield
    finally:
        (folder / ".lock").unlink(missing_ok=True)
        lock.release()


@contextmanager
def in_folder(folder: Path):
    """What goes wrong from here on leaves a folder behind: the message says where, and how to go on."""
    resume = f"radzoo run --resume {shlex.quote(str(folder))}"
    try:
        with alone(folder):
            yield
    except BadInput as error:
        raise BadInput(f"{error}; what was finished is in {folder}, and `{resume}` goes on from there") from None
    except KeyboardInterrupt:
        print(f"\nstopped: `{resume}` goes on from here", file=sys.stderr, flush=True)
        raise


def read_json(folder: Path, name: str) -> dict:
    """A file of a run folder, or BadInput that says what is missing."""
    try:
        return json.loads((folder / name).read_text(encoding="utf-8"))
    except OSError:
        raise BadInput(f"{folder} has no {name}: expected the folder of a run") from None
    except ValueError:
        raise BadInput(f"{folder / name} is damaged: start a new run") from None


def read_csv(folder: Path, name: str) -> pd.DataFrame:
    """A table of a run folder as text."""
    try:
        return pd.read_csv(folder / name, dtype=str, keep_default_na=False)
    except (OSError, ValueError):
        raise BadInput(f"{folder / name} is missing or damaged: start a new run") from None


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
