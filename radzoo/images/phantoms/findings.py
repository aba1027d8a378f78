"""Findings as matter: what each one adds to, or takes out of, the lung.

Nodules and masses are spheres and ellipsoids of tissue, an effusion is fluid with a meniscus, a consolidation is lung
whose air is partly replaced, a pneumothorax is air around a lung that drew back, a large heart is a large heart.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from radzoo.images.phantoms.beam import Rays, ellipsoid
from radzoo.images.phantoms.thorax import LEFT, OVAL, RIGHT, Pose, Thorax
from radzoo.images.phantoms.vessels import lay, noise

# Share of patients; `nodule` is the label that recipes learn unless told otherwise.
PREVALENCE = {
    "nodule": 0.35,
    "mass": 0.15,
    "effusion": 0.25,
    "cardiomegaly": 0.25,
    "consolidation": 0.30,
    "pneumothorax": 0.20,
}
FINDINGS = tuple(PREVALENCE)


@dataclass(frozen=True)
class Ball:
    """An ellipsoid of tissue in the lung: centre and axes in mm, density in g/cm^3, the finding it belongs to.

    `hollow` is the share of its axes that an inner ellipsoid of air takes: a cavity.
    """

    centre: tuple[float, float, float]
    axes: tuple[float, float, float]
    tilt: float
    density: float
    finding: str
    hollow: float = 0.0


@dataclass(frozen=True)
class Lesions:
    """The findings of one patient, the same on each of the images."""

    balls: tuple[Ball, ...] = ()
    effusion: tuple[tuple[int, float], ...] = ()  # (side, mm of fluid above the sulcus)
    consolidation: tuple[Ball, int] | None = None  # and the seed of its patches
    pneumothorax: tuple[int, float] | None = None  # (side, mm between chest wall and lung)


def draw_lesions(generator: np.random.Generator, thorax: Thorax, findings) -> Lesions:
    """Places, sizes and densities; each finding has its own stream, so that none tells of another."""
    own = dict(zip(FINDINGS, generator.spawn(len(FINDINGS)), strict=True))
    balls = [*(_nodules(own["nodule"], thorax) if "nodule" in findings else ())]
    balls += _mass(own["mass"], thorax) if "mass" in findings else ()
    effusion, consolidation, pneumothorax = (), None, None
    if "effusion" in findings:
        sides = own["effusion"].choice(["right", "left", "both"], p=[0.4, 0.35, 0.25])
        sides = {"right": (RIGHT,), "left": (LEFT,), "both": (RIGHT, LEFT)}[sides]
        effusion = tuple((side, float(np.exp(own["effusion"].uniform(np.log(10), np.log(75))))) for side in sides)
    if "consolidation" in findings:
        size = own["consolidation"].uniform(28, 62)
        axes = tuple((size * own["consolidation"].uniform(0.7, 1.2, 3)).tolist())
        centre = within(own["consolidation"], thorax, 18.0)
        density = float(own["consolidation"].uniform(0.4, 0.8))
        blob = Ball(centre, axes, float(own["consolidation"].uniform(0, 3)), density, "consolidation")
        consolidation = blob, int(own["consolidation"].integers(2**31))
    if "pneumothorax" in findings:
        pneumothorax = int(own["pneumothorax"].choice([RIGHT, LEFT])), float(own["pneumothorax"].uniform(7, 30))
    return Lesions(tuple(balls), effusion, consolidation, pneumothorax)


def _nodules(generator, thorax: Thorax) -> list[Ball]:
    """One to four spheres of 6 to 30 mm, from part-solid to calcified."""
    balls = []
    for _ in range(generator.integers(1, 5)):
        radius = float(30 - 24 * generator.random() ** 2) / 2
        density = float(generator.uniform(0.8, 1.7))
        balls.append(Ball(within(generator, thorax, radius), (radius,) * 3, 0.0, density, "nodule"))
    return balls


def _mass(generator, thorax: Thorax) -> list[Ball]:
    """A lobulated lump of 32 to 65 mm: one ellipsoid and two smaller ones on its rim."""
    radius = float(generator.uniform(16, 32))
    centre = np.array(within(generator, thorax, 0.8 * radius))
    density, balls = float(generator.uniform(0.9, 1.1)), []
    for share, away in ((0.92, 0.0), (0.55, 0.6), (0.5, 0.65)):
        way = generator.normal(0, 1, 3)
        spot = tuple((centre + away * radius * way / np.linalg.norm(way)).tolist())
        axes = tuple((share * radius * generator.uniform(0.85, 1.1, 3)).tolist())
        balls.append(Ball(spot, axes, float(generator.uniform(0, 3)), density, "mass"))
    return balls


def within(generator: np.random.Generator, thorax: Thorax, radius: float) -> tuple[float, float, float]:
    """A random place in the aerated lung that a sphere of `radius` fits into, as seen from the front."""
    for _ in range(1000):
        y = generator.uniform(thorax.apex + 12 + radius, thorax.dome + thorax.dome_rise)
        side = generator.choice([RIGHT, LEFT])
        x = side * generator.uniform(thorax.mediastinum + 10 + radius, thorax.width - radius)
        z = generator.uniform(-1, 1) * thorax.depth
        if in_lung(thorax, x, y, z, radius):
            return float(x), float(y), float(z)
    return side * 0.6 * thorax.width, 0.0, 0.0


def in_lung(thorax: Thorax, x: float, y: float, z: float, margin: float) -> bool:
    """Whether a point lies in the lung at mid inspiration, at least `margin` mm from its walls."""
    wide, deep = thorax.half_width(y) - margin, thorax.depth - margin
    if wide <= abs(x) or deep <= abs(z) or (abs(x) / wide) ** OVAL + (abs(z) / deep) ** OVAL >= 1:
        return False
    dome = thorax.dome + (thorax.dome_step if x > 0 else 0) - margin
    if y > dome + thorax.dome_rise * ((abs(x) - 0.5 * thorax.width) / (0.5 * thorax.width)) ** 2:
        return False
    for (cx, cy, cz), (a, b, c), tilt in thorax.heart():
        dx, dy = x - cx, y - cy
        along, across = dx * np.cos(tilt) + dy * np.sin(tilt), dy * np.cos(tilt) - dx * np.sin(tilt)
        if (along / (a + margin)) ** 2 + (across / (b + margin)) ** 2 + ((z - cz) / (c + margin)) ** 2 < 1:
            return False
    return True


def lumps(balls, rays: Rays, pose: Pose, place, density: float) -> np.ndarray:
    """Mass (g/cm^2) that balls add where they stand in lung of the given density; overlaps count once per finding."""
    total = {}
    for ball in balls:
        x, y, z = place(np.array([ball.centre]))[0].tolist()
        near, far = ellipsoid(rays, (x + z * pose.yaw, y, z), ball.axes, ball.tilt)
        key = ball.finding if ball.finding == "mass" else ball
        added = (far - near) * (0.1 * (ball.density - density))
        if ball.hollow:
            inner = tuple(ball.hollow * axis for axis in ball.axes)
            near, far = ellipsoid(rays, (x + z * pose.yaw, y, z), inner, ball.tilt)
            total[key] = added - (far - near) * (0.1 * ball.density)  # may be less than the lung that was there
            continue
        total[key] = np.maximum(total.get(key, 0), added)
    return sum(total.values()) if total else np.float32(0)


def fluid(effusion, thorax: Thorax, rays: Rays, pose: Pose) -> np.ndarray:
    """Share of the lung's path that fluid has taken: level in the middle, climbing at the chest wall (meniscus)."""
    share = np.zeros((rays.y.size, rays.x.size), "float32")
    gap = thorax.half_width(rays.y) - np.abs(rays.x)
    lateral = np.clip((np.abs(rays.x) - thorax.mediastinum) / 20, 0, 1)
    for side, height in effusion:
        dome = thorax.dome + pose.sink() + (thorax.dome_step if side == LEFT else 0)
        level = dome + thorax.dome_rise - height - (10 + 0.3 * height) * np.exp(-np.maximum(gap, 0) / 16)
        depth = np.clip((rays.y - level) / (12 + 0.15 * height), 0, 1)
        share = np.where(side * rays.x > 0, lateral * depth * depth * (3 - 2 * depth), share)
    return share


def patches(consolidation, aired: np.ndarray, rays: Rays, pose: Pose, place) -> np.ndarray:
    """Mass (g/cm^2) of a patchy opacity: the ellipsoid's path through aired lung, frayed by a correlated field."""
    blob, seed = consolidation
    x, y, z = place(np.array([blob.centre]))[0].tolist()
    near, far = ellipsoid(rays, (x + z * pose.yaw, y, z), blob.axes, blob.tilt)
    field = cv2.GaussianBlur(noise(seed), (0, 0), 2.5)
    frayed = np.clip(0.75 + 0.55 * lay(field, rays), 0, 1.2)
    return np.minimum(far - near, 0.8 * aired) * frayed * (0.1 * blob.density)
