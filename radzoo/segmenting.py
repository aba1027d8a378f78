"""What a segmentation network says of a whole image: its windows, put together."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from scipy import ndimage

from radzoo import refine
from radzoo.data.cases import likeliest, own, same_grid
from radzoo.data.patches import Window
from radzoo.data.store import WHITE
from radzoo.images import Input
from radzoo.tiles import slide

PLAIN = ""  # what a network says, as it is
BELOW = 0.499  # what a second organ elsewhere is given at most: it is none
REACH = 3  # pixels around the organ that the second network may see, so that a wrong border hides no lesion


def window_of(model: keras.Model, spec: Input) -> Window:
    """What a network sees of an image at once, and what it segments of that."""
    patch = tuple(spec.shape[:-1])
    output = model.outputs[0].shape[1:-1]
    flat = len(patch) > len(output)
    return Window(patch, (1, *output) if flat else tuple(output), flat)


@dataclass(frozen=True)
class Segmenter:
    """A network, and how it is shown an image.

    Attributes:
        spec: what it expects; its shape is the window.
        batch: windows per step, the same in every step.
        overlap: of neighbouring windows, as a part of their side.
        flips: whether the mirror image (left and right) is looked at, too.
    """

    model: keras.Model
    spec: Input
    batch: int
    overlap: float
    flips: bool

    def __call__(self, image: np.ndarray, reduce: str = "float32") -> np.ndarray:
        """uint16 `(*working, channels)` (`data.Cases.image`) -> float32 `(*working, classes)`; see `tiles.slide`."""
        window = window_of(self.model, self.spec)
        return slide(
            self._answer, image, patch=window.patch, out=window.out, classes=self.model.outputs[0].shape[-1],
            overlap=self.overlap, batch=self.batch, flips=(len(window.patch) - 1,) if self.flips else (), reduce=reduce,
        )  # fmt: skip

    def _answer(self, windows: np.ndarray) -> np.ndarray:
        said = self.model.predict_on_batch(self.spec.normalise(windows / np.float32(WHITE)))
        return said[0] if isinstance(said, list) else said


@dataclass(frozen=True)
class Cascade:
    """Two networks: the first finds an organ, the second looks for the other classes inside of it; as `Segmenter`.

    Christ et al., Automatic Liver and Lesion Segmentation in CT Using Cascaded Fully Convolutional Neural Networks and
    3D Conditional Random Fields, MICCAI 2016. https://arxiv.org/abs/1610.02177 The second network sees the box around
    the largest component of the organ, black outside of it.

    Attributes:
        first, second: of the organ, and of the classes inside.
        organ: number of its class.
    """

    first: Segmenter
    second: Segmenter
    organ: int

    def __call__(self, image: np.ndarray) -> np.ndarray:
        found = self.first(image)
        inside = refine.largest(found.argmax(-1).astype("uint8")) == 1
        classes = self.second.model.outputs[0].shape[-1] + 1
        said = np.zeros((*inside.shape, classes), "float32")
        others = [each for each in range(1, classes) if each != self.organ]
        said[..., self.organ] = np.where(inside, found[..., 1], np.minimum(found[..., 1], BELOW))
        said[..., 0] = 1 - said[..., self.organ]
        if inside.any():
            box, shown = around(inside, image)
            within, known = self.second(shown), inside[box]
            region = said[box]
            region[known] = 0
            region[known, self.organ] = within[known, 0]
            for number, each in enumerate(others, start=1):
                region[known, each] = within[known, number]
        return said


def around(inside: np.ndarray, image: np.ndarray) -> tuple[tuple[slice, ...], np.ndarray]:
    """The box around an organ and its image there, black outside of the organ."""
    wide = ndimage.binary_dilation(inside, iterations=REACH)
    box = ndimage.find_objects(wide.astype("uint8"))[0]
    return box, np.where(wide[box][..., None], image[box], 0).astype(image.dtype)


def drawn(
    segment: Segmenter | Cascade, image: np.ndarray, facts: dict, kinds: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """What is drawn on an image of the working grid: uint8 classes of the image's own pixels, of each kind.

    Args:
        image: as `Segmenter` takes it; `facts` as of `data.Cases`.
        kinds: `PLAIN`, or kinds of `refine.refined`.
    """
    if kinds == (PLAIN,) and same_grid(facts) and isinstance(segment, Segmenter):
        return {PLAIN: segment(image, reduce="labels")}
    probability = segment(image)
    spacing = facts["spacing_mm"] or [1.0] * len(facts["size"])  # of photographs in pixels
    working = tuple(each / scale for each, scale in zip(spacing, facts["scale"], strict=True))
    found = {}
    for kind in kinds:
        if kind == PLAIN:
            found[kind] = likeliest(probability, facts)
        else:
            grey = image.mean(-1, dtype="float32") / np.float32(WHITE)
            found[kind] = own(refine.refined(kind, probability, grey, working), facts)
    return found
