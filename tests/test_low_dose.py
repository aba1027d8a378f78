"""Noise of fewer photons: variance, spectrum and mean against theory; noise that is added to noise; what is refused."""

import numpy as np
import pytest

from radzoo.errors import BadInput
from radzoo.images.phantoms.ellipses import Ellipse, paint
from radzoo.physics import low_dose, own_noise
from radzoo.physics.geometry import Fan, standard

SIZE, PIXEL, RADIUS = 64, 2.5, 60.0
MIDDLE = (SIZE - 1) / 2
WATER = paint([Ellipse((0, 0), (RADIUS, RADIUS), 0)], SIZE, PIXEL)
Y, X = np.ogrid[:SIZE, :SIZE]
FAR = np.hypot(Y - MIDDLE, X - MIDDLE) * PIXEL
VIEWS = standard((SIZE, SIZE), PIXEL, 180)
MANY = np.repeat(WATER[None], 24, 0)
SPACING = (5, PIXEL, PIXEL)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def clean():
    """Water as it is reconstructed without noise."""
    return low_dose.simulate(WATER, SPACING[1:], rng(), photons=1e16, electronic=0, geometry=VIEWS)[0]


def theory(readings: np.ndarray) -> np.ndarray:
    """HU² of each pixel from the variance of each reading `(views, cells)` (Kak and Slaney 1988, 5.1.2).

    A pixel is a sum over views of π/M and, between two cells, of readings times the ramp h(cell) τ; variances therefore
    add up with squares of the weights, and with products of neighbouring ones.
    """
    places = np.arange(-VIEWS.cells, VIEWS.cells + 1)
    ramp = np.where(places % 2, -1 / (np.pi * np.where(places, places, 1)) ** 2, 0)
    ramp[places == 0] = 0.25
    squares, products = ((ramp * each / PIXEL**2) for each in (ramp, np.roll(ramp, 1)))
    total = np.zeros((SIZE, SIZE))
    for angle, reading in zip(VIEWS.angles, readings, strict=True):
        own, both = (np.convolve(reading, each)[VIEWS.cells :][: VIEWS.cells] for each in (squares, products))
        s = ((X - MIDDLE) * np.cos(angle) - (Y - MIDDLE) * np.sin(angle)) + VIEWS.middle
        cell = np.floor(s).astype(int)
        share = s - cell
        total += (1 - share) ** 2 * own[cell] + share**2 * own[cell + 1] + 2 * share * (1 - share) * both[cell + 1]
    return (1000 / 0.0192 * np.pi / VIEWS.angles.size) ** 2 * total


def disc(photons: float, electronic: float = 0) -> np.ndarray:
    """Variance of -log of every reading of the disc of water, to first order `(views, cells)`."""
    chords = 2 * np.sqrt(np.maximum(RADIUS**2 - VIEWS.places**2, 0))
    counts = photons * np.exp(-0.0192 * chords)
    return np.broadcast_to((counts + electronic**2) / counts**2, (VIEWS.angles.size, VIEWS.cells))


def test_even_noise_has_the_variance_of_the_closed_formula():
    """π² / 12 M τ² for points that lie on cells; read between cells, a sum of 2/3 of that and of -1/6 π² of it."""
    between = 2 / 3 / 12 - 1 / 3 / (2 * np.pi**2)
    formula = (1000 / 0.0192) ** 2 * np.pi**2 / VIEWS.angles.size / PIXEL**2 * between * 1e-5
    assert theory(np.full((VIEWS.angles.size, VIEWS.cells), 1e-5))[10:-10, 10:-10].mean() == pytest.approx(
        formula, rel=0.01
    )


@pytest.mark.parametrize(("photons", "electronic"), [(1e4, 0), (1e5, 0), (1e4, 60)])
def test_variance_and_mean_of_water_are_those_of_theory(photons, electronic, clean):
    found, facts = low_dose.simulate(MANY, SPACING, rng(1), photons=photons, electronic=electronic, geometry=VIEWS)
    noise, expected = found - clean, theory(disc(photons, electronic))
    for part in (FAR < 20, (FAR > 20) & (FAR < 50)):
        assert (noise**2 / expected)[:, part].mean() == pytest.approx(1, abs=0.05)
    inside = noise[:, FAR < 50]
    assert abs(inside.mean()) < 0.5 + 0.02 * inside.std() and facts["raised_share"] == 0
    assert abs(clean[FAR < 45].mean()) < 1


def test_noise_has_the_spectrum_of_a_ramp():
    """f sinc⁴ of linear interpolation: none at zero frequency; a softer filter takes its high end away."""
    air, steps, taper = np.full((24, SIZE, SIZE), -1000.0), np.fft.fftfreq(SIZE), np.hanning(SIZE)
    radius = np.hypot(steps[:, None], steps)
    bins = np.digitize(radius, np.arange(0.05, 0.5, 0.05))
    spectra = {}
    for name in ("ramp", "hann"):
        found, _ = low_dose.simulate(air, SPACING, rng(2), electronic=0, geometry=VIEWS, filter=name)
        power = (np.abs(np.fft.fft2((found + 1000) * taper * taper[:, None])) ** 2).mean(0)
        spectra[name] = np.bincount(bins.ravel(), power.ravel()) / np.bincount(bins.ravel())
        law = radius * np.sinc(radius) ** 4 * (np.cos(np.pi * radius) ** 4 if name == "hann" else 1)
        law = np.bincount(bins.ravel(), law.ravel()) / np.bincount(bins.ravel())
        shares = spectra[name][1:7] / spectra[name][1:7].sum()
        assert shares == pytest.approx(law[1:7] / law[1:7].sum(), rel=0.15)
        assert power[0, 0] < 0.2 * power.max()  # the taper lets neighbours in
    assert spectra["hann"][8] < 0.1 * spectra["ramp"][8]


def test_noise_scales_with_the_inverse_of_the_dose(clean):
    spread = [
        (low_dose.simulate(MANY[:12], SPACING, rng(3), photons=n, electronic=0, geometry=VIEWS)[0] - clean).var()
        for n in (2e4, 8e4, 32e4)
    ]
    assert spread[0] / spread[1] == pytest.approx(4, rel=0.05) and spread[1] / spread[2] == pytest.approx(4, rel=0.05)


def test_starved_readings_are_biased_and_counted(clean):
    """Behind 10 photons the logarithm is wrong on average, and a floor lets some through: water is not 0 HU."""
    found, facts = low_dose.simulate(MANY[:12], SPACING, rng(4), photons=100, electronic=3, geometry=VIEWS)
    noise = (found - clean)[:, FAR < 14]
    assert abs(noise.mean()) > 5 * noise.std() / np.sqrt(noise.size) and facts["raised_share"] > 0.001


@pytest.mark.parametrize("fraction", [0.25, pytest.param(0.1, marks=pytest.mark.slow)])
def test_inserted_noise_adds_up_to_that_of_the_lower_dose(fraction, clean):
    photons, electronic = 4e4, 20
    source, _ = low_dose.simulate(MANY, SPACING, rng(5), photons=photons, electronic=electronic, geometry=VIEWS)
    rest = {"photons": photons, "electronic": electronic, "geometry": VIEWS}
    lower, facts = low_dose.insert(source, SPACING, rng(6), fraction=fraction, **rest)
    noise, own, added = (each[:, FAR < 50] for each in (lower - clean, source - clean, lower - source))
    expected = theory(disc(fraction * photons, electronic))[FAR < 50]
    assert (noise**2 / expected).mean() == pytest.approx(1, abs=0.05)
    assert (own**2 / expected).mean() < 1.1 * fraction  # the image's own is the smaller part
    assert abs(np.corrcoef(own.ravel(), added.ravel())[0, 1]) < 0.03  # the noise it had stays, and tells nothing
    assert facts["assumed_photons"] == photons and facts["fraction"] == fraction
    assert facts["photons"] == fraction * photons and facts["assumed_from"] == "given" and "dose" not in " ".join(facts)
    again, _ = low_dose.insert(source, SPACING, rng(6), fraction=fraction, **rest)
    other, _ = low_dose.insert(source, SPACING, rng(7), fraction=fraction, **rest)
    assert (again == lower).all() and (other != lower).any()


@pytest.mark.parametrize("photons", [1e4, 1e5])
def test_photons_are_told_from_the_noise_of_an_image(photons):
    rest = {"geometry": VIEWS, "filter": "hann"}
    source, _ = low_dose.simulate(MANY[:4], SPACING, rng(10), photons=photons, electronic=0, **rest)
    assert own_noise.explaining(source, SPACING, **rest) == pytest.approx(photons, rel=0.25)
    _, facts = low_dose.insert(source, SPACING, rng(11), fraction=0.5, **rest)
    assert facts["assumed_photons"] == own_noise.explaining(source, SPACING, **rest)
    assert facts["assumed_from"] == "its own noise" and facts["photons"] == facts["assumed_photons"] / 2


def test_images_without_noise_tell_no_photons():
    with pytest.raises(BadInput, match="no noise of its own"):
        low_dose.insert(WATER, SPACING[1:], rng(), fraction=0.5)
    with pytest.raises(BadInput, match="no even soft tissue"):
        low_dose.insert(np.where(FAR < 6, 0.0, -1000.0), SPACING[1:], rng(), fraction=0.5)


def test_a_plane_is_a_volume_of_one_and_seeds_repeat():
    (plane, _), (again, _), (other, _) = (low_dose.simulate(WATER, SPACING[1:], rng(n)) for n in (8, 8, 9))
    volume, facts = low_dose.simulate(WATER[None], SPACING, rng(8))
    assert (plane == again).all() and (plane != other).any() and (volume[0] == plane).all()
    assert plane.dtype == "float32" and facts["views"] == 720 and facts["photons"] == 1e5 and facts["cells"] == 93


def test_oblong_slices_are_scanned_as_padded_ones():
    oblong, rest = WATER[4:60], {"photons": 1e16, "electronic": 0, "geometry": VIEWS}
    found, _ = low_dose.simulate(oblong, SPACING[1:], rng(8), **rest)
    whole, _ = low_dose.simulate(WATER, SPACING[1:], rng(8), **rest)
    assert found.shape == (56, 64) and found == pytest.approx(whole[4:60], abs=0.01)


def test_a_fan_reads_the_same_body(clean):
    fan = Fan(np.arange(360) * np.pi / 180, 121, 0.0045, 500.0)
    found, facts = low_dose.simulate(MANY[:4], SPACING, rng(9), photons=1e5, geometry=fan)
    assert found[:, FAR < 40].mean() == pytest.approx(0, abs=3) and facts["beam"] == "fan, equiangular"
    assert 3 < found[:, FAR < 14].std() < 40


WRONG = {
    "no dose": ({"photons": 0}, "a dose of 0 photons"),
    "more than can be drawn": ({"photons": 1e19}, r"a dose of 1e\+19"),
    "negative dose": ({"photons": -5.0}, "a dose of -5 photons"),
    "no number of photons": ({"photons": np.nan}, "a dose of nan"),
    "negative electronics": ({"electronic": -1}, "electronic noise of -1"),
    "a row": ({"hu": WATER[0], "spacing_mm": (1,)}, r"shape \(64,\)"),
    "oblong pixels": ({"spacing_mm": (1, 1.5)}, r"spacing \(1\.0, 1\.5\)"),
    "one spacing too many": ({"spacing_mm": (1, 1, 1)}, "one number per axis"),
    "NaN": ({"hu": np.where(FAR < 9, np.nan, WATER)}, "NaN"),
    "a picture in 0..1": ({"hu": np.clip(WATER / 1000 + 1, 0, 1)}, "0 to 1, expected whole slices of CT in HU"),
    "stored numbers without rescale": ({"hu": WATER + 1024}, "24 to 1024, expected whole slices"),
    "four dimensions": ({"hu": WATER[None, None]}, "shape"),
    "an unknown filter": ({"filter": "butter"}, "filter 'butter'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_scanned_is_refused(name):
    wrong, words = WRONG[name]
    arguments = {"hu": WATER, "spacing_mm": (PIXEL, PIXEL), "generator": rng(), "geometry": VIEWS, **wrong}
    for scan in (low_dose.simulate, low_dose.insert):
        with pytest.raises(BadInput, match=words) as caught:
            scan(**arguments, **({"fraction": 0.25} if scan is low_dose.insert else {}))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 2, np.nan])
def test_a_fraction_of_the_dose_is_one(fraction):
    with pytest.raises(BadInput, match="dose fraction"):
        low_dose.insert(WATER, SPACING[1:], rng(), fraction=fraction)


def test_a_fraction_of_few_photons_is_none():
    with pytest.raises(BadInput, match=r"a dose of 0\.5 photons"):
        low_dose.insert(WATER, SPACING[1:], rng(), fraction=0.1, photons=5, geometry=VIEWS)
