"""Label maps: what counts in them, and how much.

A label map is integer `(h, w)` or `(z, y, x)`: 0 is background, 1..n are the classes, 255 counts nowhere.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from radzoo.errors import BadInput

IGNORE = 255
NEGLIGIBLE = 1e-6  # a border weight below this is none


def target(labels, classes: int, weights=None) -> np.ndarray:
    """What the losses of `losses.segmentation_loss` call truth.

    Args:
        labels: `(*spatial)`, label map of one image.
        classes: with background.
        weights: `(*spatial)`, of each pixel; None is 1 for all.
    Returns:
        float32 `(*spatial, classes + 1)`: one-hot of the classes, then the pixel's weight; all 0 where 255.
    Raises:
        BadInput: labels that are no class; weights of another shape, negative or not finite.
    """
    labels = checked_labels(labels, classes)
    truth = np.zeros((*labels.shape, classes + 1), "float32")
    known = labels != IGNORE
    truth[..., :classes] = labels[..., None] == np.arange(classes)
    truth[..., classes] = known
    if weights is not None:
        weights = np.asarray(weights, "float32")
        if weights.shape != labels.shape or not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise BadInput(f"pixel weights {weights.shape} came, expected finite ones >= 0 of shape {labels.shape}")
        truth[..., classes] *= weights
    return truth


def checked_labels(labels, classes: int) -> np.ndarray:
    """The label map as it came.

    Raises:
        BadInput: not of integers, or with labels that are neither below `classes` nor 255.
    """
    labels = np.asarray(labels)
    if labels.dtype == bool:
        labels = labels.astype("uint8")
    if not np.issubdtype(labels.dtype, np.integer):
        raise BadInput(f"a label map of {labels.dtype} came, expected integers: round it first")
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        strange = np.setdiff1d(labels, [*range(classes), IGNORE])
        if len(strange):
            named = ", ".join(map(str, strange[:5]))
            raise BadInput(f"labels {named} came, expected 0 to {classes - 1}, or {IGNORE} for what counts nowhere")
    return labels


def class_counts(labels, classes: int) -> np.ndarray:
    """`(classes,)` pixels of each class, background first; what is 255 is not counted."""
    labels = checked_labels(labels, classes)
    return np.bincount(labels[labels != IGNORE].ravel(), minlength=classes)


def median_frequency(counts) -> np.ndarray:
    """Class weights median(f) / f, f the pixels of a class over those of all images that hold it (SegNet, section 3).

    Eigen & Fergus, Predicting Depth, Surface Normals and Semantic Labels, ICCV 2015, section 6.3.2.

    Args:
        counts: `(images, classes)` pixels, rows as `class_counts`.
    Returns:
        `(classes,)`.
    Raises:
        BadInput: a class is in no image.
    """
    counts = np.atleast_2d(np.asarray(counts, float))
    pixels, holding = counts.sum(0), ((counts > 0) * counts.sum(1, keepdims=True)).sum(0)
    absent = np.flatnonzero(pixels == 0)
    if len(absent):
        raise BadInput(f"class {absent[0]} has no pixel in any image and so no weight: leave it out or add images")
    frequency = pixels / holding
    return np.median(frequency) / frequency


def components(mask) -> np.ndarray:
    """Connected components of a mask by faces (4 neighbours in 2-D, 6 in 3-D): 0, then 1..n, int32."""
    return ndimage.label(np.asarray(mask, bool))[0]


def border_weights(labels, *, instances=None, w0: float = 10.0, sigma: float = 5.0, class_weights=None) -> np.ndarray:
    """U-Net's weight of each pixel, high on the background between two near objects.

    w_c + w0 exp(-(d1 + d2)^2 / (2 sigma^2)), d1 and d2 the distances to the nearest and second nearest object; the
    second term is the background's alone, and 0 where there are fewer than two objects (Ronneberger et al., U-Net,
    MICCAI 2015, equation 2). Distances are in pixels, between centres; terms below 1e-6 are left out.

    Args:
        labels: `(*spatial)`, label map.
        instances: `(*spatial)`, 0 and a number for each object; None takes the connected components of what is not
            background.
        class_weights: `(classes,)` w_c, background first; None is 1 for all.
    Returns:
        float32 `(*spatial)`, 0 where labels are 255.
    Raises:
        BadInput: instances of another shape, or labels without a class weight.
    """
    labels = checked_labels(labels, IGNORE if class_weights is None else len(class_weights))
    known = labels != IGNORE
    if instances is None:
        instances = components((labels != 0) & known)
    instances = np.asarray(instances)
    if instances.shape != labels.shape:
        raise BadInput(f"instances {instances.shape} came, expected the shape of the labels, {labels.shape}")
    weight = np.ones(labels.shape)
    if class_weights is not None:
        weight = np.asarray(class_weights, float)[np.where(known, labels, 0)]
    nearest, second = _two_nearest(instances, reach=sigma * np.sqrt(2 * np.log(max(w0, 1) / NEGLIGIBLE)))
    boost = w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    return ((weight + np.where(labels == 0, boost, 0)) * known).astype("float32")


def _two_nearest(instances, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Distances to the nearest and second nearest object, infinite beyond `reach`, `(*spatial)` each.

    Each object's distances are computed in its own box plus `reach`: hundreds of cells cost as much as their boxes.
    """
    nearest, second = (np.full(instances.shape, np.inf) for _ in range(2))
    margin = int(np.ceil(reach))
    for number, box in enumerate(ndimage.find_objects(instances), start=1):
        if box is None:
            continue
        box = tuple(slice(max(0, side.start - margin), side.stop + margin) for side in box)
        away = ndimage.distance_transform_edt(instances[box] != number)
        second[box] = np.minimum(second[box], np.maximum(nearest[box], away))
        nearest[box] = np.minimum(nearest[box], away)
    return nearest, second
