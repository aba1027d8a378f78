"""From a network's probabilities to labels that respect the image: one entry for every kind of refinement."""

from __future__ import annotations

import inspect

import numpy as np

from radzoo.errors import BadInput
from radzoo.refine.crf import mean_field
from radzoo.refine.graph_cut import cut
from radzoo.refine.largest import largest

__all__ = ["KINDS", "cut", "largest", "mean_field", "refined"]


def refined(kind: str, probability: np.ndarray, image: np.ndarray, spacing_mm, **numbers) -> np.ndarray:
    """Labels after refinement.

    Args:
        kind: `largest` keeps the largest component of every class; `crf` is a dense CRF (Christ 2016); `graph_cut` a
            minimum cut (Lu 2017), with several classes one after the other against the rest, the first come first.
        probability: `(y, x, classes)` or `(z, y, x, classes)`, softmax, background first.
        image: the same size, `(*spatial)` or `(*spatial, 1)`; the defaults expect 0..1, as networks see it.
        spacing_mm: distance of neighbouring pixels or voxels along each axis.
        **numbers: of `mean_field`, `cut` or `largest`.

    Returns:
        uint8 labels `(*spatial)`.

    Raises:
        BadInput: an unknown kind or number; shapes that do not fit; several channels; probabilities or intensities
            that are no numbers.
    """
    if kind not in KINDS:
        raise BadInput(f"refinement {kind!r} came, expected one of {', '.join(KINDS)}")
    known = [
        name for name, each in inspect.signature(FUNCTIONS[kind]).parameters.items() if each.kind == each.KEYWORD_ONLY
    ]
    if unknown := sorted(set(numbers) - set(known)):
        raise BadInput(f"{kind} has no {', '.join(unknown)}; it has {', '.join(known)}")
    spatial, rank = probability.shape[:-1], probability.ndim - 1
    grey = image[..., 0] if image.ndim == rank + 1 and image.shape[-1] == 1 else image
    if rank not in (2, 3) or grey.shape != spatial or len(spacing_mm) != rank or not min(spacing_mm) > 0:
        raise BadInput(
            f"probability {probability.shape}, image {image.shape}, spacing {tuple(spacing_mm)}: expected "
            "(*spatial, classes), one channel of the same size, and as many spacings above 0 in mm as axes"
        )
    if not 2 <= probability.shape[-1] <= 255:
        raise BadInput(f"{probability.shape[-1]} classes came, expected 2 to 255, the background first")
    if not (np.isfinite(grey).all() and np.isfinite(probability).all()):
        raise BadInput("probabilities or intensities that are no numbers came: look at the image and the weights")
    return KINDS[kind](probability, grey, spacing_mm, numbers)


def _largest(probability, image, spacing_mm, numbers) -> np.ndarray:
    return largest(probability.argmax(-1).astype("uint8"), **numbers)


def _crf(probability, image, spacing_mm, numbers) -> np.ndarray:
    return mean_field(probability, image, spacing_mm, **numbers).argmax(-1).astype("uint8")


def _graph_cut(probability, image, spacing_mm, numbers) -> np.ndarray:
    labels = np.zeros(image.shape, "uint8")
    for label in range(1, probability.shape[-1]):
        labels[cut(probability[..., label], image, spacing_mm, **numbers) & (labels == 0)] = label
    return labels


KINDS = {"largest": _largest, "crf": _crf, "graph_cut": _graph_cut}
FUNCTIONS = {"largest": largest, "crf": mean_field, "graph_cut": cut}
