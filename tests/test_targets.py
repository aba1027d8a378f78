"""Targets beyond classes: grades and numbers as labels, dealt out to parts, and scaled for a network."""

import numpy as np
import pandas as pd
import pytest

from radzoo.data import Index, assign_splits, read_external, read_index
from radzoo.data.scale import Scale
from radzoo.data.split import PARTS, parts
from radzoo.data.stratify import kinds_of
from radzoo.errors import BadInput
from radzoo.recipe import Data

WORDS = ("a", "b", "c", "d")


@pytest.fixture
def csv(tmp_path):
    def read(values, task, other=None, **fields):
        file = tmp_path / ("other.csv" if other else "index.csv")
        rows = "".join(f"{i}.png,{value}\n" for i, value in enumerate(values))
        file.write_text("image,label\n" + rows, encoding="utf-8")
        if other:
            return read_external(Data(index="gone.csv", **fields), str(file), other, task)
        return read_index(Data(index=str(file), **fields), task)

    return read


def test_grades_become_cuts(csv):
    index = csv("cabd", "ordinal", classes=WORDS)
    assert (index.task, index.classes) == ("ordinal", (">=b", ">=c", ">=d"))
    assert index.labels.tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 0], [1, 1, 1]] and index.labels.dtype == np.float32
    index = csv(["10", "2.0", "9", "2"], "ordinal")  # numbers by size, not by letters
    assert index.classes == (">=9", ">=10") and index.labels.tolist() == [[1, 1], [0, 0], [1, 0], [0, 0]]
    assert csv("ab", "ordinal", classes=WORDS).labels.tolist() == [[0, 0, 0], [1, 0, 0]]  # the split says what lacks


@pytest.mark.parametrize(
    "values, fields, message",
    [
        ("bac", {}, r"holds words \(a, b, c\): say their order with --data.classes a b c"),
        (("1", "2", "x", "3"), {}, "holds 'x' in row 4 .*beside numbers: mend it, or say the order"),
        ("abce", {"classes": WORDS}, "holds 'e' in row 5 .*expected one of a, b, c, d"),
        ("1212", {}, "three different grades or more, 1, 2 came: with two leave --task out"),
        ("aab", {"classes": ("a", "b", "a")}, "three different grades or more, a, b, a came"),
        (map(str, range(21)), {}, "21 different numbers .*at most 20 grades: pass --task regression"),
        (("1", "", "2", "3"), {}, "no label in row 3"),
        ("012", {"label": ("label", "image")}, "2 label columns came, ordinal takes one"),
    ],
)
def test_bad_grades(csv, values, fields, message):
    with pytest.raises(BadInput, match=message):
        csv(values, "ordinal", **fields)


def test_numbers(csv):
    index = csv(["12.5", "-3", "1e2"], "regression")
    assert (index.task, index.classes, index.labels.tolist()) == ("regression", ("label",), [[12.5], [-3], [100]])
    assert index.labels.dtype == np.float32


@pytest.mark.parametrize(
    "values, fields, message",
    [
        (("1", "old", "2"), {}, "holds 'old' in row 3 .*a regression takes finite numbers"),
        (("1", "inf", "2"), {}, "holds 'inf' in row 3"),
        (("1", "1_0", "2"), {}, "holds '1_0' in row 3"),
        (("7", "7.0"), {}, "holds only the number 7"),
        ("123", {"classes": ("1", "2")}, "--data.classes came with a regression"),
    ],
)
def test_bad_numbers(csv, values, fields, message):
    with pytest.raises(BadInput, match=message):
        csv(values, "regression", **fields)


def test_auto_never_guesses_a_quantity(csv):
    assert csv("0123", "auto").task == "multiclass"
    assert csv(map(str, range(20)), "auto").task == "multiclass"
    with pytest.raises(BadInput, match=r"21 different numbers .*pass --task regression for a quantity, --task ordinal"):
        csv(map(str, range(21)), "auto")
    many = [f"kind{i}" for i in range(21)]  # words may be many
    assert csv(many, "auto").task == csv(map(str, range(21)), "multiclass").task == "multiclass"


def test_other_hospitals(csv):
    cuts = (">=2", ">=3", ">=4")
    assert csv("1242", "ordinal", cuts).labels.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 1], [1, 0, 0]]
    assert csv("44", "ordinal", cuts).labels.tolist() == [[1, 1, 1], [1, 1, 1]]  # some grades are absent
    assert csv("ad", "ordinal", (">=b", ">=c", ">=d"), classes=WORDS).labels.tolist() == [[0, 0, 0], [1, 1, 1]]
    for values, strange in (("25", "5"), ("012", "1"), (("2", "2.5"), "2.5"), ("2x", "x")):
        with pytest.raises(BadInput, match=rf"holds '{strange}' in row .*expected one of"):  # 0 and 1 are both below 2
            csv(values, "ordinal", cuts)
    with pytest.raises(BadInput, match=r"--data.classes a b c d came, the model knows the cuts >=2, >=3, >=4"):
        csv("ab", "ordinal", cuts, classes=WORDS)
    assert csv(("7", "7"), "regression", ("age",)).labels.tolist() == [[7], [7]]
    with pytest.raises(BadInput, match="holds 'x' in row 3"):
        csv("1x", "regression", ("age",))


def index(labels, patients, task, split=""):
    table = pd.DataFrame({"row": range(len(labels)), "path": [f"/x/{i}.png" for i in range(len(labels))]})
    table["patient"], table["split"] = [f"p{p}" for p in patients], split
    labels = np.asarray(labels, "float32")
    return Index(table, labels, tuple("abcd"[: labels.shape[1]]), task)


def assign(this, digests=None, split=(0.6, 0.2, 0.2), seed=0):
    return assign_splits(this, digests or [f"d{i}" for i in range(len(this.table))], Data(split=split), seed)


def test_fifths_by_hand():
    values, patient = np.array([1.0, 3, 10, 20, 30, 40, 41, 39]), np.array([0, 0, 1, 2, 3, 4, 4, 4])  # means 2 10 … 40
    np.testing.assert_array_equal(kinds_of(values[:, None], patient, "regression", 1), np.eye(5))
    halves = kinds_of(values[:, None], patient, "regression", 2)  # five patients, two parts: two ranges
    np.testing.assert_array_equal(halves.argmax(1), [0, 0, 0, 1, 1])
    one = kinds_of(np.ones((6, 1)), np.arange(6), "regression", 1)
    assert one.sum() == 6 and (one.argmax(1) == one[0].argmax()).all()  # equals stay together
    grades = kinds_of(np.float32([[0, 0], [1, 0], [1, 1]]), np.array([0, 0, 1]), "ordinal", 3)
    np.testing.assert_array_equal(grades, [[1, 1, 0], [0, 0, 1]])


@pytest.mark.parametrize("seed", range(4))
def test_numbers_are_spread_over_the_parts(seed):
    """The means of the parts differ less than a fifth of what dealing out by chance would make of them."""
    rng = np.random.default_rng(seed)
    age, patients = rng.gamma(2, 20, 100), np.repeat(np.arange(100), 2)
    result = assign(index(age[patients, None] + rng.normal(size=(200, 1)), patients, "regression"), seed=seed)
    assert (result.table.groupby("patient")["split"].nunique() == 1).all()
    fifth = np.searchsorted(np.quantile(age, [0.2, 0.4, 0.6, 0.8]), age)
    part = result.table["split"].to_numpy()[::2]
    counts = np.array([[((part == name) & (fifth == f)).sum() for f in range(5)] for name in PARTS])
    assert np.abs(counts - [[12], [4], [4]]).max() <= 2, counts
    blocks = assign(index(age[:, None], range(100), "regression"), split=5, seed=seed).table["fold"]
    counts = np.array([np.bincount(fifth[blocks == fold], minlength=5) for fold in range(1, 6)])
    np.testing.assert_array_equal(counts, np.full((5, 5), 4))


def test_the_split_of_numbers_owes_nothing_to_the_order_of_rows():
    rng = np.random.default_rng(1)
    labels, patients, order = rng.normal(size=(80, 1)), rng.integers(0, 30, 80), rng.permutation(80)
    digests = np.array([f"{i:02}" for i in range(80)])
    first = assign(index(labels, patients, "regression"), list(digests)).table["split"].to_numpy()
    again = assign(index(labels[order], patients[order], "regression"), list(digests[order])).table["split"].to_numpy()
    np.testing.assert_array_equal(first[order], again)


def test_rare_lowest_grades_reach_every_part():
    grade = np.repeat([0, 1, 2], [3, 40, 57])  # as several labels, cuts would not see that the lowest is rare
    result = assign(index(grade[:, None] >= [1, 2], range(100), "ordinal"))
    assert [(grade[rows] == 0).sum() for rows in parts(result).values()] == [1, 1, 1]


def test_parts_that_cannot_be_measured():
    given = ["train"] * 6 + ["validation"] * 3 + ["test"] * 2
    with pytest.raises(BadInput, match=r"test part has 2 patients \(2 images\), a regression needs at least 3 .*mend"):
        assign(index(np.arange(11)[:, None], range(11), "regression", given))
    values = np.r_[np.arange(6), 7, 7, 7, 8, 9, 10][:, None]
    with pytest.raises(BadInput, match=r"validation part has 3 patients \(3 images\), all with 7, a regression"):
        assign(index(values, range(12), "regression", [*given, "test"]))
    with pytest.raises(BadInput, match="'c'"):  # an ordinal cut without images is told as a label is
        assign(index(np.arange(30)[:, None] % 3 >= [1, 2, 3], range(30), "ordinal"))


def test_scale():
    labels = np.float32([[10], [20], [60]])
    scale = Scale.of(labels)
    assert scale.mean == 30 and scale.sd == pytest.approx(np.sqrt((400 + 100 + 900) / 3))
    learnt = scale.apply(labels)
    assert (
        learnt.dtype == np.float32 and learnt.mean() == pytest.approx(0, abs=1e-6) and learnt.std() == pytest.approx(1)
    )
    np.testing.assert_allclose(scale.inverse(learnt), labels, rtol=1e-6)
    with pytest.raises(BadInput, match="all 3 training labels are 5"):
        Scale.of(np.full((3, 1), 5.0))
