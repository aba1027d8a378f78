"""The results as a terminal shows them."""

from __future__ import annotations

from radzoo.report import words
from radzoo.report.words import chosen, number, span


def table(metrics: dict) -> str:
    """The results as plain text for a terminal; the way that was chosen on validation is starred.

    Args:
        metrics: the content of `metrics.json`.
    """
    best, folds = chosen(metrics), metrics["design"]["folds"]
    external = [source["name"] for source in metrics["external"]]
    kind = f"AUC over {folds} folds" if folds else "AUC test"
    lines = [("", "model", "way", "AUC validation", f"{kind} (95 % interval)", "average precision", *external)]
    for row in metrics["rows"]:
        average = row["test"]["average_precision"]["value"] if row["test"]["claim"] else None
        elsewhere = row.get("external") or ["not tried"] * len(external)
        lines.append((
            "*" if row is best else "", row["model"], words.way(row), validation(row["validation"]),
            _area(row["test"]), number(average), *(e if isinstance(e, str) else _area(e) for e in elsewhere),
        ))  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    said = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    said.append("* chosen on validation" + (" - the images are synthetic" if metrics["synthetic"] else ""))
    return "\n".join(said)


def _area(entry):
    return f"{number(entry['auc']['value'])} ({span(entry['auc'])})" if entry["claim"] else words.tally(entry)


def validation(entry) -> str:
    """The AUC that the choice went by: of folds, their mean."""
    if not entry["claim"]:
        return words.tally(entry)
    mean = entry.get("fold_mean")
    return number(mean["auc"] if mean else entry["auc"]["value"])
