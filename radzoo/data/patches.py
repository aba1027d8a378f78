"""Windows of images with their masks, as a segmentation network learns them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from radzoo.data.cases import Cases
from radzoo.data.classes import Meaning
from radzoo.data.feed import WORKERS
from radzoo.data.store import WHITE
from radzoo.images.augment import changed
from radzoo.masks import IGNORE, target
from radzoo.recipe import Augment

MOVES = ("shift", "rotate", "zoom", "crop", "elastic", "flip")  # what a mask goes through together with its image
REMEMBERED = 5000  # places of each class and image, of which the middle of a window is drawn


@dataclass(frozen=True)
class Window:
    """What a network sees at once, and what it says something about.

    Attributes:
        patch: `(y, x)` or `(z, y, x)` pixels that it gets.
        out: those in the middle that it segments; the same but for networks without padding.
        flat: it is 2-D and sees single planes of volumes, `patch[0]` is 1.
    """

    patch: tuple[int, ...]
    out: tuple[int, ...]
    flat: bool = False

    @property
    def margin(self) -> tuple[int, ...]:
        return tuple((a - b) // 2 for a, b in zip(self.patch, self.out, strict=True))


class Patches:
    """Windows of the cases of one part of a split.

    Images stay on disk; the masks are held in memory, one byte a pixel.

    Args:
        count: windows of each case in an epoch.
        foreground: the part of them whose middle is a pixel of a class; 0 for whole images.
        weigh: classes and objects of one case (both on the working grid) -> the weight of each pixel, or None for 1.
    """

    def __init__(
        self, cases: Cases, keys, meaning: Meaning, window: Window, *, count: int, foreground: float, weigh=None
    ):
        self.cases, self.keys, self.meaning, self.window = cases, list(keys), meaning, window
        self.count, self.foreground = count, foreground
        self.labels = {key: cases.labels(key, meaning) for key in self.keys}
        self.places = {key: _places(self.labels[key]) for key in self.keys} if foreground else {}
        self.weights = {key: weigh(self.labels[key], cases.objects(key)) for key in self.keys} if weigh else {}

    @property
    def classes(self) -> int:
        """With background."""
        return len(self.meaning.classes) + 1

    def steps(self, batch: int) -> int:
        return -(-len(self.keys) * self.count // batch)

    def batches(self, *, batch: int, seed: int, epoch: int = 0, augment: Augment | None = None, outputs: int = 1):
        """One epoch, a pure function of `(seed, epoch, case)`; every batch is full.

        Returns:
            `tf.data.Dataset` of float32 images `(batch, *patch, channels)`, normalised for the network, and truth
            `(batch, *out, classes + 1)`: one-hot, zero where a pixel is ignored, and the weight of the pixel last.
        """
        order = np.random.default_rng((seed, epoch)).permutation(len(self.keys) * self.count)
        order = np.resize(order, (self.steps(batch), batch))
        first = 1 if self.window.flat else 0
        shapes = (*self.window.patch[first:], self.cases.spec.shape[-1]), (*self.window.out[first:], self.classes + 1)
        return served(order, lambda number: self.one(number, seed, epoch, augment), shapes, outputs)

    def one(self, number: int, seed: int, epoch: int, augment: Augment | None) -> tuple[np.ndarray, np.ndarray]:
        """Window `number` of an epoch: the image and the truth of its middle."""
        key, turn = self.keys[number // self.count], number % self.count
        generator = np.random.default_rng((seed, epoch, int(key[:16], 16), turn))
        start = self._start(key, generator)
        window, moves = self.window, {} if augment is None else asdict(augment)
        grown = _grown(window.patch, moves)
        away = [(a - b) // 2 for a, b in zip(grown, window.patch, strict=True)]
        corner = [a - b - c for a, b, c in zip(start, window.margin, away, strict=True)]
        image = cut(self.cases.image(key), corner, grown).astype("float32") / np.float32(WHITE)
        truth = self._truth(key, corner, grown)
        if window.flat:
            image, truth = image[0], truth[0]
        if augment is not None:
            for name in ("shift", "elastic"):  # parts of the window's side, not of what was cut around it
                moves[name] *= max(window.patch) / max(grown)
            drawn = int(generator.integers(2**63))
            image = changed(image, np.random.default_rng(drawn), **moves)
            if any(moves[name] for name in MOVES):
                truth = _moved(truth, np.random.default_rng(drawn), {name: moves[name] for name in MOVES})
        first = 1 if window.flat else 0
        image = image[middle(image.shape[:-1], window.patch[first:])]
        return self.cases.spec.normalise(image), truth[middle(truth.shape[:-1], window.out[first:])]

    def _start(self, key: str, generator: np.random.Generator) -> list[int]:
        """The first pixel of a window's output: around a pixel of a class, or anywhere."""
        size, out = self.labels[key].shape, self.window.out
        room = [max(n - m, 0) for n, m in zip(size, out, strict=True)]
        anywhere = [int(generator.integers(each + 1)) for each in room]
        places = self.places.get(key)
        if not places or generator.random() >= self.foreground:
            start = anywhere
        else:
            chosen = places[int(generator.integers(len(places)))]
            place = chosen[int(generator.integers(len(chosen)))]
            start = [int(np.clip(p - m // 2, 0, r)) for p, m, r in zip(place, out, room, strict=True)]
        return [s if n >= m else (n - m) // 2 for s, n, m in zip(start, size, out, strict=True)]

    def _truth(self, key: str, corner, size) -> np.ndarray:
        """`(*size, classes + 1)`: one-hot and the weight."""
        labels = cut(self.labels[key], corner, size)
        return target(labels, self.classes, cut(self.weights[key], corner, size) if self.weights else None)


def served(order: np.ndarray, one, shapes, outputs: int = 1):
    """`tf.data.Dataset` of batches of pairs, several of them made at the same time.

    Args:
        order: `(steps, batch)` numbers.
        one: from a number to the image and its truth.
        shapes: of both.
        outputs: of the network; each has the same truth.
    """
    import tensorflow as tf

    def make(number):
        pairs = [one(int(each)) for each in order[number]]
        return tuple(np.stack(each).astype("float32") for each in zip(*pairs, strict=True))

    def load(number):
        both = tf.numpy_function(make, [number], [tf.float32, tf.float32])
        fixed = zip(both, shapes, strict=True)
        images, truth = (tf.ensure_shape(each, (order.shape[1], *shape)) for each, shape in fixed)
        return images, truth if outputs == 1 else (truth,) * outputs

    return tf.data.Dataset.range(len(order)).map(load, num_parallel_calls=WORKERS, deterministic=True).prefetch(WORKERS)


def cut(array: np.ndarray, corner, size) -> np.ndarray:
    """A box of an array (its first axes), mirrored at the borders where it reaches out."""
    places = [_mirrored(a, n, side) for a, n, side in zip(corner, size, array.shape, strict=False)]
    low, high = [each.min() for each in places], [each.max() + 1 for each in places]
    box = np.asarray(array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))])
    if box.shape[: len(places)] == tuple(size) and all((np.diff(each) == 1).all() for each in places):
        return box
    return box[np.ix_(*(each - a for each, a in zip(places, low, strict=True)))]


def middle(size, inner) -> tuple[slice, ...]:
    """The box of `inner` in the middle of `size`."""
    return tuple(slice((a - b) // 2, (a - b) // 2 + b) for a, b in zip(size, inner, strict=True))


def _mirrored(first: int, count: int, side: int) -> np.ndarray:
    """Places `first, first + 1, …` on an axis that is mirrored about the middle of its first and last pixel."""
    if side == 1:
        return np.zeros(count, int)
    places = np.abs(np.arange(first, first + count)) % (2 * side - 2)
    return np.where(places < side, places, 2 * side - 2 - places)


def _places(labels: np.ndarray) -> list[np.ndarray]:
    """Some pixels of each class that there is, the same ones each time."""
    found, generator = [], np.random.default_rng(0)
    for each in np.unique(labels):
        if each not in (0, IGNORE):
            flat = np.flatnonzero(labels == each)
            kept = generator.choice(flat, min(len(flat), REMEMBERED), replace=False)
            found.append(np.stack(np.unravel_index(kept, labels.shape), axis=1))
    return found


def _grown(patch, moves: dict) -> tuple[int, ...]:
    """What is cut around a window, so that moves bring in what lies beside it and no black."""
    if not any(moves.get(name) for name in MOVES if name != "flip"):
        return tuple(patch)
    turned = (2**0.5 - 1) * min(moves["rotate"] / 45, 1)
    factor = 1 + turned + moves["zoom"] + 2 * moves["shift"] + 2 * moves["elastic"]
    return tuple(side if side == 1 else side + 2 * int(np.ceil(side * (factor - 1) / 2)) for side in patch)


def _moved(truth: np.ndarray, generator: np.random.Generator, moves: dict) -> np.ndarray:
    """The truth through the same moves as its image, each pixel again of one class."""
    top = max(float(truth[..., -1].max()), 1.0)
    scaled = truth / np.float32([*[1] * (truth.shape[-1] - 1), top])
    found = changed(scaled, generator, **moves)
    classes = found[..., :-1]
    known = classes.sum(-1) >= 0.5  # neither ignored nor from beyond what was cut
    truth = np.zeros_like(truth)
    np.put_along_axis(truth, classes.argmax(-1)[..., None], 1, axis=-1)
    truth[..., :-1] *= known[..., None]
    truth[..., -1] = found[..., -1] * top * known
    return truth
