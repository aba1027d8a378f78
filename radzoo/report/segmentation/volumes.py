"""Volumes in millilitres: predicted against true, class by class (Bland & Altman, Lancet 1986)."""

from __future__ import annotations

from radzoo.metrics import evaluate_regression
from radzoo.report import agreement, figures, words
from radzoo.report.measure import Measure, decimals
from radzoo.report.segmentation.reading import cases_of
from radzoo.report.segmentation.words import colour


def compare(run) -> list[dict]:
    """The agreement of each class over the cases where truth or prediction has it.

    Returns:
        `{"class", "cases", "claim", "truth", "predicted", "bias", "span", "low", "high", "figure"}`, written as the
        page shows them; empty where volumes are unknown.
    """
    table = cases_of(run, run.best)
    table = table[(table["status"] != "both_empty") & table["truth_ml"].notna() & table["predicted_ml"].notna()]
    return [_class(run, k, name, table[table["class"] == name]) for k, name in enumerate(run.classes) if len(table)]


def _class(run, k, name, table):
    truth, predicted = table["truth_ml"].to_numpy(float), table["predicted_ml"].to_numpy(float)
    found = {"class": name, "cases": len(table), "claim": False}
    if not len(table):
        return found
    entry = evaluate_regression(
        truth, predicted, table["patient"].to_numpy(), bootstrap=run.recipe["bootstrap"], seed=run.recipe["seed"]
    )
    if not entry["claim"]:
        return found
    measure = Measure("mae", "MAE", "spearman", decimals(entry["truth_sd"]))
    path = run.folder / "figures" / f"volume_{k + 1}.png"
    label = f"volume of {words.plain(name)} (ml)"
    drawn = agreement.bland_altman(path, truth, predicted, entry, measure, label, colour(run.best))
    return found | {
        "claim": True,
        "truth": measure.number(truth.mean()),
        "predicted": measure.number(predicted.mean()),
        "bias": measure.signed(entry["bias"]["value"]),
        "span": measure.span(entry["bias"]),
        "low": measure.signed(entry["agreement_low"]["value"]),
        "high": measure.signed(entry["agreement_high"]["value"]),
        "figure": figures.inline(drawn),
    }
