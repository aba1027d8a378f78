"""Phantoms that are volumes: tables, frames and geometry of lung nodules, tissues in HU, shapes by hand, giveaways."""

import csv
import hashlib
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from radzoo.images import phantoms, volumes
from radzoo.images.phantoms import (
    liver_ct,
    liver_phases,
    lung_block,
    lung_candidates,
    lung_ct,
    lung_nodules,
    nodules,
    solid,
    texture,
)
from radzoo.images.phantoms.solid import Grid
from radzoo.metrics.froc import hits

PATIENTS, SIDE = 6, 64


def rng(seed=0):
    return np.random.default_rng(seed)


def table(file):
    with open(file, encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def digest(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def lps(row, folder):
    """The place of a row in LPS mm, by nibabel's own words."""
    place = np.array([float(row[axis]) for axis in "xyz"])
    if row["frame"] == "voxel":
        place = nibabel.affines.apply_affine(nibabel.load(folder / row["series"]).affine, place)
    return place if row["frame"] == "lps" else place * (-1, -1, 1)


@pytest.fixture(scope="module")
def lungs(tmp_path_factory):
    return phantoms.write(tmp_path_factory.mktemp("lungs") / "set", "lung_ct", patients=PATIENTS, seed=1, size=SIDE)


# lung nodules


def test_three_tables_of_lungs(lungs, tmp_path):
    folder = lungs.parent
    place, who = ["series", "x", "y", "z", "frame"], ["lesion_id", "patient_id", "scanner", "synthetic"]
    candidates, lesions, found = (table(folder / f"{name}.csv") for name in ("candidates", "lesions", "nodules"))
    assert lungs.name == "candidates.csv"
    assert list(candidates[0]) == [*place, "label", *who] and list(found[0]) == [*place, "malignant", *who]
    assert list(lesions[0]) == [*place, "diameter_mm", "malignant", *who]
    scans = {f"images/{number:04d}.nii.gz" for number in range(1, PATIENTS + 1)}
    assert {row["series"] for row in lesions} == scans  # a scan without candidates is known by its lesions
    assert scans - {row["series"] for row in candidates} == {f"images/{lung_ct.WITHOUT_CANDIDATES:04d}.nii.gz"}
    empty = [row for row in lesions if not row["lesion_id"]]
    assert {row["patient_id"] for row in empty} >= {f"phantom-{lung_ct.WITHOUT_NODULES:04d}"}
    assert all(row["x"] == row["y"] == row["z"] == row["diameter_mm"] == row["malignant"] == "" for row in empty)
    assert [row["lesion_id"] for row in found] == [row["lesion_id"] for row in lesions if row["lesion_id"]]
    assert all((row["label"] == "1") == bool(row["lesion_id"]) for row in candidates)
    assert {row["frame"] for row in (*candidates, *lesions, *found)} == {"lps", "ras", "voxel"}
    again = phantoms.write(tmp_path / "again", "lung_ct", patients=2, seed=1, size=SIDE).parent
    other = phantoms.write(tmp_path / "other", "lung_ct", patients=2, seed=2, size=SIDE).parent
    assert all(digest(folder)[name] == value for name, value in digest(again).items() if name.endswith(".gz"))
    assert all(digest(other)[name] != value for name, value in digest(again).items())


def test_every_place_is_on_its_nodule(lungs):
    """In all frames, in the files as they are stored: HU of a nodule there, and a hit of that nodule alone."""
    folder, known = lungs.parent, {}
    axes = set()
    for row in table(folder / "lesions.csv"):
        lesions = known.setdefault(row["series"], {})
        if row["lesion_id"]:
            lesions[row["lesion_id"]] = (lps(row, folder), float(row["diameter_mm"]) / 2)
    for name in ("candidates", "nodules"):
        for row in table(folder / f"{name}.csv"):
            image, place, lesions = nibabel.load(folder / row["series"]), lps(row, folder), known[row["series"]]
            axes.add("".join(nibabel.aff2axcodes(image.affine)))
            (hit,) = hits([place], [where for where, _ in lesions.values()], [radius for _, radius in lesions.values()])
            assert (list(lesions)[hit] if hit >= 0 else "") == row["lesion_id"]
            voxel = nibabel.affines.apply_affine(np.linalg.inv(image.affine), place * (-1, -1, 1))
            assert (voxel > 4).all() and (voxel < np.array(image.shape) - 5).all()
            if row["lesion_id"]:
                assert image.dataobj[tuple(np.rint(voxel).astype(int))] > -620  # lung is -855
            read = volumes.read(folder / row["series"])
            assert read.voxels([place])[0] == pytest.approx(_turned(voxel, image)[::-1], abs=1e-3)
    assert axes == {"RAS", "LPS", "LAS"}


def _turned(voxel, image):
    """A stored voxel `(i, j, k)` as that of the file turned to LPS."""
    mirrored = [code != want for code, want in zip(nibabel.aff2axcodes(image.affine), "LPS", strict=True)]
    return np.where(mirrored, np.array(image.shape) - 1 - voxel, voxel)


def test_tissues_have_their_hounsfield_units():
    grid = Grid((100, 133, 133), (0.9, 0.9, 0.9))
    block = lung_block.grow(rng(3), grid, 120)
    deep = block.hu[block.inside > 4]
    assert np.median(deep) == pytest.approx(-855, abs=45) and np.percentile(deep, 2) < -860
    assert 0.2 < (block.inside > 0).mean() < 0.8 and deep.max() < 60
    thick = block.vessels[:60][lung_block.distance(grid, block.inside, block.vessels[:60]) > 2]
    at = tuple(np.rint(thick / grid.step + (np.array(grid.shape) - 1) / 2).astype(int).T)
    assert np.median(block.hu[at]) == pytest.approx(lung_block.BLOOD, abs=15)
    outside = block.hu[block.inside < -3]
    fat, soft, bone = (outside > -130) & (outside < -70), (outside > 10) & (outside < 70), outside > 150
    assert min(fat.mean(), soft.mean(), bone.mean()) > 0.03 and 500 < outside.max() < 900
    shares = [((deep > low) & (deep < high)).mean() for low, high in ((-1000, -920), (-600, 100))]
    assert 0 < shares[0] < 0.1 and 0.01 < shares[1] < 0.15  # air in bronchi, vessels


@pytest.mark.parametrize("malignant", [False, True])
def test_a_nodule_has_the_volume_of_its_ball_and_its_own_shape(malignant):
    grid, spread = Grid((60, 60, 60), (0.9, 0.9, 0.9)), []
    for seed, diameter in enumerate((12, 15, 18)):
        nodule = nodules.draw(rng(seed), (0.3, -0.2, 0.1))
        nodule = replace(nodule, diameter=float(diameter), malignant=malignant, kind="solid")
        hu = np.full(grid.shape, -855, "float32")
        nodules.paint(hu, grid, nodule, np.zeros(grid.shape, "float32"))
        mask = (hu + 855) / (nodule.density + 855)
        assert mask.sum() * 0.9**3 == pytest.approx(np.pi / 6 * diameter**3, rel=0.12)
        z, y, x = (axis - centre for axis, centre in zip(grid.open, nodule.centre, strict=True))
        apart = np.sqrt(z**2 + y**2 + x**2)
        assert mask[apart < nodules.CORE * diameter / 2].min() > 0.5  # candidates are drawn within
        spread.append(apart[mask > 0.3].max() / (diameter / 2))
    assert min(spread) > 1.45 if malignant else max(spread) < 1.3


def test_nothing_but_shape_tells_malignant_from_benign():
    from scipy.stats import chi2_contingency, ks_2samp

    drawn = [nodules.draw(rng(seed), (0, 0, 0)) for seed in range(600)]
    truth = np.array([each.malignant for each in drawn])
    assert 0.45 < truth.mean() < 0.55
    for value in ("diameter", "density"):
        values = np.array([getattr(each, value) for each in drawn])
        assert ks_2samp(values[truth], values[~truth]).pvalue > 0.05
    kinds = np.array([each.kind for each in drawn])
    counts = [[(kinds[truth == side] == kind).sum() for kind in set(kinds)] for side in (False, True)]
    assert len(counts[0]) == 3 and chi2_contingency(counts).pvalue > 0.05
    pair = [replace(drawn[0], malignant=malignant) for malignant in (False, True)]
    grid = Grid((40, 40, 40), (1.0, 1.0, 1.0))
    places = [nodules.shape(each, grid)[0] for each in pair]
    assert places[0] == places[1]


def test_a_detector_misses_some_and_calls_some_twice():
    found = [(nodules.draw(rng(seed), (0, 0, 0)), np.zeros(3)) for seed in range(400)]
    called = lung_candidates.call(rng(), found, np.ones((7, 3)))
    times = np.bincount([number for _, number in called if number >= 0], minlength=400)
    assert (times == 0).mean() == pytest.approx(lung_candidates.MISSED, abs=0.04)
    assert (times == 2).mean() == pytest.approx(lung_candidates.TWICE, abs=0.04) and times.max() == 2
    assert sum(number < 0 for _, number in called) == 7
    numbers = np.array([number for _, number in called])
    assert (np.diff(numbers[numbers >= 0]) < 0).any()  # their order tells nothing


def test_nodule_sets_have_some_in_every_patient(tmp_path):
    index = phantoms.write(tmp_path / "set", "lung_nodules", patients=2, seed=1, size=SIDE)
    assert index.name == "nodules.csv" and {row["patient_id"][-4:] for row in table(index)} == {"0001", "0002"}
    assert lung_nodules.PATIENTS * 2 <= 150 <= lung_nodules.PATIENTS * 4


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "label", "most"), [("lung_ct", "label", 0.75), ("lung_nodules", "malignant", 0.62)])
def test_neither_scanner_nor_grey_levels_tell_the_label_of_lungs(kind, label, most, tmp_path):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from radzoo.baselines.grey import grey_levels
    from radzoo.images.volumes.patches import planes

    index = phantoms.write(tmp_path / "set", kind)
    rows, greys, last = table(index), [], ("", None)
    for row in rows:
        if row["series"] != last[0]:
            last = row["series"], volumes.read(index.parent / row["series"])
        seen = planes(last[1], lps(row, index.parent))
        greys.append(grey_levels(np.clip((seen + 1000) / 1400, 0, 1)[..., None]))
    names, frames = (sorted({row[key] for row in rows}) for key in ("scanner", "frame"))
    facts = [[row["scanner"] == name for name in names] + [row["frame"] == name for name in frames] for row in rows]
    truth, patients = np.array([int(row[label]) for row in rows]), [row["patient_id"] for row in rows]
    assert 140 <= truth.sum() <= 220 if label == "label" else 0.4 < truth.mean() < 0.6
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))
    for clues, limit in ((np.array(facts, float), 0.6), (np.stack(greys), most)):
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
        scores = cross_val_predict(model, clues, truth, groups=patients, cv=folds, method="predict_proba")[:, 1]
        assert roc_auc_score(truth, scores) < limit


# liver masses


def test_three_volumes_per_liver(tmp_path):
    index = phantoms.write(tmp_path / "set", "liver_phases", patients=5, seed=2, size=40)
    rows = table(index)
    assert list(rows[0]) == [*liver_ct.PHASES, "patient_id", "scanner", "category", "diameter_mm", "synthetic"]
    assert len(rows) == 5 and {row["category"] for row in rows} <= set(liver_ct.CATEGORIES)
    for row in rows:
        read = [volumes.read(index.parent / row[phase]) for phase in liver_ct.PHASES]
        assert {each.values.shape for each in read} == {(liver_phases.SLICES, 40, 40)}
        assert all((each.affine == read[0].affine).all() and each.values.dtype == "int16" for each in read)
        assert 2.5 <= read[0].spacing_mm[0] <= 3 and 1.1 <= read[0].spacing_mm[1] <= 1.3
        assert not (read[0].values == read[1].values).all()
    again = phantoms.write(tmp_path / "again", "liver_phases", patients=5, seed=2, size=40)
    assert digest(again.parent) == digest(index.parent)


@pytest.mark.parametrize(
    ("category", "low", "high"),
    [
        ("A", (-35, 12, -45), (5, 50, -2)),  # bright, then washed out
        ("B", (-45, -50, -50), (0, 0, 0)),  # the core stays below the liver
        ("C", (-20, -12, -20), (8, 22, 10)),
        ("D", (-35, -20, 5), (0, 45, 35)),  # fills
        ("E", (-80, -95, -120), (-30, -45, -60)),  # water
    ],
)
def test_enhancement_in_depth(category, low, high):
    grid = Grid((20, 36, 36), (2.8, 1.4, 1.4))
    z, y, x = grid.open
    core = np.sqrt(z**2 + y**2 + x**2) < 6
    around = (np.sqrt(z**2 + y**2 + x**2) > 19) & (np.abs(x) < 17)
    means = []
    for seed in range(9):
        images = liver_phases.phases(rng(seed), grid, category, 14.0)
        means.append([np.median(image[core]) - np.median(image[around]) for image in images])
    means = np.median(means, axis=0)
    assert (means > low).all() and (means < high).all(), means


def test_a_breath_moves_the_mass_by_millimetres():
    grid, moved = Grid((24, 48, 48), (2.5, 1.2, 1.2)), []
    axes = grid.open
    for seed in range(12):
        middles = []
        for image in liver_phases.phases(rng(seed), grid, "E", 10.0)[1:]:
            share = np.clip((40 - image) / 34, 0, 1) * (np.sqrt(sum(axis**2 for axis in axes)) < 17) * (image > -20)
            middles.append([(share * axis).sum() / share.sum() for axis in axes])
        moved.append(np.subtract(*middles))
    spread = np.std(moved, axis=0) / np.sqrt(2)
    assert spread == pytest.approx(liver_phases.BREATH, rel=0.5) and np.abs(moved).max() < 10


@pytest.mark.slow
def test_neither_scanner_nor_spacing_nor_size_tells_the_mass():
    from scipy.stats import chi2_contingency, kruskal

    drawn = [liver_phases.crops(rng([5, seed]), 32) for seed in range(250)]
    categories = np.array([cells["category"] for *_, cells in drawn])
    scanners = np.array([cells["scanner"] for *_, cells in drawn])
    counts = [[((categories == c) & (scanners == s)).sum() for s in set(scanners)] for c in liver_ct.CATEGORIES]
    assert chi2_contingency(counts).pvalue > 0.01 and np.sum(counts, axis=1).min() > 30
    for values in (
        np.array([spacing[0] for _, spacing, _ in drawn]),
        np.array([spacing[1] for _, spacing, _ in drawn]),
        np.array([cells["diameter_mm"] for *_, cells in drawn]),
    ):
        assert kruskal(*(values[categories == c] for c in liver_ct.CATEGORIES)).pvalue > 0.01


# shapes in depth


def test_solids_by_hand():
    grid = Grid((40, 60, 60), (0.5, 0.5, 0.5))
    z, y, x = grid.open
    assert [axis[0] for axis in grid.axes] == [-9.75, -14.75, -14.75]
    assert grid.places([[0, 59, 30]])[0] == pytest.approx([-9.75, 14.75, 0.25])
    ball = solid.lobulated(z, y, x, (1, 0, 0), 8.0, np.eye(3), np.zeros(3), 5.0)
    assert ball == pytest.approx(8 - np.sqrt((z - 1) ** 2 + y**2 + x**2), abs=1e-4)
    bumped = solid.lobulated(z, y, x, (0, 0, 0), 8.0, np.eye(3)[:1], [0.5], 9.0)
    assert bumped[39, 29, 29] + np.sqrt(9.75**2 + 0.125) == pytest.approx(12, abs=0.05)  # on top of the bump
    volume = texture.soft(solid.ellipsoid(z, y, x, (0, 0, 0), (6, 9, 12)), 0.5).sum() / 8
    assert volume == pytest.approx(4 / 3 * np.pi * 6 * 9 * 12, rel=0.02)
    mask = np.zeros(grid.shape, "float32")
    ends = np.array([[0, -10, 0.0]]), np.array([[0, 10, 0.0]])
    solid.draw_tubes(mask, grid, *ends, np.array([[4.0, 2.0]]), 0.5)
    cone = np.pi * 20 / 3 * (16 + 8 + 4) + 2 / 3 * np.pi * (64 + 8)  # a frustum and two half balls
    assert mask.sum() / 8 == pytest.approx(cone, rel=0.03)
    place, (_, near_y, _) = grid.near((-1, 15, 0), (1, 99, 0))
    assert place[1] == slice(59, 60) and near_y.ravel()[0] == pytest.approx(14.75)
    assert grid.near((50, 0, 0), (60, 1, 1))[1][0].size == 0


def test_fields_in_depth():
    grid = Grid((64, 64, 64), (1.0, 1.0, 1.0))
    power = np.mean([np.abs(np.fft.fftn(solid.field(rng(i), grid, 3.0, 40, 0.25))) ** 2 for i in range(2)], axis=0)
    f = np.sqrt(sum(axis**2 for axis in np.meshgrid(*[np.fft.fftfreq(64)] * 3)))
    band = [power[(f > low) & (f < 1.25 * low)].mean() for low in (0.08, 0.32)]
    assert np.log(band[0] / band[1]) / np.log(4) == pytest.approx(3.0, abs=0.4)
    grain = solid.field(rng(), grid, 0.0, 50, 4.0)
    assert grain.mean() == pytest.approx(0, abs=1e-5) and grain.std() == pytest.approx(1, abs=1e-5)
    beside = np.corrcoef(grain[1:].ravel(), grain[:-1].ravel())[0, 1]
    assert beside == pytest.approx(np.exp(-(np.pi**2) / 32), abs=0.03)  # of the power exp(-2 (4 f)^2)
