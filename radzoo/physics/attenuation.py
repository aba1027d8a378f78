"""Hounsfield units and linear attenuation, in 1/mm.

Water attenuates by .0192 / mm at an effective energy of about 71 keV, usual for 120 kVp: NIST's tables (Hubbell and
Seltzer 1995, https://physics.nist.gov/PhysRefData/XrayMassCoef) give .02059 / mm at 60 keV and .01837 / mm at 80 keV.
"""

from __future__ import annotations

import numpy as np

MU_WATER = 0.0192


def of_hu(hu: np.ndarray) -> np.ndarray:
    """Attenuation in 1/mm, float32 of the same shape; what is darker than air (-1000), as padding is, counts as air."""
    return np.maximum(np.asarray(hu, "float32") / 1000 + 1, 0) * np.float32(MU_WATER)


def to_hu(mu: np.ndarray) -> np.ndarray:
    """HU of attenuation in 1/mm, float32 of the same shape; noise may lie below air and stays there."""
    return (np.asarray(mu, "float32") / np.float32(MU_WATER) - 1) * 1000
