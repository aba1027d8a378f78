"""A finished segmentation on new images: masks in the frame of each, and how large they are."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from radzoo import weights
from radzoo.data.cases import worked
from radzoo.data.store import WHITE
from radzoo.errors import BadInput
from radzoo.finished import load
from radzoo.images import written
from radzoo.images.paths import shown
from radzoo.segmenting import PLAIN, Cascade, Segmenter, drawn

KINDS = ("auto", *written.KINDS)
STAGES = ("organ", "inside")  # folders of the two networks of a cascade


def draws(run: str | os.PathLike) -> bool:
    """Whether a run folder holds a segmentation."""
    for place in (Path(run), Path(run) / STAGES[0]):
        if (place / "manifest.json").is_file():
            return weights.read_manifest(place / "manifest.json").task == "segmentation"
    return False


def draw(
    run: str | os.PathLike, files, *, out: str | os.PathLike | None = None, kind: str = "auto",
    batch: int | None = None, progress: bool = True,
) -> pd.DataFrame:  # fmt: skip
    """Segments images or volumes as the run did, and writes their masks.

    Args:
        run: the folder of a finished segmentation.
        files: as in an index, a folder of a DICOM series among them; where the run's index has several image columns,
            so many files are one image.
        out: folder for the masks; None writes none.
        kind: `nifti`, `dicom_seg` or `png`; `auto` is DICOM SEG for DICOM volumes, NIfTI for other volumes, PNG for
            images. Nothing is overwritten.
        batch: windows per step; None takes that of the run.

    Returns:
        One row per image and class: `file`, `class`, `voxels`, and `ml` (of images `pixels` and, where the size of a
        pixel is known, `mm2`).

    Raises:
        BadInput: no such run, an image that cannot be used, or a mask that is there already; the first before anything
            is written, the others leave what was written before.
    """
    from tqdm import tqdm

    segment, manifest = _segment(Path(run), batch)
    spec, told = manifest.input, manifest.metrics
    files = spec.grouped([os.fspath(file) for file in files])
    if not files:
        raise BadInput("no image came: name at least one file")
    if kind not in KINDS:
        raise BadInput(f"kind {kind!r} came, expected {', '.join(KINDS)}")
    chosen = {file: _kind(file, spec, kind) for file in files}
    _check_targets(files, out, chosen)
    refined, found = told["mask"]["refine"].replace("none", PLAIN), []
    for file in tqdm(files, "images", file=sys.stderr, disable=not progress or len(files) == 1):
        try:
            opened = spec.opened(file)
            values, facts = worked(spec, opened, told["whole"])
        except BadInput as error:
            name = shown(file)
            raise BadInput(str(error) if str(error).startswith(name) else f"{name}: {error}") from None
        image = np.round(values * WHITE).astype("uint16")
        labels = drawn(segment, image, facts, (refined,))[refined]
        if out is not None:
            options = {"run": Path(run).name} if chosen[file] == "dicom_seg" else {}
            written.write(labels, file, manifest.classes, out, chosen[file], **options)
        found.append(_amounts(labels, facts["spacing_mm"], manifest.classes).assign(file=shown(file)))
    table = pd.concat(found, ignore_index=True)
    return table[["file", *(name for name in table if name != "file")]]


def _amounts(labels: np.ndarray, spacing_mm, classes) -> pd.DataFrame:
    if labels.ndim == 3:
        return written.amounts(labels, spacing_mm, classes)
    counts = np.bincount(labels.ravel(), minlength=len(classes) + 1)[1:]
    table = pd.DataFrame({"class": list(classes), "pixels": counts})
    return table if spacing_mm is None else table.assign(mm2=counts * np.prod(spacing_mm))


def _segment(run: Path, batch: int | None):
    """The network of a run, or both of a cascade, as a function of the image; and the manifest."""
    cascade = (run / STAGES[0]).is_dir()
    places = [run / stage for stage in STAGES] if cascade else [run]
    looks = []
    for place in places:
        model, manifest = load(place)
        mask = manifest.metrics["mask"]
        size = batch or manifest.metrics["batch"]
        looks.append(Segmenter(model, manifest.input, size, mask["overlap"], mask["flips"]))
    if not cascade:
        return looks[0], manifest
    return Cascade(*looks, manifest.classes.index(mask["inside"]) + 1), manifest


def _kind(file: str, spec, kind: str) -> str:
    """What `auto` means for one image."""
    if kind != "auto":
        return kind
    if not spec.volume:
        return "png"
    from radzoo.images import is_dicom

    first = file.partition("\n")[0].partition("#")[0]
    if os.path.isdir(first):
        return "dicom_seg"
    if not os.path.isfile(first):
        return "nifti"  # its absence is said when it is read
    with open(first, "rb") as opened:
        head = opened.read(352)
    return "dicom_seg" if is_dicom(head) and head[344:347] not in (b"n+1", b"ni1") else "nifti"


def _check_targets(files: list[str], out, chosen: dict[str, str]) -> None:
    """No two images make the same file, and none is there already: said before hours of work."""
    if out is None:
        return
    targets = [target for file in files for target in written.targets(file, out, chosen[file])]
    double = {target.name for target in targets if targets.count(target) > 1}
    if double:
        raise BadInput(f"several images would be written as {sorted(double)[0]}: give each a folder of its own")
    there = [target.name for target in targets if target.exists()]
    if there:
        raise BadInput(f"{there[0]} is already in {Path(out).name}: give another folder")
