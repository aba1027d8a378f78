"""`radzoo index`: what becomes a row, what is left out and why, and that nobody's name comes along."""

import hashlib
import hmac
import os
import random
import re
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pydicom
import pytest

from radzoo.data import read_index
from radzoo.data.keys import Keys
from radzoo.data.kinds import view
from radzoo.data.survey import survey
from radzoo.errors import BadInput
from radzoo.images import read
from radzoo.recipe import Data

CR, DX, SC = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.7"
SECRETS = {  # none of these may ever leave a header
    "PatientName": "MUSTERMANN^ERIKA", "PatientID": "PAT-4711", "PatientBirthDate": "19700101",
    "IssuerOfPatientID": "ST-ELSEWHERE", "AccessionNumber": "ACC-0815", "InstitutionName": "General Hospital",
    "ReferringPhysicianName": "WATSON^JOHN", "StudyDate": "20240229", "StudyDescription": "tumour of E. Mustermann",
    "StudyInstanceUID": "1.2.3.4", "SeriesInstanceUID": "1.2.3.5", "SOPInstanceUID": "1.2.3.6", "StationName": "ROOM7",
    "ProtocolName": "Erika special", "PatientComments": "neighbour of the janitor",
}  # fmt: skip


@pytest.fixture(autouse=True)
def secret(tmp_path, monkeypatch):
    """A secret of the test's own."""
    path = tmp_path / "keys" / "secret"
    monkeypatch.setenv("RADZOO_SECRET", str(path))
    return path


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "images"
    path.mkdir()
    return path


def dicom(path: Path, **attributes) -> Path:
    """A small image of a patient with secrets; `attributes` override the header, None removes one."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = attributes.pop("syntax", pydicom.uid.ExplicitVRLittleEndian)
    data = pydicom.dataset.FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    header = SECRETS | {"SOPClassUID": CR, "Modality": "CR", "Rows": 4, "Columns": 6, "BitsAllocated": 16,
                        "BitsStored": 12, "HighBit": 11, "SamplesPerPixel": 1, "PixelRepresentation": 0,
                        "PhotometricInterpretation": "MONOCHROME2", **attributes}  # fmt: skip
    data.PixelData = np.random.default_rng(len(str(path))).integers(0, 4096, 24).astype("<u2").tobytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # broken headers are written on purpose
        for keyword, value in header.items():
            if value is not None:
                setattr(data, keyword, value)
            elif keyword in data:
                del data[keyword]
        data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = f"1.2.3.{sum(path.name.encode())}"
        meta.MediaStorageSOPClassUID = str(data.get("SOPClassUID", CR))
        path.parent.mkdir(parents=True, exist_ok=True)
        data.save_as(path, enforce_file_format=True)
    return path


def picture(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 255, (12, 10), "uint8"))
    return path


def rows(found, folder) -> dict[str, dict]:
    return {os.path.relpath(row["file"], folder): row for row in found.table.to_dict("records")}


def reasons(found, folder) -> dict[str, str]:
    return {os.path.relpath(file, folder): reason for file, reason in found.left_out.itertuples(index=False)}


def test_columns_of_a_header(folder):
    dicom(
        folder / "a.dcm", ViewPosition="LL", ImageLaterality="L", Manufacturer="ACME\n Inc. ", PatientSex="F",
        ManufacturerModelName="X-1", BurnedInAnnotation="yes", BodyPartExamined="chest",
        PresentationIntentType="FOR PROCESSING",
    )  # fmt: skip
    dicom(folder / "b.dcm", ViewPosition=None, BodyPartExamined="Mustermann^E", ConversionType="WSD", Laterality="x")
    table = survey(folder, progress=False).table
    assert list(table) == [
        "file", "patient", "study", "modality", "view", "laterality", "manufacturer", "model", "presentation_intent",
        "burnt_in", "secondary_capture", "photometric", "rows", "columns", "body_part",
    ]  # fmt: skip
    assert table.loc[0, "modality":].tolist() == [
        "CR", "LL", "L", "ACME Inc.", "X-1", "PROCESSING", "YES", "0", "MONOCHROME2", "4", "6", "CHEST"
    ]  # fmt: skip
    assert table.loc[1, "modality":].tolist() == ["CR", "", "", "", "", "", "", "1", "MONOCHROME2", "4", "6", ""]
    assert list(table["file"]) == [str(folder / "a.dcm"), str(folder / "b.dcm")]


@pytest.mark.parametrize(
    "header, column, value",
    [
        ({"SOPClassUID": SC}, "secondary_capture", "1"),
        ({"SOPClassUID": f"{SC}.2"}, "secondary_capture", "1"),
        ({"SOPClassUID": DX}, "secondary_capture", "0"),
        ({"SOPClassUID": DX}, "presentation_intent", "PRESENTATION"),
        ({"SOPClassUID": f"{DX}.1"}, "presentation_intent", "PROCESSING"),
        (
            {"SOPClassUID": f"{DX}.1", "PresentationIntentType": "FOR PRESENTATION"},
            "presentation_intent",
            "PRESENTATION",
        ),
        ({"BurnedInAnnotation": "NO"}, "burnt_in", "NO"),
        ({"BurnedInAnnotation": "perhaps"}, "burnt_in", ""),
        ({"Laterality": "R"}, "laterality", "R"),
        ({"ViewPosition": "MUSTERMANN"}, "view", "OTHER"),
        ({"Modality": "Erika^M"}, "modality", ""),
    ],
)
def test_one_column(folder, header, column, value):
    dicom(folder / "a.dcm", **header)
    assert survey(folder, progress=False).table.loc[0, column] == value


def test_view_codes(folder):
    def code(value, scheme):
        item = pydicom.Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "of Erika"
        return pydicom.Sequence([item])

    dicom(folder / "1.dcm", ViewCodeSequence=code("399198007", "SCT"))
    dicom(folder / "2.dcm", ViewCodeSequence=code("R-10226", "SRT"), Modality="MG")
    dicom(folder / "3.dcm", ViewCodeSequence=code("R-10242", "SRT"), ViewPosition="MLO")
    dicom(folder / "4.dcm", ViewCodeSequence=code("0815", "99ERIKA"))
    dicom(folder / "5.dcm", ViewCodeSequence=pydicom.Sequence([]))
    assert list(survey(folder, progress=False).table["view"]) == ["RL", "MLO", "MLO", "OTHER", ""]


def test_view_words():
    words = {
        "PA": "PA", "pa ": "PA", "Chest PA": "PA", "W033 TABLE AP": "AP", "LAT": "LATERAL", "left lateral": "LL",
        "L": "LATERAL", "R CC": "CC", "AP Supine": "AP", "PA/LAT": "OTHER", "": "", "  ": "", "Müller": "OTHER",
    }  # fmt: skip
    assert {word: view(word) for word in words} == words


def test_patients_and_studies_are_keyed_hashes(folder, secret):
    dicom(folder / "a1.dcm", PatientID="7", IssuerOfPatientID="X", StudyInstanceUID="1.1")
    dicom(folder / "a2.dcm", PatientID=" 7", IssuerOfPatientID="X", StudyInstanceUID="1.2")
    dicom(folder / "b.dcm", PatientID="7", IssuerOfPatientID="Y", StudyInstanceUID="1.1")
    dicom(folder / "c.dcm", PatientID="77", IssuerOfPatientID=None, StudyInstanceUID="1.3")
    found = survey(folder, progress=False)

    def key(*words):  # written down a second time, from what the docstring promises
        message = b"".join(len(w.encode()).to_bytes(8, "big") + w.encode() for w in words)
        return hmac.new(secret.read_bytes().strip(), message, hashlib.sha256).hexdigest()[:16]

    same, other, alone = key("patient", "X", "7"), key("patient", "Y", "7"), key("patient", "", "77")
    assert list(found.table["patient"]) == [same, same, other, alone]
    assert list(found.table["study"]) == [key("study", uid) for uid in ("1.1", "1.2", "1.1", "1.3")]
    assert found.notes == (
        "1 patient ids come from several issuers, or with and without one: each is taken as another patient.",
    )
    secret.unlink()
    assert set(survey(folder, progress=False).table["patient"]).isdisjoint({same, other, alone})


def test_without_a_patient_id_a_study_is_a_patient(folder):
    dicom(folder / "a1.dcm", PatientID=None, StudyInstanceUID="1.1")
    dicom(folder / "a2.dcm", PatientID="", StudyInstanceUID="1.1")
    dicom(folder / "b.dcm", PatientID="", StudyInstanceUID="1.2")
    dicom(folder / "c.dcm", PatientID="", StudyInstanceUID=None)
    dicom(folder / "d.dcm", PatientID="", StudyInstanceUID=None)
    picture(folder / "e.png")
    found = survey(folder, progress=False)
    assert pd.factorize(found.table["patient"])[0].tolist() == [0, 0, 1, 2, 3, 4]
    assert found.notes == (
        "6 images have no patient id: each study counts as a patient, and each file that has no study either "
        "(5 in all).",
    )
    assert not set(found.table["patient"]) & set(found.table["study"])


def test_one_blanked_id_is_noticed(folder):
    for number in range(3):
        dicom(folder / f"{number}.dcm", PatientID="ANON", StudyInstanceUID=f"1.{number}")
    assert "use --data.patient study" in survey(folder, progress=False).notes[0]


def test_the_secret_is_made_once_for_this_user_alone(secret, capsys):
    first = Keys()("patient", "x")
    assert secret.stat().st_mode & 0o777 == 0o600 and len(secret.read_bytes().strip()) == 64
    assert Keys()("patient", "x") == first and Keys()("study", "x") != first
    assert [path.name for path in secret.parent.iterdir()] == ["secret"]
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")
    secret.chmod(0o644)
    Keys()
    assert re.fullmatch(r"radzoo: others can read the secret .* run `chmod 600 .*secret`\n", capsys.readouterr().err)


def test_all_that_make_the_secret_at_once_agree(secret):
    barrier = threading.Barrier(16)

    def key(_):
        barrier.wait()
        return Keys()("patient", "x")

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(key, range(16))) == {Keys()("patient", "x")}
    assert [path.name for path in secret.parent.iterdir()] == ["secret"]


def test_a_secret_that_cannot_be_used(folder, secret, monkeypatch, tmp_path):
    dicom(folder / "a.dcm")
    secret.parent.mkdir()
    secret.write_text("short")
    with pytest.raises(BadInput, match="has fewer than 16 bytes"):
        survey(folder, progress=False)
    for place in (folder / "a.dcm" / "below", tmp_path):  # below a file, and a folder
        monkeypatch.setenv("RADZOO_SECRET", str(place))
        with pytest.raises(BadInput, match=r"cannot be read or made \(.+\): let RADZOO_SECRET name a file"):
            survey(folder, progress=False)


def test_no_secret_is_made_for_pictures(folder, secret):
    picture(folder / "a.png")
    found = survey(folder, progress=False)
    assert list(found.table) == ["file", "rows", "columns"] and not secret.exists()
    assert found.notes[0].startswith("Nothing says whose pictures these are: add a patient column")


def test_nothing_that_names_a_patient_leaves_a_header(folder, tmp_path, cli):
    dicom(folder / "good.dcm", ViewPosition="MUSTERMANN", ImageComments="MUSTERMANN")
    dicom(folder / "frames.dcm", NumberOfFrames=3)
    dicom(folder / "charset.dcm", SpecificCharacterSet="ISO 9999")
    whole = dicom(folder / "x.dcm", ImageComments="MUSTERMANN", Rows=0).read_bytes()
    for at in (200, 400, 600, len(whole) - 20):
        (folder / f"cut{at}.dcm").write_bytes(whole[:at])
    code, out, error = cli("index", folder, "--out", tmp_path / "index.csv")
    assert code == 0 and "2 images of 1 patients" in out
    written = (tmp_path / "index.csv").read_text() + (tmp_path / "index_left_out.csv").read_text()
    for words in (*SECRETS.values(), "ERIKA", "ISO 9999"):
        for word in re.split(r"\^", words):
            assert word.lower() not in (out + error + written).replace(str(tmp_path), "").lower(), word


def test_folders_as_classes(folder):
    for number in range(4):
        picture(folder / ("ill" if number < 2 else "sünd") / f"{number}.png", number)
    found = survey(folder, progress=False)
    assert list(found.table) == ["file", "label", "rows", "columns"] and len(found.notes) == 1  # whose they are
    assert {name: row["label"] for name, row in rows(found, folder).items()} == {
        "ill/0.png": "ill", "ill/1.png": "ill", "sünd/2.png": "sünd", "sünd/3.png": "sünd"
    }  # fmt: skip
    assert set(found.table["rows"]) == {"12"} and set(found.table["columns"]) == {"10"}
    assert "label" not in survey(folder, label="none", progress=False).table
    picture(folder / "stray.png", 9)
    found = survey(folder, progress=False)
    assert rows(found, folder)["stray.png"]["label"] == ""
    assert "1 images lie in no class's folder" in found.notes[1]


def test_folders_of_patients_are_no_classes(folder):
    for patient in "abc":
        for number in range(2):
            dicom(folder / f"folder_{patient}" / f"{number}.dcm", PatientID=patient, InstanceNumber=number)
    found = survey(folder, progress=False)
    assert "label" not in found.table
    assert found.notes == (
        "3 of 3 sub-folders hold one patient only: sub-folders are not taken as classes (--label folder does).",
    )
    assert set(survey(folder, label="folder", progress=False).table["label"]) == {"folder_a", "folder_b", "folder_c"}
    with pytest.raises(BadInput, match="no two sub-folders hold images"):
        survey(folder / "folder_a", label="folder", progress=False)


def test_folders_of_parts_hold_the_classes(folder):
    for number, part in enumerate(("train", "train", "val", "val", "test", "test")):
        for kind in ("normal", "ill"):
            picture(folder / part / kind / f"{number}.png", 2 * number + (kind == "ill"))
    table = survey(folder, progress=False).table
    assert list(table)[:3] == ["file", "split", "label"]
    assert sorted(set(zip(table["split"], table["label"], strict=True))) == [
        (part, kind) for part in ("test", "train", "val") for kind in ("ill", "normal")
    ]


def test_copies(folder):
    for number, name in enumerate(("ill/a.png", "ill/b.png", "well/c.png", "well/d.png")):
        picture(folder / name, number)
    (folder / "ill" / "copy.png").write_bytes((folder / "ill" / "a.png").read_bytes())
    (folder / "well" / "other.png").write_bytes((folder / "ill" / "b.png").read_bytes())
    found = survey(folder, progress=False)
    assert set(rows(found, folder)) == {"ill/a.png", "well/c.png", "well/d.png"}
    assert reasons(found, folder) == {
        "ill/copy.png": "the same bytes as: ill/a.png",
        "ill/b.png": "the same bytes have another label too: well/other.png",
        "well/other.png": "the same bytes have another label too: ill/b.png",
    }


def test_what_is_left_out(folder):
    picture(folder / "good.png")
    good = dicom(folder / "good.dcm").read_bytes()
    expected = {}

    def bad(name, content, reason):
        (folder / name).write_bytes(content)
        expected[name] = reason

    bad("empty.dcm", b"", "the file is empty")
    bad(".hidden.png", b"x", "a hidden file")
    bad("notes.txt", b"Dear colleague", "is no image that radzoo reads")
    bad("page.pdf", b"%PDF-1.4 \0\0", "is no image that radzoo reads")
    bad("cut.png", (folder / "good.png").read_bytes()[:-20], "the image is damaged, truncated")
    bad("cut.jpg", cv2.imencode(".jpg", np.eye(50) * 255)[1].tobytes()[:-40], "the image is truncated")
    bad(
        "cut.tif",
        cv2.imencode(".tif", np.random.default_rng(0).random((90, 90)) * 255)[1].tobytes()[:-400],
        "is damaged",
    )
    bad("wrong.npz", b"PK\3\4 and so on", "an archive or an array")
    bad("cut.dcm", good[:-10], "the pixel data is truncated")
    bad("header.dcm", good[: good.index(b"\xe0\x7f\x10\0")], "holds no pixel data, or ends before it")
    bad("preamble.dcm", good[:132], "holds no pixel data, or ends before it")
    dicom(folder / "many.dcm", NumberOfFrames=1000, Rows=65535, Columns=65535)
    dicom(folder / "huge.dcm", Rows=65535, Columns=65535)
    dicom(folder / "large.dcm", Rows=5000, Columns=5000)
    dicom(folder / "none.dcm", Rows=None)
    dicom(folder / "dose.dcm", Modality="RTDOSE")
    dicom(folder / "colour.dcm", PhotometricInterpretation="CMYK")
    dicom(folder / "words.dcm", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", PixelData=None)
    dicom(folder / "DICOMDIR", SOPClassUID="1.2.840.10008.1.3.10", PixelData=None)
    expected |= {
        "many.dcm": "several frames", "huge.dcm": "more than 134 million samples", "none.dcm": "Rows or Columns",
        "words.dcm": "no pixel data", "DICOMDIR": "a DICOMDIR",
        "large.dcm": "the pixel data is truncated", "dose.dcm": "dose", "colour.dcm": "PhotometricInterpretation and",
    }  # fmt: skip
    os.mkfifo(folder / "pipe.dcm")
    (folder / "nowhere.png").symlink_to(folder / "none.png")
    (folder / ".git").mkdir()
    picture(folder / ".git" / "x.png", 5)
    (folder / "space.png ").write_bytes(cv2.imencode(".png", np.eye(9))[1].tobytes())
    (folder / os.fsdecode(b"latin\xe9.png")).write_bytes(cv2.imencode(".png", np.eye(8))[1].tobytes())
    (folder / "two\rlines.png").write_bytes(cv2.imencode(".png", np.eye(7))[1].tobytes())
    expected |= {
        "two\rlines.png": "holds a line break",
        "pipe.dcm": "no regular file", "nowhere.png": "a broken link", ".git": "a hidden folder",
        "space.png ": "ends with a space", "latin\ufffd.png": "not Unicode",
    }  # fmt: skip
    found = survey(folder, progress=False)
    assert set(rows(found, folder)) == {"good.png", "good.dcm"}
    told = reasons(found, folder)
    assert set(told) == set(expected)
    assert {name: told[name] for name in told if expected[name] not in told[name]} == {}


def test_compressed_pixel_data_must_reach_its_end(folder):
    value = pydicom.encaps.encapsulate([b"\1" * 400])
    path = dicom(folder / "a.dcm")
    native = path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0")  # RLE
    whole = (
        native[: native.index(b"\xe0\x7f\x10\0")]
        + b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff"
        + value
        + b"\xfe\xff\xdd\xe0\0\0\0\0"
    )
    path.write_bytes(whole)
    for cut in (1, 8, 100, 420):
        (folder / f"cut{cut}.dcm").write_bytes(whole[:-cut])
    found = survey(folder, progress=False)
    assert list(rows(found, folder)) == ["a.dcm"]
    assert list(found.left_out["reason"]) == ["the pixel data is truncated: copy the file again"] * 4


def test_links_are_followed_once(folder, tmp_path):
    picture(folder / "a" / "1.png", 1)
    picture(tmp_path / "elsewhere" / "2.png", 2)
    (folder / "a" / "back").symlink_to(folder)
    (folder / "again").symlink_to(folder / "a")
    (folder / "b").symlink_to(tmp_path / "elsewhere")
    found = survey(folder, progress=False)
    assert set(rows(found, folder)) == {"a/1.png", "b/2.png"}
    assert reasons(found, folder) == dict.fromkeys(("a/back", "again"), "a link to a folder that is listed already")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(folder):
    picture(folder / "a.png")
    for name in ("b.png", "c/d.png"):
        picture(folder / name, len(name))
    (folder / "b.png").chmod(0)
    (folder / "c").chmod(0)
    try:
        told = reasons(survey(folder, progress=False), folder)
    finally:
        (folder / "c").chmod(0o700)
    assert told == {"b.png": "cannot be read (Permission denied)", "c": "the folder cannot be read (Permission denied)"}


def test_folders_without_images(folder, tmp_path):
    with pytest.raises(BadInput, match=r"holds no image that an index could name \(it is empty\)"):
        survey(folder, progress=False)
    (folder / "a.txt").write_text("text")
    with pytest.raises(BadInput, match=r"holds no image .*\(1: is no image"):
        survey(folder, progress=False)
    for path in (tmp_path / "none", folder / "a.txt"):
        with pytest.raises(BadInput, match="is no folder"):
            survey(path, progress=False)


def test_damaged_headers_never_crash(folder):
    """Each byte of a header may be anything, and the file may end anywhere."""
    draw = random.Random(0)
    whole = dicom(folder / "seed.dcm", ViewPosition="PA", ViewCodeSequence=pydicom.Sequence([])).read_bytes()
    for number in range(300):
        content = bytearray(whole)
        for _ in range(draw.choice((1, 3, 10))):
            content[draw.randrange(132, len(whole))] = draw.choice((0, 255, draw.randrange(256)))
        (folder / f"{number}.dcm").write_bytes(content[: draw.choice((len(whole), draw.randrange(len(whole))))])
    found = survey(folder, progress=False)
    assert len(found.table) + len(found.left_out) == 301
    assert not any(word.lower() in " ".join(found.left_out["reason"]).lower() for word in ("MUSTERMANN", "PAT-4711"))


def test_an_index_that_runs(folder, tmp_path, cli, monkeypatch):
    """From a folder to `read_index`, from another place, with the filters that were printed."""
    for number in range(6):
        kind = {1: {"ViewPosition": "LL"}, 2: {"SOPClassUID": f"{DX}.1"}, 3: {"SOPClassUID": SC}}.get(number, {})
        name = f'{"ill" if number % 2 else "well"}/{number}, übel".dcm'
        dicom(folder / name, **{"PatientID": f"P{number}", "ViewPosition": "PA", "Modality": "DX", **kind})
    (folder / "readme.txt").write_text("text")
    (tmp_path / "tables").mkdir()
    code, out, error = cli("index", folder, "--out", tmp_path / "tables" / "index.csv")
    assert code == 0 and "files: 100%" in error
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert f"6 images of 6 patients in 1 studies: {tmp_path}/tables/index.csv" in lines
    for line in ("label ill 3, well 3", "view PA 5, LL 1", "secondary_capture 0 5, 1 1"):
        assert line in lines
    assert "1 is no image that radzoo reads, expected DICOM, PNG, JPEG, TIFF, BMP, PGM, npz or npy" in lines
    where = re.search(r'all of them: --data.where "(.+)"', out)[1]
    monkeypatch.chdir(folder)
    data = {"index": str(tmp_path / "tables" / "index.csv"), "image": "file", "patient": "patient", "positive": "ill"}
    assert lines[-1].startswith(
        f"Go on with: radzoo run chest_radiograph --data.index {data['index']} --data.image file"
    )
    index = read_index(Data(**data))
    assert all(Path(path).is_file() for path in index.table["path"])
    assert index.labels[:, 0].tolist() == [1, 1, 1, 0, 0, 0] and index.classes == ("ill",)
    assert index.notes == (
        '1 of 6 images are lateral views: leave them out with --data.where "view != LL".',
        "1 of 6 images are for-processing images: leave them out with --data.where "
        '"presentation_intent != PROCESSING".',
        '1 of 6 images are secondary captures: leave them out with --data.where "secondary_capture != 1".',
    )
    index = read_index(Data(**data, where=where))
    assert index.notes == (f"3 of 6 rows of the index were kept: {where}.",)
    assert sorted(Path(path).name[0] for path in index.table["path"]) == ["0", "4", "5"]


def test_nothing_is_overwritten_or_half_written(folder, tmp_path, cli, monkeypatch):
    picture(folder / "a.png")
    (folder / "b.txt").write_text("text")
    out, left_out = tmp_path / "index.csv", tmp_path / "index_left_out.csv"
    for path in (out, left_out):
        path.write_text("mine")
        code, _, error = cli("index", folder, "--out", out)
        assert code == 2 and f"{path} exists and is never overwritten" in error and path.read_text() == "mine"
        path.unlink()
    for options, message in [
        (("--out", tmp_path / "no" / "i.csv"), "the folder"),
        (("--out", out, "--left-out", out), "name two files"),
        ((), "--out"),
        (("--out", out, "--label", "fold"), "--label"),
    ]:
        code, _, error = cli("index", folder, *options)
        assert code == 2 and message in error and error.count("\n") == 1

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("radzoo.data.survey.look", stopped)
        assert cli("index", folder, "--out", out)[0] == 130
    assert not out.exists() and not left_out.exists()
    assert cli("index", folder, "--out", out, "--left-out", tmp_path / "bad.csv")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv", "images", "index.csv"]


def test_phantoms(tmp_path, cli):
    """Images whose patients and view are known."""
    from radzoo.images import phantoms

    index = phantoms.write(tmp_path / "phantoms", patients=4, seed=1, size=64)
    assert cli("index", tmp_path / "phantoms", "--out", tmp_path / "found.csv")[0] == 0
    told, found = pd.read_csv(index, dtype=str), pd.read_csv(tmp_path / "found.csv", dtype=str)
    told = told.assign(file="phantoms/" + told["file"]).sort_values("file", ignore_index=True)
    assert list(found["file"]) == list(told["file"]) and set(found["view"]) == {"PA"}
    assert list(found["model"]) == list(told["scanner"])
    assert pd.factorize(found["patient"])[0].tolist() == pd.factorize(told["patient_id"])[0].tolist()
    assert set(found["burnt_in"]) == {"NO"} and set(found["secondary_capture"]) == {"0"}


def test_the_corpus(real_data):
    """Every file stands in one of the tables; those that a reference decoder reads as one image stand in the first."""
    folder = real_data / "dicom_corpus"
    found = survey(folder / "files", progress=False)
    manifest = pd.read_csv(folder / "manifest.csv", dtype=str, keep_default_na=False)
    ours = {os.path.relpath(path, folder) for path in found.table["file"]}
    assert len(ours) + len(found.left_out) == len(manifest) == 219
    single = manifest["frames"].isin(("", "1")) & manifest["pydicom_decode"].eq("ok")
    single &= manifest["modality"].ne("RTDOSE") & manifest["file"].ne("files/dwv/bbmri.dcmdir")  # a DICOMDIR
    copies = {
        os.path.relpath(path, folder)
        for path, reason in found.left_out.itertuples(index=False)
        if reason.startswith("the same bytes")
    }
    assert set(manifest["file"][single]) - ours - copies == set()
    empty = manifest["has_pixels"].eq("False") & manifest["kind"].ne("not-dicom")
    assert set(manifest["file"][empty]) & ours == set()


@pytest.mark.slow
def test_what_is_listed_can_be_read(real_data):
    """But for one file, whose damage only its decoder sees; and nothing that can be read is missing, but a DICOMDIR."""

    def readable(path):
        try:
            return bool(read(path, window="percentile").values.size)
        except BadInput:
            return False

    found = survey(real_data / "dicom_corpus" / "files", progress=False)
    assert [Path(path).name for path in found.table["file"] if not readable(path)] == [
        "JPEG2000-embedded-sequence-delimiter.dcm"
    ]
    assert [Path(path).name for path in found.left_out["file"] if readable(path)] == ["bbmri.dcmdir"]


@pytest.mark.slow
def test_real_pictures_in_class_folders(real_data, tmp_path):
    told = pd.read_csv(real_data / "chest_nih14" / "manifest.csv", dtype=str)
    for file, healthy in zip(told["file"], told["no_finding"], strict=True):
        path = tmp_path / "nih" / ("no_finding" if healthy == "1" else "finding") / Path(file).name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(real_data / "chest_nih14" / file)
    found = survey(tmp_path / "nih", progress=False)
    copies = found.left_out["reason"].str.startswith("the same bytes").sum()
    assert len(found.table) + len(found.left_out) == 378 and copies == len(found.left_out)
    labels = {Path(file).name: label for file, label in zip(found.table["file"], found.table["label"], strict=True)}
    healthy = dict(zip(told["file"].map(os.path.basename), told["no_finding"] == "1", strict=True))
    expected = {name: "no_finding" if none else "finding" for name, none in healthy.items()}
    assert labels.items() <= expected.items()
