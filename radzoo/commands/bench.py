"""`radzoo bench`: how fast this machine is, against the plain way to do the same."""

from __future__ import annotations

import csv
import math
import os
import platform
import statistics
import tempfile
from pathlib import Path
from typing import Literal

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


def segmentation(
    torch: Path | None = None, size: Literal["small", "full"] = "full", rounds: int = 5, out: Path | None = None
):
    """Measures training steps and sliding windows, and prints a table; a ratio above 1: the other takes longer.

    A small 3-D U-Net and V-Net, float32, batches of two: as radzoo trains and slides them, and as one writes the same
    in plain Keras. With --torch also networks of MONAI with about as many parameters. A sliding window has an overlap
    of a half and Gaussian weights; "windows alone" is one around a network that costs nothing. Every way runs in a
    process of its own, and they take turns; the ratio is the median over the rounds, with the lowest and the highest.
    MB are the peak of the process, and in brackets what the work added to it. On a busy machine this measures others.

    Args:
        torch: the Python of an environment with torch and monai, such as env/bin/python.
        size: windows of 64 and volumes of 128 voxels a side, or half of both.
        rounds: that are measured, after one that is not.
        out: CSV file to write the table to as well; it must not be there yet.
    """
    from radzoo.bench import segmentation as measured

    if rounds < 1:
        raise BadInput(f"--rounds {rounds} came, expected 1 or more")
    if out is not None and (out.exists() or not out.parent.is_dir()):
        raise BadInput(f"--out {out} is there already, or its folder is not: name a new file")
    if torch is not None:
        measured.check(torch)
    print(f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}; size {size}, {rounds} rounds\n")
    print("| work | against | radzoo | other | ratio | radzoo | other |\n" + "|---" * 7 + "|", flush=True)
    said, rows = {}, []
    for ours, *others in measured.measure(size, rounds, torch):
        for one in (ours, *others):
            said |= dict.fromkeys(_facts(one))
        for other in others:
            rows.append(_row(ours, other))
            print(_compared(rows[-1]), flush=True)
    print("\n" + "\n".join(said))
    if torch is None:
        print("MONAI is left out: name a Python that has it with --torch.")
    if out is not None:
        with open(out, "x", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(rows)


def _row(ours, other) -> dict:
    ratios = sorted(other.ratios(ours))
    return {
        "work": f"{ours.work}, {ours.network}".strip(", "),
        "against": other.way,
        "seconds": ours.median,
        "other_seconds": other.median,
        "ratio": statistics.median(ratios),
        "lowest": ratios[0],
        "highest": ratios[-1],
        "peak_mb": ours.peak,
        "added_mb": ours.added,
        "other_peak_mb": other.peak,
        "other_added_mb": other.added,
    }


def _compared(row: dict) -> str:
    own, their = (f"{row[f'{who}peak_mb']:.0f} ({row[f'{who}added_mb']:.0f}) MB" for who in ("", "other_"))
    ratio = f"{row['ratio']:.2f} ({row['lowest']:.2f}-{row['highest']:.2f})"
    seconds = f"{row['seconds']:.3g} s | {row['other_seconds']:.3g} s"
    return f"| {row['work']} | {row['against']} | {seconds} | {ratio} | {own} | {their} |"


def _facts(one) -> list[str]:
    """Lines to say once, below the table."""
    facts = one.facts
    if "parameters" not in facts:
        return [facts["versions"]]
    size = f"{facts['parameters']:,} parameters, {facts['multiply_adds'] / 1e9:.3g} G multiply-adds per window"
    return [facts["versions"], f"{one.network}, {one.way}: {size}"]


COMMANDS = {"volumes": volumes, "segmentation": segmentation}
