"""An index of volumes: one row per series or file, what is odd about it, and why others are left out."""

import csv
import gzip
import struct
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


HEADERS = {  # name: (place in a NIfTI-1 header, format, value, what the list of left-out files says)
    "size": (42, "<h", -4, "has the shape (-4, 5, 6)"),
    "axes": (40, "<h", 9, "no volume that is read"),
    "type": (70, "<h", 999, "no volume that is read"),
    "large": (42, "<h", 32767, "the header claims 1966372 bytes"),
    "offset": (108, "<f", 4096.0, "the header claims 4336 bytes"),
    "nowhere": (254, "<h", 0, "the header says nowhere how the volume lies"),
    "not_finite": (280, "<f", float("nan"), "the header's geometry has NaN"),
    "flat": (280, "<f", 0.0, "the spacing along x is 0"),
}


def test_broken_volumes_do_not_hide_the_others(folder, capfd):
    content = bytearray((folder / "brain.nii.gz").read_bytes())
    content = bytearray(gzip.decompress(content))
    for name, (place, kind, value, _) in HEADERS.items():
        broken = content.copy()
        struct.pack_into(kind, broken, place, value)
        (folder / f"{name}.nii").write_bytes(broken)
    (folder / "cut.nii").write_bytes(content[:500])
    series = slices.write(folder / "truncated", slices.even(series="t"))
    with open(series[2], "r+b") as file:
        file.truncate(file.seek(0, 2) - 20)
    odd = slices.even(series="z", spacing=(0.0, 0.0)) + slices.even(series="o", ImageOrientationPatient=[0.0] * 6)
    slices.write(folder / "odd", odd)
    found = survey_series(folder, progress=False)
    assert len(found.table) == 6  # as without them
    reasons = dict(zip(found.left_out["file"].str.removeprefix(f"{folder}/"), found.left_out["reason"], strict=True))
    for name, (*_, told) in HEADERS.items():
        assert reasons[f"{name}.nii"].startswith(told), name
    assert reasons["cut.nii"].startswith("the header claims 592 bytes")
    assert reasons["truncated/014.dcm"] == "the pixel data is truncated: copy the file again"
    assert reasons["truncated"].startswith("planes are missing: 1 after plane")
    assert reasons["odd/000.dcm"].startswith("PixelSpacing is 0") and "no pair of unit vectors" in reasons["odd"]
    assert capfd.readouterr().err == ""


def test_every_file_of_nibabel_is_read_or_refused(real_data):
    """Values and places are those of nibabel, and of SimpleITK where that reads the file."""
    itk = pytest.importorskip("SimpleITK")
    formats, read = real_data / "volume_formats", []
    for path in sorted(formats.iterdir()):
        parts = {"example_nifti2.nii.gz": "#1", "functional.nii": "#7"}.get(path.name, "")
        try:
            volume = volumes.read(f"{path}{parts}")
        except BadInput as error:
            assert str(error).startswith(path.name) and "\n" not in str(error)
            continue
        read.append(path.name)
        voxels = np.random.default_rng(0).integers(0, volume.size, (50, 3))
        values, places = volume.values[tuple(voxels.T)], volume.positions(voxels)
        image = nibabel.load(path)
        theirs = np.asanyarray(image.dataobj)[(..., *map(int, filter(None, [parts[1:]])))]
        at = nibabel.affines.apply_affine(np.linalg.inv(image.affine), places * [-1, -1, 1])
        np.testing.assert_allclose(at, at.round(), atol=1e-6)
        np.testing.assert_allclose(values, theirs[tuple(at.round().astype(int).T)], rtol=1e-6)
        if path.name != "example_nifti2.nii.gz":  # SimpleITK knows no NIfTI-2
            other = itk.ReadImage(path)
            other = other[..., int(parts[1:])] if parts else other
            at = [other.TransformPhysicalPointToIndex(place.tolist()) for place in places]
            np.testing.assert_allclose(values, [other[each] for each in at], rtol=1e-6)
    assert read == [
        "anatomical.nii", "example_nifti2.nii.gz", "functional.nii", "reoriented_anat_moved.nii", "standard.nii.gz",
    ]  # fmt: skip


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
