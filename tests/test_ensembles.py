"""Ensembles: weights by hand, in a run, and of finished runs; and a choice that owes nothing to the best epoch."""

import dataclasses
from types import SimpleNamespace

import fabricate
import numpy as np
import pandas as pd
import pytest

import radzoo
import radzoo.finished
from radzoo.data import Index, as_stored
from radzoo.errors import BadInput
from radzoo.metrics import recalibrate, score
from radzoo.recipe import Recipe
from radzoo.train.ensembles import RATIOS, best_weights, combined
from radzoo.train.judge import cross_fitted

TRUTH = np.array([[0], [0], [1], [1]], float)


def weights_for(task, truth, members, how):
    return best_weights(len(members), how, lambda weights: score(task, truth, combined(members, weights)))


def test_the_ratios_are_those_of_the_paper():
    assert len(RATIOS) == len(set(RATIOS)) == 19
    assert RATIOS[0] == (10, 1) and RATIOS[-1] == (1, 10) and (1, 1) in RATIOS


def test_weights_by_hand():
    """One positive is found only if the first member weighs at least twice as much as the second."""
    first, second = np.array([[0.1], [0.4], [0.5], [0.9]]), np.array([[0.1], [0.6], [0.3], [0.9]])
    # the pair (0.4, 0.6) against (0.5, 0.3): w * 0.1 > (1 - w) * 0.3 wants w > 3/4
    assert weights_for("binary", TRUTH, [first, second], "mean") == (0.5, 0.5)
    w, _ = weights_for("binary", TRUTH, [first, second], "weights")
    assert w == pytest.approx(4 / 5)  # the most equal of 4:1, 5:1, ... that do it; 3:1 only ties
    assert combined([first, second], (0.75, 0.25))[1] == pytest.approx(0.45)


def test_equally_good_members_stay_equal():
    same = np.array([[0.1], [0.2], [0.8], [0.9]])
    assert weights_for("binary", TRUTH, [same, same], "weights") == (0.5, 0.5)
    assert weights_for("binary", TRUTH, [same] * 3, "weights") == (1 / 3,) * 3
    useless = 1 - same
    assert weights_for("binary", TRUTH, [useless, same, useless], "weights")[1] > 0.5


def test_too_many_members():
    with pytest.raises(BadInput, match="at most 5, or take their mean"):
        weights_for("binary", TRUTH, [TRUTH] * 6, "weights")
    assert weights_for("binary", TRUTH, [TRUTH] * 6, "mean") == (1 / 6,) * 6


def validation(patients: int) -> Index:
    """An index of images that all are validation, one per patient, half of them positive."""
    ids = [f"p{i}" for i in range(patients)]
    table = pd.DataFrame({"row": range(patients), "patient": ids, "unit": ids, "fold": 0, "split": "validation"})
    labels = (np.arange(patients) % 2)[:, None].astype("float32")
    return Index(table, labels, ("x",), "binary")


def test_cross_fitting_takes_back_what_the_maximum_adds():
    """Of thirty epochs of noise the best reaches far more than .5 on the images that chose it, and .5 on others."""
    index, recipe = validation(40), Recipe(models=("a",))
    best, honest = [], []
    for seed in range(30):
        noise = np.random.default_rng(seed).random((30, 40, 1))
        best.append(max(np.mean(one[1::2] > one[::2].T) for one in noise))
        honest.append(cross_fitted(dataclasses.replace(recipe, seed=seed), index, 0, noise))
    assert np.mean(best) > 0.65
    assert abs(np.mean(honest) - 0.5) < 0.03


def test_cross_fitting_keeps_an_epoch_that_is_really_better():
    index, noise = validation(40), np.random.default_rng(0).random((10, 40, 1))
    noise[7] = index.labels
    assert cross_fitted(Recipe(models=("a",)), index, 0, noise) == 1


MODELS = ("squeezenet_tiny", "densenet_tiny")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ensembles")
    index = fabricate.pictures(folder / "data", patients=48)
    what = fabricate.recipe(index, folder / "run", models=MODELS, ways=("scratch",), ensemble="weights")
    return SimpleNamespace(folder=folder, index=index, recipe=what, finished=radzoo.run(what))


def test_an_ensemble_in_a_run(run):
    """Its predictions are the recalibrated weighted mean of what the members' trainings kept."""
    row = next(row for row in run.finished.metrics["rows"] if row["model"] == "ensemble")
    kept = [np.load(run.finished.folder / "jobs" / f"{model}_scratch" / "probability.npz") for model in MODELS]
    split = pd.read_csv(run.finished.folder / "split.csv")
    truth = split[split["split"] == "validation"]["label"].to_numpy(float)[:, None]
    w = weights_for("binary", truth, [each["validation"] for each in kept], "weights")
    raw = {part: w[0] * kept[0][part] + w[1] * kept[1][part] for part in ("validation", "test")}
    expected = recalibrate(truth, raw["validation"], "binary").apply(raw["test"])
    table = pd.read_csv(run.finished.folder / "predictions.csv")
    mine = table[(table["model"] == "ensemble") & (table["split"] == "test")]
    np.testing.assert_allclose(mine["label"], expected[:, 0], rtol=1e-5)
    assert row["detail"] == f"{' + '.join(MODELS)}, {w[0]:.2g} : {w[1]:.2g}"
    pairs = {(pair["a"], pair["b"]) for pair in run.finished.metrics["comparisons"]}
    assert {("ensemble scratch", f"{model} scratch") for model in MODELS} <= pairs


def test_an_ensemble_of_runs(run, tmp_path, cli):
    """Two runs with one split become a run folder that predicts the weighted mean; `predict` and the page work."""
    runs = []
    for model in MODELS:
        changes = {"models": (model,), "ensemble": "none", "out": str(tmp_path / model)}
        runs.append(radzoo.run(dataclasses.replace(run.recipe, **changes)).folder)
    joined = radzoo.ensemble(runs, how="mean", out=tmp_path / "both")
    kept = pd.read_csv(joined.folder / "predictions.csv")
    raw = [np.load(path / "jobs" / f"{m}_scratch" / "probability.npz") for path, m in zip(runs, MODELS, strict=True)]
    mean = {part: (raw[0][part] + raw[1][part]) / 2 for part in ("validation", "test")}
    split = pd.read_csv(joined.folder / "split.csv")
    truth = split[split["split"] == "validation"]["label"].to_numpy(float)[:, None]
    expected = recalibrate(truth, mean["validation"], "binary").apply(mean["test"])[:, 0]
    mine = kept[(kept["model"] == "ensemble") & (kept["split"] == "test")]
    np.testing.assert_allclose(mine["label"], expected, rtol=1e-5)
    files = [str(run.index.parent / fabricate.rows(run.index)[i][0]) for i in mine["row"]]
    said = radzoo.predict(joined.folder, files, progress=False)
    np.testing.assert_allclose(said["label"], expected, atol=1e-4)
    assert "ensemble" in (joined.folder / "report.html").read_text()
    assert {row["way"] for row in joined.metrics["rows"]} == {"scratch", "grey levels", "metadata", "majority"}
    code, out, _ = cli("ensemble", *runs, "--out", tmp_path / "swept")
    assert code == 0 and "1. squeezenet_tiny + 2. densenet_tiny" in out
    code, _, error = cli("ensemble", *runs, "--how", "mean", "--out", tmp_path / "both")
    assert code == 2 and "exists and is never overwritten" in error
    code, _, error = cli("run", "--resume", tmp_path / "both")
    assert code == 2 and "is an ensemble of finished runs" in error
    code, _, error = cli("ensemble", runs[0], tmp_path / "both")
    assert code == 2 and "is an ensemble itself" in error


@pytest.mark.slow
def test_an_ensemble_of_cross_validated_runs(run, tmp_path):
    """Its final members come from the final models; the page stands, and predictions are the weighted mean."""
    runs = []
    for model in MODELS:
        data = dataclasses.replace(run.recipe.data, split=3)
        changes = {"models": (model,), "ensemble": "none", "out": str(tmp_path / model), "data": data}
        runs.append(radzoo.run(dataclasses.replace(run.recipe, **changes)).folder)
    joined = radzoo.ensemble(runs, how="mean", out=tmp_path / "both")
    assert joined.metrics["final"]["train"] > 0 and (joined.folder / "report.html").is_file()
    files = [str(run.index.parent / row[0]) for row in fabricate.rows(run.index)[:6]]
    each = [radzoo.finished.finished(path) for path in runs]
    raw = [one.members[0].answer(*_batch(one, files)) for one in each]
    expected = radzoo.finished.finished(joined.folder).recalibrated((raw[0] + raw[1]) / 2)
    said = radzoo.predict(joined.folder, files, progress=False)
    np.testing.assert_allclose(said["label"], expected[:, 0], atol=1e-4)


def _batch(done, files):
    spec = done.members[0].manifest.input
    return np.stack([spec.normalise(as_stored(spec.read(file))) for file in files]), None


@pytest.mark.slow
def test_members_that_saw_other_splits(run, tmp_path, cli):
    changes = {"models": MODELS[:1], "ensemble": "none", "seed": 5, "out": str(tmp_path / "other")}
    other = radzoo.run(dataclasses.replace(run.recipe, **changes)).folder
    same = radzoo.run(dataclasses.replace(run.recipe, **{**changes, "seed": 0, "out": str(tmp_path / "one")})).folder
    code, _, error = cli("ensemble", same, other)
    assert code == 2 and "Traceback" not in error
    last = error.splitlines()[-1]  # the runs above have said their own lines
    assert "saw other splits" in last and "images are in another part" in last
    code, _, error = cli("ensemble", same)
    assert code == 2 and "two finished runs or more, each named once" in error
    code, _, error = cli("ensemble", same, tmp_path / "nothing")
    assert code == 2 and "expected the folder of a run" in error


def test_an_ensemble_needs_several_models(run):
    with pytest.raises(BadInput, match="--ensemble mean needs several models"):
        radzoo.run(dataclasses.replace(run.recipe, models=MODELS[:1], ensemble="mean", out=None))
