"""Edges of known shape, as in phantoms: how wide a restored edge is, and how far an insert stands out of the noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.optimize import least_squares
from scipy.stats import norm

from radzoo.errors import BadInput

TENTH = float(norm.ppf(0.9))  # standard deviations from the middle of an edge to where 90 % is reached
REACH = 0.8  # of a disc's radius: how far from its rim the edge is looked at
BINS = 4  # per pixel, of the response that is drawn
FEWEST = 20  # pixels


@dataclass(frozen=True, eq=False)
class Edge:
    """A step blurred by a Gaussian, fitted to the pixels around an edge.

    Attributes:
        inside, outside: the values on both sides, HU.
        sigma_mm: standard deviation of the Gaussian, pixels' own size included.
        distance_mm, response: `(n,)`: means of the pixels in bins of a quarter pixel along the normal (below 0 is
            inside), 1 for `inside` and 0 for `outside`.
        misfit: root mean square of `response` away from the fit; a sharp kernel that overshoots has a large one.
    """

    inside: float
    outside: float
    sigma_mm: float
    distance_mm: np.ndarray
    response: np.ndarray
    misfit: float

    @property
    def width_mm(self) -> float:
        """From 10 % to 90 % of the step."""
        return 2 * TENTH * self.sigma_mm

    @property
    def mtf50(self) -> float:
        """The frequency at which the modulation transfer function of this Gaussian is a half, 1/mm."""
        return float(np.sqrt(2 * np.log(2)) / (2 * np.pi * self.sigma_mm))


def disc_edge(image, centre, radius_mm: float, spacing_mm) -> Edge:
    """The rim of a disc, from the distances of all pixels around it: finer than pixels, because they lie everywhere.

    Richard et al., Towards task-based assessment of CT performance, Medical Physics 2012. The blur should be less than
    a quarter of the radius, and nothing else within 1.8 radii.

    Args:
        image: `(h, w)`, HU.
        centre: `(y, x)` in pixels, may be fractions.
        radius_mm: of the disc; where exactly the rim is, is fitted.
        spacing_mm: `(y, x)`.
    Raises:
        BadInput: too few pixels around, or no step.
    """
    image = np.asarray(image, float)
    y, x = ((np.arange(n) - c) * s for n, c, s in zip(image.shape, centre, spacing_mm, strict=True))
    distance = np.hypot(y[:, None], x) - radius_mm
    near = np.abs(distance) <= REACH * radius_mm
    return fitted(distance[near], image[near], min(spacing_mm))


def straight_edge(image, spacing_mm) -> Edge:
    """One straight edge at any angle, the only one in the image; the brighter side is inside.

    The line is that through the steep pixels (total least squares), and its angle is fitted with the rest: the slanted
    edge of ISO 12233, without its need for an angle.

    Args:
        image: `(h, w)`, HU.
        spacing_mm: `(y, x)`.
    Raises:
        BadInput: too few pixels, or no step.
    """
    image = np.asarray(image, float)
    steepness = ndimage.gaussian_gradient_magnitude(image, 1.0)
    there = steepness > steepness.max() / 2
    if there.sum() < FEWEST:
        raise BadInput(f"{there.sum()} pixels on the edge came, expected at least {FEWEST}: give a larger image")
    grid = np.stack(np.meshgrid(*(np.arange(n) * s for n, s in zip(image.shape, spacing_mm, strict=True)),
                                indexing="ij"), axis=-1)  # fmt: skip
    weight = steepness[there] ** 2
    grid = grid - np.average(grid[there], axis=0, weights=weight)
    normal = np.linalg.eigh((grid[there].T * weight) @ grid[there])[1][:, 0]
    side = grid @ normal
    if image[side < 0].mean() < image[side > 0].mean():
        normal = -normal
    angle = np.arctan2(*normal)

    def turned(by):
        return (grid @ (np.sin(angle + by), np.cos(angle + by))).ravel()

    turn = _step(lambda more: turned(more[0]), image.ravel(), min(spacing_mm), 1)[-1]
    return fitted(turned(turn), image.ravel(), min(spacing_mm))


def fitted(distance, values, pixel_mm: float) -> Edge:
    """`outside + (inside - outside) * Phi((place - distance) / sigma)`, least squares over pixels.

    Args:
        distance: `(n,)`, mm from the edge, below 0 inside.
        values: `(n,)`, HU.
        pixel_mm: sets the bins of the response.
    Raises:
        BadInput: too few pixels on a side, no step, or values that are not finite.
    """
    if not np.isfinite(values).all():
        raise BadInput("pixels around the edge are NaN or infinite: leave this image out")
    if min((distance < 0).sum(), (distance > 0).sum()) < FEWEST:
        raise BadInput(f"fewer than {FEWEST} pixels lie on a side of the edge: give a larger image or disc")
    inside, outside, place, sigma = _step(lambda _: distance, values, pixel_mm, 0)
    if np.isclose(inside, outside):
        raise BadInput("both sides of the edge have the same value: there is no step to measure")
    away = distance - place
    bins = np.round(away * BINS / pixel_mm).astype(int)
    where = np.unique(bins, return_inverse=True)[1]
    count = np.bincount(where)
    middle = np.bincount(where, away) / count
    response = (np.bincount(where, values) / count - outside) / (inside - outside)
    misfit = np.sqrt(np.average((response - norm.cdf(-middle / sigma)) ** 2, weights=count))
    return Edge(inside, outside, sigma, middle, response, float(misfit))


def _step(distance, values, pixel_mm, more: int) -> tuple[float, ...]:
    """`inside outside place sigma` and `more` parameters of `distance`, which begin at 0."""
    first = distance(np.zeros(more))
    start = [values[first < 0].mean(), values[first > 0].mean(), 0.0, pixel_mm, *[0.0] * more]
    scale = max(abs(start[0] - start[1]), 1e-6)
    reach = np.abs(first).max()

    def wrong(given):
        inside, outside, place, sigma = given[:4]
        share = norm.cdf((place - distance(given[4:])) / sigma)
        return (outside + (inside - outside) * share - values) / scale

    least = [-np.inf, -np.inf, -reach / 2, 0.05 * pixel_mm, *[-0.5] * more]
    most = [np.inf, np.inf, reach / 2, reach, *[0.5] * more]
    size = [scale, scale, pixel_mm, pixel_mm, *[0.01] * more]
    return tuple(map(float, least_squares(wrong, start, bounds=(least, most), x_scale=size).x))
