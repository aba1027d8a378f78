"""A finished run read back: the network, or the members of an ensemble, with all that was fixed on validation."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from radzoo import weights
from radzoo.data import Store, settle_threads
from radzoo.data.covariates import Covariates
from radzoo.errors import BadInput
from radzoo.features import Choice, load_classifier
from radzoo.metrics import Recalibration
from radzoo.recipe import Augment
from radzoo.views import answers

ENSEMBLE = "ensemble.json"  # in a run folder: the members of the chosen ensemble


def load(tag_or_run: str | os.PathLike) -> tuple[keras.Model, weights.Manifest]:
    """The model and the manifest of weights (`"model.tag"`) or of a run folder.

    A run whose best way is fixed features gives the network up to its pooled features; `predict` adds the classifier.

    Raises:
        BadInput: no such weights, no run folder, or files that do not belong together.
    """
    settle_threads()  # a run that comes after it in the same process should be repeatable
    folder = Path(tag_or_run)
    if not folder.is_dir():
        return weights.load(tag_or_run)
    if (folder / ENSEMBLE).is_file():
        raise BadInput(f"{folder} is an ensemble: load one of its members in {folder / 'models'}, or use predict")
    for name in ("model.keras", "manifest.json"):
        if not (folder / name).is_file():
            raise BadInput(f"{folder} has no {name}: expected the folder of a finished run, or weights as model.tag")
    manifest = weights.read_manifest(folder / "manifest.json")
    if not {"recalibration", "mask", "restoration"} & set(manifest.metrics):
        raise BadInput(f"{folder} was made by an earlier version of radzoo: run its recipe anew")
    try:
        return keras.models.load_model(folder / "model.keras"), manifest
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:  # Keras' words for a damaged file
        raise BadInput(
            f"{folder / 'model.keras'} cannot be read ({' '.join(str(error).split())}): copy it again"
        ) from None


@dataclass(frozen=True)
class Member:
    """One network of a finished run: its model, its manifest, its share of the answer, and scikit-learn's part."""

    model: keras.Model
    manifest: weights.Manifest
    share: float
    classifier: Choice | None

    def answer(self, images: np.ndarray, beside: np.ndarray | None) -> np.ndarray:
        """`(n, k)` before recalibration for normalised images `(n, h, w, channels)` and covariates `(n, c)`."""
        if self.classifier is None:
            return np.asarray(self.model(images if beside is None else [images, beside], training=False))
        features = np.asarray(self.model(images, training=False))
        return self.classifier.probability(features if beside is None else np.hstack([features, beside]))

    def answer_stored(self, store: Store, keys, beside: np.ndarray | None, batch: int) -> np.ndarray:
        """`answer` for stored images, with the views that the run asks for."""
        told = self.manifest.metrics
        if self.classifier is not None:
            features = answers(self.model, store, keys, batch=batch)
            return self.classifier.probability(features if beside is None else np.hstack([features, beside]))
        return answers(
            self.model, store, keys, batch=batch, beside=beside, views=told["views"],
            augment=Augment(**told["augment"]), seed=told["seed"],
        )  # fmt: skip


@dataclass(frozen=True)
class Finished:
    """What a finished run predicts with: one network, or the members of an ensemble; and what was fixed on validation.

    Attributes:
        told: `unit aggregate thresholds recalibration covariates` (as in the manifest of a run).
    """

    members: tuple[Member, ...]
    task: str
    classes: tuple[str, ...]
    told: dict

    @property
    def covariates(self) -> Covariates | None:
        return Covariates.from_json(self.told["covariates"]) if self.told["covariates"] else None

    def recalibrated(self, raw: np.ndarray) -> np.ndarray:
        return Recalibration.from_json(self.told["recalibration"]).apply(raw)


def finished(run: str | os.PathLike) -> Finished:
    """The network or the ensemble of a run folder.

    Raises:
        BadInput: no run folder, or files that do not belong together.
    """
    folder = Path(run)
    if not folder.is_dir():
        raise BadInput(f"{run} is no folder: expected the folder of a finished run")
    if not (folder / ENSEMBLE).is_file():
        member = _member(folder, 1.0)
        return Finished((member,), member.manifest.task, tuple(member.manifest.classes), member.manifest.metrics)
    try:
        told = json.loads((folder / ENSEMBLE).read_text(encoding="utf-8"))
        places = [(folder / each["folder"], float(each["share"])) for each in told["members"]]
        known = told["task"], tuple(told["classes"]), told["metrics"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder / ENSEMBLE} cannot be read ({error}): copy it again") from None
    return Finished(tuple(_member(*place) for place in places), *known)


def _member(folder: Path, share: float) -> Member:
    model, manifest = load(folder)
    path = folder / "classifier.skops"
    return Member(model, manifest, share, load_classifier(path) if path.is_file() else None)


def raw_answers(done: Finished, paths, rows: pd.DataFrame, batch: int) -> np.ndarray:
    """What a finished run says of the images of another index, before recalibration: `(n, k)`.

    Args:
        paths: of the images, as in `Index.table`.
        rows: `Index.covariates` of these images.
    """
    beside = done.covariates.transform(rows) if done.covariates else None
    said = []
    for member in done.members:
        store = Store(member.manifest.input)
        said.append(member.share * member.answer_stored(store, store.add(paths), beside, batch))
    return sum(said)
