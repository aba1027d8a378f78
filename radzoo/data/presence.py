"""Whether every part of a split holds what it takes: nothing can be learnt or measured otherwise."""

from __future__ import annotations

import numpy as np

from radzoo.data.index import Index
from radzoo.errors import BadInput

FEWEST = 3  # patients of a part in a regression


def check_parts(index: Index, places: list[tuple[str, np.ndarray]], advice: str) -> None:
    """Every part must hold images with and without each class (masks: with it), or in a regression a few patients who
    differ.

    Args:
        places: name and rows, `(n,)` booleans, of each part.
        advice: what to do, the end of the message.
    Raises:
        BadInput: a part without one of these.
    """
    if index.task == "regression":
        return _check_spread(index, places, advice)
    missing, absent = [], set()
    everywhere = index.labels.sum(axis=0).astype(int)
    for part, here in places:
        counts, total = index.labels[here].sum(axis=0).astype(int), int(here.sum())
        if not total:
            raise BadInput(f"the {part} part has no image: give images of more patients or other fractions")
        for name, count, among in zip(index.classes, counts, everywhere, strict=True):
            if count == 0 or (count == total and index.task != "segmentation"):
                word = "no image with" if count == 0 else "no image without"
                missing.append(f"{part} ({total} images) has {word} '{name}' ({among} of {len(index.table)} in all)")
                absent.add(name)
    if not missing:
        return
    more = f" and {len(missing) - 6} more" if len(missing) > 6 else ""
    if index.task == "multilabel":
        advice = f"drop {', '.join(n for n in index.classes if n in absent)} from --data.label, or {advice}"
    raise BadInput(f"a class is absent from a part: {'; '.join(missing[:6])}{more}: {advice}")


def _check_spread(index: Index, places: list[tuple[str, np.ndarray]], advice: str) -> None:
    for part, here in places:
        count, values = index.table["patient"][here].nunique(), index.labels[here]
        if count < FEWEST or not np.ptp(values):
            word = f"all with {values[0, 0]:g}, " if count >= FEWEST else ""
            raise BadInput(
                f"the {part} part has {count} patients ({here.sum()} images), {word}a regression needs at least "
                f"{FEWEST} with different values in every part: {advice}"
            )
