"""Mammograms in the craniocaudal view, both sides, with a breast density from a to d.

Density is the share of the breast's area where fibroglandular tissue prevails, by quartiles, as in the fourth edition
of BI-RADS (the fifth went over to words; the letters are taken from it). Glandular tissue is a random field (a little
smoother than the 1 / f^3 of Burgess et al., Med Phys 2001) cut where the share is met, more likely behind the nipple,
with ducts and ligaments. The beam is Beer and Lambert's at 20 keV (attenuation of fat and gland: Johns & Yaffe, Phys
Med Biol 1987;32:675); thickness, size, exposure and tone curve vary independently of the density; the display sets the
breast's median grey anew in every image and equalises the histogram in part, so that the pattern tells more than grey
levels. Not modelled: skin folds, pectoral muscle, lesions, scatter, markers.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from radzoo.images.phantoms.plain import Picture
from radzoo.images.phantoms.texture import field, grid, shift

PATIENTS, SIZE = 200, 192
FIELD = 200.0  # mm
SHARES = {"a": (0.03, 0.22), "b": (0.25, 0.47), "c": (0.5, 0.72), "d": (0.76, 0.95)}
FAT, GLAND = 0.0456, 0.0802  # per mm at 20 keV
SCANNERS = (("Lumen M", 50e3, 0.12), ("Umbra M", 25e3, 0.2), ("Camera Mammae", 35e3, 0.15))  # quanta/mm^2, blur


def patient(generator: np.random.Generator, size: int) -> Iterator[tuple[dict, dict]]:
    """Left and right breast `file` of a patient: `density` a to d, `laterality`, `scanner`."""
    density = "abcd"[generator.integers(4)]
    name, quanta, blur = SCANNERS[generator.integers(len(SCANNERS))]
    share, body = generator.uniform(*SHARES[density]), generator.uniform(-1, 1, 4)
    for side in ("L", "R"):
        mass = np.clip(share + generator.normal(0, 0.015), 0.02, 0.96)
        thick, gland, inside = breast(generator, mass, body, size)
        image = expose(generator, thick, gland, inside, quanta, blur)
        if side == "R":
            image = image[:, ::-1]
        tags = (("ImageLaterality", side), ("ViewPosition", "CC"))
        picture = Picture(np.ascontiguousarray(image), "MG", "BREAST", name, FIELD / size, tags)
        yield {"file": picture}, {"scanner": name, "view": "CC", "laterality": side, "density": density}


def breast(generator, share: float, body, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thickness in mm, the glandular part of it 0..1, and the breast's mask; the chest wall lies on the left."""
    pixel = FIELD / size
    x, y = grid(size, pixel)
    x = x + FIELD / 2  # from the chest wall
    deep, half, thick = 90 + 30 * body[0], 70 + 14 * body[1], 52 + 16 * body[2]
    y = y + generator.normal(0, 6)
    radius = np.hypot(np.maximum(x, 0) / deep, y / half)
    edge = (1 - radius) * min(deep, half)
    thickness = thick * np.sqrt(np.clip(1 - (1 - np.clip(edge / (0.55 * thick), 0, 1)) ** 2, 0, 1))
    cone = 0.9 - 1.3 * np.hypot((x - 0.42 * deep) / deep, y / half)  # likelier in the middle, not in fat below the skin
    rough = 0.42 * field(generator, size, 4.0, 45 / pixel, 2)
    rough = rough + 0.10 * np.cos(np.arctan2(y, deep - x) * generator.uniform(14, 22) + 3 * rough)  # towards the nipple
    wish, inside = cone + rough - 3.0 * np.clip(0.12 - edge / deep, 0, 1), edge > 0
    level = np.quantile(wish[inside], 1 - share)
    gland = (0.5 + 0.5 * np.tanh((wish - level) / 0.35)) * (0.7 + 0.05 * field(generator, size, 3.5, 20 / pixel, 2))
    strands = 0.07 * np.exp(-((field(generator, size, 0.0, finest=14 / pixel) / 0.15) ** 2))  # ligaments in the fat
    return thickness, np.clip(gland + strands * (1 - gland) ** 2, 0, 1), inside


def expose(generator, thickness, gland, inside, quanta: float, blur: float) -> np.ndarray:
    """The processed mammogram: dense tissue bright, the outside black, the breast's median at a random grey."""
    size = thickness.shape[0]
    pixel = FIELD / size
    primary = np.exp(-thickness * (FAT + (GLAND - FAT) * gland)).astype("float32")
    count = quanta * pixel**2 * generator.lognormal(0, 0.3) / np.percentile(primary[inside], 50)
    signal = generator.poisson(primary * count).astype("float32") / np.float32(count)
    signal = cv2.GaussianBlur(signal, (0, 0), max(blur / pixel, 0.3))
    depth = -np.log(np.maximum(signal, 1e-4)) / np.maximum(thickness, 4.0)  # equalised to the periphery
    depth = cv2.GaussianBlur(depth, (0, 0), 0.8)  # noise reduction
    measured = inside & (thickness > 8)
    low, middle, high = np.percentile(depth[measured], (1, 50, 99.5))
    grey, at = (0.15 + 0.85 * (each - low) / (high - low) for each in (depth, middle))
    tone = np.clip(np.log(generator.uniform(0.3, 0.6)) / np.log(at), 0.6, 2.2)  # the curve that brings the median there
    even = np.searchsorted(np.sort(depth[measured]), depth).astype("float32") / measured.sum()
    share = generator.uniform(0.4, 0.95)  # of histogram equalisation in the maker's processing
    shown = share * even ** np.float32(generator.uniform(0.7, 1.4)) + (1 - share) * np.clip(grey, 0, 1.2) ** tone
    shown = shown * generator.uniform(0.75, 1.0)
    mask = cv2.GaussianBlur((thickness > 4).astype("float32"), (0, 0), 1.0)
    return shift((shown * mask).astype("float32"), 0, 0, float(generator.normal(0, 1.0)))
