"""Dense CRF: every voxel pulls every other of its kind towards its own label; mean-field inference.

    E = sum_i -log P(x_i) + sum_{i<j} [x_i != x_j] (w_pos exp(-|p_i - p_j|^2 / 2 s_pos^2)
                                                  + w_bil exp(-|p_i - p_j|^2 / 2 s_bil^2 - |I_i - I_j|^2 / 2 s_int^2))

Krähenbühl & Koltun, NeurIPS 2011 (https://arxiv.org/abs/1210.5644); on liver CT Christ et al., MICCAI 2016
(https://arxiv.org/abs/1610.02177). Positions in mm, so that thick slices are further apart.

All pairs are summed without visiting them: a Gaussian along one axis is a smooth, symmetric matrix, of which a few
eigenvectors hold almost everything; space is a product of such axes, and intensity is one axis more. Probabilities
differ from those of the sum over all pairs by less than .0005 (tests/test_refine.py); what lies beyond the image counts
nothing.
"""

from __future__ import annotations

import sys

import numpy as np
from threadpoolctl import threadpool_limits

from radzoo.errors import BadInput

CERTAIN = 1e-6  # probabilities are kept above this
LEFT_OUT = 1e-3  # eigenvectors whose eigenvalue is below this part of the largest
WIDEST = 60  # range of intensities in sigmas; the work grows with it


@threadpool_limits.wrap(limits=1, user_api="blas")  # threads gain little here, and wait for each other when busy
def mean_field(
    probability: np.ndarray,
    image: np.ndarray,
    spacing_mm,
    *,
    smoothness: float = 3.0,
    smoothness_mm: float = 2.0,
    appearance: float = 8.0,
    appearance_mm: float = 3.0,
    appearance_sigma: float = 0.03,
    iterations: int = 5,
) -> np.ndarray:
    """Probabilities after mean-field updates.

    The two weights are what all neighbours together say, against -log P: w times the sum of the kernel over an endless
    grid. So they mean the same at every spacing. Defaults: found on liver phantoms, 0..1 being 500 HU; stronger ones
    mend maps with large gaps and harm good ones.

    Args:
        probability: `(y, x, classes)` or `(z, y, x, classes)`.
        image: `(y, x)` or `(z, y, x)`.
        spacing_mm: along each axis.
        smoothness: weight of neighbours, whatever they look like.
        smoothness_mm: their distance, s_pos.
        appearance: weight of neighbours of the same intensity.
        appearance_mm: their distance, s_bil.
        appearance_sigma: what the same intensity is, s_int, in the image's unit.
        iterations: mean-field updates.

    Returns:
        float32, the shape of `probability`.

    Raises:
        BadInput: numbers out of range; an image whose range is too wide for `appearance_sigma`.
    """
    from tqdm import tqdm

    if min(smoothness, appearance) < 0 or min(smoothness_mm, appearance_mm, appearance_sigma, iterations) <= 0:
        raise BadInput("weights of a CRF are 0 or more, its distances, its sigma and its iterations above 0")
    shape = (1,) * (4 - probability.ndim) + probability.shape  # an image is a volume of one plane
    steps = (1e9,) * (3 - len(spacing_mm)) + tuple(spacing_mm)  # and no other plane is near
    near, far = _Space(shape, steps, smoothness_mm), _Space(shape, steps, appearance_mm)
    level, rows = _tones(image.reshape(shape[:3]), appearance_sigma)
    rows *= np.float32(np.sqrt(appearance))
    itself = smoothness * near.middle + appearance * far.middle

    tone, part = np.empty(shape[:3], "float32"), np.empty(shape[:3], "float32")  # fresh memory is slow memory

    def message(values: np.ndarray) -> np.ndarray:
        total = smoothness * near.sums(values, part) - itself * values
        for row in rows:
            row.take(level, mode="clip", out=tone)  # three times faster than with a check of each
            far.sums(np.multiply(tone, values, out=part), part)
            total += np.multiply(tone, part, out=part)
        return total

    given = np.log(np.maximum(np.moveaxis(probability.reshape(shape), -1, 0).astype("float32"), CERTAIN))
    beliefs = _softmax(given)
    everyone = message(np.ones(shape[:3], "float32"))
    for _ in tqdm(range(iterations), "CRF", file=sys.stderr, delay=2, leave=False):
        # With Potts' model -sum over the other labels' messages is one's own, but for what all labels share.
        heard = [message(each) for each in beliefs[1:]]
        beliefs = _softmax(given + np.stack([everyone - sum(heard), *heard]))
    return np.ascontiguousarray(np.moveaxis(beliefs, 0, -1)).reshape(probability.shape)


class _Space:
    """Sums over all voxels, weighted by a Gaussian of their distance that adds up to 1 on an endless grid."""

    def __init__(self, shape, steps, sigma: float):
        self.factors, self.middle = [], 1.0
        for count, step in zip(shape, steps, strict=False):
            reach = int(6 * sigma / step) + 1
            whole = np.exp(-((np.arange(-reach, reach + 1) * step / sigma) ** 2) / 2).sum()
            self.factors.append(_factor(np.arange(count) * step, sigma) / np.float32(np.sqrt(whole)))
            self.middle /= float(whole)

    def sums(self, values: np.ndarray, out: np.ndarray) -> np.ndarray:
        """`(z, y, x)` to `(z, y, x)`: down to the eigenvectors' coordinates along x, y and z, and back."""
        z, y, x = self.factors
        small = y.T @ (values @ x)
        small = (z @ (z.T @ small.reshape(len(z), -1))).reshape(small.shape)
        return np.matmul(y @ small, x.T, out=out)


def _factor(places: np.ndarray, sigma: float) -> np.ndarray:
    """`(count, rank)` float32 whose product with its transpose is the Gaussian of the places' distances."""
    kernel = np.exp(-(((places[:, None] - places) / sigma) ** 2) / 2)
    values, vectors = np.linalg.eigh(kernel)
    kept = values > LEFT_OUT * values[-1]
    return (vectors[:, kept] * np.sqrt(values[kept])).astype("float32")


def _tones(image: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """The level of every voxel, and `(rank, levels)`.

    Products of two voxels' rows, added up, are the Gaussian of their intensities' difference. Looked up as they are
    needed: all of them would be an image per row.
    """
    low, high = float(image.min()), float(image.max())
    if high - low > WIDEST * sigma:
        raise BadInput(f"intensities from {low:g} to {high:g} are too many for a sigma of {sigma:g}: window the image")
    coarse, fine = (np.linspace(low, high, int(count * (high - low) / sigma) + 2) for count in (16, 256))
    rows = np.stack([np.interp(fine, coarse, each) for each in _factor(coarse, sigma).T])
    level = np.rint((image - low) * ((len(fine) - 1) / max(high - low, sigma / 256))).astype("intp")
    return level, rows.astype("float32")


def _softmax(scores: np.ndarray) -> np.ndarray:
    scores = np.exp(scores - scores.max(axis=0))
    return scores / scores.sum(axis=0)
