"""A chest radiograph, front to detector (PA): the thorax projected to mass, exposed and displayed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from radzoo.images.phantoms import beam, bones, vessels
from radzoo.images.phantoms.beam import BONE, SOFT, Rays, Scanner
from radzoo.images.phantoms.findings import Lesions, draw_lesions, fluid, lumps, patches
from radzoo.images.phantoms.organs import breath, free_air, gas, lung_path, trunk
from radzoo.images.phantoms.thorax import Pose, Thorax, draw_pose, draw_thorax

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
    blood = vessels.blood(patient.tree, rays, pose, place) * np.minimum(aired / np.maximum(cavity, 60), 1)
    inside = inside + (SOFT - density) * blood
    inside = inside + SOFT * line * open_lung
    if lesions.consolidation:
        inside = inside + 10 * patches(lesions.consolidation, aired, rays, pose, place)
    bone = skeleton(thorax, rays, pose)
    soft = 0.1 * (BODY * (trunk(thorax, rays) - lung - gas(thorax, rays, pose)) + wet + inside)
    soft = soft + lumps(lesions.balls, rays, pose, place, density) - bone * (BODY / BONE)
    oblique = np.sqrt(1 + (rays.x**2 + rays.y**2) / beam.SOURCE_PLANE**2)
    return np.maximum(soft, 0) * oblique, bone * oblique


def skeleton(thorax: Thorax, rays: Rays, pose: Pose) -> np.ndarray:
    """Ribs, spine, collar bones and shoulders together, in g/cm^2 along each ray."""
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
