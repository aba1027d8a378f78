"""The results of a restoration as a terminal shows them."""

from __future__ import annotations

from radzoo.report import words
from radzoo.report.restoration.words import PSNR, SHARPNESS, SSIM, ends, entry, error, unit, way
from radzoo.report.terminal import aligned


def table(metrics: dict) -> str:
    """The results as plain text; the way that was chosen on validation is starred.

    Args:
        metrics: the content of `metrics.json`.
    """
    best, measure, claim = metrics["rows"][metrics["best"]], error(metrics), metrics["tested"]["claim"]
    first, *others = best["windows"]
    where = f"over {metrics['folds']} folds" if metrics["folds"] else "test"
    titles = [f"RMSE {first['window']} {where}{' (95 % interval)' if claim else ''}", "PSNR", "SSIM", "sharpness"]
    lines = [("", "model", "way", "RMSE validation", *titles, *(f"RMSE {each['window']}" for each in others))]
    for row in metrics["rows"]:
        here = entry(row, first["window"])
        told = measure.told(here["rmse"]) if claim else measure.number(here["rmse"]["value"])
        validation = row["choice"] * best["windows"][-1]["data_range"]
        three = [each.number(here[each.key]["value"]) for each in (PSNR, SSIM, SHARPNESS)]
        lines.append((
            "*" if row is best else "", row["model"], words.way(row) if row["model"] else way(metrics, row),
            measure.number(validation), told, *three,
            *(measure.number(entry(row, each["window"])["rmse"]["value"]) for each in others),
        ))  # fmt: skip
    tested = metrics["tested"]
    amount = f"{words.plural(tested['cases'], 'case')} of {words.plural(tested['patients'], 'patient')}"
    ranges = ", ".join(f"{each['window']} {ends(metrics, each)}" for each in best["windows"])
    said = [f"* chosen on validation; tested on {amount}" + ("" if claim else ", too few for a claim")]
    height = unit(metrics, f"{first['data_range']:g}")
    said += [f"windows: {ranges}; PSNR, SSIM and sharpness in {first['window']}, data range {height}"]
    return "\n".join([*aligned(lines), *said, *(["the images are synthetic"] if metrics["synthetic"] else [])])
