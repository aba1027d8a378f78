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
from radzoo import registry, report, weights
from radzoo.atomic import sweep
from radzoo.data import Index, Store, assign_splits, read_index, settle_threads
from radzoo.data.split import FINAL, folds
from radzoo.errors import BadInput
from radzoo.images import Input
from radzoo.recipe import Recipe, from_json
from radzoo.report.looking import explained
from radzoo.train.controls import baseline_answers, clues, keep_baselines
from radzoo.train.external import Apart, evaluate_run, known_patients, look, read_other
from radzoo.train.fit import say
from radzoo.train.folder import environment, in_folder, new_folder, read_csv, read_json, write_json
from radzoo.train.jobs import Outcome, View, beside, do, network, planned, precision
from radzoo.train.joint import join
from radzoo.train.outcome import metrics, with_external
from radzoo.train.publishing import chosen, members_of
from radzoo.train.resolved import check_flip, check_loss, check_units, resolved
from radzoo.train.tables import images_table, split_table, write_tables

WITHOUT_WEIGHTS = Input(shape=(224, 224, 3), mean=(0.5,), std=(0.25,))  # the size is that of the paper


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
    if read_json(folder, "environment.json").get("joined"):
        raise BadInput(f"{folder} is an ensemble of finished runs: there is nothing in it to go on with")
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


def ensemble(runs, *, how: str = "weights", out: str | Path | None = None) -> Run:
    """Finished runs as one run folder of its own; see `radzoo.train.joint.join`."""
    return Run(*join(runs, how=how, out=out))


def _go(folder: Path, recipe: Recipe, index: Index, views: dict[str, View]) -> Run:
    """Trains what is not trained yet, and evaluates all."""
    start = time.perf_counter()
    outcomes = [do(folder, recipe, index, job, views[job.model]) for job in planned(recipe, index)]
    others = baseline_answers(recipe, index, views[recipe.models[0]])
    keep_baselines(folder, others)
    measured, judged = metrics(recipe, index, outcomes, others)
    measured, outcomes = chosen(folder, recipe, index, views, outcomes, measured)
    write_tables(folder, index, outcomes, {each: judged[each] for each in judged if each[0]})
    if recipe.data.test_index is not None:
        look(folder, recipe, index.classes, recipe.data.test_index)
    measured = with_external(folder, measured)
    write_json(folder / "metrics.json", measured)
    began = read_json(folder, "environment.json")
    spent = {"minutes": round((time.perf_counter() - start) / 60, 2), **_weights_and_xla(outcomes)}
    write_json(folder / "environment.json", began | spent)
    view = views[members_of(measured)[0]]  # an ensemble shows what its best member sees
    report.write(folder, lambda row: _picture(view, index, row), explained(folder, _inputs(recipe, index, view)))
    return Run(folder, measured)


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
    index = assign_splits(index, first.store.digests(first.keys), recipe.data, recipe.seed, list(first.keys))
    clues(recipe, index, first)
    check_loss(recipe, index)
    learnt = [beside(index, fold)[0] for fold in {*folds(index), FINAL if len(folds(index)) > 1 else 0}]
    if recipe.data.test_index is not None:
        contents = [first.store.facts(key)["content"] for key in first.keys]
        apart = Apart(known_patients(recipe.data, recipe.data.index, index.table["patient"]), contents)
        other, _ = read_other(recipe, index.classes, recipe.data.test_index, first.store, apart)
        for each in filter(None, learnt):
            each.transform(other.covariates)
    for model, spec in specs.items():
        with precision(recipe):
            network(recipe, index, model, spec, recipe.weights, learnt[0].width if learnt[0] else 0)
    return index, views


def _spec(recipe: Recipe, model: str) -> Input:
    """The pixels that this model gets in this run; the weights are looked for, so that they are not missed later."""
    card = registry.describe(model)
    spec = dataclasses.replace(WITHOUT_WEIGHTS, shape=(*card.input[:2], 3))
    if recipe.weights is not None:
        manifest = weights.find(recipe.weights, model)
        weights.resolve(manifest)
        spec = manifest.input
    _check_channels(recipe)
    spec = grey.adapted_spec(
        spec, recipe.channels, windows=recipe.windows, files=len(recipe.data.image), mosaic=recipe.data.mosaic
    )
    size = (recipe.size, recipe.size) if recipe.size else spec.shape[:-1]
    window = spec.window if recipe.window == "header" or recipe.windows else recipe.window
    return dataclasses.replace(spec, shape=(*size, spec.shape[-1]), window=window)


def _check_channels(recipe: Recipe) -> None:
    """One image is grey or RGB; several are phases or a mosaic, several windows of one are windows."""
    channels, files = recipe.channels, len(recipe.data.image)
    if channels not in grey.SEVERAL and grey.count(channels) not in (1, 3):
        raise BadInput(f"channels={channels!r}: images of an index have 1 channel or 3 (rgb)")
    if channels == "phases" and files < 2:
        raise BadInput("channels='phases' came with one image column: name several, as --data.image plain arterial")
    if channels == "windows" and len(recipe.windows) == 1:
        raise BadInput("channels='windows' came with one window: pass it as --window CENTER WIDTH, or name several")


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
        "covariates": hashlib.sha256(index.covariates.to_csv(index=False).encode()).hexdigest(),
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
    """The network's view of the image in row `row` of the index: `(h, w)` or `(h, w, 3)` in 0..1.

    Channels that are no colours (windows, contrast phases) stand side by side.
    """
    image = view.store[view.keys[_positions(index, [row])[0]]]
    return image if view.spec.photometric == "RGB" else np.hstack(np.moveaxis(image, -1, 0))


def _inputs(recipe: Recipe, index: Index, view: View):
    """Index rows -> what the chosen network gets of them."""
    fold = FINAL if len(folds(index)) > 1 else folds(index)[0]

    def inputs(rows: list[int]):
        here = _positions(index, rows)
        images = view.spec.normalise(np.stack([view.store[key] for key in view.keys[here]])).astype("float32")
        numbers = beside(index, fold)[1]
        return images if numbers is None else [images, numbers[here]]

    return inputs


def _positions(index: Index, rows: list[int]) -> list[int]:
    """Where rows of the user's index stand among the images of the run."""
    place = {row: i for i, row in enumerate(index.table["row"])}
    return [place[row] for row in rows]
