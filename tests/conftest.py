"""Settings of the whole suite: no GPU, quiet TensorFlow, a cache of its own, real data only where it is named."""

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Tests never read or fill the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["RADZOO_CACHE"] = str(folder)
    return folder


TABLES = pytest.StashKey[list[tuple[str, str]]]()


@pytest.fixture(scope="session")
def printed(request):
    """`printed(title, text)` shows a text at the end of the run."""
    return lambda title, text: request.config.stash.setdefault(TABLES, []).append((title, text))


def pytest_terminal_summary(terminalreporter, config):
    for title, text in config.stash.get(TABLES, []):
        terminalreporter.section(title)
        terminalreporter.write_line(text)


def _folder(variable: str) -> Path:
    if not os.environ.get(variable):
        pytest.skip(f"{variable} is not set")
    return Path(os.environ[variable])


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images, `RADZOO_TEST_DATA`."""
    return _folder("RADZOO_TEST_DATA")


@pytest.fixture(scope="session")
def real_weights() -> Path:
    """The folder of real pretrained weights, `RADZOO_WEIGHTS`."""
    return _folder("RADZOO_WEIGHTS")


@pytest.fixture(scope="session")
def torch_python() -> Path:
    """An interpreter that has torch and torchvision (`RADZOO_TORCH_PYTHON`, or as `torch_python.find` says)."""
    from torch_python import find

    return find()


@pytest.fixture
def cli(monkeypatch, capsys):
    """`cli("list", …)` gives `(exit code, standard output, standard error)`."""

    from radzoo.__main__ import main

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["radzoo", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        return code, *capsys.readouterr()

    return call
