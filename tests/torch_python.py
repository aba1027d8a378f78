"""Where torch is: radzoo does not need it, but some of its tests compare with it."""

import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

INDEX = "https://download.pytorch.org/whl/cpu"
PACKAGES = ("torch", "torchvision", "numpy")
PATIENCE = 600  # seconds for the installation


def find() -> Path:
    """An interpreter that imports torch and torchvision; skips the test, with the reason, where there is none.

    The first of `RADZOO_TORCH_PYTHON`, this interpreter, and an environment of its own in the user's cache, which is
    made where the index of torch's CPU builds can be reached.
    """
    named = os.environ.get("RADZOO_TORCH_PYTHON")
    if named:
        if not _imports(named):
            pytest.fail(f"RADZOO_TORCH_PYTHON={named} does not import {', '.join(PACKAGES)}")
        return Path(named)
    if _imports(sys.executable):
        return Path(sys.executable)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "radzoo_test_torch"
    python = home / "bin" / "python"
    if not _imports(python):
        _install(home, python)
    return python


def _imports(python) -> bool:
    if not Path(python).is_file():
        return False
    command = [str(python), "-c", f"import {', '.join(PACKAGES)}"]
    return subprocess.run(command, capture_output=True, env=_plain()).returncode == 0


def _install(home: Path, python: Path) -> None:
    try:
        urllib.request.urlopen(f"{INDEX}/torch/", timeout=5).close()
    except (urllib.error.URLError, OSError) as error:
        pytest.skip(f"no torch here (set RADZOO_TORCH_PYTHON), and {INDEX} is out of reach: {error}")
    tool = [shutil.which("uv"), "pip", "install", "--python", str(python)] if shutil.which("uv") else None
    steps = (
        [sys.executable, "-m", "venv", "--clear", str(home)],
        [*(tool or [str(python), "-m", "pip", "install", "--quiet"]), *PACKAGES, "--index-url", INDEX],
    )
    try:
        for step in steps:
            subprocess.run(step, check=True, capture_output=True, text=True, timeout=PATIENCE, env=_plain())
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        shutil.rmtree(home, ignore_errors=True)
        last = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1]
        pytest.skip(f"torch could not be installed from {INDEX}: {last}")


def _plain() -> dict:
    """The environment without what would lead another interpreter to this one's packages."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
