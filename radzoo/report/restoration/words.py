"""What the page calls a way, a window and a number."""

from __future__ import annotations

from radzoo.baselines.denoisers import DENOISERS
from radzoo.report import words
from radzoo.report.measure import Measure, decimals

NOISY = "noisy"
CAME = {"low_dose": "noisy image", "sparse_view": "image of few views"}  # what a way named noisy is
PSNR, SSIM = Measure("psnr", "PSNR", "psnr", 2), Measure("ssim", "SSIM", "ssim", 3)
SHARPNESS = Measure("sharpness", "sharpness", "sharpness", 2)
SPACE = "\N{NO-BREAK SPACE}"


def came(metrics) -> str:
    """The degraded image, as it came."""
    return CAME.get((metrics["simulated"] or {}).get("simulate"), "image as it came")


def way(metrics, row, sentence: bool = False) -> str:
    """How a row is called in a table, or within a sentence."""
    if row["model"]:
        return words.way(row, True) if sentence else f"{row['model']}, {words.way(row)}"
    if row["name"] == NOISY:
        return f"the {came(metrics)}" if sentence else came(metrics)
    return DENOISERS[row["name"]]


def named(metrics, name: str) -> str:
    """A way by the name that the tables of the run have for it."""
    return way(metrics, next(row for row in metrics["rows"] if row["name"] == name))


def error(metrics) -> Measure:
    """How the RMSE is written: HU with one decimal, other units with three digits."""
    value = entry(metrics["rows"][metrics["best"]], metrics["rows"][0]["windows"][0]["window"])["rmse"]["value"]
    return Measure("rmse", "RMSE", "rmse", 1 if metrics["unit"] == "HU" else decimals(value))


def entry(row, window: str) -> dict:
    """The measures of a row in one window."""
    return next(each for each in row["windows"] if each["window"] == window)


def unit(metrics, text: str) -> str:
    """A number with its unit."""
    return text if text == words.NOTHING or not metrics["unit"] else f"{text}{SPACE}{metrics['unit']}"


def ends(metrics, window) -> str:
    """`−160 to 240 HU`."""
    low, high = (f"{window[end]:g}".replace("-", "\N{MINUS SIGN}") for end in ("low", "high"))
    return f"{low} to {unit(metrics, high)}"


def difference(metrics, row, window: str) -> dict | None:
    """The chosen way's error minus that of another row, `{"value", "low", "high", "p"}`."""
    same = (each for each in metrics["differences"] if (each["other"], each["window"]) == (row["name"], window))
    return next((each["difference"] for each in same), None)
