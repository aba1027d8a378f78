"""The state of a training between two epochs, on disk: what a killed run needs to go on as if nothing had been.

Keras' own `BackupAndRestore` is not bit-equal once there is dropout or shuffling. Here everything that an epoch
depends on is kept: all variables of the model (the states of its random generators among them) and of its optimizer by
position, the best weights so far, and the bookkeeping of the phases; the data of an epoch follow from its number.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

from radzoo.atomic import replacing
from radzoo.errors import BadInput


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        phase: the current one, from 1; `done` of its epochs are over, the last `waited` of them no better.
        best: score on validation and negative loss of the best epoch.
        history: one row per epoch of all phases.
        validation: what each of these epochs said of the validation images, `(n, k)`.
        weights: of the best epoch, in the order of `model.get_weights()`.
    """

    phase: int = 1
    done: int = 0
    waited: int = 0
    best: tuple[float, float] = (-np.inf, -np.inf)
    history: list[dict] = field(default_factory=list)
    validation: list[np.ndarray] = field(default_factory=list)
    weights: list[np.ndarray] | None = None


def save(path: Path, model: keras.Model, progress: Progress) -> None:
    """Writes the state after an epoch, whole or not at all."""
    kinds = {"model": model.variables, "optimizer": model.optimizer.variables}
    arrays = {
        f"{kind}/{i}": keras.ops.convert_to_numpy(variable)
        for kind, variables in kinds.items()
        for i, variable in enumerate(variables)
    }
    for kind, values in (("best", progress.weights), ("validation", progress.validation)):
        arrays |= {f"{kind}/{i}": value for i, value in enumerate(values)}
    told = {name: getattr(progress, name) for name in ("phase", "done", "waited", "best", "history")}
    with replacing(path) as temporary:
        np.savez(temporary, progress=np.array(json.dumps(told)), **arrays)


def load(path: Path) -> tuple[Progress, dict[str, list[np.ndarray]]]:
    """The progress, and the variables of `model` and `optimizer` for `restore`; a fresh start where there is no file.

    Raises:
        BadInput: a damaged file.
    """
    if not path.is_file():
        return Progress(), {}
    try:
        with np.load(path, allow_pickle=False) as file:
            told = json.loads(str(file["progress"]))
            kinds = {kind: _numbered(file, kind) for kind in ("model", "optimizer", "best", "validation")}
    except Exception as error:  # zipfile, zlib, json and numpy each have their own idea of a damaged file
        raise BadInput(
            f"{path} is damaged ({type(error).__name__}): remove it, and this training starts anew"
        ) from None
    best = {"weights": kinds.pop("best"), "validation": kinds.pop("validation"), "best": tuple(told["best"])}
    return Progress(**{**told, **best}), kinds


def restore(model: keras.Model, kinds: dict[str, list[np.ndarray]]) -> None:
    """Puts variables back by position into a model that was built, frozen and compiled as when they were saved."""
    model.optimizer.build(model.trainable_variables)
    for variables, values in ((model.variables, kinds["model"]), (model.optimizer.variables, kinds["optimizer"])):
        if [tuple(variable.shape) for variable in variables] != [value.shape for value in values]:
            raise BadInput("the state of this training belongs to another network: the versions of Keras may differ")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def _numbered(file, kind: str) -> list[np.ndarray]:
    count = sum(name.startswith(f"{kind}/") for name in file.files)
    return [file[f"{kind}/{i}"] for i in range(count)]
