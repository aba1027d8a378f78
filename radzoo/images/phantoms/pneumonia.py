"""Pneumonia on tiny chest radiographs, in one npz with the layout of MedMNIST.

The radiographs are those of `radiograph` (an adult's thorax, though the real set is of children), one per patient,
with a consolidation or without, brought to 28 pixels by area. Other findings occur in both classes alike.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from radzoo.images.phantoms.files import progress

PATIENTS, SIZE = 600, 28
FINE = 128  # pixels of the exposure
PARTS = {"train": 0.7, "val": 0.1, "test": 0.2}
PREVALENCE = 0.5
OTHERS = {"effusion": 0.1, "cardiomegaly": 0.15, "nodule": 0.1}


def fill(folder: Path, *, patients: int, seed: int, size: int) -> None:
    """Writes `images.npz`: `train_images` uint8 `(n, size, size)`, `train_labels` uint8 `(n, 1)`; `val_`, `test_`."""
    made = [patient(np.random.default_rng([seed, number]), size) for number in progress(patients)]
    images, labels = np.stack([image for image, _ in made]), np.array([[label] for _, label in made], "uint8")
    ends = np.rint(np.cumsum([0.0, *PARTS.values()]) * patients).astype(int)
    arrays = {}
    for part, start, end in zip(PARTS, ends[:-1], ends[1:], strict=True):
        arrays |= {f"{part}_images": images[start:end], f"{part}_labels": labels[start:end]}
    np.savez(folder / "images.npz", **arrays)


def patient(generator: np.random.Generator, size: int) -> tuple[np.ndarray, int]:
    """One radiograph, uint8 `(size, size)`, and whether it shows pneumonia."""
    from radzoo.images.phantoms.beam import SCANNERS
    from radzoo.images.phantoms.radiograph import chest

    lots, stream = generator.spawn(2)
    chances = lots.random(1 + len(OTHERS))
    sick = bool(chances[0] < PREVALENCE)
    findings = [name for name, chance in zip(OTHERS, chances[1:], strict=True) if chance < OTHERS[name]]
    scanner = SCANNERS[lots.integers(len(SCANNERS))]
    values, _ = chest(stream, size=FINE, findings=(*findings, *(["consolidation"] if sick else [])), scanner=scanner)
    gain, offset = lots.uniform(0.8, 1.1), lots.uniform(-0.08, 0.08)
    small = cv2.resize((values * gain + offset).clip(0, 1), (size, size), interpolation=cv2.INTER_AREA)
    return np.rint(255 * small).astype("uint8"), int(sick)
