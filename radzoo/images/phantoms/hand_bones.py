"""The skeleton of a left hand from birth to adulthood: which bones and growth plates there are at a given maturity.

Maturity is in months of a boy. Onsets of ossification and ages of fusion are round figures between those of the
textbooks; lengths are an adult's, in mm, the wrist at the origin, x to the thumb and y to the finger tips. A child's
hand is drawn as large as an adult's, as the images are: only proportions and growth plates tell the age.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radzoo.images.phantoms.beam import BONE
from radzoo.images.phantoms.bones import tube
from radzoo.images.phantoms.texture import soft

MONTHS = 216  # at which everything is fused

# base x, y, angle in degrees towards the thumb, then (length, half width of the shaft, of the ends, onset and fusion of
# the growth plate in months) of metacarpal and phalanges
RAYS = {
    "thumb": (23, 21, 40, ((43, 4.2, 6.8, 30, 190), (30, 3.7, 6.0, 24, 188), (22, 2.8, 5.0, 16, 182))),
    "index": (13, 30, 9, (
        (66, 3.8, 6.8, 20, 194), (40, 3.6, 6.0, 17, 190), (24, 3.0, 5.0, 26, 192), (17, 2.3, 4.0, 34, 183),
    )),
    "middle": (2, 31, 0, (
        (64, 3.9, 6.8, 22, 194), (44, 3.7, 6.1, 16, 190), (28, 3.1, 5.1, 24, 192), (18, 2.4, 4.1, 32, 183),
    )),
    "ring": (-8, 29, -8, (
        (57, 3.4, 6.2, 25, 194), (41, 3.4, 5.8, 17, 190), (27, 2.9, 4.9, 25, 192), (18, 2.3, 4.0, 33, 183),
    )),
    "little": (-16, 26, -17, (
        (53, 3.3, 5.9, 28, 194), (33, 3.0, 5.2, 21, 190), (19, 2.5, 4.2, 36, 192), (16, 2.1, 3.6, 38, 183),
    )),
}  # fmt: skip

# x, y, half axes, tilt in radians, onset in months
CARPALS = {
    "capitate": (0, 20, 6.5, 10, 0.0, 3), "hamate": (-9.5, 18, 6.5, 8, 0.3, 4),
    "triquetrum": (-14, 9, 5.5, 6, 0.6, 30), "lunate": (-4, 7, 6.5, 5.5, 0.1, 45),
    "scaphoid": (9.5, 9.5, 5.5, 9, 0.6, 66), "trapezium": (18, 18, 6, 6, 0.5, 64),
    "trapezoid": (10.5, 22.5, 5, 5, 0.2, 70), "pisiform": (-16, 8, 3.8, 4.5, 0.0, 126),
}  # fmt: skip
RADIUS, ULNA = (8.0, 15.0, 13, 210), (-13.0, 8.5, 76, 206)  # x, half width of the end, onset, fusion


@dataclass(frozen=True)
class Growth:
    """How far a hand has come: `months` of maturity, and each part's own earliness as a factor of its onset."""

    months: float
    early: np.ndarray  # one factor per growth plate and carpal bone

    def plate(self, onset: float, fusion: float, part: int) -> tuple[float, float]:
        """Width of an epiphysis as a part of the adult's, and how far its plate is closed, both 0..1."""
        t = self.months * self.early[part % len(self.early)]
        size = np.clip((t - onset) / (150 - onset), 0, 1) ** 0.6
        return float(0.3 + 0.7 * size) * float(t > onset), float(1 / (1 + np.exp(-(t - fusion) / 3.5)))

    def carpal(self, onset: float, part: int) -> float:
        t = self.months * self.early[part % len(self.early)]
        return float(0.28 + 0.72 * np.clip((t - onset) / (165 - onset), 0, 1) ** 0.7) * float(t > onset)


class Canvas:
    """Areal mass of bone in g/cm^2 on a grid in the hand's own coordinates (mm)."""

    def __init__(self, x: np.ndarray, y: np.ndarray, cortex: float):
        self.x, self.y, self.cortex, self.mass = x, y, cortex, np.zeros(x.shape, "float32")

    def _near(self, centre, reach: float):
        """The part of the grid around a point; bones are small beside the image."""
        close = (np.abs(self.x - centre[0]) < reach) & (np.abs(self.y - centre[1]) < reach)
        rows, columns = np.flatnonzero(close.any(1)), np.flatnonzero(close.any(0))
        if not len(rows):
            return None
        return np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

    def shaft(self, start, turn: float, length: float, waist: float, first: float, last: float) -> None:
        """A tube from `start` along `turn` (radians from y towards x), narrow in the middle; half widths in mm."""
        way = np.array([np.sin(turn), np.cos(turn)])
        at = self._near(np.asarray(start) + way * length / 2, length / 2 + last + 3)
        if at is None:
            return
        dx, dy = self.x[at] - start[0], self.y[at] - start[1]
        s, across = dx * way[0] + dy * way[1], dx * way[1] - dy * way[0]
        part = np.clip(s / length, 0, 1)
        wide = waist + (first - waist) * (1 - part) ** 4 + (last - waist) * part**4
        ends = np.clip(np.minimum(s, length - s) / 1.5 + 0.5, 0, 1)
        plate = 1 + 0.3 * np.exp(-((np.minimum(s, length - s) / 1.2) ** 2))  # dense where it ends
        thick = np.minimum(wide, 6.5)  # the ends are broader than they are deep
        self.mass[at] += tube(across, wide, np.minimum(self.cortex, 0.6 * wide)) * thick * ends * plate * (BONE * 0.1)

    def lump(self, centre, axes, turn: float) -> None:
        """An ellipsoid of spongy bone with a thin shell; `turn` in radians from y towards x."""
        at = self._near(centre, max(axes) + 3)
        if at is None:
            return
        dx, dy = self.x[at] - centre[0], self.y[at] - centre[1]
        along, across = dx * np.sin(turn) + dy * np.cos(turn), dx * np.cos(turn) - dy * np.sin(turn)
        away = np.hypot(across / axes[0], along / axes[1])
        thick = np.sqrt(np.maximum(1 - away**2, 0)) * min(axes) * 0.14
        shell = 0.13 * np.exp(-(((1 - away) * min(axes) - 0.6) ** 2) / 0.5)
        self.mass[at] += (thick + shell) * soft((1 - away) * min(axes), 0.8)

    def link(self, centre, turn: float, wide: float, gap: float, closed: float) -> None:
        """The bone that has grown through a plate."""
        if closed > 0.02:
            before = self.mass.copy()
            way = np.array([np.sin(turn), np.cos(turn)])
            self.shaft(np.asarray(centre) - way * (gap / 2 + 0.8), turn, gap + 1.6, wide, wide, wide)
            self.mass = before + (self.mass - before) * np.float32(0.5 * closed)


def skeleton(canvas: Canvas, growth: Growth, spread: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Draws all bones; the segments `(start, end, half width)` that flesh surrounds.

    Args:
        spread: five angles in radians by which the fingers deviate.
    """
    flesh, part = [], 0
    for (x, y, angle, bones), more in zip(RAYS.values(), spread, strict=True):
        at, turn = np.array([float(x), float(y)]), np.radians(angle) + 0.4 * more
        for i, bone in enumerate(bones):
            if i == 1:
                turn += 0.8 * more - np.radians(angle) * (0.25 if len(bones) == 4 else 0.3)
            part += 1
            distal, tip = i == 0 and len(bones) == 4, i == len(bones) - 1
            end = digit(canvas, growth, at, turn, bone, part, distal, tip)
            flesh.append((at, end, bone[2] + (4.5 if i else 6.0)))
            at = end
    for i, (x, y, a, b, tilt, onset) in enumerate(CARPALS.values()):
        size = growth.carpal(onset, 20 + i)
        if size:
            canvas.lump((x, y), (1.15 * a * size, 1.15 * b * size), tilt)
    for i, (x, wide, onset, fusion) in enumerate((RADIUS, ULNA)):
        grown, closed = growth.plate(onset, fusion, 30 + i)
        top = -1.0 if i == 0 else -3.0
        canvas.shaft((x, top - 80), 0.0, 72, 0.55 * wide, 0.55 * wide, 0.86 * wide)
        if grown:
            canvas.lump((x, top - 3.4), (wide * grown, 2.2 + 1.3 * grown), 0.0)
        canvas.link((x, top - 7), 0.0, 0.86 * wide, 2.5, closed)
        flesh.append((np.array([x, -110.0]), np.array([x, 10.0]), 15.0))
    if growth.months * growth.early[3] > 140:  # the sesamoid bone at the thumb
        canvas.lump((46, 54), (2.2, 2.6), 0.6)
    return flesh


def digit(canvas: Canvas, growth: Growth, at, turn: float, bone, part: int, distal: bool, tip: bool) -> np.ndarray:
    """One metacarpal or phalanx with its growth plate, at the far end if `distal`; where the next one begins."""
    length, waist, ends, onset, fusion = bone
    grown, closed = growth.plate(onset, fusion, part)
    way, cap = np.array([np.sin(turn), np.cos(turn)]), 0.42 * ends + 0.8  # what the epiphysis and its cartilage take
    gap = 1.5
    far = 0.75 * ends if tip else 0.8 * ends
    if distal:
        canvas.shaft(at, turn, length - cap - gap - 1.5, waist, ends, 0.92 * ends)
        middle, plate = at + way * (length - 1.5 - cap / 2), at + way * (length - 1.5 - cap - gap / 2)
    else:
        canvas.shaft(at + way * (cap + gap), turn, length - cap - gap - 1.5, waist, 0.92 * ends, far)
        middle, plate = at + way * cap / 2, at + way * (cap + gap / 2)
    if grown:
        canvas.lump(middle, (ends * grown * (0.94 if distal else 1.0), max(cap / 2 * (0.55 + 0.5 * grown), 1.0)), turn)
    canvas.link(plate, turn, 0.88 * ends, gap, closed)
    return at + way * length
