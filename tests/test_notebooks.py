"""The notebooks: what is committed is clean, and what they tell is true of a run in a fresh kernel."""

import ast
import base64
import json
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

import radzoo

HERE = Path(__file__).parent.parent
nbformat = pytest.importorskip("nbformat", reason="the notebooks are tried with nbclient: pip install '.[test]'")
nbclient = pytest.importorskip("nbclient", reason="the notebooks are tried with nbclient: pip install '.[test]'")
pytest.importorskip("ipykernel", reason="the notebooks are tried in a kernel of ipykernel: pip install '.[test]'")

NOTEBOOKS = sorted((HERE / "notebooks").glob("*.ipynb"))
LIBRARIES = {"os", "dataclasses", "pathlib", "textwrap", "matplotlib", "pandas", "IPython", "radzoo"}
PICTURES = {"setup": 0, "images": 1, "pixels": 1, "run": 1, "answer": 2, "cases": 2, "elsewhere": 1}


def code(path) -> ast.Module:
    """All code cells as Python, IPython's `%pip` included."""
    from IPython.core.inputtransformer2 import TransformerManager

    cells = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    return ast.parse("\n".join(TransformerManager().transform_cell(cell) for cell in cells))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_committed(path):
    """Ten cells, nothing stored, ready for Colab."""
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    first, *_ = notebook.cells
    assert len(notebook.cells) == 10 and notebook.nbformat_minor >= 5
    assert all(re.fullmatch("[a-z]+", cell.id) for cell in notebook.cells)  # named by hand, so that they stay
    badge = f"https://colab.research.google.com/github/radzoo/radzoo/blob/main/notebooks/{path.name}"
    assert first.cell_type == "markdown" and badge in first.source
    assert notebook.metadata.kernelspec.name == "python3" and notebook.metadata.colab == {"provenance": []}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count, dict(cell.metadata)) == ([], None, {})
    assert path.stat().st_size < 40_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_public_names_only(path):
    for node in ast.walk(code(path)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module]
            assert node.module != "radzoo" or {alias.name for alias in node.names} <= set(radzoo.__all__)
        elif isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_"), node.attr
            if isinstance(node.value, ast.Name) and node.value.id == "radzoo":
                assert node.attr in radzoo.__all__, node.attr
            continue
        else:
            continue
        for module in modules:
            assert module.split(".")[0] in LIBRARIES, module
            assert module == "radzoo" or not module.startswith("radzoo."), module


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_installs_only_where_radzoo_is_missing(path):
    """The one call of pip stands where `import radzoo`, and nothing else, has failed."""
    tree = code(path)
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.Try)]
    assert len(guards) == 1 and ast.unparse(guards[0].body) == "import radzoo"
    (handler,) = guards[0].handlers
    install = "get_ipython().run_line_magic('pip', 'install -q git+https://github.com/radzoo/radzoo')"
    assert ast.unparse(handler) == f"except ImportError:\n    {install}\n    import radzoo"
    assert ast.unparse(tree).count("get_ipython") == 1


@pytest.fixture(scope="module")
def transfer(tmp_path_factory) -> tuple:
    """`01_transfer.ipynb` after it ran, its working folder, and the folder of its run.

    The kernel is one of this interpreter, in an empty folder with an empty cache, and has no network to lean on.
    """
    from ipykernel.kernelspec import write_kernel_spec
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpecManager

    folder, work = tmp_path_factory.mktemp("kernel"), tmp_path_factory.mktemp("work")
    (folder / "kernels").mkdir()
    write_kernel_spec(str(folder / "kernels" / "here"))  # its command begins with sys.executable
    kernel = AsyncKernelManager(
        kernel_name="here",
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(folder / "kernels")]),
        connection_file=str(folder / "connection.json"),
    )
    away = {"MPLBACKEND", "RADZOO_WEIGHTS", "KERAS_BACKEND"}  # figures belong into the notebook
    environment = {name: value for name, value in os.environ.items() if name not in away} | {
        "PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "RADZOO_CACHE": str(folder / "cache"),
        "RADZOO_OFFLINE": "1",
        "PIP_NO_INDEX": "1",
        "IPYTHONDIR": str(folder / "ipython"),
    }
    notebook = nbformat.read(HERE / "notebooks" / "01_transfer.ipynb", 4)
    client = nbclient.NotebookClient(notebook, km=kernel, timeout=1200, resources={"metadata": {"path": str(work)}})
    client.execute(env=environment)
    (run,) = (work / "runs").iterdir()
    return notebook, work, run


def cell(notebook, name):
    return next(cell for cell in notebook.cells if cell.id == name)


def shown(notebook, name) -> str:
    """All text that a cell put out, but its progress."""
    outputs = [out for out in cell(notebook, name).outputs if out.get("name") != "stderr"]
    return "\n".join(out["text"] if out.output_type == "stream" else out.data["text/plain"] for out in outputs)


def ways(run) -> dict:
    return {row["way"]: row for row in json.loads((run / "metrics.json").read_text())["rows"]}


@pytest.mark.slow
def test_every_cell_runs_and_shows_its_pictures(transfer):
    notebook, work, run = transfer
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in cells] == list(PICTURES)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for one in cells:
        images = [out.data["image/png"] for out in one.outputs if "image/png" in out.get("data", {})]
        assert len(images) == PICTURES[one.id], one.id
        for image in images:
            picture = cv2.imdecode(np.frombuffer(base64.b64decode(image), "uint8"), cv2.IMREAD_GRAYSCALE)
            assert min(picture.shape) >= 200 and picture.std() > 20  # no empty axes
        errors = "".join(out["text"] for out in one.outputs if out.get("name") == "stderr")
        assert not re.search(r"Traceback|\wWarning:", errors), one.id
    assert {path.name for path in work.iterdir()} == {"runs", "transfer"}
    assert (run / "report.html").is_file() and str(run.relative_to(work)) in shown(notebook, "elsewhere")


@pytest.mark.slow
def test_the_numbers_in_the_text_are_those_of_the_run(transfer):
    notebook, _, run = transfer
    patients = pd.read_csv(run / "split.csv").groupby("split")["patient"].nunique()
    counts = re.findall(r"\d+(?= patients| to learn| to make| to test)", cell(notebook, "plan").source)
    total, *parts = map(int, counts)
    assert [total, *parts] == [patients.sum(), patients["train"], patients["validation"], patients["test"]]
    assert f"{total} patients" in shown(notebook, "images")
    for name, title in (("features", "fixed features"), ("finetune", "fine-tuned"), ("scratch", "from scratch")):
        row, (line,) = ways(run)[name], re.findall(rf"{title} .*", shown(notebook, "answer"))
        said = [row["validation"]["auc"]["value"], *(row["test"]["auc"][key] for key in ("value", "low", "high"))]
        assert re.findall(r"\d\.\d\d", line) == [f"{value:.2f}" for value in said]


@pytest.mark.slow
def test_the_claims_hold(transfer):
    """Transfer beats scratch and the baselines; a narrower window leaves the ranking and breaks the threshold."""
    notebook, _, run = transfer
    found = ways(run)
    area = {way: row["validation"]["auc"]["value"] for way, row in found.items()}
    assert min(area["features"], area["finetune"]) > area["scratch"] + 0.1
    best = max(("features", "finetune"), key=area.get)
    assert re.search(r"(fixed features|fine-tuned) .* yes", shown(notebook, "answer"))
    assert found[best]["validation"]["sensitivity"]["value"] >= 0.9
    assert found[best]["test"]["auc"]["low"] > 0.5
    assert found[best]["test"]["auc"]["value"] > max(
        found[n]["test"]["auc"]["value"] for n in ("scratch", "grey levels")
    )
    own, narrower = found[best]["external"]
    assert (own["patients"], own["positives"]) == (narrower["patients"], narrower["positives"])
    assert abs(own["auc"]["value"] - narrower["auc"]["value"]) < 0.08
    assert narrower["specificity"]["value"] < own["specificity"]["value"] - 0.2
