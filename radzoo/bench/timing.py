"""Times of several ways to do one thing, taken in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def medians(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each way.

    The ways take turns, so that a machine that slows down slows all of them; the first round is not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, work in ways.items():
            start = time.perf_counter()
            work()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) for name, each in seconds.items()}
