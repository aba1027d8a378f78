"""Projection and reconstruction: against exact line integrals of ellipses, scikit-image, and their own algebra."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage
from skimage.transform import iradon, radon

from radzoo.errors import BadInput
from radzoo.images.phantoms.ellipses import Ellipse, paint
from radzoo.physics import attenuation, measured, sparse_view
from radzoo.physics.geometry import Fan, Parallel, standard
from radzoo.physics.projection import adjoint, project
from radzoo.physics.reconstruction import WINDOWS, arcs, fbp

BODY = Ellipse((4, -3), (40, 30), 1.0, 0.3)
PARTS = [(BODY, 0.02), (Ellipse((-10, 5), (9, 14), 1.0, -0.5), -0.015), (Ellipse((20, -8), (6, 6), 1.0), 0.01)]
SIZE, PIXEL = 101, 1.0
FANS = {
    "equiangular": Fan(np.arange(240) * np.pi / 120, 181, 0.006, 150.0),
    "flat": Fan(0.1 + np.arange(240) * np.pi / 120, 181, 0.9, 150.0, "flat"),
}


def rng(seed=0):
    return np.random.default_rng(seed)


def slice_():
    """The body in 1/mm, `(101, 101)`."""
    return sum(mu * paint([part], SIZE, PIXEL, 0) for part, mu in PARTS)


def exact(theta, s):
    return sum(mu * part.integral(theta, s) for part, mu in PARTS)


def error(found, truth):
    """Root mean square, of the truth's."""
    return np.sqrt(((found - truth) ** 2).mean() / (truth**2).mean())


def test_line_integral_of_a_circle_by_hand():
    disc = Ellipse((3, 4), (5, 5), 1.0)
    assert disc.integral(0.0, 3.0) == pytest.approx(10) and disc.integral(0.0, 6.0) == pytest.approx(8)
    assert disc.integral(np.pi / 2, -4.0) == pytest.approx(10)  # y is up: the disc lies below the middle
    assert disc.integral(0.0, 8.5) == 0
    tall = Ellipse((0, 0), (2, 6), 1.0)
    assert tall.integral(0.0, 0.0) == pytest.approx(12) and tall.integral(np.pi / 2, 0.0) == pytest.approx(4)


def test_attenuation_of_water_and_air():
    hu = np.array([-1024, -1000, 0, 1000])
    assert attenuation.of_hu(hu) == pytest.approx([0, 0, 0.0192, 0.0384])
    assert attenuation.to_hu(attenuation.of_hu(hu)) == pytest.approx([-1000, -1000, 0, 1000], abs=1e-3)


@pytest.mark.parametrize("axis", [None, 60.25])
def test_projections_are_the_exact_integrals(axis):
    geometry = Parallel(rng().uniform(-7, 7, 40), 151, 0.9, axis)
    found = project(slice_(), PIXEL, geometry)
    assert error(found, exact(geometry.angles[:, None], geometry.places)) < 0.01
    grey = rng(1).random((60, 80))  # the view from the front, and from the right
    front, side = project(grey, 2.0, Parallel([0, np.pi / 2], 80, 2.0))
    assert front == pytest.approx(2 * grey.sum(0), rel=1e-5)
    assert side[10:70] == pytest.approx(2 * grey.sum(1)[::-1], rel=1e-5)
    assert side[:10] == pytest.approx(0, abs=1e-4)


def test_projections_are_those_of_scikit_image():
    degrees = np.arange(0, 180, 7.5)
    geometry = Parallel(np.radians(degrees), SIZE, PIXEL)
    theirs = radon(slice_(), degrees, circle=True).T
    assert error(project(slice_(), PIXEL, geometry), theirs) < 0.01


@pytest.mark.parametrize("name", WINDOWS)
def test_reconstructions_are_those_of_scikit_image(name):
    degrees = np.arange(0, 180, 2.0)
    geometry = Parallel(np.radians(degrees), SIZE, PIXEL)
    sinogram = exact(geometry.angles[:, None], geometry.places)
    theirs = iradon(sinogram.T, degrees, filter_name=name, circle=True, output_size=SIZE)
    y, x = np.ogrid[:SIZE, :SIZE]
    inside = np.hypot(y - 50, x - 50) < 49  # they leave out the corners
    ours = fbp(sinogram, geometry, (SIZE, SIZE), PIXEL, name)
    assert error(ours[inside], theirs[inside]) < 0.01
    flat = ndimage.binary_erosion(slice_() == slice_().max(), iterations=3)
    assert ours[flat].mean() == pytest.approx(0.03, abs=3e-4)


@pytest.mark.parametrize("cell_mm", [0.7, 1.9])
def test_the_adjoint_is_the_transpose(cell_mm):
    geometry = Parallel(rng().uniform(0, 7, 25), 60, cell_mm, 31.4)
    images, sinograms = rng(1).normal(size=(2, 41, 54)), rng(2).normal(size=(2, 25, 60))
    there, back = project(images, 1.2, geometry).astype("float64"), adjoint(sinograms, (41, 54), 1.2, geometry)
    size = np.linalg.norm(there) * np.linalg.norm(sinograms)
    assert abs((there * sinograms).sum() - (images * back).sum()) < 1e-6 * size
    one = np.zeros((1, 25, 60))
    one[0, 3, 20] = 1  # of one reading: its row of the matrix, which the projections of every pixel spell out
    pixels = np.eye(41 * 54).reshape(-1, 41, 54)
    row = project(pixels[::7], 1.2, Parallel(geometry.angles[3:4], 60, cell_mm, 31.4))[:, 0, 20]
    assert adjoint(one, (41, 54), 1.2, geometry)[0].ravel()[::7] == pytest.approx(row, abs=1e-5)


def test_slices_together_are_as_each_alone():
    images, geometry = rng().random((6, 40, 40)).astype("float32"), standard((40, 40), 1.5, 30)
    together = project(images, 1.5, geometry)
    alone = np.stack([project(image, 1.5, geometry) for image in images])
    assert together.shape == (6, 30, 59) and together == pytest.approx(alone, rel=1e-5)
    whole = fbp(together, geometry, (40, 40), 1.5)
    assert whole == pytest.approx(np.stack([fbp(each, geometry, (40, 40), 1.5) for each in alone]), abs=1e-4)


def test_any_views_that_cover_the_half_circle_reconstruct():
    truth = slice_()
    calm = ndimage.binary_erosion(truth > 0, iterations=4) | ndimage.binary_erosion(truth == 0, iterations=4)
    uneven = np.cumsum(rng().uniform(0.5, 1.5, 200)) * np.pi / 200
    for angles in (np.arange(200) * np.pi / 200, uneven, np.arange(400) * np.pi / 200, rng().permutation(uneven) + 2):
        geometry = Parallel(angles, 161, 0.8, 70.5)
        assert arcs(geometry.angles).sum() == pytest.approx(np.pi)
        found = fbp(exact(geometry.angles[:, None], geometry.places), geometry, truth.shape, PIXEL)
        assert np.abs(found - truth)[calm].mean() < 4e-4  # of .03


def test_weights_of_uneven_views_by_hand():
    assert np.degrees(arcs(np.radians([0, 60, 90, 150]))) == pytest.approx([45, 45, 45, 45])
    assert np.degrees(arcs(np.radians([0, 45, 90, 270]))) == pytest.approx([67.5, 45, 22.5, 45])


@pytest.mark.parametrize("name", FANS)
def test_fans_are_the_exact_integrals_and_reconstruct(name):
    fan, truth = FANS[name], slice_()
    theta, s = fan.angles[:, None] + fan.gammas, fan.source_mm * np.sin(fan.gammas)
    rays = exact(theta, s)
    assert error(project(truth, PIXEL, fan), rays) < 0.01
    found = fbp(rays, fan, truth.shape, PIXEL)
    calm = ndimage.binary_erosion(truth > 0, iterations=4) | ndimage.binary_erosion(truth == 0, iterations=4)
    assert np.abs(found - truth)[calm].mean() < 4e-4


def test_scans_that_nobody_can_make_or_reconstruct_are_refused():
    half = np.arange(120) * np.pi / 180  # a third is missing
    with pytest.raises(BadInput, match=r"120 views leave 61\.0 of 180 degrees unseen"):
        fbp(np.zeros((120, 30)), Parallel(half, 30, 1.0), (20, 20), 1.0)
    with pytest.raises(BadInput, match="leave 180"):
        sparse_view.every(Parallel(np.arange(180) * np.pi / 180, 30, 1.0), 180)
    with pytest.raises(BadInput, match=r"filter 'rampe' came, expected one of ramp, shepp-logan"):
        fbp(np.zeros((120, 30)), Parallel(half * 1.5, 30, 1.0), (20, 20), 1.0, "rampe")
    with pytest.raises(BadInput, match=r"\(30, 120\) readings"):
        fbp(np.zeros((30, 120)), Parallel(half * 1.5, 30, 1.0), (20, 20), 1.0)
    for wrong in ({"cells": 1}, {"cell_mm": 0.0}, {"axis": 99.0}, {"angles": []}, {"angles": [np.nan]}):
        with pytest.raises(BadInput):
            Parallel(**{"angles": half, "cells": 30, "cell_mm": 1.0, **wrong})
    for wrong in ({"angles": half}, {"detector": "round"}, {"source_mm": 0.0}, {"cell": 0.05}):
        with pytest.raises(BadInput):
            dataclasses.replace(FANS["equiangular"], **wrong)


# few views


def regressed_snr(truth, image):
    """dB after the best affine fit (Jin et al. 2017)."""
    columns = np.stack([image.ravel(), np.ones(image.size)], 1)
    fit, *_ = np.linalg.lstsq(columns, truth.ravel(), rcond=None)
    return 20 * np.log10(np.linalg.norm(truth) / np.linalg.norm(truth.ravel() - columns @ fit))


def test_fewer_views_are_worse_and_all_are_good():
    hu = paint([dataclasses.replace(BODY, hu=40), Ellipse((10, 5), (8, 5), 300)], 96, 1.2)
    found = {}
    for keep in (1, 4, 12, 24):
        image, facts = sparse_view.simulate(hu, (1.2, 1.2), keep=keep, views=240)
        found[keep] = regressed_snr(hu, image)
        assert facts["views"] == 240 // keep and facts["of_views"] == 240
    assert sorted(found.values(), reverse=True) == list(found.values()) and found[1] > found[24] + 8
    volume, _ = sparse_view.simulate(np.stack([hu, hu[::-1]]), (5, 1.2, 1.2), keep=24, views=240)
    assert volume[0] == pytest.approx(image, abs=0.01) and volume[1] != pytest.approx(image, abs=100)


@pytest.mark.parametrize("wrong", [{"keep": 0}, {"keep": 240}, {"views": 1}])
def test_views_that_are_none_are_refused(wrong):
    with pytest.raises(BadInput, match="view"):
        sparse_view.simulate(np.full((32, 32), -1000.0), (1, 1), **{"keep": 2, "views": 240, **wrong})


# a real scan


@pytest.fixture(scope="module")
def tooth(real_data):
    return measured.read(real_data / "sinogram_tooth" / "tooth.h5")


def test_the_axis_of_a_tooth_is_found(tooth, real_data):
    sinograms, geometry = tooth
    with np.load(real_data / "sinogram_tooth" / "tooth_sinogram.npz") as made:
        assert sinograms[1] == pytest.approx(made["sinogram_slice1"], abs=1e-5)
    cells, turns = np.arange(geometry.cells), geometry.angles
    centroid = (sinograms[0] * cells).sum(1) / sinograms[0].sum(1)  # runs around the axis as a sine
    waves = np.stack([np.ones(turns.size), np.cos(turns), np.sin(turns)], 1)
    (middle, *_), *_ = np.linalg.lstsq(waves, centroid, rcond=None)
    assert geometry.axis == pytest.approx(middle, abs=0.6) and geometry.axis == pytest.approx(296, abs=0.5)


def test_a_tooth_from_fewer_views(tooth):
    (sinogram, _), geometry = tooth
    y, x = np.ogrid[:480, :480]
    seen, images = np.hypot(y - 239.5, x - 239.5) < 235, {}
    for keep in (1, 2, 4, 8):
        images[keep] = fbp(sinogram[::keep], sparse_view.every(geometry, keep), (480, 480), 1.0)[seen]
    found = [regressed_snr(images[1], images[keep]) for keep in (2, 4, 8)]
    assert found[0] > found[1] + 3 > found[2] + 6 and found[2] > 4


def test_an_axis_off_the_middle_is_told_to_a_fraction_of_a_cell():
    for axis in (55.0, 71.3):
        geometry = Parallel(np.arange(90) * np.pi / 90, 131, 1.0, axis)
        sinogram = exact(geometry.angles[:, None], geometry.places)
        assert measured.axis(sinogram[None], geometry.angles) == pytest.approx(axis, abs=0.25)
    with pytest.raises(BadInput, match="face each other"):
        measured.axis(sinogram[None, :60], geometry.angles[:60])


def test_files_that_are_no_scan_are_refused(tmp_path):
    import h5py

    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(BadInput, match=r"text\.h5: expected HDF5 with data, data_white"):
        measured.read(tmp_path / "text.h5")
    fields = {"data": np.full((4, 2, 9), 50.0), "data_white": np.full((1, 2, 9), 99.0), "theta": np.arange(4) * 45.0}
    for dark, words in ((np.full((1, 2, 8), 9.0), "disagree"), (np.full((1, 2, 9), 60.0), "without light")):
        with h5py.File(tmp_path / "scan.h5", "w") as opened:
            for name, values in {**fields, "data_dark": dark}.items():
                opened[f"exchange/{name}"] = values
        with pytest.raises(BadInput, match=words):
            measured.read(tmp_path / "scan.h5")
