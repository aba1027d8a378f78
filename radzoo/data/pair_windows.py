"""Windows of images with their targets, as a restoration learns them."""

from __future__ import annotations

import numpy as np

from radzoo.data.pairs import Pairs
from radzoo.data.patches import Window, cut, served
from radzoo.data.store import WHITE


class PairWindows:
    """Windows of the pairs of one part of a split.

    Nothing is interpolated: what a network should tell from noise would be smoothed with it.

    Args:
        count: windows of each pair in an epoch.
        turns: mirror and turn each by quarters within the plane, at random.
    """

    def __init__(self, pairs: Pairs, keys, window: Window, *, count: int, turns: bool):
        self.pairs, self.keys, self.window, self.count, self.turns = pairs, list(keys), window, count, turns

    def steps(self, batch: int) -> int:
        return -(-len(self.keys) * self.count // batch)

    def batches(self, *, batch: int, seed: int, epoch: int = 0):
        """One epoch, a pure function of `(seed, epoch, pair)`; every batch is full.

        Returns:
            `tf.data.Dataset` of float32 images `(batch, *patch, channels)`, normalised for the network, and targets
            `(batch, *out, 1)`, white is 1.
        """
        order = np.random.default_rng((seed, epoch)).permutation(len(self.keys) * self.count)
        order = np.resize(order, (self.steps(batch), batch))
        first = 1 if self.window.flat else 0
        shapes = (*self.window.patch[first:], self.pairs.spec.shape[-1]), (*self.window.out[first:], 1)
        return served(order, lambda number: self.one(number, seed, epoch), shapes)

    def one(self, number: int, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Window `number` of an epoch: the image, and the target of its middle."""
        key, turn = self.keys[number // self.count], number % self.count
        generator = np.random.default_rng((seed, epoch, int(key[:16], 16), turn))
        image, target, window = self.pairs.image(key), self.pairs.target(key), self.window
        room = [max(side - each, 0) for side, each in zip(image.shape, window.out, strict=False)]
        start = [int(generator.integers(each + 1)) for each in room]
        short = zip(start, image.shape, window.out, strict=False)
        start = [s if side >= out else (side - out) // 2 for s, side, out in short]
        seen = cut(image, [a - b for a, b in zip(start, window.margin, strict=True)], window.patch)
        wanted = cut(target, start, window.out)
        if self.turns:
            eighth = int(generator.integers(8))
            seen, wanted = turned(seen, eighth), turned(wanted, eighth)
        if window.flat:
            seen, wanted = seen[0], wanted[0]
        return self.pairs.spec.normalise(seen / np.float32(WHITE)), wanted / np.float32(WHITE)


def turned(image: np.ndarray, eighth: int) -> np.ndarray:
    """One of the eight ways to lay a plane `(..., y, x, channels)` down: four turns, each also mirrored."""
    image = np.rot90(image, eighth % 4, axes=(-3, -2))
    return image[..., ::-1, :] if eighth >= 4 else image
