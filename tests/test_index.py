"""Reading an index: every mistake a user can make in it gets one clear line."""

import numpy as np
import pytest

from radzoo.data import read_external, read_index
from radzoo.data.where import conditions
from radzoo.errors import BadInput
from radzoo.recipe import Data

GOOD = "image,patient,label,site,age\na.png,007,1,north hall,70\nb.png,007,0,south,9\nc.png,008,0,north,\n"


@pytest.fixture
def csv(tmp_path):
    """Writes a CSV and reads it as an index: `csv(text, task=…, unit=…, **fields of Data)`."""

    def read(text, task="auto", unit="image", **fields):
        (tmp_path / "index.csv").write_text(text, encoding="utf-8")
        return read_index(Data(index=str(tmp_path / "index.csv"), **fields), task, unit)

    return read


def column(values, name="label"):
    return f"image,{name}\n" + "".join(f"{i}.png,{value}\n" for i, value in enumerate(values))


def test_table(csv, tmp_path):
    index = csv(GOOD, patient="patient")
    assert list(index.table) == ["row", "path", "patient", "unit", "split"]
    assert list(index.table["patient"]) == ["007", "007", "008"]  # leading zeros stay
    assert list(index.table["path"]) == [str(tmp_path / name) for name in ("a.png", "b.png", "c.png")]
    assert list(index.table["row"]) == [0, 1, 2] and set(index.table["split"]) == {""}
    assert index.labels.dtype == np.float32 and index.labels.tolist() == [[1], [0], [0]]
    assert (index.task, index.classes, index.notes, index.synthetic) == ("binary", ("label",), (), False)


def test_absolute_paths_blank_lines_and_a_byte_order_mark(csv):
    index = csv("\ufeffimage,label\n/data/a.png,1\n\nsub/../b.png,0\n\n")
    assert index.table["path"][0] == "/data/a.png" and index.table["path"][1].endswith("/b.png")
    assert ".." not in index.table["path"][1]
    assert list(index.table["row"]) == [0, 2]  # rows are named as the user's editor names them
    assert index.notes == ("There is no patient column: each image counts as a patient of its own.",)
    assert index.table["patient"].nunique() == 2


@pytest.mark.parametrize(
    "text, fields, message",
    [
        ("", {}, "index.csv is empty: expected a header"),
        ("image,label\n", {}, "index.csv has no rows"),
        ("image,label\n\n\n", {}, "index.csv has no rows"),
        ('image,label\n"a.png,1\n', {}, "cannot be read as CSV"),
        ("image,label\na.png,1\nb.png,0,x,y\n", {}, "cannot be read as CSV"),
        (GOOD, {"label": "lable"}, r"no column 'lable' \(--data.label\); its columns are label, "),
        (GOOD, {"image": "IMAGE"}, r"no column 'IMAGE' \(--data.image\); its columns are image, patient"),
        (GOOD, {"patient": "patient_id"}, r"no column 'patient_id' \(--data.patient\); its columns are patient, image"),
        (GOOD, {"split": "fold"}, r"no column 'fold' \(--data.split\)"),
        ("image,label\na.png,1\n./a.png,0\n", {}, r"same image stands in several rows, rows 2, 3 \(the header is row"),
        ("image,label\na.png,1\n,0\n", {}, "column 'image' names no image in row 3"),
        ("image,label,p\na.png,1,x\nb.png,0,\n", {"patient": "p"}, "column 'p' names no patient in row 3"),
    ],
)
def test_bad_tables(csv, text, fields, message):
    with pytest.raises(BadInput, match=message):
        csv(text, **fields)


def test_no_file_and_no_csv(tmp_path):
    for name in ("", str(tmp_path), str(tmp_path / "none.csv")):
        with pytest.raises(BadInput, match=r"is not a file: --data.index takes a CSV"):
            read_index(Data(index=name))
    (tmp_path / "scan.csv").write_bytes(bytes(range(256)))
    with pytest.raises(BadInput, match=r"scan.csv cannot be read as CSV in UTF-8"):
        read_index(Data(index=str(tmp_path / "scan.csv")))


@pytest.mark.parametrize(
    "values, fields, labels, name",
    [
        ("0110", {}, [0, 1, 1, 0], "label"),
        (("0.0", "1.0", "1"), {}, [0, 1, 1], "label"),
        (("True", "false"), {}, [1, 0], "label"),
        (("yes", "No"), {}, [1, 0], "label"),
        (("benign", "malignant"), {"positive": "malignant"}, [0, 1], "malignant"),
        (("benign ", "malignant"), {"positive": "benign"}, [1, 0], "benign"),
        ("0110", {"positive": "0"}, [1, 0, 0, 1], "label=0"),
        (("1.0", "0.0"), {"positive": "1"}, [1, 0], "label"),
        ("12", {"positive": "2"}, [0, 1], "2"),
    ],
)
def test_binary_labels(csv, values, fields, labels, name):
    index = csv(column(values), **fields)
    assert (index.task, index.classes) == ("binary", (name,))
    assert index.labels[:, 0].tolist() == labels


def test_multiclass_labels(csv):
    index = csv(column(["10.0", "9.0", "2", "9"]))
    assert (index.task, index.classes) == ("multiclass", ("2", "9", "10"))  # numbers by size
    np.testing.assert_array_equal(index.labels, [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 1, 0]])
    index = csv(column("bca"), classes=("c", "b", "a"))
    assert index.classes == ("c", "b", "a") and index.labels.argmax(axis=1).tolist() == [1, 0, 2]
    assert csv(column("0011"), task="multiclass").classes == ("0", "1")


def test_multilabel_labels(csv):
    index = csv("image,x,y\na.png,1,0\nb.png,1.0,1\n", label=("x", "y"))
    assert (index.task, index.classes, index.labels.tolist()) == ("multilabel", ("x", "y"), [[1, 0], [1, 1]])
    with pytest.raises(BadInput, match="one label column came with --task multilabel"):
        csv(column("01"), task="multilabel")
    for name in ("patient", "unit", "fold", "digest"):
        with pytest.raises(BadInput, match=f"'{name}' collides"):
            csv(f"image,{name},y\na.png,1,0\nb.png,1,1\n", label=(name, "y"))


@pytest.mark.parametrize(
    "values, fields, task, message",
    [
        (("benign", "malignant"), {}, "auto", "--data.positive benign or --data.positive malignant"),
        (("benign", "malignant"), {"positive": "cancer"}, "auto", "cancer does not occur .* benign, malignant"),
        ("0101", {"positive": "2"}, "auto", "--data.positive 2 does not occur in column 'label', which holds 0, 1"),
        (("a", "b", "c", "b", "a"), {"positive": "a"}, "auto", "holds 3 values .*'c' is in row 4 .*--task multiclass"),
        ("0012", {}, "binary", "holds '2' in row 5 .*expected 0 or 1"),
        ("aabc", {}, "binary", "holds 3 values"),
        ("abd", {"classes": ("a", "b", "c")}, "auto", "holds 'd' in row 4 .*expected one of a, b, c"),
        (("0", "", "1", "nan"), {}, "auto", "no label in rows 3, 5 .*fill them in, or leave .*--data.where"),
        (("0", "1", "maybe", "1"), {}, "auto", "holds 'maybe' in row 4 .*beside 0, 1: mend it"),
        ("1111", {}, "auto", "only the value '1' in all 4 rows"),
        (("1", "yes"), {}, "auto", "mean the same"),
    ],
)
def test_bad_labels(csv, values, fields, task, message):
    with pytest.raises(BadInput, match=message):
        csv(column(values), task=task, **fields)


def test_bad_multilabels(csv):
    with pytest.raises(BadInput, match=r"column 'y' holds '2' in row 3 .*expected 0 or 1"):
        csv("image,x,y\na.png,1,0\nb.png,1,2\n", label=("x", "y"))
    with pytest.raises(BadInput, match=r"2 label columns came, binary takes one"):
        csv("image,x,y\na.png,1,0\nb.png,1,2\n", label=("x", "y"), task="binary")


@pytest.mark.parametrize(
    "where, kept",
    [
        ("site contains north", [0, 2]),
        ("site == 'north hall'", [0]),
        ("site == north hall", [0]),
        ("site != south and age >= 9", [0]),
        ("age < 70", [1]),  # as text, 9 would be larger than 70
        ("age == 70.0", [0]),
        ('"age" > 8 and patient == "007"', [0, 1]),
        ("age == ''", [2]),
    ],
)
def test_where_selects_rows(csv, where, kept):
    twins = GOOD.partition("\n")[2].replace(".png", "x.png").replace(",1,", ",2,").replace(",0,", ",1,")
    index = csv(GOOD + twins, where=where, task="multiclass")  # each row twice, so that two labels remain
    assert list(index.table["row"]) == kept + [row + 3 for row in kept]
    assert index.notes[0] == f"{len(kept) * 2} of 6 rows of the index were kept: {where}."


@pytest.mark.parametrize(
    "where, message",
    [
        ("", "is not understood"),
        ("site = north", "is not understood from 'site = north' on: write COLUMN OP VALUE"),
        ("site contains", "is not understood"),
        ("site contains north and", "keeps none"),  # the word itself is looked for
        ("age > old", "expected a number after >"),
        ("site > 3", "needs numbers for >, column 'site' holds 'north hall'"),
        ("sight == north", r"no column 'sight' \(--data.where\); its columns are site"),
        ("site == east", "keeps none of the 3 rows"),
    ],
)
def test_bad_where(csv, where, message):
    with pytest.raises(BadInput, match=message):
        csv(GOOD, where=where)


def test_conditions():
    assert conditions("a contains b c and  d>=2 and \"x and y\" == 'p and q'") == [
        ("a", "contains", "b c"),
        ("d", ">=", "2"),
        ("x and y", "==", "p and q"),
    ]


STUDIES = "image,p,s,label\na.png,A,1,1\nb.png,A,1,1\nc.png,A,2,0\nd.png,B,3,0\n"


def test_units(csv):
    assert list(csv(STUDIES).table["unit"]) == ["image 0", "image 1", "image 2", "image 3"]
    both = {"patient": "p", "study": "s"}
    assert list(csv(STUDIES, unit="study", **both).table["unit"]) == ["1", "1", "2", "3"]
    assert list(csv(STUDIES, unit="patient", patient="p").table["unit"]) == ["A", "A", "A", "B"]
    index = csv(STUDIES, unit="study", study="s")  # a study is on one side of a split in any case
    assert list(index.table["patient"]) == ["1", "1", "2", "3"]
    assert index.notes == ("There is no patient column: each study counts as a patient of its own.",)
    for unit, fields, message in [
        ("study", {"patient": "p"}, "--unit study came, but no column tells study from study: name it with --data.st"),
        ("patient", {"study": "s"}, "--unit patient came, but no column .* --data.patient"),
        ("study", {"study": "t"}, r"no column 't' \(--data.study\)"),
    ]:
        with pytest.raises(BadInput, match=message):
            csv(STUDIES, unit=unit, **fields)
    twice = STUDIES.replace("d.png,B,3", "d.png,B,2")
    with pytest.raises(BadInput, match=r"study of column 's' belongs to more than one patient in rows 4, 5 \("):
        csv(twice, unit="study", **both)
    csv(twice, **both)  # where images are counted, studies are no matter
    with pytest.raises(BadInput, match="column 's' names no study in row 5"):
        csv(STUDIES.replace("B,3", "B,"), unit="study", **both)


def test_metadata_is_the_table_of_the_user(csv):
    index = csv(GOOD, patient="patient", where="site != south")
    assert index.metadata.to_dict("list") == {
        "image": ["a.png", "c.png"], "patient": ["007", "008"], "label": ["1", "0"], "site": ["north hall", "north"],
        "age": ["70", ""],
    }  # fmt: skip
    assert list(index.metadata.index) == list(index.table.index) == [0, 1]


def test_views_of_the_users_own_words(csv):
    """The note comes for any index with such columns, in the words of its cells, and only where kinds are mixed."""
    rows = ["a.png,1,PA,0", "b.png,0,L,0", "c.png,0,AP,0", "d.png,1,Left lateral,0"]
    text = "\n".join(["image,label,view,secondary_capture", *rows])
    where = "view != L and view != 'Left lateral'"
    assert csv(text).notes[1:] == (f'2 of 4 images are lateral views: leave them out with --data.where "{where}".',)
    index = csv(text, where=where)
    assert list(index.table["row"]) == [0, 2] and len(index.notes) == 2  # rows that were kept, no patients
    assert len(csv(text.replace("PA", "LL").replace("AP", "RL")).notes) == 1  # all of one kind


def external(tmp_path, text, classes, task, unit="image", **fields):
    (tmp_path / "other").mkdir(exist_ok=True)
    (tmp_path / "other" / "other.csv").write_text(text, encoding="utf-8")
    data = Data(index="gone.csv", **{"patient": None, "split": "fold", **fields})
    return read_external(data, str(tmp_path / "other" / "other.csv"), classes, task, unit)


def test_external_index(tmp_path):
    index = external(tmp_path, "image,label,p\nx.png,yes,A\ny.png,1,A\n", ("label",), "binary", "patient", patient="p")
    assert index.labels.tolist() == [[1], [1]] and set(index.table["split"]) == {""}  # the other class is absent
    assert index.table["path"][0] == str(tmp_path / "other" / "x.png") and list(index.table["unit"]) == ["A", "A"]
    assert list(index.metadata) == ["image", "label", "p"]
    index = external(tmp_path, column(["ill", "well"]), ("ill",), "binary", positive="ill")
    assert index.labels.tolist() == [[1], [0]] and index.classes == ("ill",)
    assert index.notes[1:] == ("well counts as not ill in other.csv.",)
    assert external(tmp_path, column(["well"]), ("ill",), "binary", positive="ill").labels.tolist() == [[0]]
    index = external(tmp_path, column("cac"), ("a", "b", "c"), "multiclass")
    assert index.labels.tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1]] and index.classes == ("a", "b", "c")
    index = external(tmp_path, "image,u,v\na.png,1,0\n", ("x", "y"), "multilabel", label=("u", "v"))
    assert index.labels.tolist() == [[1, 0]] and index.classes == ("x", "y")


@pytest.mark.parametrize(
    "values, classes, task, fields, message",
    [
        ("abd", ("a", "b"), "multiclass", {}, "holds 'd' in row 4 .*expected one of a, b"),
        ("012", ("label",), "binary", {}, "holds '2' in row 4 .*expected 0 or 1"),
        ("a", ("label",), "binary", {}, "holds 'a' in row 2 .*expected 0 or 1"),
        (("ill", "well", "odd"), ("ill",), "binary", {"positive": "ill"}, "holds 3 values .*'odd' is in row 4"),
        (("1", ""), ("label",), "binary", {}, "no label in row 3"),
        ("01", ("x", "y"), "multilabel", {}, r"1 label columns came, the run has 2 \(x, y\)"),
        ("01", ("label",), "binary", {"label": ("label", "image")}, "2 label columns came"),
        ("01", ("label",), "binary", {"patient": "p"}, r"other.csv has no column 'p' \(--data.patient\)"),
        ("01", ("label",), "binary", {"where": "image == z"}, "keeps none of the 2 rows of other.csv"),
    ],
)
def test_bad_external_index(tmp_path, values, classes, task, fields, message):
    with pytest.raises(BadInput, match=message):
        external(tmp_path, column(values), classes, task, **fields)


def test_given_split(csv):
    text = "image,label,fold\n" + "".join(f"{i}.png,{i % 2},{f}\n" for i, f in enumerate(["train", "Valid", "test"]))
    assert list(csv(text, split="fold").table["split"]) == ["train", "validation", "test"]
    assert list(csv(text.replace("test", "validation"), split="fold", test="Valid").table["split"][:2]) == [
        "train",
        "test",
    ]
    for old, new, message in [
        ("test", "holdout", "no row of column 'fold' is the test set 'test': pass --data.test VALUE, .*Valid, holdout"),
        ("Valid", "dev", "column 'fold' holds 'dev' in row 3 .*expected train, val or the test set 'test'"),
        ("Valid", "", "column 'fold' holds '' in row 3"),
        ("train", "val", "no row of column 'fold' is 'train'"),
    ]:
        with pytest.raises(BadInput, match=message):
            csv(text.replace(old, new), split="fold")


def test_synthetic_column(csv):
    assert csv("image,label,synthetic\na.png,0,1\nb.png,1,1\n").synthetic
    assert not csv("image,label,synthetic\na.png,0,1\nb.png,1,0\n").synthetic


@pytest.fixture
def npz(tmp_path):
    def read(arrays, task="auto", **fields):
        np.savez(tmp_path / "set.npz", **arrays)
        return read_index(Data(index=str(tmp_path / "set.npz"), **fields), task)

    return read


def parts(**labels):
    arrays = {f"{part}_labels": np.array(values) for part, values in labels.items()}
    images = {f"{part}_images": np.zeros((len(values), 4, 4), "uint8") for part, values in labels.items()}
    return arrays | images


def test_npz(npz, tmp_path):
    index = npz(parts(train=[[0], [1]], val=[[1]], test=[[0]]))
    assert list(index.table["path"])[1:3] == [
        f"{tmp_path}/set.npz#{part}" for part in ("train_images/1", "val_images/0")
    ]
    assert list(index.table["row"]) == [0, 1, 2, 3]
    assert list(index.table["split"]) == ["train", "train", "validation", "test"]
    assert index.labels[:, 0].tolist() == [0, 1, 1, 0] and index.classes == ("label",)
    assert "no patient column" in index.notes[0]
    assert npz(parts(train=[0, 1]), label="pneumonia").classes == ("pneumonia",)
    assert set(npz(parts(train=[0, 1, 2])).table["split"]) == {""}
    assert npz(parts(train=[0, 1], test=[2])).classes == ("0", "1", "2")
    index = npz(parts(train=[[0, 1], [1, 1]]))
    assert (index.task, index.classes) == ("multilabel", ("label_0", "label_1"))
    assert list(npz(parts(train=[0, 1], val=[1]), test="val").table["split"]) == ["train", "train", "test"]
    assert set(npz(parts(train=[0, 1], val=[1]), split=5).table["split"]) == {""}  # asked for: folds over all
    assert npz(parts(train=[0, 1])).metadata.shape == (2, 0)
    other = read_external(Data(label="y"), str(tmp_path / "set.npz"), ("y",), "binary")
    assert other.labels.tolist() == [[0], [1]] and other.classes == ("y",)


def test_bad_npz(npz, tmp_path):
    with pytest.raises(BadInput, match=r"pass --data.test VALUE, VALUE one of train, val"):
        npz(parts(train=[0, 1], val=[1]))
    with pytest.raises(BadInput, match=r"set.npz holds x; expected train_images"):
        npz({"x": np.zeros(3)})
    with pytest.raises(BadInput, match=r"do not fit its 2 train_images"):
        npz(parts(train=[0, 1]) | {"train_labels": np.array([0, 1, 1])})
    assert "no patient column" in " ".join(npz(parts(train=[0, 1]), patient="who").notes)  # no npz has one
    with pytest.raises(BadInput, match=r"'7' in rows train_images/1, train_images/2, expected one of 0, 1"):
        npz(parts(train=[0, 7, 7, 1]), classes=("0", "1"))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "set.npz").read_bytes()[:200])
    with pytest.raises(BadInput, match=r"cut.npz cannot be read as npz"):
        read_index(Data(index=str(tmp_path / "cut.npz")))


def test_phantoms(monkeypatch, tmp_path):
    from radzoo.images import phantoms

    monkeypatch.setitem(phantoms.SETS, "chest", {"kind": "chest", "patients": 4, "size": 64, "seed": 3})
    monkeypatch.setenv("RADZOO_CACHE", str(tmp_path))
    data = {"index": "phantom:chest", "image": "picture", "patient": "who"}  # a recipe's own columns are no matter
    index = read_index(Data(**data, label=("effusion", "mass")))
    assert index.synthetic and index.notes == () and index.classes == ("effusion", "mass")
    assert set(index.table["patient"]) == {f"phantom-000{i}" for i in (1, 2, 3, 4)}
    assert all(path.endswith(".dcm") for path in index.table["path"])
    with pytest.raises(BadInput, match="no label 'nodul', did you mean nodule"):
        read_index(Data(**data, label="nodul"))
    index = read_index(Data(**data, label="tb"))
    assert index.classes == ("nodule",) and "no label tb: the label is nodule" in index.notes[0]
    with pytest.raises(BadInput, match=r"'knee'.* phantom:chest"):
        read_index(Data(index="phantom:knee"))


@pytest.mark.slow
def test_real_indexes(real_data):
    nih = Data(
        index=str(real_data / "chest_nih14/manifest.csv"), image="file", patient="patient_id", label="no_finding"
    )
    index = read_index(nih)
    assert len(index.table) == 378 and index.table["patient"].nunique() == 366 and index.labels.sum() == 150
    index = read_index(Data(**{**vars(nih), "where": "source contains starter_images"}))
    assert len(index.table) == 156 and index.labels.sum() == 35
    mias = Data(index=str(real_data / "mammograms_mias/manifest.csv"), image="file", positive="malignant")
    assert read_index(mias).labels.sum() == 24
    pneumonia = read_index(Data(index=str(real_data / "pneumoniamnist/pneumoniamnist.npz"), test="val"))
    assert pneumonia.table["split"].value_counts().to_dict() == {"train": 3882, "test": 524}
