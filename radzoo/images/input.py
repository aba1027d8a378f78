"""The one road from an image to a tensor: what the pixels of a network must be, and how they get so."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.geometry import letterbox
from radzoo.images.paths import Place, joined, place_of, separated
from radzoo.images.pixels import Pixels
from radzoo.images.volumes.volume import Volume

GREY_TOLERANCE = 12 / 255  # mean distance of the colours from their grey: JPEG noise and figure ink stay below it


@dataclass(frozen=True, kw_only=True)
class Input:
    """The pixels that weights expect (`manifest.input`), and the only preprocessing there is.

    An image becomes grey or RGB in 0..1, is scaled into `shape` with its aspect kept (the rest is black), and is
    normalised as `(value * scale - mean) / std`.

    The channels may also be several windows of one image (`window`), or several images (`files`), such as contrast
    phases or neighbouring slices: each image is grey, has its own file, and goes the same way; all have one size.

    A volume goes the same way in millimetres: it is turned to one orientation, resampled to `spacing_mm` and cut or
    padded about its middle, or scaled into `shape`; windows and percentiles make it 0..1. Or it is seen around one
    place (`patch`), such as a candidate's: in nine planes through it, or in cubes of one size or several.

    Attributes:
        shape: `(h, w, channels)`, or `(z, y, x, channels)` of a volume.
        scale: the value of white before `mean` and `std`: 1 or 255.
        mean, std: one number, or one per channel in the order of the network's channels.
        order: `"rgb"` or `"bgr"` (Caffe).
        window: `"header"` (what the file declares, or its full range), `"percentile"` (1 to 99; of a volume also others
            as in `"percentile 5 95"`), or `(center, width)` in units of the modality; several `((center, width), …)`
            are one channel each, in this order.
        modality: the DICOM modalities that are accepted; empty for any.
        files: images that make one input.
        mosaic: several images stand side by side as one wide grey image, several volumes along x; otherwise they are
            the channels. Of one file it is four planes of a volume in one flat image (`volumes.mosaic`).
        spacing_mm: `(z, y, x)` that volumes are resampled to; None scales each into `shape`.
        uneven: what becomes of tilted or unevenly spaced DICOM planes: `"refuse"`, or `"resample"` to a straight grid.
        patch: `"planes"` (`images.volumes.patches.NINE`, the first axis of the shape) or `"cubes"` around a place, from
            paths such as `scan.nii.gz@lps:-20.5,31,104`; empty where the whole volume is seen.
        patch_mm: the side of the planes, or of each cube; several cubes are the channels.
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
    spacing_mm: tuple[float, float, float] | None = None
    uneven: str = "refuse"
    patch: str = ""
    patch_mm: tuple[float, ...] = ()

    def __post_init__(self):
        if len(self.shape) not in (3, 4):
            raise BadInput(
                f"an input of shape {tuple(self.shape)} came, expected (h, w, channels) or (z, y, x, channels)"
            )
        if self.volume and self.mosaic and (self.files == 1 or self.shape[2] % self.files):
            raise BadInput(
                f"a mosaic of {self.files} volumes came for {tuple(self.shape)}: two or more share the last of z, y, x "
                "equally; of one volume it is a flat image (h, w, channels)"
            )
        if self.spacing_mm is not None and not self.volume:
            raise BadInput(f"spacing_mm {self.spacing_mm} came for the flat input {self.shape}: it is for volumes")
        if self.patch or self.patch_mm:
            self._check_patch()
        if isinstance(self.window, tuple | list) and not self.window:
            raise BadInput("an empty window came, expected (center, width), several of them, 'header' or 'percentile'")
        cubes, number = max(1, len(self.patch_mm)), self.shape[-1]
        stacked = self._stacked or cubes > 1
        made = self.files * cubes if stacked else len(self.windows) or number
        if self.files < 1 or made != number:
            what = "cubes" if cubes > 1 else "images" if stacked else "windows"
            raise BadInput(f"{made} {what} make {made} channels, the input {self.shape} has {number}: make them agree")
        if self.windows and self.files > 1:
            raise BadInput(f"{len(self.windows)} windows came for {self.files} images: windows are for one image")

    @property
    def volume(self) -> bool:
        """Whether the input is a volume and not an image."""
        return len(self.shape) == 4

    @property
    def planes(self) -> bool:
        """Whether the first axis counts planes of several directions, and is none of the patient."""
        return self.patch == "planes"

    @property
    def reads_volumes(self) -> bool:
        """Whether the files hold volumes; a flat image may be a mosaic of one."""
        return self.volume or (self.mosaic and self.files == 1)

    @property
    def photometric(self) -> str:
        one = not (self._stacked or self.windows or self.patch)
        return "RGB" if self.shape[-1] == 3 and one else "MONOCHROME2"

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
        files, place = place_of(path)
        self.check_place(place)
        images = self.opened(files)
        return self.fit(*images) if place is None else self.fit_around(images, [place])[0]

    def opened(self, path: str | os.PathLike) -> list[Pixels | Volume]:
        """The decoded images or volumes of a path without a place, as many as `files` says."""
        if self.reads_volumes:
            from radzoo.images import volumes

            return [volumes.read(file, uneven=self.uneven) for file in separated(path)]
        from radzoo.images import read

        return [read(file, window=self.window) for file in separated(path)]

    def fit(self, *images: Pixels | Volume) -> np.ndarray:
        """Checks images against this input and scales them into `shape`: float32 `(*shape, channels)` in 0..1.

        Args:
            images: as many as `files` says.
        """
        if self.reads_volumes:
            self._check_files(images)
            return self._fit_volumes(images)
        return letterbox(self.unfitted(*images)[0], self.shape[:2])

    def unfitted(self, *images: Pixels | Volume) -> tuple[np.ndarray, Pixels | Volume]:
        """Images or volumes at their own size, or volumes at `spacing_mm`, for networks that see them by windows.

        Returns:
            float32 `(*size, channels)` in 0..1, and whose pixels or voxels these are.
        """
        self._check_files(images)
        if self.volume:
            from radzoo.images.volumes.fitted import resampled

            for volume in images:
                self._check_modality(volume)
            values, grid = resampled(images, self.window, self.spacing_mm)
            return self._repeated(values), grid
        for pixels in images:
            self._check(pixels)
        if self.windows:
            values = images[0].values
            if values.shape[2:] != self.shape[-1:]:
                raise BadInput(f"an image without units came, expected one with {len(self.windows)} windows")
        elif self.files == 1:
            values = _channels(images[0].values, self.shape[-1])
        else:
            greys = _greys(images)
            values = np.concatenate(greys, axis=1) if self.mosaic else np.stack(greys, axis=-1)
            values = _channels(values, self.shape[-1]) if self.mosaic else values
        return values, images[0]

    def fit_on_grid(self, *volumes: Volume) -> tuple[np.ndarray, Volume]:
        """As `fit` for volumes that are no mosaic, and the grid of the result."""
        from radzoo.images.volumes.fitted import fitted

        self._check_files(volumes)
        for volume in volumes:
            self._check_modality(volume)
        values, grid = fitted(volumes, self.shape[:-1], self.window, self.spacing_mm)
        return self._repeated(values), grid

    def fit_around(self, volumes, places: list[Place]) -> list[np.ndarray]:
        """The patches around places in volumes (as many as `files` says): float32 `(*shape, channels)` in 0..1 each."""
        from radzoo.images.volumes.around import around

        self._check_files(volumes)
        for volume in volumes:
            self._check_modality(volume)
        found = around(volumes, places, self.shape[:-1], self.patch, self.patch_mm, self.window)
        return [self._repeated(each) for each in found]

    def _check_files(self, images) -> None:
        if len(images) != self.files:
            came = f"{len(images)} image{'s' if len(images) > 1 else ''}"
            raise BadInput(f"{came} came, expected {self.files} for one input: name as many as there are image columns")

    def _check_patch(self) -> None:
        from radzoo.images.volumes import around

        around.check(self.shape, self.patch, self.patch_mm)
        if self.spacing_mm is not None or self.windows:
            what = "several windows" if self.windows else "spacing_mm"
            raise BadInput(f"{what} came with patch={self.patch!r}, whose size is patch_mm: leave it out")

    def check_place(self, place: Place | None) -> None:
        """A patch has a place in its volume, and nothing else has one.

        Raises:
            BadInput: one without the other.
        """
        if place is None and self.patch:
            raise BadInput("no place came: name one in the volume, as in scan.nii.gz@lps:-20.5,31,104 (mm)")
        if place is not None and not self.patch:
            raise BadInput(f"a place ({place.frame}) came for an input that is no patch: leave it out, or name --patch")

    def _repeated(self, values: np.ndarray) -> np.ndarray:
        return values if values.shape[-1] == self.shape[-1] else np.repeat(values, self.shape[-1], axis=-1)

    def _fit_volumes(self, volumes) -> np.ndarray:
        from radzoo.images.volumes.fitted import fitted
        from radzoo.images.volumes.mosaic import four_planes

        for volume in volumes:
            self._check_modality(volume)
        if not self.volume:
            values = four_planes(volumes[0], self.shape[:2], self.window)
        elif self.mosaic:
            each = fitted(volumes, (*self.shape[:2], self.shape[2] // self.files), self.window, self.spacing_mm)[0]
            values = np.concatenate(np.moveaxis(each, -1, 0), axis=2)[..., None]
        else:
            values = fitted(volumes, self.shape[:-1], self.window, self.spacing_mm)[0]
        return self._repeated(values)

    def _check_modality(self, image: Pixels | Volume) -> None:
        if self.modality and image.modality and image.modality not in self.modality:
            raise BadInput(
                f"the image is {image.modality}, these weights expect {' or '.join(self.modality)}: "
                "use weights made for this modality"
            )

    def _check(self, pixels: Pixels) -> None:
        self._check_modality(pixels)
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
        """Files, `Pixels`, `Volume`, or arrays (of images: uint8, uint16, or float in 0..1), `files` of a kind, as the
        float32 input."""
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
