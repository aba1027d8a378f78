"""What an index may be: a CSV, arrays in an npz, or fabricated images. Each becomes a table of text."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from radzoo.data.store import cache_folder
from radzoo.errors import BadInput
from radzoo.recipe import Data
from radzoo.registry import suggest

NPZ_PARTS = ("train", "val", "test")


def from_csv(file: Path) -> pd.DataFrame:
    """The cells of a CSV as text; the index of the frame counts the rows below the header from 0."""
    try:  # text only, so that ids keep their leading zeros; blank lines count, so that row numbers are the user's
        cells = pd.read_csv(
            file, dtype=str, keep_default_na=False, skip_blank_lines=False, index_col=False, encoding="utf-8-sig"
        ).fillna("")
    except pd.errors.EmptyDataError:
        raise BadInput(f"the index {file.name} is empty: expected a header and one row per image") from None
    except (ValueError, OSError) as error:  # ParserError and UnicodeDecodeError are ValueErrors
        reason = " ".join(str(error).split())
        raise BadInput(f"the index {file.name} cannot be read as CSV in UTF-8: {reason}") from None
    cells.columns = cells.columns.str.strip()
    return cells[(cells != "").any(axis=1)]


def from_npz(file: Path, data: Data) -> tuple[pd.DataFrame, Data]:
    """The arrays of an npz as the cells that a CSV would hold, and `data` with the names of these columns.

    The parts of the archive are the split, unless `data.split` asks for a number of folds.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            parts = [p for p in NPZ_PARTS if f"{p}_images" in archive and f"{p}_labels" in archive]
            arrays = {p: archive[f"{p}_labels"].reshape(len(archive[f"{p}_labels"]), -1) for p in parts}
            counts = {p: len(archive[f"{p}_images"]) for p in parts}
            names = ", ".join(archive.files)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BadInput(f"{file.name} cannot be read as npz: {error}") from None
    if not parts:
        raise BadInput(f"{file.name} holds {names or 'nothing'}; expected train_images, train_labels, val_…, test_…")
    for part, labels in arrays.items():
        if len(labels) != counts[part] or labels.shape[1] != arrays[parts[0]].shape[1]:
            raise BadInput(f"{file.name}: {part}_labels {labels.shape} do not fit its {counts[part]} {part}_images")
    labels = np.concatenate(list(arrays.values()))
    width = labels.shape[1]
    columns = data.label if len(data.label) == width else tuple(f"label_{i}" for i in range(width))
    cells = pd.DataFrame(labels.astype(str), columns=list(columns), dtype=str)
    cells["image"] = [f"{file.absolute()}#{p}_images/{i}" for p in parts for i in range(counts[p])]
    if len(parts) > 1 and (data.split is None or isinstance(data.split, str)):
        cells["split"] = [p for p in parts for _ in range(counts[p])]
        data = replace(data, split="split")
    label = columns if data.label == Data().label else data.label
    patient, study = (name if name in cells else None for name in (data.patient, data.study))  # there are none
    return cells, replace(data, image="image", label=label, patient=patient, study=study)


def phantoms(name: str = "chest") -> Path:
    """The index of a set of fabricated images, which are made when they are first asked for.

    Args:
        name: `chest`, `chest_pretraining`, `tuberculosis`, `pneumonia`, `hand`, `mammogram`, `mammography_lesions`,
            `brain_mr`, `lung_texture`, `liver_ct`, `liver_mr`; volumes are `hippocampus`, `lung_ct`, `lung_nodules` and
            `liver_phases`. With masks: `membranes`, `nuclei`, `chest_organs`, and the volumes `hippocampus_masks`,
            `liver_lesions`, `prostate_mr`, `ms_lesions`. For restoration: `low_dose_ct`, `sparse_view_ct`, `pseudo_ct`.
    Returns:
        A CSV beside DICOM files: `file` (or a column per contrast phase), `patient_id`, labels, `synthetic`; for
        pneumonia an npz in the layout of MedMNIST; with masks `image` and `mask`, PNG or NIfTI; of pairs `input`,
        `target` and `mask`.
    """
    from radzoo.images.phantoms import named_set

    return named_set(name, cache_folder() / "phantoms")


def from_phantoms(data: Data, notes: list[str]) -> Data:
    """Fabricates the images, or takes those of an earlier run; `data` then names their index and its columns.

    Image columns and labels of the recipe stay where the phantoms have them. Labels of which they have none become the
    kind's own label, and a note says so; so do image columns, without one.
    """
    from radzoo.images.phantoms import KINDS, SETS

    name = data.index.partition(":")[2]
    index = phantoms(name)
    kind = KINDS[SETS[name]["kind"]]
    arrays = index.suffix == ".npz"
    columns = list(kind.label) if arrays else list(pd.read_csv(index, dtype=str, nrows=0).columns)
    label, absent = data.label, [each for each in data.label if each not in columns]
    if absent and (len(absent) < len(label) or suggest(absent[0], columns)):  # a slip, not a recipe of other images
        known = [each for each in columns if each not in (*kind.image, "patient_id", "scanner", "view", "synthetic")]
        raise BadInput(
            f"the phantoms have no label {absent[0]!r}{suggest(absent[0], columns)}: they have {', '.join(known)}"
        )
    if absent:
        label = kind.label
        notes.append(f"The phantoms have no label {', '.join(data.label)}: the label is {', '.join(label)} instead.")
        data = replace(data, positive=None, classes=())  # they were the other label's
    data = replace(data, index=str(index), study=None, label=label)
    if arrays:
        return replace(data, image=kind.image, patient=None)  # one image each
    image = data.image if set(data.image) <= set(columns) else kind.image
    split = None if isinstance(data.split, str) and data.split not in columns else data.split
    return replace(data, image=image, patient="patient_id", split=split)
