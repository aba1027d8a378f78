"""Contrast-enhanced CT of the upper abdomen: 1 liver, 2 lesions in it, in the layout of LiTS and 3D-IRCADb.

    z to the head, y to the back, x to the patient's left, in mm from the middle of the block; the liver lies at -x

Portal-venous HU of organs are typical ones with a spread per patient. A grey level cannot outline the liver: spleen,
muscle, stomach and heart lie within its noise. Nor the lesions: the gallbladder, the stomach and unfilled bowel are as
dark. Vessels belong to the liver. About one patient in six has no lesion; a lesion is dark, dark with a bright rim, or
(one in seven) bright. Not modelled: fat planes that inflammation blurs, cirrhosis, beam hardening, breathing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from radzoo.images.phantoms import abdomen
from radzoo.images.phantoms.liver_ct import SCANNERS
from radzoo.images.phantoms.masked import Block, stored
from radzoo.images.phantoms.solid import Grid, directions, field, lobulated
from radzoo.images.phantoms.texture import soft

PATIENTS, SIZE = 32, 96  # voxels from front to back and from right to left; half as many slices
FIELD, HEIGHT = 288.0, 192.0  # mm
NUMBER = (0, 1, 1, 2, 3, 5)  # of lesions, with equal chance
LIVER, LESION = 1, 2


def patient(generator: np.random.Generator, size: int) -> Iterator[tuple[dict, dict]]:
    """One scan: `image` in HU and `mask`, `scanner`, the number of `lesions`."""
    name, noise, blur = SCANNERS[generator.integers(len(SCANNERS))]
    grid = Grid((size // 2, size, size), (HEIGHT / (size // 2), FIELD / size, FIELD / size))
    hu, liver, level = abdomen.draw(generator, grid)
    hu, lesion, count = metastases(generator, grid, hu, liver, level)
    hu = ndimage.gaussian_filter(hu, (0.3, blur / grid.step[1], blur / grid.step[2]))
    hu += 1.3 * noise * field(generator, grid, 0.0, 50, 4.0)
    mask = np.where(lesion > 0, LESION, np.where(liver > 0, LIVER, 0)).astype("uint8")
    pictures = {"image": Block(stored(hu, -1024, 3071), grid.step), "mask": Block(mask, grid.step)}
    yield pictures, {"scanner": name, "lesions": count}


def metastases(generator, grid: Grid, hu, liver, level: float):
    """Lays lesions into a liver.

    Args:
        liver: distance to its surface in mm, positive inside.
        level: its HU.
    Returns:
        HU; the distance to the nearest lesion's surface, positive inside; how many there are.
    """
    inside, wanted, count = np.full(grid.shape, -99, "float32"), int(generator.choice(NUMBER)), 0
    z, y, x = grid.open
    for _ in range(4 * wanted):
        if count == wanted:
            break
        radius = float(np.exp(generator.uniform(np.log(8), np.log(28))))
        places = np.argwhere((liver > min(0.6 * radius, 12)) & (inside < -radius))
        if not len(places):
            continue
        centre = grid.places(places[generator.integers(len(places))])
        bumps = generator.uniform(-0.25, 0.25, 8)
        one = np.minimum(lobulated(z, y, x, centre, radius, directions(generator, 8), bumps, 5.0), liver)
        hu = enhance(generator, hu, one, level)
        inside, count = np.maximum(inside, one), count + 1
    return hu, inside, count


def enhance(generator, hu, inside, level: float) -> np.ndarray:
    """HU with one lesion: dark or bright, perhaps with a rim and a darker core."""
    bright = generator.random() < 1 / 7
    step = generator.uniform(35, 55) if bright else -generator.uniform(35, 75)
    body = level + step + (0 if bright else generator.uniform(0, 25)) * np.exp(-(((inside - 2) / 2.5) ** 2))
    core = soft(inside - generator.uniform(6, 16), 6)
    share = soft(inside, generator.uniform(1.5, 4))
    return hu * (1 - share) + (body - 18 * core * (not bright)) * share
