"""DICOM SEG: names, overlaps, missing frames, and its place in the patient."""

import numpy as np
import pydicom
import pytest
import slices

from radzoo.errors import BadInput
from radzoo.images.volumes import resample, segments, series

SEG = "1.2.840.10008.5.1.4.1.1.66.4"


def written(path, masks, places, kind="BINARY", **changes):
    """Frames of `{label: (z, y, x)}` at the mm `places`; planes without a voxel are left out, as writers do."""
    data = slices.plane(np.zeros((2, 2)), (0, 0, 0), ImagePositionPatient=None, ImageOrientationPatient=None)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = SEG
    del data.PixelSpacing, data.RescaleSlope, data.RescaleIntercept
    data.Modality, data.SegmentationType, data.SegmentSequence = "SEG", kind, []
    shared, measures, turn = (pydicom.Dataset() for _ in range(3))
    measures.PixelSpacing, measures.SpacingBetweenSlices = [0.5, 0.75], abs(places[1] - places[0])
    turn.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [turn]
    groups, pixels = [], []
    for label, mask in masks.items():
        segment = pydicom.Dataset()
        segment.SegmentNumber, segment.SegmentLabel = label, f"organ {label}"
        data.SegmentSequence.append(segment)
        for place, plane in zip(places, mask, strict=True):
            if plane.any():
                group, position, owner = (pydicom.Dataset() for _ in range(3))
                position.ImagePositionPatient, owner.ReferencedSegmentNumber = [-10, -20, place], label
                group.PlanePositionSequence, group.SegmentIdentificationSequence = [position], [owner]
                groups.append(group)
                pixels.append(plane)
    data.SharedFunctionalGroupsSequence, data.PerFrameFunctionalGroupsSequence = [shared], groups
    data.NumberOfFrames, (data.Rows, data.Columns) = len(groups), pixels[0].shape
    bits = 8 if kind == "FRACTIONAL" else 1
    data.BitsAllocated = data.BitsStored = bits
    data.HighBit, data.MaximumFractionalValue = bits - 1, 255
    flat = np.stack(pixels).ravel()
    packed = flat.astype("u1").tobytes() if bits == 8 else np.packbits(flat, bitorder="little").tobytes()
    data.PixelData = packed + b"\0" * (len(packed) % 2)
    for name, value in changes.items():
        setattr(data, name, value)
    data.save_as(path)
    return path


def masks(seed=0, shape=(6, 5, 7)):
    rng = np.random.default_rng(seed)
    found = {label: rng.random(shape) < 0.4 for label in (1, 2)}
    found[1][2] = False  # a plane without a frame
    return found


def test_names_overlaps_and_missing_frames(tmp_path):
    """Masks of an odd number of voxels a frame, so that frames begin within a byte, on the planes of their image."""
    planes = slices.even(spacing=(0.5, 0.75))
    image = series.read(slices.write(tmp_path / "series", planes))
    wanted = masks()
    assert (wanted[1] & wanted[2]).any()
    found = segments.read(written(tmp_path / "seg.dcm", wanted, [50 - 2.0 * n for n in range(6)]))
    assert [each.name for each in found] == ["organ 1", "organ 2"]
    for segment, mask in zip(found, wanted.values(), strict=True):
        onto = resample.mask_onto(segment.mask, image)
        assert onto.values.shape == image.values.shape
        np.testing.assert_array_equal(onto.values, mask[::-1])  # the first plane is nearest to the head


def test_fractions_have_a_limit(tmp_path):
    parts = {1: np.array([0, 100, 200, 255] * 15).reshape(3, 4, 5).astype("u1")}
    path = written(tmp_path / "seg.dcm", parts, [0.0, 1, 2], kind="FRACTIONAL")
    np.testing.assert_array_equal(segments.read(path)[0].mask.values, parts[1] >= 127.5)
    np.testing.assert_array_equal(segments.read(path, part=0.3)[0].mask.values, parts[1] >= 76.5)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"Modality": "CT"}, "is no DICOM segmentation"),
        ({"SegmentationType": "OTHER"}, "SegmentationType is not BINARY"),
        ({"SegmentSequence": []}, "names no segments"),
        ({"PixelData": b"\0\0"}, "the pixel data has 2 of 49 bytes"),
    ],
)
def test_bad_segmentations(tmp_path, changes, message):
    path = written(tmp_path / "seg.dcm", masks(), [2.0 * n for n in range(6)], **changes)
    with pytest.raises(BadInput, match=message):
        segments.read(path)


def test_frames_off_the_grid(tmp_path):
    with pytest.raises(BadInput, match="the frames lie off a grid of 2 mm"):
        segments.read(written(tmp_path / "seg.dcm", masks(), [0, 2, 4, 6.9, 9, 11]))


def test_a_real_segmentation(real_data):
    """The pixels of its frames are those of the reference decoder; slices lie 1 mm apart."""
    folder = real_data / "dicom_corpus/files/pydicom-data"
    (liver,) = segments.read(folder / "liver_j2k.dcm")
    assert liver.name == "Liver" and liver.mask.values.shape == (3, 512, 512)
    assert liver.mask.spacing_mm == pytest.approx((1, 0.810547, 0.810547), rel=1e-5)
    assert 0 < liver.mask.values.mean() < 0.5 and liver.mask.origin == pytest.approx((-235.2, -226.8, -128.69))
