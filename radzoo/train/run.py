"""`run(recipe)`: images and weights in, an evaluated model and its report out; `resume` goes on where a run stopped."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radzoo import report
from radzoo.atomic import sweep
from radzoo.data import Index, settle_threads
from radzoo.data.split import FINAL, folds
from radzoo.errors import BadInput
from radzoo.images.volumes.shown import three_planes
from radzoo.recipe import Recipe, from_json
from radzoo.report.looking import explained
from radzoo.train import imaged, restoration, scans, segmentation
from radzoo.train.controls import baseline_answers, keep_baselines
from radzoo.train.external import evaluate_run, look
from radzoo.train.fit import say
from radzoo.train.folder import environment, in_folder, new_folder, read_json, write_json
from radzoo.train.jobs import Outcome, View, beside, do, planned
from radzoo.train.joint import join
from radzoo.train.outcome import metrics, with_external
from radzoo.train.prepared import began_with, check_unchanged, prepared
from radzoo.train.publishing import chosen, members_of
from radzoo.train.resolved import resolved
from radzoo.train.tables import images_table, loaded_weights, split_table, write_tables

IMAGED = {"segmentation": segmentation, "restoration": restoration}  # tasks whose answers are images


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
    if recipe.task in IMAGED:
        return _imaged(recipe, name, repeatable)
    index, views = prepared(recipe)
    recipe = dataclasses.replace(recipe, task=index.task)
    began = environment(recipe.seed) | {"repeatable": repeatable and recipe.jit != "on", "resumed": 0}
    began["began_with"] = began_with(recipe, index)
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
    repeatable, other = settle_threads(), IMAGED.get(recipe.task)
    index, views = other.prepared(recipe) if other else prepared(recipe)
    if other:
        imaged.check_unchanged(folder, recipe, other.tables(index, views[recipe.models[0]]))
    else:
        check_unchanged(folder, recipe, index)
    with in_folder(folder):
        sweep(folder)
        began, now = read_json(folder, "environment.json"), environment(recipe.seed)
        same = all(began[name] == now[name] for name in ("versions", "device", "backend", "cores"))
        if not same:
            say("the machine or its versions are not those that this run began with: the numbers may differ a little")
        began |= {"repeatable": began["repeatable"] and repeatable and same, "resumed": began["resumed"] + 1}
        write_json(folder / "environment.json", began)
        return Run(folder, other.go(folder, recipe, index, views)) if other else _go(folder, recipe, index, views)


def evaluate(run: str | Path, index: str | Path, **columns) -> Run:
    """Tries a finished run on the images of another index; see `radzoo.train.external.evaluate_run`."""
    return Run(*evaluate_run(run, index, **columns))


def ensemble(runs, *, how: str = "weights", out: str | Path | None = None) -> Run:
    """Finished runs as one run folder of its own; see `radzoo.train.joint.join`."""
    return Run(*join(runs, how=how, out=out))


def _imaged(recipe: Recipe, name: str, repeatable: bool) -> Run:
    """`run` where the answer is an image."""
    task = IMAGED[recipe.task]
    index, views = task.prepared(recipe)
    began = environment(recipe.seed) | {"repeatable": repeatable and recipe.jit != "on", "resumed": 0}
    began["began_with"] = imaged.began_with(recipe)
    folder = new_folder(
        recipe.out,
        name,
        texts={"recipe.json": {"name": name, **dataclasses.asdict(recipe)}, "environment.json": began},
        tables=task.tables(index, views[recipe.models[0]]),
    )
    with in_folder(folder):
        return Run(folder, task.go(folder, recipe, index, views))


def _go(folder: Path, recipe: Recipe, index: Index, views: dict[str, View]) -> Run:
    """Trains what is not trained yet, and evaluates all."""
    start = time.perf_counter()
    first = views[recipe.models[0]].spec
    if first.patch and not (folder / "candidates.html").is_file():
        say(f"look before you wait, are the places right? {scans.before(folder, index, first, recipe.seed)}")
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
    shown = explained(folder, _inputs(recipe, index, view))
    if view.spec.patch:
        shown = dataclasses.replace(shown, under=lambda row: _patch(view, index, row))
    if index.candidates is not None:
        scans.unfound(folder, recipe, index, view.spec)
    report.write(folder, lambda row: _picture(view, index, row), shown)
    return Run(folder, measured)


def _weights_and_xla(outcomes: list[Outcome]) -> dict:
    """What was loaded, and whether XLA compiled the training."""
    none = {"on": False, "why": "no network was trained"}
    xla = next((outcome.facts["xla"] for outcome in outcomes if outcome.facts["xla"]), none)
    return {"xla": xla, "weights": loaded_weights(outcomes)}


def _picture(view: View, index: Index, row: int) -> np.ndarray:
    """The network's view of the image in row `row` of the index: `(h, w)` or `(h, w, 3)` in 0..1.

    Channels that are no colours (windows, contrast phases) stand side by side; a volume shows three planes, a place in
    a volume those of its scan.
    """
    place = _positions(index, [row])[0]
    if view.spec.patch:
        return scans.picture(view.spec, index.table["path"].iloc[place])
    image = view.store[view.keys[place]]
    if view.spec.volume:
        planes = [three_planes(each, spacing_mm=view.spec.spacing_mm) for each in np.moveaxis(image, -1, 0)]
        return np.hstack(planes)
    return image if view.spec.photometric == "RGB" else np.hstack(np.moveaxis(image, -1, 0))


def _patch(view: View, index: Index, row: int) -> np.ndarray:
    return scans.mosaic(view.spec, view.store[view.keys[_positions(index, [row])[0]]])


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
