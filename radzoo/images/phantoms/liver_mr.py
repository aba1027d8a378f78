"""The liver's right lobe on MR in the hepatobiliary phase, with fibrosis from F0 to F4, after Yasaka (2018).

Yasaka et al., Radiology 2018;287:146-155. With every stage the liver takes up less contrast agent, its texture becomes
nodular (bright regenerating nodules between dark septa) and its surface bumpy; all three scatter from patient to
patient and level to level, so that neighbouring stages overlap, as they do in patients. Field strength sets noise, bias
field and contrast, independently of the stage. Viral hepatitis (`hbv_hcv`) is more frequent with fibrosis: 20 % at F0,
60 % at F4. Grey values are arbitrary: each image has a gain of its own. Not modelled: the caudate lobe, the spleen,
varices.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from radzoo.images.phantoms.plain import Picture
from radzoo.images.phantoms.texture import branches, cells, field, grid, soft

PATIENTS, SIZE = 200, 128
LEVELS = 3  # per patient
FIELD = 150.0  # mm
SCANNERS = {1.5: (("Larmor 1", 0.045), ("Spindle", 0.06)), 3.0: (("Larmor 3", 0.025), ("Precess", 0.035))}  # noise


def patient(generator: np.random.Generator, size: int) -> Iterator[tuple[dict, dict]]:
    """Three levels `file` of a patient: `fibrosis` 0 to 4, `field_strength` 1.5 or 3 (T), `hbv_hcv` 0 or 1."""
    stage = int(generator.integers(5))
    strength = (1.5, 3.0)[generator.integers(2)]
    name, noise = SCANNERS[strength][generator.integers(2)]
    viral = int(generator.random() < 0.2 + 0.1 * stage)
    severity = stage + generator.normal(0, 0.5)  # what the liver looks like
    spread = generator.normal(0, 1, 2)
    for level in range(1, LEVELS + 1):
        image = slice_of(generator, severity, spread, strength, size)
        image *= 1 + 0.10 * strength / 3 * field(generator, size, 4, 2 * size, size / 4)  # the coil's sensitivity
        real, imaginary = generator.standard_normal((2, size, size), dtype="float32") * np.float32(noise)
        image = np.hypot(image + real, imaginary)  # Rician
        low, high = 0.02, np.percentile(image, 99) * generator.uniform(0.85, 1.35)
        picture = Picture(((image - low) / high).astype("float32"), "MR", "ABDOMEN", name, FIELD / size)
        yield (
            {"file": picture},
            {"scanner": name, "level": level, "fibrosis": stage, "field_strength": strength, "hbv_hcv": viral},
        )


def slice_of(generator, severity: float, spread, strength: float, size: int) -> np.ndarray:
    """One level without noise: liver, its vessels and bile ducts, chest wall, lung or fat around it."""
    pixel = FIELD / size
    x, y = grid(size, pixel)
    uptake = 0.82 - 0.04 * severity + 0.07 * spread[0] + 0.06 * (strength - 2.25)
    pitch = float(np.clip(5 + spread[1] + generator.normal(0, 0.7), 3.2, 9)) / pixel  # nodules of 3 to 9 mm
    wall, shade = cells(generator, size, pitch)
    warped = field(generator, size, 2.5, 12 / pixel, 2)
    septa = soft(0.45 + 0.25 * warped - wall * pixel, 1.2)
    nodular = 0.44 * (shade - 0.5) - 0.28 * septa
    strong = np.clip(severity / 4, 0, 1.1) ** 1.1 * generator.uniform(0.5, 1.0)
    liver = uptake * (1 + strong * nodular + 0.015 * warped + 0.02 * field(generator, size, 3, 40 / pixel, 3))
    angle = generator.uniform(-0.4, 0.4)
    bumps = strong * 1.8 * field(generator, size, 3, 18 / pixel, 4 / pixel)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    reach = generator.uniform(52, 66), generator.uniform(56, 74)
    ring = np.hypot((u - generator.uniform(-2, 14)) / reach[0], (v + generator.uniform(-8, 8)) / reach[1])
    around_it = np.arctan2(v, u)
    ring = ring * (1 + 0.08 * np.cos(3 * around_it + generator.uniform(0, 6)) + 0.10 * np.cos(2 * around_it))
    inside = (1 - ring) * min(reach) + bumps
    for _ in range(2):
        vein = branches(generator, x, y, 60.0, (1.5, 4.5), int(generator.integers(3, 6)))
        liver = liver * (1 - vein) + 0.36 * vein
    wide = generator.uniform(10, 26)  # muscle and ribs, then air
    around = generator.uniform(0.22, 0.38) + 0.05 * field(generator, size, 3, 30 / pixel, 2)
    ribs = soft(np.cos(7 * around_it + generator.uniform(0, 6)) - 0.2, 0.5)
    ribs = ribs * soft(4 - np.abs(inside + 0.45 * wide), 3)
    around = around * (1 - 0.6 * ribs) * soft(inside + wide, 3) + 0.04
    mask = soft(inside, 1.5 * pixel)
    return cv2.GaussianBlur((liver * mask + around * (1 - mask)).astype("float32"), (0, 0), 0.6)
