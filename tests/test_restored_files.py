"""Restored images as files: a derived DICOM series beside its source, NIfTI and PNG; read back by three readers."""

import shutil
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import slices
from PIL import Image
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from radzoo.errors import BadInput
from radzoo.images import volumes
from radzoo.images.written import dicom_derived, levels, restored

STUDY, NAME = "1.2.3.4", "Nobody^Ever"
TURNS = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
    "feet first": ((-1, 0, 0), (0, 1, 0)),
    "oblique": ((0.9397, 0.3420, 0), (-0.3420, 0.9397, 0)),
}


def series(folder, **changes):
    """Six axial planes in a folder."""
    return Path(slices.write(folder, slices.even(StudyInstanceUID=STUDY, PatientName=NAME, **changes))[0]).parent


def edited(folder, **changes):
    """The same, with changes to all files that `slices` does not make."""
    for file in folder.iterdir():
        data = pydicom.dcmread(file)
        for name, value in changes.items():
            setattr(data, name, value)
        data.save_as(file)
    return folder


def values_of(source, low=-900, high=1800):
    size = volumes.read(source).size
    return np.random.default_rng(1).uniform(low, high, size).astype("float32")


def headers(folder):
    return [pydicom.dcmread(file) for file in sorted(Path(folder).iterdir())]


def test_a_series_says_its_kernel(tmp_path):
    assert volumes.read(series(tmp_path / "a", ConvolutionKernel="B30f")).kernel == "B30f"
    assert volumes.read(series(tmp_path / "b")).kernel is None


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("enhanced", [False, True])
def test_a_derived_series_lies_on_its_source(tmp_path, turn, enhanced):
    row, column = np.array(TURNS[turn], float)
    normal, rng = np.cross(row, column), np.random.default_rng(1)
    planes = [
        slices.plane(rng.integers(0, 3000, (5, 7)), np.array([3, 4, 5]) + 2.5 * n * normal, row, column, (0.5, 0.75),
                     StudyInstanceUID=STUDY)
        for n in (3, 0, 2, 1)
    ]  # fmt: skip
    path = tmp_path / "scan"
    if enhanced:
        one = slices.enhanced(planes)
        one.StudyInstanceUID = STUDY
        one.save_as(path)
    else:
        slices.write(path, planes)
    before, values = volumes.read(path), values_of(path)
    out = restored.write(values, path, tmp_path / "out", "dicom", run="a run")
    assert out == tmp_path / "out" / "scan_restored"
    assert [file.name for file in sorted(out.iterdir())] == [f"{n:04d}.dcm" for n in range(1, 2 if enhanced else 5)]
    after = volumes.read(out if not enhanced else out / "0001.dcm")
    np.testing.assert_allclose(after.values, values, atol=0.5001)
    np.testing.assert_array_equal(after.affine, before.affine)
    for data in headers(out):
        assert data.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian and data.BitsStored == 16
        assert data.FrameOfReferenceUID == planes[0].FrameOfReferenceUID and data.StudyInstanceUID == STUDY


def test_another_library_reads_the_same_numbers_in_the_same_place(tmp_path):
    itk = pytest.importorskip("SimpleITK")
    folder = series(tmp_path / "scan", spacing=(0.5, 0.75), PixelPaddingValue=5)
    values = values_of(folder)
    out = restored.write(values, folder, tmp_path, "dicom")

    def opened(place):
        return itk.ReadImage(itk.ImageSeriesReader.GetGDCMSeriesFileNames(str(place)))

    ours, theirs = opened(out), opened(folder)
    for what in ("GetOrigin", "GetSpacing", "GetDirection", "GetSize"):
        assert getattr(ours, what)() == getattr(theirs, what)()
    np.testing.assert_allclose(itk.GetArrayFromImage(ours), values, atol=0.5001)


def test_what_a_derived_series_says_of_itself(tmp_path):
    folder = series(
        tmp_path / "scan", PatientID="4711", ImageType=["ORIGINAL", "PRIMARY", "AXIAL", "VENDOR"], SeriesNumber=3,
        SeriesDescription="Thorax " * 9, WindowCenter=[40, -600], WindowWidth=[400, 1500], BurnedInAnnotation="NO",
        SliceThickness=2.5, LargestImagePixelValue=2999, SeriesDate="20200101", KVP=120, InstanceNumber=7,
    )  # fmt: skip
    for file in folder.iterdir():
        data = pydicom.dcmread(file)
        data.private_block(0x0011, "VENDOR", create=True).add_new(1, "LO", "of other pixels")
        data.save_as(file)
    out = restored.write(values_of(folder), folder, tmp_path, "dicom", run="red\\cnn ü")
    sources = {data.SOPInstanceUID: data for data in headers(folder)}
    found = headers(out)
    assert len({data.SOPInstanceUID for data in found} | set(sources)) == 12
    assert len({data.SeriesInstanceUID for data in found}) == 1
    for data in found:
        (reference,) = data.SourceImageSequence
        source = sources[reference.ReferencedSOPInstanceUID]
        for word in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "PatientID",
                     "PatientName", "StudyInstanceUID", "FrameOfReferenceUID", "RescaleSlope", "RescaleIntercept",
                     "WindowCenter", "WindowWidth", "BurnedInAnnotation", "KVP", "InstanceNumber", "SOPClassUID",
                     "PixelRepresentation"):  # fmt: skip
            assert data[word].value == source[word].value, word
        assert data.SeriesInstanceUID != source.SeriesInstanceUID
        assert data.file_meta.MediaStorageSOPInstanceUID == data.SOPInstanceUID
        assert data.ImageType == ["DERIVED", "SECONDARY", "AXIAL"] and data.SeriesNumber == 5003
        assert data.SeriesDescription.startswith("Thorax Thorax") and len(data.SeriesDescription) <= 64
        assert data.SeriesDescription.endswith(" restored by radzoo") and data.ContentQualification == "RESEARCH"
        assert reference.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
        assert data.DerivationCodeSequence[0].CodeValue == "113087"
        assert data.DerivationDescription.startswith("Restored by a neural network (radzoo red?cnn ?, version ")
        assert data.RelatedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID
        assert data.ContributingEquipmentSequence[0].Manufacturer == "radzoo"
        assert "LargestImagePixelValue" not in data and not any(tag.is_private for tag in data.keys())  # noqa: SIM118
        assert data.SeriesDate > "20200101"
    assert "VENDOR" not in str(found[0]) and "other pixels" not in str(found[0])


def test_an_enhanced_object_refers_to_the_frames_of_its_source(tmp_path):
    planes = slices.even(count=3)
    one = slices.enhanced(planes)
    one.StudyInstanceUID, one.ImageType = STUDY, ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    kind = pydicom.Dataset()
    kind.FrameType = one.ImageType
    one.SharedFunctionalGroupsSequence[0].CTImageFrameTypeSequence = [kind]
    one.save_as(tmp_path / "scan")
    out = restored.write(values_of(tmp_path / "scan", -3000, 3000), tmp_path / "scan", tmp_path, "dicom")
    (data,) = headers(out)
    shared = data.SharedFunctionalGroupsSequence[0]
    assert data.ImageType == shared.CTImageFrameTypeSequence[0].FrameType
    assert data.ImageType == ["DERIVED", "PRIMARY", "VOLUME", "FILTERED"]
    for number, group in enumerate(data.PerFrameFunctionalGroupsSequence, 1):
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        assert (source.ReferencedSOPInstanceUID, source.ReferencedFrameNumber) == (one.SOPInstanceUID, number)
        assert "PixelValueTransformationSequence" not in group  # values that 0 to 65535 do not hold have new levels
    assert shared.PixelValueTransformationSequence[0].RescaleIntercept == 0


SOURCES = {
    "signed": {"RescaleIntercept": 0, "PixelRepresentation": 1, "PixelPaddingValue": -2000},
    "twelve bits": {"BitsStored": 12, "HighBit": 11},
    "signed twelve bits": {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 1, "RescaleIntercept": 0},
    "half steps": {"RescaleSlope": 0.5},
    "downwards": {"RescaleSlope": -1, "RescaleIntercept": 4000},
    "MR": {"Modality": "MR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4", "RescaleSlope": None,
           "RescaleIntercept": None},
    "scaled MR": {"Modality": "MR", "RescaleSlope": 0.37, "RescaleIntercept": 12.5},
}  # fmt: skip


@pytest.mark.parametrize("kind", SOURCES)
def test_levels_of_the_source_are_kept(tmp_path, kind):
    folder = series(tmp_path / "scan", **SOURCES[kind])
    before = volumes.read(folder)
    step = abs(SOURCES[kind].get("RescaleSlope") or 1)
    values = before.values[:, ::-1].astype("float32") + np.float32(0.4 * step)
    out = restored.write(values, folder, tmp_path, "dicom")
    after = volumes.read(out)
    np.testing.assert_allclose(after.values, values, atol=0.5001 * step)
    assert after.modality == before.modality
    for one, two in zip(headers(out), sorted(headers(folder), key=lambda each: each.ImagePositionPatient[2]),
                        strict=True):  # fmt: skip
        for word in ("RescaleSlope", "RescaleIntercept", "PixelRepresentation", "PixelPaddingValue"):
            assert one.get(word) == two.get(word)


@pytest.mark.parametrize("changes, low, high, slope, intercept", [
    ({}, -1500, 1800, 1, 0),  # below what unsigned pixels hold
    ({"RescaleSlope": 0.5}, -1500, 1800, 0.5, 0),
    ({"PixelPaddingValue": 0}, -1024, 1800, 1, 0),  # a level that means padding
    ({"RescaleSlope": 0.001, "RescaleIntercept": 0}, 30, 130, 100 / 65000, 80),
    ({"RescaleSlope": 0.001, "RescaleIntercept": 0}, 1000, 1065, 0.001, 1032.5),
])  # fmt: skip
def test_new_levels_where_those_of_the_source_hold_too_little(tmp_path, changes, low, high, slope, intercept):
    folder = series(tmp_path / "scan", **changes)
    values = values_of(folder)
    values = np.interp(values, (values.min(), values.max()), (low, high)).astype("float32")
    out = restored.write(values, folder, tmp_path, "dicom")
    np.testing.assert_allclose(volumes.read(out).values, values, atol=0.501 * slope + 1e-4)
    for data in headers(out):
        assert data.RescaleSlope == pytest.approx(slope, rel=1e-4) and data.PixelRepresentation == 1
        assert data.RescaleIntercept == pytest.approx(intercept, abs=0.01) and data.RescaleType == "HU"


@pytest.mark.parametrize("new", [False, True])
def test_padding_stays_padding(tmp_path, new):
    rng, planes = np.random.default_rng(0), []
    for number in range(4):
        stored = rng.integers(100, 3000, (5, 7))
        stored[:, :2] = 40 + rng.integers(0, 3, (5, 2))
        planes.append(slices.plane(stored, (0, 0, 2 * number), StudyInstanceUID=STUDY, PixelPaddingValue=40,
                                   PixelPaddingRangeLimit=42))  # fmt: skip
    folder = Path(slices.write(tmp_path / "scan", planes)[0]).parent
    values = values_of(folder)
    values[..., :2] = 5  # what a network makes of it
    values[0, 0, 5] = -1500 if new else -900
    out = restored.write(values, folder, tmp_path, "dicom")
    for data, source, plane in zip(headers(out), planes, values, strict=True):
        stored = data.pixel_array.astype(int)
        low, high = sorted((data.PixelPaddingValue, data.PixelPaddingRangeLimit))
        padded = (stored >= low) & (stored <= high)
        assert padded[:, :2].all() and not padded[:, 2:].any()
        if not new:
            np.testing.assert_array_equal(stored[:, :2], source.pixel_array[:, :2])
        hu = stored * data.RescaleSlope + data.RescaleIntercept
        np.testing.assert_allclose(hu[:, 2:], plane[:, 2:], atol=0.501)
    after = volumes.read(out).values
    np.testing.assert_array_equal(after[..., :2], np.broadcast_to(after[..., 2:].min((1, 2))[:, None, None], (4, 5, 2)))


@pytest.mark.parametrize("encoding", ["RLE", "implicit"])
def test_compressed_and_implicit_sources(tmp_path, encoding):
    folder = series(tmp_path / "scan")
    for file in folder.iterdir():
        data = pydicom.dcmread(file)
        if encoding == "RLE":
            data.compress(RLELossless)
            data.LossyImageCompression = "00"
            data.save_as(file)
        else:
            data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
            data.save_as(file, implicit_vr=True, little_endian=True)
    values = values_of(folder)
    out = restored.write(values, folder, tmp_path, "dicom")
    np.testing.assert_allclose(volumes.read(out).values, values, atol=0.5001)
    for data in headers(out):
        assert data.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert data.get("LossyImageCompression") == ("00" if encoding == "RLE" else None)


@pytest.mark.parametrize("changes, message", [
    ({"StudyInstanceUID": ""}, "scan: the header has no StudyInstanceUID, by which an archive files .* as nifti"),
    ({"SOPInstanceUID": ""}, "the header has no SOPInstanceUID"),
    ({"FrameOfReferenceUID": ""}, "the header has no FrameOfReferenceUID"),
    ({"Modality": "US"}, "is no CT or MR, whose stored values"),
    ({"ConcatenationUID": "1.2"}, "is one object cut into several"),
])  # fmt: skip
def test_series_that_nothing_is_derived_from(tmp_path, changes, message):
    folder = edited(series(tmp_path / "scan"), **changes)
    with pytest.raises(BadInput, match=message) as error:
        restored.write(np.zeros((6, 5, 7), "float32"), folder, tmp_path / "out", "dicom")
    assert NAME not in str(error.value) and str(tmp_path) not in str(error.value)
    assert not list((tmp_path / "out").iterdir())
    with pytest.raises(BadInput) as before:
        restored.check(folder, tmp_path / "out", "dicom")
    assert str(before.value) == str(error.value)


def test_values_and_planes_that_do_not_fit(tmp_path):
    folder, out = series(tmp_path / "scan"), tmp_path / "out"
    with pytest.raises(BadInput, match=r"scan: values \(6, 5, 6\) came for a volume of \(6, 5, 7\) voxels"):
        restored.write(np.zeros((6, 5, 6), "float32"), folder, out, "dicom")
    with pytest.raises(BadInput, match="hold NaN or infinite ones"):
        restored.write(np.full((6, 5, 7), np.nan, "float32"), folder, out, "dicom")
    slices.write(tmp_path / "tilted", [slices.plane(np.eye(7) * 9, (0, 1.5 * n, 5.0 * n)) for n in range(5)])
    with pytest.raises(BadInput, match=r"tilted by 16\.7 degrees .*: the values lie on an even grid"):
        restored.write(np.zeros((5, 13, 7), "float32"), tmp_path / "tilted", out, "dicom")
    nibabel.save(nibabel.Nifti1Image(np.zeros((5, 6, 7)), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(BadInput, match=r"a\.nii: is no DICOM, which a derived series is made of"):
        restored.write(np.zeros((7, 6, 5), "float32"), tmp_path / "a.nii", out, "dicom")
    with pytest.raises(BadInput, match="the kind 'jpeg' came, expected nifti, dicom, png"):
        restored.write(np.zeros((7, 6, 5)), tmp_path / "a.nii", out, "jpeg")
    assert not list(out.iterdir())


def test_nothing_is_overwritten_and_nothing_is_left_half(tmp_path, monkeypatch):
    folder = series(tmp_path / "scan")
    values = values_of(folder)
    lay_in, calls = dicom_derived._lay_in, []

    def stopped(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        lay_in(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(dicom_derived, "_lay_in", stopped)
        with pytest.raises(KeyboardInterrupt):
            restored.write(values, folder, tmp_path / "out", "dicom")
    assert not list((tmp_path / "out").iterdir())
    restored.write(values, folder, tmp_path / "out", "dicom")
    with pytest.raises(BadInput, match=r"scan_restored is already in .*: give another folder"):
        restored.write(values, folder, tmp_path / "out", "dicom")


def test_copies_are_derived_once_and_gaps_are_refused(tmp_path):
    folder = series(tmp_path / "scan")
    files = sorted(folder.iterdir())
    shutil.copy(files[0], folder / "copy.dcm")
    restored.check(folder, tmp_path, "dicom")
    assert len(headers(restored.write(values_of(folder), folder, tmp_path, "dicom"))) == 6
    middle = sorted(files, key=lambda file: pydicom.dcmread(file).ImagePositionPatient[2])[2]
    middle.unlink()
    (folder / "copy.dcm").unlink(missing_ok=True)
    with pytest.raises(BadInput, match="scan: planes are missing: 1 after plane 2 of 5"):
        restored.check(folder, tmp_path / "out", "dicom")


def test_a_big_endian_source_is_refused(tmp_path):
    folder = tmp_path / "scan"
    folder.mkdir()
    for number, data in enumerate(slices.even(StudyInstanceUID=STUDY)):
        data.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        pydicom.dcmwrite(folder / str(number), data, implicit_vr=False, little_endian=False, force_encoding=True)
    assert volumes.read(folder).size == (6, 5, 7)
    with pytest.raises(BadInput, match="scan: is big-endian, which DICOM has retired"):
        restored.check(folder, tmp_path, "dicom")


def test_a_lookup_table_gives_way_to_a_rescale(tmp_path):
    table = pydicom.Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [3000, 0, 16], "US"
    table.LUTData = np.arange(1000, 4000, dtype="<u2").tobytes()
    real = pydicom.Dataset()
    real.RealWorldValueIntercept, real.RealWorldValueSlope = -1024.0, 1.0
    changes = {"ModalityLUTSequence": [table], "RealWorldValueMappingSequence": [real]}  # both of the stored values
    folder = edited(series(tmp_path / "scan", RescaleSlope=None, RescaleIntercept=None), **changes)
    before = volumes.read(folder)
    assert before.applied[0] == "modality LUT"
    out = restored.write(before.values + np.float32(0.3), folder, tmp_path, "dicom")
    np.testing.assert_array_equal(volumes.read(out).values, before.values)
    assert all(name not in data for data in headers(out) for name in changes)


def test_nifti_and_png(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((5, 6, 7), "int16"), np.diag([-2, 3, 4, 1]))
    nibabel.save(image, tmp_path / "a.nii.gz")
    values = values_of(tmp_path / "a.nii.gz")
    out = restored.write(values, tmp_path / "a.nii.gz", tmp_path / "out", "nifti")
    assert out.name == "a_restored.nii.gz" and nibabel.load(out).get_data_dtype() == "float32"
    np.testing.assert_array_equal(nibabel.load(out).affine, image.affine)
    np.testing.assert_array_equal(volumes.read(out).values, values)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 30), "uint8")).save(tmp_path / "x.png")
    values = np.linspace(-0.1, 1.1, 1200, dtype="float32").reshape(40, 30)
    out = restored.write(values, tmp_path / "x.png", tmp_path / "out", "png")
    with Image.open(out) as found:
        assert found.mode == "I;16"
        np.testing.assert_allclose(np.asarray(found) / 65535, values.clip(0, 1), atol=0.51 / 65535)
    with pytest.raises(BadInput, match=r"x\.png: values \(40, 31\) came for an image of \(40, 30\) pixels"):
        restored.write(np.zeros((40, 31)), tmp_path / "x.png", tmp_path, "png")


def test_the_kind_that_fits(tmp_path):
    folder = series(tmp_path / "scan")
    nibabel.save(nibabel.Nifti1Image(np.zeros((5, 6, 7)), np.eye(4)), tmp_path / "a.nii")
    assert restored.kind_of(folder, True) == "dicom" and restored.kind_of(tmp_path / "a.nii", True) == "nifti"
    assert restored.kind_of(tmp_path / "x.png", False) == "png"
    with pytest.raises(BadInput, match=r"gone\.nii: cannot be read"):
        restored.kind_of(tmp_path / "gone.nii", True)


@pytest.mark.slow
def test_a_real_ct_series(real_data, tmp_path):
    """Siemens, JPEG 2000, 12 bits; its anonymiser blanked all identifiers, which are filled in for the second half."""
    itk = pytest.importorskip("SimpleITK")
    source = real_data / "dicom_series/siemens_ct_20slices"
    before = volumes.read(source)
    values = before.values[:, ::-1].astype("float32") + np.float32(0.25)
    with pytest.raises(BadInput, match="the header has no StudyInstanceUID, by which an archive files"):
        restored.write(values, source, tmp_path, "dicom")
    folder = tmp_path / "scan"
    shutil.copytree(source, folder)
    for file in folder.iterdir():
        file.chmod(0o644)
        data = pydicom.dcmread(file)
        data.StudyInstanceUID, data.SeriesInstanceUID = STUDY, f"{STUDY}.1"
        data.SOPClassUID, data.SOPInstanceUID = (
            data.file_meta.MediaStorageSOPClassUID, data.file_meta.MediaStorageSOPInstanceUID
        )  # fmt: skip
        data.save_as(file)
    out = restored.write(values, folder, tmp_path, "dicom", run="a run")
    after = volumes.read(out)
    np.testing.assert_allclose(after.values, values, atol=0.5001)
    np.testing.assert_array_equal(after.affine, before.affine)
    ours, theirs = (itk.ReadImage(itk.ImageSeriesReader.GetGDCMSeriesFileNames(str(each))) for each in (out, folder))
    np.testing.assert_allclose(itk.GetArrayFromImage(ours), values, atol=0.5001)
    for what in ("GetOrigin", "GetSpacing", "GetDirection"):
        assert getattr(ours, what)() == getattr(theirs, what)()


def test_a_real_mr_series(real_data, tmp_path):
    source = real_data / "dicom_series/hippocampus_mr/13_HCropVolume"
    before = volumes.read(source)
    out = restored.write(before.values[::-1] * np.float32(0.9), source, tmp_path, "dicom")
    after = volumes.read(out)
    np.testing.assert_allclose(after.values, before.values[::-1] * 0.9, atol=0.5001)
    np.testing.assert_array_equal(after.affine, before.affine)
    assert all("RescaleSlope" not in data and data.Modality == "MR" for data in headers(out))


def test_levels_by_hand():
    one = levels.Levels(2.0, -1000.0, False, (0, 3))
    np.testing.assert_array_equal(one.stored(np.array([-1000, -991, 0, 1.2])), [0, 4, 500, 501])
    assert one.holds(np.array([-990.0, 5000])) and not one.holds(np.array([-993.2]))
    assert not one.holds(np.array([-1003.0])) and not one.holds(np.array([131000.0]))
