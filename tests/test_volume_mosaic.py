"""Volumes side by side, and one volume as four of its planes in one flat image."""

import dataclasses

import numpy as np
import pytest
from test_volume_input import spec, volume

from radzoo import channels
from radzoo.data import Store
from radzoo.errors import BadInput
from radzoo.images import Input
from radzoo.images.volumes import Volume
from radzoo.images.volumes.mosaic import four_planes

WIDE = (50.5, 101.0)  # 0 to 100 become 0 to 1 without a rest


def quarters(image):
    height, width = (each // 2 for each in image.shape[:2])
    return image[:height, :width], image[:height, width:], image[height:, :width], image[height:, width:]


def test_planes_are_those_of_the_volume():
    """16 voxels of 2 mm in planes of 16 pixels: nothing is interpolated."""
    values = np.random.default_rng(0).uniform(0, 100, (16, 16, 16))
    image = four_planes(volume(values, (2, 2, 2)), (32, 32), WIDE)
    axial, coronal, right, left = (each[..., 0] * 100 for each in quarters(image))
    np.testing.assert_allclose(axial, values[8], atol=1e-3)
    np.testing.assert_allclose(coronal, values[::-1, 8], atol=1e-3)  # the head above
    np.testing.assert_allclose(right, values[::-1, :, 4], atol=1e-3)  # x runs to the patient's left
    np.testing.assert_allclose(left, values[::-1, :, 12], atol=1e-3)


def test_one_scale_in_millimetres():
    """A ball in thick slices and a wide field: as wide as high in the axial and in the coronal plane."""
    z, y, x = np.indices((16, 60, 80))
    ball = (((z - 7.5) * 4) ** 2 + (y - 29.5) ** 2 + (x - 39.5) ** 2 < 24**2) * 100.0
    axial, coronal, right, left = (
        each[..., 0] > 0.5 for each in quarters(spec_of((160, 160, 1)).fit(volume(ball, (4, 1, 1))))
    )
    sizes = [np.ptp(np.flatnonzero(plane.any(axis))) + 1 for plane in (axial, coronal) for axis in (0, 1)]
    assert sizes == pytest.approx([48, 48, 48, 48], abs=4)  # 80 mm are 80 pixels
    half = 2 * np.sqrt(24**2 - 20**2)  # the sagittal planes cut the ball 20 mm beside its middle
    for plane in (right, left):
        assert np.ptp(np.flatnonzero(plane.any(0))) + 1 == pytest.approx(half, abs=3)


def spec_of(shape, **more):
    return Input(**{"shape": shape, "window": WIDE, "mosaic": True} | more)


def test_left_is_on_the_left_plane():
    values = np.zeros((16, 16, 16))
    values[14, 2, 12] = 100  # near the head, in front, in the left half
    places = [np.argwhere(each[..., 0] > 0.9).tolist() for each in quarters(spec_of((32, 32, 1)).fit(volume(values)))]
    assert places == [[], [], [], [[1, 2]]]


def test_odd_sizes_windows_and_three_channels():
    values = np.random.default_rng(0).uniform(0, 100, (16, 10, 12))
    image = spec_of((33, 29, 3)).fit(volume(values))
    assert image.shape == (33, 29, 3) and (image == image[..., :1]).all() and image.std() > 0.05
    two = spec_of((32, 32, 2), window=(WIDE, (20.0, 41.0))).fit(volume(values))
    np.testing.assert_array_equal(two[..., :1], spec_of((32, 32, 1)).fit(volume(values)))
    np.testing.assert_array_equal(two[..., 1:], spec_of((32, 32, 1), window=(20.0, 41.0)).fit(volume(values)))


def test_phases_on_other_grids_lie_over_the_first():
    """Each phase is a plane in millimetres, on a grid of its own; as channels and side by side."""

    def phase(shape, spacing, origin, slopes):
        affine = np.zeros((4, 4))
        affine[[2, 1, 0, 3], [0, 1, 2, 3]] = (*spacing, 1)
        affine[:3, 3] = origin
        places = Volume(np.zeros(shape, "float32"), affine).positions(np.argwhere(np.ones(shape)))
        return Volume((50 + places @ slopes).reshape(shape).astype("float32"), affine)

    slopes = np.array([[1, 0.5, -0.5], [-1, 0.25, 1], [0.5, -1, 0.25]])
    first = phase((8, 8, 8), (2, 2, 2), (-7, -7, -7), slopes[0])
    others = [
        phase((9, 12, 10), (3, 2.5, 3), (-13, -14, -15), slopes[1]),
        phase((30,) * 3, (1, 1, 1), (-15,) * 3, slopes[2]),
    ]
    stack = spec((8, 8, 8, 3), files=3, window=WIDE).fit(first, *others)
    places = first.positions(np.argwhere(np.ones((8, 8, 8)))).reshape(8, 8, 8, 3)
    np.testing.assert_allclose(stack * 100, 50 + places @ slopes.T, atol=0.01)
    wide = spec((8, 8, 24, 1), files=3, window=WIDE, mosaic=True).fit(first, *others)
    np.testing.assert_array_equal(wide[..., 0], np.concatenate(np.moveaxis(stack, -1, 0), axis=2))


def test_stores_and_weights_take_them(tmp_path):
    import nibabel

    values = np.random.default_rng(0).uniform(0, 100, (12, 14, 16)).astype("float32")
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii.gz")
    weights = Input(shape=(32, 32, 3), mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.2))
    each = dataclasses.replace(channels.adapted_spec(weights, "fold", mosaic=True), window=WIDE)
    assert (each.shape, each.files, each.reads_volumes, each.volume) == ((32, 32, 1), 1, True, False)
    store = Store(each, tmp_path / "store")
    (key,) = store.add([str(tmp_path / "a.nii.gz")], progress=False)
    np.testing.assert_allclose(store[key], each.read(tmp_path / "a.nii.gz"), atol=1e-5)
    assert store.facts(key)["size"] == [16, 14, 12]
    folders = {Store(s).folder for s in (each, dataclasses.replace(each, mosaic=False))}
    assert len(folders) == 2
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 400)
    with pytest.raises(BadInput, match=r"a\.png: no volume that is read"):
        each.read(tmp_path / "a.png")
