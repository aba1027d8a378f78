"""Several windows of one image, or several images of one row, as the channels of one input; and as a mosaic."""

import csv
import dataclasses
import json

import cv2
import fabricate
import keras
import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian

import radzoo
from radzoo import channels, images, weights
from radzoo.data import Store
from radzoo.data.index import read_index
from radzoo.errors import BadInput
from radzoo.images import Pixels, read
from radzoo.images.input import Input
from radzoo.images.intensity import window
from radzoo.images.paths import joined, separated, shown
from radzoo.recipe import Data

LUNG, SOFT, BONE = WINDOWS = ((-600.0, 1500.0), (40.0, 400.0), (300.0, 1500.0))
RGB = Input(shape=(24, 24, 3), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
THREE = Input(shape=(24, 24, 3), files=3)


def ct(path, hu, photometric="MONOCHROME2", spacing=(1.0, 1.0)):
    """A CT image of whole HU, stored 1024 higher."""
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = "1.2.840.10008.5.1.4.1.1.2", "1.2.3", "CT"
    data.Rows, data.Columns = hu.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, photometric, 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.RescaleSlope, data.RescaleIntercept, data.PixelSpacing = 1, -1024, list(spacing)
    data.PixelData = (hu + 1024).astype("uint16").tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


def slab(seed=0, shape=(24, 24)):
    return np.random.default_rng(seed).integers(-1000, 1500, shape)


def png(path, seed, shape=(24, 24)):
    assert cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 255, shape).astype("uint8"))
    return path


@pytest.fixture
def three(tmp_path):
    return [png(tmp_path / f"{name}.png", seed) for seed, name in enumerate("abc")]


# Windows


def test_each_window_is_a_channel(tmp_path):
    hu = slab()
    pixels = read(ct(tmp_path / "a.dcm", hu), WINDOWS)
    assert pixels.values.shape == (24, 24, 3) and pixels.values.dtype == np.float32
    assert pixels.applied == ("rescale", "windows -600 1500, 40 400, 300 1500")
    for channel, pair in zip(np.moveaxis(pixels.values, -1, 0), WINDOWS, strict=True):
        np.testing.assert_array_equal(channel, window(hu, *pair))
        np.testing.assert_array_equal(channel, read(tmp_path / "a.dcm", pair).values)
    inverted = read(ct(tmp_path / "b.dcm", hu, "MONOCHROME1"), WINDOWS).values
    np.testing.assert_allclose(inverted, 1 - pixels.values, atol=1e-7)


def test_windows_stay_apart_where_they_agree(tmp_path):
    """Air is black in two windows alike: three equal channels are no grey image here."""
    ct(tmp_path / "air.dcm", np.where(slab() > 0, 3000, -1024))
    for count in (2, 3, 5):
        assert read(tmp_path / "air.dcm", (SOFT, BONE, SOFT, BONE, SOFT)[:count]).values.shape == (24, 24, count)
    assert read(tmp_path / "air.dcm", (SOFT,)).values.shape == (24, 24)  # one window is a grey image
    wide = read(ct(tmp_path / "wide.dcm", slab(), spacing=(1.0, 2.0)), WINDOWS[:2])
    assert wide.values.shape == (24, 48, 2) and "square pixels" in wide.applied[-1]


def test_windows_meet_the_weights_normalisation(tmp_path):
    """Channel by channel with the mean and std of ImageNet, through `input_spec` and by hand; decoded once."""
    spec = channels.adapted_spec(RGB, "windows", windows=WINDOWS)
    assert (spec.shape, spec.mean, spec.std, spec.window) == ((24, 24, 3), RGB.mean, RGB.std, WINDOWS)
    hu = slab()
    ours = spec(ct(tmp_path / "a.dcm", hu))
    for i, pair in enumerate(WINDOWS):
        np.testing.assert_allclose(ours[..., i], (window(hu, *pair) - RGB.mean[i]) / RGB.std[i], rtol=1e-5, atol=1e-6)
    two = channels.adapted_spec(RGB, "windows", windows=WINDOWS[:2])
    assert two.shape == (24, 24, 2) and two.mean == (np.mean(RGB.mean),)
    one = channels.adapted_spec(RGB, "windows", windows=[[40, 400]])
    assert one.shape == (24, 24, 1) and one.window == SOFT
    bgr = dataclasses.replace(RGB, order="bgr")
    assert channels.adapted_spec(bgr, "windows", windows=WINDOWS).order == "bgr"  # as Caffe's weights want it


def test_a_file_is_decoded_once_for_all_windows(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(images, "read", lambda path, window: calls.append(window) or read(path, window))
    store = Store(channels.adapted_spec(RGB, "windows", windows=WINDOWS), tmp_path / "store")
    (key,) = store.add([ct(tmp_path / "a.dcm", slab())], progress=False)
    assert calls == [WINDOWS] and store[key].shape == (24, 24, 3)
    other = Store(channels.adapted_spec(RGB, "windows", windows=WINDOWS[::-1]))
    assert len({Store(store.spec).folder, other.folder, Store(RGB).folder}) == 3


def test_windows_need_units(tmp_path, three):
    spec = channels.adapted_spec(RGB, "windows", windows=WINDOWS)
    with pytest.raises(BadInput, match=r"a\.png: this image has no units, so a window in numbers means nothing"):
        spec.read(three[0])
    with pytest.raises(BadInput, match="an image without units came, expected one with 3 windows"):
        spec(np.zeros((24, 24), "float32") + 0.5)
    with pytest.raises(BadInput, match="expected 'header', 'percentile', or center and width"):
        read(three[0], ((40, 400), (1, 2, 3)))


@pytest.mark.parametrize("count", [2, 3])
def test_windows_of_a_real_ct(real_data, tmp_path, count):
    file = sorted((real_data / "dicom_series" / "siemens_ct_20slices").glob("*.dcm"))[9]
    spec = channels.adapted_spec(RGB, "windows", windows=WINDOWS[:count])
    image = spec.read(file)
    slices = [dataclasses.replace(spec, shape=(24, 24, 1), window=pair).read(file) for pair in WINDOWS[:count]]
    np.testing.assert_allclose(image, np.concatenate(slices, -1), atol=1e-6)
    assert image.std(axis=(0, 1)).min() > 0.05 and np.abs(np.diff(image, axis=-1)).max() > 0.3


# Phases and mosaics


def test_paths_of_a_row():
    path = joined(["/x/a.dcm", "/y/set.npz#train_images/3"])
    assert separated(path) == ["/x/a.dcm", "/y/set.npz#train_images/3"] and separated("/x/a.dcm") == ["/x/a.dcm"]
    assert shown(path) == "a.dcm + set.npz#train_images/3" and joined(["/x/a.dcm"]) == "/x/a.dcm"
    with pytest.raises(BadInput, match="line break"):
        joined(["a\nb.png"])


def test_phases_are_channels_in_order(three):
    grey = [read(file).values for file in three]
    np.testing.assert_array_equal(THREE.read(joined(three)), np.stack(grey, -1))
    np.testing.assert_array_equal(THREE.read(joined(three[::-1])), np.stack(grey[::-1], -1))
    np.testing.assert_array_equal(THREE(*three), THREE.read(joined(three)))  # mean 0, std 1
    np.testing.assert_array_equal(THREE(*grey), np.stack(grey, -1))


@pytest.mark.parametrize("size", [(24, 24), (24, 20)])
def test_mosaic_and_stack_carry_identical_pixels(tmp_path, size):
    """SPECS 33.3, in the size of the images and where both are enlarged or shrunk by a whole factor."""
    files = joined(png(tmp_path / f"{i}.png", i, size) for i in range(3))
    height, width = size
    for factor in (1, 0.5, 0.25):
        h, w = int(height * factor), int(width * factor)
        stack = Input(shape=(h, w, 3), files=3).read(files)
        mosaic = Input(shape=(h, 3 * w, 1), files=3, mosaic=True).read(files)
        parts = np.stack(np.split(mosaic[..., 0], 3, axis=1), axis=-1)
        np.testing.assert_allclose(parts, stack, atol=1e-7)
    framed = Input(shape=(72, 72, 1), files=3, mosaic=True).read(files)  # a square network sees it letterboxed
    assert framed[36].any() and not framed[:20].any() and framed.sum() > 0


def test_stores_and_datasets_take_both(tmp_path, three):
    """The same paths, as channels and as a mosaic, from the same dataset object."""
    paths = [joined(three), joined(three[::-1])]
    stack = Store(THREE, tmp_path / "stack")
    mosaic = Store(Input(shape=(24, 72, 1), files=3, mosaic=True), tmp_path / "mosaic")
    keys = stack.add(paths, progress=False)
    assert keys == mosaic.add(paths, progress=False) and keys[0] != keys[1]
    for key in keys:
        np.testing.assert_array_equal(np.concatenate(np.moveaxis(stack[key], -1, 0), 1), mosaic[key][..., 0])
    assert Store(THREE).folder != Store(dataclasses.replace(THREE, files=1)).folder


def test_the_store_of_several_files(tmp_path, three, monkeypatch):
    store = Store(THREE, tmp_path / "store")
    (key,) = store.add([joined(three)], progress=False)
    copies = [tmp_path / f"copy{i}.png" for i in range(3)]
    for copy, file in zip(copies, three, strict=True):
        copy.write_bytes(file.read_bytes())
    assert store.add([joined(copies)], progress=False) == [key]  # the content, not the name
    assert store.facts(key)["applied"] == ["1: scale 1/255", "2: scale 1/255", "3: scale 1/255"]
    assert store.facts(key)["size"] == [24, 24]
    with pytest.raises(BadInput, match=r"1 of 6 image files do not exist, the first is .*gone\.png"):
        store.add([joined(three), joined([three[0], tmp_path / "gone.png", three[2]])], progress=False)
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(BadInput, match=r"^a.png \+ text.png \+ c.png \(image 1 of 1\): text.png: .*DICOM"):
        store.add([joined([three[0], tmp_path / "text.png", three[2]])], progress=False)


def test_what_does_not_make_one_input(tmp_path, three):
    for shape in ((24, 48), (48, 48)):
        other = png(tmp_path / "other.png", 7, shape)
        for spec in (THREE, Input(shape=(24, 72, 1), files=3, mosaic=True)):
            with pytest.raises(BadInput, match=f"image 2 of 3 has {shape[0]} x {shape[1]} pixels, the first"):
                spec.read(joined([three[0], other, three[2]]))
    colours = np.random.default_rng(0).integers(0, 255, (24, 24, 3)).astype("uint8")
    cv2.imwrite(str(tmp_path / "colour.png"), colours)
    with pytest.raises(BadInput, match="image 3 of 3 has colours"):
        THREE.read(joined([*three[:2], tmp_path / "colour.png"]))
    with pytest.raises(BadInput, match="2 images came, expected 3"):
        THREE.read(joined(three[:2]))
    with pytest.raises(BadInput, match="3 images came, expected 1"):
        RGB.read(joined(three))
    with pytest.raises(BadInput, match="the image is CT, these weights expect MR"):
        dataclasses.replace(THREE, modality=("MR",)).fit(*[Pixels(np.eye(24, dtype="float32"), "CT")] * 3)


def test_files_are_taken_as_many_as_there_are_columns():
    assert THREE.grouped(list("abcdef")) == ["a\nb\nc", "d\ne\nf"]
    assert RGB.grouped(["a", "b"]) == ["a", "b"]
    with pytest.raises(BadInput, match="4 files came, and 3 images make one input"):
        THREE.grouped(list("abcd"))


@pytest.mark.parametrize(
    "way, options, message",
    [
        ("windows", {}, "came without windows"),
        ("fold", {"windows": WINDOWS}, "windows came with channels='fold'"),
        ("windows", {"windows": WINDOWS, "files": 3}, "for 3 image columns: take channels='phases', or a mosaic"),
        ("fold", {"files": 2}, "channels='fold' came for 2 image columns: take channels='phases', or a mosaic"),
        ("rgb", {"files": 3}, "channels='rgb' came for 3 image columns"),
        (3, {"files": 3}, "channels=3 came for 3 image columns"),
        ("phases", {"files": 2, "mosaic": True}, "a mosaic, which is one grey image: take fold, or no mosaic"),
        ("fases", {}, "expected repeat, fold, conv1x1, rgb, windows, phases, cubes, or a count"),
    ],
)
def test_arrangements_that_contradict(way, options, message):
    with pytest.raises(BadInput, match=message):
        channels.adapted_spec(RGB, way, **options)


def test_channels_that_contradict():
    with pytest.raises(BadInput, match=r"2 images make 2 channels, the input \(24, 24, 3\) has 3"):
        Input(shape=(24, 24, 3), files=2)
    with pytest.raises(BadInput, match=r"2 windows make 2 channels, the input \(24, 24, 3\) has 3"):
        Input(shape=(24, 24, 3), window=WINDOWS[:2])
    for empty in ((), []):
        with pytest.raises(BadInput, match="an empty window came"):
            Input(shape=(24, 24, 1), window=empty)
    for short in ((), (24,), (24, 24)):
        with pytest.raises(BadInput, match=r"an input of shape \(.*\) came, expected \(h, w, channels\)"):
            Input(shape=short)
    own = Input(shape=(24, 24, 2))
    assert channels.adapted_spec(own, "phases", files=2).files == 2  # weights of two channels of their own
    with pytest.raises(BadInput, match="channels='phases' makes 3 channels, these weights expect 2"):
        channels.adapted_spec(own, "phases", files=3)


def test_manifests_keep_the_arrangement(tmp_path):
    for spec in (
        channels.adapted_spec(RGB, "windows", windows=WINDOWS),
        channels.adapted_spec(RGB, "phases", files=2),
        channels.adapted_spec(RGB, "fold", files=3, mosaic=True),
    ):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        fabricate.weights(folder, input=spec)
        assert weights.read_manifest(folder / "mobilenet_v2_tiny.tests.json").input == spec
    content = json.loads((folder / "mobilenet_v2_tiny.tests.json").read_text())
    for name in ("files", "mosaic"):  # manifests of before
        del content["input"][name]
    (folder / "mobilenet_v2_tiny.tests.json").write_text(json.dumps(content))
    assert weights.read_manifest(folder / "mobilenet_v2_tiny.tests.json").input.files == 1


def test_three_phases_meet_the_weights_as_they_are(tmp_path, monkeypatch):
    """Two have the mean kernel, so that two equal phases answer as one grey image in three channels."""
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    fabricate.weights(tmp_path)
    options = {"classes": 2, "weights": "tests"}
    rgb = radzoo.create_model("mobilenet_v2_tiny", (32, 32, 3), channels="rgb", **options)
    kernel = rgb.get_layer("stem_conv").kernel.numpy()
    for way in ("phases", "windows"):
        model = radzoo.create_model("mobilenet_v2_tiny", (32, 32, 3), channels=way, **options)
        np.testing.assert_array_equal(model.get_layer("stem_conv").kernel, kernel)
        model = radzoo.create_model("mobilenet_v2_tiny", (32, 32, 2), channels=way, **options)
        np.testing.assert_allclose(model.get_layer("stem_conv").kernel.numpy().sum(-2), kernel.sum(-2), rtol=1e-5)
    spec = radzoo.input_spec("mobilenet_v2_tiny.tests", "phases", files=3)
    assert (spec.mean, spec.files, spec.photometric) == (RGB.mean, 3, "MONOCHROME2")
    scratch = radzoo.create_model("mobilenet_v2_tiny", (32, 32, 5), classes=2, channels="phases")
    assert isinstance(scratch, keras.Model)


# The index


def index(folder, rows, header=("early", "late", "patient", "label")):
    with open(folder / "index.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return Data(index=str(folder / "index.csv"), image=("early", "late"), patient="patient")


ROWS = [("a.png", "b.png", "p1", "0"), ("c.png", "d.png", "p2", "1"), ("e.png", "f.png", "p3", "1")]


def test_image_columns_of_an_index(tmp_path):
    data = index(tmp_path, ROWS)
    table = read_index(data).table
    assert list(map(separated, table["path"])) == [[f"{tmp_path}/{n}" for n in row[:2]] for row in ROWS]
    swapped = read_index(dataclasses.replace(data, image=("late", "early"))).table
    assert separated(swapped["path"][0]) == [f"{tmp_path}/b.png", f"{tmp_path}/a.png"]


def test_neighbouring_slices_share_files_within_a_patient(tmp_path):
    rows = [("a.png", "b.png", "p1", "0"), ("b.png", "c.png", "p1", "0"), ("d.png", "d.png", "p2", "1")]
    found = read_index(index(tmp_path, rows))
    assert len(found.table) == 3
    assert "1 of 3 rows name the same file in more than one image column." in found.notes


@pytest.mark.parametrize(
    "rows, message",
    [
        ([("a.png", "", "p1", "0"), ROWS[1]], "column 'late' names no image in row 2"),
        ([ROWS[0], ("a.png", "b.png", "p1", "1")], "the same image stands in several rows, rows 2, 3"),
        ([ROWS[0], ROWS[1], ("b.png", "e.png", "p3", "1")], "different patients name the same file, rows 2, 4"),
        ([ROWS[0], ("c\nd.png", "e.png", "p3", "1")], "column 'early' holds a line break in row 3"),
    ],
)
def test_bad_rows(tmp_path, rows, message):
    with pytest.raises(BadInput, match=message):
        read_index(index(tmp_path, rows))


@pytest.mark.parametrize("image, message", [(("early", "lat"), "no column 'lat'"), (("late",) * 2, "each image")])
def test_bad_columns(tmp_path, image, message):
    with pytest.raises(BadInput, match=message):
        read_index(dataclasses.replace(index(tmp_path, ROWS), image=image))


def phases(folder, patients=24):
    """PNG pairs: what tells the classes is the difference of the two."""
    rng, rows = np.random.default_rng(0), []
    for patient in range(patients):
        first = rng.normal(100, 20, (32, 32))
        second = first + (60 if patient % 2 else 0) * (np.hypot(*np.mgrid[-16:16, -16:16]) < 8)
        for name, image in (("early", first), ("late", second)):
            cv2.imwrite(str(folder / f"{name}{patient}.png"), image.clip(0, 255).astype("uint8"))
        rows.append((f"early{patient}.png", f"late{patient}.png", f"p{patient}", patient % 2))
    return index(folder, rows)


@pytest.mark.parametrize("way, mosaic", [("phases", False), pytest.param("fold", True, marks=pytest.mark.slow)])
def test_a_run_of_two_phases(tmp_path, way, mosaic):
    data = dataclasses.replace(phases(tmp_path), split=(0.5, 0.25, 0.25), mosaic=mosaic)
    recipe = fabricate.recipe(tmp_path / "index.csv", tmp_path / "run", ways=("scratch",), channels=way)
    run = radzoo.run(dataclasses.replace(recipe, data=data))
    spec = weights.read_manifest(run.folder / "manifest.json").input
    assert (spec.files, spec.mosaic, spec.shape) == (2, mosaic, (32, 32, 1 if mosaic else 2))
    files = [tmp_path / f"{name}{i}.png" for i in range(2) for name in ("early", "late")]
    table = radzoo.predict(run.folder, files)
    assert len(table) == 2 and table["label"].between(0, 1).all()
    assert list(table["file"]) == ["early0.png + late0.png", "early1.png + late1.png"]
    with pytest.raises(BadInput, match="3 files came, and 2 images make one input"):
        radzoo.predict(run.folder, files[:3])
