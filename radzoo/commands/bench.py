"""`radzoo bench`: how fast this machine is, against the plain way to do the same."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from radzoo.commands.parsing import start_keras
from radzoo.errors import BadInput


def volumes(planes: int = 60, size: int = 512, long: int = 600, rounds: int = 3, series: Path | None = None):
    """Measures reading, feeding and cutting of volumes, and prints a table; a ratio above 1 is faster, or hungrier.

    Series are fabricated in a temporary folder (TMPDIR), which takes 0.6 GB by default. The ways to do one thing take
    turns, and their medians count.

    Args:
        planes: of the fabricated series, 8 or more.
        size: rows and columns of a plane.
        long: planes of the series whose peak memory is measured.
        rounds: that are measured, after one that is not.
        series: folder of a real series to read as well, any encoding.
    """
    from radzoo.bench import series as fabricated
    from radzoo.bench import volumes as measured

    if min(planes, long) < 8 or size < 16 or rounds < 1:
        raise BadInput(f"--planes {planes} --size {size} --long {long} --rounds {rounds}: at least 8, 16, 8 and 1")
    if series is not None and not series.is_dir():
        raise BadInput(f"--series {series} is no folder: name one with the files of a series")
    start_keras()
    print("| work | radzoo | against | | ratio |\n|---|---|---|---|---|", flush=True)
    said = []
    with tempfile.TemporaryDirectory(prefix="radzoo-bench-") as folder:
        files = measured.written(Path(folder) / "series", planes, size)
        own = {} if series is None else {"--series": fabricated.in_folder(series)}
        for rows in (
            measured.reading(files | own, rounds),
            measured.feeding(files, Path(folder), rounds),
            measured.cutting(str(Path(folder) / "series" / "raw"), rounds),
            measured.memory(Path(folder) / "long", long, size),
        ):
            for row in rows:
                if isinstance(row, str):
                    said.append(row)
                else:
                    print(_line(row), flush=True)
    print("\n" + "\n".join(said))


def _line(row) -> str:
    unit = row.unit if row.unit == "MB" else f"{row.unit}/s"
    theirs = "-" if row.theirs is None else f"{row.theirs:.3g} {unit}"
    ratio = "-" if math.isnan(row.ratio) else f"{row.ratio:.2f}"
    return f"| {row.work} | {row.ours:.3g} {unit} | {row.against} | {theirs} | {ratio} |"


COMMANDS = {"volumes": volumes}
