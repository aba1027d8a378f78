"""How much noise there is and of which grain: its power spectrum, and its level in repeated scans.

Of `restored - wanted` the spectrum is that of the error: noise that is left and structure that was blurred away, in
real images more of the second. The difference of two scans of the same thing, over sqrt 2 (`repeat_noise`), is noise
alone; where degraded images are simulated, restore two of the same clean image, made from two seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from radzoo.errors import BadInput

SIDE = 32  # pixels of a region, unless said
GAUSSIAN = 1.4826  # standard deviation of a normal number over its median absolute deviation


@dataclass(frozen=True, eq=False)
class NoisePower:
    """A noise power spectrum.

    Attributes:
        power: `(side, side)`, HU^2 mm^2, frequencies in the order of `numpy.fft.fftfreq`.
        frequency_y, frequency_x: `(side,)`, 1/mm.
        regions: how many were averaged.
    """

    power: np.ndarray
    frequency_y: np.ndarray
    frequency_x: np.ndarray
    regions: int

    @property
    def step(self) -> tuple[float, float]:
        """Between neighbouring frequencies along y and x, 1/mm."""
        return float(self.frequency_y[1]), float(self.frequency_x[1])

    @property
    def sd(self) -> float:
        """The noise in HU: the root of the spectrum's integral, which is the variance within regions (Parseval)."""
        return float(np.sqrt(self.power.sum() * np.prod(self.step)))

    @cached_property
    def radial(self) -> tuple[np.ndarray, np.ndarray]:
        """Frequencies `(n,)`, 1/mm, and the mean power of the rings around them, up to the lower Nyquist frequency.

        Without frequency 0, which the detrending has emptied.
        """
        step = max(self.step)
        ring = np.round(np.hypot(self.frequency_y[:, None], self.frequency_x) / step).astype(int)
        count, total = np.bincount(ring.ravel()), np.bincount(ring.ravel(), self.power.ravel())
        last = round(min(np.abs(self.frequency_y).max(), np.abs(self.frequency_x).max()) / step)
        rings = np.arange(1, last + 1)
        return rings * step, total[rings] / count[rings]

    @property
    def mean_frequency(self) -> float:
        """The mean of the radial frequency weighted with the radial power, 1/mm; lower is coarser grain.

        `f_av` of AAPM Task Group 233 (Samei et al., Medical Physics 2019). White noise has about half the Nyquist
        frequency; smoothing lowers it, and noise of the same level looks blotchy.
        """
        frequency, power = self.radial
        return float((frequency * power).sum() / power.sum())


def noise_power(difference, spacing_mm, *, inside=None, side: int = SIDE) -> NoisePower:
    """The spectrum of a noise image in planes, averaged over square regions that overlap by half.

    `dy dx / side^2 * |DFT(region - trend)|^2`, the trend a polynomial of second degree (Dolly et al., Practical
    considerations for noise power spectra estimation for clinical CT scanners, J. Appl. Clin. Med. Phys. 2016).

    Args:
        difference: `(h, w)` or `(z, y, x)`, HU: `restored - wanted`, or `repeat_noise`.
        spacing_mm: `(y, x)` or `(z, y, x)`.
        inside: boolean of the same shape; a region counts if all of it lies inside. None counts all.
        side: pixels of a region.
    Raises:
        BadInput: values that are not finite, a constant image, no region inside.
    """
    difference = np.asarray(difference, float)
    inside = np.ones(difference.shape, bool) if inside is None else np.asarray(inside, bool)
    if difference.ndim not in (2, 3) or difference.shape != inside.shape or len(spacing_mm) != difference.ndim:
        raise BadInput(
            f"a difference {difference.shape}, a mask {inside.shape} and a spacing of {len(spacing_mm)} numbers came, "
            "expected two of one shape, (h, w) or (z, y, x), and one number per axis"
        )
    if not np.isfinite(difference).all() or difference.min() == difference.max():
        raise BadInput("a difference that is constant, or not finite, has no noise power: are both images the same?")
    planes, masks = (each if each.ndim == 3 else each[None] for each in (difference, inside))
    trend, total, count = _trend(side), np.zeros((side, side)), 0
    for plane, mask in zip(planes, masks, strict=True):
        if min(plane.shape) < side:
            break
        flat = _regions(plane, side)[_regions(mask, side).all((1, 2))].reshape(-1, side * side)
        flat = flat - (flat @ trend) @ trend.T
        total += (np.abs(np.fft.fft2(flat.reshape(-1, side, side))) ** 2).sum(0)
        count += len(flat)
    if not count:
        raise BadInput(f"no square of {side} pixels lies inside, expected at least one: measure with a smaller side")
    dy, dx = map(float, spacing_mm[-2:])
    return NoisePower(total / count * dy * dx / side**2, np.fft.fftfreq(side, dy), np.fft.fftfreq(side, dx), count)


def repeat_noise(one, other) -> np.ndarray:
    """The noise of one of two scans of the same thing: their difference over sqrt 2."""
    return (np.asarray(one, float) - np.asarray(other, float)) / np.sqrt(2)


def noise_level(one, other, *, inside=None) -> float:
    """The noise of one of two scans of the same thing, HU, from the median absolute deviation of their difference.

    Edges that moved between the scans are few and far off, so they hardly count.

    Args:
        one, other: of one shape.
        inside: boolean, the pixels that count; None all.
    Raises:
        BadInput: different shapes, or the same image twice.
    """
    one, other = np.asarray(one, float), np.asarray(other, float)
    if one.shape != other.shape:
        raise BadInput(f"scans {one.shape} and {other.shape} came, expected one shape: resample one to the other")
    noise = repeat_noise(one, other)
    noise = noise if inside is None else noise[np.asarray(inside, bool)]
    if not noise.size or not noise.any():
        raise BadInput("two scans that are equal came, expected two measurements: the same file twice?")
    return float(GAUSSIAN * np.median(np.abs(noise - np.median(noise))))


def _regions(plane, side) -> np.ndarray:
    """`(n, side, side)` squares of a plane, half a side apart."""
    half = side // 2
    views = np.lib.stride_tricks.sliding_window_view(plane, (side, side))[::half, ::half]
    return views.reshape(-1, side, side)


def _trend(side) -> np.ndarray:
    """`(side^2, 6)`, an orthonormal basis of the polynomials of second degree on a square."""
    y, x = (each.ravel() for each in np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j])
    return np.linalg.qr(np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1))[0]
