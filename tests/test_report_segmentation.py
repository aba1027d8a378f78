"""The page of a segmentation run, from fabricated run folders."""

import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
from outlines import fabricate, interval, pictures
from scipy.spatial.distance import cdist
from test_report import Page, change

from radzoo.errors import BadInput
from radzoo.report import agreement, curves, figures, segmentation
from radzoo.report.segmentation import (
    cases,
    contours,
    dots,
    limits,
    looking,
    page,
    reading,
    saying,
    volumes,
    where,
    words,
)
from radzoo.report.words import number


def minus(text):
    return text.replace("-", "\N{MINUS SIGN}")


@pytest.fixture(scope="module")
def solid(tmp_path_factory):
    """`(folder, metrics.json, the rows that were asked for, HTML)` of a cross-validated run on volumes."""
    folder, asked = tmp_path_factory.mktemp("run") / "solid", []
    summary = fabricate(folder)

    def asking(row):
        asked.append(row)
        return pictures()(row)

    return folder, summary, asked, segmentation.write(folder, asking).read_text()


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    """A run folder with one class, one split and pixels; no page yet."""
    folder = tmp_path_factory.mktemp("run") / "flat"
    fabricate(folder, rank=2, patients=40, folds=0, classes=("lungs",))
    return folder


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are made but not drawn, for tests that read the words."""
    for module in (agreement, curves, dots):
        monkeypatch.setattr(module, "png", lambda figure, path: figures.save(path, b"") or path)


# ---- where the errors lie


def test_steps_from_the_true_border():
    """One line of pixels, counted by hand; a pixel is 2 square millimetres."""
    truth = np.array([[0, 0, 0, 1, 1, 1, 1, 0, 2, 0, 255, 0]])
    said = np.array([[0, 0, 0, 2, 0, 1, 1, 1, 1, 1, 1, 0]])
    found = where.tally(truth, said, 2, 2.0)[0]
    assert (found["truth"], found["right"]) == (8, 4)
    assert found["too_much"] == {"one": 2, "two": 2, "more": 2, "other": 2}  # the eleventh is not counted
    assert found["too_little"] == {"one": 2, "two": 2, "more": 0, "other": 2}


@pytest.mark.parametrize("shape", [(13, 11), (7, 9, 8)])
def test_steps_against_distances(shape):
    """The same by the city-block distance of every wrong voxel to the other side of the border."""
    rng = np.random.default_rng(0)
    truth, said = (np.digitize(rng.random(shape), [0.7, 0.85]) for _ in range(2))
    truth[rng.random(shape) < 0.1] = where.IGNORE
    for label, found in enumerate(where.tally(truth, said, 2, 1.0), 1):
        is_, counted = truth == label, truth != where.IGNORE
        for side, wrong, beyond in (
            ("too_much", (said == label) & ~is_ & counted, is_),
            ("too_little", is_ & (said != label), ~is_ & counted),
        ):
            steps = cdist(np.argwhere(wrong), np.argwhere(beyond), "cityblock").min(1)
            counts = {"one": (steps == 1).sum(), "two": (steps == 2).sum(), "more": (steps > 2).sum()}
            assert {name: found[side][name] for name in counts} == counts and min(counts["one"], len(steps)) > 0


def test_thirds_along_z():
    truth, said = np.zeros((10, 1, 1), int), np.zeros((10, 1, 1), int)
    truth[2:8], said[1:6], said[8] = 1, 1, 1
    found = where.shares(where.pooled([where.tally(truth, said, 1, 1.0)] * 3)[0])
    assert found["parts"] == [1, 1, 0] and found["beyond"] == pytest.approx(2 / 4)
    assert (found["too_much"], found["too_little"]) == (pytest.approx(2 / 6), pytest.approx(2 / 6))


def test_a_class_that_is_nowhere():
    nothing = np.zeros((4, 4, 4), int)
    found = where.shares(where.pooled([where.tally(nothing, nothing, 1, 1.0)])[0])
    assert set(found.values()) == {None}
    found = where.tally(nothing, nothing + 1, 1, 1.0)[0]
    assert found["too_much"]["more"] == 64 and found["parts"] is None  # invented: far from any border


def test_flat_images_have_no_thirds():
    square = np.eye(6, dtype=int)
    assert where.shares(where.pooled([where.tally(square, square, 1, 1.0)])[0])["parts"] is None


# ---- contours


def test_planes_with_most_errors_head_above(tmp_path):
    truth = np.zeros((20, 40, 40), "uint8")
    truth[3:11, 10:30, 10:30] = 1
    said = truth.copy()
    said[9, 12:28, 12:28] = 0  # near the head
    said[:, 11, :] = 0
    said[:, :, 27] = 0
    found = contours.draw(tmp_path, 7, np.full(truth.shape, 0.5), truth, said, (3.0, 1.0, 1.0))
    assert [one["plane"] for one in found] == [
        "axial, plane 10 of 20", "coronal, plane 12 of 40", "sagittal, plane 28 of 40",
    ]  # fmt: skip
    axial, coronal, sagittal = (cv2.imread(str(tmp_path / one["file"])).astype(int) for one in found)
    assert axial.shape[0] == axial.shape[1]
    # 8 planes and 8 more on each side, to the edge of the volume: 19 planes, each 3 times as high as a voxel is wide.
    assert coronal.shape[0] / coronal.shape[1] == pytest.approx(3 * 19 / 40, abs=0.02)
    rows = np.flatnonzero((np.ptp(sagittal, axis=2) > 20).any(1)) / len(sagittal)
    assert rows[0] == pytest.approx(8 / 19, abs=0.02) and rows[-1] == pytest.approx(16 / 19, abs=0.02)


def test_a_perfect_case_and_an_empty_one(tmp_path):
    truth = np.zeros((6, 6, 6), "uint8")
    said = [one["plane"] for one in contours.draw(tmp_path, 0, truth * 1.0, truth, truth, (1, 1, 1))]
    assert all("there is nothing" in one for one in said)
    truth[4, 1:5, 1:5] = 1
    assert (
        "axial, plane 5 of 6 (nothing is wrong"
        in contours.draw(tmp_path, 0, truth * 1.0, truth, truth, (1, 1, 1))[0]["plane"]
    )


def test_a_large_image_is_drawn_smaller(tmp_path):
    truth = np.zeros((1600, 800), "uint8")
    truth[200:1200, 200:600] = 1
    contours.draw(tmp_path, 3, np.zeros((1600, 800, 3)), truth, truth, (1, 1))
    assert cv2.imread(str(tmp_path / "case_3.jpg")).shape == (1024, 512, 3)


# ---- the page


def test_each_case_is_asked_for_once(solid):
    folder, summary, asked, html = solid
    assert asked == list(range(summary["cases"]))
    again = reading.read(folder)
    shown = cases.gallery(again, looking.look(again, None))
    assert [case["title"] for case in shown] == ["Best case", "Median case", "Worst case"]
    assert all(picture["uri"] in html for case in shown for picture in case["pictures"])


def test_nothing_private_and_nothing_missing(solid):
    html = solid[3]
    assert "secret" not in html and "/home" not in html and "http://" not in html.replace("http://www.w3.org", "")
    assert not [tag for tag, attributes in Page(html).tags if tag in ("script", "link")]
    sources = [attributes["src"] for tag, attributes in Page(html).tags if tag == "img"]
    assert len(sources) == 9 + 4 and all(source.startswith("data:image/") for source in sources)


def test_first_paragraph(solid):
    _, summary, _, html = solid
    header, test = Page(html).header, summary["rows"][0]["test"]
    for name in summary["classes"]:
        dice = test["per_class"][name]["dice"]
        assert f"{number(dice['value'])} (" in header and f"{number(dice['low'])} to {number(dice['high'])}" in header
    assert "cross-validated on 14 patients" in header and "Once it missed a class altogether;" in header
    grey = summary["rows"][2]["test"]["dice"]["value"]
    assert f"grey levels alone with {number(grey)}" in header and "here the transfer helped" in header
    assert "synthetic" in Page(html).text


def test_cases_are_ranked(solid):
    folder, _, _, html = solid
    table = pd.read_csv(folder / "cases.csv").query("way == 'finetune'")
    mean = table.groupby("row")["dice"].mean().sort_values()
    text = Page(html).text
    for title, place in (("Best", -1), ("Median", (len(mean) - 1) // 2), ("Worst", 0)):
        assert f"{title} case Dice {number(mean.iloc[place])} · index row {mean.index[place]}" in text
    assert mean.index[0] == 13 and text.index("missed \N{MINUS SIGN}") > text.index("Case by case index"[:12])
    lines = cases.table(reading.read(folder))
    assert [line["row"] for line in lines["first"] + lines["rest"]][:5] == list(mean.index[:5])
    assert lines["first"][0]["cells"][1][0] == "missed"


def test_volumes_agree_with_the_table(solid, undrawn):
    folder = solid[0]
    table = pd.read_csv(folder / "cases.csv").query("way == 'finetune' and `class` == 'posterior'")
    error = table["predicted_ml"] - table["truth_ml"]
    found = volumes.compare(reading.read(folder))[1]
    assert found["bias"] == minus(f"{error.mean():+.3f}") and found["cases"] == 14
    assert found["low"] == minus(f"{error.mean() - 1.96 * error.std(ddof=1):+.3f}")


def test_figure_has_every_case(monkeypatch):
    drawn = {}
    monkeypatch.setattr(dots, "png", lambda figure, path: drawn.update(figure=figure) or path)
    dice = np.r_[np.full(40, 0.9), np.linspace(0.2, 0.8, 20), 0.0]
    columns = [{"class": "a", "way": "w", "colour": "#000", "dice": dice, "failed": dice == 0}] * 2
    dots.draw(None, columns)
    lines = [line for line in drawn["figure"].axes[0].lines if line.get_marker() == "o"]
    seen = np.concatenate([line.get_ydata() for line in lines])
    assert np.array_equal(np.sort(seen), np.sort(np.tile(dice, 2)))
    first = np.concatenate([line.get_xdata() for line in lines[:2]])
    assert np.abs(first).max() <= dots.WIDTH / 2 and len(set(first[:40])) == 40


def test_one_split_of_flat_images(flat, undrawn):
    html = segmentation.write(flat, pictures(2, 1)).read_text()
    said = Page(html)
    assert "outlines lungs with a Dice of" in said.header and "in 16 patients." in said.header
    assert " px " in said.text and "Volumes" not in said.text and "third" not in said.text
    assert len(list((flat / "figures").glob("case_*"))) == 3


def test_too_few_claim_nothing(tmp_path, undrawn):
    summary = fabricate(tmp_path, patients=6, folds=3)
    html = Page(segmentation.write(tmp_path, pictures()).read_text())
    assert html.header.count("too few for a claim") == 1 and "Where the errors lie" not in html.text
    values = [entry["dice"]["value"] for entry in summary["rows"][0]["test"]["per_class"].values()]
    assert not any(number(value) in html.header for value in values)
    assert "6 patients" in segmentation.table(summary) and "HD95" in segmentation.table(summary)


# ---- sentences


def run_of(folder, **changes):
    change(folder, "metrics.json", **changes)
    return reading.read(folder)


@pytest.fixture
def changed(solid, tmp_path):
    """The run on volumes, in a folder of its own, with changed metrics."""
    for path in solid[0].iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())

    def change_(edit):
        summary = json.loads((solid[0] / "metrics.json").read_text())
        edit(summary)
        return run_of(tmp_path, **summary)

    return change_


def test_a_baseline_that_does_as_well_is_an_alarm(changed):
    assert saying.blind(changed(lambda summary: None)) == []

    def level(summary):
        summary["differences"][1]["dice"] = {"value": 0.01, "low": -0.02, "high": 0.04, "p": 0.5}

    run = changed(level)
    assert saying.alarms(run)[0].startswith("Against the baseline (grey levels alone, Dice ")
    assert not any("below" in sentence for sentence in saying.lead(run))

    def untold(summary):
        summary["differences"] = []

    assert saying.blind(changed(untold)) == []  # the intervals lie apart


def test_failures_are_an_alarm_when_they_are_many(changed):
    def lose(summary):
        entry = summary["rows"][0]["test"]["per_class"]["posterior"]
        entry |= {"measured": 15, "missed": 3, "invented": 1, "both_empty": 11}

    said = saying.alarms(changed(lose))
    assert said == [
        "In 3 of 18 cases where it is there, posterior was missed.",
        "In 1 of 12 cases where there is none, posterior was found.",
    ]


def test_differences_are_turned(changed):
    def turn(summary):
        summary["differences"][0] = {
            "name": "scratch against finetune", "dice": {"value": 0.05, "low": 0.02, "high": 0.08, "p": 0.01},
        }  # fmt: skip

    assert "\N{MINUS SIGN}0.05 (\N{MINUS SIGN}0.08 to \N{MINUS SIGN}0.02)" in saying.against_scratch(changed(turn))
    assert "here the transfer did harm" in saying.against_scratch(changed(turn))


def test_refinement_has_a_row_of_its_own(changed):
    def refine(summary):
        row = json.loads(json.dumps(summary["rows"][0])) | {"refined": "crf"}
        summary["rows"].insert(0, row)
        summary["differences"].append(
            {"name": "finetune crf against finetune", "dice": {"value": 0.0, "low": -0.01, "high": 0.01, "p": 0.9}}
        )

    run = changed(refine)
    assert saying.headline(run).startswith("Fine-tuned unet_same with CRF outlines")
    assert any("refinement changed the mean Dice by +0.00" in one for one in saying.cautions(run))
    assert "before the refinement, is +0." in saying.against_scratch(run)
    assert "fine-tuned + CRF" in segmentation.table(run.metrics)
    shown = page._difference(run, run.metrics["differences"][-1])
    assert (shown["a"], shown["b"]) == ("fine-tuned unet_same with CRF", "fine-tuned unet_same")


def test_two_readers_are_the_ceiling(changed):
    def read_twice(value):
        return lambda summary: summary.update(ceiling={"dice": interval([value, value]), "cases": 12})

    near, far = changed(read_twice(0.5)), changed(read_twice(0.99))
    assert any("not told apart" in one for one in saying.lead(near))
    assert any("stays below" in one for one in saying.lead(far))
    assert "on 12 cases" in limits.left_out(near)[0]["text"]


def test_many_classes_are_told_as_their_mean(changed):
    def more(summary):
        entry = summary["rows"][0]["test"]
        summary["classes"] = ["a", "b", "c", "d"]
        entry["per_class"] = dict.fromkeys(summary["classes"], entry["per_class"]["anterior"])
        entry["per_class"]["c"] = entry["per_class"]["a"] | {"dice": interval([0.2, 0.3])}

    assert "4 classes with a mean Dice of" in (said := saying.headline(changed(more)))
    assert "c is outlined worst, with 0.25" in said


def test_a_rare_class_is_not_claimed(changed):
    def rare(summary):
        entry = summary["rows"][0]["test"]["per_class"]["posterior"]
        entry |= {"measured": 8, "missed": 1, "both_empty": 5}

    run = changed(rare)
    assert "posterior" not in saying.headline(run) and "anterior" in saying.headline(run)
    assert any("posterior (in 9 cases)" in one for one in saying.cautions(run))
    assert segmentation.table(run.metrics).splitlines()[1].count("\N{EN DASH}") == 2  # its Dice and its HD95

    def alone(summary):
        rare(summary)
        summary["classes"] = ["posterior"]
        del summary["rows"][0]["test"]["per_class"]["anterior"]

    assert saying.headline(changed(alone)).startswith("posterior is in only 9 cases: too few for a claim")


def test_special_measures_keep_their_digits(changed):
    def membranes(summary):
        summary["rows"][0]["test"]["special"] = {"warping_error": {"value": 0.000353, "low": 0.0003, "high": 0.0004}}

    assert page._special(changed(membranes)) == {
        "names": ["warping error"], "rows": [("fine-tuned", ["0.000353 (0.0003 to 0.0004)"])],
    }  # fmt: skip


# ---- bad input


def test_a_case_of_different_shapes(flat, tmp_path):
    for path in flat.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())

    def wrong(row):
        image, truth, said, spacing = pictures(2, 1)(row)
        return image, truth, said[1:], spacing

    with pytest.raises(BadInput, match=r"index row 0: .* expected one shape"):
        segmentation.write(tmp_path, wrong)
    assert not (tmp_path / "figures" / looking.SEEN).exists()


def test_a_missing_file(tmp_path):
    with pytest.raises(BadInput, match=r"lacks recipe.json.*cases.csv"):
        segmentation.write(tmp_path)


def test_burnt_in_text_is_not_shown(changed, tmp_path):
    run = changed(lambda summary: None)
    shown = looking.chosen(run)
    pd.DataFrame({"row": range(14), "burnt_in": ["text" if row == 13 else "" for row in range(14)]}).to_csv(
        tmp_path / "images.csv", index=False
    )
    hidden = looking.chosen(reading.read(tmp_path))
    assert shown["Worst case"] == 13 and 13 not in hidden.values() and len(hidden) == 3
    change(tmp_path, "recipe.json", burnt_in=True)
    assert looking.chosen(reading.read(tmp_path)) == shown


def test_a_small_difference_is_not_rounded_to_nothing():
    assert words.gap({"value": 0.042, "low": 0.004, "high": 0.08}) == "+0.04 (+0.00 to +0.08)"
    assert words.gap({"value": 0.0042, "low": 0.0037, "high": 0.0048}) == "+0.004 (+0.004 to +0.005)"


def test_each_network_of_a_cascade_learned_by_itself(flat, tmp_path, monkeypatch):
    """Two trainings in one history are two curves."""
    shutil.copytree(flat, tmp_path / "run")
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    both = [history.assign(stage=stage) for stage in ("organ", "inside")]
    pd.concat(both).to_csv(tmp_path / "run" / "history.csv", index=False)
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())
    recipe["mask"]["inside"] = "liver"
    (tmp_path / "run" / "recipe.json").write_text(json.dumps(recipe))
    drawn = []
    monkeypatch.setattr(curves, "learning", lambda path, runs, measure: drawn.extend(runs))
    monkeypatch.setattr(figures, "inline", lambda path: path)
    page._learning(reading.read(tmp_path / "run"))
    assert [(each["label"], len(each["trainings"][""])) for each in drawn] == [
        ("fine-tuned, liver", 12), ("from scratch, liver", 12), ("fine-tuned, inside", 12), ("from scratch, inside", 12)
    ]  # fmt: skip
