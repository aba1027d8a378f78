"""A whole run on fabricated pictures: every file of its folder, and that they tell the same story."""

import dataclasses
import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import fabricate
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score

import radzoo
from radzoo.data import settle_threads
from radzoo.errors import BadInput
from radzoo.recipe import Augment, Phase

settle_threads()  # before TensorFlow starts, as a run does
WAYS = ("features", "finetune", "scratch")
FILES = {
    "recipe.json", "split.csv", "images.csv", "model.keras", "weights.safetensors", "manifest.json", "history.csv",
    "predictions.csv", "metrics.json", "environment.json", "report.html", "figures", "models", "jobs",
}  # fmt: skip
ONCE = {
    "phases": (Phase(epochs=1, learning_rate=1e-2, freeze_below="head"),),
    "scratch": Phase(epochs=1, learning_rate=1e-3),
}


@pytest.fixture(scope="module")
def run() -> Path:
    return fabricate.finished()[1].folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return fabricate.pictures(tmp_path_factory.mktemp("pictures"))


def frames(run):
    """`(predictions, split)` with text patients."""
    return [pd.read_csv(run / name, dtype={"patient": str}) for name in ("predictions.csv", "split.csv")]


def part_of(run, row, part):
    """Truth and probability `(n, k)` of one way on one part, joined by the row of the index."""
    predictions, split = frames(run)
    mine = predictions[(predictions["way"] == row["way"]) & (predictions["split"] == part)]
    mine = mine[mine["model"] == row["model"]]
    classes = fabricate.content(run, "metrics.json")["classes"]
    return split.set_index("row").loc[mine["row"], classes].to_numpy(), mine[classes].to_numpy()


def test_the_folder_is_complete_and_holds_no_rubbish(run):
    names = {path.name for path in run.iterdir()}
    best = fabricate.content(run, "metrics.json")["best"]
    assert names == FILES | ({"classifier.skops"} if best["way"] == "features" else set())
    for way in WAYS:
        own = {path.name for path in (run / "models" / f"squeezenet_tiny_{way}").iterdir()}
        expected = {"model.keras", "weights.safetensors", "manifest.json"}
        assert own == expected | ({"classifier.skops"} if way == "features" else set())
        job = {path.name for path in (run / "jobs" / f"squeezenet_tiny_{way}").iterdir()}
        assert job == {"done.json", "probability.npz"}  # the state of a training goes when it is done
    assert not [path for path in run.rglob("*") if path.name.startswith(".") or ".part" in path.name]
    best = run / "models" / f"{best['model']}_{best['way']}"
    for path in best.iterdir():
        assert (run / path.name).read_bytes() == path.read_bytes()


def test_recipe_is_what_was_run(run):
    recipe = dataclasses.replace(fabricate.finished()[0], task="binary")  # what auto has found
    written = fabricate.content(run, "recipe.json")
    assert written.pop("name") == "fabricated"
    assert written == json.loads(json.dumps(dataclasses.asdict(recipe)))


def test_split_keeps_patients_together(run):
    predictions, split = frames(run)
    assert list(split.columns) == ["row", "patient", "unit", "fold", "split", "label"]
    assert split["fold"].isna().all()  # one split
    assert split.groupby("patient")["split"].nunique().eq(1).all()
    assert split["split"].value_counts().to_dict() == {"train": 32, "validation": 16, "test": 16}
    index = fabricate.rows(Path(fabricate.finished()[0].data.index))
    for row, patient, label in zip(split["row"], split["patient"], split["label"], strict=True):
        assert (index[row][1], int(index[row][2])) == (patient, label)
    assert set(predictions["split"]) == {"validation", "test"}  # nothing is reported of the training part
    for _, mine in predictions.groupby(["model", "way", "split"]):
        expected = split[split["split"] == mine["split"].iloc[0]]
        assert list(mine["row"]) == list(expected["row"]) and list(mine["patient"]) == list(expected["patient"])


def test_metrics_are_those_of_the_predictions(run):
    """AUC, average precision and confusion by scikit-learn from `predictions.csv` alone."""
    measured = fabricate.content(run, "metrics.json")
    assert [row["way"] for row in measured["rows"]] == [*WAYS, "grey levels", "metadata", "majority"]
    for row in measured["rows"][:3]:
        for part in ("validation", "test"):
            truth, probability = part_of(run, row, part)
            said = row[part]
            assert said["auc"]["value"] == pytest.approx(roc_auc_score(truth, probability), abs=1e-9)
            assert said["auc"]["low"] <= said["auc"]["value"] <= said["auc"]["high"]
            ap = average_precision_score(truth, probability)
            assert said["average_precision"]["value"] == pytest.approx(ap, abs=1e-9)
            assert (said["images"], said["patients"], said["positives"]) == (16, 8, [8])


def test_thresholds_come_from_validation(run):
    for row in fabricate.content(run, "metrics.json")["rows"][:3]:
        (threshold,) = row["validation"]["thresholds"]
        assert row["test"]["thresholds"] == row["thresholds"][""] == [threshold]
        assert "sensitivity of at least 0.90 on validation" in row["test"]["threshold_rule"]
        for part in ("validation", "test"):
            truth, probability = part_of(run, row, part)
            (tn, fp), (fn, tp) = confusion_matrix(truth, probability >= threshold)
            assert row[part]["confusion"] == [[tn, fp], [fn, tp]]
            assert row[part]["sensitivity"]["value"] == pytest.approx(tp / (tp + fn))
            assert row[part]["specificity"]["value"] == pytest.approx(tn / (tn + fp))
        truth, probability = part_of(run, row, "validation")
        assert (probability >= threshold)[truth == 1].mean() >= 0.9


def test_the_majority_is_a_constant(run):
    row = fabricate.content(run, "metrics.json")["rows"][-1]
    for part in ("validation", "test"):
        assert [row[part]["auc"][key] for key in ("value", "low", "high")] == [0.5, 0.5, 0.5]


def test_the_best_way_is_chosen_on_validation(run):
    measured = fabricate.content(run, "metrics.json")
    areas = {row["way"]: row["validation"]["auc"]["value"] for row in measured["rows"][:3]}
    assert areas[measured["best"]["way"]] == max(areas.values())
    best = f"squeezenet_tiny {measured['best']['way']}"
    assert {(pair["a"], pair["b"]) for pair in measured["comparisons"]} == {
        ("squeezenet_tiny features", "squeezenet_tiny finetune"),
        ("squeezenet_tiny features", "squeezenet_tiny scratch"),
        ("squeezenet_tiny finetune", "squeezenet_tiny scratch"),
        (best, "grey levels"),
        (best, "metadata"),
    }
    named = {f"{row['model']} {row['way']}".strip(): row for row in measured["rows"]}
    for pair in measured["comparisons"]:
        one, two = named[pair["a"]], named[pair["b"]]
        assert pair["difference"] == pytest.approx(one["test"]["auc"]["value"] - two["test"]["auc"]["value"])


def test_history(run):
    history = pd.read_csv(run / "history.csv")
    assert list(history.columns) == [
        "fold", "model", "way", "repeat", "phase", "epoch", "learning_rate", "loss", "val_loss", "val_score", "seconds",
    ]  # fmt: skip
    assert [tuple(row) for row in history[["way", "phase", "epoch"]].to_numpy()] == [
        ("finetune", 1, 1), ("finetune", 2, 2), ("scratch", 1, 1), ("scratch", 1, 2),
    ]  # fmt: skip
    for row in fabricate.content(run, "metrics.json")["rows"][1:3]:
        mine = history[history["way"] == row["way"]]
        assert row["validation"]["auc"]["value"] == pytest.approx(mine["val_score"].max())


def test_environment(run):
    said = fabricate.content(run, "environment.json")
    assert {"command", "versions", "seed", "commit", "device", "cores", "backend", "minutes", "xla", "weights"} <= set(
        said
    )
    assert said["seed"] == 0 and said["backend"] == "tensorflow" and said["versions"]["keras"] >= "3.15"
    assert said["xla"]["on"] is False and "no GPU" in said["xla"]["why"]
    assert said["weights"] == [] and said["resumed"] == 0


def test_manifest_describes_the_trained_weights(run):
    model, manifest = radzoo.load(run)
    assert (manifest.task, manifest.classes, manifest.model) == ("binary", ("label",), "squeezenet_tiny")
    assert manifest.input.shape == (32, 32, 1) and set(manifest.licences) == {"code", "weights", "data"}
    best = fabricate.content(run, "metrics.json")["best"]
    row = next(r for r in fabricate.content(run, "metrics.json")["rows"] if r["way"] == best["way"])
    assert list(manifest.metrics["thresholds"]) == row["validation"]["thresholds"]
    assert manifest.metrics["threshold_rule"] == "sensitivity 0.90" and manifest.metrics["unit"] == "image"
    from safetensors.numpy import load_file

    tensors = load_file(run / "weights.safetensors")
    assert tensors.keys() == {weight.path for weight in model.weights}
    for weight in model.weights:
        np.testing.assert_array_equal(weight.numpy(), tensors[weight.path])


def test_the_report_needs_nothing_else(run):
    page = (run / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r"""(?:src|href|data|action)\s*=\s*["']([^"']*)""", page)
    assert sources and all(source.startswith(("data:", "#")) for source in sources)
    assert not re.search(r"@import|url\((?!['\"]?data:)", page)
    assert "squeezenet_tiny" in page


def test_a_folder_that_exists_is_not_touched(run, pictures):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(BadInput, match="exists and is never overwritten: choose another --out"):
        radzoo.run(fabricate.recipe(pictures, run))
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_folders_without_a_name_are_numbered(tmp_path, monkeypatch):
    from radzoo.train.folder import new_folder

    def new(name):
        return str(new_folder(None, name, texts={"a.json": {"b": 1}}, tables={}))

    monkeypatch.chdir(tmp_path)
    assert [new("chest") for _ in range(3)] == [f"runs/chest-{i}" for i in (1, 2, 3)]
    (tmp_path / "runs" / "chest-2").rename(tmp_path / "elsewhere")
    assert (new("chest"), new("other")) == ("runs/chest-2", "runs/other-1")
    assert [path.name for path in (tmp_path / "runs" / "other-1").iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"models": ()}, "at least one model"),
        ({"models": ("squeezenet_tinny",)}, "did you mean squeezenet_tiny"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"weights": "imagenet"}, "squeezenet_tiny"),
        ({"channels": "2"}, "images of an index have 1 channel or 3"),
        ({"phases": (Phase(epochs=1, learning_rate=1e-3, freeze_below="stage7"),)}, "freeze_below='stage7'"),
        ({"phases": (Phase(epochs=0, learning_rate=1e-3),)}, "epoch"),
        ({"phases": ()}, "phase"),
        ({"scratch": Phase(epochs=0, learning_rate=1e-3)}, "epoch"),
        ({"models": ("squeezenet_tiny", "squeezenet_tiny")}, "twice"),
        ({"ways": ("features", "features")}, "twice"),
        ({"size": 4}, "too small"),
        ({"split": (0.9, 0.1, 0.1)}, "sum to 1"),
        ({"split": 2}, "at least 3 folds"),
        ({"split": 20}, "fewer folds"),
        ({"threshold": "sensitivity 2"}, "sensitivity 2"),
        ({"unit": "study"}, "study"),
        ({"unit": "patient", "label": ("kind",), "patient": "disc"}, "hold images of different classes"),
        ({"scratch": Phase(epochs=1, learning_rate=1e-3, patience=0)}, "patience must be at least 1"),
        ({"scratch": Phase(epochs=1, learning_rate=float("inf"))}, "learning rate must be a number"),
        ({"augment": Augment(crop=1.0)}, "parts of 1"),
        ({"augment": Augment(noise=-0.1)}, "from 0 on"),
        ({"augment": Augment(flip=True), "label": ("laterality",), "classes": ()}, "no column 'laterality'"),
        ({"test_index": "nowhere.csv"}, "nowhere.csv"),
    ],
)
def test_recipes_that_cannot_run_leave_no_folder(pictures, tmp_path, changes, message):
    with pytest.raises(BadInput, match=message):
        radzoo.run(fabricate.recipe(pictures, tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


class Full:
    """A disk that is full from the n-th file of a name on."""

    def __init__(self, monkeypatch, match):
        self.match, self.replace = match, os.replace
        monkeypatch.setattr(os, "replace", self)

    def __call__(self, source, target):
        if re.search(self.match, str(target)):
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.replace(source, target)


@pytest.mark.parametrize(
    "match",
    [
        r"\.npy$",
        "recipe.json",
        "split.csv",
        "state.npz",
        "probability.npz",
        "done.json",
        "model.keras",
        "weights.safetensors",
        "metrics.json",
        "report.html",
    ],
)
def test_a_full_disk_is_one_line_and_nothing_is_lost(pictures, tmp_path, monkeypatch, match):
    monkeypatch.setenv("RADZOO_CACHE", str(tmp_path / "cache"))
    recipe = fabricate.recipe(pictures, tmp_path / "run", ways=("finetune",), **ONCE)
    with monkeypatch.context() as patch:
        Full(patch, match)
        with pytest.raises(BadInput) as raised:
            radzoo.run(recipe)
    assert re.search(r"disk is full|No space left", str(raised.value)) and "\n" not in str(raised.value)
    assert str(tmp_path) in str(raised.value)  # where room is to be made
    rest = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert not [name for name in rest if re.search(match, name) or "part" in name or name.endswith((".new", ".tmp"))]
    if (tmp_path / "run").exists():  # and when there is room again, it goes on
        assert f"radzoo run --resume {tmp_path / 'run'}" in str(raised.value)
        assert radzoo.resume(tmp_path / "run").report.is_file()


def test_a_full_disk_while_features_are_kept(pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("RADZOO_CACHE", str(tmp_path / "cache"))
    recipe = fabricate.recipe(pictures, tmp_path / "run", ways=("features",))
    with monkeypatch.context() as patch:
        Full(patch, r"features/.*\.npy$")
        with pytest.raises(BadInput, match=r"disk is full|No space left"):
            radzoo.run(recipe)


@pytest.mark.slow
@pytest.mark.parametrize(
    "task, label", [("multiclass", ("kind",)), ("multilabel", ("disc", "stripes"))], ids=["multiclass", "multilabel"]
)
def test_other_tasks(pictures, tmp_path, task, label):
    finished = radzoo.run(fabricate.recipe(pictures, tmp_path / "run", label=label))
    measured = fabricate.content(finished.folder, "metrics.json")
    assert measured["task"] == task
    classes = sorted(fabricate.KINDS) if task == "multiclass" else list(label)
    assert measured["classes"] == classes
    for row in measured["rows"][:3]:
        for part in ("validation", "test"):
            truth, probability = part_of(finished.folder, row, part)
            areas = [roc_auc_score(*pair) for pair in zip(truth.T, probability.T, strict=True)]
            assert row[part]["auc"]["value"] == pytest.approx(np.mean(areas), abs=1e-9)
            for name, area in zip(classes, areas, strict=True):
                assert row[part]["per_class"][name]["auc"]["value"] == pytest.approx(area, abs=1e-9)
            if task == "multiclass":
                np.testing.assert_allclose(probability.sum(1), 1, atol=1e-5)
                table = confusion_matrix(truth.argmax(1), probability.argmax(1), labels=range(4)).tolist()
                assert row[part]["confusion"] == table
    assert (finished.folder / "report.html").stat().st_size > 10_000
    names = [finished.folder.parent / "x.png"]
    import cv2

    cv2.imwrite(str(names[0]), fabricate.picture("both", np.random.default_rng(9)))
    assert list(radzoo.predict(finished.folder, names).columns) == ["file", *classes, "called"]


@pytest.mark.slow
def test_weights_and_given_split(pictures, tmp_path, monkeypatch):
    """Weights with a manifest, three ways to enter them, and the user's own split."""
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    fabricate.weights(tmp_path)
    for way in ("fold", "conv1x1"):
        recipe = fabricate.recipe(
            pictures, tmp_path / way, models=("mobilenet_v2_tiny",), weights="tests", channels=way, split="part",
            ways=("features", "finetune"), **ONCE,
        )  # fmt: skip
        run = radzoo.run(recipe).folder
        said = fabricate.content(run, "environment.json")["weights"]
        assert [(entry["tag"], entry["way"]) for entry in said] == [
            ("mobilenet_v2_tiny.tests", "features"), ("mobilenet_v2_tiny.tests", "finetune"),
        ]  # fmt: skip
        assert said[0]["licences"]["weights"] == "CC0-1.0"
        assert bool(said[0]["adapted"]) == (way == "fold")
        given = {row[1]: row[6].replace("val", "validation") for row in fabricate.rows(pictures)}
        _, split = frames(run)
        assert dict(zip(split["patient"], split["split"], strict=True)) == given


def test_flips_are_refused_where_the_label_is_a_side(pictures, tmp_path):
    rows = [(*row[:3], "left" if row[3] == "disc" else "right", *row[4:]) for row in fabricate.rows(pictures)]
    for row in rows:
        (tmp_path / row[0]).symlink_to(pictures.parent / row[0])
    index = fabricate.table(tmp_path / "sides.csv", rows)
    recipe = fabricate.recipe(index, tmp_path / "run", label=("kind",), positive="left", augment=Augment(flip=True))
    with pytest.raises(BadInput, match=r"--augment.flip mirrors left and right, but the label .kind. tells sides"):
        radzoo.run(recipe)


@pytest.mark.slow
def test_jit_on(pictures, tmp_path):
    run = radzoo.run(fabricate.recipe(pictures, tmp_path / "run", ways=("finetune",), jit="on", **ONCE)).folder
    assert fabricate.content(run, "environment.json")["xla"] == {"on": True, "why": "asked for"}
    assert len(pd.read_csv(run / "predictions.csv")) == 32


@pytest.mark.slow
def test_mixed_precision(pictures, tmp_path):
    import keras

    run = radzoo.run(fabricate.recipe(pictures, tmp_path / "run", precision="mixed_bfloat16", **ONCE)).folder
    assert keras.config.dtype_policy().name == "float32"  # as it was
    predictions, _ = frames(run)
    assert np.isfinite(predictions["label"]).all() and len(predictions) == 3 * 32
    files = [pictures.parent / row[0] for row in fabricate.rows(pictures)]
    best = fabricate.content(run, "metrics.json")["best"]["way"]
    mine = predictions[(predictions["way"] == best) & (predictions["split"] == "test")]
    again = radzoo.predict(run, [files[row] for row in mine["row"]], batch=8)
    np.testing.assert_allclose(again["label"], mine["label"], atol=2e-2)


def test_what_was_applied_is_recorded_per_image(run):
    """Every image has its row in images.csv; no file is named there."""
    images = pd.read_csv(run / "images.csv")
    assert list(images.columns) == [
        "row", "digest", "content", "modality", "spacing_mm", "spacing_source", "burnt_in", "applied",
    ]  # fmt: skip
    assert len(images) == 64 and set(images["applied"]) == {"scale 1/255"} and images["digest"].is_unique
    assert ".png" not in (run / "images.csv").read_text()


@pytest.mark.slow
def test_twice_the_same_run(pictures, tmp_path):
    """Byte for byte, in a process of its own so that TensorFlow starts as it does for a user."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import fabricate, radzoo\n"
        "for name in ('one', 'two'):\n"
        "    radzoo.run(fabricate.recipe(Path(sys.argv[2]), Path(sys.argv[3]) / name))"
    )
    arguments = [str(Path(__file__).parent), str(pictures), str(tmp_path)]
    for number in (1, 2):  # within one process, and in another
        target = tmp_path / str(number)
        target.mkdir()
        command = [sys.executable, "-c", script, *arguments[:2], str(target)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    runs = [tmp_path / a / b for a in "12" for b in ("one", "two")]
    for name in ("predictions.csv", "split.csv", "metrics.json"):
        assert len({(run / name).read_bytes() for run in runs}) == 1, name
    assert fabricate.content(runs[0], "environment.json")["repeatable"] is True
    assert len({(run / "weights.safetensors").read_bytes() for run in runs}) == 1


@pytest.mark.slow
def test_another_size_or_window_leaves_every_patient_where_he_was(pictures, tmp_path):
    """So that runs that differ in the pixels can be compared, and make ensembles."""
    tables = []
    for name, changes in {"small": {"size": 24}, "large": {"size": 32}, "window": {"window": "percentile"}}.items():
        what = fabricate.recipe(pictures, tmp_path / name, ways=("scratch",), **{**ONCE, **changes})
        tables.append(pd.read_csv(radzoo.run(what).folder / "split.csv"))
    assert tables[0].equals(tables[1]) and tables[0].equals(tables[2])
