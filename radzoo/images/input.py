"""The one road from an image to a tensor: what the pixels of a network must be, and how they get so."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.geometry import letterbox
from radzoo.images.pixels import Pixels

GREY_TOLERANCE = 12 / 255  # mean distance of the colours from their grey: JPEG noise and figure ink stay below it


@dataclass(frozen=True, kw_only=True)
class Input:
    """The pixels that weights expect (`manifest.input`), and the only preprocessing there is.

    An image becomes grey or RGB in 0..1, is scaled into `shape` with its aspect kept (the rest is black), and is
    normalised as `(value * scale - mean) / std`.

    Attributes:
        shape: `(h, w, channels)`.
        scale: the value of white before `mean` and `std`: 1 or 255.
        mean, std: one number, or one per channel in the order of the network's channels.
        order: `"rgb"` or `"bgr"` (Caffe).
        window: `"header"` (what the file declares, or its full range), `"percentile"` (1 to 99), or `(center, width)`
            in units of the modality.
        modality: the DICOM modalities that are accepted; empty for any.
    """

    shape: tuple[int, ...]
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    order: str = "rgb"
    window: str | tuple[float, float] = "header"
    modality: tuple[str, ...] = ()

    @property
    def photometric(self) -> str:
        return "RGB" if self.shape[-1] == 3 else "MONOCHROME2"

    def read(self, path: str | os.PathLike) -> np.ndarray:
        """The image of a file as float32 `(h, w, channels)` in 0..1, fitted but not normalised."""
        from radzoo.images import read

        return self.fit(read(path, window=self.window))

    def fit(self, pixels: Pixels) -> np.ndarray:
        """Checks `pixels` against this input and scales them into `shape`: float32 `(h, w, channels)` in 0..1."""
        if self.modality and pixels.modality and pixels.modality not in self.modality:
            raise BadInput(
                f"the image is {pixels.modality}, these weights expect {' or '.join(self.modality)}: "
                "use weights made for this modality"
            )
        values = _channels(pixels.values, self.shape[-1])
        if not np.isfinite(values).all():
            raise BadInput("the image holds NaN or infinite values: repair or leave out this image")
        if values.min() < -1e-6 or values.max() > 1 + 1e-6:
            raise BadInput(f"pixel values span {values.min():g} to {values.max():g}, expected 0 to 1")
        return letterbox(values, self.shape[:2])

    def normalise(self, image: np.ndarray) -> np.ndarray:
        """`(..., channels)` in 0..1 to what the network eats; works on NumPy arrays and on tensors alike."""
        if self.order == "bgr" and self.shape[-1] == 3:
            image = image[..., ::-1]
        mean, std = np.float32(self.mean), np.float32(self.std)
        return (image * np.float32(self.scale) - mean) / std

    def __call__(self, image: str | os.PathLike | Pixels | np.ndarray) -> np.ndarray:
        """A file, `Pixels`, or an array (uint8, uint16, or float in 0..1) as the network's float32 input."""
        if isinstance(image, np.ndarray):
            image = Pixels(_unit_range(image))
        fitted = self.fit(image) if isinstance(image, Pixels) else self.read(image)
        return self.normalise(fitted)


def _unit_range(array: np.ndarray) -> np.ndarray:
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.dtype in (np.uint8, np.uint16):
        return (array / np.float32(np.iinfo(array.dtype).max)).astype("float32")
    if not np.issubdtype(array.dtype, np.floating):
        raise BadInput(f"an array of {array.dtype} came, expected uint8, uint16, or floats in 0..1")
    return array.astype("float32")


def _channels(values: np.ndarray, count: int) -> np.ndarray:
    """Grey to three copies, near-grey RGB to grey; true colour for a grey network is an error."""
    colour = values.ndim == 3
    if count == 3:
        return values if colour else np.repeat(values[..., None], 3, axis=-1)
    if colour:
        grey = values @ np.float32([0.299, 0.587, 0.114])
        if np.abs(values - grey[..., None]).mean() > GREY_TOLERANCE:
            raise BadInput("a colour image came, these weights expect grey: pass channels='rgb' or convert it first")
        values = grey
    return np.repeat(values[..., None], count, axis=-1)
