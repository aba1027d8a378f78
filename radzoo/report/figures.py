"""The look of the figures, pictures of cases, and files as data URIs."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import cv2
import numpy as np

from radzoo.atomic import replacing

# Okabe & Ito's colours (and Tol's purple) stay apart for colour-blind readers, line styles on grey paper.
COLOUR = {
    "features": "#0072B2", "finetune": "#D55E00", "scratch": "#5b6770",
    "grey levels": "#009E73", "metadata": "#AA4499", "covariates": "#882255", "majority": "#a0a7ad",
}  # fmt: skip
DASH = {
    "features": (0, (5, 1.5)), "finetune": "-", "scratch": (0, (1.5, 1.2)),
    "grey levels": (0, (6, 1.5, 1.5, 1.5)), "metadata": (0, (3, 1, 1, 1, 1, 1)), "covariates": (0, (1, 1)),
    "majority": ":",
}  # fmt: skip
STYLE = {
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a9299",
    "axes.labelcolor": "#333b42",
    "xtick.color": "#5b6770",
    "ytick.color": "#5b6770",
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "legend.frameon": False,
}
DPI = 140
PICTURE = 256  # pixels of the longer side of a case
WIDE = 512  # of one that is drawn on its scan


def save(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all, and its folder where it is missing."""
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def inline(path: Path) -> str:
    """An image file as a data URI."""
    kind = {".png": "png", ".jpg": "jpeg"}[path.suffix]
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def case(path: Path, image: np.ndarray, side: int = PICTURE) -> Path:
    """One image in 0..1 as a JPEG whose name holds the index row and nothing else; `side` is its longer one."""
    image = enlarged(image, side)
    pixels = np.round(image * 255).astype(np.uint8)
    pixels = pixels[..., ::-1] if pixels.ndim == 3 else pixels  # OpenCV writes BGR
    save(path, cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
    return path


def enlarged(image: np.ndarray, side: int = PICTURE) -> np.ndarray:
    """An image in 0..1 at the size of a case, float32 `(h, w)` or `(h, w, 3)`."""
    image = np.nan_to_num(np.asarray(image, np.float32)).clip(0, 1)
    image = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
    ratio = side / max(image.shape[:2])
    how = cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC
    return cv2.resize(image, None, fx=ratio, fy=ratio, interpolation=how).clip(0, 1)


def png(figure, path: Path) -> Path:
    """A figure as a file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    save(path, buffer.getvalue())
    return path
