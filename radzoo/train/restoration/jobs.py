"""One training: a network in one way on one fold. The images that it restores stay in the run folder."""

from __future__ import annotations

import dataclasses
import gc
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from radzoo.atomic import replacing
from radzoo.data import Index
from radzoo.data.pair_windows import PairWindows
from radzoo.data.split import parts
from radzoo.losses import restoration_loss
from radzoo.perceptual import feature_network
from radzoo.recipe import Recipe
from radzoo.restoring import Restorer
from radzoo.train import fit
from radzoo.train.folder import write_json
from radzoo.train.jobs import Job, keep, models_folder, precision
from radzoo.train.restoration.lesson import Restored
from radzoo.train.restoration.prepared import View, network


@dataclass(frozen=True)
class Outcome:
    """A finished job: small facts (history, xla, loaded, parameters), and where its images lie."""

    job: Job
    place: Path
    facts: dict


def do(folder: Path, recipe: Recipe, index: Index, job: Job, view: View) -> Outcome:
    """Trains what is not trained yet; a job that was interrupted goes on after its last epoch."""
    place = folder / "jobs" / job.name
    if not (place / "done.json").is_file():
        place.mkdir(parents=True, exist_ok=True)
        _train(folder, place, recipe, index, job, view)
        (place / "state.npz").unlink(missing_ok=True)
        gc.collect()  # networks hang in cycles: the next one should find their memory free
    return Outcome(job, place, json.loads((place / "done.json").read_text(encoding="utf-8")))


def restored_file(place: Path, row: int, again: bool = False) -> Path:
    """The file with one image as a way restored it, or with that of its second scan (`Pairs.again`)."""
    return place / ("again" if again else "restored") / f"{row}.npz"


def read_restored(place: Path, row: int, again: bool = False) -> np.ndarray:
    """float32 of the image's size, 0..1 over the target's window; a little beyond it where the way went there."""
    with np.load(restored_file(place, row, again), allow_pickle=False) as file:
        return file["image"]


def restore_parts(place: Path, index: Index, view: View, restore, rows: dict, label: str) -> None:
    """Writes every image of validation and test that is not restored yet, and the second scans of test.

    Args:
        restore: from uint16 `(*size, channels)` (`Pairs.image`) to float32 `(*size)`.
        rows: positions in the index, of each part.
    """
    for part in ("validation", "test"):
        if part in rows:
            keep_restored(place, index, view, restore, rows[part], f"{label}, {part}")
    if "test" in rows and view.pairs.worse and view.pairs.worse.noisy:
        keep_restored(place, index, view, restore, rows["test"], f"{label}, test scanned again", again=True)


def keep_restored(place: Path, index: Index, view: View, restore, positions, label: str, again: bool = False) -> None:
    """As `restore_parts`, of images at these positions of the index."""
    from tqdm import tqdm

    for position in tqdm(positions, label, file=sys.stderr):
        file = restored_file(place, int(index.table["row"].iloc[position]), again)
        if not file.is_file():
            read = view.pairs.again if again else view.pairs.image
            image = restore(read(view.keys[position]))
            file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(file) as temporary:
                np.savez_compressed(temporary, image=image.astype("float32"))


def _train(folder: Path, place: Path, recipe: Recipe, index: Index, job: Job, view: View) -> None:
    rows = parts(index, job.fold)
    fit.say(f"{job.label}: {', '.join(f'{len(each)} {part}' for part, each in rows.items())} images")
    keras.utils.set_random_seed(recipe.seed)
    with precision(recipe):
        made, fitted, loaded = _learned(place, recipe, job, view, rows)
        xla = fit.xla_state(made, recipe.jit)
        made = keras.Model(made.inputs[0], made.outputs[0], name=job.model)  # without its optimizer
        if job.keeps_model:
            keep(models_folder(folder, job), made)
        options = recipe.restoration
        look = Restorer(made, view.spec, recipe.batch, options.overlap, options.turns, options.turns)
        restore_parts(place, index, view, lambda image: look(image)[..., 0], rows, job.label)
    facts = {
        "detail": "", "note": "", "history": fitted.history, "xla": xla,
        "loaded": dataclasses.asdict(loaded) if loaded else None,
        "parameters": sum(int(np.prod(weight.shape)) for weight in made.weights),
    }  # fmt: skip
    write_json(place / "done.json", facts)  # last: what is named done is whole


def _learned(place: Path, recipe: Recipe, job: Job, view: View, rows: dict) -> tuple:
    """The trained network, what its epochs left, and the report of its weights."""
    scratch, options = job.way == "scratch", recipe.restoration
    if scratch:
        recipe = dataclasses.replace(recipe, depth_decay=1.0)  # no stage knows anything that it could forget
    made, loaded = network(recipe, job.model, view.spec, None if scratch else recipe.weights)
    fit.say(str(loaded or f"{job.label}: random weights"))
    windows = {
        part: PairWindows(view.pairs, view.keys[rows[part]], view.window, count=options.patches, turns=turns)
        for part, turns in (("train", options.turns), ("validation", False))
    }
    loss = restoration_loss(recipe.loss, network=feature_network)
    lesson = Restored(recipe, windows["train"], windows["validation"], loss)
    fitted = fit.learn(
        made, recipe, (recipe.scratch,) if scratch else recipe.phases, lesson,
        policy="adapt" if scratch else recipe.norms, label=job.label, kept=place / "state.npz",
    )  # fmt: skip
    return made, fitted, loaded
