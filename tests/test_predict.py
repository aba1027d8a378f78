"""A finished run on new files: the same pixels, the same numbers, the same calls."""

import shutil
from pathlib import Path

import fabricate
import keras
import numpy as np
import pandas as pd
import pytest

import radzoo
from radzoo.errors import BadInput


@pytest.fixture(scope="module")
def run() -> Path:
    return fabricate.finished()[1].folder


def as_best(run: Path, way: str, folder: Path) -> Path:
    """A run folder in which `way` was the best."""
    folder.mkdir()
    for path in (run / "models" / f"squeezenet_tiny_{way}").iterdir():
        shutil.copy(path, folder)
    return folder


def pictures_of(run: Path, way: str, part: str):
    """Files, and the rows of `predictions.csv` for them."""
    index = Path(fabricate.finished()[0].data.index)
    table = pd.read_csv(run / "predictions.csv")
    mine = table[(table["way"] == way) & (table["split"] == part)]
    names = [row[0] for row in fabricate.rows(index)]
    return [index.parent / names[row] for row in mine["row"]], mine


@pytest.mark.parametrize("way", ["features", "finetune", "scratch"])
def test_predictions_are_those_of_the_run(run, tmp_path, way):
    folder = as_best(run, way, tmp_path / "run")
    (threshold,) = radzoo.load(folder)[1].metrics["thresholds"]
    for part in ("validation", "test"):
        files, expected = pictures_of(run, way, part)
        for batch in (5, 32):  # 16 images: full and broken batches
            table = radzoo.predict(folder, files, batch=batch, progress=False)
            assert list(table.columns) == ["file", "label", "called"]
            assert list(table["file"]) == [str(file) for file in files]
            np.testing.assert_allclose(table["label"], expected["label"], atol=1e-5)
            assert list(table["called"]) == ["label" if p >= threshold else "" for p in table["label"]]


def test_the_best_way_is_the_one_at_the_top(run):
    best = fabricate.content(run, "metrics.json")["best"]["way"]
    files, expected = pictures_of(run, best, "test")
    np.testing.assert_allclose(radzoo.predict(run, files)["label"], expected["label"], atol=1e-5)


def test_order_repeats_and_other_formats(run, tmp_path):
    """A picture in an array, alone, or twice is the same picture."""
    files, _ = pictures_of(run, "features", "test")
    import cv2

    stack = np.stack([cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files[:3]])
    np.savez(tmp_path / "stack.npz", images=stack, other=stack[0])
    named = [f"{tmp_path}/stack.npz#images/2", f"{tmp_path}/stack.npz#images/0", f"{tmp_path}/stack.npz#other"]
    table = radzoo.predict(run, [files[2], files[0], files[0], *named])
    p = table["label"].to_numpy()
    np.testing.assert_allclose(p[3:], p[:3], atol=1e-6)
    assert list(table["file"][3:]) == named
    alone = radzoo.predict(run, [files[2]])
    assert alone["label"][0] == pytest.approx(p[0], abs=1e-6)


def test_called(run, tmp_path):
    """Multilabel names every label at or above its threshold; no threshold is never reached."""
    from radzoo.inference import _table

    manifest = radzoo.load(run)[1]

    class Many:
        classes, task, told = ("a", "b", "c"), "multilabel", {"thresholds": [0.5, 0.2, None]}

    table = _table(["x", "y"], np.array([[0.5, 0.1, 1.0], [0.4, 0.3, 0.9]]), Many)
    assert list(table["called"]) == ["a", "b"]
    Many.task = "multiclass"
    assert list(_table(["x", "y"], np.array([[0.2, 0.5, 0.3], [0.4, 0.3, 0.3]]), Many)["called"]) == ["b", "a"]
    assert manifest.task == "binary"


def test_load_gives_a_plain_model_and_its_manifest(run):
    model, manifest = radzoo.load(run)
    assert isinstance(model, keras.Model) and model.input_shape == (None, *manifest.input.shape)
    outputs = model(np.zeros((2, *manifest.input.shape), "float32"))
    assert not isinstance(outputs, list) and outputs.shape[0] == 2


def test_bad_input(run, tmp_path):
    files, _ = pictures_of(run, "features", "test")
    with pytest.raises(BadInput, match="batch 0 came"):
        radzoo.predict(run, files, batch=0)
    good = str(files[0])
    (tmp_path / "notes.png").write_text("no image")
    (tmp_path / "cut.png").write_bytes(files[0].read_bytes()[:300])
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "stack.npz", images=np.zeros((2, 8, 8), "uint8"))
    for arguments, message in [
        ((run, []), "no image came"),
        ((run, [good, tmp_path / "none.png"]), r"none.png: no such file"),
        ((run, [tmp_path / "none.npz#images/0"]), r"none.npz.*: no such file"),
        ((run, [tmp_path / "stack.npz#images/7"]), "there is no image 7"),
        ((run, [tmp_path / "stack.npz#images/1"]), "all pixels are equal"),
        ((run, [good, tmp_path / "notes.png"]), "^notes.png: is no image that radzoo reads"),
        ((run, [tmp_path / "cut.png"]), "^cut.png: the image is damaged"),
        ((tmp_path / "empty", [good]), "has no model.keras: expected the folder of a finished run"),
        ((tmp_path / "nowhere", [good]), "nowhere"),
        (("mobilenet_v2_035.imagenet", [good]), "folder of a finished run"),
    ]:
        with pytest.raises(BadInput, match=message):
            radzoo.predict(*arguments)


def test_files_that_do_not_belong_together(run, tmp_path):
    files, _ = pictures_of(run, "features", "test")
    folder = as_best(run, "finetune", tmp_path / "run")
    (folder / "model.keras").write_bytes(b"PK no model")
    with pytest.raises(BadInput, match=r"model\.keras"):
        radzoo.predict(folder, files)
