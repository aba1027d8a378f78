"""Blocks of chest CT with more nodules each, to tell malignant from benign: `lung_ct` with other numbers."""

from __future__ import annotations

import functools

from radzoo.images.phantoms import lung_ct

PATIENTS, SIZE = 72, 112
fill = functools.partial(lung_ct.fill, count=(2, 4))
