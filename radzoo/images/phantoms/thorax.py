"""The patient: an analytic thorax, and how it stands in one exposure.

Adult dimensions in mm: x to the patient's left, y down, z towards the back, the origin near the carina. Lungs are a
superelliptic thoracic cavity less mediastinum, heart and the two paraboloid domes of the diaphragm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radzoo.images.phantoms.beam import Rays, magnify

OVAL = 2.4  # exponent of the cavity's cross-section
RIGHT, LEFT = -1, 1  # signs of x


@dataclass(frozen=True)
class Thorax:
    """Anatomy that stays the same over a patient's images; lengths in mm."""

    width: float  # half the inner width of the cavity
    depth: float  # half its depth
    apex: float  # y of the lungs' upper end
    shoulder: float  # 0..1: how fast the cavity widens below the apex
    dome: float  # y of the right dome at mid inspiration
    dome_step: float  # how much lower the left dome is
    dome_rise: float  # height of a dome above its rim
    wall: float  # soft tissue and bone around the cavity
    breast: float  # thickness; 0 for men
    ctr: float  # cardiothoracic ratio
    heart_tilt: float  # radians
    mediastinum: float  # half width above the heart
    rib_pitch: float
    rib_drop: float  # from the spine to the front end
    rib_shift: tuple[float, ...]  # each rib's own irregularity
    spine_bend: float
    clavicle: float  # rise from its inner to its outer end
    lung_density: float  # g/cm^3 without the larger vessels, full inspiration
    stomach: float  # size of the gastric bubble relative to its largest
    texture: int  # seed of vessels and parenchyma

    def half_width(self, y, inset: float = 0.0):
        """Of the cavity at height y; `inset` draws it inwards (and its apex down), as a collapsing lung does."""
        top = self.width * 0.3
        rise = np.clip((y - self.apex - 1.5 * inset) / (190 * self.shoulder), 0, 1)
        return top + (self.width - inset - top) * np.sqrt(1 - (1 - rise) ** 2.4)

    def half_depth(self, rays: Rays, inset: float = 0.0) -> np.ndarray:
        """Half the path through the cavity, `(h, w)`, the shape being given along the rays."""
        rise = np.clip((rays.y - self.apex - 1.5 * inset) / 150, 0, 1)
        depth = (self.depth - inset / 2) * np.sqrt(1 - (1 - rise) ** 2.2)
        inner = 1 - (np.abs(rays.x) / self.half_width(rays.y, inset)) ** np.float32(OVAL)
        return depth * np.maximum(inner, 0) ** np.float32(1 / OVAL)

    def heart(self) -> tuple[tuple, tuple]:
        """(centre, axes, tilt) of the left heart and of the right atrium; a third lies right of the midline."""
        z, full = -30.0, self.ctr * 2 * self.width / magnify(-30.0)
        a, b, tilt = 0.45 * full, 0.36 * full, self.heart_tilt
        half = np.hypot(a * np.cos(tilt), b * np.sin(tilt))
        y = self.dome + self.dome_step - 6 - 0.26 * full
        left = ((0.67 * full - half, y, z), (a, b, 0.44 * full), tilt)
        right = ((-0.33 * full + 0.24 * full, y - 12, z), (0.24 * full, 0.46 * full, 0.40 * full), 0.0)
        return left, right

    def cardiothoracic_ratio(self) -> float:
        """Widest extent of the heart over the inner width of the thorax, both as projected."""
        edges = []
        for (x, _, z), (a, b, _), tilt in self.heart():
            half = np.hypot(a * np.cos(tilt), b * np.sin(tilt))
            edges += [(x - half) * magnify(z), (x + half) * magnify(z)]
        return float((max(edges) - min(edges)) / (2 * self.width))


@dataclass(frozen=True)
class Pose:
    """What differs between two exposures of one patient: millimetres, radians, and the share of exposure."""

    right: float
    down: float
    tilt: float
    yaw: float
    inspiration: float  # -1..1
    exposure: float

    def sink(self) -> float:
        """How far the domes move down against mid inspiration."""
        return 11.0 * self.inspiration


def draw_thorax(generator: np.random.Generator, cardiomegaly: bool) -> Thorax:
    """Anatomy of one adult; every patient takes the same number of draws whatever the findings are."""
    between = lambda low, high: float(generator.uniform(low, high))  # noqa: E731
    size = float(np.clip(generator.normal(1, 0.055), 0.88, 1.12))
    female = generator.random() < 0.5
    normal, wide = between(0.39, 0.48), between(0.52, 0.64)
    return Thorax(
        width=size * between(128, 142),
        depth=size * between(78, 98),
        apex=-size * between(116, 130),
        shoulder=between(0.85, 1.1),
        dome=size * between(70, 92),
        dome_step=between(6, 16),
        dome_rise=between(32, 48),
        wall=between(12, 28),
        breast=between(15, 50) * female,
        ctr=wide if cardiomegaly else normal,
        heart_tilt=between(0.55, 0.85),
        mediastinum=between(22, 30),
        rib_pitch=size * between(21.5, 24.5),
        rib_drop=between(85, 125),
        rib_shift=tuple(generator.uniform(-1.5, 1.5, 14).tolist()),
        spine_bend=between(-5, 5),
        clavicle=between(12, 34),
        lung_density=between(0.14, 0.21),
        stomach=between(0.3, 1.0),
        texture=int(generator.integers(2**31)),
    )


def draw_pose(generator: np.random.Generator) -> Pose:
    """How a patient stands in one exposure: shifts in mm, tilt and yaw in radians, breath, exposure."""
    right, down, tilt, yaw = generator.normal(0, (6, 7, 0.018, 0.03)).tolist()
    return Pose(right, down - 12, tilt, yaw, float(generator.uniform(-1, 1)), float(generator.lognormal(0, 0.25)))
