"""What a lower error may have cost: steep edges, faint contrast, right HU."""

from __future__ import annotations

import pandas as pd

from radzoo.metrics.tissue import TISSUES
from radzoo.report.restoration.words import NOISY, SHARPNESS, came, entry, way
from radzoo.report.words import listed, percent

BLUR = 0.1  # by which edges may be less steep, as parts of the target's
SHIFT = 5.0  # HU that the mean of a tissue may be off, about what quality control of scanners allows water
KEPT = 0.8  # of an insert's contrast that has to remain
FAINTEST = 5.0  # HU of contrast below which noise decides what remains


def blurred(run) -> list[str]:
    """Windows in which edges are less steep than in the image as it came (without one, than in the target)."""
    told = []
    for window in run.best["windows"]:
        own = window["sharpness"]["value"]
        before = entry(run.noisy, window["window"])["sharpness"]["value"] if run.noisy else 1.0
        if own is not None and before is not None and own < before - BLUR:
            beside = f" against {SHARPNESS.number(before)}" if run.noisy else ""
            told.append(f"{SHARPNESS.number(own)}{beside} ({window['window']} window)")
    if not told:
        return []
    than = way(run.metrics, run.noisy, sentence=True) if run.noisy else "the target"
    lower = run.noisy and run.window["rmse"]["value"] < entry(run.noisy, run.window["window"])["rmse"]["value"]
    so = ": part of the lower error is blurring" if lower else ""
    return [f"Edges are less steep than in {than}; where the target has 1, they have {listed(told)}{so}."]


def biases(table: pd.DataFrame) -> pd.DataFrame:
    """`mean low high` of the bias over cases, by way and tissue, from air to bone."""
    table = table.assign(
        tissue=pd.Categorical(table["tissue"], [name for name in TISSUES if name in set(table["tissue"])])
    )
    return table.groupby(["way", "tissue"], observed=True)["bias"].agg(mean="mean", low="min", high="max")


def shifted(run) -> list[str]:
    """Tissues whose mean HU are off, and more so than in the image as it came."""
    if run.tissues is None:
        return []
    found, told = biases(run.tissues)["mean"], []
    for tissue, bias in found[run.best["name"]].items():
        before = found[NOISY][tissue] if run.noisy else 0.0
        if abs(bias) > max(SHIFT, abs(before)):
            told.append(
                f"{tissue} by {_hu(bias)}" + (f" (in the {came(run.metrics)} {_hu(before)})" if run.noisy else "")
            )
    return [f"Mean HU are shifted by more than {SHIFT:g}: {listed(told)}."] if told else []


def _hu(value) -> str:
    return f"{value:+.1f}".replace("-", "\N{MINUS SIGN}")


def contrasts(run) -> pd.DataFrame:
    """By way and insert the mean over cases of `contrast`, the medians of `noise cnr width_mm mtf50`, for a ring around
    a small insert may hold another tissue; and `kept`, the part of the contrast in the image as it came that is left
    (NaN without such an image, or of too faint a one)."""
    table = run.inserts.assign(contrast=run.inserts["mean"] - run.inserts["background"])
    middle = {name: (name, "median") for name in ("noise", "cnr", "width_mm", "mtf50")}
    found = table.groupby(["way", "insert"], sort=False).agg(contrast=("contrast", "mean"), **middle)
    before = found.loc[NOISY, "contrast"] if run.noisy else pd.Series(dtype=float)
    first = found.index.get_level_values("insert").map(before.where(before.abs() >= FAINTEST))
    return found.assign(kept=found["contrast"].to_numpy() / first.to_numpy(float))


def share(part) -> str:
    """`47 %`; of contrast that turned over below 0."""
    return percent(part).replace("-", "\N{MINUS SIGN}")


def lost(run) -> list[str]:
    """Inserts whose contrast went with the noise."""
    if run.inserts is None:
        return []
    kept = contrasts(run)["kept"][run.best["name"]]
    told = [f"{insert} keeps {share(part)}" for insert, part in kept[kept < KEPT].items()]
    if not told:
        return []
    return [f"Contrast is lost with the noise: of what it has in the {came(run.metrics)}, {listed(told)}."]
