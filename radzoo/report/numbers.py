"""What `answer` says of classes, said of a number: how far it was missed, and what else could explain it."""

from __future__ import annotations

from radzoo.metrics import FEW
from radzoo.report import words
from radzoo.report.answer import BLIND, TOLD, elsewhere, pair, suspicions, tried, without_comparison
from radzoo.report.limits import FEW_PATIENTS, several_seeds
from radzoo.report.words import number, span

SEEN = {
    "grey levels": "brightness or the source of the images", "metadata": "the source of the images",
    "covariates": "what was known before the image",
}  # fmt: skip


def headline(run) -> str:
    """The title of the page: the mean absolute error with its interval, and that of one number for everybody."""
    test, measure, name = run.best["test"], run.measure, run.classes[0]
    if not test["claim"]:
        tested = f"{words.plural(test['patients'], 'patient')} {'was' if test['patients'] == 1 else 'were'} tested"
        return f"{tested}: too few for a claim; at least {FEW} are needed."
    kind = "cross-validated" if run.folds else "test"
    way = words.capital(words.way(run.best, sentence=True))
    said = f"{way} reached a {kind} mean absolute error of {measure.number(test['mae']['value'])} in {name}"
    same = of_way(run, "majority")
    beside = f"; one number for everybody has {measure.number(same['test']['mae']['value'])}" if same else ""
    return f"{said} (95 % CI {measure.span(test['mae'])}){beside}."


def of_way(run, way: str) -> dict | None:
    """The row of a baseline, or None."""
    return next((row for row in run.metrics["rows"] if row["way"] == way), None)


def alarms(run) -> list[str]:
    """What the baselines put in doubt, in one sentence each."""
    said = []
    for row, verdict in suspicions(run):
        if verdict == "exposed":
            subject, verb = BLIND[row["way"]]
            said.append(
                f"{words.capital(subject)} {verb} {_reached(run, row)}: the network may be reading "
                f"{SEEN[row['way']]} and not {run.classes[0]}."
            )
        elif verdict == "not told apart":
            said.append(f"The test is too small to tell this from {TOLD[row['way']]} ({_reached(run, row)}).")
    return said


def _reached(run, row):
    order, error = row["test"]["spearman"], row["test"]["mae"]
    rank = f"a Spearman correlation of {number(order['value'])} ({span(order)})"
    return f"{rank} and an error of {run.measure.told(error)}"


def lead(run) -> list[str]:
    """The sentences after the headline."""
    return [*tried(run), *_found(run), *elsewhere(run), *_blind(run)]


def _found(run):
    test, measure = run.best["test"], run.measure
    if not test["claim"]:
        return []
    order, low, high = test["spearman"], test["agreement_low"]["value"], test["agreement_high"]["value"]
    said = [
        f"It puts the tested {words.MANY[run.unit]} in order with a Spearman correlation of {number(order['value'])} "
        f"({span(order)}); of 20 predictions, about 19 lie between {measure.signed(low)} and {measure.signed(high)} of "
        "the truth."
    ]
    same = of_way(run, "majority")
    gain = pair(run, run.best, same) if same else None
    if gain and gain["low"] is not None:
        ahead = "less" if gain["difference"] < 0 else "more"
        shown = "" if gain["high"] < 0 else ": no more than chance"
        said.append(
            f"On the same {words.MANY[run.unit]} it errs by {measure.number(abs(gain['difference']))} {ahead} than one "
            f"number for everybody (difference {measure.signed(gain['low'])} to {measure.signed(gain['high'])}){shown}."
        )
    return said


def _blind(run):
    """What the other baselines reach: a reader should know that they were asked."""
    if not run.best["test"]["claim"]:
        return []
    said, below, verdicts = [], [], {row["way"]: verdict for row, verdict in suspicions(run)}
    for row in run.metrics["rows"]:
        if row["way"] not in BLIND or row["test"]["mae"]["low"] is None:
            continue
        verdict, order = verdicts.get(row["way"]), row["test"]["spearman"]
        if verdict == "overlap":
            gain = pair(run, run.best, row)
            said.append(
                f"The interval of {TOLD[row['way']]} ({_reached(run, row)}) overlaps this one; on the same "
                f"{words.MANY[run.unit]} the network errs by {run.measure.number(-gain['difference'])} less "
                f"({run.measure.number(-gain['high'])} to {run.measure.number(-gain['low'])})."
            )
        elif verdict is None:
            reached = "no order" if order["low"] is None else _reached(run, row)
            part = order["low"] is not None and order["low"] > 0
            beyond = " (more than chance: a part of the answer may come from the source)" if part else ""
            below.append(f"{TOLD[row['way']]} with {reached}{beyond}")
    subject = "Behind it stay" if verdicts else "Baselines that do not look at the anatomy stay behind"
    return said + ([f"{subject}: {words.listed(below)}."] if below else [])


def against_scratch(run) -> str:
    """What the transfer was worth, or why that stays open."""
    if unknown := without_comparison(run):
        return unknown
    measure, found = run.measure, pair(run, run.best, run.scratch)
    said = (
        f"Starting from random weights, {words.network(run.scratch)} reached an error of "
        f"{measure.told(run.scratch['test']['mae'])}"
    )
    if found is None or found["low"] is None:
        return f"{said}."
    if run.scratch["test"]["spearman"]["value"] is None:
        return f"{said}: it says the same for every image. It learned nothing, so the comparison says little."
    signed = measure.signed
    gain = f"the paired difference is {signed(found['difference'])} ({signed(found['low'])} to {signed(found['high'])})"
    if found["high"] < 0:
        exposed = any(verdict == "exposed" for _, verdict in suspicions(run))
        whatever = " to reach that error, whatever the network reads" if exposed else ""
        verdict = f"an interval that excludes 0: here the transfer helped{whatever}."
    elif found["low"] > 0:
        verdict = "an interval that excludes 0: here the transfer did harm."
    else:
        verdict = "an interval that includes 0: these images do not show that the transfer helped."
    return f"{said}; {gain}, {verdict}"


def cautions(run) -> list[str]:
    """What a careful reader should know before believing the headline."""
    test, said = run.best["test"], []
    if test["claim"]:
        gain, order = test["r2"], test["spearman"]
        if order["low"] is None or order["low"] <= 0:
            said.append("The interval of the Spearman correlation includes 0: this cannot be told from guessing.")
        elif gain["low"] is not None and gain["low"] <= 0:
            said.append(
                "The interval of R\N{SUPERSCRIPT TWO} includes 0: these predictions may be no nearer to the truth than "
                "the mean of the tested patients."
            )
        bias = test["bias"]
        if bias["low"] is not None and not bias["low"] <= 0 <= bias["high"]:
            way = "high" if bias["value"] > 0 else "low"
            said.append(f"Predictions are too {way} on average, by {run.measure.told(bias)}.")
    if test["patients"] < FEW_PATIENTS:
        said.append(f"Only {test['patients']} patients were tested: every number here is a rough estimate.")
    said += [] if run.seeds == 1 else [several_seeds(run)]
    return said + [words.capital(note.rstrip(".")) + "." for note in run.metrics["notes"]]


def calibration(run) -> list[str]:
    """What the line of truth on prediction says, before and after the recalibration."""
    test, measure, said = run.best["test"], run.measure, []
    before, intercept, slope = test["uncalibrated"], test["calibration_intercept"], test["calibration_slope"]
    if before:
        said.append(
            f"The predictions were corrected on validation by a straight line. Before that the error was "
            f"{measure.number(before['mae'])} and the bias {measure.signed(before['bias'])}; after it, as the network "
            f"now answers, {measure.number(test['mae']['value'])} and {measure.signed(test['bias']['value'])}."
        )
    if slope["low"] is None or intercept["low"] is None:
        return [*said, "The line of truth on prediction cannot be had from these images."]
    line = f"The slope of the truth over the prediction is {number(slope['value'])} ({span(slope)})"
    if slope["low"] > 1:
        return [*said, f"{line}: predictions are too timid, too close to the middle."]
    if slope["high"] < 1:
        return [*said, f"{line}: predictions are too bold at both ends."]
    wide = ", though the interval is wide" if slope["high"] - slope["low"] > 1 else ""
    return [*said, f"{line}; 1 is right, and no fault of it can be shown{wide}."]
