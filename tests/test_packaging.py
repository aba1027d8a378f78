"""Wheel and sdist, built from a copy of the tree, carry the recipes, the manifests and the report's page."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from radzoo.registry import packaged

HERE = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


def python(*arguments, cwd, **environment):
    """Runs this Python in `cwd`, where no checkout is on its path."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, capture_output=True, text=True,
        env={**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, **environment},
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """`(wheel, sdist)`, from the files that git would put into a clone."""
    folder = tmp_path_factory.mktemp("packaging")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=HERE,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("no git checkout: what belongs to the package is not known")
    for name in filter(None, listed.stdout.split("\0")):
        if (HERE / name).is_file():
            target = folder / "tree" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((HERE / name).read_bytes())
    try:
        python("-m", "build", "--installer", "pip", "--outdir", folder / "dist", folder / "tree", cwd=folder)
    except AssertionError as error:
        if any(word in str(error) for word in ("No matching distribution", "Temporary failure", "ConnectionError")):
            pytest.skip("no package index: setuptools cannot be had for an isolated build")
        raise
    (wheel,), (sdist,) = (folder / "dist").glob("*.whl"), (folder / "dist").glob("*.tar.gz")
    return wheel, sdist


def data_files(folder: str, suffixes: tuple[str, ...]) -> set[str]:
    """What must travel of a folder of the checkout."""
    return {path.name for path in (HERE / folder).iterdir() if path.suffix in suffixes}


def test_the_wheel_holds_everything(built):
    names = set(zipfile.ZipFile(built[0]).namelist())
    for folder, suffixes in (("recipes", (".py", ".md")), ("weights", (".json", ".safetensors"))):
        wanted = data_files(folder, suffixes)
        assert wanted and {f"radzoo/_{folder}/{name}" for name in wanted} <= names
    modules = {str(path.relative_to(HERE)) for path in (HERE / "radzoo").rglob("*.py")}
    assert modules <= names and "radzoo/report/report.html" in names
    assert not [name for name in names if name.startswith(("tests/", "recipes/", "weights/"))]


def test_the_sdist_holds_everything(built):
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for folder, suffixes in (("recipes", (".py", ".md")), ("weights", (".json", ".safetensors"))):
        assert {f"{folder}/{name}" for name in data_files(folder, suffixes)} <= names
    assert {"setup.cfg", "pyproject.toml", "LICENSE", "radzoo/report/report.html", "radzoo/__main__.py"} <= names


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_the_commands_work_from_any_folder(built, tmp_path, kind):
    """Installed into a folder of its own; what it needs comes from this environment."""
    site, away = tmp_path / "site", tmp_path / "away"
    away.mkdir()
    source = built[0] if kind == "wheel" else built[1]
    index = ["--no-index"] if kind == "wheel" else []  # an sdist is built first, which needs setuptools
    python("-m", "pip", "install", "-q", "--no-deps", *index, "--target", site, source, cwd=away)
    where = python("-c", "import radzoo; print(radzoo.__file__)", cwd=away, PYTHONPATH=str(site))
    assert Path(where.strip()).is_relative_to(site)
    assert "densenet121" in python("-m", "radzoo", "list", cwd=away, PYTHONPATH=str(site))
    assert "squeezenet.imagenet" in python("-m", "radzoo", "describe", "squeezenet", cwd=away, PYTHONPATH=str(site))
    recipes = python("-m", "radzoo", "recipes", cwd=away, PYTHONPATH=str(site))
    assert {path.stem for path in packaged("recipes").glob("[!_]*.py")} == {
        line.split()[0] for line in recipes.splitlines()
    }
    assert "--data.index" in python("-m", "radzoo", "run", "chest_radiograph", "--help", cwd=away, PYTHONPATH=str(site))
    shelf = python("-m", "radzoo", "weights", "list", cwd=away, PYTHONPATH=str(site), RADZOO_WEIGHTS="")
    assert {path.stem for path in packaged("weights").glob("*.json")} == {
        line.split()[0] for line in shelf.splitlines()
    }
    script = (site / "bin" / "radzoo").read_text()
    assert "radzoo.__main__" in script
