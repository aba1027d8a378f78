"""Fabricated runs of a restoration: flat bodies with inserts, noise, and ways that blur it away more or less."""

import dataclasses
import json
from functools import cache

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from radzoo.metrics import (
    Window,
    body_mask,
    compare_restoration,
    measure_inserts,
    measure_restored,
    noise_power,
    restoration_summary,
    tissue_bias,
)
from radzoo.recipe import Data, Recipe

NETWORK = "redcnn scratch"
BLUR = {NETWORK: 0.5, "noisy": 0.0, "nlm": 0.8, "tv": 1.5}  # standard deviation in pixels
INSERTS = ("faint", "vessel")
CT = (Window("soft tissue", -160, 240), Window("lung", -1350, 150), Window("full", -1024, 3071))
SPACING = (1.5, 1.5)


def target(row):
    """`(wanted, labels)`: a body of soft tissue and fat with a lung, texture, and two inserts; HU."""
    rng = np.random.default_rng(row)
    y, x = np.mgrid[:96, :96]
    wanted, labels = np.full((96, 96), -1000.0), np.zeros((96, 96), "uint8")
    wanted[6:90, 6:90], wanted[12:84, 12:84], wanted[16:40, 16:40] = -100, 40, -850
    wanted[12:84, 50:84] += 15 * np.sin(x[12:84, 50:84] / 2)
    for label, (place, contrast) in enumerate((((64, 28), 20), ((30, 64), 150)), 1):
        disc = np.hypot(y - place[0], x - place[1]) < 7 + rng.uniform(0, 1)
        wanted[disc], labels[disc] = 40 + contrast, label
    return gaussian_filter(wanted, 0.6), labels


def images(row, ways=tuple(BLUR)):
    """From the name of a way to its image; the noise is lower in the network's than its blur alone would leave it."""
    wanted, _ = target(row)
    noise = np.random.default_rng([row, 1]).normal(0, 25, wanted.shape)
    return {way: gaussian_filter(wanted + noise * (0.4 if way == NETWORK else 1), BLUR.get(way, 1.0)) for way in ways}


def pictures(ways=tuple(BLUR)):
    return lambda row: (target(row)[0], images(row, ways), SPACING, target(row)[1])


def fabricate(folder, *, patients=12, folds=0, ways=tuple(BLUR), ct=True, **changes):
    """A run folder as the run of a restoration writes it; returns the content of metrics.json.

    Of images that are no CT, target and images are in 0..1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = np.arange(patients if folds else patients + 6)
    split = np.where(rows < patients, "test", np.where(rows < patients + 2, "validation", "train"))
    fold = rows % (folds or 1) + 1
    table = pd.DataFrame({"row": rows, "patient": [f"secret-{row}" for row in rows], "fold": fold if folds else ""})
    table["split"] = "train" if folds else split
    table.to_csv(folder / "split.csv", index=False)
    tables = {"cases": [], "tissues": [], "noise": [], "inserts": []}
    for row in range(patients):
        for name, lines in _measured(row, ways, ct).items():
            tables[name] += [line | {"fold": fold[row] if folds else ""} for line in lines]
    tables = {name: pd.DataFrame(lines) for name, lines in tables.items()}
    summary = restoration_summary(tables["cases"], bootstrap=100)
    for name, lines in tables.items():
        if len(lines):
            lines.drop(columns="patient").rename(columns={"case": "row"}).to_csv(folder / f"{name}.csv", index=False)
    results = [_row(way, summary) for way in ways]
    metrics = {
        "task": "restoration", "classes": [], "synthetic": True, "notes": ["The images are simulated scans."],
        "unit": "HU" if ct else "of white", "patients": len(rows), "cases": len(rows), "folds": folds, "best": 0,
        "rows": results, "final": None, "tested": {name: summary[name] for name in ("cases", "patients", "claim")},
        "simulated": {"simulate": "low_dose", "photons": 1e5, "dose": 0.25, "electronic": 3.2, "clean": True},
        "differences": [
            pair for way in ways[1:] for pair in compare_restoration(tables["cases"], ways[0], way)
        ],
    } | changes  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(metrics, allow_nan=False))
    _made(folder, folds)
    return metrics


@cache
def _measured(row, ways, ct) -> dict:
    wanted, labels = target(row)
    body, found = body_mask(wanted), {"cases": [], "tissues": [], "noise": [], "inserts": []}
    for way, image in images(row, ways).items():
        named = {"case": row, "patient": row, "way": way}
        if not ct:
            pair = ((each + 1024) / 4096 for each in (image, wanted))
            found["cases"] += measure_restored(*pair, **named, windows=(Window("full", 0.0, 1.0),))
            continue
        found["cases"] += measure_restored(image, wanted, **named, windows=CT, body=body)
        found["tissues"] += [named | line for line in tissue_bias(image, wanted, inside=body)]
        spectrum = noise_power(image - wanted, SPACING, inside=body)
        sums = {"sd": spectrum.sd, "mean_frequency": spectrum.mean_frequency}
        found["noise"] += [named | {"frequency": f, "power": p} | sums for f, p in zip(*spectrum.radial, strict=True)]
        found["inserts"] += [
            named | {name: line[name] for name in line if name != "edge"}
            for line in measure_inserts(image, labels, INSERTS, SPACING)
        ]
    return found


def _row(way, summary) -> dict:
    model, _, how = way.partition(" ")
    choice = 0.002 + 0.001 * BLUR.get(way, 1.0)
    windows = [
        {key: value for key, value in each.items() if key != "way"} for each in summary["rows"] if each["way"] == way
    ]
    return {
        "name": way, "model": model if how else "", "way": how or way, "detail": "" if how else "strength 0.01",
        "choice": choice, "validation": {"cases": 2, "rmse": {"value": choice}}, "windows": windows,
    }  # fmt: skip


def _made(folder, folds):
    lines = [
        [fold, *NETWORK.split(), 1, epoch, 0.01 + 0.1 / epoch, 0.02 + 0.1 / epoch, 30 + epoch]
        for fold in ([*range(1, folds + 1), "final"] if folds else [""])
        for epoch in range(1, 7)
    ]
    columns = ["fold", "model", "way", "phase", "epoch", "loss", "val_loss", "val_score"]
    pd.DataFrame(lines, columns=columns).to_csv(folder / "history.csv", index=False)
    recipe = Recipe(models=("redcnn",), data=Data(index="/home/somebody/index.csv"), task="restoration")
    (folder / "recipe.json").write_text(json.dumps({"name": "low_dose_ct"} | dataclasses.asdict(recipe)))
    environment = {
        "command": "radzoo run low_dose_ct", "versions": {"python": "3.11.9", "radzoo": "0.1.0"}, "seed": 0,
        "commit": "1a2b3c4", "device": "CPU, 2 cores", "backend": "tensorflow", "minutes": 2.4, "resumed": 0,
        "xla": {"on": False, "why": "no GPU: on a CPU XLA never pays"}, "weights": [],
    }  # fmt: skip
    (folder / "environment.json").write_text(json.dumps(environment))
