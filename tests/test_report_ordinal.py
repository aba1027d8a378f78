"""The page of a run whose label has ordered grades."""

import json

import numpy as np
import pandas as pd
import pytest
from test_report import Page, change, chest, fabricate, of, rendered, shown
from test_report import undrawn as undrawn  # a fixture

from radzoo import metrics, report
from radzoo.report import words

CUTS = (">=b", ">=c", ">=d")
GRADES = ("<b", "b", "c", "d")


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "graded"
    summary = fabricate(folder, "ordinal", CUTS, patients=160, external=(90,))
    return folder, summary, Page(report.write(folder, chest).read_text())


def of_test(folder, way="finetune"):
    """Index rows, true and called grades of the tested images, straight from the files of the run."""
    table = pd.read_csv(folder / "predictions.csv").query("way == @way and split == 'test'")
    true = pd.read_csv(folder / "split.csv").set_index("row")[list(CUTS)].loc[table["row"]].sum(axis=1).to_numpy()
    said = (table[list(CUTS)].to_numpy() > 0.5).sum(axis=1)  # the fabricated cuts are in order
    return table, true, said


def kappa(true, said, count=4):
    """Cohen's kappa with quadratic weights, from the table of pairs."""
    pairs = np.zeros((count, count))
    np.add.at(pairs, (true, said), 1)
    chance = np.outer(pairs.sum(1), pairs.sum(0)) / pairs.sum()
    weights = np.subtract.outer(np.arange(count), np.arange(count)) ** 2
    return 1 - (weights * pairs).sum() / (weights * chance).sum()


def test_agreement_is_that_of_the_files(graded):
    folder, summary, page = graded
    _, true, said = of_test(folder)
    found, test = kappa(true, said), of(summary, "finetune")["test"]
    assert 0.2 < found < 0.98
    assert f"and a quadratic-weighted kappa of {found:.2f} ({words.span(test['kappa'])})." in page.header
    exact, near = (true == said).mean(), (abs(true - said) <= 1).mean()
    assert (
        f"It named {exact:.0%} of the tested images exactly and {near:.0%} at most one grade off".replace("%", " %")
        in page.header
    )
    error = abs(true - said).mean()
    assert f"{error:.2f} {words.span(test['grade_error'])}" in page.text
    assert "as the mean over 3 cuts" in page.header


def test_confusion_counts_grades(graded):
    folder, _, page = graded
    _, true, said = of_test(folder)
    for grade, name in enumerate(GRADES):
        row = [int(((true == grade) & (said == other)).sum()) for other in range(4)]
        cells = " ".join(f"{count} {count / sum(row):.0%}".replace("%", " %") for count in row)
        assert f"images that are {name} {cells}" in page.text


def test_images_are_counted_by_grade(graded):
    folder, _, page = graded
    split = pd.read_csv(folder / "split.csv")
    for grade, name in enumerate(GRADES):
        cells = []
        for part in ("train", "validation", "test"):
            here = split[(split["split"] == part) & (split[list(CUTS)].sum(axis=1) == grade)]
            cells.append(f"{len(here)} of {here['patient'].nunique()} patients")
        assert f"{name} {' '.join(cells)}" in page.text


def test_cuts_have_their_own_auc(graded):
    folder, summary, page = graded
    table, _, _ = of_test(folder)
    truth = pd.read_csv(folder / "split.csv").set_index("row").loc[table["row"]]
    for cut in CUTS:
        area = metrics.auc(truth[cut].to_numpy(), table[cut].to_numpy())
        interval = of(summary, "finetune")["test"]["per_class"][cut]["auc"]
        title = cut.replace(">=", "\N{GREATER-THAN OR EQUAL TO} ")
        assert f"{title} {truth[cut].sum()} {area:.2f} {words.span(interval)}" in page.text.replace("\xa0", " ")


def test_cases_go_by_the_error_in_grades(graded):
    folder, _, page = graded
    table, true, said = of_test(folder)
    table = table.assign(true=true, said=said, error=said - true, away=table[list(CUTS)].sum(axis=1) - true)
    high = table[table["error"] > 0].sort_values(["error", "away"], ascending=False)
    low = table[table["error"] < 0].sort_values(["error", "away"])
    right = table[table["error"] == 0].sort_values("away", key=abs)
    right = right.assign(turn=right.groupby("true").cumcount()).sort_values(
        ["turn", "true"]
    )  # the surest of each grade
    assert right["true"].head(4).tolist() == [0, 1, 2, 3]
    for group, expected in (("Graded too high", high), ("Graded too low", low), ("Rightly graded", right)):
        assert f"{group} " in page.text and f"· {len(expected)} image" in page.text
        assert shown(page, group) == expected.drop_duplicates("patient")["row"].head(4).tolist()
    worst = high.iloc[0]
    assert f"called {GRADES[worst['said']]}, is {GRADES[worst['true']]}" in page.text


def test_terminal_shows_kappa(graded):
    folder, summary, _ = graded
    line = next(line for line in report.table(summary).splitlines() if line.startswith("*"))
    _, true, said = of_test(folder)
    assert f"{kappa(true, said):.2f}  " in line and f"{abs(true - said).mean():.2f}  " in line
    assert "error in grades" in report.table(summary)


@pytest.mark.usefixtures("undrawn")
def test_too_few_of_every_grade(tmp_path):
    summary = fabricate(tmp_path, "ordinal", CUTS, patients=20)
    assert not of(summary, "finetune")["test"]["claim"]  # or the test says nothing
    page = rendered(tmp_path)
    assert "No cut has more than" in page.header and "on both of its sides: too few for a claim" in page.header
    assert "kappa" not in page.header and "How far the grades agree" not in page.text
    assert "no cut with 10 and 10" in report.table(summary)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("told", "lowest"), [(("a", "b", "c", "d"), "a"), (("x", "y"), "<b"), ((), "<b")])
def test_the_lowest_grade_is_called_as_the_recipe_calls_it(tmp_path, told, lowest):
    fabricate(tmp_path, "ordinal", CUTS)
    recipe = json.loads((tmp_path / "recipe.json").read_text())
    change(tmp_path, "recipe.json", data=recipe["data"] | {"classes": told})
    text = rendered(tmp_path).text
    assert f"images that are {lowest} " in text and f"is {lowest} index row" in text
