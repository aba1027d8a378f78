"""The set `chest`: who has which findings, and the radiographs of each patient as DX and CR files."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.phantoms.beam import SCANNERS, Scanner
from radzoo.images.phantoms.findings import FINDINGS, PREVALENCE
from radzoo.images.phantoms.header import dataset

PATIENTS, SIZE = 240, 256
IMAGES = (1, 2, 3)  # per patient, with equal chance


@dataclass(frozen=True)
class Plan:
    """What is to be fabricated for one patient, known before any pixel is."""

    number: int  # from 1
    findings: tuple[str, ...]
    scanners: tuple[Scanner, ...]  # one per image


def plan(*, patients: int, seed: int, findings=FINDINGS, prevalence=None) -> list[Plan]:
    """Draws each patient's findings and scanners, all independent of one another.

    Args:
        prevalence: `{finding: share of patients}`, over the defaults of `PREVALENCE`.
    Raises:
        BadInput: for unknown findings, or a share outside 0..1.
    """
    shares = {**PREVALENCE, **(prevalence or {})}
    _check(findings, shares)
    plans = []
    for number in range(1, patients + 1):
        generator = np.random.default_rng([seed, number, 0])
        lots = dict(zip(FINDINGS, generator.random(len(FINDINGS)), strict=True))
        present = tuple(name for name in FINDINGS if name in findings and lots[name] < shares[name])
        images = int(generator.choice(IMAGES))
        scanners = tuple(SCANNERS[i] for i in generator.integers(len(SCANNERS), size=images))
        plans.append(Plan(number, present, scanners))
    return plans


def _check(findings, shares) -> None:
    unknown = sorted({*findings, *shares} - set(FINDINGS))
    if unknown:
        raise BadInput(f"unknown finding {', '.join(unknown)}: choose among {', '.join(FINDINGS)}")
    if not findings:
        raise BadInput(f"no finding was named: choose among {', '.join(FINDINGS)}")
    wrong = [f"{name} {share}" for name, share in shares.items() if not 0 <= share <= 1]
    if wrong:
        raise BadInput(f"prevalence {', '.join(wrong)}, expected shares from 0 to 1")


def images(entry: Plan, seed: int, size: int) -> Iterator[np.ndarray]:
    """The images of one planned patient: one anatomy, another pose, exposure and perhaps scanner each time."""
    from radzoo.images.phantoms.radiograph import draw_patient, project
    from radzoo.images.phantoms.thorax import draw_pose

    patient = draw_patient(np.random.default_rng([seed, entry.number, 1]), entry.findings)
    for image, scanner in enumerate(entry.scanners, 2):
        pose_stream, quanta = np.random.default_rng([seed, entry.number, image]).spawn(2)
        yield project(patient, draw_pose(pose_stream), scanner, quanta, size)[0]


def filler(*, patients: int, seed: int, size: int, findings, prevalence) -> tuple[Callable[[Path], None], dict]:
    """What writes the set into an empty folder, and the parameters that it is known by."""
    plans = plan(patients=patients, seed=seed, findings=findings, prevalence=prevalence)
    names = [name for name in FINDINGS if name in findings]
    shares = {name: (prevalence or {}).get(name, PREVALENCE[name]) for name in names}
    return lambda folder: _fill(folder, plans, seed, size, names), {"prevalence": shares}


def _fill(folder: Path, plans, seed: int, size: int, findings) -> None:
    from tqdm import tqdm

    (folder / "images").mkdir()
    columns = ["file", "patient_id", "scanner", "view", *findings, "no_finding", "synthetic"]
    total = sum(len(entry.scanners) for entry in plans)
    with (
        open(folder / "index.csv", "w", newline="", encoding="utf-8") as opened,
        tqdm(total=total, desc="fabricating phantoms", unit="image", file=sys.stderr) as bar,
    ):
        rows = csv.writer(opened, lineterminator="\n")
        rows.writerow(columns)
        for entry in plans:
            labels = [int(name in entry.findings) for name in findings]
            for image, values in enumerate(images(entry, seed, size), 1):
                scanner, name = entry.scanners[image - 1], f"images/{entry.number:04d}-{image}.dcm"
                header = dataset(values, scanner, patient=entry.number, image=image, seed=seed)
                header.save_as(folder / name, enforce_file_format=True)
                identity = [name, f"phantom-{entry.number:04d}", scanner.name, "PA"]
                rows.writerow([*identity, *labels, int(not any(labels)), 1])
                bar.update()
