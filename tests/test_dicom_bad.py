"""Bad DICOM input: each gives `Pixels` or one line of `BadInput`; no crash, no hang, no memory, no header value."""

import os
import random
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid
from test_dicom import SYNTAXES, dicom, grid
from test_dicom_decode import LOSSLESS, compressed, smooth

from radzoo.errors import BadInput
from radzoo.images import read

UNDEFINED = b"\xff\xff\xff\xff"
SAMPLE = (  # one of each way to encode pixels, small
    "pydicom/MR_small_implicit.dcm", "pydicom/MR_small_expb.dcm", "pydicom/image_dfl.dcm", "pydicom/MR_small_RLE.dcm",
    "pydicom/SC_rgb_dcmtk__eb_cy_s2.dcm", "pydicom/JPGExtended.dcm", "dicom-test-files/CT2_JPLL",
    "pydicom/MR_small_jpeg_ls_lossless.dcm", "pydicom/JPEGLSNearLossless_16.dcm", "pydicom/MR_small_jp2klossless.dcm",
    "pydicom/SC_rgb_gdcm_KY.dcm", "pydicom-data/HTJ2KLossless_08_RGB.dcm", "pydicom/examples_palette.dcm",
    "pydicom-data/mlut_18.dcm", "pydicom/693_J2KI.dcm",
)  # fmt: skip


def refused(path, match=".", window="header"):
    """Reads a file that must be refused; the line says neither where it lies nor what is in its header."""
    with pytest.raises(BadInput, match=match) as caught:
        read(path, window=window)
    line = str(caught.value)
    assert line.startswith(f"{Path(path).name}: ") and "\n" not in line and str(Path(path).parent) not in line
    assert "SECRET" not in line and len(line) < 300
    return line


ONE_ITEM = [pydicom.Dataset()]
HEADERS = [
    ("several frames", {"NumberOfFrames": 3}),
    ("expected grey, palette", {"PhotometricInterpretation": None}),
    ("expected grey, palette", {"PhotometricInterpretation": "RGB"}),
    ("expected grey, palette", {"SamplesPerPixel": 3}),
    ("YBR_RCT and YBR_ICT need JPEG 2000", {"PhotometricInterpretation": "YBR_RCT", "SamplesPerPixel": 3}),
    ("of .* bytes: the file is truncated", {"Rows": 9000, "Columns": 9000}),
    ("more than 134 million samples", {"Rows": 65535, "Columns": 65535}),
    ("several frames", {"Rows": 65535, "Columns": 65535, "NumberOfFrames": 1000}),
    ("Rows or Columns is missing or 0", {"Rows": 0}),
    ("Rows or Columns is missing or 0", {"Columns": None}),
    ("holds no pixel data", {"PixelData": None}),
    ("of 96 bytes", {"PixelData": b""}),
    ("of 96 bytes", {"PixelData": b"\0" * 94}),
    ("far longer", {"PixelData": b"\0" * 192}),
    ("HighBit contradicts", {"BitsStored": 12, "HighBit": 16}),
    ("HighBit contradicts", {"BitsStored": 12, "HighBit": 10}),
    ("BitsAllocated and BitsStored", {"BitsAllocated": 12}),
    ("BitsAllocated and BitsStored", {"BitsAllocated": 64}),
    ("BitsAllocated and BitsStored", {"BitsStored": 17}),
    ("BitsAllocated and BitsStored", {"BitsStored": 0}),
    ("BitsAllocated and BitsStored", {"BitsStored": None}),
    ("PixelRepresentation is missing", {"PixelRepresentation": None}),
    ("PixelRepresentation is missing", {"PixelRepresentation": 7}),
    ("PlanarConfiguration", {"PlanarConfiguration": 5}),
    ("holds no pixel data|floating-point", {"FloatPixelData": b"\0" * 192}),
    ("RescaleSlope is 0", {"RescaleSlope": 0}),
    ("ModalityLUTSequence", {"ModalityLUTSequence": ONE_ITEM}),
    ("VOILUTSequence", {"VOILUTSequence": ONE_ITEM}),
    ("window width 0", {"WindowCenter": 3, "WindowWidth": 0}),
    ("unknown VOI LUT function", {"WindowCenter": 3, "WindowWidth": 9, "VOILUTFunction": "SECRET"}),
    ("a radiotherapy dose", {"Modality": "RTDOSE"}),
    ("a segmentation", {"Modality": "SEG"}),
]


@pytest.mark.parametrize("reason, attributes", HEADERS)
def test_a_wrong_header_gives_one_line(tmp_path, reason, attributes):
    refused(dicom(tmp_path / "a.dcm", grid(0, 100, "uint16"), **attributes), reason)


@pytest.mark.parametrize(
    "kind, reason",
    [
        ("1.2.840.10008.5.1.4.1.1.88.11", "Basic Text SR Storage and holds no pixel data"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "Encapsulated PDF Storage and holds no pixel data"),
        ("1.2.840.10008.5.1.4.1.1.481.3", "RT Structure Set Storage and holds no pixel data"),
        ("1.2.840.10008.1.3.10", "Media Storage Directory Storage and holds no pixel data"),
        ("1.2.3.4", "file holds no pixel data"),
    ],
)
def test_objects_without_pixels_are_named(tmp_path, kind, reason):
    line = refused(dicom(tmp_path / "a.dcm", grid(0, 9, "uint8"), SOPClassUID=kind, PixelData=None), reason)
    assert "1.2.3.4" not in line


@pytest.mark.parametrize(
    "syntax, reason",
    [
        ("1.2.3.4.5.6.7", "transfer syntax is unknown"),  # private
        ("1.2.840.113619.5.2", "transfer syntax is unknown"),  # private, GE
        ("1.2.840.10008.1.2.4.100", "MPEG2 .* is not read"),
        ("1.2.840.10008.1.2.4.92", "JPEG 2000 Part 2 .* is not read"),
        ("1.2.840.10008.5.1.4.1.1.1", "transfer syntax is unknown"),  # no transfer syntax at all
    ],
)
def test_unknown_transfer_syntaxes(tmp_path, syntax, reason):
    path = compressed(tmp_path / "a.dcm", smooth(8), b"SECRET", uid.JPEG2000)
    data, old = path.read_bytes(), uid.JPEG2000.encode()
    assert len(old) == 22 and len(syntax) <= 26
    new = syntax.encode() + b"\0" * (len(syntax) % 2)
    data = data.replace(b"UI\x16\0" + old, b"UI" + struct.pack("<H", len(new)) + new)
    path.write_bytes(data[:140] + struct.pack("<I", data[140] + len(new) - len(old)) + data[144:])
    refused(path, reason)


def test_the_transfer_syntax_contradicts_the_pixels(tmp_path):
    image = smooth(8)
    frame = LOSSLESS[uid.JPEGLSLossless](image, 8)
    refused(compressed(tmp_path / "a", image, frame, uid.JPEG2000), "not encoded as the transfer syntax says")
    path = compressed(tmp_path / "b", image, frame, uid.JPEGLSLossless)
    plain, coded = uid.ExplicitVRLittleEndian.encode(), uid.JPEGLSLossless.encode()
    data = path.read_bytes()
    path.write_bytes(data.replace(coded, plain.ljust(len(coded), b"\0")))
    refused(path, "not encoded as the transfer syntax says")


def test_what_is_no_dicom(tmp_path):
    (tmp_path / "folder.dcm").mkdir()
    refused(tmp_path / "folder.dcm", "is a folder")
    refused(tmp_path / "none.dcm", "no such file")
    (tmp_path / "empty.dcm").write_bytes(b"")
    refused(tmp_path / "empty.dcm", "the file is empty")
    (tmp_path / "text.dcm").write_text("SECRET text\n" * 50)
    refused(tmp_path / "text.dcm", "is no image that radzoo reads")
    with zipfile.ZipFile(tmp_path / "zip.dcm", "w") as file:
        file.writestr("SECRET", "text")
    refused(tmp_path / "zip.dcm", "archive")
    for head in (b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"\xff" * 64, b"\2\0\0\0UL", b"\x08\0" * 40):
        (tmp_path / "head.dcm").write_bytes(head)
        refused(tmp_path / "head.dcm", "DICOM")
    Image.fromarray(grid(0, 255, "uint8")).save(tmp_path / "png.dcm", "PNG")  # content decides
    np.testing.assert_array_equal(read(tmp_path / "png.dcm").values, grid(0, 255, "uint8") / np.float32(255))


# ---- truncation and wrong lengths


@pytest.mark.parametrize("name", SAMPLE)
def test_truncated_anywhere(real_data, tmp_path, name):
    """Cut at eighty places and at each of the last ten bytes: refused, or (behind the pixels) read as the whole is."""
    whole = (real_data / "dicom_corpus/files" / name).read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole)
    expected = read(tmp_path / "cut.dcm", "percentile").values
    tail = 0
    for kept in (*np.linspace(133, len(whole) - 11, 80).astype(int), *range(len(whole) - 10, len(whole))):
        (tmp_path / "cut.dcm").write_bytes(whole[:kept])
        try:
            values = read(tmp_path / "cut.dcm", "percentile").values
        except BadInput as error:
            assert str(error).startswith("cut.dcm: ") and "\n" not in str(error)
        else:
            np.testing.assert_array_equal(values, expected)
            tail = tail or len(whole) - kept
    assert tail < 0.2 * len(whole)  # what lies behind the pixels


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.name)
def test_a_truncated_frame_in_a_whole_file(tmp_path, syntax):
    image = smooth(8)
    frame = LOSSLESS[syntax](image, 8)
    for kept in (2, 3, 9, 30, len(frame) // 2, len(frame) - 3):
        refused(compressed(tmp_path / "a", image, frame[:kept], syntax), "compressed pixel data")


def with_length(path, tag, length):
    """Overwrites the 32-bit length of an element of VR OB, OW or SQ."""
    data = path.read_bytes()
    at = data.index(tag)
    path.write_bytes(data[: at + 8] + length + data[at + 12 :])
    return path


def test_lengths_that_are_wrong(tmp_path):
    image, pixel_data = grid(0, 900, "uint16"), b"\xe0\x7f\x10\0OW"
    for length in (0, 10, 95, 97, 4096, 2**31, 2**32 - 2):
        path = with_length(dicom(tmp_path / "a.dcm", image), pixel_data, struct.pack("<I", length))
        if length < 96:
            refused(path, "bytes: the file is truncated|damaged")
        else:  # beyond the end: what is there is whole
            np.testing.assert_allclose(read(path).values, image / 900, atol=1e-6)
    refused(with_length(dicom(tmp_path / "a.dcm", image), pixel_data, UNDEFINED))
    table = pydicom.Dataset()
    table.LUTDescriptor, table.LUTData = [2, 0, 16], b"\0\0\1\1"
    sequence = b"\x28\0\x10\x30SQ"
    for length in (b"\xfe\xff\xff\xff", struct.pack("<I", 7), UNDEFINED):
        refused(with_length(dicom(tmp_path / "a.dcm", image, VOILUTSequence=[table]), sequence, length))


def test_an_end_of_zeros(tmp_path):
    """Copying that broke off leaves zeros, which are empty elements to a reader, half a million of them here."""
    whole = dicom(tmp_path / "a.dcm", grid(0, 9, "uint8")).read_bytes()
    start = time.monotonic()
    for kept in (300, whole.index(b"\xe0\x7f\x10\0")):
        (tmp_path / "zeros.dcm").write_bytes(whole[:kept] + bytes(4_000_000))
        refused(tmp_path / "zeros.dcm", "damaged|no pixel data")
    assert time.monotonic() - start < 3


def test_padding_and_odd_lengths(tmp_path):
    image = np.arange(15, dtype="uint8").reshape(3, 5)
    for data in (image.tobytes() + b"\0", image.tobytes() + b"\0" * 9):
        np.testing.assert_allclose(read(dicom(tmp_path / "a", image, PixelData=data)).values, image / 14, atol=1e-6)
    path = dicom(tmp_path / "a", image)
    path.write_bytes(path.read_bytes()[:-1])  # without the byte that makes it even, as some writers do
    np.testing.assert_allclose(read(path).values, image / 14, atol=1e-6)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_empty_sequences_do_no_harm(tmp_path, syntax):
    image = grid(0, 900, "uint16")
    names = ("VOILUTSequence", "ModalityLUTSequence", "PresentationLUTSequence", "SharedFunctionalGroupsSequence",
             "PerFrameFunctionalGroupsSequence", "SequenceOfUltrasoundRegions", "ReferencedImageSequence")  # fmt: skip
    empty = {name: [] for name in names} | {"WindowCenter": "", "RescaleSlope": "", "PixelSpacing": []}
    np.testing.assert_allclose(
        read(dicom(tmp_path / "a", image, syntax=syntax, **empty)).values, image / 900, atol=1e-6
    )


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("depth", [50, 3000, 100_000])
def test_endless_nesting(tmp_path, depth, closed):
    whole = dicom(tmp_path / "a.dcm", grid(0, 9, "uint8")).read_bytes()
    at = whole.index(b"\xe0\x7f\x10\0")
    nest = (struct.pack("<HH2sH", 0x40, 0xA730, b"SQ", 0) + UNDEFINED + b"\xfe\xff\0\xe0" + UNDEFINED) * depth
    end = (b"\xfe\xff\x0d\xe0" + b"\0" * 4 + b"\xfe\xff\xdd\xe0" + b"\0" * 4) * depth
    path = tmp_path / "nested.dcm"
    path.write_bytes(whole[:at] + nest + (end + whole[at:] if closed else b""))
    if depth == 50 and closed:
        assert read(path).values.shape == (6, 8)
    else:
        refused(path, "damaged or truncated|no pixel data")


# ---- compressed frames that lie


def with_size(frame, rows, columns):
    """The frame with another size in its own header."""
    if frame[:2] == b"\xff\x4f":
        area = struct.pack(">II", columns, rows)
        return frame[:8] + area + frame[16:24] + area + frame[32:]
    at = next(i for i in range(len(frame)) if frame[i] == 0xFF and frame[i + 1] in (0xC0, 0xC1, 0xC3, 0xF7))
    return frame[: at + 5] + struct.pack(">HH", rows, columns) + frame[at + 9 :]


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.name)
def test_a_frame_of_another_size(tmp_path, syntax):
    image = smooth(12)
    frame = LOSSLESS[syntax](image, 12)
    huge = with_size(frame, 65535, 65535)
    refused(compressed(tmp_path / "a", image, huge, syntax, bits=12), "another size than Rows")
    refused(compressed(tmp_path / "b", image, frame, syntax, bits=12, Rows=41), "another size than Rows")
    both = compressed(tmp_path / "c", image, huge, syntax, bits=12, Rows=65535, Columns=65535)
    refused(both, "more than 134 million samples")
    both = compressed(tmp_path / "d", image, with_size(frame, 11585, 11585), syntax, bits=12, Rows=11585, Columns=11585)
    refused(both, "far too short|134 million")
    refused(compressed(tmp_path / "e", image, frame, syntax, bits=12, HighBit=15), "HighBit is not BitsStored - 1")
    colours = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}
    refused(compressed(tmp_path / "f", image, frame, syntax, bits=12, **colours), "another size than Rows")
    eight = dict.fromkeys(("BitsAllocated", "BitsStored"), 8) | {"HighBit": 7}
    refused(compressed(tmp_path / "g", image, frame, syntax, **eight), "more bits than BitsAllocated")


def test_frames_that_are_too_many_or_odd(tmp_path):
    image = smooth(8)
    frame = LOSSLESS[uid.JPEGLSLossless](image, 8)
    frame += b"\0" * (len(frame) % 2)
    two = pydicom.encaps.encapsulate([frame, frame])
    refused(dicom(tmp_path / "a", image, syntax=uid.JPEGLSLossless, PixelData=two), "several frames")
    tiny_tiles = bytearray(LOSSLESS[uid.JPEG2000Lossless](np.zeros((250, 250), "uint8"), 8))
    tiny_tiles[24:32] = struct.pack(">II", 1, 1)
    path = compressed(tmp_path / "b", np.zeros((250, 250), "uint8"), bytes(tiny_tiles), uid.JPEG2000Lossless)
    refused(path, "more than 16384 tiles")
    refused(compressed(tmp_path / "c", image, b"\x02" + b"\0" * 90, uid.RLELossless), "RLE segments do not fit")
    segments = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\x07" * 10  # 1280 of 2240 bytes
    refused(compressed(tmp_path / "d", image, segments, uid.RLELossless), "has 1280 of 2240 bytes")


BOMBS = """
import sys, time
from radzoo.errors import BadInput
from radzoo.images import read
read(sys.argv[1])
def peak():  # of this program alone; getrusage would count the one that started it
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
before, start = peak(), time.monotonic()
for path in sys.argv[2:]:
    try:
        read(path)
        print("read", path)
    except BadInput as error:
        pass
print(peak() - before, time.monotonic() - start)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc: not measured")
def test_bombs_take_no_memory_and_no_time(tmp_path):
    """Small files that claim much, in a process of their own whose peak memory is measured."""
    image = smooth(12)
    full = {"Rows": 65535, "Columns": 65535}
    flat = np.zeros((11000, 11000), "uint8")
    paths = [
        dicom(tmp_path / "good", image),
        dicom(tmp_path / "plain", image, NumberOfFrames=1000, **full),
        dicom(tmp_path / "single", image, **full),
        dicom(tmp_path / "large", image, Rows=11000, Columns=11000),
        compressed(tmp_path / "rle", image, b"\x01\0\0\0\x40" + b"\0" * 90, uid.RLELossless, Rows=11000, Columns=11000),
    ]
    for syntax, encode in LOSSLESS.items():
        huge = with_size(encode(image, 12), 65535, 65535)
        paths.append(compressed(tmp_path / f"a{syntax}", image, huge, syntax, bits=12))
        paths.append(compressed(tmp_path / f"b{syntax}", image, huge, syntax, bits=12, **full))
    for syntax in (uid.JPEGLSLossless, uid.JPEG2000Lossless):  # well-formed, of one grey
        size = {"Rows": 11000, "Columns": 11000}
        paths.append(compressed(tmp_path / f"c{syntax}", flat[:1, :1], LOSSLESS[syntax](flat, 8), syntax, **size))
    paths.append(with_length(dicom(tmp_path / "length", image), b"\xe0\x7f\x10\0OW", b"\xf0\xff\xff\xff"))
    paths[-1].write_bytes(paths[-1].read_bytes()[:-9])
    deflate = zlib.compressobj(9, wbits=-15)
    meta = dicom(tmp_path / "deflated", image).read_bytes()
    old, new = uid.ExplicitVRLittleEndian.encode() + b"\0", uid.DeflatedExplicitVRLittleEndian.encode()
    meta = meta[: meta.index(b"\x08\0\x16\0")].replace(old, new)  # three bytes longer than it says
    group = struct.unpack_from("<I", meta, 140)[0] + len(new) - len(old)
    meta = meta[:140] + struct.pack("<I", group) + meta[144:]
    meta = meta.replace(struct.pack("<H", len(old)) + new, struct.pack("<H", len(new)) + new)
    body = deflate.compress(b"\x08\0\x08\0CS\2\0A " + bytes(50_000_000)) + deflate.flush()
    paths.append(tmp_path / "deflated")
    paths[-1].write_bytes(meta + body)
    done = subprocess.run([sys.executable, "-c", BOMBS, *map(str, paths)], capture_output=True, text=True, check=True)
    assert "read" not in done.stdout and not done.stderr
    kilobytes, seconds = map(float, done.stdout.split())
    assert kilobytes < 400_000 and seconds < 10


# ---- anything


def corrupted(data, rng):
    """Some bytes overwritten, more often in the header; sometimes cut, sometimes a piece doubled."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 2, 5, 20))):
        at = rng.randrange(min(len(data), rng.choice((3000, len(data)))))
        data[at] = rng.choice((0, 255, 127, 128, rng.randrange(256)))
    if rng.random() < 0.1:
        data = data[: rng.randrange(len(data))]
    if rng.random() < 0.1:
        at = rng.randrange(len(data) + 1)
        data[at:at] = data[at : at + rng.randrange(64)]
    return bytes(data)


def fuzz(real_data, path, count, seed, slowest=10.0):
    """Reads corrupted files of the corpus; returns how many came out as pixels."""
    rng = random.Random(seed)
    files = sorted(file for file in (real_data / "dicom_corpus/files").rglob("*") if file.is_file())
    files = [file for file in files if file.stat().st_size < 200_000]
    read_well = 0
    for _ in range(count):
        path.write_bytes(corrupted(rng.choice(files).read_bytes(), rng))
        start = time.monotonic()
        try:
            values = read(path, window=rng.choice(("header", "percentile", (40, 400)))).values
            assert values.dtype == np.float32 and 0 <= values.min() < values.max() <= 1
            read_well += 1
        except BadInput as error:
            assert str(error).startswith(f"{path.name}: ") and "\n" not in str(error)
        assert time.monotonic() - start < slowest
    return read_well


def test_random_corruptions(real_data, tmp_path, capfd):
    assert 60 < fuzz(real_data, tmp_path / "fuzz.dcm", 300, seed=0) < 240
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.slow
def test_many_random_corruptions(real_data, tmp_path):
    assert fuzz(real_data, tmp_path / "fuzz.dcm", 3000, seed=int(os.environ.get("RADZOO_FUZZ_SEED", 1))) > 600


def test_every_codestream_survives_corruption(tmp_path):
    """Bytes of the coded data itself, for each decoder."""
    rng, image = random.Random(0), smooth(12)
    frames = {syntax: encode(image, 12) for syntax, encode in LOSSLESS.items()}
    frames[uid.JPEGExtended12Bit] = imagecodecs.jpeg8_encode(image, 95, bitspersample=12)
    for syntax, frame in frames.items():
        for _ in range(60):
            broken = bytearray(frame)
            for _ in range(rng.choice((1, 3, 10))):
                broken[rng.randrange(2, len(broken) - 2)] = rng.randrange(256)
            path = compressed(tmp_path / "a", image, bytes(broken), syntax, bits=12)
            try:
                assert read(path, "percentile").values.shape == image.shape
            except BadInput as error:
                assert "\n" not in str(error)
