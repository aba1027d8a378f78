"""The upper abdomen of `liver_lesions` in HU: body wall, liver with its vessels, and the organs that touch it."""

from __future__ import annotations

import numpy as np

from radzoo.images.phantoms.solid import Grid, directions, draw_tubes, ellipsoid, field
from radzoo.images.phantoms.texture import soft

AIR, LUNG, FAT, MUSCLE, BONE, MARROW = -1000.0, -850.0, -100.0, 60.0, 650.0, 170.0


def draw(generator: np.random.Generator, grid: Grid) -> tuple[np.ndarray, np.ndarray, float]:
    """One patient without lesions and noise.

    Returns:
        HU, float32 `(z, y, x)`; the distance to the liver's surface in mm, positive inside; the liver's HU.
    """
    between, size = generator.uniform, float(np.clip(generator.normal(1, 0.05), 0.9, 1.1))
    z, y, x = (axis / np.float32(size) for axis in grid.open)
    bumps = 4 * field(generator, grid, 4.0, 120, 25)
    edge, level = float(np.mean(grid.step)), float(between(85, 125))
    inside, hu = wall(generator, grid, z, y, x, bumps)

    def lay(distance, value) -> None:
        share = soft(np.minimum(distance, inside), edge)
        hu[:] = hu * (1 - share) + value * share

    liver = np.minimum(shape(generator, z, y, x) + bumps, inside - 1)
    for distance, value in neighbours(generator, z, y, x, bumps, level):
        liver = np.minimum(liver, 1 - distance)
        lay(distance, value)
    lay(liver, level + 4 * field(generator, grid, 2.5, 20, 3))
    for root, count, radius in (((45, 15, -25), 5, 6.0), ((5, 0, -30), 5, 7.0)):  # hepatic and portal veins
        share = vessels(generator, grid, liver, np.array(root) * size, count, radius)
        hu += share * (level * between(0.25, 0.5))
    return hu, (liver * size).astype("float32"), level


def wall(generator, grid: Grid, z, y, x, bumps) -> tuple[np.ndarray, np.ndarray]:
    """The distance to the cavity's wall, positive inside; HU of all outside of it, and of fat within."""
    between, edge = generator.uniform, float(np.mean(grid.step))
    wide, deep = between(112, 120), between(80, 88)
    cavity = (1 - (np.abs(x / wide) ** 2.4 + np.abs(y / deep) ** 2.4) ** (1 / 2.4)) * deep
    back = np.hypot(x / 1.7, y - deep) - 33  # spine and the muscles beside it
    inside = (np.minimum(cavity, back) + 0 * z).astype("float32")
    fat, muscle = between(6, 24), between(9, 14)
    hu = FAT + 1.5 * bumps
    for distance, value in (
        (-inside, MUSCLE + 4 * generator.normal() + bumps),
        (-cavity - muscle - 0.5 * bumps, FAT + 1.5 * bumps),
        (-cavity - muscle - fat, AIR),
    ):
        share = soft(distance, edge)
        hu = hu * (1 - share) + value * share
    pitch = between(24, 30)
    along = (z + 0.8 * y + between(0, pitch)) % pitch - pitch / 2
    ribs = 4.5 - np.hypot(-cavity - 5, along / 1.3) - 99 * (z < -35)
    body = np.minimum(19 - np.hypot(x / 1.15, y - deep + 13), 1.5 + np.abs((z + between(0, 32)) % 32 - 16))
    arch = np.minimum(np.hypot(x, y - deep - 11) - 7, 12 - np.hypot(x / 1.3, y - deep - 11))
    for bone in (ribs, body, arch):
        shell, core = soft(bone, edge), soft(bone - 2.5, edge)
        hu = hu * (1 - shell) + ((BONE * (1 - core) + MARROW * core) * shell)
    return inside, hu.astype("float32")


def shape(generator, z, y, x) -> np.ndarray:
    """Distance to the liver's surface without its neighbours: two lobes above an oblique lower surface."""
    between = generator.uniform
    right = ellipsoid(z, y, x, (between(-5, 8), 0, -62), between((76, 80, 62), (86, 90, 70)))
    left = ellipsoid(z, y, x, (25, -45, between(-5, 20)), between((32, 30, 48), (42, 38, 66)))
    below = 0.8 * (z - 0.7 * x + 0.2 * y - between(-12, 8))
    return np.minimum(np.maximum(right, left), below).astype("float32")


def neighbours(generator, z, y, x, bumps, level: float) -> list[tuple[np.ndarray, object]]:
    """Distance, positive inside, and HU of each organ that the liver gives way to; later ones lie over earlier ones."""
    between = generator.uniform
    right = between(58, 74) - ((x + 60) ** 2 + y**2) / 170
    left = between(48, 64) - ((x - 65) ** 2 + y**2) / 170
    lungs = 0.8 * (z - np.maximum(right, left))
    heart = ellipsoid(z, y, x, (between(72, 84), -35, 15), (34, 42, 55)) + bumps
    spleen = ellipsoid(z, y, x, (between(8, 28), 35, 90), between((38, 34, 22), (52, 44, 30))) + bumps
    food = generator.choice([(15, 5), (50, 12), (level, 15), (190, 20)])  # water, a meal, contrast medium
    full = between(0.75, 1.1)
    stomach = ellipsoid(z, y, x, (15, -32, 62), np.array((42, 32, 36)) * full) + bumps
    gas = np.minimum(stomach - 4, -32 - 12 * full - y)
    below = between((-45, -45, -50), (-20, -20, -28))
    gallbladder = ellipsoid(z, y, x, below, between((16, 11, 10), (30, 18, 16)))
    organs = [
        (lungs + 0 * bumps, LUNG),
        (heart, level + generator.normal(5, 12)),
        (spleen, level + generator.normal(6, 9)),
        (stomach, MUSCLE + 10),
        (stomach - 4, generator.normal(*food) + bumps),
        (gas, AIR + 60),
        (gallbladder, between(4, 22)),
    ]
    for side in (-1, 1):
        kidney = ellipsoid(z, y, x, (-48 - 6 * side, 42, side * 62), between((46, 24, 24), (56, 30, 30))) + bumps / 2
        organs += [(kidney, between(140, 190)), (kidney - between(13, 17), FAT + 40)]
        organs.append((np.minimum(20 - np.hypot(x - side * 36, y - 52), -20 - z), MUSCLE))  # psoas
    pancreas = 11 - np.hypot(z + 12 - 0.15 * x + 2 * bumps, y - 12 - 0.002 * (x - 20) ** 2 - bumps)
    organs.append((np.minimum(pancreas, 55 - np.abs(x - 20)), level - between(5, 30)))
    organs.append((between(10, 13) - np.hypot(x - 12, y - 36) + 0 * z, between(140, 185)))  # aorta
    organs.append((between(10, 14) - np.hypot((x + 22) / 1.2, y - 30) + 0 * z, level + between(5, 40)))  # caval vein
    for _ in range(14):  # bowel
        place = between((-96, -70, -60), (-35, 30, 90))
        loop = ellipsoid(z, y, x, place, between(11, 24, 3)) + bumps
        organs += [(loop, MUSCLE + 15), (loop - 3, generator.choice([AIR + 80, 10, 40, 60, 170]))]
    return organs


def vessels(generator, grid: Grid, liver, root, count: int, radius: float) -> np.ndarray:
    """A mask 0..1 of vessels that leave `root` (mm), bend, fork and taper, within the liver."""
    mask, starts, ends, radii = np.zeros(grid.shape, "float32"), [], [], []
    tips = [(np.array(root, float), way, radius) for way in directions(generator, count)]
    for _ in range(5):
        tips, grown = [], tips
        for start, way, wide in grown:
            end = start + way * generator.uniform(12, 22)
            starts.append(start), ends.append(end), radii.append((wide, 0.85 * wide))
            for _ in range(2):
                turn = way + generator.normal(0, 0.45, 3)
                tips.append((end, turn / np.linalg.norm(turn), 0.75 * wide))
    draw_tubes(mask, grid, np.array(starts), np.array(ends), np.array(radii), float(np.mean(grid.step)))
    return mask * soft(liver - 3, 4)
