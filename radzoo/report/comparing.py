"""Several runs on the same tested patients: every pair of them, paired, and corrected for their number."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from radzoo import metrics
from radzoo.errors import BadInput
from radzoo.metrics.comparison import holm, mean_of_defined
from radzoo.metrics.curves import Ranking
from radzoo.metrics.resampling import grouped, resamples
from radzoo.report import words
from radzoo.report.matching import matched, scores
from radzoo.report.reading import read


@dataclass(frozen=True)
class Comparison:
    """What runs say on the same test units.

    Attributes:
        rows: for each way `run` (its name), `number` (of the run), `model`, `way`, `label`, `chosen`, `claim`,
            `measured` (`{"value", "low", "high"}`), `average_precision` and `repeats`, the measure of each seed
            (`{"seeds", "mean", "low", "high"}`; None without).
        pairs: `a` and `b` (positions of two rows), `difference` of a minus b with `low`, `high` and `p`; `holm`, p
            corrected for all pairs; `bootstrap`, `{"low", "high", "p"}` of resampled patients.
        measure: `AUC`, `mean AUC` or `MAE`; of a MAE less is better.
        method: how `p` was found.
        tested: `images`, `units` and `patients`.
        notes: what a reader must know.
        differing: `(field of the recipe, value per run)` where the recipes differ.
    """

    rows: list[dict]
    pairs: list[dict]
    measure: str
    method: str
    tested: dict
    notes: list[str]
    differing: list[tuple]
    runs: list[SimpleNamespace]

    @property
    def best(self) -> int:
        """The position of the row with the best number."""
        values = [row["measured"]["value"] for row in self.rows]
        known = [i for i, value in enumerate(values) if value is not None]
        return (min if self.measure == "MAE" else max)(known, key=values.__getitem__)

    def __str__(self) -> str:
        from radzoo.report.terminal import comparison

        return comparison(self)


def compare(folders, *, names=None, all_ways: bool = False) -> Comparison:
    """See `radzoo.report.compare`."""
    runs = _runs([Path(folder).expanduser() for folder in folders], names)
    same = matched(runs)
    ways = [(n, row) for n, run in enumerate(runs) for row in (run.trained if all_ways else [run.best])]
    told = [scores(runs[n], row, same.units[n]) for n, row in ways]
    task, people = runs[0].task, grouped(same.patients)
    rows = [_row(n, runs[n], row) for n, row in ways]
    if all(row["claim"] for row in rows):
        count = runs[0].recipe["bootstrap"]
        drawn = np.stack([_resampled(task, same.truth, each, people, count) for each in told])
        pairs = [_pair(task, same, told, drawn, a, b, count) for a, b in combinations(range(len(ways)), 2)]
        for pair, p in zip(pairs, holm([pair["p"] for pair in pairs]), strict=True):
            pair["holm"] = p
    else:
        pairs = []
    kind = "MAE" if task == "regression" else "AUC" if same.truth.shape[1] == 1 else "mean AUC"
    by = "DeLong" if people.single and kind == "AUC" else "bootstrap over patients"
    return Comparison(
        rows, pairs, kind, "paired t over patients" if kind == "MAE" else by,
        {"images": same.images, "units": len(same.truth), "patients": people.count},
        same.notes + _dealt(runs), differing(runs), runs,
    )  # fmt: skip


def _runs(folders: list[Path], names) -> list[SimpleNamespace]:
    if len(folders) < 2:
        raise BadInput(f"{len(folders)} run came, expected at least two: radzoo compare RUN RUN ...")
    resolved = [folder.resolve() for folder in folders]
    names = [folder.name for folder in resolved] if names is None else list(names)
    if len(names) != len(folders):
        raise BadInput(f"{len(names)} names came for {len(folders)} runs: --names takes one for each")
    twice = {name for name in names if names.count(name) > 1}
    if len(set(resolved)) < len(resolved):
        raise BadInput("a run came twice: name each folder once")
    if twice:
        raise BadInput(f"several runs are called {', '.join(sorted(twice))}: tell them apart with --names")
    for folder, name in zip(folders, names, strict=True):
        if not folder.is_dir():
            raise BadInput(f"{name} is no folder: radzoo compare takes the folders of finished runs")
    runs = [read(folder) for folder in folders]
    for run, name in zip(runs, names, strict=True):
        run.name = name
    return runs


def _row(number, run, row) -> dict:
    test = row["test"]
    kind, other = ("mae", None) if run.task == "regression" else ("auc", "average_precision")
    repeats = row.get("repeats")
    return {
        "run": run.name, "number": number, "model": row["model"], "way": row["way"],
        "label": words.way(row, sentence=True), "chosen": row is run.best, "claim": test["claim"],
        "measured": test[kind], "average_precision": test[other]["value"] if other else None,
        "repeats": repeats and {"seeds": repeats[kind]} | {name: repeats[name] for name in ("mean", "low", "high")},
    }  # fmt: skip


def _pair(task, same, told, drawn, a, b, count) -> dict:
    """One paired comparison, and the same asked of resampled patients."""
    if task == "regression":
        found = metrics.compare_regression(same.truth, told[a], told[b], same.patients)
    else:
        found = metrics.compare(same.truth, told[a], told[b], same.patients, task=task, bootstrap=count)
    moved = drawn[a] - drawn[b]
    return {"a": a, "b": b} | found | {"bootstrap": _percentiles(moved[~np.isnan(moved)])}


def _percentiles(moved: np.ndarray) -> dict:
    """Interval and two-sided p of a resampled difference; p is never 0, for there are only so many resamples."""
    if len(moved) < 2:
        return dict.fromkeys(("low", "high", "p"))
    low, high = np.quantile(moved, (0.025, 0.975))
    tail = (min((moved <= 0).sum(), (moved >= 0).sum()) + 1) / (len(moved) + 1)
    return {"low": float(low), "high": float(high), "p": float(min(2 * tail, 1))}


def _resampled(task, truth, score, people, count) -> np.ndarray:
    """The measure of one way over `count` resamples of the patients, the same for every way."""
    if task == "regression":
        wrong = np.abs(truth[:, 0] - score[:, 0])
        parts = [(block @ wrong) / block.sum(1) for block in resamples(people, count, 0)]
        return np.concatenate([np.zeros(0), *parts])
    rankings = [Ranking(y, s) for y, s in zip(truth.T, score.T, strict=True) if 0 < y.sum() < len(y)]
    parts = [np.stack([each.areas(block)[0] for each in rankings]) for block in resamples(people, count, 0)]
    return mean_of_defined(np.concatenate([np.zeros((len(rankings), 0)), *parts], axis=1))


def _dealt(runs) -> list[str]:
    """Whether all runs trained on the same patients when they tested one."""
    by_pixels, by_row = set(), set()
    for run in runs:
        deal = run.split["fold"].astype(str) + " " + run.split["split"]
        content = run.split["row"].map(run.images.set_index("row")["content"])
        by_pixels.add(tuple(sorted(zip(content, deal, strict=True))))
        by_row.add(tuple(sorted(zip(run.split["row"], deal, strict=True))))
    said = "folds or splits were dealt differently, and a part of a difference may be the luck of that deal."
    return (
        [f"The runs did not train on the same patients: their {said}"] if min(len(by_pixels), len(by_row)) > 1 else []
    )


def differing(runs) -> list[tuple]:
    """Fields of the recipes that are not the same in all runs; of paths the last part alone."""
    flat = [dict(_leaves({k: v for k, v in run.recipe.items() if k not in ("name", "out")})) for run in runs]
    fields = dict.fromkeys(field for each in flat for field in each)
    table = [(field, [each.get(field, words.NOTHING) for each in flat]) for field in fields]
    return [(field, values) for field, values in table if len(set(values)) > 1]


def _leaves(value, place=""):
    """`("phases.0.epochs", "3")`, … of nested dicts and lists."""
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict) for each in value)):
        items = value.items() if isinstance(value, dict) else enumerate(value, 1)
        for key, each in items:
            yield from _leaves(each, f"{place}.{key}" if place else str(key))
    else:
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield place, text.replace("\\", "/").rpartition("/")[2] if place.endswith("index") else text
