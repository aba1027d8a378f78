"""DICOM series to volumes: order, geometry, units, and everything that makes no honest grid."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import slices

from radzoo.errors import BadInput
from radzoo.images import volumes
from radzoo.images.paths import Place
from radzoo.images.volumes import series


def written(tmp_path, planes):
    return slices.write(tmp_path / "series", planes)


def test_planes_are_sorted_by_position(tmp_path):
    planes = slices.even(spacing=(0.5, 0.75))
    found = series.read(written(tmp_path, planes))
    assert found.values.shape == (6, 5, 7) and found.values.dtype == "int16" and found.modality == "CT"
    for place, data in enumerate(reversed(planes)):  # the last is nearest to the feet
        np.testing.assert_array_equal(found.values[place], data.pixel_array.astype(int) - 1024)
    assert found.spacing_mm == (2, 0.5, 0.75) and found.origin == (-10, -20, 40) and found.orientation == "SPL"
    np.testing.assert_allclose(found.positions([[1, 2, 3]]), [[-10 + 3 * 0.75, -20 + 2 * 0.5, 42]])
    np.testing.assert_allclose(found.voxels(found.positions([[1, 2, 3]])), [[1, 2, 3]])
    assert volumes.read(tmp_path / "series").values.tolist() == found.values.tolist()


@pytest.mark.parametrize("turn", ["sagittal", "coronal", "oblique", "feet first"])
def test_any_direction_equals_simpleitk(tmp_path, turn):
    """Positions of all voxels and their values, by an independent reader; then turned so that axes run S, P, L."""
    itk = pytest.importorskip("SimpleITK")
    angle = np.radians(20)
    row, column = {
        "sagittal": ((0, 1, 0), (0, 0, -1)),
        "coronal": ((1, 0, 0), (0, 0, -1)),
        "oblique": ((np.cos(angle), np.sin(angle), 0), (-np.sin(angle), np.cos(angle), 0)),
        "feet first": ((-1, 0, 0), (0, 1, 0)),
    }[turn]
    normal, rng = np.cross(row, column), np.random.default_rng(1)
    planes = [
        slices.plane(
            rng.integers(0, 3000, (5, 7)), np.array([3, 4, 5]) + 2.5 * number * normal, row, column, (0.5, 0.75)
        )
        for number in (3, 0, 2, 1)
    ]
    names = written(tmp_path, planes)
    found = series.read(names)
    assert found.orientation == "SPL"
    image = itk.ReadImage([names[each] for each in (1, 3, 2, 0)])
    theirs, ours = itk.GetArrayFromImage(image), {}
    for voxel in np.ndindex(found.values.shape):
        ours[tuple(np.round(found.positions([voxel])[0], 3) + 0.0)] = found.values[voxel]
    for z, y, x in np.ndindex(theirs.shape):
        place = image.TransformIndexToPhysicalPoint((x, y, z))
        assert ours.pop(tuple(np.round(place, 3) + 0.0)) == theirs[z, y, x]
    assert not ours


def test_each_plane_has_its_own_rescale_and_padding(tmp_path):
    planes = slices.even(count=3)
    planes[1].RescaleSlope, planes[1].RescaleIntercept = 0.5, -100
    planes[2].PixelPaddingValue, stored = 2999, planes[2].pixel_array.copy()
    stored[0, 0] = 2999
    planes[2].PixelData = stored.tobytes()
    found = series.read(written(tmp_path, planes))
    assert found.values.dtype == "float32"
    np.testing.assert_array_equal(found.values[1], planes[1].pixel_array * 0.5 - 100)
    assert found.values[0, 0, 0] == np.delete(stored.ravel(), 0).min() - 1024.0
    assert found.applied == ("rescale", "padding at the least value")


def test_enhanced_objects_have_places_and_units_per_frame(tmp_path):
    planes = slices.even(spacing=(0.5, 0.75))
    planes[2].RescaleIntercept = 0
    slices.enhanced(planes).save_as(tmp_path / "enhanced.dcm")
    one, many = volumes.read(tmp_path / "enhanced.dcm"), series.read(written(tmp_path, planes))
    np.testing.assert_array_equal(one.values, many.values)
    np.testing.assert_array_equal(one.affine, many.affine)


def changed(number, **changes):
    def change(planes):
        for name, value in changes.items():
            setattr(planes[number], name, value)
        return planes

    return change


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda p: p[:1], "the series has one plane, expected a volume of two or more"),
        (lambda p: p[:2] + p[3:], r"planes are missing: 1 after plane 3 of 5, where the others lie 2 mm apart"),
        (lambda p: p[:1] + p[3:], r"planes are missing: 2 after plane 3 of 4"),
        (changed(0, ImagePositionPatient=[-10, -20, 50.7]), "its planes lie 2 to 2.7 mm apart: no even grid"),
        (changed(0, ImageOrientationPatient=[1, 0, 0, 0, 0, -1]), r"lie in 2 directions \(5, 1 planes\): a localiser"),
        (changed(0, PixelSpacing=[2, 1]), r"have 2 values of PixelSpacing \(5, 1 planes\)"),
        (changed(0, SeriesInstanceUID="1.2.3"), r"have 2 values of SeriesInstanceUID \(5, 1 planes\): give one series"),
        (changed(0, PatientID="somebody else"), r"have 2 values of PatientID \(5, 1 planes\): give one series"),
        (changed(0, PixelSpacing=[0, 1]), r"\d{3}\.dcm: PixelSpacing is 0 or negative"),
        (changed(0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), r"\.dcm: is a localiser \(ImageType\)"),
        (changed(0, ImagePositionPatient=None), "ImagePositionPatient is missing: nothing says where"),
        (changed(0, ImageOrientationPatient=[1, 0, 0, 0, 0]), "ImageOrientationPatient is not 6 finite numbers"),
        (changed(0, PhotometricInterpretation="MONOCHROME1"), "is MONOCHROME1, expected MONOCHROME2"),
        (changed(0, ImagePositionPatient=[-7, -20, 50]), "slide in their own plane by up to .* mm without a rule"),
    ],
)  # fmt: skip
def test_what_makes_no_grid_is_refused_with_numbers(tmp_path, change, message):
    with pytest.raises(BadInput, match=message):
        series.read(written(tmp_path, change(slices.even())))


def test_several_images_at_one_place_say_what_tells_them_apart(tmp_path):
    planes = slices.even(EchoTime=10) + slices.even(seed=1, EchoTime=80)
    with pytest.raises(BadInput, match="2 planes lie at each of 6 places, which differ in EchoTime: give the files of"):
        series.read(written(tmp_path, planes))


def test_a_copied_file_is_left_out_and_said(tmp_path):
    names = written(tmp_path, slices.even())
    copy = tmp_path / "series" / "copy.dcm"
    copy.write_bytes((tmp_path / "series" / Path(names[0]).name).read_bytes())
    found = series.read([*names, str(copy)])
    assert found.values.shape[0] == 6 and found.applied[0] == "1 copies left out"


def test_nothing_of_the_patient_is_in_a_message(tmp_path):
    planes = slices.even()
    for data in planes:
        data.PatientName, data.PatientID, data.StudyDate = "Secret^Name", "ID77", "19990101"
    del planes[0].ImagePositionPatient
    with pytest.raises(BadInput) as caught:
        volumes.read(tmp_path / "series" if written(tmp_path, planes) else None)
    assert not any(word in str(caught.value) for word in ("Secret", "ID77", "1999", str(tmp_path)))


def test_a_tilted_series_is_resampled_only_when_asked(tmp_path):
    """A sheared cube: a field that is linear in the patient is the same field on the straight grid."""

    def field(x, y, z):
        return 1000 + 3 * x + 5 * y + 4 * z

    tilt, planes = np.tan(np.radians(15)), []
    for number in range(8):
        position = np.array([0, 3.0 * number * tilt, 3.0 * number])
        y, x = np.mgrid[0:20, 0:10].astype(float)
        planes.append(slices.plane(np.rint(10 * field(x, y + position[1], position[2])), position, RescaleSlope=0.1,
                                   RescaleIntercept=0))  # fmt: skip
    names = written(tmp_path, planes)
    with pytest.raises(BadInput, match=r"tilted by 15.0 degrees \(gantry\): no even grid; uneven='resample'"):
        series.read(names)
    found = series.read(names, uneven="resample")
    assert found.values.shape == (8, 26, 10) and "resampled, as its planes are tilted" in found.applied[-1]
    voxels = np.array([[z, y, x] for z in range(8) for y in range(7, 19) for x in range(10)])
    x, y, z = found.positions(voxels).T
    np.testing.assert_allclose(found.values[tuple(voxels.T)], field(x, y, z), atol=0.2)


def test_uneven_planes_are_interpolated_only_when_asked(tmp_path):
    places = [0, 2, 4, 6, 9.1, 11.1, 13]
    planes = [slices.plane(np.full((4, 4), 1000 + 10 * place), (0, 0, place)) for place in places]
    names = written(tmp_path, planes)
    with pytest.raises(BadInput, match=r"1\.9 to 3\.1 mm apart"):
        series.read(names)
    found = series.read(names, uneven="resample")
    assert found.spacing_mm == pytest.approx((2, 1, 1))
    np.testing.assert_allclose(found.values[:, 2, 2], -24 + 20 * np.arange(7), atol=1)
    np.testing.assert_allclose(found.position(Place("lps", (1, 2, 3))), (1, 2, 3))
    with pytest.raises(BadInput, match="planes make no even grid came: give its place in mm"):
        found.position(Place("voxel", (1, 2, 3)))


def test_real_series(real_data):
    """The CT equals SimpleITK voxel for voxel, and lies where the mask of another program says."""
    itk = pytest.importorskip("SimpleITK")
    folder = real_data / "dicom_series/siemens_ct_20slices"
    found = volumes.read(folder)
    names = sorted(folder.iterdir(), key=lambda p: pydicom.dcmread(p, stop_before_pixels=True).ImagePositionPatient[2])
    image = itk.ReadImage([str(name) for name in names])
    np.testing.assert_array_equal(found.values, itk.GetArrayFromImage(image))
    assert found.spacing_mm == pytest.approx(image.GetSpacing()[::-1]) and found.origin == image.GetOrigin()
    mask = volumes.read(real_data / "totalseg/example_seg_dicom.nii.gz")
    np.testing.assert_allclose(mask.affine, found.affine, atol=1e-6)
    for name in ("13_HCropVolume", "14_HCropVolume"):
        brain = volumes.read(real_data / "dicom_series/hippocampus_mr" / name)
        assert brain.modality == "MR" and brain.spacing_mm == (1, 1, 1)
    with pytest.raises(BadInput, match="have 2 values of SeriesInstanceUID"):
        both = (real_data / "dicom_series/hippocampus_mr").glob("*/*")
        series.read([str(path) for path in both])
