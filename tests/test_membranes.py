"""Membranes and objects: Rand scores, warping error and matches worked by hand and against other libraries."""

from itertools import combinations

import numpy as np
import pytest
from scipy import ndimage
from skimage.metrics import adapted_rand_error
from sklearn.metrics import rand_score

from radzoo import masks
from radzoo.errors import BadInput
from radzoo.metrics import evaluate_instances, instances_of, membrane_scores
from radzoo.metrics.instances import matched
from radzoo.metrics.membranes import SIMPLE, rand_error, rand_scores, thinned, warping_error


def cells(*rows):
    """A map from drawn rows: `#` is membrane, `.` the inside of a cell."""
    return np.array([[mark == "." for mark in row] for row in rows])


def voronoi(seed, width=1, shape=(60, 70), count=12):
    """Cells around random points with walls of a width."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 1, (count, 2)) * shape
    y, x = np.mgrid[: shape[0], : shape[1]]
    nearest = np.argmin((y[..., None] - points[:, 0]) ** 2 + (x[..., None] - points[:, 1]) ** 2, -1)
    wall = ndimage.maximum_filter(nearest, 3) != ndimage.minimum_filter(nearest, 3)
    return ~(ndimage.binary_dilation(wall, iterations=width - 1) if width > 1 else wall)


def test_rand_scores_by_hand():
    """Six pixels in cells of 4 and 2: a prediction that splits the 4 into 2 and 2, and one that merges all."""
    truth = np.array([[1, 1, 1, 1, 0, 2, 2]])
    split = np.array([[1, 1, 2, 2, 9, 3, 3]])
    assert rand_scores(truth, split) == pytest.approx((2 * 12 / (12 + 20), 12 / 20, 1))
    merged = np.ones_like(truth)
    assert rand_scores(truth, merged) == pytest.approx((2 * 20 / (36 + 20), 1, 20 / 36))
    assert rand_scores(truth, truth * 5) == (1, 1, 1)


def test_rand_scores_are_those_of_scikit_image():
    """It counts pairs of different pixels, we shares of pixels as the challenge: equal up to one pixel per segment."""
    truth, predicted = masks.components(voronoi(0)), thinned(masks.components(voronoi(1, count=9)))
    error, precision, recall = adapted_rand_error(truth, predicted, ignore_labels=(0,))
    ours, split, merge = rand_scores(truth, predicted)
    assert sorted([split, merge]) == pytest.approx(sorted([precision, recall]), abs=3e-3)
    assert ours == pytest.approx(1 - error, abs=3e-3) and 0.3 < ours < 0.9


def test_rand_error_is_that_of_scikit_learn_and_of_all_pairs():
    truth, predicted = masks.components(voronoi(0)), masks.components(voronoi(1))
    assert rand_error(truth, predicted) == pytest.approx(1 - rand_score(truth.ravel(), predicted.ravel()))
    a, b = truth[:6, :7].ravel(), predicted[:6, :7].ravel()
    pairs = [(a[i] == a[j]) != (b[i] == b[j]) for i, j in combinations(range(42), 2)]
    assert rand_error(a, b) == pytest.approx(np.mean(pairs)) and any(pairs)


def test_thick_borders_cost_nothing():
    thin, thick = voronoi(0, 1), voronoi(0, 3)
    scores = membrane_scores(thin, thick)
    assert scores["rand"] > 0.99 and scores["pixel_error"] > 0.1 and scores["rand_error"] > 0.02
    assert (thinned(masks.components(thick)) > 0).all()
    best = {"rand": 1, "rand_split": 1, "rand_merge": 1, "rand_error": 0, "warping_error": 0, "pixel_error": 0}
    assert membrane_scores(thin, thin) == best


def test_what_is_called_without_a_cell():
    truth = voronoi(0)
    nothing = membrane_scores(truth, np.zeros_like(truth))
    everything = membrane_scores(truth, np.ones_like(truth))
    assert nothing["rand"] == everything["rand"] < 0.5 and nothing["rand_split"] == 1
    with pytest.raises(BadInput, match="membranes everywhere came as truth"):
        membrane_scores(np.zeros_like(truth), truth)
    with pytest.raises(BadInput, match="expected two equal"):
        membrane_scores(truth, truth[1:])


def test_simple_pixels_keep_components_and_holes():
    """All 256 neighbourhoods: simple is the same as leaving the number of cells and of walls in the patch unchanged.

    A pixel whose neighbourhood is one part of either kind changes neither number when it is flipped; where it joins or
    parts something within the neighbourhood, one of both numbers changes.
    """
    corners = np.ones((3, 3))
    for code, simple in enumerate(SIMPLE):
        patch = np.zeros((3, 3), bool)
        for bit, place in enumerate([(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]):
            patch[place] = code >> bit & 1
        counts = []
        for middle in (False, True):
            patch[1, 1] = middle
            counts.append((ndimage.label(patch)[1], ndimage.label(~patch, corners)[1]))
        assert simple == (counts[0] == counts[1]), code


def test_warping_error_by_hand():
    whole = cells("#########", "#...#...#", "#...#...#", "#...#...#", "#########")
    shifted = cells("#########", "#..#....#", "#..#....#", "#..#....#", "#########")
    gap = cells("#########", "#...#...#", "#.......#", "#...#...#", "#########")
    wall = cells("#########", "#.#.#...#", "#.#.#...#", "#.#.#...#", "#########")
    speck = cells("#########", "#...#...#", "#.#.#...#", "#...#...#", "#########")
    assert warping_error(whole, shifted) == 0 and (whole != shifted).sum() == 6
    for wrong, back in ((gap, 1), (wall, 3), (speck, 1)):  # one pixel is enough to join, to part, to make a hole
        assert warping_error(whole, wrong) == pytest.approx(1 / 45)
        assert warping_error(wrong, whole) == pytest.approx(back / 45)  # no pixel of a needless wall may go
    assert warping_error(whole, np.ones_like(whole)) > 0


def test_the_bent_truth_keeps_its_connections():
    """A real deformation costs nothing although many pixels differ; a missing wall costs, less than its pixels."""
    one = voronoi(0, 2)
    moved = np.roll(one, 1, 1)
    moved[:, 0] = one[:, 0]
    assert warping_error(one, moved) < 0.1 * (one != moved).mean()
    holes = one | (np.random.default_rng(0).random(one.shape) < 0.05)
    assert 0 < warping_error(one, holes) < (one != holes).mean()


def test_matched_by_hand():
    """Objects of 4, 4 and 1 pixels: IoUs 3/5 and 4/4, the small one lost, one invented."""
    truth = np.array([[1, 1, 1, 1, 0, 2, 2, 2, 2, 0, 3, 0, 0]])
    predicted = np.array([[0, 9, 9, 9, 9, 5, 5, 5, 5, 0, 0, 0, 4]])
    iou, true, called = matched(truth, predicted)
    assert sorted(iou) == [0.6, 1.0] and (true, called) == (3, 3)
    told = evaluate_instances([(truth, predicted)], ["p"], bootstrap=0)
    assert told["f1"]["value"] == pytest.approx(2 * 2 / 6)
    # above .5 and .55 two of four kinds of objects are right, from .6 to .95 one of five
    assert told["ap"]["value"] == pytest.approx((2 * 2 / 4 + 8 * 1 / 5) / 10)
    assert (told["truth"], told["predicted"], told["matched"], told["claim"]) == (3, 3, 2, False)
    half = matched(np.array([[1, 1, 0]]), np.array([[1, 0, 0]]))[0]
    assert not len(half)  # an IoU of one half could belong to two objects
    with pytest.raises(BadInput, match="expected one shape"):
        matched(truth, predicted.T)


def test_instances_over_images():
    truth = masks.components(voronoi(0))
    pairs = [(truth, np.where(truth <= i, 0, truth)) for i in range(6)] + [(truth * 0, truth * 0)]
    n = truth.max()
    told = evaluate_instances(pairs, list("aabbccd"), bootstrap=300)
    assert told["f1"]["value"] == pytest.approx(2 * (6 * n - 15) / (12 * n - 15))
    assert told["ap"]["value"] == pytest.approx(np.mean([(n - i) / n for i in range(6)]))
    assert told["f1"]["low"] < told["f1"]["value"] < told["f1"]["high"] and told["patients"] == 4
    with pytest.raises(BadInput, match="0 images and 0 patients"):
        evaluate_instances([], [])


def test_instances_of_a_probability():
    y, x = np.mgrid[:40, :60]
    disks = [(20, 15), (20, 29), (20, 50)]  # the first two touch
    away = np.min([np.hypot(y - a, x - b) for a, b in disks], 0)
    p = 1 / (1 + np.exp(away - 8))
    p[0, 0] = 0.9
    whole, cut = instances_of(p), instances_of(p, waist=1, smallest=5)
    assert whole.max() == 3 and whole[20, 15] == whole[20, 29]
    assert cut.max() == 3 and len({cut[place] for place in disks}) == 3 and cut[0, 0] == 0
    assert ((cut > 0) == ((p >= 0.5) & (away < 20))).all()
    assert instances_of(p, smallest=5).max() == 2 and instances_of(p, threshold=0.99).max() == 3
    assert not instances_of(p * 0).any() and not instances_of(p * 0, waist=1).any()
    plate = instances_of(np.stack([p * 0, p, p * 0]), waist=1)  # everywhere one voxel deep: nothing to cut by
    assert plate.max() == 3 and plate.shape == (3, 40, 60)
    volume = instances_of(np.stack([p * 0, *[p] * 25, p * 0]), waist=1)
    assert volume.max() == 4 and volume[13, 0, 0] > 0


@pytest.mark.slow
def test_real_membranes(real_data, printed):
    """A real section against itself with noise, thick walls and gaps: seconds for 512 x 512, in the right order."""
    import imageio.v3

    path = sorted((real_data / "em_membranes" / "masks").iterdir())[0]
    truth = imageio.v3.imread(path) > 127
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=truth.shape), 2)
    gaps = truth | (noise > np.quantile(noise, 0.9))
    thick = ndimage.binary_erosion(truth, iterations=2)
    scores = {name: membrane_scores(truth, each) for name, each in {"thick": thick, "gaps": gaps}.items()}
    printed("real membranes", str(scores))
    assert scores["thick"]["rand"] > 0.9 > scores["gaps"]["rand"]
    assert scores["thick"]["warping_error"] < scores["gaps"]["warping_error"] < scores["gaps"]["pixel_error"]
