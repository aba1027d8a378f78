"""Contours on images, and colours that colour-blind readers tell apart."""

import cv2
import numpy as np
import pytest
from skimage.color import rgb2lab

from radzoo.errors import BadInput
from radzoo.images.drawn import contours, drawn
from radzoo.images.palette import PALETTE, colour

PROTAN = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
DEUTAN = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]


@pytest.mark.parametrize("seen", [np.eye(3), PROTAN, DEUTAN], ids=["normal", "protanopia", "deuteranopia"])
def test_all_colours_differ_to_all_readers(seen):
    """As Machado et al. simulate it (2009, severity 1); distances in CIELAB, where 2.3 is just seen."""
    part = np.array(PALETTE) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4) @ np.transpose(seen)
    linear = linear.clip(0, 1)
    lab = rgb2lab(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + 99 * np.eye(len(lab))
    assert len(PALETTE) == 20 and apart.min() > 15
    assert colour(1) == PALETTE[0] == colour(21) and colour(20) == PALETTE[19]


def test_contours_are_the_inner_edges_of_regions_and_holes():
    labels = np.zeros((20, 24), "uint8")
    labels[2:12, 3:13], labels[5:8, 6:9], labels[14:18, 15:20] = 1, 0, 7
    found = dict(contours(labels, (20, 24), 2))
    assert list(found) == [1, 7] and len(found[1]) == 2  # an outline and that of the hole
    for label, lines in found.items():
        inside = (labels == label).astype("uint8").repeat(2, 0).repeat(2, 1)
        edge = np.zeros_like(inside)
        for x, y in np.concatenate(lines).reshape(-1, 2):
            edge[y, x] = 1
        cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
        np.testing.assert_array_equal(edge, inside - cv2.erode(inside, cross))


def shown(picture, wanted) -> bool:
    return bool((picture == wanted).all(-1).any())


def test_agreement_and_both_errors_look_different():
    image, one = np.full((40, 50), 0.5, "float32"), np.zeros((40, 50), "int32")
    one[10:30, 10:30] = 2
    solid, pale = colour(2), tuple(round(127.5 + part / 2) for part in colour(2))
    both, missed, invented = drawn(image, one, one), drawn(image, one), drawn(image, predicted=one)
    assert both.shape == (320, 400, 3) and both.dtype == "uint8"
    assert shown(both, solid) and shown(both, pale)
    assert shown(missed, pale) and not shown(missed, solid)
    assert shown(invented, solid) and not shown(invented, pale)
    assert (both[160, 160] == 128).all()  # inside, the image is as it was


def test_large_images_keep_their_size_and_ignored_pixels_have_no_contour():
    image = np.zeros((512, 400, 3), "float32")
    image[..., 0] = 1
    ignored = np.zeros((512, 400), "uint8")
    ignored[100:200, 100:200] = 255
    assert (drawn(image, ignored) == [255, 0, 0]).all()
    assert drawn(image[:50, :40], scale=3).shape == (150, 120, 3)


def test_labels_of_another_image():
    with pytest.raises(BadInput, match=r"labels \(4, 4\) of uint8 came, expected whole numbers of shape \(5, 4\)"):
        drawn(np.zeros((5, 4)), np.zeros((4, 4), "uint8"))
    with pytest.raises(BadInput, match="of float32 came"):
        contours(np.zeros((5, 4), "float32"), (5, 4))
