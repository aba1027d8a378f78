"""What fills the lungs: a branching tree of vessels and the parenchyma's texture.

The tree is splatted: each short piece of a vessel adds its volume to the pixels it is seen in, and a blur of the
variance of a round cross-section (radius^2 / 4) spreads it. So the projected mass is exact and only its profile is
approximate, which lets thousands of branches be drawn at once; those seen end-on look like small nodules.
"""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from radzoo.images.phantoms.beam import Rays, magnify
from radzoo.images.phantoms.thorax import LEFT, RIGHT, Pose, Thorax

CALIBRES = (0.0, 1.1, 1.9, 3.0, 4.2, 9.0)  # mm, the classes of radius that share a blur
TRUNKS, GENERATIONS = 8, 7
FIELD = 256  # samples of the texture's side
FIELD_PITCH = 1.7  # mm
SPECTRUM = 3.0  # the power falls as 1 / f^3, taken over from mammograms (Burgess et al., Med Phys 2001)


def tree(thorax: Thorax) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points `(n, 3)` in mm along all vessels, their radius (mm), and the length of vessel each stands for (mm).

    Every vessel splits in two; radii follow Murray's law (r^3 is kept), lengths are a multiple of the radius.
    """
    generator = np.random.default_rng(thorax.texture)
    points, radii, lengths = [], [], []
    for side in (RIGHT, LEFT):
        angle = np.linspace(-1.25, 1.35, TRUNKS) + generator.normal(0, 0.1, TRUNKS)  # from straight out; down is +
        depth = generator.normal(0, 0.45, TRUNKS)
        start = np.array([side * 36.0, 6.0 if side == RIGHT else -5.0, 5.0]) + generator.normal(0, 4, (TRUNKS, 3))
        way = np.stack([side * np.cos(angle), np.sin(angle), depth], axis=1)
        radius = generator.uniform(2.6, 4.8, TRUNKS)
        for _ in range(GENERATIONS):
            way /= np.linalg.norm(way, axis=1, keepdims=True)
            length = radius * generator.uniform(3.5, 7, len(radius)) + 6
            steps = (np.arange(12) + 0.5) / 12
            sag = generator.normal(0, 0.06, way.shape)[:, None] * (steps * (1 - steps))[None, :, None] * 4
            track = start[:, None] + length[:, None, None] * (way[:, None] * steps[None, :, None] + sag)
            points.append(track.reshape(-1, 3))
            radii.append(np.repeat(radius, 12))
            lengths.append(np.repeat(length / 12, 12))
            share = generator.uniform(0.3, 0.7, len(radius))
            start = np.repeat(start + length[:, None] * way, 2, axis=0)
            radius = np.stack([radius * share ** (1 / 3), radius * (1 - share) ** (1 / 3)], axis=1).ravel()
            way = np.repeat(way, 2, axis=0) + generator.normal(0, 0.42, (len(radius), 3))
    return tuple(np.concatenate(part).astype("float32") for part in (points, radii, lengths))


def blood(grown, rays: Rays, pose: Pose, place) -> np.ndarray:
    """Path length through vessels in mm, `(h, w)`; `place` moves points with the breath."""
    points, radii, lengths = grown
    x, y, z = place(points).T
    scale = magnify(z)
    column = ((x + z * pose.yaw) * scale - rays.x[0, 0]) / rays.pixel
    row = (y * scale - rays.y[0, 0]) / rays.pixel
    volume = np.pi * radii**2 * lengths * scale**2 / rays.pixel**2
    shape = (rays.y.size, rays.x.size)
    total = np.zeros(shape, "float32")
    for low, high in itertools.pairwise(CALIBRES):
        chosen = (radii > low) & (radii <= high)
        sharp = splat(column[chosen], row[chosen], volume[chosen], shape)
        sigma = np.hypot((low + min(high, 6.0)) / 4, 0.3) / rays.pixel
        total += cv2.GaussianBlur(sharp, (0, 0), sigma)
    return total


def splat(column, row, amount, shape) -> np.ndarray:
    """Adds amounts at fractional positions, shared bilinearly by four pixels; what falls outside is dropped."""
    left, top = np.floor(column).astype(int), np.floor(row).astype(int)
    right, below = column - left, row - top
    total = np.zeros(shape[0] * shape[1])
    for dx, dy, share in (
        (0, 0, (1 - right) * (1 - below)), (1, 0, right * (1 - below)),
        (0, 1, (1 - right) * below), (1, 1, right * below),
    ):  # fmt: skip
        inside = (left + dx >= 0) & (left + dx < shape[1]) & (top + dy >= 0) & (top + dy < shape[0])
        at = ((top + dy) * shape[1] + left + dx)[inside]
        total += np.bincount(at, (share * amount)[inside], minlength=total.size)
    return total.reshape(shape).astype("float32")


def noise(seed: int) -> np.ndarray:
    """Gaussian field of power spectrum 1 / f^SPECTRUM (flat beyond 90 mm), `(FIELD, FIELD)`, variance 1."""
    white = np.random.default_rng(seed).standard_normal((FIELD, FIELD), dtype="float32")
    fx, fy = np.fft.rfftfreq(FIELD, FIELD_PITCH), np.fft.fftfreq(FIELD, FIELD_PITCH)
    power = (fx[None] ** 2 + fy[:, None] ** 2 + 90.0**-2) ** (-SPECTRUM / 4)
    field = np.fft.irfft2(np.fft.rfft2(white) * power.astype("float32"))
    return ((field - field.mean()) / field.std()).astype("float32")


def lay(field: np.ndarray, rays: Rays, sink: float = 0.0) -> np.ndarray:
    """Samples a field of the patient's coronal plane on the rays, `sink` mm lower: `(h, w)`."""
    zoom = rays.pixel / FIELD_PITCH
    move = [
        [zoom, 0, rays.x[0, 0] / FIELD_PITCH + FIELD / 2],
        [0, zoom, (rays.y[0, 0] - sink) / FIELD_PITCH + FIELD / 2],
    ]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(field, np.array(move), (rays.x.size, rays.y.size), flags=flags, borderMode=cv2.BORDER_REFLECT)
