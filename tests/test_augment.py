"""Augmentation: what each option does to a known image, its limits, and the same numbers for the same seed."""

from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats

from radzoo.images.augment import augment, turns_on_laterality
from radzoo.images.geometry import warp
from radzoo.recipe import Augment

IMAGE = np.random.default_rng(5).random((24, 20, 1), dtype="float32") * 0.5 + 0.25
OPTIONS = {
    **{"shift": 0.1, "rotate": 10, "zoom": 0.2, "crop": 0.3, "brightness": 0.1, "contrast": 0.3},
    **{"noise": 0.05, "erase": 0.2, "flip": True},
}
NAMES = ("down", "right", "turn", "size", "gain", "offset", "mirror", "cut", "cut_top", "cut_left")
MOVES = ("shift", "rotate", "zoom", "crop", "flip")


def rng(seed=0):
    return np.random.default_rng(seed)


def drawn(seed):
    return dict(zip(NAMES, rng(seed).uniform(-1, 1, 15), strict=False))


def ramp(height=41, width=31):
    """Rises by .01 per row and by .02 per column, so that a value tells where it was."""
    rows, columns = np.mgrid[:height, :width]
    return (0.01 * rows + 0.015 * columns).astype("float32")[..., None]


def test_nothing_asked_for_changes_nothing():
    for images in (IMAGE, np.stack([IMAGE, IMAGE[::-1]])):
        np.testing.assert_array_equal(augment(images, rng()), images)
        np.testing.assert_array_equal(augment(images, rng(), **asdict(Augment())), images)


@pytest.mark.parametrize("seed", range(4))
def test_each_option_does_what_its_numbers_say(seed):
    draw = drawn(seed)

    def only(**option):
        return augment(IMAGE, rng(seed), **option)

    shift = (0.1 * draw["down"] * 24, 0.1 * draw["right"] * 20)
    np.testing.assert_allclose(only(shift=0.1), warp(IMAGE, shift=shift), atol=1e-6)
    np.testing.assert_allclose(only(rotate=10), warp(IMAGE, rotate=10 * draw["turn"]), atol=1e-6)
    np.testing.assert_allclose(only(zoom=0.2), warp(IMAGE, zoom=1 + 0.2 * draw["size"]), atol=1e-6)
    np.testing.assert_allclose(only(flip=True), IMAGE[:, ::-1] if draw["mirror"] > 0 else IMAGE, atol=1e-6)
    np.testing.assert_allclose(only(brightness=0.1), IMAGE + 0.1 * draw["offset"], atol=1e-6)
    contrast = (IMAGE - IMAGE.mean()) * (1 + 0.3 * draw["gain"]) + IMAGE.mean()
    np.testing.assert_allclose(only(contrast=0.3), contrast, atol=1e-6)


def test_grey_values_by_hand():
    """Mean .4; gain +1 doubles the distance from it, offset -1 darkens by .1."""
    generator = Fixed(gain=1.0, offset=-1.0)
    image = np.float32([[0.2, 0.3], [0.5, 0.6]])[..., None]
    got = augment(image, generator, contrast=0.5, brightness=0.1)
    np.testing.assert_allclose(got[..., 0], [[0.0, 0.15], [0.45, 0.6]], atol=1e-6)
    np.testing.assert_allclose(augment(image, generator, brightness=0.3)[..., 0], [[0, 0], [0.2, 0.3]], atol=1e-6)


class Fixed:
    """A generator whose numbers are given by name; all others are 0."""

    def __init__(self, **numbers):
        self.numbers = numbers

    def uniform(self, low, high, shape):
        from radzoo.images.augment import DRAWS

        assert (low, high) == (-1, 1) and shape[1] == len(DRAWS)
        return np.tile([self.numbers.get(name, 0.0) for name in DRAWS], (shape[0], 1))

    def integers(self, high, size):
        return np.arange(size)


def test_a_dot_moves_by_the_drawn_amount():
    dot = np.zeros((41, 31, 1), "float32")
    dot[10, 12] = 1
    at = lambda image: tuple(np.argwhere(image[..., 0] > 0.99)[0])  # noqa: E731
    assert at(augment(dot, Fixed(down=1), shift=5 / 41)) == (15, 12)
    assert at(augment(dot, Fixed(right=-0.5), shift=6 / 31)) == (10, 9)
    assert at(augment(dot, Fixed(mirror=0.1), flip=True)) == (10, 30 - 12)
    assert at(augment(dot, Fixed(mirror=-0.1), flip=True)) == (10, 12)
    assert at(augment(dot, Fixed(turn=1), rotate=90)) == (20 - (12 - 15), 15 + (10 - 20))  # counter-clockwise
    wide = augment(dot, Fixed(size=1), zoom=0.5)  # 10 rows and 3 columns from the centre become 15 and 4.5
    rows, columns = np.mgrid[:41, :31]
    centre = [(wide[..., 0] * place).sum() / wide.sum() for place in (rows, columns)]
    np.testing.assert_allclose(centre, (20 - 15, 15 - 4.5), atol=1e-5)


@pytest.mark.parametrize("top", [-1, 0, 0.5, 1])
@pytest.mark.parametrize("left", [-1, 0.25, 1])
def test_crop_keeps_the_right_rectangle(top, left):
    """Of 41 x 31 pixels a quarter of each side goes: 3/4 from the drawn place on become the whole."""
    image = ramp()
    got = augment(image, Fixed(cut=0, cut_top=top, cut_left=left), crop=0.5)[..., 0]
    first, second = (top + 1) / 2 * 0.25 * 40, (left + 1) / 2 * 0.25 * 30
    expected = 0.01 * (first + 0.75 * np.arange(41)[:, None]) + 0.015 * (second + 0.75 * np.arange(31))
    np.testing.assert_allclose(got, expected, atol=0.015 / 32 + 1e-6)  # OpenCV rounds places to 1/32 pixel


def test_moves_are_composed_into_one_resampling():
    """A fine chequerboard that is cropped to half and zoomed to half is what it was: two resamplings would blur it."""
    fine = np.indices((41, 31)).sum(0)[..., None].astype("float32") % 2
    got = augment(fine, Fixed(cut=1, size=-1, cut_top=0, cut_left=0), crop=0.5, zoom=0.5)
    np.testing.assert_allclose(got, fine, atol=1e-6)
    smooth = ramp()
    one = augment(smooth, Fixed(cut=0.5, cut_top=-0.4, cut_left=0.8, turn=1, down=0.3, mirror=1), crop=0.2, rotate=20,
                  shift=0.1, flip=True)  # fmt: skip
    part = 1 - 0.75 * 0.2
    two = warp(smooth, crop=(0.3 * (1 - part) * 40, 0.9 * (1 - part) * 30, part))
    two = warp(warp(two, flip=True), rotate=20)
    two = warp(two, shift=(0.3 * 0.1 * 41, 0))
    np.testing.assert_allclose(one[10:-10, 10:-10], two[10:-10, 10:-10], atol=0.002)


def test_noise_has_the_drawn_standard_deviation():
    grey = np.full((6, 100, 100, 1), 0.5, "float32")
    for number, part in ((-1, 0), (0, 0.5), (1, 1)):
        got = augment(grey, Fixed(noise=number), noise=0.06) - grey
        np.testing.assert_allclose(got.std(axis=(1, 2, 3)), part * 0.06, rtol=0.03)
        assert abs(got.mean()) < 4 * 0.06 / np.sqrt(got.size)
    assert stats.kstest(got.ravel() / 0.06, "norm").pvalue > 1e-3
    level = augment(np.full((400, 20, 20, 1), 0.5, "float32"), rng(), noise=0.1).std(axis=(1, 2, 3))
    assert level.max() < 0.115 and stats.kstest(level / 0.1, "uniform").pvalue > 1e-3


def test_erase_changes_one_rectangle_of_at_most_that_area():
    grey = np.full((500, 40, 60, 2), 2.0, "float32")  # no noise in 0..1 is mistaken for it before the clip
    got = augment(grey, rng(), erase=0.25)
    share, tall, ends = [], [], set()
    for image in got:
        hidden = (image != 1).all(-1)
        np.testing.assert_array_equal(hidden, (image != 1).any(-1))  # the same place in every channel
        rows, columns = np.flatnonzero(hidden.any(1)), np.flatnonzero(hidden.any(0))
        assert hidden.sum() == len(rows) * len(columns)
        if len(rows):
            assert (np.ptp(rows), np.ptp(columns)) == (len(rows) - 1, len(columns) - 1)  # one, without holes
            share.append(hidden.mean())
        if 0 < len(rows) < 30 and len(columns) < 45:
            ends |= {("top", rows[0]), ("bottom", rows[-1]), ("left", columns[0]), ("right", columns[-1])}
        if 8 < len(rows) < 40 and len(columns) > 8:
            tall.append(len(rows) / len(columns))
    assert len(share) > 480 and max(share) <= 0.25 and max(share) > 0.23
    assert 0.09 < np.mean(share) < 0.125  # uniform up to a quarter, less what is rounded down or cut at the edge
    assert min(tall) > 0.25 and max(tall) < 4 and 0.35 < np.mean(np.array(tall) > 1) < 0.65
    noise = got[got != 1]
    assert stats.kstest(noise[:20000], "uniform").pvalue > 1e-3
    assert {("top", 0), ("bottom", 39), ("left", 0), ("right", 59)} <= ends and len(ends) > 120  # anywhere


def test_options_do_not_change_what_the_others_do():
    """The draws of each option, and those of the next image, stay as they are with any other option off."""
    for off in OPTIONS:
        one, two = rng(3), rng(3)
        augment(IMAGE, one, **OPTIONS)
        augment(IMAGE, two, **{**OPTIONS, off: 0})
        assert one.bit_generator.state == two.bit_generator.state
    grey = np.full((4, 30, 30, 1), 0.5, "float32")
    np.testing.assert_allclose(  # noise is the same numbers beside a shift in brightness
        augment(grey, rng(1), noise=0.02, brightness=0.1) - augment(grey, rng(1), brightness=0.1),
        augment(grey, rng(1), noise=0.02) - grey,
        atol=1e-6,
    )
    plain, beside = (augment(grey, rng(2), erase=0.3, **more) for more in ({}, {"noise": 1e-4, "rotate": 1e-3}))
    hidden = plain != 0.5
    np.testing.assert_array_equal(plain[hidden], beside[hidden])  # the same place and filling


def test_a_batch_draws_for_each_image():
    grey = np.full((50, 12, 10, 3), 0.5, "float32")
    offset = augment(grey, rng(7), brightness=0.2)[:, 0, 0, 0] - 0.5
    assert len(np.unique(offset)) == 50
    np.testing.assert_allclose(offset, 0.2 * rng(7).uniform(-1, 1, (50, 15))[:, 5], atol=1e-6)
    images = np.stack([IMAGE] * 6)
    numbers = rng(7).uniform(-1, 1, (6, 15))
    got = augment(images, rng(7), shift=0.1, contrast=0.2)
    for image, (down, right, _, _, gain, *_) in zip(got, numbers, strict=True):
        moved = warp(IMAGE, shift=(0.1 * down * 24, 0.1 * right * 20))
        expected = (moved - moved.mean()) * (1 + 0.2 * gain) + moved.mean()
        np.testing.assert_allclose(image, expected.clip(0, 1), atol=1e-5)
    flipped = augment(images, rng(7), flip=True)
    for image, number in zip(flipped, numbers[:, 6], strict=True):
        np.testing.assert_allclose(image, IMAGE[:, ::-1] if number > 0 else IMAGE, atol=1e-6)


def test_same_seed_same_image_in_range_and_the_source_untouched():
    before = IMAGE.copy()
    strong = {**OPTIONS, "brightness": 0.9, "contrast": 0.9, "noise": 0.5}
    for channels in (1, 3, 6):
        image = np.repeat(IMAGE, channels, axis=-1)
        for batch in (image, np.stack([image] * 3)):
            for seed in range(10):
                first, again = (augment(batch, rng(seed), **strong) for _ in range(2))
                np.testing.assert_array_equal(first, again)
                assert first.shape == batch.shape and first.dtype == np.float32
                assert first.min() >= 0 and first.max() <= 1
    for option, value in OPTIONS.items():
        for seed in range(5):
            augment(IMAGE, rng(seed), **{option: value})
    np.testing.assert_array_equal(IMAGE, before)


def test_flips_come_in_half_of_the_cases_and_only_when_asked_for():
    images = np.stack([IMAGE] * 400)
    mirrored = (augment(images, rng(), flip=True) != images).any(axis=(1, 2, 3))
    assert 170 < mirrored.sum() < 230
    assert not Augment().flip


@pytest.mark.parametrize("name", [
    *("laterality", "ImageLaterality", "side", "left_effusion", "Right pneumothorax", "LeftLung", "situs inversus"),
    *("Dextrocardia", "LINKS", "Erguss rechts", "rechtsseitig", "tumour side", "L", "r", "Effusion LT", "left-sided"),
    "side_2",
])  # fmt: skip
def test_names_that_speak_of_a_side(name):
    assert turns_on_laterality(["nodule", name])


def test_letters_for_sides_count_as_a_pair():
    assert turns_on_laterality(["effusion_l", "effusion_r"]) and turns_on_laterality(["L/R"])
    assert not turns_on_laterality(["grade_r"]) and not turns_on_laterality(["vitamin l"])


@pytest.mark.parametrize("names", [
    ["infiltration", "rale", "bright", "upright", "lateral view", "frontal"],
    ["bilateral effusion", "unilateral", "Consolidation", "inside", "sidestream", "cleft palate", "Brightness"],
    ["no_finding", "COVID-19", "Pneumonia/other", "benign", "malignant", "1", "0", ""],
    [],
])  # fmt: skip
def test_names_that_do_not(names):
    assert not turns_on_laterality(names)
