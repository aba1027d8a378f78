"""Where the network of a run looked: maps for the pictures of the page, or why there are none."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radzoo.images.volumes.shown import arranged, nine

NOT_LINEAR = "its answer is no weighted sum of the features, so that no map belongs to it"


@dataclass(frozen=True)
class Explained:
    """What the page may show beside its pictures.

    Attributes:
        kind: `Grad-CAM` or `Class activation map`, and of which member of an ensemble.
        reason: why there are no maps; empty where there are.
        maps: `(rows, outputs) -> (n, *spatial)`, one index row and one output for each, at the size of the features.
        size: `(h, w)` of the network's image, over which a map is laid.
        flat: from the map of a volume to that of the picture which stands for the volume; None for flat images.
        under: index row -> the picture that a map is laid over; None takes that of the case.
    """

    kind: str = ""
    reason: str = ""
    maps: Callable[[list[int], list[int]], np.ndarray] | None = None
    size: tuple[int, int] | None = None
    flat: Callable[[np.ndarray], np.ndarray] | None = None
    under: Callable[[int], np.ndarray] | None = None


def explained(run: Path, inputs: Callable[[list[int]], object]) -> Explained:
    """Grad-CAM of the model at the top of a run folder; for a linear classifier on fixed features its CAM.

    Of an ensemble the first member is shown, the best by itself on validation: one map per network says more than a
    mixture of several.

    Args:
        run: the run folder, with `model.keras`, `manifest.json` and, for fixed features, `classifier.skops`; or with
            `ensemble.json`.
        inputs: index rows -> what the network (of an ensemble: the first) gets of them, normalised: `(n, h, w,
            channels)`, or with covariates a list of both.
    """
    from radzoo import weights
    from radzoo.features import load_classifier
    from radzoo.finished import ENSEMBLE

    members = [{}]
    if (run / ENSEMBLE).is_file():
        members = json.loads((run / ENSEMBLE).read_text(encoding="utf-8"))["members"]
        run = run / members[0]["folder"]
        if not members[0]["share"] or not (run / "model.keras").is_file():
            return Explained(reason="the answer is that of several networks")
    manifest = weights.read_manifest(run / "manifest.json")
    of = f" of {manifest.model}, one of the {len(members)} networks of the ensemble" if len(members) > 1 else ""
    size = tuple(manifest.input.shape[:-1])
    over = {"size": size, "flat": _flat(manifest.input) if manifest.input.volume else None}
    if not (run / "classifier.skops").is_file():
        return Explained("Grad-CAM" + of, maps=lambda rows, outputs: _grad_cam(run, inputs(rows), outputs), **over)
    choice = load_classifier(run / "classifier.skops")
    streams = manifest.metrics.get("streams", "none")
    if streams not in ("none", "mean"):
        return Explained(reason=f"features of streams={streams!r} are no mean over all places, as CAM asks")
    kernel = linear(choice.classifier)
    if kernel is None:
        return Explained(reason=f"of a {choice.detail} on fixed features, {NOT_LINEAR}")
    return Explained(
        "Class activation map" + of, maps=lambda rows, outputs: _cam(run, inputs(rows), outputs, kernel), **over
    )


def _flat(spec) -> Callable[[np.ndarray], np.ndarray]:
    """The three planes of a map, where the picture has those of its volume; or a patch's nine planes."""
    from radzoo.explain import resize

    if spec.planes:
        return lambda heat: nine(resize(heat[:, None], (1, *spec.shape[1:-1]))[:, 0])
    return lambda heat: arranged(resize(heat[None], spec.shape[:-1])[0], spacing_mm=spec.spacing_mm)


def linear(classifier) -> np.ndarray | None:
    """The weights `(features, outputs)` of a linear classifier of scikit-learn, through the scaler before it.

    None where it is not linear: then no feature has one weight for all images.
    """
    scaler, last = [*(step for _, step in getattr(classifier, "steps", ())), None, None][:2]
    parts = getattr(last, "estimators_", [last])  # one per label
    if not hasattr(scaler, "scale_") or any(not hasattr(part, "coef_") for part in parts):
        return None
    kernel = np.concatenate([np.atleast_2d(part.coef_) for part in parts])
    classes = getattr(last, "classes_", None)
    if len(kernel) == 1 and parts == [last] and classes is not None and classes.dtype.kind == "i":
        kernel = np.concatenate([-kernel, kernel])  # a multiclass task with two classes
    return (kernel / scaler.scale_).T.astype("float32")


def _model(run: Path):
    from radzoo.finished import load

    return load(run)[0]


def _grad_cam(run, images, outputs) -> np.ndarray:
    from radzoo.explain import grad_cam

    return grad_cam(_model(run), images, outputs)


def _cam(run, images, outputs, kernel) -> np.ndarray:
    from radzoo.explain import cam

    model = _model(run)
    images = images[0] if isinstance(images, list | tuple) else images  # covariates join the features, not the network
    kernel = kernel[: model.output_shape[-1]]
    every = {k: cam(model, images, weights=kernel[:, k]) for k in set(outputs)}
    found = np.stack([every[k][i] for i, k in enumerate(outputs)])
    return np.maximum(found, 0) / found[0].size  # in the unit of Grad-CAM
