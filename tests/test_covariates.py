"""What is known beside the image: as numbers, in the head, and in predictions."""

import json

import fabricate
import numpy as np
import pandas as pd
import pytest

import radzoo
from radzoo.data import read_index
from radzoo.data.covariates import Covariates
from radzoo.errors import BadInput
from radzoo.recipe import Phase

CELLS = pd.DataFrame({"age": ["1", "2", "3", "9"], "sex": ["F", "M", "F", "M"], "site": ["b", "c", "a", "a"]})


def test_numbers_and_words_by_hand():
    learnt = Covariates.learn(CELLS, np.array([0, 1, 2]))
    assert learnt.width == 1 + 1 + 2
    sd = np.std([1, 2, 3])
    expected = [[-1 / sd, 0, 1, 0], [0, 1, 0, 1], [1 / sd, 0, 0, 0], [7 / sd, 1, 0, 0]]  # site: b?, c?
    np.testing.assert_allclose(learnt.transform(CELLS), expected, rtol=1e-6)
    again = Covariates.from_json(json.loads(json.dumps(learnt.to_json())))
    np.testing.assert_array_equal(again.transform(CELLS), learnt.transform(CELLS))


def test_what_the_training_part_does_not_hold_moves_nothing():
    """A category that no training row has enters as the first one, a number that did not vary as 0."""
    learnt = Covariates.learn(CELLS.assign(age=["5", "5", "5", "9"]), np.array([0, 2]))  # F and F, sites b and a
    assert learnt.words == {"sex": ("F",), "site": ("a", "b")} and learnt.unseen == {"sex": ("M",), "site": ("c",)}
    said = learnt.transform(CELLS.assign(age=["5", "5", "5", "9"]))
    np.testing.assert_array_equal(said, [[0, 0, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    assert learnt.width == said.shape[1] == 3


@pytest.mark.parametrize(
    "cells, message",
    [
        ({"age": "x", "sex": "F", "site": "a"}, "'age' is 'x', expected a number"),
        ({"age": "1", "sex": "D", "site": "a"}, "'sex' is 'D', expected F or M"),
        ({"sex": "F"}, "the covariates age, site did not come"),
    ],
)
def test_what_training_did_not_know(cells, message):
    with pytest.raises(BadInput, match=message):
        Covariates.learn(CELLS, np.arange(3)).transform(pd.DataFrame(cells, index=[0]))


@pytest.mark.parametrize(
    "cells, message",
    [
        ({"a": ["1", "1"]}, "'a' is '1' in every row"),
        ({"a": [f"name{i}" for i in range(30)]}, "'a' holds 30 words"),
    ],
)
def test_columns_that_say_nothing(cells, message):
    with pytest.raises(BadInput, match=message):
        Covariates.learn(pd.DataFrame(cells), np.arange(2))


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    """Pictures whose label only the column `marker` tells: `(index, recipe)`."""
    folder = tmp_path_factory.mktemp("covariates")
    index = fabricate.pictures(folder / "data", patients=40)
    table, rng = pd.read_csv(index), np.random.default_rng(0)
    kinds = rng.integers(0, 2, 40)
    table["label"] = np.repeat(kinds, 2)
    table["marker"] = np.where(table["label"] == 1, "high", "low")
    table["age"] = rng.integers(20, 80, len(table))
    table.to_csv(index, index=False)
    what = fabricate.recipe(
        index, folder / "run", ways=("scratch",), covariates=("marker", "age"),
        scratch=Phase(epochs=80, learning_rate=2e-2, patience=80),
    )  # fmt: skip
    return index, what


def test_a_run_with_covariates_and_its_predictions(indexed):
    """The run learns what only the covariate tells; `predict` gives the numbers of predictions.csv again."""
    index, what = indexed
    run = radzoo.run(what)
    row = run.metrics["rows"][0]
    assert row["test"]["auc"]["value"] > 0.95
    table = pd.read_csv(index).reset_index(names="row")
    kept = pd.read_csv(run.folder / "predictions.csv")
    kept = kept[(kept["split"] == "test") & (kept["way"] == "scratch")].merge(table, on="row", suffixes=("", "_own"))
    files = [str(index.parent / name) for name in kept["file"]]
    beside = {"marker": list(kept["marker"]), "age": list(kept["age"])}
    said = radzoo.predict(run.folder, files, covariates=beside, progress=False)
    np.testing.assert_allclose(said["label"], kept["label"], atol=1e-5)
    for given, message in (
        (None, "needs age, marker beside the image"),
        ({"age": 50}, "covariate marker did not come"),
        ({"age": 50, "marker": "high", "sex": "F"}, "'sex' came, this run knows age, marker"),
        ({"age": [50, 60, 70], "marker": "high"}, "has 3 values for 1 images"),
    ):
        with pytest.raises(BadInput, match=message):
            radzoo.predict(run.folder, files[:1], covariates=given, progress=False)


def test_gaps_are_named(indexed, tmp_path):
    index, what = indexed
    table = pd.read_csv(index, dtype=str)
    table["file"] = [str(index.parent / name) for name in table["file"]]
    table.loc[3, "age"] = ""
    table.to_csv(tmp_path / "index.csv", index=False)
    data = {**vars(what.data), "index": str(tmp_path / "index.csv")}
    with pytest.raises(BadInput, match=r"covariate 'age' is empty in row 5"):
        read_index(type(what.data)(**data))
