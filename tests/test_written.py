"""Segmentations as NIfTI, DICOM SEG and PNG: every voxel comes back where it was, nothing of a patient goes astray."""

import itertools
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
import slices
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from PIL import Image

from radzoo.errors import BadInput
from radzoo.images import volumes, written
from radzoo.images.palette import colour
from radzoo.images.volumes import Volume, resample, segments
from radzoo.images.volumes.volume import turned, unturned
from radzoo.images.written.coded import FINDINGS, ORGANS, coded

ALL = ["".join(each) for axes in itertools.permutations(["LR", "AP", "IS"]) for each in itertools.product(*axes)]
STUDY, NAME = "1.2.3.4", "Nobody^Ever"


def labels_of(volume, classes=2, seed=0):
    return np.random.default_rng(seed).integers(0, classes + 1, volume.values.shape).astype("uint8")


def nifti(path, codes="LPS", kind=nibabel.Nifti1Image, shape=(5, 6, 7), **texts):
    turn = nibabel.eulerangles.euler2mat(0.1, -0.2, 0.15) @ np.diag([2, 3, 4])
    values = np.arange(np.prod(shape), dtype="int16").reshape(shape)
    base = nibabel.Nifti1Image(values, nibabel.affines.from_matvec(turn, [10, -20, 30]))
    image = base.as_reoriented(ornt_transform(io_orientation(base.affine), axcodes2ornt(codes)))
    image = kind(np.asarray(image.dataobj), image.affine)
    image.set_qform(image.affine, 1)
    image.set_sform(image.affine, 4)
    for name, text in texts.items():
        image.header[name] = text
    nibabel.save(image, path)
    return path


def series(folder, **changes):
    return Path(slices.write(folder, slices.even(StudyInstanceUID=STUDY, PatientName=NAME, **changes))[0]).parent


def test_unturned_undoes_turned():
    values, oblique = np.arange(60).reshape(3, 4, 5), nibabel.eulerangles.euler2mat(0.1, -0.2, 0.15)
    for order, signs in itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)):
        affine = np.eye(4)
        affine[:3, :3] = oblique @ (np.eye(3)[list(order)] * signs)
        grid = Volume(values, affine)
        np.testing.assert_array_equal(unturned(turned(grid).values, grid), values)


@pytest.mark.parametrize("codes", ALL[::7])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_nifti_has_the_geometry_of_its_input_bit_by_bit(tmp_path, codes, kind):
    path = nifti(tmp_path / "scan.nii.gz", codes, kind, descrip=b"Nobody", intent_name=b"Ever")
    volume = volumes.read(path)
    labels = labels_of(volume)
    files = written.write(labels, path, ["a", "b"], tmp_path / "out", "nifti")
    assert [file.name for file in files] == ["scan_seg.nii.gz", "scan_seg.txt"]
    ours, theirs = nibabel.load(files[0]), nibabel.load(path)
    assert type(ours) is kind and ours.shape == theirs.shape and ours.get_data_dtype() == "uint8"
    for field in ("srow_x", "srow_y", "srow_z", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "pixdim",
                  "qform_code", "sform_code", "xyzt_units"):  # fmt: skip
        np.testing.assert_array_equal(ours.header[field], theirs.header[field])
    assert not ours.header["descrip"].item() and not ours.header["intent_name"].item()
    place = volume.voxels(nibabel.affines.apply_affine(theirs.affine, list(np.ndindex(ours.shape))) * [-1, -1, 1])
    there = labels[tuple(np.rint(place).astype(int).T)]
    np.testing.assert_array_equal(np.asarray(ours.dataobj).ravel(), there)


def test_one_volume_of_several_and_more_classes_than_a_byte_holds(tmp_path):
    path = tmp_path / "four.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 4, 5, 2), "int16"), np.diag([1, 1, 2, 1])), path)
    labels = np.full((5, 4, 3), 300)
    files = written.write(labels, f"{path}#1", [f"class {n}" for n in range(300)], tmp_path, "nifti")
    assert files[0].name == "four_1_seg.nii.gz"
    found = nibabel.load(files[0])
    assert found.shape == (3, 4, 5) and found.get_data_dtype() == "uint16" and (np.asarray(found.dataobj) == 300).all()


def test_the_list_of_labels_is_one_of_itk_snap(tmp_path):
    files = written.write(np.zeros((7, 6, 5), int), nifti(tmp_path / "a.nii"), ['left "x"', "b"], tmp_path, "nifti")
    rows = files[1].read_text().splitlines()
    red, green, blue = colour(2)
    assert rows[0] == '0 0 0 0 0 0 0 "background"' and rows[2] == f'2 {red} {green} {blue} 1 1 1 "b"'
    assert rows[1].endswith("""1 1 1 "left 'x'\"""")


@pytest.mark.parametrize("ending", ["mgz", "nrrd", "dicom", "enhanced", "tilted"])
def test_nifti_of_other_formats_lies_where_its_source_lies(tmp_path, ending):
    path = tmp_path / f"scan.{ending}"
    if ending == "mgz":
        image = nibabel.load(nifti(tmp_path / "scan.nii", "PSR"))
        nibabel.save(nibabel.MGHImage(np.asarray(image.dataobj), image.affine), path)
    elif ending == "nrrd":
        itk = pytest.importorskip("SimpleITK")
        nifti(tmp_path / "scan.nii", "AIR")
        itk.WriteImage(itk.ReadImage(str(tmp_path / "scan.nii")), str(path))
    elif ending == "enhanced":
        slices.enhanced(slices.even()).save_as(path)
    elif ending == "tilted":
        slices.write(path, [slices.plane(np.eye(7) * 9, (0, 1.5 * n, 5.0 * n)) for n in range(5)])
    else:
        slices.write(path, slices.even(spacing=(0.5, 0.75)))
    volume = volumes.read(path, uneven="resample")
    labels = labels_of(volume)
    found = volumes.read(written.write(labels, path, ["a", "b"], tmp_path, "nifti")[0])
    np.testing.assert_array_equal(found.values, labels)
    np.testing.assert_allclose(found.affine, volume.affine, atol=1e-4)


TURNS = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "oblique": ((0.9397, 0.3420, 0), (-0.3420, 0.9397, 0)),
    "feet first": ((-1, 0, 0), (0, 1, 0)),
}


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("enhanced", [False, True])
def test_a_segmentation_lies_on_the_planes_of_its_series(tmp_path, turn, enhanced):
    """Two readers: by place in the patient (radzoo's), and by the image that each frame refers to (highdicom's)."""
    row, column = np.array(TURNS[turn], float)
    normal, rng = np.cross(row, column), np.random.default_rng(1)
    planes = [
        slices.plane(rng.integers(0, 3000, (5, 7)), np.array([3, 4, 5]) + 2.5 * n * normal, row, column, (0.5, 0.75),
                     StudyInstanceUID=STUDY, SliceThickness=9, SpacingBetweenSlices=7)
        for n in (3, 0, 2, 1)
    ]  # fmt: skip
    path = tmp_path / "scan"
    if enhanced:
        one = slices.enhanced(planes)
        one.StudyInstanceUID = STUDY
        one.save_as(path)
    else:
        slices.write(path, planes)
    volume = volumes.read(path)
    labels = labels_of(volume)
    labels[0], labels[:, :, 2] = 0, 0  # an empty plane of axial slices, one of sagittal ones
    (file,) = written.write(labels, path, ["left lung", "b"], tmp_path, "dicom_seg", run="a run")
    for label, segment in enumerate(segments.read(file), start=1):
        np.testing.assert_array_equal(resample.mask_onto(segment.mask, volume).values, labels == label)
    grid = Volume(np.stack([planes[n].pixel_array for n in (1, 3, 2, 0)]), _affine(row, column, normal))
    theirs = highdicom.seg.segread(file)
    options = {"combine_segments": True, "assert_missing_frames_are_empty": True}
    if enhanced:
        pixels = theirs.get_pixels_by_source_frame(one.SOPInstanceUID, [2, 4, 3, 1], **options)
    else:
        names = [planes[n].SOPInstanceUID for n in (1, 3, 2, 0)]
        pixels = theirs.get_pixels_by_source_instance(names, **options)
    np.testing.assert_array_equal(turned(Volume(pixels, grid.affine)).values, labels)


def _affine(row, column, normal):
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = np.stack([2.5 * normal, 0.5 * column, 0.75 * row], axis=1), (3, 4, 5)
    return affine


def test_what_a_segmentation_says_of_itself(tmp_path):
    folder = series(tmp_path / "scan", PatientID="4711", SpecificCharacterSet="ISO_IR 100")
    labels = np.zeros((6, 5, 7), "uint8")
    labels[1, 1, 1], labels[3, 2, 2] = 1, 2
    files = written.write(labels, folder, ["left lungs", "Läsion"], tmp_path, "dicom_seg", run="a run")
    data = pydicom.dcmread(files[0])
    source = pydicom.dcmread(next(folder.iterdir()))
    assert (data.Modality, data.SegmentationType, data.NumberOfFrames) == ("SEG", "BINARY", 2)
    assert data.PatientName == NAME and data.PatientID == "4711" and data.StudyInstanceUID == STUDY
    assert data.FrameOfReferenceUID == source.FrameOfReferenceUID
    assert data.SeriesInstanceUID != source.SeriesInstanceUID and data.SeriesDescription == "Segmentation by radzoo"
    assert data.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID
    lung, lesion = data.SegmentSequence
    kind = lung.SegmentedPropertyTypeCodeSequence[0]
    assert (lung.SegmentLabel, kind.CodeValue) == ("left lungs", "39607008")
    assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeValue == "7771000"
    assert (lesion.SegmentLabel, lesion.SegmentedPropertyTypeCodeSequence[0].CodeValue) == ("Läsion", "85756007")
    made_by = lung.SegmentationAlgorithmIdentificationSequence[0]
    assert lung.SegmentAlgorithmType == "AUTOMATIC" and made_by.AlgorithmName == "radzoo a run"


def test_a_segmentation_of_nothing_has_an_empty_frame(tmp_path):
    folder = series(tmp_path / "scan")
    (file,) = written.write(np.zeros((6, 5, 7), int), folder, ["lesion"], tmp_path, "dicom_seg")
    assert pydicom.dcmread(file).NumberOfFrames == 1
    (segment,) = segments.read(file)
    assert not resample.mask_onto(segment.mask, volumes.read(folder)).values.any()
    assert not highdicom.seg.segread(file).pixel_array.any()


@pytest.mark.parametrize("name, category, kind, region", [
    ("Liver", "91723000", "10200004", None), ("kidney_left", "91723000", "64033007", None),
    ("liver tumour", "49755003", "108369006", "10200004"), ("lesions", "49755003", "52988006", None),
    ("vertebrae L1", "91723000", "51282000", None), ("hippocampus anterior", "91723000", "5366008", None),
    ("gallbladder", "91723000", "28231008", None), ("membrane", "85756007", "85756007", None),
])  # fmt: skip
def test_codes_of_classes(name, category, kind, region):
    """SNOMED CT numbers as PS3.16 prints them."""
    found = coded(name)
    assert (found.category.value, found.type.value) == (category, kind)
    assert (found.region.value if found.region else None) == region


def test_every_word_of_the_table_has_a_code():
    for word in [*FINDINGS, *ORGANS]:
        assert coded(word).type.value != "85756007"
    for word in ("lungs", "tumours", "metastases", "vertebrae", "kidneys"):
        assert coded(word).type.value != "85756007"
    assert coded("left and right lung").side is None and coded("right lung").side.value == "24028007"


@pytest.mark.parametrize("changes, message", [
    ({"StudyInstanceUID": ""}, "scan: the header has no StudyInstanceUID, which a DICOM SEG refers to"),
    ({"FrameOfReferenceUID": ""}, "no FrameOfReferenceUID"),
])  # fmt: skip
def test_series_that_no_segmentation_can_refer_to(tmp_path, changes, message):
    folder = series(tmp_path / "scan")
    for file in folder.iterdir():
        data = pydicom.dcmread(file)
        for name, value in changes.items():
            setattr(data, name, value)
        data.save_as(file)
    with pytest.raises(BadInput, match=message):
        written.write(np.ones((6, 5, 7), int), folder, ["a"], tmp_path, "dicom_seg")
    assert [path.name for path in tmp_path.iterdir()] == ["scan"]


def test_sources_without_planes_of_their_own(tmp_path):
    slices.write(tmp_path / "tilted", [slices.plane(np.eye(7) * 9, (0, 1.5 * n, 5.0 * n)) for n in range(5)])
    labels = np.zeros(volumes.read(tmp_path / "tilted", uneven="resample").size, int)
    with pytest.raises(BadInput, match=r"tilted: its planes are tilted by 16\.7 degrees \(gantry\): the labels lie on"):
        written.write(labels, tmp_path / "tilted", ["a"], tmp_path, "dicom_seg")
    with pytest.raises(BadInput, match=r"a\.nii: is no DICOM, .*: write the segmentation as nifti or png"):
        written.write(np.zeros((7, 6, 5), int), nifti(tmp_path / "a.nii"), ["a"], tmp_path, "dicom_seg")


@pytest.mark.parametrize("classes, dtype", [(3, "uint8"), (300, "uint16")])
def test_a_flat_image_has_numbers_and_contours(tmp_path, classes, dtype):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 30), "uint8")).save(tmp_path / "x.png")
    labels = np.zeros((40, 30), int)
    labels[5:20, 5:20] = classes
    numbers, overlay = written.write(labels, tmp_path / "x.png", range(classes), tmp_path / "out", "png")
    found = np.asarray(Image.open(numbers))
    np.testing.assert_array_equal(found, labels)
    assert Image.open(numbers).mode == {"uint8": "L", "uint16": "I;16"}[dtype]
    assert (np.asarray(Image.open(overlay)) == colour(classes)).all(-1).any()


def test_pictures_of_a_volume_show_the_planes_with_most_of_the_labels(tmp_path):
    folder = series(tmp_path / "scan", shape=(24, 16))
    labels = np.zeros((6, 24, 16), "uint8")
    labels[4, 3:9, 2:7] = 1
    numbers, overlay = written.write(labels, folder, ["a"], tmp_path, "png", window=(0.0, 4000.0))
    found = np.asarray(Image.open(numbers))
    assert found.shape == (512 + 256, 341 + 512) == np.asarray(Image.open(overlay)).shape[:2]  # 24 x 16 x 12 mm
    axial, coronal, sagittal = found[:512, :341], found[512:, :341], found[512:, 341:]
    scale = 512 / 24
    for plane, area in ((axial, 6 * 5), (coronal, 2 * 5), (sagittal, 2 * 6)):
        assert np.count_nonzero(plane) == pytest.approx(area * scale**2, rel=0.06)
    assert coronal[64].any() and not coronal[-64:].any()  # the head is above
    assert not found[:512, 341:].any()


def test_amounts():
    labels = np.zeros((4, 5, 6), "uint8")
    labels[0], labels[1, 0, 0] = 1, 3
    table = written.amounts(labels, (5.0, 0.5, 2.0), ["a", "b", "c"])
    assert table.to_dict("list") == {"class": ["a", "b", "c"], "voxels": [30, 0, 1], "ml": [0.15, 0, 0.005]}
    with pytest.raises(BadInput, match="the label 3 came for 2 classes"):
        written.amounts(labels, (5.0, 0.5, 2.0), ["a", "b"])
    with pytest.raises(BadInput, match=r"labels \(5, 6\) with 2 spacings"):
        written.amounts(labels[0], (0.5, 2.0), ["a", "b", "c"])


def test_names_are_those_of_files_and_folders(tmp_path):
    folder = tmp_path / "1.2.840.113"
    folder.mkdir()

    def name(source):
        return written.targets(source, tmp_path, "dicom_seg")[0].name

    assert name(folder) == name(f"{folder}/") == "1.2.840.113_seg.dcm"
    assert name(f"{folder}#0123456789ab") == "1.2.840.113_0123456789ab_seg.dcm"
    assert name("a/IM.0001") == "IM.0001_seg.dcm" and name("a/scan.nii.gz") == "scan_seg.dcm"
    assert name("a/set.npz#train_images/17") == "set_train_images_17_seg.dcm"
    assert name("a/t1.nii\nb/t2.nii") == "t1_seg.dcm" and name("/") == "image_seg.dcm"


def test_nothing_is_overwritten_and_nothing_is_left_half(tmp_path):
    path = nifti(tmp_path / "scan.nii")
    labels = np.zeros((7, 6, 5), "uint8")
    (tmp_path / "scan_seg.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"scan_seg\.txt is already in .*: give another folder"):
        written.write(labels, path, ["a"], tmp_path, "nifti")
    assert (tmp_path / "scan_seg.txt").read_text() == "mine"
    with pytest.raises(BadInput, match=r"labels \(7, 6, 4\) came for a volume of \(7, 6, 5\) voxels"):
        written.write(labels[..., 1:], path, ["a"], tmp_path / "out", "nifti")
    assert not list((tmp_path / "out").iterdir())
    with pytest.raises(BadInput, match=r"scan\.nii was not written to .*scan\.nii \(File exists\): check both"):
        written.write(labels, path, ["a"], path, "nifti")


@pytest.mark.parametrize("labels, classes, message", [
    (np.full((7, 6, 5), 3), ["a", "b"], "labels 3 to 3 came, expected 0 to 2, the number of classes"),
    (np.full((7, 6, 5), -1), ["a"], "labels -1 to -1"),
    (np.zeros((7, 6, 5)), ["a"], "of float64 came, expected whole numbers"),
    (np.zeros((7, 6, 5), int), ["a", "a"], "expected a name for each label, all different"),
    (np.zeros((7, 6, 5), int), [], r"the classes \(none\) came"),
    (np.zeros((6, 5), int), ["a"], r"labels \(6, 5\) came for a volume"),
])  # fmt: skip
def test_bad_labels(tmp_path, labels, classes, message):
    with pytest.raises(BadInput, match=message):
        written.write(labels, nifti(tmp_path / "scan.nii"), classes, tmp_path, "nifti")


def test_bad_sources(tmp_path):
    labels = np.zeros((6, 5, 7), int)
    with pytest.raises(BadInput, match="the kind 'jpeg' came, expected nifti, dicom_seg, png"):
        written.write(labels, tmp_path / "scan", ["a"], tmp_path, "jpeg")
    with pytest.raises(BadInput, match=r"scan: cannot be read \(No such file"):
        written.write(labels, tmp_path / "scan", ["a"], tmp_path, "nifti")
    with pytest.raises(BadInput, match="a DICOM SEG is made of volumes: write them as png"):
        written.write(labels[0], series(tmp_path / "scan"), ["a"], tmp_path, "dicom_seg")
    with pytest.raises(BadInput, match="up to 64 characters without a backslash"):
        written.write(labels, tmp_path / "scan", ["a\\b"], tmp_path, "dicom_seg")


@pytest.mark.slow
def test_a_real_series_with_real_organs(tmp_path, real_data):
    """Its identifiers are blank; those of the files' own meta headers stand in, as they must be the same."""
    for file in (real_data / "dicom_series/siemens_ct_20slices").iterdir():
        data = pydicom.dcmread(file)
        data.StudyInstanceUID, data.SeriesInstanceUID = STUDY, f"{STUDY}.5"
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID
        (tmp_path / "ct").mkdir(exist_ok=True)
        data.save_as(tmp_path / "ct" / file.name)
    volume = volumes.read(tmp_path / "ct")
    mask = volumes.read(real_data / "totalseg/example_seg_dicom.nii.gz")
    numbers, labels = np.unique(resample.mask_onto(mask, volume).values, return_inverse=True)
    labels = labels.reshape(volume.size)
    assert len(numbers) == 32
    names = [f"organ {number:g}" for number in numbers[1:]]
    (file,) = written.write(labels, tmp_path / "ct", names, tmp_path, "dicom_seg")
    for label, segment in enumerate(segments.read(file), start=1):
        assert segment.name == names[label - 1]
        np.testing.assert_array_equal(resample.mask_onto(segment.mask, volume).values, labels == label)
    theirs = highdicom.seg.segread(file).get_volume(combine_segments=True)  # from the head to the feet
    np.testing.assert_array_equal(theirs.array[::-1], labels)
    again = volumes.read(written.write(labels, tmp_path / "ct", names, tmp_path, "nifti")[0])
    np.testing.assert_array_equal(again.values, labels)
