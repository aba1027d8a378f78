"""What no interval of the page knows, and what the calibration means, in sentences."""

from __future__ import annotations

from radzoo.report import words
from radzoo.report.words import number, span, three

ORDINAL = {2: "second", 3: "third", 4: "fourth", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth", 9: "ninth"}


def left_out(run) -> list[dict]:
    """The reasons why the truth may lie outside the interval, as `{"title", "text"}`."""
    own = _of_folds(run) if run.folds else [_one_split()]
    return [*own, _elsewhere(run)]


def _one_split():
    text = (
        "The patients were divided once and every network was trained once, from one seed. Another split or another "
        "seed gives other numbers."
    )
    return {"title": "One split, one seed.", "text": text}


def _of_folds(run):
    parts = [_final(run), _shared(run), _dealt()]
    if len(run.trained) > 1:
        parts.append(_choice(run))
    return [part for part in parts if part]


def _final(run):
    final, count = run.metrics["final"], run.folds + 1
    if final is None:
        return None
    each = round(run.split["row"].nunique() * (run.folds - 2) / run.folds)
    text = (
        f"The model that radzoo predict uses is a further, {ORDINAL.get(count, f'{count}th')} training of the chosen "
        f"way, on {final['train']} images instead of about {each} in each fold. It was not tested itself: the "
        "cross-validated numbers stand for it. It learned from more patients and should do no worse, but nothing here "
        "measures that."
    )
    return {"title": "The final model is another one.", "text": text}


def _shared(run):
    parts, common = run.folds - 2, max(0, run.folds - 3)
    if not common:
        return None
    mean = run.best["test"].get("fold_mean")
    scatter = f" (standard deviation {number(mean['sd'])})" if mean and run.best["test"]["claim"] else ""
    text = (
        f"Two folds have up to {common} of the {parts} blocks of patients that each trains on in common. Their "
        f"networks resemble each other, and the scatter of the folds{scatter} is smaller than that of networks "
        "trained on new patients."
    )
    return {"title": "The folds share training patients.", "text": text}


def _dealt():
    text = "The patients were dealt to the folds once, and one seed started every training."
    return {"title": "One shuffle, one seed.", "text": text}


def _choice(run):
    anew = run.metrics["anew"]
    text = (
        f"The best of {len(run.trained)} ways was chosen on validation images, and each of those is a test image of "
        "another fold: the choice has seen them, which can flatter the number."
    )
    if anew and anew["claim"] and run.best["test"]["claim"]:
        text += (
            " Where every fold takes the way that was best on its own validation part, the pooled AUC is "
            f"{number(anew['auc']['value'])} ({span(anew['auc'])}): that number owes nothing to the choice."
        )
    if len({row["way"] == "features" for row in run.trained}) == 2:
        text += (
            " A network that learns has kept the best of many epochs on the same validation images, fixed features "
            "have not: on few images this favours the network, and the AUC of all folds is the better judge."
        )
    return {"title": "The choice among the ways.", "text": text}


def _elsewhere(run):
    text = "Other scanners, other patients and another share of findings scatter more than any interval from one source"
    if run.metrics["external"]:
        return {"title": "Another hospital.", "text": f"{text}; the external images below are one such test."}
    return {"title": "Another hospital.", "text": f"{text}. No external images were tried in this run."}


def calibration(run) -> list[str]:
    """What the numbers under the reliability curve say, for the chosen way of a binary task."""
    test = run.best["test"]
    before = test["uncalibrated"]
    said = []
    if before:
        said.append(
            f"The probabilities were corrected on validation. Before that, intercept {_number(before, 'intercept')}, "
            f"slope {_number(before, 'slope')}, Brier score {_brier(before['brier'])}; after it, as the network now "
            f"answers, intercept {_number(test, 'intercept')}, slope {_number(test, 'slope')}, Brier score "
            f"{_brier(test['brier'])}."
        )
    return [*said, _verdict(test["calibration_intercept"], test["calibration_slope"])]


def _number(entry, name):
    found = entry[f"calibration_{name}"]
    return number(found["value"] if isinstance(found, dict) else found)


def _brier(found):
    return three(found["value"] if isinstance(found, dict) else found)


def _verdict(intercept, slope):
    """Whether the intervals hold what perfect probabilities have: intercept 0 and slope 1."""
    if not intercept or not slope or intercept["low"] is None or slope["low"] is None:
        return "Intercept and slope cannot be had from these images."
    if slope["low"] <= 0:
        return "The interval of the slope holds 0: these probabilities may say nothing about who has it."
    faults = []
    if intercept["low"] > 0 or intercept["high"] < 0:
        faults.append("too low" if intercept["low"] > 0 else "too high")
    if slope["low"] > 1 or slope["high"] < 1:
        faults.append("too timid" if slope["low"] > 1 else "too bold at both ends")
    if faults:
        return f"On the tested patients the probabilities are {words.listed(faults)}."
    wide = " (the interval of the slope is wide: much is left open)" if slope["high"] - slope["low"] > 1 else ""
    return f"Both intervals hold the perfect values, 0 and 1: no fault can be shown{wide}."
