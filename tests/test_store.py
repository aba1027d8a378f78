"""The store of decoded images, and the batches that come out of it."""

import cv2
import numpy as np
import pytest

from radzoo import images
from radzoo.data import Store, batches, cache_folder
from radzoo.errors import BadInput
from radzoo.images import read
from radzoo.images.input import Input
from radzoo.recipe import Augment

SPEC = Input(shape=(16, 12, 1), scale=255.0, mean=(100.0,), std=(50.0,))


def picture(seed, size=(16, 12), dtype="uint8"):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, size, dtype)


def write(folder, names, **options):
    for i, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), picture(i, **options))
    return [folder / name for name in names]


@pytest.fixture
def store(tmp_path):
    return Store(SPEC, tmp_path / "store")


@pytest.fixture
def seven(store, tmp_path):
    keys = store.add(write(tmp_path, [f"{i}.png" for i in range(7)]), progress=False)
    return store, keys, np.arange(7, dtype="float32")[:, None]


def test_values_survive_to_half_a_step_of_16_bits(store, tmp_path):
    (path,) = write(tmp_path, ["deep.png"], dtype="uint16")
    (key,) = store.add([path], progress=False)
    assert store[key].shape == SPEC.shape and store[key].dtype == np.float32
    np.testing.assert_array_equal(np.round(store[key][..., 0] * 65535), picture(0, dtype="uint16"))
    np.testing.assert_allclose(store[key], SPEC.read(path), atol=0.5 / 65535 + 1e-7)


def test_reading_parses_no_python(store, tmp_path, monkeypatch):
    """The threads that feed a network may not: in Python 3.11 parsers in several threads fail at random."""
    (path,) = write(tmp_path, ["a.png"])
    (key,) = store.add([path], progress=False)
    before = np.load(next((tmp_path / "store").rglob("*.npy"))).astype("float32") / 65535

    def parsed(*_):
        raise SystemError("AST constructor recursion depth mismatch")

    monkeypatch.setattr("ast.literal_eval", parsed)
    np.testing.assert_array_equal(store[key], before)
    assert store.digests([key])


def test_decodes_once(store, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(images, "read", lambda path, window: calls.append(path) or read(path, window))
    paths = write(tmp_path, ["a.png", "b.png"])
    keys = store.add(paths, progress=False)
    assert store.add(paths[::-1], progress=False) == keys[::-1]
    assert Store(SPEC, store.folder).add(paths, progress=False) == keys
    assert sorted(calls) == sorted(map(str, paths))


def test_key_is_the_content_not_the_name(store, tmp_path):
    first, second = write(tmp_path, ["a.png", "b.png"])
    copy = tmp_path / "elsewhere.png"
    copy.write_bytes(first.read_bytes())
    keys = store.add([first, second, copy], progress=False)
    assert keys[0] == keys[2] != keys[1]
    assert [len(key) for key in keys] == [64] * 3


def test_digests_see_through_the_encoding(store, tmp_path):
    paths = [tmp_path / name for name in ("a.png", "a.tif", "b.png")]
    for path, seed in zip(paths, (0, 0, 1), strict=True):
        cv2.imwrite(str(path), picture(seed))
    keys = store.add(paths, progress=False)
    assert len(set(keys)) == 3
    a, tiff, b = store.digests(keys)
    assert a == tiff != b


def test_rows_of_an_npz(store, tmp_path):
    stack = np.stack([picture(0), picture(1), picture(0)])
    np.savez(tmp_path / "set.npz", train_images=stack, val_images=stack[:1])
    keys = store.add([f"{tmp_path}/set.npz#train_images/{i}" for i in range(3)], progress=False)
    assert keys[0] == keys[2] != keys[1]
    assert store.add([f"{tmp_path}/set.npz#val_images/0"], progress=False) == keys[:1]
    np.testing.assert_array_equal(np.round(store[keys[1]][..., 0] * 255), picture(1))
    with pytest.raises(BadInput, match=r"set.npz#train_images/3 \(image 1 of 1\): there is no image 3"):
        store.add([f"{tmp_path}/set.npz#train_images/3"], progress=False)


def test_folder_is_the_transform(monkeypatch, tmp_path):
    monkeypatch.setenv("RADZOO_CACHE", str(tmp_path))
    folder = Store(SPEC).folder
    assert cache_folder() == tmp_path and folder.parent == tmp_path / "store"
    same = Input(shape=(16, 12, 1), order="bgr")
    others = [Input(shape=(16, 12, 3)), Input(shape=(12, 16, 1)), Input(shape=(16, 12, 1), window="percentile")]
    assert Store(same).folder == folder
    assert len({Store(spec).folder for spec in others} | {folder}) == 4


def test_missing_files_are_counted(store, tmp_path):
    (path,) = write(tmp_path, ["a.png"])
    with pytest.raises(BadInput, match=r"2 of 3 image files do not exist, the first is .*gone\.png"):
        store.add([path, tmp_path / "gone.png", tmp_path / "lost.npz#x/1"])
    assert not store.folder.exists()


def test_what_was_applied_is_kept_beside_the_image(store, tmp_path):
    (key,) = store.add(write(tmp_path, ["a.png"], size=(20, 30)), progress=False)
    facts = store.facts(key)
    content, other = facts.pop("content"), Store(Input(shape=(9, 9, 1)), tmp_path / "other")
    assert facts == {
        "modality": None, "spacing_mm": None, "spacing_source": None, "burnt_in": None,
        "applied": ["scale 1/255"], "size": [20, 30],
    }  # fmt: skip
    (again,) = other.add([tmp_path / "a.png"], progress=False)
    assert other.facts(again)["content"] == content  # whatever the network's input


def test_bad_images_are_counted_and_good_ones_kept(store, tmp_path, capsys):
    good, _ = write(tmp_path, ["good.png", "bad.png"])
    (tmp_path / "bad.png").write_bytes(good.read_bytes()[:90])
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(BadInput, match=r"^bad.png \(image 1 of 3\): .*remove it from the index \(1 more images"):
        store.add([tmp_path / "bad.png", tmp_path / "text.png", good])
    assert "images" in capsys.readouterr().err  # progress
    assert len(list(store.folder.rglob("*.npy"))) == 1 and not list(store.folder.rglob(".*"))


def test_full_disk_leaves_no_partial_file(store, tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    paths = write(tmp_path, ["a.png", "b.png"])
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", full)
        with pytest.raises(BadInput, match=r"cannot write to .*: No space left on device; make room"):
            store.add(paths, progress=False)
    assert not [path for path in store.folder.rglob("*") if path.is_file()]
    assert len(store.add(paths, progress=False)) == 2


def test_ctrl_c_keeps_what_is_decoded(store, tmp_path, monkeypatch):
    def interrupted(path, window):
        if path.endswith("3.png"):
            raise KeyboardInterrupt
        return read(path, window)

    paths = write(tmp_path, [f"{i}.png" for i in range(9)])
    with monkeypatch.context() as patch:
        patch.setattr(images, "read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.add(paths, progress=False)
    assert 3 <= len(list(store.folder.rglob("*.npy"))) < 9 and not list(store.folder.rglob(".*"))
    assert len(set(store.add(paths, progress=False))) == 9


def test_batches_hold_the_normalised_store(seven):
    store, keys, labels = seven
    images, targets = zip(*batches(store, keys, labels, batch=3).as_numpy_iterator(), strict=True)
    assert [x.shape for x in images] == [(3, 16, 12, 1)] * 3 and images[0].dtype == np.float32
    np.testing.assert_array_equal(np.concatenate(targets)[:, 0], [0, 1, 2, 3, 4, 5, 6, 6, 6])
    expected = (np.stack([store[key] for key in keys]) * 255 - 100) / 50  # SPEC by hand
    np.testing.assert_allclose(np.concatenate(images)[:7], expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(images[2][1], images[2][0])  # padding repeats the last image


def test_shapes_are_known_before_the_first_batch(seven):
    store, keys, labels = seven
    data = batches(store, keys, labels, batch=3)
    assert [tuple(spec.shape) for spec in data.element_spec] == [(3, 16, 12, 1), (3, 1)]
    assert int(data.cardinality()) == 3


def test_shuffled_epochs_wrap_around(seven):
    store, keys, labels = seven
    order = _labels(store, keys, labels, epoch=0)
    assert sorted(order[:7]) == list(range(7))
    np.testing.assert_array_equal(order[7:], order[:2])
    np.testing.assert_array_equal(order, _labels(store, keys, labels, epoch=0))
    assert order != _labels(store, keys, labels, epoch=1)
    assert order != _labels(store, keys, labels, epoch=0, seed=1)


def test_a_batch_may_be_larger_than_the_data(seven):
    store, keys, labels = seven
    (first,) = batches(store, keys[:2], labels[:2], batch=5, shuffle=True)
    assert first[0].shape == (5, 16, 12, 1) and set(first[1].numpy()[:, 0]) == {0, 1}
    (first,) = batches(store, keys[:2], labels[:2], batch=5)
    np.testing.assert_array_equal(first[1].numpy()[:, 0], [0, 1, 1, 1, 1])


def test_augmentation_is_a_function_of_seed_epoch_and_image(seven):
    store, keys, labels = seven
    augment = Augment(shift=0.2, brightness=0.2)

    def by_label(**options):
        data = batches(store, keys, labels, batch=3, shuffle=True, augment=augment, **options)
        return {int(label[0]): image for x, y in data.as_numpy_iterator() for image, label in zip(x, y, strict=True)}

    first, again, later = by_label(epoch=2), by_label(epoch=2), by_label(epoch=3)
    fewer = batches(store, keys[2:3], labels[2:3], batch=1, augment=augment, epoch=2)
    np.testing.assert_array_equal(first[2], next(iter(fewer))[0][0])  # whatever else is in the data
    for i in range(7):
        np.testing.assert_array_equal(first[i], again[i])
        assert np.abs(first[i] - later[i]).max() > 0.01
        assert np.abs(first[i] - SPEC.normalise(store[keys[i]])).max() > 0.01


def _labels(store, keys, labels, **options):
    data = batches(store, keys, labels, batch=3, shuffle=True, **options)
    return [int(label) for _, batch in data.as_numpy_iterator() for label in batch[:, 0]]
