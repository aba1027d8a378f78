"""The command line in this process: every mistake is one line and exit code 2, and leaves no run folder."""

import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import fabricate
import numpy as np
import pytest

import radzoo

RECIPE = """'''A recipe for tests.'''
from radzoo import Data, Phase, Recipe
RECIPE = Recipe(models=("mobilenet_v2_tiny",), weights=None, size=32, batch=8, bootstrap=100, ways=("finetune",),
                data=Data(index="", image="file", patient="patient", split=(0.5, 0.25, 0.25)),
                phases=(Phase(epochs=1, learning_rate=1e-2, freeze_below="head"),))
"""


@pytest.fixture
def fails(cli):
    """`fails(…)` gives the message of a call that must end in one line."""

    def call(*arguments):
        code, _, error = cli(*arguments)
        lines = [line for line in error.splitlines() if line.startswith("radzoo: ")]
        assert code == 2 and len(lines) == 1 and "Traceback" not in error, error
        assert error.rstrip().splitlines()[-1] == lines[0]  # progress may come before, nothing after
        return lines[0]

    return call


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a recipe, pictures, and a network's weights on the search path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RADZOO_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("RADZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RADZOO_OFFLINE", "1")
    (tmp_path / "tests.py").write_text(RECIPE)
    fabricate.pictures(tmp_path / "data", patients=16)
    return tmp_path


@pytest.fixture
def refused(here, fails):
    """A run that must fail before it makes a folder; `rows` edits the rows of the index."""

    def call(*options, rows=None):
        index = here / "data" / "index.csv"
        if rows:
            fabricate.table(index, rows(fabricate.rows(index)))
        message = fails("run", "tests.py", "--data.index", index, "--out", here / "run", *options)
        assert not (here / "run").exists() and not (here / "runs").exists()
        return message

    return call


def replaced(number, column, value):
    """An edit of one cell; `column` is a number of `fabricate.HEADER`."""

    def edit(rows):
        rows[number][column] = value
        return rows

    return edit


BAD_TABLES = {
    "a missing file": (replaced(3, 0, "none.png"), (), "1 of 32 image files do not exist, the first is .*none.png"),
    "an unknown value": (replaced(3, 2, "maybe"), ("--task", "binary"), r"holds 'maybe' in row 5 .* expected 0 or 1"),
    "a value outside the classes": (
        replaced(3, 3, "comb"),
        ("--data.label", "kind", "--data.classes", "plain", "disc", "stripes", "both"),
        r"holds 'comb' in row 5 .* expected one of plain, disc, stripes, both",
    ),
    "no row": (lambda rows: [], (), "index.csv has no rows: expected one row per image"),
    "one patient": (lambda rows: [[r[0], "p0", *r[2:]] for r in rows], (), "from 1 patient .*at least 3"),
    "a class too rare": (
        lambda rows: [[r[0], r[1], int(r[1] == "p000"), *r[3:]] for r in rows], (), "a class is absent from a part"
    ),
    "one class": (lambda rows: [[r[0], r[1], 1, *r[3:]] for r in rows], (), "only the value '1' in all 32 rows"),
    "a class absent from a given part": (
        lambda rows: [[*r[:2], int(r[2]) * (r[6] != "test"), *r[3:]] for r in rows],
        ("--data.split", "part"),
        r"test \(8 images\) has no image with 'label'",
    ),
    "a patient on two sides": (
        replaced(0, 6, "test"), ("--data.split", "part"), "1 patients on more than one side of the given split, in row"
    ),
    "a missing column": (None, ("--data.label", "labl"), r"no column 'labl' \(--data.label\).* label"),
    "a missing patient column": (None, ("--data.patient", "patients"), r"no column 'patients' \(--data.patient\)"),
    "no such index": (None, ("--data.index", "none.csv"), "none.csv' is not a file: --data.index takes a CSV"),
    "a wrong fraction": (None, ("--data.split", "0.9", "0.2", "0.2"), "sum to 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_tables(refused, case):
    rows, options, message = BAD_TABLES[case]
    assert re.search(message, refused(*options, rows=rows))


def text(path):
    path.write_text("no image at all")


def cut(path):
    path.write_bytes(path.read_bytes()[:400])


def empty(path):
    path.write_bytes(b"")


def black(path):
    cv2.imwrite(str(path), np.zeros((40, 40), "uint8"))


@pytest.mark.parametrize(
    "spoil, message",
    [
        (text, "is no image that radzoo reads"),
        (cut, "the image is damaged, truncated or too large"),
        (empty, "the file is empty"),
        (black, "all pixels are equal"),
    ],
)
def test_bad_images(refused, here, spoil, message):
    spoil(here / "data" / "002_1.png")
    said = refused()
    assert re.search(rf"^radzoo: 002_1.png \(image 6 of 32\): {message}", said)
    assert len(list((here / "cache" / "store").rglob("*.npy"))) == 31  # the good ones need not be decoded again


def test_an_array_with_nan(refused, here):
    values = np.random.default_rng(0).random((40, 40))
    values[3, 3] = np.nan
    np.save(here / "data" / "bad.npy", values)
    assert "bad.npy (image 1 of 32): the image holds NaN or infinite values" in refused(rows=replaced(0, 0, "bad.npy"))


def test_an_identical_image_on_two_given_sides(refused, here):
    (here / "data" / "012_0.png").write_bytes((here / "data" / "000_0.png").read_bytes())
    assert "1 identical images on more than one side" in refused("--data.split", "part")


def test_weights_that_are_not_what_they_claim(refused, here):
    options = ("--weights", "tests")
    assert "mobilenet_v2_tiny.tests" in refused(*options)  # no such weights
    manifest = fabricate.weights(here / "weights")
    path = here / "weights" / "mobilenet_v2_tiny.tests.json"
    content = json.loads(manifest.to_json())
    content["files"][0]["sha256"] = 64 * "0"
    path.write_text(json.dumps(content))
    assert re.search(r"has sha256 [0-9a-f]{64}, expected 0{64}", refused(*options))
    content["files"][0] |= {"sha256": None, "name": "elsewhere.safetensors", "url": "http://127.0.0.1:9/elsewhere"}
    path.write_text(json.dumps(content))
    said = refused(*options)
    assert "elsewhere.safetensors is not on this machine" in said and "get it from http://127.0.0.1:9/elsewhere" in said


def test_missing_and_surplus_weight_keys(refused, here):
    from safetensors.numpy import load_file, save_file

    fabricate.weights(here / "weights")
    path = here / "weights" / "mobilenet_v2_tiny.tests.safetensors"
    tensors = load_file(path)
    kernel = tensors.pop("stage1_conv/kernel" if "stage1_conv/kernel" in tensors else sorted(tensors)[0])
    save_file({**tensors, "stage9_conv/kernel": kernel}, path)
    said = refused("--weights", "tests")
    assert re.search(r"does not fit mobilenet_v2_tiny \(1 missing: .+; 1 surplus: stage9_conv/kernel\)", said)


@pytest.mark.parametrize(
    "options, message",
    [
        (("--models", "mobilenet_v2_tinny"), "unknown model 'mobilenet_v2_tinny', did you mean mobilenet_v2_tiny"),
        (("--weights", "imagenett"), "imagenett"),
        (("--channels", "fould"), "channels='fould' came, expected repeat, fold"),
        (("--epochs", "3"), "--epochs"),
        (("--batch", "many"), "batch"),
        (("--batch", "0"), "batch must be at least 1"),
        (("--task", "binery"), "binery"),
        (("--ways", "featurs"), "featurs"),
        (("--data.indx", "x.csv"), "--data.indx"),
        (("--data.where", "age ~ 3"), "--data.where 'age ~ 3' is not understood"),
        (("--models", "squeezenet_tiny", "--size", "4"), "too small"),
    ],
)
def test_bad_fields(refused, options, message):
    assert message in refused(*options)


def test_a_run_folder_that_exists(here, fails):
    (here / "run").mkdir()
    (here / "run" / "mine.txt").write_text("precious")
    said = fails("run", "tests.py", "--data.index", here / "data" / "index.csv", "--out", here / "run")
    assert "exists and is never overwritten: choose another --out" in said
    assert [path.name for path in (here / "run").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("lst",), "unknown command 'lst', did you mean list?: radzoo has list, describe"),
        (("describe", "mobilnet_v2"), "unknown model 'mobilnet_v2', did you mean mobilenet_v2"),
        (("describe",), "model"),
        (("list", "zzz*"), "no model matches 'zzz*'"),
        (("list", "--kindd", "text"), "--kindd"),
        (("run",), "no recipe named"),
        (("run", "chest_radiogram"), "unknown recipe 'chest_radiogram', did you mean chest_radiograph"),
        (("run", "nowhere.py"), "unknown recipe 'nowhere.py'"),
        (("run", "--resume"), "`radzoo run --resume RUN` takes the folder of an interrupted run and nothing else"),
        (("run", "--resume", "data", "--seed", "3"), "and nothing else"),
        (("run", "tests.py", "--resume", "data"), "and nothing else"),
        (("run", "--resume=data", "--seed=3"), "and nothing else"),
        (("run", "--resume", "data"), "data"),
        (("run", "--resume=nowhere"), "nowhere"),
        (("evaluate", "data"), "index"),
        (("evaluate", "nowhere", "data/index.csv"), "nowhere"),
        (("evaluate", "data", "data/index.csv", "--labels", "x"), "--labels"),
        (("index", "nowhere", "--out", "new.csv"), "nowhere is no folder"),
        (("index", "data"), "--out"),
        (("index", "data", "--out", "tests.py"), "tests.py exists and is never overwritten"),
        (("weights", "lst"), "unknown command 'lst', did you mean list?: radzoo weights has list"),
        (("weights", "describe", "squeezenet.imagnet"), "squeezenet.imagenet"),
        (("weights", "fetch"), "no weights named"),
        (("weights", "verify", "squeezenet.imagenet"), "is not on this machine"),
        (("weights", "fetch", "squeezenet.imagenet", "--to", "there"), "RADZOO_OFFLINE is set"),
        (("weights", "import", "none.h5", "--model", "squeezenet"), "--tag"),
        (("predict", "nowhere", "a.png"), "nowhere"),
        (("predict", "data", "a.png"), "has no model.keras: expected the folder of a finished run"),
        (("predict", "data"), "data"),
        (("predict", "data", "a.png", "--out", "tests.py"), "tests.py exists and is never overwritten"),
    ],
)
def test_bad_commands(here, fails, arguments, message):
    assert message in fails(*arguments)


@pytest.mark.parametrize(
    "body, message",
    [
        ("RECIPE = Recipe(models=('x',), wieghts=None)", r"line 2: TypeError.*wieghts"),
        ("RECIPE = Recipe(", "line 2: SyntaxError"),
        ("import numppy", "line 2: ModuleNotFoundError"),
        ("RECIPE = 1 / 0", "line 2: ZeroDivisionError"),
        ("OTHER = 1", "sets no RECIPE"),
    ],
)
def test_bad_recipes(here, fails, body, message):
    (here / "broken.py").write_text(f"from radzoo import Recipe\n{body}\n")
    assert re.search(message, fails("run", "broken.py"))


def test_what_a_user_sees(here, cli):
    """List, describe, recipes, weights and the helps answer on the standard output and nowhere else."""
    for arguments, expected in [
        ((), "usage: radzoo COMMAND"),
        (("--help",), "usage: radzoo COMMAND"),
        (("list",), "densenet121"),
        (("list", "mobile*"), "mobilenet_v2_035"),
        (("list", "--kind", "classification"), "squeezenet"),
        (("describe", "densenet121"), "parameters   7,978,856"),
        (("recipes",), "chest_radiograph"),
        (("run", "--help"), "chest_radiograph"),
        (("run", "chest_radiograph", "--help"), "--data.index"),
        (("list", "--help"), "pattern"),
        (("predict", "--help"), "run"),
        (("--help",), "run --resume RUN"),
        (("--help",), "evaluate RUN INDEX"),
        (("--help",), "index FOLDER --out CSV"),
        (("run", "--help"), "radzoo run --resume RUN"),
        (("index", "--help"), "--left-out"),
        (("evaluate", "--help"), "--positive"),
        (("weights",), "list|describe|fetch"),
        (("weights", "list"), "squeezenet.imagenet"),
        (("weights", "describe", "squeezenet.imagenet"), "licence"),
    ]:
        code, out, error = cli(*arguments)
        assert (code, error) == (0, "") and expected in out, (arguments, out, error)
    assert "mobilenet" not in cli("list", "dense*")[1]


def test_run_then_predict(here, cli, fails):
    """The two commands of a user's day."""
    index = here / "data" / "index.csv"
    code, out, error = cli("run", "tests.py", "--data.index", index, "--out", here / "run")
    assert code == 0 and "finetune" in error, error
    assert out.rstrip().splitlines()[-1] == f"report: {here / 'run' / 'report.html'}"
    assert (here / "run" / "report.html").is_file()
    assert str(index) in json.loads((here / "run" / "environment.json").read_text())["command"]

    files = sorted((here / "data").glob("*.png"))[:3]
    code, out, error = cli("predict", here / "run", *files)
    header, *rows = out.splitlines()
    assert code == 0 and header == "file,label,called" and len(rows) == 3
    code, nothing, _ = cli("predict", here / "run", *files, "--out", here / "out.csv")
    assert (code, nothing) == (0, "") and (here / "out.csv").read_text().splitlines() == [header, *rows]
    assert "exists and is never overwritten" in fails("predict", here / "run", *files, "--out", here / "out.csv")
    assert (here / "out.csv").read_text().splitlines() == [header, *rows]
    assert "none.png: no such file" in fails("predict", here / "run", files[0], "none.png", "--out", here / "two.csv")
    assert not (here / "two.csv").exists()
    assert "no/such" in fails("predict", here / "run", files[0], "--out", here / "no" / "such" / "three.csv")
    stack = here / "data" / "stack.npz"
    np.savez(stack, images=np.stack([cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files]))
    _, out, _ = cli("predict", here / "run", f"{stack}#images/1")
    assert out.splitlines()[1].split(",")[1] == rows[1].split(",")[1]


class Finished:
    """What `radzoo.resume` and `radzoo.evaluate` return."""

    metrics, report = {"the": "numbers"}, Path("run") / "report.html"


@pytest.mark.parametrize(
    "arguments, name, given, options",
    [
        (("run", "--resume", "a run"), "resume", (Path("a run"),), {}),
        (("run", "--resume=RUN"), "resume", (Path("RUN"),), {}),
        (("evaluate", "RUN", "other.csv"), "evaluate", (Path("RUN"), "other.csv"), {}),
        (
            ("evaluate", "RUN", "other.csv", "--image", "i", "--label", "u", "v", "--patient", "p", "--study", "s",
             "--positive", "1", "--where", "a == b"),
            "evaluate",
            (Path("RUN"), "other.csv"),
            {"image": ("i",), "label": ("u", "v"), "patient": "p", "study": "s", "positive": "1", "where": "a == b"},
        ),
    ],
)  # fmt: skip
def test_resume_and_evaluate_pass_on_what_came(here, cli, monkeypatch, arguments, name, given, options):
    calls = []
    monkeypatch.setattr(radzoo, name, lambda *args, **kwargs: calls.append((args, kwargs)) or Finished())
    monkeypatch.setattr("radzoo.report.table", lambda metrics: f"table of {metrics}")
    code, out, _ = cli(*arguments)
    assert code == 0 and out == f"table of {Finished.metrics}\n\nreport: {here / 'run' / 'report.html'}\n"
    named = ("image", "label", "patient", "study", "positive", "where", "reference")
    missing = dict.fromkeys(named if name == "evaluate" else ())
    assert calls == [(given, missing | options)]


def test_ctrl_c(here, cli, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("radzoo.commands.runs.read_recipe", stopped)
    code, _, error = cli("run", "tests.py")
    assert code == 130 and error.strip().startswith("radzoo: stopped") and "Traceback" not in error


def test_start_up_imports_nothing_heavy():
    """What `list`, `describe` and `--help` load, in a process of their own."""
    script = (
        "import contextlib, io, sys, radzoo.__main__ as m\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    for line in ('list', 'describe densenet121', '--help', 'recipes', 'weights list', 'run --help'):\n"
        "        m.dispatch(line.split())\n"
        "    try: m.dispatch(['run', 'chest_radiograph', '--help'])\n"
        "    except SystemExit: pass\n"
        "print(*sorted({'keras', 'tensorflow', 'jax', 'sklearn', 'matplotlib', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parent.parent
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
