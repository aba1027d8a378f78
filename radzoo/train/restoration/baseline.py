"""What a network has to beat: the image as it came, and classical denoisers (`baselines.denoisers`)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from radzoo.baselines import denoisers
from radzoo.data import Index
from radzoo.data.split import parts
from radzoo.data.store import WHITE
from radzoo.train import fit
from radzoo.train.folder import write_json
from radzoo.train.jobs import Job
from radzoo.train.restoration.jobs import Outcome, restore_parts
from radzoo.train.restoration.prepared import View

NOISY = "noisy"


def ways(view: View) -> tuple[str, ...]:
    """Of an image of another modality, or of several channels, nothing but a network can make the target."""
    return (NOISY, *(name for name in denoisers.DENOISERS if denoisers.installed(name))) if view.pairs.same else ()


def do(folder: Path, seed: int, index: Index, fold: int, view: View, way: str) -> Outcome:
    """Chooses a strength on the validation part of a fold, and restores validation and test."""
    job = Job("", way, fold)
    place = folder / "jobs" / (f"{way}_{fold}" if fold else way)
    if not (place / "done.json").is_file():
        place.mkdir(parents=True, exist_ok=True)
        label = f"{way}{f', fold {fold}' if fold else ''}"
        rows, pairs = parts(index, fold), view.pairs
        detail = "as it came"

        def restore(image):
            return grey(image)

        if way != NOISY:
            guide = ((grey(pairs.image(key)), grey(pairs.target(key))) for key in view.keys[rows["validation"]])
            chosen = denoisers.fit(way, guide, seed)
            detail = f"strength {chosen.strength:.3g}, noise {chosen.noise:.3g} of the window"
            fit.say(f"{label}: {detail}, chosen on {chosen.planes} planes of validation")

            def restore(image):
                return denoisers.denoise(way, chosen.strength, grey(image))

        restore_parts(place, index, view, restore, rows, label)
        write_json(place / "done.json", {"detail": detail, "note": "", "history": [], "loaded": None})
    return Outcome(job, place, json.loads((place / "done.json").read_text(encoding="utf-8")))


def grey(image: np.ndarray) -> np.ndarray:
    """uint16 `(*size, 1)` -> float32 `(*size)` in 0..1."""
    return image[..., 0] / np.float32(WHITE)
