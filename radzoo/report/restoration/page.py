"""From the files of a restoration run to the page."""

from __future__ import annotations

import json
from pathlib import Path

from radzoo.metrics import FEW
from radzoo.report import figures, imaged, made
from radzoo.report.page import rendered
from radzoo.report.restoration import cases, curves, harm, limits, saying, tables
from radzoo.report.restoration.reading import read
from radzoo.report.restoration.words import came, ends, entry, unit, way


def write(folder: Path, pictures) -> Path:
    """See `radzoo.report.restoration.write`."""
    html = rendered("restoration/page.html", context(read(folder), pictures))
    figures.save(folder / "report.html", html.encode())
    return folder / "report.html"


def context(run, pictures) -> dict:
    """Everything that the page shows."""
    rows, seen = _rows(run), cases.look(run, pictures)
    return {
        "run": run,
        "test": run.test,
        "detection": None,
        "few": FEW,
        "headline": saying.headline(run),
        "alarms": saying.alarms(run),
        "lead": saying.lead(run),
        "transfer": saying.against_scratch(run),
        "cautions": saying.cautions(run),
        "window": run.window["window"],
        "ends": ends(run.metrics, run.window),
        "came": came(run.metrics),
        "unit": run.unit,
        "hu": lambda value: saying.hu(run, value),
        "span": run.measure.span,
        "tiles": _tiles(run),
        "rows": rows,
        "names": {row["name"]: row["label"] for row in rows},
        "most": max(row["rmse"]["high"] or row["rmse"]["value"] for row in rows),
        "no_bm3d": bool(run.classical) and "bm3d" not in {row["name"] for row in rows},
        "windows": tables.windows(run),
        "differences": tables.differences(run) if run.test["claim"] else [],
        "noise": tables.noise(run),
        "inserts": tables.inserts(run),
        "tissues": tables.tissues(run),
        "shift": harm.SHIFT,
        "gallery": cases.gallery(run, seen),
        "rim": seen["rim"] and seen["rim"] | {"uri": figures.inline(run.folder / "figures" / seen["rim"]["file"])},
        "hidden": len(run.hidden & set(run.cases["row"])),
        "table": cases.table(run),
        "counts": imaged.counts(run),
        "learning": imaged.learning(run, lambda *names: " ".join(names), "PSNR"),
        "score": "PSNR",
        "left_out": limits.left_out(run),
        "weights": made.weights(run.environment["weights"]),
        "recipe": json.dumps(made.without_folders(run.recipe), indent=2, ensure_ascii=False),
    }


def _rows(run) -> list[dict]:
    """The ways with what the first table says of them."""
    looks = curves.style([row["name"] for row in run.rows])
    whole = run.best["windows"][-1]["data_range"]
    return [
        {
            "name": row["name"],
            "label": way(run.metrics, row),
            "detail": "" if row is run.noisy else row["detail"],
            "best": row is run.best,
            "model": row["model"],
            "colour": looks[row["name"]]["color"],
            "choice": run.measure.number(row["choice"] * whole),
            "rmse": entry(row, run.window["window"])["rmse"],
        }
        for row in run.rows
    ]


def _tiles(run) -> list[dict]:
    """`{"value", "said", "span", "alarmed"}` of the chosen way, the image as it came and the classical ways."""
    suspect = saying.level(run, run.window["window"])
    found = []
    for row in (run.best, run.noisy, *run.classical):
        if row:
            rmse = entry(row, run.window["window"])["rmse"]
            found.append({
                "value": unit(run.metrics, run.measure.number(rmse["value"])),
                "said": way(run.metrics, row),
                "span": run.measure.span(rmse),
                "alarmed": row in suspect,
            })  # fmt: skip
    return found
