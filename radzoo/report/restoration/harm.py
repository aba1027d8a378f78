"""What a lower error may have cost: steep edges, faint contrast, right HU."""

from __future__ import annotations

import pandas as pd

from radzoo.report.restoration.words import SHARPNESS, came, ends, entry, way
from radzoo.report.words import listed, percent

BLUR = 0.1  # by which edges may be less steep than those of another way
SHIFT = 5.0  # HU that the mean of a tissue may be off: what the ACR asks of water
KEPT = 0.8  # of an insert's contrast that has to remain
FAINTEST = 5.0  # HU of contrast below which noise decides what remains


def blurred(run) -> list[str]:
    """Windows in which the edges are less steep than another way leaves them, or than in the target where there is
    no other."""
    said = []
    for window in run.best["windows"]:
        sharp = {row["name"]: entry(row, window["window"])["sharpness"]["value"] for row in run.rows}
        own = sharp.pop(run.best["name"])
        others = [row for row in run.rows if sharp.get(row["name"]) is not None]
        first = run.noisy if run.noisy in others else max(others, key=lambda row: sharp[row["name"]], default=None)
        limit = sharp[first["name"]] if first else 1.0
        if own is not None and own < limit - BLUR:
            beside = f", {SHARPNESS.number(limit)} times in {way(run.metrics, first, sentence=True)}" if first else ""
            said.append(
                f"Edges in the {window['window']} window ({ends(run.metrics, window)}) are {SHARPNESS.number(own)} "
                f"times as steep as in the target{beside}: part of the lower error is blurring."
            )
    return said


def biases(table: pd.DataFrame) -> pd.DataFrame:
    """`mean low high` of the bias over cases, by way and tissue."""
    return table.groupby(["way", "tissue"], sort=False)["bias"].agg(mean="mean", low="min", high="max")


def shifted(run) -> list[str]:
    """Tissues whose mean HU are off."""
    if run.tissues is None:
        return []
    found = biases(run.tissues)["mean"]
    own = found[run.best["name"]]
    told = []
    for tissue, bias in own[own.abs() > SHIFT].items():
        before = found.get(("noisy", tissue)) if run.noisy else None
        beside = f" (in the {came(run.metrics)} {_hu(before)})" if before is not None else ""
        told.append(f"{tissue} by {_hu(bias)}{beside}")
    return [f"Mean HU are shifted by more than {SHIFT:g}: {listed(told)}."] if told else []


def _hu(value) -> str:
    return f"{value:+.1f}".replace("-", "\N{MINUS SIGN}")


def contrasts(run) -> pd.DataFrame:
    """The means over cases, by way and insert: `contrast noise cnr`; the medians `width_mm mtf50`; and `kept`, the
    part of the contrast in the image as it came that is left (NaN without such an image, or of too faint a one)."""
    table = run.inserts.assign(contrast=run.inserts["mean"] - run.inserts["background"])
    middle = {name: (name, "mean") for name in ("contrast", "noise", "cnr")}
    middle |= {name: (name, "median") for name in ("width_mm", "mtf50")}
    found = table.groupby(["way", "insert"], sort=False).agg(**middle)
    before = found.loc["noisy", "contrast"] if run.noisy else pd.Series(dtype=float)
    first = found.index.get_level_values("insert").map(before.where(before.abs() >= FAINTEST))
    return found.assign(kept=found["contrast"].to_numpy() / first.to_numpy(float))


def lost(run) -> list[str]:
    """Inserts whose contrast went with the noise."""
    if run.inserts is None:
        return []
    kept = contrasts(run)["kept"][run.best["name"]]
    told = [f"{insert} keeps {percent(part)}" for insert, part in kept[kept < KEPT].items()]
    if not told:
        return []
    return [f"Contrast is lost with the noise: of what it has in the {came(run.metrics)}, {listed(told)}."]
