"""Where the patient is in a CT, and whether a restored image keeps the HU of each tissue."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from radzoo.errors import BadInput

SKIN = -400  # HU: what is above belongs to the patient, or to the table
THIN = 2  # pixels: what an opening by so many takes away is table and clothes

# HU of the wanted image; the gaps between hold partial volumes and what may be either of two tissues.
TISSUES = {
    "air": (-np.inf, -950),
    "lung": (-950, -500),
    "fat": (-150, -30),
    "soft tissue": (0, 100),
    "bone": (200, np.inf),
}


def body_mask(image) -> np.ndarray:
    """The largest piece above -400 HU, without what is thin, with the lungs and all else that it encloses in a plane.

    Args:
        image: `(h, w)` or `(z, y, x)` in HU.
    Returns:
        Boolean of the same shape.
    Raises:
        BadInput: nothing is left.
    """
    image = np.asarray(image)
    flat = ndimage.generate_binary_structure(2, 1).reshape((1,) * (image.ndim - 2) + (3, 3))
    solid = ndimage.binary_opening(image > SKIN, flat, iterations=THIN)
    pieces, count = ndimage.label(solid)
    if not count:
        raise BadInput(f"no body was found above {SKIN} HU: is this image CT, in HU?")
    largest = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    planes = largest if image.ndim == 3 else largest[None]
    return np.stack([ndimage.binary_fill_holes(plane) for plane in planes]).reshape(image.shape)


def tissue_bias(restored, wanted, *, inside=None, labels=None, names=()) -> list[dict]:
    """Mean of restored minus wanted, tissue by tissue, in HU.

    A tissue is a range of the wanted value (`TISSUES`), of which a pixel counts if its four neighbours in the plane lie
    in the range too: at a border every smoothing moves values, and sharpness says so. Noise of the wanted image remains
    in the choice, which pulls a bias towards the middle of the range by much less than the noise.

    Args:
        restored, wanted: of one shape, `(h, w)` or `(z, y, x)`, in HU.
        inside: boolean, the pixels that count; None all.
        labels: label map of the same shape; its regions take the place of the ranges.
        names: of the labels 1, 2, ...
    Returns:
        Rows of `tissue pixels bias sd` (of the difference); tissues without a pixel are left out.
    """
    restored, wanted = np.asarray(restored, float), np.asarray(wanted, float)
    if labels is None:
        cross = ndimage.generate_binary_structure(2, 1).reshape((1,) * (wanted.ndim - 2) + (3, 3))
        regions = {
            name: ndimage.binary_erosion((wanted >= low) & (wanted < high), cross, border_value=1)
            for name, (low, high) in TISSUES.items()
        }
    else:
        regions = {name: np.asarray(labels) == label for label, name in enumerate(names, start=1)}
    rows = []
    for name, region in regions.items():
        away = (restored - wanted)[region if inside is None else region & inside]
        if len(away):
            found = {"pixels": len(away), "bias": float(away.mean()), "sd": float(away.std())}
            rows.append({"tissue": name} | found)
    return rows
