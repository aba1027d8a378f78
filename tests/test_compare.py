"""`radzoo compare`: runs are matched by their images, differences are those worked out elsewhere, pages are honest."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from test_report import change, fabricate

import radzoo
from radzoo import metrics
from radzoo.errors import BadInput
from radzoo.report import comparing, reading
from radzoo.report.compared import reach

WAYS = {"A": {"finetune": 1.1}, "B": {"finetune": 0.6, "features": 0.5}, "C": {"finetune": 0.9}}


def fake(folder, signal=None, **options):
    """A run folder whose images have contents; the patients and labels of one seed are the same in all."""
    fabricate(folder, signal=signal, **options)
    table = pd.read_csv(folder / "images.csv")
    table.assign(content=[f"hash{row}" for row in table["row"]]).to_csv(folder / "images.csv", index=False)
    return folder


def edit(folder, name, edited):
    table = pd.read_csv(folder / name, keep_default_na=False)
    table = edited(table)
    table.to_csv(folder / name, index=False)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three binary runs, split once. Look, do not touch."""
    root = tmp_path_factory.mktemp("runs")
    return [fake(root / name, signal) for name, signal in WAYS.items()]


@pytest.fixture
def pair(tmp_path):
    return [fake(tmp_path / "one"), fake(tmp_path / "two", {"finetune": 0.6})]


def test_numbers_are_those_of_the_runs_and_of_metrics(runs):
    found = radzoo.compare(runs)
    tables = [reading.tested(run, run.best) for run in map(reading.read, runs)]
    assert [row["run"] for row in found.rows] == ["A", "B", "C"] and len(found.pairs) == 3
    for row, folder in zip(found.rows, runs, strict=True):
        best = reading.read(folder).best
        assert row["measured"] == best["test"]["auc"]
        assert row["average_precision"] == best["test"]["average_precision"]["value"]
    for each in found.pairs:
        one, two = tables[each["a"]], tables[each["b"]]
        expected = metrics.compare(one.truth, one.score, two.score, one.patients, task="binary", bootstrap=200)
        assert {key: each[key] for key in expected} == pytest.approx(expected)
        middle = (each["bootstrap"]["low"] + each["bootstrap"]["high"]) / 2
        assert abs(middle - each["difference"]) < 0.3 * (each["bootstrap"]["high"] - each["bootstrap"]["low"])
    p = [each["p"] for each in found.pairs]
    assert [each["holm"] for each in found.pairs] == pytest.approx(by_hand(p))


def by_hand(p):
    """Holm of three: the smallest times 3, the next times 2, never below the one before."""
    order = np.argsort(p)
    first, second, third = (p[i] for i in order)
    adjusted = [min(1, 3 * first), min(1, max(3 * first, 2 * second)), min(1, max(3 * first, 2 * second, third))]
    return [adjusted[list(order).index(i)] for i in range(3)]


def test_one_unit_per_patient_is_delong(tmp_path):
    from radzoo.metrics.areas import delong

    runs = [fake(tmp_path / n, {"finetune": s}, unit="patient", patients=400) for n, s in (("a", 1.0), ("b", 0.8))]
    found = radzoo.compare(runs)
    assert found.method == "DeLong"
    one, two = (reading.tested(run, run.best) for run in map(reading.read, runs))
    areas, covariance = delong(one.truth[:, 0], [one.score[:, 0], two.score[:, 0]])
    plain = covariance.sum(0)
    error = np.sqrt(plain[0, 0] + plain[1, 1] - 2 * plain[0, 1])
    assert found.pairs[0]["difference"] == pytest.approx(areas[0] - areas[1])
    width = (found.pairs[0]["high"] - found.pairs[0]["low"]) / 2 / 1.96
    assert width == pytest.approx(error, rel=0.15)  # steadied: see `metrics.areas`


def test_order_of_rows_and_names_do_not_matter(runs, tmp_path):
    """Another order of the index is the same test; only the pixels say which image is which."""
    other = fake(tmp_path / "turned", WAYS["B"])
    rows = pd.read_csv(other / "images.csv")["row"].to_numpy()[::-1]
    for name in ("images.csv", "split.csv", "predictions.csv"):
        edit(other, name, lambda table: table.assign(row=rows[table["row"]]).iloc[::-1])
    edit(other, "split.csv", lambda table: table.assign(unit="u" + table["unit"], patient="p" + table["patient"]))
    edit(other, "predictions.csv", lambda table: table.assign(unit="u" + table["unit"], patient="p" + table["patient"]))
    expected, found = radzoo.compare(runs[:2]).pairs[0], radzoo.compare([runs[0], other]).pairs[0]
    assert found["difference"] == pytest.approx(expected["difference"])
    assert found["p"] == pytest.approx(expected["p"])


def test_identical_answers_differ_by_nothing(tmp_path):
    same = radzoo.compare([fake(tmp_path / "a"), fake(tmp_path / "b")]).pairs[0]
    assert (same["difference"], same["p"], same["holm"], same["bootstrap"]["p"]) == (0, 1, 1, 1)


@pytest.mark.parametrize(
    ("task", "classes"), [("multiclass", ("a", "b", "c")), ("multilabel", ("Mass", "Nodule", "Edema"))]
)
def test_several_classes(tmp_path, task, classes):
    runs = [fake(tmp_path / n, {"finetune": s}, task=task, classes=classes) for n, s in (("a", 1.2), ("b", 0.3))]
    found = radzoo.compare(runs, out=tmp_path / "page.html")
    assert found.measure == "mean AUC" and found.method == "bootstrap over patients"
    drop = found.rows[0]["measured"]["value"] - found.rows[1]["measured"]["value"]
    assert found.pairs[0]["difference"] == pytest.approx(drop)
    assert found.pairs[0]["bootstrap"]["low"] < drop < found.pairs[0]["bootstrap"]["high"]
    assert "means over the classes" in (tmp_path / "page.html").read_text()


def ages(folder, error, seed):
    """Makes a fabricated run one of a continuous target."""
    rng = np.random.default_rng(seed)
    split = pd.read_csv(folder / "split.csv", keep_default_na=False)
    age = np.random.default_rng(0).uniform(1, 18, len(split))
    split.drop(columns="tuberculosis").assign(age=age).to_csv(folder / "split.csv", index=False)
    table = pd.read_csv(folder / "predictions.csv", keep_default_na=False).drop(columns="tuberculosis")
    table = table.assign(age=age[table["row"]] + rng.normal(0, error, len(table)))
    table.to_csv(folder / "predictions.csv", index=False)
    content = json.loads((folder / "metrics.json").read_text())
    here = table[(table["way"] == "finetune") & (table["split"] == "test")]
    measured = metrics.evaluate_regression(age[here["row"]], here["age"].to_numpy(), here["patient"], bootstrap=50)
    rows = [row | {"test": measured} for row in content["rows"] if row["way"] == "finetune"]
    change(folder, "metrics.json", task="regression", classes=["age"], positive=None, rows=rows)
    return folder


def test_numbers_are_compared_by_their_mean_absolute_error(tmp_path):
    runs = [ages(fake(tmp_path / name), error, i) for i, (name, error) in enumerate((("near", 1.0), ("far", 3.0)))]
    found = radzoo.compare(runs, out=tmp_path / "page.html")
    assert found.measure == "MAE" and found.best == 0
    near, far = (row["measured"]["value"] for row in found.rows)
    assert found.pairs[0]["difference"] == pytest.approx(near - far) and near - far < -1
    assert found.pairs[0]["bootstrap"]["high"] < 0 and found.pairs[0]["holm"] < 1e-6
    page = (tmp_path / "page.html").read_text()
    assert "near reached the lowest mean absolute error" in page and "less is better" in page and "AUC" not in page


def flipped(table):
    """Another label of the first tested image."""
    first = table.index[table["split"] == "test"][0]
    table.loc[first, "tuberculosis"] = 1 - table.loc[first, "tuberculosis"]
    return table


REFUSED = {
    "other labels": (
        lambda f: edit(f, "split.csv", flipped),
        r"1 of \d+ tested images have other labels in two than in one \(index row \d+\): correct the index",
    ),
    "fewer tested": (
        lambda f: edit(f, "predictions.csv", lambda t: t.drop(t[t["split"] == "test"].groupby("way").head(2).index)),
        r"tested on different images: 2 of the \d+ of one are not tested in two \(index rows \d+, \d+\), 0 of the \d+ "
        r"of two not in one: compare runs with the same index, --data.split",
    ),
    "other pixels": (
        lambda f: edit(f, "images.csv", lambda t: t.assign(content=t["content"].where(t["row"] % 9 > 0, "x"))),
        r"are not tested in two .* not in one",
    ),
    "other patients": (
        lambda f: [edit(f, n, lambda t: t.assign(patient=t["unit"])) for n in ("split.csv", "predictions.csv")],
        r"tested images belong to other patients in two than in one: name the same --data.patient",
    ),
    "another task": (lambda f: change(f, "metrics.json", task="multilabel"), "task binary in the first, multilabel in"),
    "another unit": (lambda f: change(f, "metrics.json", unit="study"), "unit image in the first, study in the other"),
    "other classes": (lambda f: change(f, "metrics.json", classes=["mass"]), "tuberculosis in the first, mass in"),
    "an earlier version": (lambda f: edit(f, "images.csv", lambda t: t.drop(columns="content")), "was made by an earl"),
    "unfinished": (lambda f: (f / "metrics.json").unlink(), "lacks metrics.json: a report needs"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_runs_of_other_tests_are_refused(pair, case):
    spoil, message = REFUSED[case]
    spoil(pair[1])
    with pytest.raises(BadInput, match=message):
        radzoo.compare(pair)


def test_other_windows_are_matched_by_name_and_said(pair):
    edit(pair[1], "images.csv", lambda table: table.assign(content="window " + table["content"]))
    assert "matched by patient and row of the index" in radzoo.compare(pair).notes[0]
    edit(pair[1], "split.csv", lambda table: table.assign(patient="x" + table["patient"]))
    with pytest.raises(BadInput, match="tested on different images"):
        radzoo.compare(pair)


def test_the_same_image_twice_is_counted(pair):
    for folder in pair:
        edit(folder, "images.csv", lambda table: table.assign(content=[f"hash{row // 2}" for row in table["row"]]))
    assert radzoo.compare(pair).tested["units"] == len(reading.tested(*of(pair[0])).truth)


def of(folder):
    run = reading.read(folder)
    return run, run.best


def test_other_folds_are_said(tmp_path):
    """The pooled folds of two seeds test the same patients, but did not learn from the same."""
    runs = [fake(tmp_path / "a", folds=5), fake(tmp_path / "b", {"finetune": 0.6}, folds=5)]
    assert radzoo.compare(runs).notes == []
    edit(runs[1], "split.csv", lambda table: table.assign(fold=table["fold"] % 5 + 1))
    assert "dealt differently" in radzoo.compare(runs).notes[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda runs: radzoo.compare(runs[:1]), "1 run came, expected at least two"),
        (lambda runs: radzoo.compare([runs[0], runs[0]]), "a run came twice"),
        (lambda runs: radzoo.compare(runs, names=["x"]), "1 names came for 3 runs"),
        (lambda runs: radzoo.compare(runs, names=["x", "x", "y"]), "several runs are called x: .* --names"),
        (lambda runs: radzoo.compare([runs[0], runs[1] / "none"]), "none is no folder"),
    ],
)
def test_bad_input(runs, call, message):
    with pytest.raises(BadInput, match=message):
        call(runs)


def test_page_needs_nothing_else_and_names_no_folder_or_patient(runs, tmp_path):
    for folder in runs:
        content = json.loads((folder / "recipe.json").read_text())
        assert content["data"]["index"] == "phantom:chest"
    found = radzoo.compare(runs, names=["<A>", "B & co", "C"], out=tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert str(runs[0].parent) not in page and "secret-" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "&lt;A&gt;" in page and "<A>" not in page and "B &amp; co" in page
    assert "one training with one seed" in page and "The best of 3 on one test set" in page
    assert page.count('<svg class="forest"') == len(found.rows) + len(found.pairs)
    assert "synthetic" in page
    with pytest.raises(BadInput, match="exists and is never overwritten"):
        radzoo.compare(runs, out=tmp_path / "page.html")
    with pytest.raises(BadInput, match=r"the folder .* does not exist"):
        radzoo.compare(runs, out=tmp_path / "no" / "page.html")


@pytest.mark.parametrize(
    "high, shown", [(0.309, "0.35"), (0.13, "0.15"), (0.02, "0.025"), (3e-4, "0.00035"), (70.2, "75")]
)
def test_ends_of_an_axis_are_round_numbers(high, shown):
    found = SimpleNamespace(pairs=[{"difference": high / 2, "low": 0.0, "high": high}])
    assert f"{reach(found):.6g}" == shown and reach(found) >= high


def test_recipes_are_told_apart_without_their_folders(pair):
    content = json.loads((pair[1] / "recipe.json").read_text())
    content["phases"][0]["epochs"] = 77
    content["data"]["index"], content["out"] = "/home/doctor/index.csv", "/home/doctor/run"
    (pair[1] / "recipe.json").write_text(json.dumps(content))
    different = dict(comparing.differing([reading.read(folder) for folder in pair]))
    assert different["phases.1.epochs"][1] == "77" and different["data.index"] == ["phantom:chest", "index.csv"]
    assert set(different) == {"phases.1.epochs", "data.index"}


def test_seeds_have_a_range(pair, tmp_path):
    content = json.loads((pair[0] / "metrics.json").read_text())
    for row in content["rows"]:
        row["repeats"] = {"auc": [0.9, 0.8, 0.85], "mean": 0.85, "low": 0.8, "high": 0.9, "choice": [1, 1, 1]}
    change(pair[0], "metrics.json", **content)
    found = radzoo.compare(pair, out=tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "0.80 to 0.90, 3 seeds" in page and "two: each is one training with one seed" in page
    assert "0.80 to 0.90" in str(found).splitlines()[1]


def test_too_few_patients_make_no_comparison(tmp_path):
    runs = [fake(tmp_path / "a", patients=20), fake(tmp_path / "b", {"finetune": 0.6}, patients=20)]
    found = radzoo.compare(runs, out=tmp_path / "page.html")
    assert found.pairs == [] and "Too few patients were tested" in str(found)
    page = (tmp_path / "page.html").read_text()
    assert "Too few patients were tested to compare these runs" in page and 'class="forest"' not in page


def test_all_ways(runs):
    found = radzoo.compare(runs[:2], all_ways=True)
    assert len(found.rows) == 6 and len(found.pairs) == 15
    assert sum(row["chosen"] for row in found.rows) == 2


def test_command(runs, tmp_path, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = cli("compare", *runs)
    assert (code, err) == (0, "") and "page: " in out and (tmp_path / "comparison-1.html").is_file()
    assert re.search(r"\* +A +fine-tuned mobilenet_v2_035", out) and "on the same" in out
    assert cli("compare", *runs, "--names", "x", "y", "z", "--all-ways", "--out", "p.html")[0] == 0
    assert "comparison-2.html" in cli("compare", *runs)[1]
    code, out, err = cli("compare", *runs, "--out", "p.html")
    assert code == 2 and err.count("\n") == 1 and "never overwritten" in err
    code, out, err = cli("compare", runs[0])
    assert code == 2 and "1 run came, expected at least two" in err
