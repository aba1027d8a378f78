"""The frames of multi-frame objects, by themselves and as images; those of the corpus are in test_corpus.py."""

import numpy as np
import pydicom
import pytest
import slices
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from radzoo.data import Store
from radzoo.data.survey import survey
from radzoo.errors import BadInput
from radzoo.images import Input, read, volumes
from radzoo.images.dicom import frames


def several(path, count, rows, columns, samples, data, syntax=ExplicitVRLittleEndian, **changes):
    """An uncompressed object of 8 bits and no place in the patient."""
    made = slices.plane(np.zeros((rows, columns)), (0, 0, 0), ImagePositionPatient=None, Modality="US", **changes)
    made.file_meta.TransferSyntaxUID, made.NumberOfFrames, made.SamplesPerPixel = syntax, count, samples
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelData = 7, bytes(data) + b"\0" * (len(data) % 2)
    if samples == 3:
        made.PlanarConfiguration = changes.get("PlanarConfiguration", 0)
    made["PixelData"].VR = "OW"
    pydicom.dcmwrite(path, made, little_endian=syntax.is_little_endian, implicit_vr=False)
    return path


def decoded(path):
    return [work() for work in frames.read(path)[1]]


@pytest.mark.parametrize("planar", [0, 1])
def test_colour_frames_follow_each_other(tmp_path, planar):
    wanted = np.random.default_rng(0).integers(0, 256, (3, 2, 5, 3), "uint8")
    data = (wanted.transpose(0, 3, 1, 2) if planar else wanted).tobytes()
    words = {"PhotometricInterpretation": "RGB", "PlanarConfiguration": planar}
    path = several(tmp_path / "a.dcm", 3, 2, 5, 3, data, **words)
    np.testing.assert_array_equal([values for values, _ in decoded(path)], wanted)
    shown = read(f"{path}#2")
    np.testing.assert_allclose(shown.values, wanted[2] / 255, atol=1e-6)


def test_uncompressed_frames_with_half_of_the_chroma(tmp_path):
    """Two pixels are four bytes: their lumas, then the chroma that they share (PS3.3 C.7.6.3.1.2)."""
    data = [10, 20, 100, 200, 30, 40, 110, 210, 50, 60, 120, 220, 70, 80, 130, 230]  # two frames of 2 x 2
    path = several(tmp_path / "a.dcm", 2, 2, 2, 3, data, PhotometricInterpretation="YBR_FULL_422")
    (first, kind), (second, _) = decoded(path)
    assert kind == "YBR_FULL"
    assert first.tolist() == [[[10, 100, 200], [20, 100, 200]], [[30, 110, 210], [40, 110, 210]]]
    assert second.tolist() == [[[50, 120, 220], [60, 120, 220]], [[70, 130, 230], [80, 130, 230]]]


def test_bytes_in_big_endian_words_change_places_across_frames(tmp_path):
    """Frames of nine bytes: the last byte of the first frame shares a word with the first byte of the second."""
    wanted = np.arange(18, dtype="uint8").reshape(2, 3, 3)
    words = np.arange(18, dtype="uint8").view("<u2").astype(">u2").tobytes()
    path = several(tmp_path / "a.dcm", 2, 3, 3, 1, words, ExplicitVRBigEndian)
    np.testing.assert_array_equal([values for values, _ in decoded(path)], wanted)


def test_a_frame_is_an_image(tmp_path):
    """It looks as the same plane in a file of its own, with its own rescale."""
    planes = slices.even(count=4)
    for number, plane in enumerate(planes):
        plane.RescaleIntercept = -1000 + 10 * number
        plane.save_as(tmp_path / f"{number}.single")
    slices.enhanced(planes).save_as(tmp_path / "all")
    for number in range(4):
        frame, single = (read(path, window=(500, 3000)) for path in (f"{tmp_path}/all#{number}",
                                                                     tmp_path / f"{number}.single"))  # fmt: skip
        np.testing.assert_array_equal(frame.values, single.values)
        assert frame.spacing_mm == single.spacing_mm == (1, 1) and frame.applied == single.applied
    store = Store(Input(shape=(8, 8, 1), window=(500.0, 3000.0)), tmp_path / "store")
    assert len(set(store.add([f"{tmp_path}/all#{number}" for number in range(4)], progress=False))) == 4


def test_frames_must_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("RADZOO_SECRET", str(tmp_path / "secret"))
    folder = tmp_path / "images"
    folder.mkdir()
    slices.enhanced(slices.even(count=4)).save_as(folder / "all.dcm")
    slices.even()[0].save_as(folder / "one.dcm")
    with pytest.raises(BadInput, match=r"all.dcm: holds several frames \(4\).* name one as FILE#0 to FILE#3"):
        read(folder / "all.dcm", window="percentile")
    with pytest.raises(BadInput, match="'#4' came, the file holds the frames 0 to 3"):
        read(f"{folder}/all.dcm#4", window="percentile")
    with pytest.raises(BadInput, match="'#1' came, the file holds frame 0 alone"):
        read(f"{folder}/one.dcm#1", window="percentile")
    with pytest.raises(BadInput, match="only NIfTI and MGH files hold several volumes"):
        volumes.read(f"{folder}/all.dcm#1")
    found = survey(folder, progress=False)
    assert len(found.table) == 1 and "FILE#0 to FILE#3" in found.left_out["reason"][0]


def test_damaged_private_elements_do_not_matter(tmp_path):
    data = slices.enhanced(slices.even(count=4))
    data.add_new(0x00090010, "LO", "radzoo")
    data.add_new(0x00091001, "LO", "Doe Jo")
    data.save_as(tmp_path / "a.dcm")
    content = (tmp_path / "a.dcm").read_bytes()
    assert content.count(b"LO\6\0Doe Jo") == 1
    broken = content.replace(b"LO\6\0Doe Jo", b"SL\6\0Doe Jo")  # six bytes of four-byte numbers
    (tmp_path / "a.dcm").write_bytes(broken)
    assert read(f"{tmp_path}/a.dcm#1", window="percentile").values.shape == (5, 7)
    assert volumes.read(tmp_path / "a.dcm").size == (4, 5, 7)


def test_each_frame_has_its_own_header():
    data = slices.enhanced(slices.even(count=4))
    parts = list(frames.headers(data))
    places = [part.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient for part in parts]
    assert [place[2] for place in places] == [50, 48, 46, 44]
    assert [part.NumberOfFrames for part in parts] == [1] * 4 and data.NumberOfFrames == 4
    assert len(data.PerFrameFunctionalGroupsSequence) == 4


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"NumberOfFrames": 5}, "NumberOfFrames is 5, the functional groups are of 6 frames"),
        ({"NumberOfFrames": -1}, "no number of frames"),
        ({"PixelData": b"\0\0"}, "the pixel data has 2 of 420 bytes: the file is truncated"),
    ],
)
def test_damaged_objects(tmp_path, changes, message):
    data = slices.enhanced(slices.even())
    for name, value in changes.items():
        setattr(data, name, value)
    data.save_as(tmp_path / "a.dcm")
    with pytest.raises(BadInput, match=message):
        frames.read(tmp_path / "a.dcm")
