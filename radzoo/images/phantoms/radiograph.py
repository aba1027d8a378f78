"""A chest radiograph, front to detector (PA): the thorax projected to mass, exposed and displayed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from radzoo.images.phantoms import beam, bones, vessels
from radzoo.images.phantoms.beam import BONE, SOFT, Rays, Scanner, ellipsoid
from radzoo.images.phantoms.findings import Lesions, draw_lesions, fluid, lumps, patches
from radzoo.images.phantoms.thorax import LEFT, RIGHT, Pose, Thorax, draw_pose, draw_thorax

BODY = 1.0  # g/cm^3 of trunk outside lungs and bones, muscle and fat together


@dataclass(frozen=True)
class Patient:
    thorax: Thorax
    lesions: Lesions
    findings: tuple[str, ...]
    tree: tuple[np.ndarray, np.ndarray, np.ndarray]
    texture: np.ndarray


def draw_patient(generator: np.random.Generator, findings=()) -> Patient:
    """One adult with these findings; without a finding the anatomy is the same to the last number."""
    anatomy, disease = generator.spawn(2)
    thorax = draw_thorax(anatomy, "cardiomegaly" in findings)
    lesions = draw_lesions(disease, thorax, findings)
    return Patient(thorax, lesions, tuple(findings), vessels.tree(thorax), vessels.noise(thorax.texture))


def mass(patient: Patient, pose: Pose, rays: Rays) -> tuple[np.ndarray, np.ndarray]:
    """Areal mass of soft tissue and of bone on each ray, two maps `(h, w)` in g/cm^2."""
    thorax, lesions = patient.thorax, patient.lesions
    place = breath(thorax, pose)
    cavity = 2 * thorax.half_depth(rays)
    lung = lung_path(thorax, pose, rays)
    open_lung = lung / np.maximum(cavity, 1)
    density = thorax.lung_density * (1 - 0.12 * pose.inspiration)
    if lesions.pneumothorax:
        free, line = free_air(lesions.pneumothorax, thorax, rays)
        free = free * open_lung
    else:
        free, line = np.float32(0), np.float32(0)
    wet = lung * fluid(lesions.effusion, thorax, rays, pose)
    aired = np.maximum(lung - wet - free, 0)
    grain = 1 + 0.07 * vessels.lay(patient.texture, rays, pose.sink() / 2) + 0.0008 * rays.y
    inside = density * grain * aired
    inside = inside + (SOFT - density) * vessels.blood(patient.tree, rays, pose, place) * np.minimum(aired / np.maximum(cavity, 60), 1)
    inside = inside + SOFT * line * open_lung
    if lesions.consolidation:
        inside = inside + 10 * patches(lesions.consolidation, aired, rays, pose, place)
    bone = skeleton(thorax, rays, pose)
    soft = 0.1 * (BODY * (trunk(thorax, rays) - lung - gas(thorax, rays, pose)) + wet + inside)
    soft = soft + lumps(lesions.balls, rays, pose, place, density) - bone * (BODY / BONE)
    oblique = np.sqrt(1 + (rays.x**2 + rays.y**2) / beam.SOURCE_PLANE**2)
    return np.maximum(soft, 0) * oblique, bone * oblique


def breath(thorax: Thorax, pose: Pose):
    """A function that moves points `(n, 3)` with the diaphragm: not at the apex, fully at the base."""
    span = thorax.dome - thorax.apex
    return lambda points: points + np.float32([0, 1, 0]) * np.clip(
        (points[:, 1:2] - np.float32(thorax.apex)) / np.float32(span), 0, 1
    ) * np.float32(pose.sink())


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
    (x, y, z), axes, tilt = part
    return (x + z * pose.yaw, y + pose.sink(), z), axes, tilt


def cut(near, far, half):
    """The part of [near, far] within [-half, half]; empty intervals come back with equal ends."""
    near, far = np.clip(near, -half, half), np.clip(far, -half, half)
    return near, np.maximum(near, far)


def overlap(*intervals) -> np.ndarray:
    near, far = intervals[0]
    for other_near, other_far in intervals[1:]:
        near, far = np.maximum(near, other_near), np.minimum(far, other_far)
    return np.maximum(far - near, 0)


def dome(thorax: Thorax, pose: Pose, rays: Rays):
    """Where rays run below the diaphragm: a paraboloid each side, higher on the right, its back lower than its front."""
    top = thorax.dome + pose.sink() + np.where(rays.x > 0, np.float32(thorax.dome_step), np.float32(0))
    across = (np.abs(rays.x) - 0.5 * thorax.width) / (0.5 * thorax.width)
    below = np.maximum((rays.y - top) / thorax.dome_rise - across**2, 0)
    deep = (thorax.depth + 8) * np.sqrt(below)
    return -12 - deep, -12 + deep


def clear_of_mediastinum(thorax: Thorax, rays: Rays, pose: Pose) -> np.ndarray:
    """Aired share: 1 in the lungs, a fifth where they meet before and behind the mediastinum; the edges are the great vessels', with the aortic knob on the left."""
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
        across = (rays.y - carina - slope * along) / np.hypot(1, slope)
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


def skeleton(thorax: Thorax, rays: Rays, pose: Pose) -> np.ndarray:
    bone = bones.ribs(thorax, rays) + bones.spine(thorax, rays, pose)
    return bone + bones.clavicles(thorax, rays, pose) + bones.shoulders(thorax, rays)


def project(patient: Patient, pose: Pose, scanner: Scanner, generator, size: int = 256):
    """One exposure: float32 `(size, size)`, dense tissue bright, mostly within 0..1; and its record.

    The record's `centres` are `(row, column, radius in pixels, finding)` of nodules and masses.
    """
    rays = Rays.of(scanner, size).moved(pose.right, pose.down)
    primary = beam.transmission(*mass(patient, pose, rays), scanner.kvp / 2)
    middle = (size - 1) / 2
    turn = cv2.getRotationMatrix2D((middle, middle), float(np.degrees(pose.tilt)), 1.0)
    primary = cv2.warpAffine(
        primary.astype("float32"), turn, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    values = beam.display(beam.expose(primary, scanner, generator, pose.exposure), scanner)
    centres = []
    for ball in patient.lesions.balls:
        x, y, z = breath(patient.thorax, pose)(np.array([ball.centre]))[0]
        scale = beam.magnify(z)
        column = ((x + z * pose.yaw) * scale - rays.x[0, 0]) / rays.pixel
        row = (y * scale - rays.y[0, 0]) / rays.pixel
        column, row = turn @ (column, row, 1)
        centres.append((float(row), float(column), float(ball.axes[0] * scale / rays.pixel), ball.finding))
    record = {
        "findings": patient.findings,
        "centres": tuple(centres),
        "cardiothoracic_ratio": patient.thorax.cardiothoracic_ratio(),
        "scanner": scanner.name,
        "pose": pose,
    }
    return values, record


def chest(generator: np.random.Generator, *, size: int = 256, findings=(), scanner: Scanner = beam.SCANNERS[0]):
    """One radiograph of a new patient with exactly these findings: `(values, record)` as from `project`."""
    patient_stream, pose_stream, quanta = generator.spawn(3)
    return project(draw_patient(patient_stream, findings), draw_pose(pose_stream), scanner, quanta, size)
