"""Places sampled from masks: within lesions and away from them, as the index and the reference of candidates."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.spatial import cKDTree

from radzoo.data.columns import column
from radzoo.data.masks import read_mask
from radzoo.data.sources import from_csv
from radzoo.errors import BadInput
from radzoo.images import volumes
from radzoo.images.volumes import Volume

TOUCHING = np.ones((3, 3, 3), bool)  # voxels that share a corner are of one lesion
TRIES = 200  # for each place away from the lesions
PLACE = ("x", "y", "z", "frame")


def sample_candidates(
    index: str | os.PathLike,
    *,
    image: str,
    mask: str,
    patient: str,
    labels: tuple[int, ...] = (),
    within: int = 1,
    away: int = 8,
    margin_mm: float = 5.0,
    seed: int = 0,
    progress: bool = True,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Candidates within and away from the lesions of masks, and these lesions.

    A lesion is what touches in a mask, its diameter that of a ball of as many mm3 (at least the width of a voxel), its
    centre the voxel of it that is nearest to its centre of gravity. The same seed gives the same places, whatever other
    rows there are.

    Args:
        index: a CSV with the columns `image`, `mask` and `patient`, one row per volume.
        labels: of the mask that are lesions; none takes all but 0.
        within: places per lesion, different ones of its voxels within the radius; fewer where it has fewer.
        away: places per volume, uniform among voxels that are not its least value (padding), and farther than
            `margin_mm` from every voxel of a lesion.
    Returns:
        Two tables, with absolute paths in the column `image`, `patient`, and `x y z frame` (LPS, mm): the candidates
        with `label` (1 or 0) and `lesion_id`; and the lesions with `diameter_mm` and `lesion_id`, a row without a place
        for each volume without one.
    Raises:
        BadInput: a file or column that is missing, masks that fit no image, no lesion at all.
    """
    from tqdm import tqdm

    file = Path(index).expanduser()
    if not file.is_file():
        raise BadInput(f"the index {index} is not a file: name a CSV with one row per volume and its mask")
    if min(within, away) < 0 or not margin_mm >= 0 or seed < 0:
        raise BadInput(f"within {within}, away {away}, margin_mm {margin_mm}, seed {seed} came: expected 0 or more")
    cells = from_csv(file)
    rows = zip(*(column(cells, name, "image", file).str.strip() for name in (image, mask, patient)), strict=True)
    candidates, lesions = [], []
    for row, (name, named_mask, owner) in zip(
        cells.index, tqdm(list(rows), "volumes", file=sys.stderr, disable=not progress), strict=True
    ):
        path, labelled = (os.path.abspath(file.parent / each) for each in (name, named_mask))
        try:
            volume = volumes.read(path)
            inside = _inside(read_mask(labelled, volume)[0], labels)
        except BadInput as error:
            raise BadInput(f"{file.name}, row {row + 2} (the header is row 1): {error}") from None
        generator = np.random.default_rng((seed, row))
        known, found = _sampled(volume, inside, generator, within, away, margin_mm)
        lesions += [(path, owner, *each) for each in known or [("", "", "", "", "", "")]]
        candidates += [(path, owner, *each) for each in found]
    tables = (
        pd.DataFrame(candidates, columns=[image, patient, *PLACE, "label", "lesion_id"]),
        pd.DataFrame(lesions, columns=[image, patient, *PLACE, "diameter_mm", "lesion_id"]),
    )
    if not (tables[1]["lesion_id"] != "").any():
        raise BadInput(f"the masks of {file.name} hold no lesion: are {labels or 'the labels'} the right ones?")
    return tables


def _inside(mask: np.ndarray, labels: tuple[int, ...]) -> np.ndarray:
    return np.isin(mask, labels) if labels else mask > 0


def _sampled(volume: Volume, inside: np.ndarray, generator, within: int, away: int, margin_mm: float) -> tuple:
    """The lesions `(x, y, z, frame, diameter, id)` of one volume, and places `(x, y, z, frame, label, id)` in it."""
    numbered, _ = ndimage.label(inside, TOUCHING)
    known, found = [], []
    for number, box in enumerate(ndimage.find_objects(numbered), start=1):
        voxels = np.argwhere(numbered[box] == number) + [side.start for side in box]
        places = volume.positions(voxels)
        apart = np.linalg.norm(places - places.mean(0), axis=1)
        centre = places[apart.argmin()]
        diameter = max((6 / np.pi * len(voxels) * np.prod(volume.spacing_mm)) ** (1 / 3), *volume.spacing_mm)
        near = places[np.linalg.norm(places - centre, axis=1) < diameter / 2]
        known.append((*_written(centre), f"{diameter:.2f}", f"{number}"))
        found += [(*_written(place), 1, f"{number}") for place in generator.permutation(near)[:within]]
    tree, least = cKDTree(volume.positions(np.argwhere(inside))) if known else None, volume.values.min()
    for _ in range(away):
        found.append((*_written(_elsewhere(volume, tree, least, generator, margin_mm)), 0, ""))
    return known, found


def _elsewhere(volume: Volume, tree, least, generator, margin_mm: float) -> np.ndarray:
    for _ in range(TRIES):
        voxel = generator.integers(volume.size)
        place = volume.positions(voxel[None])[0]
        if volume.values[tuple(voxel)] > least and (tree is None or tree.query(place)[0] > margin_mm):
            return place
    raise BadInput(f"no place farther than {margin_mm:g} mm from all lesions was found: lower the margin")


def _written(place: np.ndarray) -> tuple[str, str, str, str]:
    return *(f"{each:.3f}" for each in place), "lps"
