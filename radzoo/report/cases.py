"""Which tested images the page shows: the most confident right and wrong ones, or the largest errors."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

from radzoo.metrics import grades
from radzoo.report import figures, maps, tables, words

SHOWN = 4  # pictures per group
LABELS = 3  # of a multilabel run, those with most positives: pictures of all labels would be a flood


def gallery(run, test, pictures, explained=None) -> dict:
    """The pictures of the page, already written to `figures/`.

    Args:
        run: see `reading.read`.
        test: the chosen way on its test units, see `reading.tested`.
        pictures: index row -> image in 0..1, asked only for what `figures/` does not hold yet; or None.
        explained: `Explained`, asked for maps only where `figures/` does not hold them yet; or None.
    Returns:
        `{"blocks": [{"title", "groups": [{"title", "kind", "total", "cases": [{"row", "uri", "map", "caption",
        "alt"}]}]}], "hidden": {reason: images}, "maps"}`: `hidden` images may carry burnt-in text and are not shown;
        `maps` is what `maps.lay` returns.
    """
    reasons = tables.burnt_in(run)
    hidden = {} if run.recipe["burnt_in"] else reasons.to_dict()
    shelf = SimpleNamespace(run=run, test=test, pictures=pictures, hidden=hidden)
    of_test = [hidden[row] for rows in test.rows for row in rows if row in hidden]
    left_out = {reason: of_test.count(reason) for reason in sorted(set(of_test))}
    blocks = _blocks(run, test, shelf)
    shown = [case for block in blocks for group in block["groups"] for case in group["cases"]]
    laid = maps.lay(run.folder / "figures", shown, pictures, explained, _side(run))
    return {"blocks": blocks, "hidden": left_out, "maps": laid}


def _blocks(run, test, shelf):
    if run.task == "multiclass":
        return [{"title": None, "groups": [_group(shelf, i // 2, *g) for i, g in enumerate(_likeliest(run, test))]}]
    if run.task in ("ordinal", "regression"):
        # The cuts share their weights and so their map; the one in the middle stands for all.
        output, found = len(run.classes) // 2, _graded(run, test) if run.task == "ordinal" else _missed(run, test)
        return [{"title": None, "groups": [_group(shelf, output, *g) for g in found]}]
    chosen = np.argsort(-test.truth.sum(0), kind="stable")[:LABELS]
    return [
        {
            "title": run.titles[k] if run.task == "multilabel" else None,
            "groups": [_group(shelf, int(k), *g) for g in _called(run, test, k)],
        }
        for k in chosen
        if not np.isnan(test.thresholds[:, k]).all()
    ]


def _called(run, test, k):
    """Groups of one yes-or-no question, as `(title, kind, members, rank, captions)`."""
    score, threshold = test.score[:, k], test.thresholds[:, k]
    # The threshold is itself the score of a unit, and is called; the last digit of a read number must not lose it.
    known, called = ~np.isnan(threshold), score >= threshold - 1e-12
    true, name = test.truth[:, k] == 1, run.titles[k]
    said = [f"p {words.probability(p)}" for p in score]
    return [
        (f"Found: {name}, called so", "true positive", true & called, -score, said),
        (f"Rightly passed: without {name}", "true negative", known & ~true & ~called, score, said),
        (f"False alarm: called {name}", "false positive", ~true & called, -score, said),
        (f"Missed: {name}, not called", "false negative", known & true & ~called, score, said),
    ]


def _likeliest(run, test):
    """Two groups per class, as in `_called`: rightly and wrongly called so."""
    true, called, score = test.truth.argmax(1), test.score.argmax(1), test.score.max(1)
    groups = []
    for k, name in enumerate(run.titles):
        said = [f"p {words.probability(p)}" for p in score]
        is_other = [f"{text}, is {run.titles[t]}" for text, t in zip(said, true, strict=True)]
        groups.append((f"Rightly called {name}", "right", (called == k) & (true == k), -score, said))
        groups.append((f"Wrongly called {name}", "wrong", (called == k) & (true != k), -score, is_other))
    return groups


def _graded(run, test):
    """Groups by the error in grades, the largest first, as in `_called`; of the right ones the surest of each grade."""
    true, said, names = test.truth.sum(1).astype(int), grades(test.score), run.grades
    away = test.score.sum(1) - true  # of the expected grade
    captions = [f"called {names[one]}, is {names[two]}" for one, two in zip(said, true, strict=True)]
    return [
        ("Graded too high", "too high", said > true, -1000 * (said - true) - away, captions),
        ("Graded too low", "too low", said < true, -1000 * (true - said) + away, captions),
        ("Rightly graded", "right", said == true, _in_turn(true, np.where(said == true, abs(away), np.inf)), captions),
    ]


def _in_turn(grade, distance):
    """A rank that takes the nearest of every grade, then the second nearest of every grade, and so on."""
    return pd.Series(distance).groupby(grade).rank(method="first").to_numpy() * (grade.max() + 1) + grade


def _missed(run, test):
    """Groups by the error of a number, as in `_called`: the largest of both signs, and the smallest."""
    said, truth, number = test.score[:, 0], test.truth[:, 0], run.measure.number
    error = said - truth
    captions = [
        f"says {number(one)}, is {number(two)}: {number(abs(one - two))} too {'high' if one > two else 'low'}"
        for one, two in zip(said, truth, strict=True)
    ]
    return [
        ("Most overestimated", "too high", error > 0, -error, captions),
        ("Most underestimated", "too low", error < 0, error, captions),
        ("Nearest to the truth", "tested", np.ones(len(error), bool), np.abs(error), captions),
    ]


def _group(shelf, output, title, kind, members, rank, captions):
    """The first `SHOWN` by rank, one per patient: four views of one chest would say one thing."""
    shown, members = {}, np.flatnonzero(members)
    for i in members[np.argsort(rank[members], kind="stable")]:
        if _showable(shelf, i):
            shown.setdefault(shelf.test.patients[i], i)
    chosen = list(shown.values())[:SHOWN]
    cases = [_case(shelf, i, output, captions[i], title) for i in chosen]
    return {"title": title, "kind": kind, "total": len(members), "cases": cases}


def _showable(shelf, i):
    """The images of a unit of which there may be, and can be, a picture."""
    rows = [row for row in shelf.test.rows[i] if row not in shelf.hidden]
    return rows if shelf.pictures else [row for row in rows if _file(shelf, row).is_file()]


def _file(shelf, row):
    return shelf.run.folder / "figures" / f"case_{row}.jpg"


def _side(run):
    return figures.WIDE if run.wide else figures.PICTURE


def _case(shelf, i, output, caption, title):
    """A unit as its first image that may be shown; `output` is the class that its group is about."""
    row, images = int(_showable(shelf, i)[0]), len(shelf.test.rows[i])
    path = _file(shelf, row)
    if not path.is_file():
        figures.case(path, shelf.pictures(row), _side(shelf.run))
    if images > 1:
        joint = "" if caption.startswith("p ") else ";"
        caption += f"{joint} of the {shelf.run.unit}, here one of its {images} images"
    alt = f"{title}, {caption}, index row {row}"
    return {"row": row, "output": output, "uri": figures.inline(path), "map": None, "caption": caption, "alt": alt}
