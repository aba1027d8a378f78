"""Which test images the page shows: the most confident right and wrong ones."""

from __future__ import annotations

import numpy as np

from radzoo.report import figures, words

SHOWN = 4  # pictures per group
LABELS = 3  # of a multilabel run, those with most positives: pictures of all labels would be a flood


def blocks(run, test, pictures) -> list[dict]:
    """The pictures of the page, already written to `figures/`.

    Args:
        run: see `page.read`.
        test: the chosen way on test images, see `page.truth_and_scores`.
        pictures: index row -> image in 0..1.
    Returns:
        `{"title", "groups": [{"title", "kind", "total", "cases": [{"row", "uri", "caption", "alt"}]}]}`.
    """
    if run.task == "multiclass":
        return [{"title": None, "groups": [_group(run, test, pictures, *g) for g in _likeliest(run, test)]}]
    chosen = np.argsort(-test.truth.sum(0), kind="stable")[:LABELS]
    known = [k for k in chosen if run.best["test"]["thresholds"][k] is not None]
    return [
        {
            "title": run.titles[k] if run.task == "multilabel" else None,
            "groups": [_group(run, test, pictures, *g) for g in _called(run, test, k)],
        }
        for k in known
    ]


def _called(run, test, k):
    """Groups of one yes-or-no question, as `(title, kind, members, rank, captions)`."""
    # The threshold is the score of an image; the rounding of `predictions.csv` must not put its equals below it.
    score, threshold = test.score[:, k], run.best["test"]["thresholds"][k]
    called = score >= threshold - 1e-6 * abs(threshold)
    true, name = test.truth[:, k] == 1, run.titles[k]
    captions = [f"p = {words.number(p)}" for p in score]
    return [
        (f"Found: {name}, called so", "true positive", true & called, -score, captions),
        (f"Rightly passed: without {name}", "true negative", ~true & ~called, score, captions),
        (f"False alarm: called {name}", "false positive", ~true & called, -score, captions),
        (f"Missed: {name}, not called", "false negative", true & ~called, score, captions),
    ]


def _likeliest(run, test):
    """Two groups per class, as in `_called`: rightly and wrongly called so."""
    true, called, score = test.truth.argmax(1), test.score.argmax(1), test.score.max(1)
    groups = []
    for k, name in enumerate(run.titles):
        right = [f"p = {words.number(p)}" for p in score]
        wrong = [f"p = {words.number(p)}, is {run.titles[t]}" for p, t in zip(score, true, strict=True)]
        groups.append((f"Rightly called {name}", "right", (called == k) & (true == k), -score, right))
        groups.append((f"Wrongly called {name}", "wrong", (called == k) & (true != k), -score, wrong))
    return groups


def _group(run, test, pictures, title, kind, members, rank, captions):
    shown = {}  # one image per patient: four views of one chest would say one thing
    members = np.flatnonzero(members)
    for i in members[np.argsort(rank[members], kind="stable")]:
        shown.setdefault(test.patients[i], i)
    return {
        "title": title,
        "kind": kind,
        "total": len(members),
        "cases": [_case(run, int(test.rows[i]), pictures, captions[i], title) for i in list(shown.values())[:SHOWN]],
    }


def _case(run, row, pictures, caption, title):
    path = figures.case(run.folder / "figures" / f"case_{row}.jpg", pictures(row))
    return {"row": row, "uri": figures.inline(path), "caption": caption, "alt": f"{title}, {caption}, index row {row}"}
