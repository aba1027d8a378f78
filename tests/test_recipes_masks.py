"""The recipes that draw masks: their columns, their networks, and a tiny version of each end to end."""

import dataclasses
from pathlib import Path

import fabricate
import numpy as np
import pandas as pd
import pytest

import radzoo
from radzoo import registry
from radzoo.data import read_index
from radzoo.images import phantoms
from radzoo.images.paths import separated
from radzoo.recipe import read_recipe, recipe_names
from radzoo.train.segmentation import prepared

NAMES = [name for name in recipe_names() if read_recipe(name)[0].task == "segmentation"]
TINY = {  # networks with the same parts
    "unet_small": "unet_tiny", "unet_same_small": "unet_same_tiny", "unet3d_small": "unet3d_tiny",
    "vnet_small": "vnet_tiny", "liver3d_cnn": "liver3d_tiny", "mobilenet_v2_035": "mobilenet_v2_tiny",
    "segnet_basic": "segnet_basic_tiny",
}  # fmt: skip
SIZES = {2: 48, 3: (16, 24, 24)}
PATIENTS = 10


def recipe_of(name: str) -> radzoo.Recipe:
    return read_recipe(name)[0]


def kind_of(recipe: radzoo.Recipe) -> str:
    return phantoms.SETS[recipe.data.index.removeprefix("phantom:")]["kind"]


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """`sets(kind)`: the index of small phantoms, written once."""
    folder = tmp_path_factory.mktemp("phantoms")
    return lambda kind: phantoms.write(folder / kind, kind, patients=PATIENTS, size=64)


def test_the_recipes_of_the_papers_are_there():
    assert set(NAMES) == {
        "em_membranes", "chest_organs", "nuclei", "hippocampus", "liver_cascade", "liver_graph_cut", "prostate_vnet",
        "ms_lesions", "pseudo_ct_tissues",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_columns_and_networks_of_a_recipe(name, sets, real_weights):
    """Its phantoms have its columns and classes, and its network can be built at its own size."""
    recipe = recipe_of(name)
    index = sets(kind_of(recipe))
    table = pd.read_csv(index)
    assert recipe.data.image == phantoms.KINDS[kind_of(recipe)].image and (table["synthetic"] == 1).all()
    assert {*recipe.data.image, *recipe.data.mask, recipe.data.patient} <= set(table.columns)
    for model in recipe.models:
        assert TINY[model] in registry.list_models()
    read, views = prepared(dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, index=str(index))))
    assert read.classes == tuple(each.partition("=")[0] for each in recipe.data.classes)
    assert read.labels.any(0).all() and set(views) == set(recipe.models)


def tiny(recipe: radzoo.Recipe, sets, out: Path) -> radzoo.Recipe:
    """On a few small phantoms, with tiny networks and windows, one epoch a phase; all else is its own."""
    data = dataclasses.replace(recipe.data, index=str(sets(kind_of(recipe))), split=(0.6, 0.2, 0.2))
    size = SIZES[3 if isinstance(recipe.size, tuple) else 2]
    if isinstance(recipe.size, tuple) and recipe.size[0] == 1:
        size = (1, *size[1:])
    elif "unet3d_small" in recipe.models:
        size = (18, 24, 24)  # the tiny one has no padding
    phases = [
        dataclasses.replace(phase, epochs=1, warmup=min(phase.warmup, 0.5), freeze_below=phase.freeze_below and "head")
        for phase in (*recipe.phases, recipe.scratch)
    ]
    mask = dataclasses.replace(recipe.mask, patches=min(recipe.mask.patches, 2), overlap=0.0)
    return dataclasses.replace(
        recipe, models=tuple(TINY[model] for model in recipe.models), data=data, size=size, mask=mask,
        phases=tuple(phases[:-1]), scratch=phases[-1], batch=2, bootstrap=100, out=str(out),
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_tiny_version_of_each_recipe_end_to_end(name, sets, tmp_path, monkeypatch):
    """Every way and refinement is measured, and `predict` draws the masks that were measured."""
    recipe = tiny(recipe_of(name), sets, tmp_path / "run")
    if recipe.weights:
        monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path / "weights"))
        fabricate.weights(tmp_path / "weights", recipe.models[0], recipe.weights)
    run = radzoo.run(recipe, name=name)
    kinds = {""} | ({recipe.mask.refine} - {"none"})
    found = {(row["way"], row["refined"]) for row in run.metrics["rows"] if row["model"]}
    assert found == {(way, kind) for way in recipe.ways for kind in kinds}
    assert all(0 <= row["test"]["dice"]["value"] <= 1 for row in run.metrics["rows"])
    assert (run.folder / "report.html").stat().st_size > 10_000
    best = run.metrics["rows"][run.metrics["best"]]
    cases = pd.read_csv(run.folder / "cases.csv")
    row = int(cases["row"].iloc[0])
    index = read_index(recipe.data, "segmentation")
    path = index.table.set_index("row")["path"][row]
    table = radzoo.predict(run.folder, separated(path), progress=False)
    job = run.folder / "jobs" / f"{recipe.models[0]}_{best['way']}" / "labels" / (best["refined"] or "plain")
    with np.load(job / f"{row}.npz") as file:
        counts = np.bincount(file["labels"].ravel(), minlength=len(run.metrics["classes"]) + 1)[1:]
    assert list(table.iloc[:, 2]) == counts.tolist()
