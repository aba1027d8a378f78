"""A finished run on new images, through the same preprocessing."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd

from radzoo import weights
from radzoo.cleaning import clean, cleans
from radzoo.data import as_stored
from radzoo.data.store import image_digest
from radzoo.drawing import draw, draws
from radzoo.errors import BadInput
from radzoo.finished import Finished, Member, finished, load
from radzoo.images.augment import changed
from radzoo.images.paths import separated, shown
from radzoo.metrics import grade_names, grades, pool_units
from radzoo.views import VIEW

__all__ = ["load", "predict"]


def predict(
    run: str | os.PathLike,
    files,
    *,
    together: bool = False,
    covariates: dict[str, object] | None = None,
    batch: int | None = None,
    out: str | os.PathLike | None = None,
    kind: str = "auto",
    progress: bool = True,
) -> pd.DataFrame:
    """Recalibrated probabilities for image files, one row per image in the given order; of a segmentation masks,
    of a restoration better images.

    Args:
        run: the folder of a finished run.
        files: images, as in an index; `FILE.npz#member/row` is one image of an array. Where the run's index has several
            image columns, so many files are one image.
        together: the files are one study or one patient, for a run whose unit of analysis that is: all rows then say
            the same.
        covariates: `{column: value}` for a run that takes some: one value for all files, or one for each image.
        batch: images per step; 32 unless given, of a segmentation or restoration as many windows as in its training.
        out: of these, the folder that masks or images are written to.
        kind: of these, the kind of files (`drawing.draw`, `cleaning.clean`).

    Returns:
        Columns `file`, one probability per class, and `called`: the classes at or above the threshold that was fixed
        on validation (binary, multilabel), the likeliest class (multiclass), or the grade (ordinal). Of a regression
        `file` and the predicted number; of a segmentation how large each class is (`drawing.draw`), of a
        restoration what was added to each image (`cleaning.clean`).

    Raises:
        BadInput: no run, or an image that cannot be used; nothing is predicted then.
    """
    from tqdm import tqdm

    if make := draw if draws(run) else clean if cleans(run) else None:
        if together or covariates:
            raise BadInput("together and covariates came for a run that makes images, which has none: leave them out")
        return make(run, files, out=out, kind=kind, batch=batch, progress=progress)
    if out is not None or kind != "auto":
        raise BadInput("a folder for images came (out, kind), but this run makes none: leave them out")
    batch = 32 if batch is None else batch
    done = finished(run)
    files = done.members[0].manifest.input.grouped([os.fspath(file) for file in files])
    if not files:
        raise BadInput("no image came: name at least one file")
    if batch < 1:
        raise BadInput(f"batch {batch} came, expected at least 1")
    _check_unit(done, together)
    beside = _beside(done, covariates, len(files))
    raw = []
    for start in tqdm(range(0, len(files), batch), "images", disable=not progress or len(files) <= batch):
        here = slice(start, start + batch)
        said = [_answer(member, files[here], None if beside is None else beside[here]) for member in done.members]
        raw.append(sum(member.share * each for member, each in zip(done.members, said, strict=True)))
    raw = np.concatenate(raw)
    if together:
        nobody, one = np.zeros_like(raw), np.zeros(len(raw))
        nobody[:, 0] = done.task == "multiclass"
        pooled = pool_units(nobody, raw, one, one, done.told["aggregate"], task=done.task)
        raw = np.repeat(pooled.probability, len(raw), 0)
    names = [shown(file) if len(separated(file)) > 1 else file for file in files]
    return _table(names, done.recalibrated(raw), done)


def _answer(member: Member, files: list[str], beside: np.ndarray | None) -> np.ndarray:
    """One batch of files; each view is what a store would have given."""
    told, images = member.manifest.metrics, [_image(member.manifest, file) for file in files]
    views = told["views"] if member.classifier is None else 1
    seeds = [int(image_digest(file), 16) for file in files] if views > 1 else []
    said = []
    for view in range(views):
        seen = images
        if view:
            generators = [np.random.default_rng((told["seed"], VIEW + view, seed)) for seed in seeds]
            pairs = zip(images, generators, strict=True)
            planes = member.manifest.input.planes
            seen = [changed(image, generator, planes=planes, **told["augment"]) for image, generator in pairs]
        said.append(member.answer(member.manifest.input.normalise(np.stack(seen)).astype("float32"), beside))
    return said[0] if views == 1 else np.mean(said, axis=0)


def _beside(done: Finished, given: dict | None, count: int) -> np.ndarray | None:
    """The covariates of all images as numbers; none are guessed, and none are taken that the run does not know."""
    known = done.covariates
    if known is None:
        if given:
            raise BadInput(f"covariates came ({', '.join(given)}), but this run takes none: leave them out")
        return None
    names = [*known.numbers, *known.words]
    if not given:
        raise BadInput(f"this run needs {', '.join(names)} beside the image: pass --covariates {names[0]}=VALUE …")
    strange = [name for name in given if name not in names]
    if strange:
        raise BadInput(f"covariate {strange[0]!r} came, this run knows {', '.join(names)}")
    columns = {}
    for name, value in given.items():
        values = list(value) if isinstance(value, list | tuple) else [value]
        if len(values) not in (1, count):
            raise BadInput(f"covariate '{name}' has {len(values)} values for {count} images: give one, or one for each")
        columns[name] = [str(each) for each in values] * (count // len(values))
    return known.transform(pd.DataFrame(columns))


def _check_unit(done: Finished, together: bool) -> None:
    unit = done.told["unit"]
    if unit != "image" and not together:
        raise BadInput(f"this run decides per {unit}, not per image: name the files of one {unit} and pass --together")
    if unit == "image" and together:
        raise BadInput("this run decides per image: leave --together out")


def _image(manifest: weights.Manifest, file: str) -> np.ndarray:
    """One image in 0..1, rounded as the store rounds the images of training."""
    try:
        return as_stored(manifest.input.read(file))
    except BadInput as error:
        name = shown(file).partition("#")[0]
        raise BadInput(str(error) if str(error).startswith(name) else f"{name}: {error}") from None


def _table(files: list[str], probability: np.ndarray, done: Finished) -> pd.DataFrame:
    table = pd.DataFrame({"file": files})
    for name, column in zip(done.classes, probability.T, strict=True):
        table[name] = column
    if done.task == "regression":
        return table
    if done.task == "multiclass":
        called = [done.classes[i] for i in probability.argmax(1)]
    elif done.task == "ordinal":
        called = [grade_names(done.classes)[i] for i in grades(probability)]
    else:
        above = probability >= np.array([np.inf if t is None else t for t in done.told["thresholds"]])
        called = [" ".join(name for name, yes in zip(done.classes, row, strict=True) if yes) for row in above]
    return table.assign(called=called)
