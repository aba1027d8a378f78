"""Liver masses on CT in three contrast phases: plain, arterial and delayed, the five categories of Yasaka (2018).

    A  hepatocellular carcinoma       bright in the arterial phase, washed out with a capsule in the delayed phase
    B  other malignant tumours        a bright rim around a core that fills slowly and stays below the liver
    C  indeterminate, dysplastic      little of either: a faint arterial blush, no wash-out
    D  haemangioma                    bright nodules at the rim, filling inwards to the blood pool
    E  cyst                           water in every phase

Yasaka et al., Radiology 2018;286:887-896. Values in HU are typical ones with a generous spread; per patient the liver's
own (fatty or not), the scanner's noise and sharpness and the timing of the bolus vary independently of category, phases
are taken at slightly different breaths. Not modelled: cirrhosis, biliary stasis, portal-venous phase, two masses.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from radzoo.images.phantoms.plain import Picture
from radzoo.images.phantoms.texture import branches, dots, ellipse, field, grid, lobulated, shift, soft

PATIENTS, SIZE = 160, 96
PHASES = ("plain", "arterial", "delayed")
CATEGORIES = ("A", "B", "C", "D", "E")
FIELD = 96.0  # mm
SCANNERS = (("Slice of Moon", 6.0, 0.8), ("Cirrus", 8.0, 1.0), ("Halo 16", 11.0, 0.7))  # name, noise in HU, blur in mm
LIVER, VESSEL = (58.0, 72.0, 98.0), (42.0, 85.0, 118.0)  # HU in the three phases; veins
MASS = {  # HU against the liver: core in the three phases
    "A": (-12.0, 30.0, -20.0),
    "B": (-20.0, -26.0, -30.0),
    "C": (-8.0, 6.0, -6.0),
    "D": (-18.0, -8.0, 8.0),
    "E": (-50.0, -64.0, -90.0),
}


def patient(generator: np.random.Generator, size: int) -> Iterator[tuple[dict, dict]]:
    """One to three masses of a patient, each in the columns `plain`, `arterial`, `delayed`; `category` A to E."""
    name, noise, blur = SCANNERS[generator.integers(len(SCANNERS))]
    fat, bolus = generator.normal(0, 9), generator.uniform(0.75, 1.2)
    organ = [LIVER[0] + fat] + [LIVER[0] + fat + bolus * (level - LIVER[0]) for level in LIVER[1:]]
    for _ in range(generator.integers(1, 4)):
        category = CATEGORIES[generator.integers(len(CATEGORIES))]
        radius = float(np.exp(generator.uniform(np.log(7), np.log(24))))
        images = phases(generator, category, radius, organ, bolus, size)
        pictures = {}
        for phase, image in zip(PHASES, images, strict=True):
            pixel = FIELD / size
            grain = cv2.GaussianBlur(generator.standard_normal(image.shape, dtype="float32"), (0, 0), 0.8 / pixel)
            grain *= noise / grain.std()
            image = cv2.GaussianBlur(image, (0, 0), blur / pixel) + grain
            pictures[phase] = Picture(image.astype("float32"), "CT", "ABDOMEN", name, pixel)
        yield pictures, {"scanner": name, "category": category, "diameter_mm": round(2 * radius, 1)}


def phases(generator, category: str, radius: float, organ, bolus: float, size: int) -> list[np.ndarray]:
    """The three phases of one mass in HU `(size, size)`, without noise."""
    pixel = FIELD / size
    x, y = grid(size, pixel)
    centre = generator.uniform(-6, 6, 2)
    inside = lobulated(generator, x, y, centre, radius, 0.03 if category == "E" else 0.1)
    edge = 1.5 if category in "DE" else float(generator.uniform(1.5, 5))
    mass, rim = soft(inside, edge), np.exp(-(((inside - 2.5) / 2.5) ** 2))
    mosaic = field(generator, size, 2.5, 14 / pixel, 1.5)
    arteries = dots(generator, size, int(generator.integers(0, 9)), (1.0 / pixel, 3.0 / pixel), inside < -4)
    bile = soft(ellipse(x, y, generator.uniform(-50, 50, 2), generator.uniform(8, 20, 2)), 1.5) * soft(-inside - 3, 1)
    bile *= generator.random() < 0.35
    body, vessels = surroundings(generator, x, y)
    spread = generator.normal(0, 5, 3)
    pools = dots(
        generator, size, int(generator.integers(5, 9)), (0.3 * radius / pixel, 0.5 * radius / pixel), rim > 0.6
    )
    images = []
    for i, step in enumerate(MASS[category]):
        level = 6 + spread[0] if category == "E" else organ[i] + (step + spread[i])
        lesion = enhanced(category, i, level, organ[i], bolus, inside, rim, mosaic, pools, radius)
        liver = organ[i] + 3 * mosaic
        liver = liver + (VESSEL[i] - LIVER[i] + (bolus - 1) * 15 * (i > 0)) * vessels
        liver = liver + (0, 70 * bolus, 15)[i] * arteries
        liver = liver * (1 - bile) + 10 * bile  # the gallbladder, or another cyst
        image = liver * (1 - mass) + lesion * mass
        image = body(image, i)
        images.append(shift(image.astype("float32"), *generator.normal(0, 1.2, 2) / pixel))
    return images


def enhanced(category: str, phase: int, level: float, liver: float, bolus: float, inside, rim, mosaic, pools, radius):
    """HU of a mass in one phase, in two or three dimensions.

    Args:
        level: HU of its core, without texture.
        liver: HU of the liver around it.
        inside: distance to the mass's edge in mm, positive inside; `rim` 1 just within it, falling to 0.
        mosaic: texture of variance 1.
        pools: where a haemangioma fills first, 0..1.
        radius: mm.
    """
    lesion = level + (9 if category in "AB" else 0 if category == "E" else 3) * mosaic
    if category == "A":
        lesion = lesion + (22 * rim if phase == 2 else 0)  # the capsule
    elif category == "B" and phase:
        lesion = lesion + (40 if phase == 1 else 8) * rim + (phase == 2) * 10 * soft(-inside - 0.5 * radius, 6)
    elif category == "D" and phase:
        pool = liver + (55 * bolus if phase == 1 else 22 * bolus)
        filled = pools if phase == 1 else np.maximum(pools, soft(0.62 * radius - inside, 0.5 * radius))
        lesion = lesion * (1 - filled) + pool * filled
    return lesion


def surroundings(generator, x, y):
    """What lies beside the mass: a function that lays fat and wall beyond the liver's edge, and the veins' mask."""
    angle, away = generator.uniform(0, 2 * np.pi), generator.uniform(24, 60)
    bend = 0.004 * (x * np.sin(angle) - y * np.cos(angle)) ** 2
    outside = x * np.cos(angle) + y * np.sin(angle) + bend - away
    muscle = soft(outside - generator.uniform(6, 16), 2)
    veins = branches(generator, x, y, 50.0, (1.2, 4.0), int(generator.integers(4, 9)))

    def body(image, phase: int):
        tissue = -100 * (1 - muscle) + (55 + 8 * phase) * muscle
        share = soft(outside, 2)
        return image * (1 - share) + tissue * share

    return body, veins
