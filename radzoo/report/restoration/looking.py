"""The same slice by every way, side by side, whole and enlarged, and what each way changed.

Pixels are laid out one by one, because a picture that is scaled twice shows less noise than there is.
"""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from scipy import ndimage

from radzoo.images.intensity import window as windowed
from radzoo.metrics.restored import WINDOWS, Window
from radzoo.metrics.sharpness import gradient, within
from radzoo.metrics.tissue import TISSUES
from radzoo.report.figures import DPI, STYLE, save

SHOWN = tuple(window for window in WINDOWS if window.name != "full")
SIDE = 300  # pixels of a panel's width
INSET = 4  # the enlarged square is this part of the shown width
GAP, LEFT, TOP, FOOT = 6, 128, 30, 24  # pixels between panels, and around them for words
NICE = (1, 1.5, 2, 3, 5, 7.5, 10)  # times a power of ten: ends of the scale of differences
FRAME = "#f0c419"
WANTED = "wanted"


def draw(
    folder: Path, row: int, noisy, ways: dict, wanted, spacing_mm, *, body, windows=SHOWN, unit="HU", came="noisy"
) -> list[dict]:
    """One picture per window: columns are the noisy image, each way, and the wanted one.

    Args:
        folder: `figures/` of the run.
        row: of the index; file names hold it and nothing else.
        noisy, wanted: `(h, w)` or `(z, y, x)`. Of a volume the plane with most of the window's tissue is shown. `noisy`
            is None where the image as it came is of another modality.
        ways: from the title of a way to its image.
        spacing_mm: `(y, x)` or `(z, y, x)`.
        body: boolean mask of the patient (`metrics.body_mask`): what is shown, and where the enlarged square lies.
        windows: of `metrics.Window`.
        unit: of the images and windows.
        came: the title of `noisy`.
    Returns:
        For each picture `{"file", "window", "plane"}`, the last the number of the plane from 1, None for a flat image.
    """
    found = []
    for window in windows:
        z = plane_of(wanted, body, window)
        images = ({} if noisy is None else {came: noisy}) | ways | {WANTED: wanted}
        images = {name: np.asarray(image if z is None else image[z]) for name, image in images.items()}
        inside = np.asarray(body if z is None else body[z])
        file = f"slice_{row}_{window.name.replace(' ', '_')}.jpg"
        first = None if noisy is None else came
        _sheet(folder / file, images, inside, spacing_mm[-2:], window, first, unit)
        found.append({"file": file, "window": window.name, "plane": None if z is None else z + 1})
    return found


def plane_of(wanted, body, window: Window) -> int | None:
    """The plane with most voxels of the tissue that the window is for, in the body; None of a flat image."""
    if np.ndim(wanted) == 2:
        return None
    low, high = TISSUES.get(window.name, window[1:])
    return int(((wanted >= low) & (wanted <= high) & body).sum((1, 2)).argmax())


def side_of(shape, width: int) -> int:
    """Of the enlarged square, which lies in the plane even where that is a strip."""
    return min(max(8, width // INSET), *shape)


def inset(wanted, body, window: Window, side: int) -> tuple[int, int]:
    """The upper left corner of the square of `side` pixels, well inside the body, that has most edges in the window.

    Bone is beyond most windows: its edges would win, and tell the least.
    """
    deep = ndimage.distance_transform_edt(np.pad(body, 1))[1:-1, 1:-1] > side / 4
    edges = np.where(deep & within(wanted, *window[1:]), np.hypot(*gradient(wanted.astype(float))), 0)
    score = ndimage.uniform_filter(edges, side)
    y, x = np.unravel_index(score.argmax(), score.shape)
    return tuple(int(np.clip(c - side // 2, 0, n - side)) for c, n in zip((y, x), score.shape, strict=True))


def _sheet(path, images: dict, body, spacing, window, first, unit):
    """All panels of one window; `first` is the title of the image as it came, if there is one."""
    images, body = _isotropic(images, body, spacing)
    top, left, height, width = _box(body)
    side = side_of(body.shape, width)
    y, x = inset(images[WANTED], body, window, side)
    tall = round(SIDE * height / width)
    crops = {name: image[top : top + height, left : left + width] for name, image in images.items()}
    limit = _limit(crops[first or next(iter(crops))] - crops[WANTED])
    heights = (tall, SIDE, tall, tall) if first else (tall, SIDE, tall)
    sheet = _Page(len(images), heights)
    with matplotlib.rc_context(STYLE):
        for column, (name, crop) in enumerate(crops.items()):
            panel = sheet.panel(0, column, _grey(crop, window, (SIDE, tall)))
            panel.set_title(name, fontsize=10, loc="center", pad=4)
            scale = SIDE / width
            corner = (x - left) * scale - 0.5, (y - top) * scale - 0.5
            panel.add_patch(matplotlib.patches.Rectangle(corner, side * scale, side * scale, ec=FRAME, fc="none"))
            square = images[name][y : y + side, x : x + side]
            sheet.panel(1, column, _grey(square, window, (SIDE, SIDE)))
            if name != WANTED:
                sheet.panel(2, column, _difference(crop - crops[WANTED], limit, (SIDE, tall)))
            if first and name not in (WANTED, first):
                sheet.panel(3, column, _difference(crop - crops[first], limit, (SIDE, tall)))
        minus = "\N{MINUS SIGN}"
        rows = ("slice", "enlarged", f"error:\nway {minus} {WANTED}", f"taken away:\nway {minus}\n{first}")
        for number in range(len(heights)):
            sheet.say(number, rows[number])
        sheet.bar(2, len(images) - 1, limit, unit)
        sheet.foot(f"window {window.name}, {window.low:g} to {window.high:g} {unit}".replace("-", minus))
        sheet.save(path)


class _Page:
    """A figure whose panels have whole pixels."""

    def __init__(self, columns: int, heights):
        self.heights, self.columns = heights, columns
        self.size = LEFT + columns * (SIDE + GAP), TOP + sum(heights) + GAP * len(heights) + FOOT
        self.figure = Figure(figsize=[n / DPI for n in self.size], dpi=DPI)

    def place(self, row, column) -> list[float]:
        """Left, bottom, width and height as parts of the figure."""
        x, y = LEFT + column * (SIDE + GAP), TOP + sum(self.heights[:row]) + GAP * row
        width, height = self.size
        return [x / width, 1 - (y + self.heights[row]) / height, SIDE / width, self.heights[row] / height]

    def panel(self, row, column, pixels):
        """A picture that has just the panel's pixels."""
        axes = self.figure.add_axes(self.place(row, column))
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        return axes

    def say(self, row, text):
        """What a row shows, to its left."""
        _, y, _, height = self.place(row, 0)
        self.figure.text((LEFT - 8) / self.size[0], y + height / 2, text, ha="right", va="center", fontsize=8)

    def bar(self, row, column, limit, unit):
        """The scale of the differences, in the panel that has none."""
        x, y, width, height = self.place(row, column)
        axes = self.figure.add_axes([x + 0.05 * width, y + 0.1 * height, 0.06 * width, 0.8 * height])
        axes.imshow(np.linspace(1, 0, 256)[:, None], cmap="gray", aspect="auto", extent=(0, 1, -limit, limit))
        axes.set_xticks([])
        axes.set_yticks([-limit, 0, limit], [f"\N{MINUS SIGN}{limit:g} {unit}", "0", f"+{limit:g} {unit}"], fontsize=9)
        axes.yaxis.tick_right()
        axes.tick_params(length=0)

    def foot(self, text):
        """Below all panels."""
        self.figure.text(LEFT / self.size[0], 6 / self.size[1], text, fontsize=9, color="#333b42")

    def save(self, path):
        """As JPEG of full colour: PNG of noise is ten times as large."""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="jpg", dpi=DPI, pil_kwargs={"quality": 92, "subsampling": 0})
        save(path, buffer.getvalue())


def _isotropic(images, body, spacing):
    """Square pixels of the smaller spacing; images stay in HU."""
    if np.isclose(*spacing, rtol=1e-3):
        return {name: image.astype("float32") for name, image in images.items()}, body
    height, width = (round(n * s / min(spacing)) for n, s in zip(body.shape, spacing, strict=True))
    images = {name: cv2.resize(image.astype("float32"), (width, height)) for name, image in images.items()}
    return images, cv2.resize(body.astype("uint8"), (width, height), interpolation=cv2.INTER_NEAREST) > 0


def _box(body) -> tuple[int, int, int, int]:
    """Top, left, height and width of the body and a little air around it; all of the image where there is no body."""
    sides = []
    for axis, size in enumerate(body.shape):
        there = np.flatnonzero(body.any(1 - axis))
        first, last = (there[0], there[-1] + 1) if len(there) else (0, size)
        margin = (last - first) // 40 + 2
        start = max(0, first - margin)
        sides.append((int(start), int(min(size, last + margin) - start)))
    return sides[0][0], sides[1][0], sides[0][1], sides[1][1]


def _limit(difference) -> float:
    """The end of the scale: what 99 % of the noise stays below, rounded up."""
    most = max(float(np.quantile(np.abs(difference), 0.99)), 1e-6)
    power = 10.0 ** np.floor(np.log10(most))
    return float(next(each for each in NICE if each * power >= most) * power)


def _grey(image, window, size) -> np.ndarray:
    """uint8 of `size` `(width, height)`: windowed after scaling, as a workstation does."""
    low, high = window[1:]
    return np.round(255 * windowed(_sized(image, size), (low + high) / 2, high - low, "LINEAR_EXACT")).astype("uint8")


def _difference(away, limit, size) -> np.ndarray:
    return np.round(127.5 + 127.5 * _sized(away, size).clip(-limit, limit) / limit).astype("uint8")


def _sized(image, size):
    how = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_CUBIC  # linear interpolation smooths noise away
    return cv2.resize(np.ascontiguousarray(image, "float32"), size, interpolation=how)
