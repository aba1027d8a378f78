"""A file imports only from its own floor's friends and from lower floors (DESIGN.md); the package list is complete."""

import ast
import configparser
from pathlib import Path

import pytest

HERE = Path(__file__).parent.parent
FLOORS = [
    {"errors"},
    {"atomic", "anisotropy", "masks"},
    {"cards", "layers", "responses", "images", "metrics", "losses", "tiles", "refine", "physics"},
    {"registry", "pooling", "upsampling"},
    {"models", "operations", "channels", "inflation", "streams", "recipe", "decoders"},
    {"weights", "data"},
    {"heads", "norms", "views", "segmenting"},
    {"features", "baselines", "explain", "bench"},
    {"finished"},
    {"train", "inference", "drawing", "report"},
    {"commands"},
    {"__main__"},
]
FLOOR = {name: i for i, names in enumerate(FLOORS) for name in names}
# Of large libraries these see keras alone.
KERAS_ONLY = {
    "models", "anisotropy", "layers", "pooling", "upsampling", "responses", "operations", "heads", "norms", "channels",
    "streams", "decoders",
}  # fmt: skip
FILES = sorted((HERE / "radzoo").rglob("*.py"))


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(path: Path) -> str:
    return path.relative_to(HERE / "radzoo").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HERE)))
def test_floors(path):
    here = room(path)
    if here == "__init__":
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "radzoo" and len(parts) > 1 and parts[1] in FLOOR and parts[1] != here:
            same = {here, parts[1]} <= FLOORS[-3]  # train, predict and report may know each other
            assert FLOOR[parts[1]] < FLOOR[here] or same, f"{here} imports {parts[1]}"
        if here in KERAS_ONLY:
            assert parts[0] not in {"tensorflow", "jax", "torch", "pandas", "sklearn"}
        if here != "data":
            assert parts[0] != "tensorflow" or here in ("train", "explain"), f"{path} imports tensorflow"
        assert "src" not in parts or parts[0] != "keras", f"{path} imports private Keras"


def test_recipes_use_public_names():
    for path in sorted((HERE / "recipes").glob("*.py")):
        for name in imports(path):
            parts = name.split(".")
            assert parts[0] != "radzoo" or len(parts) == 2, f"{path}: {name} is not public"


def test_packages_are_listed():
    config = configparser.ConfigParser()
    config.read(HERE / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    found = {".".join(path.parent.relative_to(HERE).parts) for path in FILES if path.name == "__init__.py"}
    assert listed == found | {"radzoo._recipes", "radzoo._weights"}


def test_no_upper_bounds():
    config = configparser.ConfigParser()
    config.read(HERE / "setup.cfg")
    lines = config["options"]["install_requires"] + "".join(config["options.extras_require"].values())
    assert "<" not in lines and "==" not in lines and "~=" not in lines
