"""Inserts of a phantom: contrast to noise and width of the rim, one by one."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from radzoo.errors import BadInput
from radzoo.metrics.edges import FEWEST, REACH, Edge, fitted

RING = (3, 7)  # pixels from an insert in its plane: where its background is, beyond the blur of most rims
ROUND = 0.98  # area squared over 2 pi times the moment of inertia: a disc has 1, a square .955


def measure_inserts(image, labels, names, spacing_mm) -> list[dict]:
    """One row per insert that is there.

    Args:
        image: `(h, w)` or `(z, y, x)`, HU.
        labels: label map of the same shape, 0 background.
        names: of the labels 1, 2, ...
        spacing_mm: `(y, x)` or `(z, y, x)`.
    Returns:
        Rows of `insert pixels`; `mean`, of the insert less its outermost pixels; `background` and `noise`, mean and
        standard deviation of the ring 3 to 7 pixels around it in its plane, NaN where other labels fill it; `cnr`,
        |mean - background| / noise; `width_mm`, `mtf50` and `edge` (`edges.Edge`), which need discs in planes and a
        step that is left of them, are NaN, NaN and None else.
    Raises:
        BadInput: different shapes.
    """
    image, labels = np.asarray(image, float), np.asarray(labels)
    if image.shape != labels.shape or image.ndim not in (2, 3) or len(spacing_mm) != image.ndim:
        raise BadInput(
            f"an image {image.shape} and labels {labels.shape} came, expected one shape, (h, w) or (z, y, x)"
        )
    planes = (image, labels) if image.ndim == 3 else (image[None], labels[None])
    return [
        _insert(name, *planes, label, tuple(map(float, spacing_mm[-2:])))
        for label, name in enumerate(names, start=1)
        if (labels == label).any()
    ]


def _insert(name, image, labels, label, spacing) -> dict:
    own = labels == label
    core = ndimage.binary_erosion(own, ndimage.generate_binary_structure(2, 1)[None])
    ring = (labels == 0) & _around(own)
    mean, around = image[core if core.any() else own].mean(), image[ring]
    background, noise = (around.mean(), around.std()) if len(around) >= FEWEST else (np.nan, np.nan)
    edge = _rim(image, labels, own, spacing)
    return {
        "insert": name,
        "pixels": int(own.sum()),
        "mean": float(mean),
        "background": float(background),
        "noise": float(noise),
        "cnr": float(abs(mean - background) / noise) if noise > 0 else np.nan,
        "width_mm": edge.width_mm if edge else np.nan,
        "mtf50": edge.mtf50 if edge else np.nan,
        "edge": edge,
    }


def _around(own) -> np.ndarray:
    """The ring, in the planes that have the insert."""
    ring = np.zeros(own.shape, bool)
    for z in np.flatnonzero(own.any((1, 2))):
        away = ndimage.distance_transform_edt(~own[z])
        ring[z] = (away > RING[0]) & (away <= RING[1])
    return ring


def _rim(image, labels, own, spacing) -> Edge | None:
    """The rims of all discs of an insert in all planes together; None if one is no disc, if they are too small, or if
    no step is left."""
    found = []
    for z in np.flatnonzero(own.any((1, 2))):
        discs, count = ndimage.label(own[z])
        for each in range(1, count + 1):
            disc = discs == each
            centre, radius = _disc(disc, spacing)
            if radius is None:
                return None
            y, x = ((np.arange(n) - c) * s for n, c, s in zip(disc.shape, centre, spacing, strict=True))
            away = np.hypot(y[:, None], x) - radius
            near = (np.abs(away) <= REACH * radius) & (disc | (labels[z] == 0))
            found.append((away[near], image[z][near]))
    away, values = (np.concatenate(each) for each in zip(*found, strict=True))
    enough = min((away < 0).sum(), (away > 0).sum()) >= FEWEST and values.min() < values.max()
    try:
        return fitted(away, values, min(spacing)) if enough else None
    except BadInput:  # a way that smoothed the insert away: worth a row, and no end of the whole table
        return None


def _disc(mask, spacing) -> tuple[np.ndarray, float | None]:
    """The centre in pixels `(y, x)` and the radius in mm, None where the mask is no disc."""
    places = np.argwhere(mask)
    centre = places.mean(0)
    area = len(places) * np.prod(spacing)
    moment = (((places - centre) * spacing) ** 2).sum() * np.prod(spacing) + area * (np.square(spacing).sum() / 12)
    return centre, float(np.sqrt(area / np.pi)) if area**2 / (2 * np.pi * moment) > ROUND else None
