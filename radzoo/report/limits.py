"""What no interval of the page knows, and what the calibration means, in sentences."""

from __future__ import annotations

from radzoo.report import words
from radzoo.report.measure import seeds
from radzoo.report.words import number, three

FEW_PATIENTS = 50
ORDINAL = {2: "second", 3: "third", 4: "fourth", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth", 9: "ninth"}


def cautions(run) -> list[str]:
    """What a careful reader should know before believing the headline."""
    test = run.best["test"]
    area = test["auc"] if test["claim"] else {"low": None}
    said = []
    if area["low"] is not None and area["low"] <= 0.5 <= area["high"]:
        said.append("The interval includes 0.5, the AUC of a coin toss: this result cannot be told from guessing.")
    if test["patients"] < FEW_PATIENTS:
        said.append(f"Only {test['patients']} patients were tested: every number here is a rough estimate.")
    said += [] if run.seeds == 1 else [several_seeds(run)]
    if test["note"] and (test["claim"] or run.task != "binary"):  # else the headline has said it
        said.append(f"{'Cross-validation' if run.folds else 'Test'}: {test['note'].rstrip('.')}.")
    if area.get("undefined"):
        said.append(
            f"In {area['undefined']} of {run.recipe['bootstrap']} resamples one class was missing; they are left out."
        )
    return said + [words.capital(note.rstrip(".")) + "." for note in run.metrics["notes"]]


def several_seeds(run) -> str:
    """Which of the trainings the page shows, and how far they lie apart."""
    reached = seeds(run.measure, run.best)
    scatter = f", the {run.measure.name} of the chosen one was {reached}" if reached != words.NOTHING else ""
    return (
        f"Every way was trained from {run.seeds} seeds{scatter}. The headline, intervals, comparisons, figures and "
        "cases are those of the first seed alone."
    )


def left_out(run) -> list[dict]:
    """The reasons why the truth may lie outside the interval, as `{"title", "text"}`."""
    own = _of_folds(run) if run.folds else [_one_split(run)]
    return [part for part in (*own, _same_images(run), _elsewhere(run)) if part]


def _one_split(run):
    if run.seeds > 1:
        text = f"The patients were divided once. {_seeds(run)} Another split gives other numbers."
        return {"title": f"One split, {run.seeds} seeds.", "text": text}
    text = (
        "The patients were divided once and every network was trained once, from one seed. Another split or another "
        "seed gives other numbers."
    )
    return {"title": "One split, one seed.", "text": text}


def _seeds(run):
    reached = seeds(run.measure, run.best)
    range_ = f": {reached} for the chosen way" if reached != words.NOTHING else ""
    return (
        f"Every way was trained from {run.seeds} seeds, and the tables show mean and range{range_}. The range is no "
        "interval, for all seeds were tested on the same patients; and the interval does not know of it."
    )


def _of_folds(run):
    parts = [_final(run), _shared(run), _dealt(run)]
    if len(run.trained) > 1:
        parts.append(_choice(run))
    return parts


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
    mean, sd = run.best["test"].get("fold_mean"), "mae_sd" if run.task == "regression" else "sd"
    known = mean and run.best["test"]["claim"] and mean[sd] is not None
    scatter = f" (standard deviation {run.measure.number(mean[sd])})" if known else ""
    text = (
        f"Two folds have up to {common} of the {parts} blocks of patients that each trains on in common. Their "
        f"networks resemble each other, and the scatter of the folds{scatter} is smaller than that of networks "
        "trained on new patients."
    )
    return {"title": "The folds share training patients.", "text": text}


def _dealt(run):
    if run.seeds > 1:
        text = f"The patients were dealt to the folds once. {_seeds(run)}"
        return {"title": f"One shuffle, {run.seeds} seeds.", "text": text}
    text = "The patients were dealt to the folds once, and one seed started every training."
    return {"title": "One shuffle, one seed.", "text": text}


def _choice(run):
    anew, measure = run.metrics["anew"], run.measure
    text = (
        f"The best of {len(run.trained)} ways was chosen on validation images, and each of those is a test image of "
        "another fold: the choice has seen them, which can flatter the number."
    )
    if anew and anew["claim"] and run.best["test"]["claim"]:
        text += (
            f" Where every fold takes the way that was best on its own validation part, the pooled {measure.name} is "
            f"{measure.told(anew[measure.key])}: that number owes nothing to the choice."
        )
    return {"title": "The choice among the ways.", "text": text}


def _same_images(run):
    """What is still fixed on the images that chose the epoch: the choice among the ways is not."""
    if all(row["way"] == "features" for row in run.trained):
        return None
    text = "A network that learns keeps the best of many epochs on the validation images."
    if len(run.trained) > 1:
        text += (
            " The choice among the ways does not profit from that: for it, an epoch is picked on one half of the "
            "validation patients and scored on the other half."
        )
    if run.best["way"] != "features":
        fixed = "The recalibration was" if run.task == "regression" else "Threshold and recalibration were"
        text += (
            f" {fixed} fixed on the same images as the epoch, where the network looks a little better than it is: on "
            f"new patients its {'predictions' if run.task == 'regression' else 'probabilities'} may be a little too "
            "bold."
        )
    return {"title": "One validation part for several purposes.", "text": text}


def _elsewhere(run):
    share = f"another spread of {run.classes[0]}" if run.task == "regression" else "another share of findings"
    text = f"Other scanners, other patients and {share} scatter more than any interval from one source"
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
