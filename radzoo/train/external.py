"""Another hospital's images: the chosen model is tried on them as it is, and every look is counted."""

from __future__ import annotations

import dataclasses
import datetime
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from radzoo import report
from radzoo.data import Index, Store, read_external
from radzoo.data.datasets.names import called
from radzoo.data.index import name_rows
from radzoo.errors import BadInput
from radzoo.finished import finished, raw_answers
from radzoo.metrics import Recalibration
from radzoo.recipe import Data, Recipe, from_json
from radzoo.train.detection import froc, with_scans
from radzoo.train.fit import say
from radzoo.train.folder import alone, read_csv, read_json, write_csv, write_json
from radzoo.train.judge import apply, evaluated, units
from radzoo.train.outcome import external_files, with_external
from radzoo.train.tables import columns


@dataclass(frozen=True)
class Apart:
    """What an external index must not share with the run: its patients (where they are known) and its pixels."""

    patients: object
    contents: object


def known_patients(data: Data, index: str, patients) -> list[str]:
    """The patients of an index; none where each image was made one of its own, for those mean nothing elsewhere."""
    return [] if data.patient is None or index.lower().endswith(".npz") else list(patients)


def evaluate_run(
    run: str | Path,
    index: str | Path,
    *,
    image=None,
    label=None,
    patient=None,
    study=None,
    positive=None,
    where=None,
    reference=None,
) -> tuple[Path, dict]:
    """Tries the finished run's model on the images of another index, with its weights and threshold as they are.

    The predictions and numbers stay in the run folder, whose report gets a column for them. Columns that are not named
    are called as in the run's own index; `where` is the run's own filter unless one is given, and "" is none.
    `reference` lists the lesions of candidates.

    Returns:
        The run folder and the content of its `metrics.json`.
    Raises:
        BadInput: no finished run, another kind of labels, or patients and images of the run itself.
    """
    folder = Path(run).expanduser()
    measured = read_json(folder, "metrics.json")
    if measured["task"] == "segmentation":
        raise BadInput(f"{folder} is a segmentation: draw the masks of other images with `radzoo predict`")
    recipe = from_json({key: value for key, value in read_json(folder, "recipe.json").items() if key != "name"})
    named = {"image": image, "label": label, "patient": patient, "study": study, "positive": positive}
    named = {key: value for key, value in named.items() if value is not None}
    if where is not None:
        named["where"] = where or None
    data = dataclasses.replace(recipe.data, **named, reference=reference)  # that of the run knows no other scans
    with alone(folder):
        look(folder, dataclasses.replace(recipe, data=data), tuple(measured["classes"]), str(index))
        measured = with_external(folder, measured)
        write_json(folder / "metrics.json", measured)
        report.write(folder)
    return folder, measured


def read_other(recipe: Recipe, classes, index: str, store: Store, apart: Apart) -> tuple[Index, np.ndarray]:
    """The external index and the keys of its images in `store`.

    Raises:
        BadInput: patients or images of the run are among them.
    """
    other = read_external(recipe.data, index, classes, recipe.task, recipe.unit)
    keys = np.array(store.add(other.table["path"]))
    name = called(index)
    theirs = known_patients(recipe.data, index, other.table["patient"])
    same = other.table["patient"].isin(set(apart.patients) & set(theirs)).to_numpy()
    if same.any():
        raise BadInput(
            f"{other.table['patient'][same].nunique()} patients of {name} are patients of the run too, in "
            f"{name_rows(other.table, np.flatnonzero(same))}: leave them out, or if they only happen to have the same "
            "number, put the hospital's name before it"
        )
    same = np.isin([store.facts(key)["content"] for key in keys], list(apart.contents))
    if same.any():
        raise BadInput(
            f"{same.sum()} images of {name} are images of the run too, in "
            f"{name_rows(other.table, np.flatnonzero(same))}: leave them out"
        )
    return other, keys


def look(folder: Path, recipe: Recipe, classes, index: str) -> None:
    """Predicts, measures, and writes `external-N.json` and `external-N.csv`; a second look at the same adds nothing."""
    done = finished(folder)
    store = Store(done.members[0].manifest.input)
    patients = known_patients(recipe.data, recipe.data.index, read_csv(folder, "split.csv")["patient"])
    images = read_csv(folder, "images.csv")
    if "content" not in images:
        raise BadInput(f"{folder} was made by an earlier version of radzoo: run its recipe anew")
    apart = Apart(patients, images["content"])
    other, keys = read_other(recipe, classes, index, store, apart)
    contents = [store.facts(key)["content"] for key in keys]
    before = [read_csv(folder, f"{path.stem}.csv") for path in external_files(folder)]
    labels = columns(other.classes, other.labels if other.task == "regression" else other.labels.astype(int))
    labels = labels.add_prefix("label ")
    beside = other.covariates.add_prefix("covariate ")
    table = pd.concat([other.table[["row", "patient", "unit"]].assign(content=contents), labels, beside], axis=1)
    if any(_same(table, earlier) for earlier in before):
        say(f"{called(index)}: these images were tried before, and the numbers of then stand")
        return
    raw = raw_answers(done, other.table["path"], other.covariates, recipe.batch)
    pooled = units(recipe, other, np.arange(len(keys)), raw)
    judged = apply(pooled, Recalibration.from_json(done.told["recalibration"]), tuple(done.told["thresholds"]))
    evaluation = evaluated(recipe, other, vars(judged), rule=recipe.threshold)
    if other.candidates is not None:
        other = with_scans(other, store, keys)
        evaluation["froc"] = froc(recipe, other, vars(judged), everything=True)
    number = len(before) + 1
    each = apply(dataclasses.replace(pooled, raw=raw), judged.recalibration, judged.thresholds).probability
    write_csv(folder / f"external-{number}.csv", pd.concat([table, columns(other.classes, each)], axis=1))
    write_json(
        folder / f"external-{number}.json",
        {
            "name": called(index), "date": datetime.date.today().isoformat(),
            "looks": 1 + sum(int(earlier["content"].isin(contents).any()) for earlier in before),
            "images": len(keys), "patients": int(other.table["patient"].nunique()), "notes": list(other.notes),
            "evaluation": evaluation,
        },
    )  # fmt: skip


def _same(table: pd.DataFrame, earlier: pd.DataFrame) -> bool:
    """Whether an earlier look had the same images, labels, patients and units, in whatever order."""
    names = [name for name in table if name != "row"]
    if not set(names) <= set(earlier):
        return False
    one, two = (each[names].astype(str).sort_values(names, ignore_index=True) for each in (table, earlier))
    return one.equals(two)
