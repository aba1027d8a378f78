"""What a run leaves behind besides its report: metrics, predictions, models, manifests."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from radzoo import weights
from radzoo.atomic import replacing
from radzoo.data import Index
from radzoo.features import save_classifier
from radzoo.images import Input
from radzoo.metrics import compare, evaluate
from radzoo.recipe import Recipe
from radzoo.train.fit import HISTORY
from radzoo.train.folder import write_csv, write_json

PARTS = ("train", "validation", "test")


@dataclass
class Way:
    """One model trained in one way: what it predicts, and what became of its weights."""

    model: str
    way: str
    spec: Input | None = None
    network: keras.Model | None = None
    choice: object = None
    detail: str = ""
    history: list = dataclasses.field(default_factory=list)
    probability: dict = dataclasses.field(default_factory=dict)  # part -> (n, k)
    xla: dict | None = None
    loaded: object = None

    @property
    def name(self) -> str:
        return f"{self.model} {self.way}"


def positions(index: Index) -> dict[str, np.ndarray]:
    """Part of the split -> positions of its images."""
    split = index.table["split"].to_numpy()
    return {part: np.flatnonzero(split == part) for part in PARTS}


def metrics(recipe: Recipe, index: Index, ways: list[Way]) -> dict:
    """Every way and the majority class on validation and test; thresholds come from validation alone."""
    here, patients = positions(index), index.table["patient"].to_numpy()
    common = {"task": index.task, "bootstrap": recipe.bootstrap, "seed": recipe.seed}
    prevalence = index.labels[here["train"]].mean(0)
    constant = {part: np.tile(prevalence, (len(here[part]), 1)) for part in PARTS[1:]}
    rows = []
    for way in [*ways, Way("", "majority", probability=constant)]:
        entry = {"model": way.model, "way": way.way, "detail": way.detail}
        thresholds = [0.5] * len(prevalence) if way.way == "majority" else None
        for part in PARTS[1:]:
            entry[part] = evaluate(
                index.labels[here[part]], way.probability[part], patients[here[part]],
                classes=index.classes, thresholds=thresholds, **common,
            )  # fmt: skip
            thresholds = entry["validation"]["thresholds"]
        rows.append(entry)
    return {
        "task": index.task,
        "classes": list(index.classes),
        "positive": index.classes[0] if index.task == "binary" else None,
        "synthetic": index.synthetic,
        "notes": [*index.notes, *{way.choice.note: 0 for way in ways if way.choice and way.choice.note}],
        "best": best(rows[:-1]),
        "rows": rows,
        "comparisons": _comparisons(index, ways, here["test"], patients, common),
    }


def best(rows: list[dict]) -> dict:
    """The model and the way with the highest AUC on validation: what `predict` uses."""
    best = max(rows, key=lambda row: row["validation"]["auc"]["value"] or 0)
    return {"model": best["model"], "way": best["way"]}


def _comparisons(index: Index, ways: list[Way], test, patients, common) -> list[dict]:
    """Every pair of ways of one model, on the same test images and the same resamples."""
    pairs = [(a, b) for i, a in enumerate(ways) for b in ways[i + 1 :] if a.model == b.model]
    return [
        {"a": a.name, "b": b.name}
        | compare(index.labels[test], a.probability["test"], b.probability["test"], patients[test], **common)
        for a, b in pairs
    ]


def save(folder: Path, way: Way) -> None:
    """`model.keras`, `weights.safetensors`, and for fixed features `classifier.skops`."""
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "model.keras") as temporary:
        way.network.save(temporary)
    weights.save(way.network, folder / "weights.safetensors")
    if way.choice is not None:
        with replacing(folder / "classifier.skops") as temporary:
            save_classifier(way.choice, temporary)


def write_tables(folder: Path, recipe: Recipe, index: Index, ways: list[Way], measured: dict) -> None:
    """Metrics, history, predictions and a manifest for every way; the files of the best way also at the top."""
    write_json(folder / "metrics.json", measured)
    history = [{"model": way.model, "way": way.way, **row} for way in ways for row in way.history]
    write_csv(folder / "history.csv", pd.DataFrame(history, columns=["model", "way", *HISTORY]))
    write_csv(folder / "predictions.csv", _predictions(index, ways))
    for way, row in zip(ways, measured["rows"], strict=False):
        own = folder / "models" / way.name.replace(" ", "_")
        text = _manifest(recipe, index, way, row, own / "weights.safetensors").to_json()
        with replacing(own / "manifest.json") as temporary:
            temporary.write_text(text, encoding="utf-8")
        if (way.model, way.way) == (measured["best"]["model"], measured["best"]["way"]):
            for file in own.iterdir():
                with replacing(folder / file.name) as temporary:
                    shutil.copyfile(file, temporary)


def _manifest(recipe: Recipe, index: Index, way: Way, row: dict, file: Path) -> weights.Manifest:
    """What the trained weights are: the same kind of manifest as of any other weights."""
    source = "from scratch" if way.way == "scratch" else f"{recipe.weights}, {way.way}"
    origin = weights.find(recipe.weights, way.model) if recipe.weights else None
    licences = {"code": "Apache-2.0", "weights": "unknown", "data": "unknown"}
    if origin and way.way != "scratch":  # what was learnt before comes under its own terms; of the user's we know none
        licences["weights"] = f"unknown (made from {origin.name}: {origin.licences['weights']})"
    test = row["test"]["auc"]
    return weights.Manifest(
        format=1, model=way.model, tag="run", task=index.task, classes=index.classes, input=way.spec, top=False,
        overrides=origin.overrides if origin else {},
        files=(weights.File(
            name=file.name, format="safetensors", bytes=file.stat().st_size, sha256=weights.file_hash(file)
        ),),
        parameters=sum(int(np.prod(weight.shape)) for weight in way.network.weights),
        source=f"trained by radzoo run ({source})", data=Path(recipe.data.index).name, licences=licences,
        metrics={"way": way.way, "thresholds": row["validation"]["thresholds"], "test_auc": test},
    )  # fmt: skip


def split_table(index: Index) -> pd.DataFrame:
    """Row, patient, part and labels of every image."""
    return pd.concat(
        [index.table[["row", "patient", "split"]], _columns(index.classes, index.labels.astype(int))], axis=1
    )


def _predictions(index: Index, ways: list[Way]) -> pd.DataFrame:
    tables = []
    for way in ways:
        for part, here in list(positions(index).items())[1:]:
            table = index.table.iloc[here][["row", "patient", "split"]].reset_index(drop=True)
            table["model"], table["way"] = way.model, way.way
            tables.append(pd.concat([table, _columns(index.classes, way.probability[part])], axis=1))
    return pd.concat(tables, ignore_index=True)


def _columns(classes, values) -> pd.DataFrame:
    return pd.DataFrame(np.asarray(values, float if values.dtype.kind == "f" else int), columns=list(classes))


def weights_and_xla(ways: list[Way]) -> dict:
    """What was loaded, adapted and initialised, under which licences, and whether XLA compiled the training."""
    xla = next((way.xla for way in ways if way.xla), {"on": False, "why": "no network was trained"})
    loaded = []
    for way in ways:
        if way.loaded is not None:
            manifest = weights.find(way.loaded.weights)
            entry = {"tag": manifest.name, "way": way.way, "licences": manifest.licences}
            entry |= {"loaded": len(way.loaded.loaded), "adapted": list(way.loaded.adapted)}
            loaded.append(entry | {"initialised": list(way.loaded.initialised)})
    return {"xla": xla, "weights": loaded}
