"""Runs that are killed at any moment go on to the same numbers, bit for bit."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import fabricate
import numpy as np
import pytest

import radzoo
from radzoo.errors import BadInput
from radzoo.recipe import Phase

KILLS = 20
SAME = ("predictions.csv", "split.csv", "images.csv", "metrics.json")
RECIPE = """
from radzoo import Augment, Data, Phase, Recipe
RECIPE = Recipe(
    models=("squeezenet_tiny",), weights=None, size=32, batch=8, bootstrap=100,
    data=Data(index={index!r}, image="file", label=("label",), patient="patient", split=3),
    phases=(Phase(epochs=3, learning_rate=1e-2, freeze_below="head"), Phase(epochs=5, learning_rate=1e-3)),
    scratch=Phase(epochs=6, learning_rate=1e-3), augment=Augment(shift=0.05, noise=0.05),
)
"""
ONCE = {"phases": (Phase(epochs=2, learning_rate=1e-2),), "scratch": Phase(epochs=1, learning_rate=1e-3)}


def start(recipe: Path, out: Path, log: Path) -> subprocess.Popen:
    """A run in a process of its own; it goes on where there is a folder."""
    arguments = ["run", "--resume", str(out)] if out.exists() else ["run", str(recipe), "--out", str(out)]
    environment = os.environ | {"PYTHONPATH": str(Path(radzoo.__file__).parent.parent)}
    return subprocess.Popen(
        [sys.executable, "-m", "radzoo", *arguments], stdout=log.open("a"), stderr=subprocess.STDOUT, env=environment
    )


def seconds_to_learn(log: Path, seen: int, began: float, process) -> float | None:
    """Waits until the log, from `seen` on, tells of an epoch; None if the process ends before."""
    while process.poll() is None:
        if " epoch " in log.read_text()[seen:]:
            return time.monotonic() - began
        time.sleep(0.02)
    return None


def without_seconds(run: Path) -> str:
    return re.sub(r",[\d.]+\n", "\n", (run / "history.csv").read_text())


def check_same(one: Path, two: Path) -> None:
    for name in SAME:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    assert without_seconds(one) == without_seconds(two)
    assert (one / "weights.safetensors").read_bytes() == (two / "weights.safetensors").read_bytes()


@pytest.mark.slow
def test_killed_at_twenty_random_moments(tmp_path):
    """One run is killed twenty times, mostly while it trains, and must end as the one that was left alone."""
    index = fabricate.pictures(tmp_path / "pictures", patients=36)
    recipe = tmp_path / "killed.py"
    recipe.write_text(RECIPE.format(index=str(index)))
    log = tmp_path / "log.txt"
    process, began = start(recipe, tmp_path / "whole", log), time.monotonic()
    ready = seconds_to_learn(log, 0, began, process)
    assert process.wait() == 0, log.read_text()[-3000:]
    chance, killed, moments = random.Random(0), tmp_path / "killed", []
    while len(moments) < KILLS:
        began, seen = time.monotonic(), len(log.read_text())
        process = start(recipe, killed, log)
        if chance.random() < 0.2:  # somewhere before the training; else somewhere in it
            time.sleep(chance.uniform(0, ready))
        else:
            ready = seconds_to_learn(log, seen, began, process) or ready
            time.sleep(chance.expovariate(1 / 0.7))
        if process.poll() is None:
            process.kill()
            moments.append(round(time.monotonic() - began, 2))
        assert process.wait() in (0, -signal.SIGKILL), log.read_text()[-3000:]
        if process.returncode == 0:  # before all kills were spent: the rest hit a second run
            check_same(tmp_path / "whole", killed)
            shutil.rmtree(killed)
    assert start(recipe, killed, log).wait() == 0, log.read_text()[-3000:]
    check_same(tmp_path / "whole", killed)
    assert not [path for path in killed.rglob(".*")]
    went_on = log.read_text().count("goes on after epoch")
    print(f"killed after {moments} seconds; {went_on} trainings went on in their middle")
    assert went_on >= 3


@pytest.mark.slow
def test_two_runs_share_store_and_cache(tmp_path, monkeypatch):
    """Both begin with an empty cache at the same time, and say what one alone says."""
    monkeypatch.setenv("RADZOO_CACHE", str(tmp_path / "cache"))
    index = fabricate.pictures(tmp_path / "pictures", patients=36)
    recipe = tmp_path / "shared.py"
    recipe.write_text(RECIPE.format(index=str(index)))
    logs = [tmp_path / f"{name}.txt" for name in "ab"]
    both = [start(recipe, tmp_path / log.stem, log) for log in logs]
    assert [process.wait() for process in both] == [0, 0], [log.read_text()[-2000:] for log in logs]
    check_same(tmp_path / "a", tmp_path / "b")
    assert not [path for path in (tmp_path / "cache").rglob(".*")]


class Stop(KeyboardInterrupt):
    """Ctrl-C at the n-th file that appears."""


@pytest.mark.slow
@pytest.mark.parametrize("design", [(0.5, 0.25, 0.25), 3], ids=["split", "folds"])
def test_stopped_at_every_file_that_appears(tmp_path, monkeypatch, design, capsys):
    """Ctrl-C just before or just after a file of the run folder takes its place: nothing is lost, nothing differs."""
    index = fabricate.pictures(tmp_path / "pictures", patients=24, images=1)
    arguments = {"split": design, "ways": ("finetune",), **ONCE}
    whole = radzoo.run(fabricate.recipe(index, tmp_path / "whole", **arguments), name="one").folder
    replace, out = os.replace, tmp_path / "stopped"
    left = late = stops = 0

    def stopping(source, target):
        nonlocal left
        inside = str(target).startswith(str(out))
        if inside and not left and not late:
            raise Stop
        replace(source, target)
        if inside:
            if not left:
                raise Stop
            left -= 1

    monkeypatch.setattr(os, "replace", stopping)
    while stops < 40:
        left, late = stops, stops % 2  # one more file appears each time; stopped before or after the next
        try:
            recipe = fabricate.recipe(index, out, **arguments)
            radzoo.resume(out) if out.exists() else radzoo.run(recipe, name="one")
            break
        except Stop:
            stops += 1
            assert out.exists() and f"radzoo run --resume {out}" in capsys.readouterr().err
    assert 8 <= stops < 40
    for name in SAME:
        assert (whole / name).read_bytes() == (out / name).read_bytes(), name
    assert fabricate.content(out, "environment.json")["resumed"] == stops


def test_a_finished_run_is_only_evaluated_anew(tmp_path):
    index = fabricate.pictures(tmp_path / "pictures", patients=24, images=1)
    run = radzoo.run(fabricate.recipe(index, tmp_path / "run", ways=("finetune",), **ONCE)).folder
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    stamps = {path: path.stat().st_mtime_ns for path in (run / "jobs").rglob("*.*")}
    again = radzoo.resume(run)
    assert again.metrics == fabricate.content(run, "metrics.json")
    assert stamps == {path: path.stat().st_mtime_ns for path in (run / "jobs").rglob("*.*")}
    after = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    changed = {path.name for path in before if before[path] != after[path]}
    assert before.keys() == after.keys() and changed <= {"environment.json", "report.html"}


def test_an_index_that_changed_is_refused(tmp_path):
    index = fabricate.pictures(tmp_path / "pictures", patients=24, images=1)
    run = radzoo.run(fabricate.recipe(index, tmp_path / "run", ways=("finetune",), **ONCE)).folder
    rows = fabricate.rows(index)
    swapped = [(*row[:2], str(1 - int(row[2])), *row[3:]) if i < 2 else row for i, row in enumerate(rows)]
    fabricate.table(index, swapped)
    with pytest.raises(BadInput, match="the index, its images or its labels changed since"):
        radzoo.resume(run)
    fabricate.table(index, rows)
    radzoo.resume(run)
    import cv2

    cv2.imwrite(str(index.parent / rows[3][0]), fabricate.picture("both", np.random.default_rng(99)))
    with pytest.raises(BadInput, match="changed since the run"):
        radzoo.resume(run)


def test_other_weights_or_metadata_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    fabricate.weights(tmp_path)
    index = fabricate.pictures(tmp_path / "pictures", patients=24, images=1)
    arguments = {"models": ("mobilenet_v2_tiny",), "weights": "tests", "ways": ("finetune",), **ONCE}
    run = radzoo.run(fabricate.recipe(index, tmp_path / "run", **arguments)).folder
    rows = fabricate.rows(index)
    fabricate.table(index, [(*row[:5], "9", row[6]) for row in rows])
    with pytest.raises(BadInput, match="the weights, the reference or the other columns of the index are not those"):
        radzoo.resume(run)
    fabricate.table(index, rows)
    file = tmp_path / "mobilenet_v2_tiny.tests.safetensors"
    kept = file.read_bytes()
    file.write_bytes(kept[:-4] + b"\0\0\x80\x3f")
    with pytest.raises(BadInput, match="the weights, the reference or the other columns of the index are not those"):
        radzoo.resume(run)
    file.write_bytes(kept)
    radzoo.resume(run)


def test_one_process_at_a_time(tmp_path):
    from radzoo.train.folder import alone

    with alone(tmp_path), pytest.raises(BadInput, match="another process is at work"), alone(tmp_path):
        pass
    with alone(tmp_path):
        assert (tmp_path / ".lock").exists()
    assert not list(tmp_path.iterdir())


def test_no_run_folder_and_damaged_files_are_one_line(tmp_path):
    with pytest.raises(BadInput, match=r"has no recipe.json: expected the folder of a run"):
        radzoo.resume(tmp_path)
    (tmp_path / "recipe.json").write_text("{")
    with pytest.raises(BadInput, match=r"recipe.json is damaged"):
        radzoo.resume(tmp_path)
    (tmp_path / "recipe.json").write_text('{"models": ["a"]}')
    with pytest.raises(BadInput, match="no recipe of this version"):
        radzoo.resume(tmp_path)
