"""Candidates: places in volumes in three frames, the lesions they hit, and a run's FROC against a count by hand."""

import json
import re
from dataclasses import replace

import nibabel
import numpy as np
import pandas as pd
import pytest

import radzoo
from radzoo import Data, Phase, Recipe
from radzoo.data import Store, batches, read_index
from radzoo.data.candidates import counted
from radzoo.errors import BadInput
from radzoo.images import Input
from radzoo.images.paths import Place, file_of, place_of, placed, shown
from radzoo.images.volumes import read
from radzoo.train.detection import with_scans
from radzoo.train.scans import picture

SPACING = (2.0, 1.5, 1.5)  # z y x
SIZE = (20, 24, 28)
NINE = Input(shape=(9, 16, 16, 1), patch="planes", patch_mm=(16.0,), window=(100.0, 200.0))
DATA = Data(image="series", label="label", patient="patient", place=("x", "y", "z"), reference="lesions.csv",
            split=(0.5, 0.25, 0.25))  # fmt: skip


def write_scan(file, rng, lesions, turn):
    """A volume with bright balls; stored in RAS, LPS or with swapped axes, as `turn` says."""
    origin = rng.uniform(-100, 100, 3)  # LPS of voxel (0, 0, 0) of (z, y, x)
    values = rng.normal(60, 8, SIZE)
    z, y, x = np.indices(SIZE)
    for voxel in lesions:
        away = np.sqrt(sum(((axis - at) * mm) ** 2 for axis, at, mm in zip((z, y, x), voxel, SPACING, strict=True)))
        values[away < 4] = 180
    affine = np.diag([*SPACING[::-1], 1.0])
    affine[:3, 3] = origin
    image = nibabel.Nifti1Image(values.transpose(2, 1, 0).astype("float32"), np.diag([-1, -1, 1, 1]) @ affine)
    if turn:
        image = nibabel.as_closest_canonical(image)  # RAS: other voxels, the same places
    if turn == 2:
        image = image.as_reoriented(np.array([[2, 1], [0, -1], [1, 1]]))
    nibabel.save(image, file)
    return lambda voxel: origin + np.array(voxel)[::-1] * SPACING[::-1]


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """24 scans of 20 patients: a ball with a candidate (some in two), false candidates, one ball that none finds, one
    scan without lesions, one without candidates."""
    folder, rng, rows, reference = tmp_path_factory.mktemp("scans"), np.random.default_rng(0), [], []
    for number in range(24):
        file, patient = f"{number}.nii.gz", f"p{number % 20}"
        lesions = [(rng.integers(6, 14), rng.integers(8, 16), 8), (10, 12, 22)][: 0 if number == 3 else 2]
        at = write_scan(folder / file, rng, lesions, number % 3)
        volume = read(folder / file)
        for i, voxel in enumerate(lesions):
            reference.append((file, patient, *at(voxel), "lps", 8.0, i))
        if not lesions:
            reference.append((file, patient, "", "", "", "lps", "", ""))
        if number == 5:
            continue
        for jitter in rng.uniform(-1, 1, (2 if number % 4 == 0 else 1, 3)) if lesions else ():
            rows.append((file, patient, *in_frame(volume, at(lesions[0]) + jitter, number), 1))
        rows += [(file, patient, *in_frame(volume, at((z, 12, 14)), number + 1), 0) for z in (3, 17)]
    names = ["series", "patient", "x", "y", "z", "frame", "label"]
    pd.DataFrame(rows, columns=names).to_csv(folder / "index.csv", index=False)
    names = ["series", "patient", "x", "y", "z", "frame", "diameter_mm", "lesion"]
    pd.DataFrame(reference, columns=names).to_csv(folder / "lesions.csv", index=False)
    return folder


def in_frame(volume, lps, number):
    """The place in one frame after the other; the voxel of the file by nibabel's affine, not by ours."""
    x, y, z = lps
    if number % 3 == 0:
        return x, y, z, "lps"
    if number % 3 == 1:
        return -x, -y, z, "ras"
    stored = volume.affine[:, [2, 1, 0, 3]] if volume.stored is None else volume.stored
    return *(np.linalg.inv(stored) @ (x, y, z, 1))[:3], "voxel"


def test_three_frames_are_one_place(scans):
    for number in (0, 1, 2):  # stored in three orientations
        file = str(scans / f"{number}.nii.gz")
        image, lps = nibabel.load(file), np.array([10.0, -20.0, 5.0]) + read(file).positions([[9, 11, 13]])[0] * 0.5
        voxel = nibabel.affines.apply_affine(np.linalg.inv(image.affine), lps * (-1, -1, 1))
        places = Place("lps", tuple(lps)), Place("ras", tuple(lps * (-1, -1, 1))), Place("voxel", tuple(voxel))
        for place in places:
            np.testing.assert_allclose(read(file).position(place), lps, atol=1e-4)


def test_what_is_sampled_is_what_was_meant(scans):
    index = read_index(replace(DATA, index=str(scans / "index.csv")))
    store = Store(NINE, scans / "store")
    keys = store.add(index.table["path"], progress=False)
    middle = np.array([store[key][:, 6:10, 6:10].mean() for key in keys])
    assert {place_of(path)[1].frame for path in index.table["path"]} == {"lps", "ras", "voxel"}
    assert (middle[index.labels[:, 0] == 1] > 0.7).all() and (middle[index.labels[:, 0] == 0] < 0.5).all()
    np.testing.assert_allclose(store[keys[0]], NINE.read(index.table["path"][0]), atol=1 / 65535)
    assert len(set(keys)) == len(keys) and len({store.facts(key)["content"] for key in keys}) == len(keys)


def test_hits_and_named_lesions_agree(scans):
    """Without a lesion column the radius decides, across frames; with one the name does."""
    data = replace(DATA, index=str(scans / "index.csv"))
    found = read_index(data).candidates
    assert len(found.scans) == 24 and len(found.lesions) == 46
    table = pd.read_csv(scans / "index.csv").assign(lesion=np.where(found.lesion >= 0, "0", ""))
    table.to_csv(scans / "named.csv", index=False)
    named = read_index(replace(data, index=str(scans / "named.csv"), lesion="lesion")).candidates
    assert named.lesion.tolist() == found.lesion.tolist() and named.note == ""
    alone = read_index(replace(data, index=str(scans / "named.csv"), lesion="lesion", reference=None)).candidates
    assert len(alone.lesions) == 22 and "look better than they are" in alone.note


def test_scans_without_candidates_follow_their_patients(scans):
    index = read_index(replace(DATA, index=str(scans / "index.csv")))
    table = index.table.assign(fold=0, split="train")
    table.loc[table["patient"] == "p0", "split"] = "test"
    here = counted(index.candidates, table, 0)
    assert list(index.candidates.scans["patient"][here].unique()) == ["p0"] and here.sum() == 2  # two scans of p0
    assert counted(index.candidates, table.assign(fold=1), 0).all()
    given = index.candidates.scans.assign(split="train")
    none = replace(index.candidates, scans=given.assign(split=np.where(given["patient"] == "p5", "", "train")))
    with pytest.raises(BadInput, match="a patient without candidates has no split"):
        counted(none, table, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"x": "1e9", "label": 0},
            r"0\.nii\.gz@lps:1000000000,.* the place lies outside of its volume, .* LPS, RAS or",
        ),
        ({"x": "left"}, r"index\.csv, row 2 \(the header is row 1\): the place 'left .*' came, expected three numbers"),
        ({"z": "nan"}, "expected three numbers x y z"),
        ({"frame": "scanner"}, "the frame 'scanner' came, expected lps, ras, voxel"),
        ({"label": 0}, r"1 candidates are labelled negative, but on one of the reference, in row 2 .* frame"),
        ({"patient": "p7"}, "rows of different patients name the same file, row"),
    ],
)
def test_bad_candidates(scans, tmp_path, change, message):
    table = pd.read_csv(scans / "index.csv", dtype=str)
    for name, value in change.items():
        table.loc[0, name] = str(value)
    for name, cells in (("index.csv", table), ("lesions.csv", pd.read_csv(scans / "lesions.csv", dtype=str))):
        cells["series"] = [str(scans / file) for file in cells["series"]]
        cells.to_csv(tmp_path / name, index=False)
    with pytest.raises(BadInput, match=message):
        index = read_index(replace(DATA, index=str(tmp_path / "index.csv")))
        Store(NINE, tmp_path / "store").add(index.table["path"], progress=False)


def test_rows_that_are_left_out_take_their_scans_along(scans):
    whole = replace(DATA, index=str(scans / "index.csv"))
    found = read_index(replace(whole, where="patient != p0")).candidates  # of scans 0 and 20
    assert len(found.scans) == 22 and len(found.lesions) == 42 and "p0" not in set(found.scans["patient"])
    with pytest.raises(BadInput, match=r"lesions\.csv has no column 'label' \(--data\.where\)"):
        read_index(replace(whole, where="label >= 0"))


def test_bad_reference_and_columns(scans):
    data = replace(DATA, index=str(scans / "index.csv"))
    lesions = pd.read_csv(scans / "lesions.csv", dtype=str)
    for name, value in (("twice", lesions["lesion"].iloc[0]), ("unnamed", "")):
        lesions.assign(lesion=[*lesions["lesion"][:1], value, *lesions["lesion"][2:]]).to_csv(scans / f"{name}.csv")
        with pytest.raises(BadInput, match=r"is empty, or stands twice in one scan: give each"):
            pd.read_csv(scans / "index.csv").assign(lesion="").to_csv(scans / "other.csv")
            read_index(replace(data, index=str(scans / "other.csv"), lesion="lesion", reference=f"{name}.csv"))
    pd.read_csv(scans / "lesions.csv").assign(patient="p9").to_csv(scans / "others.csv", index=False)
    with pytest.raises(BadInput, match=r"scans belong to one patient in index.csv and to another in others.csv, the"):
        read_index(replace(data, reference="others.csv"))
    with pytest.raises(BadInput, match=r"reference .*none\.csv is not a file.*relative to the folder of the index"):
        read_index(replace(data, reference="none.csv"))
    with pytest.raises(BadInput, match="no column 'frames' that says what its places are"):
        read_index(replace(data, frame="frames"))
    with pytest.raises(BadInput, match=r"no column 'left' \(--data.place\)"):
        read_index(replace(data, place=("left", "y", "z")))


def test_paths_with_places(tmp_path):
    path = placed("/a/b.nii.gz", "ras", (1, -2.5, 3))
    assert path == "/a/b.nii.gz@ras:1,-2.5,3" and place_of(path) == ("/a/b.nii.gz", Place("ras", (1, -2.5, 3)))
    assert file_of(path) == "/a/b.nii.gz" and shown(path) == "b.nii.gz@ras:1,-2.5,3"
    odd = tmp_path / "me@lps:1,2,3"
    odd.touch()
    assert place_of(str(odd)) == (str(odd), None)  # a file that is called so
    with pytest.raises(BadInput, match="have different places"):
        place_of(f"{path}\n/a/c.nii.gz@ras:1,2,3")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shape": (8, 16, 16, 1)}, "size 8 16 16 came with patch='planes', expected 9 planes"),
        ({"patch": "cubes"}, "size 9 16 16 came with patch='cubes', expected equal sides"),
        ({"patch_mm": (16.0, 20.0)}, "expected one positive size in mm"),
        ({"patch_mm": ()}, "expected one positive size in mm"),
        ({"spacing_mm": (1.0, 1.0, 1.0)}, "spacing_mm came with patch='planes'"),
        ({"patch": "cubes", "shape": (8, 8, 8, 3), "patch_mm": (8.0, 16.0)}, "2 cubes make 2 channels"),
    ],
)
def test_bad_patches(fields, message):
    with pytest.raises(BadInput, match=message):
        replace(NINE, **fields)
    with pytest.raises(BadInput, match="no place came"):
        NINE.read("scan.nii.gz")
    with pytest.raises(BadInput, match=r"a place \(lps\) came for an input that is no patch"):
        Input(shape=(8, 8, 8, 1)).read("scan.nii.gz@lps:1,2,3")


def test_cubes_of_several_sizes_are_channels(scans):
    index = read_index(replace(DATA, index=str(scans / "index.csv")))
    spec = Input(shape=(8, 8, 8, 2), patch="cubes", patch_mm=(8.0, 24.0), window=(100.0, 200.0))
    small, large = np.moveaxis(spec.read(index.table["path"][0]), -1, 0)
    assert small.mean() > large.mean() + 0.2  # the ball of 8 mm fills the one, not the other


def test_balanced_epochs(scans):
    index = read_index(replace(DATA, index=str(scans / "index.csv")))
    store = Store(NINE, scans / "store")
    keys = np.array(store.add(index.table["path"], progress=False))
    few = np.concatenate([np.flatnonzero(index.labels[:, 0] == 1)[:4], np.flatnonzero(index.labels[:, 0] == 0)[:20]])

    def epoch(number, **options):
        options = {"batch": 8, "seed": 1, "epoch": number, "shuffle": True, "balanced": True} | options
        pairs = [(x.numpy(), y.numpy()) for x, y in batches(store, keys[few], index.labels[few], **options)]
        return [np.concatenate(each) for each in zip(*pairs, strict=True)]

    images, labels = epoch(0)
    assert labels.sum() == 12 and len(labels) == 24 and all(labels.reshape(3, 8).sum(1) == 4)
    seen = {image.tobytes() for image in images[labels[:, 0] == 1]}
    assert len(seen) == 4  # every one of the rare class
    np.testing.assert_array_equal(images, epoch(0)[0])
    assert not np.array_equal(images, epoch(1)[0])
    assert epoch(0, balanced=False)[1].sum() == 4


@pytest.fixture(scope="module")
def run(scans, tmp_path_factory):
    recipe = Recipe(
        models=("multistream_tiny",), weights=None, ways=("scratch",), head="paper", size=(9, 16, 16),
        patch="planes", patch_mm=(16.0,), window=(100.0, 200.0), data=replace(DATA, index=str(scans / "index.csv")),
        scratch=Phase(epochs=6, learning_rate=1e-2), batch=16, bootstrap=100, balanced=True,
        out=str(tmp_path_factory.mktemp("run") / "run"),
    )  # fmt: skip
    return radzoo.run(recipe)


def test_froc_of_a_run_is_that_of_a_count(run, scans):
    """The curve again, from predictions.csv and the two CSVs, with nothing of radzoo's."""
    told = run.metrics["rows"][0]["test"]["froc"]
    kept = pd.read_csv(run.folder / "predictions.csv")
    kept = kept[(kept["split"] == "test") & (kept["way"] == "scratch")]
    rows = pd.read_csv(scans / "index.csv").loc[kept["row"]].assign(score=kept.iloc[:, -1].to_numpy())
    reference = pd.read_csv(scans / "lesions.csv")
    parts = pd.read_csv(run.folder / "split.csv").drop_duplicates("patient").set_index("patient")["split"]
    there = reference[reference["patient"].map(parts).eq("test")]
    assert told["scans"] == there["series"].nunique() and told["planes"] == 20 * told["scans"]
    assert told["lesions"] == there["x"].notna().sum() and told["without_candidate"] >= told["lesions"] / 2
    best = rows[rows["label"] == 1].groupby("series")["score"].max()  # one lesion per scan has candidates
    for entry in told["sensitivity"]:
        reached = 0
        for threshold in rows["score"]:
            false = (rows[rows["label"] == 0]["score"] >= threshold).sum()
            if false <= entry["rate"] * told["scans"]:
                reached = max(reached, (best >= threshold).sum())
        assert entry["value"] == pytest.approx(reached / told["lesions"])


def test_the_pages_show_scans_and_lesions(run):
    page = (run.folder / "report.html").read_text()
    assert "Lesions found, and false alarms per scan" in page and "Lesions without any candidate" in page
    assert "Too few patients were tested for a curve" in page and "At one false positive per scan" not in page
    before = (run.folder / "candidates.html").read_text()
    assert before.count("data:image/jpeg") == 16 and "Does each ring lie where it should?" in before
    assert not re.search(r"\.nii|scans0", page + before)  # no paths


def test_a_finished_run_predicts_places(run, scans):
    index = read_index(replace(DATA, index=str(scans / "index.csv")))
    row = int(np.flatnonzero(index.labels[:, 0] == 1)[0])
    kept = pd.read_csv(run.folder / "predictions.csv")
    table = radzoo.predict(run.folder, [index.table["path"][row], index.table["path"][row + 3]], progress=False)
    assert table["label"].between(0, 1).all() and table["file"][0].endswith(index.table["path"][row][-12:])
    test = kept[(kept["split"] == "test") & (kept["way"] == "scratch")].iloc[0]
    table = radzoo.predict(run.folder, [index.table["path"][int(test["row"])]], progress=False)
    assert table["label"][0] == pytest.approx(test["label"], abs=1e-5)
    with pytest.raises(BadInput, match="no place came: name one in the volume"):
        radzoo.predict(run.folder, [str(scans / "0.nii.gz")], progress=False)
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert manifest["input"]["patch"] == "planes" and manifest["input"]["patch_mm"] == [16.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch": "none"}, "patch='none' came with data.place"),
        ({"models": ("resnet_tiny",)}, "for resnet_tiny, whose kernels would mix planes: pass --streams late"),
        ({"patch_mm": ()}, "came without its size: pass --patch_mm"),
        ({"data": replace(DATA, place=None)}, "patch='planes' came with data.place=None"),
        ({"patch": "none", "data": replace(DATA, place=None)}, "came without data.place"),
        ({"unit": "patient"}, "--unit patient came with lesions"),
        ({"balanced": True, "task": "regression"}, "balanced came for a regression"),
    ],
)
def test_recipes_that_contradict_themselves(changes, message):
    fields = {"models": ("multistream_tiny",), "weights": None, "patch": "planes", "patch_mm": (16.0,), "data": DATA}
    with pytest.raises(BadInput, match=message):
        radzoo.run(Recipe(**fields | changes))


def test_a_ring_marks_the_place_with_the_right_of_the_patient_on_the_left(tmp_path):
    """A ball to the left, in front and towards the head, in a volume that is stored the other way round."""
    values = np.full((40, 40, 40), 60.0, "float32")  # z y x, LPS
    values[30:34, 6:10, 28:32] = 180
    affine = nibabel.Nifti1Image(values.transpose(2, 1, 0), np.diag([-1.0, -1.0, 1.0, 1.0]))
    nibabel.save(nibabel.as_closest_canonical(affine), tmp_path / "scan.nii.gz")
    image = picture(NINE, placed(str(tmp_path / "scan.nii.gz"), "lps", (29.5, 7.5, 31.5)))
    side = 256  # of each plane: all sides are 40 mm
    expected = {"axial": (7.5, 29.5), "coronal": (39 - 31.5 + 40, 29.5), "sagittal": (39 - 31.5 + 40, 7.5 + 40)}
    yellow = image[..., 0] - image[..., 2] > 0.5
    for down, right in expected.values():
        y, x = ((each + 0.5) * side / 40 for each in (down, right))
        around = yellow[int(y) - 14 : int(y) + 14, int(x) - 14 : int(x) + 14]
        assert around.sum() > 30 and image[int(y), int(x)].min() > 0.6  # a ring, and the ball within it
        yellow[int(y) - 14 : int(y) + 14, int(x) - 14 : int(x) + 14] = False
    assert not yellow.any()


def test_thick_planes_are_said(tmp_path):
    index = Data(image="series", label="label", place=("x", "y", "z"), frame="lps")
    rows = []
    for number, thick in enumerate((3.0, 2.0)):
        values = np.random.default_rng(number).normal(100, 10, (20, 20, 20)).astype("float32")
        nibabel.save(nibabel.Nifti1Image(values, np.diag([-1, -1, thick, 1])), tmp_path / f"{number}.nii.gz")
        rows += [(f"{number}.nii.gz", 10, 10, 20, 0), (f"{number}.nii.gz", 9, 10, 20, 1)]
    pd.DataFrame(rows, columns=["series", "x", "y", "z", "label"]).to_csv(tmp_path / "index.csv", index=False)
    read = read_index(replace(index, index=str(tmp_path / "index.csv")))
    store = Store(NINE, tmp_path / "store")
    notes = with_scans(read, store, store.add(read.table["path"], progress=False)).notes
    assert notes[-1].startswith("1 of 2 volumes have planes more than 2.5 mm apart (up to 3 mm): the oblique ones")


def test_voxels_of_a_series_are_those_of_simpleitk(real_data):
    """Column, row and plane along the normal, on a real CT series."""
    import SimpleITK

    folder = str(real_data / "dicom_series" / "siemens_ct_20slices")
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(folder))
    theirs, ours = reader.Execute(), read(folder)
    for voxel in ((0, 0, 0), (100.5, 200.25, 7), (511, 511, 19)):
        lps = theirs.TransformContinuousIndexToPhysicalPoint(voxel)
        np.testing.assert_allclose(ours.position(Place("voxel", voxel)), lps, atol=1e-3)
    sampled = theirs.EvaluateAtContinuousIndex((256.0, 256.0, 10.0))
    z, y, x = np.rint(ours.voxels([ours.position(Place("voxel", (256, 256, 10)))])[0]).astype(int)
    assert ours.values[z, y, x] == sampled


def test_a_run_does_not_go_on_with_another_reference(run, scans):
    lesions = (scans / "lesions.csv").read_text()
    try:
        pd.read_csv(scans / "lesions.csv").iloc[:-1].to_csv(scans / "lesions.csv", index=False)
        with pytest.raises(BadInput, match="the reference or the other columns of the index are not those"):
            radzoo.resume(run.folder)
    finally:
        (scans / "lesions.csv").write_text(lesions)
