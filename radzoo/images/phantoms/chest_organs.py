"""Chest radiographs with the organs that a radiologist outlines: 1 left lung, 2 right lung, 3 heart and mediastinum.

The radiographs are those of `radiograph`; the outlines are the silhouettes of the same bodies that the beam met. A lung
ends where heart, mediastinum or diaphragm begin, and is all of the lung where fluid or a consolidation hides it. The
left lung lies on the image's right. Findings occur alike in all patients. Not outlined: lung behind the heart and
below the dome of the diaphragm, airways.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from scipy import ndimage

from radzoo.images.phantoms import radiograph
from radzoo.images.phantoms.beam import SCANNERS, Rays, Scanner, ellipsoid
from radzoo.images.phantoms.masked import Plane
from radzoo.images.phantoms.organs import clear_of_mediastinum, cut, dome, turned
from radzoo.images.phantoms.thorax import Pose, Thorax, draw_pose
from radzoo.images.phantoms.tuberculosis import Radiograph

PATIENTS, SIZE = 60, 256
FINDINGS = {"nodule": 0.1, "consolidation": 0.3, "effusion": 0.3, "cardiomegaly": 0.3}  # shares of patients
LEFT_LUNG, RIGHT_LUNG, HEART = 1, 2, 3
BORDER = 0.55  # of the aired share, where a mediastinum's edge is seen


def patient(generator: np.random.Generator, size: int) -> Iterator[tuple[dict, dict]]:
    """One or two radiographs of a patient: `image` and `mask`, `scanner`, the findings (0/1)."""
    anatomy, lots = generator.spawn(2)
    chances = lots.random(len(FINDINGS))
    present = [name for name, chance in zip(FINDINGS, chances, strict=True) if chance < FINDINGS[name]]
    one = radiograph.draw_patient(anatomy, present)
    for _ in range(1 + int(lots.integers(2))):
        scanner = SCANNERS[lots.integers(len(SCANNERS))]
        pose_stream, quanta = lots.spawn(2)
        pose = draw_pose(pose_stream)
        values, _ = radiograph.project(one, pose, scanner, quanta, size)
        pictures = {"image": Radiograph(values, scanner), "mask": Plane(organs(one.thorax, pose, scanner, size))}
        yield pictures, {"scanner": scanner.name, "view": "PA", **{name: int(name in present) for name in FINDINGS}}


def organs(thorax: Thorax, pose: Pose, scanner: Scanner, size: int) -> np.ndarray:
    """The outlines of one exposure, uint8 `(size, size)`."""
    rays = Rays.of(scanner, size).moved(pose.right, pose.down)
    half = thorax.half_depth(rays)
    bodies = [cut(*ellipsoid(rays, *turned(part, pose)), half) for part in thorax.heart()]
    below = np.subtract(*reversed(cut(*dome(thorax, pose, rays), half))) > 0
    chest = (half > 0) & ~below
    middle = chest & (clear_of_mediastinum(thorax, rays, pose) < BORDER)
    for near, far in bodies:
        middle |= chest & (far > near)
    mask = np.where(rays.x > 0, LEFT_LUNG, RIGHT_LUNG) * chest
    mask = np.where(middle, HEART, mask).astype("uint8")
    for lung in (LEFT_LUNG, RIGHT_LUNG):  # no island under the heart
        parts, count = ndimage.label(mask == lung)
        if count > 1:
            mask[(parts > 0) & (parts != 1 + np.argmax(np.bincount(parts[parts > 0])[1:]))] = HEART
    centre = (size - 1) / 2
    tilt = cv2.getRotationMatrix2D((centre, centre), float(np.degrees(pose.tilt)), 1.0)  # as `project` does
    return cv2.warpAffine(mask, tilt, (size, size), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
