"""Images larger than a network's patch: overlapping windows, weighted, added up and released plane by plane.

Mirrored borders and outputs smaller than the patch are U-Net's overlap-tile strategy (Ronneberger et al., MICCAI 2015.
https://arxiv.org/abs/1505.04597); Gaussian weights with sigma = an eighth of the output and flips at test time are
nnU-Net's (Isensee et al., Nature Methods 2021. https://arxiv.org/abs/1904.08128).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from itertools import combinations, product
from typing import NamedTuple

import cv2
import numpy as np

from radzoo.errors import BadInput

RESULTS = {"float32": np.float32, "float16": np.float16, "labels": np.uint8}
BLENDS = ("gaussian", "constant")


def slide(
    predict: Callable,
    image: np.ndarray,
    *,
    patch,
    classes: int,
    out=None,
    overlap: float = 0.5,
    batch: int = 4,
    blend: str = "gaussian",
    flips=(),
    reduce: str = "float32",
    into: np.ndarray | None = None,
) -> np.ndarray:
    """Probabilities, or labels, of a whole image from a network that sees one patch at a time.

    The image may have any size: borders are mirrored where a window needs more than there is, and cut off again. What
    a network must be able to halve is the patch; the caller chooses it. Windows are added in one order, whatever
    `batch` is. Memory: the result, and one window's depth of planes along the first axis.

    Args:
        predict: from float32 `(batch, *patch, channels)` to `(batch, *out, classes)`; always called with full batches
            (the last one repeats its last window), so that nothing compiles twice. What it returns is read after the
            next call has been made, so that a GPU that answers later need not wait.
        image: `(y, x, channels)` or `(z, y, x, channels)`, any real type.
        patch: size of a window along each axis; `(1, h, w)` shows a volume to a network for images, which gets
            `(batch, h, w, channels)` and gives `(batch, h, w, classes)`.
        out: what the network gives of a patch, in its middle; default the patch itself.
        overlap: of neighbouring outputs, as a part of their size; 0 tiles without overlap.
        blend: `gaussian` trusts the middle of a window, `constant` all of it alike.
        flips: spatial axes; the mean is taken over all their combinations, 2 ** len(flips) times the work.
        reduce: `float32` or `float16` probabilities, or `labels`: the likeliest class, uint8, the first of equals.
        into: array to fill, for example an `np.memmap`; default a new one.

    Returns:
        `(*spatial, classes)`, or `(*spatial)` for labels.

    Raises:
        BadInput: arguments that do not fit each other; a network that gives another shape, or no numbers.
    """
    patch, out = tuple(patch), tuple(out or patch)
    _check(image, patch, out, overlap, batch, blend, flips)
    spatial = image.shape[:-1]
    result = _result(into, spatial, classes, reduce)
    if flat := len(patch) == 2:  # an image is a volume of one plane
        image, patch, out, flips = image[None], (1, *patch), (1, *out), tuple(axis + 1 for axis in flips)
    axes = [_axis(*sizes, overlap, blend) for sizes in zip(image.shape, patch, out, strict=False)]
    planes = _Planes(axes, out, result[None] if flat else result, classes)
    thin = patch[0] == 1  # the network knows no first axis: (batch, h, w, channels)
    shape = (batch, *out[thin:], classes)
    mirrored = [chosen for count in range(len(flips) + 1) for chosen in combinations(flips, count)]
    mirrored = [tuple(axis + 1 - thin for axis in chosen) for chosen in mirrored]
    for corners, windows in _predicted(predict, _batches(image, axes, patch, batch), mirrored, shape):
        for corner, window in zip(corners, windows, strict=False):
            planes.add(corner, window)
    planes.release(len(axes[0].sum))
    return result


class _Axis(NamedTuple):
    """One axis of the image, enlarged to at least one output; `places` goes beyond it by the network's margin."""

    length: int  # of the image
    before: int  # how far it was enlarged at its start
    starts: list[int]  # of the windows' outputs
    places: np.ndarray  # which element of the image each element of the mirrored image is
    weight: np.ndarray  # of an output, 1 in its middle
    sum: np.ndarray  # of all windows' weights


def _axis(length: int, patch: int, out: int, overlap: float, blend: str) -> _Axis:
    """Weights of a window are a product over axes, and windows stand on a grid: so their sum is a product, too."""
    margin, short = (patch - out) // 2, max(out - length, 0)
    places = np.pad(np.arange(length), (margin + short // 2, margin + short - short // 2), mode="reflect")
    whole, step = length + short, max(int(out * (1 - overlap)), 1)
    starts = [min(number * step, whole - out) for number in range(math.ceil((whole - out) / step) + 1)]
    away = (np.arange(out) - (out - 1) / 2) / (out / 8)  # in sigmas, below 4: the weight is never 0
    weight = np.exp(-(away**2) / 2) if blend == "gaussian" else np.ones(out)
    total = np.zeros(whole)
    for start in starts:
        total[start : start + out] += weight
    return _Axis(length, short // 2, starts, places, weight, total)


def _batches(volume: np.ndarray, axes: list[_Axis], patch, batch: int) -> Iterator[tuple[list, np.ndarray]]:
    """Corners of windows, ordered along z, y, x, and the windows; two buffers take turns."""
    from tqdm import tqdm

    corners = list(product(*(axis.starts for axis in axes)))
    buffers = np.empty((2, batch, *patch, volume.shape[-1]), "float32")
    at, slab = None, None
    with tqdm(total=len(corners), desc="windows", file=sys.stderr, delay=2, leave=False) as bar:
        for first in range(0, len(corners), batch):
            part, windows = corners[first : first + batch], buffers[first // batch % 2]
            for window, (z, y, x) in zip(windows, part, strict=False):
                if z != at:
                    at, slab = z, _slab(volume, axes, z, patch[0])
                window[...] = slab[:, y : y + patch[1], x : x + patch[2]]
            windows[len(part) :] = windows[len(part) - 1]
            yield part, windows[:, 0] if patch[0] == 1 else windows
            bar.update(len(part))


def _slab(volume: np.ndarray, axes: list[_Axis], start: int, depth: int) -> np.ndarray:
    """The planes of one row of windows with their mirrored borders."""
    whole = len(axes[0].places) == axes[0].length
    slab = volume[start : start + depth] if whole else volume[axes[0].places[start : start + depth]]
    for number in (1, 2):
        if len(axes[number].places) > axes[number].length:
            slab = slab.take(axes[number].places, axis=number)
    return slab


def _predicted(predict, batches, mirrored: list[tuple], shape: tuple) -> Iterator[tuple[list, np.ndarray]]:
    """Corners and `(batch, depth, h, w, classes)`, one batch behind what the network was last given."""
    waiting = None
    for corners, windows in batches:
        answers = [predict(np.ascontiguousarray(np.flip(windows, axes))) for axes in mirrored]
        if waiting:
            yield waiting[0], _mean(waiting[1], mirrored, shape)
        waiting = corners, answers
    yield waiting[0], _mean(waiting[1], mirrored, shape)


def _mean(answers: list, mirrored: list[tuple], shape: tuple) -> np.ndarray:
    answers = [np.ascontiguousarray(each, "float32") for each in answers]
    if answers[0].shape != shape:
        raise BadInput(f"the network gave {answers[0].shape}, expected {shape}: name its patch, out and classes")
    mean = answers[0]
    if len(answers) > 1:
        mean = sum(np.flip(each, axes) for each, axes in zip(answers, mirrored, strict=True)) / np.float32(len(answers))
    return mean.reshape(shape[0], -1, *shape[-3:])


class _Planes:
    """Weighted sums of the planes that windows still reach, in a ring as deep as one output."""

    def __init__(self, axes: list[_Axis], out, result: np.ndarray, classes: int):
        self.axes, self.result, self.done = axes, result, 0
        self.sums = np.zeros((out[0], len(axes[1].sum), len(axes[2].sum), classes), "float32")
        # Repeated for every class: equal shapes are many times faster than a broadcast along a short last axis.
        depth, height, width = (axis.weight for axis in axes)
        weight = depth[:, None, None, None] * np.outer(height, width)[..., None]
        self.weight = np.repeat(weight.astype("float32"), classes, axis=-1)
        self.share = np.repeat(1 / np.outer(axes[1].sum, axes[2].sum).astype("float32")[..., None], classes, axis=-1)
        self.plane = np.empty_like(self.share)

    def add(self, corner, window: np.ndarray) -> None:
        """Adds one output `(depth, h, w, classes)`; no later window may start before it."""
        z, y, x = corner
        self.release(z)
        _, height, width, classes = window.shape
        columns = slice(x * classes, (x + width) * classes)
        for plane, (values, weight) in enumerate(zip(window, self.weight, strict=True), z):
            sums = self.sums[plane % len(self.sums)].reshape(-1, self.sums.shape[2] * classes)
            # sums += values * weight in one pass
            cv2.accumulateProduct(values.reshape(height, -1), weight.reshape(height, -1), sums[y : y + height, columns])

    def release(self, until: int) -> None:
        """Writes the planes before `until` to the result: no window will reach them any more."""
        z, y, x = self.axes
        inside = slice(y.before, y.before + y.length), slice(x.before, x.before + x.length)
        for plane in range(self.done, until):
            sums = self.sums[plane % len(self.sums)]
            if 0 <= plane - z.before < z.length:
                if not np.isfinite(sums.sum()):
                    raise BadInput("the network gave values that are no numbers: look at the image and the weights")
                if self.result.dtype == np.uint8:  # the likeliest is so before it is divided, too
                    self.result[plane - z.before] = sums[inside].argmax(-1)
                else:
                    np.multiply(sums, self.share, out=self.plane)
                    np.divide(self.plane[inside], np.float32(z.sum[plane]), out=self.plane[inside])
                    self.result[plane - z.before] = self.plane[inside]
            sums[...] = 0
        self.done = max(self.done, until)


def _result(into: np.ndarray | None, spatial: tuple, classes: int, reduce: str) -> np.ndarray:
    if reduce not in RESULTS:
        raise BadInput(f"reduce is {reduce!r}, expected one of {', '.join(RESULTS)}")
    if reduce == "labels" and classes > 255:
        raise BadInput(f"{classes} classes do not fit uint8 labels, where 255 means ignored: ask for probabilities")
    shape = spatial if reduce == "labels" else (*spatial, classes)
    if into is None:
        return np.empty(shape, RESULTS[reduce])
    if into.shape != shape or into.dtype != RESULTS[reduce]:
        raise BadInput(f"into is {into.dtype} {into.shape}, expected {np.dtype(RESULTS[reduce])} {shape}")
    return into


def _check(image, patch: tuple, out: tuple, overlap: float, batch: int, blend: str, flips) -> None:
    rank = len(patch)
    if rank not in (2, 3) or image.ndim != rank + 1 or 0 in image.shape:
        raise BadInput(f"image {image.shape}, patch {patch}: expected (y, x, channels) or (z, y, x, channels)")
    if len(out) != rank or any(o < 1 or o > p or (p - o) % 2 for p, o in zip(patch, out, strict=False)):
        raise BadInput(f"patch {patch}, out {out}: a network's output lies in the middle of its patch, whole pixels in")
    if not 0 <= overlap < 1 or batch < 1 or blend not in BLENDS:
        raise BadInput(
            f"overlap {overlap}, batch {batch}, blend {blend!r}: expected 0 <= overlap < 1, batch >= 1, {BLENDS}"
        )
    if len(set(flips)) < len(flips) or any(axis not in range(rank) or patch[axis] == 1 for axis in flips):
        raise BadInput(f"flips {flips}: expected different axes of the patch {patch} that are longer than 1")
