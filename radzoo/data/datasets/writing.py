"""An index written as a TensorFlow dataset, shard by shard; a second call goes on where the first one stopped."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from radzoo.atomic import replacing, sweep
from radzoo.data import masks
from radzoo.data.columns import name_rows
from radzoo.data.datasets import layout, names
from radzoo.data.datasets.layout import ABOUT
from radzoo.data.datasets.looking import LOOKED, Row, common_type, look, read_row, shards, sizes
from radzoo.data.datasets.planning import Plan, effective, mask_paths, plan, roles
from radzoo.data.index import Index, read_index
from radzoo.errors import BadInput
from radzoo.images.paths import shown
from radzoo.recipe import Data

SHARD = 2**27  # bytes before compression: what is lost at most when the work is interrupted
ASKED = "asked.json"
NAME = re.compile("[a-z][a-z0-9_]*")


def write_dataset(
    data: Data,
    name: str,
    *,
    data_dir: str | os.PathLike | None = None,
    version: str = "1.0.0",
    task: str = "auto",
    volumes: bool = False,
    mask: str | None = None,
    window: str | tuple[float, float] = "header",
    uneven: str = "refuse",
    plain_ids: bool = False,
    seed: int = 0,
    shard_bytes: int = SHARD,
    progress: bool = True,
) -> Path:
    """Writes the images of an index as a dataset that `tfds.load(name, data_dir=data_dir)` reads.

    Every image is decoded twice: once to see what there is, to deal patients and to choose one type for all pixels, and
    once to be written. One row is in memory at a time. `layout` says what an example holds; columns that `data` does
    not name are not written.

    Args:
        data: the index and its columns; `split` as in a run. With folds there is one part, `train`, and a feature
            `fold`.
        name: of the dataset, in small letters.
        data_dir: the folder of all datasets; None takes `$TFDS_DATA_DIR`, or `~/tensorflow_datasets`.
        task: as of `Recipe`.
        volumes: rows are volumes, in units of the modality; otherwise images, shown through `window`.
        mask: column of the masks.
        uneven: what becomes of tilted or unevenly spaced planes of volumes.
        plain_ids: patients and studies as the index calls them; otherwise keys stand in their place.
        seed: patients are dealt by it, as in a run.
        shard_bytes: of each file before compression, about.
    Returns:
        The folder of the dataset.
    Raises:
        BadInput: an index that no run would take, an image or a mask that cannot be used, a dataset that exists.
        KeyboardInterrupt: what was finished is kept, and the same call goes on.
    """
    final = _place(name, version, data_dir)
    data = effective(data)
    index = read_index(data, task)
    told = roles(data, index, volumes=volumes, mask=mask, window=window, seed=seed)
    mask_files, paths = mask_paths(data, index, mask), list(index.table["path"])
    work = final.with_name(f".{version}.unfinished")
    with _at_work(work, _asked(data, index, told, mask_files, [uneven, plain_ids, shard_bytes])):
        looks = look(
            paths, lambda place: read_row(paths[place], mask_files[place], told, uneven), work, progress=progress
        )
        planned = plan(data, index, told, looks, plain_ids=plain_ids)
        dtype = common_type(looks, told)
        features = layout.features(
            planned.told, dtype, max(each.channels for each in looks), planned.mask_dtype, planned.values
        )

        def example(place: int) -> bytes:
            row = read_row(paths[place], mask_files[place], told, uneven)
            if row.contents()[0] != looks[place].content:
                raise BadInput(
                    f"{shown(paths[place])} changed while the dataset was written: remove {work} and begin anew"
                )
            return _serialized(_example(row, planned, place, features), features)

        bytes_each = sizes(looks, dtype, planned.mask_dtype, lambda place: name_rows(index.table, [place]))
        cut = {part: shards(rows, looks, bytes_each, shard_bytes) for part, rows in planned.parts.items()}
        _write_shards(work, name, cut, example, progress)
        _write_metadata(work, name, version, cut, features, planned.told)
        _publish(work, final)
    return final


def _place(name: str, version: str, data_dir) -> Path:
    import tensorflow_datasets as tfds

    if not NAME.fullmatch(name) or not names.VERSION.fullmatch(version):
        raise BadInput(
            f"the dataset {name!r} of version {version!r} came, expected small letters, digits and _ such as chest_ct, "
            "and a version such as 1.0.0"
        )
    if name in tfds.list_builders(with_community_datasets=False):
        raise BadInput(f"TFDS has a dataset {name!r} of its own, which tfds.load would take: choose another --name")
    final = names.data_folder(data_dir) / name / version
    if final.exists():
        raise BadInput(f"{final} exists and is never overwritten: choose another --name or --version")
    return final


def _asked(data: Data, index: Index, told, mask_files, options: list) -> dict:
    """What an interrupted call must have in common with the one that goes on."""
    content = hashlib.sha256()
    for table in (index.table, index.words, index.metadata):
        content.update(table.to_csv(index=False).encode())
    content.update(json.dumps(mask_files).encode())
    asked = {"data": asdict(data), "told": asdict(told), "options": options, "index": content.hexdigest()}
    return json.loads(json.dumps(asked))


@contextmanager
def _at_work(work: Path, asked: dict):
    """The folder of a dataset that is not whole yet, for this process alone."""
    from filelock import FileLock, Timeout

    try:
        work.mkdir(parents=True, exist_ok=True)
        lock = FileLock(work.with_name(f"{work.name}.lock"), timeout=0)
        with lock:
            sweep(work)
            file = work / ASKED
            if file.exists() and json.loads(file.read_text(encoding="utf-8")) != asked:
                raise BadInput(
                    f"{work} was begun with another index or other options: remove it, or choose another --version"
                )
            with replacing(file) as temporary:
                temporary.write_text(json.dumps(asked), encoding="utf-8")
            yield
            Path(lock.lock_file).unlink(missing_ok=True)
    except Timeout:
        raise BadInput(f"another process writes into {work}: wait for it, or stop it") from None
    except PermissionError as error:
        raise BadInput(f"{error.filename or work} cannot be written: {error.strerror}") from None
    except KeyboardInterrupt:
        print("\nstopped: the same command goes on from here", file=sys.stderr, flush=True)
        raise


def _example(row: Row, planned: Plan, place: int, features) -> dict:
    told = planned.told
    example = planned.cells.iloc[place].to_dict()
    for column, image in zip(told.image, row.images, strict=True):
        feature = features[column]
        example[column], example[column + ABOUT] = layout.encoded(
            image, np.dtype(feature.np_dtype).name, feature.shape[-1]
        )
    if told.mask:
        mask = masks.renumbered(row.mask, row.segments, told.segments).astype(planned.mask_dtype)
        example[told.mask] = mask if told.volumes else layout.png(mask[..., None])
    return example


def _serialized(example: dict, features) -> bytes:
    """As `features.serialize_example`, whose order of features differs from process to process."""
    import tensorflow_datasets as tfds

    serializer = tfds.core.ExampleSerializer(features.get_serialized_info())
    return serializer.get_tf_example(features.encode_example(example)).SerializeToString(deterministic=True)


def _files(work: Path, name: str, part: str, count: int) -> list[Path]:
    import tensorflow_datasets as tfds

    template = tfds.core.ShardedFileTemplate(
        data_dir=work, dataset_name=name, split=part, filetype_suffix="tfrecord"
    )  # fmt: skip
    return [Path(path) for path in template.sharded_filepaths(num_shards=count)]


def _write_shards(work: Path, name: str, cut: dict[str, list[list[int]]], example, progress: bool) -> None:
    import tensorflow as tf
    from tqdm import tqdm

    total = sum(len(shard) for part in cut.values() for shard in part)
    with tqdm(total=total, desc="examples", file=sys.stderr, disable=not progress) as bar:
        for part, all_shards in cut.items():
            for file, rows in zip(_files(work, name, part, len(all_shards)), all_shards, strict=True):
                if file.exists():
                    bar.update(len(rows))
                    continue
                try:
                    with replacing(file) as temporary, tf.io.TFRecordWriter(os.fspath(temporary)) as shard:
                        for place in rows:
                            shard.write(example(place))
                            bar.update()
                except tf.errors.OpError as error:
                    raise BadInput(f"{file} was not written ({type(error).__name__}): is the disk full?") from None


def _write_metadata(work: Path, name: str, version: str, cut, features, told) -> None:
    """What TFDS needs to read the shards, in files of its own formats."""
    import tensorflow_datasets as tfds

    splits = []
    for part, all_shards in cut.items():
        lengths = [len(rows) for rows in all_shards]
        files = _files(work, name, part, len(all_shards))
        size = sum(file.stat().st_size for file in files) - 16 * sum(lengths)  # lengths and checksums of the records
        splits.append(tfds.core.SplitInfo(name=part, shard_lengths=lengths, num_bytes=size))
    kind = "volumes" if told.volumes else "images"
    supervised = (told.image[0], told.label[0]) if len(told.image) == len(told.label) == 1 else None
    tfds.folder_dataset.write_metadata(
        data_dir=os.fspath(work), features=features, split_infos=splits, version=version, check_data=False,
        description=f"{kind.capitalize()} of radzoo's index, {told.task}: {', '.join(told.classes)}.",
        supervised_keys=supervised, metadata=tfds.core.MetadataDict(told.to_metadata()), license="unknown",
    )  # fmt: skip


def _publish(work: Path, final: Path) -> None:
    """The dataset gets its name when it is whole."""
    for name in (LOOKED, ASKED):
        (work / name).unlink(missing_ok=True)
    os.rename(work, final)
