"""The page of a restoration run, from fabricated run folders."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
from denoised import NETWORK, SPACING, fabricate, images, pictures, target
from test_report import Page, change

from radzoo import report
from radzoo.errors import BadInput
from radzoo.metrics import Window
from radzoo.report import curves as learning
from radzoo.report import figures, restoration
from radzoo.report.restoration import cases, curves, harm, limits, looking, page, reading, saying, tables

ONE_PIXEL = cv2.imencode(".jpg", np.zeros((1, 1, 3), "uint8"))[1].tobytes()


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are made but not drawn, for tests that read the words; gives the sheets that would have been."""
    sheets = []
    for module in (learning, curves):
        monkeypatch.setattr(module, "png", lambda figure, path: figures.save(path, b"") or path)
    monkeypatch.setattr(
        looking, "_sheet", lambda path, *given: sheets.append((path.name, *given)) or figures.save(path, ONE_PIXEL)
    )
    return sheets


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run: its folder."""
    folder = tmp_path_factory.mktemp("run") / "ct"
    fabricate(folder)
    return folder


@pytest.fixture
def changed(made, tmp_path):
    """The run in a folder of its own, with changed metrics or tables."""

    def change_(edit=lambda metrics: None, **edits):
        for path in made.iterdir():
            if path.is_file():
                (tmp_path / path.name).write_bytes(path.read_bytes())
        metrics = json.loads((made / "metrics.json").read_text())
        edit(metrics)
        change(tmp_path, "metrics.json", **metrics)
        for name, edit_table in edits.items():
            table = pd.read_csv(tmp_path / f"{name}.csv")
            edit_table(table)
            table.to_csv(tmp_path / f"{name}.csv", index=False)
        return reading.read(tmp_path)

    return change_


def windows_of(metrics, way, window="soft tissue"):
    row = next(row for row in metrics["rows"] if row["name"] == way)
    return next(each for each in row["windows"] if each["window"] == window)


def difference_of(metrics, way, window="soft tissue"):
    return next(each for each in metrics["differences"] if (each["other"], each["window"]) == (way, window))[
        "difference"
    ]


# ---- the page


def test_the_first_paragraph(made, undrawn):
    html = restoration.write(made, pictures()).read_text()
    header, metrics = Page(html).header, json.loads((made / "metrics.json").read_text())
    own, noisy, nlm = (windows_of(metrics, way)["rmse"] for way in (NETWORK, "noisy", "nlm"))
    assert f"leaves an error (RMSE) of {own['value']:.1f} HU (95 % CI {own['low']:.1f} to {own['high']:.1f})" in header
    assert "in the soft tissue window (\N{MINUS SIGN}160 to 240 HU)" in header and "in 12 patients" in header
    assert f"{noisy['value']:.1f} HU in the noisy image and {nlm['value']:.1f} HU after non-local means" in header
    gain = -difference_of(metrics, "noisy")["value"]
    assert f"Case by case its error is {gain:.1f} HU (" in header and "less than in the noisy image" in header
    psnr = windows_of(metrics, NETWORK)["psnr"]["value"]
    assert f"Over the 400\N{NO-BREAK SPACE}HU of this window it reaches PSNR {psnr:.2f} dB" in html
    assert 'role="alert"' not in html
    assert report.table(metrics) == restoration.table(metrics)


def test_nothing_private_and_nothing_missing(made, undrawn):
    html = restoration.write(made, pictures()).read_text()
    said = Page(html)
    assert "secret" not in html and "/home" not in html and "http://" not in html
    assert not [tag for tag, _ in said.tags if tag in ("script", "link")]
    sources = [attributes["src"] for tag, attributes in said.tags if tag == "img"]
    assert len(sources) == 3 * 2 + 3 and all(source.startswith("data:image/") for source in sources)
    assert "synthetic" in said.text and "The images are simulated scans." in said.text
    assert "BM3D was not tried" in said.text and "PSNR on validation" not in said.header


def test_each_row_has_its_window_and_range(made):
    run = reading.read(made)
    groups = {group["name"]: group for group in tables.windows(run)}
    assert [groups[name]["range"] for name in ("soft tissue", "lung", "full")] == [
        f"{height}\N{NO-BREAK SPACE}HU" for height in (400, 1500, 4095)
    ]
    line = groups["lung"]["rows"][2]
    told = windows_of(run.metrics, "nlm", "lung")
    assert line["row"]["name"] == "nlm" and len(line["cells"]) == 5
    assert line["cells"][0] == (
        f"{told['rmse']['value']:.1f}", f"{told['rmse']['low']:.1f} to {told['rmse']['high']:.1f}"
    )  # fmt: skip
    assert (
        line["cells"][2][0] == f"{told['psnr']['value']:.2f}" and line["cells"][3][0] == f"{told['ssim']['value']:.3f}"
    )


def test_best_median_and_worst_by_every_way(made, undrawn):
    run = reading.read(made)
    error = pd.read_csv(made / "cases.csv").query(f"way == '{NETWORK}' and window == 'soft tissue'")
    order = error.sort_values("rmse")["row"].tolist()
    assert cases.chosen(run) == {"Median case": order[5], "Worst case": order[-1], "Best case": order[0]}
    page.write(made, pictures())
    assert [name for name, *_ in undrawn] == [
        f"slice_{row}_{window}.jpg" for row in (order[5], order[-1], order[0]) for window in ("soft_tissue", "lung")
    ]
    _, shown, _, _, window, first, unit = undrawn[0]
    assert list(shown) == ["noisy image", "redcnn, from scratch", "non-local means", "total variation", "wanted"]
    assert np.array_equal(shown["redcnn, from scratch"], images(order[5])[NETWORK])
    assert (window.name, first, unit) == ("soft tissue", "noisy image", "HU")
    again = page.context(run, None)  # from what is there
    assert [case["row"] for case in again["gallery"]] == [order[5], order[-1], order[0]]
    assert again["rim"]["insert"] == "vessel" and again["rim"]["row"] == order[5]


def test_burnt_in_text_is_not_shown(changed, tmp_path):
    run = changed()
    worst = cases.chosen(run)["Worst case"]
    burnt = pd.DataFrame({"row": range(12), "burnt_in": ["YES" if row == worst else "" for row in range(12)]})
    burnt.to_csv(tmp_path / "images.csv", index=False)
    hidden = cases.chosen(reading.read(tmp_path))
    assert worst not in hidden.values() and len(hidden) == 3
    change(tmp_path, "recipe.json", burnt_in=True)
    assert cases.chosen(reading.read(tmp_path))["Worst case"] == worst


def test_cases_the_worst_first(made):
    listed = cases.table(reading.read(made))
    found = pd.read_csv(made / "cases.csv").query("window == 'soft tissue'").pivot(index="row", columns="way")
    worst = found["rmse"][NETWORK].idxmax()
    assert listed["first"][0]["row"] == worst and len(listed["first"]) == 12 and not listed["rest"]
    line = found.loc[worst]
    told = [line["rmse"][NETWORK], line["rmse"]["noisy"], line["psnr"][NETWORK], line["sharpness"][NETWORK]]
    assert listed["first"][0]["cells"] == [f"{v:.{n}f}" for v, n in zip(told, (1, 1, 2, 2), strict=True)]


def test_spectra_of_pixels_of_different_size(made):
    """The mean of two spectra, over the frequencies that both have."""
    run = reading.read(made)
    lines = [
        {"row": row, "way": "noisy", "frequency": step * k, "power": power, "sd": power, "mean_frequency": step}
        for row, (step, power) in enumerate([(0.1, 2.0), (0.2, 6.0)])
        for k in range(1, 6)
    ]
    run.noise = pd.DataFrame(lines)
    found = tables.spectra(run)
    assert list(found) == ["noisy"] and (found["noisy"].sd, found["noisy"].mean_frequency) == pytest.approx((4, 0.15))
    assert found["noisy"].radial[0] == pytest.approx([0.2, 0.4]) and found["noisy"].radial[1] == pytest.approx([4, 4])


# ---- alarms


def test_no_alarm_without_harm(made):
    assert saying.alarms(reading.read(made)) == []


def test_a_classical_way_that_does_as_well(changed):
    def level(metrics):
        difference_of(metrics, "nlm").update(value=-0.2, low=-0.5, high=0.1)
        difference_of(metrics, "tv", "lung").update(value=1.0, low=0.5, high=1.5)

    run = changed(level)
    assert saying.alarms(run)[0].startswith("Against non-local means (22.")
    assert "after" not in saying.lead(run)[1]
    assert any(said.startswith("In the lung window") and "total variation" in said for said in saying.cautions(run))
    assert [tile["alarmed"] for tile in page._tiles(run)] == [False, False, True, False]


def test_a_network_that_does_harm(changed):
    def harmful(metrics):
        windows_of(metrics, NETWORK)["rmse"]["value"] = 60.0
        windows_of(metrics, NETWORK)["sharpness"]["value"] = 0.5
        difference_of(metrics, "noisy").update(value=35.0, low=30.0, high=40.0)

    said = saying.alarms(changed(harmful))
    assert (
        said[0].replace("\N{NO-BREAK SPACE}", " ").startswith("The network leaves more error, 60.0 HU, than the noisy")
    )
    assert said[1].endswith("0.50 against 1.00 (soft tissue window).")  # no lower error to explain


def test_an_insert_turned_over(changed):
    def turn(table):
        own = (table["way"] == NETWORK) & (table["insert"] == "vessel")
        table.loc[own, "mean"] = 2 * table.loc[own, "background"] - table.loc[own, "mean"]

    assert "vessel keeps \N{MINUS SIGN}" in harm.lost(changed(inserts=turn))[0]


def test_less_noise_by_blurring(changed):
    def blur(metrics):
        windows_of(metrics, NETWORK, "lung")["sharpness"]["value"] = 0.7

    run = changed(blur)
    assert len(saying.alarms(run)) == 1 and saying.alarms(run)[0].startswith("Edges are less steep than in the noisy")
    assert "0.70 against 1.00 (lung window): part of the lower" in saying.alarms(run)[0]
    run.noisy = None
    assert harm.blurred(run)[0].startswith(
        "Edges are less steep than in the target; where the target has 1, they have 0.70 ("
    )


def test_a_tissue_that_is_shifted(changed):
    def shift(table):
        table.loc[(table["way"] == NETWORK) & (table["tissue"] == "fat"), "bias"] = -9.0

    run = changed(tissues=shift)
    said = "Mean HU are shifted by more than 5: fat by \N{MINUS SIGN}9.0 (in the noisy image "
    assert len(harm.shifted(run)) == 1 and harm.shifted(run)[0].startswith(said)
    assert [row["name"] for row in tables.tissues(run)] == ["lung", "fat", "soft tissue"]
    fat = next(row for row in tables.tissues(run) if row["name"] == "fat")["cells"]
    assert fat[0] == ("\N{MINUS SIGN}9.0", "\N{MINUS SIGN}9.0 to \N{MINUS SIGN}9.0", True) and not fat[1][2]


def test_a_faint_insert_that_is_lost(changed):
    def lose(table):
        own = (table["way"] == NETWORK) & (table["insert"] == "faint")
        before = table[(table["way"] == "noisy") & (table["insert"] == "faint")]
        table.loc[own, "mean"] = table.loc[own, "background"] + 0.5 * (before["mean"] - before["background"]).mean()

    run = changed(inserts=lose)
    said = "Contrast is lost with the noise: of what it has in the noisy image, faint keeps 50 %."
    assert saying.alarms(run) == [said]
    assert tables.inserts(run)[0]["rows"][0]["cells"][1] == "50 %"


def test_an_insert_too_faint_to_be_judged(changed):
    def vanish(table):
        table.loc[table["insert"] == "faint", "mean"] = table["background"] + np.where(table["way"] == NETWORK, 1, 4)

    assert harm.lost(changed(inserts=vanish)) == []


# ---- other runs


def test_too_few_claim_nothing(tmp_path, undrawn):
    metrics = fabricate(tmp_path, patients=3)
    said = Page(restoration.write(tmp_path, pictures()).read_text())
    own = windows_of(metrics, NETWORK)["rmse"]
    assert said.header.count("3 patients were tested: too few for a claim; at least 10 are needed.") == 1
    assert f"{own['low']:.1f} to" not in said.text and f"{own['value']:.1f}" in said.text
    assert "more than chance" not in said.text and "describe these cases and no others" in said.text
    terminal = restoration.table(metrics)
    assert "too few for a claim" in terminal and "interval" not in terminal and f"{own['value']:.1f}" in terminal


def test_few_that_do_no_better_are_an_alarm(tmp_path):
    metrics = fabricate(tmp_path, patients=2)
    difference_of(metrics, "tv")["value"] = 0.5
    change(tmp_path, "metrics.json", **metrics)
    said = saying.alarms(reading.read(tmp_path))[0]
    assert said.startswith("In these cases the network leaves no less error, ") and "than total variation (" in said


def test_folds(tmp_path, undrawn):
    fabricate(tmp_path, patients=10, folds=5)
    said = Page(restoration.write(tmp_path, pictures()).read_text())
    assert ", cross-validated on 10 patients." in said.header and "Cross-validated over 5 folds" in said.header
    assert "The final model is another one." in said.text and "fold 5" in said.text


def test_another_modality_has_no_noise(tmp_path, undrawn):
    """Pseudo-CT: one network, HU, and an error that is no noise."""
    fabricate(tmp_path, patients=10, ways=(NETWORK,), simulated=None, synthetic=False, notes=[])
    run = reading.read(tmp_path)
    assert run.noise is None and saying.headline(run).endswith("240\N{NO-BREAK SPACE}HU), in 10 patients.")
    said = Page(restoration.write(tmp_path, pictures((NETWORK,))).read_text())
    assert "What noise is left" not in said.text and "Does each tissue keep its HU?" in said.text
    assert "noisy" not in said.text and "The targets are scans" in said.text and "BM3D" not in said.text
    assert undrawn[0][5] is None and list(undrawn[0][1]) == ["redcnn, from scratch", "wanted"]


def test_images_that_are_no_ct(tmp_path, undrawn):
    metrics = fabricate(tmp_path, patients=10, ct=False, simulated=None)

    def white(row):
        wanted, ways, spacing, _ = pictures()(row)
        return (wanted + 1024) / 4096, {name: (image + 1024) / 4096 for name, image in ways.items()}, spacing, None

    said = Page(restoration.write(tmp_path, white).read_text())
    own = metrics["rows"][0]["windows"][0]["rmse"]["value"]
    assert 0.001 < own < 0.01 and f"an error (RMSE) of {own:.5f} of white" in said.header
    assert "HU" not in said.header and "the image as it came" in said.header and "Inserts" not in said.text
    assert len(undrawn) == 3 and undrawn[0][0].endswith("_full.jpg")
    assert (undrawn[0][5], undrawn[0][6]) == ("image as it came", "of white") and undrawn[0][2].all()


@pytest.mark.parametrize(
    ("simulated", "title"),
    [
        ({"simulate": "low_dose", "photons": None, "dose": 0.25, "clean": False}, "The photons are an assumption."),
        ({"simulate": "sparse_view", "views": 1000, "keep": 20}, "The few views were simulated."),
        (None, "One source of images."),
    ],
)
def test_what_the_interval_leaves_out(changed, simulated, title):
    run = changed(lambda metrics: metrics.update(simulated=simulated, synthetic=False))
    titles = [each["title"] for each in limits.left_out(run)]
    assert any(each.startswith(title) for each in titles) and "The target is not the truth." in titles
    assert ("The noise was simulated, not measured." in titles) == bool(simulated and "dose" in simulated)


def test_what_ready_made_weights_were_worth(changed):
    def two(metrics):
        row = json.loads(json.dumps(metrics["rows"][0]))
        metrics["rows"][0] |= {"way": "finetune", "name": "redcnn finetune"}
        metrics["rows"].append(row)
        pair = json.loads(json.dumps(metrics["differences"][0]))
        metrics["differences"].append(
            pair | {"other": NETWORK, "difference": {"value": -1.0, "low": -1.5, "high": -0.5, "p": 0.01}}
        )

    run = changed(two)
    assert saying.against_scratch(run).endswith(
        "\N{MINUS SIGN}1.0 (\N{MINUS SIGN}1.5 to \N{MINUS SIGN}0.5): the transfer helped."
    )
    run.metrics["differences"][-1]["difference"].update(value=1.0, low=0.5, high=1.5)
    assert saying.against_scratch(run).endswith("did harm.")
    run.metrics["differences"][-1]["difference"].update(low=-0.5)
    assert saying.against_scratch(run).endswith("was not shown to help.")
    assert saying.against_scratch(changed()) == ""


def test_a_sheet_without_an_image_as_it_came(tmp_path):
    """Three rows instead of four, and units of their own."""
    wanted, _ = target(0)
    ways = {"network": images(0)[NETWORK]}
    options = {"body": np.ones(wanted.shape, bool), "windows": (Window("full", -1024, 3071),)}
    looking.draw(tmp_path / "with", 0, wanted + 9, ways, wanted, SPACING, **options)
    looking.draw(tmp_path / "without", 0, None, ways, wanted, SPACING, **options, unit="", came="")
    tall, low = (cv2.imread(str(tmp_path / name / "slice_0_full.jpg")).shape for name in ("with", "without"))
    assert tall[0] - low[0] == looking.SIDE + looking.GAP and tall[1] - low[1] == looking.SIDE + looking.GAP


@pytest.mark.parametrize(("most", "end"), [(0.9, 1), (1.2, 1.5), (16, 20), (0.031, 0.05), (260, 300), (0, 1e-6)])
def test_ends_of_scales_are_round(most, end):
    assert looking._limit(np.full(9, most)) == pytest.approx(end)


def test_a_missing_file(tmp_path):
    with pytest.raises(BadInput, match=r"lacks recipe.json.*cases.csv: a report needs the folder of a finished run"):
        restoration.write(tmp_path)


def test_restorations_are_not_compared(made, tmp_path):
    with pytest.raises(BadInput, match=r"is a restoration, which is not compared: its cases.csv"):
        report.compare([made, tmp_path])
