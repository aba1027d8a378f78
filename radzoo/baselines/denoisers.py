"""Classical denoisers, each with one strength that is chosen on validation images: what a network has to beat.

Non-local means (Buades, Coll & Morel, CVPR 2005), total variation (Chambolle, J. Mathematical Imaging and Vision 2004)
and, where the package `bm3d` is installed, BM3D (Dabov et al., IEEE TIP 2007). That package is for non-commercial use
only and so no part of radzoo: without it the way is left out, and the report says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle
from tqdm import tqdm

from radzoo.errors import BadInput
from radzoo.registry import suggest

DENOISERS = {"nlm": "non-local means", "tv": "total variation", "bm3d": "BM3D"}
FACTORS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # of the estimated noise
FURTHER = 3  # steps beyond an end of the grid, as long as the best strength lies there
PLANES = 8  # that the choice looks at
PATCH, SEARCH = 5, 6  # pixels of a patch, and how far patches are looked for (non-local means)
NORMAL = 0.6745  # median absolute deviation of a normal number of standard deviation 1


@dataclass(frozen=True)
class Chosen:
    """A denoiser with its strength.

    Attributes:
        name: one of `DENOISERS`.
        strength: in the scale of the images: the noise that non-local means and BM3D are told, the weight of total
            variation.
        noise: that was estimated, in the same scale.
        tried: `(strength, root mean squared error)` of all that were tried, weakest first.
        planes: how many the choice looked at.
    """

    name: str
    strength: float
    noise: float
    tried: tuple[tuple[float, float], ...]
    planes: int


def installed(name: str) -> bool:
    """Whether this denoiser can be used here; BM3D needs a package of its own.

    Raises:
        BadInput: no such denoiser.
    """
    if name not in DENOISERS:
        raise BadInput(f"there is no denoiser '{name}'{suggest(name, DENOISERS)}; there are {', '.join(DENOISERS)}")
    return name != "bm3d" or find_spec("bm3d") is not None


def fit(name: str, pairs: Iterable[tuple[np.ndarray, np.ndarray]], seed: int) -> Chosen:
    """The strength with the smallest root mean squared error on validation images.

    A grid around the noise that the degraded planes have (median of those with any, `noise_of`), continued beyond an
    end at which the best strength lies. Nothing of the test part may come here.

    Args:
        pairs: `(degraded, wanted)`, `(h, w)` or `(z, y, x)` in 0..1 over the window, read one after the other; the
            choice looks at eight planes, drawn from all.
        seed: of the draw.
    Raises:
        BadInput: as `denoise`, or no pairs, different shapes, or images without noise.
    """
    _checked(name)
    planes = _drawn(pairs, np.random.default_rng(seed))
    noises = [level for degraded, _ in planes if (level := noise_of(degraded)) > 0]  # a padded plane has none
    if not noises:
        raise BadInput("the degraded images of the validation part have no noise: there is nothing to denoise")
    noise = float(np.median(noises))
    errors = {}

    def error(strength):
        if strength not in errors:
            squares = [((denoise(name, strength, degraded) - wanted) ** 2).mean() for degraded, wanted in planes]
            errors[strength] = float(np.sqrt(np.mean(squares)))
        return errors[strength]

    for factor in tqdm(FACTORS, desc=f"strength of {DENOISERS[name]}", unit="strength", leave=False):
        error(factor * noise)
    for _ in range(FURTHER):
        best = min(errors, key=errors.get)
        if best == max(errors):
            error(best * 1.5)
        elif best == min(errors):
            error(best / 2)
    return Chosen(name, min(errors, key=errors.get), noise, tuple(sorted(errors.items())), len(planes))


def denoise(name: str, strength: float, image) -> np.ndarray:
    """An image with less noise, plane by plane.

    Args:
        name: one of `DENOISERS`.
        strength: of `fit`.
        image: `(h, w)` or `(z, y, x)`, in the scale of the strength.
    Returns:
        float32 of the same shape.
    Raises:
        BadInput: no such denoiser, one that is not installed, other shapes, values that are not finite.
    """
    _checked(name)
    image = np.asarray(image, "float32")
    if image.ndim not in (2, 3) or not np.isfinite(image).all():
        raise BadInput(f"an image {image.shape} came, expected finite values, (h, w) or (z, y, x)")
    planes = image if image.ndim == 3 else image[None]
    return np.stack([_plane(name, strength, plane) for plane in planes]).reshape(image.shape).astype("float32")


def noise_of(plane) -> float:
    """The standard deviation of the noise in a plane, from its finest diagonal Haar coefficients.

    Median absolute value over .6745 (Donoho & Johnstone, Biometrika 1994), of those that are not 0: air cut at the
    lower end of the window has no noise. Noise of coarse grain has less of it in the finest scale: the estimate is low.
    `skimage.restoration.estimate_sigma` does the same with another wavelet, but needs PyWavelets.
    """
    even = np.asarray(plane, float)[: len(plane) // 2 * 2, : plane.shape[1] // 2 * 2]
    fine = (even[::2, ::2] - even[1::2, ::2] - even[::2, 1::2] + even[1::2, 1::2]) / 2
    fine = np.abs(fine[fine != 0])
    return float(np.median(fine) / NORMAL) if len(fine) else 0.0


def _plane(name, strength, plane):
    if name == "nlm":
        return denoise_nl_means(
            plane, PATCH, SEARCH, h=0.8 * strength, sigma=strength, fast_mode=True, preserve_range=True
        )
    if name == "tv":
        return denoise_tv_chambolle(plane, weight=strength)
    from bm3d import bm3d

    return bm3d(plane, sigma_psd=strength)


def _drawn(pairs, rng) -> list[tuple[np.ndarray, np.ndarray]]:
    """As many planes of all pairs as the choice may look at, and no more held (reservoir: Vitter, ACM TOMS 1985)."""
    found, seen = [], 0
    for degraded, wanted in pairs:
        degraded, wanted = np.asarray(degraded, "float32"), np.asarray(wanted, "float32")
        same = degraded.shape == wanted.shape and degraded.ndim in (2, 3)
        if not (same and np.isfinite(degraded).all() and np.isfinite(wanted).all()):
            raise BadInput(
                f"a pair {degraded.shape} and {wanted.shape} came, expected finite values of one shape, (h, w) or "
                "(z, y, x)"
            )
        if degraded.ndim == 2:
            degraded, wanted = degraded[None], wanted[None]
        for planes in zip(degraded, wanted, strict=True):
            seen += 1
            place = len(found) if len(found) < PLANES else int(rng.integers(seen))
            if place < PLANES:
                found[place : place + 1] = [tuple(plane.copy() for plane in planes)]
    if not found:
        raise BadInput("no validation images came, expected at least one pair to choose a strength on")
    return found


def _checked(name):
    if not installed(name):
        raise BadInput(f"{DENOISERS[name]} needs the package bm3d (non-commercial use only): pip install bm3d")
