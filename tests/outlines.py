"""Fabricated runs of a segmentation: ellipsoids, and predictions that are the truth seen through a distortion."""

import dataclasses
import json

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist

from radzoo.recipe import Data, Recipe

NETWORK = "unet_same"
WAYS = {"finetune": 0.6, "scratch": 1.4, "grey": 3.0}  # how far an outline is from the truth
SPACING = {3: (1.2, 1.0, 1.0), 2: (1.0, 1.0)}


def phantom(row, rank=3, classes=2):
    """`(image, truth)`: an ellipsoid that is cut into classes along y, on noise."""
    rng = np.random.default_rng(row)
    size = (24, 34, 28)[-rank:]
    place = np.moveaxis(np.indices(size), 0, -1) - np.array(size) / 2 - rng.uniform(-2, 2, rank)
    radius = np.array([6.0, 11.0, 6.0])[-rank:] + rng.uniform(-1.5, 1.5, rank)
    inside = ((place / radius) ** 2).sum(-1) < 1
    along = place[..., -2] / radius[-2]
    truth = np.where(inside, np.digitize(along, np.linspace(-1, 1, classes + 1)[1:-1]) + 1, 0).astype("uint8")
    image = 0.35 + 0.25 * inside + gaussian_filter(rng.normal(0, 0.4, size), 1)
    return image.clip(0, 1).astype("float32"), truth


def outlined(row, truth, away):
    """A prediction: the truth, seen through a smooth distortion of about `away` voxels, and cut a little lower."""
    rng = np.random.default_rng([row, int(10 * away)])
    shift = [gaussian_filter(rng.normal(0, 1, truth.shape), 4) for _ in truth.shape]
    shift = [away * each / each.std() for each in shift]
    shift[0] += away / 3
    places = np.round(np.indices(truth.shape) + shift).astype(int)
    limits = np.reshape(truth.shape, (-1, *(1,) * truth.ndim)) - 1
    return truth[tuple(places.clip(0, limits))]


def predicted(row, truth, way):
    found = outlined(row, truth, WAYS[way] * (1 + 2 * (row % 7 == 6)))
    return np.where(found == 2, 0, found) if row == 13 and way == "finetune" else found  # missed once


def measured(truth, said, label, rank):
    """A line of cases.csv; distances are between all voxels of both regions' rims."""
    one, two, voxel = truth == label, said == label, np.prod(SPACING[rank]) / 1000
    line = {"truth_ml": one.sum() * voxel, "predicted_ml": two.sum() * voxel} if rank == 3 else {}
    line["status"] = {(1, 1): "measured", (1, 0): "missed", (0, 1): "invented", (0, 0): "both_empty"}[
        int(one.any()), int(two.any())
    ]
    both = (one & two).sum()
    if one.any() or two.any():
        line |= {"dice": 2 * both / (one.sum() + two.sum()), "iou": both / (one | two).sum()}
    if line["status"] == "measured":
        far = cdist(np.argwhere(one) * SPACING[rank], np.argwhere(two) * SPACING[rank])
        ends = np.concatenate([far.min(0), far.min(1)])
        line |= {"hd95": np.quantile(ends, 0.95), "asd": ends.mean()}
    if rank == 3:
        line["error_ml"] = line["predicted_ml"] - line["truth_ml"]
    return line


def interval(values):
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    if not len(values):
        return {"value": None, "low": None, "high": None}
    half = 2 * values.std() / np.sqrt(len(values))
    return {"value": values.mean(), "low": values.mean() - half, "high": values.mean() + half}


def fabricate(folder, *, rank=3, patients=14, folds=5, ways=tuple(WAYS), classes=("anterior", "posterior"), **changes):
    """A run folder as the run of a segmentation writes it; returns the content of metrics.json."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = np.arange(patients)
    fold = rows % (folds or 5) + 1
    split = np.select([fold <= 2, fold == 3], ["test", "validation"], "train")
    table = pd.DataFrame({"row": rows, "patient": [f"secret-{row}" for row in rows], "fold": fold if folds else ""})
    table["split"] = "train" if folds else split
    table.to_csv(folder / "split.csv", index=False)
    tested = rows if folds else rows[split == "test"]
    lines = []
    for row in tested:
        truth = phantom(row, rank, len(classes))[1]
        for way in ways:
            said = predicted(row, truth, way)
            for label, name in enumerate(classes, 1):
                lines.append({
                    "row": row, "fold": fold[row] if folds else "", "model": _model(way), "way": way, "refined": "",
                    "class": name, **measured(truth, said, label, rank),
                })  # fmt: skip
    columns = [
        *("row", "fold", "model", "way", "refined", "class", "dice", "iou", "voe", "rvd", "truth_ml", "predicted_ml"),
        *("error_ml", "asd", "rmsd", "msd", "hd95", "status"),
    ]
    cases = pd.DataFrame(lines).reindex(columns=columns)
    cases.to_csv(folder / "cases.csv", index=False)
    results = [
        {"model": _model(way), "way": way, "refined": "", "detail": "", "choice": 0.9 - 0.1 * i,
         "validation": None, "test": _evaluated(cases[cases["way"] == way], classes, len(tested))}
        for i, way in enumerate(ways)
    ]  # fmt: skip
    summary = {
        "task": "segmentation", "classes": list(classes), "synthetic": True, "notes": ["One scanner made all images."],
        "unit": "mm" if rank == 3 else "px", "patients": patients, "cases": patients, "folds": folds, "best": 0,
        "rows": results, "ceiling": None, "differences": [_pair(cases, ways[0], way) for way in ways[1:]],
        "final": {} if folds else None,
    } | changes  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(summary, allow_nan=False))
    _history(folder, folds)
    recipe = Recipe(models=(NETWORK,), data=Data(index="/home/somebody/index.csv"), bootstrap=100)
    recipe = {"name": "hippocampus"} | dataclasses.asdict(recipe) | {"task": "segmentation"}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    environment = {
        "command": "radzoo run hippocampus", "versions": {"python": "3.11.9", "radzoo": "0.1.0"}, "seed": 0,
        "commit": "1a2b3c4", "device": "CPU, 2 cores", "backend": "tensorflow", "minutes": 2.4, "resumed": 0,
        "xla": {"on": False, "why": "no GPU: on a CPU XLA never pays"}, "weights": [],
    }  # fmt: skip
    (folder / "environment.json").write_text(json.dumps(environment))
    return summary


def _model(way):
    return "" if way == "grey" else NETWORK


def _evaluated(cases, classes, tested):
    per_class = {}
    for name in classes:
        own = cases[cases["class"] == name]
        counts = own["status"].value_counts()
        entry = {key: interval(own[key]) for key in ("dice", "iou", "hd95", "asd")}
        entry["error_ml"] = interval(own["error_ml"]) if own["error_ml"].notna().any() else None
        states = ("measured", "both_empty", "missed", "invented")
        entry |= {"median_dice": own["dice"].median()} | {state: int(counts.get(state, 0)) for state in states}
        per_class[name] = entry
    mean = interval(cases.groupby("row")["dice"].mean())
    return {"cases": tested, "patients": tested, "claim": tested >= 10, "dice": mean, "per_class": per_class,
            "special": {}}  # fmt: skip


def _pair(cases, one, two):
    mean = cases.groupby(["way", "row"])["dice"].mean()
    return {"name": f"{one} against {two}", "dice": interval(mean[one] - mean[two]) | {"p": 0.0001}}


def _history(folder, folds):
    lines = []
    for way in ("finetune", "scratch"):
        for fold in [*range(1, folds + 1), *(["final"] if way == "finetune" else [])] if folds else [""]:
            for epoch in range(1, 13):
                fall = np.exp(-epoch / 4)
                lines.append([fold, NETWORK, way, "", 1, epoch, 0.1 + 0.6 * fall, 0.15 + 0.5 * fall, 0.9 - 0.8 * fall])
    columns = ["fold", "model", "way", "stage", "phase", "epoch", "loss", "val_loss", "val_score"]
    pd.DataFrame(lines, columns=columns).to_csv(folder / "history.csv", index=False)


def pictures(rank=3, classes=2, way="finetune"):
    def of(row):
        image, truth = phantom(row, rank, classes)
        return image, truth, predicted(row, truth, way), SPACING[rank]

    return of
