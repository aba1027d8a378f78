"""Candidates: places in volumes, the reference lesions that they hit or miss, and the scans that all of them lie in."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from radzoo.data.columns import column, located, name_rows
from radzoo.data.sources import from_csv
from radzoo.data.where import conditions, matches
from radzoo.errors import BadInput
from radzoo.images import volumes
from radzoo.images.paths import Place, place_of, placed
from radzoo.metrics import hits
from radzoo.recipe import Data

DIAMETER = "diameter_mm"


@dataclass(frozen=True, eq=False)
class Candidates:
    """What a FROC curve needs besides scores.

    Attributes:
        scan: `(n,)`, the scan of each row of the index.
        lesion: `(n,)`, the lesion that it lies on, counted over all scans; -1 for none.
        lesions: `(m,)`, the scan of each reference lesion.
        places: `(m,)`, its path with its place.
        scans: `path`, `patient` and `split` (of the reference; may be empty) of every scan.
        note: what the denominator is.
    """

    scan: np.ndarray
    lesion: np.ndarray
    lesions: np.ndarray
    places: list[str]
    scans: pd.DataFrame
    note: str

    def digest(self) -> str:
        """Equal for the same lesions, hit by the same rows, in the same scans."""
        told = [
            self.lesion.tolist(),
            self.lesions.tolist(),
            self.places,
            self.scans[["path", "patient", "split"]].to_csv(),
        ]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def read_candidates(table: pd.DataFrame, cells: pd.DataFrame, data: Data, file: Path) -> Candidates | None:
    """Which lesion each row lies on; None where neither `data.lesion` nor `data.reference` tells.

    Args:
        table: of the index, with `path` and `patient`.
        cells: of the same rows.
    Raises:
        BadInput: a reference that is missing or not understood, a lesion that it does not know.
    """
    if data.lesion is None and data.reference is None:
        return None
    scan_paths = [place_of(path)[0] for path in table["path"]]
    known = pd.DataFrame({"path": scan_paths, "patient": table["patient"], "split": ""}).drop_duplicates("path")
    if data.reference is None:
        named = column(cells, data.lesion, "lesion", file).str.strip()
        at = [place_of(path)[1] for path in table["path"]]
        lesions = pd.DataFrame({"path": scan_paths, "lesion": named.to_numpy(), "place": at})
        lesions = lesions[lesions["lesion"] != ""].drop_duplicates(["path", "lesion"], ignore_index=True)
        note = (
            "No reference lists all lesions and scans (--data.reference): lesions without a candidate, and scans "
            "without candidates, are not counted, so sensitivities look better than they are."
        )
        return _joined(table, cells, data, file, known, lesions, note)
    reference = _reference(data, file)
    scans = pd.concat([known, reference[["path", "patient", "split"]]])
    torn = scans["patient"].groupby(scans["path"]).nunique() > 1
    if torn.any():
        raise BadInput(
            f"{torn.sum()} scans belong to one patient in {file.name} and to another in {data.reference}, the first is "
            f"{os.path.basename(torn.index[torn][0])}: correct one of them"
        )
    lesions = reference[reference["place"].notna()].reset_index(drop=True)
    return _joined(table, cells, data, file, scans.drop_duplicates("path", ignore_index=True), lesions, "")


def _joined(table, cells, data: Data, file: Path, scans: pd.DataFrame, lesions: pd.DataFrame, note: str) -> Candidates:
    number = {path: i for i, path in enumerate(scans["path"])}
    paths = [place_of(path)[0] for path in table["path"]]
    if data.lesion is None:
        lesion = _hit(table, lesions)
    else:
        named = column(cells, data.lesion, "lesion", file).str.strip()
        order = {(path, name): i for i, (path, name) in enumerate(zip(lesions["path"], lesions["lesion"], strict=True))}
        lesion = np.array([order.get(pair, -1) for pair in zip(paths, named, strict=True)], int)
        strange = np.flatnonzero((lesion < 0) & (named != "").to_numpy())
        if len(strange):
            raise BadInput(
                f"column '{data.lesion}' names lesions that {data.reference} does not know in this scan, in "
                f"{name_rows(table, strange)}: add them there, or correct these rows"
            )
    at = np.array([number[path] for path in lesions["path"]], int)
    places = [placed(path, *place) for path, place in zip(lesions["path"], lesions["place"], strict=True)]
    return Candidates(np.array([number[path] for path in paths]), lesion, at, places, scans, note)


def check_labels(candidates: Candidates, labels: np.ndarray, task: str, table: pd.DataFrame) -> None:
    """A candidate is positive where it lies on a lesion, and only there.

    Raises:
        BadInput: rows of which label and lesion contradict each other; or another task than a binary one.
    """
    if task != "binary":
        raise BadInput(
            f"lesions came with a {task} label, expected a binary one: leave --data.lesion and reference out"
        )
    positive, hit = labels[:, 0] > 0, candidates.lesion >= 0
    for bad, what in ((positive & ~hit, "positive, but lie on no lesion"), (~positive & hit, "negative, but on one")):
        if bad.any():
            raise BadInput(
                f"{bad.sum()} candidates are labelled {what} of the reference, in "
                f"{name_rows(table, np.flatnonzero(bad))}: is their frame (lps, ras, voxel) right? Correct these rows"
            )


def _reference(data: Data, index: Path) -> pd.DataFrame:
    """`path patient split place lesion diameter_mm` of every row of the reference; `place` is None without one."""
    file = Path(os.path.abspath(index.parent / Path(data.reference).expanduser()))
    if not file.is_file():
        raise BadInput(f"the reference {file} is not a file: --data.reference is relative to the folder of the index")
    cells = from_csv(file)
    for name, op, value in conditions(data.where) if data.where else ():  # scans that nobody asked for do not count
        cells = cells[matches(column(cells, name, "where", file), op, value)]
    if len(data.image) > 1:
        raise BadInput("a reference came with several image columns: name the one volume that lesions lie in")
    names = column(cells, data.image[0], "image", file).str.strip()
    found = pd.DataFrame({"path": [os.path.abspath(file.parent / name) for name in names]})
    own = found["path"] if data.patient is None else column(cells, data.patient, "patient", file).str.strip()
    found["patient"] = own.to_numpy()
    split = cells[data.split].str.strip().str.lower() if data.split in cells else pd.Series("", cells.index)
    found["split"] = split.replace(data.test.lower(), "test").to_numpy()
    empty = np.all([column(cells, name, "place", file).str.strip() == "" for name in data.place], axis=0)
    places = iter(located(cells[~empty], data, file))
    found["place"] = [None if nothing else place_of(next(places))[1] for nothing in empty]
    if data.lesion is not None:
        found["lesion"] = column(cells, data.lesion, "lesion", file).str.strip().to_numpy()
        bad = ((found["lesion"] == "") | found.duplicated(["path", "lesion"], keep=False)).to_numpy() & ~empty
        if bad.any():
            raise BadInput(
                f"{file.name}, row {cells.index[bad][0] + 2}: '{data.lesion}' is empty, or stands twice in one scan: "
                "give each lesion one row and a name of its own"
            )
    else:
        diameters = pd.to_numeric(column(cells, DIAMETER, "reference", file), errors="coerce").to_numpy()
        bad = ~(diameters > 0) & ~empty
        if bad.any():
            raise BadInput(f"{file.name}, row {cells.index[bad][0] + 2}: {DIAMETER} is no positive number: fill it in")
        found[DIAMETER] = diameters
    return found


def _hit(table: pd.DataFrame, lesions: pd.DataFrame) -> np.ndarray:
    """The lesion within whose radius each candidate lies, as in LUNA16."""
    found = np.full(len(table), -1)
    rows = pd.Series(range(len(table))).groupby([place_of(path)[0] for path in table["path"]])
    for path, here in rows:
        there = lesions[lesions["path"] == path]
        places = [place_of(table["path"].iloc[i])[1] for i in here]
        mine, theirs = _lps(path, places), _lps(path, list(there["place"]))
        hit = hits(mine, theirs, there[DIAMETER].to_numpy() / 2)
        found[here] = np.where(hit >= 0, there.index.to_numpy()[hit] if len(there) else -1, -1)
    return found


def _lps(path: str, places: list[Place]) -> np.ndarray:
    """`(n, 3)`, mm; the volume is only read where a place is in voxels."""
    if any(place.frame == "voxel" for place in places):
        volume = volumes.read(path)
        return np.array([volume.position(place) for place in places])
    signs = {"lps": (1, 1, 1), "ras": (-1, -1, 1)}
    return np.array([np.multiply(place.position, signs[place.frame]) for place in places]).reshape(-1, 3)


def counted(candidates: Candidates, table: pd.DataFrame, seed: int) -> np.ndarray:
    """Booleans `(scans,)`: which scans count in the test part, those without candidates included.

    A scan follows its patient. Patients without any candidate were never dealt to a part: in a cross-validation all of
    them count; in a given split the reference says where they belong; else as large a share of them as of the others
    is drawn.

    Args:
        table: of the index, once it is split.
    Raises:
        BadInput: a given split, and a reference that names none for such a patient.
    """
    if table["fold"].max() > 0:
        return np.ones(len(candidates.scans), bool)
    part = dict(zip(table["patient"], table["split"], strict=True))
    patients = candidates.scans["patient"]
    chosen = patients.map(part).eq("test").to_numpy(copy=True)
    alone = sorted(set(patients) - set(part))
    if alone and (candidates.scans["split"] != "").any():
        named = dict(zip(patients, candidates.scans["split"], strict=True))
        if not all(named[patient] for patient in alone):
            raise BadInput("a patient without candidates has no split in the reference: fill in that column there")
        return chosen | patients.isin([patient for patient in alone if named[patient] == "test"]).to_numpy()
    share = np.mean([each == "test" for each in part.values()])
    drawn = np.random.default_rng((seed, len(alone))).permutation(alone)[: round(share * len(alone))]
    return chosen | patients.isin(list(drawn)).to_numpy()
