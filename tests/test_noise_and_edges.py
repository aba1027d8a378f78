"""Noise power and edges, against what theory says of white noise and of Gaussian blur."""

import numpy as np
import pytest
from scipy import ndimage

from radzoo.errors import BadInput
from radzoo.metrics import disc_edge, measure_inserts, noise_level, noise_power, repeat_noise, straight_edge

SPACING = (0.8, 0.5)


def white(sd=12.0, shape=(20, 128, 128), seed=0):
    return np.random.default_rng(seed).normal(0, sd, shape)


def test_white_noise_has_a_flat_spectrum():
    """sd^2 dy dx at all frequencies but those of the trend, and the middle of the 16 rings as mean."""
    found = noise_power(white(), (3.0, 0.5, 0.5))
    frequency, power = found.radial
    assert power[2:] == pytest.approx(np.full(len(power) - 2, 12**2 * 0.25), rel=0.05)
    assert frequency[0] == pytest.approx(1 / (32 * 0.5)) and frequency[-1] == pytest.approx(1.0)
    assert found.mean_frequency == pytest.approx(np.arange(1, 17).mean() / 16, abs=0.02) and found.regions == 20 * 49
    uneven = noise_power(white(), (3.0, *SPACING))
    assert uneven.power.mean() == pytest.approx(12**2 * 0.4, rel=0.02) and uneven.radial[0][-1] <= 1 / 1.6


def test_the_integral_is_the_variance():
    """Parseval, exactly: of one region, whose trend was taken away by another way."""
    region = white(shape=(32, 32)) + np.mgrid[:32, :32][0] ** 2 / 10
    y, x = (each.ravel() for each in np.mgrid[:32, :32] / 32)
    design = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    rest = region.ravel() - design @ np.linalg.lstsq(design, region.ravel())[0]
    found = noise_power(region, SPACING)
    assert found.sd == pytest.approx(np.sqrt((rest**2).mean())) and found.regions == 1
    df = 1 / (32 * 0.8), 1 / (32 * 0.5)
    assert found.step == pytest.approx(df) and found.power.sum() * np.prod(df) == pytest.approx((rest**2).mean())


def test_blurred_noise_has_the_spectrum_of_its_blur():
    """Times exp(-4 pi^2 s^2 f^2), and coarser grain."""
    noise = white(shape=(40, 128, 128))
    found = noise_power(ndimage.gaussian_filter(noise, (0, 1, 1), mode="wrap"), (3, 0.5, 0.5))
    frequency, power = found.radial
    expected = 12**2 * 0.25 * np.exp(-4 * np.pi**2 * 0.5**2 * frequency**2)
    middle = (frequency > 0.15) & (frequency < 0.5)
    assert power[middle] == pytest.approx(expected[middle], rel=0.1)
    assert found.mean_frequency < 0.6 * noise_power(noise, (3, 0.5, 0.5)).mean_frequency


def test_repeated_scans():
    """Two scans of the same body: the difference over sqrt 2 is the noise of one, even where edges moved."""
    body = np.where(np.hypot(*np.mgrid[-64:64, -64:64]) < 50, 40.0, -1000.0)
    one, other = body + white(10, body.shape, 1), np.roll(body, 1, 0) + white(10, body.shape, 2)
    assert noise_level(one, other) == pytest.approx(10, rel=0.05)
    assert np.std(repeat_noise(one, other)) > 40, "a plain standard deviation takes the moved edges for noise"
    inside = np.hypot(*np.mgrid[-64:64, -64:64]) < 40
    assert noise_level(one, other, inside=inside) == pytest.approx(10, rel=0.05)
    assert noise_power(repeat_noise(one, other), (0.5, 0.5), inside=inside).sd == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize(
    "difference, spacing, inside, message",
    [
        (np.zeros((40, 40)), SPACING, None, "constant"),
        (np.full((40, 40), np.nan), SPACING, None, "not finite"),
        (np.eye(40), (1, 1, 1), None, "a spacing of 3 numbers came"),
        (np.eye(40), SPACING, np.eye(40) > 0, "no square of 32 pixels lies inside"),
        (np.eye(20), SPACING, None, "no square of 32 pixels"),
    ],
)
def test_no_spectrum(difference, spacing, inside, message):
    with pytest.raises(BadInput, match=message):
        noise_power(difference, spacing, inside=inside)


def test_the_same_scan_twice_has_no_noise():
    with pytest.raises(BadInput, match="same file twice"):
        noise_level(np.eye(5), np.eye(5))
    with pytest.raises(BadInput, match="expected one shape"):
        noise_level(np.eye(5), np.eye(6))


def disc(sigma_mm, radius_mm=12.0, size=96, spacing=SPACING, centre=(47.3, 48.8), fine=5):
    """100 HU in 20, blurred by a Gaussian: pixels are means of 5 x 5 points, as pixels are."""
    y, x = (((np.arange(size * fine) - (fine - 1) / 2) / fine - c) * s for c, s in zip(centre, spacing, strict=True))
    image = np.where(np.hypot(y[:, None], x) < radius_mm, 100.0, 20.0)
    image = ndimage.gaussian_filter(image, [sigma_mm / s * fine for s in spacing])
    return image.reshape(size, fine, size, fine).mean((1, 3))


@pytest.mark.parametrize("sigma", [0.6, 1.2])
def test_the_rim_of_a_disc(sigma):
    """10 % to 90 % is 2.563 sigma; half of the modulation at .1874 / sigma. A pixel adds its own variance, s^2 / 12."""
    found = disc_edge(disc(sigma), (47.3, 48.8), 12.0, SPACING)
    whole = np.sqrt(sigma**2 + np.square(SPACING).mean() / 12)
    assert found.sigma_mm == pytest.approx(whole, rel=0.03) and found.width_mm == pytest.approx(2.563 * whole, rel=0.03)
    assert found.mtf50 == pytest.approx(0.1874 / whole, rel=0.03) and found.misfit < 0.02
    assert (found.inside, found.outside) == pytest.approx((100, 20), abs=0.5)
    noisy = disc_edge(disc(sigma) + white(8, (96, 96)), (47.3, 48.8), 12.0, SPACING)
    assert noisy.sigma_mm == pytest.approx(whole, rel=0.15)


@pytest.mark.parametrize("degrees", [0, 4, 30, 90, 200])
def test_a_straight_edge_at_any_angle(degrees):
    """Analytic: the image is the response itself, from -900 to 50 HU within 1.3 mm of Gaussian blur."""
    from scipy.stats import norm

    y, x = np.meshgrid((np.arange(60) - 28.6) * 0.8, (np.arange(64) - 32.2) * 0.5, indexing="ij")
    along = x * np.cos(np.radians(degrees)) + y * np.sin(np.radians(degrees))
    found = straight_edge(-900 + 950 * norm.cdf(along / 1.3) + white(5, y.shape), SPACING)
    assert found.sigma_mm == pytest.approx(1.3, rel=0.02)
    assert (found.inside, found.outside) == pytest.approx((50, -900), abs=5)
    assert np.abs(found.response[found.distance_mm < -6] - 1).max() < 0.05


def test_inserts_one_by_one():
    """Contrast 80 over a noise of 8 is a ratio of 10; a rod is as sharp as it is; a square has no rim to measure."""
    labels = np.zeros((6, 96, 160), np.uint8)
    image = np.full(labels.shape, 20.0)
    image[:, :, :96] = disc(0.8)
    labels[:, :, :96][:, np.hypot(*((np.mgrid[:96, :96].transpose(1, 2, 0) - (47.3, 48.8)) * SPACING).T).T < 12] = 1
    image[:, 20:40, 120:140], labels[:, 20:40, 120:140] = -60, 2
    rows = measure_inserts(image + white(8, image.shape), labels, ("rod", "box", "absent"), (3.0, *SPACING))
    rod, box = rows
    assert [row["insert"] for row in rows] == ["rod", "box"]
    assert rod["cnr"] == pytest.approx(10, rel=0.1) and box["cnr"] == pytest.approx(10, rel=0.1)
    assert rod["noise"] == pytest.approx(8, rel=0.1) and box["mean"] == pytest.approx(-60, abs=1)
    assert rod["width_mm"] == pytest.approx(2.563 * np.sqrt(0.64 + np.square(SPACING).mean() / 12), rel=0.06)
    assert box["edge"] is None and np.isnan(box["width_mm"])
    flat = measure_inserts(image[0], labels[0], ("rod",), SPACING)[0]
    assert flat["cnr"] > 60 and flat["width_mm"] == pytest.approx(rod["width_mm"], rel=0.06)


def test_what_cannot_be_measured():
    with pytest.raises(BadInput, match="no step"):
        disc_edge(np.ones((50, 50)), (25, 25), 10, (1, 1))
    with pytest.raises(BadInput, match="NaN or infinite"):
        disc_edge(np.full((50, 50), np.nan), (25, 25), 10, (1, 1))
    with pytest.raises(BadInput, match="0 pixels on the edge"):
        straight_edge(np.ones((50, 50)), (1, 1))
    with pytest.raises(BadInput, match="fewer than 20 pixels"):
        disc_edge(np.ones((50, 50)), (25, 25), 1.5, (1, 1))
    with pytest.raises(BadInput, match="expected one shape"):
        measure_inserts(np.ones((5, 5)), np.ones((6, 5), int), ("a",), (1, 1))


def test_inserts_that_are_gone_or_have_no_room_are_rows():
    """What a run measures after hours of training must not end it: no step, and labels that fill the image."""
    labels = (np.hypot(*np.mgrid[-32:32, -30:34]) < 7).astype(int)
    flat = 20 + white(1e-6, labels.shape)
    (row,) = measure_inserts(flat, labels, ("faint",), (1, 1))
    assert row["edge"] is None and np.isnan(row["width_mm"]) and row["background"] == pytest.approx(20)
    tissues = measure_inserts(white(8, labels.shape), labels + 1, ("muscle", "vessel"), (1, 1))
    assert [row["insert"] for row in tissues] == ["muscle", "vessel"]
    assert all(np.isnan([row["background"], row["noise"], row["cnr"]]).all() for row in tissues)
    assert tissues[1]["pixels"] == labels.sum() and abs(tissues[1]["mean"]) < 3
