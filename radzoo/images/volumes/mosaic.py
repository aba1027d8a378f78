"""One volume as one flat image: four of its planes side by side, for 2-D networks.

González et al., Disease Staging and Prognosis in Smokers Using Deep Learning in Chest CT, AJRCCM 2018.
https://doi.org/10.1164/rccm.201705-0860OC

Known: four canonical views of a CT are assembled in one image, which a CNN reads. Reconstructed, because the methods
could not be read: which planes these are, where they lie, and how they are arranged.
"""

from __future__ import annotations

import numpy as np

from radzoo.images.volumes.fitted import fitted, isotropic
from radzoo.images.volumes.volume import Volume


def four_planes(volume: Volume, shape: tuple[int, int], window) -> np.ndarray:
    """Axial and coronal above, sagittal through the right and through the left half of the patient below.

    The axial and the coronal plane go through the middle, the sagittal ones through the middles of the two halves. All
    have one scale, the largest at which the volume fits, and the head, or the front, above; what they show is as thick
    as one pixel.

    Args:
        volume: turned (`SPL`).
        shape: `(h, w)` of the image; each plane has a quarter of it.
        window: as for `fitted`; several windows are channels.
    Returns:
        float32 `(h, w, channels)` in 0..1; what lies outside of the volume is its least value.
    """
    height, width = shape[0] // 2, shape[1] // 2
    box = (height, min(height, width), width)
    values = fitted((volume,), box, window)[0]
    quarter = volume.size[2] * volume.spacing_mm[2] / isotropic(volume, box)[0] / 4  # of the volume, in pixels
    right, left = (int(width / 2 + sign * quarter) for sign in (-1, 1))
    upright = values[::-1]
    planes = values[height // 2], upright[:, box[1] // 2], upright[:, :, right], upright[:, :, left]
    image = np.full((*shape, values.shape[-1]), values.min(), "float32")
    for place, plane in enumerate(planes):
        down = place // 2 * height + (height - plane.shape[0]) // 2
        across = place % 2 * width + (width - plane.shape[1]) // 2
        image[down : down + plane.shape[0], across : across + plane.shape[1]] = plane
    return image
