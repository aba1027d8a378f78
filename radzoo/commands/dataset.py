"""`radzoo dataset`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import tyro

from radzoo.commands.parsing import start_keras
from radzoo.recipe import Data


def dataset(
    index: tyro.conf.Positional[str],
    name: str,
    image: tuple[str, ...],
    label: tuple[str, ...],
    data_dir: Path | None = None,
    version: str = "1.0.0",
    volumes: bool = False,
    mask: str | None = None,
    patient: str | None = None,
    study: str | None = None,
    positive: str | None = None,
    classes: tuple[str, ...] = (),
    task: Literal["auto", "binary", "multiclass", "multilabel", "ordinal", "regression"] = "auto",
    split: tuple[float, float, float] | int | str | None = None,
    test: str = "test",
    where: str | None = None,
    covariates: tuple[str, ...] = (),
    metadata: tuple[str, ...] = (),
    window: Literal["header", "percentile"] | tuple[float, float] = "header",
    uneven: Literal["refuse", "resample"] = "refuse",
    plain_ids: bool = False,
    seed: int = 0,
):
    """Writes the images of an index as a dataset of TensorFlow Datasets: `tfds.load(NAME, data_dir=DATA_DIR)`.

    Only the columns that are named here are written. Patients and studies become keys, made with a secret of this
    machine (RADZOO_SECRET, ~/.config/radzoo/secret). After Ctrl-C the same command goes on.

    Args:
        index: a CSV with one row per image or volume, an `.npz`, or `phantom:KIND`.
        name: of the dataset, in small letters.
        image: column of the path, or several.
        label: label column, or one per class.
        data_dir: folder of all datasets; by default TFDS_DATA_DIR, or ~/tensorflow_datasets.
        version: a version that exists is never overwritten.
        volumes: rows are volumes, written in units of the modality (HU in CT) with spacing and affine.
        mask: column of masks, which are written in the frame of the image.
        patient: column that tells patients apart.
        study: column that tells studies apart.
        positive: the value of a binary label that counts as positive.
        classes: the values of a label in their order.
        task: what the labels are; `regression` writes numbers.
        split: as of a run: three fractions, a number of folds, or a column.
        test: the value of the split column that is the test set.
        where: rows to keep, such as `view == PA`.
        covariates: columns to take along that a network may be given.
        metadata: columns to take along that tell where an image comes from.
        window: of images: `header`, `percentile`, or center and width; it is applied, volumes keep their units.
        uneven: tilted or unevenly spaced DICOM planes: refused, or resampled to a straight grid.
        plain_ids: patients and studies as the index calls them, instead of keys.
        seed: patients are dealt by it, as in a run.
    """
    start_keras()
    from radzoo.data.datasets.writing import write_dataset

    data = Data(
        index=index, image=image, label=label, patient=patient, study=study, positive=positive, classes=classes,
        split=split, test=test, where=where, covariates=covariates, metadata=metadata,
    )  # fmt: skip
    folder = write_dataset(
        data, name, data_dir=data_dir, version=version, task=task, volumes=volumes, mask=mask, window=window,
        uneven=uneven, plain_ids=plain_ids, seed=seed,
    )  # fmt: skip
    at = "" if data_dir is None else f"@{data_dir}"
    told = "" if data_dir is None else f', data_dir="{data_dir}"'
    print(f'{folder}\n\ntfds.load("{name}"{told})\nradzoo run RECIPE --data.index tfds:{name}{at}')
