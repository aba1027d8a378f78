"""What a segmentation and a restoration share: their answers are images, which stay in the run folder."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from radzoo import weights
from radzoo.atomic import replacing
from radzoo.data import Index
from radzoo.data.datasets.names import called
from radzoo.data.patches import Window
from radzoo.errors import BadInput
from radzoo.losses.restoration import parsed
from radzoo.recipe import Recipe
from radzoo.train.fit import HISTORY
from radzoo.train.folder import read_csv, read_json
from radzoo.train.jobs import Job, models_folder
from radzoo.train.tables import publish


def check_sizes(model: str, window: Window) -> None:
    if any((a - b) % 2 or b < 1 for a, b in zip(window.patch, window.out, strict=True)):
        raise BadInput(
            f"{model} gives {window.out} of windows of {window.patch}: its output must lie in the middle, choose "
            "another --size"
        )


def began_with(recipe: Recipe) -> dict:
    """Hashes of the weights that a run depends on, besides its images."""
    found = {model: weights.find(recipe.weights, model) for model in recipe.models if recipe.weights}
    if recipe.task == "restoration":  # perceptual losses see through ready weights, too
        found |= {name: weights.find(name) for _, _, name in parsed(recipe.loss) if name}
    return {"weights": {model: weights.file_hash(weights.resolve(each)[0]) for model, each in found.items()}}


def check_unchanged(folder: Path, recipe: Recipe, tables: dict[str, pd.DataFrame]) -> None:
    """What a run goes on with must be what it began with.

    Raises:
        BadInput: the index, one of its images or the weights changed.
    """
    for name, table in tables.items():
        now = pd.read_csv(io.StringIO(table.to_csv(index=False)), dtype=str, keep_default_na=False)
        if not now.equals(read_csv(folder, name)):
            raise BadInput(
                f"the index, its images or its masks changed since the run in {folder} began: put them back as they "
                "were, or start a new run"
            )
    if read_json(folder, "environment.json").get("began_with") != began_with(recipe):
        raise BadInput(
            f"the weights are not those that the run in {folder} began with: put them back, or start a new run"
        )


def split_table(index: Index) -> pd.DataFrame:
    """Row, patient, fold and part of every image."""
    split = index.table[["row", "patient", "fold", "split"]].copy()
    if not index.table["fold"].any():
        split["fold"] = ""
    return split


def images_table(index: Index, keys, facts: list[dict]) -> pd.DataFrame:
    """What each image was and what was applied to it; no file is named."""
    images = {
        "row": index.table["row"].to_numpy(),
        "case": [key[:16] for key in keys],
        "size": [" ".join(map(str, each["size"])) for each in facts],
        "spacing_mm": [" ".join(f"{side:g}" for side in each["spacing_mm"] or ()) for each in facts],
        "applied": ["; ".join(each["applied"]) for each in facts],
    } | {name: [each[name] for each in facts] for name in ("content", "modality", "spacing_source", "burnt_in")}
    return pd.DataFrame(images)


def history(outcomes: list) -> pd.DataFrame:
    rows = [
        {"fold": each.job.fold or "", "model": each.job.model, "way": each.job.way, **epoch}
        for each in outcomes
        for epoch in each.facts["history"]
    ]
    return pd.DataFrame(rows, columns=["fold", "model", "way", "stage", *HISTORY])


def publish_run(folder: Path, recipe: Recipe, index: Index, spec, job: Job, parameters: int, told: dict) -> None:
    """A manifest beside each network of the chosen way, and all of it at the top of the run folder.

    Args:
        told: what `predict` needs, besides the pixels.
    """
    source = "from scratch" if job.way == "scratch" else f"{recipe.weights}, {job.way}"
    origin = weights.find(recipe.weights, job.model) if recipe.weights else None
    licences = {"code": "Apache-2.0", "weights": "unknown", "data": "unknown"}
    if origin and job.way != "scratch":
        licences["weights"] = f"unknown (made from {origin.name}: {origin.licences['weights']})"
    for file in models_folder(folder, job).rglob("weights.safetensors"):
        manifest = weights.Manifest(
            format=1, model=job.model, tag="run", task=recipe.task, classes=index.classes, input=spec,
            top=False, overrides=origin.overrides if origin else {},
            files=(weights.File(
                name=file.name, format="safetensors", bytes=file.stat().st_size, sha256=weights.file_hash(file)
            ),),
            parameters=parameters, source=f"trained by radzoo run ({source})", data=called(recipe.data.index),
            licences=licences, metrics=told,
        )  # fmt: skip
        with replacing(file.parent / "manifest.json") as temporary:
            temporary.write_text(manifest.to_json(), encoding="utf-8")
    publish(folder, job)
