"""`run(recipe)`: images and weights in, an evaluated model and its report out; `resume` goes on where a run stopped."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from radzoo import channels as grey
from radzoo import report, weights
from radzoo.atomic import sweep
from radzoo.data import Index, Store, assign_splits, read_index, settle_threads
from radzoo.data.split import FINAL, folds
from radzoo.errors import BadInput
from radzoo.images import Input
from radzoo.metrics import auc
from radzoo.recipe import Recipe, from_json
from radzoo.train.external import Apart, evaluate_run, known_patients, look, read_other
from radzoo.train.fit import say
from radzoo.train.folder import environment, in_folder, new_folder, read_csv, read_json, write_json
from radzoo.train.jobs import Job, Outcome, View, do, network, planned
from radzoo.train.judge import Judged, judge
from radzoo.train.outcome import answers_of, baseline_answers, is_best, metrics, with_external
from radzoo.train.resolved import check_flip, check_units, resolved
from radzoo.train.tables import images_table, publish, split_table, write_manifest, write_tables

WITHOUT_WEIGHTS = Input(shape=(224, 224, 3), mean=(0.5,), std=(0.25,))


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, and the content of its `metrics.json`."""

    folder: Path
    metrics: dict

    @property
    def report(self) -> Path:
        return self.folder / "report.html"


def run(recipe: Recipe, *, name: str = "run", **overrides) -> Run:
    """Reads the index, splits it by patient, trains every model in every way, evaluates, and writes the report.

    Args:
        recipe: what to do.
        name: of the recipe, for the default folder and the report.
        overrides: fields of the recipe to replace; `data` may be a dict of fields of `Data`.

    Returns:
        The finished `Run`; its folder holds recipe, split, model, weights, predictions, metrics, figures and report.

    Raises:
        BadInput: anything that the user can mend, before the folder is made where that is possible.
        KeyboardInterrupt: what was finished is kept, and `resume` goes on.
    """
    recipe = resolved(recipe, overrides)
    repeatable = settle_threads()
    if recipe.out is not None and Path(recipe.out).expanduser().exists():
        raise BadInput(f"the run folder {recipe.out} exists and is never overwritten: choose another --out")
    index, views = _prepared(recipe)
    recipe = dataclasses.replace(recipe, task=index.task)
    began = environment(recipe.seed) | {"repeatable": repeatable and recipe.jit != "on", "resumed": 0}
    began["began_with"] = _began_with(recipe, index)
    first = views[recipe.models[0]]
    folder = new_folder(
        recipe.out,
        name,
        texts={"recipe.json": {"name": name, **dataclasses.asdict(recipe)}, "environment.json": began},
        tables={"split.csv": split_table(index), "images.csv": images_table(index, first)},
    )
    with in_folder(folder):
        return _go(folder, recipe, index, views)


def resume(folder: str | Path) -> Run:
    """Goes on with a run that was interrupted; a finished one is evaluated anew from what it kept.

    The numbers are those of an uninterrupted run; bit for bit where the run is `repeatable` (TensorFlow on a CPU).

    Raises:
        BadInput: no run folder, or the index, its images or its labels changed since the run began.
    """
    folder = Path(folder).expanduser()
    kept = read_json(folder, "recipe.json")
    recipe = from_json({key: value for key, value in kept.items() if key != "name"})
    repeatable = settle_threads()
    index, views = _prepared(recipe)
    _check_unchanged(folder, recipe, index)
    with in_folder(folder):
        sweep(folder)
        began, now = read_json(folder, "environment.json"), environment(recipe.seed)
        same = all(began[name] == now[name] for name in ("versions", "device", "backend", "cores"))
        if not same:
            say("the machine or its versions are not those that this run began with: the numbers may differ a little")
        began |= {"repeatable": began["repeatable"] and repeatable and same, "resumed": began["resumed"] + 1}
        write_json(folder / "environment.json", began)
        return _go(folder, recipe, index, views)


def evaluate(run: str | Path, index: str | Path, **columns) -> Run:
    """Tries a finished run on the images of another index; see `radzoo.train.external.evaluate_run`."""
    return Run(*evaluate_run(run, index, **columns))


def _go(folder: Path, recipe: Recipe, index: Index, views: dict[str, View]) -> Run:
    """Trains what is not trained yet, and evaluates all."""
    start = time.perf_counter()
    outcomes = [do(folder, recipe, index, job, views[job.model]) for job in planned(recipe, index)]
    others = baseline_answers(recipe, index, views[recipe.models[0]])
    measured, judged = metrics(recipe, index, answers_of(outcomes), others)
    measured, outcomes = _chosen(folder, recipe, index, views, outcomes, measured, judged)
    write_tables(folder, index, outcomes, {each: judged[each] for each in judged if each[0]})
    if recipe.data.test_index is not None:
        look(folder, recipe, index.classes, recipe.data.test_index)
    measured = with_external(folder, measured)
    write_json(folder / "metrics.json", measured)
    began = read_json(folder, "environment.json")
    spent = {"minutes": round((time.perf_counter() - start) / 60, 2), **_weights_and_xla(outcomes)}
    write_json(folder / "environment.json", began | spent)
    report.write(folder, lambda row: _picture(views[measured["best"]["model"]], index, row))
    return Run(folder, measured)


def _chosen(folder, recipe: Recipe, index: Index, views, outcomes: list[Outcome], measured: dict, judged) -> tuple:
    """Manifests, the chosen model at the top of the folder and, after folds, the training of the final model.

    Returns:
        The metrics with what the final model adds, and the outcomes with the final one.
    """
    best = next(entry for entry in measured["rows"] if is_best(entry, measured))
    key = best["model"], best["way"]
    if len(folds(index)) == 1:
        for outcome, entry in zip(outcomes, measured["rows"], strict=False):
            fixed = judged[entry["model"], entry["way"]][0]["validation"]
            view = views[outcome.job.model]
            write_manifest(folder, recipe, index, outcome, view, fixed, entry["test"]["auc"])
        publish(folder, Job(*key))
        return measured | {"final": None}, outcomes
    last = do(folder, recipe, index, Job(*key, FINAL), views[key[0]])
    fixed = judge(recipe, index, FINAL, last.probability)["validation"]
    write_manifest(folder, recipe, index, last, views[key[0]], fixed, best["test"]["auc"])
    publish(folder, last.job)
    best["thresholds"][FINAL] = list(fixed.thresholds)
    counts = index.table["split"].value_counts()
    final = {part: int(counts[part]) for part in ("train", "validation")} | {"thresholds": list(fixed.thresholds)}
    return measured | {"final": final | {"validation_auc": _auc(fixed)}}, [*outcomes, last]


def _auc(judged: Judged) -> float | None:
    values = [auc(*column) for column in zip(judged.truth.T, judged.probability.T, strict=True)]
    return None if np.isnan(values).all() else float(np.nanmean(values))


def _prepared(recipe: Recipe) -> tuple[Index, dict[str, View]]:
    """Everything that the user may have to mend, before there is a folder: files, labels, split, weights, sizes."""
    specs = {model: _spec(recipe, model) for model in recipe.models}
    index = read_index(recipe.data, recipe.task, recipe.unit)
    check_flip(recipe, index)
    check_units(recipe, index)
    views = {}
    for model, spec in specs.items():
        store = Store(spec)
        views[model] = View(spec, store, np.array(store.add(index.table["path"])))
    first = views[recipe.models[0]]
    index = assign_splits(index, first.store.digests(first.keys), recipe.data, recipe.seed)
    if recipe.data.test_index is not None:
        contents = [first.store.facts(key)["content"] for key in first.keys]
        apart = Apart(known_patients(recipe.data, recipe.data.index, index.table["patient"]), contents)
        read_other(recipe, index.classes, recipe.data.test_index, first.store, apart)
    for model, spec in specs.items():
        network(recipe, index, model, spec, recipe.weights)
    return index, views


def _spec(recipe: Recipe, model: str) -> Input:
    """The pixels that this model gets in this run; the weights are looked for, so that they are not missed later."""
    spec = WITHOUT_WEIGHTS
    if recipe.weights is not None:
        manifest = weights.find(recipe.weights, model)
        weights.resolve(manifest)
        spec = manifest.input
    channels = grey.count(recipe.channels)
    if channels not in (1, 3):
        raise BadInput(f"channels={recipe.channels!r}: images of an index have 1 channel or 3 (rgb)")
    if spec.shape[-1] == 3:
        spec = grey.adapted_spec(spec, recipe.channels)
    elif spec.shape[-1] != channels:
        raise BadInput(f"channels={recipe.channels!r}, but these weights expect {spec.shape[-1]}")
    size = (recipe.size, recipe.size) if recipe.size else spec.shape[:-1]
    window = spec.window if recipe.window == "header" else recipe.window
    return dataclasses.replace(spec, shape=(*size, spec.shape[-1]), window=window)


def _check_unchanged(folder: Path, recipe: Recipe, index: Index) -> None:
    now = pd.read_csv(io.StringIO(split_table(index).to_csv(index=False)), dtype=str, keep_default_na=False)
    same = now.equals(read_csv(folder, "split.csv"))
    if not same or list(index.table["digest"]) != list(read_csv(folder, "images.csv")["digest"]):
        raise BadInput(
            f"the index, its images or its labels changed since the run in {folder} began: put them back as they were, "
            "or start a new run"
        )
    if read_json(folder, "environment.json").get("began_with") != _began_with(recipe, index):
        raise BadInput(
            f"the weights or the other columns of the index are not those that the run in {folder} began with: put "
            "them back, or start a new run"
        )


def _began_with(recipe: Recipe, index: Index) -> dict:
    """Hashes of what a run depends on besides images and labels: weights, and metadata for their baseline."""
    found = {model: weights.find(recipe.weights, model) for model in recipe.models if recipe.weights}
    cells = index.metadata.to_csv(index=False).encode()
    return {
        "weights": {model: weights.file_hash(weights.resolve(manifest)[0]) for model, manifest in found.items()},
        "metadata": hashlib.sha256(cells).hexdigest(),
    }


def _weights_and_xla(outcomes: list[Outcome]) -> dict:
    """What was loaded, adapted and initialised, under which licences, and whether XLA compiled the training."""
    none = {"on": False, "why": "no network was trained"}
    loaded = {}
    for outcome in outcomes:
        report_of = outcome.facts["loaded"]
        if report_of is not None:
            manifest = weights.find(report_of["weights"])
            entry = {"tag": manifest.name, "way": outcome.job.way, "licences": manifest.licences}
            entry |= {"loaded": len(report_of["loaded"]), "adapted": report_of["adapted"]}
            loaded[manifest.name, outcome.job.way] = entry | {"initialised": report_of["initialised"]}
    xla = next((outcome.facts["xla"] for outcome in outcomes if outcome.facts["xla"]), none)
    return {"xla": xla, "weights": list(loaded.values())}


def _picture(view: View, index: Index, row: int) -> np.ndarray:
    """The network's view of the image in row `row` of the index: `(h, w)` or `(h, w, 3)` in 0..1."""
    image = view.store[view.keys[int(np.flatnonzero(index.table["row"].to_numpy() == row)[0])]]
    return image[..., 0] if image.shape[-1] == 1 else image
