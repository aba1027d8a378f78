"""Fabricated images with physics one can defend, written as DICOM; nobody was exposed for them.

    thorax     the patient: an analytic thorax with its own variation, and how it stands in one exposure
    organs, bones, vessels, findings      what the beam meets on its way
    beam       Beer-Lambert, scatter, quanta, blur and processing of four scanners that exist nowhere
    radiograph all of it, one image
    chest_set, tuberculosis, pneumonia    sets of chest radiographs
    hand, mammogram, mammography_lesions, brain_mr, lung_texture, liver_ct, liver_mr      one file per other kind
    hippocampus, lung_ct, lung_nodules, liver_phases      volumes
    lung_block, nodules, lung_candidates      a block of chest CT, what grows in it, what a detector calls
    membranes, nuclei, chest_organs       images with masks: sections, fields of nuclei, radiographs
    hippocampus_masks, liver_lesions, prostate_mr, ms_lesions      volumes with masks
    low_dose_ct, sparse_view_ct, pseudo_ct      volumes to restore: clean CT of which recipes make scans, pairs
    masked     PNG and NIfTI files
    ellipses   slices with exact line integrals
    solid      shapes and random fields in 3-D
    texture    shapes and random fields that these share
    header, plain, files       DICOM files and the index

Findings are independent of one another, of anatomy and of the scanner; a patient's images share anatomy and findings.
Only the chest radiograph is an anatomy in depth; volumes are blocks of simple shapes, and the other kinds are flat,
drawn to be learnt from and to be told from noise.
No grey level finds a mask: over a whole set the best one reaches a Dice of .60 for membranes, .45 for nuclei, .28 to
.44 for the chest's organs, .12 and .06 for both parts of hippocampi, .48 for livers, .02 for their lesions, .15 for
prostates and .36 for lesions of MS (`pytest -m slow tests/test_phantom_masks.py`).
What is learnt here says nothing about patients: phantoms test software, not medicine.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import os
from dataclasses import dataclass
from pathlib import Path

from radzoo.errors import BadInput
from radzoo.images.phantoms import plain
from radzoo.images.phantoms.findings import FINDINGS, PREVALENCE
from radzoo.images.phantoms.header import FORMAT

__all__ = ["FINDINGS", "FORMAT", "KINDS", "PREVALENCE", "SETS", "Kind", "chest", "named_set", "write"]


@dataclass(frozen=True)
class Kind:
    """What a kind of phantom is to a recipe.

    Attributes:
        module: of this package, which fabricates it.
        image: columns of the images; several are taken together, such as contrast phases.
        label: columns that a recipe learns unless it names other ones.
        index: the file that lists the images, or holds them.
        classes: of a kind whose label is a mask, what its values 1, 2, … are.
        target: of a kind made of pairs, the column of the image that is wanted.
    """

    module: str
    label: tuple[str, ...]
    image: tuple[str, ...] = ("file",)
    index: str = "index.csv"
    classes: tuple[str, ...] = ()
    target: str = ""


KINDS = {
    "chest": Kind("chest_set", ("nodule",)),
    "tuberculosis": Kind("tuberculosis", ("tb",)),
    "pneumonia": Kind("pneumonia", ("pneumonia",), ("image",), "images.npz"),
    "hand": Kind("hand", ("bone_age",)),
    "mammogram": Kind("mammogram", ("density",)),
    "mammography_lesions": Kind("mammography_lesions", ("lesion",)),
    "brain_mr": Kind("brain_mr", ("mgmt",)),
    "lung_texture": Kind("lung_texture", ("pattern",)),
    "liver_ct": Kind("liver_ct", ("category",), ("plain", "arterial", "delayed")),
    "liver_mr": Kind("liver_mr", ("fibrosis",)),
    "hippocampus": Kind("hippocampus", ("volume_ml",)),
    "lung_ct": Kind("lung_ct", ("label",), ("series",), "candidates.csv"),
    "lung_nodules": Kind("lung_nodules", ("malignant",), ("series",), "nodules.csv"),
    "liver_phases": Kind("liver_phases", ("category",), ("plain", "arterial", "delayed")),
    "membranes": Kind("membranes", ("mask",), ("image",), classes=("cell",)),
    "nuclei": Kind("nuclei", ("mask",), ("image",), classes=("nucleus",)),
    "chest_organs": Kind("chest_organs", ("mask",), ("image",), classes=("left_lung", "right_lung", "heart")),
    "hippocampus_masks": Kind("hippocampus_masks", ("mask",), ("image",), classes=("anterior", "posterior")),
    "liver_lesions": Kind("liver_lesions", ("mask",), ("image",), classes=("liver", "lesion")),
    "prostate_mr": Kind("prostate_mr", ("mask",), ("image",), classes=("prostate",)),
    "ms_lesions": Kind("ms_lesions", ("mask",), ("image", "t1"), classes=("lesion",)),
    "low_dose_ct": Kind("low_dose_ct", ("mask",), ("image",), classes=("fat", "cyst", "faint", "vessel", "bone")),
    "sparse_view_ct": Kind("sparse_view_ct", (), ("image",)),
    "pseudo_ct": Kind("pseudo_ct", ("mask",), ("input",), classes=("soft", "bone"), target="target"),
}

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
    **{kind: {"kind": kind} for kind in KINDS if kind != "chest"},
}


def chest(generator, *, size: int = 256, findings=()):
    """One PA chest radiograph of a new patient with exactly these findings.

    Returns:
        float32 `(size, size)`, dense tissue bright, mostly within 0..1; and its record (see `radiograph.project`).
    """
    from radzoo.images.phantoms import radiograph

    return radiograph.chest(generator, size=size, findings=findings)


def named_set(name: str, folder: str | os.PathLike) -> Path:
    """Writes the set of `SETS` under `folder`, or reuses it there; the path of its index.

    Raises:
        BadInput: no such set.
    """
    if name not in SETS:
        near = difflib.get_close_matches(name, SETS, 1)
        hint = f"did you mean phantom:{near[0]}? " if near else ""
        raise BadInput(f"no set of phantoms is called {name!r}: {hint}there are phantom:{', phantom:'.join(SETS)}")
    edition = FORMAT if SETS[name]["kind"] == "chest" else plain.FORMAT
    return write(Path(folder) / f"{name}-{edition}", **SETS[name])


def write(
    folder: str | os.PathLike,
    kind: str = "chest",
    *,
    patients: int | None = None,
    seed: int = 0,
    size: int | None = None,
    findings: tuple[str, ...] | None = None,
    prevalence: dict[str, float] | None = None,
) -> Path:
    """Fabricates patients with one or more images each under `folder`.

    The same arguments give the same bytes. A complete set that `folder` already holds is reused.

    Args:
        patients, size: how many, and the side of the square images in pixels; None takes what suits the kind.
        findings: of the chest, the ones that occur and have a column; the others never occur. None takes all.
        prevalence: of the chest, `{finding: share of patients}` where it should differ from `PREVALENCE`.
    Returns:
        The path of the index: file (or one column per phase, or image and mask), patient_id, scanner, the columns that
        the kind's module describes, synthetic (1); `index.csv`, of lungs the table that `KINDS` names. For pneumonia
        `images.npz`, in the layout of MedMNIST.
    Raises:
        BadInput: unknown kind or finding, or a folder that holds anything else.
    """
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise BadInput(f"unknown kind of phantom {kind!r}: {hint}choose among {', '.join(KINDS)}")
    from radzoo.images.phantoms import files

    made = importlib.import_module(f"radzoo.images.phantoms.{KINDS[kind].module}")
    patients, size = made.PATIENTS if patients is None else patients, made.SIZE if size is None else size
    if patients < 1 or seed < 0:
        raise BadInput(f"{patients} patients with seed {seed}: expected at least one patient and a seed from 0")
    if size < min(32, made.SIZE):
        raise BadInput(f"images of {size} pixels, expected at least {min(32, made.SIZE)}")
    arguments, more, edition = {"patients": patients, "seed": seed, "size": size}, {}, plain.FORMAT
    if kind == "chest":
        findings = FINDINGS if findings is None else tuple(findings)
        fill, more = made.filler(**arguments, findings=findings, prevalence=prevalence)
        edition = FORMAT
    elif findings is not None or prevalence is not None:
        raise BadInput(f"findings or prevalence came with phantoms of the kind {kind}: only the chest takes them")
    elif hasattr(made, "fill"):
        fill = functools.partial(made.fill, **arguments)
    else:
        fill = functools.partial(files.fill, patient=made.patient, **arguments)
    return files.write_set(folder, KINDS[kind].index, {"format": edition, "kind": kind, **arguments, **more}, fill)
