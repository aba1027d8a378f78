"""Restored images: worked by hand, against second implementations; tables, intervals and comparisons."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.stats import ttest_1samp

from radzoo.errors import BadInput
from radzoo.metrics import (
    WINDOWS,
    Window,
    body_mask,
    compare_restoration,
    edge_ratio,
    evaluate_restoration,
    measure_restored,
    restoration_summary,
    tissue_bias,
)
from radzoo.metrics.restored import MEASURES, psnr, regressed_snr, ssim

NAMED = {"case": "a", "patient": "p", "way": "nlm"}
SOFT = (Window("soft tissue", -160, 240),)


def pair(seed=0, shape=(40, 48), noise=20.0):
    """A smooth image of 50 HU give or take 100, and the same with noise."""
    rng = np.random.default_rng(seed)
    wanted = 50 + 2000 * ndimage.gaussian_filter(rng.normal(size=shape), (*(0,) * (len(shape) - 2), 6, 6))
    return wanted + rng.normal(0, noise, shape), wanted


def test_psnr_and_rmse_by_hand():
    """Of 16 x 16 pixels one is 40 HU off in the window, one 1000 HU off of which 240 are seen, one beside the window.

    Cut to -160..240 the squares add up to 40^2 + 240^2, of 256 pixels and a range of 400. Uncut, of the 255 pixels
    whose wanted value lies in the window, they add up to 40^2 + 1000^2.
    """
    wanted = np.zeros((16, 16))
    wanted[0, 0] = -1000
    restored = wanted.copy()
    restored[5, 5], restored[6, 6], restored[0, 0] = 40, 1000, -700
    body = np.zeros((16, 16), bool)
    body[4:6, 4:6] = True
    (row,) = measure_restored(restored, wanted, **NAMED, windows=SOFT, body=body)
    assert row["psnr"] == pytest.approx(10 * np.log10(400**2 * 256 / (40**2 + 240**2)))
    assert row["rmse"] == pytest.approx(np.sqrt((40**2 + 1000**2) / 255)) and row["rmse_body"] == pytest.approx(20)
    assert (row["low"], row["high"], row["data_range"], row["pixels"]) == (-160, 240, 400, 255)
    assert {name: row[name] for name in NAMED} == NAMED


def by_hand_ssim(x, y, data_range):
    """Wang 2004, equation 13, one 11 x 11 window after the other."""
    grid = np.arange(-5, 6)
    w = np.exp(-(grid[:, None] ** 2 + grid**2) / (2 * 1.5**2))
    w /= w.sum()
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    found = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            a, b = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            ma, mb = (w * a).sum(), (w * b).sum()
            va, vb, both = (w * (a - ma) ** 2).sum(), (w * (b - mb) ** 2).sum(), (w * (a - ma) * (b - mb)).sum()
            found.append((2 * ma * mb + c1) * (2 * both + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    return np.mean(found)


def test_ssim_is_that_of_wang():
    restored, wanted = pair(shape=(20, 24))
    assert ssim(restored, wanted, 400) == pytest.approx(by_hand_ssim(restored, wanted, 400), abs=1e-10)
    both = np.stack([restored, wanted + 5]), np.stack([wanted, wanted])
    planes = [by_hand_ssim(*each, 400) for each in zip(*both, strict=True)]
    assert ssim(*both, 400) == pytest.approx(np.mean(planes), abs=1e-10)


def test_regressed_snr_is_the_best_affine_fit():
    restored, wanted = pair()
    design = np.stack([restored.ravel(), np.ones(restored.size)], axis=1)
    rest = wanted.ravel() - design @ np.linalg.lstsq(design, wanted.ravel())[0]
    expected = 20 * np.log10(np.linalg.norm(wanted) / np.linalg.norm(rest))
    assert regressed_snr(restored, wanted) == pytest.approx(expected)
    assert regressed_snr(7 - 3 * restored, wanted) == pytest.approx(expected)
    assert np.isnan(regressed_snr(2 * wanted + 1, wanted)) and np.isnan(regressed_snr(np.ones((4, 4)), np.eye(4)))
    assert np.isnan(regressed_snr(np.full((32, 32), 0.4), wanted[:32, :32])), "a mean is rounded"


def test_a_window_of_its_own_in_each_row():
    """The same images: the wider the window, the higher the PSNR, by 20 log10 of the ranges where nothing is cut."""
    restored, wanted = pair(noise=5)
    rows = {row["window"]: row for row in measure_restored(restored, wanted, **NAMED)}
    assert [rows[window.name]["data_range"] for window in WINDOWS] == [400, 1500, 4096]
    wide = (Window("a", -1000, 1000), Window("b", -10000, 10000))
    a, b = measure_restored(restored, wanted, **NAMED, windows=wide)
    assert b["psnr"] - a["psnr"] == pytest.approx(20) and b["rmse"] == pytest.approx(a["rmse"])
    assert np.isnan(a["rmse_body"])
    nothing = measure_restored(restored, wanted, **NAMED, windows=(Window("metal", 5000, 9000),))[0]
    assert all(np.isnan(nothing[name]) for name in MEASURES) and nothing["pixels"] == 0


def test_a_constant_answer_is_measured():
    """A network that learnt nothing says the same everywhere: its error is that of the image around this value."""
    _, wanted = pair()
    (row,) = measure_restored(np.full_like(wanted, 50.0), wanted, **NAMED, windows=(Window("wide", -2000, 2000),))
    assert row["rmse"] == pytest.approx(np.sqrt(((wanted - 50) ** 2).mean())) and np.isfinite(row["ssim"])
    assert row["sharpness"] == pytest.approx(0, abs=1e-9) and np.isnan(row["regressed_snr"])


@pytest.mark.parametrize(
    "restored, wanted, windows, message",
    [
        (np.eye(12), np.eye(13), SOFT, r"\(12, 12\) and a wanted one \(13, 13\) came, expected one shape"),
        (np.eye(8), 2 * np.eye(8), SOFT, "at least 11 pixels"),
        (np.eye(12) * np.nan, np.eye(12), SOFT, "restored image has NaN"),
        (np.eye(12), np.full((12, 12), -1000.0), SOFT, "all pixels of the wanted image are -1000"),
        (np.eye(12), np.eye(12), SOFT, "same file"),
        (np.eye(12), 2 * np.eye(12), (("odd", 240, -160),), "window odd from 240 to -160 came, expected low below"),
    ],
)
def test_what_is_refused(restored, wanted, windows, message):
    with pytest.raises(BadInput, match=message):
        measure_restored(restored, wanted, **NAMED, windows=windows)
    with pytest.raises(BadInput, match="case 7, tv: "):
        case = {"case": 7, "patient": "p", "wanted": wanted, "ways": {"tv": restored}, "body": None}
        evaluate_restoration([case], windows=windows)


def test_a_blurred_edge_has_the_ratio_of_theory():
    """A step blurred by 1.5 pixels, blurred by 2 more: sqrt(2 a / (2 a + s^2)) with a = 1 + 1.5^2."""
    step = np.where(np.arange(80) < 40, -50.0, 100.0) * np.ones((60, 1))
    wanted = ndimage.gaussian_filter1d(step, 1.5, axis=1)
    blurred = ndimage.gaussian_filter1d(step, 2.5, axis=1)
    expected = np.sqrt(2 * 3.25 / (2 * 3.25 + 4))
    assert edge_ratio(blurred, wanted, -160, 240) == pytest.approx(expected, abs=0.02)
    assert edge_ratio(3 * wanted, wanted, -160, 240) == pytest.approx(3)
    assert np.isnan(edge_ratio(blurred, wanted, 200, 240)), "no edge in the window"
    noisy = wanted + np.random.default_rng(0).normal(0, 30, wanted.shape)
    assert edge_ratio(noisy, wanted, -160, 240) == pytest.approx(1, abs=0.05), "noise is no sharpness"


def test_bias_of_each_tissue():
    """Half of the image is fat, half bone; a lesion at the border of both does not count, nor do the borders."""
    wanted = np.full((20, 20), -100.0)
    wanted[:, 10:] = 400
    restored = wanted + np.where(wanted > 0, -30, 4)
    restored[:, 9:11] = 150  # blurred
    rows = {row["tissue"]: row for row in tissue_bias(restored, wanted)}
    assert set(rows) == {"fat", "bone"}
    assert rows["fat"] == {"tissue": "fat", "pixels": 180, "bias": 4, "sd": 0} and rows["bone"]["bias"] == -30
    labels = np.zeros((20, 20), int)
    labels[:3, :3] = 2
    assert tissue_bias(restored, wanted, labels=labels, names=("liver", "spleen")) == [
        {"tissue": "spleen", "pixels": 9, "bias": 4, "sd": 0}
    ]


def test_the_body_has_its_lungs_and_no_table():
    image = np.full((3, 60, 60), -1000.0)
    image[:, 10:45, 10:50] = 40
    image[:, 20:30, 20:40] = -850  # lung
    image[:, 50:52, 5:55] = 100  # table
    body = body_mask(image)
    assert body[:, 25, 30].all() and not body[:, 50:].any() and body[:, 12:43, 12:48].all()
    assert (body_mask(image[0]) == body[0]).all()
    with pytest.raises(BadInput, match="no body"):
        body_mask(image - 1000)


def cases(count=12):
    for i in range(count):
        noisy, wanted = pair(i, (24, 24), noise=20 + 3 * (i % 5))
        calm = ndimage.gaussian_filter(noisy, 0.8)
        yield {"case": i, "patient": f"p{i // 2}", "wanted": wanted, "ways": {"noisy": noisy, "tv": calm}, "body": None}


@pytest.fixture(scope="module")
def table():
    return evaluate_restoration(cases())


def test_the_summary_is_the_mean_of_cases(table):
    summary = restoration_summary(table, bootstrap=300)
    assert (summary["cases"], summary["patients"], summary["claim"]) == (12, 6, False)
    named = [(row["way"], row["window"], row["data_range"]) for row in summary["rows"]]
    ranges = {"soft tissue": 400, "lung": 1500, "full": 4096}
    assert named == [(way, name, size) for way in ("noisy", "tv") for name, size in ranges.items()]
    for row in summary["rows"]:
        own = table[(table["way"] == row["way"]) & (table["window"] == row["window"])]
        for measure in ("psnr", "ssim", "rmse", "regressed_snr"):
            found = row[measure]
            assert found["value"] == pytest.approx(own[measure].mean())
            assert found["low"] < found["value"] < found["high"]
    assert summary == restoration_summary(table, bootstrap=300)
    json.dumps(summary, allow_nan=False)
    assert summary["rows"][0]["rmse_body"] == {"value": None, "low": None, "high": None, "undefined": 300}
    more = restoration_summary(pd.concat([table.assign(case=table["case"] + 100 * i, patient=table["patient"] + "x" * i)
                                          for i in range(2)]), bootstrap=0)  # fmt: skip
    assert more["claim"] and more["rows"][0]["psnr"]["low"] is None


def test_two_ways_on_the_same_cases(table):
    single = table.assign(patient=table["case"])
    (soft, *_) = compare_restoration(single, "tv", "noisy")
    wide = single[single["window"] == "soft tissue"].pivot(index="case", columns="way", values="rmse")
    away = wide["tv"] - wide["noisy"]
    theirs = ttest_1samp(away, 0)
    low, high = theirs.confidence_interval()
    assert soft["difference"] == pytest.approx({"value": away.mean(), "low": low, "high": high, "p": theirs.pvalue})
    assert (soft["window"], soft["data_range"], soft["cases"], soft["measure"]) == ("soft tissue", 400, 12, "rmse")
    assert soft["difference"]["high"] < 0, "a little blur helps against this noise"
    same = compare_restoration(table, "tv", "tv")[0]["difference"]
    assert same == {"value": 0, "low": 0, "high": 0, "p": 1}
    alone = compare_restoration(table[table["case"] == 3], "tv", "noisy")[0]["difference"]
    assert alone["value"] < 0 and alone["p"] is None
    with pytest.raises(BadInput, match="way 'bm3d' came, expected one of noisy, tv"):
        compare_restoration(table, "bm3d", "tv")


def test_a_table_with_holes_is_refused(table):
    with pytest.raises(
        BadInput, match="11 rows of noisy in window soft tissue -160 to 240 came, expected one for each"
    ):
        restoration_summary(table.drop(table.index[0]))
    with pytest.raises(BadInput, match="two patients"):
        restoration_summary(table.assign(patient=range(len(table))))
    with pytest.raises(BadInput, match="without rows"):
        restoration_summary(table[:0])


def test_psnr_of_known_noise():
    """Noise of 20 HU over 400 HU: 20 log10(20) = 26.02 dB."""
    rng = np.random.default_rng(0)
    assert psnr(rng.normal(0, 20, (300, 300)), np.zeros((300, 300)), 400) == pytest.approx(26.02, abs=0.05)
