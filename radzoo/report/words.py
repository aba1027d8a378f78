"""What the page says in words: the headline, the cautions, the names of the ways, and how numbers are written."""

from __future__ import annotations

import numpy as np

FEW_PATIENTS = 50
NOTHING = "\N{EN DASH}"
PURPOSE = {"features": "fixed features", "finetune": "fine-tuning", "scratch": "training from scratch"}


def way(row, sentence=False) -> str:
    """How a row of results is called in a table, or within a sentence."""
    model = row["model"]
    short = {"finetune": "fine-tuned", "scratch": "from scratch", "majority": "majority class"}
    long = {"finetune": f"fine-tuned {model}", "scratch": f"{model} trained from scratch"}
    if row["way"] == "features":
        return f"fixed features of {model} with {row['detail']}" if sentence else f"fixed features + {row['detail']}"
    return (long if sentence else short).get(row["way"], short.get(row["way"], row["way"]))


def headline(run) -> list[str]:
    """The answer in a few plain sentences; the first is the title of the page."""
    best, test = run.best, run.best["test"]
    area = test["auc"]
    if area["value"] is None:
        return [f"The test images allow no AUC: {test['note'] or 'one class is missing'}."]
    kinds = "findings" if run.task == "multilabel" else "classes"
    among = [entry for entry in test["per_class"].values() if entry["auc"]["value"] is not None]
    what = f"for {run.titles[0]}" if run.task == "binary" else f"as the mean over {len(among)} {kinds}"
    ways = sum(row["way"] != "majority" for row in run.metrics["rows"])
    choice = "the only way that was tried" if ways == 1 else f"the best of {ways} ways on the validation images"
    name = way(best, sentence=True)
    said = [
        f"{name[0].upper() + name[1:]} reached a test AUC of {number(area['value'])} {what} (95 % CI {span(area)}).",
        f"It was {choice}, and was then tried on {test['images']} test images of {test['patients']} patients "
        "that no training and no choice had seen.",
    ]
    if run.task == "binary" and test["confusion"]:
        (right, alarm), (missed, found) = test["confusion"]
        said.append(
            f"At the threshold fixed on validation it found {found} of {found + missed} images with {run.titles[0]} "
            f"and raised a false alarm in {alarm} of {alarm + right} without."
        )
    return said + _against_scratch(run)


def _against_scratch(run) -> list[str]:
    if run.scratch is None:
        return ["No network was trained from scratch in this run: what the transfer is worth stays open."]
    if run.scratch is run.best:
        return ["No kind of transfer did better than that on validation."]
    base, pair = run.scratch["test"]["auc"], _pair(run, run.best, run.scratch)
    said = f"Starting from random weights, {run.scratch['model']} reached {number(base['value'])} ({span(base)})"
    if pair is None or pair["low"] is None:
        return [said + "."]
    if base["low"] == base["high"] == 0.5:
        return [f"{said}: it says the same for every image. It learned nothing, so the comparison says little."]
    gain = f"the paired difference is {signed(pair['difference'])} ({signed(pair['low'])} to {signed(pair['high'])})"
    if pair["low"] > 0:
        verdict = "an interval that excludes 0: here the transfer helped."
    elif pair["high"] < 0:
        verdict = "an interval that excludes 0: here the transfer did harm."
    else:
        verdict = "an interval that includes 0: these images do not show that the transfer helped."
    return [f"{said}; {gain}, {verdict}"]


def cautions(run) -> list[str]:
    """What a careful reader should know before believing the headline."""
    test = run.best["test"]
    low, high = test["auc"]["low"], test["auc"]["high"]
    said = []
    if low is not None and low <= 0.5 <= high:
        said.append("The interval includes 0.5, the AUC of a coin toss: this result cannot be told from guessing.")
    if test["patients"] < FEW_PATIENTS:
        said.append(f"Only {test['patients']} patients were tested: every number here is a rough estimate.")
    if test["note"]:
        said.append(f"Test images: {test['note']}.")
    lost = test["auc"].get("undefined")
    if lost:
        said.append(f"In {lost} of {run.recipe['bootstrap']} resamples one class was missing; they are left out.")
    return said + list(run.metrics["notes"])


def table(metrics: dict) -> str:
    """The results as plain text for a terminal; the way that was chosen on validation is starred.

    Args:
        metrics: the content of `metrics.json`.
    """
    best = chosen(metrics)
    lines = [("", "model", "way", "AUC validation", "AUC test (95 % interval)", "average precision")]
    for row in metrics["rows"]:
        area = row["test"]["auc"]
        lines.append((
            "*" if row is best else "", row["model"], way(row), number(row["validation"]["auc"]["value"]),
            f"{number(area['value'])} ({span(area)})", number(row["test"]["average_precision"]["value"]),
        ))  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    said = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    said.append("* chosen on validation" + (" - the images are synthetic" if metrics["synthetic"] else ""))
    return "\n".join(said)


def chosen(metrics: dict) -> dict:
    """The row with the highest AUC on validation: the test part takes no part in any choice."""
    trained = [row for row in metrics["rows"] if row["way"] != "majority"]
    return max(trained, key=lambda row: row["validation"]["auc"]["value"] or 0)


def _pair(run, one, two):
    """The stored comparison of two rows, turned so that it reads `one` minus `two`; None where there is none."""
    names = [_key(one), _key(two)]
    for pair in run.metrics["comparisons"]:
        if [pair["a"], pair["b"]] == names:
            return pair
        if [pair["b"], pair["a"]] == names and pair["low"] is not None:
            return pair | {"difference": -pair["difference"], "low": -pair["high"], "high": -pair["low"]}
    return None


def comparison(run, pair) -> dict:
    """A stored comparison as the table writes it."""
    rows = {_key(row): row for row in run.metrics["rows"]}
    names = {end: way(rows[pair[end]], sentence=True) if pair[end] in rows else pair[end] for end in "ab"}
    p = pair["p"]
    return names | {
        "difference": signed(pair["difference"]),
        "span": NOTHING if pair["low"] is None else f"{signed(pair['low'])} to {signed(pair['high'])}",
        "p": NOTHING if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}",
    }


def _key(row):
    return f"{row['model']} {row['way']}"


def number(value) -> str:
    """Two decimals; three where two would pretend to a perfect 1."""
    if value is None:
        return NOTHING
    text = f"{value:.2f}"
    return text if text != "1.00" or value == 1 else f"{np.floor(value * 1000) / 1000:.3f}"


def span(measured) -> str:
    """The interval of a measured number, `0.71 to 0.93`."""
    return NOTHING if measured["low"] is None else f"{number(measured['low'])} to {number(measured['high'])}"


def signed(value) -> str:
    """A difference with its sign, two decimals."""
    return NOTHING if value is None else f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


def percent(value) -> str:
    """A share as whole per cent."""
    return NOTHING if value is None else f"{100 * value:.0f} %"
