"""Organs between the ribs, each as the path of every ray through it: lungs, mediastinum, diaphragm, gas, trunk."""

from __future__ import annotations

import numpy as np

from radzoo.images.phantoms.beam import Rays, ellipsoid
from radzoo.images.phantoms.thorax import LEFT, RIGHT, Pose, Thorax


def breath(thorax: Thorax, pose: Pose):
    """A function that moves points `(n, 3)` with the diaphragm: not at the apex, fully at the base."""
    span = thorax.dome - thorax.apex
    return lambda points: (
        points
        + np.float32([0, 1, 0])
        * np.clip((points[:, 1:2] - np.float32(thorax.apex)) / np.float32(span), 0, 1)
        * np.float32(pose.sink())
    )


def lung_path(thorax: Thorax, pose: Pose, rays: Rays) -> np.ndarray:
    """Path through both lungs in mm: the cavity less heart, domes of the diaphragm and mediastinum."""
    half = thorax.half_depth(rays)
    organs = [ellipsoid(rays, *turned(part, pose)) for part in thorax.heart()]
    organs = [cut(near, far, half) for near, far in [*organs, dome(thorax, pose, rays)]]
    lengths = [far - near for near, far in organs]
    pairs = [overlap(organs[i], organs[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    union = sum(lengths) - sum(pairs) + overlap(*organs)
    return (2 * half - union) * clear_of_mediastinum(thorax, rays, pose)


def turned(part, pose: Pose):
    """An ellipsoid as the pose shifts and turns it."""
    (x, y, z), axes, tilt = part
    return (x + z * pose.yaw, y + pose.sink(), z), axes, tilt


def cut(near, far, half):
    """The part of [near, far] within [-half, half]; empty intervals come back with equal ends."""
    near, far = np.clip(near, -half, half), np.clip(far, -half, half)
    return near, np.maximum(near, far)


def overlap(*intervals) -> np.ndarray:
    """Length that all intervals `(near, far)` share along each ray."""
    near, far = intervals[0]
    for other_near, other_far in intervals[1:]:
        near, far = np.maximum(near, other_near), np.minimum(far, other_far)
    return np.maximum(far - near, 0)


def dome(thorax: Thorax, pose: Pose, rays: Rays):
    """Where rays run below the diaphragm: a paraboloid each side, higher on the right, lower at the back."""
    top = thorax.dome + pose.sink() + np.where(rays.x > 0, np.float32(thorax.dome_step), np.float32(0))
    across = (np.abs(rays.x) - 0.5 * thorax.width) / (0.5 * thorax.width)
    below = np.maximum((rays.y - top) / thorax.dome_rise - across**2, 0)
    deep = (thorax.depth + 8) * np.sqrt(below)
    return -12 - deep, -12 + deep


def clear_of_mediastinum(thorax: Thorax, rays: Rays, pose: Pose) -> np.ndarray:
    """Aired share: 1 in the lungs, a fifth where they meet before and behind the mediastinum.

    Its edges are those of the great vessels, with the aortic knob on the left and the azygos vein on the right.
    """
    fall = np.clip((rays.y - thorax.apex) / 32, 0, 1)
    side = thorax.width * 0.3 - (thorax.width * 0.3 - thorax.mediastinum) * np.sqrt(1 - (1 - fall) ** 2)
    knob = 9 * np.exp(-(((rays.y - thorax.apex - 68) / 14) ** 2)) + 7 * np.exp(-(((rays.y + 6) / 20) ** 2))
    azygos = 4 * np.exp(-(((rays.y + 22) / 12) ** 2))
    low = np.clip((rays.y - 5) / 60, 0, 1)  # behind the heart only spine, oesophagus and aorta are left
    x = rays.x - thorax.depth * 0.2 * pose.yaw
    edge = np.where(x > 0, side + knob, side - 2 + azygos) - 6 * low
    away = np.clip((np.abs(x) - edge) / (7 + 14 * low), 0, 1)
    return 0.2 + 0.8 * np.sqrt(1 - (1 - away) ** 2)


def free_air(pneumothorax, thorax: Thorax, rays: Rays) -> tuple[np.ndarray, np.ndarray]:
    """Path in mm through the air around a lung that drew back, and through its pleura (seen where it is tangent)."""
    side, gap = pneumothorax
    on_side = side * rays.x > 0
    outer, inner = thorax.half_depth(rays), thorax.half_depth(rays, gap)
    behind = thorax.half_depth(rays, gap + 0.9)
    fade = np.clip((thorax.dome - 5 - rays.y) / 70, 0, 1)  # the base still touches the wall
    return 2 * (outer - inner) * on_side * fade, 2 * (inner - behind) * on_side * fade


def gas(thorax: Thorax, rays: Rays, pose: Pose) -> np.ndarray:
    """Air in mm: windpipe, main bronchi and the stomach's bubble with its level."""
    tilt = thorax.depth * 0.1 * pose.yaw
    carina = thorax.apex + 95
    down = (rays.y - carina) / 10
    pipe = np.sqrt(np.maximum(1 - ((rays.x + 2 - tilt) / 8.5) ** 2, 0)) * np.clip(1 - down, 0, 1) * 15
    for side, slope in ((RIGHT, 1.1), (LEFT, 0.75)):
        along = side * (rays.x + 2 - tilt)
        across = (rays.y - carina - slope * along) / float(np.hypot(1, slope))
        branch = np.sqrt(np.maximum(1 - (across / 6) ** 2, 0)) * 9
        pipe = np.maximum(pipe, branch * np.clip(along / 4, 0, 1) * np.clip((38 - along) / 8, 0, 1))
    size = thorax.stomach
    y = thorax.dome + thorax.dome_step + pose.sink() + 12 + 17 * size
    near, far = ellipsoid(rays, (0.42 * thorax.width, y, 0), (34 * size, 19 * size, 30 * size))
    bubble = (far - near) * np.clip((y + 7 * size - rays.y) / 2, 0, 1)
    return pipe + bubble


def trunk(thorax: Thorax, rays: Rays) -> np.ndarray:
    """Path through the body's outline in mm: chest, shoulders, neck, breasts; the air beside it is 0."""
    up = np.clip((thorax.apex + 115 - rays.y) / 110, 0, 1)
    half = thorax.width + thorax.wall + 150 * up**2 * (3 - 2 * up) - 0.06 * rays.y
    inner = np.maximum(1 - np.abs(rays.x / half) ** 2.6, 0)
    chest = 2 * (thorax.depth + 0.6 * thorax.wall + 6) * inner ** np.float32(1 / 2.6)
    slope = thorax.apex - 62 + 0.36 * np.maximum(np.abs(rays.x) - 45, 0)
    chest = chest * np.clip((rays.y - slope) / 130, 0, 1) ** np.float32(0.55)
    neck = 130 * np.sqrt(np.maximum(1 - (rays.x / 60) ** 2, 0)) * np.ones_like(rays.y)
    path = np.maximum(chest, neck * np.clip((thorax.apex + 70 - rays.y) / 60, 0, 1))
    if thorax.breast:
        tall = np.where(rays.y > 42, np.float32(46), np.float32(95))
        across, along = (np.abs(rays.x) - 0.58 * thorax.width) / (0.5 * thorax.width), (rays.y - 42) / tall
        path = path + thorax.breast * np.maximum(1 - across**2 - along**2, 0) ** np.float32(0.6)
    return path
