"""A comparison of runs in words."""

from __future__ import annotations

from radzoo.metrics import FEW
from radzoo.report import words

LEVEL = 0.05


def label(found, row) -> str:
    """The run, and its way where several of a run are shown."""
    alone = sum(other["number"] == row["number"] for other in found.rows) == 1
    return row["run"] if alone else f"{row['run']}: {row['label']}"


def number(found, value) -> str:
    """An AUC as everywhere; an error in the unit of its target."""
    return words.number(value) if found.measure != "MAE" else words.NOTHING if value is None else f"{value:.3g}"


def headline(found) -> str:
    """Who is ahead, and whether that is more than chance."""
    if not found.pairs:
        needed = f"{FEW} are needed" if found.measure == "MAE" else f"{FEW} with and {FEW} without are needed"
        return f"Too few patients were tested to compare these runs: at least {needed}."
    best, beaten = found.best, ahead(found)
    row, others = found.rows[best], len(found.rows) - 1
    kind = "lowest mean absolute error" if found.measure == "MAE" else f"highest {found.measure}"
    value = f"{number(found, row['measured']['value'])} (95 % CI {span(found, row['measured'])})"
    if len(beaten) == others:
        all_ = {1: "the other", 2: "both others"}.get(others, f"all {others} others")
        verdict = f"ahead of {all_} by more than the luck of the test patients"
    elif beaten:
        verdict = f"ahead of {len(beaten)} of {others} others by more than the luck of the test patients"
    else:
        verdict = f"but not told apart from {'the other' if others == 1 else 'any other'}"
    return f"{label(found, row)} reached the {kind}, {value}, {verdict}."


def ahead(found) -> list[int]:
    """The rows that the best one leaves behind with a corrected p below `LEVEL`."""
    rest = [pair for pair in found.pairs if found.best in (pair["a"], pair["b"])]
    return [pair["a"] + pair["b"] - found.best for pair in rest if pair["holm"] is not None and pair["holm"] < LEVEL]


def lead(found) -> list[str]:
    """What was compared, and each difference from the best."""
    count, pairs = len({row["number"] for row in found.rows}), len(found.pairs)
    tested = {"images": found.tested["units"], "patients": found.tested["patients"]}
    said = [f"The {count} runs were tested on the same {words.amount(tested, found.runs[0].unit)}."]
    for pair in sorted(found.pairs, key=lambda pair: abs(pair["difference"] or 0)):
        if found.best in (pair["a"], pair["b"]):
            told = turned(pair) if pair["b"] == found.best else pair
            other, p = label(found, found.rows[told["b"]]), p_value(pair["holm"])
            said.append(f"Against {other}: {signed(found, told['difference'])} ({both(found, told)}; p {p}).")
    if pairs > 1:
        said.append(f"p is corrected for {pairs} comparisons (Holm).")
    return said


def turned(pair) -> dict:
    """b minus a."""

    def minus(value):
        return None if value is None else -value

    return pair | {
        "a": pair["b"], "b": pair["a"], "difference": minus(pair["difference"]), "low": minus(pair["high"]),
        "high": minus(pair["low"]),
    }  # fmt: skip


def signed(found, value) -> str:
    """A difference with its sign: three decimals, for those between networks are small."""
    text = words.NOTHING if value is None else f"{value:+.3g}" if found.measure == "MAE" else f"{value:+.3f}"
    return text.replace("-", "\N{MINUS SIGN}")


def both(found, measured) -> str:
    """The interval of a difference."""
    ends = [signed(found, measured[end]) for end in ("low", "high")]
    return words.NOTHING if words.NOTHING in ends else " to ".join(ends)


def span(found, measured) -> str:
    """The interval of a measure."""
    return words.NOTHING if measured["low"] is None else " to ".join(
        number(found, measured[end]) for end in ("low", "high")
    )  # fmt: skip


def p_value(p) -> str:
    """`= 0.031` or `< 0.001`."""
    return words.NOTHING if p is None else "< 0.001" if p < 0.001 else f"= {p:.3f}"


def cautions(found) -> list[str]:
    """What no p on this page knows."""
    said = []
    once = [row["run"] for row in found.rows if not row["repeats"] and row["chosen"]]
    if once:
        names = "Each run is" if len(once) == len(found.runs) else f"{words.listed(once)}: each is"
        said.append(
            f"{names} one training with one seed. p says how the difference would scatter with other patients, not "
            "with other seeds: the same recipe trained again is another network with another number. A small p tells "
            "these networks apart, not yet their recipes; --repeats 5 shows how much the seed does."
        )
    if any(row["repeats"] for row in found.rows):
        said.append(
            "The range over seeds stands beside the interval. Where the ranges of two runs overlap, their difference "
            "may be the luck of the seed, whatever its p."
        )
    if len(found.rows) > 2:
        said.append(
            f"The best of {len(found.rows)} on one test set flatters itself: its number is likely to be lower on other "
            "patients. A choice among runs belongs on validation, or needs a fresh test."
        )
    if any(run.folds for run in found.runs):
        said.append("The networks of the folds share training patients, which no interval here takes into account.")
    return said + found.notes
