"""A cross-validated run, its final model, and another hospital's images: who was asked what, and that nothing leaks."""

import json
from pathlib import Path

import fabricate
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import radzoo
from radzoo.errors import BadInput
from radzoo.recipe import Phase
from radzoo.train.judge import fold_choice

ONCE = {
    "phases": (Phase(epochs=2, learning_rate=1e-2),),
    "scratch": Phase(epochs=1, learning_rate=1e-3),
}


CHOICES = {}  # (way, fold) -> what the run below was told by `fold_choice`


@pytest.fixture(scope="module")
def folded(tmp_path_factory) -> tuple[Path, Path]:
    """`(index, run folder)` of three folds, two ways, with the patient as unit."""
    folder = tmp_path_factory.mktemp("folds")
    index = fabricate.pictures(folder / "here", patients=48)
    recipe = fabricate.recipe(index, folder / "run", split=3, ways=("finetune", "scratch"), unit="patient", **ONCE)

    def overheard(recipe, index, way, judged, fold):
        CHOICES[way.way, str(fold)] = fold_choice(recipe, index, way, judged, fold)
        return CHOICES[way.way, str(fold)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("radzoo.train.outcome.fold_choice", overheard)
        return index, radzoo.run(recipe, name="folds").folder


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Path:
    """Another hospital's index, with patient keys of its own."""
    index = fabricate.pictures(tmp_path_factory.mktemp("there"), patients=40, seed=7)
    rows = [(row[0], f"elsewhere {row[1]}", *row[2:]) for row in fabricate.rows(index)]
    return fabricate.table(index.parent / "other.csv", rows)


def table(run: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(run / name, dtype={"patient": str, "fold": str})


def test_every_patient_is_tested_once_by_each_way(folded):
    _, run = folded
    split, predictions = table(run, "split.csv"), table(run, "predictions.csv")
    assert sorted(split["fold"].unique()) == ["1", "2", "3"]
    assert split.groupby("patient")["fold"].nunique().eq(1).all()
    assert set(split.loc[split["fold"] == "1", "split"]) == {"validation"}
    tested = split.groupby("patient")["fold"].first()
    for (_way, part), mine in predictions.groupby(["way", "split"]):
        assert sorted(mine["patient"]) == sorted(tested.index)  # the unit is the patient: one row each
        shift = 0 if part == "test" else 1
        for patient, fold in zip(mine["patient"], mine["fold"], strict=True):
            assert int(tested[patient]) == (int(fold) - 1 + shift) % 3 + 1


def test_pooled_and_per_fold_numbers_are_those_of_the_predictions(folded):
    _, run = folded
    measured, predictions = fabricate.content(run, "metrics.json"), table(run, "predictions.csv")
    truth = table(run, "split.csv").groupby("patient")["label"].max()
    assert measured["design"] == {"kind": "folds", "folds": 3, "patients": 48}
    for row in measured["rows"][:2]:
        mine = predictions[(predictions["way"] == row["way"]) & (predictions["split"] == "test")]
        assert row["test"]["auc"]["value"] == pytest.approx(roc_auc_score(truth[mine["patient"]], mine["label"]))
        assert row["test"]["patients"] == row["test"]["images"] == 48
        areas = []
        for entry in row["test"]["folds"]:
            one = mine[mine["fold"] == str(entry["fold"])]
            areas.append(roc_auc_score(truth[one["patient"]], one["label"]))
            assert entry["auc"] == pytest.approx(areas[-1])
        assert row["test"]["fold_mean"]["auc"] == pytest.approx(np.mean(areas))
        limits = [row["thresholds"][fold][0] for fold in mine["fold"]]
        called = mine["label"].to_numpy() >= np.array(limits)
        found = called[truth[mine["patient"]].to_numpy() == 1].mean()
        assert row["test"]["sensitivity"]["value"] == pytest.approx(found)
    reached = {row["way"]: np.mean([CHOICES[row["way"], fold] for fold in "123"]) for row in measured["rows"][:2]}
    assert reached[measured["best"]["way"]] == max(reached.values())


def test_anew_takes_each_folds_own_best_way(folded):
    _, run = folded
    measured, predictions = fabricate.content(run, "metrics.json"), table(run, "predictions.csv")
    truth = table(run, "split.csv").groupby("patient")["label"].max()
    chosen = []
    for fold in "123":
        best = max(("finetune", "scratch"), key=lambda way: CHOICES[way, fold])
        here = predictions[predictions["fold"] == fold]
        chosen.append(here[(here["split"] == "test") & (here["way"] == best)])
    chosen = pd.concat(chosen)
    assert measured["anew"]["auc"]["value"] == pytest.approx(roc_auc_score(truth[chosen["patient"]], chosen["label"]))


def test_the_final_model_is_the_chosen_way_on_more_patients(folded):
    index, run = folded
    measured = fabricate.content(run, "metrics.json")
    best = f"squeezenet_tiny_{measured['best']['way']}"
    assert [path.name for path in (run / "models").iterdir()] == [best]  # the models of single folds are not kept
    assert measured["final"]["train"] == 64 and measured["final"]["validation"] == 32
    manifest = radzoo.load(run)[1]
    row = next(r for r in measured["rows"] if r["way"] == measured["best"]["way"])
    assert list(manifest.metrics["thresholds"]) == measured["final"]["thresholds"] == row["thresholds"]["final"]
    assert manifest.metrics["unit"] == "patient"
    files = [index.parent / row[0] for row in fabricate.rows(index)[:2]]
    with pytest.raises(BadInput, match=r"decides per patient.*--together"):
        radzoo.predict(run, files)
    both = radzoo.predict(run, files, together=True)
    assert both["label"].nunique() == 1 and len(both) == 2


def test_another_hospital_is_looked_at_once(folded, other, tmp_path):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(folded[1], run)
    weights = (run / "model.keras").read_bytes()
    before = fabricate.content(run, "metrics.json")
    found = radzoo.evaluate(run, other)
    measured = fabricate.content(run, "metrics.json")
    assert found.metrics == measured and (run / "model.keras").read_bytes() == weights
    (entry,) = measured["external"]
    assert entry | {"date": ""} == {
        "name": "other.csv", "date": "", "looks": 1, "images": 80, "patients": 40, "notes": [],
    }  # fmt: skip
    row = next(r for r in measured["rows"] if r["way"] == measured["best"]["way"])
    (said,) = row["external"]
    assert said["thresholds"] == list(radzoo.load(run)[1].metrics["thresholds"])
    predictions = table(run, "external-1.csv")
    by_patient = predictions.groupby("patient")["label label"].max()
    raw = {name: radzoo.predict(run, [other.parent / r[0] for r in fabricate.rows(other) if r[1] == name],
                                together=True)["label"].iloc[0] for name in by_patient.index[:6]}  # fmt: skip
    assert said["patients"] == 40 and said["positives"] == [int(by_patient.sum())]
    assert len(raw) == 6 and 0 < min(raw.values()) < max(raw.values()) < 1
    for key in ("anew", "comparisons", "final", "best"):
        assert measured[key] == before[key]
    with pytest.raises(BadInput, match="keeps none"):
        radzoo.evaluate(run, other, where="part == nowhere")
    radzoo.evaluate(run, other, where="")  # the same look adds nothing
    assert len(list(run.glob("external-*.json"))) == 1
    radzoo.evaluate(run, other, where="part == test")  # a part of it is a second look
    assert [e["looks"] for e in fabricate.content(run, "metrics.json")["external"]] == [1, 2]


def test_patients_and_images_of_the_run_are_refused(folded, other):
    index, run = folded
    with pytest.raises(BadInput, match=r"48 patients of index.csv are patients of the run too"):
        radzoo.evaluate(run, index)
    strangers = [(row[0], f"x{row[1]}", *row[2:]) for row in fabricate.rows(index)]
    with pytest.raises(BadInput, match=r"96 images of strangers.csv are images of the run too"):
        radzoo.evaluate(run, fabricate.table(index.parent / "strangers.csv", strangers))
    with pytest.raises(BadInput, match="binary takes two"):
        radzoo.evaluate(run, other, label=("kind",))
    with pytest.raises(BadInput, match="not a file"):
        radzoo.evaluate(run, "nowhere.csv")
    assert not list(run.glob("external-*"))


@pytest.mark.slow
def test_test_index_is_the_same_as_evaluating_later(folded, other, tmp_path):
    index, run = folded
    recipe = fabricate.recipe(
        index, tmp_path / "run", split=3, ways=("finetune", "scratch"), unit="patient", test_index=str(other), **ONCE
    )
    both = radzoo.run(recipe).metrics
    radzoo.evaluate(run, other)
    later = json.loads((run / "metrics.json").read_text())
    for each in (both, later):
        each["external"][0]["date"] = ""
    assert both["external"] == later["external"]
    chosen = [next(r for r in each["rows"] if "external" in r)["external"][0] for each in (both, later)]
    assert chosen[0]["auc"]["value"] == pytest.approx(chosen[1]["auc"]["value"], abs=1e-6)


def test_patients_of_arrays_are_nobody(tmp_path):
    """`image 0` of one array file is not the patient `image 0` of another; and fractions go before the file's parts."""
    rng = np.random.default_rng(0)
    for name in ("here", "there"):
        pictures = np.stack([fabricate.picture(("plain", "disc")[i % 2], rng) for i in range(48)])
        parts = {"train": pictures[:30], "val": pictures[30:40], "test": pictures[40:]}
        arrays = {f"{part}_images": images for part, images in parts.items()}
        labels = {f"{part}_labels": np.arange(len(images)) % 2 for part, images in parts.items()}
        np.savez(tmp_path / f"{name}.npz", **arrays, **labels)
    recipe = fabricate.recipe(
        tmp_path / "here.npz", tmp_path / "run", test_index=str(tmp_path / "there.npz"), ways=("finetune",), **ONCE
    )  # whose data.patient names a column, as that of every recipe that ships does
    run = radzoo.run(recipe)
    assert run.metrics["external"][0]["images"] == 48
    assert table(run.folder, "split.csv")["split"].value_counts().to_dict() == {
        "train": 24, "validation": 12, "test": 12,
    }  # fmt: skip
