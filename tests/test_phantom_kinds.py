"""Phantoms beside the chest: files and index of every kind, geometry and physics against known values, no giveaways."""

import csv
import hashlib

import numpy as np
import pydicom
import pytest

from radzoo.data import read_index
from radzoo.data.sources import from_phantoms
from radzoo.errors import BadInput
from radzoo.images import phantoms, read, volumes
from radzoo.images.phantoms import (
    brain_mr,
    findings,
    hand,
    hand_bones,
    hippocampus,
    liver_ct,
    liver_mr,
    lung_texture,
    mammogram,
    mammography_lesions,
    radiograph,
    texture,
    tuberculosis,
)  # fmt: skip
from radzoo.images.phantoms.beam import SCANNERS, Rays
from radzoo.images.phantoms.thorax import Pose
from radzoo.recipe import Data

STILL = Pose(right=0, down=0, tilt=0, yaw=0, inspiration=0, exposure=1)
VALUES = {  # of the label column; None is any number
    "tuberculosis": {"0", "1"},
    "hand": None,
    "mammogram": set("abcd"),
    "mammography_lesions": {"0", "1"},
    "brain_mr": {"methylated", "unmethylated", "no_tumour"},
    "lung_texture": set(lung_texture.PATTERNS),
    "liver_ct": set("ABCDE"),
    "liver_mr": set("01234"),
}
MODALITY = {"hand": "DX", "mammogram": "MG", "mammography_lesions": "MG", "brain_mr": "MR", "liver_mr": "MR"}
WINDOW = {"lung_texture": (-500, 1500), "liver_ct": (60, 400)}


def rng(seed=0):
    return np.random.default_rng(seed)


def digest(folder):
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(name): hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def table(index):
    with open(index, encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


# files


@pytest.mark.parametrize("kind", VALUES)
def test_index_and_images(kind, tmp_path):
    index = phantoms.write(tmp_path / "set", kind, patients=5, seed=2, size=48)
    rows, columns = table(index), phantoms.KINDS[kind].image
    assert list(rows[0])[: len(columns) + 1] == [*columns, "patient_id"] and list(rows[0])[-1] == "synthetic"
    assert {row["patient_id"] for row in rows} == {f"phantom-{n:04d}" for n in range(1, 6)}
    assert len({row[name] for row in rows for name in columns}) == len(rows) * len(columns)  # a file each
    (label,) = phantoms.KINDS[kind].label
    for row in rows:
        assert row["synthetic"] == "1" and (row[label] in VALUES[kind] if VALUES[kind] else float(row[label]) > 0)
        for name in columns:
            pixels = read(index.parent / row[name], WINDOW.get(kind, "header"))
            assert pixels.values.shape == (48, 48) and pixels.values.std() > 0.02
            assert pixels.modality == MODALITY.get(kind, pixels.modality) and pixels.burnt_in is None
            header = pydicom.dcmread(index.parent / row[name])
            assert header.PatientID == row["patient_id"] and header.StudyDate == ""
    again = phantoms.write(tmp_path / "again", kind, patients=5, seed=2, size=48)
    other = phantoms.write(tmp_path / "other", kind, patients=5, seed=3, size=48)
    assert digest(again.parent) == digest(index.parent)
    common = [name for name in digest(other.parent).keys() & digest(again.parent).keys() if name.endswith(".dcm")]
    assert common and all(digest(other.parent)[name] != digest(again.parent)[name] for name in common)


def test_pneumonia_is_an_npz(tmp_path):
    index = phantoms.write(tmp_path / "set", "pneumonia", patients=10)
    assert index.name == "images.npz"
    with np.load(index) as arrays:
        assert [len(arrays[f"{part}_images"]) for part in ("train", "val", "test")] == [7, 1, 2]
        assert arrays["train_images"].shape[1:] == (28, 28) and arrays["train_images"].dtype == np.uint8
        assert arrays["train_labels"].shape == (7, 1) and set(arrays["train_labels"].ravel()) == {0, 1}
    assert digest(phantoms.write(tmp_path / "again", "pneumonia", patients=10).parent) == digest(index.parent)


def test_hounsfield_units_are_stored_as_they_are(tmp_path):
    index = phantoms.write(tmp_path / "set", "lung_texture", patients=1, seed=5)
    header = pydicom.dcmread(index.parent / table(index)[0]["file"])
    (first, _), *_ = lung_texture.patient(rng([5, 1]), 32)
    stored = header.pixel_array * float(header.RescaleSlope) + float(header.RescaleIntercept)
    assert stored == pytest.approx(np.maximum(first["file"].values, -1024), abs=0.5)
    assert header.Modality == "CT" and header.PixelSpacing == [0.7, 0.7]


def test_hippocampi_are_volumes_of_known_millilitres(tmp_path):
    """The tube in a crop without noise has the volume that the index says, and the crop's size says nothing of it."""
    index = phantoms.write(tmp_path / "set", "hippocampus", patients=5, seed=2, size=48)
    rows = table(index)
    assert list(rows[0]) == ["file", "patient_id", "scanner", "volume_ml", "synthetic"] and len(rows) == 5
    assert len({row["volume_ml"] for row in rows}) == 5
    for row in rows:
        found = volumes.read(index.parent / row["file"])
        assert found.spacing_mm == (1, 1, 1) and found.values.dtype == "int16"
        assert found.positions([(np.array(found.values.shape) - 1) / 2]) == pytest.approx(np.zeros((1, 3)), abs=1e-6)
    again = phantoms.write(tmp_path / "again", "hippocampus", patients=5, seed=2, size=48)
    assert digest(again.parent) == digest(index.parent)
    drawn = [hippocampus.crop(rng(seed), 56) for seed in range(200)]
    millilitres, sizes = np.array([ml for _, ml, _ in drawn]), [values.size for values, _, _ in drawn]
    assert 2.9 < millilitres.mean() < 3.5 and 0.35 < millilitres.std() < 0.55
    assert abs(np.corrcoef(millilitres, sizes)[0, 1]) < 0.2
    z, y, x = np.indices((40, 40, 40)).astype("float32") - 19.5
    inside = hippocampus.tube(rng(1), z, y, x, 56)
    finer = np.indices((120, 120, 120)).astype("float32") / 3 - 19.5 - 1 / 3
    assert inside.sum() == pytest.approx(hippocampus.tube(rng(1), *finer, 56).sum() / 27, rel=0.03)


@pytest.mark.parametrize("kind", [*VALUES, "pneumonia", "hippocampus", "liver_phases"])
def test_a_recipe_finds_its_columns(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("RADZOO_CACHE", str(tmp_path))
    monkeypatch.setitem(phantoms.SETS, kind, {"kind": kind, "patients": 12, "size": 48})
    task = "regression" if kind in ("hand", "liver_mr", "hippocampus") else "auto"
    index = read_index(Data(index=f"phantom:{kind}", label=phantoms.KINDS[kind].label, image="picture"), task)
    assert index.synthetic and len(index.labels) == len(index.table) >= 12
    assert not any("instead" in note for note in index.notes)
    if kind != "pneumonia":
        assert index.table["patient"].nunique() == 12


def test_what_the_phantoms_lack_is_replaced_and_said(tmp_path, monkeypatch):
    monkeypatch.setenv("RADZOO_CACHE", str(tmp_path))
    for kind in ("liver_ct", "pneumonia"):
        monkeypatch.setitem(phantoms.SETS, kind, {"kind": kind, "patients": 3, "size": 32})
    ct, notes = {"index": "phantom:liver_ct", "split": "part"}, []
    data = from_phantoms(Data(**ct, image="arterial", label="histology", classes=("x", "y")), notes)
    assert (*data.image,) == ("arterial",) and data.label == ("category",) and data.classes == () and data.split is None
    assert "no label histology: the label is category" in notes[0] and data.patient == "patient_id"
    assert from_phantoms(Data(**ct, image="file", label="category"), []).image == ("plain", "arterial", "delayed")
    with pytest.raises(
        BadInput, match=r"no label 'categorie', did you mean category.* they have category, diameter_mm"
    ):
        from_phantoms(Data(**ct, label="categorie"), [])
    data = from_phantoms(Data(index="phantom:pneumonia", label="tb", patient="who", split="split"), notes)
    assert data.label == ("pneumonia",) and data.patient is None and data.split == "split" and len(notes) == 2


# shapes


def test_shapes_and_fields():
    x, y = texture.grid(101, 0.5)
    assert texture.soft(texture.ellipse(x, y, (3, -2), (10, 6), 0.4), 0.5).sum() * 0.25 == pytest.approx(
        np.pi * 60, rel=0.05
    )
    inside = texture.lobulated(rng(), x, y, (0, 0), 10.0, 0.0)
    assert inside == pytest.approx(10 - np.hypot(x, y), abs=1e-4)
    power = np.mean([np.abs(np.fft.fft2(texture.field(rng(i), 128, 3.0, 64, 0.25))) ** 2 for i in range(8)], axis=0)
    f = np.hypot(*np.meshgrid(*[np.fft.fftfreq(128)] * 2))
    band = [power[(f > low) & (f < 1.25 * low)].mean() for low in (0.06, 0.24)]
    assert np.log(band[0] / band[1]) / np.log(4) == pytest.approx(3.0, abs=0.4)
    wall, shade = texture.cells(rng(), 64, 8.0)
    assert wall.min() >= 0 and 50 < len(np.unique(shade)) < 130  # 64 cells, and those at the border


# chest


def test_a_cavity_by_hand():
    grid = Rays.of(SCANNERS[0], 255)
    ball = findings.Ball((0, 0, 0), (15, 15, 15), 0.0, 1.05, "tb", hollow=0.8)
    added = findings.lumps([ball], grid, STILL, lambda points: points, 0.2)
    middle = 0.1 * (30 * (1.05 - 0.2) - 24 * 1.05)  # 30 mm of tissue for lung, less 24 mm of it: .03 g/cm^2
    assert added[127, 127] == pytest.approx(middle, abs=0.005) and added.max() > 0.8  # along the wall


def test_tuberculosis_lies_in_the_upper_lungs_and_leaves_the_anatomy():
    for seed in range(6):
        one = radiograph.draw_patient(rng(seed), ("effusion",))
        lesions = tuberculosis.infect(rng(seed), one.thorax, one.lesions)
        assert lesions.effusion == one.lesions.effusion
        assert len(lesions.balls) >= 3
        middle = one.thorax.apex + 0.6 * (one.thorax.dome - one.thorax.apex)
        assert np.mean([ball.centre[1] < middle for ball in lesions.balls]) > 0.8


# hand


def _hand(months, seed=1, size=160):
    return hand.hand(rng(seed), hand_bones.Growth(months, np.ones(34)), size)


def test_bones_come_and_plates_close():
    growth = hand_bones.Growth(60, np.ones(34))
    present = {name for i, (name, bone) in enumerate(hand_bones.CARPALS.items()) if growth.carpal(bone[-1], i)}
    assert present == {"capitate", "hamate", "triquetrum", "lunate"}  # the other four come later
    assert growth.plate(17, 190, 0)[1] < 0.01 < 0.99 < hand_bones.Growth(216, np.ones(34)).plate(17, 190, 0)[1]
    x, y = np.meshgrid(np.arange(-6, 6, 0.1), np.arange(-2, 32, 0.1))
    mass = {}
    for months in (120, 216):
        canvas = hand_bones.Canvas(x, y, 1.0)
        bone = (28.0, 3.1, 5.1, 24, 192)
        hand_bones.digit(canvas, hand_bones.Growth(months, np.ones(34)), np.zeros(2), 0.0, bone, 0, False, False)
        plate = 0.42 * 5.1 + 0.8 + 0.75  # the middle of the gap
        mass[months] = canvas.mass[np.argmin(np.abs(y[:, 0] - plate)), np.abs(x[0]) < 3].mean()
    assert mass[120] < 0.15 < mass[216]


def test_a_left_hand_with_its_thumb_on_the_right_and_bones_inside_its_flesh():
    bone, flesh, _ = _hand(150)
    assert (bone[flesh < 0.05] > 0.05).mean() < 0.002
    columns = np.flatnonzero((flesh > 0.3).any(0))
    reach = [np.flatnonzero(flesh[:, column] > 0.3).min() for column in columns]
    finger = columns[np.argmin(reach)]  # the middle finger's tip
    assert columns[-1] - finger > finger - columns[0]


def test_a_girl_is_ahead_of_a_boy():
    assert hand.maturity(108, True) == pytest.approx(132) and hand.maturity(108, False) == 108
    assert np.diff([hand.maturity(month, True) for month in range(1, 217)]).min() > 0  # later never looks earlier
    seen = [next(hand.patient(rng(i), 48)) for i in range(12)]
    assert {cells["sex"] for _, cells in seen} == {"F", "M"}
    assert all(pictures["file"].spacing is None and 1 <= cells["bone_age"] <= 216 for pictures, cells in seen)


# breast


@pytest.mark.parametrize("share", [0.1, 0.4, 0.6, 0.9])
def test_density_is_the_share_of_the_breast(share):
    thickness, gland, inside = mammogram.breast(rng(3), share, np.zeros(4), 128)
    assert (gland[inside] > 0.36).mean() == pytest.approx(share, abs=0.07)
    assert thickness[~inside].max() == 0 and thickness.max() == pytest.approx(52, abs=1)


def test_sides_lie_at_their_own_wall():
    for pictures, cells in mammogram.patient(rng(), 96):
        values = pictures["file"].values
        wall, away = values[:, :10].mean(), values[:, -10:].mean()
        assert (wall > away) if cells["laterality"] == "L" else (wall < away)
        assert dict(pictures["file"].tags)["ImageLaterality"] == cells["laterality"]


def test_spicules_run_out_of_the_centre():
    x, y = texture.grid(125, 0.4)
    for lesion in (True, False):
        ratios = []
        for seed in range(10):
            drawn = mammography_lesions.lines(rng(seed), lesion, x, y, (0, 0), 6.0)
            dy, dx = np.gradient(drawn)
            r = np.maximum(np.hypot(x, y), 1)
            outward, across = (dx * x + dy * y) / r, (dx * y - dy * x) / r
            ratios.append((across**2).sum() / (outward**2).sum())
        assert np.median(ratios) > 4 if lesion else 0.3 < np.median(ratios) < 3


# slices


def _phase_means(category, seed, radius=20.0):
    organ = [58.0, 72.0, 98.0]
    images = liver_ct.phases(rng(seed), category, radius, organ, 1.0, 96)
    x, y = texture.grid(96)
    core = np.hypot(x, y) < 8  # the mass is at most 8.5 mm off
    return np.array([image[core].mean() - level for image, level in zip(images, organ, strict=True)])


@pytest.mark.parametrize(
    ("category", "low", "high"),
    [
        ("A", (-35, 12, -45), (5, 50, -2)),  # bright, then washed out
        ("B", (-45, -50, -50), (0, 0, 0)),  # the core stays below the liver
        ("C", (-20, -12, -20), (8, 22, 10)),
        ("D", (-35, -20, 5), (0, 45, 35)),  # fills
        ("E", (-70, -85, -110), (-30, -45, -70)),  # water
    ],
)
def test_enhancement(category, low, high):
    means = np.median([_phase_means(category, seed) for seed in range(9)], axis=0)
    assert (means > low).all() and (means < high).all(), means


def test_lung_textures_differ_as_they_should():
    made = {
        name: np.stack([lung_texture.texture(rng(i), name, 40, -850.0) for i in range(20)])
        for name in lung_texture.PATTERNS
    }
    mean = {name: np.median(values) for name, values in made.items()}
    spread = {name: np.mean([np.std(value) for value in values]) for name, values in made.items()}
    assert mean["normal"] == pytest.approx(-850, abs=15) and mean["micronodules"] == pytest.approx(-850, abs=40)
    assert mean["normal"] < mean["ground_glass"] - 100 < mean["consolidation"] - 300
    assert spread["micronodules"] > spread["ground_glass"] / 2 and spread["honeycombing"] > 1.6 * spread["normal"]
    assert np.percentile(made["honeycombing"], 5) < -920  # air in the cysts


def test_fibrosis_takes_uptake_and_smoothness():
    def liver(severity, seed):
        image = liver_mr.slice_of(rng(seed), severity, (0, 0), 3.0, 96)[38:58, 38:58]
        return np.percentile(image, 75), np.median(np.abs(np.diff(image, axis=1))) / np.median(image)

    (bright, smooth), (dim, rough) = (np.mean([liver(s, i) for i in range(8)], axis=0) for s in (0, 4))
    assert dim < bright - 0.08 and rough > 1.2 * smooth


def test_mottling_is_all_that_methylation_changes():
    x, y = texture.grid(144, 1.6)
    flat = np.full((144, 144), 0.4, "float32")
    solid, steep = [], {True: [], False: []}
    for seed in range(6):
        pair = {m: brain_mr.tumour(rng(seed), flat, x + 0 * y, y + 0 * x, 24.0, m, 1.6) for m in (True, False)}
        where = np.abs(pair[True] - pair[False]) > 0.01
        assert not where[np.hypot(x, y) > 45].any()  # what lies around is the same to the last number
        solid.append(np.mean(where))
        for methylated, image in pair.items():
            steep[methylated].append(np.median(np.hypot(*np.gradient(image))[where]))
    assert 0.01 < np.mean(solid) < 0.08
    assert np.mean(steep[False]) > 1.25 * np.mean(steep[True])


# labels


@pytest.mark.slow
@pytest.mark.parametrize("kind", VALUES)
def test_scanner_does_not_tell_the_label(kind, tmp_path):
    from scipy.stats import chi2_contingency, kruskal

    rows = table(phantoms.write(tmp_path / "set", kind, patients=150, seed=9, size=32))
    rows = list({row["patient_id"]: row for row in rows}.values())  # one each
    label, names = phantoms.KINDS[kind].label[0], sorted({row["scanner"] for row in rows})
    if VALUES[kind] is None:
        groups = [[float(row[label]) for row in rows if row["scanner"] == name] for name in names]
        assert kruskal(*groups).pvalue > 0.01
        return
    values = sorted({row[label] for row in rows})
    counts = [[sum(row["scanner"] == n and row[label] == v for row in rows) for n in names] for v in values]
    assert chi2_contingency(counts).pvalue > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tuberculosis", "mammography_lesions"])
def test_grey_levels_alone_do_not_tell_the_label(kind, tmp_path):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from radzoo.baselines.grey import grey_levels

    index = phantoms.write(tmp_path / "set", kind, size=96)
    rows, label = table(index), phantoms.KINDS[kind].label[0]
    greys = np.stack([grey_levels(read(index.parent / row["file"]).values[..., None]) for row in rows])
    truth, patients = np.array([int(row[label]) for row in rows]), [row["patient_id"] for row in rows]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    scores = cross_val_predict(model, greys, truth, groups=patients, cv=folds, method="predict_proba")[:, 1]
    assert roc_auc_score(truth, scores) < 0.7
