"""The first paragraph: how well it outlines, on how many patients, and what else could explain it."""

from __future__ import annotations

from radzoo.metrics import FEW
from radzoo.report import words
from radzoo.report.segmentation.words import difference, gap, length, present, told, way
from radzoo.report.words import number, span

NAMED = 3  # classes that the headline names one by one
OFTEN = 0.05  # part of the cases in which a class is missed or invented that is an alarm
FEW_PATIENTS = 50
BETTER = "an interval that excludes 0"


def headline(run) -> str:
    """The title of the page: the Dice of each class with its interval, or why there is none."""
    test = run.best["test"]
    if not test["claim"]:
        return f"{_too_few(run, test)}: too few for a claim; at least {FEW} are needed."
    name = words.capital(way(run.best, sentence=True))
    claimed = _claimed(run)
    if len(run.classes) > NAMED:
        ranked = sorted(claimed, key=lambda each: _dice(test, each)["value"])
        worst = f"{ranked[0]} is outlined worst, with {number(_dice(test, ranked[0])['value'])}"
        mean = f"a mean Dice of {number(test['dice']['value'])} (95 % CI {span(test['dice'])})"
        return f"{name} outlines {len(run.classes)} classes with {mean}; {worst}{_on(run)}."
    each = [_reached(test, name, i) for i, name in enumerate(claimed)]
    return f"{name} outlines {words.listed(each)}{_on(run)}."


def _too_few(run, test) -> str:
    if test["patients"] < FEW:
        return f"{words.plural(test['patients'], 'patient')} {'was' if test['patients'] == 1 else 'were'} tested"
    most = max(present(entry) for entry in test["per_class"].values())
    what = run.classes[0] if len(run.classes) == 1 else "No class"
    return f"{what} is in {'only' if len(run.classes) == 1 else 'more than'} {words.plural(most, 'case')}"


def _claimed(run) -> list[str]:
    """The classes that are in cases enough for a claim."""
    return [name for name in run.classes if run.best["test"]["per_class"][name]["claim"]]


def _reached(test, name, i) -> str:
    dice = _dice(test, name)
    return f"{name} with {'a Dice of ' if i == 0 else ''}{number(dice['value'])} ({'95 % CI ' * (i == 0)}{span(dice)})"


def _dice(test, name):
    return test["per_class"][name]["dice"]


def _on(run) -> str:
    """On how many, and by which design."""
    how = ", cross-validated on" if run.folds else " in"
    return f"{how} {words.plural(run.best['test']['patients'], 'patient')}"


def alarms(run) -> list[str]:
    """What puts the headline in doubt, in one sentence each."""
    return [*_no_better(run), *_failed(run)]


def blind(run) -> list[dict]:
    """Baselines that have not been shown to be worse than the chosen way."""
    test = run.best["test"]
    if not test["claim"] or test["dice"]["low"] is None:
        return []
    found = []
    for row in run.baselines:
        gain = difference(run, run.best, row)
        high = row["test"]["dice"]["high"]
        ahead = gain["low"] > 0 if gain and gain["low"] is not None else high is None or high < test["dice"]["low"]
        found += [] if ahead else [row]
    return found


def _no_better(run):
    return [
        f"Against the baseline ({way(row)}, Dice {told(row['test']['dice'])}), that the network does better has not "
        "been shown."
        for row in blind(run)
    ]


def _failed(run):
    """Classes that are often missed, or found where they are not."""
    test, said = run.best["test"], []
    for name in run.classes:
        entry = test["per_class"][name]
        there, nowhere = entry["measured"] + entry["missed"], entry["invented"] + entry["both_empty"]
        for what, count, whole in (("missed", entry["missed"], there), ("found", entry["invented"], nowhere)):
            if whole and count / whole >= OFTEN:
                where = "where it is there" if what == "missed" else "where there is none"
                said.append(f"In {count} of {whole} cases {where}, {name} was {what}.")
    return said


def lead(run) -> list[str]:
    """The sentences after the headline: the test, the distances, the baselines, the readers, the failures."""
    parts = [_tried(run), _bounds(run), _below(run), _readers(run), _lost(run)]
    return [sentence for part in parts for sentence in part]


def _tried(run):
    test, ways = run.best["test"], len(run.trained)
    choice = "the only way that was tried" if ways == 1 else f"the best of {ways} ways on the validation cases"
    amount = words.plural(test["cases"], "case")
    if test["cases"] != test["patients"]:
        amount += f" of {words.plural(test['patients'], 'patient')}"
    if not run.folds:
        return [f"It was {choice}, and was then tried on {amount} that no training and no choice had seen."]
    return [
        f"Cross-validated over {run.folds} folds by patient: each of {amount} was outlined once, by a network trained "
        f"without its patient. It was {choice}."
    ]


def _bounds(run):
    """How far the outlines lie apart: a Dice does not say it."""
    test = run.best["test"]
    if not test["claim"]:
        return []
    far = [
        f"{length(entry['hd95']['value'], run.unit)}{f' ({name})' if len(run.classes) > 1 else ''}"
        for name in _claimed(run)
        if (entry := test["per_class"][name])["hd95"]["value"] is not None
    ]
    if not far or len(run.classes) > NAMED:
        return []
    return [f"On average the outlines lie up to {words.listed(far)} apart, leaving out the farthest 5 % (HD95)."]


def _below(run):
    suspect = blind(run)
    below = [row for row in run.baselines if row not in suspect]
    if not below or not run.best["test"]["claim"]:
        return []
    reached = []
    for row in below:
        gain = difference(run, run.best, row)
        behind = f", behind by {told(gain)}" if gain and gain["low"] is not None else ""
        reached.append(f"{way(row)} with {number(row['test']['dice']['value'])}{behind}")
    return [f"{'The baseline stays' if len(reached) == 1 else 'Baselines stay'} below: {words.listed(reached)}."]


def _readers(run):
    ceiling, test = run.metrics["ceiling"], run.best["test"]
    if not ceiling or not test["claim"]:
        return []
    within = test["dice"]["high"] >= ceiling["dice"]["value"]
    verdict = "the network is not told apart from that" if within else "the network stays below that"
    return [
        f"Two readers agree with each other with a Dice of {told(ceiling['dice'])} on "
        f"{words.plural(ceiling['cases'], 'case')}: {verdict}."
    ]


def _lost(run):
    """How many cases failed as a whole, below what is an alarm."""
    test = run.best["test"]
    sums = {what: sum(test["per_class"][name][what] for name in run.classes) for what in ("missed", "invented")}
    it, said = "a class" if len(run.classes) > 1 else run.classes[0], []
    if sums["missed"]:
        said.append(f"{_times(sums['missed'])} it missed {it} altogether")
    if sums["invented"]:
        said.append(f"{_times(sums['invented'])} it found {it} where there is none")
    return [f"{words.capital(words.listed(said))}; such a case counts as a Dice of 0."] if said else []


def _times(count) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def against_scratch(run) -> str:
    """What the transfer was worth, or why that stays open."""
    if run.scratch is None:
        return "No network was trained from scratch in this run: what the transfer is worth stays open."
    if all(row["way"] == "scratch" for row in run.trained):
        return "Nothing else was tried in this run: what a transfer would be worth stays open."
    if not run.best["test"]["claim"]:
        return "Too few patients were tested to say what the transfer is worth."
    if run.best["way"] == "scratch":
        return "No kind of transfer did better than that on validation."
    said = f"Starting from random weights, {words.network(run.scratch)} reached {told(run.scratch['test']['dice'])}"
    same = run.best if run.scratch["refined"] == run.best["refined"] else unrefined(run)
    found = difference(run, same, run.scratch)
    if found is None or found["low"] is None:
        return f"{said}; the two were not compared case by case."
    before = "" if same is run.best else ", before the refinement,"
    gain = f"the paired difference of the mean Dice{before} is {gap(found)}"
    if found["low"] > 0:
        return f"{said}; {gain}, {BETTER}: here the transfer helped."
    if found["high"] < 0:
        return f"{said}; {gain}, {BETTER}: here the transfer did harm."
    return f"{said}; {gain}, an interval that includes 0: these images do not show that the transfer helped."


def cautions(run) -> list[str]:
    """What a careful reader should know before believing the headline."""
    test, said = run.best["test"], []
    rare = [name for name in run.classes if test["claim"] and name not in _claimed(run)]
    counts = [f"{name} (in {words.plural(present(test['per_class'][name]), 'case')})" for name in rare]
    if rare:
        said.append(f"Too few cases for a claim: {words.listed(counts)}; the mean of the classes holds them all.")
    if test["claim"] and test["patients"] < FEW_PATIENTS:
        said.append(f"Only {words.plural(test['patients'], 'patient')} were tested: every number is a rough estimate.")
    said += [_refined(run)] if run.best["refined"] else []
    return [one for one in said if one] + [words.capital(note.rstrip(".")) + "." for note in run.metrics["notes"]]


def unrefined(run) -> dict:
    """The chosen way before its refinement."""
    own = (run.best["model"], run.best["way"])
    return next((row for row in run.rows if (row["model"], row["way"]) == own and not row["refined"]), run.best)


def _refined(run) -> str:
    """Whether the refinement of the chosen way was worth it."""
    found = difference(run, run.best, unrefined(run))
    if found is None or found["low"] is None or found["low"] > 0:
        return ""
    return f"The refinement changed the mean Dice by {gap(found)}: that it helps has not been shown."
