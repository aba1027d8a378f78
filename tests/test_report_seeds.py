"""What pages and terminal tell of several seeds, of ensembles, and of how the best way was chosen."""

import numpy as np
import pandas as pd
import pytest
from test_report import NETWORK, change, fabricate, of, rendered
from test_report import undrawn as undrawn  # a fixture

from radzoo import report
from radzoo.report import answer, limits, reading, words

OTHER = "densenet_tiny"


def repeat(summary, values):
    """Gives the trained rows several seeds, `{way: AUC of each}`."""
    for way, reached in values.items():
        told = {"mean": float(np.mean(reached)), "low": min(reached), "high": max(reached)}
        of(summary, way)["repeats"] = {"auc": reached, **told, "choice": [0.5, 0.7, 0.84]}
    summary["repeats"] = 3


def join(folder, summary, detail, way="finetune"):
    """Adds a second network and the ensemble of both, which is the best."""
    for name in ("predictions.csv", "history.csv"):
        one = pd.read_csv(folder / name)
        two = one[one["model"] == NETWORK]
        more = [two.assign(model=OTHER)] + [two[two["way"] == way].assign(model="ensemble")] * (name[0] == "p")
        pd.concat([one, *more]).to_csv(folder / name, index=False)
    summary["rows"] += [row | {"model": OTHER} for row in summary["rows"] if row["model"]]
    summary["rows"].append(of(summary, way) | {"model": "ensemble", "detail": detail})
    summary["best"] = {"model": "ensemble", "way": way}
    change(folder, "metrics.json", **summary)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("folds", [0, 4])
def test_seeds_have_mean_and_range_in_every_table(tmp_path, folds):
    summary = fabricate(tmp_path, folds=folds, patients=400)
    repeat(summary, {"finetune": [0.913, 0.871, 0.905], "scratch": [0.61, 0.71, 0.66], "features": [0.8, 0.8, 0.8]})
    change(tmp_path, "metrics.json", **summary)
    page, table = rendered(tmp_path), report.table(summary)
    assert "AUC of 3 seeds, mean and range" in page.text and "AUC of 3 seeds (range)" in table
    assert "0.90 0.87 to 0.91" in page.text and "0.66 0.61 to 0.71" in page.text
    lines = table.splitlines()
    assert "0.90 (0.87 to 0.91)" in next(line for line in lines if line[0] == "*")
    assert "0.68" in next(line for line in lines if "from scratch" in line)  # the mean of what each seed was chosen by
    title = "One shuffle, 3 seeds." if folds else "One split, 3 seeds."
    assert title in page.text and "0.90 (0.87 to 0.91 over 3 seeds) for the chosen way" in page.text
    assert "one seed" not in page.text.lower() and "are those of the first seed alone" in page.text


@pytest.mark.usefixtures("undrawn")
def test_one_seed_needs_no_column(tmp_path):
    summary = fabricate(tmp_path)
    assert "mean and range" not in rendered(tmp_path).text and "seed" not in report.table(summary)


@pytest.mark.usefixtures("undrawn")
def test_validation_column_is_what_the_choice_went_by(tmp_path):
    summary = fabricate(tmp_path, folds=3)
    of(summary, "finetune")["choice"], of(summary, "scratch")["choice"] = 0.4321, -1.0
    change(tmp_path, "metrics.json", rows=summary["rows"])
    text = rendered(tmp_path).text
    row = of(summary, "finetune")["test"]["auc"]
    assert f"chosen on validation 0.43 {row['value']:.2f}" in text and "is cross-fitted" in text
    scratch = of(summary, "scratch")["test"]["auc"]
    assert f"from scratch \N{EN DASH} {scratch['value']:.2f}" in text  # undefined
    assert "0.43  " in next(line for line in report.table(summary).splitlines() if line[0] == "*")


def test_what_is_fixed_on_the_images_that_chose_the_epoch(tmp_path):
    fabricate(tmp_path)
    run, title = reading.read(tmp_path), "One validation part for several purposes."
    texts = {reason["title"]: reason["text"] for reason in limits.left_out(run)}
    assert "does not profit from that" in texts[title] and "Threshold and recalibration were fixed" in texts[title]
    assert "favours" not in " ".join(texts.values())
    run.best = of(run.metrics, "features")
    assert "Threshold" not in {reason["title"]: reason["text"] for reason in limits.left_out(run)}[title]
    run.trained = [run.best]
    assert title not in {reason["title"] for reason in limits.left_out(run)}


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("detail", "said"),
    [
        (f"{NETWORK} + {OTHER}, 0.33 : 0.67", "with the weights 0.33 : 0.67 that had the best AUC on the validation"),
        (f"{NETWORK} + {OTHER}, 0.5 : 0.5", f"the plain mean of {NETWORK} and {OTHER}, each with the same weight"),
        (f"{NETWORK} + {OTHER}, 0.5 : 0.5; 0.9 : 0.1", "with the weights 0.5 : 0.5; 0.9 : 0.1 that had"),
    ],
)
def test_ensembles_tell_their_members_and_weights(tmp_path, detail, said):
    summary = fabricate(tmp_path)
    join(tmp_path, summary, detail)
    page = rendered(tmp_path)
    assert f"The ensemble of {NETWORK} and {OTHER} by fine-tuning reached a test AUC of" in page.header
    said = said.replace(" :", ":")  # as `Page` has it
    assert said in page.text and f"ensemble, fine-tuned chosen on validation {NETWORK} + {OTHER}" in page.text
    assert f"{NETWORK} + {OTHER}, weighted {detail.rpartition(', ')[2]}" in report.table(summary)
    assert "Classifiers that the folds chose" not in page.text


def test_ensembles_of_two_ways_are_told_apart():
    rows = [{"model": "ensemble", "way": way, "detail": "a + b, 0.5 : 0.5"} for way in ("features", "finetune")]
    assert [words.way(row) for row in rows] == ["ensemble, fixed features", "ensemble, fine-tuned"]
    assert words.way(rows[0], sentence=True) == "the ensemble of a and b with fixed features"


def test_a_folder_of_an_earlier_version_is_one_line(tmp_path):
    summary = fabricate(tmp_path)
    del of(summary, "finetune")["choice"]
    change(tmp_path, "metrics.json", rows=summary["rows"])
    with pytest.raises(Exception, match="an earlier version of radzoo: run its recipe anew"):
        report.write(tmp_path)


def test_nothing_but_scratch_leaves_the_transfer_open(tmp_path):
    fabricate(tmp_path, ways=("scratch",))
    assert "Nothing else was tried in this run" in answer.against_scratch(reading.read(tmp_path))
    fabricate(tmp_path, signal={"scratch": 2.0})
    assert "No kind of transfer did better" in answer.against_scratch(reading.read(tmp_path))
