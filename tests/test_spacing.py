"""What a pixel measures in the patient, when nobody knows, and pixels that are not square."""

import warnings

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from radzoo.errors import BadInput
from radzoo.images import read
from radzoo.images.dicom.spacing import spacing, square

CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
DETECTOR = "ImagerPixelSpacing is at the detector: uncalibrated"
FILM = "NominalScannedPixelSpacing is on the film: uncalibrated"
BROKEN = "is not two positive numbers: ignored"


def item(**attributes):
    made = pydicom.Dataset()
    with warnings.catch_warnings():  # broken headers are made on purpose
        warnings.simplefilter("ignore")
        for keyword, value in attributes.items():
            setattr(made, keyword, value)
    return made


def dicom(path, stored, **attributes):
    dataset = item(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1", SOPInstanceUID="1.2.3", Rows=stored.shape[0],
        Columns=stored.shape[1], SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", BitsAllocated=8,
        BitsStored=8, HighBit=7, PixelRepresentation=0, Modality="DX",
    )  # fmt: skip
    if stored.ndim == 3:
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    raw = stored.astype("uint8").tobytes()
    dataset.add_new("PixelData", "OB", raw + b"\0" * (len(raw) % 2))
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


PROJECTIONS = [
    ({}, None, "no PixelSpacing"),
    ({"PixelSpacing": [0.1, 0.1]}, None, "PixelSpacing may be at the detector: uncalibrated"),
    ({"ImagerPixelSpacing": [0.1, 0.1]}, None, DETECTOR),
    ({"PixelSpacing": [0.1, 0.1], "ImagerPixelSpacing": [0.1, 0.1]}, None, DETECTOR),
    ({"PixelSpacing": [0.148, 0.148], "ImagerPixelSpacing": [0.14828, 0.14828]}, None, DETECTOR),  # rounded
    ({"PixelSpacing": [0.08, 0.09], "ImagerPixelSpacing": [0.1, 0.1]}, (0.08, 0.09),
     "PixelSpacing, calibrated (differs from ImagerPixelSpacing)"),
    ({"PixelSpacing": [0.1, 0.1], "PixelSpacingCalibrationType": "FIDUCIAL"}, (0.1, 0.1),
     "PixelSpacing, calibrated (FIDUCIAL)"),
    ({"PixelSpacing": [0.1, 0.1], "ImagerPixelSpacing": [0.1, 0.1], "PixelSpacingCalibrationType": "GEOMETRY"},
     (0.1, 0.1), "PixelSpacing, calibrated (GEOMETRY)"),
    ({"PixelSpacing": [0.1, 0.1], "ImagerPixelSpacing": [0.1, 0.1], "PixelSpacingCalibrationType": "SECRET"}, None,
     DETECTOR),
    ({"ImagerPixelSpacing": [0.1, 0.2], "EstimatedRadiographicMagnificationFactor": 1.25}, (0.08, 0.16),
     "ImagerPixelSpacing / EstimatedRadiographicMagnificationFactor"),
    ({"ImagerPixelSpacing": [0.1, 0.1], "EstimatedRadiographicMagnificationFactor": 0}, None, DETECTOR),
    ({"ImagerPixelSpacing": [0.1, 0.1], "EstimatedRadiographicMagnificationFactor": 0.5}, None, DETECTOR),
    ({"ImagerPixelSpacing": [0.1, 0.1], "EstimatedRadiographicMagnificationFactor": "nan"}, None, DETECTOR),
    ({"NominalScannedPixelSpacing": [0.1, 0.1]}, None, FILM),
    ({"PixelSpacing": [0.1, 0.1], "NominalScannedPixelSpacing": [0.1, 0.1]}, None, FILM),
    ({"PixelSpacing": [0.2, 0.2], "NominalScannedPixelSpacing": [0.1, 0.1]}, (0.2, 0.2),
     "PixelSpacing, calibrated (differs from NominalScannedPixelSpacing)"),
    ({"PixelSpacing": [0, 0.1]}, None, f"no PixelSpacing; PixelSpacing {BROKEN}"),
    ({"PixelSpacing": [-0.1, -0.1]}, None, f"no PixelSpacing; PixelSpacing {BROKEN}"),
    ({"PixelSpacing": 0.1}, None, f"no PixelSpacing; PixelSpacing {BROKEN}"),
    ({"PixelSpacing": ["nan", 1]}, None, f"no PixelSpacing; PixelSpacing {BROKEN}"),
    ({"PixelSpacing": None, "PixelAspectRatio": None}, None, "no PixelSpacing"),
    ({"ImagerPixelSpacing": [0.1, 0.1], "PixelAspectRatio": [1, 0]}, None, f"{DETECTOR}; PixelAspectRatio {BROKEN}"),
]  # fmt: skip


@pytest.mark.parametrize("modality", ["CR", "DX", "MG", "RF", "XA", "DR", "PX", "IO", "RG", "OT", None])
@pytest.mark.parametrize("attributes, expected, source", PROJECTIONS)
def test_a_projection_has_a_spacing_only_if_calibrated(attributes, expected, source, modality):
    found, said = spacing(item(**attributes), modality)
    assert found == (expected and pytest.approx(expected)) and said == source


@pytest.mark.parametrize("modality", ["CT", "MR", "PT", "NM"])
def test_a_section_is_measured_in_the_patient(modality):
    plain = item(PixelSpacing=[0.7, 0.8], SOPClassUID="1.2.840.10008.5.1.4.1.1.4")
    assert spacing(plain, modality) == ((0.7, 0.8), "PixelSpacing")
    assert spacing(item(), modality) == (None, "no PixelSpacing")
    measures = [item(PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.6])])]
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for any_modality in (modality, "OT"):
            assert spacing(item(**{groups: measures}), any_modality) == ((0.5, 0.6), "PixelSpacing")


@pytest.mark.parametrize("kind", [CAPTURE, f"{CAPTURE}.1", f"{CAPTURE}.4"])
def test_a_secondary_capture_of_a_section_is_not_calibrated_by_itself(kind):
    """It may be of a screen or of a film; a class whose number only begins alike is none."""
    captured = item(PixelSpacing=[0.7, 0.8], SOPClassUID=kind)
    assert spacing(captured, "CT") == (None, "PixelSpacing may be at the detector: uncalibrated")
    assert spacing(item(PixelSpacing=[0.7, 0.8], SOPClassUID=f"{CAPTURE}7.1"), "CT")[0] == (0.7, 0.8)
    captured.PixelSpacingCalibrationType = "FIDUCIAL"
    assert spacing(captured, "CT") == ((0.7, 0.8), "PixelSpacing, calibrated (FIDUCIAL)")


REGION = {
    "RegionSpatialFormat": 1, "PhysicalUnitsXDirection": 3, "PhysicalUnitsYDirection": 3, "PhysicalDeltaX": 0.02,
    "PhysicalDeltaY": 0.03, "RegionLocationMinX0": 0, "RegionLocationMinY0": 0, "RegionLocationMaxX1": 99,
    "RegionLocationMaxY1": 79,
}  # fmt: skip


@pytest.mark.parametrize(
    "regions, expected, source",
    [
        ([REGION], (0.3, 0.2), "ultrasound region"),
        ([], None, "no ultrasound region"),
        ([REGION, REGION], None, "2 ultrasound regions, expected one"),
        ([REGION | {"RegionLocationMinX0": 1}], None, "the ultrasound region is a part of the image"),
        ([REGION | {"RegionLocationMaxY1": 78}], None, "the ultrasound region is a part of the image"),
        ([REGION | {"PhysicalUnitsXDirection": 4}], None, "the ultrasound region is no picture in cm"),  # seconds
        ([REGION | {"RegionSpatialFormat": 3}], None, "the ultrasound region is no picture in cm"),  # spectral
        ([REGION | {"PhysicalDeltaX": 0.0}], None, "the ultrasound region is no picture in cm"),
        ([{}], None, "the ultrasound region is no picture in cm"),
    ],
)
def test_ultrasound_is_measured_by_its_one_region(regions, expected, source):
    dataset = item(Rows=80, Columns=100, PixelSpacing=[9, 9])
    dataset.SequenceOfUltrasoundRegions = [item(**region) for region in regions]
    found, said = spacing(dataset, "US")
    assert found == (expected and pytest.approx(expected)) and said == source


@pytest.mark.parametrize(
    "attributes, shape, spacing_mm, step",
    [
        ({"Modality": "MR", "PixelSpacing": [0.5, 1]}, (2, 4), (0.5, 0.5), "square pixels 0.5 x 1"),
        ({"Modality": "MR", "PixelSpacing": [1, 0.5]}, (4, 2), (0.5, 0.5), "square pixels 1 x 0.5"),
        ({"ImagerPixelSpacing": [0.1, 0.2]}, (2, 4), None, "square pixels 0.1 x 0.2"),
        ({"NominalScannedPixelSpacing": [0.2, 0.1]}, (4, 2), None, "square pixels 0.2 x 0.1"),
        ({"PixelAspectRatio": [2, 1]}, (4, 2), None, "square pixels 2 x 1"),
        ({"Modality": "MR", "PixelSpacing": [1, 1], "PixelAspectRatio": [2, 1]}, (2, 2), (1, 1), None),
        ({"PixelSpacing": [1, 1.0009]}, (2, 2), None, None),
        ({"PixelAspectRatio": [0, 0]}, (2, 2), None, None),
        ({}, (2, 2), None, None),
    ],
)
@pytest.mark.parametrize("colours", [None, 3])
def test_the_coarser_axis_is_enlarged(tmp_path, attributes, shape, spacing_mm, step, colours):
    """Two pixels become four: their centres lie at -1/4, 1/4, 3/4 and 5/4, so 0, 1/4, 3/4 and 1 of the way."""
    stored = np.array([[0, 100], [155, 255]])
    ramp = {2: np.array([0, 1]), 4: np.array([0, 0.25, 0.75, 1])}
    expected = ramp[shape[0]][:, None] * 155 / 255 + ramp[shape[1]] * 100 / 255
    if colours:
        stored, expected = (np.stack([array, array * 0, array], -1) for array in (stored, expected))
    pixels = read(dicom(tmp_path / "a.dcm", stored, **attributes))
    np.testing.assert_allclose(pixels.values, expected, atol=1e-6)
    assert pixels.values.dtype == np.float32 and pixels.spacing_mm == spacing_mm
    assert [said for said in pixels.applied if said.startswith("square")] == ([step] if step else [])


def test_a_ball_in_long_pixels_becomes_round():
    """A disc of radius 30 mm, seen with pixels of 1 x 2.5 mm, has the same extent both ways afterwards."""
    y, x = np.mgrid[:100, :40]
    disc = (np.hypot(y - 49.5, 2.5 * (x - 19.5)) < 30).astype("float32")
    values, spacing_mm, steps = square(disc, item(), (1.0, 2.5))
    assert values.shape == (100, 100) and spacing_mm == (1.0, 1.0) and steps == ("square pixels 1 x 2.5",)
    y, x = np.mgrid[:100, :100]
    high, wide = (np.sqrt((values * (side - 49.5) ** 2).sum() / values.sum()) for side in (y, x))
    assert high == pytest.approx(15, rel=0.01) and wide == pytest.approx(15, rel=0.02)  # radius / 2


@pytest.mark.parametrize(
    "attributes",
    [
        {"PixelAspectRatio": [21, 1]},
        {"PixelAspectRatio": [1, 2000000000]},
        {"PixelSpacing": [1e-300, 1e300]},
        {"ImagerPixelSpacing": [0.1, 9]},
    ],
)
def test_absurd_pixels_are_refused_before_any_memory_is_taken(attributes):
    with pytest.raises(BadInput, match="absurdly long or wide"):
        square(np.zeros((9, 9), "float32"), item(**attributes), None)
    with pytest.raises(BadInput, match="absurdly long or wide"):
        square(np.broadcast_to(np.float32(0), (10000, 10000)), item(PixelAspectRatio=[2, 1]), None)


def test_the_source_goes_with_the_image(tmp_path):
    pixels = read(dicom(tmp_path / "a.dcm", np.arange(9).reshape(3, 3), ImagerPixelSpacing=[0.1, 0.1]))
    assert pixels.spacing_mm is None and pixels.spacing_source == DETECTOR
