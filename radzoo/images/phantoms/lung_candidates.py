"""Where nodules lie in a block of lung, what else a crude detector takes for one, and what it calls.

Nodules and false candidates keep the same distance from the block's border, so that no cut edge tells them apart.
"""

from __future__ import annotations

import numpy as np

from radzoo.images.phantoms.lung_block import Block, distance
from radzoo.images.phantoms.nodules import CORE
from radzoo.images.phantoms.solid import Grid, directions

FALSE = (15, 30)  # false candidates per scan
MISSED, TWICE = 0.1, 0.15  # share of nodules without a candidate, and with two
MARGIN = 0.12  # of the sides: so far from the border lies every place


def reach(grid: Grid) -> np.ndarray:
    """mm from the middle within which places lie, along `(z, y, x)`."""
    return np.array(grid.shape) * grid.step * (0.5 - MARGIN)


def sites(generator, grid: Grid, block: Block, count: int) -> np.ndarray:
    """Places `(n, 3)` of up to `count` nodules in mm: anywhere in the lung, at its wall, or at a vessel."""
    inner = reach(grid)
    chosen = []
    for _ in range(200):
        if len(chosen) == count:
            break
        place, way = generator.uniform(-inner, inner), generator.random()
        if way < 0.2:
            place = block.vessels[generator.integers(len(block.vessels))] + generator.normal(0, 2, 3)
        deep = float(distance(grid, block.inside, place[None])[0])
        low, high = (2, 6) if 0.2 <= way < 0.4 else (5, np.inf)  # mm from the wall
        far = all(np.linalg.norm(place - each) > 24 for each in chosen)
        if low < deep < high and far and (np.abs(place) < inner).all():
            chosen.append(place)
    return np.reshape(chosen, (-1, 3))


def lures(generator, grid: Grid, block: Block, found) -> np.ndarray:
    """Places `(n, 3)` in mm that a crude detector mistakes for nodules: vessels, pleura and wall, none on a nodule."""
    inner = reach(grid)
    surface = np.argwhere(np.abs(block.inside) < max(grid.step))
    surface = grid.places(surface[generator.integers(len(surface), size=60)])
    vessels = block.vessels[distance(grid, block.inside, block.vessels) > 2]
    vessels = vessels[: max(40, len(vessels) // 3)]  # the thicker ones
    kept, wanted = [], int(generator.integers(FALSE[0], FALSE[1] + 1))
    for _ in range(20 * wanted):
        if len(kept) == wanted:
            break
        way = generator.random()
        among = vessels if way < 0.65 else block.bumps if way < 0.85 else surface
        place = among[generator.integers(len(among))] + generator.normal(0, 0.7, 3)
        clear = all(np.linalg.norm(place - each.centre) > each.diameter / 2 + 4 for each in found)
        if clear and (np.abs(place) < inner).all() and all(np.linalg.norm(place - each) > 4 for each in kept):
            kept.append(place)
    return np.reshape(kept, (-1, 3))


def call(generator, found, false) -> list[tuple[np.ndarray, int]]:
    """What a crude detector calls: places in LPS mm, each with the number of its nodule, -1 for none; shuffled."""
    called = [(place, -1) for place in false]
    for number, (nodule, place) in enumerate(found):
        share, ways, near = generator.random(), directions(generator, 2), generator.random(2) ** (1 / 3)
        times = 0 if share < MISSED else 2 if share > 1 - TWICE else 1
        for way, part in zip(ways[:times], near, strict=False):
            called.append((place + way * part * min(2.5, CORE * nodule.diameter / 2), number))
    return [called[i] for i in generator.permutation(len(called))]
