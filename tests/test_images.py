"""Raster images and arrays of every kind to 0..1, the framing of `letterbox`, and what must be refused."""

import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from radzoo.errors import BadInput
from radzoo.images import Input, Pixels, arrays, read
from radzoo.images.geometry import letterbox, warp
from radzoo.images.intensity import percentile, window

GREY = (np.arange(35, dtype="uint8") * 7).reshape(5, 7)
DEEP = (np.arange(35, dtype="uint16") * 1871).reshape(5, 7)
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)
DEEP_COLOUR = np.stack([DEEP, DEEP[::-1], 65535 - DEEP], axis=-1)
ALPHA = np.linspace(0, 255, 35).astype("uint8").reshape(5, 7, 1)
DEEP_ALPHA = np.linspace(0, 65535, 35).astype("uint16").reshape(5, 7, 1)


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def png(path, array, colour_type):
    """A PNG of 16 bits, written by hand: neither Pillow nor OpenCV writes grey with alpha."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path


def test_every_kind_of_raster_is_exact(tmp_path):
    rgba, deep_rgba = np.concatenate([COLOUR, ALPHA], -1), np.concatenate([DEEP_COLOUR, DEEP_ALPHA], -1)
    a, deep_a = ALPHA / 255, DEEP_ALPHA / 65535
    la = np.concatenate([GREY[..., None], ALPHA], -1)
    palette = Image.fromarray(GREY).convert("P")
    palette.putpalette([value for index in range(256) for value in (255 - index, index, 7)])
    palette.save(tmp_path / "palette.png")
    palette.save(tmp_path / "clear.png", transparency=bytes([0] * 128 + [255] * 128))
    looked_up = np.stack([255 - GREY, GREY, np.full_like(GREY, 7)], -1) / 255
    bits = GREY > 100
    cv2.imwrite(str(tmp_path / "cv.tif"), DEEP)
    tifffile.imwrite(tmp_path / "white0.tif", 65535 - DEEP, photometric="miniswhite")
    tifffile.imwrite(tmp_path / "white0_8.tif", 255 - GREY, photometric="miniswhite")
    tifffile.imwrite(tmp_path / "rgb16.tif", DEEP_COLOUR, photometric="rgb", compression="zlib")
    tifffile.imwrite(tmp_path / "planes.tif", np.moveaxis(DEEP_COLOUR, -1, 0), photometric="rgb", planarconfig=2)
    tifffile.imwrite(tmp_path / "rgba16.tif", deep_rgba, photometric="rgb", extrasamples=["unassalpha"])
    tifffile.imwrite(tmp_path / "float.tif", (DEEP / 65535).astype("float32"))
    (tmp_path / "deep.pgm").write_bytes(b"P5 7 5 65535\n" + DEEP.astype(">u2").tobytes())
    (tmp_path / "plain.pgm").write_bytes(b"P5 7 5 255\n" + GREY.tobytes())
    cases = {
        save(tmp_path / "a.png", GREY): GREY / 255,
        save(tmp_path / "a.bmp", GREY): GREY / 255,
        save(tmp_path / "a.tif", GREY, compression="tiff_lzw"): GREY / 255,
        save(tmp_path / "bits.png", bits): bits * 1.0,
        save(tmp_path / "bits.tif", bits): bits * 1.0,
        save(tmp_path / "rgb.png", COLOUR): COLOUR / 255,
        save(tmp_path / "rgb.bmp", COLOUR): COLOUR / 255,
        save(tmp_path / "same.png", np.repeat(GREY[..., None], 3, -1)): GREY / 255,
        save(tmp_path / "rgba.png", rgba): COLOUR / 255 * a,
        save(tmp_path / "la.png", la): GREY / 255 * a[..., 0],
        save(tmp_path / "deep.png", DEEP): DEEP / 65535,
        save(tmp_path / "deep.tif", DEEP, compression="tiff_lzw"): DEEP / 65535,
        png(tmp_path / "rgb16.png", DEEP_COLOUR, 2): DEEP_COLOUR / 65535,
        png(tmp_path / "rgba16.png", deep_rgba, 6): DEEP_COLOUR / 65535 * deep_a,
        png(tmp_path / "la16.png", np.concatenate([DEEP[..., None], DEEP_ALPHA], -1), 4): DEEP / 65535 * deep_a[..., 0],
        tmp_path / "palette.png": looked_up,
        tmp_path / "clear.png": looked_up * (GREY >= 128)[..., None],
        tmp_path / "cv.tif": DEEP / 65535,
        tmp_path / "white0.tif": DEEP / 65535,
        tmp_path / "white0_8.tif": GREY / 255,
        tmp_path / "rgb16.tif": DEEP_COLOUR / 65535,
        tmp_path / "planes.tif": DEEP_COLOUR / 65535,
        tmp_path / "rgba16.tif": DEEP_COLOUR / 65535 * deep_a,
        tmp_path / "float.tif": DEEP / 65535,
        tmp_path / "deep.pgm": DEEP / 65535,
        tmp_path / "plain.pgm": GREY / 255,
    }
    for path, expected in cases.items():
        values = read(path).values
        assert values.dtype == np.float32 and values.shape == expected.shape, path.name
        np.testing.assert_allclose(values, expected, atol=1e-7, err_msg=path.name)


def test_jpeg_and_its_orientation(tmp_path):
    smooth = np.add.outer(np.arange(40), np.arange(60) * 2).astype("uint8")
    upright = read(save(tmp_path / "a.jpg", smooth, quality=95)).values
    assert np.abs(upright - smooth / 255).max() < 0.02
    exif = Image.Exif()
    exif[0x0112] = 6  # shown a quarter turn clockwise
    turned = read(save(tmp_path / "b.jpg", smooth, quality=95, exif=exif)).values
    np.testing.assert_array_equal(turned, np.rot90(upright, -1))


def test_the_content_decides_not_the_name(tmp_path):
    (tmp_path / "a.dcm").write_bytes(save(tmp_path / "a.png", GREY).read_bytes())
    np.testing.assert_array_equal(read(tmp_path / "a.dcm").values, read(tmp_path / "a.png").values)


def test_percentile_window_of_dark_twelve_bit_images(tmp_path):
    dark = np.arange(101, dtype="uint16").reshape(1, 101) * 40  # 0..4000: percentiles 1 and 99 are 40 and 3960
    path = save(tmp_path / "a.png", dark)
    assert read(path).values.max() < 0.07
    pixels = read(path, window="percentile")
    np.testing.assert_allclose(pixels.values, ((dark - 40.0) / 3920).clip(0, 1), atol=1e-6)
    assert pixels.applied == ("scale 1/65535", "percentile 1 99")
    for choice, reason in (
        ((40, 400), "no units"),
        ("lung", "window 'lung', expected"),
        ((1, "x"), "expected 'header'"),
    ):
        with pytest.raises(BadInput, match=reason):
            read(path, window=choice)


def test_arrays(tmp_path):
    stack = np.stack([GREY, GREY[::-1]])
    np.savez_compressed(tmp_path / "a.npz", train_images=stack, test_images=stack[..., None], labels=np.arange(2))
    np.save(tmp_path / "a.npy", (DEEP / 65535)[None].astype("float64"))
    np.save(tmp_path / "one.npy", COLOUR)
    for name, expected in {
        "a.npz#train_images/1": GREY[::-1] / 255,
        "a.npz#test_images/0": GREY / 255,
        "a.npy#0": DEEP / 65535,
        "one.npy": COLOUR / 255,
    }.items():
        np.testing.assert_allclose(read(f"{tmp_path}/{name}").values, expected, atol=1e-7, err_msg=name)
    for name, reason in {
        "a.npz": r"^a\.npz: holds train_images, test_images, labels, .* FILE.npz#train_images/0$",
        "a.npz#val_images/0": r"^a\.npz#val_images/0: holds .*'val_images' was asked for",
        "a.npz#train_images": r"shape \(2, 5, 7\) is not one image",
        "a.npz#train_images/2": r"no image 2 in an array of shape \(2, 5, 7\)",
        "a.npz#labels/0": "no image 0",
        "a.npy#x/0": "no arrays with names",
    }.items():
        with pytest.raises(BadInput, match=reason):
            read(f"{tmp_path}/{name}")


def test_a_member_is_decompressed_once_and_again_when_it_changed(tmp_path, monkeypatch):
    loads = []
    monkeypatch.setattr(arrays.np, "load", lambda *args, _load=np.load, **more: loads.append(1) or _load(*args, **more))
    for first in (GREY, GREY[::-1]):
        np.savez_compressed(tmp_path / "a.npz", x=np.stack([first] * (9 if first is GREY else 8)))
        for row in range(8):
            np.testing.assert_allclose(read(f"{tmp_path}/a.npz#x/{row}").values, first / 255, atol=1e-7)
    assert len(loads) == 2


def test_values_that_are_no_image(tmp_path):
    nan = (DEEP / 65535).astype("float32")
    nan[2, 3] = np.nan
    np.save(tmp_path / "nan.npy", nan)
    tifffile.imwrite(tmp_path / "nan.tif", nan)
    np.save(tmp_path / "inf.npy", np.where(np.isnan(nan), np.inf, nan))
    np.save(tmp_path / "hu.npy", DEEP / 10.0)
    np.save(tmp_path / "int.npy", DEEP.astype("int32"))
    np.save(tmp_path / "none.npy", np.zeros((0, 4), "uint8"))
    np.save(tmp_path / "pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "black.npy", np.zeros((4, 4), "uint8"))
    save(tmp_path / "black.png", np.zeros((4, 4), "uint8"))
    save(tmp_path / "grey.png", np.full((4, 4, 3), 9, "uint8"))
    tifffile.imwrite(tmp_path / "pages.tif", np.stack([DEEP, DEEP]))
    tifffile.imwrite(tmp_path / "pages8.tif", np.stack([GREY, GREY]))
    tifffile.imwrite(tmp_path / "four.tif", np.stack([DEEP] * 4, -1), photometric="minisblack", planarconfig=1)
    tifffile.imwrite(tmp_path / "signed.tif", DEEP.astype("int16"))
    (tmp_path / "text.png").write_text("no image at all\n" * 40)
    (tmp_path / "empty.png").touch()
    (tmp_path / "short.png").write_bytes(b"\x89PNG")
    for name, reason in {
        "nan.npy": "NaN",
        "nan.tif": "NaN",
        "inf.npy": "NaN or inf",
        "hu.npy": "expected 0..1",
        "int.npy": "int32, expected",
        "none.npy": "without pixels",
        "pickle.npy": "damaged",
        "black.npy": "all pixels are equal",
        "black.png": "all pixels are equal",
        "grey.png": "all pixels are equal",
        "pages.tif": "2 pages",
        "pages8.tif": "2 pages",
        "four.tif": "4 channels",
        "signed.tif": "int16",
        "text.png": "is no image that radzoo reads",
        "empty.png": "the file is empty",
        "short.png": "no image",
        "missing.png": "no such file",
    }.items():
        with pytest.raises(BadInput, match=reason) as caught:
            read(tmp_path / name)
        text = str(caught.value)
        assert text.startswith(f"{name}: ") and "\n" not in text and str(tmp_path) not in text
    with pytest.raises(BadInput, match="is a folder"):
        read(tmp_path)


def test_truncated_files_are_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype="uint8")
    files = [save(tmp_path / f"a.{kind}", noise) for kind in ("png", "jpg", "bmp", "tif", "ppm")]
    files.append(png(tmp_path / "deep.png", noise.astype("uint16") * 257, 2))
    for kind, compression in (("raw", None), ("zlib", "zlib")):
        tifffile.imwrite(tmp_path / f"{kind}.tif", noise.astype("uint16"), photometric="rgb", compression=compression)
        files.append(tmp_path / f"{kind}.tif")
    np.savez_compressed(tmp_path / "a.npz", x=noise)
    np.save(tmp_path / "a.npy", noise)
    for path in [*files, tmp_path / "a.npz", tmp_path / "a.npy"]:
        whole = path.read_bytes()
        read(path)
        for part in (0.2, 0.5, 0.9):
            cut = tmp_path / f"cut{part}{path.name}"
            cut.write_bytes(whole[: int(len(whole) * part)])
            with pytest.raises(BadInput, match=r"^cut"):
                read(cut)


def test_windows_by_hand():
    values = np.array([[-160.0, 39.5, 239.0]])
    np.testing.assert_allclose(window(values, 40, 400), [[0, 0.5, 1]], atol=1e-7)
    np.testing.assert_allclose(window(values, 39.5, 399, "LINEAR_EXACT"), [[0, 0.5, 1]], atol=1e-7)
    np.testing.assert_allclose(window(np.array([-1e9, 0, 1e9]), 0, 1e-3, "SIGMOID"), [0, 0.5, 1])
    np.testing.assert_allclose(percentile(np.array([2.0, 3, 4]), 0, 100), [0, 0.5, 1])
    with pytest.raises(BadInput, match="percentiles 1 and 99"):
        percentile(np.r_[np.zeros(999), 1.0])
    with pytest.raises(BadInput, match=r"window width 0\.5, expected at least 1"):
        window(values, 0, 0.5)


@pytest.mark.parametrize("tail", [(), (1,), (3,), (9,)])
def test_letterbox_geometry(tail):
    image = np.random.default_rng(0).random((20, 40, *tail), dtype="float32") + 0.01
    image = image.clip(0, 1)
    small = letterbox(image, (10, 10))  # 20 x 40 becomes 5 x 10, framed by 2 rows above and 3 below
    assert small.shape == (10, 10, *tail) and small.dtype == np.float32
    means = image.reshape(5, 4, 10, 4, *tail).mean(axis=(1, 3))
    np.testing.assert_allclose(small[2:7], means, atol=1e-6)
    assert not small[:2].any() and not small[7:].any()
    np.testing.assert_array_equal(letterbox(image, (20, 40)), image)
    framed = letterbox(image, (30, 40))
    np.testing.assert_array_equal(framed[5:25], image)
    assert not framed[:5].any() and not framed[25:].any()
    large = letterbox(image, (60, 80))
    assert large.shape == (60, 80, *tail) and not large[:10].any() and not large[50:].any() and large[10:50].min() > 0
    # bilinear, pixel centres aligned: new column 1 lies at old .25, column 2 at .75
    np.testing.assert_allclose(large[10, 1], 0.75 * image[0, 0] + 0.25 * image[0, 1], atol=1e-6)
    assert letterbox(np.full((3, 3), 1.5), (2, 2)).max() == 1


def test_letterbox_keeps_very_long_images():
    assert letterbox(np.ones((1, 1000)), (10, 10)).sum() == 10


def test_warp_moves_a_bright_pixel_to_where_it_must():
    image = np.zeros((11, 15), "float32")  # centre (5, 7)
    image[3, 9] = 1  # 2 above and 2 right of the centre

    def where(**move):
        moved = warp(image, **move)
        assert moved.max() > 0.99
        return tuple(int(i) for i in np.unravel_index(moved.argmax(), moved.shape))

    assert where() == (3, 9)
    assert where(shift=(4, -6)) == (7, 3)
    assert where(rotate=90) == (3, 5)  # counter-clockwise: above right goes to above left
    assert where(zoom=2) == (1, 11)
    assert where(flip=True) == (3, 5)
    assert where(flip=True, rotate=90) == (7, 5)  # mirrored first
    assert where(zoom=0.5, rotate=180, shift=(1, 1)) == (7, 7)  # (-2, 2) -> (1, -1), then one down and right


@pytest.mark.parametrize("shape", [(9, 9), (9, 9, 1), (8, 8, 3), (7, 7, 6)])
def test_warp_equals_numpy_where_nothing_is_interpolated(shape):
    image = np.random.default_rng(0).random(shape, dtype="float32")
    np.testing.assert_array_equal(warp(image), image)
    np.testing.assert_allclose(warp(image, rotate=90), np.rot90(image), atol=1e-6)
    np.testing.assert_allclose(warp(image, flip=True), image[:, ::-1], atol=1e-6)
    shifted = warp(image, shift=(2, -3))
    np.testing.assert_allclose(shifted[2:, :-3], np.roll(image, (2, -3), (0, 1))[2:, :-3], atol=1e-6)
    assert not shifted[:2].any() and not shifted[:, -3:].any()
    half = warp(image, shift=(0, 0.5))
    np.testing.assert_allclose(half[:, 1:], (image[:, 1:] + image[:, :-1]) / 2, atol=1e-6)


def test_input_reads_fits_and_normalises(tmp_path):
    path = save(tmp_path / "a.png", GREY)
    spec = Input(shape=(10, 14, 3), scale=255, mean=(1, 2, 3), order="bgr")
    x = spec(path)
    np.testing.assert_allclose(x, spec.read(path) * 255 - np.float32([1, 2, 3]), atol=1e-4)
    np.testing.assert_allclose(spec(Pixels(GREY / np.float32(255))), x)
    np.testing.assert_allclose(spec(GREY), x)
    with pytest.raises(BadInput, match="colour image"):
        Input(shape=(10, 14, 1))(save(tmp_path / "rgb.png", COLOUR))


@pytest.mark.slow
@pytest.mark.parametrize(
    "folder, count", [("chest_nih14/native", 6), ("ct_covid/images", 220), ("mammograms_mias/images", 48)]
)
def test_real_images_are_read(real_data, folder, count):
    files = [path for path in sorted((real_data / folder).rglob("*")) if path.is_file()]
    assert len(files) == count
    for path in files:
        values = read(path).values
        theirs = cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1] / np.float32(255)
        tolerance = 1.5 / 255 if path.suffix.lower() != ".png" else 1e-6  # JPEG decoders differ by a level
        with_alpha = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape[-1] == 4
        if not with_alpha:
            expected = theirs[..., 0] if values.ndim == 2 else theirs
            np.testing.assert_allclose(values, expected, atol=tolerance, err_msg=path.name)
        assert letterbox(values, (224, 224)).max() <= 1


@pytest.mark.parametrize("compression", ["lzw", "zlib", "lerc", "jpeg2000"])
def test_compressed_tiff_keeps_its_16_bits(tmp_path, compression):
    colours = np.random.default_rng(0).integers(0, 65535, (12, 9, 3), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb", compression=compression)
    np.testing.assert_array_equal(np.round(read(tmp_path / "a.tif").values * 65535), colours)
