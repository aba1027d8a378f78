"""CT patches of diffuse lung disease: the seven textures of Anthimopoulos (2016), 32 pixels of .7 mm, in HU.

    normal                       aired lung with small vessels
    ground_glass                 denser lung in which the vessels are still seen
    micronodules                 many dots of 1 to 3 mm
    reticulation                 a net of thin lines
    honeycombing                 air cysts of 3 to 8 mm side by side, with walls of their own
    consolidation                lung without air but for a bronchus or two
    ground_glass_reticulation    both

Anthimopoulos et al., IEEE Trans Med Imaging 2016;35:1207-1216. A patient has one disease, with healthy patches between,
and one breath and scanner: density, noise and sharpness vary independently of the texture. Not modelled: lobes, pleura,
bronchi, where in the lung a patch lies, mixtures other than the one above.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from radzoo.images.phantoms.plain import Picture
from radzoo.images.phantoms.texture import cells, dots, field, grid, soft

PATIENTS, SIZE = 140, 32
PATTERNS = (
    "normal", "ground_glass", "micronodules", "reticulation", "honeycombing", "consolidation",
    "ground_glass_reticulation",
)  # fmt: skip
PIXEL = 0.7  # mm
PATCHES = 10  # per patient
HEALTHY = 0.08  # share of normal patches in a patient with a disease
SCANNERS = (("Slice of Moon", 18.0, 0.45), ("Cirrus", 28.0, 0.6), ("Halo 16", 45.0, 0.35))  # noise in HU, blur in mm


def patient(generator: np.random.Generator, size: int) -> Iterator[tuple[dict, dict]]:
    """Ten patches `file` of a patient with their `pattern`."""
    name, noise, blur = SCANNERS[generator.integers(len(SCANNERS))]
    base, disease = generator.normal(-845, 45), PATTERNS[generator.integers(len(PATTERNS))]
    for _ in range(PATCHES):
        pattern = "normal" if generator.random() < HEALTHY else disease
        wide = size + 8  # so that the blur meets no border
        image = np.minimum(texture(generator, pattern, wide, base + generator.normal(0, 35)), 60).astype("float32")
        grain = cv2.GaussianBlur(generator.standard_normal((wide, wide), dtype="float32"), (0, 0), 0.7)
        image = cv2.GaussianBlur(image, (0, 0), blur / PIXEL) + grain * (noise / grain.std())
        picture = Picture(np.ascontiguousarray(image[4:-4, 4:-4]), "CT", "CHEST", name, PIXEL)
        yield {"file": picture}, {"scanner": name, "pattern": pattern}


def texture(generator: np.random.Generator, pattern: str, size: int, base: float) -> np.ndarray:
    """Lung of density `base` in HU with one pattern, `(size, size)`, without noise."""
    image = base + 22 * field(generator, size, 2.5, 20)
    if pattern == "consolidation":
        image = generator.uniform(-250, 45) + 25 * field(generator, size, 2.5, 20)
        if generator.random() < 0.5:
            image = image - 650 * vessels(generator, size, 1)  # a bronchus that still holds air
        return image
    if pattern == "honeycombing":
        wall, shade = cells(generator, size, generator.uniform(5, 11))
        lines = soft(generator.uniform(0.8, 1.5) - wall + 0.4 * field(generator, size, 2, 8), 1.5)
        air = -985 + 60 * shade
        return air * (1 - lines) + generator.uniform(-550, -150) * lines
    if "ground_glass" in pattern:
        image = image + generator.uniform(90, 330) * (1 + 0.25 * field(generator, size, 2.5, 30))
    image = image + vessels(generator, size, int(generator.integers(1, 4))) * (30 - image) * 0.8
    if "reticulation" in pattern:
        wall, _ = cells(generator, size, generator.uniform(6, 11))
        broken = soft(field(generator, size, 2, 16) + 0.9, 0.8)
        lines = soft(generator.uniform(0.25, 0.6) - wall + 0.3 * field(generator, size, 2, 8), 1.4) * broken
        image = image + generator.uniform(220, 600) * lines
    if pattern == "micronodules":
        image = image + generator.uniform(200, 550) * dots(generator, size, int(generator.integers(8, 22)), (0.7, 2.0))
    return image


def vessels(generator: np.random.Generator, size: int, count: int) -> np.ndarray:
    """Masks of a few tubes, cut lengthwise or across."""
    x, y = grid(size)
    total = np.zeros((size, size), "float32")
    for _ in range(count):
        turn, radius = generator.uniform(0, np.pi), generator.uniform(0.5, 1.8)
        dx, dy = (c - generator.uniform(-size / 2, size / 2) for c in (x, y))
        along, across = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
        length = generator.choice([radius, generator.uniform(4, size)])
        tube = np.minimum(radius - np.abs(across + 0.01 * along**2), length - np.abs(along))
        total = np.maximum(total, soft(tube, 1.3))
    return total
