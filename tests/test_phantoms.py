"""Phantoms: the physics against hand-worked values, the anatomy, the files, and that nothing tells the labels."""

import csv
import hashlib
import json
from dataclasses import replace

import numpy as np
import pydicom
import pytest

from radzoo.errors import BadInput
from radzoo.images import phantoms, read
from radzoo.images.phantoms import beam, chest_set, findings, radiograph, vessels
from radzoo.images.phantoms.beam import SCANNERS, Rays, ellipsoid
from radzoo.images.phantoms.chest_set import plan
from radzoo.images.phantoms.header import dataset
from radzoo.images.phantoms.thorax import LEFT, RIGHT, Pose, draw_pose, draw_thorax

STILL = Pose(right=0, down=0, tilt=0, yaw=0, inspiration=0, exposure=1)


def rays(size=255):  # odd: the central ray hits the middle of a pixel
    return Rays.of(SCANNERS[0], size)


def patient(seed=0, names=()):
    return radiograph.draw_patient(np.random.default_rng(seed), names)


# physics


def test_chord_of_a_sphere():
    grid = rays()
    near, far = ellipsoid(grid, (0, 0, 0), (20, 20, 20))
    chord = far - near
    assert chord[127, 127] == pytest.approx(40, rel=1e-5)
    assert chord[127, 127 + 5] == pytest.approx(2 * np.sqrt(400 - (5 * grid.pixel) ** 2), rel=2e-3)
    volume = chord.sum() * grid.pixel**2
    assert volume == pytest.approx(4 / 3 * np.pi * 20**3, rel=5e-3)
    assert (chord[0] == 0).all()


def test_a_sphere_nearer_to_the_source_is_larger_and_moves_out():
    grid = rays(512)
    widths, middles = [], []
    for z in (-100.0, 100.0):
        near, far = ellipsoid(grid, (60, 0, z), (20, 20, 20))
        seen = grid.x[0][(far - near)[256] > 0]
        widths.append(np.ptp(seen))
        middles.append(seen.mean())
    assert middles[1] / middles[0] == pytest.approx(1780 / 1580, rel=0.01)
    assert widths[1] / widths[0] == pytest.approx(1780 / 1580, rel=0.05)


def test_a_tilted_ellipsoid_against_points_inside_it():
    near, far = ellipsoid(rays(), (10, -5, 20), (40, 15, 25), tilt=0.5)
    generator = np.random.default_rng(0)
    for row, column in generator.integers(90, 170, (40, 2)):
        z = np.linspace(-40, 80, 4001)
        x, y = (float(rays().x[0, column]), float(rays().y[row, 0]))
        dx, dy = x * (1680 - z) / 1680 - 10, y * (1680 - z) / 1680 + 5
        along, across = dx * np.cos(0.5) + dy * np.sin(0.5), dy * np.cos(0.5) - dx * np.sin(0.5)
        inside = (along / 40) ** 2 + (across / 15) ** 2 + ((z - 20) / 25) ** 2 <= 1
        assert far[row, column] - near[row, column] == pytest.approx(inside.mean() * 120, abs=0.1)


def test_attenuation_at_and_between_the_energies_of_nist():
    assert beam.attenuation("soft", 60) == pytest.approx(0.2048)
    assert beam.attenuation("bone", 80) == pytest.approx(0.2229)
    between = np.sqrt(0.2264 * 0.2048)  # log-log: the geometric mean lies at the geometric mean of the energies
    assert beam.attenuation("soft", np.sqrt(50 * 60)) == pytest.approx(between)


def test_a_slab_obeys_beer_and_lambert():
    soft, bone = np.full((2, 2), 10.6, "float32"), np.full((2, 2), 1.92, "float32")  # 10 cm and 1 cm
    passed = beam.transmission(soft, bone, 60.0)
    assert passed == pytest.approx(np.exp(-10.6 * 0.2048 - 1.92 * 0.3148), rel=1e-5)  # = 0.0623


@pytest.mark.parametrize("quanta", [100.0, 2500.0])
def test_noise_is_that_of_counted_quanta(quanta):
    scanner = replace(SCANNERS[0], scatter=0.0, blur=1e-3, quanta=quanta)
    n = quanta * (scanner.field / 400) ** 2
    signal = beam.expose(np.full((400, 400), 0.1, "float32"), scanner, np.random.default_rng(0))
    assert signal.mean() == pytest.approx(0.1, rel=0.005)
    assert signal.var() / signal.mean() ** 2 == pytest.approx((n + 8**2) / n**2, rel=0.03)  # + electronics


def test_blur_spreads_noise_over_its_own_area():
    pixel = SCANNERS[0].field / 400
    sharp, soft = (
        beam.expose(np.full((400, 400), 0.1, "float32"), replace(SCANNERS[0], quanta=1e5, blur=b), generator)
        for b, generator in ((1e-3, np.random.default_rng(0)), (2 * pixel, np.random.default_rng(0)))
    )
    inside = np.s_[20:-20, 20:-20]
    assert sharp[inside].var() / soft[inside].var() == pytest.approx(4 * np.pi * 2**2, rel=0.1)


def test_vessels_keep_their_volume_and_texture_its_spectrum():
    amount = np.random.default_rng(0).random(100).astype("float32")
    drawn = vessels.splat(*np.random.default_rng(1).uniform(5, 50, (2, 100)), amount, (60, 60))
    assert drawn.sum() == pytest.approx(amount.sum(), rel=1e-5)
    power = np.abs(np.fft.fft2(vessels.noise(3))) ** 2
    f = np.hypot(*np.meshgrid(*[np.fft.fftfreq(256, vessels.FIELD_PITCH)] * 2))
    band = [power[(f > low) & (f < 1.2 * low)].mean() for low in (0.03, 0.12)]
    assert np.log(band[0] / band[1]) / np.log(4) == pytest.approx(vessels.SPECTRUM, abs=0.4)


# anatomy


def test_lungs_are_clear_and_the_heart_is_on_the_images_right():
    one = patient(1)
    grid = rays()
    path = radiograph.lung_path(one.thorax, STILL, grid)
    volume = path.sum() * grid.pixel**2 / 1e6
    assert 3 < volume < 9  # litres, as of an adult in inspiration
    near, far = ellipsoid(grid, *one.thorax.heart()[0])
    assert ((far - near) * grid.x).sum() / (far - near).sum() > 10
    for seed, scanner in enumerate(SCANNERS):  # half way between its right and its left border there is heart, or lung
        one = patient(seed)
        values, _ = radiograph.project(one, STILL, scanner, np.random.default_rng(0))
        grid, (_, y, _), full = Rays.of(scanner, 256), one.thorax.heart()[0][0], one.thorax.ctr * 2 * one.thorax.width
        row = np.argmin(np.abs(grid.y[:, 0] - y))
        left, right = (np.argmin(np.abs(grid.x[0] - side * full / 2)) for side in (LEFT, RIGHT))
        assert left > 128 > right
        at_left, at_right = (values[row - 8 : row + 9, at - 2 : at + 3].mean() for at in (left, right))
        assert at_left > at_right + 0.1


@pytest.mark.parametrize("large", [False, True])
def test_cardiothoracic_ratio_as_measured_on_the_projection(large):
    for seed in range(12):
        thorax = draw_thorax(np.random.default_rng(seed), large)
        grid = rays(1023)
        heart = sum(far - near for near, far in (ellipsoid(grid, *part) for part in thorax.heart()))
        cardiac = np.ptp(grid.x[0][(heart > 0).any(0)])
        thoracic = np.ptp(grid.x[0][(thorax.half_depth(grid) > 0).any(0)])
        assert bool(cardiac / thoracic > 0.5) is large
        assert thorax.cardiothoracic_ratio() == pytest.approx(cardiac / thoracic, abs=0.015)


def test_findings_leave_the_anatomy_as_it_is():
    assert patient(3, phantoms.FINDINGS[:1]).thorax == patient(3).thorax
    assert patient(3, ("nodule", "effusion")).lesions.balls == patient(3, ("nodule",)).lesions.balls


@pytest.mark.parametrize("seed", range(4))
def test_a_nodule_adds_its_mass_where_the_record_says(seed):
    sick, well = patient(seed, ("nodule",)), patient(seed)
    grid = rays(512)
    added = radiograph.mass(sick, STILL, grid)[0] - radiograph.mass(well, STILL, grid)[0]
    _, record = radiograph.project(sick, STILL, SCANNERS[0], np.random.default_rng(0), 512)
    for ball, (row, column, radius, name) in zip(sick.lesions.balls, record["centres"], strict=True):
        at = added[round(row), round(column)]
        assert name == "nodule" and 3 <= ball.axes[0] <= 15
        assert radius * grid.pixel == pytest.approx(ball.axes[0], rel=0.07)  # magnified by its depth
        assert at >= 0.97 * 0.2 * ball.axes[0] * (ball.density - sick.thorax.lung_density)


def test_a_nodule_is_brighter_than_the_same_place_without_it():
    for seed in range(4):
        (sick, record), (well, _) = (
            phantoms.chest(np.random.default_rng(seed), findings=names) for names in (("nodule",), ())
        )
        for row, column, *_ in record["centres"]:
            at = np.s_[round(row) - 1 : round(row) + 2, round(column) - 1 : round(column) + 2]
            assert (sick - well)[at].mean() > 0.01 + np.median(sick - well)


@pytest.mark.parametrize("name", ["mass", "effusion", "consolidation"])
def test_findings_add_mass_and_a_pneumothorax_takes_it(name):
    well = radiograph.mass(patient(5), STILL, rays())[0]
    sick = radiograph.mass(patient(5, (name,)), STILL, rays())[0]
    assert (sick - well).max() > 0.5 and (sick - well).min() > -0.01
    air = radiograph.mass(patient(5, ("pneumothorax",)), STILL, rays())[0] - well
    assert air.sum() < 0 and air.min() < -0.5


def test_fluid_lies_at_the_base_of_its_own_side_and_climbs_the_wall():
    thorax, grid = patient(0).thorax, rays()
    share = findings.fluid(((RIGHT, 50.0),), thorax, grid, STILL)
    assert share[:, grid.x[0] > 0].max() == 0
    top = {x: np.argmax(share[:, np.argmin(np.abs(grid.x[0] - x))] > 0.5) for x in (-70, 5 - thorax.width)}
    assert top[5 - thorax.width] < top[-70]
    assert findings.fluid(((LEFT, 50.0),), thorax, grid, STILL)[:, grid.x[0] < 0].max() == 0


def test_poses_move_the_same_patient():
    one = patient(2, ("nodule",))
    images = [
        radiograph.project(one, draw_pose(np.random.default_rng(i)), SCANNERS[0], np.random.default_rng(i))
        for i in range(2)
    ]
    assert np.abs(images[0][0] - images[1][0]).mean() > 0.01
    assert images[0][1]["centres"] != images[1][1]["centres"]
    assert images[0][1]["cardiothoracic_ratio"] == images[1][1]["cardiothoracic_ratio"]


# files


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("phantoms") / "set"
    phantoms.write(place, patients=6, seed=4, size=64)
    return place


def table(index):
    with open(index, encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def digest(folder):
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(name): hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def test_index(folder):
    rows = table(folder / "index.csv")
    assert list(rows[0]) == ["file", "patient_id", "scanner", "view", *phantoms.FINDINGS, "no_finding", "synthetic"]
    assert {row["patient_id"] for row in rows} == {f"phantom-{n:04d}" for n in range(1, 7)}
    for row in rows:
        present = [name for name in phantoms.FINDINGS if row[name] == "1"]
        assert (row["no_finding"] == "1") == (not present)
        assert row["synthetic"] == "1" and row["view"] == "PA" and (folder / row["file"]).exists()
    for number in range(1, 7):  # a patient's images share the findings
        same = [row for row in rows if row["patient_id"] == f"phantom-{number:04d}"]
        assert 1 <= len(same) <= 3 and len({tuple(row[name] for name in phantoms.FINDINGS) for row in same}) == 1


def test_same_seed_same_bytes_other_seed_other_bytes(folder, tmp_path):
    phantoms.write(tmp_path / "again", patients=6, seed=4, size=64)
    phantoms.write(tmp_path / "other", patients=6, seed=5, size=64)
    assert digest(tmp_path / "again") == digest(folder)
    common = digest(tmp_path / "other").keys() & digest(folder).keys()
    images = [name for name in common if name.endswith(".dcm")]
    assert images and all(digest(tmp_path / "other")[name] != digest(folder)[name] for name in images)


def test_files_are_plain_dicom(folder):
    uids = set()
    for path in sorted(folder.glob("images/*.dcm")):
        header = pydicom.dcmread(path)
        uids.add(header.SOPInstanceUID)
        assert header.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
        assert header.SOPClassUID.name.startswith(
            "Digital X-Ray" if header.Modality == "DX" else "Computed Radiography"
        )
        assert header.pixel_array.shape == (64, 64) and header.pixel_array.max() < 2**header.BitsStored
        assert header.BitsAllocated == 16 and header.BitsStored in (12, 14)
        assert "Phantom" in str(header.PatientName) and header.StudyDate == "" and header.BurnedInAnnotation == "NO"
        assert header.ImagerPixelSpacing[0] / header.PixelSpacing[0] == pytest.approx(1800 / 1680, rel=1e-3)
    assert len(uids) == len(list(folder.glob("images/*.dcm")))


def test_both_photometric_interpretations_read_alike(tmp_path):
    one, seen = patient(7), []
    for scanner in SCANNERS:
        values, _ = radiograph.project(one, STILL, replace(scanner, field=400.0), np.random.default_rng(0), 128)
        header = dataset(values, scanner, patient=1, image=1, seed=0)
        header.save_as(tmp_path / "image.dcm", enforce_file_format=True)
        pixels = read(tmp_path / "image.dcm")
        assert pixels.values == pytest.approx(values.clip(0, 1), abs=2e-3)
        assert pixels.modality == scanner.modality
        assert pixels.spacing_mm == pytest.approx([scanner.field / 128 * 1680 / 1800] * 2, rel=1e-3)
        seen.append(pixels.values.ravel())
        assert header.PhotometricInterpretation == ("MONOCHROME1" if scanner.inverted else "MONOCHROME2")
    assert np.corrcoef(seen).min() > 0.9


def test_a_complete_set_is_reused_and_nothing_else_is_touched(folder, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert phantoms.write(folder, patients=6, seed=4, size=64) == folder / "index.csv"
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with pytest.raises(BadInput, match="other parameters"):
        phantoms.write(folder, patients=7, seed=4, size=64)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInput, match="never overwritten"):
        phantoms.write(tmp_path / "mine", patients=1)
    assert json.loads((folder / "phantom.json").read_text())["seed"] == 4


def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(chest_set, "images", broken)
    with pytest.raises(BadInput, match="No space left"):
        phantoms.write(tmp_path / "set", patients=2, size=64)
    assert list(tmp_path.iterdir()) == []


def test_bad_input(tmp_path):
    for wrong, match in (
        ({"kind": "chset"}, "did you mean chest"),
        ({"findings": ("noodle",)}, "unknown finding noodle"),
        ({"findings": ()}, "no finding was named"),
        ({"prevalence": {"nodule": 1.5}}, "nodule 1.5"),
        ({"patients": 0}, "at least one patient"),
        ({"size": 8}, "at least 32"),
        ({"kind": "pneumonia", "size": 20}, "at least 28"),
        ({"kind": "hand", "findings": ("nodule",)}, "only the chest takes them"),
        ({"kind": "hand", "prevalence": {"nodule": 0.5}}, "only the chest takes them"),
    ):
        with pytest.raises(BadInput, match=match):
            phantoms.write(tmp_path / "set", **wrong)
    assert list(tmp_path.iterdir()) == []


# labels


def test_scanner_and_findings_are_independent():
    from scipy.stats import chi2_contingency

    plans = plan(patients=400, seed=0)
    for name in phantoms.FINDINGS:
        counts = np.zeros((2, len(SCANNERS)))
        for entry in plans:
            counts[int(name in entry.findings), SCANNERS.index(entry.scanners[0])] += 1
        assert counts.min() > 0 and chi2_contingency(counts).pvalue > 0.01
        share = counts[1].sum() / 400
        assert share == pytest.approx(phantoms.PREVALENCE[name], abs=0.07)


def test_named_findings_alone_occur():
    plans = plan(patients=60, seed=1, findings=("effusion",), prevalence={"effusion": 1.0})
    assert {entry.findings for entry in plans} == {("effusion",)}


@pytest.mark.slow
def test_grey_levels_alone_do_not_tell_nodules(tmp_path):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    index = phantoms.write(tmp_path / "set")
    rows = table(index)
    values = np.stack([read(index.parent / row["file"]).values.ravel() for row in rows])
    greys = np.c_[values.mean(1), values.std(1), np.percentile(values, [1, 5, 10, 25, 50, 75, 90, 95, 99], axis=1).T]
    label, patients = np.array([int(row["nodule"]) for row in rows]), [row["patient_id"] for row in rows]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    scores = cross_val_predict(model, greys, label, groups=patients, cv=folds, method="predict_proba")[:, 1]
    assert 0.35 < roc_auc_score(label, scores) < 0.65
