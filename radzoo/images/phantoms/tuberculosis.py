"""Tuberculosis on chest radiographs: patchy upper-lobe consolidation, cavities, and small nodules around them.

The radiographs are those of `radiograph`, other findings occur with and without tuberculosis alike, and half of all
patients carry it. Modelled: the post-primary form in the upper third of one or both lungs. Not modelled: primary
disease (hilar nodes), miliary disease, scars, calcification and loss of volume.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from radzoo.images.phantoms import radiograph
from radzoo.images.phantoms.beam import SCANNERS
from radzoo.images.phantoms.findings import Ball, Lesions, in_lung
from radzoo.images.phantoms.header import dataset
from radzoo.images.phantoms.thorax import LEFT, RIGHT, Thorax, draw_pose

PATIENTS, SIZE = 300, 192
OTHERS = {"nodule": 0.15, "effusion": 0.2, "cardiomegaly": 0.2}  # shares of patients, tuberculosis or not
PREVALENCE = 0.5


class Radiograph:
    """A radiograph with the header of its scanner, before it is a file."""

    suffix = ".dcm"

    def __init__(self, values: np.ndarray, scanner):
        self.values, self.scanner = values, scanner

    def save(self, path, *, patient: int, image: tuple[int, str], seed: int) -> None:
        header = dataset(self.values, self.scanner, patient=patient, image=image[0], seed=seed)
        header.save_as(path, enforce_file_format=True)


def patient(generator: np.random.Generator, size: int) -> Iterator[tuple[dict, dict]]:
    """One or two radiographs `file` of a patient: `tb` (0/1), the findings of `OTHERS`, `scanner`."""
    anatomy, lots, disease = generator.spawn(3)
    chances = lots.random(1 + len(OTHERS))
    sick = bool(chances[0] < PREVALENCE)
    others = tuple(name for name, chance in zip(OTHERS, chances[1:], strict=True) if chance < OTHERS[name])
    one = radiograph.draw_patient(anatomy, others)
    if sick:
        one = replace(one, lesions=infect(disease, one.thorax, one.lesions))
    for _ in range(1 + int(lots.integers(2))):
        scanner = SCANNERS[lots.integers(len(SCANNERS))]
        pose_stream, quanta = lots.spawn(2)
        values, _ = radiograph.project(one, draw_pose(pose_stream), scanner, quanta, size)
        labels = {"tb": int(sick), **{name: int(name in others) for name in OTHERS}}
        yield {"file": Radiograph(values, scanner)}, {"scanner": scanner.name, "view": "PA", **labels}


def infect(generator: np.random.Generator, thorax: Thorax, lesions: Lesions) -> Lesions:
    """The patient's lesions and those of tuberculosis: small nodules always, a patch and cavities often."""
    sides = [RIGHT, LEFT] if generator.random() < 0.35 else [int(generator.choice([RIGHT, LEFT]))]
    balls, patch = list(lesions.balls), lesions.consolidation
    for side in sides:
        centre = upper(generator, thorax, side, 14.0)
        if side == sides[0] and generator.random() < 0.75:
            axes = tuple(generator.uniform(20, 42, 3).tolist())
            blob = Ball(centre, axes, float(generator.uniform(0, 3)), float(generator.uniform(0.45, 0.9)), "tb")
            patch = blob, int(generator.integers(2**31))
        if generator.random() < 0.6:
            radius = float(generator.uniform(8, 17))
            spot = upper(generator, thorax, side, radius)
            axes = tuple((radius * generator.uniform(0.85, 1.15, 3)).tolist())
            hollow = 1 - float(generator.uniform(2.5, 5)) / radius
            balls.append(Ball(spot, axes, float(generator.uniform(0, 3)), 1.05, "tb", hollow))
        for _ in range(generator.integers(6, 16)):
            around = np.array(centre) + generator.normal(0, (14, 16, 16))
            if in_lung(thorax, *around.tolist(), 3.0):
                radius = float(generator.uniform(2, 4.5))
                balls.append(Ball(tuple(around.tolist()), (radius,) * 3, 0.0, 1.05, "tb"))
    return replace(lesions, balls=tuple(balls), consolidation=patch)


def upper(generator: np.random.Generator, thorax: Thorax, side: int, margin: float) -> tuple[float, float, float]:
    """A place in the upper third of one lung, `margin` mm from its walls."""
    for _ in range(500):
        y = float(generator.uniform(thorax.apex + 15 + margin, thorax.apex + 75))
        x = float(side * generator.uniform(thorax.mediastinum + 12, thorax.width))
        z = float(generator.uniform(-0.2, 0.9) * thorax.depth)  # rather at the back
        if in_lung(thorax, x, y, z, margin):
            return x, y, z
    return side * 0.5 * thorax.width, thorax.apex + 55.0, 0.2 * thorax.depth
