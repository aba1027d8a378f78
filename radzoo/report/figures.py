"""Curves and pictures of the report. Figures are made without pyplot, so no global state of the caller changes."""

from __future__ import annotations

import base64
import io
import math
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from matplotlib.figure import Figure

from radzoo import metrics
from radzoo.atomic import replacing

# Okabe & Ito's colours, which stay apart for colour-blind readers; line styles tell them apart on grey paper.
COLOUR = {"features": "#0072B2", "finetune": "#D55E00", "scratch": "#5b6770", "majority": "#a0a7ad"}
DASH = {"features": (0, (5, 1.5)), "finetune": "-", "scratch": (0, (1.5, 1.2)), "majority": ":"}
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
MARKER = ("", "o", "s", "^", "D", "v")
DPI = 140
PICTURE = 256  # pixels of the longer side of a case


def save(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all, and its folder where it is missing."""
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def inline(path: Path) -> str:
    """An image file as a data URI."""
    kind = {".png": "png", ".jpg": "jpeg"}[path.suffix]
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def case(path: Path, image: np.ndarray) -> Path:
    """One image in 0..1 as a JPEG whose name holds the index row and nothing else."""
    image = np.nan_to_num(np.asarray(image, np.float32)).clip(0, 1)
    image = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
    ratio = PICTURE / max(image.shape[:2])
    how = cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC
    image = cv2.resize(image, None, fx=ratio, fy=ratio, interpolation=how).clip(0, 1)
    pixels = np.round(image * 255).astype(np.uint8)
    pixels = pixels[..., ::-1] if pixels.ndim == 3 else pixels  # OpenCV writes BGR
    save(path, cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
    return path


def roc(path: Path, curves: list[dict], patients: np.ndarray, classes: list[str], points: list | None) -> Path:
    """ROC curves, one panel per class; the first of `curves` gets the band.

    Args:
        curves: `{"label", "way", "model", "truth", "score"}` with `(n, k)` arrays; one colour per way, one marker per
            number of the model.
        patients: `(n,)`.
        classes: k titles.
        points: for each class the operating point `(1 - specificity, sensitivity)` of the first curve, or None.
    """
    columns = min(len(classes), 3 if len(classes) <= 6 else 5)
    rows = math.ceil(len(classes) / columns)
    side = 4.6 if len(classes) == 1 else 2.9 if columns <= 3 else 2.05
    with matplotlib.rc_context(STYLE | ({"font.size": 7.5, "axes.titlesize": 8} if columns > 3 else {})):
        figure = Figure(figsize=(side * columns, side * rows + 0.35), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for k, panel in enumerate(axes.flat):
            if k >= len(classes):
                panel.set_axis_off()
                continue
            _roc_panel(panel, [c | {"truth": c["truth"][:, k], "score": c["score"][:, k]} for c in curves], patients)
            panel.set_title(classes[k] if len(classes) > 1 else "")
            if points and points[k]:
                panel.plot(*points[k], "o", ms=6, mfc="white", mec=COLOUR[curves[0]["way"]], mew=1.8, zorder=5)
        names = "1 \N{MINUS SIGN} specificity (false alarms)", "sensitivity"
        if len(classes) == 1:
            axes.flat[0].set(xlabel=names[0], ylabel=names[1])
        else:
            figure.supxlabel(names[0], fontsize=9, color="#333b42")
            figure.supylabel(names[1], fontsize=9, color="#333b42")
        handles, labels = axes.flat[0].get_legend_handles_labels()
        if len(classes) == 1:
            axes.flat[0].legend(handles, labels, loc="lower right", fontsize=8, frameon=True, edgecolor="none")
        else:
            figure.legend(handles, labels, loc="outside upper left", ncols=3, fontsize=8)
        return _png(figure, path)


def _roc_panel(panel, curves, patients):
    panel.plot([0, 1], [0, 1], color="#c9ced2", lw=0.8)
    for number, curve in enumerate(curves):
        grid, line, low, high = metrics.roc_band(
            curve["truth"], curve["score"], patients, bootstrap=500 if number == 0 else 0
        )
        colour, dash = COLOUR[curve["way"]], DASH[curve["way"]]
        if number == 0:
            panel.fill_between(grid, low, high, color=colour, alpha=0.16, lw=0)
        style = {"color": colour, "ls": dash, "lw": 2 if number == 0 else 1.2, "label": curve["label"], "zorder": 3}
        marker = {"marker": MARKER[curve["model"] % len(MARKER)], "ms": 4, "markevery": 25}
        panel.plot([0, *grid], [0, *line], **style, **marker)
    if np.isnan(line).all():
        panel.text(0.5, 0.5, "one class only", ha="center", color="#5b6770")
    panel.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    panel.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    panel.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])


def learning(path: Path, runs: list[dict]) -> Path:
    """Loss and validation AUC over epochs, one row per training; dotted lines part the phases.

    Args:
        runs: `{"label", "way", "epochs"}` with the rows of `history.csv` as a data frame.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.2, 2.1 * len(runs) + 0.2), layout="constrained")
        axes = figure.subplots(len(runs), 2, squeeze=False)
        for (loss, area), run in zip(axes, runs, strict=True):
            epochs, colour = run["epochs"], COLOUR[run["way"]]
            steps = np.arange(1, len(epochs) + 1)
            marker = {"marker": "o", "ms": 2.5}
            loss.plot(steps, epochs["loss"], color="#8a9299", lw=1.2, ls="--", label="training", **marker)
            loss.plot(steps, epochs["val_loss"], color=colour, lw=1.6, label="validation", **marker)
            area.plot(steps, epochs["val_auc"], color=colour, lw=1.6, **marker)
            area.set(ylim=(np.nanmin([0.45, *epochs["val_auc"]]), 1.01))
            area.axhline(0.5, color="#c9ced2", lw=0.8, zorder=0)
            loss.set_title(f"{run['label']}: loss")
            area.set_title("AUC on validation")
            loss.legend(fontsize=8, loc="upper right")
            for panel in (loss, area):
                _phases(panel, epochs["phase"].to_numpy(), len(steps))
        for panel in axes[-1]:
            panel.set_xlabel("epoch")
        return _png(figure, path)


def _phases(panel, phases, count):
    """A dotted line where a phase begins, and its name above the axis' foot."""
    panel.set_xlim(0.5, max(count, 2) + 0.5)
    panel.xaxis.get_major_locator().set_params(integer=True)
    starts = [i for i in range(count) if i == 0 or phases[i] != phases[i - 1]]
    if len(starts) < 2:
        return
    for start in starts:
        panel.axvline(start + 0.5, color="#8a9299", lw=0.8, ls=":")
        panel.annotate(
            f"phase {phases[start]}", (start + 0.5, 0.03), (3, 0), xycoords=("data", "axes fraction"),
            textcoords="offset points", fontsize=7, color="#5b6770",
        )  # fmt: skip


def _png(figure, path):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    save(path, buffer.getvalue())
    return path
