"""`radzoo candidates`."""

from __future__ import annotations

import os
from pathlib import Path

import tyro

from radzoo.commands.runs import check_new, write
from radzoo.errors import BadInput


def candidates(
    index: tyro.conf.Positional[Path],
    out: Path,
    reference: Path,
    image: str = "image",
    mask: str = "mask",
    patient: str = "patient",
    labels: tuple[int, ...] = (),
    within: int = 1,
    away: int = 8,
    margin_mm: float = 5.0,
    seed: int = 0,
):
    """Samples candidates from masks: places within lesions and away from them, where no detector has named any.

    Places away from all lesions are easier than what a detector mistakes for one: what is measured on them is too good.

    Args:
        index: a CSV with one row per volume.
        out: CSV of candidates to write, which must not exist.
        reference: CSV of all lesions to write, in the same folder.
        image: column of the volume.
        mask: column of its mask (NIfTI, NRRD, .seg.nrrd, DICOM SEG), brought into its frame.
        patient: column that tells patients apart.
        labels: of the mask that are lesions; by default all but 0.
        within: places per lesion.
        away: places per volume.
        margin_mm: least distance from every lesion.
        seed: the same gives the same places.
    """
    from radzoo.data.sampling import sample_candidates

    if os.path.abspath(out.parent) != os.path.abspath(reference.parent) or out.name == reference.name:
        raise BadInput(f"--out {out} and --reference {reference} came: name two files of one folder")
    for path in (out, reference):
        check_new(path)
    tables = sample_candidates(
        index, image=image, mask=mask, patient=patient, labels=labels, within=within, away=away, margin_mm=margin_mm,
        seed=seed,
    )  # fmt: skip
    home = os.path.abspath(out.parent)
    for path, table in zip((reference, out), tables[::-1], strict=True):
        write(path, table.assign(**{image: [os.path.relpath(file, home) for file in table[image]]}).to_csv(index=False))
    found, lesions = tables
    count = int((lesions["lesion_id"] != "").sum())
    print(
        f"{len(found)} candidates, {int((found['label'] == 1).sum())} of them within {count} lesions, in "
        f"{lesions[image].nunique()} volumes: {out}\n"
        f"Go on with: radzoo run nodule_candidates_multistream --data.index {out} --data.image {image} "
        f"--data.patient {patient} --data.reference {reference.name} --window CENTER WIDTH"
    )
