"""CT from few views: every k-th view of a scan, reconstructed as if it were all of them."""

from __future__ import annotations

import dataclasses

import numpy as np

from radzoo.errors import BadInput
from radzoo.physics import attenuation
from radzoo.physics.geometry import Parallel, standard
from radzoo.physics.projection import project
from radzoo.physics.reconstruction import arcs, fbp
from radzoo.physics.slices import checked, fours

VIEWS = 1000  # of the whole scan; FBPConvNet keeps every 20th or every 7th of them (Jin et al. 2017)


def every(geometry: Parallel, keep: int) -> Parallel:
    """The scan with every `keep`-th of its views, from the first on; `sinogram[..., ::keep, :]` are its readings.

    Raises:
        BadInput: they do not cover the half circle.
    """
    if keep < 1:
        raise BadInput(f"every {keep}th view was asked for, expected 1 or more")
    arcs(geometry.angles[::keep])
    return dataclasses.replace(geometry, angles=geometry.angles[::keep])


def simulate(
    hu: np.ndarray, spacing_mm, *, keep: int, views: int = VIEWS, filter: str = "ramp"
) -> tuple[np.ndarray, dict]:
    """Scans a clean image with few parallel views, without noise.

    Args:
        hu: `(h, w)` or `(z, h, w)` in HU, whole slices with air around the patient.
        spacing_mm: of pixels or voxels, one number per axis.
        keep: every how many-th view is taken.
        views: of the whole scan, over the half circle.
    Returns:
        float32 HU of the same shape, and the facts.
    Raises:
        BadInput: as `low_dose.simulate`; too few views.
    """
    pixel_mm = checked(hu, spacing_mm)
    geometry = every(standard(hu.shape[-2:], pixel_mm, views), keep)
    result = np.empty(hu.shape, "float32")
    for slot, planes in zip(fours(result), fours(hu), strict=True):
        sinogram = project(attenuation.of_hu(planes), pixel_mm, geometry)
        slot[...] = attenuation.to_hu(fbp(sinogram, geometry, hu.shape[-2:], pixel_mm, filter))
    facts = {"views": int(geometry.angles.size), "of_views": int(views), "beam": "parallel", "filter": filter}
    return result, facts
