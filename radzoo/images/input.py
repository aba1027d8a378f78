"""The one road from an image to a tensor: what the pixels of a network must be, and how they get so."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.geometry import letterbox
from radzoo.images.paths import joined, separated
from radzoo.images.pixels import Pixels

GREY_TOLERANCE = 12 / 255  # mean distance of the colours from their grey: JPEG noise and figure ink stay below it


@dataclass(frozen=True, kw_only=True)
class Input:
    """The pixels that weights expect (`manifest.input`), and the only preprocessing there is.

    An image becomes grey or RGB in 0..1, is scaled into `shape` with its aspect kept (the rest is black), and is
    normalised as `(value * scale - mean) / std`.

    The channels may also be several windows of one image (`window`), or several images (`files`), such as contrast
    phases or neighbouring slices: each image is grey, has its own file, and goes the same way; all have one size.

    Attributes:
        shape: `(h, w, channels)`.
        scale: the value of white before `mean` and `std`: 1 or 255.
        mean, std: one number, or one per channel in the order of the network's channels.
        order: `"rgb"` or `"bgr"` (Caffe).
        window: `"header"` (what the file declares, or its full range), `"percentile"` (1 to 99), or `(center, width)`
            in units of the modality; several `((center, width), …)` are one channel each, in this order.
        modality: the DICOM modalities that are accepted; empty for any.
        files: images that make one input.
        mosaic: several images stand side by side as one wide grey image; otherwise they are the channels.
    """

    shape: tuple[int, ...]
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    order: str = "rgb"
    window: str | tuple[float, float] | tuple[tuple[float, float], ...] = "header"
    modality: tuple[str, ...] = ()
    files: int = 1
    mosaic: bool = False

    def __post_init__(self):
        if len(self.shape) < 3:
            raise BadInput(f"an input of shape {tuple(self.shape)} came, expected (h, w, channels)")
        if isinstance(self.window, tuple | list) and not self.window:
            raise BadInput("an empty window came, expected (center, width), several of them, 'header' or 'percentile'")
        if self.mosaic and self.files == 1:
            raise BadInput("a mosaic came of one image: it takes files=2 or more")
        made, number = self.files if self._stacked else len(self.windows) or self.shape[-1], self.shape[-1]
        if self.files < 1 or made != number:
            what = "images" if self._stacked else "windows"
            raise BadInput(f"{made} {what} make {made} channels, the input {self.shape} has {number}: make them agree")
        if self.windows and self.files > 1:
            raise BadInput(f"{len(self.windows)} windows came for {self.files} images: windows are for one image")

    @property
    def photometric(self) -> str:
        return "RGB" if self.shape[-1] == 3 and not self._stacked and not self.windows else "MONOCHROME2"

    @property
    def windows(self) -> tuple[tuple[float, float], ...]:
        """The windows that are channels; none where one window, or another rule, makes one grey image."""
        several = isinstance(self.window, tuple | list) and isinstance(self.window[0], tuple | list)
        return tuple(self.window) if several and len(self.window) > 1 else ()

    @property
    def _stacked(self) -> bool:
        """Whether each image is a channel."""
        return self.files != 1 and not self.mosaic

    def grouped(self, files) -> list[str]:
        """Files in the order in which a user names them, `self.files` at a time, each as one path.

        Raises:
            BadInput: a file is left over.
        """
        files = [os.fspath(file) for file in files]
        if len(files) % self.files:
            raise BadInput(
                f"{len(files)} files came, and {self.files} images make one input: name {self.files} for each, in the "
                "order of the columns"
            )
        return [joined(files[start : start + self.files]) for start in range(0, len(files), self.files)]

    def read(self, path: str | os.PathLike) -> np.ndarray:
        """The image of a path as float32 `(h, w, channels)` in 0..1, fitted but not normalised.

        Args:
            path: as in an index; `paths.joined` where several files make one input.
        """
        from radzoo.images import read

        return self.fit(*(read(file, window=self.window) for file in separated(path)))

    def fit(self, *images: Pixels) -> np.ndarray:
        """Checks images against this input and scales them into `shape`: float32 `(h, w, channels)` in 0..1.

        Args:
            images: as many as `files` says.
        """
        if len(images) != self.files:
            came = f"{len(images)} image{'s' if len(images) > 1 else ''}"
            raise BadInput(f"{came} came, expected {self.files} for one input: name as many as there are image columns")
        for pixels in images:
            self._check(pixels)
        if self.windows:
            values = images[0].values
            if values.shape[2:] != self.shape[-1:]:
                raise BadInput(f"an image without units came, expected one with {len(self.windows)} windows")
        elif self.files == 1:
            values = _channels(images[0].values, self.shape[-1])
        else:
            values = _greys(images)
        if self._stacked:
            return np.stack([letterbox(each, self.shape[:2]) for each in values], axis=-1)
        if self.mosaic:
            values = _channels(np.concatenate(values, axis=1), self.shape[-1])
        return letterbox(values, self.shape[:2])

    def _check(self, pixels: Pixels) -> None:
        if self.modality and pixels.modality and pixels.modality not in self.modality:
            raise BadInput(
                f"the image is {pixels.modality}, these weights expect {' or '.join(self.modality)}: "
                "use weights made for this modality"
            )
        values = pixels.values
        if not np.isfinite(values).all():
            raise BadInput("the image holds NaN or infinite values: repair or leave out this image")
        if values.min() < -1e-6 or values.max() > 1 + 1e-6:
            raise BadInput(f"pixel values span {values.min():g} to {values.max():g}, expected 0 to 1")

    def normalise(self, image: np.ndarray) -> np.ndarray:
        """`(..., channels)` in 0..1 to what the network eats; works on NumPy arrays and on tensors alike."""
        if self.order == "bgr" and self.shape[-1] == 3:
            image = image[..., ::-1]
        mean, std = np.float32(self.mean), np.float32(self.std)
        return (image * np.float32(self.scale) - mean) / std

    def __call__(self, *images: str | os.PathLike | Pixels | np.ndarray) -> np.ndarray:
        """Files, `Pixels`, or arrays (uint8, uint16, or float in 0..1), `files` of a kind, as the float32 input."""
        if isinstance(images[0], str | os.PathLike):
            return self.normalise(self.read(joined(images) if len(images) > 1 else images[0]))
        each = (Pixels(_unit_range(image)) if isinstance(image, np.ndarray) else image for image in images)
        return self.normalise(self.fit(*each))


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
    if values.ndim == 3 and count == 3:
        return values
    return np.repeat(_grey(values)[..., None], count, axis=-1)


def _grey(values: np.ndarray) -> np.ndarray:
    if values.ndim == 2:
        return values
    grey = values @ np.float32([0.299, 0.587, 0.114])
    if np.abs(values - grey[..., None]).mean() > GREY_TOLERANCE:
        raise BadInput("a colour image came, these weights expect grey: pass channels='rgb' or convert it first")
    return grey


def _greys(images) -> list[np.ndarray]:
    """Several images of one size, each grey."""
    values = []
    for number, pixels in enumerate(images, start=1):
        which = f"image {number} of {len(images)}"
        try:
            values.append(_grey(pixels.values))
        except BadInput:
            raise BadInput(f"{which} has colours, images that make one input must be grey: convert it first") from None
        if values[-1].shape != values[0].shape:
            sizes = [" x ".join(map(str, each.shape)) for each in (values[-1], values[0])]
            raise BadInput(f"{which} has {sizes[0]} pixels, the first has {sizes[1]}: bring all of a row to one size")
    return values
