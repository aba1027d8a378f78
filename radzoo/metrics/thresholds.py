"""Where a probability becomes a call: named rules, applied to validation units alone."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from radzoo.errors import BadInput

DEFAULT = "sensitivity 0.90"


def read_rule(rule: str) -> tuple[str, float | None]:
    """`("sensitivity", 0.9)`, `("specificity", 0.95)` or `("youden", None)`.

    Raises:
        BadInput: another name, or a level outside (0, 1].
    """
    words = str(rule).split()
    if words == ["youden"]:
        return "youden", None
    try:
        name, level = words[0], float(words[1])
    except (IndexError, ValueError):
        name, level = None, None
    if name not in ("sensitivity", "specificity") or len(words) != 2 or not 0 < level <= 1:
        raise BadInput(
            f"threshold rule {rule!r} came, expected 'sensitivity X', 'specificity X' with X in (0, 1], or 'youden'"
        )
    return name, level


def rule_text(rule: str) -> str:
    """The rule in words, as a report says it."""
    name, level = read_rule(rule)
    if name == "youden":
        return "threshold with the largest sum of sensitivity and specificity on validation"
    end = "highest" if name == "sensitivity" else "lowest"
    said = f"{level:.2f}" if round(level, 2) == level else f"{level:g}"
    return f"{end} threshold with a {name} of at least {said} on validation"


def threshold_for(truth, score, rule: str = DEFAULT) -> float | None:
    """The threshold t of a rule; a unit is called when `score >= t`, so equal scores are always called alike.

    Args:
        truth: `(n,)` 0 or 1.
        score: `(n,)`.
        rule: `sensitivity X` takes the highest t that finds at least this share of the positives; `specificity X`
            the lowest that leaves at least this share of the negatives uncalled; `youden` the largest sensitivity +
            specificity (Youden, Cancer 1950), and of equals the lowest, which misses least.
    Returns:
        None where the class that the rule needs is missing (for `youden`: either).
    """
    name, level = read_rule(rule)
    truth, score = np.asarray(truth), np.asarray(score, float)
    positive, negative = np.sort(score[truth == 1]), np.sort(score[truth == 0])
    if name == "sensitivity":
        return float(positive[len(positive) - _needed(level, len(positive))]) if len(positive) else None
    if name == "specificity":
        if not len(negative):
            return None
        highest = negative[_needed(level, len(negative)) - 1]  # of those that must not be called
        above = score[score > highest]
        return float(above.min()) if len(above) else float(np.nextafter(highest, np.inf))
    if not (len(positive) and len(negative)):
        return None
    at = np.unique(score)
    found = len(positive) - np.searchsorted(positive, at)  # whole numbers: no rounding decides between equals
    spared = np.searchsorted(negative, at)
    return float(at[np.argmax(found * len(negative) + spared * len(positive))])


def _needed(level: float, count: int) -> int:
    """The fewest of `count` that are at least this share: .9 of 10 are 9, whatever floats say of .9 * 10."""
    return math.ceil(Fraction(repr(level)) * count)
