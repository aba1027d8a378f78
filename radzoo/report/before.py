"""The page that is looked at before a training: candidates on their scans."""

from __future__ import annotations

from pathlib import Path

from radzoo.report import figures


def write_page(path: Path, groups: list[tuple], synthetic: bool) -> Path:
    """Writes a page that needs nothing else.

    Args:
        groups: `(title, candidates in all, [(index row, picture)])`.
    """
    from radzoo.report.page import rendered

    shown = [
        {"title": title, "total": total, "cases": [{"row": row, "uri": figures.inline(file)} for row, file in cases]}
        for title, total, cases in groups
    ]
    figures.save(path, rendered("before.html", {"groups": shown, "synthetic": synthetic}).encode())
    return path
