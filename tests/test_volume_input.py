"""From volumes to what a network gets, and back to a picture that a radiologist reads."""

import numpy as np
import pytest
import slices

from radzoo.errors import BadInput
from radzoo.images import Input
from radzoo.images.augment import changed
from radzoo.images.augment3d import augment_volume
from radzoo.images.volumes import Volume
from radzoo.images.volumes.shown import three_planes


def volume(values, spacing=(1.0, 1.0, 1.0), modality=None):
    affine = np.zeros((4, 4))
    affine[[2, 1, 0, 3], [0, 1, 2, 3]] = (*spacing, 1)
    return Volume(np.asarray(values, "float32"), affine, modality)


def spec(shape=(8, 8, 8, 1), **more):
    return Input(**{"shape": shape, "window": (0.0, 100.0)} | more)


def test_a_spacing_cuts_and_pads_about_the_middle():
    values = np.arange(6 * 10 * 4).reshape(6, 10, 4) % 50
    said = spec(spacing_mm=(1, 1, 1)).fit(volume(values))
    assert said.shape == (8, 8, 8, 1) and said.dtype == np.float32
    window = spec().window
    expected = ((values[:, 1:9] - (window[0] - 0.5)) / (window[1] - 1) + 0.5).clip(0, 1)
    np.testing.assert_allclose(said[1:7, :, 2:6, 0], expected, atol=1e-6)
    assert (said[0] == said.min()).all() and (said[:, :, :2] == said.min()).all()


def test_without_a_spacing_the_aspect_in_millimetres_is_kept():
    """A ball in thick slices stays a ball: its extents along the three axes are equal."""
    z, y, x = np.indices((10, 40, 40))
    ball = (((z - 4.5) * 4) ** 2 + (y - 19.5) ** 2 + (x - 19.5) ** 2 < 15**2) * 100.0
    said = spec((32, 32, 32, 1)).fit(volume(ball, (4, 1, 1)))[..., 0] > 0.75
    extents = [np.flatnonzero(said.any(tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    sizes = [each[-1] - each[0] + 1 for each in extents]
    assert max(sizes) - min(sizes) <= 4  # a slice of 4 mm is 3.2 voxels
    assert abs(np.mean(sizes) - 30 * 32 / 40) < 2.5


def test_channels_are_windows_or_files():
    values = np.random.default_rng(0).uniform(-1000, 1000, (8, 8, 8))
    two = spec((8, 8, 8, 2), window=((40.0, 400.0), (-600.0, 1500.0))).fit(volume(values, modality="CT"))
    np.testing.assert_allclose(two[..., 1], ((values + 600.5) / 1499 + 0.5).clip(0, 1), atol=1e-5)
    three = spec((8, 8, 8, 3)).fit(volume(values))  # grey into a network of three channels
    assert (three == three[..., :1]).all() and three.shape == (8, 8, 8, 3)
    other = volume(values[::-1])
    pair = spec((8, 8, 8, 2), files=2, window="percentile").fit(volume(values), other)
    np.testing.assert_array_equal(pair[..., 1], pair[::-1, ..., 0])
    low, high = np.percentile(np.float32(values), (1, 99))
    np.testing.assert_allclose(pair[..., 0], ((values - low) / (high - low)).clip(0, 1), atol=1e-5)


def test_what_is_no_input_for_volumes():
    for wrong, message in (
        ({"shape": (8, 8, 7, 1), "files": 2, "mosaic": True}, "a mosaic of 2 volumes .* share the last of z, y, x"),
        ({"shape": (8, 8, 8, 1), "mosaic": True}, "a mosaic of 1 volumes .* it is a flat image"),
        ({"shape": (8, 8, 1), "mosaic": True, "spacing_mm": (1, 1, 1)}, "for the flat input"),
        ({"shape": (8, 8, 1), "spacing_mm": (1, 1, 1)}, "for the flat input"),
        ({"shape": (8, 8, 8, 8, 1)}, r"expected \(h, w, channels\) or \(z, y, x, channels\)"),
    ):
        with pytest.raises(BadInput, match=message):
            spec(**wrong)
    with pytest.raises(BadInput, match="CT needs a window"):
        spec(window="percentile").fit(volume(np.eye(8)[None] * np.ones((8, 1, 1)), modality="CT"))
    with pytest.raises(BadInput, match="percentiles 1 and 99 of the voxels are equal"):
        spec(window="header").fit(volume(np.ones((8, 8, 8))))
    with pytest.raises(BadInput, match="the image is CT, these weights expect MR"):
        spec(modality=("MR",)).fit(volume(np.ones((8, 8, 8)), modality="CT"))


def test_a_folder_and_a_file_enter_alike(tmp_path):
    planes = slices.even(count=8, shape=(8, 8), step=1.0)
    slices.write(tmp_path / "series", planes)
    slices.enhanced(planes).save_as(tmp_path / "one.dcm")
    each = spec(window=(40.0, 400.0))
    np.testing.assert_array_equal(each(tmp_path / "series"), each(tmp_path / "one.dcm"))


def test_augmented_volumes():
    """Each option does what it says, about the middle; nothing asked is nothing done; one seed, one result."""
    rng = np.random.default_rng(0)
    cube = rng.random((9, 11, 13, 2)).astype("float32")
    assert (augment_volume(cube, np.random.default_rng(1)) == cube).all()
    flipped = [augment_volume(cube, np.random.default_rng(seed), flip=True) for seed in range(8)]
    kinds = {
        "same" if np.allclose(f, cube) else "mirrored" if np.allclose(f, cube[:, :, ::-1]) else "?" for f in flipped
    }
    assert kinds == {"same", "mirrored"}
    ball = np.zeros((21, 21, 21, 1), "float32")
    ball[8:13, 8:13, 8:13] = 1
    for options in ({"rotate": 30}, {"zoom": 0.3}):
        said = augment_volume(ball, np.random.default_rng(2), **options)[..., 0]
        middle = [float((np.indices(said.shape)[axis] * said).sum() / said.sum()) for axis in range(3)]
        assert middle == pytest.approx([10, 10, 10], abs=0.1) and not np.allclose(said, ball[..., 0])
    moved = augment_volume(ball, np.random.default_rng(2), shift=0.2)[..., 0]
    middle = [float((np.indices(moved.shape)[axis] * moved).sum() / moved.sum()) - 10 for axis in range(3)]
    assert 1 < max(map(abs, middle)) <= 0.2 * 21 + 0.1 and moved.sum() == pytest.approx(ball.sum(), rel=0.01)
    everything = {"shift": 0.1, "rotate": 10, "zoom": 0.1, "crop": 0.2, "brightness": 0.1, "contrast": 0.1,
                  "noise": 0.05, "erase": 0.1, "flip": True}  # fmt: skip
    one, two = (changed(cube, np.random.default_rng(3), **everything) for _ in range(2))
    assert (one == two).all() and one.min() >= 0 and one.max() <= 1 and one.dtype == np.float32
    erased = augment_volume(np.zeros((10, 10, 10, 1), "float32"), np.random.default_rng(5), erase=0.5)
    assert 0 < (erased > 0).mean() <= 0.5


def test_right_is_left_and_the_head_is_above():
    """One bright voxel at the patient's left, front and head end of an asymmetric volume."""
    values = np.zeros((20, 30, 40), "float32")
    values[18, 3, 35] = 1
    said = three_planes(values, voxel=(18, 3, 35), spacing_mm=(2.0, 1.0, 1.0))
    scale = 256 / 40
    height, width, depth = (round(each * scale) for each in (30, 40, 40))
    assert said.shape == (height + depth, width + height)
    bright = np.argwhere(said[: height - 20, : width - 1] > 0.6).mean(0) / scale - 0.5
    assert bright == pytest.approx([3, 35], abs=0.6)  # axial: front above, the patient's left to the right
    bright = np.argwhere(said[height : height + 40, :width] > 0.6).mean(0) / scale - 0.5
    assert bright == pytest.approx([2 * 1.5 - 0.5, 35], abs=1)  # coronal: the head above
    bright = np.argwhere(said[height : height + 40, width:] > 0.6).mean(0) / scale - 0.5
    assert bright == pytest.approx([2 * 1.5 - 0.5, 3], abs=1)  # sagittal: the front to the left
    bar = np.argwhere(said[height - 14, width:] > 0.9)
    assert np.ptp(bar) + 1 == pytest.approx(20 * scale, abs=3)  # 20 mm of 30 fit
