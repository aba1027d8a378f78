"""The second picture of a case: where the network looked, laid over the image."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from radzoo.report import figures

TOLD = "explained.json"  # what kind of maps lie in `figures/`, or why there are none


def lay(folder: Path, cases: list[dict], pictures, explained, side: int = figures.PICTURE) -> dict | None:
    """Gives each case its `map`, a data URI, where there is one.

    All maps of one output have one scale of colours, so all are made together, unless `figures/` holds every one.

    Args:
        folder: `figures/` of the run.
        cases: of `cases.gallery`.
        pictures: index row -> image in 0..1, or None.
        explained: `report.Explained`, or None.
        side: of the pictures, the longer one in pixels.
    Returns:
        `{"kind", "reason", "places"}`, the last the size of the maps; None where nobody asked for maps.
    """
    paths = [folder / f"case_{case['row']}_map{case['output']}.jpg" for case in cases]
    whole = all(path.is_file() for path in paths) and (folder / TOLD).is_file()
    if explained is not None and pictures is not None and not whole:
        told = {"kind": explained.kind, "reason": explained.reason, "places": None}
        if explained.maps is not None and cases:
            told["places"] = _draw(paths, cases, pictures, explained, side)
        figures.save(folder / TOLD, json.dumps(told).encode())
    if not (folder / TOLD).is_file():
        return None
    for case, path in zip(cases, paths, strict=True):
        case["map"] = figures.inline(path) if path.is_file() else None
    return json.loads((folder / TOLD).read_text(encoding="utf-8"))


def _draw(paths, cases, pictures, explained, side: int) -> list[int]:
    """Writes all pictures; returns the size of the maps."""
    from radzoo.explain import overlay  # imports Keras, which the page alone does not need

    outputs = [case["output"] for case in cases]
    found = explained.maps([case["row"] for case in cases], outputs)
    peaks = {output: max(m.max() for m, o in zip(found, outputs, strict=True) if o == output) for output in outputs}
    for path, case, heat in zip(paths, cases, found, strict=True):
        image = (explained.under or pictures)(case["row"])
        heat = heat if explained.flat is None else explained.flat(heat)
        height, width = explained.size if explained.flat is None else heat.shape
        copies = round(image.shape[1] / width * height / image.shape[0])
        heat = np.tile(heat, (1, max(copies, 1)))  # channels that stand side by side share the map
        figures.case(path, overlay(figures.enlarged(image, side), heat, peak=peaks[case["output"]]), side)
    return list(found.shape[1:])
