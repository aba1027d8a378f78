"""What neither the Dice nor its interval knows, in sentences."""

from __future__ import annotations

from radzoo.report import words
from radzoo.report.segmentation.words import told


def left_out(run) -> list[dict]:
    """The reasons to doubt that no number on the page holds, as `{"title", "text"}`."""
    parts = [_truth(run), _size(), *(_folds(run) if run.folds else [_split()]), _elsewhere(), _use()]
    return [{"title": title, "text": text} for title, text in parts]


def _truth(run):
    ceiling = run.metrics["ceiling"]
    text = "The reference is what a reader drew, or a program that a reader corrected, and another reader draws another"
    if ceiling:
        text += f" (between two readers the Dice is {told(ceiling['dice'])} on {words.plural(ceiling['cases'], 'case')}"
        return "The truth is a drawing.", f"{text}). A network that copies one reader also copies his or her habits."
    return "The truth is a drawing.", (
        f"{text}. Only one reference was given, so how far two readers lie apart is not known: no one can say which "
        "Dice would be as good as a second reader."
    )


def _size():
    return "Dice depends on size.", (
        "One voxel along the border costs a small region far more than a large one. Numbers of different organs, "
        "lesions or voxel sizes cannot be held against each other; and a good Dice can hide a small error in a place "
        "that matters, such as at a vessel."
    )


def _split():
    return "One split, one seed.", (
        "The patients were divided once and every network was trained once, from one seed. Another split or another "
        "seed gives other numbers."
    )


def _folds(run):
    parts = [(
        "The folds share training patients.",
        "The networks of the folds resemble each other, and patients were dealt to them once: networks trained on new "
        "patients would scatter more.",
    )]  # fmt: skip
    if run.metrics["final"] is not None:
        parts.append((
            "The final model is another one.",
            "The model that radzoo predict uses was trained once more, on more patients, and was not tested itself: "
            "the cross-validated numbers stand for it.",
        ))  # fmt: skip
    if len(run.trained) > 1:
        parts.append((
            "The choice among the ways.",
            f"The best of {len(run.trained)} ways was chosen on validation cases, each of which another fold tests: "
            "the choice has seen them, which can flatter the number.",
        ))  # fmt: skip
    return parts


def _elsewhere():
    return "Another hospital.", (
        "Other scanners, protocols, patients and diseases change outlines more than any interval from one source "
        "says. A case unlike those in training can fail as a whole, with no sign of doubt."
    )


def _use():
    return "What the outlines are for.", (
        "Whether they are good enough for a measurement, a plan or a trial depends on that use. Nothing here says that "
        "they may be used without being looked at."
    )
