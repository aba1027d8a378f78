"""Every recipe that comes with radzoo: its words, its columns, its networks, and a tiny version of it end to end."""

import dataclasses
from pathlib import Path

import fabricate
import numpy as np
import pandas as pd
import pytest

import radzoo
from radzoo import norms, registry
from radzoo.data import read_index
from radzoo.data.covariates import Covariates
from radzoo.features import choice
from radzoo.images import phantoms
from radzoo.images.input import Input
from radzoo.images.paths import separated
from radzoo.recipe import Data, read_recipe, recipe_names

NAMES = recipe_names()
ANSWERS = [name for name in NAMES if read_recipe(name)[0].task not in ("segmentation", "restoration")]  # test_recipes_*
TINY = {  # networks with the same parts and the same end
    "mobilenet_v2_035": "mobilenet_v2_tiny", "resnet50": "resnet_bottleneck_tiny", "resnet18": "resnet_tiny",
    "resnet34": "resnet_tiny", "caffenet": "alexnet_tiny", "densenet121": "densenet_tiny",
    "alexnet_owt": "alexnet_owt_tiny", "googlenet_bn": "googlenet_bn_tiny", "liver_fibrosis_cnn": "liver_fibrosis_tiny",
    "liver_mass_cnn": "liver_tiny", "ild_cnn": "ild_tiny", "tcnn3": "tcnn_tiny", "kooi_cnn": "kooi_tiny",
    "squeezenet": "squeezenet_tiny", "multistream_late": "multistream_tiny", "resnet_tiny": "resnet_tiny",
    "multiview3d": "multiview3d_tiny",
}  # fmt: skip
PATIENTS = {  # 24 of other kinds
    "chest": 60, "liver_ct": 40, "lung_texture": 60, "pneumonia": 60, "mammogram": 40, "liver_phases": 40,
    "lung_ct": 10, "lung_nodules": 14,
}  # fmt: skip
VOLUMES = {  # sizes of the tiny versions
    "hippocampus": (32, 48, 32), "liver_phases": (12, 24, 24), "lung_ct": (9, 32, 32), "lung_nodules": (16, 16, 16),
}  # fmt: skip


def recipe_of(name: str) -> radzoo.Recipe:
    return read_recipe(name)[0]


def kind_of(recipe: radzoo.Recipe) -> str:
    return phantoms.SETS[recipe.data.index.removeprefix("phantom:")]["kind"]


def labels_of(recipe: radzoo.Recipe) -> tuple[str, ...]:
    """A recipe that names no label takes that of the phantoms."""
    return phantoms.KINDS[kind_of(recipe)].label if recipe.data.label == Data().label else recipe.data.label


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """`sets(kind, patients)`: the index of small phantoms, written once."""
    folder = tmp_path_factory.mktemp("phantoms")
    return lambda kind, patients, size=48: phantoms.write(
        folder / f"{kind}_{patients}", kind, patients=patients, size=size
    )


def test_the_ten_recipes_of_the_papers_are_there():
    assert {
        "bone_age", "breast_density", "chest_findings", "chest_tuberculosis", "liver_fibrosis", "liver_masses",
        "lung_texture", "mammography_lesions", "mgmt_methylation", "pneumonia_mnist",
    } <= set(NAMES)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_what_a_recipe_says_of_itself(name):
    """What to expect, how to run it, and on other images with options that exist."""
    text = read_recipe(name)[1]
    assert "\nExpect   " in text and f"\nRun      radzoo run {name}" in text
    known = {field.name for field in dataclasses.fields(radzoo.Recipe)}
    known |= {f"data.{field.name}" for field in dataclasses.fields(Data)}
    known |= {f"mask.{field.name}" for field in dataclasses.fields(radzoo.Mask)}
    known |= {f"restoration.{field.name}" for field in dataclasses.fields(radzoo.Restoration)}
    known |= {f"restoration.{field.name}" for field in dataclasses.fields(radzoo.Restoration)}
    asked = {word.removeprefix("--").strip(".,;)") for word in text.split() if word.startswith("--")}
    assert asked <= known, asked - known


@pytest.mark.parametrize("name", ANSWERS)
def test_the_columns_of_a_recipe_are_those_of_its_phantoms(name, sets):
    recipe = recipe_of(name)
    kind, data = phantoms.KINDS[kind_of(recipe)], recipe.data
    index = sets(kind_of(recipe), 6)
    assert data.image == kind.image and index.name == kind.index
    if index.suffix == ".npz":
        assert data.split == "split" and {"train_images", "val_images", "test_images"} <= set(np.load(index).files)
        assert len(labels_of(recipe)) == np.load(index)["train_labels"].shape[1]
        return
    table = pd.read_csv(index)
    placed = {*data.place, data.frame, data.lesion or data.frame} if data.place else set()
    assert {*data.image, *labels_of(recipe), *data.covariates, data.patient, *placed} <= set(table.columns)
    assert data.reference is None or (index.parent / data.reference).is_file()
    if data.classes:
        assert set(table[labels_of(recipe)[0]]) <= set(data.classes)
    assert (table["synthetic"] == 1).all()


@pytest.mark.parametrize("name", ANSWERS)
def test_the_models_and_weights_of_a_recipe_are_known(name):
    recipe = recipe_of(name)
    for model in recipe.models:
        assert registry.describe(model).kind == "classification"
        if recipe.weights:
            assert f"{model}.{recipe.weights}" in radzoo.list_weights()
        assert TINY[model] in registry.list_models()


def outputs(recipe: radzoo.Recipe, sets) -> tuple[int, int]:
    """Outputs and covariates of the network of a recipe, read from its phantoms."""
    index = read_index(data_of(recipe, sets(kind_of(recipe), PATIENTS.get(kind_of(recipe), 24))), recipe.task)
    beside = index.covariates
    return len(index.classes), Covariates.learn(beside, np.arange(len(beside))).width if len(beside.columns) else 0


def data_of(recipe: radzoo.Recipe, index: Path) -> Data:
    return dataclasses.replace(recipe.data, index=str(index), label=labels_of(recipe))


@pytest.mark.slow
@pytest.mark.parametrize("name", ANSWERS)
def test_the_networks_of_a_recipe_can_be_built(name, sets, real_weights):
    """At their own size, with their own end, channels and weights; and what they freeze exists."""
    recipe = recipe_of(name)
    classes, covariates = outputs(recipe, sets)
    channels = {"phases": len(recipe.data.image), "cubes": len(recipe.patch_mm)}.get(recipe.channels, 1)
    task = recipe.task if recipe.task != "auto" else "binary"
    for model in recipe.models:
        size = recipe.size or registry.describe(model).input[:-1]
        size = (size,) * 2 if isinstance(size, int) else size
        made = radzoo.create_model(
            model, (*size, channels), classes=classes, task=task, head=recipe.head, weights=recipe.weights,
            channels=recipe.channels, dropout=recipe.dropout, covariates=covariates,
        )  # fmt: skip
        assert made.output_shape == (None, classes) and len(made.inputs) == (2 if covariates else 1)
        assert {phase.freeze_below for phase in recipe.phases} - {None} <= set(norms.stages(made))


def tiny(recipe: radzoo.Recipe, sets, out: Path) -> radzoo.Recipe:
    """The recipe on a few phantoms, 48 pixels a side, with tiny networks, one epoch a phase and no folds (whose models
    are not kept); all else is its own."""
    kind, index = kind_of(recipe), sets(kind_of(recipe), PATIENTS.get(kind_of(recipe), 24))
    split = (0.6, 0.2, 0.2) if isinstance(recipe.data.split, int | None) else recipe.data.split
    data = dataclasses.replace(data_of(recipe, index), split=split)
    flat = 32 if kind == "lung_texture" else 48
    phases = [
        dataclasses.replace(phase, epochs=1, warmup=min(phase.warmup, 0.5), freeze_below=phase.freeze_below and "head")
        for phase in (*recipe.phases, recipe.scratch)
    ]
    return dataclasses.replace(
        recipe, models=tuple(dict.fromkeys(TINY[model] for model in recipe.models)), data=data,
        size=VOLUMES.get(kind, flat), phases=tuple(phases[:-1]), scratch=phases[-1],
        batch=16, bootstrap=100, out=str(out),
    )  # fmt: skip


def check_predictions(folder: Path, data: Data, expected: pd.DataFrame, classes: list[str], task: str) -> None:
    """`predict` on the files of the test part says what the run wrote down."""
    index = read_index(data, task)
    place = pd.Series(range(len(index.table)), index=index.table["row"])
    here = place[expected["row"]].to_numpy()
    files = [file for path in index.table["path"].iloc[here] for file in separated(path)]
    beside = {name: list(index.covariates[name].iloc[here]) for name in index.covariates} or None
    said = radzoo.predict(folder, files, covariates=beside, batch=7, progress=False)
    assert len(said) == len(expected) > 0
    np.testing.assert_allclose(said[classes], expected[classes], rtol=1e-4, atol=1e-4)
    if task == "multiclass":
        assert list(said["called"]) == [classes[i] for i in expected[classes].to_numpy().argmax(1)]


def check_run(run, recipe: radzoo.Recipe) -> None:
    measured, table = run.metrics, pd.read_csv(run.folder / "predictions.csv")
    assert measured == fabricate.content(run.folder, "metrics.json")
    classes = list(measured["classes"])
    assert np.isfinite(table[classes].to_numpy()).all()
    rows = {(row["model"], row["way"]): row for row in measured["rows"]}
    assert {(model, way) for model in recipe.models for way in recipe.ways} <= set(rows)
    number = "mae" if measured["task"] == "regression" else "auc"
    assert all(np.isfinite(row["test"][number]["value"]) for row in rows.values() if row["model"])
    test, task = table[table["split"] == "test"], measured["task"]
    by_way = dict(list(test.groupby(["model", "way"])))
    for (model, way), mine in by_way.items():
        if model in recipe.models:
            check_predictions(run.folder / "models" / f"{model}_{way}", recipe.data, mine, classes, task)
    best = measured["best"]
    check_predictions(run.folder, recipe.data, by_way[best["model"], best["way"]], classes, task)
    assert ("ensemble" in table["model"].to_numpy()) == (recipe.ensemble != "none")
    assert (run.folder / "report.html").stat().st_size > 10_000
    if task == "ordinal":
        assert (np.diff(table[classes].to_numpy(), axis=1) <= 1e-6).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ANSWERS)
def test_a_tiny_version_of_each_recipe_end_to_end(name, sets, tmp_path, monkeypatch):
    recipe = tiny(recipe_of(name), sets, tmp_path / "run")
    monkeypatch.setattr(choice, "candidates", fabricate.candidates(choice.candidates))
    if recipe.weights:
        monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path / "weights"))
        fabricate.weights(tmp_path / "weights", recipe.models[0], recipe.weights)
    check_run(radzoo.run(recipe, name=name), recipe)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, changes",
    [
        ("liver_masses", {"channels": "fold", "data": {"mosaic": True}}),
        ("liver_fibrosis", {"task": "ordinal", "head": "pool"}),
    ],
    ids=["mosaic", "ordinal"],
)
def test_the_variants_that_a_docstring_names(name, changes, sets, tmp_path):
    text, recipe = read_recipe(name)[1], tiny(recipe_of(name), sets, tmp_path / "run")
    for option, value in changes.items():
        words = f"--data.mosaic {value['mosaic']}" if option == "data" else f"--{option} {value}"
        assert words in text
    if "data" in changes:
        changes = {**changes, "data": dataclasses.replace(recipe.data, **changes["data"])}
    recipe = dataclasses.replace(recipe, **changes)
    check_run(radzoo.run(recipe, name=name), recipe)


def test_real_patches_of_two_patients_are_read_and_nothing_is_claimed(real_data, cli, tmp_path):
    """LIDC-IDRI: all patches go through the input of the ILD network; a run on two patients is refused."""
    index = real_data / "lidc_patches" / "manifest.csv"
    table = pd.read_csv(index)
    spec = Input(shape=(32, 32, 1), mean=(0.5,), std=(0.25,))
    images = np.stack([spec(index.parent / name) for name in table["img_path"]])
    assert images.shape == (21, 32, 32, 1) and np.isfinite(images).all() and images.std(axis=(1, 2, 3)).min() > 0.1
    code, _, error = cli(
        "run", "lung_texture", "--data.index", index, "--data.label", "ann_malignancy", "--data.patient", "patient_id",
        "--data.image", "img_path", "--window", "header", "--out", tmp_path / "run",
    )  # fmt: skip
    assert code == 2 and error.count("radzoo: ") == 1 and "Traceback" not in error
    assert not (tmp_path / "run").exists()
