"""Colours of classes: one fixed list, so that an organ has the same colour in every picture and file.

The first seven are Okabe and Ito's (Color Universal Design, 2008, https://jfly.uni-koeln.de/color/) without black; each
of the others is the one that lies farthest from all before it, to normal eyes and to protanopes and deuteranopes alike.
"""

from __future__ import annotations

PALETTE = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (204, 121, 167), (0, 114, 178),
    (90, 45, 255), (150, 255, 165), (90, 120, 255), (135, 255, 225), (180, 45, 45), (90, 240, 255), (150, 180, 90),
    (165, 255, 120), (90, 210, 150), (135, 75, 120), (75, 150, 240), (210, 0, 180), (15, 120, 60),
)  # fmt: skip


def colour(label: int) -> tuple[int, int, int]:
    """RGB of a label 1, 2, …, 0 to 255 each; after the 20th they begin again."""
    return PALETTE[(label - 1) % len(PALETTE)]
