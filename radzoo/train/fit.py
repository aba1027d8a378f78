"""Training of one network: phases, early stopping on validation, best weights."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import keras
import numpy as np

from radzoo import norms
from radzoo.data import Store, batches
from radzoo.data.scale import Scale
from radzoo.errors import BadInput
from radzoo.losses import loss_for
from radzoo.metrics import score, score_name
from radzoo.recipe import Phase, Recipe
from radzoo.train import state
from radzoo.train.optimiser import optimiser, plateau, rate, set_rate
from radzoo.views import answers

HISTORY = ("phase", "epoch", "learning_rate", "loss", "val_loss", "val_score", "seconds")
JIT = {"auto": "auto", "on": True, "off": False}
AUXILIARY = 0.3  # weight of the loss of an auxiliary head (Szegedy 2015, section 5)


@dataclass(frozen=True)
class Part:
    """Images of one part of a split: keys into the store, their labels `(n, k)`, and their covariates `(n, c)`."""

    keys: list[str]
    labels: np.ndarray
    beside: np.ndarray | None = None


@dataclass(frozen=True)
class Fitted:
    """What a training leaves besides the weights: a row per epoch, and what each epoch said of validation."""

    history: list[dict]
    validation: np.ndarray  # (epochs, n, k), in units of the labels


class Lesson(Protocol):
    """What a network learns from, epoch by epoch, and how it is examined.

    Attributes:
        loss: of (truth, prediction).
        steps: batches of an epoch.
        score_name: of what `examined` gives.
    """

    loss: Callable
    steps: int
    score_name: str

    def images(self, epoch: int, outputs: int):
        """`tf.data.Dataset` of one epoch for a network with so many outputs."""

    def plain(self) -> Iterable:
        """Batches of training images that nothing changed."""

    def examined(self, model: keras.Model) -> tuple[float, float, np.ndarray]:
        """Loss and score on validation, and what the network said there; kept for every epoch."""

    def finish(self, model: keras.Model) -> None:
        """What is left to do with the weights of the best epoch."""


@dataclass(frozen=True)
class Course:
    """Images of a split and their labels; a regression learns its labels standardised by `scale`."""

    recipe: Recipe
    train: Part
    validation: Part
    store: Store
    task: str
    scale: Scale | None
    loss: Callable

    @property
    def steps(self) -> int:
        return -(-len(self.train.keys) // self.recipe.batch)

    @property
    def score_name(self) -> str:
        return score_name(self.task)

    def images(self, epoch: int, outputs: int):
        return self._batches(
            augment=self.recipe.augment, epoch=epoch, balanced=self.recipe.balanced, outputs=outputs
        )  # fmt: skip

    def plain(self):
        return (inputs for inputs, _ in self._batches())

    def _batches(self, **options):
        part, recipe = self.train, self.recipe
        return batches(
            self.store, part.keys, part.labels, batch=recipe.batch, seed=recipe.seed, shuffle=True, beside=part.beside,
            **options,
        )  # fmt: skip

    def examined(self, model: keras.Model) -> tuple[float, float, np.ndarray]:
        """Answers `(n, k)` are in units of the labels."""
        guide, truth = self.validation, self.validation.labels
        said = answers(model, self.store, guide.keys, batch=self.recipe.batch, beside=guide.beside)
        target = truth if self.scale is None else self.scale.apply(truth)
        loss = float(np.mean(self.loss(target, said)))
        return loss, score(self.task, truth, said), said if self.scale is None else self.scale.inverse(said)

    def finish(self, model: keras.Model) -> None:
        if self.scale is not None:
            _in_units(model, self.scale)


def fit(
    model: keras.Model,
    recipe: Recipe,
    phases: tuple[Phase, ...],
    train: Part,
    validation: Part,
    store: Store,
    *,
    task: str,
    policy: str,
    label: str = "",
    kept: Path | None = None,
) -> Fitted:
    """`learn` with the images and labels of a split."""
    return learn(
        model, recipe, phases, _course(recipe, train, validation, store, task), policy=policy, label=label, kept=kept
    )


def learn(
    model: keras.Model,
    recipe: Recipe,
    phases: tuple[Phase, ...],
    lesson: Lesson,
    *,
    policy: str,
    label: str = "",
    kept: Path | None = None,
) -> Fitted:
    """Trains `model` in place, phase after phase, and leaves it with the weights of its best epoch.

    The best epoch has the highest score on validation (`metrics.score`: the mean AUC over classes, for numbers the rank
    correlation), and of equals the lowest loss: a network from scratch may answer with one constant at first, which no
    loss tells from chance. A phase ends after `phase.patience` epochs that were not better; the next begins from the
    best weights so far.

    Args:
        policy: what becomes of batch normalisation (`norms.POLICIES`); verified after each phase.
        label: what the progress lines begin with.
        kept: file for the state after each epoch; where it exists, the training goes on from there.

    Raises:
        BadInput: the loss is no longer finite.
    """
    progress, saved = state.load(kept) if kept else (state.Progress(), {})
    if policy == "recalibrate" and not saved:
        norms.recalibrate(model, lesson.plain())
    for number, phase in enumerate(phases, start=1):
        if number < progress.phase:
            continue
        learning = norms.prepare(model, policy, phase.freeze_below)
        _compile(model, recipe, lesson, phase)
        if saved:
            say(f"{label} goes on after epoch {len(progress.history)}")
            state.restore(model, saved)
            saved = {}
        else:
            progress.phase, progress.done, progress.waited = number, 0, 0
        say(f"{label} phase {number} of {len(phases)}: {', '.join(learning)} learn")
        before, already = norms.statistics(model), progress.done
        while progress.done < phase.epochs and progress.waited < phase.patience:
            _note(progress, model, *_epoch(model, lesson, phase, progress))
            say(_line(label, phase, progress, lesson.score_name))
            if kept:
                state.save(kept, model, progress)
        if progress.done > already:
            norms.verify(model, before, policy, phase.freeze_below)
        model.set_weights(progress.weights)
    lesson.finish(model)
    return Fitted(progress.history, np.stack(progress.validation))


def _course(recipe: Recipe, train: Part, validation: Part, store: Store, task: str) -> Course:
    scale = Scale.of(train.labels) if task == "regression" else None
    if scale is not None:
        train = replace(train, labels=scale.apply(train.labels))
    loss = loss_for(
        task,
        train.labels,
        class_weights=recipe.class_weights and not recipe.balanced,
        kind=recipe.loss,
        label_smoothing=recipe.label_smoothing,
    )
    return Course(recipe, train, validation, store, task, scale, loss)


def _compile(model: keras.Model, recipe: Recipe, lesson: Lesson, phase: Phase) -> None:
    """Each auxiliary head has the loss of the main one, with less weight."""
    others = len(model.outputs) - 1
    model.compile(
        optimiser(model, recipe, phase, lesson.steps),
        [lesson.loss] * (1 + others) if others else lesson.loss,
        loss_weights=[1.0] + [AUXILIARY] * others if others else None,
        jit_compile=JIT[recipe.jit],
    )


def _epoch(model: keras.Model, lesson: Lesson, phase: Phase, progress: state.Progress) -> tuple[dict, np.ndarray]:
    """One epoch: its row of the history, and what the network then says of validation."""
    start, number = time.perf_counter(), len(progress.history)
    if phase.schedule == "plateau":
        rows = [row for row in progress.history if row["phase"] == progress.phase]
        set_rate(model.optimizer, plateau([(row["val_score"], -row["val_loss"]) for row in rows], phase))
    pace = rate(model.optimizer)  # at the first step
    images = lesson.images(number, len(model.outputs))
    fitted = model.fit(images, initial_epoch=number, epochs=number + 1, verbose=0, shuffle=False)
    loss, reached, said = lesson.examined(model)
    row = {
        "phase": progress.phase,
        "epoch": number + 1,
        "learning_rate": pace,
        "loss": float(fitted.history["loss"][-1]),
        "val_loss": loss,
        "val_score": reached,
        "seconds": round(time.perf_counter() - start, 2),
    }
    if not np.isfinite([row["loss"], row["val_loss"]]).all():
        raise BadInput(
            f"the loss is {row['loss']} (validation {row['val_loss']}) in epoch {number + 1}: lower the learning rate"
        )
    return row, said


def _note(progress: state.Progress, model: keras.Model, row: dict, said: np.ndarray) -> None:
    """Adds an epoch to the progress, and its weights if it was the best."""
    progress.history.append(row)
    progress.validation.append(said)
    progress.done += 1
    reached = (row["val_score"], -row["val_loss"])
    better = reached > tuple(progress.best)
    progress.waited = 0 if better else progress.waited + 1
    if better:
        progress.best, progress.weights = reached, model.get_weights()


def _in_units(model: keras.Model, scale: Scale) -> None:
    """From standardised answers to those in units of the labels: the last linear layer takes the scale in."""
    layer = model.get_layer("head_logits")
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel * scale.sd, bias * scale.sd + scale.mean])


def xla_state(model: keras.Model, jit: str) -> dict:
    """`{"on": bool, "why": str}`: whether the compiled `model` really trains under XLA, and why (not)."""
    if model.jit_compile and keras.backend.backend() == "jax":
        return {"on": True, "why": "the JAX backend compiles every step with XLA"}
    if model.jit_compile:
        return {"on": True, "why": "asked for" if jit == "on" else "Keras found a GPU and no layer that forbids it"}
    if jit == "off":
        return {"on": False, "why": "switched off in the recipe"}
    against = [layer.name for layer in model.layers if not getattr(layer, "supports_jit", True)]
    if against:
        return {"on": False, "why": f"layers that cannot be compiled: {', '.join(against)}"}
    return {
        "on": False,
        "why": "no GPU: Keras leaves XLA off on a CPU, where it makes training slower",
    }


def say(line: str) -> None:
    """Progress goes to the standard error, so that results can be piped."""
    print(line, file=sys.stderr, flush=True)


def _line(label: str, phase: Phase, progress: state.Progress, measure: str) -> str:
    row = progress.history[-1]
    return (
        f"{label} phase {progress.phase} epoch {progress.done}/{phase.epochs}  loss {row['loss']:.4f}  validation loss "
        f"{row['val_loss']:.4f}  {measure} {row['val_score']:.3f}{' ' if progress.waited else '*'} "
        f"{row['seconds']:.1f} s"
    )
