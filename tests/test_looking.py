"""The second picture of a case: where the network looked, and when there is none."""

import dataclasses
import json
import re

import cv2
import fabricate as made
import numpy as np
import pytest
from facts import fill
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from test_report import chest, fabricate

import radzoo
from radzoo import explain, report
from radzoo.features import Choice, extractor, save_classifier
from radzoo.report import looking
from radzoo.weights import File, Manifest

SIZE = (96, 96)  # of `chest`


def asked(kind="Grad-CAM"):
    """An `Explained` that notes what it is asked for; row r has one warm place, as warm as r."""
    calls = []

    def maps(rows, outputs):
        calls.append((rows, outputs))
        found = np.zeros((len(rows), 7, 7), "float32")
        found[:, 3, 3] = rows
        return found

    return report.Explained(kind, maps=maps, size=SIZE), calls


def text(path):
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("folds", [0, 5])
def test_every_case_has_its_map(tmp_path, folds):
    fabricate(tmp_path, folds=folds)
    given, calls = asked()
    page = text(report.write(tmp_path, chest, given))
    (rows, outputs), shown = calls[0], sorted((tmp_path / "figures").glob("case_*_map0.jpg"))
    assert len(calls) == 1 and set(outputs) == {0} and len(rows) == len(set(rows)) == len(shown) > 4
    assert page.count('<img class="map"') == len(rows)
    assert "not where the disease is" in page and re.search(r"7 . 7 places", page) and "Adebayo" in page
    assert ("trained on most of these images" in page) == bool(folds)
    warm = {row: cv2.imread(str(tmp_path / "figures" / f"case_{row}_map0.jpg")).astype(float) for row in rows}
    plain = {row: cv2.imread(str(tmp_path / "figures" / f"case_{row}.jpg")).astype(float) for row in rows}
    change = {row: np.abs(warm[row] - plain[row])[110:146, 110:146].mean() for row in rows}
    assert max(change, key=change.get) == max(rows)  # all pictures share one scale
    assert all(np.abs(warm[row] - plain[row])[:60].mean() < 3 for row in rows)
    again = text(report.write(tmp_path))
    assert again == page and len(calls) == 1
    assert text(report.write(tmp_path, chest, asked()[0])) == page


def test_a_reason_stands_where_there_is_no_map(tmp_path):
    fabricate(tmp_path)
    page = text(report.write(tmp_path, chest, report.Explained(reason="of a forest, none is defined")))
    assert "There are no maps of where the network looked: of a forest, none is defined." in page
    assert 'class="map"' not in page and "not where the disease is" not in page
    assert text(report.write(tmp_path)) == page


def test_burnt_in_text_stays_hidden_from_the_maps(tmp_path):
    import pandas as pd

    fabricate(tmp_path)
    table = pd.read_csv(tmp_path / "images.csv", keep_default_na=False)
    table.assign(burnt_in=np.where(table["row"] % 2, "an ultrasound", "")).to_csv(tmp_path / "images.csv", index=False)
    given, calls = asked()
    report.write(tmp_path, chest, given)
    assert calls[0][0] and not any(row % 2 for row in calls[0][0])


def test_classes_have_a_map_of_their_own(tmp_path):
    fabricate(tmp_path, "multiclass", ("a", "b", "c"))
    given, calls = asked()
    page = text(report.write(tmp_path, chest, given))
    assert set(calls[0][1]) == {0, 1, 2} and "all pictures of a class" in page
    for row, output in zip(*calls[0], strict=True):
        assert (tmp_path / "figures" / f"case_{row}_map{output}.jpg").is_file()


def test_channels_side_by_side_share_the_map(tmp_path):
    fabricate(tmp_path)
    given, calls = asked()
    report.write(tmp_path, lambda row: np.hstack([np.full(SIZE, 0.5, "float32")] * 3), given)
    row = max(calls[0][0])
    picture = cv2.imread(str(tmp_path / "figures" / f"case_{row}_map0.jpg")).astype(float)
    width = picture.shape[1] / 3
    warm = [np.ptp(picture[picture.shape[0] // 2, round((i + 0.5) * width)]) for i in range(3)]
    assert min(warm) > 60 and np.ptp(warm) < 30


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_weights_of_linear_classifiers_go_through_the_scaler(classes):
    rng = np.random.default_rng(0)
    features = rng.normal(3, 2, (60, 5))
    target = features[:, 0] > 3 if classes == 1 else np.digitize(features[:, 0], [3, 5][: classes - 1])
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, target)
    said = fitted.decision_function(features).reshape(60, -1)
    said = np.hstack([-said, said]) if classes == 2 else said
    scores = features @ looking.linear(fitted)
    np.testing.assert_allclose(scores - scores.mean(0), said - said.mean(0), atol=1e-4)


def test_labels_and_classifiers_without_weights():
    rng = np.random.default_rng(0)
    features = rng.normal(3, 2, (60, 5))
    labels = np.stack([features[:, 0] > 3, features[:, 1] > 4], 1).astype(int)
    many = make_pipeline(StandardScaler(), OneVsRestClassifier(LogisticRegression())).fit(features, labels)
    scores, said = features @ looking.linear(many), many.decision_function(features)
    np.testing.assert_allclose(scores - scores.mean(0), said - said.mean(0), atol=1e-4)
    assert looking.linear(RandomForestClassifier(3).fit(features, labels[:, 0])) is None
    assert looking.linear(make_pipeline(StandardScaler(), SVC()).fit(features, labels[:, 0])) is None
    assert looking.linear(make_pipeline(StandardScaler(), OneVsRestClassifier(SVC())).fit(features, labels)) is None


def kept(folder, model, classifier=None):
    """The model at the top of a run folder."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = dataclasses.replace(made.IMAGENET, shape=(48, 48, 1), mean=(0.5,), std=(0.25,))
    manifest = Manifest(
        format=1, model=model.name, tag="run", task="multilabel", classes=("a", "b"), input=spec, top=False,
        files=(File(name="weights.safetensors", format="safetensors"),), source="tests", data="none",
        metrics={"recalibration": None}, licences={"code": "Apache-2.0", "weights": "CC0-1.0", "data": "unknown"},
    )  # fmt: skip
    (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    model.save(folder / "model.keras")
    if classifier is not None:
        save_classifier(Choice("classifier", classifier, ()), folder / "classifier.skops")
    return folder


@pytest.fixture(scope="module")
def model():
    return fill(radzoo.create_model("squeezenet_tiny", (48, 48, 1), classes=2, task="multilabel"))


def inputs(rows):
    return np.random.default_rng(0).random((9, 48, 48, 1)).astype("float32")[rows]


def test_a_run_of_one_network(tmp_path, model):
    found = report.explained(kept(tmp_path / "run", model), inputs)
    assert (found.kind, found.reason, found.size) == ("Grad-CAM", "", (48, 48))
    expected = [explain.grad_cam(model, inputs([row]), output)[0] for row, output in ((4, 1), (0, 0), (2, 1))]
    np.testing.assert_allclose(found.maps([4, 0, 2], [1, 0, 1]), expected, rtol=1e-3, atol=1e-6)


def test_a_run_of_fixed_features(tmp_path, model):
    network = extractor(model)
    rng = np.random.default_rng(0)
    features = rng.random((40, network.output_shape[-1]))
    labels = np.stack([features[:, 0] > 0.5, features[:, 1] > 0.5], 1).astype(int)
    linear = make_pipeline(StandardScaler(), OneVsRestClassifier(LogisticRegression())).fit(features, labels)
    found = report.explained(kept(tmp_path / "linear", network, linear), inputs)
    assert found.kind == "Class activation map"
    maps = found.maps([4, 0], [1, 0])
    expected = explain.cam(network, inputs([4]), weights=looking.linear(linear)[:, 1])[0].clip(0)
    np.testing.assert_allclose(maps[0], expected / expected.size, rtol=1e-3, atol=1e-6)
    forest = RandomForestClassifier(3).fit(features, labels)
    found = report.explained(kept(tmp_path / "forest", network, forest), inputs)
    assert found.maps is None and "no weighted sum of the features" in found.reason


def test_an_ensemble_shows_its_first_network(tmp_path, model):
    kept(tmp_path / "models" / "one", model)
    members = [{"folder": "models/one", "share": 0.5}, {"folder": "models/two", "share": 0.5}]
    (tmp_path / "ensemble.json").write_text(json.dumps({"members": members}))
    found = report.explained(tmp_path, inputs)
    assert found.kind == "Grad-CAM of squeezenet_tiny, one of the 2 networks of the ensemble"
    assert found.maps([1], [0]).shape[0] == 1
    members[0]["share"] = 0
    (tmp_path / "ensemble.json").write_text(json.dumps({"members": members}))
    assert "several networks" in report.explained(tmp_path, inputs).reason
