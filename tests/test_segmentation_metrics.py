"""Measures of segmentations: worked by hand, against SimpleITK and brute force; tables, intervals and comparisons."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.stats import ttest_1samp

from radzoo.errors import BadInput
from radzoo.metrics import (
    compare_segmentation,
    evaluate_segmentation,
    measure_case,
    measure_readers,
    segmentation_summary,
)
from radzoo.metrics.surfaces import surface_distances, surface_measures

SPACING = (3.0, 1.2, 0.8)


def blobs(seed, shape=(18, 40, 44), level=0.08):
    return ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3) > level * 0.5


def measured(truth, predicted, classes=("organ",), spacing_mm=(1.0, 1.0)):
    return measure_case(truth, predicted, classes, spacing_mm=spacing_mm, case="a", patient="p")


def test_overlap_by_hand():
    """Eight true voxels, six called, four of them rightly, each of 2.88 mm^3."""
    truth, predicted = np.zeros((2, 2, 2, 5), np.uint8)[0], np.zeros((2, 2, 5), np.uint8)
    truth[..., :2], predicted[..., 1], predicted[0, :, 2] = 1, 1, 1
    (row,) = measured(truth, predicted, spacing_mm=SPACING)
    expected = {"dice": 8 / 14, "iou": 0.4, "voe": 0.6, "rvd": -0.25, "truth_ml": 0.02304, "predicted_ml": 0.01728}
    expected["error_ml"] = -0.00576
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert (row["status"], row["unit"], row["case"], row["patient"], row["class"]) == (
        "measured", "mm", "a", "p", "organ",
    )  # fmt: skip


def test_distances_by_hand():
    """One voxel against a bar of three, along x and, by its spacing, along z.

    One way 2, the other 2, 3 and 4 voxels: mean 11/4, root mean square sqrt(33/4), largest 4, 95 % of (2, 3, 4) is 3.9.
    """
    one, bar = np.zeros((1, 1, 8), bool), np.zeros((1, 1, 8), bool)
    one[..., 1], bar[..., 3:6] = True, True
    expected = {"asd": 2.75, "rmsd": np.sqrt(8.25), "msd": 4, "hd95": 3.9}
    assert surface_measures(one, bar, (5, 5, 1)) == pytest.approx(expected)
    along_z = surface_measures(one.T, bar.T, (2.5, 1, 1))
    assert along_z == pytest.approx({name: 2.5 * value for name, value in expected.items()})
    assert surface_measures(bar, bar, (1, 1, 1)) == dict.fromkeys(("asd", "rmsd", "msd", "hd95"), 0)


def test_the_inside_of_a_mask_is_no_surface():
    """A cube of 5 with a hole in the middle against the whole: only the 6 voxels around the hole are far, 2 each."""
    whole = np.zeros((9, 9, 9), bool)
    whole[2:7, 2:7, 2:7] = True
    holed = whole.copy()
    holed[4, 4, 4] = False
    back, there = surface_distances(whole, holed, (1, 1, 1))
    assert len(back) == 98 and not back.any() and sorted(there)[-7:] == [0, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("spacing", [SPACING, (1, 1, 1), (0.5, 4, 4)])
def test_distances_are_those_of_simpleitk(spacing):
    """Contours and a distance map of another library, for masks that are near and for masks that are far apart."""
    import SimpleITK as sitk

    far = np.zeros((18, 40, 44), bool)
    far[1, 1, 1:3] = True
    for one, two in ((blobs(0), blobs(1)), (blobs(2), ndimage.binary_dilation(blobs(2))), (blobs(3), far)):
        images = [sitk.GetImageFromArray(mask.astype("uint8")) for mask in (one, two)]
        for image in images:
            image.SetSpacing([float(step) for step in spacing[::-1]])
        edges = [sitk.LabelContour(sitk.ConstantPad(image, [1] * 3, [1] * 3)) for image in images]
        maps = [sitk.Abs(sitk.SignedMaurerDistanceMap(edge, squaredDistance=False, useImageSpacing=True))
                for edge in edges]  # fmt: skip
        edges, maps = ([sitk.GetArrayFromImage(image) for image in pair] for pair in (edges, maps))
        theirs = maps[1][edges[0] == 1], maps[0][edges[1] == 1]
        for ours, other in zip(surface_distances(one, two, spacing), theirs, strict=True):
            np.testing.assert_allclose(np.sort(ours), np.sort(other), atol=1e-4)


def test_ignored_voxels_are_a_hole():
    truth = np.uint8([[1, 1, 255, 0], [0, 0, 255, 0]])
    rows = [measured(truth, predicted)[0] for predicted in (np.uint8([[1, 1, 1, 0], [0, 0, 1, 0]]), truth % 255)]
    for row in rows:
        assert (row["dice"], row["rvd"], row["msd"], row["status"]) == (1, 0, 0, "measured")


def test_what_is_empty():
    """Never 0 or 1 without a word: a distance to nothing is undefined, and the four kinds are told apart."""
    truth, predicted = np.uint8([[1, 2, 0, 0]]), np.uint8([[1, 0, 3, 0]])
    rows = measured(truth, predicted, ("right", "lost", "new", "nowhere"))
    assert [row["status"] for row in rows] == ["measured", "missed", "invented", "both_empty"]
    assert [row["dice"] for row in rows][:3] == [1, 0, 0] and np.isnan(rows[3]["dice"])
    assert rows[1]["rvd"] == -1 and np.isnan([rows[2]["rvd"], rows[3]["rvd"]]).all()
    assert [row["voe"] for row in rows][:3] == [0, 1, 1]
    for name in ("asd", "rmsd", "msd", "hd95"):
        assert rows[0][name] == 0 and np.isnan([row[name] for row in rows[1:]]).all()


def test_pixels_where_no_spacing_is_known():
    truth, predicted = np.uint8([[1, 0, 0, 0]]), np.uint8([[0, 0, 0, 1]])
    row = measured(truth, predicted, spacing_mm=None)[0]
    assert row["unit"] == "px" and row["msd"] == 3 and np.isnan(row["truth_ml"])
    flat = measured(truth, predicted, spacing_mm=(1.0, 0.5))[0]
    assert flat["unit"] == "mm" and flat["msd"] == 1.5 and np.isnan(flat["error_ml"])


@pytest.mark.parametrize(
    "truth, predicted, spacing, message",
    [
        (np.zeros((2, 3), int), np.zeros((3, 2), int), None, r"truth \(2, 3\) and prediction \(3, 2\) came"),
        (np.zeros((2, 3), int), np.full((2, 3), 2), None, "labels 2 came, expected 0 to 1"),
        (np.zeros((2, 3)), np.zeros((2, 3), int), None, "float64 came, expected integers"),
        (np.zeros((2, 3), int), np.zeros((2, 3), int), (1, 1, 1), "expected 2 numbers above 0"),
        (np.zeros((2, 3), int), np.zeros((2, 3), int), (1, 0), "expected 2 numbers above 0"),
    ],
)
def test_what_cannot_be_measured(truth, predicted, spacing, message):
    with pytest.raises(BadInput, match=message):
        measured(truth, predicted, spacing_mm=spacing)


def cases(seed=0, patients=12, each=2):
    """Noisy squares of two classes; the second is missing in some."""
    rng = np.random.default_rng(seed)
    for i in range(patients * each):
        truth = np.zeros((24, 24), np.uint8)
        truth[4:12, 4:16] = 1
        if i % 3:
            truth[14:20, 4:20] = 2
        predicted = np.where(rng.random(truth.shape) < 0.05 + 0.01 * (i // each), 0, truth)
        yield {"case": f"c{i}", "patient": i // each, "truth": truth, "predicted": predicted, "spacing_mm": None}


def test_summary():
    table = evaluate_segmentation(cases(), ("one", "two"))
    assert len(table) == 48 and list(table["case"].unique()) == [f"c{i}" for i in range(24)]
    told = segmentation_summary(table, ("one", "two"), bootstrap=400)
    assert (told["cases"], told["patients"], told["claim"], told["unit"]) == (24, 12, True, "px")
    one, two = (table[table["class"] == name] for name in ("one", "two"))
    assert told["per_class"]["one"]["dice"]["value"] == pytest.approx(one["dice"].mean())
    assert told["per_class"]["two"]["hd95"]["value"] == pytest.approx(two["hd95"].mean())  # 8 cases have none
    assert told["dice"]["value"] == pytest.approx((one["dice"].mean() + two["dice"].mean()) / 2)
    assert told["per_class"]["two"]["median_dice"] == two["dice"].median()
    kinds = {kind: told["per_class"]["two"][kind] for kind in ("measured", "both_empty", "missed", "invented")}
    assert kinds == {"measured": 16, "both_empty": 8, "missed": 0, "invented": 0}
    assert told["error_ml"] is None and told["per_class"]["one"]["error_ml"] is None
    for entry in (told["dice"], told["iou"], told["per_class"]["two"]["asd"]):
        assert entry["low"] < entry["value"] < entry["high"]
    assert told == segmentation_summary(table, ("one", "two"), bootstrap=400)
    assert segmentation_summary(table, ("one", "two"), bootstrap=0)["dice"]["low"] is None


def test_intervals_are_over_patients():
    """Every case of a patient four times over says nothing new: the interval stays, to the last digit of its draws."""
    table = evaluate_segmentation(cases(each=1), ("one", "two"))
    copies = pd.concat([table.assign(case=table["case"] + f"/{i}") for i in range(4)])
    once, often = (segmentation_summary(each, ("one", "two"), bootstrap=400)["dice"] for each in (table, copies))
    assert often == pytest.approx(once)


def test_a_missed_case_counts_and_an_empty_one_does_not():
    rows = [
        (1, 1, "measured", "a"),
        (0, 0, "missed", "b"),
        (0, 0, "invented", "c"),
        (np.nan, np.nan, "both_empty", "d"),
    ]
    table = pd.DataFrame(rows, columns=["dice", "iou", "status", "case"])
    table = table.assign(voe=1 - table["iou"], rvd=[0, -1, np.nan, np.nan], patient=table["case"], unit="mm")
    table["class"] = "organ"
    for name in ("error_ml", "asd", "rmsd", "msd", "hd95"):
        table[name] = [2.0, np.nan, np.nan, np.nan]
    told = segmentation_summary(table, ["organ"], bootstrap=100)
    organ = told["per_class"]["organ"]
    assert told["dice"]["value"] == organ["dice"]["value"] == pytest.approx(1 / 3)
    assert organ["asd"]["value"] == 2 and organ["rvd"]["value"] == -0.5
    assert [organ[kind] for kind in ("measured", "missed", "invented", "both_empty")] == [1, 1, 1, 1]
    assert organ["patients"] == 2 and not organ["claim"]


def test_compared():
    """One case per patient and one class: the paired t test of SciPy; swapped tables change the sign."""
    a, b = (evaluate_segmentation(cases(seed, each=1), ("one", "two")) for seed in (0, 1))
    told = compare_segmentation(a, b, ("one", "two"))
    away = [
        (a[a["class"] == name]["dice"].to_numpy() - b[b["class"] == name]["dice"].to_numpy()) for name in ("one", "two")
    ]
    test = ttest_1samp(away[0], 0)
    ours = told["per_class"]["one"]
    low, high = test.confidence_interval()
    assert (ours["value"], ours["low"], ours["high"], ours["p"]) == pytest.approx(
        (away[0].mean(), low, high, test.pvalue)
    )
    assert told["value"] == pytest.approx((away[0].mean() + np.nanmean(away[1])) / 2)
    assert (told["pairs"], told["left_out"], ours["pairs"]) == (12 + 8, 0, 12)
    shuffled = compare_segmentation(b.sample(frac=1, random_state=0), a, ("one", "two"))
    assert shuffled["value"] == pytest.approx(-told["value"]) and shuffled["p"] == pytest.approx(told["p"])
    same = compare_segmentation(a, a, ("one", "two"))
    assert (same["value"], same["low"], same["high"], same["p"]) == (0, 0, 0, 1)
    single = compare_segmentation(a[:2], b[:2], ("one", "two"))
    assert single["value"] is not None and single["low"] is None and single["p"] is None


def test_cases_of_one_patient_are_no_more_evidence():
    a, b = (evaluate_segmentation(cases(seed, each=1), ("one", "two")) for seed in (0, 1))
    copies = [pd.concat([each.assign(case=each["case"] + f"/{i}") for i in range(4)]) for each in (a, b)]
    once, often = compare_segmentation(a, b, ("one", "two")), compare_segmentation(*copies, ("one", "two"))
    for name in ("value", "low", "high", "p"):
        assert often[name] == pytest.approx(once[name])
    invented = b.copy()
    invented.loc[invented["status"] == "both_empty", ["dice", "status"]] = [0.0, "invented"]
    assert compare_segmentation(a, invented, ("one", "two"))["left_out"] == 4


def test_tables_that_do_not_fit():
    table = evaluate_segmentation(cases(each=1), ("one", "two"))
    for wrong in (table[1:], pd.concat([table, table[:1]]), table[:0]):
        with pytest.raises(BadInput, match=r"expected one for each of 2 classes"):
            segmentation_summary(wrong, ("one", "two"))
    with pytest.raises(BadInput, match="in mm and in px"):
        segmentation_summary(table.assign(unit=["mm", "px"] * 12), ("one", "two"))
    other = table.assign(patient=0)
    for wrong in (other, table[2:]):
        with pytest.raises(BadInput, match="different cases or patients"):
            compare_segmentation(table, wrong, ("one", "two"))
    with pytest.raises(BadInput, match="a case of two patients"):
        segmentation_summary(table.assign(patient=range(24)), ("one", "two"))


def test_readers_by_hand():
    """Three readers, three pairs: 2 x 1 / (2 + 1), 2 x 2 / (2 + 3), 2 x 1 / (1 + 3)."""
    masks = {"r1": np.uint8([[1, 1, 0]]), "r2": np.uint8([[1, 0, 0]]), "r3": np.uint8([[1, 1, 1]])}
    rows = measure_readers(masks, ["organ"], spacing_mm=None, case="a", patient="p")
    assert [row["case"] for row in rows] == ["a: r1 and r2", "a: r1 and r3", "a: r2 and r3"]
    assert [row["dice"] for row in rows] == pytest.approx([2 / 3, 4 / 5, 1 / 2])
    told = segmentation_summary(pd.DataFrame(rows), ["organ"], bootstrap=0)
    assert told["dice"]["value"] == pytest.approx((2 / 3 + 4 / 5 + 1 / 2) / 3) and told["patients"] == 1


@pytest.mark.slow
def test_a_whole_ct_is_measured_in_seconds(printed):
    """512 x 512 x 300, an organ of a litre and a half, in less than half a minute on a busy machine."""
    import time

    z, y, x = np.ogrid[:300, :512, :512]
    wave = 0.05 * np.sin(x / 9) * np.cos(y / 11) * np.sin(z / 7)
    away = np.sqrt(((z - 150) / 60) ** 2 + ((y - 250) / 110) ** 2 + ((x - 250) / 120) ** 2)
    start = time.perf_counter()
    (row,) = measured((away < 1).astype("uint8"), (away + wave < 1).astype("uint8"), spacing_mm=(1.5, 0.8, 0.8))
    seconds = time.perf_counter() - start
    printed("512 x 512 x 300 measured", f"{seconds:.1f} s, Dice {row['dice']:.4f}, HD95 {row['hd95']:.2f} mm")
    assert seconds < 30 and 0.9 < row["dice"] < 1 and row["asd"] < row["hd95"] < row["msd"]
