"""Line integrals of an image, and the adjoint (Joseph, IEEE Trans. Med. Imaging 1982); a fan's come by rebinning.

A parallel ray is followed row by row (or column by column, whichever it crosses more squarely), with linear
interpolation within the row. For one view that is an affine map of the whole image, which OpenCV does quickly
(and exactly from version 5 on; 4 rounded places to 1/32 pixel).
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from radzoo.physics import fan
from radzoo.physics.geometry import Fan, Parallel


def project(images: np.ndarray, pixel_mm: float, geometry: Parallel | Fan) -> np.ndarray:
    """Line integrals.

    Args:
        images: `(..., h, w)` in 1/mm, rows from top to bottom.
        pixel_mm: of square pixels.
    Returns:
        float32 `(..., views, cells)`, without unit.
    """
    if isinstance(geometry, Fan):
        dense = fan.between(geometry, images.shape[-2:], pixel_mm)
        return fan.from_parallel(project(images, pixel_mm, dense), dense, geometry)
    images = np.asarray(images, "float32")
    (*batch, h, w), views = images.shape, geometry.angles.size
    result = np.empty((int(np.prod(batch)), views, geometry.cells), "float32")
    for some, upright in in_channels(images.reshape(-1, h, w)):
        pages = {False: upright, True: np.ascontiguousarray(upright.swapaxes(0, 1))}
        for view, angle in enumerate(geometry.angles):
            turned, lines, step = _rays(angle, (h, w), pixel_mm, geometry)
            page = pages[turned]
            sheared = warp(page, [lines, (0, 1, 0)], (geometry.cells, page.shape[0]))
            sums = cv2.reduce(sheared, 0, cv2.REDUCE_SUM)[0] * step
            result[some, view] = np.atleast_2d(sums.T)[: len(result[some])]
    return result.reshape(*batch, views, geometry.cells)


def adjoint(sinograms: np.ndarray, shape: tuple[int, int], pixel_mm: float, geometry: Parallel) -> np.ndarray:
    """The transpose of `project` for parallel beams: every reading goes back to the pixels that it came from.

    Args:
        sinograms: `(..., views, cells)`.
        shape: `(h, w)` of the images.
    Returns:
        float64 `(..., h, w)`, in mm times the sinograms' unit.
    """
    *batch, views, cells = sinograms.shape
    result = np.zeros((int(np.prod(batch)), *shape))
    for image, sinogram in zip(result, np.reshape(sinograms, (-1, views, cells)), strict=True):
        for angle, readings in zip(geometry.angles, sinogram, strict=True):
            turned, (along, across, first), step = _rays(angle, shape, pixel_mm, geometry)
            page = image.T if turned else image
            rows, width = np.arange(page.shape[0])[:, None], page.shape[1]
            place = along * np.arange(cells) + across * rows + first
            left = np.floor(place)
            share = place - left
            left = np.clip(left, -2, width).astype(int) + 2  # two columns around the page take what misses it
            spread = (width + 4) * rows + left
            values = np.broadcast_to(step * readings, spread.shape)
            size = page.shape[0] * (width + 4)
            total = np.bincount(spread.ravel(), ((1 - share) * values).ravel(), size)
            total += np.bincount(spread.ravel() + 1, (share * values).ravel(), size)
            page += total.reshape(-1, width + 4)[:, 2:-2]
    return result.reshape(*batch, *shape)


def _rays(angle: float, shape, pixel_mm: float, geometry: Parallel):
    """One view: whether its rays are followed along columns; where cell k meets row j; mm of a ray per row.

    Returns:
        A flag; `(a, b, c)`: the column is a k + b j + c in pixels (row and column changed over if the flag is set); mm.
    """
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    down, right = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    cell = geometry.cell_mm / pixel_mm
    if abs(cos) >= abs(sin):  # x = (s - y sin) / cos
        lines = (cell / cos, sin / cos, right - (geometry.middle * cell + down * sin) / cos)
        return False, lines, pixel_mm / abs(cos)
    lines = (-cell / sin, cos / sin, down + (geometry.middle * cell - right * cos) / sin)  # y = (s - x cos) / sin
    return True, lines, pixel_mm / abs(sin)


def in_channels(images: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Four images `(n, h, w)` at a time as channels `(h, w, 4)`, which OpenCV warps about as fast as one, or one alone.

    Returns:
        Pairs: which images, and they; channels that are left over are empty.
    """
    for start in range(0, len(images), 4):
        some = images[start : start + 4]
        page = np.zeros((*images.shape[1:], 4), "float32")
        page[..., : len(some)] = np.moveaxis(some, 0, -1)
        yield slice(start, start + 4), page if len(some) > 1 else np.ascontiguousarray(page[..., 0])


def warp(image: np.ndarray, matrix, size: tuple[int, int]) -> np.ndarray:
    """Values of an image (or of four as channels) at affine places, linear in between, nothing around it.

    Args:
        matrix: `(2, 3)`, from column, row and 1 of the result to column and row of the image.
        size: columns and rows of the result.
    """
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, np.array(matrix), size, flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
