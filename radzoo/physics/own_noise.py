"""How many photons per reading would explain the noise that a real image shows."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from radzoo.errors import BadInput
from radzoo.physics import attenuation
from radzoo.physics.geometry import Fan, Parallel, standard
from radzoo.physics.projection import project
from radzoo.physics.readings import variance
from radzoo.physics.reconstruction import fbp
from radzoo.physics.slices import checked

TISSUE = (-60, 160)  # HU: soft, with contrast or without
WINDOW = 15.0  # mm, within which even tissue differs by noise only
PROBE = 1e6  # photons of the scan that is compared


def explaining(hu: np.ndarray, spacing_mm, *, geometry: Parallel | Fan | None = None, filter: str = "ramp") -> float:
    """Photons with which this geometry and filter have the variance that the image has where its tissue is most even.

    Variance goes with 1 / photons, so a scan of known photons tells, place by place: in windows of soft tissue, in up
    to four planes around the middle, the image's variance is divided by that of the scan's noise. Anatomy adds to it,
    so the lower quartile counts, against that of a second scan, which is as far below the mean by chance. The number
    belongs to this filter: a kernel that is softer than the filter makes it too high.

    Args:
        hu: `(h, w)` or `(z, h, w)` in HU, whole slices with air around the patient.
        spacing_mm: of pixels or voxels, one number per axis.
    Raises:
        BadInput: as `low_dose.insert`; no soft tissue, or none with noise.
    """
    pixel_mm = checked(hu, spacing_mm)
    planes = hu[None] if hu.ndim == 2 else hu[max(len(hu) // 2 - 2, 0) :][:4]
    planes = planes.astype("float64")
    geometry = standard(hu.shape[-2:], pixel_mm) if geometry is None else geometry
    counts = PROBE * np.exp(-project(attenuation.of_hu(planes), pixel_mm, geometry).astype("float64"))
    noise = np.sqrt(variance(counts, 0)) * np.random.default_rng(0).standard_normal((2, *counts.shape))
    noise = 1000 / attenuation.MU_WATER * fbp(noise, geometry, hu.shape[-2:], pixel_mm, filter)
    size = max(round(WINDOW / pixel_mm), 5)
    soft = ndimage.gaussian_filter(planes, (0, 2 / pixel_mm, 2 / pixel_mm))
    whole = ndimage.minimum_filter((soft > TISSUE[0]) & (soft < TISSUE[1]), (1, size, size))
    if not whole.any():
        raise BadInput("the image has no even soft tissue that shows its noise: say how many photons it was made with")
    own, made, second = (_variance(each, size)[whole] for each in (planes, *noise))
    if np.quantile(own, 0.25) < 1:  # HU²: rounding to whole HU alone has 1/12
        raise BadInput("the image has no noise of its own: simulate a scan of it instead of inserting noise")
    return float(PROBE * np.quantile(second / made, 0.25) / np.quantile(own / made, 0.25))


def _variance(planes: np.ndarray, size: int) -> np.ndarray:
    """Of the pixels in a square window around each, plane by plane."""
    window = (1, size, size)
    mean = ndimage.uniform_filter(planes.astype("float64"), window)
    return np.maximum(ndimage.uniform_filter(planes.astype("float64") ** 2, window) - mean**2, 0)
