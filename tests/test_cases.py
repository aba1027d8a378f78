"""Masks of an index as classes, on the grid that a network works on, and windows of them."""

from dataclasses import replace

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from radzoo.data import read_index
from radzoo.data.cases import Cases, likeliest, own
from radzoo.data.classes import Meaning, meaning
from radzoo.data.patches import Patches, Window, cut
from radzoo.errors import BadInput
from radzoo.images import Input
from radzoo.masks import IGNORE
from radzoo.recipe import Augment, Data

GREY = Input(shape=(32, 32, 1))
ONE = Meaning(("organ",), {1: 1})


def row(position):
    return f"row {position + 2}"


def picture(path, values):
    Image.fromarray(np.asarray(values, "uint8")).save(path)
    return str(path)


@pytest.fixture
def pair(tmp_path):
    """A 40 x 60 image of a bright disc, and the disc as its mask."""
    y, x = np.mgrid[:40, :60]
    disc = (y - 15) ** 2 + (x - 40) ** 2 < 100
    image = picture(tmp_path / "image.png", 50 + 150 * disc + (x + y) % 3)
    return image, picture(tmp_path / "mask.png", 255 * disc), disc


@pytest.mark.parametrize(
    ("classes", "labels", "expected"),
    [
        ((), [0, 3, 7], {"classes": ("3", "7"), "labels": {3: 1, 7: 2}}),
        (("lung",), [0, 255], {"classes": ("lung",), "labels": {255: 1}}),
        (("a", "b"), [0, 1, 2], {"classes": ("a", "b"), "labels": {1: 1, 2: 2}}),
        (("lungs=1+2", "heart=5"), [0, 1, 2, 5], {"classes": ("lungs", "heart"), "labels": {1: 1, 2: 1, 5: 2}}),
    ],
)
def test_labels_become_classes(classes, labels, expected):
    found = meaning(Data(classes=classes), [((), tuple(labels))], row)
    assert (found.classes, found.labels) == (expected["classes"], expected["labels"])


def test_names_of_segments_are_classes_in_any_order():
    seen = [(("liver", "tumour"), (0, 1, 2)), (("tumour", "liver"), (0, 1, 2))]
    found = meaning(Data(classes=("liver", "tumour")), seen, row)
    assert list(found.table(("tumour", "liver"), 2)) == [0, 2, 1]
    assert meaning(Data(), seen, row).classes == ("liver", "tumour")


def test_the_table_knows_background_ignored_and_objects():
    found = meaning(Data(classes=("a=2",), ignore=9, others="background"), [((), (0, 2, 3, 9))], row)
    assert list(found.table((), 10)) == [0, 0, 1, 0, 0, 0, 0, 0, 0, IGNORE, 0]
    assert list(meaning(Data(), [((), (0, 1, 2, 3))], row, instances=True).table((), 3)) == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("data", "seen", "message"),
    [
        (Data(), [((), (0,)), ((), (0,))], "all 2 masks are empty: is --data.mask the right column"),
        (Data(ignore=4), [((), (0, 4))], "all 1 masks are empty"),
        (Data(classes=("a",)), [((), (0, 1)), ((), (0, 2))], "label 2 came, first in row 3; the classes are a=1"),
        (Data(classes=("a", "b")), [((), (10, 20))], "labels 10, 20 came for the classes a, b: say which is which"),
        (Data(classes=("a", "b")), [((), (0, 1))], "no mask holds b: drop it"),
        (Data(classes=("a", "a")), [((), (0, 1))], "give each class a name of its own"),
        (Data(classes=("a=1", "b")), [((), (0, 1))], "'b' came, expected NAME=LABEL"),
        (Data(classes=("a=1", "b=1")), [((), (0, 1))], "'b=1' came, expected NAME=LABEL"),
        (Data(classes=("a",)), [(("b",), (0, 1))], "label b came, first in row 2"),
        (Data(), [(("b",), (0, 1)), ((), (0, 1))], "the mask of row 2 names its segments, that of row 3 has numbers"),
        (Data(), [((), tuple(range(99)))], "the masks hold 98 labels: name those you want"),
    ],
)
def test_labels_that_make_no_classes(data, seen, message):
    with pytest.raises(BadInput, match=message):
        meaning(data, seen, row)


def test_a_whole_image_and_back(tmp_path, pair):
    """What is drawn on the working grid lies over the same pixels of the image."""
    image, mask, disc = pair
    cases = Cases(GREY, whole=True, folder=tmp_path / "store")
    key = cases.add([image], [mask], progress=False)[0]
    lung = Meaning(("lung",), {255: 1})
    working = cases.labels(key, lung)
    assert working.shape == (32, 32) and cases.image(key).shape == (32, 32, 1)
    bright = np.asarray(cases.image(key))[..., 0] / 65535 > 0.5
    assert (bright != (working == 1)).sum() <= 6  # at its border
    np.testing.assert_array_equal(cases.truth(key, lung), disc)
    back = likeliest(np.eye(2, dtype="float32")[working], cases.facts(key))
    for found in (back, own(working, cases.facts(key))):
        assert found.shape == (40, 60) and 2 * (found & disc).sum() / (found.sum() + disc.sum()) > 0.93


def test_windows_are_drawn_at_the_pixels_own_size(tmp_path, pair):
    image, mask, disc = pair
    cases = Cases(GREY, whole=False, folder=tmp_path / "store")
    key = cases.add([image], [mask], progress=False)[0]
    lung = Meaning(("lung",), {255: 1})
    assert cases.image(key).shape == (40, 60, 1)
    np.testing.assert_array_equal(cases.labels(key, lung), disc)
    patches = Patches(cases, [key], lung, Window((16, 16), (8, 8)), count=50, foreground=1.0)
    for number in range(50):
        values, truth = patches.one(number, seed=1, epoch=2, augment=None)
        assert values.shape == (16, 16, 1) and truth.shape == (8, 8, 3)
        bright = values[4:12, 4:12, 0] > cases.spec.normalise(np.float32([[[0.5]]]))[0, 0, 0]
        np.testing.assert_array_equal(bright, truth[..., 1] == 1)  # image and mask lie over each other
        assert truth[..., 1].any() and (truth[..., 2] == 1).all()  # its middle is a pixel of the class
    again = patches.one(7, seed=1, epoch=2, augment=None)[0]
    np.testing.assert_array_equal(again, patches.one(7, seed=1, epoch=2, augment=None)[0])


def test_the_same_moves_for_image_and_mask(tmp_path, pair):
    image, mask, _ = pair
    cases = Cases(GREY, whole=False, folder=tmp_path / "store")
    key = cases.add([image], [mask], progress=False)[0]
    patches = Patches(cases, [key], Meaning(("lung",), {255: 1}), Window((24, 24), (24, 24)), count=20, foreground=1.0)
    strong = Augment(rotate=90, zoom=0.2, shift=0.1, elastic=0.05, flip=True)
    plain = [patches.one(i, 0, 0, None)[1] for i in range(20)]
    for i in range(20):
        values, truth = patches.one(i, 0, 0, strong)
        bright = values[..., 0] > 0.5
        assert (bright != (truth[..., 1] == 1)).mean() < 0.08  # half a pixel along the border of the disc
        assert (truth[..., :2].sum(-1) == 1).all()  # mirrored borders: nothing black comes in, every pixel is known
    assert any((patches.one(i, 0, 0, strong)[1] != plain[i]).any() for i in range(20))


def test_ignored_pixels_count_nowhere(tmp_path):
    values = np.tile(np.uint8([0, 1, 1, 7] * 8), (32, 1))
    image = picture(tmp_path / "image.png", np.arange(1024).reshape(32, 32) % 251)
    cases = Cases(GREY, whole=False, folder=tmp_path / "store")
    key = cases.add([image], [picture(tmp_path / "mask.png", values)], progress=False)[0]
    patches = Patches(
        cases, [key], Meaning(("a",), {1: 1}, ignore=7), Window((32, 32), (32, 32)), count=1, foreground=0
    )
    truth = patches.one(0, 0, 0, None)[1]
    np.testing.assert_array_equal(truth[..., 2], values != 7)
    np.testing.assert_array_equal(truth[..., :2].sum(-1), values != 7)


def test_a_box_is_mirrored_where_it_reaches_out():
    line = np.arange(4)
    assert list(cut(line, [-3], [10])) == [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    assert list(cut(np.array([5]), [-1], [3])) == [5, 5, 5]
    assert list(cut(line, [1], [2])) == [1, 2]


def test_masks_of_volumes_lie_where_the_patient_does(tmp_path):
    """Another orientation and another spacing of the mask: the same places in the patient."""
    values = np.zeros((12, 10, 8), "float32")  # x y z
    values[3:9, 2:7, 2:6] = 100
    values += np.random.default_rng(0).normal(0, 1, values.shape).astype("float32")
    affine = np.diag([2.0, 2, 3, 1])
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "image.nii.gz")
    organ = (values > 50).astype("uint8")
    flipped = np.diag([-2.0, 2, 3, 1])
    flipped[0, 3] = 2 * 11
    nibabel.save(nibabel.Nifti1Image(organ[::-1], flipped), tmp_path / "flipped.nii.gz")
    fine = np.repeat(organ, 3, axis=2)
    finer = np.diag([2.0, 2, 1, 1])
    finer[2, 3] = -1
    nibabel.save(nibabel.Nifti1Image(fine, finer), tmp_path / "finer.nii.gz")
    cases = Cases(
        Input(shape=(8, 8, 8, 1), window=(50, 100), spacing_mm=(1.5, 2, 2)), whole=False, folder=tmp_path / "s"
    )
    for name in ("flipped", "finer"):
        key = cases.add([str(tmp_path / "image.nii.gz")], [str(tmp_path / f"{name}.nii.gz")], progress=False)[0]
        image, labels = np.asarray(cases.image(key))[..., 0], cases.labels(key, ONE)
        assert image.shape == labels.shape == (16, 10, 12)
        assert ((image > 32768) != (labels == 1)).mean() < 0.02
        drawn = own(labels, cases.facts(key))
        np.testing.assert_array_equal(drawn, cases.truth(key, ONE))
        assert cases.truth(key, ONE).sum() == organ.sum()
    with pytest.raises(BadInput, match=r"image.nii.gz \(image 1 of 1\): the mask far.nii.gz: .* is this the mask of"):
        away = affine.copy()
        away[:3, 3] = 500
        nibabel.save(nibabel.Nifti1Image(organ, away), tmp_path / "far.nii.gz")
        cases.add([str(tmp_path / "image.nii.gz")], [str(tmp_path / "far.nii.gz")], progress=False)


def test_what_lies_beyond_the_working_grid_is_background(tmp_path):
    """Volumes larger than the network's size are cut: nothing was seen there."""
    values = np.random.default_rng(0).normal(0, 20, (20, 12, 12)).astype("float32")
    nibabel.save(nibabel.Nifti1Image(values, np.diag([-1.0, -1, 1, 1])), tmp_path / "image.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.ones((20, 12, 12), "uint8"), np.diag([-1.0, -1, 1, 1])), tmp_path / "m.nii.gz")
    cases = Cases(Input(shape=(8, 8, 8, 1), window=(0, 100), spacing_mm=(1, 1, 1)), whole=True, folder=tmp_path / "s")
    key = cases.add([str(tmp_path / "image.nii.gz")], [str(tmp_path / "m.nii.gz")], progress=False)[0]
    everywhere = np.ones((8, 8, 8), "uint8")
    said = np.stack([np.zeros((8, 8, 8)), everywhere], -1).astype("float32")
    for found in (own(everywhere, cases.facts(key)), likeliest(said, cases.facts(key))):
        assert found.shape == (12, 12, 20) and found.sum() == 8**3


def test_bad_masks_of_an_index(tmp_path, pair):
    image, mask, _ = pair
    small = picture(tmp_path / "small.png", np.zeros((40, 59)))
    cases = Cases(GREY, whole=True, folder=tmp_path / "store")
    for other, message in ((small, "the mask small.png: has 40 x 59 pixels, its image 40 x 60"),
                           (str(tmp_path / "no.png"), "the mask no.png does not exist")):  # fmt: skip
        with pytest.raises(BadInput, match=rf"image.png \(image 1 of 1\): {message}"):
            cases.add([image], [other], progress=False)
    table = pd.DataFrame({"image": ["image.png"], "mask": ["mask.png"], "second": [""], "patient": ["a"]})
    table.to_csv(tmp_path / "index.csv", index=False)
    data = Data(index=str(tmp_path / "index.csv"), patient="patient", mask=("mask", "second"))
    index = read_index(data, "segmentation")
    assert index.table["mask"][0].split("\n") == [mask, ""] and index.labels.shape == (1, 0)
    for wrong, message in (((), "a segmentation needs a column of masks"), ("second", "names no mask in row 2"),
                           ("organ", "has no column 'organ' .*--data.mask")):  # fmt: skip
        with pytest.raises(BadInput, match=message):
            read_index(replace(data, mask=wrong), "segmentation")
