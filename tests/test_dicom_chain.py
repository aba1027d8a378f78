"""The grey chain: every combination against a reference from the standard's text, against DCMTK, and by hand."""

import functools
import io
import itertools
import math
import re
import shutil
import subprocess
import warnings
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from radzoo.errors import BadInput
from radzoo.images import read
from radzoo.images.dicom import chain
from radzoo.images.intensity import window

# bits stored, bits allocated
LAYOUTS = ((8, 8), (10, 16), (12, 16), (16, 16), pytest.param((8, 16), marks=pytest.mark.slow))
POLARITIES = tuple(itertools.product(("MONOCHROME1", "MONOCHROME2"), (None, "INVERSE")))
MODALITIES = ("none", "rescale -", "rescale .75", "LUT")
VOIS = ("none", "LINEAR", "LINEAR_EXACT", "SIGMOID", "LUT", "LUT and window", "two windows")
PADDINGS = ("none", "value", "range")


class Case(NamedTuple):
    signed: bool
    bits: int
    allocated: int
    photometric: str
    shape: str | None
    modality: str
    voi: str
    padding: str


def cases(signed, layout):
    return itertools.starmap(
        lambda polarity, *rest: Case(signed, *layout, *polarity, *rest),
        itertools.product(POLARITIES, MODALITIES, VOIS, PADDINGS),
    )


class Plan(NamedTuple):
    """The numbers of a case: what its header says."""

    stored: list[int]
    padding: tuple[int, int] | None
    slope: Fraction
    intercept: int
    modality_lut: tuple[int, list[int], int] | None  # first value, entries, bits
    windows: list[tuple[float, float]]
    function: str
    voi_lut: tuple[int, list[int], int] | None


@functools.cache
def falling(count: int) -> list[int]:
    return [3000 - 2900 * i * i // count**2 for i in range(count)]


@functools.cache
def valley(count: int) -> list[int]:
    return [abs(60000 - 90000 * i // count) for i in range(count)]


def plan(case: Case) -> Plan:
    low = -(2 ** (case.bits - 1)) if case.signed else 0
    size = 2**case.bits
    stored = [low + size * i // 23 for i in range(23)] + [low + size - 1]
    padding = {"none": None, "value": (stored[2],) * 2, "range": (stored[0], stored[3])}[case.padding]
    slope, intercept, table = Fraction(1), 0, None
    if case.modality == "rescale -":
        slope, intercept = Fraction(2), -size // 2 - 7
    elif case.modality == "rescale .75":
        slope, intercept = Fraction(3, 4), 5
    elif case.modality == "LUT":  # from the second pixel to one before the last: both ends are beyond the table
        count = stored[-2] - stored[1]
        table = stored[1], falling(count), 12
    bottom, top = (100, 3000) if table else sorted(v * slope + intercept for v in (stored[0], stored[-1]))
    center, width = round(float(bottom + top) / 2) + 0.25, round(float(top - bottom) * 0.6) + 0.5
    windows = [(center, width)] if case.voi in ("LINEAR", "LINEAR_EXACT", "SIGMOID", "LUT and window") else []
    if case.voi == "two windows":
        windows = [(center, width), (center / 2, 7)]
    voi_lut = None
    if case.voi.startswith("LUT"):
        first = max(math.floor(bottom + (top - bottom) / 5), -32768)  # no table reaches further
        count = min(math.floor((top - bottom) * 3 / 5), 65536)
        voi_lut = first, valley(count), 16
    function = case.voi if case.voi in ("LINEAR_EXACT", "SIGMOID") else "LINEAR"
    return Plan(stored, padding, slope, intercept, table, windows, function, voi_lut)


def reference(case: Case, p: Plan, *, truncate=False) -> list[float]:
    """Every pixel for itself, from the text of PS3.3 C.7.5.1.1.2, C.11.1, C.11.2 and C.11.6, in exact fractions.

    `truncate` is what DCMTK does and the standard does not say: values in units of the modality lose their fraction.
    """
    units, least, most = in_units(p, truncate)
    values = []
    for u, is_padding in zip(units, padded(p), strict=True):
        if p.voi_lut:  # rounded to the nearest index
            value = Fraction(entry(p.voi_lut, math.floor(u + Fraction(1, 2))), 2 ** p.voi_lut[2] - 1)
        elif p.windows:
            value = windowed(u, *p.windows[0], p.function)
        else:
            value = min(max(Fraction(u - least) / (most - least), 0), 1)
        if case.photometric == "MONOCHROME1" or case.shape == "INVERSE":
            value = 1 - value
        values.append(0.0 if is_padding else float(value))
    return values


def padded(p: Plan) -> list[bool]:
    return [p.padding is not None and p.padding[0] <= v <= p.padding[1] for v in p.stored]


def in_units(p: Plan, truncate: bool) -> tuple[list, float, float]:
    """Values in units of the modality, and the least and the most of those that are no padding."""
    units = [entry(p.modality_lut, v) if p.modality_lut else v * p.slope + p.intercept for v in p.stored]
    if truncate:
        units = [math.trunc(u) for u in units]
    counted = [u for u, is_padding in zip(units, padded(p), strict=True) if not is_padding]
    return units, min(counted), max(counted)


def entry(table, value):
    first, entries, _ = table
    if value < first:
        return entries[0]
    return entries[value - first] if value < first + len(entries) else entries[-1]


def windowed(x, center, width, function):
    center, width, half = Fraction(center), Fraction(width), Fraction(1, 2)
    if function == "SIGMOID":
        return 1 / (1 + math.exp(-4 * (x - center) / width))
    if function == "LINEAR":
        center, width = center - half, width - 1
    if x <= center - width / 2:
        return 0
    return 1 if x > center + width / 2 else (x - center) / width + half


def lut(first, entries, bits, *, vr="OW", data=None):
    """An item with a lookup table; the explanation is a trap: no message and no step may show it."""
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries) % 65536, first, bits])
    item.LUTExplanation = "SECRET"
    item.add_new("LUTData", vr, np.array(entries, "<u2").tobytes() if data is None else data)
    return item


def dicom(path, stored, *, bits, syntax=ExplicitVRLittleEndian, **attributes):
    """Writes a grey image; `attributes` are added, a `DataElement` as it is."""
    stored = np.atleast_2d(stored)
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
    dataset.PatientName, dataset.Modality, dataset.WindowCenterWidthExplanation = "SECRET^NAME", "DX", "SECRET"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8 * stored.itemsize, bits, bits - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    raw = stored.astype(stored.dtype.newbyteorder("<" if syntax.is_little_endian else ">")).tobytes()
    dataset.add_new("PixelData", "OB" if stored.itemsize == 1 else "OW", raw + b"\0" * (len(raw) % 2))
    with warnings.catch_warnings():  # broken headers are written on purpose
        warnings.simplefilter("ignore")
        for keyword, value in attributes.items():
            if isinstance(value, DataElement):
                dataset[keyword] = value
            else:
                setattr(dataset, keyword, value)
        pydicom.dcmwrite(written := io.BytesIO(), dataset, enforce_file_format=True)
    path.write_bytes(written.getvalue())  # at once: pydicom writes in many small pieces
    return path


def write(path, case: Case, p: Plan):
    header = {"PhotometricInterpretation": case.photometric}
    if case.shape:
        header["PresentationLUTShape"] = case.shape
    if p.padding:
        header["PixelPaddingValue"] = p.padding[0]
    if case.padding == "range":
        header["PixelPaddingRangeLimit"] = p.padding[1]
    if case.modality.startswith("rescale"):
        header |= {"RescaleSlope": float(p.slope), "RescaleIntercept": p.intercept, "RescaleType": "US"}
    if p.modality_lut:
        header["ModalityLUTSequence"] = [lut(*p.modality_lut)]
    if p.windows:
        header["WindowCenter"], header["WindowWidth"] = (list(numbers) for numbers in zip(*p.windows, strict=True))
    if p.function != "LINEAR":
        header["VOILUTFunction"] = p.function
    if p.voi_lut:
        header["VOILUTSequence"] = [lut(*p.voi_lut)]
    kind = f"{'i' if case.signed else 'u'}{case.allocated // 8}"
    return dicom(path, np.array(p.stored, kind).reshape(4, 6), bits=case.bits, **header)


def steps(case: Case, p: Plan) -> tuple[str, ...]:
    """What `applied` must say."""
    said = ["modality LUT"] if p.modality_lut else ["rescale"] if case.modality != "none" else []
    if p.voi_lut:
        said.append("VOI LUT")
    elif p.windows:
        center, width = p.windows[0]
        said.append(f"window {center:g} {width:g}" + (f" {p.function}" if p.function != "LINEAR" else ""))
        said[-1] += " (1 of 2)" if len(p.windows) > 1 else ""
    else:
        said.append("full range")
    said += ["inverted"] if case.photometric == "MONOCHROME1" or case.shape else []
    return (*said, *(["padding black"] if p.padding else []))


def each_layout(test):
    test = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{layout[0]}in{layout[1]}")(test)
    return pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])(test)


def dcm2pnm(path, *flags) -> np.ndarray:
    """What DCMTK makes of a file, 0 to 65535."""
    done = subprocess.run(["dcm2pnm", "-O", *map(str, flags), "+opw", path], capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    return np.array(" ".join(lines).split()[4:], float)


def distance_to_dcmtk(path, case: Case) -> float:
    """The largest difference between radzoo and DCMTK's dcm2pnm, in steps of its 16-bit output, which it cuts off.

    Where DCMTK 3.6.7 goes another way than the standard, the comparison says how:
    - LINEAR_EXACT is unknown to it (it takes LINEAR): it is given the LINEAR window that is the same by definition,
      half a unit to the right and one unit wider.
    - Padding is unknown to it: padding pixels must be black here, the others are compared; and the full range without
      padding is given as a window.
    - A fractional slope leaves fractions, which it cuts off: it is compared with the reference that does so, which
      otherwise is the one that radzoo equals.
    """
    p = plan(case)
    truncate = case.modality == "rescale .75"
    _, least, most = in_units(p, truncate)
    flags = ("+Wl", 1) if p.voi_lut else ("+Wi", 1)
    if case.voi == "LINEAR_EXACT":
        flags = ("+Ww", p.windows[0][0] + 0.5, p.windows[0][1] + 1)
    elif case.voi == "none":
        flags = ("+Ww", float(least + most) / 2 + 0.5, float(most - least) + 1)
    theirs = dcm2pnm(write(path, case, p), *flags)
    ours = read(path).values.ravel()
    is_padding = np.array(padded(p))
    assert not ours[is_padding].any()
    if truncate:
        ours = np.array(reference(case, p, truncate=True))
    return np.abs(ours * 65535 - theirs)[~is_padding].max()


needs_dcmtk = pytest.mark.skipif(not shutil.which("dcm2pnm"), reason="dcm2pnm (DCMTK) is not installed: not compared")


@needs_dcmtk
@pytest.mark.slow
@each_layout
def test_every_combination_equals_dcmtk(tmp_path, signed, layout):
    for case in cases(signed, layout):
        assert distance_to_dcmtk(tmp_path / "a.dcm", case) < 1.1, case


@needs_dcmtk
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_a_sample_of_combinations_equals_dcmtk(tmp_path, signed):
    """Every 29th (each value of each attribute is among them); the slow test takes all."""
    sample = [case for layout in ((12, 16), (16, 16)) for case in cases(signed, layout)][signed::29]
    for seen, all_values in zip(list(zip(*sample, strict=True))[5:], (MODALITIES, VOIS, PADDINGS), strict=True):
        assert set(seen) == set(all_values)
    for case in sample:
        assert distance_to_dcmtk(tmp_path / "a.dcm", case) < 1.1, case


@each_layout
def test_every_combination_equals_the_reference(tmp_path, signed, layout):
    """336 combinations in each of ten layouts."""
    for case in cases(signed, layout):
        p = plan(case)
        pixels = read(write(tmp_path / "a.dcm", case, p))
        np.testing.assert_allclose(pixels.values.ravel(), reference(case, p), rtol=0, atol=2e-7, err_msg=str(case))
        applied = tuple("full range" if step.startswith("full range") else step for step in pixels.applied)
        assert applied == steps(case, p), case


def test_signed_monochrome1_with_padding_and_two_windows_by_hand(tmp_path):
    """Units are 2 x - 100. LINEAR: c - .5 = 0, w - 1 = 200, so u / 200 + .5, then one minus that, then black."""
    path = dicom(
        tmp_path / "a.dcm", np.int16([-2000, -1900, -100, 0, 50, 75, 100, 150]), bits=12, RescaleSlope=2,
        RescaleIntercept=-100, WindowCenter=[0.5, 40], WindowWidth=[201, 400], PixelPaddingValue=-2000,
        PixelPaddingRangeLimit=-1900, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE",
    )  # fmt: skip
    pixels = read(path)
    np.testing.assert_allclose(pixels.values[0], [0, 0, 1, 1, 0.5, 0.25, 0, 0], atol=1e-7)
    assert pixels.applied == ("rescale", "window 0.5 201 (1 of 2)", "inverted", "padding black")


def test_voi_lut_by_hand(tmp_path):
    """The table begins at 10; its range is 0 to 4095 although its entries end at 4000."""
    table = lut(10, [0, 4000, 1000], 12)
    path = dicom(
        tmp_path / "a.dcm", np.uint8([0, 10, 11, 12, 13, 255]), bits=8, VOILUTSequence=[table, lut(0, [1, 2], 8)],
        WindowCenter=5, WindowWidth=2, PhotometricInterpretation="MONOCHROME1",
    )  # fmt: skip
    pixels = read(path)
    np.testing.assert_allclose(pixels.values[0], 1 - np.array([0, 0, 4000, 1000, 1000, 1000]) / 4095, atol=1e-7)
    assert pixels.applied == ("VOI LUT (1 of 2)", "inverted")


def test_modality_lut_goes_before_rescale_by_hand(tmp_path):
    path = dicom(
        tmp_path / "a.dcm", np.int16([-9, -2, -1, 0, 9]), bits=16, RescaleSlope=3, RescaleIntercept=7,
        ModalityLUTSequence=[lut(-2, [100, 65535, 200], 16)],
    )  # fmt: skip
    pixels = read(path, window=(150.5, 101))  # 100 is black, 200 is white
    np.testing.assert_array_equal(pixels.values[0], [0, 0, 1, 1, 1])
    assert pixels.applied == ("modality LUT", "window 150.5 101")
    assert read(path).applied == ("modality LUT", "full range 100 65535")


def test_a_negative_slope_turns_the_image_over(tmp_path):
    path = dicom(tmp_path / "a.dcm", np.uint8([0, 1, 2, 3, 4]), bits=8, RescaleSlope=-1, RescaleIntercept=4)
    np.testing.assert_array_equal(read(path).values[0], [1, 0.75, 0.5, 0.25, 0])
    table = lut(0, [0, 64, 128, 192, 255], 8)
    path = dicom(
        tmp_path / "b.dcm", np.uint8([0, 1, 2, 3, 4]), bits=8, RescaleSlope=-1, RescaleIntercept=4,
        VOILUTSequence=[table],
    )  # fmt: skip
    np.testing.assert_allclose(read(path).values[0] * 255, [255, 192, 128, 64, 0], rtol=1e-6)


def test_fractions_go_to_the_nearest_entry(tmp_path):
    """Units 0, .4, .8, 1.2, 1.6, 2: entries 0, 0, 1, 1, 2, 2."""
    path = dicom(
        tmp_path / "a.dcm", np.uint8(range(6)), bits=8, RescaleSlope=0.4, RescaleIntercept=0,
        VOILUTSequence=[lut(0, [0, 100, 255], 8)],
    )  # fmt: skip
    np.testing.assert_allclose(read(path).values[0] * 255, [0, 0, 100, 100, 255, 255], rtol=1e-6)


# 1, 2, 3, 250 as 8-bit entries; big-endian files swap the bytes of OW words, not those of OB
PACKED, SWAPPED = bytes([1, 2, 3, 250]), bytes([2, 1, 250, 3])
APART, APART_SWAPPED = bytes([1, 0, 2, 0, 3, 0, 250, 0]), bytes([0, 1, 0, 2, 0, 3, 0, 250])


@pytest.mark.parametrize("sequence", ["VOILUTSequence", "ModalityLUTSequence"])
@pytest.mark.parametrize(
    "syntax, vr, data",
    [
        (ExplicitVRLittleEndian, "OW", PACKED),
        (ExplicitVRLittleEndian, "OB", PACKED),
        (ExplicitVRLittleEndian, "UN", PACKED),
        (ExplicitVRLittleEndian, "OW", APART),
        (ExplicitVRLittleEndian, "US", [0x0201, 0xFA03]),
        (ExplicitVRLittleEndian, "US", [1, 2, 3, 250]),
        (ExplicitVRLittleEndian, "SS", [0x0201, 0xFA03 - 0x10000]),
        (ImplicitVRLittleEndian, "OW", PACKED),
        (ImplicitVRLittleEndian, "US", [1, 2, 3, 250]),
        (ExplicitVRBigEndian, "OW", SWAPPED),
        (ExplicitVRBigEndian, "OB", PACKED),
        (ExplicitVRBigEndian, "OW", APART_SWAPPED),
        (ExplicitVRBigEndian, "US", [0x0201, 0xFA03]),
    ],
)
def test_eight_bit_tables_in_every_encoding(tmp_path, sequence, syntax, vr, data):
    header = {sequence: [lut(5, [0] * 4, 8, vr=vr, data=data)], "WindowCenter": 128, "WindowWidth": 256}
    path = dicom(tmp_path / "a.dcm", np.uint16([0, 5, 6, 7, 8, 65535]), bits=16, syntax=syntax, **header)
    np.testing.assert_allclose(read(path).values[0] * 255, [1, 1, 2, 3, 250, 250], rtol=1e-6)


def test_an_odd_number_of_packed_entries(tmp_path):
    table = lut(0, [0] * 3, 8, data=bytes([9, 0, 255, 0]))
    path = dicom(tmp_path / "a.dcm", np.uint8([0, 1, 2, 3]), bits=8, VOILUTSequence=[table])
    np.testing.assert_allclose(read(path).values[0] * 255, [9, 0, 255, 255], rtol=1e-6)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_zero_entries_mean_65536(tmp_path, syntax):
    entries = np.arange(65536)[::-1]
    data = entries.astype("<u2" if syntax.is_little_endian else ">u2").tobytes()
    stored = np.uint16([0, 1, 40000, 65534, 65535])
    path = dicom(tmp_path / "a.dcm", stored, bits=16, syntax=syntax, VOILUTSequence=[lut(0, entries, 16, data=data)])
    np.testing.assert_allclose(read(path).values[0] * 65535, 65535 - stored.astype(int), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("vr", ["US", "SS"])
@pytest.mark.parametrize(
    "kind, header, units, first",
    [
        ("u2", {}, [40000, 40001, 40002], 40000),  # by PixelRepresentation
        ("i2", {}, [-3, -2, -1], -3),
        ("u2", {"RescaleSlope": 1, "RescaleIntercept": -32768}, [-30000, -29999, -29998], -30000),  # can be negative
        ("u2", {"RescaleSlope": 1, "RescaleIntercept": 1}, [40000, 40001, 40002], 40000),  # cannot
        ("i2", {"RescaleSlope": 1, "RescaleIntercept": 32768}, [40000, 40001, 40002], 40000),
    ],
)
def test_the_first_value_has_the_sign_of_what_goes_in(tmp_path, vr, kind, header, units, first):
    """Whatever VR the descriptor was written in: 40000 and -25536 are the same 16 bits."""
    item = lut(0, [0, 128, 255], 8)
    first = first % 65536 - (65536 if vr == "SS" and first % 65536 > 32767 else 0)
    item["LUTDescriptor"] = DataElement("LUTDescriptor", vr, [3, first, 8])
    stored = np.array(units) - header.get("RescaleIntercept", 0)
    pixels = read(dicom(tmp_path / "a.dcm", stored.astype(kind), bits=16, VOILUTSequence=[item], **header))
    np.testing.assert_allclose(pixels.values[0] * 255, [0, 128, 255], rtol=1e-6)


def test_after_a_modality_lut_the_first_value_is_unsigned(tmp_path):
    path = dicom(
        tmp_path / "a.dcm", np.int16([-1, 0, 1]), bits=16, ModalityLUTSequence=[lut(-1, [40000, 40001, 40002], 16)],
        VOILUTSequence=[lut(40000, [0, 128, 255], 8)],
    )  # fmt: skip
    np.testing.assert_allclose(read(path).values[0] * 255, [0, 128, 255], rtol=1e-6)


PADDED = ["PixelPaddingValue", "PixelPaddingRangeLimit"]


@pytest.mark.parametrize(
    "stored, bits, ends, black",
    [
        (np.int16([-2000, -1999, 0, 9]), 16, [DataElement(PADDED[0], "US", 63536)], 1),
        (np.int16([-2000, -1999, 0, 9]), 12, [DataElement(PADDED[0], "US", 63536)], 1),
        (np.int16([-2000, -1999, 0, 9]), 12, [DataElement(PADDED[0], "US", 2096)], 1),  # its sign is not extended
        (np.int16([-2000, -1999, 0, 9]), 16, [DataElement(PADDED[0], "SS", -2000)], 1),
        (np.int8([-100, -99, 0, 9]), 8, [DataElement(PADDED[0], "US", 156)], 1),
        (np.uint16([65535, 65534, 9, 8]), 16, [DataElement(PADDED[0], "SS", -1)], 1),
        (np.uint16([4095, 4094, 9, 8]), 12, [-2 % 65536, 4095], 1),  # the range ends beyond what can be stored
        (np.uint16([4095, 4094, 9, 8]), 12, [4094, 4095], 2),
        (np.uint16([4095, 4094, 9, 8]), 12, [4095, 4094], 2),
        (np.int16([-2000, -1999, 0, 9]), 16, [-1999, -2000], 2),
        (np.int16([-2000, -1999, 0, 9]), 16, [DataElement(PADDED[0], "US", 63537), -2000], 2),
        (np.uint16([2096, 2095, 9, 8]), 12, [63536], 0),  # nothing in 12 bits is 63536
    ],
)
@pytest.mark.parametrize("polarity", [{}, {"PhotometricInterpretation": "MONOCHROME1"}])
def test_padding_in_every_spelling(tmp_path, stored, bits, ends, black, polarity):
    path = dicom(tmp_path / "a.dcm", stored, bits=bits, **dict(zip(PADDED, ends, strict=False)), **polarity)
    pixels = read(path)
    assert ("padding black" in pixels.applied) == bool(black)
    shown = stored[black:].astype(float)
    expected = (shown - shown.min()) / np.ptp(shown)
    expected = np.r_[np.zeros(black), 1 - expected if polarity else expected]
    np.testing.assert_allclose(pixels.values[0], expected, atol=1e-7)


def test_padding_is_left_out_of_the_percentiles(tmp_path):
    """The percentiles 1 and 99 of 0..100 are 1 and 99, however much padding lies beside them."""
    stored = np.r_[np.full(900, 4095), np.arange(101)].astype("uint16")
    path = dicom(
        tmp_path / "a.dcm", stored, bits=12, PixelPaddingValue=4095, PhotometricInterpretation="MONOCHROME1"
    )  # fmt: skip
    pixels = read(path, window="percentile")
    expected = np.r_[np.zeros(900), 1 - ((np.arange(101) - 1) / 98).clip(0, 1)]
    np.testing.assert_allclose(pixels.values[0], expected, atol=1e-6)
    assert pixels.applied == ("percentile 1 99", "inverted", "padding black")


def test_a_given_window_replaces_the_voi_and_ct_never_has_one(tmp_path):
    voi = {"VOILUTSequence": [lut(0, [7, 7], 8)], "WindowCenter": 1, "WindowWidth": 2}
    path = dicom(tmp_path / "a.dcm", np.uint8(range(101)), bits=8, **voi)
    pixels = read(path, window=(50.5, 101))
    np.testing.assert_allclose(pixels.values[0], np.arange(101) / 100, atol=1e-7)
    assert pixels.applied == ("window 50.5 101",)
    assert read(path, window="percentile").applied == ("percentile 1 99",)
    for header in (voi, {"WindowCenter": 1, "WindowWidth": 2}, {}):
        with pytest.raises(BadInput, match=r"CT needs a window .* its header is not used: .*--window 40 400$"):
            read(dicom(tmp_path / "ct.dcm", np.uint8(range(101)), bits=8, Modality="CT", **header))


@pytest.mark.parametrize("last", [1, 2, 3])
def test_the_modality_lut_of_angiography_is_not_for_display(tmp_path, last):
    path = dicom(
        tmp_path / "a.dcm", np.uint8([0, 1, 2, 3, 4]), bits=8, SOPClassUID=f"1.2.840.10008.5.1.4.1.1.12.{last}",
        ModalityLUTSequence=[lut(0, [9, 0, 3, 7, 5], 8)], WindowCenter=2.5, WindowWidth=5,
    )  # fmt: skip
    pixels = read(path)
    np.testing.assert_allclose(pixels.values[0], [0, 0.25, 0.5, 0.75, 1])
    assert pixels.applied == ("modality LUT not for display", "window 2.5 5")
    if shutil.which("dcm2pnm"):
        np.testing.assert_allclose(dcm2pnm(path, "+Wi", 1) / 65535, pixels.values[0], atol=2e-5)


@needs_dcmtk
def test_dcmtk_divides_an_eight_bit_table_by_256(tmp_path):
    """The output range is 0 to 255 (PS3.3 C.11.2.1.1), so 255 is white; DCMTK's white is 255 / 256."""
    path = dicom(tmp_path / "a.dcm", np.uint8(range(4)), bits=8, VOILUTSequence=[lut(0, [0, 9, 254, 255], 8)])
    np.testing.assert_allclose(read(path).values[0] * 255, [0, 9, 254, 255], rtol=1e-6)
    np.testing.assert_array_equal(dcm2pnm(path, "+Wl", 1), np.array([0, 9, 254, 255]) * 256)


def broken(**changes):
    """A table with parts replaced, or (None) taken out."""
    item = lut(0, [1, 2, 3, 4], 16)
    for keyword, value in changes.items():
        if value is None:
            del item[keyword]
        else:
            item[keyword].value = value
    return [item]


BAD_TABLES = {
    "has 4 of 5 entries": broken(LUTDescriptor=[5, 0, 16]),
    "has 4 of 65536 entries": broken(LUTDescriptor=[0, 0, 16]),
    "no LUTData that can be read": broken(LUTData=b""),
    "no LUTData": broken(LUTData=None),
    "no LUTDescriptor of three numbers": broken(LUTDescriptor=[4, 0]),
    "no LUTDescriptor": broken(LUTDescriptor=None),
    "has 7 bits per entry": broken(LUTDescriptor=[4, 0, 7]),
    "has 17 bits per entry": broken(LUTDescriptor=[4, 0, 17]),
    "more than the 8 bits": broken(LUTDescriptor=[4, 0, 8], LUTData=np.uint16([1, 2, 3, 256]).tobytes()),
}


@pytest.mark.parametrize("sequence", ["VOILUTSequence", "ModalityLUTSequence"])
@pytest.mark.parametrize("reason", BAD_TABLES)
def test_a_broken_table_gives_one_line(tmp_path, sequence, reason):
    check_line(dicom(tmp_path / "a.dcm", np.uint8(range(9)), bits=8, **{sequence: BAD_TABLES[reason]}), reason)


BAD_HEADERS = {
    "window width 0": {"WindowCenter": 3, "WindowWidth": 0},
    "window width -4": {"WindowCenter": 3, "WindowWidth": -4},
    "window width 0.5, expected at least 1": {"WindowCenter": 3, "WindowWidth": 0.5},
    "window width 0, expected above 0": {"WindowCenter": 3, "WindowWidth": 0, "VOILUTFunction": "SIGMOID"},
    "only one of WindowCenter": {"WindowCenter": 3},
    "and WindowWidth": {"WindowWidth": 3},
    "unknown VOI LUT function": {"WindowCenter": 3, "WindowWidth": 9, "VOILUTFunction": "SECRET"},
    "WindowCenter is not finite": {"WindowCenter": "nan", "WindowWidth": 9},
    "WindowWidth is not finite": {"WindowCenter": 3, "WindowWidth": "inf"},
    "RescaleSlope is 0": {"RescaleSlope": 0, "RescaleIntercept": 0},
    "RescaleSlope is not finite": {"RescaleSlope": "nan", "RescaleIntercept": 0},
    "beyond all numbers": {"RescaleSlope": 1e308, "RescaleIntercept": 0},
    "Presentation LUT": {"PresentationLUTSequence": broken()},
    "PresentationLUTShape": {"PresentationLUTShape": "SECRET"},
    "all pixels are padding": {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 255},
}


@pytest.mark.parametrize("reason", BAD_HEADERS)
def test_a_broken_header_gives_one_line(tmp_path, reason):
    check_line(dicom(tmp_path / "a.dcm", np.uint8(range(9)), bits=8, **BAD_HEADERS[reason]), reason)


def check_line(path, reason):
    with warnings.catch_warnings(record=True) as warned, pytest.raises(BadInput, match=re.escape(reason)) as caught:
        warnings.simplefilter("always")
        read(path)
    text = str(caught.value)
    assert text.startswith("a.dcm: ") and "\n" not in text and "SECRET" not in text and not warned


def test_empty_attributes_are_absent_ones(tmp_path):
    empty = dict.fromkeys(("VOILUTSequence", "ModalityLUTSequence", "PresentationLUTShape", "VOILUTFunction"))
    empty |= dict.fromkeys(("WindowCenter", "WindowWidth", "RescaleSlope", "PixelPaddingValue"))
    pixels = read(dicom(tmp_path / "a.dcm", np.uint8(range(5)), bits=8, **empty))
    np.testing.assert_array_equal(pixels.values[0], [0, 0.25, 0.5, 0.75, 1])
    assert pixels.applied == ("full range 0 4",)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("center, width", [(3, 1e300), (1e300, 9), (-1e300, 1e300), (3, 1e-300)])
def test_huge_and_tiny_windows_do_no_harm(function, center, width):
    """One grey level or two; `read` refuses the former. Nothing warns, nothing is NaN."""
    if function == "LINEAR" and width < 1:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = window(np.arange(9), center, width, function)
    assert np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1


def enhanced(shared, frame=None):
    """An enhanced object of one frame: what a plain one keeps in its top level lies in functional groups."""
    dataset = pydicom.Dataset()
    dataset.PhotometricInterpretation, dataset.PixelRepresentation, dataset.BitsStored = "MONOCHROME2", 0, 12
    dataset.RescaleSlope, dataset.WindowCenter, dataset.WindowWidth = 7, 7, 7  # must not count
    for sequence, groups in (("SharedFunctionalGroups", shared), ("PerFrameFunctionalGroups", frame)):
        if groups is not None:
            setattr(dataset, f"{sequence}Sequence", [item(**groups)])
    return dataset


def item(**attributes):
    made = pydicom.Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def test_an_enhanced_file_of_one_frame(tmp_path):
    shared = item(PixelValueTransformationSequence=[item(RescaleSlope=2, RescaleIntercept=-100)])
    frame = item(FrameVOILUTSequence=[item(WindowCenter=100.5, WindowWidth=201)])
    path = dicom(
        tmp_path / "a.dcm", np.uint16([50, 100, 150, 4095]), bits=12, NumberOfFrames=1, Modality="MR",
        SharedFunctionalGroupsSequence=[shared], PerFrameFunctionalGroupsSequence=[frame],
    )  # fmt: skip
    pixels = read(path)
    np.testing.assert_allclose(pixels.values, [[0, 0.5, 1, 1]])
    assert pixels.applied == ("rescale", "window 100.5 201")


def test_functional_groups_of_one_frame():
    """Units 2 x - 100; LINEAR: c - .5 = 100, w - 1 = 200, so u / 200."""
    units = {"PixelValueTransformationSequence": [item(RescaleSlope=2, RescaleIntercept=-100)]}
    voi = {"FrameVOILUTSequence": [item(WindowCenter=[100.5, 3], WindowWidth=[201, 4])]}
    stored = np.uint16([[50, 100, 150, 4095]])
    for dataset in (enhanced(units | voi), enhanced(units, voi), enhanced({}, units | voi)):
        values, applied = chain.grey(dataset, stored, "MR", "header")
        np.testing.assert_allclose(values, [[0, 0.5, 1, 1]])
        assert applied == ("rescale", "window 100.5 201 (1 of 2)")
    table = {"FrameVOILUTSequence": [item(VOILUTSequence=[lut(0, [0, 255], 8)])]}
    values, applied = chain.grey(enhanced(units, table), stored, "XA", "header")
    np.testing.assert_allclose(values, [[0, 1, 1, 1]])
    assert applied == ("rescale", "VOI LUT")
    several = enhanced({})
    several.PerFrameFunctionalGroupsSequence = [item(**units), item(**units)]
    with pytest.raises(BadInput, match="PerFrameFunctionalGroupsSequence has 2 items, expected one frame"):
        chain.grey(several, stored, "MR", "header")


@pytest.mark.parametrize("kind, keyword", [("f4", "FloatPixelPadding"), ("f8", "DoubleFloatPixelPadding")])
def test_floating_point_pixels(kind, keyword):
    dataset = item(PhotometricInterpretation="MONOCHROME2")
    setattr(dataset, f"{keyword}Value", -1e30)
    stored = np.array([[-1e30, -0.5, 0, 0.5]], kind)
    stored[0, 0] = np.float32(-1e30) if kind == "f4" else -1e30
    dataset[f"{keyword}Value"].value = float(stored[0, 0])
    values, applied = chain.grey(dataset, stored, "OT", "header")
    np.testing.assert_allclose(values, [[0, 0, 0.5, 1]])
    assert applied == ("full range -0.5 0.5", "padding black")
    with pytest.raises(BadInput, match="NaN"):
        chain.grey(dataset, np.array([[np.nan, 1]], kind), "OT", "header")


@needs_dcmtk
def test_the_modality_lut_of_the_corpus_equals_dcmtk(real_data):
    """IHE's test image mlut_18: signed, 12 in 16, with a modality LUT."""
    path = real_data / "dicom_corpus/files"
    path = next(path.rglob("mlut_18.dcm"))
    pixels = read(path, window=(2000, 3000))
    assert pixels.applied[0] == "modality LUT"
    np.testing.assert_allclose(pixels.values.ravel(), dcm2pnm(path, "+Ww", 2000, 3000) / 65535, atol=2e-5)
