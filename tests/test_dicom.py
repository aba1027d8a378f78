"""One DICOM image from file to 0..1: tables worked out by hand, and DCMTK as second implementation."""

import logging
import shutil
import subprocess
import warnings
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from radzoo.errors import BadInput
from radzoo.images import read

SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)


def dicom(path, stored, *, syntax=ExplicitVRLittleEndian, bits=None, preamble=True, **attributes):
    """Writes stored values as a file; `attributes` override the header (PixelData too), None removes one."""
    stored = np.asarray(stored)
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = pydicom.Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID, dataset.Modality = "SECRET^NAME", "SECRET-ID", "DX"
    dataset.Rows, dataset.Columns = stored.shape[:2]
    dataset.SamplesPerPixel = 1 if stored.ndim == 2 else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if stored.ndim == 2 else "RGB"
    dataset.BitsAllocated = 8 * stored.itemsize
    dataset.BitsStored = bits or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    if stored.ndim == 3:
        dataset.PlanarConfiguration = 0
    raw = stored.astype(stored.dtype.newbyteorder("<" if syntax.is_little_endian else ">")).tobytes()
    dataset.PixelData = raw + b"\0" * (len(raw) % 2)
    dataset["PixelData"].VR = "OB" if stored.itemsize == 1 and syntax != ImplicitVRLittleEndian else "OW"
    with warnings.catch_warnings():  # broken headers are written on purpose
        warnings.simplefilter("ignore")
        for keyword, value in attributes.items():
            if value is None:
                del dataset[keyword]
            else:
                setattr(dataset, keyword, value)
        if preamble:
            pydicom.dcmwrite(path, dataset, enforce_file_format=True)
        else:
            del dataset.file_meta
            pydicom.dcmwrite(path, dataset, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    return path


def grid(low, high, dtype):
    return np.linspace(low, high, 48).round().astype(dtype).reshape(6, 8)


# x <= c - .5 - (w - 1) / 2 is black, x > c - .5 + (w - 1) / 2 is white, between them ((x - c + .5) / (w - 1) + .5)
@pytest.mark.parametrize(
    "stored, center, width, function, expected",
    [
        ([0, 1, 127, 128, 254, 255], 128, 256, None, [0, 1 / 255, 127 / 255, 128 / 255, 254 / 255, 1]),
        ([0, 1, 2, 3, 4, 5], 2.5, 4, None, [0, 1 / 6, 1 / 2, 5 / 6, 1, 1]),
        ([0, 9, 10, 11, 12, 20], 11, 1, None, [0, 0, 0, 1, 1, 1]),
        ([0, 1, 127, 128, 255, 256], 128, 256, "LINEAR_EXACT", [0, 1 / 256, 127 / 256, 1 / 2, 255 / 256, 1]),
        ([0, 50, 100, 150, 200, 250], 100, 200, "SIGMOID",
         [0.1192029, 0.2689414, 0.5, 0.7310586, 0.8807971, 0.9525741]),
    ],
)  # fmt: skip
def test_header_window_equals_the_hand_worked_table(tmp_path, stored, center, width, function, expected):
    more = {"VOILUTFunction": function} if function else {}
    path = dicom(tmp_path / "a.dcm", np.uint16([stored]), WindowCenter=center, WindowWidth=width, **more)
    pixels = read(path)
    np.testing.assert_allclose(pixels.values[0], expected, atol=1e-6)
    assert pixels.values.dtype == np.float32 and pixels.modality == "DX"


def test_ct_is_rescaled_to_hounsfield_units_and_needs_a_window(tmp_path):
    hounsfield = np.array([[-1024, -160, -159, 40, 239, 240]])
    path = dicom(
        tmp_path / "ct.dcm", (hounsfield + 1024).astype("uint16"), bits=12, Modality="CT", RescaleIntercept=-1024,
        RescaleSlope=1, PixelSpacing=[0.7, 0.7], WindowCenter=0, WindowWidth=100,
    )  # fmt: skip
    pixels = read(path, window=(40, 400))
    # c - .5 = 39.5, w - 1 = 399: black from -160, white above 239
    np.testing.assert_allclose(pixels.values[0], [0, 0, 1 / 399, 200 / 399, 1, 1], atol=1e-6)
    assert pixels.applied == ("rescale", "window 40 400") and pixels.spacing_mm == (0.7, 0.7)
    with pytest.raises(BadInput, match=r"^ct.dcm: CT needs a window .* --window 40 400$"):
        read(path)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("preamble", [True, False])
def test_signed_monochrome1_is_inverted_once(tmp_path, syntax, preamble):
    stored = np.int16([[-2000, -100, 0, 100, 2000]])
    path = dicom(
        tmp_path / "a", stored, syntax=syntax, preamble=preamble, PhotometricInterpretation="MONOCHROME1",
        PresentationLUTShape="INVERSE", WindowCenter=[0.5, 7], WindowWidth=[201, 3],
    )  # fmt: skip
    pixels = read(path)  # c - .5 = 0, w - 1 = 200: x / 200 + .5, then one minus that
    np.testing.assert_allclose(pixels.values[0], [1, 1, 0.5, 0, 0], atol=1e-7)
    assert pixels.applied == ("window 0.5 201 (1 of 2)", "inverted")


def test_without_a_window_the_full_range_is_shown_and_said(tmp_path):
    pixels = read(dicom(tmp_path / "a.dcm", np.uint16([[100, 300, 500]]), RescaleSlope=2, RescaleIntercept=-100))
    np.testing.assert_allclose(pixels.values, [[0, 0.5, 1]])
    assert pixels.applied == ("rescale", "full range 100 900")


def test_bits_above_bits_stored_do_not_count(tmp_path):
    stored = np.uint16([[5 | 0xF000, 10 | 0x1000, 15]])  # an overlay in the upper four bits
    np.testing.assert_allclose(read(dicom(tmp_path / "u.dcm", stored, bits=12)).values, [[0, 0.5, 1]])
    stored = np.int16([[0x0FFB, 0, 5]])  # -5 in twelve bits, sign not extended
    np.testing.assert_allclose(read(dicom(tmp_path / "s.dcm", stored, bits=12)).values, [[0, 0.5, 1]])


def test_padding_is_black_and_left_out_of_the_range(tmp_path):
    stored = np.int16([[-2000, -1500, 0, 50, 100]])
    pixels = read(dicom(tmp_path / "a.dcm", stored, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1500))
    np.testing.assert_allclose(pixels.values, [[0, 0, 0, 0.5, 1]])
    inverse = {"PixelPaddingValue": 4095, "PhotometricInterpretation": "MONOCHROME1"}
    pixels = read(dicom(tmp_path / "b.dcm", np.uint16([[4095, 0, 50, 100]]), bits=12, **inverse))
    np.testing.assert_allclose(pixels.values, [[0, 1, 0.5, 0]])
    assert pixels.applied == ("full range 0 100", "inverted", "padding black")
    many = np.r_[np.full(900, 4095), np.arange(101)].astype("uint16").reshape(7, 143)
    pixels = read(dicom(tmp_path / "c.dcm", many, PixelPaddingValue=4095), window="percentile")
    np.testing.assert_allclose(pixels.values.ravel()[900:], ((np.arange(101) - 1) / 98).clip(0, 1), atol=1e-6)
    with pytest.raises(BadInput, match="all pixels are padding"):
        read(dicom(tmp_path / "d.dcm", np.uint16([[7, 7]]), PixelPaddingValue=7))


@pytest.mark.parametrize("planar", [0, 1])
def test_colour(tmp_path, planar):
    colour = np.arange(5 * 4 * 3, dtype="uint8").reshape(5, 4, 3)
    raw = np.moveaxis(colour, -1, 0) if planar else colour
    pixels = read(dicom(tmp_path / "a.dcm", colour, PixelData=raw.tobytes(), PlanarConfiguration=planar))
    np.testing.assert_array_equal(pixels.values, colour / np.float32(255))
    assert pixels.photometric == "RGB"
    grey = dicom(tmp_path / "grey.dcm", np.repeat(colour[..., :1], 3, axis=-1))
    assert read(grey).photometric == "MONOCHROME2" and read(grey).values.shape == (5, 4)
    with pytest.raises(BadInput, match="no units"):
        read(grey, window=(40, 400))


@pytest.mark.skipif(not shutil.which("dcm2pnm"), reason="dcm2pnm (DCMTK) is not installed")
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    "stored, bits, attributes",
    [
        (grid(0, 255, "uint8"), 8, {"WindowCenter": 100, "WindowWidth": 151}),
        (grid(0, 4095, "uint16"), 12, {"WindowCenter": 2000, "WindowWidth": 1500}),
        (grid(-1000, 3000, "int16"), 16, {"WindowCenter": 40, "WindowWidth": 400, "RescaleSlope": 1}),
        (grid(0, 4000, "uint16"), 12, {"WindowCenter": -300, "WindowWidth": 900.5, "RescaleSlope": 2}),
        (grid(-2000, 2000, "int16"), 12, {"WindowCenter": 0, "WindowWidth": 1000, "VOILUTFunction": "SIGMOID"}),
    ],
)
def test_windows_equal_dcmtk(tmp_path, stored, bits, attributes, photometric):
    if "RescaleSlope" in attributes:
        attributes = {**attributes, "RescaleIntercept": -1000, "RescaleType": "US"}
    path = dicom(tmp_path / "a.dcm", stored, bits=bits, PhotometricInterpretation=photometric, **attributes)
    subprocess.run(["dcm2pnm", "+Wi", "1", "+on2", path, tmp_path / "a.png"], check=True, capture_output=True)
    theirs = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED) / 65535
    np.testing.assert_allclose(read(path).values, theirs, atol=2e-5)  # theirs is rounded to 16 bits


def test_constant_images_are_refused(tmp_path):
    with pytest.raises(BadInput, match="all pixels are equal"):
        read(dicom(tmp_path / "a.dcm", np.zeros((4, 4), "uint16")))
    with pytest.raises(BadInput, match="all pixels are equal after window 9000 10"):
        read(dicom(tmp_path / "b.dcm", grid(0, 99, "uint16")), window=(9000, 10))


def test_no_header_value_reaches_warnings_or_logs(tmp_path, caplog):
    path = dicom(tmp_path / "a.dcm", grid(0, 99, "uint16"), PatientBirthDate="SECRET")
    path.write_bytes(path.read_bytes().replace(b"DX", b"dx"))
    with warnings.catch_warnings(record=True) as warned, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        caplog.clear()  # of what writing said
        read(path)
    assert not warned and not caplog.records


@pytest.mark.parametrize(
    "attributes, reason",
    [
        ({}, "BurnedInAnnotation is missing"),
        ({"BurnedInAnnotation": "NO"}, None),
        ({"BurnedInAnnotation": "YES"}, "BurnedInAnnotation is YES"),
        ({"BurnedInAnnotation": "SECRET"}, "BurnedInAnnotation is missing"),
        ({"BurnedInAnnotation": "NO", "ConversionType": "SI"}, "secondary capture"),
        ({"BurnedInAnnotation": "NO", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "secondary capture"),
        ({"BurnedInAnnotation": "NO", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.2"}, "secondary capture"),
        ({"BurnedInAnnotation": "NO", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.4"}, None),
        ({"BurnedInAnnotation": "YES", "ConversionType": "SI"}, "BurnedInAnnotation is YES"),
    ],
)
def test_why_a_picture_may_show_text(tmp_path, attributes, reason):
    assert read(dicom(tmp_path / "a.dcm", grid(0, 9, "uint8"), **attributes)).burnt_in == reason


def test_threads_read_the_same_as_one(tmp_path):
    """Warnings belong to the process: each thread silences them, and none leaves them silenced."""
    paths = [dicom(tmp_path / f"{i}.dcm", grid(i, 900 + i, "uint16"), Modality="secret") for i in range(24)]
    alone = [read(path).values for path in paths]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with ThreadPoolExecutor(8) as pool:
            together = [pixels.values for pixels in pool.map(read, paths * 4)]
        assert not warned
        warnings.warn("heard", stacklevel=1)
        assert len(warned) == 1
    for i, values in enumerate(together):
        np.testing.assert_array_equal(values, alone[i % 24])
