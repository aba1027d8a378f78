"""Splits: no patient and no image on two sides, labels in proportion, and every mistake a clear line."""

import numpy as np
import pandas as pd
import pytest

from radzoo.data import Index, assign_splits
from radzoo.data.split import FINAL, PARTS, folds, parts
from radzoo.data.stratify import stratify
from radzoo.errors import BadInput
from radzoo.recipe import Data

FRACTIONS = (0.6, 0.2, 0.2)
DATA = Data(split=FRACTIONS)


def index(labels, patients=None, split="", task=None, path="/x/{}.png"):
    labels = np.asarray(labels, "float32")
    labels = labels[:, None] if labels.ndim == 1 else labels
    n, k = labels.shape
    patients = range(n) if patients is None else patients
    table = pd.DataFrame({"row": range(n), "path": [path.format(i) for i in range(n)]})
    table["patient"], table["split"] = [f"p{p}" for p in patients], split
    return Index(table, labels, tuple("abcdefgh"[:k]), task or ("binary" if k == 1 else "multilabel"))


def assign(this, digests=None, data=DATA, seed=0):
    return assign_splits(this, [f"d{i}" for i in range(len(this.table))] if digests is None else digests, data, seed)


def patients_with(result, labels):
    """Patients of each part who show each label: `(parts, labels)`."""
    table = pd.DataFrame(labels).groupby(result.table["patient"].to_numpy()).max()
    part = result.table.groupby("patient")["split"].first()
    return np.stack([table[part == name].sum() for name in PARTS])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fractions", [FRACTIONS, (0.68, 0.17, 0.15), (0.8, 0.1, 0.1)])
def test_binary_is_within_one_patient(seed, fractions):
    rng = np.random.default_rng(seed)
    of_patient = rng.random(200) < 0.13
    patients = rng.integers(0, 200, 500)
    this = index(of_patient[patients], patients)
    result = assign(this, data=Data(split=fractions), seed=seed)
    for positive in (this.labels, 1 - this.labels):
        counts = patients_with(result, positive)[:, 0]
        assert np.abs(counts - counts.sum() * np.array(fractions)).max() <= 1
    assert (result.table.groupby("patient")["split"].nunique() == 1).all()
    assert list(result.table["path"]) == list(this.table["path"])


@pytest.mark.parametrize("seed", range(5))
def test_rare_labels_reach_every_part(seed):
    rng = np.random.default_rng(seed)
    labels = rng.random((400, 6)) < [0.3, 0.2, 0.1, 0.05, 0.03, 0]
    labels[:3, 5] = True  # three patients serve three parts
    counts = patients_with(result := assign(index(labels), seed=seed), labels)
    assert list(counts[:, 5]) == [1, 1, 1]
    target = labels.sum(axis=0) * np.array(FRACTIONS)[:, None]
    assert np.abs(counts - target)[:, 2:5].max() <= 1.5  # dealt first
    assert np.abs(counts - target).max() <= 4  # the commonest only fill up
    sizes = result.table["split"].value_counts()
    assert np.abs(sizes[list(PARTS)] - 400 * np.array(FRACTIONS)).max() <= 2


def test_multiclass():
    values = np.repeat([0, 1, 2], [60, 30, 10])
    counts = patients_with(assign(index(np.eye(3)[values], task="multiclass")), np.eye(3)[values])
    np.testing.assert_array_equal(counts, [[36, 18, 6], [12, 6, 2], [12, 6, 2]])


def test_large_groups_count_by_their_patients():
    sizes, kinds = np.array([20, *[1] * 30]), np.ones((31, 1))
    kinds[0] = 20
    part = stratify(kinds, sizes, FRACTIONS, np.random.default_rng(0))
    assert [sizes[part == p].sum() for p in range(3)] == [30, 10, 10]


def test_same_seed_same_parts_in_any_order_of_rows():
    rng = np.random.default_rng(3)
    labels, patients = rng.random(90) < 0.4, rng.integers(0, 40, 90)
    digests = np.array([f"{i:03}" for i in rng.permutation(90)])
    order = rng.permutation(90)
    first = assign(index(labels, patients), digests).table["split"].to_numpy()
    again = assign(index(labels, patients), digests).table["split"].to_numpy()
    shuffled = assign(index(labels[order], patients[order]), digests[order]).table["split"].to_numpy()
    other = assign(index(labels, patients), digests, seed=1).table["split"].to_numpy()
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first[order], shuffled)
    assert (first != other).any()


def test_patients_with_the_same_image_stay_together():
    labels = np.arange(30) % 2
    digests = [f"d{i}" for i in range(30)]
    digests[4] = digests[11]
    digests[20] = digests[5]
    patients = list(range(30))
    patients[5] = 4  # so 4, 11 and 20 hang together
    for seed in range(10):
        result = assign(index(labels, patients), digests, seed=seed)
        assert result.table["split"][[4, 5, 11, 20]].nunique() == 1
        assert result.table["group"][[4, 5, 11, 20]].nunique() == 1 and result.table["group"].nunique() == 27
        assert "3 patients share an identical image" in result.notes[-1] and "rows 6, 7, 13, 22" in result.notes[-1]
    assert assign(index(labels, patients)).notes == ()


def given(*parts):
    """Four images, two of each kind, for each part."""
    return index([0, 1, 0, 1] * len(parts), split=np.repeat(parts, 4))


def test_given_split_is_kept():
    this = given(*PARTS)
    assert list(assign(this).table["split"]) == list(this.table["split"])
    assert list(this.table["split"]) == list(np.repeat(PARTS, 4))


def test_missing_validation_is_carved_from_training():
    this = index([0, 1] * 30, np.arange(60) // 2, split=np.repeat(["train", "test"], [50, 10]))
    result = assign(this)
    assert result.table["split"].value_counts().to_dict() == {"train": 40, "validation": 10, "test": 10}
    assert set(result.table["split"][50:]) == {"test"}
    assert (result.table.groupby("patient")["split"].nunique() == 1).all()
    assert "5 patients (10 images)" in result.notes[-1]


def test_leaks_in_a_given_split():
    this = given(*PARTS)
    this.table.loc[5, "patient"] = "p1"
    with pytest.raises(BadInput, match=r"^1 patients on more than one side of the given split, in rows 3, 7 \(the hea"):
        assign(this)
    digests = [f"d{i}" for i in range(12)]
    digests[9] = digests[0]
    with pytest.raises(BadInput, match=r"^1 identical images on more than one side .*in rows 2, 11 "):
        assign(given(*PARTS), digests)


def test_published_arrays_lose_their_copies_from_training():
    this = index([0, 1, 0, 1] * 3, split=np.repeat(PARTS, 4), path="/x/set.npz#all/{}")
    digests = [f"d{i}" for i in range(12)]
    digests[9] = digests[5] = digests[1]
    result = assign(this, digests)
    assert list(np.flatnonzero(result.table["split"] == "")) == [1, 5]
    assert set(result.table["split"][8:]) == {"test"}
    assert (
        "2 images of the given split have an identical copy" in result.notes[-1] and "all/1, all/5" in result.notes[-1]
    )


@pytest.mark.parametrize(
    "this, message",
    [
        (index([0, 1, 0, 1], [0] * 4), "all images come from 1 patient "),
        (index([0, 1, 0, 1], [0, 0, 1, 1]), "all images come from 2 patients .* need at least 3"),
        (index([0] * 20 + [1] * 2), r"(validation|test) \(\d images\) has no image with 'a' \(2 of 22 in all\)"),
        (index([1] * 20 + [0] * 2), r"has no image without 'a' \(20 of 22 in all\): give more data, other fractions"),
        (index(np.eye(3)[[0] * 9 + [1] * 9 + [2]], task="multiclass"), "has no image with 'c' .*another seed"),
        (index(np.eye(2)[[0] * 9 + [1] * 2]), "no image with 'b' .*: drop a, b from --data.label"),
        (given("train", "validation"), "the test part has no image"),
        (
            index([0, 1, 0, 1, 1, 1], split=np.repeat(PARTS, 2)),
            "test .2 images. has no image without 'a' .*mend the sp",
        ),
        (index([0, 1, 0, 1], [0, 0, 1, 1], split=["train", "train", "test", "test"]), "1 patient .*need at least 2"),
    ],
)
def test_classes_and_patients_that_do_not_suffice(this, message):
    with pytest.raises(BadInput, match=message):
        assign(this)


@pytest.mark.parametrize("split", [(0.6, 0.2, 0.1), (1.0, 0.2, -0.2), (0.5, 0.5, 0.0), (0.8, 0.2)])
def test_bad_fractions(split):
    with pytest.raises(BadInput, match=r"expected three positive fractions"):
        assign(index([0, 1] * 20), data=Data(split=split))


@pytest.mark.parametrize("count", [3, 5, 10])
@pytest.mark.parametrize("seed", range(3))
def test_folds_test_every_patient_once_and_never_learn_from_him(count, seed):
    rng = np.random.default_rng(seed)
    of_patient, patients = rng.random(120) < 0.3, rng.integers(0, 120, 300)
    this = assign(index(of_patient[patients], patients), data=Data(split=count), seed=seed)
    assert folds(this) == list(range(1, count + 1))
    owner, tested, guided = this.table["patient"].to_numpy(), [], []
    for fold in folds(this):
        here = parts(this, fold)
        assert sorted(np.concatenate([*here.values()])) == list(range(300))
        sides = [set(owner[rows]) for rows in here.values()]
        assert sum(map(len, sides)) == len(set(owner))
        tested += list(here["test"])
        guided += list(here["validation"])
        share = this.labels[here["test"]].any() and this.labels[here["train"]].mean()
        assert abs(share - this.labels.mean()) < 0.06
    assert sorted(tested) == sorted(guided) == list(range(300))
    final = parts(this, FINAL)
    assert set(final) == {"train", "validation"} and list(final["validation"]) == list(parts(this, 1)["test"])
    assert len(final["train"]) + len(final["validation"]) == 300


def test_folds_are_the_default_below_a_thousand_patients():
    small, large = (assign(index(np.arange(n) % 2), data=Data()) for n in (999, 1000))
    assert folds(small) == [1, 2, 3, 4, 5] and folds(large) == [0]
    assert large.table["split"].value_counts().to_dict() == {"train": 600, "validation": 200, "test": 200}
    assert (large.table["fold"] == 0).all() and set(parts(large)) == set(PARTS)


def test_a_given_split_is_never_folded():
    result = assign(given(*PARTS), data=Data(split=None))
    assert folds(result) == [0] and list(result.table["split"]) == list(np.repeat(PARTS, 4))


@pytest.mark.parametrize(
    "labels, count, message",
    [
        ([0] * 40 + [1] * 4, 5, r"fold \d \(\d+ images\) has no image with 'a' .*fewer folds \(--data.split 3\)"),
        ([0] * 40 + [1] * 2, 3, r"one split \(--data.split 0.6 0.2 0.2\)"),
        ([0, 1] * 20, 2, "expected at least 3 folds"),
        ([0, 1, 0, 1], 5, "need at least 5"),
    ],
)
def test_folds_that_cannot_be(labels, count, message):
    with pytest.raises(BadInput, match=message):
        assign(index(labels), data=Data(split=count))


def test_patients_with_the_same_image_share_a_fold():
    digests = [f"d{i}" for i in range(30)]
    digests[4] = digests[11]
    for seed in range(5):
        assert assign(index(np.arange(30) % 2), digests, Data(split=3), seed).table["fold"][[4, 11]].nunique() == 1


def test_messages_do_not_name_patients():
    this = given(*PARTS)
    this.table.loc[[0, 5], "patient"] = "Doe^Jane"
    with pytest.raises(BadInput) as caught:
        assign(this)
    assert "Doe" not in str(caught.value)
