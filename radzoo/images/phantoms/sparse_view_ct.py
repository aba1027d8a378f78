"""Clean slices of random ellipses, from which recipes fabricate scans of few views (after Jin et al. 2017): `image`.

Ten to thirty ellipses in a body, each changing the HU under it by an amount of its own: no anatomy, many edges, and
streaks as few views make them. No noise, no texture.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from radzoo.images.phantoms.ellipses import Ellipse, paint
from radzoo.images.phantoms.masked import Block, stored

PATIENTS, SIZE = 24, 128
PLANES, HEIGHT, FIELD = 4, 10.0, 256.0  # mm between planes, and across one


def patient(generator: np.random.Generator, size: int) -> Iterator[tuple[dict, dict]]:
    """One volume of unrelated planes, and how many `ellipses` they have in all."""
    pixel, between, planes, total = FIELD / size, generator.uniform, [], 0
    for _ in range(PLANES):
        body = Ellipse((between(-8, 8), between(-8, 8)), (between(85, 110), between(75, 105)), 0, between(0, np.pi))
        water = paint([body], size, pixel, -1000)
        change = np.zeros_like(water)
        for _ in range(int(generator.integers(10, 31))):
            far, turn = 0.8 * np.sqrt(between()) * min(body.axes), between(0, 2 * np.pi)
            at = (body.centre[0] + far * np.cos(turn), body.centre[1] + far * np.sin(turn))
            axes = tuple(np.exp(generator.uniform(np.log(2.5), np.log(35), 2)))
            change += paint([Ellipse(at, axes, generator.normal(0, 250), between(0, np.pi))], size, pixel, 0)
            total += 1
        share = water / 1000 + 1  # of a pixel that is body
        planes.append(stored(share * (np.clip(change, -900, 1500) + 1000) - 1000, -1000, 1500))
    yield {"image": Block(np.stack(planes), (HEIGHT, pixel, pixel))}, {"ellipses": total}
