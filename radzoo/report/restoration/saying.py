"""The first paragraph: how far the error fell, against what, and what speaks against calling that an improvement."""

from __future__ import annotations

from radzoo.metrics import FEW
from radzoo.report import words
from radzoo.report.restoration import harm
from radzoo.report.restoration.words import PSNR, SHARPNESS, SSIM, difference, ends, entry, unit, way
from radzoo.report.words import listed, plural

FEW_PATIENTS = 50


def headline(run) -> str:
    """The title of the page: the error of the chosen way and of what it has to beat, or why there is no claim."""
    test = run.test
    if not test["claim"]:
        were = "was" if test["patients"] == 1 else "were"
        return f"{plural(test['patients'], 'patient')} {were} tested: too few for a claim; at least {FEW} are needed."
    name = words.capital(way(run.metrics, run.best, sentence=True))
    rmse, others = run.window["rmse"], [row for row in (run.noisy, better(run)) if row]
    span = f" (95 % CI {run.measure.span(rmse)})" if rmse["low"] is not None else ""
    said = f"{name} leaves an error (RMSE) of {hu(run, rmse['value'])}{span} in {_window(run)}"
    if others:
        against = [f"{hu(run, error_of(run, row))} {_by(run, row)}" for row in others]
        said += f", where there are {listed(against)}"
    how = ", cross-validated on" if run.folds else ", in"
    return f"{said}{how} {plural(test['patients'], 'patient')}."


def hu(run, value) -> str:
    """An error with its unit."""
    return unit(run.metrics, run.measure.number(value))


def error_of(run, row) -> float | None:
    """The mean RMSE of a row in the window of the headline."""
    return entry(row, run.window["window"])["rmse"]["value"]


def better(run) -> dict | None:
    """The classical denoiser with the smaller error."""
    return min(run.classical, key=lambda row: error_of(run, row), default=None)


def _by(run, row) -> str:
    name = way(run.metrics, row, sentence=True)
    if row is run.noisy:
        return f"in {name}"
    most = {1: "", 2: ", the better of the classical ways"}.get(len(run.classical), ", the best of the classical ways")
    return f"after {name}{most}"


def _window(run) -> str:
    name = run.window["window"]
    return f"the {'full' if name == 'full' else name} window ({ends(run.metrics, run.window)})"


def level(run, window: str) -> list[dict]:
    """Baselines that have not been shown to err more than the chosen way in a window; of few patients those that err
    no more."""
    found = []
    for row in [row for row in (run.noisy, *run.classical) if row]:
        gain = difference(run.metrics, row, window)
        end = gain["high"] if run.test["claim"] else gain["value"]
        found += [row] if end is None or end >= 0 else []
    return found


def alarms(run) -> list[str]:
    """What puts the headline in doubt, in one sentence each."""
    return [*_no_better(run), *harm.lost(run), *harm.blurred(run), *harm.shifted(run)]


def _no_better(run) -> list[str]:
    window = run.window["window"]
    suspect, own = level(run, window), hu(run, error_of(run, run.best))
    if not run.test["claim"]:
        return (
            [f"In these cases the network leaves no less error, {own}, than {_erring(run, suspect)}."]
            if suspect
            else []
        )
    more = [row for row in suspect if (difference(run.metrics, row, window)["low"] or 0) > 0]
    rest = [row for row in suspect if row not in more]
    said = [f"The network leaves more error, {own}, than {_erring(run, more)}."] if more else []
    if rest:
        said.append(f"Against {_erring(run, rest)}, that the network leaves less error has not been shown.")
    return said


def _erring(run, rows) -> str:
    return listed([f"{way(run.metrics, row, sentence=True)} ({hu(run, error_of(run, row))})" for row in rows])


def lead(run) -> list[str]:
    """The sentences after the headline: the test, the gain case by case, and the other measures."""
    return [*_tried(run), *_gain(run), *_others(run)]


def _tried(run) -> list[str]:
    test, ways = run.test, len(run.trained)
    choice = "the only network that was tried" if ways == 1 else f"the best of {ways} ways by their error on validation"
    amount = plural(test["cases"], "case")
    if test["cases"] != test["patients"]:
        amount += f" of {plural(test['patients'], 'patient')}"
    if not run.folds:
        return [f"It is {choice}, and was then tried on {amount} that no training and no choice had seen."]
    return [
        f"Cross-validated over {run.folds} folds by patient: each of {amount} was restored once, by a network trained "
        f"without its patient. It is {choice}."
    ]


def _gain(run) -> list[str]:
    """The paired differences to the image as it came and to the better classical way."""
    if not run.test["claim"]:
        return []
    suspect, told = level(run, run.window["window"]), []
    for row in (run.noisy, better(run)):
        if row and row not in suspect:
            gain = difference(run.metrics, row, run.window["window"])
            low, high = (run.measure.number(-gain[end]) for end in ("high", "low"))
            less = f"{hu(run, -gain['value'])} ({low} to {high}) less than"
            told.append(f"{less} {'in' if row is run.noisy else 'after'} {way(run.metrics, row, sentence=True)}")
    return [f"Case by case its error is {listed(told)}."] if told else []


def _others(run) -> list[str]:
    """PSNR, SSIM and sharpness in the same window."""
    if not run.test["claim"]:
        return []

    def three(row):
        here = entry(row, run.window["window"])
        psnr, ssim, sharp = (each.number(here[each.key]["value"]) for each in (PSNR, SSIM, SHARPNESS))
        return f"PSNR {psnr} dB, SSIM {ssim}, edges {sharp} times as steep as in the target"

    height = unit(run.metrics, f"{run.window['data_range']:g}")
    beside = f"; {way(run.metrics, run.noisy, sentence=True)} has {three(run.noisy)}" if run.noisy else ""
    return [f"Over the {height} of this window it reaches {three(run.best)}{beside}."]


def against_scratch(run) -> str:
    """What ready-made weights were worth; empty where none were tried beside random ones."""
    if run.scratch is None or run.best["way"] == "scratch":
        return ""
    gain = difference(run.metrics, run.scratch, run.window["window"])
    said = f"Starting from random weights, {run.scratch['model']} leaves {hu(run, error_of(run, run.scratch))}"
    if not run.test["claim"] or gain["low"] is None:
        return f"{said}; on how many patients that would hold stays open."
    value, low, high = (run.measure.signed(gain[end]) for end in ("value", "low", "high"))
    verdict = "helped" if gain["high"] < 0 else "did harm" if gain["low"] > 0 else "was not shown to help"
    return f"{said}; the paired difference is {value} ({low} to {high}): the transfer {verdict}."


def cautions(run) -> list[str]:
    """What a careful reader should know before believing the headline."""
    said = []
    if run.test["claim"] and run.test["patients"] < FEW_PATIENTS:
        said.append(f"Only {plural(run.test['patients'], 'patient')} were tested: every number is a rough estimate.")
    for other in run.best["windows"][1:]:
        if suspect := level(run, other["window"]):
            names = listed([way(run.metrics, row, sentence=True) for row in suspect])
            said.append(
                f"In the {other['window']} window ({ends(run.metrics, other)}) the network is not shown to leave less "
                f"error than {names}."
            )
    if run.unit == "HU" and not (run.metrics["synthetic"] or run.metrics["simulated"]):
        said.append("The targets are scans and hold noise of their own, which every error here contains.")
    return said + [words.capital(note.rstrip(".")) + "." for note in run.metrics["notes"]]
