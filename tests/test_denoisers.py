"""Classical denoisers: their strength is chosen on validation images, and they help."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from radzoo.baselines.denoisers import FACTORS, denoise, fit, installed, noise_of
from radzoo.errors import BadInput


def pairs(count=2, noise=0.05, shape=(3, 64, 64)):
    """Discs of different grey on grey, and the same with noise."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        wanted = np.full(shape, 0.4)
        for y, x, radius, grey in zip(
            *rng.uniform(8, 56, (2, 6)), rng.uniform(4, 12, 6), rng.uniform(0, 1, 6), strict=True
        ):
            wanted[:, np.hypot(*(np.mgrid[:64, :64] - np.array([y, x])[:, None, None])) < radius] = grey
        wanted = ndimage.gaussian_filter(wanted, (0, 0.7, 0.7))
        yield wanted + rng.normal(0, noise, shape), wanted


def rmse(one, other):
    return np.sqrt(((one - other) ** 2).mean())


@pytest.mark.parametrize("name", ["nlm", "tv"])
def test_they_help_on_images_they_were_not_chosen_on(name):
    chosen = fit(name, pairs(), seed=0)
    *_, (noisy, wanted) = pairs(5)
    assert rmse(denoise(name, chosen.strength, noisy), wanted) < 0.6 * rmse(noisy, wanted)
    assert chosen.noise == pytest.approx(0.05, rel=0.1) and chosen.planes == 6 and chosen.name == name
    strengths = [strength for strength, _ in chosen.tried]
    best = min(chosen.tried, key=lambda each: each[1])[0]
    assert best == chosen.strength and strengths == sorted(strengths) and len(strengths) >= len(FACTORS)
    assert strengths[0] < chosen.strength < strengths[-1], "the grid goes on beyond an end that is best"
    assert chosen == fit(name, pairs(), seed=0)


def test_plane_by_plane():
    noisy, _ = next(pairs(1))
    for name in ("nlm", "tv"):
        whole = denoise(name, 0.05, noisy)
        assert whole.dtype == np.float32 and whole.shape == noisy.shape
        np.testing.assert_array_equal(whole[1], denoise(name, 0.05, noisy[1]))
        beyond = denoise(name, 0.05, noisy + 0.9)  # values above 1 are not cut
        np.testing.assert_allclose(beyond - 0.9, whole, atol=2e-3)


def test_the_choice_looks_at_eight_planes_of_all(monkeypatch):
    """Of 40 planes in 10 volumes, drawn from early and late ones by the seed, and never held all at once."""
    monkeypatch.setattr("radzoo.baselines.denoisers.FACTORS", (1.0,))
    looked = []
    monkeypatch.setattr("radzoo.baselines.denoisers.denoise", lambda _, strength, plane: looked.append(plane) or plane)
    volumes = [np.eye(16) * np.arange(4 * i, 4 * i + 4)[:, None, None] + np.eye(16)[::-1] for i in range(10)]
    drawn = []
    for seed in (0, 0, 1):
        looked.clear()
        assert fit("tv", ((volume, volume) for volume in volumes), seed=seed).planes == 8
        drawn.append(sorted({float(plane[0, 0]) for plane in looked}))
    assert drawn[0] == drawn[1] != drawn[2] and all(len(each) == 8 for each in drawn)
    assert max(drawn[0]) > 20 and min(drawn[0]) < 20


def test_noise_of_white_noise_in_a_cut_image():
    """The half that was cut to 0 has no noise, and does not count."""
    plane = 0.5 + np.random.default_rng(0).normal(0, 0.03, (200, 200))
    plane[:, 100:] = 0
    assert noise_of(plane) == pytest.approx(0.03, rel=0.05) and noise_of(np.zeros((8, 8))) == 0


def test_planes_without_noise_do_not_hide_that_of_others():
    """Padding at both ends of a volume, more than half of its planes."""
    noisy, wanted = next(pairs(1))
    padded = [np.pad(each, ((2, 2), (0, 0), (0, 0))) for each in (noisy, wanted)]
    assert fit("tv", [padded], seed=0).noise == pytest.approx(0.05, rel=0.1)


def test_bm3d_is_left_out_where_it_is_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", None)
    monkeypatch.setattr("radzoo.baselines.denoisers.find_spec", lambda name: None)
    assert not installed("bm3d") and installed("nlm")
    with pytest.raises(BadInput, match="pip install bm3d"):
        fit("bm3d", pairs(), seed=0)


def test_bm3d_is_used_where_it_is(monkeypatch):
    """A stand-in for the package, which is not for everybody: it is told the noise, and sees one plane at a time."""
    fake = SimpleNamespace(bm3d=lambda plane, sigma_psd: ndimage.gaussian_filter(plane, 20 * sigma_psd))
    monkeypatch.setitem(sys.modules, "bm3d", fake)
    monkeypatch.setattr("radzoo.baselines.denoisers.find_spec", lambda name: name == "bm3d" or None)
    noisy, wanted = next(pairs(1))
    chosen = fit("bm3d", pairs(), seed=0)
    assert rmse(denoise("bm3d", chosen.strength, noisy), wanted) < rmse(noisy, wanted)


@pytest.mark.parametrize(
    "given, message",
    [
        ([], "no validation images"),
        ([(np.eye(9), np.eye(8))], r"\(9, 9\) and \(8, 8\) came"),
        ([(np.zeros((16, 16)), np.eye(16))], "no noise"),
        ([(np.full((16, 16), np.nan), np.eye(16))], "expected finite values"),
    ],
)
def test_what_is_refused(given, message):
    with pytest.raises(BadInput, match=message):
        fit("tv", given, seed=0)


def test_an_unknown_denoiser():
    with pytest.raises(BadInput, match="no denoiser 'nml', did you mean nlm"):
        denoise("nml", 0.1, np.eye(16))
