"""What restored images are worth: tables of tested images, intervals, differences, noise, tissues, and the choice."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from radzoo.data import Index
from radzoo.data.split import folds, parts
from radzoo.data.store import WHITE
from radzoo.errors import BadInput
from radzoo.images.intensity import ends
from radzoo.images.phantoms import KINDS, SETS
from radzoo.metrics import (
    WINDOWS,
    Window,
    body_mask,
    compare_restoration,
    measure_inserts,
    measure_restored,
    noise_power,
    repeat_noise,
    restoration_summary,
    tissue_bias,
)
from radzoo.recipe import Recipe
from radzoo.train.restoration.baseline import grey
from radzoo.train.restoration.jobs import Outcome, read_restored
from radzoo.train.restoration.prepared import View

WHITE_BLACK = (Window("full", 0.0, 1.0),)  # of images without units


def name_of(outcome: Outcome) -> str:
    return f"{outcome.job.model} {outcome.job.way}".strip()


class Scale:
    """From 0..1 over the target's window to its units."""

    def __init__(self, view: View):
        window = view.pairs.wanted.window
        self.numbers = not isinstance(window, str)
        self.ends = ends(window) if self.numbers else (0.0, 1.0)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        low, high = self.ends
        return low + image * np.float32(high - low)

    def windows(self, ct: bool) -> tuple[Window, ...]:
        """Those of CT that the target's window holds, and that one itself."""
        if not self.numbers:
            return WHITE_BLACK
        low, high = self.ends
        inside = [each for each in WINDOWS if low <= max(each.low, -1024) and each.high <= high and each.name != "full"]
        return (*(inside if ct else ()), Window("full", low, high))


def measured(recipe: Recipe, index: Index, view: View, outcomes: list[Outcome]) -> tuple[dict, dict[str, pd.DataFrame]]:
    """The content of `metrics.json`, and tables: `cases` (way, tested image and window), `tissues`, `noise` (spectra)
    and `inserts`, the last three empty where there is nothing to measure.

    Args:
        outcomes: of all folds; those without a model are baselines.
    """
    ways: dict[str, dict[int, Outcome]] = {}
    for outcome in outcomes:
        ways.setdefault(name_of(outcome), {})[outcome.job.fold] = outcome
    scale, tables = Scale(view), {"cases": [], "tissues": [], "noise": [], "inserts": []}
    for found in _images(index, view, ways, scale, known_inserts(recipe)):
        for name, rows in found.items():
            tables[name] += rows
    tables = {name: pd.DataFrame(rows) for name, rows in tables.items()}
    options = {"bootstrap": recipe.bootstrap, "seed": recipe.seed}
    summary = restoration_summary(tables["cases"], **options)
    rows = [_row(index, view, name, places, summary) for name, places in ways.items()]
    best = max((i for i, row in enumerate(rows) if row["model"]), key=lambda i: -rows[i]["choice"])
    count, ct = len(folds(index)), _ct(view)
    told = {
        "task": index.task, "classes": [], "synthetic": index.synthetic, "notes": list(index.notes),
        "unit": "HU" if ct else "" if scale.numbers else "of white", "patients": int(index.table["patient"].nunique()),
        "cases": len(index.table), "folds": 0 if count == 1 else count, "best": best, "rows": rows, "final": None,
        "tested": {name: summary[name] for name in ("cases", "patients", "claim")},
        "simulated": view.pairs.worse.told if view.pairs.worse else None,
        "differences": [
            each for row in rows if row["name"] != rows[best]["name"]
            for each in compare_restoration(tables["cases"], rows[best]["name"], row["name"])
        ],
    }  # fmt: skip
    return told, tables


def _ct(view: View) -> bool:
    """Whether targets are in HU. Of a target without a known modality its window says it: only that of CT begins below
    0."""
    pairs = view.pairs
    same = pairs.wanted.window == view.spec.window
    modality = pairs.facts(view.keys[0])["modality"] if same else None
    negative = Scale(view).numbers and Scale(view).ends[0] < 0
    return pairs.worse is not None or modality == "CT" or (modality is None and negative)


def known_inserts(recipe: Recipe) -> tuple[str, ...]:
    """The names of the labels 1, 2, ... of masks, where the recipe or the phantoms have them."""
    kind = SETS.get(recipe.data.index.partition("phantom:")[2], {}).get("kind")
    names = recipe.data.classes or (KINDS[kind].classes if kind else ())
    return () if any("=" in name for name in names) else names


def _images(index: Index, view: View, ways: dict[str, dict[int, Outcome]], scale: Scale, inserts: tuple[str, ...]):
    """Image by image the rows of all tables."""
    from tqdm import tqdm

    ct = _ct(view)
    tested = [(fold, position) for fold in folds(index) for position in parts(index, fold)["test"]]
    for fold, position in tqdm(tested, "measuring", file=sys.stderr):
        key, row = view.keys[position], int(index.table["row"].iloc[position])
        named = {"case": row, "patient": index.table["patient"].iloc[position]}
        wanted = scale(grey(view.pairs.target(key)))
        body, labels = (_body(wanted) if ct else None), view.pairs.labels(key)
        spacing = view.pairs.facts(key)["spacing_mm"] or (1.0,) * wanted.ndim
        found = {"cases": [], "tissues": [], "noise": [], "inserts": []}
        for way, places in ways.items():
            image = scale(read_restored(places[fold].place, row))
            told = named | {"way": way}
            found["cases"] += [
                each | {"fold": fold or ""}
                for each in measure_restored(image, wanted, **told, windows=scale.windows(ct), body=body)
            ]
            if ct:
                found["tissues"] += [told | each for each in tissue_bias(image, wanted, inside=body)]
            if ct and view.pairs.worse and view.pairs.worse.noisy:
                noise = repeat_noise(image, scale(read_restored(places[fold].place, row, again=True)))
                found["noise"] += [told | each for each in _spectrum(noise, spacing, body)]
            if labels is not None:
                found["inserts"] += [told | each for each in _inserts(image, labels, inserts, spacing)]
        yield found


def _body(wanted: np.ndarray) -> np.ndarray | None:
    """None of an image that shows none, such as a crop of lung: what is measured in the body is not known there."""
    try:
        return body_mask(wanted)
    except BadInput:
        return None


def _inserts(image: np.ndarray, labels: np.ndarray, known: tuple[str, ...], spacing) -> list[dict]:
    """Rows of `measure_inserts`; none where every label is an organ that others touch: no contrast has a background."""
    count = int(labels.max())
    names = [*known[:count], *(str(each) for each in range(len(known) + 1, count + 1))]
    rims = measure_inserts(image, labels, names, spacing)
    if np.isnan([each["background"] for each in rims]).all():
        return []
    return [{name: value for name, value in each.items() if name != "edge"} for each in rims]


def _spectrum(noise: np.ndarray, spacing, body) -> list[dict]:
    """The power of the noise of one image, from two scans of it: rows of frequency (1/mm) and power (HU^2 mm^2); none
    where no region fits."""
    try:
        found = noise_power(noise, spacing, inside=body)
    except BadInput:  # a body too small for a region: a child, or a crop
        return []
    frequency, power = found.radial
    return [
        {"frequency": float(f), "power": float(p), "sd": found.sd, "mean_frequency": found.mean_frequency}
        for f, p in zip(frequency, power, strict=True)
    ]


def _row(index: Index, view: View, name: str, places: dict[int, Outcome], summary: dict) -> dict:
    first = next(iter(places.values()))
    choice, cases = _validation(index, view, places)
    windows = [{k: v for k, v in each.items() if k != "way"} for each in summary["rows"] if each["way"] == name]
    details = dict.fromkeys(each.facts["detail"] for each in places.values())
    return {
        "name": name, "model": first.job.model, "way": first.job.way, "detail": "; ".join(filter(None, details)),
        "choice": choice, "validation": {"cases": cases, "rmse": {"value": choice}}, "windows": windows,
    }  # fmt: skip


def _validation(index: Index, view: View, places: dict[int, Outcome]) -> tuple[float, int]:
    """The mean over folds of the root mean squared error on validation, in parts of the window, by which ways are
    chosen; and how many images that are."""
    found, cases = [], 0
    for fold, outcome in places.items():
        squares = []
        for position in parts(index, fold)["validation"]:
            image = read_restored(outcome.place, int(index.table["row"].iloc[position]))
            wanted = view.pairs.target(view.keys[position])[..., 0] / np.float32(WHITE)
            squares.append(float(((image - wanted) ** 2).mean()))
        found.append(float(np.sqrt(np.mean(squares))))
        cases += len(squares)
    return float(np.mean(found)), cases
