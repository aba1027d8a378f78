"""A restoration from its index to its report, and on new images; on images so small that a test may train on them."""

import json
import os
from dataclasses import replace

import fabricate
import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage

import radzoo
from radzoo import Augment, Data, Mask, Phase, Recipe, Restoration
from radzoo.data import aligned
from radzoo.data.pair_windows import PairWindows, turned
from radzoo.data.pairs import Pairs
from radzoo.data.patches import Window
from radzoo.data.store import WHITE
from radzoo.data.worse import Worse
from radzoo.errors import BadInput
from radzoo.images import Input
from radzoo.images.volumes import read as read_volume
from radzoo.train.resolved import resolved
from radzoo.train.restoration.measured import _body, _inserts, known_inserts
from radzoo.train.restoration.prepared import View, network, of_way, prepared

FLAT = Recipe(
    models=("rednet_tiny",), weights=None, task="restoration", ways=("scratch",), size=16, batch=4, loss="mse",
    data=Data(index="", image="noisy", target="clean", patient="patient", split=(0.5, 0.25, 0.25)),
    restoration=Restoration(patches=4), scratch=Phase(epochs=3, learning_rate=0.01, patience=3), bootstrap=100,
)  # fmt: skip
VOLUME = replace(
    FLAT, size=(1, 16, 16), window=(1024.0, 4096.0),
    data=Data(index="", image="ct", mask="insert", patient="patient", split=(0.5, 0.25, 0.25)),
    restoration=Restoration(simulate="low_dose", photons=1e4, dose=0.1, patches=2, turns=False),
)  # fmt: skip


def texture(rng, shape):
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), 3)
    return 0.5 + 0.3 * smooth / np.abs(smooth).max()


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Sixteen patients: a smooth image, and the same with noise of a twentieth of the window."""
    folder = tmp_path_factory.mktemp("images")
    rng, rows = np.random.default_rng(0), []
    for number in range(16):
        clean = texture(rng, (30, 40))
        for name, values in (("clean", clean), ("noisy", clean + rng.normal(0, 0.05, clean.shape))):
            stored = np.rint(values.clip(0, 1) * 65535).astype("uint16")
            Image.fromarray(stored).save(folder / f"{number}-{name}.png")
        rows.append((f"{number}-noisy.png", f"{number}-clean.png", f"p{number}"))
    pd.DataFrame(rows, columns=["noisy", "clean", "patient"]).to_csv(folder / "index.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """Twelve patients: CT of water with an insert of 200 HU, in slices that are not square."""
    folder = tmp_path_factory.mktemp("scans")
    rng, rows = np.random.default_rng(0), []
    y, x = np.mgrid[:44, :48]
    for number in range(12):
        values = np.full((2, 44, 48), -1000.0)
        values[:, (y - 22) ** 2 + (x - 24) ** 2 < 20**2] = 0
        insert = (y - rng.uniform(16, 28)) ** 2 + (x - rng.uniform(18, 30)) ** 2 < 6**2
        values[:, insert] = 200
        mask = np.broadcast_to(insert, values.shape).astype("uint8")
        for name, array in (("ct", values.astype("int16")), ("insert", mask)):
            file = nibabel.Nifti1Image(np.ascontiguousarray(array.T), np.diag([-4.0, -4.0, 5.0, 1.0]))
            nibabel.save(file, folder / f"{number}-{name}.nii.gz")
        rows.append((f"{number}-ct.nii.gz", f"{number}-insert.nii.gz", f"p{number}"))
    pd.DataFrame(rows, columns=["ct", "insert", "patient"]).to_csv(folder / "index.csv", index=False)
    return folder


def at(recipe, folder, **changes):
    return replace(recipe, data=replace(recipe.data, index=str(folder / "index.csv")), **changes)


@pytest.fixture(scope="module")
def flat_run(images, tmp_path_factory):
    return radzoo.run(at(FLAT, images), out=str(tmp_path_factory.mktemp("flat") / "run"))


@pytest.fixture(scope="module")
def scan_run(scans, tmp_path_factory):
    return radzoo.run(at(VOLUME, scans), out=str(tmp_path_factory.mktemp("scan") / "run"))


def test_the_noisy_image_stands_in_the_table_as_it_is(images, flat_run):
    split = pd.read_csv(flat_run.folder / "split.csv").set_index("row")["split"]
    tested = split.index[split == "test"]
    pairs = [[np.asarray(Image.open(images / f"{row}-{name}.png")) / 65535 for name in ("noisy", "clean")]
             for row in tested]  # fmt: skip
    errors = [np.sqrt(((noisy - clean) ** 2).mean()) for noisy, clean in pairs]
    rows = {row["name"]: row for row in flat_run.metrics["rows"]}
    assert list(rows)[:4] == ["rednet_tiny scratch", "noisy", "nlm", "tv"]
    told = rows["noisy"]["windows"][0]
    assert (told["window"], told["low"], told["high"], told["data_range"]) == ("full", 0, 1, 1)
    assert told["rmse"]["value"] == pytest.approx(np.mean(errors), rel=1e-4)
    assert told["psnr"]["value"] == pytest.approx(np.mean(-20 * np.log10(errors)), rel=1e-4)
    assert rows["nlm"]["windows"][0]["rmse"]["value"] < 0.8 * np.mean(errors)  # a baseline that is worth its name
    assert flat_run.metrics["tested"] == {"cases": 4, "patients": 4, "claim": False}


def test_the_chosen_way_has_the_least_error_on_validation(flat_run):
    metrics = flat_run.metrics
    assert metrics["rows"][metrics["best"]]["model"] == "rednet_tiny"  # baselines are never chosen
    assert {each["one"] for each in metrics["differences"]} == {"rednet_tiny scratch"}
    assert {each["other"] for each in metrics["differences"]} >= {"noisy", "nlm", "tv"}


def test_predict_makes_of_a_tested_image_what_the_run_made(images, flat_run, tmp_path):
    split = pd.read_csv(flat_run.folder / "split.csv").set_index("row")["split"]
    row = split.index[split == "test"][0]
    table = radzoo.predict(flat_run.folder, [images / f"{row}-noisy.png"], out=tmp_path / "new")
    written = np.asarray(Image.open(tmp_path / "new" / table["written"][0])) / 65535
    with np.load(flat_run.folder / "jobs" / "rednet_tiny_scratch" / "restored" / f"{row}.npz") as file:
        assert np.abs(written - file["image"].clip(0, 1)).max() < 2e-5
    with pytest.raises(BadInput, match="give another folder"):
        radzoo.predict(flat_run.folder, [images / f"{row}-noisy.png"], out=tmp_path / "new")
    with pytest.raises(BadInput, match="kind 'dicom_seg' came"):
        radzoo.predict(flat_run.folder, [images / f"{row}-noisy.png"], kind="dicom_seg")
    with pytest.raises(BadInput, match="came for a run that makes images"):
        radzoo.predict(flat_run.folder, [images / f"{row}-noisy.png"], together=True)


def test_the_same_seed_gives_the_same_numbers_and_resume_goes_on(images, flat_run, tmp_path):
    again = radzoo.run(at(FLAT, images), out=str(tmp_path / "run"))
    assert again.metrics == flat_run.metrics
    for name in ("jobs/rednet_tiny_scratch/done.json", "metrics.json"):
        (again.folder / name).unlink()
    state = again.folder / "jobs" / "rednet_tiny_scratch"
    for file in (state / "restored").iterdir():
        file.unlink()
    assert radzoo.resume(again.folder).metrics == flat_run.metrics
    index = pd.read_csv(images / "index.csv")
    os.rename(images / "0-clean.png", images / "kept.png")
    try:
        Image.fromarray(np.arange(1200, dtype="uint16").reshape(30, 40)).save(images / "0-clean.png")
        with pytest.raises(BadInput, match="changed since the run"):
            radzoo.resume(again.folder)
    finally:
        os.replace(images / "kept.png", images / "0-clean.png")
    assert len(index) == 16


def test_a_simulated_scan_is_said_and_measured_in_hu(scan_run):
    metrics = scan_run.metrics
    assert metrics["unit"] == "HU"
    assert metrics["simulated"] == {
        "simulate": "low_dose", "photons": 1e4, "dose": 0.1, "electronic": 3.2, "clean": False
    }  # fmt: skip
    assert any("10 % of their photons" in note and "an assumption (10000" in note for note in metrics["notes"])
    applied = pd.read_csv(scan_run.folder / "images.csv")["applied"]
    assert applied.str.endswith("noise of 1e+03 of 1e+04 assumed photons per reading").all()
    rows = {row["name"]: row["windows"] for row in metrics["rows"]}
    windows = [(each["window"], each["low"], each["high"]) for each in rows["noisy"]]
    assert windows == [("soft tissue", -160, 240), ("lung", -1350, 150), ("full", -1024, 3071)]
    inserts = pd.read_csv(scan_run.folder / "inserts.csv")
    assert set(inserts["way"]) == set(rows) and inserts.loc[inserts["way"] == "noisy", "mean"].between(150, 250).all()
    for name in ("tissues.csv", "cases.csv"):
        table = pd.read_csv(scan_run.folder / name)
        assert set(table["way"]) == set(rows) and "patient" not in table
    assert not (scan_run.folder / "noise.csv").exists()  # no region of 32 pixels fits into so small a body


def test_a_volume_comes_back_in_hu_where_it_was(scans, scan_run, tmp_path):
    table = radzoo.predict(scan_run.folder, [scans / "0-ct.nii.gz"], out=tmp_path)
    new, old = read_volume(str(tmp_path / table["written"][0])), read_volume(str(scans / "0-ct.nii.gz"))
    assert np.allclose(new.affine, old.affine) and new.values.shape == old.values.shape
    away = new.values - old.values
    assert (table["mean"][0], table["sd"][0]) == pytest.approx((away.mean(), away.std()), abs=0.01)
    with pytest.raises(BadInput, match="batch 0"):
        radzoo.predict(scan_run.folder, [scans / "0-ct.nii.gz"], batch=0)
    with pytest.raises(BadInput, match="kind 'png' came for a run that restores volumes"):
        radzoo.predict(scan_run.folder, [scans / "0-ct.nii.gz"], kind="png")
    manifest = json.loads((scan_run.folder / "manifest.json").read_text())
    assert manifest["input"]["modality"] == ["CT"]  # MR is refused
    test = manifest["metrics"]["test"]
    assert (test["window"], test["data_range"]) == ("full", 4095) and test["psnr"]["value"] > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"restoration": Restoration(simulate="low_dose")}, "name one of both"),
        ({"data": {"target": None}}, "name one of both"),
        ({"data": {"target": "noisy"}}, "which is the image itself"),
        ({"data": {"target": "lean"}}, "has no column 'lean'"),
        ({"restoration": Restoration(patches=0)}, "restoration.patches 0 came"),
        ({"restoration": Restoration(patches=0), "size": (1, 16, 16)}, "restoration.patches 0 came"),
        ({"size": (1, 16, 12)}, "pass --restoration.turns False"),
        ({"restoration": Restoration(overlap=1.0)}, "an overlap of 1.0 came"),
        ({"restoration": Restoration(dose=0.0)}, "restoration.dose 0.0 came"),
        ({"restoration": Restoration(photons=-5.0)}, "a dose of -1.25 photons"),
        ({"restoration": Restoration(keep=0)}, "every 0th of 1000 views"),
        (
            {"restoration": Restoration(simulate="sparse_view", views=8, keep=8), "data": {"target": None}},
            "1 views leave 180.0 of 180 degrees unseen",
        ),
        ({"augment": Augment(rotate=5)}, "whose noise it would blur"),
        ({"mask": Mask(patches=2)}, "masks came for task 'restoration'"),
        ({"ways": ("features",)}, "fixed features make no restoration"),
        ({"loss": "dice"}, "loss 'dice' came, expected mse"),
        ({"loss": "mse + perceptual:vgg19.nowhere"}, "vgg19.nowhere"),
        ({"task": "segmentation", "loss": "dice"}, "targets came for task 'segmentation'"),
        (
            {"restoration": Restoration(window=(0.0, 1.0), simulate="low_dose"), "data": {"target": None}},
            "have their window",
        ),
    ],
)
def test_bad_recipes(images, changes, message):
    changes = dict(changes)
    if "data" in changes:
        changes["data"] = {"index": str(images / "index.csv"), **changes["data"]}
    with pytest.raises(BadInput, match=message):
        radzoo.run(at(FLAT, images), **changes)


def test_bad_pairs(images, scans, tmp_path):
    spec = Input(shape=(16, 16, 1))
    Image.fromarray(np.arange(1230, dtype="uint16").reshape(30, 41)).save(tmp_path / "wide.png")
    with pytest.raises(BadInput, match="the target has 30 x 41 pixels, the image 30 x 40"):
        Pairs(spec, None, None).add([str(images / "0-noisy.png")], [str(tmp_path / "wide.png")], [""], progress=False)
    with pytest.raises(BadInput, match="gone does not exist"):
        Pairs(spec, None, None).add([str(images / "0-noisy.png")], [str(tmp_path / "gone")], [""], progress=False)
    volume = nibabel.load(scans / "0-ct.nii.gz")
    moved = volume.affine.copy()
    moved[0, 3] += 3
    nibabel.save(nibabel.Nifti1Image(np.asarray(volume.dataobj), moved), tmp_path / "moved.nii.gz")
    deep = Input(shape=(1, 16, 16, 1), window=(1024.0, 4096.0))
    with pytest.raises(BadInput, match="lies up to 3 mm beside the image"):
        paths = str(scans / "0-ct.nii.gz"), str(tmp_path / "moved.nii.gz")
        Pairs(deep, None, None).add(*([path] for path in paths), [""], progress=False)
    soft, sharp = (replace(read_volume(str(scans / "0-ct.nii.gz")), kernel=name) for name in ("B30f", "B60f"))
    aligned.check_pair(soft, soft)
    with pytest.raises(BadInput, match=r"kernel B30f, its target with B60f.*reconstruct both alike"):
        aligned.check_pair(soft, sharp)
    stored = replace(soft, values=soft.values + 1000, modality="CT", applied=())
    with pytest.raises(BadInput, match="the series has no rescale, its values 0 to 1200 are no HU"):
        aligned.check_pair(soft, stored)
    aligned.check_pair(soft, replace(stored, applied=("rescale",)))


def test_what_cannot_be_measured_is_said_before_training(scans, tmp_path):
    image, target = str(scans / "0-ct.nii.gz"), str(scans / "1-ct.nii.gz")
    for aim, window, message in (
        (image, (1024.0, 4096.0), "the image equals its target"),
        (target, (5000.0, 100.0), "all pixels of the target are equal within the window"),
    ):
        pairs = Pairs(Input(shape=(1, 16, 16, 1), window=window), None, None, tmp_path)
        with pytest.raises(BadInput, match=message):
            pairs.add([image], [aim], [""], progress=False)


def test_text_in_a_target_hides_the_pair(images, tmp_path, monkeypatch):
    opened = Input.opened

    def with_text(spec, path):
        text = "BurnedInAnnotation is YES" if "clean" in path else None
        return [replace(each, burnt_in=text) for each in opened(spec, path)]

    monkeypatch.setattr(Input, "opened", with_text)
    pairs = Pairs(Input(shape=(16, 16, 1)), None, None, tmp_path)
    key = pairs.add([str(images / "0-noisy.png")], [str(images / "0-clean.png")], [""], progress=False)[0]
    assert pairs.facts(key)["burnt_in"] == "BurnedInAnnotation is YES"


def test_percentiles_of_the_image_are_those_of_its_target(images, scans, tmp_path):
    """Noise moves percentiles: by its own, a target would have another scale than its image."""
    clean = nibabel.load(scans / "0-ct.nii.gz")
    noise = np.random.default_rng(0).normal(0, 300, clean.shape)
    noisy = np.asarray(clean.dataobj) + noise.astype("float32")
    nibabel.save(nibabel.Nifti1Image(noisy, clean.affine), tmp_path / "noisy.nii.gz")
    pairs = Pairs(Input(shape=(1, 16, 16, 1), window="percentile"), None, None, tmp_path)
    paths = [str(tmp_path / "noisy.nii.gz")], [str(scans / "0-ct.nii.gz")]
    key = pairs.add(*paths, [""], progress=False)[0]
    low, high = np.percentile(noisy, (1, 99))
    wanted = ((np.asarray(clean.dataobj).T - low) / (high - low)).clip(0, 1)
    assert np.abs(pairs.target(key)[..., 0] / WHITE - wanted).max() < 1e-4
    flat = Pairs(Input(shape=(16, 16, 1), window="percentile"), None, None, tmp_path)
    with pytest.raises(BadInput, match="each by its own values: pass --window header"):
        flat.add([str(images / "0-noisy.png")], [str(images / "0-clean.png")], [""], progress=False)


def test_a_patient_who_moved_is_said(images):
    """Rolled by three columns, in noise of a sixth of the contrast; as it is, nothing is said."""
    noisy, clean = (np.asarray(Image.open(images / f"0-{name}.png"))[..., None] / WHITE for name in ("noisy", "clean"))
    assert aligned.beside(noisy, clean) < 0.5
    moved = aligned.beside(noisy[:, 3:], clean[:, :-3])
    assert moved == pytest.approx(3, abs=0.5)
    assert aligned.beside(noisy, np.zeros_like(clean)) == 0  # an even plane is no sign of anything
    assert aligned.said([0.25, None, 0.0]) == []
    assert "1 of 3 targets seem to lie beside their image, by up to 3 pixels" in aligned.said([0.0, None, 3.0])[0]


def test_only_ct_is_scanned(images, scans):
    how = Restoration(simulate="low_dose")
    volume = read_volume(str(scans / "0-ct.nii.gz"))
    with pytest.raises(BadInput, match="the image is MR, scans are simulated of CT"):
        Worse(how, clean=True)(replace(volume, modality="MR"), np.random.default_rng(0))
    with pytest.raises(BadInput, match="an image without HU came"):
        Worse(how, clean=True)(Input(shape=(16, 16, 1)).opened(images / "0-noisy.png")[0], np.random.default_rng(0))
    with pytest.raises(BadInput, match="expected whole slices of CT in HU"):
        Worse(how, clean=True)(replace(volume, values=volume.values + 1000), np.random.default_rng(0))
    with pytest.raises(BadInput, match="half circle"):
        Worse(replace(how, simulate="sparse_view", views=8, keep=8), clean=True)(volume, np.random.default_rng(0))


def test_starved_readings_are_said(scans):
    """Behind 160 mm of water about a twentieth of the photons is left."""
    volume = read_volume(str(scans / "0-ct.nii.gz"))
    for clean, photons, words in ((True, 60, "below 1, where it is biased)"), (False, 1e3, "below 10, where a Gauss")):
        few, many = (
            Worse(Restoration(simulate="low_dose", photons=each, dose=0.1), clean=clean)(
                volume, np.random.default_rng(0)
            ).applied[-1]
            for each in (photons, 1e5)
        )
        assert words in few and "% of readings" in few and "% of readings" not in many


@pytest.mark.parametrize("turns", [False, True])
@pytest.mark.parametrize(("patch", "out", "flat"), [((12, 12), (12, 12), False), ((1, 12, 12), (1, 8, 8), True)])
def test_image_and_target_are_turned_together(images, scans, tmp_path, patch, out, flat, turns):
    """The target is half of the image: so must be all windows."""
    rng = np.random.default_rng(1)
    values = rng.integers(0, 30000, (3, 30, 40) if flat else (30, 40), dtype="uint16") * 2
    if flat:
        affine = np.diag([-1.0, -1.0, 1.0, 1.0])
        for name, array in (("image", values), ("target", values // 2)):
            nibabel.save(nibabel.Nifti1Image(array.T.astype("float32"), affine), tmp_path / f"{name}.nii.gz")
        spec, kind = Input(shape=(*patch, 1), window=(32768.0, 65536.0)), "nii.gz"
    else:
        for name, array in (("image", values), ("target", values // 2)):
            Image.fromarray(array).save(tmp_path / f"{name}.png")
        spec, kind = Input(shape=(*patch, 1)), "png"
    pairs = Pairs(spec, None, None)
    keys = pairs.add([str(tmp_path / f"image.{kind}")], [str(tmp_path / f"target.{kind}")], [""], progress=False)
    windows = PairWindows(pairs, keys, Window(patch, out, flat), count=20, turns=turns)
    seen = set()
    for number in range(20):
        image, target = windows.one(number, 0, 0)
        inner = image[2:-2, 2:-2] if flat else image
        assert np.abs(inner / 2 - target).max() < 2 / WHITE
        seen.add(image.tobytes())
    assert len(seen) > 15  # of 20 drawn places, few are drawn twice


def test_eight_ways_to_lay_a_plane_down():
    plane = np.arange(6).reshape(1, 2, 3, 1)
    assert len({turned(plane, each).tobytes() + bytes(turned(plane, each).shape) for each in range(8)}) == 8


def test_a_residual_network_begins_with_the_image_in_the_scale_of_its_target(scans):
    """RED-CNN's first kernels are small, so what it says before it learns is the image: 0..1, and not normalised."""
    recipe = resolved(at(VOLUME, scans), {"models": ("redcnn_tiny",), "size": (1, 32, 32)})
    view = prepared(recipe)[1]["redcnn_tiny"]
    image = view.pairs.image(view.keys[0])[0, :32, :32] / np.float32(WHITE)
    said = network(recipe, "redcnn_tiny", view.spec, None)[0](view.spec.normalise(image)[None])
    assert np.abs(np.asarray(said)[0] - image).max() < 0.02


def test_random_weights_beside_ready_ones_see_the_image_as_it_came(scans, tmp_path):
    """Otherwise a residual network adds to an image that was normalised for others, and transfer seems to help."""
    spec = Input(shape=(1, 16, 16, 1), window=(1024.0, 4096.0), mean=(0.5,), std=(0.25,), scale=255.0)
    view = View(spec, Pairs(spec, None, None, tmp_path), np.array([]), Window((1, 16, 16), (1, 16, 16), True))
    assert of_way(view, "finetune") is view
    own = of_way(view, "scratch")
    for each in (own.spec, own.pairs.spec):
        assert each.normalise(np.float32(0.3)) == pytest.approx(0.3)
    assert own.pairs.folder == view.pairs.folder and view.pairs.spec == spec


def test_organs_that_touch_and_lung_alone_end_no_run():
    image, labels = np.full((2, 40, 40), -800.0), np.ones((2, 40, 40), "uint8")
    assert _inserts(image, labels, (), (1.0, 1.0, 1.0)) == [] and _body(image) is None
    image[:, 10:30, 10:30] = 0
    assert _body(image).sum() == 2 * (20 * 20 - 4 * 3)  # less the corners, which an opening rounds
    labels[...] = 0
    labels[:, 18:24, 18:24] = 1
    assert [row["insert"] for row in _inserts(image, labels, ("cyst",), (1.0, 1.0, 1.0))] == ["cyst"]


@pytest.mark.slow
def test_a_perceptual_loss_is_learnt(images, flat_run, tmp_path, monkeypatch):
    """Another loss, another network: its own losses are larger by the term that sees feature maps."""
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path))
    fabricate.weights(tmp_path, "vgg_tiny")
    found = radzoo.run(at(FLAT, images, loss="mse + perceptual:vgg_tiny.tests"), out=str(tmp_path / "run"))
    first, plain = (
        pd.read_csv(run.folder / "history.csv").query("model == 'rednet_tiny'")["loss"].iloc[0]
        for run in (found, flat_run)
    )
    assert first > 1.01 * plain
    began = json.loads((found.folder / "environment.json").read_text())["began_with"]["weights"]
    assert list(began) == ["vgg_tiny.tests"]


@pytest.mark.parametrize("task", ["auto", "segmentation"])
def test_a_slip_in_a_loss_is_said_before_images_are_read(task):
    recipe = replace(FLAT, task=task, loss="foo", restoration=Restoration(), data=Data(index="nowhere.csv"))
    with pytest.raises(BadInput, match="loss 'foo' came, expected one of crossentropy, focal"):
        resolved(recipe, {})


def test_a_scan_is_simulated_in_hu(scans):
    with pytest.raises(BadInput, match="pass --window CENTER WIDTH"):
        prepared(resolved(at(VOLUME, scans), {"window": "percentile"}))


def test_inserts_have_the_names_that_are_known():
    for data, names in (
        (Data(index="phantom:low_dose_ct"), ("fat", "cyst", "faint", "vessel", "bone")),
        (Data(index="index.csv", classes=("nodule",)), ("nodule",)),
        (Data(index="index.csv", classes=("nodule=3",)), ()),
        (Data(index="index.csv"), ()),
    ):
        assert known_inserts(replace(VOLUME, data=data)) == names


def test_an_image_of_another_kind_than_its_target(scans, tmp_path):
    """MR to CT: the target has a window of its own, and no baseline but the network."""
    index = pd.read_csv(scans / "index.csv")
    index["mr"] = [f"{number}-mr.nii.gz" for number in range(len(index))]
    rng = np.random.default_rng(0)
    for number in range(len(index)):
        ct = nibabel.load(scans / f"{number}-ct.nii.gz")
        mr = (np.asarray(ct.dataobj) > -500) * rng.uniform(200, 400) + rng.normal(0, 5, ct.shape)
        nibabel.save(nibabel.Nifti1Image(mr.astype("float32"), ct.affine), tmp_path / f"{number}-mr.nii.gz")
        nibabel.save(ct, tmp_path / f"{number}-ct.nii.gz")
    index.to_csv(tmp_path / "index.csv", index=False)
    data = Data(index=str(tmp_path / "index.csv"), image="mr", target="ct", patient="patient", split=(0.5, 0.25, 0.25))
    options = Restoration(window=(1024.0, 4096.0), patches=2, turns=False)
    recipe = replace(VOLUME, data=data, window="percentile", restoration=options, loss="l1 + gradient")
    found = radzoo.run(recipe, models=("unet_same_tiny",), out=str(tmp_path / "run"))
    assert [row["name"] for row in found.metrics["rows"]] == ["unet_same_tiny scratch"]
    assert [each["window"] for each in found.metrics["rows"][0]["windows"]] == ["soft tissue", "lung", "full"]
    assert found.metrics["unit"] == "HU"  # a window from -1024 on is that of CT
    table = radzoo.predict(found.folder, [tmp_path / "0-mr.nii.gz"], out=tmp_path / "new")
    with pytest.raises(BadInput, match="images of another modality: write them as nifti"):
        radzoo.predict(found.folder, [tmp_path / "0-mr.nii.gz"], kind="dicom")
    values = read_volume(str(tmp_path / "new" / table["written"][0])).values
    assert values.min() >= -1024.5 and values.max() <= 3072 and values.min() < -200  # HU, and no relative intensities
    assert json.loads((found.folder / "manifest.json").read_text())["task"] == "restoration"


@pytest.mark.parametrize(("center", "width"), [(1024.0, 4096.0), (40.0, 400.0)])
def test_two_scans_of_one_image_differ_by_noise_alone(scans, tmp_path, center, width):
    """Their difference, over the root of two, is as large as what one of them differs by from the good image; the rays
    of both go through the whole image, whatever of it the window keeps."""
    spec = Input(shape=(1, 16, 16, 1), window=(center, width))
    pairs = Pairs(spec, None, Worse(Restoration(simulate="low_dose", photons=1e4, dose=0.5), clean=True), tmp_path)
    key = pairs.add([str(scans / "0-ct.nii.gz")], [""], [""], progress=False)[0]
    images = (np.float64(each(key)) / WHITE for each in (pairs.image, pairs.again, pairs.target))
    one, other, good = (center - width / 2 + image * (width - 1) for image in images)
    plane = np.ones((1, 5, 5), bool)
    inside = ndimage.binary_erosion(np.abs(good[..., 0]) < 1, plane)[..., None]  # water, and no border of it
    assert inside.sum() > 300
    noise = (one - other)[inside].std() / np.sqrt(2)
    assert noise == pytest.approx((one - good)[inside].std(), rel=0.15) and noise > 10
