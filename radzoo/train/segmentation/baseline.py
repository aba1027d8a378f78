"""The baseline of the same run: pixels by their grey values and their place (`baselines.pixels`)."""

from __future__ import annotations

import json
from pathlib import Path

from radzoo.baselines import pixels
from radzoo.data import Index
from radzoo.data.split import parts
from radzoo.recipe import Recipe
from radzoo.train import fit
from radzoo.train.folder import write_json
from radzoo.train.jobs import Job
from radzoo.train.segmentation.jobs import PLAIN, Outcome, draw
from radzoo.train.segmentation.prepared import View

WAY = "pixels"


def do(folder: Path, recipe: Recipe, index: Index, fold: int, view: View) -> Outcome:
    """Learns on the training part of a fold what is not learnt yet, and draws validation and test."""
    job = Job("", WAY, fold)
    place = folder / "jobs" / (f"{WAY}_{fold}" if fold else WAY)
    if not (place / "done.json").is_file():
        place.mkdir(parents=True, exist_ok=True)
        label = f"baseline of pixels{f', fold {fold}' if fold else ''}"
        rows = parts(index, fold)
        fit.say(f"{label}: grey values and place, no shapes")
        train = view.keys[rows["train"]]
        made = pixels.learn(
            (view.cases.image(key) for key in train),
            (view.cases.labels(key, view.meaning) for key in train),
            recipe.seed,
        )
        classes = len(view.meaning.classes) + 1

        def segment(image):
            return pixels.answer(made, image, classes)

        for part in ("validation", "test"):
            draw(place, (PLAIN,), index, view, segment, rows[part], f"{label}, {part}")
        write_json(place / "done.json", {"detail": "grey values and place", "note": "", "history": [], "loaded": None})
    return Outcome(job, place, json.loads((place / "done.json").read_text(encoding="utf-8")))
