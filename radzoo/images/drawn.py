"""Contours of labels on an image: prediction solid, truth dashed and paler, in the colour of the class.

Where both agree, pale dashes lie on the solid line; a solid line without dashes is a prediction alone, dashes without
a line are what was missed.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from radzoo.errors import BadInput
from radzoo.images.palette import colour
from radzoo.masks import IGNORE

SIDE = 384  # pixels of the longest side that a small image is enlarged to, at least
DASH = 5  # pixels along a contour, and as many to the next dash
PALE = 0.5  # of white in the colour of a truth


def drawn(image: np.ndarray, truth=None, predicted=None, *, scale: int | None = None) -> np.ndarray:
    """An image with the contours of its labels, which run along the inner edge of each region.

    Args:
        image: `(h, w)` or `(h, w, 3)` in 0..1.
        truth, predicted: `(h, w)` whole numbers, 0 outside; None draws none. A truth of 255 has no contour.
        scale: how many pixels of the picture one of the image becomes; None enlarges what is smaller than 384 pixels.
    Returns:
        uint8 RGB `(scale * h, scale * w, 3)`.
    Raises:
        BadInput: labels of another size.
    """
    size = image.shape[:2]
    scale = scale or math.ceil(SIDE / max(size))
    grey = np.round(np.clip(image, 0, 1) * 255).astype("uint8")
    picture = cv2.resize(grey, (scale * size[1], scale * size[0]), interpolation=cv2.INTER_LINEAR)
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    solid = [] if predicted is None else contours(predicted, size, scale)
    truth = np.zeros(size, int) if truth is None else np.asarray(truth)
    dashed = [(label, _dashes(lines)) for label, lines in contours(np.where(truth == IGNORE, 0, truth), size, scale)]
    shadow = np.zeros(picture.shape[:2], "uint8")
    thick = 1 if scale == 1 else 2
    for _, lines in solid + dashed:
        cv2.polylines(shadow, lines, False, 1, thick + 2)
    picture[shadow > 0] //= 2  # lines are seen on bone and on fat
    for label, lines in solid:
        cv2.drawContours(picture, lines, -1, colour(label), thick)
    for label, lines in dashed:
        pale = tuple(round(255 * PALE + part * (1 - PALE)) for part in colour(label))
        cv2.polylines(picture, lines, False, pale, thick)
    return picture


def contours(labels, size: tuple[int, int], scale: int = 1) -> list[tuple[int, list[np.ndarray]]]:
    """Each label from 1 that is there, with the outlines of its regions and of their holes.

    Args:
        size: `(h, w)` that the labels must have.
        scale: how often each pixel is repeated first.
    Returns:
        `(label, lines)`; a line is int32 `(n, 1, 2)`, neighbouring pixels `(x, y)` within the label.
    """
    labels = np.asarray(labels)
    if labels.shape != tuple(size) or labels.dtype.kind not in "iub":
        raise BadInput(f"labels {labels.shape} of {labels.dtype.name} came, expected whole numbers of shape {size}")
    found = []
    for label in np.unique(labels[labels > 0]):
        inside = (labels == label).astype("uint8").repeat(scale, 0).repeat(scale, 1)
        lines = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
        found.append((int(label), list(lines)))
    return found


def _dashes(lines: list[np.ndarray]) -> list[np.ndarray]:
    return [line[start : start + DASH] for line in lines for start in range(0, len(line), 2 * DASH)]
