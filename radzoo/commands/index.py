"""`radzoo index`."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from pathlib import Path
from typing import Literal

import tyro

from radzoo.commands.runs import check_new, write
from radzoo.errors import BadInput

COUNTED = (
    "label", "split", "modality", "view", "laterality", "presentation_intent", "secondary_capture", "burnt_in",
    "photometric", "body_part", "spacing_mm", "odd",
)  # fmt: skip
SHOWN = 12  # values of a column in the summary


def index(
    folder: tyro.conf.Positional[Path],
    out: Path,
    left_out: Path | None = None,
    label: Literal["folder", "none"] | None = None,
    series: bool = False,
):
    """Writes an index of the images in a folder: classes from its sub-folders, the rest from DICOM headers.

    With --series a row is a volume: a DICOM series, a multi-frame object, or a NIfTI or NRRD file.

    Patients and studies appear as keys, made with a secret of this machine (RADZOO_SECRET, ~/.config/radzoo/secret).

    Args:
        folder: with images, in sub-folders or not.
        out: CSV to write, which must not exist; its paths are relative to where it lies.
        left_out: CSV of the files that are left out, with the reason; default is OUT with `_left_out` in its name.
        label: `folder` takes the first sub-folders as classes, `none` does not; by default they are taken where at
            least two of them hold images, and none of them the images of one patient only.
        series: one row per volume instead of one per image.
    """
    from radzoo.data import kinds
    from radzoo.data.series import survey_series
    from radzoo.data.survey import survey

    left_out = left_out or out.with_name(f"{out.stem}_left_out{out.suffix}")
    if os.path.abspath(out) == os.path.abspath(left_out):
        raise BadInput(f"--out and --left-out both are {out}: name two files")
    for path in (out, left_out):
        check_new(path)
    if series and label is not None:
        raise BadInput("--label came with --series, which knows no labels: leave it out, and add a column")
    found = survey_series(folder) if series else survey(folder, label=label)
    if len(found.left_out):
        write(left_out, _relative(found.left_out, left_out).to_csv(index=False))
    write(out, _relative(found.table, out).to_csv(index=False))
    going_on = _volumes_next(out) if series else _next(found.table, out, kinds)
    print("\n".join([*_summary(found, out, left_out), "", *going_on]))


def _relative(table, path: Path):
    """`file` as seen from the folder of the CSV."""
    home = os.path.abspath(path.parent)
    return table.assign(file=[os.path.relpath(file, home) for file in table["file"]])


def _summary(found, out: Path, left_out: Path) -> list[str]:
    table = found.table
    whose = (
        f" of {table['patient'].nunique()} patients in {table['study'].nunique()} studies" if "patient" in table else ""
    )
    lines = [f"{len(table)} {'volumes' if 'shape' in table else 'images'}{whose}: {out}"]
    for name in COUNTED:
        if name in table and (table[name] != "").any():
            counts = Counter(value or "(empty)" for value in table[name]).most_common()
            more = f", and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""
            lines.append(f"  {name:<20} {', '.join(f'{value} {count}' for value, count in counts[:SHOWN])}{more}")
    lines += found.notes
    if len(found.left_out):
        lines += ["", f"{len(found.left_out)} files or folders are left out: {left_out}"]
        reasons = Counter(reason.partition(":")[0] for reason in found.left_out["reason"])
        lines += [f"  {count:>6}  {reason}" for reason, count in reasons.most_common()]
    return lines


def _volumes_next(out: Path) -> list[str]:
    return [
        "There is no label yet: add a column to the index.",
        f"Go on with: radzoo run hippocampus_volume --data.index {out} --data.image file --data.label COLUMN "
        "--data.patient patient --size Z Y X --spacing_mm Z Y X",
    ]


def _next(table, out: Path, kinds) -> list[str]:
    """How to leave each kind out, and how to go on."""
    mixed, lines = kinds.among(table, (*kinds.KINDS, kinds.BURNT_IN)), []
    if mixed:
        lines = ["Mixed in are images of other kinds. To leave them out:"]
        lines += [f'  {count:>6}  {kind.name}: --data.where "{where}"' for kind, count, where in mixed]
    if len(mixed) > 1:
        lines.append(f'  all of them: --data.where "{" and ".join(where for _, _, where in mixed)}"')
    fields = {"index": out, "image": "file", "label": "label" if "label" in table else "COLUMN"}
    fields["patient"] = "patient" if "patient" in table else "None"
    if "split" in table:
        fields["split"] = "split"
    values = sorted(set(table.get("label", ())))
    if not values:
        lines.append("There is no label yet: add a column to the index.")
    if len(values) == 2:
        fields["positive"] = "VALUE"
        lines.append(f"Say which label is the positive one: {' or '.join(values)}.")
    command = " ".join(f"--data.{name} {shlex.quote(str(value))}" for name, value in fields.items())
    return [*lines, f"Go on with: radzoo run chest_radiograph {command}"]
