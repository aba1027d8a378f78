"""An index of volumes: one row per series or file, what is odd about it, and why others are left out."""

import csv
import zipfile

import nibabel
import numpy as np
import pytest
import slices

from radzoo.data import Store
from radzoo.data.series import survey_series
from radzoo.errors import BadInput
from radzoo.images import Input, volumes


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two series in one folder, one alone, one with a hole, one of two patients, an image, a NIfTI, and no images."""
    monkeypatch.setenv("RADZOO_SECRET", str(tmp_path / "secret"))
    root = tmp_path / "export"
    known = {"PatientID": "Doe 1234", "StudyInstanceUID": "1.2.3", "Manufacturer": "Fata Morgana"}
    both = slices.even(series="a", **known) + slices.even(series="b", step=5.0, seed=1, **known)
    slices.write(root / "study", both)
    slices.write(root / "alone", slices.even(series="c", spacing=(0.5, 0.75), **known))
    slices.write(root / "hole", [p for n, p in enumerate(slices.even(series="d", **known)) if n != 2])
    mixed = slices.even(series="e", **known)
    mixed[0].PatientID = "Roe 5678"
    slices.write(root / "mixed", mixed)
    slices.write(root / "single", slices.even(count=1, series="f", **known))
    slices.enhanced(slices.even(series="g")).save_as(root / "enhanced.dcm")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), "int16"), np.diag([1, 2, 3, 1])), root / "brain.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6, 2), "int16"), np.diag([1, 1, 1, 1])), root / "dynamic.nii.gz")
    (root / "text.dcm").write_text("no image at all")
    with zipfile.ZipFile(root / "zip.dcm", "w") as packed:
        packed.writestr("a", "b")
    return root


def test_one_row_per_volume(folder):
    found = survey_series(folder, progress=False)
    rows = {row["file"].removeprefix(f"{folder}/"): row for row in found.table.to_dict("records")}
    assert {name.partition("#")[0] for name in rows} == {
        "study",
        "alone",
        "enhanced.dcm",
        "brain.nii.gz",
        "dynamic.nii.gz",
    }
    study = sorted((row for name, row in rows.items() if name.startswith("study#")), key=lambda row: row["spacing_mm"])
    assert [(row["shape"], row["spacing_mm"], row["odd"]) for row in study] == [
        ("6 5 7", "2 1 1", ""), ("6 5 7", "5 1 1", "5 mm between planes"),
    ]  # fmt: skip
    assert rows["alone"]["spacing_mm"] == "2 0.5 0.75" and rows["alone"]["modality"] == "CT"
    assert rows["alone"]["patient"] == study[0]["patient"] != "" and rows["alone"]["manufacturer"] == "Fata Morgana"
    assert rows["brain.nii.gz"]["shape"] == "6 5 4" and rows["brain.nii.gz"]["spacing_mm"] == "3 2 1"
    assert "2 volumes: name one as FILE#0" in rows["dynamic.nii.gz"]["odd"]
    reasons = dict(zip(found.left_out["file"].str.removeprefix(f"{folder}/"), found.left_out["reason"], strict=True))
    assert reasons["hole"].startswith("planes are missing: 1 after plane 3 of 5")
    assert reasons["mixed"].startswith("the planes have 2 values of PatientID (5, 1 planes)")
    assert reasons["single/000.dcm"].startswith("the series has one plane")
    assert reasons["text.dcm"].startswith("no volume that is read") and "zip.dcm" in reasons
    everything = found.table.to_csv() + found.left_out.to_csv()
    assert not any(word in everything for word in ("Doe", "1234", "Roe", "1.2.3"))


def test_a_series_of_several_in_a_folder_is_read_by_its_key(folder):
    names = [name for name in survey_series(folder, progress=False).table["file"] if "#" in name]
    found = {name: volumes.read(name) for name in names}
    assert sorted(each.spacing_mm[0] for each in found.values()) == [2, 5]
    store = Store(Input(shape=(8, 8, 8, 1), window=(0.0, 2000.0)), folder / "store")
    keys = store.add(names, progress=False)
    assert len(set(keys)) == 2 and store.facts(keys[0])["size"] == [6, 5, 7]
    with pytest.raises(BadInput, match="2 values of SeriesInstanceUID"):
        volumes.read(folder / "study")
    with pytest.raises(BadInput, match="the folder holds no series #000000000000"):
        volumes.read(f"{folder}/study#000000000000")


def test_the_command(folder, tmp_path, cli):
    code, said, _ = cli("index", folder, "--series", "--out", tmp_path / "index.csv")
    assert code == 0 and "6 volumes of" in said and "--size Z Y X" in said
    with open(tmp_path / "index.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 6
    (tmp_path / "empty").mkdir()
    for place, message in ((tmp_path / "empty", "holds no volume"), (tmp_path / "nowhere", "is no folder")):
        code, _, error = cli("index", place, "--series", "--out", tmp_path / "other.csv")
        assert code == 2 and message in error and "Traceback" not in error
    code, _, error = cli("index", folder, "--series", "--label", "folder", "--out", tmp_path / "other.csv")
    assert code == 2 and "--label came with --series" in error
