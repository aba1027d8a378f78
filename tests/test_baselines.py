"""Stupid baselines: they see what they may see, they expose two sources, and they do not cry wolf."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from sklearn.model_selection import StratifiedGroupKFold

from radzoo import images, metrics
from radzoo.baselines import Metadata, clues, constant, fit, grey_levels, metadata_columns, suspicion
from radzoo.errors import BadInput
from radzoo.images.input import Input


def rng(seed=0):
    return np.random.default_rng(seed)


def measured(truth, probability, patients):
    """AUC with the percentiles of a bootstrap over patients."""
    weights = metrics.cluster_bootstrap(patients, 1000, 0)
    low, high = np.percentile(metrics.auc(truth, probability, weights), [2.5, 97.5])
    return {"value": metrics.auc(truth, probability), "low": low, "high": high}


def test_grey_levels_by_hand():
    """A black frame of one pixel around grey .2 and .8, with a white upper left corner."""
    image = np.zeros((16, 16, 1), "float32")
    image[1:-1, 1:-1] = 0.2
    image[1:-1, 8:-1] = 0.8
    image[0, 0] = 1
    got = grey_levels(image)
    plane = image[..., 0].astype(float)
    assert got.shape == (28,) and got.dtype == np.float32
    mean, sd, skewness, *percentiles, dark, bright = got[:12]
    np.testing.assert_allclose((mean, dark, bright), ((98 * 0.2 + 98 * 0.8 + 1) / 256, 59 / 256, 1 / 256), atol=1e-6)
    np.testing.assert_allclose(sd, np.sqrt((98 * 0.04 + 98 * 0.64 + 1) / 256 - mean**2), atol=1e-6)
    third = (plane**3).mean() - 3 * mean * (plane**2).mean() + 2 * mean**3  # by raw moments
    np.testing.assert_allclose(skewness, third / sd**3, rtol=1e-4)
    np.testing.assert_allclose(percentiles, [0, 0, 0.2, 0.2, 0.8, 0.8, 0.8], atol=1e-6)
    borders, corners = got[12:20].reshape(4, 2), got[20:].reshape(4, 2)
    one = (1 / 16, np.sqrt(1 / 16 - 1 / 256))  # of 16 pixels one is white
    np.testing.assert_allclose(borders, [one, (0, 0), one, (0, 0)], atol=1e-6)  # top, bottom, left, right
    np.testing.assert_allclose(corners[:, 0], [1.2 / 4, 0.8 / 4, 0.2 / 4, 0.8 / 4], atol=1e-6)


def test_grey_levels_know_no_place_inside_the_image():
    image = rng().random((64, 48, 2), dtype="float32")
    inner = image[8:-8, 8:-8].reshape(-1, 2)
    shuffled = image.copy()
    shuffled[8:-8, 8:-8] = rng(1).permutation(inner).reshape(48, 32, 2)
    assert not np.array_equal(shuffled, image)
    np.testing.assert_allclose(grey_levels(shuffled), grey_levels(image), rtol=1e-5)
    one, two = (grey_levels(image[..., i : i + 1]) for i in (0, 1))
    np.testing.assert_array_equal(grey_levels(image), np.concatenate([one, two]))
    flat = grey_levels(np.full((5, 7, 1), 0.25, "float32"))  # smaller than a border is thick, and without contrast
    assert np.isfinite(flat).all() and flat[:3].tolist() == [0.25, 0, 0]


NIH = [
    "file",
    "patient_id",
    "orig_w",
    "orig_h",
    "orig_mode",
    "no_finding",
    "Mass",
    "Nodule",
    "repo_folder_label",
    "source",
]
COVID = ["file", "patient_id", "label", "finding", "orig_w", "view", "sex", "age", "survival", "licence", "source"]
DICOM = [
    "ManufacturerModelName",
    "StationName",
    "KVP",
    "ViewPosition",
    "OriginalImage[Width",
    "InstitutionName",
    "Rows",
]
NEVER = [
    *("severity", "survival", "age", "sex", "lesion_site", "patient_height", "finding", "class_model", "offsite"),
    *("heart_width", "bbox_height", "view_label", "modeling"),
]


def test_metadata_columns_by_name():
    taken = {"file", "patient_id", "no_finding"}
    assert metadata_columns(NIH, None, taken) == ["orig_w", "orig_h", "orig_mode", "source"]
    assert metadata_columns(NIH, None, {*taken, "source"}) == ["orig_w", "orig_h", "orig_mode"]
    assert metadata_columns(COVID, None, {"file", "patient_id", "label"}) == ["orig_w", "view", "source"]
    assert metadata_columns(DICOM, None, set()) == DICOM
    assert metadata_columns(NEVER, None, set()) == []


def test_metadata_columns_by_choice():
    assert metadata_columns(COVID, ("licence", "age"), {"label"}) == ["licence", "age"]
    assert metadata_columns(COVID, (), {"label"}) == []
    with pytest.raises(BadInput, match=r"no column 'sorce'.*source.*--data.metadata"):
        metadata_columns(COVID, ("sorce",), set())
    with pytest.raises(BadInput, match=r"'label', which is an image, label"):
        metadata_columns(COVID, ("label",), {"label"})


def test_clues_by_hand():
    cells = pd.DataFrame({"site": ["a", "b"]}, index=[7, 3])
    paths = ["/home/me/set/images/A1/00000218_003.png", "/home/me/set/images/x.PNG"]
    table = clues(
        cells, patients=["NIH-0012b", "x"], paths=paths, folder="/home/me/set", sizes=np.array([[2, 3], [4, 5]])
    )
    assert table.to_dict("list") == {
        "site": ["a", "b"],
        **{"patient: prefix": ["NIH-", ""], "patient: number": ["0012", ""], "patient: length": ["9", "1"]},
        **{"file: folder": ["images/A1", "images"], "file: type": [".png", ".PNG"]},
        **{"file: first number": ["00000218", ""], "file: last number": ["003", ""]},
        **{"image: height": ["2", "4"], "image: width": ["3", "5"]},
    }
    assert list(clues(cells)) == ["site"]
    assert "me" not in " ".join(table.to_numpy().ravel())


def test_the_encoder_learns_frequent_words_of_the_training_part_alone():
    train = pd.DataFrame({"source": ["Hospital_1/wards"] * 5 + ["hospital_2/wards"] * 6 + ["rare/wards"] * 4})
    learned = Metadata.learn(train)
    assert learned.columns == ("source",)
    assert set(learned.words["source"]) == {
        "hospital",
        "hospital_1",
        "hospital_2",
        "hospital_1/wards",
        "hospital_2/wards",
    }
    test = pd.DataFrame({"source": ["hospital_1/elsewhere", "rare/unseen", "", "HOSPITAL_2/wards"]})
    got = learned.transform(test)
    expected = {"hospital": [1, 0, 0, 1], "hospital_1": [1, 0, 0, 0], "hospital_2": [0, 0, 0, 1]}
    for word, column in expected.items():
        np.testing.assert_array_equal(got[:, learned.words["source"].index(word)], column)
    assert got.sum(axis=1).tolist() == [2, 0, 0, 3]


def test_words_that_spell_a_label_are_no_clue():
    """A folder per class is the label itself; what stands beside it stays."""
    folder = ["siteA/No_findings"] * 10 + ["siteB/Pneumonia"] * 10
    table = pd.DataFrame({"folder": folder})
    assert set(Metadata.learn(table, ["no_finding", "0", "1"]).words["folder"]) == {
        *("sitea", "siteb", "pneumonia", "siteb/pneumonia"),
    }
    both = Metadata.learn(table, ["label", "No finding", "pneumonia"])
    assert set(both.words["folder"]) == {"sitea", "siteb"}
    only = pd.DataFrame({"folder": ["benign"] * 10 + ["malignant"] * 10})
    assert Metadata.learn(only, ["label", "benign", "malignant"]).columns == ()
    assert Metadata.learn(only).columns == ("folder",)


def test_numbers_become_ranks_fifths_and_frequent_values():
    values = [str(10 ** (3 * i)) for i in range(9)] + [""]  # up to 1e24: ranks take any id
    learned = Metadata.learn(pd.DataFrame({"number": values}))
    got = learned.transform(pd.DataFrame({"number": ["1", str(10**12), str(10**40), "", "junk"]}))
    assert got.shape == (5, 1 + 5 + 1) and np.isfinite(got).all()
    np.testing.assert_allclose(got[:, 0], [0.5 / 9, 4.5 / 9, 1, 4.5 / 9, 4.5 / 9])
    np.testing.assert_array_equal(got[:, 1:6].argmax(1), [0, 2, 4, 2, 2])
    np.testing.assert_array_equal(got[:, 6], [0, 0, 0, 1, 1])
    sizes = Metadata.learn(pd.DataFrame({"width": ["512"] * 6 + ["1024"] * 6 + ["77"] * 2}))
    got = sizes.transform(pd.DataFrame({"width": ["512.0", "1024", "77"]}))
    assert sizes.numbers["width"][1] == (512, 1024)
    np.testing.assert_array_equal(got[:, -2:], [[1, 0], [0, 1], [0, 0]])


def test_no_metadata_is_no_feature():
    table = pd.DataFrame({"site": ["one"] * 9, "width": ["512"] * 9, "odd": list("abcdefghi"), "none": [""] * 9})
    learned = Metadata.learn(table)
    assert learned.columns == () and learned.transform(table).shape == (9, 0)
    assert learned.transform(table.assign(width="7")).shape == (9, 0)
    sometimes = Metadata.learn(pd.DataFrame({"kvp": ["90"] * 5 + [""] * 4}))  # to have a value at all is a clue
    assert np.ptp(sometimes.transform(pd.DataFrame({"kvp": ["90", ""]})), axis=0).any()


def test_regression_is_the_minimum_of_the_penalised_likelihood():
    values, patients = rng().normal(size=(60, 3)) * [1, 10, 100] + 5, np.arange(60) // 2
    truth = (values[:, 0] + rng(1).normal(size=60) > 5).astype(float)
    got = fit(values, truth[:, None], patients, task="binary").probability(values)[:, 0]
    scaled = (values - values.mean(0)) / values.std(0)

    def solution(strength):
        def loss(weights):
            margin = (2 * truth - 1) * (scaled @ weights[1:] + weights[0])
            return 0.5 * (weights[1:] ** 2).sum() + strength * np.logaddexp(0, -margin).sum()

        weights = minimize(loss, np.zeros(4), tol=1e-10).x
        return 1 / (1 + np.exp(-(scaled @ weights[1:] + weights[0])))

    fits = [np.abs(got - solution(strength)).max() for strength in (0.001, 0.01, 0.1, 1)]
    assert min(fits) < 1e-3 and sorted(fits)[1] > 0.01


def test_fit_finds_a_site_and_makes_nothing_of_noise():
    truth = (rng(0).random(400) < 0.4).astype(float)[:, None]
    patients = np.arange(400)
    site = np.where(rng(1).random(400) < 0.8, truth[:, 0], 1 - truth[:, 0])
    values = np.column_stack([rng(2).normal(size=(400, 20)), site])
    half = slice(0, 200), slice(200, 400)
    for columns, low, high in ((slice(None), 0.7, 0.9), (slice(0, 20), 0.38, 0.62)):
        model = fit(values[half[0], columns], truth[half[0]], patients[half[0]], task="binary")
        given = model.probability(values[half[1], columns])
        assert given.shape == (200, 1) and low < metrics.auc(truth[half[1], 0], given[:, 0]) < high
    assert np.ptp(given) < 0.5  # noise was shrunk: the strength was chosen on held-out patients


def test_strength_is_chosen_on_other_patients():
    """Features that name the patient help only where a patient is on both sides: to a fit by patient they are noise."""
    owner = np.repeat(np.arange(40), 5)
    values = rng().normal(size=(40, 30))[owner]
    truth = rng(1).permutation(np.repeat([0.0, 1.0], 20))[owner][:, None]
    grouped = fit(values, truth, owner, task="binary").probability(values)
    leaky = fit(values, truth, np.arange(200), task="binary").probability(values)
    assert np.std(grouped) < 0.5 * np.std(leaky)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_several_classes(task):
    kind = np.arange(90) % 3
    truth = np.eye(3)[kind]
    values = truth @ rng().normal(size=(3, 5)) * 2 + rng(1).normal(size=(90, 5))
    given = fit(values, truth, np.arange(90), task=task).probability(values)
    assert given.shape == (90, 3) and given.min() >= 0 and given.max() <= 1
    assert min(metrics.auc(truth[:, i], given[:, i]) for i in range(3)) > 0.8
    assert np.allclose(given.sum(1), 1) == (task == "multiclass")


def test_classes_that_cannot_be_learned_are_constant():
    truth = np.zeros((20, 3))
    truth[:5, 0] = 1
    truth[3, 2] = 1  # one patient: nothing to choose a strength with, still something to fit
    values = rng().normal(size=(20, 4))
    given = fit(values, truth, np.arange(20), task="multilabel").probability(values)
    assert (given[:, 1] == 0).all() and np.ptp(given[:, 0]) > 0 and given[3, 2] == given[:, 2].max()
    nothing = fit(np.zeros((20, 0)), truth, np.arange(20), task="multilabel").probability(np.zeros((7, 0)))
    np.testing.assert_allclose(nothing, np.tile([0.25, 0, 0.05], (7, 1)))
    absent = fit(values, np.zeros((20, 2)), np.arange(20), task="multiclass").probability(values)
    np.testing.assert_allclose(absent, 0.5)


def test_same_seed_same_numbers():
    values, truth = rng().normal(size=(60, 4)), (rng(1).random((60, 1)) < 0.5).astype(float)
    one, two = (fit(values, truth, np.arange(60), task="binary", seed=3).probability(values) for _ in range(2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "model, baseline, difference, expected",
    [
        ((0.80, 0.90), (0.60, 0.75), None, None),
        ((0.80, 0.90), (0.40, 0.60), None, None),
        ((0.80, 0.90), (0.70, 0.81), None, "exposed"),
        ((0.60, 0.70), (0.80, 0.90), (-0.3, -0.1), "exposed"),  # the model is worse than the baseline
        ((0.70, 0.90), (0.60, 0.75), (0.02, 0.2), "exposed"),
        ((0.55, 0.75), (0.45, 0.60), None, "not told apart"),
        ((0.55, 0.75), (0.45, 0.60), (-0.01, 0.2), "not told apart"),
        ((0.55, 0.75), (0.45, 0.60), (None, None), "not told apart"),
        ((0.55, 0.75), (0.45, 0.60), (0.01, 0.2), "overlap"),
        ((0.80, 0.90), (0.50, 0.80), None, "not told apart"),  # ends that touch overlap; .5 is chance
        ((0.30, 0.40), (0.45, 0.55), None, "not told apart"),
        ((None, None), (0.45, 0.55), None, None),
        ((0.80, 0.90), (None, None), None, None),
    ],
)
def test_suspicion(model, baseline, difference, expected):
    model, baseline = ({"value": 0.7, "low": low, "high": high} for low, high in (model, baseline))
    difference = difference and dict(zip(("low", "high"), difference, strict=True))
    assert suspicion(model, baseline, difference) == expected


@pytest.fixture(scope="module")
def chest(real_data):
    """`folds(where) -> {baseline: AUC}` of "no finding" on the NIH subset, five folds by patient."""
    folder, spec = real_data / "chest_nih14", Input(shape=(224, 224, 1))
    cells = pd.read_csv(folder / "manifest.csv", dtype=str, keep_default_na=False)
    every = np.stack([grey_levels(spec.fit(images.read(folder / file))) for file in cells["file"]])
    names = metadata_columns(cells.columns, None, {"file", "patient_id", "no_finding"})

    def folds(where):
        kept = cells["source"].str.contains(where).to_numpy()
        rows, grey = cells[kept], every[kept]
        truth, patients = rows[["no_finding"]].to_numpy(float), rows["patient_id"].to_numpy()
        paths = [folder / file for file in rows["file"]]
        table = clues(rows[names], patients=patients, paths=paths, folder=folder)
        given = {"grey levels": np.zeros(len(rows)), "metadata": np.zeros(len(rows))}
        parts = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(grey, truth[:, 0], patients)
        for train, test in parts:
            known = Metadata.learn(table.iloc[train], ["no_finding", "0", "1"]).transform(table)
            for name, values in (("grey levels", grey), ("metadata", known)):
                model = fit(values[train], truth[train], patients[train], task="binary")
                given[name][test] = model.probability(values[test])[:, 0]
        return {name: measured(truth[:, 0], score, patients) for name, score in given.items()}

    return folds


@pytest.mark.slow
def test_two_sources_are_exposed(chest):
    """Normal images come from one repository, most others from another: .869 of a network (FACTS.md) proves nothing."""
    found = chest("")
    assert found["grey levels"]["low"] > 0.65 and found["metadata"]["low"] > 0.85
    assert suspicion({"value": 0.869, "low": 0.833, "high": 0.905}, found["metadata"]) == "exposed"


@pytest.mark.slow
def test_one_source_is_no_wolf(chest):
    """The same question within one repository: no baseline beats chance, and a model at .85 stands above them."""
    for name, auc in chest("starter_images").items():
        assert auc["low"] < 0.5, name
        assert suspicion({"value": 0.69, "low": 0.59, "high": 0.79}, auc) != "exposed"
        assert suspicion({"value": 0.85, "low": 0.77, "high": 0.93}, auc) is None


def numbers(seed=0, patients=60):
    random = rng(seed)
    owner = np.repeat(np.arange(patients), 2)
    features = random.normal(size=(2 * patients, 5))
    return features, 50 + 8 * features[:, :1] + 3 * random.normal(size=(2 * patients, 1)), owner


def test_a_number_is_predicted_by_ridge_regression():
    features, labels, owner = numbers()
    learnt = fit(features, labels, owner, task="regression")
    fresh, truth, _ = numbers(1)
    assert np.abs(learnt.probability(fresh) - truth).mean() < 0.5 * np.abs(truth - np.median(labels)).mean()
    standard = (features - features.mean(0)) / features.std(0)  # the ridge by its normal equations
    found = [
        np.linalg.solve(standard.T @ standard + np.eye(5) / strength, standard.T @ (labels[:, 0] - labels.mean()))
        for strength in (0.001, 0.01, 0.1, 1.0)
    ]
    told = learnt.probability(features)[:, 0]
    assert any(np.allclose(told, labels.mean() + standard @ each) for each in found)


def test_noise_predicts_little_more_than_the_mean():
    features, labels, owner = numbers()
    noise = rng(5).normal(size=features.shape)
    told = fit(noise, labels, owner, task="regression").probability(noise)
    assert told.std() < 0.3 * labels.std() and told.mean() == pytest.approx(labels.mean())
    for nothing in (fit(features[:, :0], labels, owner, task="regression"),
                    fit(features, labels * 0 + labels.mean(), owner, task="regression")):  # fmt: skip
        np.testing.assert_allclose(nothing.probability(features[:, :0]), np.full((120, 1), labels.mean()))


def test_cuts_of_a_baseline_do_not_increase():
    features, labels, owner = numbers()
    cuts = (labels >= [42, 50, 58]).astype(float)
    told = fit(features, cuts, owner, task="ordinal").probability(5 * rng(2).normal(size=(200, 5)))
    assert told.shape == (200, 3) and (np.diff(told, axis=1) <= 0).all()


def test_what_a_constant_says():
    labels = np.array([[1.0], [2.0], [9.0]])
    assert constant(labels, "regression").tolist() == [2] and constant(labels > 1, "binary") == pytest.approx([2 / 3])
    assert constant(np.float32([[0, 0], [1, 0], [1, 1], [1, 1]]), "ordinal").tolist() == [0.75, 0.5]


def test_suspicion_of_numbers():
    """Chance is a correlation of 0, and a smaller error is better."""
    entry = lambda low, high: {"value": (low + high) / 2, "low": low, "high": high}  # noqa: E731
    error = lambda low, high: {"difference": (low + high) / 2, "low": low, "high": high}  # noqa: E731
    assert suspicion(entry(0.5, 0.7), entry(-0.1, 0.4), task="regression") is None
    assert suspicion(entry(0.3, 0.7), entry(0.1, 0.4), task="regression") == "exposed"
    assert suspicion(entry(0.3, 0.7), entry(-0.1, 0.4), error(-3, -1), task="regression") == "overlap"
    assert suspicion(entry(0.3, 0.7), entry(-0.1, 0.4), error(1, 3), task="regression") == "not told apart"
