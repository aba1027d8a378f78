"""Pictures of the same slice by every way, and curves of noise and sharpness."""

import cv2
import numpy as np
import pytest
from scipy import ndimage

from radzoo.metrics import Window, body_mask, noise_power, straight_edge
from radzoo.report.restoration import curves, looking

LUNG = Window("lung", -1350, 150)
SOFT = Window("soft tissue", -160, 240)


@pytest.fixture(scope="module")
def scan():
    """Four planes of a body of 30 HU with lungs in planes 1 and 2 (larger), a liver of 110 HU in plane 3."""
    wanted = np.full((4, 120, 160), -1000.0)
    wanted[:, 20:100, 20:140] = 30
    wanted[1, 40:60, 40:60], wanted[2, 30:80, 30:80], wanted[3, 40:70, 80:110] = -850, -850, 110
    wanted = ndimage.gaussian_filter(wanted, (0, 0.7, 0.7))
    noisy = wanted + np.random.default_rng(0).normal(0, 40, wanted.shape)
    return wanted, noisy, body_mask(wanted)


def panel(path, row, column, heights, tall):
    """The middle of a panel of the picture, grey."""
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(float)
    y = looking.TOP + sum(heights[:row]) + looking.GAP * row
    x = looking.LEFT + column * (looking.SIDE + looking.GAP)
    return picture[y : y + heights[row], x : x + looking.SIDE][4:-4, 4:-4]


def test_the_same_slice_by_every_way(tmp_path, scan):
    """What is seen in a panel is what was given, in the window; a way that changes nothing took nothing away."""
    wanted, noisy, body = scan
    ways = {"lazy": noisy, "perfect": wanted}
    drawn = looking.draw(tmp_path / "figures", 7, noisy, ways, wanted, (3.0, 1.0, 1.0), body=body)
    assert [each["window"] for each in drawn] == ["soft tissue", "lung"]
    assert [each["file"] for each in drawn] == ["slice_7_soft_tissue.jpg", "slice_7_lung.jpg"]
    assert drawn[0]["plane"] == 1 and drawn[1]["plane"] == 3
    path = tmp_path / "figures" / "slice_7_lung.jpg"
    height, width = looking._box(body[2])[2:]
    tall = round(looking.SIDE * height / width)
    heights = (tall, looking.SIDE, tall, tall)
    assert cv2.imread(str(path)).shape[1] == looking.LEFT + 4 * (looking.SIDE + looking.GAP)
    whole, lazy, clean = (panel(path, 0, column, heights, tall) for column in (0, 1, 3))
    assert np.abs(whole - lazy).mean() < 3 and whole[-40:-20, 50:200].std() > 3 * clean[-40:-20, 50:200].std()
    assert np.median(clean[-40:-20, 50:200]) == pytest.approx(255 * (30 + 1350) / 1500, abs=3)
    error, none = panel(path, 2, 0, heights, tall), panel(path, 2, 2, heights, tall)
    assert np.median(error) == pytest.approx(127, abs=4) and error.std() > 20
    assert none == pytest.approx(np.full(none.shape, 127.5), abs=3), "the perfect way has no error"
    taken = panel(path, 3, 1, heights, tall)
    assert taken == pytest.approx(np.full(taken.shape, 127.5), abs=3), "the lazy way took nothing away"


def test_the_enlarged_square_lies_in_the_body_on_an_edge(scan):
    wanted, _, body = scan
    y, x = looking.inset(wanted[3], body[3], SOFT, 30)
    assert body[3, y : y + 30, x : x + 30].all()
    assert wanted[3, y : y + 30, x : x + 30].max() > 90, "the liver, not the skin"
    assert looking.plane_of(wanted[3], body[3], SOFT) is None and looking.plane_of(wanted, body, LUNG) == 2


def test_the_enlarged_square_of_a_strip_is_a_square_of_it():
    strip = np.zeros((20, 200), "float32")
    strip[:, 100:] = 100
    side = looking.side_of(strip.shape, 200)
    y, x = looking.inset(strip, np.ones(strip.shape, bool), SOFT, side)
    assert side == 20 and y == 0 and 80 <= x <= 100


def test_pixels_that_are_no_squares(tmp_path, scan):
    wanted, noisy, body = scan
    for name, spacing in (("square", (1.0, 1.0)), ("flat", (0.5, 1.0))):
        looking.draw(tmp_path / name, 1, noisy[2], {}, wanted[2], spacing, body=body[2], windows=(LUNG,))
    square, flat = (cv2.imread(str(tmp_path / name / "slice_1_lung.jpg")).shape for name in ("square", "flat"))
    assert square[1] == flat[1] and flat[0] < square[0] - 2 * 0.4 * looking.SIDE * 80 / 120


def test_curves_are_those_of_the_ways(tmp_path, monkeypatch, scan):
    """Each line is the spectrum, or the response, of its way, and says its number."""
    wanted, noisy, body = scan
    calm = ndimage.gaussian_filter(noisy, (0, 1, 1))
    spectra = {name: noise_power(image - wanted, (3, 1, 1), inside=body & (wanted > 0), side=16)
               for name, image in {"noisy": noisy, "redcnn": calm}.items()}  # fmt: skip
    edges = {name: straight_edge(image[0, 40:80, 120:158], (1, 1)) for name, image in (("noisy", noisy), ("tv", calm))}
    kept = []
    monkeypatch.setattr(curves, "png", lambda figure, path: kept.append(figure) or path)
    curves.noise_power(tmp_path / "a.png", spectra, {"noisy": "noisy", "redcnn": "RED-CNN"})
    curves.edge(tmp_path / "b.png", edges, {"noisy": "noisy", "tv": "total variation"})
    power, response = (figure.axes[0] for figure in kept)
    for line, spectrum in zip(power.lines, spectra.values(), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), spectrum.radial[1])
        assert f": {spectrum.sd:.1f} HU" in line.get_label()
    assert spectra["redcnn"].sd < spectra["noisy"].sd and edges["tv"].width_mm > 1.3 * edges["noisy"].width_mm
    labels = [line.get_label() for line in response.lines if not line.get_label().startswith("_")]
    assert labels == [f"noisy: {edges['noisy'].width_mm:.2f} mm", f"total variation: {edges['tv'].width_mm:.2f} mm"]
    assert len({(line.get_color(), str(line.get_linestyle())) for line in power.lines}) == 2


def test_every_way_has_a_look_of_its_own():
    looks = curves.style(["noisy", "nlm", "tv", "bm3d", "redcnn", "rednet10", "dncnn", "ldct_cnn", "conv_autoencoder"])
    assert len({look["color"] for look in looks.values()}) == len(looks)
