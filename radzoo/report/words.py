"""How the page writes numbers, amounts and the names of the ways."""

from __future__ import annotations

import numpy as np

from radzoo.metrics import FEW

NOTHING = "\N{EN DASH}"
PURPOSE = {"features": "fixed features", "finetune": "fine-tuning", "scratch": "training from scratch"}
SHORT = {
    "features": "fixed features", "finetune": "fine-tuned", "scratch": "from scratch", "majority": "majority class",
}  # fmt: skip
ENSEMBLE = "ensemble"  # the model of a row that several models answered together
MANY = {
    "image": "images", "study": "studies", "patient": "patients", "case": "cases",
    "finding": "findings", "class": "classes", "cut": "cuts",
}  # fmt: skip


def way(row, sentence=False) -> str:
    """How a row of results is called in a table, or within a sentence."""
    model = row["model"]
    if model == ENSEMBLE:
        how = "with" if row["way"] == "features" else "by"
        made = f"the ensemble of {listed(members(row)[0])} {how} {PURPOSE[row['way']]}"
        return made if sentence else f"ensemble, {SHORT[row['way']]}"
    if row["way"] == "majority" and "mae" in row["test"]:
        return "the same number for everybody"
    long = {"finetune": f"fine-tuned {model}", "scratch": f"{model} trained from scratch"}
    if row["way"] == "features":
        kind = "regressor" if "mae" in row["test"] else "classifier"
        head = f"a {kind} chosen in each fold" if "; " in row["detail"] else row["detail"]
        return f"fixed features of {model} with {head}" if sentence else f"fixed features + {head}"
    return (long if sentence else SHORT).get(row["way"], SHORT.get(row["way"], row["way"]))


def network(row) -> str:
    """The network of a trained row within a sentence."""
    return "the ensemble" if row["model"] == ENSEMBLE else row["model"]


def members(row) -> tuple[list[str], list[str]]:
    """The names of the members of an ensemble, and their weights, `0.33 : 0.67`, once for each kind of the folds."""
    names, _, weights = row["detail"].rpartition(", ")
    return names.split(" + "), weights.split("; ")


def key(row) -> str:
    """How the comparisons of `metrics.json` call a row."""
    return f"{row['model']} {row['way']}".strip()


def chosen(metrics: dict) -> dict:
    """The row of `metrics.json` that the run chose on validation."""
    best = metrics["best"]
    return next(row for row in metrics["rows"] if (row["model"], row["way"]) == (best["model"], best["way"]))


def plural(count: int, one: str) -> str:
    """`1 image`, `2 studies`."""
    return f"{count} {one if count == 1 else MANY[one]}"


def amount(entry, unit: str) -> str:
    """What an evaluation counts: `133 images of 66 patients`, or only `66 patients` where those are the unit."""
    if unit == "patient":
        return plural(entry["images"], unit)
    return f"{plural(entry['images'], unit)} of {plural(entry['patients'], 'patient')}"


def tally(entry) -> str:
    """What stands where the AUC would stand, had there been patients enough for one."""
    if "events" not in entry:  # numbers have no events
        return plural(entry["patients"], "patient")
    events, others = (np.atleast_1d(entry[name]) for name in ("events", "non_events"))
    if len(events) > 1:
        return f"no {'cut' if 'grades' in entry else 'class'} with {FEW} and {FEW}"
    return f"{events[0]} with, {others[0]} without"


def rates(entry) -> dict[str, str]:
    """Sensitivity, specificity and accuracy as a table writes them: as counts where nothing is claimed."""
    names = ("sensitivity", "specificity", "accuracy")
    if entry["claim"] or not entry.get("confusion") or len(entry["confusion"]) > 2:
        claimed = [entry.get(name) if entry["claim"] else None for name in names]
        return {name: number((measured or {}).get("value")) for name, measured in zip(names, claimed, strict=True)}
    (right, alarm), (missed, found) = entry["confusion"]
    shares = (found, found + missed), (right, right + alarm), (found + right, found + missed + right + alarm)
    return {name: f"{part} of {whole}" for name, (part, whole) in zip(names, shares, strict=True)}


def number(value) -> str:
    """Two decimals; three where two would pretend to a perfect 1."""
    if value is None:
        return NOTHING
    text = f"{value:.2f}".replace("-", "\N{MINUS SIGN}" if value <= -0.005 else "")
    return text if text != "1.00" or value >= 1 else f"{np.floor(value * 1000) / 1000:.3f}"


def probability(value) -> str:
    """`= 0.87`; nothing is certain, so no rounding to 0 or 1."""
    return "< 0.01" if value < 0.005 else "> 0.99" if value >= 0.995 else f"= {value:.2f}"


def three(value) -> str:
    """Three decimals: differences of Brier scores are small."""
    return NOTHING if value is None else f"{value:.3f}"


def span(measured) -> str:
    """The interval of a measured number, `0.71 to 0.93`."""
    if not measured or measured["low"] is None:
        return NOTHING
    return f"{number(measured['low'])} to {number(measured['high'])}"


def signed(value, places: int = 2) -> str:
    """A difference with its sign."""
    return NOTHING if value is None else f"{value:+.{places}f}".replace("-", "\N{MINUS SIGN}")


def percent(value) -> str:
    """A share as whole per cent."""
    return NOTHING if value is None else f"{100 * value:.0f} %"


def listed(items) -> str:
    """`a, b and c`."""
    *rest, last = items
    return f"{', '.join(rest)} and {last}" if rest else last


def capital(text: str) -> str:
    """The first letter large, the others as they are."""
    return text[:1].upper() + text[1:]


def plain(text: str) -> str:
    """A name without the dollar signs that matplotlib would read as mathematics."""
    return text.replace("$", r"\$")
