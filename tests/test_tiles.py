"""Sliding windows against a slow second implementation, a filter whose answer is known, and hand-worked cases."""

import tracemalloc
from itertools import product

import numpy as np
import pytest
from scipy import ndimage

from radzoo.errors import BadInput
from radzoo.tiles import slide


def noise(*shape):
    return np.random.default_rng(0).random(shape).astype("float32")


def network(out):
    """A network that sees where in its patch a pixel lies: two channels, one of them position-dependent."""
    ramp = np.random.default_rng(1).random(out).astype("float32")

    def predict(windows):
        cut = tuple(slice((p - o) // 2, (p - o) // 2 + o) for p, o in zip(windows.shape[1:-1], out, strict=True))
        middle = windows[(slice(None), *cut, slice(0, 1))]
        return np.concatenate([middle, middle * ramp[..., None]], axis=-1)

    return predict


def slow(predict, image, patch, out, overlap, blend):
    """One window after the other, in float64, on an image that is padded and divided as a whole."""
    spatial = image.shape[:-1]
    margin = [(p - o) // 2 for p, o in zip(patch, out, strict=True)]
    short = [max(o - n, 0) for o, n in zip(out, spatial, strict=True)]
    around = [(m + s // 2, m + s - s // 2) for m, s in zip(margin, short, strict=True)]
    padded = np.pad(image, [*around, (0, 0)], mode="reflect")
    whole = [n + s for n, s in zip(spatial, short, strict=True)]
    weight = np.ones(out)
    for axis, o in enumerate(out):
        if blend == "gaussian":
            each = np.exp(-(((np.arange(o) - (o - 1) / 2) / (o / 8)) ** 2) / 2)
            weight = weight * each.reshape([-1 if axis == other else 1 for other in range(len(out))])
    steps = [max(int(o * (1 - overlap)), 1) for o in out]
    starts = [sorted({*range(0, w - o, s), w - o}) for w, o, s in zip(whole, out, steps, strict=True)]
    total, sums = np.zeros((*whole, 2)), np.zeros((*whole, 1))
    for corner in product(*starts):
        window = padded[tuple(slice(c, c + p) for c, p in zip(corner, patch, strict=True))]
        there = tuple(slice(c, c + o) for c, o in zip(corner, out, strict=True))
        total[there] += predict(window[None])[0] * weight[..., None]
        sums[there] += weight[..., None]
    return (total / sums)[tuple(slice(s // 2, s // 2 + n) for s, n in zip(short, spatial, strict=True))]


@pytest.mark.parametrize("blend", ["gaussian", "constant"])
@pytest.mark.parametrize(
    ("shape", "patch", "out", "overlap"),
    [
        ((21, 30), (8, 8), (8, 8), 0.5),
        ((21, 30), (12, 16), (4, 6), 0.25),
        ((5, 40), (16, 16), (10, 16), 0.0),
        ((13, 9, 17), (8, 8, 8), (8, 8, 8), 0.5),
        ((13, 5, 17), (8, 10, 6), (4, 8, 6), 0.7),
    ],
)
def test_equals_the_slow_way(shape, patch, out, overlap, blend):
    image, predict = noise(*shape, 1), network(out)
    found = slide(predict, image, patch=patch, out=out, classes=2, overlap=overlap, blend=blend)
    assert found.shape == (*shape, 2) and found.dtype == np.float32
    np.testing.assert_allclose(found, slow(predict, image, patch, out, overlap, blend), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("flips", [(), (0, 2)])
def test_every_batch_is_full_and_its_size_changes_nothing(flips):
    image, found = noise(11, 20, 13, 2), {}
    for batch in (1, 3, 4, 100):
        sizes, predict = [], network((6, 8, 8))

        def counted(windows, sizes=sizes, predict=predict):
            sizes.append(len(windows))
            return predict(windows)

        found[batch] = slide(counted, image, patch=(6, 8, 8), classes=2, batch=batch, flips=flips)
        assert set(sizes) == {batch}
    assert all(np.array_equal(found[1], each) for each in found.values())


def test_a_network_that_answers_later_still_reads_its_own_windows():
    class Later:
        def __init__(self, windows):
            self.windows = windows

        def __array__(self, dtype=None, copy=None):
            return self.windows.copy()

    image = noise(30, 31, 1)
    found = slide(Later, image, patch=(8, 8), classes=1, batch=3, blend="constant")
    np.testing.assert_allclose(found, image, rtol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (7, 5), (16, 16), (17, 33), (3, 2, 1), (4, 9, 30)])
def test_any_size_comes_back_exactly(shape):
    patch, image = (16, 16, 16)[: len(shape)], noise(*shape, 3)
    found = slide(lambda windows: windows, image, patch=patch, classes=3, overlap=0, blend="constant")
    inside = tuple(slice(0, n - n % 16 if n >= 16 else n) for n in shape)  # the last window lies over the one before
    assert np.array_equal(found[inside], image[inside])
    np.testing.assert_allclose(found, image, rtol=2e-7)


@pytest.mark.parametrize("shape", [(40, 37), (3, 50), (1, 2), (9, 14, 11)])
def test_valid_convolutions_see_mirrored_borders(shape):
    """A 7-pixel mean of a patch without padding is the filter of the whole image, mirrored: no seams, no borders."""
    rank, image = len(shape), noise(*shape, 1)

    def mean(windows):
        return np.stack([ndimage.uniform_filter(each, (7,) * rank + (1,)) for each in windows])[
            (slice(None), *(slice(3, -3),) * rank)
        ]

    found = slide(mean, image, patch=(14,) * rank, out=(8,) * rank, classes=1)
    expected = ndimage.uniform_filter(image, (7,) * rank + (1,), mode="mirror")
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_network_for_images_walks_through_a_volume():
    volume, seen = noise(5, 20, 24, 1), []

    def predict(windows):
        seen.append(windows.shape)
        return network((8, 8))(windows)

    found = slide(predict, volume, patch=(1, 8, 8), classes=2)
    assert set(seen) == {(4, 8, 8, 1)}
    planes = [slide(network((8, 8)), plane, patch=(8, 8), classes=2) for plane in volume]
    assert np.array_equal(found, planes)


def test_flips_are_mirrored_in_and_out():
    """Running sums along x of 1, 2, 4: from the left 1, 3, 7, from the right 7, 6, 4; along y nothing changes."""
    image = np.tile(np.float32([1, 2, 4]), (3, 1))[..., None]

    def running(windows):
        return windows.cumsum(axis=2)

    once = slide(running, image, patch=(3, 3), classes=1, flips=(1,))
    np.testing.assert_allclose(once[..., 0], np.tile([4, 4.5, 5.5], (3, 1)), rtol=1e-6)
    both = slide(running, image, patch=(3, 3), classes=1, flips=(0, 1))
    np.testing.assert_allclose(both, once, rtol=1e-6)
    alone = slide(running, image[None], patch=(1, 3, 3), classes=1, flips=(2,))
    np.testing.assert_array_equal(alone[0], once)


def test_results_of_other_kinds(tmp_path):
    image, ask = noise(12, 20, 20, 1), {"patch": (8, 8, 8), "classes": 2}

    def predict(windows):
        return np.concatenate([windows, 1 - windows], axis=-1).astype("float64")

    full = slide(predict, image, **ask)
    labels = slide(predict, image, **ask, reduce="labels")
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, image[..., 0] < 0.5)
    half = np.lib.format.open_memmap(tmp_path / "p.npy", "w+", "float16", full.shape)
    assert slide(predict, image, **ask, reduce="float16", into=half) is half
    assert np.array_equal(half, full.astype("float16"))


def test_memory_is_as_deep_as_a_patch():
    image = np.zeros((400, 32, 32, 1), "int16")
    answer = np.full((1, 16, 16, 16, 8), 0.125, "float32")
    tracemalloc.start()
    slide(lambda windows: answer, image, patch=(16, 16, 16), classes=8, batch=1, reduce="labels")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3e6, peak  # all probabilities would be 13 MB


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"image": np.zeros((8, 8))}, "expected"),
        ({"image": np.zeros((0, 8, 1))}, "expected"),
        ({"patch": (4, 4, 4)}, "expected"),
        ({"out": (3, 4)}, "middle"),
        ({"out": (6, 6)}, "middle"),
        ({"overlap": 1}, "overlap"),
        ({"batch": 0}, "batch"),
        ({"blend": "mean"}, "blend"),
        ({"flips": (2,)}, "flips"),
        ({"flips": (0, 0)}, "flips"),
        ({"reduce": "mask"}, "reduce"),
        ({"classes": 300, "reduce": "labels"}, "uint8"),
        ({"into": np.zeros((8, 8, 1))}, "into is"),
        ({"classes": 3}, "the network gave"),
        ({"predict": lambda windows: windows * np.nan}, "no numbers"),
    ],
)
def test_what_does_not_fit_is_refused(changed, says):
    given = {"predict": lambda windows: windows, "image": np.ones((8, 8, 1)), "patch": (4, 4), "classes": 1} | changed
    with pytest.raises(BadInput, match=says):
        slide(**given)
