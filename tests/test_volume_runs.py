"""Volumes through the command line: run, predict, resume, and what is wrong said in one line."""

import dataclasses
import json
import re

import nibabel
import numpy as np
import pandas as pd
import pytest
import slices

import radzoo
from radzoo import Augment, Data, Phase, Recipe, weights
from radzoo.errors import BadInput


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    """40 small volumes with a bright block: to the patient's left (1) or right (0), half of them DICOM folders."""
    folder, rng, rows = tmp_path_factory.mktemp("volumes"), np.random.default_rng(0), []
    for number in range(40):
        label = number % 2
        values = rng.normal(100, 20, (10, 12, 14)).clip(0)
        values[3:7, 4:8, 8:12] += 100 * label  # (z, y, x), x to the patient's left
        values[3:7, 4:8, 2:6] += 100 * (1 - label)
        if number % 4 < 2:
            name = f"{number}.nii.gz"  # RAS: x and y are mirrored
            stored = values[:, ::-1, ::-1].transpose(2, 1, 0).astype("float32")
            nibabel.save(nibabel.Nifti1Image(stored, np.diag([1.5, 1.5, 2, 1])), folder / name)
        else:
            name = f"series{number}"
            planes = [
                slices.plane(plane, (0, 0, 2.0 * z), spacing=(1.5, 1.5), series=f"{number}", Modality="MR",
                             RescaleIntercept=0)
                for z, plane in enumerate(values)
            ]  # fmt: skip
            slices.write(folder / name, planes)
        rows.append((name, f"p{number}", label))
    table = pd.DataFrame(rows, columns=["volume", "patient", "left"])
    table.to_csv(folder / "index.csv", index=False)
    return folder / "index.csv"


def recipe(index, out, **changes):
    data = Data(index=str(index), image="volume", label="left", patient="patient", split=(0.5, 0.25, 0.25))
    fields = {
        "models": ("resnet_tiny",), "weights": None, "ways": ("scratch",), "size": (12, 12, 14),
        "spacing_mm": (2.0, 1.5, 1.5), "window": "percentile", "data": data, "batch": 8, "bootstrap": 100,
        "scratch": Phase(epochs=12, learning_rate=1e-2), "augment": Augment(shift=0.05, rotate=5, noise=0.02),
        "out": str(out),
    }  # fmt: skip
    return Recipe(**fields | changes)


def test_a_run_tells_left_from_right(indexed, tmp_path):
    run = radzoo.run(recipe(indexed, tmp_path / "run"))
    assert run.metrics["rows"][0]["test"]["auc"]["value"] == 1
    table = pd.read_csv(indexed)
    kept = pd.read_csv(run.folder / "predictions.csv")
    kept = kept[(kept["split"] == "test") & (kept["way"] == "scratch")]
    files = [indexed.parent / table["volume"][row] for row in kept["row"]]
    said = radzoo.predict(run.folder, files, progress=False)
    np.testing.assert_allclose(said["left"], kept["left"], atol=1e-5)
    images = pd.read_csv(run.folder / "images.csv")
    assert set(images["spacing_mm"]) == {"2 1.5 1.5"} and set(images["modality"].dropna()) == {"MR"}
    assert list((run.folder / "figures").glob("case_*.jpg"))
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "geometry of the volume" in page and re.search(r"Grad-CAM, \d . \d . \d places", page)
    assert len(list((run.folder / "figures").glob("case_*_map*.jpg"))) >= 2


@pytest.mark.slow
def test_fixed_features_and_inflated_weights(indexed, tmp_path, real_weights):
    run = radzoo.run(
        recipe(indexed, tmp_path / "run", models=("squeezenet",), weights="imagenet", ways=("features",),
               size=(32, 32, 32), spacing_mm=None)
    )  # fmt: skip
    (told,) = json.loads((run.folder / "environment.json").read_text(encoding="utf-8"))["weights"]
    assert (
        told["tag"] == "squeezenet.imagenet" and told["loaded"] == 25
    )  # the biases; the 25 kernels are inflated or adapted
    assert not any(name.startswith(("stem", "stage")) for name in told["initialised"])
    kept = pd.read_csv(run.folder / "predictions.csv").query("split == 'test' and way == 'features'")
    files = [indexed.parent / pd.read_csv(indexed)["volume"][row] for row in kept["row"]]
    said = radzoo.predict(run.folder, files, progress=False)
    np.testing.assert_allclose(said["left"], kept["left"], atol=1e-5)
    assert said["left"].nunique() > 1


@pytest.mark.slow
@pytest.mark.parametrize("streams", ["max", "attention"])
def test_a_run_slice_by_slice(indexed, tmp_path, streams):
    """Its maps are those of each slice; its network is a 2-D one that other recipes can start from."""
    run = radzoo.run(recipe(indexed, tmp_path / "run", streams=streams, scratch=Phase(epochs=20, learning_rate=1e-2)))
    assert run.metrics["rows"][0]["test"]["auc"]["value"] == 1
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert re.search(r"Grad-CAM, 12 . \d . \d places", page)
    table, kept = pd.read_csv(indexed), pd.read_csv(run.folder / "predictions.csv")
    kept = kept[(kept["split"] == "test") & (kept["way"] == "scratch")]
    files = [indexed.parent / table["volume"][row] for row in kept["row"]]
    np.testing.assert_allclose(radzoo.predict(run.folder, files, progress=False)["left"], kept["left"], atol=1e-5)
    licences = {"code": "MIT", "weights": "MIT", "data": "MIT"}
    told = weights.import_run(run.folder, "slices", to=tmp_path, licences=licences, source="a test", data="blocks")
    manifest = weights.read_manifest(told)
    assert manifest.input.shape == (12, 14, 1) and "streams" not in manifest.metrics


@pytest.mark.slow
def test_a_run_on_mosaics(indexed, tmp_path):
    data = recipe(indexed, None).data
    run = radzoo.run(
        recipe(indexed, tmp_path / "run", size=32, spacing_mm=None, data=dataclasses.replace(data, mosaic=True))
    )
    assert run.metrics["rows"][0]["test"]["auc"]["value"] == 1
    files = [indexed.parent / name for name in pd.read_csv(indexed)["volume"]]
    assert len(radzoo.predict(run.folder, files, progress=False)) == 40


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"size": (12, 12)}, r"size \(12, 12\) came"),
        ({"size": 32}, "spacing_mm .* is for volumes"),
        ({"spacing_mm": (1.0, 0.0, 1.0)}, "in positive numbers"),
        ({"streams": "attention", "ways": ("features", "scratch")}, "--streams attention is learnt"),
        ({"streams": "late", "head": "paper"}, "the end of a paper knows one image"),
        ({"size": (0, 4, 4)}, "expected the side of the square input in pixels, or z y x"),
    ],
)
def test_bad_recipes(indexed, tmp_path, changes, message):
    with pytest.raises(BadInput, match=message):
        radzoo.run(recipe(indexed, tmp_path / "run", **changes))


def test_a_bad_volume_is_named(indexed, tmp_path):
    table = pd.read_csv(indexed)
    table["volume"] = [str(indexed.parent / name) for name in table["volume"]]
    (tmp_path / "broken.nii").write_bytes(b"no volume at all")
    table.loc[3, "volume"] = str(tmp_path / "broken.nii")
    table.to_csv(tmp_path / "index.csv", index=False)
    with pytest.raises(BadInput, match=r"broken\.nii \(image 4 of 40\): no volume that is read"):
        radzoo.run(recipe(tmp_path / "index.csv", tmp_path / "run"))
    table.loc[3, "volume"] = str(tmp_path / "nowhere")
    table.to_csv(tmp_path / "index.csv", index=False)
    with pytest.raises(BadInput, match="1 of 40 image files do not exist"):
        radzoo.run(recipe(tmp_path / "index.csv", tmp_path / "run"))
