"""A volume as a network gets it: on the network's grid, in 0..1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from radzoo.errors import BadInput
from radzoo.images import intensity
from radzoo.images.volumes import resample
from radzoo.images.volumes.volume import Volume


def fitted(volumes, shape, window, spacing_mm=None) -> tuple[np.ndarray, Volume]:
    """Volumes of one place in one patient as the channels of one array, and the grid of its voxels.

    Args:
        volumes: turned; those after the first are resampled onto the first.
        shape: `(z, y, x)` of the result.
        window: `"header"` or `"percentile"` (1 to 99 of the voxels), others as in `"percentile 0 100"`; `(center,
            width)`, or several of them, which are channels of the only volume. CT needs numbers.
        spacing_mm: `(z, y, x)` that volumes are resampled to, then cut or padded about their middle; None scales them
            into `shape` with their aspect in millimetres.
    Returns:
        float32 `(z, y, x, channels)` in 0..1; what lies outside of a volume is its least value.
    Raises:
        BadInput: CT without a window, a volume of one value.
    """
    spacing_mm = spacing_mm or isotropic(volumes[0], shape)
    return _channels(volumes, window, lambda each: resample.crop_or_pad(resample.to_spacing(each, spacing_mm), shape))


def resampled(volumes, window, spacing_mm=None) -> tuple[np.ndarray, Volume]:
    """As `fitted`, but the whole volumes; None leaves their voxels as they are."""
    return _channels(volumes, window, lambda each: resample.to_spacing(each, spacing_mm) if spacing_mm else each)


def _channels(volumes, window, move: Callable[[Volume], Volume]) -> tuple[np.ndarray, Volume]:
    several = isinstance(window[0], tuple | list)
    channels, moved = [], []
    for volume in volumes:
        volume = resample.onto(volume, volumes[0])
        moved.append(move(volume))
        for each in window if several else (window,):
            channels.append(scale(volume, each)(moved[-1].values))
    return np.stack(channels, axis=-1), moved[0]


def isotropic(volume: Volume, shape) -> tuple[float, float, float]:
    """The least spacing, the same along all axes, at which the whole volume fits into `shape`."""
    extents = np.array(volume.values.shape) * volume.spacing_mm
    return (float((extents / np.array(shape)).max()),) * 3


def scale(volume: Volume, window) -> Callable[[np.ndarray], np.ndarray]:
    """A function from values of this volume to 0..1; percentiles are those of the whole volume."""
    if not isinstance(window, str):
        return lambda values: intensity.window(values, *window)
    if volume.modality == "CT":
        raise BadInput("CT needs a window that fits the question: give center and width, such as --window 40 400")
    ends = percentiles(window)
    low, high = np.percentile(volume.values, ends)
    if low == high:
        raise BadInput(
            f"percentiles {ends[0]:g} and {ends[1]:g} of the voxels are equal: give a window in numbers, or leave this "
            "one out"
        )
    return lambda values: ((values - np.float32(low)) / np.float32(high - low)).clip(0, 1).astype("float32")


def percentiles(window: str) -> tuple[float, float]:
    """The numbers of `"percentile 5 95"`; 1 and 99 where none are named.

    Raises:
        BadInput: another word, or no two percentiles that rise.
    """
    word, *ends = window.split()
    if window in ("header", "percentile"):
        return 1.0, 99.0
    try:
        low, high = map(float, ends)
    except ValueError:
        low = high = 0.0
    if word != "percentile" or not 0 <= low < high <= 100:
        raise BadInput(f"window {window!r} came, expected 'percentile', 'percentile 0 100', or center and width")
    return low, high
