"""A finished run on new images, through the same preprocessing."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from radzoo import weights
from radzoo.data import Store, as_stored, batches, settle_threads
from radzoo.errors import BadInput
from radzoo.features import load_classifier
from radzoo.metrics import Recalibration, pool_units


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
    for name in ("model.keras", "manifest.json"):
        if not (folder / name).is_file():
            raise BadInput(f"{folder} has no {name}: expected the folder of a finished run, or weights as model.tag")
    manifest = weights.read_manifest(folder / "manifest.json")
    if "recalibration" not in manifest.metrics:
        raise BadInput(f"{folder} was made by an earlier version of radzoo: run its recipe anew")
    try:
        return keras.models.load_model(folder / "model.keras"), manifest
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:  # Keras' words for a damaged file
        raise BadInput(
            f"{folder / 'model.keras'} cannot be read ({' '.join(str(error).split())}): copy it again"
        ) from None


def predict(
    run: str | os.PathLike, files, *, together: bool = False, batch: int = 32, progress: bool = True
) -> pd.DataFrame:
    """Recalibrated probabilities for image files, one row per file in the given order.

    Args:
        run: the folder of a finished run.
        files: images, as in an index; `FILE.npz#member/row` is one image of an array.
        together: the files are one study or one patient, for a run whose unit of analysis that is: all rows then say
            the same.
        batch: images per step.

    Returns:
        Columns `file`, one probability per class, and `called`: the classes at or above the threshold that was fixed
        on validation (binary, multilabel), or the likeliest class (multiclass).

    Raises:
        BadInput: no run, or an image that cannot be used; nothing is predicted then.
    """
    from tqdm import tqdm

    if not Path(run).is_dir():
        raise BadInput(f"{run} is no folder: expected the folder of a finished run")
    model, manifest = load(run)
    files = [os.fspath(file) for file in files]
    if not files:
        raise BadInput("no image came: name at least one file")
    if batch < 1:
        raise BadInput(f"batch {batch} came, expected at least 1")
    _check_unit(manifest, together)
    classify = _classifier(run)
    parts = []
    for start in tqdm(range(0, len(files), batch), "images", disable=not progress or len(files) <= batch):
        images = np.stack([_image(manifest, file) for file in files[start : start + batch]])
        parts.append(classify(np.asarray(model(images, training=False))))
    raw = np.concatenate(parts)
    if together:
        nobody, one = np.zeros_like(raw), np.zeros(len(raw))
        nobody[:, 0] = manifest.task == "multiclass"
        pooled = pool_units(nobody, raw, one, one, manifest.metrics["aggregate"], task=manifest.task)
        raw = np.repeat(pooled.probability, len(raw), 0)
    probability = Recalibration.from_json(manifest.metrics["recalibration"]).apply(raw)
    return _table(files, probability, manifest)


def raw_probability(run: str | os.PathLike, model: keras.Model, store: Store, keys, batch: int) -> np.ndarray:
    """What the model of a run says of stored images, before recalibration: `(len(keys), k)`."""
    images = batches(store, list(keys), np.zeros((len(keys), 1)), batch=batch)
    return _classifier(run)(model.predict(images, verbose=0)[: len(keys)])


def _classifier(run):
    """From the outputs of a run's network to probabilities: scikit-learn's part, where there is one."""
    path = Path(run) / "classifier.skops"
    return load_classifier(path).probability if path.is_file() else lambda outputs: outputs


def _check_unit(manifest: weights.Manifest, together: bool) -> None:
    unit = manifest.metrics["unit"]
    if unit != "image" and not together:
        raise BadInput(f"this run decides per {unit}, not per image: name the files of one {unit} and pass --together")
    if unit == "image" and together:
        raise BadInput("this run decides per image: leave --together out")


def _image(manifest: weights.Manifest, file: str) -> np.ndarray:
    """One normalised image, rounded as the store rounds the images of training."""
    try:
        return manifest.input.normalise(as_stored(manifest.input.read(file)))
    except BadInput as error:
        name = os.path.basename(file.partition("#")[0])
        raise BadInput(str(error) if str(error).startswith(name) else f"{name}: {error}") from None


def _table(files: list[str], probability: np.ndarray, manifest: weights.Manifest) -> pd.DataFrame:
    classes = list(manifest.classes)
    if manifest.task == "multiclass":
        called = [classes[i] for i in probability.argmax(1)]
    else:
        above = probability >= np.array([np.inf if t is None else t for t in manifest.metrics["thresholds"]])
        called = [" ".join(name for name, yes in zip(classes, row, strict=True) if yes) for row in above]
    table = pd.DataFrame({"file": files})
    for name, column in zip(classes, probability.T, strict=True):
        table[name] = column
    return table.assign(called=called)
