"""An index written as a TFDS dataset and read back: the same pixels, labels and parts; and foreign datasets."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import fabricate
import nibabel
import nrrd
import numpy as np
import pandas as pd
import pytest

from radzoo.data import Store, assign_splits, masks, read_index
from radzoo.data.datasets import names, reading, writing
from radzoo.data.datasets.writing import write_dataset
from radzoo.errors import BadInput
from radzoo.images import Input, Pixels
from radzoo.images.volumes import Volume
from radzoo.recipe import Data

FLAT = Input(shape=(24, 24, 1))
SOLID = Input(shape=(8, 10, 12, 1), window="percentile", spacing_mm=(2.0, 1.5, 1.5))


@pytest.fixture(autouse=True)
def secret(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("RADZOO_SECRET", str(tmp_path_factory.getbasetemp() / "secret-of-datasets"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """32 pictures of 16 patients: PNG of 8 bits."""
    index = fabricate.pictures(tmp_path_factory.mktemp("pictures"), patients=16, images=2)
    return Data(index=str(index), image="file", label="label", patient="patient", split=(0.5, 0.25, 0.25))


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    """24 volumes with a mask each: int16 and float32, with oblique axes, some masks on another grid."""
    folder, rng, rows = tmp_path_factory.mktemp("volumes"), np.random.default_rng(0), []
    lean, turn = np.radians(10), np.eye(4)
    axes = np.array([[0, -1, 0], [np.cos(lean), 0, -np.sin(lean)], [np.sin(lean), 0, np.cos(lean)]])
    turn[:3, :3], turn[:3, 3] = axes * (1.1, 1.2, 2.0), (3, 5, 7)
    for number in range(24):
        values = rng.normal(100, 50, (9 + number % 3, 11, 7)).astype("int16" if number % 2 else "float32")
        labels = np.zeros(values.shape, "uint8")
        labels[2:5, 3:8, 2:4] = 1 + number % 2
        nibabel.save(nibabel.Nifti1Image(values, turn), folder / f"{number}.nii.gz")
        shift = np.eye(4)
        if number % 3 == 0:  # cropped: only the physical overlap tells where it belongs
            labels, shift[0, 3] = labels[1:], 1
        nibabel.save(nibabel.Nifti1Image(labels, turn @ shift), folder / f"{number}-mask.nii.gz")
        rows.append((f"{number}.nii.gz", f"{number}-mask.nii.gz", f"Doe^{number // 2}", f"{rng.normal(3, 1):.3f}"))
    table = pd.DataFrame(rows, columns=["volume", "mask", "patient", "ml"])
    table.to_csv(folder / "index.csv", index=False)
    index = str(folder / "index.csv")
    return Data(index=index, image="volume", label="ml", patient="patient", split=(0.4, 0.3, 0.3), metadata=())


def stored(data, spec, folder, task="auto", seed=0):
    """The index with its parts, the digests of its stored pixels, and the facts of its images."""
    index, store = read_index(data, task), Store(spec, folder)
    keys = store.add(index.table["path"], progress=False)
    dealt = list(index.table.get("key", keys))
    facts = [store.facts(key) for key in keys]
    return assign_splits(index, store.digests(keys), data, seed, dealt), store.digests(keys), facts


def same(one, two):
    """Whether two indexes say the same, and their images are bit for bit the same."""
    for (index, digests, facts), (other, their, known) in [(one, two)]:
        np.testing.assert_array_equal(index.labels, other.labels)
        assert (index.task, index.classes, index.synthetic) == (other.task, other.classes, other.synthetic)
        for column in ("row", "split", "fold", "group"):
            assert list(index.table[column]) == list(other.table[column]), column
        assert pd.factorize(index.table["patient"])[0].tolist() == pd.factorize(other.table["patient"])[0].tolist()
        assert digests == their and facts == known


def files(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.mark.slow
def test_pictures_come_back_as_they_were(pictures, tmp_path):
    folder = write_dataset(pictures, "discs", data_dir=tmp_path / "sets", progress=False, shard_bytes=20_000)
    assert len(list(folder.glob("*train*"))) > 1
    told = stored(pictures, FLAT, tmp_path / "a")
    read = replace(pictures, index=f"tfds:discs@{tmp_path / 'sets'}")
    same(told, stored(replace(read, split=None), FLAT, tmp_path / "b"))  # the dataset's own parts
    same(told, stored(read, FLAT, tmp_path / "c"))  # dealt anew, by the keys of the files
    same(stored(replace(pictures, split=4), FLAT, tmp_path / "a"), stored(replace(read, split=4), FLAT, tmp_path / "c"))
    percentile = replace(FLAT, window="percentile")
    same(stored(pictures, percentile, tmp_path / "d"), stored(read, percentile, tmp_path / "e"))
    index = read_index(replace(read, image="image", label="label", patient="whose", split=None))
    assert len(set(index.table["patient"])) == 16  # the dataset knows its image and its patient
    assert not set(index.table["patient"]) & set(read_index(pictures).table["patient"])  # and they are keys
    assert not any(b"p003" in path.read_bytes() or b"pictures" in path.read_bytes() for path in folder.iterdir())


def test_bytes_are_the_same_in_every_process(pictures, tmp_path):
    """The features of an example are a map of protobuf, which each process would write in an order of its own."""
    import tensorflow as tf

    folder = write_dataset(pictures, "discs", data_dir=tmp_path, progress=False)
    records = list(tf.data.TFRecordDataset([str(path) for path in folder.glob("*tfrecord*")]).as_numpy_iterator())
    for record in records:
        assert tf.train.Example.FromString(record).SerializeToString(deterministic=True) == record
    assert len(records) == 32


def test_folds_are_one_part_and_a_feature(pictures, tmp_path):
    import tensorflow_datasets as tfds

    folds = replace(pictures, split=4)
    write_dataset(folds, "folds", data_dir=tmp_path, progress=False, plain_ids=True, seed=3)
    examples = tfds.as_dataframe(tfds.load("folds", data_dir=tmp_path, split="train")).sort_values("row")
    index = stored(folds, FLAT, tmp_path / "store", seed=3)[0]
    assert examples["fold"].tolist() == index.table["fold"].tolist()
    assert [each.decode() for each in examples["patient"]] == list(index.table["patient"])
    read = read_index(replace(folds, index=f"tfds:folds@{tmp_path}"))
    assert "--data.split 4 --seed 3" in read.notes[-1] and not (read.table["split"] != "").any()


def test_volumes_come_back_with_their_geometry(volumes, tmp_path):
    write_dataset(volumes, "solid", data_dir=tmp_path, task="regression", volumes=True, mask="mask", progress=False)
    told = stored(volumes, SOLID, tmp_path / "a", "regression")
    read = replace(volumes, index=f"tfds:solid@{tmp_path}", split=None)
    same(told, stored(read, SOLID, tmp_path / "b", "regression"))
    with pytest.raises(BadInput, match=r"solid:1\.0\.0 holds volumes, .* pass --size Z Y X"):
        Store(FLAT, tmp_path / "c").add(read_index(read, "regression").table["path"], progress=False)


def seg_nrrd(path, values, named):
    header = {"space": "left-posterior-superior", "space directions": np.eye(3) * 2, "space origin": np.zeros(3)}
    header |= {f"Segment{i}_{key}": str(value) for i, (name, label) in enumerate(named.items())
               for key, value in (("Name", name), ("LabelValue", label), ("Layer", 0))}  # fmt: skip
    nrrd.write(str(path), values, header)
    return str(path)


def test_masks_of_named_segments(tmp_path):
    """The same organ has the same number in every example, whatever its number in its file."""
    image = Volume(np.zeros((6, 6, 6), "int16"), [[0, 0, 2, 0], [0, 2, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1]])
    labels = np.zeros((6, 6, 6), "uint8")
    labels[1, 2, 3], labels[4, 2, 3] = 1, 2  # x y z
    found = []
    for named in ({"liver": 1, "spleen": 2}, {"spleen": 1, "liver": 2}):
        mask, names_of = masks.read_mask(seg_nrrd(tmp_path / "a.seg.nrrd", labels, named), image)
        found.append(masks.renumbered(mask, names_of, ("kidney", "liver", "spleen")))
    assert (found[0][3, 2, 1], found[0][3, 2, 4], np.count_nonzero(found[0])) == (2, 3, 2)
    assert (found[1][3, 2, 1], found[1][3, 2, 4], np.count_nonzero(found[1])) == (3, 2, 2)
    with pytest.raises(BadInput, match=r"the mask a\.seg\.nrrd: 1 voxels of segment 2 belong to another segment"):
        masks.read_mask(seg_nrrd(tmp_path / "a.seg.nrrd", labels, {"liver": 1, "lobe": 1}), image)
    away = Volume(image.values, [[0, 0, 2, 0], [0, 2, 0, 90], [2, 0, 0, 0], [0, 0, 0, 1]])
    with pytest.raises(BadInput, match="1 of 1 labelled voxels lie outside"):
        masks.read_mask(seg_nrrd(tmp_path / "a.seg.nrrd", labels, {"liver": 1}), away)


def test_flat_masks_keep_their_numbers(tmp_path):
    image = Pixels(np.zeros((4, 5), "float32"))
    numbers = np.arange(20, dtype="uint8").reshape(4, 5)
    cv2.imwrite(str(tmp_path / "m.png"), numbers)
    np.testing.assert_array_equal(masks.read_mask(str(tmp_path / "m.png"), image)[0], numbers)
    cv2.imwrite(str(tmp_path / "m.png"), numbers.astype("uint16") * 300)
    np.testing.assert_array_equal(masks.read_mask(str(tmp_path / "m.png"), image)[0], numbers * np.uint16(300))
    with pytest.raises(BadInput, match=r"the mask m\.png: has 4 x 5 pixels, its image 5 x 5"):
        masks.read_mask(str(tmp_path / "m.png"), Pixels(np.zeros((5, 5), "float32")))
    with pytest.raises(BadInput, match=r"the mask no\.png: No such file"):
        masks.read_mask(str(tmp_path / "no.png"), image)


@pytest.mark.slow
def test_tfds_alone_reads_it(volumes, tmp_path):
    """In a process that does not know radzoo, against nibabel; masks lie where nibabel's affines put them."""
    write_dataset(volumes, "solid", data_dir=tmp_path, task="regression", volumes=True, mask="mask", progress=False)
    script = f"""
import sys, numpy as np, nibabel, pandas as pd, tensorflow_datasets as tfds
folder = {str(Path(volumes.index).parent)!r}
table, seen = pd.read_csv(folder + "/index.csv"), []
for part, examples in tfds.load("solid", data_dir={str(tmp_path)!r}).items():
    for example in tfds.as_numpy(examples):
        row, about = int(example["row"]), example["volume_about"]
        seen.append(row)
        file = nibabel.as_closest_canonical(nibabel.load(f"{{folder}}/{{row}}.nii.gz"))
        values = np.asarray(file.dataobj)[::-1, ::-1].transpose(2, 1, 0)  # RAS to LPS, then z y x
        np.testing.assert_array_equal(example["volume"], values)
        back = np.diag([-1, -1, 1, 1]) @ about["affine"]
        first = file.affine @ [file.shape[0] - 1, file.shape[1] - 1, 0, 1]
        np.testing.assert_allclose(back[:, 3], first, atol=1e-5)
        np.testing.assert_allclose(about["spacing_mm"], np.linalg.norm(file.affine[:3, :3], axis=0)[::-1], atol=1e-6)
        mask = nibabel.load(f"{{folder}}/{{row}}-mask.nii.gz")
        there = (mask.affine @ np.c_[np.argwhere(np.asarray(mask.dataobj)), np.ones(30)].T)[:3].mean(1)
        here = (back @ np.c_[np.argwhere(example["mask"]), np.ones(30)].T)[:3].mean(1)
        np.testing.assert_allclose(here, there, atol=1e-4)
        assert set(np.unique(example["mask"])) == {{0, 1 + row % 2}} and len(example["patient"]) == 16
        assert np.float32(table["ml"][row]) == example["ml"]
assert sorted(seen) == list(range(24)) and "radzoo" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_an_interrupted_call_goes_on(volumes, tmp_path, monkeypatch, capsys):
    """Stopped while it looks, while it writes, and killed within a shard: the same bytes, finished shards untouched."""
    fields = {"task": "regression", "volumes": True, "shard_bytes": 2500, "progress": False}
    whole = files(write_dataset(volumes, "solid", data_dir=tmp_path / "whole", **fields))
    read, calls = writing.read_row, []

    def stopping(*given):
        calls.append(given[0])
        if len(calls) in (6, 40):
            raise KeyboardInterrupt
        return read(*given)

    monkeypatch.setattr(writing, "read_row", stopping)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            write_dataset(volumes, "solid", data_dir=tmp_path / "parts", **fields)
    assert "goes on from here" in capsys.readouterr().err
    work = tmp_path / "parts" / "solid" / ".1.0.0.unfinished"
    finished = {path: path.stat().st_mtime_ns for path in work.glob("*tfrecord*")}
    assert 0 < len(finished) < sum("tfrecord" in name for name in whole)
    with pytest.raises(BadInput, match="no whole version"):
        read_index(replace(volumes, index=f"tfds:solid@{tmp_path / 'parts'}"))
    with pytest.raises(BadInput, match="begun with another index or other options"):
        write_dataset(volumes, "solid", data_dir=tmp_path / "parts", **fields | {"seed": 1})
    (work / ".half.part").write_bytes(b"killed within a shard")
    before = len(calls)
    folder = write_dataset(volumes, "solid", data_dir=tmp_path / "parts", **fields)
    assert files(folder) == whole
    assert all((folder / path.name).stat().st_mtime_ns == then for path, then in finished.items())
    assert len(calls) - before < 24  # nothing is looked at again, nothing finished is written again
    assert [path.name for path in folder.parent.iterdir()] == ["1.0.0"]
    with pytest.raises(BadInput, match="exists and is never overwritten"):
        write_dataset(volumes, "solid", data_dir=tmp_path / "parts", **fields)


def test_an_image_that_changed_in_between_is_refused(pictures, tmp_path, monkeypatch):
    home = tmp_path / "pictures"
    data = replace(pictures, index=str(fabricate.pictures(home, patients=16, images=1)))
    look = writing.look

    def changing(*given, **options):
        looks = look(*given, **options)
        cv2.imwrite(str(home / "003_0.png"), np.arange(1600, dtype="uint8").reshape(40, 40))
        return looks

    monkeypatch.setattr(writing, "look", changing)
    with pytest.raises(BadInput, match=r"003_0\.png changed while the dataset was written"):
        write_dataset(data, "changed", data_dir=tmp_path, progress=False)
    assert names.versions(tmp_path / "changed") == []


@pytest.mark.parametrize("dtype, written", [("uint16", "uint16"), ("rgb", "uint8"), ("rgba", "float32")])
def test_pixels_keep_the_type_that_holds_them(pictures, tmp_path, dtype, written):
    """Pictures of several kinds in one index: the smallest type that loses nothing of any of them."""
    home, rng = tmp_path / "pictures", np.random.default_rng(1)
    index = fabricate.pictures(home, patients=16, images=1)
    shape = {"uint16": (30, 20), "rgb": (30, 20, 3), "rgba": (30, 20, 4)}[dtype]
    values = (
        rng.integers(0, 65535, shape).astype("uint16") if dtype == "uint16" else rng.integers(0, 255, shape, "uint8")
    )
    cv2.imwrite(str(home / "002_0.png"), values)
    data, spec = replace(pictures, index=str(index)), Input(shape=(24, 24, 3))
    folder = write_dataset(data, "kinds", data_dir=tmp_path, progress=False)
    assert json.loads((folder / "features.json").read_text())["featuresDict"]["features"]["file"]
    assert np.dtype(reading.opened(folder).info.features["file"].np_dtype).name == written
    read = replace(data, index=f"tfds:kinds@{tmp_path}", split=None)
    same(stored(data, spec, tmp_path / "a"), stored(read, spec, tmp_path / "b"))


def foreign(home, name, features, splits, **options):
    """A dataset as other people write it: TFDS' own builder of examples, with shuffling and shards of its choice."""
    import tensorflow_datasets as tfds

    tfds.dataset_builders.store_as_tfds_dataset(
        name=name, version="2.1.0", data_dir=home, split_datasets=splits, features=tfds.features.FeaturesDict(features),
        disable_shuffling=True, **options,
    )  # fmt: skip


@pytest.mark.slow
def test_a_foreign_dataset(tmp_path):
    import tensorflow as tf
    import tensorflow_datasets as tfds

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (40, 20, 16, 3)).astype("uint8")
    label = np.arange(40) % 3
    kinds = tfds.features
    told = {"image": kinds.Image(shape=(20, 16, 3)), "label": kinds.ClassLabel(names=["cat", "dog", "eel"]),
            "mask": kinds.Tensor(shape=(20, 16), dtype=np.uint8), "age": kinds.Scalar(np.int64)}  # fmt: skip
    columns = {"image": pixels, "label": label, "mask": pixels[..., 0], "age": np.arange(40) + 20}
    parts = {"train": slice(0, 20), "validation": slice(20, 30), "test": slice(30, 40)}
    splits = {
        part: tf.data.Dataset.from_tensor_slices({k: v[at] for k, v in columns.items()}) for part, at in parts.items()
    }
    foreign(tmp_path, "beasts", told, splits)
    data = Data(index=f"tfds:beasts:2.1.0@{tmp_path}", image="file", covariates="age")
    index = read_index(data)
    assert index.classes == ("cat", "dog", "eel") and index.task == "multiclass"
    assert index.labels.argmax(1).tolist() == label.tolist()
    assert index.table["split"].value_counts().to_dict() == {"train": 20, "validation": 10, "test": 10}
    assert index.covariates["age"].tolist() == [str(age) for age in range(20, 60)]
    spec = Input(shape=(20, 16, 3))
    store = Store(spec, tmp_path / "store")
    keys = store.add(index.table["path"][::-1], progress=False)[::-1]
    for key, values in zip(keys, pixels, strict=True):
        np.testing.assert_array_equal(np.rint(store[key] * 255), values)
    assert read_index(replace(data, where="age >= 41", split=(0.4, 0.3, 0.3))).labels.shape == (19, 3)
    for changed, message in [
        ({"label": "tb"}, "beasts:2.1.0 has no column 'tb' .*its columns are"),
        ({"image": ("plain", "arterial"), "patient": "patient_id"}, "has no column 'plain'"),
    ]:
        with pytest.raises(BadInput, match=message):
            read_index(replace(data, **changed))
    with pytest.raises(BadInput, match=r"beasts:2\.1\.0 does not say how large its voxels are"):
        Store(SOLID, tmp_path / "solid").add(index.table["path"], progress=False)
    (tmp_path / "beasts" / "2.1.0" / "beasts-test.tfrecord-00000-of-00001").unlink()
    with pytest.raises(BadInput, match="the shards of test are damaged or missing"):
        read_index(data)


def test_a_shard_is_read_once(pictures, tmp_path, monkeypatch):
    """However many images an index names, and in whatever order: no reading from the start for each."""
    write_dataset(pictures, "discs", data_dir=tmp_path, progress=False, shard_bytes=20_000)
    index = read_index(replace(pictures, index=f"tfds:discs@{tmp_path}", split=None))
    opened, examples = [], reading._examples
    monkeypatch.setattr(
        reading, "_examples", lambda *given, **skip: opened.append(given[1]) or examples(*given, **skip)
    )
    paths = list(np.random.default_rng(0).permutation(index.table["path"]))
    store = Store(FLAT, tmp_path / "store")
    keys = store.add(paths, progress=False)
    assert sorted(opened) == ["test", "train", "validation"]
    monkeypatch.setattr(reading, "_images", lambda *_: 1 / 0)  # what is stored is not decoded again
    assert store.add(paths[::-1], progress=False) == keys[::-1]


@pytest.mark.parametrize(
    "index, message",
    [
        ("tfds:", "expected tfds:NAME"),
        ("tfds:nothing@{}", "there is no dataset 'nothing' in .*nothing is downloaded"),
        ("tfds:nothin@{}", "there is no dataset 'nothin'"),
        ("tfds:hands:3.0.0@{}", "hands has no version 3.0.0 in .*: it has 1.9.0, 1.10.0"),
        ("tfds:feet@{}", "its configurations are left: name one as tfds:feet/left"),
        ("tfds:hands@{}", "hands:1.10.0 is damaged|dataset hands:1.10.0 is damaged"),
    ],
)
def test_a_dataset_that_is_not_there(tmp_path, index, message):
    for place in ("hands/1.9.0", "hands/1.10.0", "hands/2.0.0.incompleteABC", "feet/left/1.0.0"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "dataset_info.json").write_text("{")
    with pytest.raises(BadInput, match=message):
        read_index(Data(index=index.format(tmp_path)))


def test_where_datasets_are_looked_for(tmp_path, monkeypatch):
    (tmp_path / "hands" / "1.0.0").mkdir(parents=True)
    (tmp_path / "hands" / "1.0.0" / "dataset_info.json").write_text("{}")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert names.found("tfds:hands") == tmp_path / "hands" / "1.0.0"
    monkeypatch.chdir(tmp_path)
    assert names.absolute("tfds:hands@.") == f"tfds:hands@{tmp_path}"
    assert names.called("tfds:hands:1.0.0@/some/where") == "hands:1.0.0" and names.called("/a/b.csv") == "b.csv"


def test_what_is_not_written(pictures, volumes, tmp_path, cli, monkeypatch):
    """One line each, before there is a dataset."""
    home = tmp_path / "pictures"
    data = replace(pictures, index=str(fabricate.pictures(home, patients=16, images=1)))
    (home / "004_0.png").write_bytes(b"no picture")
    for number, (given, fields, message) in enumerate(
        [
            (data, {}, r"004_0.png \(image 5 of 16\)"),
            (data, {"name": "Chest CT"}, "small letters"),
            (data, {"name": "mnist"}, "TFDS has a dataset 'mnist' of its own"),
            (data, {"mask": "label"}, "came twice"),
            (replace(data, covariates="label"), {}, "'label' came twice, or collides"),
            (replace(data, covariates="agee"), {}, "has no column 'agee'"),
            (replace(data, index="tfds:discs"), {}, "is a dataset already"),
            (
                replace(volumes, place=("x", "y", "z")),
                {"task": "regression"},
                "places in volumes came",
            ),
            (volumes, {"task": "regression"}, "is no image that radzoo reads"),
        ]
    ):
        with pytest.raises(BadInput, match=message):
            write_dataset(given, **{"name": f"bad{number}", "data_dir": tmp_path / "sets", "progress": False} | fields)
    monkeypatch.setattr("radzoo.data.datasets.looking.LARGEST", 2000)
    with pytest.raises(BadInput, match=r"row 4 .* has 847 voxels, 0.00 GiB as float32: an example holds"):
        write_dataset(volumes, "big", data_dir=tmp_path, task="regression", volumes=True, progress=False)
    code, out, error = cli(
        "dataset", pictures.index, "--name", "discs", "--image", "file", "--label", "disc", "stripes",
        "--patient", "patient", "--split", "part", "--data-dir", tmp_path, "--covariates", "kind",
    )  # fmt: skip
    assert code == 0 and f"radzoo run RECIPE --data.index tfds:discs@{tmp_path}" in out, error
    read = read_index(Data(index=f"tfds:discs@{tmp_path}", label=("disc", "stripes"), covariates="kind"))
    told = read_index(replace(pictures, label=("disc", "stripes"), split="part", covariates="kind"))
    np.testing.assert_array_equal(read.labels, told.labels)
    assert read.task == "multilabel" and read.table["split"].tolist() == told.table["split"].tolist()
    assert read.covariates.equals(told.covariates)
