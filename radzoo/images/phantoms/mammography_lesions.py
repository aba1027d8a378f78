"""Patches of 5 cm around candidates on mammograms: a spiculated mass, or something that looks like one.

Patches of 250 pixels of .2 mm, after Kooi (2017). The background is a random field whose power falls about as 1 / f^3
(Burgess et al., Med Phys 2001). Every patch has a dense blob in its middle and lines of the same number, length and
contrast: around a lesion the blob is compact and irregular and the lines run straight out of it, otherwise the blob is
an overlap of tissue with a soft edge and the lines lie anywhere. Not modelled: microcalcifications, circumscribed
masses, skin.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from radzoo.images.phantoms.plain import Picture
from radzoo.images.phantoms.texture import field, grid, lobulated, soft

PATIENTS, SIZE = 240, 250
PREVALENCE = 0.4
SCANNERS = (("Lumen M", 0.04), ("Umbra M", 0.07), ("Camera Mammae", 0.055))  # noise


def patient(generator: np.random.Generator, size: int) -> Iterator[tuple[dict, dict]]:
    """One to four candidates `file` of a patient: `lesion` (0/1), `density` a to d, `scanner`."""
    density = "abcd"[generator.integers(4)]
    name, noise = SCANNERS[generator.integers(len(SCANNERS))]
    for _ in range(generator.integers(1, 5)):
        lesion = bool(generator.random() < PREVALENCE)
        image = candidate(generator, lesion, "abcd".index(density), size)
        grain = cv2.GaussianBlur(generator.standard_normal((size, size), dtype="float32"), (0, 0), 0.7)
        image = image + np.float32(noise * generator.uniform(0.8, 1.2)) * grain / grain.std()
        image = (image - np.median(image)) * generator.uniform(0.13, 0.22) + generator.uniform(0.35, 0.55)
        picture = Picture(image.astype("float32"), "MG", "BREAST", name, 50 / size)
        yield {"file": picture}, {"scanner": name, "density": density, "lesion": int(lesion)}


def candidate(generator: np.random.Generator, lesion: bool, density: int, size: int) -> np.ndarray:
    """One patch `(size, size)` in units of the background's spread, without noise."""
    pixel = 50 / size
    x, y = grid(size, pixel)
    fine = (0.04 + 0.02 * density) * field(generator, size, 2.2, 9 / pixel, 1.5)
    image = field(generator, size, 3.3, 30 / pixel, 2) + fine
    centre, radius = generator.normal(0, 2, 2), generator.uniform(4, 9)
    strength, width = generator.uniform(1.2, 2.4), generator.uniform(1, 3) if lesion else generator.uniform(5, 10)
    blob = soft(lobulated(generator, x, y, centre, radius, 0.16 if lesion else 0.10), width)
    image = image + strength * blob * (1 + 0.1 * field(generator, size, 3, 8 / pixel, 1.5))
    return image + lines(generator, lesion, x, y, centre, radius)


def lines(generator, lesion: bool, x, y, centre, radius: float) -> np.ndarray:
    """Spicules out of the centre, or as many ligaments anywhere: thin, tapering, slightly bent."""
    total = np.zeros((y.size, x.size), "float32")
    start = generator.uniform(0, 2 * np.pi)
    count = int(generator.integers(9, 17))
    for i in range(count):
        length, bend = radius * generator.uniform(0.9, 2.2), generator.normal(0, 0.012)
        if lesion:
            turn, origin = start + 2 * np.pi * (i + generator.uniform(-0.35, 0.35)) / count, centre
            dx, dy, first = x - origin[0], y - origin[1], 0.4 * radius
        else:
            turn = generator.uniform(0, 2 * np.pi)
            dx, dy, first = x - generator.uniform(-20, 20), y - generator.uniform(-20, 20), 0.0
        along, across = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
        part = np.clip((along - first) / length, 0, 1)
        thin = 0.6 * (1.2 - part)
        line = np.exp(-(((across + bend * along**2) / thin) ** 2) / 2) * np.minimum(part / 0.3, 1) * (1 - part) ** 0.7
        total = np.maximum(total, generator.uniform(1.2, 2.2) * line)
    return total
