"""What a lower error may have cost: steep edges, faint contrast, right HU."""

from __future__ import annotations

import pandas as pd

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
    return [
        f"Edges are less steep than in {than}, as parts of the target\N{RIGHT SINGLE QUOTATION MARK}s "
        f"{listed(told)}: part of the lower error is blurring."
    ]


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
        before = found.get((NOISY, tissue)) if run.noisy else None
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
    before = found.loc[NOISY, "contrast"] if run.noisy else pd.Series(dtype=float)
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
