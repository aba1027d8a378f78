"""Clean CT of bodies with contrast inserts, from which recipes fabricate low-dose scans: `image` and `mask`.

    1 fat, 2 cyst, 3 faint, 4 vessel, 5 bone     discs in even tissue, at most one of each in a plane

Thorax, abdomen, head or a plain cylinder of ellipses, four planes each; a patient's inserts keep HU and diameter, which
the index says (`faint_hu`, `faint_mm`, and `background_hu` of the tissue around them), and lie elsewhere in every
plane. There is no noise and no texture: what a network keeps of noise's likeness in real organs is not shown here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import ndimage

from radzoo.images.phantoms.ellipses import Ellipse, paint
from radzoo.images.phantoms.masked import Block, stored

PATIENTS, SIZE = 24, 256
PLANES, HEIGHT, FIELD = 4, 10.0, 380.0  # mm between planes, and across one
INSERTS = {  # HU against the tissue around, and diameter in mm: lowest and highest
    "fat": ((-150, -90), (5, 16)),
    "cyst": ((-50, -25), (6, 18)),
    "faint": ((10, 25), (10, 22)),
    "vessel": ((80, 200), (3, 8)),
    "bone": ((400, 900), (3, 10)),
}
FAT, LUNG, GAS = -100.0, -850.0, -1000.0


def patient(generator: np.random.Generator, size: int) -> Iterator[tuple[dict, dict]]:
    """One volume: `image` and `mask`, `body`, HU and diameters of its inserts."""
    body = ("thorax", "abdomen", "head", "cylinder")[generator.integers(4)]
    tissue, pixel = float(generator.integers(30, 66)), FIELD / size
    wanted = {
        name: (tissue + int(generator.integers(*steps, endpoint=True)), round(float(generator.uniform(*wide)), 1))
        for name, (steps, wide) in INSERTS.items()
    }
    draw, planes, masks = BODIES[body], [], []
    build = generator.uniform(0.85, 1.05)
    for _ in range(PLANES):
        shapes = draw(generator, build, tissue)
        plain = paint(shapes, size, pixel)
        discs = places(generator, plain == tissue, pixel, wanted)
        mask = np.zeros((size, size), "uint8")
        for value, disc in discs.items():
            mask[paint([replace(disc, hu=1)], size, pixel, 0) > 0.5] = value
        planes.append(stored(paint([*shapes, *discs.values()], size, pixel), -1024, 3071))
        masks.append(mask)
    step = (HEIGHT, pixel, pixel)
    cells = {"body": body, "background_hu": int(tissue)}
    cells |= {f"{name}_hu": int(hu) for name, (hu, _) in wanted.items()}
    cells |= {f"{name}_mm": wide for name, (_, wide) in wanted.items()}
    yield {"image": Block(np.stack(planes), step), "mask": Block(np.stack(masks), step)}, cells


def places(generator, even: np.ndarray, pixel: float, wanted: dict) -> dict[int, Ellipse]:
    """Puts one disc of each kind where there is room for it and for a rim of even tissue that belongs to it alone."""
    discs, middle = {}, (even.shape[0] - 1) / 2
    even = even.copy()
    for value, (hu, wide) in sorted(enumerate(wanted.values(), 1), key=lambda each: -each[1][1]):  # large ones first
        room = ndimage.distance_transform_edt(np.pad(even, 1))[1:-1, 1:-1] * pixel
        reach = 0.5 * wide + max(0.25 * wide, 4 * pixel)
        free = np.argwhere(room > reach + pixel)
        if len(free):
            row, column = free[generator.integers(len(free))] + generator.uniform(-0.5, 0.5, 2)
            centre = ((column - middle) * pixel, (row - middle) * pixel)
            discs[value] = Ellipse(centre, (wide / 2, wide / 2), hu)
            y, x = np.ogrid[: len(even), : len(even)]
            even &= np.hypot(y - row, x - column) * pixel > reach
    return discs


def thorax(generator, build: float, tissue: float) -> list[Ellipse]:
    """Lungs with vessels, heart, aorta, spine, ribs; x is the patient's left."""
    wide, deep, between = 165 * build, 115 * build, generator.uniform
    shapes = [Ellipse((0, 0), (wide, deep), FAT), Ellipse((0, 0), (wide - 12, deep - 12), tissue)]
    for side in (-1, 1):
        centre, axes = (side * 0.5 * wide, -5), (0.34 * wide, between(0.62, 0.7) * deep)
        shapes.append(Ellipse(centre, axes, LUNG, side * 0.08))
        for _ in range(40):
            far, turn, thick = np.sqrt(between(0, 0.75)), between(0, 2 * np.pi), np.exp(between(-0.3, 1.4))
            at = (centre[0] + far * axes[0] * np.cos(turn), centre[1] + far * axes[1] * np.sin(turn))
            shapes.append(Ellipse(at, (thick, thick * between(1, 2)), tissue, between(0, 3)))
        for turn in np.radians(np.arange(-70, 80, 25) + between(-8, 8)):
            rib = (side * (wide - 18) * np.cos(turn), (deep - 18) * np.sin(turn))
            shapes.append(Ellipse(rib, (10, 4), 500, np.pi / 2 + side * turn))
    heart = Ellipse((between(15, 30), -0.25 * deep), (0.36 * wide, 0.42 * deep), tissue, between(0.3, 0.8))
    return [*shapes, heart, *spine(0.55 * deep)]


def abdomen(generator, build: float, tissue: float) -> list[Ellipse]:
    """Liver, kidneys, bowel with gas, spine, in fat and muscle."""
    wide, deep, between = 165 * build, 120 * build, generator.uniform
    rim = between(10, 30)
    shapes = [Ellipse((0, 0), (wide, deep), FAT), Ellipse((0, 0), (wide - rim, deep - rim), tissue - 10)]
    shapes.append(Ellipse((0, -5), (wide - rim - 10, deep - rim - 12), FAT))
    shapes.append(Ellipse((-0.35 * wide, -0.1 * deep), (0.42 * wide, 0.5 * deep), tissue, between(-0.2, 0.2)))
    shapes.append(Ellipse((0.5 * wide, 0), (0.22 * wide, between(0.25, 0.4) * deep), tissue, 0.2))
    shapes += [Ellipse((side * 60, 0.35 * deep), (24, 32), tissue + 90, side * 0.3) for side in (-1, 1)]
    for _ in range(int(generator.integers(2, 6))):
        at, thick = (between(-10, 0.45 * wide), -between(0.35, 0.6) * deep), between(9, 16)
        shapes.append(Ellipse(at, (thick, thick), tissue - 15))
        if generator.random() < 0.6:
            shapes.append(Ellipse((at[0], at[1] - 3), (0.7 * thick, 0.55 * thick), GAS))
    return [*shapes, *spine(0.5 * deep)]


def head(generator, build: float, tissue: float) -> list[Ellipse]:
    """A skull around a brain with ventricles, after Shepp and Logan."""
    wide, deep, between = 72 * build, 92 * build, generator.uniform
    shapes = [Ellipse((0, 0), (wide + 6, deep + 6), FAT), Ellipse((0, 0), (wide, deep), 1000)]
    shapes.append(Ellipse((0, 0), (wide - 6, deep - 7), tissue))
    for side in (-1, 1):
        at, axes = (side * between(10, 16), between(-15, 5)), (between(4, 9), between(18, 28))
        shapes.append(Ellipse(at, axes, 8, side * 0.3))
    shapes.append(Ellipse((0, -0.55 * deep), (between(6, 12), between(8, 14)), tissue + 8))
    return shapes


def cylinder(generator, build: float, tissue: float) -> list[Ellipse]:
    """Even tissue, as in a scanner's own phantom."""
    radius = generator.uniform(80, 140) * build
    return [Ellipse((0, 0), (radius, radius), tissue)]


def spine(y: float) -> list[Ellipse]:
    """A vertebra with its canal."""
    body = [Ellipse((0, y), (20, 16), 600), Ellipse((0, y), (18, 14), 180)]
    return [*body, Ellipse((0, y + 24), (12, 10), 600), Ellipse((0, y + 23), (8, 7), 20)]


BODIES = {"thorax": thorax, "abdomen": abdomen, "head": head, "cylinder": cylinder}
