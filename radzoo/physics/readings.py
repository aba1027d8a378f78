"""What the detector counts: photons, electronic noise, and the variance of the logarithm."""

from __future__ import annotations

import math

import numpy as np

from radzoo.errors import BadInput

PHOTONS = 1e5  # per reading in air: an ordinary dose in many papers
ELECTRONIC = 3.2  # standard deviation in photons, variance about 10: a usual assumption in simulations
LEAST = 1.0  # photons: a reading of fewer, or of none, counts as this many, because zero has no logarithm
MOST = 1e18  # of which a Poisson number can be drawn


def read_out(lines: np.ndarray, generator: np.random.Generator, photons: float, electronic: float) -> np.ndarray:
    """Photons counted behind line integrals, float64 of the same shape; the electronics may take them below 0."""
    counts = generator.poisson(photons * np.exp(-lines.astype("float64"))).astype("float64")
    return counts + electronic * generator.standard_normal(counts.shape)


def variance(counts: np.ndarray, electronic: float) -> np.ndarray:
    """Of -log of a reading whose mean is `counts` photons, to first order; at least `LEAST` of them."""
    counts = np.maximum(counts, LEAST)
    return (counts + electronic**2) / counts**2


def check_dose(photons: float, electronic: float) -> None:
    """Raises BadInput unless there are photons, and noise of the electronics that is none or above 0."""
    if not LEAST < photons < MOST:
        raise BadInput(f"a dose of {photons:g} photons per reading came, expected {LEAST:g} to {MOST:g}: say how many")
    if not (math.isfinite(electronic) and electronic >= 0):
        raise BadInput(f"electronic noise of {electronic:g} photons came, expected 0 or more")
