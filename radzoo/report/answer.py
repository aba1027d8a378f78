"""The first paragraph: what was found, how sure one can be, and what else could explain it."""

from __future__ import annotations

from radzoo.baselines import suspicion
from radzoo.metrics import FEW
from radzoo.report import words
from radzoo.report.detection import sentences
from radzoo.report.words import number, signed, span

BLIND = {  # a baseline, how it is introduced, and its verb
    "grey levels": ("grey levels alone, without looking at the anatomy,", "reach"),
    "metadata": ("metadata alone, without looking at any image,", "reaches"),
    "covariates": ("the covariates alone, without any image,", "reach"),
}
KIND = {"multilabel": "finding", "multiclass": "class", "ordinal": "cut"}  # what a column of the labels is
TOLD = {"grey levels": "grey levels alone", "metadata": "metadata alone", "covariates": "the covariates alone"}


def headline(run) -> str:
    """The title of the page: the AUC with its interval, or how many were tested where that is too few for one."""
    test = run.best["test"]
    if not test["claim"]:
        where = "on each" if run.task == "ordinal" else "of each"
        return f"{_too_few(run, test)}: too few for a claim; at least {FEW} {where} are needed."
    kind = "cross-validated" if run.folds else "test"
    area, name = test["auc"], words.capital(words.way(run.best, sentence=True))
    said = f"{name} reached a {kind} AUC of {number(area['value'])} {_question(run)} (95 % CI {span(area)})"
    if run.task != "ordinal":
        return f"{said}."
    kappa = test["kappa"]
    return f"{said} and a quadratic-weighted kappa of {number(kappa['value'])} ({span(kappa)})."


def _question(run):
    if run.task == "binary":
        return f"for {run.titles[0]}"
    among = [entry for entry in run.best["test"]["per_class"].values() if entry["auc"]["value"] is not None]
    return f"as the mean over {words.plural(len(among), KIND[run.task])}"


def _too_few(run, test):
    """How many patients were tested, as the subject of a sentence."""
    if run.task == "binary":
        events = words.plural(test["events"][0], "patient")
        return f"{events} with {run.titles[0]} and {test['non_events'][0]} without were tested"
    kind = KIND[run.task]
    most = max(min(pair) for pair in zip(test["events"], test["non_events"], strict=True))
    if run.task == "ordinal":
        return f"No cut has more than {most} tested {'patient' if most == 1 else 'patients'} on both of its sides"
    return f"No {kind} was tested in more than {most} patients with it and as many without"


def alarms(run) -> list[str]:
    """What the baselines put in doubt, in one sentence each; it belongs in the first paragraph."""
    said = []
    for row, verdict in suspicions(run):
        area, name = row["test"]["auc"], row["way"]
        if verdict == "exposed":
            subject, verb = BLIND[name]
            what = "grades" if run.task == "ordinal" else "finding"
            doubt = f"the network may be telling the sources apart and not the {what}."
            doubt = "the image may add nothing to them." if name == "covariates" else doubt
            said.append(words.capital(f"{subject} {verb} {number(area['value'])} ({span(area)}): {doubt}"))
        elif verdict == "not told apart":
            reached = f"{number(area['value'])}, {span(area)}"
            said.append(f"The test is too small to tell this from {TOLD[name]} ({reached}).")
    return said


def suspicions(run) -> list[tuple]:
    """The baselines whose interval overlaps that of the chosen way, with what `baselines.suspicion` calls it."""
    if not run.best["test"]["claim"]:
        return []
    rank, found = run.measure.rank, []
    for row in run.metrics["rows"]:
        if row["way"] in BLIND:
            told = run.best["test"][rank], row["test"][rank], pair(run, run.best, row)
            found.append((row, suspicion(*told, task=run.task)))
    return [(row, verdict) for row, verdict in found if verdict]


def lead(run) -> list[str]:
    """The sentences after the headline: how it was tested, what it found, elsewhere, and what blind baselines reach."""
    found = run.best["test"].get("froc") if run.best["test"]["claim"] else None
    return [*tried(run), *_found(run), *(sentences(found)[:1] if found else []), *elsewhere(run), *_blind(run)]


def tried(run) -> list[str]:
    """On whom, by which design, and how the way was chosen."""
    test, ways = run.best["test"], len(run.trained)
    name = "It" if test["claim"] else words.capital(words.way(run.best, sentence=True))
    chosen = "the only way that was tried" if ways == 1 else f"the best of {ways} ways on the validation images"
    if not run.folds:
        tried = f"then tried on {words.amount(test, run.unit)} that no training and no choice had seen"
        return [f"{name} was {chosen}, and was {tried}."]
    its = "this" if run.unit == "patient" else "its"
    pooled = f", and the {run.measure.name} is that of all {run.folds} folds pooled" if test["claim"] else ""
    return [
        f"Cross-validated over {run.folds} folds by patient: each of {words.amount(test, run.unit)} was tested once, "
        f"by a network trained without {its} patient{pooled}.",
        f"{name} was {chosen}.",
    ]


def _found(run):
    test = run.best["test"]
    if run.task == "ordinal" and test["claim"]:
        right, near = (words.percent(test[name]["value"]) for name in ("accuracy", "within_one"))
        return [f"It named {right} of the tested {words.MANY[run.unit]} exactly and {near} at most one grade off."]
    if run.task != "binary" or not test["confusion"]:
        return []
    (right, alarm), (missed, found) = test["confusion"]
    fixed = "thresholds that each fold fixed" if run.folds else "threshold fixed"
    return [
        f"At the {fixed} on validation it found {found} of {words.plural(found + missed, run.unit)} with "
        f"{run.titles[0]} and raised a false alarm in {alarm} of {alarm + right} without."
    ]


def elsewhere(run) -> list[str]:
    """What was reached on each set of external images."""
    said = []
    for source, entry in zip(run.metrics["external"], run.best.get("external") or [], strict=True):
        where = f"On the external images {source['name']} ({words.amount(entry, run.unit)})"
        if entry["claim"]:
            what = "an error of " if run.task == "regression" else ""
            said.append(f"{where} it reached {what}{run.measure.of(entry)}.")
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
    if unknown := without_comparison(run):
        return unknown
    base, found = run.scratch["test"]["auc"], pair(run, run.best, run.scratch)
    said = f"Starting from random weights, {words.network(run.scratch)} reached {number(base['value'])} ({span(base)})"
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


def without_comparison(run) -> str:
    """Why nothing can be compared with training from scratch; empty where it can."""
    if run.scratch is None:
        return "No network was trained from scratch in this run: what the transfer is worth stays open."
    if all(row["way"] == "scratch" for row in run.trained):
        return "Nothing else was tried in this run: what a transfer would be worth stays open."
    if not run.best["test"]["claim"]:
        return "Too few patients were tested to say what the transfer is worth."
    if run.best["way"] == "scratch":
        return "No kind of transfer did better than that on validation."
    return ""


def _exposed(run):
    return any(verdict == "exposed" for _, verdict in suspicions(run))


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
