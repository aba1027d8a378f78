"""A segmentation from its index to its report, and on new images; on images so small that a test may train on them."""

import io
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import slices
from PIL import Image

import radzoo
from radzoo import Augment, Data, Mask, Phase, Recipe
from radzoo.data.store import WHITE
from radzoo.errors import BadInput
from radzoo.images.volumes import read, resample, segments
from radzoo.segmenting import Cascade, Segmenter, around

EPOCHS = Phase(epochs=3, learning_rate=0.02, patience=3)
FLAT = Recipe(
    models=("unet_same_tiny",), weights=None, task="segmentation", ways=("scratch",), size=24, batch=4,
    data=Data(index="", mask="mask", patient="patient", classes=("disc",), split=(0.5, 0.25, 0.25)),
    scratch=EPOCHS, augment=Augment(rotate=20, flip=True), bootstrap=100, class_weights=False,
)  # fmt: skip


def disc(rng, shape=(30, 40)):
    """A bright disc on noise, where a dark one lies elsewhere; and its mask."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    places = [(rng.uniform(8, shape[0] - 8), rng.uniform(8, shape[1] - 8)) for _ in range(2)]
    one, two = ((y - a) ** 2 + (x - b) ** 2 < 36 for a, b in places)
    return np.clip(100 + 90 * one - 60 * (two & ~one) + rng.normal(0, 12, shape), 0, 255).astype("uint8"), one


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Sixteen patients, one of them without a disc; two readers drew the first six."""
    folder = tmp_path_factory.mktemp("images")
    rng, rows = np.random.default_rng(0), []
    for number in range(16):
        values, mask = disc(rng)
        if number == 3:
            mask = np.zeros_like(mask)
        Image.fromarray(values).save(folder / f"{number}.png")
        Image.fromarray((255 * mask).astype("uint8")).save(folder / f"{number}-mask.png")
        second = f"{number}-second.png" if number < 6 else ""
        if second:
            Image.fromarray((255 * np.roll(mask, 1, 0)).astype("uint8")).save(folder / second)
        rows.append((f"{number}.png", f"{number}-mask.png", second, f"p{number}"))
    pd.DataFrame(rows, columns=["image", "mask", "second", "patient"]).to_csv(folder / "index.csv", index=False)
    return folder


def flat(images, **changes):
    return replace(FLAT, data=replace(FLAT.data, index=str(images / "index.csv")), **changes)


@pytest.fixture(scope="module")
def run(images, tmp_path_factory):
    recipe = flat(images)
    recipe = replace(recipe, data=replace(recipe.data, mask=("mask", "second")))
    return radzoo.run(recipe, out=str(tmp_path_factory.mktemp("run") / "run"))


def test_a_run_leaves_what_it_found(run, images):
    told, cases = run.metrics, pd.read_csv(run.folder / "cases.csv")
    assert told["classes"] == ["disc"] and told["unit"] == "px" and told["folds"] == 0
    split = pd.read_csv(run.folder / "split.csv")
    tested = set(split[split["split"] == "test"]["row"])
    best = cases[cases["model"] == "unet_same_tiny"]
    assert set(best["row"]) == tested and {"", "unet_same_tiny"} == set(cases["model"].fillna(""))
    for _, case in best.iterrows():
        truth = np.asarray(Image.open(images / f"{case['row']}-mask.png")) > 0
        with np.load(run.folder / "jobs/unet_same_tiny_scratch/labels/plain" / f"{case['row']}.npz") as file:
            drawn = file["labels"] == 1
        assert drawn.shape == truth.shape
        if truth.any() and drawn.any():
            assert case["dice"] == pytest.approx(2 * (truth & drawn).sum() / (truth.sum() + drawn.sum()))
    row = told["rows"][told["best"]]
    assert row["test"]["dice"]["value"] == pytest.approx(best["dice"].mean()) and not row["test"]["claim"]
    readers = [np.asarray(Image.open(images / f"{i}-mask.png")) > 0 for i in range(6) if i != 3]
    expected = np.mean([2 * (each & np.roll(each, 1, 0)).sum() / (2 * each.sum()) for each in readers])
    assert told["ceiling"]["dice"]["value"] == pytest.approx(expected, abs=0.002) and told["ceiling"]["cases"] == 6
    page = (run.folder / "report.html").read_text()
    assert str(images) not in page and "0.png" not in page


def test_a_run_goes_on_and_gives_the_same(run, images, tmp_path):
    recipe = replace(flat(images), data=replace(flat(images).data, mask=("mask", "second")))
    again = radzoo.run(recipe, out=str(tmp_path / "again"))
    assert again.metrics == run.metrics
    history = pd.read_csv(run.folder / "history.csv").drop(columns="seconds")
    pd.testing.assert_frame_equal(history, pd.read_csv(again.folder / "history.csv").drop(columns="seconds"))
    job = again.folder / "jobs/unet_same_tiny_scratch"
    os.remove(job / "done.json")  # as if it had been killed while it drew
    os.remove(next(iter((job / "labels/plain").iterdir())))
    assert radzoo.resume(again.folder).metrics == run.metrics
    mask = images / "0-mask.png"
    kept = mask.read_bytes()
    try:
        Image.fromarray(np.zeros((30, 40), "uint8")).save(mask)
        with pytest.raises(BadInput, match="the index, its images or its masks changed since the run"):
            radzoo.resume(again.folder)
    finally:
        mask.write_bytes(kept)


def test_predicted_masks_are_those_of_the_run(run, images, tmp_path):
    split = pd.read_csv(run.folder / "split.csv")
    row = int(split[split["split"] == "test"]["row"].iloc[0])
    table = radzoo.predict(run.folder, [images / f"{row}.png"], out=tmp_path / "masks", progress=False)
    with np.load(run.folder / "jobs/unet_same_tiny_scratch/labels/plain" / f"{row}.npz") as file:
        drawn = file["labels"]
    written = np.asarray(Image.open(tmp_path / "masks" / f"{row}_seg.png"))
    np.testing.assert_array_equal(written, drawn)
    assert list(table.columns) == ["file", "class", "pixels"] and table["pixels"][0] == (drawn == 1).sum()
    with pytest.raises(BadInput, match="is already in masks: give another folder"):
        radzoo.predict(run.folder, [images / f"{row}.png"], out=tmp_path / "masks", progress=False)
    with pytest.raises(BadInput, match="kind 'jpg' came"):
        radzoo.predict(run.folder, [images / f"{row}.png"], kind="jpg", progress=False)
    with pytest.raises(BadInput, match="together and covariates came for a run that makes images"):
        radzoo.predict(run.folder, [images / f"{row}.png"], together=True, progress=False)


def test_a_segmentation_takes_no_other_commands(run, images, tmp_path):
    other = shutil.copytree(run.folder, tmp_path / "other")
    with pytest.raises(BadInput, match="is a segmentation: draw the masks of other images with `radzoo predict`"):
        radzoo.evaluate(run.folder, images / "index.csv")
    with pytest.raises(BadInput, match="is a segmentation, which is not compared"):
        radzoo.compare([run.folder, other])
    with pytest.raises(BadInput, match="is a segmentation, of which there are no ensembles"):
        radzoo.ensemble([run.folder, other])
    model = radzoo.load(run.folder)[0]
    with pytest.raises(BadInput, match="is a segmentation, which says where by itself"):
        radzoo.grad_cam(model, np.zeros((1, 24, 24, 1), "float32"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ways": ("features",)}, "fixed features make no segmentation: pass --ways"),
        ({"views": 3, "augment": Augment(rotate=5)}, "--views 3 came for a segmentation, which has none"),
        ({"mask": Mask(overlap=1.0)}, "an overlap of 1.0 came"),
        ({"mask": Mask(foreground=2.0)}, "--mask.foreground 2.0 came"),
        ({"size": (1, 24, 24)}, "are single planes of volumes: pass --mask.patches"),
        ({"mask": Mask(inside="liver")}, "--mask.inside liver came, expected a class that holds others"),
        ({"task": "binary"}, "masks came for task 'binary': pass --task segmentation"),
        ({"loss": "dice_", "mask": Mask()}, "loss 'dice_' came"),
    ],
)
def test_options_that_no_segmentation_has(images, changes, message):
    with pytest.raises(BadInput, match=message):
        radzoo.run(flat(images, **changes), out=str(images / "never"))
    assert not (images / "never").exists()


@pytest.mark.parametrize("size", [(24, 24), (20, 28)])
def test_an_answer_does_not_depend_on_the_batch(size):
    """Windows of an image that no network can halve, one by one and in fives: the same bits."""
    model = radzoo.create_model("unet_same_tiny", (*size, 1), classes=2, task="segmentation")
    spec = radzoo.images.Input(shape=(*size, 1))
    image = (np.random.default_rng(0).random((37, 45, 1)) * WHITE).astype("uint16")
    one, five = (Segmenter(model, spec, batch, 0.5, False)(image) for batch in (1, 5))
    assert one.shape == (37, 45, 2)
    np.testing.assert_allclose(one, five, atol=1e-6)
    np.testing.assert_allclose(one.sum(-1), 1, atol=1e-5)
    mirrored, part = Segmenter(model, spec, 5, 0.5, True), image[: size[0], : size[1]]  # one window
    np.testing.assert_allclose(mirrored(part[:, ::-1])[:, ::-1], mirrored(part), atol=1e-5)


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    """Ten volumes of 3 x 1 x 1 mm with a block, 1, in which a brighter one lies, 2; each of its own size."""
    folder = tmp_path_factory.mktemp("volumes")
    rng, rows = np.random.default_rng(1), []
    for number in range(10):
        shape = (int(rng.integers(22, 30)), int(rng.integers(20, 26)), int(rng.integers(9, 12)))  # x y z
        values, mask = rng.normal(0, 8, shape), np.zeros(shape, "uint8")
        x, y = rng.integers(2, 6, 2)
        mask[x : x + 14, y : y + 12, 2:8] = 1
        mask[x + 4 : x + 9, y + 3 : y + 8, 3:7] = 2
        values += 60 * (mask == 1) + 110 * (mask == 2)
        affine = np.diag([-1.0, -1.0, 3.0, 1])
        for name, array in (("", values.astype("float32")), ("-mask", mask)):
            nibabel.save(nibabel.Nifti1Image(array, affine), folder / f"{number}{name}.nii.gz")
        rows.append((f"{number}.nii.gz", f"{number}-mask.nii.gz", f"p{number}"))
    pd.DataFrame(rows, columns=["image", "mask", "patient"]).to_csv(folder / "index.csv", index=False)
    return folder


DEEP = Recipe(
    models=("unet_same_tiny",), weights=None, task="segmentation", ways=("scratch",), size=(8, 16, 16), batch=2,
    window=(60.0, 200.0), spacing_mm=(2.0, 1.0, 1.0), loss="dice_crossentropy", class_weights=False, bootstrap=100,
    data=Data(index="", mask="mask", patient="patient", classes=("organ", "lesion"), split=(0.6, 0.2, 0.2)),
    mask=Mask(patches=3, overlap=0.25), scratch=EPOCHS,
)  # fmt: skip


def deep(volumes, **changes):
    return replace(DEEP, data=replace(DEEP.data, index=str(volumes / "index.csv")), **changes)


@pytest.fixture(scope="module")
def deep_run(volumes, tmp_path_factory):
    recipe = deep(volumes, mask=Mask(patches=3, overlap=0.25, refine="largest"))
    return radzoo.run(recipe, out=str(tmp_path_factory.mktemp("deep") / "run"))


def test_volumes_by_windows(volumes, deep_run, tmp_path):
    """Anisotropic voxels resampled for the network, masks back on the file's own voxels, and NIfTI as the input."""
    run = deep_run
    assert [row["refined"] for row in run.metrics["rows"]] == ["", "largest", ""] and run.metrics["unit"] == "mm"
    cases = pd.read_csv(run.folder / "cases.csv")
    assert cases["truth_ml"].notna().all() and set(cases["class"]) == {"organ", "lesion"}
    row = int(cases["row"].iloc[0])
    source = volumes / f"{row}.nii.gz"
    table = radzoo.predict(run.folder, [source], out=tmp_path / "masks", progress=False)
    made, given = nibabel.load(tmp_path / "masks" / f"{row}_seg.nii.gz"), nibabel.load(source)
    assert made.shape == given.shape
    np.testing.assert_array_equal(made.affine, given.affine)
    kind = run.metrics["rows"][run.metrics["best"]]["refined"] or "plain"
    with np.load(run.folder / "jobs/unet_same_tiny_scratch/labels" / kind / f"{row}.npz") as file:
        np.testing.assert_array_equal(read(tmp_path / "masks" / f"{row}_seg.nii.gz").values, file["labels"])
        assert table["ml"].tolist() == pytest.approx([(file["labels"] == i).sum() * 0.003 for i in (1, 2)])


def test_a_series_becomes_a_dicom_seg_on_its_planes(deep_run, tmp_path, cli):
    """`radzoo predict RUN SERIES_FOLDER`: sizes as CSV, and a segmentation that lies on the series."""
    planes = slices.even(count=9, shape=(24, 26), step=3.0, StudyInstanceUID="1.2.840.1", PatientName="A^B")
    for number, plane in enumerate(planes):
        stored = plane.pixel_array.copy()
        stored[6:18, 8:20] += 60 * (2 <= number < 7)
        plane.PixelData = stored.tobytes()
    folder = tmp_path / "series"
    folder.mkdir()
    slices.write(folder, planes)
    code, said, _ = cli("predict", deep_run.folder, folder, "--out", tmp_path / "masks")
    table = pd.read_csv(io.StringIO(said))
    assert code == 0 and list(table.columns) == ["file", "class", "voxels", "ml"]
    found = {segment.name: segment.mask for segment in segments.read(tmp_path / "masks/series_seg.dcm")}
    assert list(found) == ["organ", "lesion"]
    volume = read(folder)
    for name, voxels in zip(table["class"], table["voxels"], strict=True):
        assert resample.mask_onto(found[name], volume).values.sum() == voxels
    code, _, error = cli("predict", deep_run.folder, folder, "--out", tmp_path / "masks")
    assert code == 2 and "series_seg.dcm is already in masks" in error
    code, _, error = cli("predict", deep_run.folder, tmp_path / "nothing.nii.gz", "--out", tmp_path / "masks")
    assert code == 2 and "nothing.nii.gz: no such file" in error and error.count("\n") == 1


@pytest.mark.parametrize("thick", [1, 10])
def test_voxels_ten_times_as_thick_as_wide(deep_run, tmp_path, thick):
    """Resampled for the network and back on the file's own voxels, whatever they are."""
    values = np.random.default_rng(0).normal(0, 8, (22, 20, 11)).astype("float32")
    nibabel.save(nibabel.Nifti1Image(values, np.diag([-1.0, -1.0, thick, 1])), tmp_path / "scan.nii.gz")
    table = radzoo.predict(deep_run.folder, [tmp_path / "scan.nii.gz"], out=tmp_path / "masks", progress=False)
    made = nibabel.load(tmp_path / "masks/scan_seg.nii.gz")
    assert made.shape == (22, 20, 11) and (table["ml"] == table["voxels"] * thick / 1000).all()


def test_planes_of_volumes_one_network_inside_another(volumes, tmp_path):
    """A cascade of 2-D networks on single planes: two models, and predict is the same as in the run."""
    recipe = deep(volumes, size=(1, 16, 16), spacing_mm=None, batch=4, mask=Mask(patches=6, overlap=0, inside="organ"))
    run = radzoo.run(recipe, out=str(tmp_path / "run"))
    assert (run.folder / "organ/model.keras").is_file() and (run.folder / "inside/model.keras").is_file()
    history = pd.read_csv(run.folder / "history.csv")
    assert set(history["stage"]) == {"organ", "inside"}
    row = int(pd.read_csv(run.folder / "cases.csv")["row"].iloc[0])
    radzoo.predict(run.folder, [volumes / f"{row}.nii.gz"], out=tmp_path / "masks", progress=False)
    with np.load(run.folder / "jobs/unet_same_tiny_scratch/labels/plain" / f"{row}.npz") as file:
        np.testing.assert_array_equal(read(tmp_path / "masks" / f"{row}_seg.nii.gz").values, file["labels"])


def test_a_cascade_looks_inside_the_organ_alone():
    """What the second network finds outside of the organ is not there; probabilities sum to one."""
    image = np.zeros((20, 20, 1), "uint16")
    inside = np.zeros((20, 20), bool)
    inside[4:12, 5:15] = True
    organ = np.stack([~inside, inside], -1).astype("float32")
    organ[17, 17] = (0.2, 0.8)  # a second piece, which is none

    class Second:
        model = type("Model", (), {"outputs": [np.zeros((1, 1, 1, 2))]})

        def __call__(self, shown):
            assert shown.shape == (*around(inside, image)[1].shape,)
            return np.broadcast_to(np.float32([0.3, 0.7]), (*shown.shape[:-1], 2))

    said = Cascade(lambda _: organ, Second(), 1)(image)
    np.testing.assert_allclose(said.sum(-1), 1, atol=1e-6)
    np.testing.assert_array_equal(said.argmax(-1), np.where(inside, 2, 0))


@pytest.mark.parametrize("wanted", ["one_empty", "all_empty", "other_label"])
def test_masks_that_hold_nothing(images, tmp_path, wanted):
    index = pd.read_csv(images / "index.csv").assign(second="")
    for name in ("image", "mask"):
        index[name] = [str(images / each) for each in index[name]]
    empty = tmp_path / "empty.png"
    Image.fromarray(np.zeros((30, 40), "uint8")).save(empty)
    strange = tmp_path / "strange.png"
    Image.fromarray(np.full((30, 40), 7, "uint8")).save(strange)
    data = replace(FLAT.data, index=str(tmp_path / "index.csv"))
    if wanted == "all_empty":
        index["mask"] = str(empty)
        message = "all 16 masks are empty"
    elif wanted == "other_label":
        index.loc[4, "mask"] = str(strange)
        message = r"label.* 7|labels 7, 255 came"
    else:
        index.loc[7, "image"] = str(tmp_path / "missing.png")
        message = r"missing.png \(image 8 of 16\)"
    index.to_csv(tmp_path / "index.csv", index=False)
    with pytest.raises(BadInput, match=message):
        radzoo.run(replace(FLAT, data=data), out=str(tmp_path / "run"))


def test_the_manifest_says_how_masks_are_drawn(run):
    manifest = json.loads((Path(run.folder) / "manifest.json").read_text())
    assert manifest["task"] == "segmentation" and manifest["classes"] == ["disc"]
    assert manifest["metrics"]["mask"]["overlap"] == 0.5 and manifest["metrics"]["whole"] is True
    model, read_back = radzoo.load(run.folder)
    assert model.output_shape == (None, 24, 24, 2) and read_back.name == "unet_same_tiny.run"
