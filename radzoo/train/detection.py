"""Candidates of a run: the scans they lie in, and the FROC curve of what a way says of them."""

from __future__ import annotations

import dataclasses

import numpy as np

from radzoo.data import Index, Store
from radzoo.data.candidates import counted
from radzoo.data.series import THICK
from radzoo.images import volumes
from radzoo.images.paths import place_of
from radzoo.metrics import evaluate_froc
from radzoo.recipe import Recipe


def with_scans(index: Index, store: Store, keys) -> Index:
    """The index with the planes of every scan counted, and a note where they are thick.

    Args:
        keys: of the rows in `store`, which knows the size of each scan; a scan without candidates is read.
    """
    found = index.candidates
    if store.spec.planes:
        index = dataclasses.replace(index, notes=(*index.notes, *_thick(index, store, keys)))
    if found is None:
        return index
    sizes = {int(scan): store.facts(key)["size"][0] for scan, key in zip(found.scan, keys, strict=True)}
    unseen = {path: volumes.read(path, uneven=store.spec.uneven).size[0]
              for i, path in enumerate(found.scans["path"]) if i not in sizes}  # fmt: skip
    planes = [sizes[i] if i in sizes else unseen[path] for i, path in enumerate(found.scans["path"])]
    return dataclasses.replace(index, candidates=dataclasses.replace(found, scans=found.scans.assign(planes=planes)))


def froc(recipe: Recipe, index: Index, together: dict, *, everything: bool = False) -> dict:
    """`metrics.evaluate_froc` over the tested scans, and `planes`, how many these scans have in all.

    Args:
        together: `rows` and `probability` of the tested candidates.
        everything: all scans count, whatever part their patients are in.
    """
    found = index.candidates
    here = np.ones(len(found.scans), bool) if everything else counted(found, index.table, recipe.seed)
    number = np.cumsum(here) - 1
    kept = here[found.lesions]
    lesion = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)  # the last one for -1
    rows = together["rows"]
    told = evaluate_froc(
        number[found.scan[rows]], together["probability"][:, 0], lesion[found.lesion[rows]],
        lesions=number[found.lesions[kept]], patients=found.scans["patient"][here].to_numpy(),
        bootstrap=recipe.bootstrap, seed=recipe.seed,
    )  # fmt: skip
    return told | {"planes": int(found.scans["planes"][here].sum())}


def _thick(index: Index, store: Store, keys) -> list[str]:
    spacing = {place_of(path)[0]: max(store.facts(key)["spacing_mm"])
               for path, key in zip(index.table["path"], keys, strict=True)}  # fmt: skip
    thick = [each for each in spacing.values() if each > THICK]
    if not thick:
        return []
    return [
        f"{len(thick)} of {len(spacing)} volumes have planes more than {THICK:g} mm apart (up to {max(thick):.3g} mm): "
        "the oblique ones of the nine planes are interpolated there, rather than seen."
    ]
