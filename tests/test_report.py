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
from radzoo.report import answer, cases, curves, figures, limits, reading, tables, words

FINDINGS = (  # the labels of NIH ChestX-ray14
    *("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax"),
    *("Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia"),
)
SIGNAL = {"features": 0.8, "finetune": 1.1, "scratch": 0.4, "grey levels": 0.05, "metadata": 0.0, "majority": None}
NETWORK = "mobilenet_v2_035"


def fabricate(
    folder, task="binary", classes=("tuberculosis",), *, patients=150, seed=0, ways=tuple(SIGNAL), folds=0,
    unit="image", signal=None, share=0.4, external=(), **changes,
):  # fmt: skip
    """A run folder as `train.run` writes it, with fabricated answers; returns what went into metrics.json."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, signal, k = np.random.default_rng(seed), SIGNAL | (signal or {}), len(classes)
    patient = np.repeat(np.arange(patients), rng.integers(1, 4, patients))
    if task == "multiclass":
        truth = np.eye(k)[rng.integers(0, k, patients)][patient]
    elif task == "ordinal":
        truth = (rng.integers(0, k + 1, patients)[:, None] > np.arange(k)).astype(float)[patient]
    else:
        truth = (rng.random((patients, k)) < np.linspace(share, 0.03, k)).astype(float)[patient]
    block = (rng.permutation(patients) % (folds or 5) + 1)[patient]
    split = np.where(block <= 2, "test", np.where(block == 3, "validation", "train"))
    split = np.where(block == 1, "validation", "train") if folds else split
    names = np.array([f"secret-{p}" for p in patient])
    units = names if unit == "patient" else np.array([f"image-{i}" for i in range(len(patient))])
    first = np.unique(units, return_index=True)[1]
    first.sort()
    table = pd.DataFrame({"row": np.arange(len(patient)), "patient": names, "unit": units})
    table["fold"], table["split"] = (block if folds else ""), split
    labels = pd.DataFrame(truth.astype(int), columns=list(classes))
    pd.concat([table, labels], axis=1).to_csv(folder / "split.csv", index=False)

    run = SimpleNamespace(
        truth=truth[first], patients=names[first], block=block[first], split=split[first], folds=folds, task=task,
        classes=list(classes), table=table.iloc[first][["row", "patient", "unit"]].reset_index(drop=True),
    )  # fmt: skip
    judged = {way: _answers(run, rng, signal[way]) for way in ways}
    rows = [_row(run, way, judged[way]) for way in ways]
    frames = [frame.assign(way=way, model=_model(way)) for way in ways for frame in judged[way][1]]
    columns = ["row", "patient", "unit", "fold", "split", "model", "way", *classes]
    pd.concat(frames)[columns].to_csv(folder / "predictions.csv", index=False)
    best = max((w for w in ways if _model(w)), key=lambda way: signal[way])
    next(row for row in rows if row["way"] == best)["external"] = [
        _external(run, rng, signal[best], count) for count in external
    ]
    pairs = [("finetune", "scratch"), ("features", "scratch"), ("finetune", "features")]
    pairs += [(best, "grey levels"), (best, "metadata")]
    thresholds = rows[0]["thresholds"]["1" if folds else ""]
    summary = {
        "task": task, "classes": list(classes), "positive": classes[0] if task == "binary" else None,
        "synthetic": True, "notes": ["One scanner made all images."], "unit": unit, "aggregate": "mean", "repeats": 1,
        "design": {"kind": "folds" if folds else "split", "folds": folds or None, "patients": patients},
        "best": {"model": NETWORK, "way": best}, "rows": rows,
        "anew": rows[0]["test"] if folds else None,
        "comparisons": [_pair(judged, run, a, b) for a, b in pairs if a in ways and b in ways],
        "final": {"train": 4321, "validation": 1234, "validation_score": 0.8765, "thresholds": thresholds}
        if folds else None,
        "external": [
            {"name": f"hospital_{i}.csv", "date": "2026-11-21", "looks": i, "images": count, "patients": count}
            for i, count in enumerate(external, 1)
        ],
    } | changes  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(summary, allow_nan=False))
    _history(folder, rng, ways, folds)
    _made(folder, task, classes, len(patient))
    return summary


def _model(way):
    return NETWORK if way in ("features", "finetune", "scratch") else ""


def _probability(task, truth, rng, signal):
    """Calibrated probabilities of a way that sees the truth this well."""
    if signal is None:
        return np.full(truth.shape, 1 / len(truth.T) if len(truth.T) > 1 else 0.4)
    seen = signal * (2 * truth - 1) + rng.normal(0, 1, truth.shape)
    logit = 2 * signal * seen
    if task == "multiclass":
        return np.exp(logit) / np.exp(logit).sum(1, keepdims=True)
    share = truth.mean(0).clip(0.01, 0.99)
    said = 1 / (1 + np.exp(-logit - np.log(share / (1 - share))))
    return metrics.monotone(said) if task == "ordinal" else said


def _answers(run, rng, signal):
    """Per part what goes into `evaluate`, and the frames of predictions.csv."""
    parts, frames, thresholds = {"validation": [], "test": []}, [], {}
    for fold in range(1, run.folds + 1) if run.folds else [0]:
        score = _probability(run.task, run.truth, rng, signal)
        if fold:
            here = {"validation": run.block == fold % run.folds + 1, "test": run.block == fold}
        else:
            here = {part: run.split == part for part in parts}
        guide = here["validation"]
        limits = [0.5] * len(score.T)
        if signal is not None:
            limits = [metrics.threshold_for(t, s) for t, s in zip(run.truth[guide].T, score[guide].T, strict=True)]
        thresholds[str(fold or "")] = limits
        for part, chosen in here.items():
            limit = np.tile(np.array(limits, float), (chosen.sum(), 1))
            parts[part].append((run.truth[chosen], score[chosen], run.patients[chosen], limit, [fold] * chosen.sum()))
            frame = run.table[chosen].assign(fold=fold or "", split=part)
            frames.append(pd.concat([frame, pd.DataFrame(score[chosen], frame.index, run.classes)], axis=1))
    joined = {part: [np.concatenate(x) for x in zip(*pieces, strict=True)] for part, pieces in parts.items()}
    return joined, frames, thresholds


def _row(run, way, answers):
    joined, _, thresholds = answers
    row = {"model": _model(way), "way": way, "detail": "logistic regression" if way == "features" else ""}
    for part, (truth, score, patients, fixed, fold) in joined.items():
        raw = np.clip(score * 1.3, 0, 1) if run.task == "binary" and way != "majority" else None
        row[part] = _evaluated(
            run, truth, score, patients, thresholds=fixed, raw=raw, folds=fold if run.folds else None
        )
    return row | {"thresholds": thresholds, "choice": 0.6543 if _model(way) else 0.5}


def _external(run, rng, signal, count):
    truth = run.truth[rng.integers(0, len(run.truth), count)]
    score = _probability(run.task, truth, rng, signal * 0.7)
    return _evaluated(run, truth, score, np.arange(count), thresholds=[0.4] * len(run.classes))


def _evaluated(run, *units, **options):
    options |= {"classes": run.classes, "bootstrap": 200}
    if run.task == "ordinal":
        return metrics.evaluate_ordinal(*units, **options)
    return metrics.evaluate(*units, task=run.task, **options)


def _pair(judged, run, a, b):
    (truth, one, patients, *_), (_, two, *_) = judged[a][0]["test"], judged[b][0]["test"]
    difference = metrics.compare(truth, one, two, patients, task=run.task, bootstrap=200)
    return {"a": f"{_model(a)} {a}".strip(), "b": f"{_model(b)} {b}".strip()} | difference


def _history(folder, rng, ways, folds):
    lines = []
    trainings = [
        (fold, way, phases)
        for way, phases in (("finetune", (4, 9)), ("scratch", (14,)))
        for fold in ([*range(1, folds + 1), *(["final"] if way == "finetune" else [])] if folds else [""])
        if way in ways
    ]
    for fold, way, phases in trainings:
        step = 0
        for phase, epochs in enumerate(phases, start=1):
            for epoch in range(epochs - (fold == 2)):
                step += 1
                fall, noise = np.exp(-step / 5), rng.normal(0, 0.01, 3)
                numbers = np.array([0.25 + 0.5 * fall, 0.4 + 0.35 * fall + 0.01 * step, 0.9 - 0.35 * fall]) + noise
                lines.append([fold, NETWORK, way, 0, phase, epoch + 1, 1e-3, *numbers, 3.2])
    columns = ["fold", "model", "way", "repeat", "phase", "epoch", "learning_rate", "loss", "val_loss", "val_score"]
    pd.DataFrame(lines, columns=[*columns, "seconds"]).to_csv(folder / "history.csv", index=False)


def _made(folder, task, classes, images):
    recipe = Recipe(models=(NETWORK,), task=task, data=Data(index="phantom:chest", label=tuple(classes)))
    recipe = {"name": "chest_tuberculosis"} | dataclasses.asdict(recipe) | {"bootstrap": 200}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    environment = {
        "command": "radzoo run chest_tuberculosis --data.index phantom:chest --out runs/demo",
        "versions": {"python": "3.11.9", "radzoo": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0"},
        "seed": 0, "commit": "1a2b3c4", "device": "CPU, 2 cores", "backend": "tensorflow", "minutes": 2.4,
        "xla": {"on": False, "why": "no GPU: on a CPU XLA never pays"}, "resumed": 0,
        "weights": [{"way": way,
            "tag": "mobilenet_v2_035.imagenet", "loaded": 259, "adapted": ["stem.conv.kernel"],
            "licences": {"code": "Apache-2.0", "weights": "Apache-2.0", "data": "ImageNet terms: research only"},
            "initialised": ["head_logits.kernel", "head_logits.bias"],
        } for way in ("features", "finetune")],
    }  # fmt: skip
    (folder / "environment.json").write_text(json.dumps(environment))
    read = pd.DataFrame({"row": np.arange(images), "modality": "DX", "spacing_mm": "0.14 0.14"})
    read["spacing_source"], read["burnt_in"] = "ImagerPixelSpacing, at the detector", ""
    read["applied"] = np.where(read["row"] % 3, "rescale; window 2048 4096; inverted", "VOI LUT")
    read.to_csv(folder / "images.csv", index=False)


def change(folder, name, **fields):
    """Overwrites fields of one of the JSON files of a run."""
    content = json.loads((folder / name).read_text()) | fields
    (folder / name).write_text(json.dumps(content, allow_nan=False))


def of(summary, way):
    return next(row for row in summary["rows"] if row["way"] == way)


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
        self.tags, self.words, self.header = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag == "header":
            self.header = self.text

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] != "style":
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r" ([,.;:)])", r"\1", " ".join(" ".join(self.words).split()))


def rendered(folder, pictures=chest):
    return Page(report.write(folder, pictures).read_text())


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are made but not drawn: half a second each, for tests that read the words."""

    def png(figure, path):
        figures.save(path, b"")
        return path

    monkeypatch.setattr(curves, "png", png)


@pytest.fixture(scope="module")
def binary(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "binary"
    summary = fabricate(folder)
    path = report.write(folder, chest)
    return folder, summary, path.read_text()


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "folded"
    summary = fabricate(folder, folds=5, external=(120,))
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
    assert {"roc.png", "learning.png", "reliability.png"} < made and not [n for n in made if n.startswith(".")]


@pytest.mark.usefixtures("undrawn")
def test_synthetic_is_said_first(binary, tmp_path):
    page = Page(binary[2])
    first = page.text.split("radzoo report ")[-1]
    assert first.startswith("The images of this run are synthetic (fabricated phantoms): nothing here says anything")
    fabricate(tmp_path / "real", synthetic=False)
    assert "synthetic" not in rendered(tmp_path / "real").text


@pytest.mark.usefixtures("undrawn")
def test_headline_is_the_way_that_the_run_chose(tmp_path):
    summary = fabricate(tmp_path)
    summary["best"]["way"], row = "features", of(summary, "features")
    row["test"]["auc"] = {"value": 0.71, "low": 0.62, "high": 0.79}
    change(tmp_path, "metrics.json", **summary)
    text = rendered(tmp_path).header
    assert (
        "Fixed features of mobilenet_v2_035 with logistic regression reached a test AUC of 0.71 for tuberculosis "
        "(95 % CI 0.62 to 0.79)." in text
    )
    test = row["test"]
    assert f"on {test['images']} images of {test['patients']} patients that no training and no choice had seen" in text
    assert "the best of 3 ways on the validation images" in text


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.02, 0.2, "excludes 0: here the transfer helped"),
        (-0.3, -0.1, "excludes 0: here the transfer did harm"),
        (-0.05, 0.2, "includes 0: these images do not show that the transfer helped"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_verdict_on_the_transfer(binary, low, high, said, turned):
    pair = {"a": f"{NETWORK} finetune", "b": f"{NETWORK} scratch", "difference": (low + high) / 2}
    pair |= {"low": low, "high": high, "p": 0.04}
    if turned:
        pair |= {"a": pair["b"], "b": pair["a"], "difference": -pair["difference"], "low": -high, "high": -low}
    run = reading.read(binary[0])
    run.metrics["comparisons"] = [pair]
    assert said in answer.against_scratch(run)


def test_a_scratch_that_learned_nothing_is_no_victory(binary):
    run = reading.read(binary[0])
    run.scratch["test"]["auc"] = {"value": 0.5, "low": 0.5, "high": 0.5}
    said = answer.against_scratch(run)
    assert "it says the same for every image" in said and "here the transfer helped" not in said


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("grey", "difference", "said", "unsaid"),
    [
        (
            (0.78, 0.73, 0.93),
            (0.05, -0.02, 0.1),
            "Grey levels alone, without looking at the anatomy, reach 0.78 (0.73 to 0.93): the network may be telling "
            "the sources apart and not the finding.",
            "too small",
        ),
        (
            (0.55, 0.44, 0.89),
            (0.2, -0.1, 0.4),
            "The test is too small to tell this from grey levels alone (0.55, 0.44 to 0.89).",
            "sources apart",
        ),
        (
            (0.55, 0.44, 0.89),
            (0.2, 0.1, 0.3),
            "The interval of grey levels alone (0.55, 0.44 to 0.89) overlaps this one; on the same images the network "
            "is ahead by 0.20 (0.10 to 0.30).",
            "too small",
        ),
        (
            (0.60, 0.54, 0.66),
            (0.3, 0.2, 0.4),
            "stay below: grey levels alone 0.60 (0.54 to 0.66) (more than a coin toss: a part of the answer may come",
            "too small",
        ),
        (
            (0.50, 0.44, 0.56),
            (0.4, 0.3, 0.5),
            "Baselines that do not look at the anatomy stay below: grey levels alone 0.50 (0.44 to 0.56) and metadata "
            "alone 0.51 (0.45 to 0.57).",
            "too small",
        ),
    ],
)
def test_what_blind_baselines_reach_is_said_in_the_first_paragraph(tmp_path, grey, difference, said, unsaid):
    summary = fabricate(tmp_path)
    of(summary, "finetune")["test"]["auc"] = {"value": 0.9, "low": 0.85, "high": 0.95}
    of(summary, "grey levels")["test"]["auc"] = dict(zip(("value", "low", "high"), grey, strict=True))
    of(summary, "metadata")["test"]["auc"] = {"value": 0.51, "low": 0.45, "high": 0.57}
    for pair, numbers in zip(summary["comparisons"][-2:], (difference, (0.39, 0.3, 0.45)), strict=True):
        pair |= dict(zip(("difference", "low", "high"), numbers, strict=True)) | {"p": 0.01}
    change(tmp_path, "metrics.json", **summary)
    page = rendered(tmp_path)
    assert said in page.header and unsaid not in page.header
    assert ("alert" in [attributes.get("role") for _, attributes in page.tags]) == (
        said.startswith(("Grey levels alone", "The test is too small"))
    )


def test_confusion_and_counts_are_those_of_the_files(binary):
    folder, summary, html = binary
    text = Page(html).text
    (right, alarm), (missed, found) = of(summary, "finetune")["test"]["confusion"]
    assert f"found {found} of {found + missed} images with tuberculosis" in text
    assert f"false alarm in {alarm} of {alarm + right} without" in text
    split = pd.read_csv(folder / "split.csv")
    for part in ("train", "validation", "test"):
        positive = split[(split["split"] == part) & (split["tuberculosis"] == 1)]
        assert f"{len(positive)} of {positive['patient'].nunique()} patients" in text


@pytest.mark.parametrize("design", ["binary", "folded"])
def test_no_patient_is_named(design, request):
    folder, _, html = request.getfixturevalue(design)
    assert "secret" not in html
    assert not [path for path in (folder / "figures").iterdir() if "secret" in path.name]


def shown(page, group):
    alts = [attributes.get("alt", "") for _, attributes in page.tags]
    return [int(alt.rsplit(" ", 1)[1]) for alt in alts if alt.startswith(group)]


@pytest.mark.parametrize("design", ["binary", "folded"])
def test_cases_are_the_most_confident_at_the_threshold_of_their_fold(design, request):
    folder, summary, html = request.getfixturevalue(design)
    row = of(summary, "finetune")
    table = pd.read_csv(folder / "predictions.csv").query("way == 'finetune' and split == 'test'")
    table["truth"] = pd.read_csv(folder / "split.csv")["tuberculosis"].loc[table["row"]].to_numpy()
    fold = table["fold"].map(lambda fold: "" if np.isnan(fold) else str(int(fold)))
    called = table["tuberculosis"] >= fold.map(lambda fold: row["thresholds"][fold][0])
    alarms, missed = table[(table["truth"] == 0) & called], table[(table["truth"] == 1) & ~called]
    assert [len(alarms), len(missed)] == [row["test"]["confusion"][0][1], row["test"]["confusion"][1][0]]
    assert len(set(fold)) == (summary["design"]["folds"] or 1) and f"false positive · {len(alarms)} image" in html
    for group, expected, falling in (("False alarm", alarms, False), ("Missed", missed, True)):
        expected = expected.sort_values("tuberculosis", ascending=falling).drop_duplicates("patient")["row"].head(4)
        assert shown(Page(html), group) == expected.tolist()


@pytest.mark.usefixtures("undrawn")
def test_how_it_was_made_is_told(binary, tmp_path):
    text = Page(binary[2]).text
    for said in (
        "radzoo run chest_tuberculosis --data.index phantom:chest --out runs/demo", "keras 3.15.1",
        "off: no GPU: on a CPU XLA never pays", "ImageNet terms: research only", "stem.conv.kernel", "1a2b3c4",
        "259 tensors",
        "mobilenet_v2_035.imagenet for fixed features and fine-tuning",
        "One scanner made all images.", "majority class", "One split, one seed.",
    ):  # fmt: skip
        assert said.lower() in text.lower(), said
    assert "interrupted" not in text
    fabricate(tmp_path)
    change(tmp_path, "environment.json", resumed=3)
    assert "interrupted and resumed 3 times" in rendered(tmp_path).text


@pytest.mark.usefixtures("undrawn")
def test_names_are_escaped(tmp_path):
    fabricate(tmp_path, classes=("<b>$x$ & co</b>",), notes=["<script>alert(1)</script>"])
    html = report.write(tmp_path, chest).read_text()
    assert "<script" not in html and "<b>$x$" not in html and "&lt;b&gt;$x$ &amp; co&lt;/b&gt;" in html


def test_undecided_runs_say_so(binary):
    run = reading.read(binary[0])
    run.best["test"]["auc"] |= {"value": 0.6, "low": 0.41, "high": 0.78}
    run.best["test"] |= {"patients": 31, "note": "a remark"}
    said = " ".join(limits.cautions(run))
    assert "The interval includes 0.5" in said and "Only 31 patients were tested" in said and "a remark." in said


@pytest.mark.usefixtures("undrawn")
def test_too_few_patients_make_no_claim(tmp_path):
    summary = fabricate(tmp_path, patients=80, share=0.15, signal={"finetune": 2.0})
    test = of(summary, "finetune")["test"]
    assert not test["claim"] and test["events"][0] < 10  # or the test says nothing
    events, others = test["events"][0], test["non_events"][0]
    page = rendered(tmp_path)
    assert (
        f"{events} patients with tuberculosis and {others} without were tested: too few for a claim; at least 10 of "
        "each are needed." in page.header
    )
    assert "AUC" not in page.header and "%" not in page.header
    for row in summary["rows"]:  # neither AUC nor a share of it, in tables, tiles or figures
        if row["way"] != "majority":
            assert words.span(row["test"]["auc"]) not in page.text
    assert page.text.count(f"{events} with, {others} without") >= 5
    right, missed = test["confusion"][0][0], test["confusion"][1][0]
    assert f"{right} of {sum(test['confusion'][0])}" in page.text and f"{events - 0} with" in page.text
    assert "Are the differences more than chance" not in page.text and missed >= 0
    assert not (tmp_path / "figures" / "roc.png").exists() and not (tmp_path / "figures" / "reliability.png").exists()
    assert f"{events} with, {others} without" in report.table(summary)


def test_folds_are_told(folded):
    folder, summary, html = folded
    page, row = Page(html), of(summary, "finetune")
    area, mean = row["test"]["auc"], row["test"]["fold_mean"]
    assert (
        f"Fine-tuned mobilenet_v2_035 reached a cross-validated AUC of {area['value']:.2f} for tuberculosis"
        in page.text
    )
    assert "Cross-validated over 5 folds by patient" in page.header
    assert f"{mean['auc']:.2f} ({mean['sd']:.2f})" in page.text
    anew = summary["anew"]["auc"]
    assert (
        f"the pooled AUC is {anew['value']:.2f} ({anew['low']:.2f} to {anew['high']:.2f}): that number owes nothing to "
        "the choice" in page.text
    )
    each = round(len(pd.read_csv(folder / "split.csv")) * 3 / 5)
    assert f"a further, sixth training of the chosen way, on 4321 images instead of about {each}" in page.text
    assert "Two folds have up to 2 of the 3 blocks of patients" in page.text
    numbers = [f"{fold['auc']:.2f}" for fold in row["test"]["folds"]]
    assert len(numbers) == 5 and " ".join(numbers) in page.text
    for fold in range(1, 6):
        assert f"{row['thresholds'][str(fold)][0]:.3g}" in page.text
    split = pd.read_csv(folder / "split.csv")
    assert f"{(split['fold'] == 4).sum()} of {split[split['fold'] == 4]['patient'].nunique()} patients" in page.text


@pytest.mark.parametrize(("folds", "count"), [(2, "third"), (3, "fourth"), (10, "11th")])
def test_what_the_interval_leaves_out_follows_the_number_of_folds(folded, folds, count):
    run = reading.read(folded[0])
    run.folds = folds
    titles = [reason["title"] for reason in limits.left_out(run)]
    assert ("The folds share training patients." in titles) == (folds > 3)
    assert f"{count} training" in limits.left_out(run)[0]["text"]


@pytest.mark.usefixtures("undrawn")
def test_external_images_have_their_own_column(folded, tmp_path):
    _, summary, html = folded
    text, entry = Page(html).text, of(summary, "finetune")["external"][0]
    area = f"{entry['auc']['value']:.2f}"
    assert "AUC, external: hospital_1.csv" in text and text.count("not tried") == len(summary["rows"]) - 1
    assert f"On the external images hospital_1.csv (120 images of 120 patients) it reached {area}" in Page(html).header
    assert "hospital_1.csv 2026-11-21 1 120 120" in text
    assert "not tried" in report.table(summary) and "hospital_1.csv" in report.table(summary)
    fabricate(tmp_path, external=(12, 60))
    text = rendered(tmp_path).text
    assert "there were too few patients for a claim" in text and "hospital_2.csv 2026-11-21 2 60 60" in text


def test_calibration_in_words(binary):
    _, summary, html = binary
    text, test = Page(html).text, of(summary, "finetune")["test"]
    before = test["uncalibrated"]
    assert f"Before that, intercept {words.number(before['calibration_intercept'])}" in text
    assert (
        f"slope {words.number(test['calibration_slope']['value'])}, Brier score {test['brier']['value']:.3f}." in text
    )
    share = test["positives"][0] / test["images"]
    assert f"would have a Brier score of {share * (1 - share):.3f}" in text


@pytest.mark.parametrize(
    ("intercept", "slope", "said"),
    [
        ((-0.2, 0.2), (0.8, 1.2), "no fault can be shown."),
        ((-0.2, 0.2), (0.4, 1.9), "much is left open"),
        ((0.1, 0.4), (0.8, 1.2), "the probabilities are too low."),
        ((-0.4, -0.1), (0.3, 0.7), "too high and too bold"),
        ((-0.4, 0.1), (-0.2, 0.9), "may say nothing"),
        ((-0.4, 0.1), (1.1, 1.7), "the probabilities are too timid."),
    ],
)
def test_verdict_on_calibration(intercept, slope, said):
    pair = [{"value": sum(ends) / 2, "low": ends[0], "high": ends[1]} for ends in (intercept, slope)]
    assert said in limits._verdict(*pair)
    assert "cannot be had" in limits._verdict(pair[0], None)


def test_reliability_curve_shows_shares_and_counts(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(curves, "png", lambda figure, path: made.append(figure))
    bins = [
        {"predicted": x, "observed": y, "low": y - 0.02, "high": y + 0.05, "count": n}
        for x, y, n in ((0.02, 0.05, 31), (0.03, 0.06, 32), (0.2, 0.25, 33))
    ]
    curves.reliability(tmp_path / "x.png", bins, "tuberculosis", "#000000")
    panel = made[0].axes[0]
    assert [text.get_text() for text in panel.texts] == ["31", "33"]  # the second would lie on the first
    assert panel.get_ylabel() == "share with tuberculosis" and 0.3 <= panel.get_xlim()[1] < 0.5
    drawn = next(line for line in panel.lines if line.get_marker() == "o")
    assert np.allclose(drawn.get_ydata(), [0.05, 0.06, 0.25])


@pytest.mark.usefixtures("undrawn")
def test_burnt_in_text_is_not_shown_unless_asked_for(tmp_path):
    fabricate(tmp_path)
    before = shown(rendered(tmp_path), "Found")
    table = pd.read_csv(tmp_path / "images.csv", dtype={"burnt_in": object})
    table.loc[table["row"].isin(before[:2]), "burnt_in"] = "BurnedInAnnotation is missing"
    table.loc[table["row"] == before[2], "burnt_in"] = "secondary capture"
    for picture in (tmp_path / "figures").iterdir():
        picture.unlink()
    table.to_csv(tmp_path / "images.csv", index=False)
    seen = []
    page = rendered(tmp_path, lambda row: seen.append(row) or chest(row))
    assert not set(before[:3]) & set(seen) and before[3] in seen and len(shown(page, "Found")) == 4
    assert "2 tested images (BurnedInAnnotation is missing), 1 tested image (secondary capture)" in page.text
    assert "--burnt-in True shows them" in page.text
    change(tmp_path, "recipe.json", burnt_in=True)
    page = rendered(tmp_path)
    assert shown(page, "Found") == before and "--burnt-in" not in page.text


@pytest.mark.usefixtures("undrawn")
def test_patients_as_the_unit(tmp_path):
    summary = fabricate(tmp_path, unit="patient", folds=5)
    (right, alarm), (missed, found) = of(summary, "finetune")["test"]["confusion"]
    page = rendered(tmp_path)
    assert f"found {found} of {found + missed} patients with tuberculosis" in page.header
    assert f"each of {summary['design']['patients']} patients was tested once" in page.header
    assert f"true positive · {found} patients" in page.text and f"false positive · {alarm} patient" in page.text
    assert "the probability of a patient is the mean of its images" in page.text
    assert re.search(r"p [=<>] 0\.\d+ of the patient, here one of its [23] images", page.text)
    assert right + alarm + missed + found == summary["design"]["patients"]


def test_how_images_were_read_is_counted(binary, tmp_path):
    run = reading.read(binary[0])
    count = len(run.images)
    assert f"rescale; window 2048 4096; inverted DX ImagerPixelSpacing, at the detector {count - -(-count // 3)}" in (
        Page(binary[2]).text
    )
    windows = [f"rescale; window {i} {2 * i}.5; 16 bit" for i in range(count)]
    run.images = run.images.assign(applied=windows)
    found = tables.readings(run)
    assert [row["applied"] for row in found["rows"]] == ["rescale; window … …; … bit"] and found["short"]
    assert found["rows"][0]["images"] == count and found["more"] == 0
    run.images = run.images.assign(modality=[f"M{'abcdefghijklmnop'[i % 12]}" for i in range(count)])
    found = tables.readings(run)
    assert len(found["rows"]) == 8 and found["more"] + sum(row["images"] for row in found["rows"]) == count


def test_multilabel_page(tmp_path, monkeypatch):
    drawn, roc = [], curves.roc
    monkeypatch.setattr(
        curves, "roc", lambda path, lines, who, names, at: drawn.append(names) or roc(path, lines, who, names, at)
    )
    ways = ("features", "finetune", "scratch")
    summary = fabricate(tmp_path, "multilabel", FINDINGS, patients=120, ways=ways, folds=3)
    html = report.write(tmp_path, lambda row: np.stack([chest(row)] * 3, axis=-1)).read_text()
    text = Page(html).text
    assert re.search(r"as the mean over 1\d findings", text) and "Pleural_Thickening" in text
    assert len(html) < 3_000_000
    entries = of(summary, "finetune")["test"]["per_class"]
    few = [words.tally(entry) for entry in entries.values() if not entry["claim"]]
    assert few and len(few) < 14 and all(count in text for count in few)
    assert drawn == [[name for name in FINDINGS if entries[name]["claim"]]]  # a curve is a claim too
    slope = entries["Atelectasis"]["calibration_slope"]
    assert f"{words.number(slope['value'])} {words.span(slope)}" in text


def test_multiclass_page(tmp_path):
    fabricate(tmp_path, "multiclass", ("normal", "bacterial", "viral"))
    text = rendered(tmp_path).text
    assert "Which class is taken for which" in text and "Wrongly called viral" in text


@pytest.mark.usefixtures("undrawn")
def test_many_classes_too_few_for_a_claim(tmp_path):
    summary = fabricate(tmp_path, "multilabel", ("Mass", "Hernia"), patients=80, share=0.2)
    assert not of(summary, "finetune")["test"]["claim"]
    page = rendered(tmp_path)
    assert re.search(r"No finding was tested in more than \d patients with it and as many without", page.header)
    assert "AUC" not in page.header


@pytest.mark.usefixtures("undrawn")
def test_features_alone_without_curves_or_baseline(tmp_path):
    fabricate(tmp_path, ways=("features",))
    text = rendered(tmp_path).text
    assert "How it learned" not in text and "No network was trained from scratch" in text
    assert "the only way that was tried" in text


def test_a_second_report_needs_no_pictures(binary):
    folder, _, html = binary
    assert report.write(folder).read_text() == html  # as `radzoo evaluate` does, without the images
    uri = re.search(r"data:image/jpeg;base64,([^\"]+)", html).group(1)
    assert base64.b64decode(uri).startswith(b"\xff\xd8")


@pytest.mark.usefixtures("undrawn")
def test_without_pictures_nothing_is_asked_for(tmp_path):
    fabricate(tmp_path)
    page = rendered(tmp_path, None)
    assert not shown(page, "Found") and "None of them is shown." in page.text


def test_the_threshold_itself_is_called():
    test = SimpleNamespace(
        score=np.array([[0.5], [0.4999], [0.5]]), truth=np.ones((3, 1)), thresholds=np.array([[0.5], [0.5], [np.nan]])
    )
    found, *_, missed = (group[2].tolist() for group in cases._called(SimpleNamespace(titles=["x"]), test, 0))
    assert found == [True, False, False] and missed == [False, True, False]  # without a threshold neither


@pytest.mark.usefixtures("undrawn")
def test_classifiers_of_the_folds_do_not_flood_the_names(tmp_path, monkeypatch):
    summary = fabricate(tmp_path, folds=3)
    detail = "support vector machine, C=10; logistic regression, C=0.01"
    of(summary, "features")["detail"] = detail
    change(tmp_path, "metrics.json", rows=summary["rows"])
    labels, roc = [], curves.roc
    monkeypatch.setattr(curves, "roc", lambda path, lines, *more: labels.extend(lines) or roc(path, lines, *more))
    text = rendered(tmp_path).text
    assert max(len(line["label"]) for line in labels) < 25 and text.count(detail) == 1
    assert "fixed features + a classifier chosen in each fold" in text


@pytest.mark.parametrize(("p", "said"), [(0.004, "< 0.01"), (0.005, "= 0.01"), (0.994, "= 0.99"), (1.0, "> 0.99")])
def test_no_probability_is_certain(p, said):
    assert words.probability(p) == said


def test_table_for_the_terminal(binary):
    lines = report.table(binary[1]).splitlines()
    assert len(lines) == 8 and [line[0] for line in lines] == [" ", " ", "*", *" " * 4, "*"]
    area = of(binary[1], "scratch")["test"]["auc"]
    assert "from scratch" in lines[3] and f"{area['value']:.2f} ({area['low']:.2f} to {area['high']:.2f})" in lines[3]
    assert "synthetic" in lines[-1]


@pytest.mark.usefixtures("undrawn")
def test_two_models_are_told_apart(tmp_path):
    summary = fabricate(tmp_path)
    for name in ("predictions.csv", "history.csv"):
        one = pd.read_csv(tmp_path / name)
        two = one[one["model"] == NETWORK].replace({"model": {NETWORK: "squeezenet"}})
        pd.concat([one, two]).to_csv(tmp_path / name, index=False)
    summary["rows"] += [row | {"model": "squeezenet"} for row in summary["rows"] if row["model"]]
    change(tmp_path, "metrics.json", rows=summary["rows"])
    text = rendered(tmp_path).text
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
    with pytest.raises(BadInput, match=r"lacks recipe\.json.*predictions\.csv, images\.csv: a report") as caught:
        report.write(tmp_path, chest)
    assert "\n" not in str(caught.value)
