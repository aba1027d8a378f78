"""One training: a network in one way on one fold. The masks that it draws stay in the run folder."""

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
from radzoo.data.patches import Patches
from radzoo.data.split import parts
from radzoo.losses import segmentation_loss
from radzoo.masks import border_weights, class_counts, median_frequency
from radzoo.recipe import Recipe
from radzoo.segmenting import PLAIN, Segmenter, drawn
from radzoo.train import fit
from radzoo.train.folder import write_json
from radzoo.train.jobs import Job, keep, models_folder, precision
from radzoo.train.segmentation import cascade
from radzoo.train.segmentation.lesson import Windows
from radzoo.train.segmentation.prepared import View, network

WEIGHED = ("crossentropy", "focal", "dice_crossentropy")  # losses that know weights of classes


@dataclass(frozen=True)
class Outcome:
    """A finished job: small facts (history, xla, loaded, parameters), and where its masks lie."""

    job: Job
    place: Path
    facts: dict


def do(folder: Path, recipe: Recipe, index: Index, job: Job, view: View) -> Outcome:
    """Trains what is not trained yet; a job that was interrupted goes on after its last epoch."""
    place = folder / "jobs" / job.name
    if not (place / "done.json").is_file():
        place.mkdir(parents=True, exist_ok=True)
        _train(folder, place, recipe, index, job, view)
        for state in place.glob("state*.npz"):
            state.unlink()
        gc.collect()  # networks hang in cycles: the next one should find their memory free
    return Outcome(job, place, json.loads((place / "done.json").read_text(encoding="utf-8")))


def kinds(recipe: Recipe) -> tuple[str, ...]:
    """What is drawn of each case: the likeliest classes, and what the refinement makes of them."""
    return (PLAIN,) if recipe.mask.refine == "none" else (PLAIN, recipe.mask.refine)


def masks_file(place: Path, kind: str, row: int) -> Path:
    """The file with the classes of one case on its own pixels."""
    return place / "labels" / (kind or "plain") / f"{row}.npz"


def read_drawn(place: Path, kind: str, row: int) -> np.ndarray:
    with np.load(masks_file(place, kind, row), allow_pickle=False) as file:
        return file["labels"]


def _train(folder: Path, place: Path, recipe: Recipe, index: Index, job: Job, view: View) -> None:
    recipe = dataclasses.replace(recipe, seed=recipe.seed + job.repeat)
    rows = parts(index, job.fold)
    counts = ", ".join(f"{len(each)} {part}" for part, each in rows.items())
    fit.say(f"{job.label}: {counts} cases")
    keras.utils.set_random_seed(recipe.seed)
    with precision(recipe):
        stages = cascade.stages(recipe, view)
        learnt = [_learned(place, recipe, job, stage, rows) for stage in stages]
        looks = [
            Segmenter(made, view.spec, recipe.batch, recipe.mask.overlap, recipe.mask.flips) for made, *_ in learnt
        ]
        if job.keeps_model:
            for stage, (made, *_) in zip(stages, learnt, strict=True):
                keep(models_folder(folder, job) / stage.folder, made)
        segment = cascade.joined(looks, view, recipe)
        for part in ("validation", "test"):
            if part in rows:
                draw(place, kinds(recipe), index, view, segment, rows[part], f"{job.label}, {part}")
    facts = {
        "detail": "", "note": "", "xla": learnt[-1][2],
        "history": [
            row | {"stage": stage.folder} for stage, each in zip(stages, learnt, strict=True) for row in each[1]
        ],
        "loaded": learnt[-1][3],
        "parameters": sum(int(np.prod(weight.shape)) for made, *_ in learnt for weight in made.weights),
    }  # fmt: skip
    write_json(place / "done.json", facts)  # last: what is named done is whole


def _learned(place: Path, recipe: Recipe, job: Job, stage, rows: dict) -> tuple:
    """The trained network, its history, whether XLA was on, and what was loaded."""
    scratch, view = job.way == "scratch", stage.view
    if scratch:
        recipe = dataclasses.replace(recipe, depth_decay=1.0)  # no stage knows anything that it could forget
    classes = len(view.meaning.classes) + 1
    made, loaded = network(recipe, job.model, view.spec, None if scratch else recipe.weights, classes)
    fit.say(str(loaded or f"{job.label}{stage.label}: random weights"))
    train = _patches(recipe, view, stage.usable(view.keys[rows["train"]]))
    guide = stage.usable(view.keys[rows["validation"]])
    guide = Patches(view.cases, guide, view.meaning, view.window, count=1, foreground=0)
    weights = None
    if recipe.class_weights and recipe.loss in WEIGHED:
        weights = median_frequency([class_counts(train.labels[key], classes) for key in train.keys])
    lesson = Windows(recipe, train, guide, segmentation_loss(recipe.loss, classes, class_weights=weights))
    fitted = fit.learn(
        made, recipe, (recipe.scratch,) if scratch else recipe.phases, lesson,
        policy="adapt" if scratch else recipe.norms, label=f"{job.label}{stage.label}",
        kept=place / f"state{stage.name}.npz",
    )  # fmt: skip
    xla = fit.xla_state(made, recipe.jit)
    made = keras.Model(made.inputs[0], made.outputs[0], name=job.model)  # without its optimizer and auxiliary heads
    return made, fitted.history, xla, dataclasses.asdict(loaded) if loaded else None


def _patches(recipe: Recipe, view: View, keys) -> Patches:
    """Of a whole image there is one window."""
    weigh = None
    if recipe.mask.border:
        w0, sigma = recipe.mask.border

        def weigh(labels, objects):
            return border_weights(labels, instances=objects if recipe.mask.instances else None, w0=w0, sigma=sigma)

    count = recipe.mask.patches or 1
    foreground = recipe.mask.foreground if recipe.mask.patches else 0
    return Patches(view.cases, keys, view.meaning, view.window, count=count, foreground=foreground, weigh=weigh)


def draw(place: Path, wanted, index: Index, view: View, segment, positions, label: str) -> None:
    """Writes the classes of every case that is not drawn yet, on its own pixels.

    Args:
        wanted: of `kinds`.
        segment: from the image on the working grid to its probabilities there.
        positions: of the cases in the index.
    """
    from tqdm import tqdm

    for position in tqdm(positions, label, file=sys.stderr):
        row, key = int(index.table["row"].iloc[position]), view.keys[position]
        if all(masks_file(place, kind, row).is_file() for kind in wanted):
            continue
        for kind, labels in drawn(segment, view.cases.image(key), view.cases.facts(key), wanted).items():
            file = masks_file(place, kind, row)
            file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(file) as temporary:
                np.savez_compressed(temporary, labels=labels)
