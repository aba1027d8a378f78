"""The first paragraph: what was found, how sure one can be, and what else could explain it."""

from __future__ import annotations

from radzoo.baselines import suspicion
from radzoo.metrics import FEW
from radzoo.report import words
from radzoo.report.words import number, signed, span

FEW_PATIENTS = 50
BLIND = {  # a baseline, how it is introduced, and its verb
    "grey levels": ("grey levels alone, without looking at the anatomy,", "reach"),
    "metadata": ("metadata alone, without looking at any image,", "reaches"),
}
TOLD = {"grey levels": "grey levels alone", "metadata": "metadata alone"}


def headline(run) -> str:
    """The title of the page: the AUC with its interval, or how many were tested where that is too few for one."""
    test = run.best["test"]
    if not test["claim"]:
        return f"{_too_few(run, test)}: too few for a claim; at least {FEW} of each are needed."
    kind = "cross-validated" if run.folds else "test"
    area, name = test["auc"], words.capital(words.way(run.best, sentence=True))
    return f"{name} reached a {kind} AUC of {number(area['value'])} {_question(run)} (95 % CI {span(area)})."


def _question(run):
    if run.task == "binary":
        return f"for {run.titles[0]}"
    among = [entry for entry in run.best["test"]["per_class"].values() if entry["auc"]["value"] is not None]
    return f"as the mean over {len(among)} {'findings' if run.task == 'multilabel' else 'classes'}"


def _too_few(run, test):
    """How many patients were tested, as the subject of a sentence."""
    if run.task == "binary":
        events = words.plural(test["events"][0], "patient")
        return f"{events} with {run.titles[0]} and {test['non_events'][0]} without were tested"
    kind = "finding" if run.task == "multilabel" else "class"
    most = max(min(pair) for pair in zip(test["events"], test["non_events"], strict=True))
    return f"No {kind} was tested in more than {most} patients with it and as many without"


def alarms(run) -> list[str]:
    """What the baselines put in doubt, in one sentence each; it belongs in the first paragraph."""
    said = []
    for row, verdict in suspicions(run):
        area, name = row["test"]["auc"], row["way"]
        if verdict == "exposed":
            subject, verb = BLIND[name]
            doubt = "the network may be telling the sources apart and not the finding."
            said.append(words.capital(f"{subject} {verb} {number(area['value'])} ({span(area)}): {doubt}"))
        elif verdict == "not told apart":
            reached = f"{number(area['value'])}, {span(area)}"
            said.append(f"The test is too small to tell this from {TOLD[name]} ({reached}).")
    return said


def suspicions(run) -> list[tuple]:
    """The baselines whose interval overlaps that of the chosen way, with what `baselines.suspicion` calls it."""
    if not run.best["test"]["claim"]:
        return []
    pairs = [(row, pair(run, run.best, row)) for row in run.metrics["rows"] if row["way"] in BLIND]
    verdicts = [(row, suspicion(run.best["test"]["auc"], row["test"]["auc"], found)) for row, found in pairs]
    return [(row, verdict) for row, verdict in verdicts if verdict]


def lead(run) -> list[str]:
    """The sentences after the headline: how it was tested, what it found, elsewhere, and what blind baselines reach."""
    return [*_tested(run), *_found(run), *_elsewhere(run), *_blind(run)]


def _tested(run):
    test, ways = run.best["test"], len(run.trained)
    name = "It" if test["claim"] else words.capital(words.way(run.best, sentence=True))
    chosen = "the only way that was tried" if ways == 1 else f"the best of {ways} ways on the validation images"
    if not run.folds:
        tried = f"then tried on {words.amount(test, run.unit)} that no training and no choice had seen"
        return [f"{name} was {chosen}, and was {tried}."]
    its = "this" if run.unit == "patient" else "its"
    pooled = f", and the AUC is that of all {run.folds} folds pooled" if test["claim"] else ""
    return [
        f"Cross-validated over {run.folds} folds by patient: each of {words.amount(test, run.unit)} was tested once, "
        f"by a network trained without {its} patient{pooled}.",
        f"{name} was {chosen}.",
    ]


def _found(run):
    test = run.best["test"]
    if run.task != "binary" or not test["confusion"]:
        return []
    (right, alarm), (missed, found) = test["confusion"]
    fixed = "thresholds that each fold fixed" if run.folds else "threshold fixed"
    return [
        f"At the {fixed} on validation it found {found} of {words.plural(found + missed, run.unit)} with "
        f"{run.titles[0]} and raised a false alarm in {alarm} of {alarm + right} without."
    ]


def _elsewhere(run):
    said = []
    for source, entry in zip(run.metrics["external"], run.best.get("external") or [], strict=True):
        where = f"On the external images {source['name']} ({words.amount(entry, run.unit)})"
        if entry["claim"]:
            said.append(f"{where} it reached {number(entry['auc']['value'])} ({span(entry['auc'])}).")
        else:
            said.append(f"{where} there were too few patients for a claim ({words.tally(entry)}).")
    return said


def _blind(run):
    """What the other baselines reach: a reader should know that they were asked."""
    if not run.best["test"]["claim"]:
        return []
    said, below, verdicts = [], [], {row["way"]: verdict for row, verdict in suspicions(run)}
    for row in run.metrics["rows"]:
        area, verdict = row["test"]["auc"], verdicts.get(row["way"])
        if row["way"] in BLIND and verdict == "overlap":
            gain = pair(run, run.best, row)
            said.append(
                f"The interval of {TOLD[row['way']]} ({number(area['value'])}, {span(area)}) overlaps this one; on the "
                f"same {words.MANY[run.unit]} the network is ahead by {number(gain['difference'])} ({span(gain)})."
            )
        elif row["way"] in BLIND and verdict is None and area["low"] is not None:
            beyond = (
                " (more than a coin toss: a part of the answer may come from the source)" if area["low"] > 0.5 else ""
            )
            below.append(f"{TOLD[row['way']]} {number(area['value'])} ({span(area)}){beyond}")
    subject = "Below it stay" if verdicts else "Baselines that do not look at the anatomy stay below"
    return said + ([f"{subject}: {words.listed(below)}."] if below else [])


def against_scratch(run) -> str:
    """What the transfer was worth, or why that stays open."""
    if run.scratch is None:
        return "No network was trained from scratch in this run: what the transfer is worth stays open."
    if not run.best["test"]["claim"]:
        return "Too few patients were tested to say what the transfer is worth."
    if run.scratch is run.best:
        return "No kind of transfer did better than that on validation."
    base, found = run.scratch["test"]["auc"], pair(run, run.best, run.scratch)
    said = f"Starting from random weights, {run.scratch['model']} reached {number(base['value'])} ({span(base)})"
    if found is None or found["low"] is None:
        return said + "."
    if base["low"] == base["high"] == 0.5:
        return f"{said}: it says the same for every image. It learned nothing, so the comparison says little."
    gain = f"the paired difference is {signed(found['difference'])} ({signed(found['low'])} to {signed(found['high'])})"
    if found["low"] > 0:
        measures = " to reach that number, whatever it measures" if _exposed(run) else ""
        verdict = f"an interval that excludes 0: here the transfer helped{measures}."
    elif found["high"] < 0:
        verdict = "an interval that excludes 0: here the transfer did harm."
    else:
        verdict = "an interval that includes 0: these images do not show that the transfer helped."
    return f"{said}; {gain}, {verdict}"


def _exposed(run):
    return any(verdict == "exposed" for _, verdict in suspicions(run))


def cautions(run) -> list[str]:
    """What a careful reader should know before believing the headline."""
    test = run.best["test"]
    area = test["auc"] if test["claim"] else {"low": None}
    said = []
    if area["low"] is not None and area["low"] <= 0.5 <= area["high"]:
        said.append("The interval includes 0.5, the AUC of a coin toss: this result cannot be told from guessing.")
    if test["patients"] < FEW_PATIENTS:
        said.append(f"Only {test['patients']} patients were tested: every number here is a rough estimate.")
    if test["note"] and (test["claim"] or run.task != "binary"):  # else the headline has said it
        said.append(f"{'Cross-validation' if run.folds else 'Test'}: {test['note'].rstrip('.')}.")
    if area.get("undefined"):
        said.append(
            f"In {area['undefined']} of {run.recipe['bootstrap']} resamples one class was missing; they are left out."
        )
    return said + [words.capital(note.rstrip(".")) + "." for note in run.metrics["notes"]]


def pair(run, one, two) -> dict | None:
    """The stored comparison of two rows, turned so that it reads `one` minus `two`; None where there is none."""
    names = [words.key(one), words.key(two)]
    for found in run.metrics["comparisons"]:
        ends = [found["a"].strip(), found["b"].strip()]
        if ends == names:
            return found
        if ends == names[::-1] and found["low"] is not None:
            return found | {"difference": -found["difference"], "low": -found["high"], "high": -found["low"]}
    return None
