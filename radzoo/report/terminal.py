"""The results as a terminal shows them."""

from __future__ import annotations

from radzoo.metrics import score_name
from radzoo.report import saying, words
from radzoo.report.detection import sentences
from radzoo.report.measure import choice, measure, seeds
from radzoo.report.words import chosen, number


def table(metrics: dict) -> str:
    """The results as plain text for a terminal; the way that was chosen on validation is starred.

    Args:
        metrics: the content of `metrics.json`.
    """
    best, measured, repeats = chosen(metrics), measure(metrics), metrics.get("repeats", 1)
    external = [source["name"] for source in metrics["external"]]
    titles, cells = _columns(metrics)
    lines = [("", "model", "way", *titles, *external)]
    for row in metrics["rows"]:
        elsewhere = row.get("external") or ["not tried"] * len(external)
        lines.append((
            "*" if row is best else "", row["model"], words.way(row), *cells(row),
            *(e if isinstance(e, str) else measured.of(e) for e in elsewhere),
        ))  # fmt: skip
    said = aligned(lines)
    if "froc" in best["test"] and best["test"]["claim"]:
        said += ["", *sentences(best["test"]["froc"]), ""]
    said.append("* chosen on validation" + (" - the images are synthetic" if metrics["synthetic"] else ""))
    if repeats > 1:
        said.append("intervals and the columns after them are of the first seed; the range of all is no interval")
    said += [
        f"{words.SHORT[row['way']]} ensemble: {' + '.join(names)}, weighted {'; '.join(weights)}"
        for row in metrics["rows"]
        if row["model"] == words.ENSEMBLE
        for names, weights in [words.members(row)]
    ]
    return "\n".join(said)


def _columns(metrics: dict):
    """Titles of the columns of numbers, and a function from a row to its cells."""
    measured, task = measure(metrics), metrics["task"]
    folds, repeats = metrics["design"]["folds"], metrics.get("repeats", 1)
    where = f"{measured.name} over {folds} folds" if folds else f"{measured.name} test"
    titles = [f"{score_name(task)} validation", f"{where} (95 % interval)"]
    titles += [f"{measured.name} of {repeats} seeds (range)"] if repeats > 1 else []
    more = {"regression": ("RMSE", "R2", "Spearman"), "ordinal": ("kappa", "error in grades", "average precision")}
    keys = {"regression": ("rmse", "r2", "spearman"), "ordinal": ("kappa", "grade_error", "average_precision")}
    titles += more.get(task, ("average precision",))

    def cells(row):
        test = row["test"]
        own = [choice(row), measured.of(test)]
        own += [seeds(measured, row).replace(f" over {repeats} seeds", "")] if repeats > 1 else []
        for key in keys.get(task, ("average_precision",)):
            value = test[key]["value"] if test["claim"] else None
            own.append(measured.number(value) if key == "rmse" else number(value))
        return own

    return titles, cells


def comparison(found) -> str:
    """The comparison for a terminal: the runs, then their pairs."""
    runs = [("", "run", "way", f"{found.measure} (95 % interval)", "average precision", "seeds")]
    for i, row in enumerate(found.rows):
        seeds = row["repeats"]
        value = f"{saying.number(found, row['measured']['value'])} ({saying.span(found, row['measured'])})"
        runs.append((
            "*" if found.pairs and i == found.best else "", row["run"], row["label"],
            value if row["claim"] else "too few patients",
            number(row["average_precision"]) if row["claim"] else words.NOTHING,
            f"{saying.number(found, seeds['low'])} to {saying.number(found, seeds['high'])}" if seeds else "one",
        ))  # fmt: skip
    pairs = [(f"{found.measure} of", "minus", "difference (95 % interval)", "p", "p (Holm)", "p (bootstrap)")]
    for pair in found.pairs:
        difference = f"{saying.signed(found, pair['difference'])} ({saying.both(found, pair)})"
        ends = [saying.label(found, found.rows[pair[end]]) for end in "ab"]
        ps = [saying.p_value(p).removeprefix("= ") for p in (pair["p"], pair["holm"], pair["bootstrap"]["p"])]
        pairs.append((*ends, difference, *ps))
    said = [*aligned(runs), "", *(aligned(pairs) if found.pairs else [saying.headline(found)])]
    tested = {"images": found.tested["units"], "patients": found.tested["patients"]}
    amount = words.amount(tested, found.runs[0].unit)
    notes = "; p of one seed says nothing of other seeds" if not all(row["repeats"] for row in found.rows) else ""
    return "\n".join([*said, f"on the same {amount}; p: {found.method}{notes}", *found.notes])


def aligned(lines: list[tuple[str, ...]]) -> list[str]:
    """Rows of cells as lines whose columns stand below each other."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
