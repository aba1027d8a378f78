"""What a restoration network makes of a whole image: its windows, put together, in the units of the image."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from radzoo.data.aligned import check_rescaled
from radzoo.data.cases import interpolated, worked
from radzoo.data.patches import middle
from radzoo.data.store import WHITE
from radzoo.errors import BadInput
from radzoo.images import Input, Pixels
from radzoo.images.intensity import ends
from radzoo.images.volumes import Volume
from radzoo.images.volumes.fitted import percentiles
from radzoo.segmenting import window_of
from radzoo.tiles import slide

CONVOLUTIONS = (layers.Conv2D, layers.Conv3D, layers.Conv2DTranspose, layers.Conv3DTranspose)
POINTWISE = (  # layers that see of every pixel that pixel alone
    layers.InputLayer, layers.Activation, layers.ReLU, layers.Add, layers.Subtract, layers.BatchNormalization,
    layers.Rescaling, layers.Dropout, layers.ZeroPadding2D, layers.ZeroPadding3D, layers.Cropping2D, layers.Cropping3D,
)  # fmt: skip
LEAST_INSIDE = 0.01  # of the voxels must lie in the window that a network was trained on
UNITS = 2.0  # a volume that spans no more was scaled to 0..1 or -1..1: its values are no HU


def reach(model: keras.Model) -> tuple[int, ...] | None:
    """How many pixels away along each axis a network looks at most; None of one with strides or other layers.

    Convolutions of parallel paths are added up, too: never too little.
    """
    sums = np.zeros(len(model.outputs[0].shape) - 2, int)
    for each in model.operations:
        if isinstance(each, CONVOLUTIONS) and set(each.strides) == {1}:
            sums += np.array(each.dilation_rate) * (np.array(each.kernel_size) // 2)
        elif not isinstance(each, POINTWISE):
            return None
    return tuple(int(each) for each in sums)


@dataclass(frozen=True)
class Restorer:
    """A network, and how it is shown an image.

    A network without strides says the same of a pixel wherever it lies in a window, as long as all that it sees around
    the pixel (`reach`) is there. Where the overlap has room for that, so much of each answer is cut off, and the whole
    is what the network would say of the whole image at once. Otherwise overlapping answers are blended. Beyond its
    border an image is mirrored.

    Attributes:
        spec: what the network expects; its shape is the window, `(1, h, w, channels)` of a 2-D network that sees the
            planes of volumes one by one.
        batch: windows per step, the same in every step.
        overlap: of neighbouring windows, as a part of their side.
        flips: whether mirror images (along x, y and both) are restored, too, and the mean is taken.
        turns: the same of images turned by a quarter; with both it is the mean of eight, as of RED-Net (Mao et al.,
            NIPS 2016. https://arxiv.org/abs/1606.08921). Windows must be square for it.
    """

    model: keras.Model
    spec: Input
    batch: int
    overlap: float
    flips: bool = False
    turns: bool = False

    def __post_init__(self):
        side = self.spec.shape[-3:-1]
        if self.turns and side[0] != side[1]:
            raise BadInput(f"windows of {side[0]} x {side[1]} pixels came with turns, expected square ones")

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """`(*spatial, channels)`, 0..1 or uint16 (`data.Cases.image`) -> float32 `(*spatial, channels)`.

        The result is in the scale of the image, 0..1, and may leave it a little.
        """
        patch, out, overlap = self._windows(image.shape)
        white = np.float32(WHITE if image.dtype == np.uint16 else 1)
        last = len(patch) - 1
        return slide(
            lambda windows: self._answer(windows / white, out), image, patch=patch, out=out, overlap=overlap,
            classes=self.model.outputs[0].shape[-1], batch=self.batch, flips=(last - 1, last) if self.flips else (),
        )  # fmt: skip

    def _windows(self, shape: tuple) -> tuple[tuple, tuple, float]:
        """Windows, what of their answers counts, and how much that overlaps."""
        window, seen = window_of(self.model, self.spec), reach(self.model)
        if seen is None:
            return window.patch, window.out, self.overlap
        seen = (0, *seen) if window.flat else seen
        cut = [
            out if size <= out else out - 2 * max(far - margin, 0)  # an axis that is seen whole needs nothing
            for size, out, far, margin in zip(shape, window.out, seen, window.margin, strict=False)
        ]
        if any(left < max(1, out * (1 - self.overlap)) for left, out in zip(cut, window.out, strict=True)):
            return window.patch, window.out, self.overlap
        return window.patch, tuple(cut), 0.0

    def _answer(self, windows: np.ndarray, out: tuple) -> np.ndarray:
        said = self._said(windows)
        if self.turns:
            turned = self._said(np.ascontiguousarray(np.rot90(windows, axes=(-3, -2))))
            said = (said + np.rot90(turned, -1, axes=(-3, -2))) / 2
        spatial = said.shape[1:-1]
        return said[(slice(None), *middle(spatial, out[-len(spatial) :]))]

    def _said(self, windows: np.ndarray) -> np.ndarray:
        said = self.model.predict_on_batch(self.spec.normalise(windows))
        return said[0] if isinstance(said, list) else said


def restored(
    restorer: Restorer, images: list[Pixels | Volume], window: tuple[float, float] | None = None
) -> np.ndarray:
    """The first of opened images (`Input.opened`) restored on its own pixels: float32, in its own units.

    A network sees an image cut at the ends of its window, and what it gives is cut there, too. What the window cut off
    of the image is added again, so that bone above a soft-tissue window keeps what it had above it, and an image that
    the network leaves as it is comes back as it was. Noise beyond the window is not reduced: choose a wide one.

    Args:
        window: the values, in units of the result, of 0 and 1 of a network that gives another kind of image than it
            gets (pseudo-CT in HU); nothing is added again then.
    Returns:
        Of a volume `(z, y, x)` in units of its modality (HU); of an image without units `(h, w)` in 0..1.
    Raises:
        BadInput: an image that these weights are not for: of another modality, or beyond the window; a network that
            gives more than one channel.
    """
    first = images[0]
    low, high = _ends(restorer.spec, first)
    if isinstance(first, Volume):
        _check(first, low, high)
    values, facts = worked(restorer.spec, images, whole=False)
    found = restorer(values)
    if found.shape[-1] != 1:
        raise BadInput(f"the network gives {found.shape[-1]} channels, expected one: a restored image is grey")
    found = interpolated(found[..., 0], facts).clip(0, 1)
    if window:
        return window[0] + found * np.float32(window[1] - window[0])
    if not isinstance(first, Volume):
        return found
    found = low + found * np.float32(high - low)
    return found + (first.values - np.clip(first.values, low, high)).astype("float32")


def _ends(spec: Input, image: Pixels | Volume) -> tuple[np.float32, np.float32]:
    """What 0 and 1 are in units of the image."""
    if not isinstance(image, Volume):
        return np.float32(0), np.float32(1)
    if isinstance(spec.window, str):
        return tuple(np.percentile(image.values, percentiles(spec.window)).astype("float32"))
    if spec.windows:
        raise BadInput(f"{len(spec.windows)} windows came for a restored image, expected one that it is given back in")
    return ends(spec.window)


def _check(volume: Volume, low: float, high: float) -> None:
    """Refuses a volume that is beyond the range that the network was trained on."""
    check_rescaled(volume)
    least, most = float(volume.values.min()), float(volume.values.max())
    if most - least <= UNITS < high - low:
        raise BadInput(f"the voxels span {least:.4g} to {most:.4g}, the network knows {low:g} to {high:g}: give HU")
    inside = float(((volume.values >= low) & (volume.values <= high)).mean())
    if inside < LEAST_INSIDE:
        raise BadInput(
            f"{100 * inside:.2g} % of the voxels lie in {low:g} to {high:g}, which the network was trained on: use "
            "weights for another window"
        )
