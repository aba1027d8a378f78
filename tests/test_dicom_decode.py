"""Stored values of fabricated DICOM images: bit depths, colours, palettes, and every compressed transfer syntax.

What comes out is known, because it was put in. Real files of other encoders are in test_corpus.py.
"""

import io
import zlib

import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid
from pydicom.pixels import apply_color_lut
from pydicom.pixels.encoders import RLELosslessEncoder
from test_dicom import SYNTAXES, dicom, grid

from radzoo.errors import BadInput
from radzoo.images import read
from radzoo.images.dicom import decode, header

LITTLE, BIG = uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian


def stored(path):
    with header.quiet():
        return decode.stored(header.parse(path))


def compressed(path, stored, frame, syntax, fragments=1, **attributes):
    """A file with an encoded frame, padded to an even length."""
    data = pydicom.encaps.encapsulate([frame + b"\0" * (len(frame) % 2)], fragments_per_frame=fragments)
    return dicom(path, stored, syntax=syntax, PixelData=data, **attributes)


def smooth(bits, signed=False, shape=(40, 56)):
    """An image that lossy coding keeps nearly as it is, and that uses the whole range of `bits`."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    wave = np.sin(y / 9) * np.cos(x / 11)
    wave = (wave - wave.min()) / (wave.max() - wave.min()) * (2**bits - 1) - (2 ** (bits - 1) if signed else 0)
    return wave.round().astype(f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}")


# ---- uncompressed


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    "allocated, bits", [(8, 1), (8, 7), (8, 8), (16, 8), (16, 10), (16, 12), (16, 15), (16, 16), (32, 12), (32, 32)]
)
def test_only_bits_stored_count(tmp_path, syntax, signed, allocated, bits):
    rng = np.random.default_rng(bits)
    least = -(2 ** (bits - 1)) if signed else 0
    true = rng.integers(least, least + 2**bits, (5, 7), dtype="int64")
    true[0, :2] = least, least + 2**bits - 1
    above = rng.integers(0, 2 ** (allocated - bits), (5, 7), dtype="int64")  # overlays, or anything
    words = (true & (2**bits - 1) | above << bits).astype(f"u{allocated // 8}")
    path = dicom(tmp_path / "a.dcm", words, syntax=syntax, bits=bits, PixelRepresentation=int(signed))
    found = stored(path)
    np.testing.assert_array_equal(found, true)
    assert found.dtype == np.dtype(f"{'i' if signed else 'u'}{allocated // 8}")


@pytest.mark.parametrize("signed", [False, True])
def test_bits_below_the_lowest_do_not_count(tmp_path, signed):
    """HighBit above BitsStored - 1, by hand: 12 bits that start at bit 4, with an overlay below them."""
    words = np.uint16([[0x0010, 0x001F, 0x7FF3, 0x8001, 0xFFFE]])
    found = stored(dicom(tmp_path / "a.dcm", words, bits=12, HighBit=15, PixelRepresentation=int(signed)))
    assert found.tolist() == [[1, 1, 2047, -2048 if signed else 2048, -1 if signed else 4095]]


def test_a_retired_overlay_is_not_a_bright_pixel(tmp_path):
    image = grid(0, 1000, "uint16")
    image[2, 3] |= 0x8000
    path = dicom(tmp_path / "a.dcm", image, bits=12)
    dataset = pydicom.dcmread(path)  # and an overlay with data of its own, which is not burnt in
    dataset.add_new(0x60000010, "US", 6)
    dataset.add_new(0x60000011, "US", 8)
    dataset.add_new(0x60000102, "US", 15)
    dataset.add_new(0x60003000, "OW", b"\xff" * 6)
    dataset.save_as(path)
    np.testing.assert_allclose(read(path).values, grid(0, 1000, "uint16") / 1000, atol=1e-6)
    assert read(path).applied == ("full range 0 1000",)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("columns", [3, 8])
def test_one_bit(tmp_path, syntax, columns):
    """Packed over the ends of rows, the first pixel in the lowest bit."""
    image = np.random.default_rng(columns).integers(0, 2, (5, columns), dtype="uint8")
    packed = np.packbits(image.ravel(), bitorder="little").tobytes()
    packed += b"\0" * (len(packed) % 2)
    if syntax == BIG:  # words
        packed = np.frombuffer(packed, ">u2").astype("<u2").tobytes()
    path = dicom(tmp_path / "a.dcm", image, syntax=syntax, bits=1, BitsAllocated=1, PixelData=packed)
    if syntax == BIG:
        path.write_bytes(path.read_bytes().replace(b"\x7f\xe0\0\x10OB", b"\x7f\xe0\0\x10OW"))
    np.testing.assert_array_equal(stored(path), image)


@pytest.mark.parametrize("vr", [b"OB", b"OW"])
def test_odd_bytes_in_big_endian_words(tmp_path, vr):
    image = np.arange(15, dtype="uint8").reshape(3, 5)
    data = image.tobytes() + b"\0"
    if vr == b"OW":
        data = np.frombuffer(data, ">u2").astype("<u2").tobytes()
    path = dicom(tmp_path / "a.dcm", image, syntax=BIG, PixelData=data)
    path.write_bytes(path.read_bytes().replace(b"\x7f\xe0\0\x10OB", b"\x7f\xe0\0\x10" + vr))
    np.testing.assert_array_equal(stored(path), image)


@pytest.mark.parametrize("keyword, kind", [("FloatPixelData", "f4"), ("DoubleFloatPixelData", "f8")])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_floating_point(tmp_path, keyword, kind, syntax):
    image = np.array([[-1.5, 0, 2.25], [1e-3, 3, 6]], kind)
    order = "<" if syntax.is_little_endian else ">"
    more = {keyword: image.astype(order + kind).tobytes(), "PixelData": None, "BitsAllocated": 8 * image.itemsize}
    none = dict.fromkeys(("BitsStored", "HighBit", "PixelRepresentation"))
    path = dicom(tmp_path / "a.dcm", image, syntax=syntax, **more, **none)
    np.testing.assert_array_equal(stored(path), image)
    np.testing.assert_allclose(read(path).values, (image + 1.5) / 7.5, atol=1e-6)
    image[0, 0] = np.nan
    more[keyword] = image.astype(order + kind).tobytes()
    with pytest.raises(BadInput, match="NaN"):
        read(dicom(tmp_path / "b.dcm", image, syntax=syntax, **more, **none))


def test_deflated(tmp_path):
    image = grid(0, 4000, "uint16")
    plain = dicom(tmp_path / "a.dcm", image, bits=12).read_bytes()
    meta = pydicom.filereader.read_file_meta_info(tmp_path / "a.dcm")
    start = 132 + 12 + meta.FileMetaInformationGroupLength
    deflate = zlib.compressobj(wbits=-15)
    body = deflate.compress(plain[start:]) + deflate.flush()
    meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    out = io.BytesIO()
    out.write(plain[:132])
    pydicom.filewriter.write_file_meta_info(pydicom.filebase.DicomFileLike(out), meta, enforce_standard=False)
    for end in (len(body), len(body) // 2):
        (tmp_path / "d.dcm").write_bytes(out.getvalue() + body[:end])
        if end == len(body):
            np.testing.assert_array_equal(stored(tmp_path / "d.dcm"), image)
        else:
            with pytest.raises(BadInput, match="truncated"):
                read(tmp_path / "d.dcm")


# ---- colour


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("kind, bits", [("uint8", 8), ("uint16", 16), ("uint16", 12)])
def test_rgb(tmp_path, syntax, planar, kind, bits):
    colour = np.random.default_rng(0).integers(0, 2**bits, (5, 3, 3)).astype(kind)
    words = colour | np.array(0xF000 if bits == 12 else 0, kind)
    order = "<" if syntax.is_little_endian else ">"
    raw = (np.moveaxis(words, -1, 0) if planar else words).astype(np.dtype(kind).newbyteorder(order)).tobytes()
    more = {"PixelData": raw + b"\0" * (len(raw) % 2), "PlanarConfiguration": planar}
    pixels = read(dicom(tmp_path / "a.dcm", words, syntax=syntax, bits=bits, **more))
    np.testing.assert_allclose(pixels.values, colour / (2**bits - 1), atol=1e-6)
    assert pixels.applied == (f"scale 1/{2**bits - 1}",) and pixels.photometric == "RGB"


# ITU-R BT.601, full range: the primary and secondary colours, white, grey, black
YBR = [(76, 85, 255), (150, 44, 21), (29, 255, 107), (226, 1, 149), (105, 212, 235), (179, 171, 1), (255, 128, 128),
       (100, 128, 128), (0, 128, 128)]  # fmt: skip
RGB = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255), (255, 255, 255),
       (100, 100, 100), (0, 0, 0)]  # fmt: skip


@pytest.mark.parametrize("planar", [0, 1])
def test_ybr_full(tmp_path, planar):
    ybr = np.uint8([YBR])
    raw = np.moveaxis(ybr, -1, 0) if planar else ybr
    more = {"PixelData": raw.tobytes() + b"\0", "PlanarConfiguration": planar}
    pixels = read(dicom(tmp_path / "a.dcm", ybr, PhotometricInterpretation="YBR_FULL", **more))
    np.testing.assert_allclose(pixels.values[0] * 255, RGB, atol=1.6)  # the table is rounded to whole numbers
    assert pixels.applied == ("scale 1/255", "YBR_FULL to RGB")


def test_ybr_full_422_by_hand(tmp_path):
    """Two lumas, then the blue and the red difference that both share."""
    raw = bytes([76, 100, 85, 255, 0, 255, 128, 128, 29, 29, 255, 107, 0, 0, 128, 128])
    full = [[(76, 85, 255), (100, 85, 255), (0, 128, 128), (255, 128, 128)],
            [(29, 255, 107), (29, 255, 107), (0, 128, 128), (0, 128, 128)]]  # fmt: skip
    path = dicom(tmp_path / "a.dcm", np.uint8(full), PhotometricInterpretation="YBR_FULL_422", PixelData=raw)
    assert stored(path).tolist() == np.array(full).tolist()
    np.testing.assert_allclose(read(path).values[0, 0], [1, 0, 0], atol=0.005)


@pytest.mark.parametrize("photometric", ["YBR_PARTIAL_422", "YBR_PARTIAL_420", "CMYK", "HSV", "ARGB", "SECRET", ""])
def test_other_colours_are_refused(tmp_path, photometric):
    with pytest.raises(BadInput, match="expected grey, palette, RGB, YBR_FULL") as caught:
        read(dicom(tmp_path / "a.dcm", np.uint8([YBR]), PhotometricInterpretation=photometric))
    assert "SECRET" not in str(caught.value)


# ---- palettes


def palette(path, stored, tables, first=0, bits=16, data=None, syntax=LITTLE, **attributes):
    """`tables` are three lists of entries, or (segmented) `data` three byte strings."""
    more = {"PhotometricInterpretation": "PALETTE COLOR"}
    for i, channel in enumerate(("Red", "Green", "Blue")):
        count = len(tables[i]) % 65536
        more[f"{channel}PaletteColorLookupTableDescriptor"] = [count, first, bits]
        if data is None:
            order = "<" if syntax.is_little_endian else ">"
            more[f"{channel}PaletteColorLookupTableData"] = np.array(tables[i], order + "u2").tobytes()
        else:
            more[f"Segmented{channel}PaletteColorLookupTableData"] = data[i]
    more = {keyword: value for keyword, value in (more | attributes).items() if value is not None}
    return dicom(path, stored, syntax=syntax, **more)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("first, signed", [(0, 0), (2, 0), (-2, 1)])
def test_palette_of_words(tmp_path, syntax, first, signed):
    tables = [0, 1000, 65535], [65535, 0, 7], [5, 6, 40000]
    image = np.int8([[-3, -2, -1, 0, 1]]) if signed else np.uint8([[0, 1, 2, 3, 4]]) + np.uint8(0)
    place = np.clip(image.astype(int) - first, 0, 2)
    found = read(palette(tmp_path / "a.dcm", image, tables, first, syntax=syntax))
    np.testing.assert_allclose(found.values, np.array(tables).T[place] / 65535, atol=1e-7)
    assert found.applied == ("palette",)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("packed", [False, True])
def test_palette_of_bytes(tmp_path, syntax, packed):
    """Eight bits per entry, each in a word of its own or two in one word, the first in the lower byte."""
    tables = [0, 100, 255], [255, 0, 7], [5, 6, 200]
    path = tmp_path / "a.dcm"
    more = {}
    if packed:
        for channel, table in zip(("Red", "Green", "Blue"), tables, strict=True):
            words = np.frombuffer(bytes([*table, 0]), "<u2").astype("<u2" if syntax.is_little_endian else ">u2")
            more[f"{channel}PaletteColorLookupTableData"] = words.tobytes()
    image = np.uint8([[0, 1, 2, 3]])
    found = read(palette(path, image, tables, bits=8, syntax=syntax, **more))
    np.testing.assert_allclose(found.values[0], np.array(tables).T[[0, 1, 2, 2]] / 255, atol=1e-7)


def test_zero_entries_are_65536(tmp_path):
    ramp = np.arange(65536)
    tables = ramp, ramp[::-1], ramp // 2
    image = np.uint16([[0, 255, 256, 65535]])
    found = read(palette(tmp_path / "a.dcm", image, tables)).values[0]
    np.testing.assert_allclose(found, np.stack([table[image[0]] for table in tables], -1) / 65535, atol=1e-7)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_segmented_palette(tmp_path, syntax):
    """Three values, a line of four steps up to 100, then the line once more, from there down to 100."""
    words = [0, 3, 10, 20, 60, 1, 4, 100, 0, 1, 500, 2, 1, 10, 0]
    table = [10, 20, 60, 70, 80, 90, 100, 500, 400, 300, 200, 100]
    data = np.array(words, "<u2" if syntax.is_little_endian else ">u2").tobytes()
    image = np.arange(12, dtype="uint8")[None]
    found = read(palette(tmp_path / "a.dcm", image, [table] * 3, data=[data] * 3, syntax=syntax))
    assert found.photometric == "MONOCHROME2"  # all channels are equal
    np.testing.assert_allclose(found.values[0] * 65535, table, atol=0.01)


def test_segmented_palette_of_bytes_equals_pydicom(tmp_path):
    rng = np.random.default_rng(0)
    data = [bytes([0, 2, *rng.integers(0, 256, 2), 1, 100, value, 0, 1, 9, 1, 53, 255]) for value in (50, 250, 0)]
    image = np.arange(156, dtype="uint8").reshape(12, 13)
    path = palette(tmp_path / "a.dcm", image, [[0] * 156] * 3, bits=8, data=[one + b"\0" for one in data])
    theirs = apply_color_lut(image, pydicom.dcmread(path))
    np.testing.assert_allclose(read(path).values * 255, theirs, atol=0.501)  # they round the lines


@pytest.mark.parametrize(
    "reason, changes",
    [
        ("missing or damaged", {"RedPaletteColorLookupTableDescriptor": None}),
        ("missing, or has neither", {"GreenPaletteColorLookupTableData": None}),
        ("2 of 3 entries", {"BluePaletteColorLookupTableData": b"\1\0"}),
        ("neither 8 nor 16 bits", {"RedPaletteColorLookupTableDescriptor": [3, 0, 12]}),
        ("6 of 65536 entries", {"RedPaletteColorLookupTableDescriptor": [0, 0, 16]}),
        ("beyond its number of bits", {"RedPaletteColorLookupTableDescriptor": [3, 0, 8]}),
    ],
)
def test_a_broken_palette_gives_one_line(tmp_path, reason, changes):
    with pytest.raises(BadInput, match=reason):
        read(palette(tmp_path / "a.dcm", np.uint8([[0, 1, 2]]), [[0, 1, 65535]] * 3, **changes))


@pytest.mark.parametrize(
    "words",
    [
        [1, 3, 9],  # a line from nowhere
        [0, 5, 1, 2],  # ends early
        [7, 1, 1],  # no such segment
        [0, 1, 4, 2, 2, 6, 0],  # a copy of itself
        [0, 1, 4, 2, 65535, 0, 0, 2, 65535, 0, 0],  # copies of the table's beginning, beyond its end
    ],
)
def test_a_broken_segmented_palette_gives_one_line(tmp_path, words):
    data = np.array(words, "<u2").tobytes()
    with pytest.raises(BadInput, match="palette"):
        read(palette(tmp_path / "a.dcm", np.uint8([[0, 1, 2]]), [[0] * 300] * 3, data=[data] * 3))


# ---- compressed


LOSSLESS = {
    uid.JPEGLossless: lambda a, bits: imagecodecs.jpeg8_encode(a, lossless=True, predictor=5, bitspersample=bits),
    uid.JPEGLosslessSV1: lambda a, bits: imagecodecs.jpeg8_encode(a, lossless=True, predictor=1, bitspersample=bits),
    uid.JPEGLSLossless: lambda a, bits: imagecodecs.jpegls_encode(a),
    uid.JPEG2000Lossless: lambda a, bits: imagecodecs.jpeg2k_encode(
        a, codecformat="j2k", reversible=True, bitspersample=bits
    ),
    uid.HTJ2KLossless: lambda a, bits: imagecodecs.htj2k_encode(a, reversible=True),
}


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_lossless_grey(tmp_path, syntax, signed, bits):
    """Signed images are coded by their bits, as encoders without a sign do."""
    image = smooth(bits, signed)
    rng = np.random.default_rng(0)
    image[::7, ::5] = rng.integers(image.min(), int(image.max()) + 1, image[::7, ::5].shape)
    coded = (image.astype("int64") & (2**bits - 1)).astype(f"u{image.itemsize}")
    frame = LOSSLESS[syntax](coded, bits)
    path = compressed(tmp_path / "a.dcm", image, frame, syntax, bits=bits)
    found = stored(path)
    np.testing.assert_array_equal(found, image)
    assert found.dtype == image.dtype


@pytest.mark.parametrize("sign_in_stream", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_the_sign_of_jpeg2000_is_that_of_the_header(tmp_path, sign_in_stream, signed):
    image = smooth(16, signed)
    frame = LOSSLESS[uid.JPEG2000Lossless](image.view("i2" if sign_in_stream else "u2"), 16)
    np.testing.assert_array_equal(stored(compressed(tmp_path / "a", image, frame, uid.JPEG2000Lossless)), image)


LOSSY = {
    uid.JPEGBaseline8Bit: (8, 2, lambda a, bits: imagecodecs.jpeg8_encode(a, 100)),
    uid.JPEGExtended12Bit: (12, 2, lambda a, bits: imagecodecs.jpeg8_encode(a, 100, bitspersample=bits)),
    uid.JPEGLSNearLossless: (12, 3, lambda a, bits: imagecodecs.jpegls_encode(a, 3)),
    uid.JPEG2000: (
        12,
        20,
        lambda a, bits: imagecodecs.jpeg2k_encode(a, 70, codecformat="j2k", reversible=False, bitspersample=bits),
    ),
    uid.HTJ2K: (16, 40, lambda a, bits: imagecodecs.htj2k_encode(a, 0.0005, reversible=False)),
}


@pytest.mark.parametrize("syntax", LOSSY, ids=lambda syntax: syntax.name)
def test_lossy_grey(tmp_path, syntax):
    bits, tolerance, encode = LOSSY[syntax]
    image = smooth(bits)
    found = stored(compressed(tmp_path / "a.dcm", image, encode(image, bits), syntax, bits=bits))
    apart = np.abs(found.astype(int) - image)
    assert 0 < apart.max() <= tolerance


def test_lossy_overshoot_stays_bright(tmp_path):
    """Twelve bits in the stream, ten in the header: what ringing puts above 1023 must not wrap to black."""
    image = np.full((64, 64), 1023, "uint16")
    image[:, ::7] = 0
    frame = imagecodecs.jpeg8_encode(image, 50, bitspersample=12)
    assert imagecodecs.jpeg8_decode(frame).max() > 1023
    found = stored(compressed(tmp_path / "a.dcm", image, frame, uid.JPEGExtended12Bit, bits=10))
    assert found.max() == 1023 and found[:, 3].min() > 700


@pytest.mark.parametrize("fragments", [1, 2, 5])
@pytest.mark.parametrize("table", [True, False])
def test_fragments_and_offset_tables(tmp_path, fragments, table):
    image = smooth(12)
    frame = LOSSLESS[uid.JPEGLSLossless](image, 12)
    data = pydicom.encaps.encapsulate([frame + b"\0" * (len(frame) % 2)], fragments_per_frame=fragments, has_bot=table)
    path = dicom(tmp_path / "a.dcm", image, syntax=uid.JPEGLSLossless, bits=12, PixelData=data)
    np.testing.assert_array_equal(stored(path), image)
    path.write_bytes(path.read_bytes()[132:])  # without preamble, but with its transfer syntax
    np.testing.assert_array_equal(stored(path), image)


@pytest.mark.parametrize("kind, bits", [("uint8", 8), ("int16", 12), ("uint16", 16), ("uint32", 32), ("colour", 8)])
def test_rle(tmp_path, kind, bits):
    """Against pydicom's encoder, which is written apart from the decoder."""
    rng = np.random.default_rng(0)
    shape, kind = ((9, 7, 3), "uint8") if kind == "colour" else ((9, 7), kind)
    least = -(2 ** (bits - 1)) if kind.startswith("i") else 0
    image = rng.integers(least, least + 2**bits, shape, dtype="int64").astype(kind)
    image[3:6] = 5
    frame = RLELosslessEncoder.encode(
        image, encoding_plugin="pydicom", validate=False, rows=9, columns=7, samples_per_pixel=(shape[2:] or (1,))[0],
        bits_allocated=8 * image.itemsize, bits_stored=bits, pixel_representation=int(least < 0), number_of_frames=1,
        photometric_interpretation="RGB" if len(shape) == 3 else "MONOCHROME2", planar_configuration=0,
    )  # fmt: skip
    np.testing.assert_array_equal(stored(compressed(tmp_path / "a", image, frame, uid.RLELossless, bits=bits)), image)


def colours(shape=(40, 56)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.stack([y * 6, x * 4, 255 - y * 3], axis=-1).astype("uint8")


def pillow(rgb, **options):
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=98, **options)
    return out.getvalue()


def without(frame, marker):
    """The JPEG without the segment of a marker."""
    start = frame.index(bytes([0xFF, marker]))
    return frame[:start] + frame[start + 2 + int.from_bytes(frame[start + 2 : start + 4]) :]


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL", "YBR_FULL_422"])
@pytest.mark.parametrize("own", ["JFIF", "Adobe RGB", "letters", "nothing"])
def test_jpeg_colours(tmp_path, photometric, own):
    """What the codestream says of its colours goes before the header; where it says nothing, the header counts."""
    rgb = colours()
    frame = pillow(rgb, subsampling=0 if own != "JFIF" else 1, keep_rgb=own in ("Adobe RGB", "letters"))
    if own == "nothing":  # neither JFIF nor letters: as the header says
        frame = pillow(rgb, subsampling=0, keep_rgb=photometric == "RGB")
        frame = frame.replace(b"R\x11\0G\x11\0B\x11\0", b"\1\x11\0\2\x11\0\3\x11\0")
        frame = frame.replace(b"\3R\0G\0B\0\0\x3f", b"\3\1\0\2\0\3\0\0\x3f")
        frame = without(frame, 0xEE if photometric == "RGB" else 0xE0)
        assert b"JFIF" not in frame and b"Adobe" not in frame
    elif own == "letters":
        frame = without(frame, 0xEE)
        assert b"R\x11\0G\x11\0B\x11\0" in frame
    elif own == "Adobe RGB":
        frame = frame.replace(b"R\x11\0G\x11\0B\x11\0", b"\1\x11\0\2\x11\0\3\x11\0")
        frame = frame.replace(b"\3R\0G\0B\0\0\x3f", b"\3\1\0\2\0\3\0\0\x3f")
        assert b"Adobe" in frame and b"RGB" not in frame
    path = compressed(tmp_path / "a", rgb, frame, uid.JPEGBaseline8Bit, PhotometricInterpretation=photometric)
    assert np.abs(read(path).values * 255 - rgb).mean() < 1.5


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.name)
def test_lossless_colours(tmp_path, syntax):
    rgb = colours()
    rgb[::7, ::5] = np.random.default_rng(0).integers(0, 256, rgb[::7, ::5].shape)
    photometric = "YBR_RCT" if syntax in uid.JPEG2000TransferSyntaxes else "RGB"
    path = compressed(tmp_path / "a", rgb, LOSSLESS[syntax](rgb, 8), syntax, PhotometricInterpretation=photometric)
    np.testing.assert_allclose(read(path).values, rgb / 255, atol=1e-7)


def test_jpeg2000_in_boxes_and_without_its_transform(tmp_path):
    rgb = colours()
    boxed = imagecodecs.jpeg2k_encode(rgb, codecformat="jp2", reversible=True)
    plain = imagecodecs.jpeg2k_encode(rgb, codecformat="j2k", reversible=True, mct=False)
    for name, frame, photometric in (("a", boxed, "YBR_RCT"), ("b", boxed, "RGB"), ("c", plain, "RGB")):
        path = compressed(tmp_path / name, rgb, frame, uid.JPEG2000Lossless, PhotometricInterpretation=photometric)
        np.testing.assert_allclose(read(path).values, rgb / 255, atol=1e-7)
    ybr = np.repeat(np.uint8([YBR]), 40, axis=0)
    frame = imagecodecs.jpeg2k_encode(ybr, codecformat="j2k", reversible=True, mct=False)
    path = compressed(tmp_path / "d", ybr, frame, uid.JPEG2000Lossless, PhotometricInterpretation="YBR_FULL")
    np.testing.assert_allclose(read(path).values[7] * 255, RGB, atol=1.6)
    for frame, photometric in ((plain, "YBR_RCT"), (boxed, "YBR_FULL")):
        path = compressed(tmp_path / "e", rgb, frame, uid.JPEG2000Lossless, PhotometricInterpretation=photometric)
        with pytest.raises(BadInput, match="contradicts the JPEG 2000 codestream"):
            read(path)


def test_compressed_grey_goes_through_the_whole_chain(tmp_path):
    image = smooth(12)
    frame = LOSSLESS[uid.JPEG2000Lossless](image, 12)
    header = {"WindowCenter": 2048, "WindowWidth": 2001, "PhotometricInterpretation": "MONOCHROME1"}
    pixels = read(compressed(tmp_path / "a", image, frame, uid.JPEG2000Lossless, bits=12, **header))
    expected = 1 - ((image - 2047.5) / 2000 + 0.5).clip(0, 1)
    np.testing.assert_allclose(pixels.values, expected, atol=1e-6)
    assert pixels.applied == ("window 2048 2001", "inverted")
