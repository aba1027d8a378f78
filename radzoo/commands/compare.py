"""`radzoo compare`."""

from __future__ import annotations

from pathlib import Path

import tyro

import radzoo


def compare(
    runs: tyro.conf.Positional[tuple[Path, ...]],
    out: Path | None = None,
    names: tuple[str, ...] | None = None,
    all_ways: bool = False,
):
    """Compares finished runs on the same test patients, pair by pair.

    Args:
        runs: the run folders, two or more.
        out: page to write, which must not exist; by default the first free comparison-1.html, comparison-2.html, ...
        names: what to call the runs, one for each; by default the names of their folders.
        all_ways: every way of each run, not only the one that it chose on validation.
    """
    out = out or next(path for n in range(1, 10**6) if not (path := Path(f"comparison-{n}.html")).exists())
    print(f"{radzoo.compare(runs, names=names, all_ways=all_ways, out=out)}\n\npage: {out.resolve()}")
