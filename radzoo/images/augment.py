"""Random changes of training images: functions of the array and a generator, for any input pipeline."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from radzoo.images.augment3d import augment_volume
from radzoo.images.elastic import displacement
from radzoo.images.geometry import warp

# One number each per image, uniform in -1..1. New ones go to the end: a seed keeps what it drew before.
DRAWS = (
    *("down", "right", "turn", "size", "gain", "offset", "mirror"),
    *("cut", "cut_top", "cut_left", "noise", "area", "aspect", "top", "left"),
)
ASPECT = 3.3  # of an erased rectangle: height over width between 1 / 3.3 and 3.3

SIDES = {
    *("laterality", "lateralisation", "lateralization", "side", "sided", "sidedness"),
    *("left", "right", "leftsided", "rightsided", "lt", "rt"),
    *("links", "linke", "linker", "linkes", "linksseitig", "rechts", "rechte", "rechter", "rechtes", "rechtsseitig"),
    *("seite", "seitenlokalisation", "gauche", "droite", "izquierda", "derecha"),
    *("situs", "dextrocardia", "dextrocardie", "dextrokardie", "dextroposition", "levocardia", "heterotaxy"),
}


def changed(image: np.ndarray, generator: np.random.Generator, *, planes: bool = False, **options) -> np.ndarray:
    """One image `(h, w, channels)` or volume `(z, y, x, channels)`, changed as `augment` or `augment_volume` do.

    Args:
        planes: `image` is no volume but planes `(n, h, w, channels)` of any directions, each changed in its own way.
    """
    return (augment if planes or image.ndim == 3 else augment_volume)(image, generator, **options)


def augment(
    images: np.ndarray,
    generator: np.random.Generator,
    *,
    shift: float = 0.0,
    rotate: float = 0.0,
    zoom: float = 0.0,
    crop: float = 0.0,
    elastic: float = 0.0,
    brightness: float = 0.0,
    contrast: float = 0.0,
    noise: float = 0.0,
    erase: float = 0.0,
    flip: bool = False,
) -> np.ndarray:
    """Moves images, changes their grey values, adds noise and hides a part, within limits that are all "at most".

    The moves are one map, so an image is resampled once: cut and enlarge, mirror, rotate and zoom about the centre,
    shift, bend. Whatever the options, the same numbers are drawn from `generator`, so that switching one on leaves
    what the others do as it was.

    Args:
        images: float32 in 0..1, one image `(h, w, channels)` or a batch `(n, h, w, channels)`, each changed in its own
            way.
        shift: part of the image's side, in both directions, vertically and horizontally each.
        rotate: degrees, in both directions.
        zoom: relative change of size, both ways; below 1.
        crop: part of each side that is cut away before the rest is enlarged, below 1; height and width lose the same
            part, because their ratio is anatomy, and the rest lies anywhere. What is cut away is not blackened: a
            shift may bring it back.
        elastic: smooth displacement, as a part of the side along each axis (`elastic.displacement`).
        brightness: additive, both ways; white is 1.
        contrast: relative change around the image's mean, both ways.
        noise: standard deviation of added Gaussian noise; white is 1.
        erase: area of a rectangle of uniform noise, as a part of the image's (random erasing: Zhong et al., AAAI 2020,
            https://arxiv.org/abs/1708.04896), cut to the image where its aspect does not fit.
        flip: mirror left and right in half of the cases.
    Returns:
        float32 of the same shape in 0..1; exactly the same images where nothing is asked for.
    """
    batch = images if images.ndim == 4 else images[None]
    draw = dict(zip(DRAWS, generator.uniform(-1, 1, (len(batch), len(DRAWS))).T, strict=True))
    grain, filling, bending = (np.random.default_rng(seed) for seed in generator.integers(2**63, size=3))
    mirrored = (draw["mirror"] > 0) & bool(flip)
    moved = mirrored | any((shift, rotate, zoom, crop, elastic))
    if not (moved.any() or brightness or contrast or noise or erase):
        return images
    if moved.any():
        bends = {i: displacement(batch.shape[1:3], elastic, bending) for i in range(len(batch))} if elastic else {}
        batch = _move(batch, moved, draw, mirrored, shift, rotate, zoom, crop, bends)
    if brightness or contrast:
        mean = batch.mean(axis=(1, 2, 3), keepdims=True)
        batch = (batch - mean) * _each(1 + draw["gain"] * contrast) + mean + _each(draw["offset"] * brightness)
    if noise:
        sd = _each(_unit(draw["noise"]) * noise)
        batch = batch + sd * grain.standard_normal(batch.shape, dtype="float32")
    if erase:
        hidden = _rectangles(batch.shape[1:3], draw, erase)
        batch = batch.copy()  # the caller's, where nothing else was asked for
        batch[hidden] = filling.random((np.count_nonzero(hidden), batch.shape[-1]), dtype="float32")
    return batch.clip(0, 1).reshape(images.shape)


def turns_on_laterality(names: Iterable[str]) -> bool:
    """Whether names of labels or classes speak of left and right, so that mirrored images would be labelled wrongly.

    Words count, not letters within them: "left_effusion", "LeftEffusion", "situs inversus" do, "upright" and
    "lateral view" do not. The letters L and R count as a whole name, or where both occur ("effusion_l", "effusion_r").
    """
    names = list(names)
    words = set().union(*map(name_words, names))
    return bool(words & SIDES or {"l", "r"} <= words or {"l", "r"} & {name.strip().lower() for name in names})


def name_words(name: str) -> set[str]:
    """The words of a name in small letters, split at what is no letter and inside `camelCase`."""
    spaced = re.sub(r"(?<=[a-zäöüß])(?=[A-ZÄÖÜ])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return {word.lower() for word in re.findall(r"[^\W\d_]+", spaced)}


def _move(batch, moved, draw, mirrored, shift, rotate, zoom, crop, bends) -> np.ndarray:
    """Each image of `moved` through its own map; the others as they are."""
    height, width = batch.shape[1:3]
    cut = _unit(draw["cut"]) * crop
    done = np.empty_like(batch, dtype="float32")
    done[~moved] = batch[~moved]
    for i in np.flatnonzero(moved):
        done[i] = warp(
            batch[i],
            shift=(draw["down"][i] * shift * height, draw["right"][i] * shift * width),
            rotate=draw["turn"][i] * rotate,
            zoom=1 + draw["size"][i] * zoom,
            flip=mirrored[i],
            crop=(
                _unit(draw["cut_top"][i]) * cut[i] * (height - 1),
                _unit(draw["cut_left"][i]) * cut[i] * (width - 1),
                1 - cut[i],
            ),
            bend=bends.get(i),
        )
    return done


def _rectangles(shape: tuple[int, int], draw, erase: float) -> np.ndarray:
    """bool `(n, h, w)`: one rectangle per image, of at most the part `erase` of its pixels."""
    height, width = shape
    area = _unit(draw["area"]) * erase * height * width
    aspect = ASPECT ** draw["aspect"]  # as often tall as wide
    tall = np.minimum(np.sqrt(area * aspect), height).astype(int)
    wide = np.minimum(np.sqrt(area / aspect), width).astype(int)
    top = (_unit(draw["top"]) * (height - tall + 1)).astype(int)
    left = (_unit(draw["left"]) * (width - wide + 1)).astype(int)
    rows = _between(np.arange(height), top, tall)
    columns = _between(np.arange(width), left, wide)
    return rows[:, :, None] & columns[:, None, :]


def _between(places, start, length) -> np.ndarray:
    return (places >= start[:, None]) & (places < (start + length)[:, None])


def _unit(number):
    """From -1..1 to 0..1."""
    return (number + 1) / 2


def _each(numbers) -> np.ndarray:
    """One number per image, to be spread over its pixels."""
    return numbers.astype("float32")[:, None, None, None]
