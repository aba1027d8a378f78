"""Candidates drawn on their scans: before a training, for the cases of the report, and lesions that none found."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from radzoo.data import Index
from radzoo.data.candidates import counted
from radzoo.images import volumes
from radzoo.images.input import Input
from radzoo.images.paths import place_of, separated
from radzoo.images.volumes import patches
from radzoo.images.volumes.fitted import scale
from radzoo.images.volumes.shown import SIDE, bar, nine, three_planes
from radzoo.recipe import Recipe
from radzoo.report import figures
from radzoo.report.before import write_page

EACH = 8  # candidates of a class on the page that is shown before the training
BELOW = 32  # pixels below the enlarged surroundings, where the scale bar is
UNFOUND = 4  # lesions without a candidate in the report


def picture(spec: Input, path: str) -> np.ndarray:
    """Three planes of the scan through a place, marked by a ring; above the sagittal one its surroundings, enlarged.

    Args:
        path: of a place in a volume.
    Returns:
        float32 `(h, w, 3)` in 0..1.
    """
    path, place = place_of(path)
    volume = volumes.read(separated(path)[0], uneven=spec.uneven)
    voxel = volume.voxels([volume.position(place)])[0]
    voxel = np.clip(np.rint(voxel), 0, np.array(volume.size) - 1)
    shown = scale(volume, spec.window)
    scan = three_planes(volume.values, voxel=voxel, spacing_mm=volume.spacing_mm, scale=shown, ring=True)
    side = round(volume.size[1] * volume.spacing_mm[1] * SIDE / max(np.multiply(volume.size, volume.spacing_mm)))
    if side > 2 * BELOW:
        scan[: side - BELOW, -(side - BELOW) :] = _near(spec, volume, place, side - BELOW, shown)[..., None]
    return scan


def _near(spec: Input, volume, place, pixels: int, shown) -> np.ndarray:
    """The axial plane of the (largest) patch, `(pixels, pixels)` in 0..1, with a scale bar of its own."""
    size_mm = max(spec.patch_mm)
    plane = patches.planes(volume, volume.position(place), size_mm=size_mm, pixels=pixels,
                           directions=patches.NINE[:1], fill=-np.inf)[0]  # fmt: skip
    drawn = np.round(shown(plane) * 255).astype("uint8")
    bar(drawn, pixels / size_mm, pixels // 2, 6, pixels - 8)
    return drawn / np.float32(255)


def mosaic(spec: Input, patch: np.ndarray) -> np.ndarray:
    """A patch as the network sees it, `(h, w)`: nine planes as three rows of three, cubes as three planes each."""
    flat = nine if spec.planes else three_planes
    return np.hstack([flat(each) for each in np.moveaxis(patch, -1, 0)])


def before(folder: Path, index: Index, spec: Input, seed: int) -> Path:
    """Writes `candidates.html`: some candidates of each class on their scans, for a look before the training."""
    groups, generator = [], np.random.default_rng(seed)
    titles = [*index.classes, *([f"not {index.classes[0]}"] if index.task == "binary" else [])]
    columns = index.labels if index.task != "binary" else np.hstack([index.labels, 1 - index.labels])
    for title, column in zip(titles, columns.T, strict=True):
        rows = np.flatnonzero(column > 0)
        chosen = sorted(generator.permutation(rows)[:EACH])
        cases = []
        for row in chosen:
            number = int(index.table["row"].iloc[row])
            image = picture(spec, index.table["path"].iloc[row])
            cases.append((number, figures.case(folder / "figures" / f"candidate_{number}.jpg", image, figures.WIDE)))
        groups.append((title, len(rows), cases))
    return write_page(folder / "candidates.html", groups, index.synthetic)


def unfound(folder: Path, recipe: Recipe, index: Index, spec: Input) -> None:
    """Draws tested lesions that no candidate lies on, which no threshold finds: `figures/unfound_1.jpg`, …"""
    found = index.candidates
    here = counted(found, index.table, recipe.seed)[found.lesions]
    missed = [i for i in np.flatnonzero(here) if i not in set(found.lesion)]
    for number, i in enumerate(missed[:UNFOUND], start=1):
        image = picture(spec, found.places[i])
        figures.case(folder / "figures" / f"unfound_{number}.jpg", image, figures.WIDE)
