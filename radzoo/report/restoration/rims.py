"""The rim of one insert by every way: how wide each leaves an edge."""

from __future__ import annotations

from radzoo.metrics import measure_inserts
from radzoo.report import words
from radzoo.report.restoration import curves
from radzoo.report.restoration.words import NOISY, named


def draw(run, row: int, ways: dict, labels, spacing_mm) -> dict | None:
    """Writes `rim.png` of the insert that stands out most in the image as it came (without one, by the first way).

    Args:
        row: of the index, a case of `inserts.csv`.
        ways: from the name of a way to its image.
        labels: label map of the same shape.
    Returns:
        `{"file", "insert", "row"}`, or None where no insert is a disc that every way left an edge of.
    """
    lines = run.inserts[run.inserts["row"] == row]
    names = list(dict.fromkeys(lines["insert"]))
    if not names:  # of touching organs there are none
        return None
    found = {
        way: dict(zip(names, measure_inserts(image, labels, range(1, int(labels.max()) + 1), spacing_mm), strict=True))
        for way, image in ways.items()
    }
    fitted = [name for name in names if all(each[name]["edge"] for each in found.values())]
    if not fitted:
        return None
    before = found.get(NOISY) or next(iter(found.values()))
    best = max(fitted, key=lambda name: before[name]["cnr"])
    titles = {way: words.plain(named(run.metrics, way)) for way in found}
    file = run.folder / "figures" / "rim.png"
    curves.edge(file, {way: each[best]["edge"] for way, each in found.items()}, titles)
    return {"file": file.name, "insert": best, "row": row}
