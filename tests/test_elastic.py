"""Elastic augmentation: how far things move, how smoothly, and what stays as it was."""

import numpy as np
import pytest

from radzoo.images import augment as flat
from radzoo.images import augment3d as deep
from radzoo.images.augment import changed
from radzoo.images.elastic import displacement
from radzoo.images.geometry import warp

SIZES = [(40, 31, 1), (17, 20, 23, 2)]


def rng(seed=0):
    return np.random.default_rng(seed)


def noise(shape):
    return rng(1).random(shape).astype("float32")


class Constant:
    """A generator that draws one number for all control points."""

    def __init__(self, number):
        self.number = number

    def uniform(self, low, high, shape):
        assert (low, high) == (-1, 1)
        return np.full(shape, self.number)


@pytest.mark.parametrize("size", [(1, 7), (64, 50), (9, 30, 33)])
def test_the_limit_is_reached_and_never_passed(size):
    sides = np.reshape(size, (-1, *(1,) * len(size)))
    for sign in (-1, 0, 1):
        found = displacement(size, 0.1, Constant(sign))
        assert found.shape == (len(size), *size)
        np.testing.assert_allclose(found, np.broadcast_to(sign * 0.1 * sides, found.shape), rtol=1e-12)
    for seed in range(20):
        found = displacement(size, 0.1, rng(seed))
        assert (np.abs(found) <= 0.1 * sides).all() and np.abs(found / sides).max() > 0.02
        for axis, count in enumerate(size):
            step = np.diff(found[axis], axis=axis)  # neighbours: one pixel apart before, never past each other after
            assert count == 1 or (step > -1).all()


def test_a_spline_by_hand():
    """One control point, in the middle, counts 4/6 at its place, 1/6 at its neighbours, 0 from two spans on."""

    class Middle:
        def uniform(self, low, high, shape):
            points = np.zeros(shape)
            points[0, 3, 3] = 1
            return points

    found = displacement((9, 9), 1 / 9, Middle())
    np.testing.assert_allclose(found[1], 0)
    line = np.array([0, 1 / 48, 1 / 6, 23 / 48, 2 / 3, 23 / 48, 1 / 6, 1 / 48, 0])  # two pixels are one span
    np.testing.assert_allclose(found[0], np.outer(line, line), atol=1e-12)


@pytest.mark.parametrize("shape", SIZES)
def test_no_displacement_is_the_same_image(shape, monkeypatch):
    image = noise(shape)
    for module in (flat, deep):
        monkeypatch.setattr(module, "displacement", lambda size, *_: np.zeros((len(size), *size)))
    np.testing.assert_array_equal(changed(image, rng(), elastic=0.2), image)
    np.testing.assert_array_equal(changed(image, rng(), elastic=0), image)


@pytest.mark.parametrize("shape", [(60, 50, 1), (24, 28, 32, 1)])
def test_what_is_read_where(shape):
    """A ramp along each axis tells from which place each pixel came; black comes in from outside."""
    size = shape[:-1]
    seeds = rng(5), rng(5)
    seeds[0].uniform(-1, 1, 15 if len(size) == 2 else 20)
    bend = displacement(size, 0.08, rng(seeds[0].integers(2**63, size=3)[2]))
    places = np.indices(size) + bend
    inside = np.all([(place >= 0) & (place <= n - 1) for place, n in zip(places, size, strict=True)], axis=0)
    assert 0.5 < inside.mean() < 1
    for axis, count in enumerate(size):
        ramp = ((1 + np.indices(size)[axis]) / (1 + count)).astype("float32")[..., None]
        found = changed(ramp, rng(5), elastic=0.08)[..., 0]
        step = 1 / (1 + count)
        np.testing.assert_allclose(found[inside], ((1 + places[axis]) * step)[inside], atol=step / 30)
    beyond = np.any([(place <= -1) | (place >= n) for place, n in zip(places, size, strict=True)], axis=0)
    assert beyond.any() and not found[beyond].any()


def test_bending_comes_with_the_other_moves_in_one_resampling():
    """A fine chequerboard that is moved by whole pixels stays sharp: two resamplings by halves would blur it."""
    fine = np.indices((40, 40)).sum(0)[..., None].astype("float32") % 2
    bend = np.full((2, 40, 40), 0.5)
    np.testing.assert_allclose(warp(fine, shift=(0.5, 0.5), bend=bend), fine, atol=1e-6)
    np.testing.assert_allclose(warp(fine, shift=(3, 0), bend=bend * [[[4]], [[0]]])[1:], fine[:-1], atol=1e-6)
    turned = warp(fine, rotate=90, zoom=1.5, bend=np.zeros((2, 40, 40)))
    np.testing.assert_allclose(turned, warp(fine, rotate=90, zoom=1.5), atol=0.05)


@pytest.mark.parametrize("shape", SIZES)
def test_the_same_numbers_and_those_of_the_others(shape):
    image = np.full(shape, 0.5, "float32")
    one, two = (changed(noise(shape), rng(3), elastic=0.1, rotate=10, erase=0.2) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - changed(noise(shape), rng(4), elastic=0.1, rotate=10, erase=0.2)).max() > 0.1
    bent = changed(image, rng(3), elastic=0.1)
    both, alone = changed(image, rng(3), elastic=0.1, noise=0.02), changed(image, rng(3), noise=0.02)
    far = bent > 0.2  # from the black outside, where noise is clipped
    np.testing.assert_allclose((both - bent)[far], (alone - image)[far], atol=1e-6)
    moved, again = (changed(noise(shape), rng(3), shift=0.1, elastic=each) for each in (0, 1e-9))
    np.testing.assert_allclose(moved, again, atol=0.05)


def test_each_image_of_a_batch_bends_in_its_own_way():
    batch = np.stack([noise((30, 30, 1))] * 3)
    found = flat.augment(batch, rng(), elastic=0.1)
    assert min(np.abs(found[a] - found[b]).max() for a, b in ((0, 1), (0, 2), (1, 2))) > 0.1
