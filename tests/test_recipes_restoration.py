"""The recipes that restore images: a tiny version of each end to end."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import radzoo
from radzoo.data import read_index
from radzoo.images import phantoms
from radzoo.images.paths import separated
from radzoo.images.volumes import read
from radzoo.recipe import read_recipe, recipe_names

NAMES = [name for name in recipe_names() if read_recipe(name)[0].task == "restoration"]
TINY = {"redcnn": "redcnn_tiny", "conv_autoencoder": "conv_autoencoder_tiny", "fbpconvnet_small": "fbpconvnet_tiny",
        "unet3d_small": "unet3d_small"}  # fmt: skip


def test_the_recipes_of_the_papers_are_there():
    assert set(NAMES) == {"low_dose_ct", "ultra_low_dose_ct", "sparse_view_ct", "pseudo_ct"}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_tiny_version_of_each_recipe_end_to_end(name, tmp_path):
    """The noisy image is worse than its target, every way is measured, and `predict` makes what was measured."""
    recipe = read_recipe(name)[0]
    kind = phantoms.SETS[recipe.data.index.removeprefix("phantom:")]["kind"]
    index = phantoms.write(tmp_path / "phantoms", kind, patients=7, size=64)
    data = dataclasses.replace(recipe.data, index=str(index), split=(0.5, 0.2, 0.3))
    size = (1, 16, 16) if recipe.size[0] == 1 else (16, 16, 16)
    recipe = dataclasses.replace(
        recipe, models=tuple(TINY[model] for model in recipe.models), data=data, size=size, batch=2, bootstrap=100,
        restoration=dataclasses.replace(recipe.restoration, patches=2),
        scratch=dataclasses.replace(recipe.scratch, epochs=1, warmup=0.5), out=str(tmp_path / "run"),
    )  # fmt: skip
    run = radzoo.run(recipe, name=name)
    rows = {row["name"]: row["windows"] for row in run.metrics["rows"]}
    classical = {"noisy", "nlm", "tv"} if recipe.data.target is None else set()
    assert classical <= set(rows) and f"{recipe.models[0]} scratch" in rows
    assert all(each["rmse"]["value"] > 0 for windows in rows.values() for each in windows)
    assert (run.folder / "report.html").stat().st_size > 10_000
    row = int(pd.read_csv(run.folder / "cases.csv")["row"].iloc[0])
    path = read_index(recipe.data, "restoration").table.set_index("row")["path"][row]
    if recipe.data.target is not None:  # a simulated image is in no file
        table = radzoo.predict(run.folder, separated(path), out=tmp_path / "new", progress=False)
        made = read(str(tmp_path / "new" / table["written"][0])).values
        with np.load(run.folder / "jobs" / f"{recipe.models[0]}_scratch" / "restored" / f"{row}.npz") as file:
            kept = -1024 + file["image"].clip(0, 1) * 4095
        assert np.abs(made - kept).max() < 0.5
