"""A TFDS dataset as the cells of an index, and its images one example at a time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from radzoo import images
from radzoo.data.datasets import layout, names
from radzoo.data.datasets.layout import ABOUT, FOLD, KEY, ROW, Told
from radzoo.errors import BadInput
from radzoo.images.input import Input
from radzoo.images.paths import DATASET, EXAMPLE, separated
from radzoo.recipe import Data

SPLIT = "split"


def from_dataset(data: Data, notes: list[str]) -> tuple[pd.DataFrame, Data]:
    """The examples of a dataset as the cells that a CSV would hold, and `data` with the names of its columns.

    Every feature that is one word or number is a column, class labels by their names. The dataset's own parts are the
    split unless `data.split` asks for something else. A dataset that radzoo wrote knows which columns are image,
    patient and study, where the recipe calls them otherwise; of any other dataset the only image is taken. The label is
    that of the dataset where the recipe names none.

    Raises:
        BadInput: no such dataset on this disk, or one without images.
    """
    place = names.found(data.index)
    builder = opened(place)
    told = _told(builder)
    features = builder.info.features
    grids = told.image if told else _pictures(features)
    if not grids:
        raise BadInput(f"{names.called(data.index)} holds no image: its features are {', '.join(features)}")
    columns = {name: feature for name, feature in features.items() if feature.shape == ()}
    rows = []
    for split in builder.info.splits:
        for number, example in enumerate(_examples(builder, split, columns)):
            row = {name: _cell(feature, example[name]) for name, feature in columns.items()}
            row |= {name: f"{place / DATASET}#{split}/{number}/{name}" for name in grids}
            rows.append(row | {SPLIT: split})
    cells = pd.DataFrame(rows, dtype=str)
    if told:
        cells = _own(cells, told, notes)
    return cells, _columns(data, cells, told, builder.info, grids, notes)


def _own(cells: pd.DataFrame, told: Told, notes: list[str]) -> pd.DataFrame:
    """Rows in the order of the index that was written, and what was known of it."""
    cells.index = cells.pop(ROW).astype(int)
    cells = cells.sort_index().rename(columns={KEY: names.KEYS}).drop(columns=FOLD, errors="ignore")
    if told.synthetic:
        cells["synthetic"] = "1"
    notes += told.notes
    if told.patient:
        notes.append(
            "Patients are known by the keys that the dataset gave them: they cannot be compared with another index."
        )
    return cells


def _columns(data: Data, cells: pd.DataFrame, told: Told | None, info, grids, notes: list[str]) -> Data:
    """`data` with columns that are there; what cannot be told stays, and is refused by its name."""
    image, label, patient, study = data.image, data.label, data.patient, data.study
    if told:
        image = told.image if len(image) == len(told.image) and not set(image) <= set(grids) else image
        label = told.label if label == Data().label and label[0] not in cells else label
        patient = told.patient if told.patient and patient not in cells else patient
        study = told.study if told.study and study not in cells else study
    else:
        only = "image" if "image" in grids else grids[0] if len(grids) == 1 else None
        image = (only,) if len(image) == 1 and image[0] not in grids and only else image
        second = info.supervised_keys[1] if info.supervised_keys else None
        label = (second,) if label == Data().label and label[0] not in cells and isinstance(second, str) else label
    split = data.split
    if len(info.splits) > 1 and (split is None or (isinstance(split, str) and split not in cells)):
        split = SPLIT
    elif len(info.splits) > 1 and split != SPLIT:
        parts = ", ".join(f"{name} {part.num_examples}" for name, part in info.splits.items())
        notes.append(f"The parts of the dataset ({parts}) are not used: another split is asked for.")
    elif told and told.folds:
        notes.append(f"The dataset was dealt to {told.folds} folds: --data.split {told.folds} --seed {told.seed}.")
    return replace(data, image=image, label=label, patient=patient, study=study, split=split)


def opened(place: Path):
    """The builder of a dataset, made from its files alone: none of its code runs.

    Raises:
        BadInput: files that TFDS cannot read.
    """
    import tensorflow_datasets as tfds

    try:
        return tfds.builder_from_directory(os.fspath(place))
    except Exception as error:  # whatever its JSON makes TFDS stumble over
        raise BadInput(f"the dataset {_called(place)} is damaged ({type(error).__name__}): prepare it again") from None


def read(paths: list[str], spec: Input) -> Iterator[tuple[str, str, Callable[[], list]]]:
    """The images of paths such as `FOLDER/dataset_info.json#train/17/image`; each shard is read once, in its order.

    Args:
        paths: of images, or `joined` where several features of one example make one input.
        spec: what the images are for.
    Yields:
        A path, the key of its content (sha256), and a function that decodes it to its `Pixels` or `Volume`.
    Raises:
        BadInput: damaged files, or examples that are not there.
    """
    wanted: dict[tuple[str, str], dict[int, list[tuple[str, list[str]]]]] = {}
    for path in dict.fromkeys(paths):
        parts = [EXAMPLE.fullmatch(each) for each in separated(path)]
        if None in parts or len({(part[1], part[3], part[4]) for part in parts}) > 1:
            raise BadInput("images of one row lie in several examples of a dataset: expected those of one example")
        numbers = wanted.setdefault((parts[0][1], parts[0][3]), {})
        numbers.setdefault(int(parts[0][4]), []).append((path, [part[5] for part in parts]))
    for (file, split), numbers in wanted.items():
        place = Path(file).parent
        builder = opened(place)
        count = builder.info.splits[split].num_examples if split in builder.info.splits else 0
        if max(numbers) >= count:
            raise BadInput(f"{_called(place)} has {count} examples in {split}, number {max(numbers)} was asked for")
        told = _told(builder)
        _check_kind(place, told, spec)
        needed = {name for each in numbers.values() for _, columns in each for name in columns}
        for number, example in enumerate(_examples(builder, split, _with_about(builder, needed, told), skip=needed)):
            for path, columns in numbers.pop(number, ()):
                yield path, _key(example, columns), partial(_images, builder, example, columns, told, spec)
            if not numbers:
                break


def _images(builder, example: dict, columns: list[str], told: Told | None, spec: Input) -> list:
    found = []
    for name in columns:
        array = np.asarray(builder.info.features[name].decode_example(example[name]))
        if told is None:
            found.append(images.of_array(array, spec.window))
        else:
            about = {key: value.numpy() for key, value in example[name + ABOUT].items()}
            found.append(layout.decoded(array, about, told, spec.window))
    return found


def _check_kind(place: Path, told: Told | None, spec: Input) -> None:
    if told is None and spec.reads_volumes:
        raise BadInput(
            f"{_called(place)} does not say how large its voxels are and how they lie in the patient: write volumes "
            "from their files, with `radzoo dataset --volumes`"
        )
    if told is not None and told.volumes != spec.reads_volumes:
        holds, size = ("volumes", "Z Y X") if told.volumes else ("images", "PIXELS")
        raise BadInput(f"{_called(place)} holds {holds}, which the network does not take: pass --size {size}")


def _with_about(builder, columns: set[str], told: Told | None) -> list[str]:
    missing = sorted(columns - set(builder.info.features))
    if missing:
        raise BadInput(f"the dataset has no feature '{missing[0]}': it has {', '.join(builder.info.features)}")
    return [*columns, *(name + ABOUT for name in columns if told)]


def _examples(builder, split: str, columns, skip=()) -> Iterator[dict]:
    """The examples of a split in the order of their files, only these features of them; `skip` stay encoded."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    one = tfds.ReadConfig(  # one example in memory: neither cached, nor read ahead
        try_autocache=False, skip_prefetch=True, interleave_cycle_length=1, interleave_block_length=1,
        num_parallel_calls_for_decode=1, num_parallel_calls_for_interleave_files=1,
    )  # fmt: skip
    chosen = tfds.decode.PartialDecoding(
        dict.fromkeys(columns, True), decoders={name: tfds.decode.SkipDecoding() for name in skip}
    )
    try:
        with _quiet():
            examples = builder.as_dataset(split=split, decoders=chosen, read_config=one)
        yield from examples
    except (tf.errors.OpError, AssertionError) as error:
        raise BadInput(
            f"the shards of {split} are damaged or missing ({type(error).__name__}): copy or prepare the dataset again"
        ) from None


@contextmanager
def _quiet():
    """Without what TFDS says of its own outdated calls, once for every feature."""
    from absl import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _key(example: dict, columns: list[str]) -> str:
    """The sha256 of what is stored of an image, and of what says how to show it."""
    digest = hashlib.sha256()
    for name in columns:
        for part in (example[name], example.get(name + ABOUT, {})):
            for key, value in sorted(part.items()) if isinstance(part, dict) else [("", part)]:
                content = np.asarray(value)
                content = content.tobytes() if content.dtype.kind in "iuf" else content.item()
                digest.update(f"{name} {key} {len(content)} ".encode() + content)
    return digest.hexdigest()


def _cell(feature, value) -> str:
    """One word or number as text; a class by its name, an unknown one (-1) as nothing."""
    import tensorflow_datasets as tfds

    value = value.numpy()
    if isinstance(feature, tfds.features.ClassLabel):
        return feature.int2str(int(value)) if value >= 0 else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _pictures(features) -> tuple[str, ...]:
    """Features that may be images: those that say so, and arrays of two to four axes; the likeliest first."""
    import tensorflow_datasets as tfds

    found = [name for name, feature in features.items() if isinstance(feature, tfds.features.Image)]
    tensors = [
        name
        for name, feature in features.items()
        if type(feature) is tfds.features.Tensor and 2 <= len(feature.shape) <= 4
    ]
    return (*sorted(found, key=lambda name: name != "image"), *tensors)


def _told(builder) -> Told | None:
    return Told.of(builder.info.metadata)


def _called(place: Path) -> str:
    return f"{place.parent.name}:{place.name}"
