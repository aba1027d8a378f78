"""Which tested images the page shows: the most confident right and wrong ones."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from radzoo.report import figures, tables, words

SHOWN = 4  # pictures per group
LABELS = 3  # of a multilabel run, those with most positives: pictures of all labels would be a flood


def gallery(run, test, pictures) -> dict:
    """The pictures of the page, already written to `figures/`.

    Args:
        run: see `reading.read`.
        test: the chosen way on its test units, see `reading.tested`.
        pictures: index row -> image in 0..1, asked only for what `figures/` does not hold yet; or None.
    Returns:
        `{"blocks": [{"title", "groups": [{"title", "kind", "total", "cases": [{"row", "uri", "caption", "alt"}]}]}],
        "hidden": {reason: images}}`: `hidden` images may carry burnt-in text and are not shown.
    """
    reasons = tables.burnt_in(run)
    hidden = {} if run.recipe["burnt_in"] else reasons.to_dict()
    shelf = SimpleNamespace(run=run, test=test, pictures=pictures, hidden=hidden)
    of_test = [hidden[row] for rows in test.rows for row in rows if row in hidden]
    left_out = {reason: of_test.count(reason) for reason in sorted(set(of_test))}
    return {"blocks": _blocks(run, test, shelf), "hidden": left_out}


def _blocks(run, test, shelf):
    if run.task == "multiclass":
        return [{"title": None, "groups": [_group(shelf, *g) for g in _likeliest(run, test)]}]
    chosen = np.argsort(-test.truth.sum(0), kind="stable")[:LABELS]
    return [
        {
            "title": run.titles[k] if run.task == "multilabel" else None,
            "groups": [_group(shelf, *g) for g in _called(run, test, k)],
        }
        for k in chosen
        if not np.isnan(test.thresholds[:, k]).all()
    ]


def _called(run, test, k):
    """Groups of one yes-or-no question, as `(title, kind, members, rank, remarks)`."""
    score, threshold = test.score[:, k], test.thresholds[:, k]
    # The threshold is itself the score of a unit, and is called; the last digit of a read number must not lose it.
    known, called = ~np.isnan(threshold), score >= threshold - 1e-12
    true, name = test.truth[:, k] == 1, run.titles[k]
    none = [""] * len(score)
    return [
        (f"Found: {name}, called so", "true positive", true & called, -score, score, none),
        (f"Rightly passed: without {name}", "true negative", known & ~true & ~called, score, score, none),
        (f"False alarm: called {name}", "false positive", ~true & called, -score, score, none),
        (f"Missed: {name}, not called", "false negative", known & true & ~called, score, score, none),
    ]


def _likeliest(run, test):
    """Two groups per class, as in `_called`: rightly and wrongly called so."""
    true, called, score = test.truth.argmax(1), test.score.argmax(1), test.score.max(1)
    groups = []
    for k, name in enumerate(run.titles):
        is_other = [f", is {run.titles[t]}" for t in true]
        none = [""] * len(true)
        groups.append((f"Rightly called {name}", "right", (called == k) & (true == k), -score, score, none))
        groups.append((f"Wrongly called {name}", "wrong", (called == k) & (true != k), -score, score, is_other))
    return groups


def _group(shelf, title, kind, members, rank, score, remarks):
    """The first `SHOWN` by rank, one per patient: four views of one chest would say one thing."""
    shown, members = {}, np.flatnonzero(members)
    for i in members[np.argsort(rank[members], kind="stable")]:
        if _showable(shelf, i):
            shown.setdefault(shelf.test.patients[i], i)
    chosen = list(shown.values())[:SHOWN]
    cases = [_case(shelf, i, f"p {words.probability(score[i])}{remarks[i]}", title) for i in chosen]
    return {"title": title, "kind": kind, "total": len(members), "cases": cases}


def _showable(shelf, i):
    """The images of a unit of which there may be, and can be, a picture."""
    rows = [row for row in shelf.test.rows[i] if row not in shelf.hidden]
    return rows if shelf.pictures else [row for row in rows if _file(shelf, row).is_file()]


def _file(shelf, row):
    return shelf.run.folder / "figures" / f"case_{row}.jpg"


def _case(shelf, i, caption, title):
    """A unit as its first image that may be shown."""
    row, images = int(_showable(shelf, i)[0]), len(shelf.test.rows[i])
    path = _file(shelf, row)
    if not path.is_file():
        figures.case(path, shelf.pictures(row))
    if images > 1:
        caption += f" of the {shelf.run.unit}, here one of its {images} images"
    return {"row": row, "uri": figures.inline(path), "caption": caption, "alt": f"{title}, {caption}, index row {row}"}
