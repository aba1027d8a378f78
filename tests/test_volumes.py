"""NIfTI, NRRD and grids: every voxel at its place in the patient, and headers that contradict themselves."""

import gzip
import itertools

import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from radzoo.errors import BadInput
from radzoo.images import volumes
from radzoo.images.volumes import Volume, nrrd, resample
from radzoo.images.volumes.volume import turned

ALL = ["".join(each) for axes in itertools.permutations(["LR", "AP", "IS"]) for each in itertools.product(*axes)]


def picture(shape=(4, 5, 6), seed=0):
    return np.random.default_rng(seed).integers(-1000, 1000, shape).astype("int16")


def saved(path, values=None, affine=None, kind=nibabel.Nifti1Image, **codes):
    image = kind(picture() if values is None else values, np.diag([2, 3, 4, 1.0]) if affine is None else affine)
    if codes:
        image.set_qform(codes.get("q", image.affine), codes.get("qcode", 1))
        image.set_sform(codes.get("s", image.affine), codes.get("scode", 1))
    nibabel.save(image, path)
    return path


def volume(shape=(4, 5, 6), spacing=(4.0, 3.0, 2.0), origin=(0.0, 0.0, 0.0), **more):
    affine = np.zeros((4, 4))
    affine[[2, 1, 0], [0, 1, 2]], affine[:3, 3], affine[3, 3] = spacing, origin, 1
    return Volume(picture(shape), affine, **more)


@pytest.mark.parametrize("codes", ALL)
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_all_orientations_hold_the_same_patient(tmp_path, codes, kind):
    """One oblique volume stored with its axes in each of 48 ways: voxels and places stay those of nibabel."""
    turn = nibabel.eulerangles.euler2mat(0.1, -0.2, 0.15) @ np.diag([2, 3, 4])
    base = nibabel.Nifti1Image(picture((5, 6, 7)), nibabel.affines.from_matvec(turn, [10, -20, 30]))
    image = base.as_reoriented(ornt_transform(io_orientation(base.affine), axcodes2ornt(codes)))
    path = saved(tmp_path / "v.nii.gz", np.asarray(image.dataobj), image.affine, kind)
    found = volumes.read(path)
    assert found.orientation == "SPL" and found.spacing_mm == pytest.approx((4, 3, 2), rel=1e-5)
    voxels = np.array(list(np.ndindex(5, 6, 7)))
    lps = nibabel.affines.apply_affine(base.affine, voxels) * [-1, -1, 1]
    here = found.voxels(lps)
    np.testing.assert_allclose(here, np.rint(here), atol=1e-4)
    np.testing.assert_array_equal(found.values[tuple(np.rint(here).astype(int).T)], picture((5, 6, 7)).ravel())


def test_scaled_values_and_one_of_several(tmp_path):
    image = nibabel.Nifti1Image(picture((3, 4, 5)), np.eye(4))
    image.header.set_slope_inter(0.5, -10)
    nibabel.save(image, tmp_path / "scaled.nii")
    found = volumes.read(tmp_path / "scaled.nii")
    theirs = nibabel.load(tmp_path / "scaled.nii").get_fdata()[::-1, ::-1].transpose(2, 1, 0)
    assert found.values.dtype == "float32"
    np.testing.assert_array_equal(found.values, theirs.astype("float32"))
    path = saved(tmp_path / "four.nii.gz", picture((3, 4, 5, 2)), np.diag([-1, -1, 1, 1]))
    np.testing.assert_array_equal(volumes.read(f"{path}#1").values, picture((3, 4, 5, 2))[..., 1].transpose(2, 1, 0))
    for name, message in ((path, r"four\.nii\.gz: holds 2 volumes.*FILE#0 to FILE#1"), (f"{path}#2", "volumes 0 to 1")):
        with pytest.raises(BadInput, match=message):
            volumes.read(name)


def test_headers_that_contradict_themselves(tmp_path):
    affine, moved = np.diag([2, 3, 4, 1.0]), np.diag([2, 3, 4, 1.0])
    moved[0, 3] = 5
    with pytest.raises(BadInput, match="qform and sform of the header contradict each other by up to 5 mm"):
        volumes.read(saved(tmp_path / "a.nii", q=affine, s=moved))
    found = volumes.read(saved(tmp_path / "b.nii", q=affine, s=moved, qcode=0))
    assert found.positions([[0, 0, 3]])[0] == pytest.approx([-5, -12, 0])  # voxel (0, 0) of the file, turned
    with pytest.raises(BadInput, match=r"\(qform and sform have the code 0\): left and right are unknown"):
        volumes.read(saved(tmp_path / "c.nii", qcode=0, scode=0))
    sheared = affine.copy()
    sheared[0, 1] = 1
    with pytest.raises(BadInput, match=r"the axes y and x meet at 7\d\.\d degrees"):
        volumes.read(saved(tmp_path / "d.nii", q=affine, s=sheared, qcode=0))
    broken = bytearray(saved(tmp_path / "e.nii", qcode=0).read_bytes())
    broken[280:296] = np.array([np.nan, 0, 0, 0], "<f4").tobytes()
    (tmp_path / "e.nii").write_bytes(broken)
    with pytest.raises(BadInput, match="geometry has NaN or infinite numbers"):
        volumes.read(tmp_path / "e.nii")
    broken[280:296] = bytes(16)
    (tmp_path / "e.nii").write_bytes(broken)
    with pytest.raises(BadInput, match="the spacing along x is 0"):
        volumes.read(tmp_path / "e.nii")


def test_damaged_files(tmp_path):
    whole = saved(tmp_path / "a.nii").read_bytes()
    (tmp_path / "short.nii").write_bytes(whole[:400])
    with pytest.raises(
        BadInput, match=r"short\.nii: the header claims 240 bytes of voxels, the file has 400|trunc|damag"
    ):
        volumes.read(tmp_path / "short.nii")
    packed = gzip.compress(whole)
    (tmp_path / "short.nii.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(BadInput, match=r"short\.nii\.gz: .*(damaged|no volume)"):
        volumes.read(tmp_path / "short.nii.gz")
    huge = bytearray(whole)
    huge[42:48] = np.array([30000] * 3, "<i2").tobytes()
    (tmp_path / "huge.nii").write_bytes(huge)
    with pytest.raises(BadInput, match="more than 2147483648"):
        volumes.read(tmp_path / "huge.nii")
    (tmp_path / "empty.nii").touch()
    (tmp_path / "text.dcm").write_text("no image")
    (tmp_path / "folder").mkdir()
    for name, message in (
        ("empty.nii", "the file is empty"), ("text.dcm", "no volume that is read"), ("nothing.nii", "no such file"),
        ("folder", "the folder holds no files"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=f"{name}: {message}"):
            volumes.read(tmp_path / name)
    (tmp_path / "folder" / "a.txt").write_text("no image")
    with pytest.raises(BadInput, match=r"a\.txt is no DICOM file"):
        volumes.read(tmp_path / "folder")
    nan = np.zeros((3, 3, 3), "float32")
    nan[0, 0, 0] = np.nan
    with pytest.raises(BadInput, match="NaN or infinite values"):
        volumes.read(saved(tmp_path / "nan.nii", nan))


@pytest.mark.parametrize(
    "direction", [np.diag([1, 1, 1]), np.diag([-1, -1, 1]), np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]])]
)
def test_nrrd_equals_what_itk_wrote(tmp_path, direction):
    itk = pytest.importorskip("SimpleITK")
    image = itk.GetImageFromArray(picture())
    image.SetSpacing((0.5, 0.75, 2))
    image.SetOrigin((10, 20, 30))
    image.SetDirection(direction.ravel().astype(float).tolist())
    itk.WriteImage(image, str(tmp_path / "a.nrrd"), True)
    itk.WriteImage(image, str(tmp_path / "a.nii.gz"))
    found, twin = volumes.read(tmp_path / "a.nrrd"), volumes.read(tmp_path / "a.nii.gz")
    np.testing.assert_allclose(found.affine, twin.affine, atol=1e-5)
    np.testing.assert_array_equal(found.values, twin.values)
    for z, y, x in np.ndindex(*picture().shape):
        place = found.voxels([image.TransformIndexToPhysicalPoint((x, y, z))])[0]
        assert found.values[tuple(np.rint(place).astype(int))] == picture()[z, y, x]


def seg_nrrd(path, values, **header):
    """As 3-D Slicer writes it: layers first in the file, segments by name, the grid cropped."""
    import nrrd as pynrrd

    lists = values.ndim == 4
    told = {
        "space": "left-posterior-superior",
        "space directions": [*([[np.nan] * 3] if lists else []), [2, 0, 0], [0, 3, 0], [0, 0, 4]],
        "space origin": [10, 20, 30],
        "kinds": [*(["list"] if lists else []), "domain", "domain", "domain"],
        "Segment0_Name": "liver", "Segment0_LabelValue": "1", "Segment0_Layer": "0",
        "Segment1_Name": "tumour", "Segment1_LabelValue": "1" if lists else "2", "Segment1_Layer": str(int(lists)),
    }  # fmt: skip
    pynrrd.write(str(path), values, told | header, index_order="F")
    return path


def test_segments_have_names_and_may_overlap(tmp_path):
    liver, tumour = np.zeros((3, 4, 5), "uint8"), np.zeros((3, 4, 5), "uint8")
    liver[:2], tumour[1, 2, 3] = 1, 1
    found = nrrd.read_segments(seg_nrrd(tmp_path / "a.seg.nrrd", np.stack([liver, tumour])))
    assert [each.name for each in found] == ["liver", "tumour"]
    for segment, mask in zip(found, (liver, tumour), strict=True):
        np.testing.assert_array_equal(segment.mask.values, mask.transpose(2, 1, 0))
        assert segment.mask.spacing_mm == (4, 3, 2) and segment.mask.origin == (10, 20, 30)
    flat = nrrd.read_segments(seg_nrrd(tmp_path / "b.seg.nrrd", liver + tumour))
    assert [int(each.mask.values.sum()) for each in flat] == [39, 1]
    for wrong in ({"Segment1_Layer": "3"}, {"Segment1_Layer": "-1"}, {"Segment1_LabelValue": "x"}):
        with pytest.raises(BadInput, match="Segment1 has a label or a layer that is not in the file"):
            nrrd.read_segments(seg_nrrd(tmp_path / "c.seg.nrrd", liver, **wrong))
    with pytest.raises(BadInput, match="the header does not say where the volume lies"):
        nrrd.read_segments(seg_nrrd(tmp_path / "d.seg.nrrd", liver, space="left-inferior-superior"))


def test_a_new_spacing_keeps_the_field_of_view():
    """A linear field stays itself; the outer faces of the volume stay where they were."""
    base = volume((8, 9, 10))
    z, y, x = np.indices(base.values.shape)
    base = Volume((2.0 * z + 3 * y - x).astype("float32"), base.affine)
    found = resample.to_spacing(base, (2, 1.5, 1))
    assert found.values.shape == (16, 18, 20) and found.spacing_mm == pytest.approx((2, 1.5, 1))
    for one, two in (([-0.5] * 3, [-0.5] * 3), (np.array([8, 9, 10]) - 0.5, np.array([16, 18, 20]) - 0.5)):
        np.testing.assert_allclose(base.positions([one]), found.positions([two]))
    inner = np.array([[z, y, x] for z in range(2, 14) for y in range(2, 16) for x in range(2, 18)])
    there = base.voxels(found.positions(inner))
    np.testing.assert_allclose(found.values[tuple(inner.T)], there @ [2, 3, -1], atol=1e-4)
    coarse = resample.to_spacing(base, (8, 6, 4))
    assert coarse.values.shape == (4, 4, 5)
    labels = resample.to_spacing(Volume((base.values > 10).astype("uint8"), base.affine), (3, 3, 3), labels=True)
    assert set(np.unique(labels.values)) == {0, 1} and labels.values.dtype == "uint8"
    for bad in ((0, 1, 1), (1, 1), (1, 1, np.nan), (1e-6, 1e-6, 1e-6)):
        with pytest.raises(BadInput, match="spacing_mm"):
            resample.to_spacing(base, bad)


def test_resampling_equals_simpleitk():
    itk = pytest.importorskip("SimpleITK")
    base, grid = volume((8, 9, 10)), volume((7, 12, 11), (3.0, 2.0, 2.5), (3.0, 4.0, 5.0))
    image = itk.GetImageFromArray(base.values.astype("float32"))
    image.SetSpacing(base.spacing_mm[::-1])
    for labels, method in ((False, itk.sitkLinear), (True, itk.sitkNearestNeighbor)):
        theirs = itk.Resample(image, (11, 12, 7), itk.Transform(), method, grid.origin, grid.spacing_mm[::-1],
                              np.eye(3).ravel().tolist(), -5.0)  # fmt: skip
        ours = resample.onto(base, grid, labels=labels, fill=-5)
        inside = (base.voxels(grid.positions(np.argwhere(np.ones(grid.values.shape)))) <= [7, 8, 9]).all(1)
        np.testing.assert_allclose(
            ours.values.ravel()[inside], itk.GetArrayFromImage(theirs).ravel()[inside], atol=1e-2
        )


def test_rounding_of_a_header_loses_no_label_at_the_border():
    image = volume((8, 9, 10), spacing=(2.0, 1.0, 1.0))
    labels = np.random.default_rng(0).integers(0, 3, (6, 9, 10))
    for shift in (-1e-4, 1e-4):
        affine = image.affine.copy()
        affine[:3, 3] += shift
        found = resample.mask_onto(Volume(labels, affine), image).values
        np.testing.assert_array_equal(found, np.pad(labels, ((0, 2), (0, 0), (0, 0))))


def test_masks_go_where_they_lie_in_the_patient():
    image = volume((8, 9, 10), origin=(100.0, 50.0, 20.0))
    mask = resample.crop_or_pad(Volume((image.values > 0).astype("uint8"), image.affine), (4, 5, 6))
    onto = resample.mask_onto(mask, image)
    assert onto.values.shape == image.values.shape and onto.values.sum() == mask.values.sum()
    assert ((onto.values == 1) <= (image.values > 0)).all()
    assert resample.mask_onto(Volume(image.values, image.affine), image).values is image.values
    mirrored = turned(Volume(image.values, np.diag([-1, -1, 1, 1.0]) @ image.affine))
    with pytest.raises(BadInput, match="the mask lies mirrored to its image"):
        resample.mask_onto(mirrored, image)
    away = image.affine.copy()
    away[2, 3] += 246
    with pytest.raises(BadInput, match=r"labelled voxels lie outside of the image \(centres 24\d mm apart\)"):
        resample.mask_onto(Volume(np.ones((8, 9, 10), "uint8"), away), image)


def test_boxes_keep_their_place():
    base = volume((5, 6, 7))
    for shape, centre in (((3, 3, 3), None), ((9, 4, 8), None), ((4, 4, 4), (0, 5, 3))):
        found = resample.crop_or_pad(base, shape, centre=centre, fill=-2000)
        assert found.values.shape == shape
        here = np.argwhere(found.values > -2000)
        there = np.rint(base.voxels(found.positions(here))).astype(int)
        np.testing.assert_array_equal(found.values[tuple(here.T)], base.values[tuple(there.T)])
        middle = np.array(base.values.shape) // 2 if centre is None else centre
        np.testing.assert_allclose(found.positions([np.array(shape) // 2]), base.positions([middle]))


def test_real_volumes(real_data):
    """Real NIfTI: places equal nibabel's, masks lie on their images, broken ones are refused."""
    for path in sorted((real_data / "hippocampus/images").glob("*.gz"))[:10]:
        image, mask = volumes.read(path), volumes.read(real_data / "hippocampus/labels" / path.name)
        theirs = nibabel.load(path)
        place = nibabel.affines.apply_affine(theirs.affine, [1, 2, 3]) * [-1, -1, 1]
        voxel = np.rint(image.voxels([place])[0]).astype(int)
        assert image.values[tuple(voxel)] == np.float32(theirs.dataobj[1, 2, 3])
        assert resample.mask_onto(mask, image).values.max() == 2
    whole, part = (volumes.read(real_data / f"totalseg/{name}.nii.gz") for name in ("example_ct", "example_ct_sm"))
    assert (
        part.values == whole.values[82:112]
    ).mean() > 0.4 and part.origin == whole.origin  # SOURCE.md: off by 246 mm
    formats = real_data / "volume_formats"
    assert volumes.read(formats / "anatomical.nii").spacing_mm == (2, 2, 2)
    for name in ("scaled+tlrc.HEAD", "minc2_baddim.mnc", "row_major.dconn.nii", "bad_datatype+orig.HEAD", "SOURCE.md"):
        with pytest.raises(BadInput, match=r"^[^/]+: (is of the kind|no volume that is read)"):
            volumes.read(formats / name)
