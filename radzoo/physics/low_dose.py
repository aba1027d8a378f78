"""CT with fewer photons: readings are Poisson, plus Gaussian noise of the electronics, before the logarithm.

`simulate` scans a clean image. `insert` adds to a real image, which is noisy already, the noise that a share of its
dose would have had on top of its own (Yu et al., J. Comput. Assist. Tomogr. 2012; Žabić et al., Med. Phys. 2013).
Nobody knows the photons of a series from its file: they are given, or chosen so that this scanner would have made the
noise that the image shows, and the facts that come with a result say which and how many.
"""

from __future__ import annotations

import numpy as np

from radzoo.errors import BadInput
from radzoo.physics import attenuation
from radzoo.physics.geometry import Fan, Parallel, standard
from radzoo.physics.own_noise import explaining
from radzoo.physics.projection import project
from radzoo.physics.readings import ELECTRONIC, LEAST, PHOTONS, check_dose, read_out, variance
from radzoo.physics.reconstruction import fbp
from radzoo.physics.slices import checked, fours


def simulate(
    hu: np.ndarray,
    spacing_mm,
    generator: np.random.Generator,
    *,
    photons: float = PHOTONS,
    electronic: float = ELECTRONIC,
    geometry: Parallel | Fan | None = None,
    filter: str = "ramp",
) -> tuple[np.ndarray, dict]:
    """Scans a clean image: line integrals, photons, logarithm, filtered back-projection.

    The reconstruction softens edges by about a pixel, without noise too.

    Args:
        hu: `(h, w)` or `(z, h, w)` in HU, whole slices with air around the patient, without noise.
        spacing_mm: of pixels or voxels, one number per axis.
        photons: that reach a detector cell in one view through air.
        electronic: standard deviation of the electronics' noise, in photons.
        geometry: of the scan; it must see the whole body. None takes parallel views (`geometry.standard`).
    Returns:
        float32 HU of the same shape, not cut off below air; and the facts: photons, geometry, filter, and the share of
        readings that had to be raised to `LEAST`, where the mean is biased.
    Raises:
        BadInput: no dose, no CT, pixels that are not square, values that are no number.
    """
    pixel_mm = checked(hu, spacing_mm)
    check_dose(photons, electronic)
    geometry = standard(hu.shape[-2:], pixel_mm) if geometry is None else geometry
    result, raised = np.empty(hu.shape, "float32"), []
    for slot, planes in zip(fours(result), fours(hu), strict=True):
        lines = project(attenuation.of_hu(planes), pixel_mm, geometry)
        counts = read_out(lines, generator, photons, electronic)
        raised += [*(counts < LEAST).mean((-2, -1)).ravel()]
        noisy = np.log(photons / np.maximum(counts, LEAST))
        slot[...] = attenuation.to_hu(fbp(noisy, geometry, hu.shape[-2:], pixel_mm, filter))
    made = {"noise": "simulated", "photons": float(photons)}
    return result, {**made, **_facts(geometry, filter, electronic), "raised_share": float(np.mean(raised))}


def insert(
    hu: np.ndarray,
    spacing_mm,
    generator: np.random.Generator,
    *,
    fraction: float,
    photons: float | None = None,
    electronic: float = ELECTRONIC,
    geometry: Parallel | Fan | None = None,
    filter: str = "ramp",
) -> tuple[np.ndarray, dict]:
    """Adds noise to a real image, so that it has the noise of a fraction of its dose.

    The variance added to a reading is that at the lower dose less that at the image's own; only this noise is
    reconstructed, and the image itself keeps its resolution. The noise has the spectrum of our filter, not of the
    scanner's kernel, and the Gaussian stands for Poisson: readings of few photons are said in the facts.

    Args:
        hu: `(h, w)` or `(z, h, w)` in HU, whole slices with air around the patient.
        spacing_mm, electronic, geometry, filter: as `simulate`.
        fraction: of the image's own dose, above 0 and below 1.
        photons: per reading, assumed for the image as it came. None takes those that explain its noise (`own_noise`),
            which must show whole volumes alike: give a number where planes of one patient come one by one.
    Returns:
        float32 HU of the same shape, and the facts.
    Raises:
        BadInput: as `simulate`; a fraction that is none; no noise that tells the photons.
    """
    pixel_mm = checked(hu, spacing_mm)
    check_dose(PHOTONS if photons is None else photons, electronic)
    if not 0 < fraction < 1:
        raise BadInput(f"dose fraction {fraction:g} came, expected above 0 and below 1: noise can be added only")
    geometry = standard(hu.shape[-2:], pixel_mm) if geometry is None else geometry
    assumed = explaining(hu, spacing_mm, geometry=geometry, filter=filter) if photons is None else float(photons)
    check_dose(fraction * assumed, electronic)
    result, few = np.array(hu, "float32"), []
    for slot, planes in zip(fours(result), fours(hu), strict=True):
        counts = assumed * np.exp(-project(attenuation.of_hu(planes), pixel_mm, geometry).astype("float64"))
        more = variance(fraction * counts, electronic) - variance(counts, electronic)
        few += [*(fraction * counts < 10).mean((-2, -1)).ravel()]
        noise = np.sqrt(more) * generator.standard_normal(more.shape)
        slot += 1000 / attenuation.MU_WATER * fbp(noise, geometry, hu.shape[-2:], pixel_mm, filter)
    made = {"noise": "inserted", "assumed_photons": assumed, "fraction": float(fraction), "photons": fraction * assumed}
    made["assumed_from"] = "its own noise" if photons is None else "given"
    return result, {**made, **_facts(geometry, filter, electronic), "below_10_photons_share": float(np.mean(few))}


def _facts(geometry: Parallel | Fan, filter: str, electronic: float) -> dict:
    if isinstance(geometry, Parallel):
        beam = {"beam": "parallel", "cell_mm": float(geometry.cell_mm)}
    else:
        beam = {"beam": f"fan, {geometry.detector}", "cell": geometry.cell, "source_mm": geometry.source_mm}
    return {
        "electronic_noise": float(electronic),
        **beam,
        "views": int(geometry.angles.size),
        "cells": int(geometry.cells),
        "filter": filter,
        "mu_water_per_mm": attenuation.MU_WATER,
    }
