"""`radzoo bench` runs to its end and prints every row; how fast anything is, is no test."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import slices

from radzoo.bench import segmentation, serving
from radzoo.errors import BadInput

ROWS = [
    *(f"series, {name}, {n}" for name in ("raw", "RLE", "JPEG 2000", "JPEG-LS", "--series")
      for n in ("1 thread", "2 threads")),
    "pipeline, decoding", "pipeline, fitting to the shape", "pipeline, reading the store", "pipeline, normalising",
    "pipeline, batches",
    "patches, nine planes of 64 x 64", "patches, one cube of 32 x 32 x 32",
    "peak memory, reading 16 x 16 x 8", "peak memory, reading 16 x 16 x 8, without Python",
]  # fmt: skip
NUMBER = r"[\d.e+]+ (planes/s|volumes/s|patches/s|MB)"


@pytest.mark.slow
def test_volumes(tmp_path, cli):
    slices.write(tmp_path / "own", slices.even())
    small = ("--planes", "8", "--size", "16", "--long", "8", "--rounds", "1")
    code, said, error = cli("bench", "volumes", *small, "--series", tmp_path / "own")
    assert code == 0, error
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in said.splitlines() if line[:1] == "|"]
    assert [line[0] for line in lines[2:]] == ROWS
    for work, ours, _, theirs, ratio in lines[2:]:
        assert re.fullmatch(NUMBER, ours) and re.fullmatch(f"-|{NUMBER}", theirs) and re.fullmatch(r"-|[\d.]+", ratio)
        assert (theirs == "-") == (ratio == "-") and (theirs != "-" or work.startswith("series")), work
    assert "Bottleneck of the first pass" in said and "Bottleneck of all later passes" in said


def test_wrong_words(cli, tmp_path):
    for words, message in ((("--planes", "2"), "at least 8"), (("--series", tmp_path / "no"), "is no folder")):
        code, _, error = cli("bench", "volumes", *words)
        assert code == 2 and message in error and "Traceback" not in error
    assert "volumes" in cli("bench")[1]


@pytest.mark.parametrize(
    ("name", "overrides", "plain", "size"),
    [
        ("unet3d_tiny", {"padding": "same", "bn": "full"}, "unet3d_small", {"width": 2, "levels": 2}),
        ("vnet_tiny", {"norm": True}, "vnet_small", {"width": 4, "left": (1, 2, 1), "right": (2, 1)}),
    ],
)
def test_plain_keras_does_the_same_work(name, overrides, plain, size):
    """Otherwise the benchmark would compare two different things: same weights, same windows, same loss."""
    from radzoo import create_model, masks
    from radzoo.bench import segmentation_keras as written
    from radzoo.images import Input
    from radzoo.losses import segmentation_loss
    from radzoo.segmenting import Segmenter

    shape, rng = (8, 8, 8, 1), np.random.default_rng(0)
    ours = create_model(name, shape, classes=2, task="segmentation", **overrides)
    theirs = written.PLAIN[plain](shape, 2, **size)
    theirs.set_weights([rng.uniform(0.5, 1.5, each.shape) * each + 0.01 for each in ours.get_weights()])
    ours.set_weights(theirs.get_weights())
    stored = rng.integers(0, 65536, (9, 8, 11, 1), "uint16")  # three windows along x, two along z
    said = Segmenter(ours, Input(shape=shape), written.WINDOWS, 0.5, False)(stored)
    assert said.std() > 0.01
    image = stored / np.float32(65535)
    np.testing.assert_allclose(written.plain_slide(theirs.predict_on_batch, image, 8, 2), said, atol=2e-6)
    labels, p = rng.integers(0, 2, (2, *shape[:3])), rng.dirichlet((1, 1), (2, *shape[:3])).astype("float32")
    loss = segmentation_loss("dice_crossentropy", 2)(np.stack([masks.target(each, 2) for each in labels]), p)
    np.testing.assert_allclose(written.plain_loss(np.eye(2, dtype="float32")[labels], p), loss, rtol=1e-5)
    assert written.multiply_adds(ours) == written.multiply_adds(theirs)


def test_multiply_adds_by_hand():
    import keras

    from radzoo.bench.segmentation_keras import multiply_adds

    image = keras.Input((4, 4, 4, 1))
    half = keras.layers.Conv3D(3, 2, 2)(image)  # 8 x 3 products at 8 places
    whole = keras.layers.Conv3DTranspose(5, 2, 2)(half)  # 8 x 3 x 5 at 8 places
    assert multiply_adds(keras.Model(image, whole)) == 8 * 24 + 8 * 120


def test_a_process_serves_turns():
    slow = "import time; from serving import serve; kept = []\n"
    slow += "serve(lambda: (time.sleep(.05), kept.append(b'1' * 50_000_000)), {'versions': 'x'})"
    here = Path(serving.__file__).parent
    with subprocess.Popen(
        [sys.executable, "-c", slow], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=here
    ) as process:
        facts, first, second, peak = map(json.loads, process.communicate("go\ngo\n")[0].splitlines())
    assert facts["versions"] == "x" and min(first, second) >= 0.05
    assert 100e6 <= peak - facts["before"] < 150e6


def test_segmentation_wrong_words(cli, tmp_path):
    (tmp_path / "t.csv").touch()
    for words, message in (
        (("--torch", tmp_path / "no"), "does not import torch and monai"),
        (("--torch", "/bin/false"), "does not import torch and monai"),
        (("--rounds", "0"), "expected 1 or more"),
        (("--out", tmp_path / "t.csv"), "name a new file"),
    ):
        code, said, error = cli("bench", "segmentation", *words)
        assert code == 2 and message in error and len(error.strip().splitlines()) == 1 and not said


def test_segmentation_table(cli, tmp_path, monkeypatch):
    """Medians, ratios turn by turn, memory: of times that are given."""
    ours = segmentation.Measured("training step", "n", "radzoo", [1, 2, 4], 700.4, 10, {"versions": "Keras 1"})
    facts = {"versions": "MONAI 2", "parameters": 1234, "multiply_adds": 5_000_000_000}
    other = segmentation.Measured("training step", "n", "MONAI UNet", [3, 4, 2], 900, 20, facts)
    monkeypatch.setattr(segmentation, "measure", lambda *_: [[ours, other]])
    code, said, _ = cli("bench", "segmentation", "--out", tmp_path / "t.csv")
    assert code == 0
    row = "| training step, n | MONAI UNet | 2 s | 3 s | 2.00 (0.50-3.00) | 700 (10) MB | 900 (20) MB |"
    assert row in said.splitlines() and "Keras 1\n" in said
    assert "n, MONAI UNet: 1,234 parameters, 5 G multiply-adds per window" in said and "left out" in said
    (line,) = csv.DictReader((tmp_path / "t.csv").read_text().splitlines())
    assert (line["work"], line["ratio"], line["other_peak_mb"]) == ("training step, n", "2.0", "900")


def test_a_way_that_breaks():
    """The last line of its process is told."""
    for code, gone in (("raise KeyError(1)", "KeyError: 1"), ("exit()", "it said nothing: out of memory")):
        way = segmentation._Way("MONAI", [sys.executable, "-c", f"print('{{}}', flush=True); input(); {code}"])
        with way, pytest.raises(BadInput, match=f"the process of MONAI ended: {gone}"):
            assert way.answer() == {}
            way.turn()


@pytest.mark.slow
def test_segmentation(cli, monkeypatch, tmp_path):
    """Every cell against plain Keras, at sizes that say nothing of speed."""
    monkeypatch.setitem(segmentation.SIZES, "small", (16, 24))
    code, said, error = cli("bench", "segmentation", "--size", "small", "--rounds", "1", "--out", tmp_path / "t.csv")
    assert code == 0, error
    lines = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert [(line["work"], line["against"]) for line in lines] == [
        *((f"{work}, {name}", "keras") for name in ("unet3d_small", "vnet_small")
          for work in ("training step", "sliding window")),
        ("windows alone", "keras"),
    ]  # fmt: skip
    assert all(float(line["ratio"]) > 0 and float(line["peak_mb"]) > float(line["added_mb"]) >= 0 for line in lines)
    assert "unet3d_small, radzoo: 1,194,722" in said and "unet3d_small, keras: 1,194,722" in said
