"""The page of a run whose label is a number."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from test_report import NETWORK, SIGNAL, Page, _history, _made, _model, change, chest, of, rendered, shown
from test_report import undrawn as undrawn  # a fixture

from radzoo import metrics, report
from radzoo.report import agreement, limits, numbers, reading

LABEL = "bone_age"
SPREAD = {"features": 9.0, "finetune": 7.0, "scratch": 16.0, "grey levels": 60.0, "metadata": 90.0}  # of the error


def minus(text):
    return text.replace("-", "\N{MINUS SIGN}")


def fabricate(folder, *, patients=120, folds=0, seeds=1, unit="image", external=(), spread=None, seed=0):
    """A run folder of a bone age in months, as `train.run` writes it; returns the content of metrics.json."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, spread = np.random.default_rng(seed), SPREAD | (spread or {})
    patient = np.repeat(np.arange(patients), rng.integers(1, 4, patients))
    truth = rng.normal(120, 40, patients)[patient] + rng.normal(0, 3, len(patient))
    block = (rng.permutation(patients) % (folds or 5) + 1)[patient]
    split = np.where(block <= 2, "test", np.where(block == 3, "validation", "train"))
    names = np.array([f"secret-{p}" for p in patient])
    table = pd.DataFrame({"row": np.arange(len(patient)), "patient": names})
    table["unit"] = names if unit == "patient" else [f"image-{i}" for i in table["row"]]
    table["fold"] = block if folds else ""
    table["split"] = np.where(block == 1, "validation", "train") if folds else split
    table.assign(**{LABEL: truth}).to_csv(folder / "split.csv", index=False)
    units = table.assign(block=block, part=split).drop_duplicates("unit")
    units["truth"] = table.assign(truth=truth).groupby("unit")["truth"].mean().loc[units["unit"]].to_numpy()

    frames, rows = [], []
    for way in SIGNAL:
        said = units["truth"] + rng.normal(2, spread[way], len(units)) if way in spread else 118.0
        every = {}
        for fold in range(1, folds + 1) if folds else [""]:
            for part in ("validation", "test"):
                here = units["block"] == (fold % folds + 1 if part == "validation" else fold) if folds else None
                here = units["part"] == part if here is None else here
                frame = units[here].assign(fold=fold, split=part, model=_model(way), way=way)
                frame[LABEL] = np.broadcast_to(said, len(units))[here]
                every.setdefault(part, []).append(frame)
        every = {part: pd.concat(found) for part, found in every.items()}
        frames += every.values() if _model(way) else []
        rows.append({"model": _model(way), "way": way, "detail": "ridge regression" if way == "features" else ""})
        rows[-1] |= {part: _evaluated(found, folds, way) for part, found in every.items()}
        rows[-1] |= {"choice": 0.61 if way in spread else -1.0, "thresholds": {"": [None]}}
        if folds:
            rows[-1]["thresholds"] = {str(fold): [None] for fold in range(1, folds + 1)}
        if seeds > 1 and _model(way):
            reached = [rows[-1]["test"]["mae"]["value"] + shift for shift in range(seeds)]
            told = {"mean": np.mean(reached), "low": min(reached), "high": max(reached)}
            rows[-1]["repeats"] = {"mae": reached, **told, "choice": [0.5 + 0.1 * i for i in range(seeds)]}
    columns = ["row", "patient", "unit", "fold", "split", "model", "way", LABEL]
    pd.concat(frames)[columns].to_csv(folder / "predictions.csv", index=False)
    of({"rows": rows}, "finetune")["external"] = [_external(rng, count) for count in external]
    pairs = [("finetune", "scratch"), ("finetune", "grey levels"), ("finetune", "metadata"), ("finetune", "majority")]
    summary = {
        "task": "regression", "classes": [LABEL], "positive": None, "synthetic": True, "notes": [], "unit": unit,
        "aggregate": "mean", "repeats": seeds,
        "design": {"kind": "folds" if folds else "split", "folds": folds or None, "patients": patients},
        "best": {"model": NETWORK, "way": "finetune"}, "rows": rows, "anew": rows[0]["test"] if folds else None,
        "comparisons": [_pair(rows, folder, units, *pair) for pair in pairs],
        "final": {"train": 4321, "validation": 1234, "validation_score": 0.8765, "thresholds": [None]}
        if folds else None,
        "external": [
            {"name": f"hospital_{i}.csv", "date": "2026-11-21", "looks": 1, "images": count, "patients": count}
            for i, count in enumerate(external, 1)
        ],
    }  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(summary, allow_nan=False))
    _history(folder, rng, tuple(SIGNAL), folds)
    _made(folder, "regression", (LABEL,), len(patient))
    return summary


def _evaluated(found, folds, way):
    said = found[LABEL].to_numpy()
    return metrics.evaluate_regression(
        found["truth"].to_numpy(), said, found["patient"].to_numpy(), raw=None if way == "majority" else 0.9 * said,
        folds=found["fold"].to_numpy() if folds else None, bootstrap=200,
    )  # fmt: skip


def _external(rng, count):
    truth = rng.normal(120, 40, count)
    return metrics.evaluate_regression(truth, truth + rng.normal(9, 12, count), np.arange(count), bootstrap=200)


def _pair(rows, folder, units, a, b):
    """Only the signs matter for the words: the numbers are those of `compare_regression` on fabricated errors."""
    one, two = (of({"rows": rows}, way)["test"]["mae"]["value"] for way in (a, b))
    difference = {"difference": one - two, "low": one - two - 1.5, "high": one - two + 1.5, "p": 0.0001}
    return {"a": f"{_model(a)} {a}".strip(), "b": f"{_model(b)} {b}".strip()} | difference


def of_test(folder, way="finetune"):
    """Prediction and truth of the tested units, straight from the files of the run."""
    table = pd.read_csv(folder / "predictions.csv").query("way == @way and split == 'test'")
    truth = pd.read_csv(folder / "split.csv").groupby("unit")[LABEL].mean()
    table["truth"] = truth.loc[table["unit"]].to_numpy()
    return table.assign(error=table[LABEL] - table["truth"])


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "plain"
    summary = fabricate(folder, external=(60,))
    return folder, summary, Page(report.write(folder, chest).read_text())


def test_headline_is_the_error_beside_one_number_for_everybody(plain):
    folder, summary, page = plain
    error, mae = of_test(folder)["error"], of(summary, "finetune")["test"]["mae"]
    same = abs(118.0 - of_test(folder)["truth"]).mean()
    assert (
        f"Fine-tuned {NETWORK} reached a test mean absolute error of {abs(error).mean():.1f} in bone_age (95 % CI "
        f"{mae['low']:.1f} to {mae['high']:.1f}); one number for everybody has {same:.1f}." in page.header
    )
    told = page.text.replace('"threshold": ', "")  # a field of the recipe
    assert "AUC" not in told and "threshold" not in told.lower()


def test_agreement_is_that_of_the_files(plain):
    folder, summary, page = plain
    table, test = of_test(folder), of(summary, "finetune")["test"]
    error = table["error"]
    bias, half = error.mean(), 1.96 * error.std(ddof=1)
    assert minus(f"19 lie between {bias - half:+.1f} and {bias + half:+.1f} of the truth") in page.header
    order = spearmanr(table["truth"], table[LABEL]).statistic
    assert f"Spearman correlation of {order:.2f} ({test['spearman']['low']:.2f} to" in page.header
    rmse = np.sqrt((error**2).mean())
    r2 = 1 - (error**2).mean() / table["truth"].var(ddof=0)
    cells = f"{rmse:.1f} {r2:.2f} {order:.2f} "
    assert cells in page.text and minus(f"{bias:+.1f} {bias - half:+.1f} to {bias + half:+.1f}") in page.text
    assert f"root mean squared error {rmse:.1f} {test['rmse']['low']:.1f} to {test['rmse']['high']:.1f} 0" in page.text
    assert f"median absolute error {abs(error).median():.1f}" in page.text


def test_every_way_has_its_error(plain):
    folder, summary, page = plain
    for way in ("features", "scratch"):
        error, mae = of_test(folder, way)["error"], of(summary, way)["test"]["mae"]
        assert f"{abs(error).mean():.1f} {mae['low']:.1f} to {mae['high']:.1f}" in page.text
    assert "the same number for everybody baseline" in page.text and "majority" not in page.text
    assert "0.61" in page.text  # what the best way was chosen by


def test_cases_are_the_largest_and_the_smallest_errors(plain):
    folder, _, page = plain
    table = of_test(folder)
    groups = {
        "Most overestimated": table[table["error"] > 0].sort_values("error", ascending=False),
        "Most underestimated": table[table["error"] < 0].sort_values("error"),
        "Nearest to the truth": table.sort_values("error", key=abs),
    }
    for group, expected in groups.items():
        assert shown(page, group) == expected.drop_duplicates("patient")["row"].head(4).tolist()
        assert f"{len(expected)} images" in page.text
    worst = groups["Most underestimated"].iloc[0]
    assert f"says {worst[LABEL]:.1f}, is {worst['truth']:.1f}: {-worst['error']:.1f} too low" in page.text


def test_figures_hold_every_tested_unit(plain, tmp_path, monkeypatch):
    folder, summary, _ = plain
    assert {"scatter.png", "bland_altman.png", "learning.png"} < {path.name for path in (folder / "figures").iterdir()}
    run, made = reading.read(folder), []
    monkeypatch.setattr(agreement, "png", lambda figure, path: made.append(figure))
    table, test = of_test(folder), of(summary, "finetune")["test"]
    truth, said = table["truth"].to_numpy(), table[LABEL].to_numpy()
    agreement.scatter(tmp_path / "x.png", truth, said, test, LABEL, "#000000")
    agreement.bland_altman(tmp_path / "x.png", truth, said, test, run.measure, LABEL, "#000000")
    one, two = (next(line for line in f.axes[0].lines if line.get_marker() == "o") for f in made)
    assert np.allclose(one.get_xydata(), np.stack([truth, said], 1))
    assert np.allclose(two.get_xydata(), np.stack([(truth + said) / 2, said - truth], 1))
    level = {round(float(line.get_ydata()[0]), 6) for line in made[1].axes[0].lines if line is not two}
    error = said - truth
    expected = {0.0, *(round(error.mean() + k * 1.96 * error.std(ddof=1), 6) for k in (-1, 0, 1))}
    assert level == expected
    assert one.get_xydata().max() < made[0].axes[0].get_xlim()[1] == made[0].axes[0].get_ylim()[1]


def test_external_images_have_their_own_column(plain):
    _, summary, page = plain
    mae = of(summary, "finetune")["external"][0]["mae"]
    told = f"{mae['value']:.1f} ({mae['low']:.1f} to {mae['high']:.1f})"
    assert f"hospital_1.csv (60 images of 60 patients) it reached an error of {told}." in page.header
    assert "external: hospital_1.csv" in page.text and page.text.count("not tried") == 5


def test_no_patient_is_named(plain):
    folder, _, _ = plain
    assert "secret" not in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-4.0, -1.0, minus("-2.5 (-4.0 to -1.0), an interval that excludes 0: here the transfer helped")),
        (1.0, 4.0, "excludes 0: here the transfer did harm"),
        (-1.0, 2.0, "includes 0: these images do not show that the transfer helped"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_verdict_on_the_transfer(plain, low, high, said, turned):
    pair = {"a": f"{NETWORK} finetune", "b": f"{NETWORK} scratch", "difference": (low + high) / 2}
    pair |= {"low": low, "high": high, "p": 0.04}
    if turned:
        pair |= {"a": pair["b"], "b": pair["a"], "difference": -pair["difference"], "low": -high, "high": -low}
    run = reading.read(plain[0])
    run.metrics["comparisons"] = [pair]
    assert said in numbers.against_scratch(run)


@pytest.mark.parametrize(
    ("order", "difference", "alarm", "said"),
    [
        ((0.9, 0.85, 0.99), (-1, -2, 1), "Grey levels alone, without looking at the anatomy, reach a Spearman", ""),
        ((0.2, -0.1, 0.99), (-1, -3, 1), "The test is too small to tell this from grey levels alone", ""),
        ((0.2, -0.1, 0.99), (-20, -30, -10), "", "the network errs by 20.0 less (10.0 to 30.0)"),
        ((0.2, 0.1, 0.3), (-20, -30, -10), "", "more than chance: a part of the answer may come from the source"),
        ((0.2, -0.1, 0.3), (-20, -30, -10), "", "Baselines that do not look at the anatomy stay behind: grey levels"),
    ],
)
def test_what_blind_baselines_reach(plain, order, difference, alarm, said):
    run = reading.read(plain[0])
    of(run.metrics, "grey levels")["test"]["spearman"] = dict(zip(("value", "low", "high"), order, strict=True))
    of(run.metrics, "metadata")["test"]["spearman"] = {"value": 0.0, "low": -0.2, "high": 0.2}
    next(pair for pair in run.metrics["comparisons"] if pair["b"] == "grey levels").update(
        zip(("difference", "low", "high"), difference, strict=True)
    )
    assert [alarm] == [text[: len(alarm)] for text in numbers.alarms(run)] if alarm else numbers.alarms(run) == []
    assert said in " ".join(numbers.lead(run))


def test_cautions(plain):
    run = reading.read(plain[0])
    run.best["test"]["bias"] = {"value": 4.0, "low": 2.0, "high": 6.0}
    run.best["test"]["spearman"] |= {"low": -0.1}
    said = " ".join(numbers.cautions(run))
    assert "too high on average, by 4.0 (2.0 to 6.0)" in said and "Spearman correlation includes 0" in said
    run.best["test"]["spearman"] |= {"low": 0.1}
    run.best["test"]["r2"] |= {"low": -0.1}
    run.best["test"] |= {"patients": 31}
    said = " ".join(numbers.cautions(run))
    assert "no nearer to the truth than the mean" in said and "Only 31 patients were tested" in said


@pytest.mark.parametrize(
    ("slope", "said"),
    [((0.9, 1.1), "no fault of it can be shown."), ((1.1, 1.4), "too timid"), ((0.5, 0.9), "too bold"),
     ((0.2, 1.9), "though the interval is wide")],
)  # fmt: skip
def test_slope_in_words(plain, slope, said):
    run = reading.read(plain[0])
    run.best["test"]["calibration_slope"] = {"value": sum(slope) / 2, "low": slope[0], "high": slope[1]}
    assert said in numbers.calibration(run)[-1]


@pytest.mark.usefixtures("undrawn")
def test_folds_and_seeds(tmp_path):
    summary = fabricate(tmp_path, folds=4, seeds=3)
    page, row = rendered(tmp_path), of(summary, "finetune")
    mae = abs(of_test(tmp_path)["error"]).mean()
    assert f"cross-validated mean absolute error of {mae:.1f}" in page.header
    assert f"{mae + 1:.1f} ({mae:.1f} to {mae + 2:.1f} over 3 seeds)" in page.text
    assert f"{mae + 1:.1f} {mae:.1f} to {mae + 2:.1f}" in page.text and "0.60" in page.text
    assert "One shuffle, 3 seeds." in page.text and "one seed" not in page.text.lower()
    folds = [f"{fold['mae']:.1f} ({fold['spearman']:.2f})" for fold in row["test"]["folds"]]
    assert " ".join(folds) in page.text
    line = next(line for line in report.table(summary).splitlines() if line.startswith("*"))
    assert f"{mae + 1:.1f} ({mae:.1f} to {mae + 2:.1f})" in line and f"{mae:.1f} (" in line and "0.60" in line
    assert "MAE of 3 seeds (range)" in report.table(summary) and "MAE over 4 folds" in report.table(summary)


@pytest.mark.usefixtures("undrawn")
def test_units_of_several_images_have_the_mean_of_their_labels(tmp_path):
    summary = fabricate(tmp_path, unit="patient")
    page, worst = rendered(tmp_path), of_test(tmp_path).sort_values("error").iloc[0]
    assert f"{abs(of_test(tmp_path)['error']).mean():.1f}" == f"{of(summary, 'finetune')['test']['mae']['value']:.1f}"
    assert f"is {worst['truth']:.1f}: {-worst['error']:.1f} too low" in page.text
    assert "whose prediction and truth are the means of its images" in page.text


@pytest.mark.usefixtures("undrawn")
def test_too_few_patients_make_no_claim(tmp_path):
    summary = fabricate(tmp_path, patients=20)
    test = of(summary, "finetune")["test"]
    assert not test["claim"] and test["patients"] == 8  # or the test says nothing
    page = rendered(tmp_path)
    assert "8 patients were tested: too few for a claim; at least 10 are needed." in page.header
    assert f"{test['mae']['value']:.1f} " not in page.header and "Are the differences" not in page.text
    assert not (tmp_path / "figures" / "scatter.png").exists() and "8 patients" in report.table(summary)


@pytest.mark.parametrize(("sd", "said"), [(41.0, "12.3"), (411.0, "12"), (2.0, "12.35"), (0.021, "12.3457")])
def test_decimals_follow_the_spread_of_the_label(plain, sd, said):
    folder, summary, _ = plain
    change(folder, "metrics.json", **summary)
    run = reading.read(folder)
    run.best["test"]["truth_sd"] = sd
    from radzoo.report.measure import measure

    assert measure(run.metrics).number(12.345678) == said
    assert measure(run.metrics).number(-1e-9).lstrip("0.") == ""  # no -0.0


def test_limits_tell_of_numbers(plain):
    texts = {reason["title"]: reason["text"] for reason in limits.left_out(reading.read(plain[0]))}
    assert "another spread of bone_age" in texts["Another hospital."]
    assert "The recalibration was fixed" in texts["One validation part for several purposes."]
