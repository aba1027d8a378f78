"""Smooth random displacements: cubic B-splines on a coarse grid of control points, in 2-D and 3-D.

Rueckert et al., Nonrigid Registration Using Free-Form Deformations, IEEE TMI 1999. https://doi.org/10.1109/42.796284
"""

from __future__ import annotations

from functools import reduce

import numpy as np

SPANS = 4  # between control points along each axis of the image; one point more lies outside at each end


def displacement(size, largest: float, generator: np.random.Generator) -> np.ndarray:
    """How far each pixel or voxel is moved, in pixels.

    Each number is a weighted mean of what was drawn for the control points around it, so that it is never larger than
    what may be drawn. Below a tenth of the side nothing folds over (.4 of the distance of control points: Choi and Lee,
    Graphical Models 2000).

    Args:
        size: of the image or volume along each axis.
        largest: displacement along each axis, as a part of the side.
        generator: draws the control points, uniformly.
    Returns:
        `(axes, *size)`.
    """
    drawn = generator.uniform(-1, 1, (len(size), *(SPANS + 3,) * len(size)))
    spread = reduce(lambda points, each: np.tensordot(points, _weights(each), (1, 1)), size, drawn)
    return spread * (largest * np.reshape(size, (-1, *(1,) * len(size))))


def _weights(count: int) -> np.ndarray:
    """`(count, SPANS + 3)`: what each control point counts at each of `count` places; the rows add up to 1."""
    place = np.linspace(0, SPANS, count) if count > 1 else np.array([SPANS / 2])
    span = np.minimum(place.astype(int), SPANS - 1)
    t = (place - span)[:, None]
    four = np.hstack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6
    weights = np.zeros((count, SPANS + 3))
    np.put_along_axis(weights, span[:, None] + np.arange(4), four, axis=1)
    return weights
