"""Phantoms to restore: files and columns, HU as the index says, inserts where there is room, MR that fits its CT."""

import csv
import hashlib

import numpy as np
import pytest
from scipy import ndimage

from radzoo.data.sources import from_phantoms
from radzoo.errors import BadInput
from radzoo.images import phantoms, volumes
from radzoo.images.phantoms import low_dose_ct, pseudo_ct, sparse_view_ct
from radzoo.images.phantoms.ellipses import Ellipse, paint
from radzoo.physics.slices import checked
from radzoo.recipe import Data

KINDS = {"low_dose_ct": low_dose_ct, "sparse_view_ct": sparse_view_ct, "pseudo_ct": pseudo_ct}
COLUMNS = {"low_dose_ct": ["image", "mask"], "sparse_view_ct": ["image"], "pseudo_ct": ["input", "target", "mask"]}


def drawn(kind, patients, size):
    return [row for seed in range(patients) for row in KINDS[kind].patient(np.random.default_rng([9, seed]), size)]


def digest(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.nii.gz")}


@pytest.mark.parametrize("kind", KINDS)
def test_files_have_one_geometry_and_repeat(kind, tmp_path):
    index = phantoms.write(tmp_path / "set", kind, patients=2, seed=2, size=40)
    with open(index, encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    assert list(rows[0])[: len(COLUMNS[kind]) + 1] == [*COLUMNS[kind], "patient_id"] and len(rows) == 2
    assert {*phantoms.KINDS[kind].image, *phantoms.KINDS[kind].label} <= set(rows[0])
    for row in rows:
        first, *others = (volumes.read(index.parent / row[name]) for name in COLUMNS[kind])
        assert all(other.values.shape == first.values.shape for other in others)
        assert all((other.affine == first.affine).all() for other in others) and first.values.std() > 0
    again = phantoms.write(tmp_path / "again", kind, patients=2, seed=2, size=40)
    other = phantoms.write(tmp_path / "other", kind, patients=1, seed=3, size=40)
    assert digest(again.parent) == digest(index.parent)
    assert not set(digest(other.parent).values()) & set(digest(index.parent).values())


def test_a_recipe_finds_input_and_mask(tmp_path, monkeypatch):
    monkeypatch.setenv("RADZOO_CACHE", str(tmp_path))
    monkeypatch.setitem(phantoms.SETS, "pseudo_ct", {"kind": "pseudo_ct", "patients": 1, "size": 40})
    data = from_phantoms(Data(index="phantom:pseudo_ct", image=("file",), label="mask"), notes := [])
    assert data.image == ("input",) and data.label == ("mask",) and not notes
    assert phantoms.KINDS["pseudo_ct"].target == "target"


def test_painted_ellipses_have_their_areas_and_cover_each_other():
    one, two = Ellipse((3.0, -2.0), (9, 5), 100, 0.4), Ellipse((3.0, -2.0), (2, 2), -50)
    painted = paint([one, two], 60, 0.5, 0)
    assert painted.sum() / 4 == pytest.approx(np.pi * (45 - 4) * 100 - np.pi * 4 * 50, rel=0.01)
    y, x = ndimage.center_of_mass(painted)
    assert ((x - 29.5) / 2, (y - 29.5) / 2) == pytest.approx((3, -2), abs=0.05)
    assert painted[25, 35] == -50 and painted[0, 0] == 0  # at (2.75, -2.25) mm


def test_inserts_have_their_hounsfield_units_in_even_tissue():
    bodies = set()
    for pictures, cells in drawn("low_dose_ct", 6, 96):
        image, mask, step = pictures["image"].values, pictures["mask"].values, pictures["image"].spacing[1]
        bodies.add(cells["body"])
        for plane, found in zip(image, mask, strict=True):
            for value, name in enumerate(phantoms.KINDS["low_dose_ct"].classes, 1):
                here, wide = found == value, cells[f"{name}_mm"]
                if not here.any():
                    continue
                assert here.sum() * step**2 == pytest.approx(np.pi / 4 * wide**2, abs=np.pi * wide * step)
                inner = ndimage.distance_transform_edt(here) > 1.5
                assert (plane[inner] == cells[f"{name}_hu"]).all()
                around = ndimage.binary_dilation(here, iterations=3) & ~ndimage.binary_dilation(here, iterations=2)
                assert (plane[around] == cells["background_hu"]).all()
        assert len(np.unique(mask)) > 3 and image[:, 0, 0].max() == -1000
    assert len(bodies) > 2


def test_planes_of_a_patient_differ_and_can_be_scanned():
    for kind in ("low_dose_ct", "sparse_view_ct"):
        ((pictures, _),) = drawn(kind, 1, 64)
        image = pictures["image"]
        assert (image.values[0] != image.values[1]).any() and checked(image.values, image.spacing) > 1
        assert (image.values == -1000).mean() > 0.2 and image.values.max() > 100


def test_heads_on_ct_are_what_the_mask_says_and_on_mr_what_they_cannot_be():
    for pictures, cells in drawn("pseudo_ct", 2, 64):
        mr, ct, mask = (pictures[name].values.astype(float) for name in COLUMNS["pseudo_ct"])
        deep = {value: ndimage.distance_transform_edt(mask == value) > 1.5 for value in (0, 1, 2)}
        assert (ct[deep[0]] == -1000).all() and ct.max() <= cells["bone_hu"] and ct.min() == -1000
        soft, bone = ct[deep[1]], ct[mask == 2]
        assert np.mean((soft > -150) & (soft < 200)) > 0.99 and bone.min() > 200
        assert 0.2 < (mask == 1).mean() < 0.5 and 0.03 < (mask == 2).mean() < 0.2
        inner_air = (mask == 0) & ndimage.binary_fill_holes(ndimage.binary_closing(mask > 0, iterations=2))
        assert inner_air.sum() > 60  # sinuses
        assert np.median(mr[mask == 1]) > 2 * np.median(mr[mask == 2])
        low, high = np.percentile(mr[inner_air], (10, 90))
        assert ((mr > low) & (mr < high) & (mask == 2)).sum() > 0.1 * (mask == 2).sum()  # bone as dark as air


def test_a_set_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(BadInput, match="did you mean phantom:low_dose_ct"):
        phantoms.named_set("low_dose", tmp_path)
