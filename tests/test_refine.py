"""Refinement: exact against enumeration and against the sum over all pairs; better than before on CT-like phantoms."""

from itertools import product

import numpy as np
import pytest

from radzoo.errors import BadInput
from radzoo.images.phantoms.solid import Grid, directions, field, lobulated
from radzoo.images.phantoms.texture import soft
from radzoo.refine import cut, graph_cut, largest, mean_field, refined

KINDS = ("largest", "crf", "graph_cut")
NUMBERS = {
    "smoothness": 2.0, "smoothness_mm": 1.0, "appearance": 6.0, "appearance_mm": 2.0, "appearance_sigma": 0.2,
}  # fmt: skip


def rng(seed=0):
    return np.random.default_rng(seed)


def energy(labels, chance, image, spacing_mm, smoothness, sigma) -> float:
    """E of the graph cut, written as in the paper."""
    total = -np.log(np.where(labels, chance, 1 - chance)).sum()
    for axis, step in enumerate(spacing_mm):
        apart = np.diff(labels.astype(int), axis=axis) != 0
        total += smoothness * (apart * np.exp(-(np.diff(image, axis=axis) ** 2) / 2 / sigma**2) / step).sum()
    return total


@pytest.mark.parametrize("seed", range(12))
def test_the_cut_is_the_best_of_all_labelings(seed):
    spacing, chance, image = rng(seed).uniform(0.5, 3, 3), rng(seed).uniform(0.02, 0.98, (2, 2, 2)), rng(seed + 1)
    image, smoothness = image.random((2, 2, 2)), (0.1, 0.5, 2.0)[seed % 3]
    found = cut(chance, image, spacing, smoothness=smoothness, sigma=0.3)
    rest = chance, image, spacing, smoothness, 0.3
    best = min(energy(np.reshape(each, (2, 2, 2)), *rest) for each in product((False, True), repeat=8))
    assert energy(found, *rest) == pytest.approx(best, abs=2e-3)  # 20 capacities, rounded to 1e-4


@pytest.mark.parametrize("few", [0.0, 0.1])
def test_settling_voxels_before_the_cut_changes_nothing(monkeypatch, few):
    _, image, probability, spacing = liver(3)
    monkeypatch.setattr(graph_cut, "FEW", 2.0)  # no sweep counts: every voxel is in the graph
    whole = cut(probability[..., 1], image, spacing)
    monkeypatch.setattr(graph_cut, "FEW", few)
    assert np.array_equal(cut(probability[..., 1], image, spacing), whole)
    assert 0 < whole.sum() < whole.size and not np.array_equal(whole, probability[..., 1] > 0.5)


def test_a_graph_that_fits_no_laptop_is_refused(monkeypatch):
    monkeypatch.setattr(graph_cut, "LARGEST", 99)
    with pytest.raises(BadInput, match="100 voxels"):
        cut(np.full((10, 10), 0.5), np.zeros((10, 10)), (1, 1))
    assert not cut(np.full((10, 10), 1e-6), np.zeros((10, 10)), (1, 1)).any()  # settled: no graph


def test_thick_slices_hold_together_less():
    """One doubtful voxel between two sure ones, -log odds 1: ties of 2 * smoothness / mm hold it up to 2 mm apart."""
    chance, image = np.array([0.999, 1 / (1 + np.e), 0.999])[:, None, None], np.zeros((3, 1, 1))
    for spacing, held in ((1.0, True), (1.9, True), (2.1, False), (5.0, False)):
        assert cut(chance, image, (spacing, 1, 1), smoothness=1.0)[1] == held


def every_pair(probability, image, spacing, iterations):
    """Mean field with a matrix of all pairs."""
    steps, rank = NUMBERS, len(spacing)
    places = np.indices(image.shape).reshape(rank, -1).T * spacing
    far = ((places[:, None] - places) ** 2).sum(-1)
    tone = (image.ravel()[:, None] - image.ravel()) ** 2

    def endless(sigma):  # sum of the kernel over a grid without end
        return np.prod([np.exp(-((np.arange(-300, 301) * step / sigma) ** 2) / 2).sum() for step in spacing])

    near = np.exp(-far / 2 / steps["smoothness_mm"] ** 2) / endless(steps["smoothness_mm"])
    alike = np.exp(-far / 2 / steps["appearance_mm"] ** 2 - tone / 2 / steps["appearance_sigma"] ** 2)
    kernel = steps["smoothness"] * near + steps["appearance"] * alike / endless(steps["appearance_mm"])
    np.fill_diagonal(kernel, 0)
    unary = -np.log(probability.reshape(len(places), -1))
    beliefs = np.exp(-unary)
    for _ in range(iterations):
        heard = kernel @ beliefs
        beliefs = np.exp(-unary - (heard.sum(1, keepdims=True) - heard))
        beliefs /= beliefs.sum(1, keepdims=True)
    return beliefs.reshape(probability.shape)


@pytest.mark.parametrize(
    ("shape", "spacing"), [((30, 31), (1.0, 0.7)), ((7, 12, 11), (5.0, 0.8, 0.7)), ((10, 10, 10), (1, 1, 1))]
)
def test_mean_field_equals_the_sum_over_all_pairs(shape, spacing):
    image, probability = rng().random(shape).astype("float32"), rng().dirichlet([1, 1, 1], shape)
    found = mean_field(probability, image, spacing, **NUMBERS, iterations=5)
    expected = every_pair(probability, image, spacing, 5)
    assert np.abs(expected - probability).mean() > 0.02
    np.testing.assert_allclose(found, expected, atol=5e-4)
    assert found.dtype == np.float32


def test_mean_field_of_one_intensity_and_of_no_weights():
    flat, probability = np.zeros((6, 7)), rng().dirichlet([1, 1], (6, 7))
    np.testing.assert_allclose(
        mean_field(probability, flat, (1, 1), **NUMBERS), every_pair(probability, flat, (1, 1), 5), atol=5e-4
    )
    alone = mean_field(probability, flat, (1, 1), smoothness=0, appearance=0)
    np.testing.assert_allclose(alone, probability, rtol=1e-5)


def test_largest_component_and_holes():
    labels = np.uint8([
        [1, 1, 1, 0, 2, 2],
        [1, 0, 1, 0, 0, 2],
        [1, 1, 1, 0, 1, 0],
        [0, 0, 0, 2, 0, 1],
    ])  # fmt: skip
    expected = np.uint8([
        [1, 1, 1, 0, 2, 2],
        [1, 1, 1, 0, 0, 2],
        [1, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ])  # fmt: skip
    before = labels.copy()
    assert np.array_equal(largest(labels), expected)
    assert np.array_equal(labels, before)
    assert largest(labels, holes=False)[1, 1] == 0
    ring = np.ones((5, 5, 5), "uint8")
    ring[2, 2, 1:4] = 0, 2, 0  # a lesion in its cavity keeps its label
    filled = largest(ring)
    assert filled[2, 2].tolist() == [[1] * 5, [1] * 5, [1, 1, 2, 1, 1], [1] * 5, [1] * 5][2]
    assert not largest(np.zeros((3, 3), "uint8")).any()


def liver(seed, wrong=1.0):
    """A lobulated organ among others of its density, noisy as CT; a network's map with gaps, islands, frayed edges."""
    draw, grid = rng(seed), Grid((20, 48, 48), (2.5, 1.5, 1.5))
    lobes, heights = directions(draw, 8), draw.uniform(-0.2, 0.2, 8)
    inside = lobulated(*grid.open, draw.uniform(-4, 4, 3), draw.uniform(16, 22), lobes, heights, 5.0)
    organ = 105 + 4 * field(draw, grid, 2.5, 14, 1.5)
    around = 55 + 25 * field(draw, grid, 8, 60, 1.5)
    values = around + (organ - around) * soft(inside, 1.5) + 12 * field(draw, grid, 0.0, 50, 0.8)
    score = np.clip(inside, -12, 12) / 3 + wrong * (
        1.6 * field(draw, grid, 5, 40, 1.0) + draw.normal(0, 0.7, grid.shape)
    )
    chance = 1 / (1 + np.exp(-score))
    image = np.clip((values + 100) / 500, 0, 1).astype("float32")
    return inside > 0, image, np.stack([1 - chance, chance], -1).astype("float32"), grid.step


def dice(found, truth) -> float:
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


@pytest.mark.parametrize("kind", KINDS)
def test_masks_of_livers_become_better(kind, printed):
    """Every one of three livers, with clearly and with slightly wrong maps."""
    gains = {"largest": (0.01, 0.001), "crf": (0.1, 0.05), "graph_cut": (0.08, 0.05)}
    for wrong, gain in zip((1.0, 0.4), gains[kind], strict=True):
        rows = []
        for seed in range(3):
            truth, image, probability, spacing = liver(seed, wrong)
            found = refined(kind, probability, image, spacing)
            assert found.dtype == np.uint8 and found.shape == truth.shape
            rows.append((dice(probability[..., 1] > 0.5, truth), dice(found == 1, truth)))
        before, after = np.transpose(rows)
        printed(f"Dice of livers, {kind}, wrong by {wrong}", f"{before.round(3)} {after.round(3)}")
        assert (after >= before).all() and (after - before).mean() > gain


@pytest.mark.parametrize("kind", KINDS)
def test_a_plane_and_three_classes(kind):
    """Two touching squares of different grey; a tenth of the pixels carry another class in the map."""
    truth = np.zeros((40, 40), "uint8")
    truth[8:30, 6:20], truth[8:30, 20:34] = 1, 2
    image = (0.3 * truth + rng().normal(0, 0.03, truth.shape))[..., None].astype("float32")
    seen = np.where(rng(1).random(truth.shape) < 0.1, rng(2).integers(0, 3, truth.shape), truth)
    probability = np.eye(3)[seen] * 0.7 + 0.1
    found = refined(kind, probability, image, (1.0, 1.0))
    for label in (1, 2):
        assert dice(found == label, truth == label) > dice(seen == label, truth == label)
    assert kind == "largest" or (found == truth).mean() > 0.99


def test_two_classes_claim_no_voxel_twice():
    probability = np.tile([0.2, 0.4, 0.4], (4, 4, 1))
    probability[:, 2:] = [0.1, 0.2, 0.7]
    found = refined("graph_cut", probability, np.zeros((4, 4)), (1, 1), smoothness=0.0)
    assert found.tolist() == [[0, 0, 2, 2]] * 4  # neither of two at .4 outweighs the rest


@pytest.mark.parametrize(
    ("kind", "changed", "says"),
    [
        ("crop", {}, "expected one of largest, crf, graph_cut"),
        ("crf", {"sigma": 1}, "crf has no sigma; it has smoothness"),
        ("crf", {"image": np.zeros((4, 5))}, "image"),
        ("crf", {"image": np.zeros((4, 4, 3))}, "one channel"),
        ("crf", {"spacing_mm": (1, 1, 1)}, "spacing"),
        ("graph_cut", {"spacing_mm": (1, 0)}, "spacing"),
        ("largest", {"probability": np.ones((4, 4, 1))}, "background"),
        ("graph_cut", {"image": np.full((4, 4), np.nan)}, "no numbers"),
        ("graph_cut", {"sigma": 0}, "sigma 0"),
        ("crf", {"iterations": 0}, "iterations"),
        ("crf", {"image": np.eye(4) * 1000}, "window the image"),
    ],
)
def test_what_does_not_fit_is_refused(kind, changed, says):
    given = {"probability": np.full((4, 4, 2), 0.5), "image": np.zeros((4, 4)), "spacing_mm": (1, 1)} | changed
    with pytest.raises(BadInput, match=says):
        refined(kind, **given)
