"""Little folders of pictures whose labels can be learned, weights for a tiny network, and one finished run for all.

A picture is noise, with a bright disc or not and with bright stripes or not; a patient's pictures are of one kind.
"""

import atexit
import csv
import dataclasses
import functools
import json
import shutil
import tempfile
from pathlib import Path
from unittest import mock

import cv2
import numpy as np

import radzoo
from radzoo.images.input import Input
from radzoo.recipe import Augment, Data, Phase, Recipe

KINDS = ("plain", "disc", "stripes", "both")
HEADER = ("file", "patient", "label", "kind", "disc", "stripes", "part")
IMAGENET = Input(shape=(32, 32, 3), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
DATA = Data(index="", image="file", label=("label",), patient="patient", split=(0.5, 0.25, 0.25))


def picture(kind: str, rng: np.random.Generator, size: int = 40) -> np.ndarray:
    """uint8 `(size, size)`; no two are alike."""
    image = rng.normal(80, 20, (size, size))
    y, x = np.mgrid[:size, :size]
    if kind in ("disc", "both"):
        cy, cx = rng.uniform(0.3, 0.7, 2) * size
        image[(y - cy) ** 2 + (x - cx) ** 2 < (size / 5) ** 2] += rng.uniform(40, 140)
    if kind in ("stripes", "both"):
        image[(x + rng.integers(8)) % 8 < 3] += rng.uniform(20, 90)
    return image.clip(0, 255).astype("uint8")


def pictures(folder: Path, patients: int = 32, images: int = 2, seed: int = 0) -> Path:
    """Writes PNG files and `index.csv` with a binary, a multiclass and two multilabel columns; returns its path."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for patient in range(patients):
        kind = KINDS[patient % 4]
        disc, stripes = int(kind in ("disc", "both")), int(kind in ("stripes", "both"))
        part = "test" if patient % 16 >= 12 else "val" if patient % 16 >= 8 else "train"
        for number in range(images):
            name = f"{patient:03d}_{number}.png"
            cv2.imwrite(str(folder / name), picture(kind, rng))
            rows.append((name, f"p{patient:03d}", disc, kind, disc, stripes, part))
    return table(folder / "index.csv", rows)


def table(path: Path, rows, header=HEADER) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def rows(index: Path) -> list[list[str]]:
    """The rows of an index without its header."""
    with open(index, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def weights(folder: Path, model: str = "mobilenet_v2_tiny", tag: str = "tests", **changes):
    """Writes scattered RGB weights for a tiny network and their manifest into `folder`; returns the manifest."""
    from facts import fill

    from radzoo import weights as shelf

    folder.mkdir(parents=True, exist_ok=True)
    name = f"{model}.{tag}"
    shelf.save(fill(radzoo.build(model, IMAGENET.shape)), folder / f"{name}.safetensors")
    manifest = shelf.Manifest(
        format=1, model=model, tag=tag, task="multiclass", classes=None, input=IMAGENET, top=False,
        files=(shelf.File(name=f"{name}.safetensors", format="safetensors"),), source="tests", data="none",
        licences={"code": "Apache-2.0", "weights": "CC0-1.0", "data": "unknown"},
    )  # fmt: skip
    manifest = dataclasses.replace(manifest, **changes)
    (folder / f"{name}.json").write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def recipe(index: Path, out: Path, **changes) -> Recipe:
    """Two epochs of the tiniest network on `pictures`; fields of `Data` may be changed too."""
    fields = {field.name for field in dataclasses.fields(Data)} & changes.keys()
    data = dataclasses.replace(DATA, index=str(index), **{name: changes.pop(name) for name in fields})
    small = {
        "models": ("squeezenet_tiny",),
        "weights": None,
        "size": 32,
        "batch": 8,
        "bootstrap": 100,
        "phases": (Phase(epochs=1, learning_rate=1e-2, freeze_below="head"), Phase(epochs=1, learning_rate=1e-3)),
        "scratch": Phase(epochs=2, learning_rate=1e-3),
        "augment": Augment(shift=0.05, rotate=5),
        "out": str(out),
    }
    return Recipe(data=data, **{**small, **changes})


def candidates(every):
    """The candidates of `features.candidates` with forests of 20 trees instead of 300, which take seconds."""

    def small(make):
        return lambda folds: make(folds).set_params(n_estimators=20)

    return lambda *arguments: {
        name: small(make) if "forest" in name else make for name, make in every(*arguments).items()
    }


@functools.cache
def finished() -> tuple[radzoo.Recipe, object]:
    """One binary run with all three ways, made once per process: `(recipe, Run)`. Look, do not touch."""
    from radzoo.features import choice

    folder = Path(tempfile.mkdtemp(prefix="radzoo-run-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    what = recipe(pictures(folder / "data"), folder / "run")
    with mock.patch.object(choice, "candidates", candidates(choice.candidates)):
        return what, radzoo.run(what, name="fabricated")


def content(run: Path, name: str):
    return json.loads((run / name).read_text(encoding="utf-8"))
