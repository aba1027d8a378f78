"""The options of transfer end to end: each changes what it should and nothing else, and what `predict` says is what the
run wrote down. Mistakes are one line, exit code 2, and no folder."""

import csv
import dataclasses
import importlib
import os
import re
from pathlib import Path

import fabricate
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

import radzoo
from radzoo.data import read_index
from radzoo.images import phantoms
from radzoo.images.paths import separated
from radzoo.recipe import Augment, Phase

ALL = (Phase(epochs=2, learning_rate=3e-3),)
BASE = {
    "models": ("mobilenet_v2_tiny",), "weights": "tests", "ways": ("finetune",), "split": "part", "phases": ALL,
    "augment": Augment(shift=0.1, rotate=10, noise=0.05),
}  # fmt: skip
STATISTICS, AFFINE = ("moving_mean", "moving_variance"), ("gamma", "beta")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with pictures and weights."""
    folder = tmp_path_factory.mktemp("transfer")
    fabricate.weights(folder / "weights")
    fabricate.pictures(folder / "data", patients=48, images=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADZOO_WEIGHTS", str(folder / "weights"))
        yield folder


def leave_out_page(patch) -> None:
    """The page has its own tests."""
    patch.setattr("radzoo.report.write", lambda *_: None)
    patch.setattr(importlib.import_module("radzoo.train.run"), "explained", lambda *_: None)


@pytest.fixture(scope="module")
def done(place):
    """`done(**changes)`: the run of `BASE` with these changes, made once and without its page."""
    made = {}

    def call(again: int = 0, **changes):
        key = repr((again, sorted(changes.items())))
        if key not in made:
            index = changes.pop("index", place / "data" / "index.csv")
            what = fabricate.recipe(index, place / f"run{len(made)}", **{**BASE, **changes})
            with pytest.MonkeyPatch.context() as patch:
                leave_out_page(patch)
                made[key] = radzoo.run(what)
        return made[key]

    return call


def probability(run, job: str = "mobilenet_v2_tiny_finetune") -> dict:
    return dict(np.load(run.folder / "jobs" / job / "probability.npz"))


def tensors(run) -> dict:
    return load_file(run.folder / "weights.safetensors")


def check_same_said(run, index: Path, data) -> None:
    """`predict` repeats the chosen way's rows of predictions.csv."""
    best, table = run.metrics["best"], pd.read_csv(run.folder / "predictions.csv")
    mine = table[(table["model"] == best["model"]) & (table["way"] == best["way"])]
    read = read_index(dataclasses.replace(data, index=str(index)), run.metrics["task"])
    files = [file for row in mine["row"] for file in separated(read.table["path"].iloc[row])]
    beside = {name: [read.covariates[name].iloc[row] for row in mine["row"]] for name in read.covariates} or None
    said = radzoo.predict(run.folder, files, covariates=beside, batch=5, progress=False)
    classes = run.metrics["classes"]
    np.testing.assert_allclose(said[classes], mine[classes], atol=1e-4)


def data_of(**changes):
    return dataclasses.replace(fabricate.DATA, **{"split": "part", **changes})


def test_repeats_are_runs_with_the_next_seeds(done):
    """The first is the run without repeats, bit for bit; the second that of the next seed."""
    run, once, other = done(repeats=2), done(), done(seed=1)
    row, repeats = run.metrics["rows"][0], run.metrics["rows"][0]["repeats"]
    single = once.metrics["rows"][0]
    assert "repeats" not in single and {k: v for k, v in row.items() if k != "repeats"} == single
    for name, each in (("", once), ("_repeat1", other)):
        mine, theirs = probability(run, f"mobilenet_v2_tiny_finetune{name}"), probability(each)
        assert mine.keys() == theirs.keys()
        for part in mine:
            np.testing.assert_array_equal(mine[part], theirs[part])
    assert not np.array_equal(probability(once)["test"], probability(other)["test"])
    areas = [each.metrics["rows"][0]["test"]["auc"]["value"] for each in (once, other)]
    assert repeats["auc"] == pytest.approx(areas) and repeats["mean"] == pytest.approx(np.mean(areas))
    assert (repeats["low"], repeats["high"]) == (min(repeats["auc"]), max(repeats["auc"]))
    history = pd.read_csv(run.folder / "history.csv")
    assert list(history["repeat"]) == [0, 0, 1, 1]
    for name in ("predictions.csv", "split.csv"):
        assert (run.folder / name).read_bytes() == (once.folder / name).read_bytes()
    assert [path.name for path in (run.folder / "models").iterdir()] == ["mobilenet_v2_tiny_finetune"]


@pytest.mark.slow
def test_views_change_the_answers_and_are_the_same_each_time(done, place):
    one, three, again = done(), done(views=3), done(views=3, again=1)
    plain, viewed = probability(one), probability(three)
    np.testing.assert_array_equal(plain["epochs"], viewed["epochs"])  # views do not choose the epoch
    for part in ("validation", "test"):
        assert np.abs(plain[part] - viewed[part]).max() > 1e-4
        np.testing.assert_array_equal(viewed[part], probability(again)[part])
    assert (three.folder / "predictions.csv").read_bytes() == (again.folder / "predictions.csv").read_bytes()
    for run in (one, three):
        check_same_said(run, place / "data" / "index.csv", data_of())
    for name, tensor in tensors(one).items():
        np.testing.assert_array_equal(tensor, tensors(three)[name])


@pytest.mark.parametrize(
    "policy", ["affine", *(pytest.param(name, marks=pytest.mark.slow) for name in ("frozen", "adapt", "recalibrate"))]
)
def test_norms_leave_in_the_model_what_they_promise(done, place, policy):
    run = done(norms=policy, phases=(Phase(epochs=1, learning_rate=3e-3, freeze_below="stage2"),))
    before, after = load_file(place / "weights" / "mobilenet_v2_tiny.tests.safetensors"), tensors(run)
    moved = {name for name in before.keys() & after.keys() if not np.array_equal(before[name], after[name])}
    norm = {name for name in before if name.endswith((*STATISTICS, *AFFINE))}
    above = {name for name in norm if not name.startswith(("stem", "stage1"))}
    of = {kind: {name for name in norm if name.endswith(kind)} for kind in (STATISTICS, AFFINE)}
    expected = {
        "frozen": set(),
        "affine": above & of[AFFINE],
        "adapt": above,
        "recalibrate": of[STATISTICS],  # of frozen stages, too
    }[policy]
    assert norm <= after.keys() and above and above < norm
    assert moved & norm == expected
    assert {name for name in moved - norm if name.startswith(("stage2", "stage3"))}  # the kernels do learn
    assert not {name for name in moved - norm if name.startswith("stage1")}


CHANGES = {
    "depth_decay": {"depth_decay": 0.2},
    "weight_decay": {"weight_decay": 0.1},
    "cosine": {"phases": (Phase(epochs=2, learning_rate=3e-3, schedule="cosine"),)},
    "warmup": {"phases": (Phase(epochs=2, learning_rate=3e-3, warmup=1),)},
    "label_smoothing": {"label_smoothing": 0.3},
    "focal": {"loss": "focal"},
    "dropout": {"dropout": 0.5},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_each_option_changes_the_training(done, place, name):
    run, plain = done(**CHANGES[name]), done()
    assert np.abs(probability(run)["epochs"] - probability(plain)["epochs"]).max() > 1e-5
    assert (run.folder / "split.csv").read_bytes() == (plain.folder / "split.csv").read_bytes()
    rates = list(pd.read_csv(run.folder / "history.csv")["learning_rate"])
    steps = 24 / 8
    expected = {"cosine": [3e-3, 1.5e-3], "warmup": [3e-3 / steps, 3e-3]}.get(name, [3e-3, 3e-3])
    assert rates == pytest.approx(expected, rel=1e-3)
    if name == "depth_decay":
        before = load_file(place / "weights" / "mobilenet_v2_tiny.tests.safetensors")
        kernels = [each for each in before if each.startswith("stage1") and each.endswith("kernel")]
        one, two = (sum(np.abs(tensors(r)[k] - before[k]).sum() for k in kernels) for r in (run, plain))
        assert 0 < one < 0.2 * two  # stage1 is two stages below the head: a rate of 0.2**2


@pytest.mark.slow
def test_a_plateau_lowers_the_rate(done):
    phase = Phase(epochs=4, learning_rate=1e-6, schedule="plateau", patience=2)  # so slow that nothing gets better
    run = done(phases=(phase,))
    rates = pd.read_csv(run.folder / "history.csv")["learning_rate"].to_numpy()
    assert rates[0] == pytest.approx(1e-6) and set(np.round(np.log(rates / 1e-6) / np.log(0.3), 4)) <= {0, 1, 2, 3}


@pytest.mark.slow
def test_auxiliary_heads_are_gone_from_what_is_kept(done, place):
    """GoogLeNet's own end trains with three losses; one output is saved, and it is the first."""
    import keras

    run = done(
        models=("googlenet_tiny",), weights=None, ways=("scratch",), head="paper", size=64,
        scratch=Phase(epochs=1, learning_rate=1e-3),
    )  # fmt: skip
    model, _ = radzoo.load(run.folder)
    assert len(model.outputs) == 1 and model.output_shape == (None, 1) and isinstance(model, keras.Model)
    assert not [layer.name for layer in model.layers if layer.name.startswith("head_auxiliary")]
    whole = radzoo.create_model("googlenet_tiny", (64, 64, 1), classes=1, task="binary", head="paper", auxiliary=True)
    assert len(whole.outputs) == 3 and set(tensors(run)) < {weight.path for weight in whole.weights}
    check_same_said(run, place / "data" / "index.csv", data_of())


@pytest.fixture(scope="module")
def lungs(tmp_path_factory):
    """Patches of CT, and what of a recipe they change: healthy or not."""
    index = phantoms.write(tmp_path_factory.mktemp("lungs") / "ct", "lung_texture", patients=16)
    cells = pd.read_csv(index)
    cells["healthy"] = (cells["pattern"] == "normal").astype(int)
    index = index.with_name("healthy.csv")
    cells.to_csv(index, index=False)
    columns = {"patient": "patient_id", "label": ("healthy",), "split": (0.5, 0.25, 0.25)}
    return index, columns


@pytest.mark.slow
def test_windows_of_a_ct_are_channels(done, lungs):
    index, columns = lungs
    windows = ((-500.0, 1500.0), (40.0, 400.0))
    run = done(
        **columns, index=index, models=("squeezenet_tiny",), weights=None, ways=("scratch",), channels="windows",
        windows=windows, scratch=Phase(epochs=1, learning_rate=1e-3),
    )  # fmt: skip
    model, manifest = radzoo.load(run.folder)
    assert model.input_shape == (None, 32, 32, 2)
    assert manifest.input.window == windows
    check_same_said(run, index, data_of(**columns))


def test_three_windows_take_rgb_weights_as_they_are(done, lungs, place):
    index, columns = lungs
    run = done(
        **columns, index=index, channels="windows", windows=((-500.0, 1500.0), (40.0, 400.0), (-800.0, 300.0)),
        phases=(Phase(epochs=1, learning_rate=1e-3, freeze_below="head"),),
    )  # fmt: skip
    before, after = load_file(place / "weights" / "mobilenet_v2_tiny.tests.safetensors"), tensors(run)
    kernel = next(name for name in before if name.startswith("stem") and name.endswith("kernel"))
    np.testing.assert_array_equal(before[kernel], after[kernel])
    check_same_said(run, index, data_of(**columns))


class Stop(KeyboardInterrupt):
    """Ctrl-C at the n-th file that appears."""


@pytest.mark.slow
def test_a_run_with_all_of_it_goes_on_after_stops(place, tmp_path, monkeypatch):
    """Two models, their ensemble, repeats, views, a covariate, adapted norms, schedules: stopped at every ninth file
    or so, the numbers are those of the run that was left alone."""
    leave_out_page(monkeypatch)
    index, rng = place / "data" / "index.csv", np.random.default_rng(0)
    cells = pd.read_csv(index)
    cells["age"] = rng.integers(20, 80, len(cells))
    index = place / "data" / "with_age.csv"
    cells.to_csv(index, index=False)
    fabricate.weights(place / "weights", "resnet_tiny")
    arguments = {
        **BASE, "models": ("mobilenet_v2_tiny", "resnet_tiny"), "ensemble": "weights", "repeats": 2, "views": 2,
        "covariates": ("age",), "norms": "adapt", "weight_decay": 0.01, "depth_decay": 0.7, "loss": "focal",
        "label_smoothing": 0.1, "dropout": 0.3,
        "phases": (
            Phase(epochs=1, learning_rate=1e-2, freeze_below="head", schedule="cosine", warmup=0.5),
            Phase(epochs=3, learning_rate=1e-3, schedule="plateau", patience=2),
        ),
    }  # fmt: skip
    whole = radzoo.run(fabricate.recipe(index, tmp_path / "whole", **arguments), name="one")
    check_same_said(whole, index, data_of(covariates=("age",)))
    replace, out, left, stops = os.replace, tmp_path / "stopped", 0, 0

    def stopping(source, target):
        nonlocal left
        if str(target).startswith(str(out)):
            left -= 1
            if left == 0:
                raise Stop
        replace(source, target)

    monkeypatch.setattr(os, "replace", stopping)
    while stops < 12:
        try:
            left, what = 9 + stops, fabricate.recipe(index, out, **arguments)
            radzoo.resume(out) if out.exists() else radzoo.run(what, name="one")
            break
        except Stop:
            stops += 1
    assert 3 <= stops < 12
    for name in ("predictions.csv", "split.csv", "images.csv", "metrics.json"):
        assert (whole.folder / name).read_bytes() == (out / name).read_bytes(), name
    histories = [re.sub(r",[\d.]+\n", "\n", (run / "history.csv").read_text()) for run in (whole.folder, out)]
    assert histories[0] == histories[1]
    for path in sorted((whole.folder / "models").rglob("weights.safetensors")):
        assert path.read_bytes() == (out / path.relative_to(whole.folder)).read_bytes()


RECIPE = """'''A recipe for tests.'''
from radzoo import Data, Phase, Recipe
RECIPE = Recipe(models=("mobilenet_v2_tiny",), weights=None, size=32, batch=8, bootstrap=100, ways=("finetune",),
                data=Data(index="", image="file", patient="patient", split=(0.5, 0.25, 0.25)),
                phases=(Phase(epochs=1, learning_rate=1e-2, freeze_below="head"),))
"""
EXTRA = ("age", "constant", "gaps", "words", "numbers")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A recipe, and pictures with more columns."""
    folder = tmp_path_factory.mktemp("tables")
    (folder / "tests.py").write_text(RECIPE)
    index = fabricate.pictures(folder / "data", patients=16, images=1)
    rows = [(*row, 20 + i, "same", "" if i == 3 else i, ["low", "mid", "high"][i % 3], i / 2)
            for i, row in enumerate(fabricate.rows(index))]  # fmt: skip
    with open(index, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([fabricate.HEADER + EXTRA, *rows])
    return folder


@pytest.fixture
def refused(tables, cli, monkeypatch, tmp_path):
    """A run that must end in one line with exit code 2 and without a folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RADZOO_OFFLINE", "1")

    def call(*options):
        arguments = ["--data.index", tables / "data" / "index.csv", "--out", tmp_path / "run", *options]
        code, _, error = cli("run", tables / "tests.py", *arguments)
        lines = [line for line in error.splitlines() if line.startswith("radzoo: ")]
        assert code == 2 and len(lines) == 1 and "Traceback" not in error, error
        assert error.rstrip().splitlines()[-1] == lines[0]
        assert not list(tmp_path.iterdir())
        return lines[0]

    return call


@pytest.mark.parametrize(
    "options, message",
    [
        ("--phases.0.freeze_below stage9", r"freeze_below='stage9'.* stem, stage1, .*head"),
        ("--models squeezenet_tiny --norms affine", "squeezenet_tiny has no batch normalisation"),
        ("--norms frosen", "frosen"),
        ("--data.split 17", "all images come from 16 patients .*need at least 17"),
        ("--ensemble mean", "--ensemble mean needs several models"),
        ("--channels windows", "came without windows"),
        ("--windows 40 400", "windows came with channels='fold'"),
        ("--channels windows --windows 40 400 --window 40 400", "windows and window came"),
        ("--channels windows --windows 40", "--windows|windows"),
        ("--channels windows --windows 40 0", "window"),
        ("--data.mosaic True", "no volume that is read"),
        ("--data.image file file --channels phases", "file"),
        ("--task regression --data.label words", "holds 'low' in rows 2.* a regression takes finite numbers"),
        ("--task ordinal --data.label words", "holds words .*--data.classes"),
        ("--task ordinal --data.label words --data.classes low mid", "'high'"),
        ("--task regression --data.label constant", "'same'"),
        ("--data.covariates weight", r"no column 'weight' \(--data.covariates\)"),
        ("--data.covariates constant", "covariate 'constant' is 'same' in every row and says nothing"),
        ("--data.covariates gaps", "covariate 'gaps' is empty in row 5"),
        ("--data.covariates label", "column label is the label"),
        ("--data.covariates age age", "age"),
        ("--views 3", "--views 3 came, but nothing is augmented"),
        ("--views 0", "repeats and views must be at least 1"),
        ("--repeats 0", "repeats and views must be at least 1"),
        ("--label_smoothing 1", "label_smoothing 1.0 came, expected 0 to below 1"),
        ("--dropout 1", "dropout 1.0 came"),
        ("--loss focall", "focall"),
        ("--weight_decay -1", "weight_decay=-1.0 came"),
        ("--depth_decay 0", "depth_decay=0.0 came"),
        ("--depth_decay 2", "depth_decay=2.0 came"),
        ("--phases.0.schedule nonsense", "nonsense"),
        ("--phases.0.warmup 1", "warmup=1.0 came, expected fewer than the 1 epochs"),
        ("--scratch.schedule nonsense", "nonsense"),
        ("--head papper", "papper"),
        ("--head paper --task ordinal --data.label words --data.classes low mid high", "use head='pool'|--head pool"),
        ("--head paper --data.covariates age", "use head='pool'|--head pool"),
        ("--ways scratch --ensemble weights --models squeezenet_tiny", "needs several models"),
        ("--task regression --data.label numbers --aggregate max", "--aggregate max came"),
        ("--task regression --data.label numbers --label_smoothing 0.1", "label_smoothing|smooth"),
        ("--task regression --data.label numbers --loss focal", "focal"),
        ("--channels 0", "channels=0 came"),
        ("--data.classes disc", "class"),
    ],
)
def test_a_mistake_in_an_option_is_one_line(refused, options, message):
    assert re.search(message, refused(*options.split()))
