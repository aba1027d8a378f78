import base64
import dataclasses
import errno
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from radzoo import metrics, report
from radzoo.errors import BadInput
from radzoo.recipe import Data, Recipe
from radzoo.report import cases

FINDINGS = (  # the labels of NIH ChestX-ray14
    *("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax"),
    *("Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia"),
)
SIGNAL = {"features": 1.1, "finetune": 1.6, "scratch": 0.5, "majority": 0.0}


def fabricate(folder, task="binary", classes=("tuberculosis",), patients=150, seed=0, ways=tuple(SIGNAL), **changes):
    """A run folder as `train.run` writes it, with fabricated predictions; returns what went into metrics.json."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    classes = list(classes)
    patient = np.repeat(np.arange(patients), rng.integers(1, 4, patients))
    n, k = len(patient), len(classes)
    if task == "multiclass":
        truth = np.eye(k)[rng.integers(0, k, n)]
    else:
        truth = (rng.random((n, k)) < np.linspace(0.4, 0.03, k)).astype(float)
    split = rng.choice(["train", "validation", "test"], patients, p=[0.4, 0.2, 0.4])[patient]
    names = [f"secret-{p}" for p in patient]
    table = {"row": np.arange(n), "patient": names, "split": split}
    pd.DataFrame(table | dict(zip(classes, truth.astype(int).T, strict=True))).to_csv(folder / "split.csv", index=False)

    rows, predictions, test_scores = [], [], {}
    for way in ways:
        logit = SIGNAL[way] * (2 * truth - 1) + (rng.normal(0, 1.2, truth.shape) if SIGNAL[way] else -0.4)
        score = (
            np.exp(logit) / np.exp(logit).sum(1, keepdims=True) if task == "multiclass" else 1 / (1 + np.exp(-logit))
        )
        model = "" if way == "majority" else "mobilenet_v2_035"
        row = {"model": model, "way": way, "detail": "logistic regression" if way == "features" else ""}
        thresholds = [0.5] * k if way == "majority" else None
        for part in ("validation", "test"):
            here = split == part
            row[part] = metrics.evaluate(
                truth[here],
                score[here],
                patient[here],
                task=task,
                classes=classes,
                thresholds=thresholds,
                bootstrap=200,
            )
            thresholds = row[part]["thresholds"]
            frame = {key: np.asarray(value)[here] for key, value in table.items()} | {"model": model, "way": way}
            predictions.append(pd.DataFrame(frame | dict(zip(classes, score[here].T, strict=True))))
        rows.append(row)
        test_scores[way] = score[split == "test"]
    pd.concat(predictions).to_csv(folder / "predictions.csv", index=False, float_format="%.7g")
    pairs = [
        (a, b) for a, b in (("finetune", "scratch"), ("features", "scratch"), ("finetune", "features")) if a in ways
    ]
    tested = truth[split == "test"], patient[split == "test"]
    comparisons = [
        {"a": f"mobilenet_v2_035 {a}", "b": f"mobilenet_v2_035 {b}"}
        | metrics.compare(tested[0], test_scores[a], test_scores[b], tested[1], task=task, bootstrap=200)
        for a, b in pairs
        if b in ways
    ]
    summary = {
        "task": task, "classes": classes, "positive": classes[0] if task == "binary" else None, "synthetic": True,
        "notes": ["One scanner made all images."], "rows": rows, "comparisons": comparisons,
    } | changes  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(summary, allow_nan=False))
    _history(folder, rng, ways)
    _made(folder, task, classes)
    return summary


def _history(folder, rng, ways):
    lines = []
    for way, phases in (("finetune", (4, 9)), ("scratch", (14,))):
        step = 0
        for phase, epochs in enumerate(phases if way in ways else (), start=1):
            for epoch in range(epochs):
                step += 1
                fall = np.exp(-step / 5)
                numbers = 0.25 + 0.5 * fall, 0.4 + 0.35 * fall + 0.01 * step, 0.9 - 0.35 * fall + rng.normal(0, 0.01)
                lines.append(["mobilenet_v2_035", way, phase, epoch + 1, 1e-3, *numbers, 3.2])
    columns = ["model", "way", "phase", "epoch", "learning_rate", "loss", "val_loss", "val_auc", "seconds"]
    pd.DataFrame(lines, columns=columns).to_csv(folder / "history.csv", index=False)


def _made(folder, task, classes):
    recipe = Recipe(models=("mobilenet_v2_035",), task=task, data=Data(index="phantom:chest", label=tuple(classes)))
    recipe = {"name": "chest_tuberculosis"} | dataclasses.asdict(recipe) | {"bootstrap": 200}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    environment = {
        "command": "radzoo run chest_tuberculosis --data.index phantom:chest --out runs/demo",
        "versions": {"python": "3.11.9", "radzoo": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0"},
        "seed": 0, "commit": "1a2b3c4", "device": "CPU, 2 cores", "backend": "tensorflow", "minutes": 2.4,
        "xla": {"on": False, "why": "no GPU: on a CPU XLA never pays"},
        "weights": [{"way": way,
            "tag": "mobilenet_v2_035.imagenet", "loaded": 259, "adapted": ["stem.conv.kernel"],
            "licences": {"code": "Apache-2.0", "weights": "Apache-2.0", "data": "ImageNet terms: research only"},
            "initialised": ["head_logits.kernel", "head_logits.bias"],
        } for way in ("features", "finetune")],
    }  # fmt: skip
    (folder / "environment.json").write_text(json.dumps(environment))


def chest(row):
    """Something like a chest, so that a person who looks at the page has something to look at."""
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    lungs = sum(np.exp(-(((x - side) / 0.28) ** 2 + ((y + 0.05) / 0.55) ** 2) * 2) for side in (-0.42, 0.42))
    noise = np.random.default_rng(row).normal(0, 0.03, x.shape)
    return np.clip(0.85 - 0.7 * lungs - 0.3 * (x**2 + y**2 > 1.5) + 0.06 * np.sin(y * 28) + noise, 0, 1).astype(
        "float32"
    )


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def binary(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "binary"
    summary = fabricate(folder)
    path = report.write(folder, chest)
    return folder, summary, path.read_text()


def test_page_needs_nothing_else(binary):
    folder, _, html = binary
    page = Page(html)
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "object")]
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) > 10 and all(image["src"].startswith("data:image/") and image["alt"] for image in images)
    assert not re.search(r"(https?:|url\(|@import)", html)
    assert len(html) < 3_000_000
    made = {path.name for path in (folder / "figures").iterdir()}
    assert {"roc.png", "learning.png"} < made and not [name for name in made if name.startswith(".")]


def test_synthetic_is_said_first(binary, tmp_path):
    page = Page(binary[2])
    first = page.text.split("radzoo report ")[-1]
    assert first.startswith("The images of this run are synthetic (fabricated phantoms): nothing here says anything")
    fabricate(tmp_path / "real", synthetic=False)
    assert "synthetic" not in report.write(tmp_path / "real", chest).read_text()


def test_headline_is_chosen_on_validation_and_told_on_test(tmp_path):
    summary = fabricate(tmp_path)
    rows = {row["way"]: row for row in summary["rows"]}
    rows["features"]["validation"]["auc"]["value"] = 0.999  # wins on validation, not on test
    rows["features"]["test"]["auc"] = {"value": 0.71, "low": 0.62, "high": 0.79}
    (tmp_path / "metrics.json").write_text(json.dumps(summary))
    text = Page(report.write(tmp_path, chest).read_text()).text
    assert (
        "Fixed features of mobilenet_v2_035 with logistic regression reached a test AUC of 0.71 for tuberculosis "
        "(95 % CI 0.62 to 0.79)." in text
    )
    test = rows["features"]["test"]
    assert f"on {test['images']} test images of {test['patients']} patients" in text
    assert "the best of 3 ways on the validation images" in text


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.02, 0.2, "excludes 0: here the transfer helped"),
        (-0.3, -0.1, "excludes 0: here the transfer did harm"),
        (-0.05, 0.2, "includes 0: these images do not show that the transfer helped"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_verdict_on_the_transfer(tmp_path, low, high, words, turned):
    summary = fabricate(tmp_path)
    pair = {"a": "mobilenet_v2_035 finetune", "b": "mobilenet_v2_035 scratch", "difference": (low + high) / 2}
    pair |= {"low": low, "high": high, "p": 0.04}
    if turned:
        pair |= {"a": pair["b"], "b": pair["a"], "difference": -pair["difference"], "low": -high, "high": -low}
    summary["comparisons"] = [pair]
    (tmp_path / "metrics.json").write_text(json.dumps(summary))
    assert words in Page(report.write(tmp_path, chest).read_text()).text


def test_a_baseline_that_learned_nothing_is_no_victory(tmp_path):
    summary = fabricate(tmp_path)
    scratch = next(row for row in summary["rows"] if row["way"] == "scratch")
    scratch["test"]["auc"] = {"value": 0.5, "low": 0.5, "high": 0.5}
    (tmp_path / "metrics.json").write_text(json.dumps(summary))
    text = Page(report.write(tmp_path, chest).read_text()).text
    assert "it says the same for every image" in text and "here the transfer helped" not in text


def test_confusion_and_counts_are_those_of_the_files(binary):
    folder, summary, html = binary
    text = Page(html).text
    (right, alarm), (missed, found) = next(r for r in summary["rows"] if r["way"] == "finetune")["test"]["confusion"]
    assert f"found {found} of {found + missed} images with tuberculosis" in text
    assert f"false alarm in {alarm} of {alarm + right} without" in text
    split = pd.read_csv(folder / "split.csv")
    for part in ("train", "validation", "test"):
        positive = split[(split["split"] == part) & (split["tuberculosis"] == 1)]
        assert f"{len(positive)} of {positive['patient'].nunique()} patients" in text


def test_no_patient_is_named(binary):
    folder, _, html = binary
    assert "secret" not in html
    assert not [path for path in (folder / "figures").iterdir() if "secret" in path.name]


def test_cases_are_the_most_confident_of_their_kind(binary):
    folder, summary, html = binary
    threshold = next(r for r in summary["rows"] if r["way"] == "finetune")["test"]["threshold"]
    table = pd.read_csv(folder / "predictions.csv").query("way == 'finetune' and split == 'test'")
    table["truth"] = pd.read_csv(folder / "split.csv")["tuberculosis"].loc[table["row"]].to_numpy()
    alarms = table[(table["truth"] == 0) & (table["tuberculosis"] >= threshold)]
    assert f"false positive · {len(alarms)}" in html
    alarms = alarms.sort_values("tuberculosis", ascending=False).drop_duplicates("patient")["row"].head(4)
    alts = [attributes.get("alt", "") for _, attributes in Page(html).tags]
    shown = [int(alt.rsplit(" ", 1)[1]) for alt in alts if alt.startswith("False alarm")]
    assert shown == alarms.tolist()


def test_how_it_was_made_is_told(binary):
    text = Page(binary[2]).text
    for words in (
        "radzoo run chest_tuberculosis --data.index phantom:chest --out runs/demo", "keras 3.15.1",
        "off: no GPU: on a CPU XLA never pays", "ImageNet terms: research only", "stem.conv.kernel", "1a2b3c4",
        "259 tensors",
        "mobilenet_v2_035.imagenet for fixed features and fine-tuning",
        "One scanner made all images.", "majority class", "it knows one split and one seed",
    ):  # fmt: skip
        assert words.lower() in text.lower(), words


def test_names_are_escaped(tmp_path):
    fabricate(tmp_path, classes=("<b>$x$ & co</b>",), notes=["<script>alert(1)</script>"])
    html = report.write(tmp_path, chest).read_text()
    assert "<script" not in html and "<b>$x$" not in html and "&lt;b&gt;$x$ &amp; co&lt;/b&gt;" in html


def test_small_and_undecided_runs_say_so(tmp_path):
    summary = fabricate(tmp_path, patients=18)
    row = next(row for row in summary["rows"] if row["way"] == "finetune")
    row["validation"]["auc"]["value"], best = 1.0, row["test"]
    summary["rows"].sort(key=lambda other: other is not row)  # the first of equals is chosen
    best["auc"] |= {"value": 0.6, "low": 0.41, "high": 0.78}
    (tmp_path / "metrics.json").write_text(json.dumps(summary))
    text = Page(report.write(tmp_path, chest).read_text()).text
    assert "The interval includes 0.5" in text and f"Only {best['patients']} patients were tested" in text
    assert "fewer than 10" in text


def test_multilabel_page(tmp_path):
    fabricate(tmp_path, "multilabel", FINDINGS, patients=90, ways=("features", "finetune", "scratch"))
    html = report.write(tmp_path, lambda row: np.stack([chest(row)] * 3, axis=-1)).read_text()
    text = Page(html).text
    assert re.search(r"as the mean over 1\d findings", text) and "Pleural_Thickening" in text
    assert len(html) < 3_000_000


def test_multiclass_page(tmp_path):
    fabricate(tmp_path, "multiclass", ("normal", "bacterial", "viral"))
    text = Page(report.write(tmp_path, chest).read_text()).text
    assert "Which class is taken for which" in text and "Wrongly called viral" in text


def test_features_alone_without_curves_or_baseline(tmp_path):
    fabricate(tmp_path, ways=("features",))
    text = Page(report.write(tmp_path, chest).read_text()).text
    assert "How it learned" not in text and "No network was trained from scratch" in text
    assert "the only way that was tried" in text


def test_a_second_report_replaces_the_first(binary):
    folder, _, html = binary
    assert report.write(folder, chest).read_text() == html  # same files, same page
    uri = re.search(r"data:image/jpeg;base64,([^\"]+)", html).group(1)
    assert base64.b64decode(uri).startswith(b"\xff\xd8")


def test_rounded_predictions_stay_on_their_side_of_the_threshold():
    test = SimpleNamespace(score=np.array([[0.3333333], [0.3333332 - 1e-5]]), truth=np.ones((2, 1)))
    run = SimpleNamespace(best={"test": {"thresholds": [1 / 3]}}, titles=["x"])
    found, *_, missed = (group[2].tolist() for group in cases._called(run, test, 0))
    assert found == [True, False] and missed == [False, True]


def test_table_for_the_terminal(binary):
    lines = report.table(binary[1]).splitlines()
    assert len(lines) == 6 and [line[0] for line in lines] == [" ", " ", "*", " ", " ", "*"]
    area = next(row for row in binary[1]["rows"] if row["way"] == "scratch")["test"]["auc"]
    assert "from scratch" in lines[3] and f"{area['value']:.2f} ({area['low']:.2f} to {area['high']:.2f})" in lines[3]
    assert "synthetic" in lines[-1]


def test_two_models_are_told_apart(tmp_path):
    summary = fabricate(tmp_path)
    for name in ("predictions.csv", "history.csv"):
        one = pd.read_csv(tmp_path / name)
        two = one[one["way"] != "majority"].replace({"model": {"mobilenet_v2_035": "squeezenet"}})
        pd.concat([one, two]).to_csv(tmp_path / name, index=False)
    summary["rows"] += [row | {"model": "squeezenet"} for row in summary["rows"] if row["way"] != "majority"]
    (tmp_path / "metrics.json").write_text(json.dumps(summary))
    text = Page(report.write(tmp_path, chest).read_text()).text
    assert "the best of 6 ways" in text and "network" in text and "squeezenet" in text


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    fabricate(tmp_path)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BadInput, match="disk is full"):
        report.write(tmp_path, chest)
    assert not (tmp_path / "report.html").exists()


def test_missing_files_are_named(tmp_path):
    with pytest.raises(BadInput, match=r"lacks recipe\.json.*predictions\.csv: a report needs") as caught:
        report.write(tmp_path, chest)
    assert "\n" not in str(caught.value)
