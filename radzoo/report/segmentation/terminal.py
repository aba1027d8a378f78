"""The results of a segmentation as a terminal shows them."""

from __future__ import annotations

from radzoo.report import words
from radzoo.report.segmentation.words import length, told, way, with_claims
from radzoo.report.terminal import aligned
from radzoo.report.words import number


def table(metrics: dict) -> str:
    """The results as plain text; the way that was chosen on validation is starred.

    Args:
        metrics: the content of `metrics.json`.
    """
    classes, unit = metrics["classes"], metrics["unit"]
    where = f"Dice over {metrics['folds']} folds" if metrics["folds"] else "Dice test"
    each = [f"Dice {name}" for name in classes] if len(classes) > 1 else []
    lines = [("", "model", "way", "Dice validation", f"{where} (95 % interval)", *each, *_distances(classes))]
    for i, row in enumerate(map(with_claims, metrics["rows"])):
        test = row["test"]
        cells = [test["per_class"][name] for name in classes]
        said = told(test["dice"]) if test["claim"] else words.plural(test["patients"], "patient")
        dice = [number(cell["dice"]["value"]) if cell["claim"] else words.NOTHING for cell in cells if each]
        hd95 = [length(cell["hd95"]["value"], unit) if cell["claim"] else words.NOTHING for cell in cells]
        chosen = "*" if i == metrics["best"] else ""
        lines.append((chosen, row["model"], way(row), number(row["choice"]), said, *dice, *hd95))
    said = aligned(lines)
    said += [f"{name}: {outcome}" for name in classes if (outcome := _lost(metrics, name))]
    said.append("* chosen on validation" + (" - the images are synthetic" if metrics["synthetic"] else ""))
    return "\n".join(said)


def _distances(classes) -> list[str]:
    return [f"HD95 {name}" if len(classes) > 1 else "HD95" for name in classes]


def _lost(metrics, name) -> str:
    """In how many cases the chosen way found nothing where there is something, and the other way round."""
    entry = metrics["rows"][metrics["best"]]["test"]["per_class"][name]
    counts = [f"{entry[what]} {what.replace('_', ' ')}" for what in ("missed", "invented", "both_empty") if entry[what]]
    return ", ".join(counts)
