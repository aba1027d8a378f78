"""One way to do a piece of work, in a process of its own that is told when to begin.

So that its peak memory is its own, and ways of different interpreters can take turns. Of the standard library alone,
since the interpreter that has torch runs this file, too.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path


def peak() -> int:
    """Bytes of memory that this process has held at most."""
    if sys.platform != "linux":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status = Path("/proc/self/status").read_text()  # there ru_maxrss begins with that of the parent
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def serve(work: Callable[[], object], facts: dict) -> None:
    """Does `work` once for every line that comes in; out go a line of facts, the seconds of each turn, and the end.

    The facts gain the peak before the first turn (`before`), the last line holds the one after all of them.
    """
    print(json.dumps(facts | {"before": peak()}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        work()
        print(json.dumps(time.perf_counter() - start), flush=True)
    print(json.dumps(peak()), flush=True)
