"""Fabricated radiographs with physics one can defend, written as DICOM; nobody was exposed for them.

    thorax     the patient: an analytic thorax with its own variation, and how it stands in one exposure
    organs, bones, vessels, findings      what the beam meets on its way
    beam       Beer-Lambert, scatter, quanta, blur and processing of four scanners that exist nowhere
    radiograph all of it, one image
    header, files      DICOM files and the index

Findings are independent of one another, of anatomy and of the scanner; a patient's images share anatomy and findings.
What is learnt here says nothing about patients: phantoms test software, not medicine.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.phantoms.findings import FINDINGS, PREVALENCE
from radzoo.images.phantoms.header import FORMAT

__all__ = ["FINDINGS", "FORMAT", "KINDS", "PREVALENCE", "SETS", "chest", "named_set", "write"]

# What `phantom:NAME` gives. The patients of the second set have no consolidation: it trains what the demo transfers.
SETS = {
    "chest": {"kind": "chest"},
    "chest_pretraining": {
        "kind": "chest",
        "patients": 1200,
        "seed": 1,
        "findings": tuple(name for name in FINDINGS if name != "consolidation"),
        "prevalence": {"mass": 0.25, "nodule": 0.3, "pneumothorax": 0.25},
    },
}


def chest(generator, *, size: int = 256, findings=()):
    """One PA chest radiograph of a new patient with exactly these findings.

    Returns:
        float32 `(size, size)`, dense tissue bright, mostly within 0..1; and its record (see `radiograph.project`).
    """
    from radzoo.images.phantoms import radiograph

    return radiograph.chest(generator, size=size, findings=findings)


def _chest_images(plan, seed: int, size: int):
    """The images of one planned patient: one anatomy, another pose, exposure and perhaps scanner each time."""
    from radzoo.images.phantoms.radiograph import draw_patient, project
    from radzoo.images.phantoms.thorax import draw_pose

    patient = draw_patient(np.random.default_rng([seed, plan.number, 1]), plan.findings)
    for image, scanner in enumerate(plan.scanners, 2):
        pose_stream, quanta = np.random.default_rng([seed, plan.number, image]).spawn(2)
        yield project(patient, draw_pose(pose_stream), scanner, quanta, size)[0]


KINDS = {"chest": _chest_images}


def named_set(name: str, folder: str | os.PathLike) -> Path:
    """Writes the set of `SETS` under `folder`, or reuses it there; the path of its `index.csv`.

    Raises:
        BadInput: no such set.
    """
    if name not in SETS:
        near = difflib.get_close_matches(name, SETS, 1)
        hint = f"did you mean phantom:{near[0]}? " if near else ""
        raise BadInput(f"no set of phantoms is called {name!r}: {hint}there are phantom:{', phantom:'.join(SETS)}")
    return write(Path(folder) / f"{name}-{FORMAT}", **SETS[name])


def write(
    folder: str | os.PathLike,
    kind: str = "chest",
    *,
    patients: int = 240,
    seed: int = 0,
    findings: tuple[str, ...] = FINDINGS,
    prevalence: dict[str, float] | None = None,
    size: int = 256,
) -> Path:
    """Fabricates patients with one to three images each as DICOM files under `folder`.

    The same arguments give the same bytes. A complete set that `folder` already holds is reused.

    Args:
        findings: the ones that occur and have a column; the others never occur.
        prevalence: `{finding: share of patients}` where it should differ from `PREVALENCE`.
        size: side of the square images in pixels.
    Returns:
        The path of `index.csv`: file, patient_id, scanner, view, one 0/1 column per finding, no_finding, synthetic (1).
    Raises:
        BadInput: unknown kind or finding, or a folder that holds anything else.
    """
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise BadInput(f"unknown kind of phantom {kind!r}: {hint}choose among {', '.join(KINDS)}")
    from radzoo.images.phantoms.files import write_set

    return write_set(
        folder, KINDS[kind], kind=kind, patients=patients, seed=seed, findings=tuple(findings),
        prevalence=prevalence, size=size,
    )  # fmt: skip
