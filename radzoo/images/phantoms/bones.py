"""The skeleton of the chest as areal bone mass (g/cm^2), all ribs in one pass.

A rib is a band of the thoracic cavity's shell, so the path through it grows by itself where the ray is tangent to the
chest wall. The bands' centre lines form one family, linear in the rib's number, which is solved for the number.
"""

from __future__ import annotations

import cv2
import numpy as np

from radzoo.images.phantoms.beam import BONE, Rays, magnify
from radzoo.images.phantoms.thorax import LEFT, RIGHT, Pose, Thorax

SHELL = 8.5  # thickness of a rib, mm
RIBS = 11


def tube(distance: np.ndarray, radius, cortex: float) -> np.ndarray:
    """Chord in units of the radius through a tube whose marrow holds a third of compact bone's mass."""
    outer = np.maximum(1 - (distance / radius) ** 2, 0)
    inner = np.maximum((1 - cortex / radius) ** 2 - (distance / radius) ** 2, 0)
    return 2 * np.sqrt(outer) - 1.3 * np.sqrt(inner)


def ribs(thorax: Thorax, rays: Rays) -> np.ndarray:
    """Both arcs of all ribs: the back ones fall gently to the side, the front ones steeply to the middle."""
    inner, outer = thorax.half_depth(rays), thorax.half_depth(rays, -SHELL)
    wide, middle = np.abs(rays.x) / thorax.half_width(rays.y, -SHELL), (inner + outer) / 2
    lateral = np.arctan2(wide, middle / thorax.depth) / np.pi  # 0 at the spine, .5 at the side
    mass = np.zeros_like(inner)
    for behind in (True, False):
        course = lateral if behind else 1 - lateral
        fall = 1.2 * np.maximum(course, 1e-3) ** 1.4
        pitch = thorax.rib_pitch + 2.5 * fall
        number = (rays.y - thorax.apex + 6 - (thorax.rib_drop - 15) * fall) / pitch
        nearest = np.rint(number)
        shift = np.take(np.float32(thorax.rib_shift), nearest.astype(int), mode="clip")
        distance = 0.9 * ((number - nearest) * pitch - shift)  # .9: the band's slope
        band = tube(distance, 6.5 if behind else 7.5, 1.6) / 2
        band *= (nearest >= 0) & (nearest < RIBS)
        if behind:
            band *= np.clip((np.abs(rays.x) - 14) / 8, 0, 1)
        else:  # the front ends in cartilage, higher ribs nearer to the sternum
            band *= 0.65 * np.clip((0.83 - 0.006 * nearest - course) / 0.02, 0, 1)
        mass += band * np.minimum(outer - inner, 2.2 * SHELL) * (BONE * 0.1)
    return mass


def spine(thorax: Thorax, rays: Rays, pose: Pose) -> np.ndarray:
    """Vertebral bodies with end plates, pedicles and spinous processes: a pattern that repeats with the ribs."""
    z = 0.75 * thorax.depth
    bend = thorax.spine_bend * np.sin(rays.y / 90) + z * pose.yaw
    near = np.abs(rays.x[0] - z * pose.yaw) < 60  # the columns to work on
    x = ((rays.x[:, near] - bend) / magnify(z)).astype("float32")
    phase = (rays.y - thorax.apex + 6) / thorax.rib_pitch
    height = (phase - np.rint(phase)) * thorax.rib_pitch  # mm from the middle of a vertebra
    waist = 15 + np.clip((rays.y - thorax.apex) / 60, 0, 4) + 8 * (height / thorax.rib_pitch) ** 2
    body = np.sqrt(np.maximum(1 - np.square(x / waist) ** 2, 0)) * np.clip((9.6 - np.abs(height)) / 1.5 + 0.25, 0.25, 1)
    plates = np.exp(-((np.abs(height) - 8.6) ** 2) / 1.5) * np.clip((waist - np.abs(x)) / 2, 0, 1)
    ring = np.sqrt(((np.abs(x) - 10.5) / 3) ** 2 + ((height + 3) / 5) ** 2)
    pedicles = np.exp(-(((ring - 1) / 0.35) ** 2))
    process = np.exp(-(np.square(x / 2.2) ** 2) - ((height - 6) / 6) ** 4)
    mass = np.zeros((rays.y.size, rays.x.size), "float32")
    mass[:, near] = 0.4 * body + 0.25 * plates + 0.3 * pedicles + 0.35 * process
    return mass


def clavicles(thorax: Thorax, rays: Rays, pose: Pose) -> np.ndarray:
    """Both collar bones: S-shaped tubes in front, thicker at their ends; bone in g/cm^2 along each ray."""
    mass = np.zeros((rays.y.size, rays.x.size), "float32")
    z = -0.7 * thorax.depth
    for side in (RIGHT, LEFT):
        along = (side * (rays.x - z * pose.yaw) / magnify(z) - 14) / 135
        inside = np.clip(along * 12 + 1, 0, 1) * np.clip((1.08 - along) * 12, 0, 1)
        line = thorax.apex + 38 - thorax.clavicle * along - 7 * np.sin(2 * np.pi * np.clip(along, 0, 1))
        radius = 5.5 + 3 * np.maximum(0, 2 * np.abs(along - 0.5) - 0.6) * 2
        mass += tube(0.95 * (rays.y - line), radius, 2.0) * inside * radius * (BONE * 0.1)
    return mass


def shoulders(thorax: Thorax, rays: Rays) -> np.ndarray:
    """Shoulder blades turned out of the lungs, as in a well positioned exposure, and the heads of the humeri."""
    shape = (rays.y.size, rays.x.size)
    plate, rim = np.zeros(shape, "float32"), np.zeros(shape, "float32")
    w, top = thorax.width, thorax.apex
    blade = [(0.80, 6), (0.93, 70), (1.00, 122), (1.10, 95), (1.20, 40)]
    blade = [(w * x, top + y) for x, y in blade]
    crest = [(w * 0.84, top + 24), (w * 1.1, top + 14), (w * 1.32, top + 4)]
    line = max(1, round(3.0 / rays.pixel))
    for side in (RIGHT, LEFT):
        points, ridge, head = (
            _pixels(rays, [(side * x, y) for x, y in part]) for part in (blade, crest, [(w * 1.36, top + 30)])
        )
        cv2.fillPoly(plate, [points], 1.0)
        cv2.polylines(rim, [points], True, 1.0, line)
        cv2.polylines(rim, [ridge], False, 1.5, 2 * line)
        cv2.circle(plate, head[0].tolist(), round(24 / rays.pixel), 3.0, -1)
    soft = 2.2 / rays.pixel
    return 0.22 * cv2.GaussianBlur(plate, (0, 0), soft) + 0.4 * cv2.GaussianBlur(rim, (0, 0), soft)


def _pixels(rays: Rays, points) -> np.ndarray:
    corner = np.array([rays.x[0, 0], rays.y[0, 0]])
    return np.rint((np.array(points) - corner) / rays.pixel).astype(np.int32)
