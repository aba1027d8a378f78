"""What the tables and curves of the page hold: ways and windows, differences, noise, inserts, tissues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from radzoo.report import figures, words
from radzoo.report.measure import Measure
from radzoo.report.restoration import curves, harm
from radzoo.report.restoration.words import PSNR, SHARPNESS, SSIM, ends, entry, unit, way

HU, FREQUENCY, RIM = (Measure("", "", "", decimals) for decimals in (1, 3, 2))


def windows(run) -> list[dict]:
    """For each window `{"name", "ends", "range", "rows"}`, a row `{"row", "cells": [(number, interval)]}`: RMSE, RMSE
    in the body (where it is known), PSNR, SSIM and sharpness."""
    inside = Measure("rmse_body", "RMSE in the body", "rmse_body", run.measure.decimals)
    columns = (run.measure, *([inside] if run.unit == "HU" else []), PSNR, SSIM, SHARPNESS)
    found = []
    for window in run.best["windows"]:
        rows = [
            {"row": row, "cells": [_cell(run, each, entry(row, window["window"])[each.key]) for each in columns]}
            for row in run.rows
        ]
        height = unit(run.metrics, f"{window['data_range']:g}")
        found.append({"name": window["window"], "ends": ends(run.metrics, window), "range": height, "rows": rows})
    return found


def _cell(run, measure: Measure, found) -> tuple[str, str]:
    interval = measure.span(found) if run.test["claim"] and found["low"] is not None else ""
    return measure.number(found["value"]), interval


def differences(run) -> list[dict]:
    """The stored differences of the error, as the table writes them."""
    found = []
    for pair in run.metrics["differences"]:
        gap, row = pair["difference"], next(row for row in run.rows if row["name"] == pair["other"])
        low, high = (run.measure.signed(gap[end]) for end in ("low", "high"))
        found.append({
            "other": way(run.metrics, row, sentence=True),
            "window": f"{pair['window']}, {ends(run.metrics, pair)}",
            "gap": f"{run.measure.signed(gap['value'])} ({low} to {high})",
            "p": words.NOTHING if gap["p"] is None else "< 0.001" if gap["p"] < 0.001 else f"{gap['p']:.3f}",
        })  # fmt: skip
    return found


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The mean of the spectra of several cases, as `curves.noise_power` draws it."""

    radial: tuple[np.ndarray, np.ndarray]
    sd: float
    mean_frequency: float


def spectra(run) -> dict[str, Spectrum]:
    """By way, over the frequencies that all cases have: their pixels may differ in size."""
    found = {}
    ends_ = run.noise.groupby(["way", "row"])["frequency"].agg(["min", "max"])
    grid = np.arange(ends_["min"].max(), ends_["max"].min() * 1.001, ends_["min"].max())
    for row in run.rows:
        cases = [case for _, case in run.noise[run.noise["way"] == row["name"]].groupby("row")]
        if cases:
            power = np.mean([np.interp(grid, case["frequency"], case["power"]) for case in cases], axis=0)
            sd, mean = (float(np.mean([case[name].iloc[0] for case in cases])) for name in ("sd", "mean_frequency"))
            found[row["name"]] = Spectrum((grid, power), sd, mean)
    return found


def noise(run) -> dict | None:
    """`{"figure", "rows": [{"row", "sd", "frequency"}]}`, None where no noise was measured."""
    if run.noise is None:
        return None
    found = spectra(run)
    titles = {row["name"]: words.plain(way(run.metrics, row)) for row in run.rows if row["name"] in found}
    path = curves.noise_power(run.folder / "figures" / "noise.png", found, titles)
    rows = [
        {"row": row, "sd": HU.number(here.sd), "frequency": FREQUENCY.number(here.mean_frequency)}
        for row in run.rows
        if (here := found.get(row["name"]))
    ]
    return {"figure": figures.inline(path), "rows": rows}


def inserts(run) -> list[dict]:
    """`[{"name", "rows": [{"row", "cells"}]}]`: contrast, what is left of it, noise, CNR, width and MTF of the rim."""
    if run.inserts is None:
        return []
    found = harm.contrasts(run)
    return [
        {"name": name, "rows": [{"row": row, "cells": _insert(found.loc[row["name"], name])} for row in run.rows]}
        for name in dict.fromkeys(run.inserts["insert"])
    ]


def _insert(line: pd.Series) -> list[str]:
    line = line.astype(object).where(line.notna(), None)
    kept = harm.share(line["kept"])
    shown = [HU.signed(line["contrast"]), kept, HU.number(line["noise"]), HU.number(line["cnr"])]
    return [*shown, RIM.number(line["width_mm"]), RIM.number(line["mtf50"])]


def tissues(run) -> list[dict]:
    """`[{"name", "cells": [(bias, range, whether it is much)]}]`, a cell for each way."""
    if run.tissues is None:
        return []
    found, rows = harm.biases(run.tissues), []
    for tissue in found.loc[run.best["name"]].index:
        cells = []
        for row in run.rows:
            here = found.loc[row["name"], tissue]
            span = f"{HU.signed(here['low'])} to {HU.signed(here['high'])}"
            cells.append((HU.signed(here["mean"]), span, abs(here["mean"]) > harm.SHIFT))
        rows.append({"name": tissue, "cells": cells})
    return rows
