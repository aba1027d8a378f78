"""Augmentation: limits, independence of the options, and the same numbers for the same seed."""

import numpy as np
import pytest

from radzoo.images.augment import augment
from radzoo.images.geometry import warp
from radzoo.recipe import Augment

IMAGE = np.random.default_rng(5).random((24, 20, 1), dtype="float32") * 0.5 + 0.25
OPTIONS = {"shift": 0.1, "rotate": 10, "zoom": 0.2, "brightness": 0.1, "contrast": 0.3, "flip": True}


def drawn(seed):
    return dict(zip(
        ("down", "right", "turn", "size", "gain", "offset", "mirror"), np.random.default_rng(seed).uniform(-1, 1, 7),
        strict=True,
    ))  # fmt: skip


def test_nothing_asked_for_changes_nothing():
    np.testing.assert_array_equal(augment(IMAGE, np.random.default_rng(0)), IMAGE)
    np.testing.assert_array_equal(augment(IMAGE, np.random.default_rng(0), **vars(Augment())), IMAGE)


@pytest.mark.parametrize("seed", range(4))
def test_each_option_does_what_its_numbers_say(seed):
    draw = drawn(seed)

    def only(**option):
        return augment(IMAGE, np.random.default_rng(seed), **option)

    shift = (0.1 * draw["down"] * 24, 0.1 * draw["right"] * 20)
    np.testing.assert_allclose(only(shift=0.1), warp(IMAGE, shift=shift), atol=1e-6)
    np.testing.assert_allclose(only(rotate=10), warp(IMAGE, rotate=10 * draw["turn"]), atol=1e-6)
    np.testing.assert_allclose(only(zoom=0.2), warp(IMAGE, zoom=1 + 0.2 * draw["size"]), atol=1e-6)
    np.testing.assert_allclose(only(flip=True), IMAGE[:, ::-1] if draw["mirror"] > 0 else IMAGE, atol=1e-6)
    np.testing.assert_allclose(only(brightness=0.1), IMAGE + 0.1 * draw["offset"], atol=1e-6)
    contrast = (IMAGE - IMAGE.mean()) * (1 + 0.3 * draw["gain"]) + IMAGE.mean()
    np.testing.assert_allclose(only(contrast=0.3), contrast, atol=1e-6)


def test_switching_one_option_leaves_the_draws_of_the_next_image():
    for off in OPTIONS:
        generators = np.random.default_rng(3), np.random.default_rng(3)
        augment(IMAGE, generators[0], **OPTIONS)
        augment(IMAGE, generators[1], **{**OPTIONS, off: 0})
        assert generators[0].bit_generator.state == generators[1].bit_generator.state


def test_same_seed_same_image_in_range_and_the_source_untouched():
    before = IMAGE.copy()
    strong = {**OPTIONS, "brightness": 0.9, "contrast": 0.9}
    for channels in (1, 3, 6):
        image = np.repeat(IMAGE, channels, axis=-1)
        for seed in range(20):
            first = augment(image, np.random.default_rng(seed), **strong)
            again = augment(image, np.random.default_rng(seed), **strong)
            np.testing.assert_array_equal(first, again)
            assert first.shape == image.shape and first.dtype == np.float32
            assert first.min() >= 0 and first.max() <= 1
    np.testing.assert_array_equal(IMAGE, before)


def test_flips_come_in_half_of_the_cases():
    generator = np.random.default_rng(0)
    flips = sum(not np.array_equal(augment(IMAGE, generator, flip=True), IMAGE) for _ in range(400))
    assert 170 < flips < 230
