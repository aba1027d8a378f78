"""Training of one network: phases, early stopping on validation, best weights."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

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


@dataclass(frozen=True)
class Course:
    """What stays the same in all epochs of a training; a regression learns its labels standardised by `scale`."""

    model: keras.Model
    recipe: Recipe
    train: Part
    validation: Part
    store: Store
    task: str
    scale: Scale | None
    loss: Callable


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
    course = _course(model, recipe, train, validation, store, task)
    progress, saved = state.load(kept) if kept else (state.Progress(), {})
    if policy == "recalibrate" and not saved:
        images = batches(
            store, train.keys, train.labels, batch=recipe.batch, seed=recipe.seed, shuffle=True, beside=train.beside
        )
        norms.recalibrate(model, (inputs for inputs, _ in images))
    for number, phase in enumerate(phases, start=1):
        if number < progress.phase:
            continue
        learning = norms.prepare(model, policy, phase.freeze_below)
        _compile(course, phase)
        if saved:
            say(f"{label} goes on after epoch {len(progress.history)}")
            state.restore(model, saved)
            saved = {}
        else:
            progress.phase, progress.done, progress.waited = number, 0, 0
        say(f"{label} phase {number} of {len(phases)}: {', '.join(learning)} learn")
        before, already = norms.statistics(model), progress.done
        while progress.done < phase.epochs and progress.waited < phase.patience:
            _note(progress, model, *_epoch(course, phase, progress))
            say(_line(label, phase, progress, task))
            if kept:
                state.save(kept, model, progress)
        if progress.done > already:
            norms.verify(model, before, policy, phase.freeze_below)
        model.set_weights(progress.weights)
    if course.scale is not None:
        _in_units(model, course.scale)
    return Fitted(progress.history, np.stack(progress.validation))


def _course(model, recipe: Recipe, train: Part, validation: Part, store: Store, task: str) -> Course:
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
    return Course(model, recipe, train, validation, store, task, scale, loss)


def _compile(course: Course, phase: Phase) -> None:
    """Each auxiliary head has the loss of the main one, with less weight."""
    others = len(course.model.outputs) - 1
    steps = -(-len(course.train.keys) // course.recipe.batch)
    course.model.compile(
        optimiser(course.model, course.recipe, phase, steps),
        [course.loss] * (1 + others) if others else course.loss,
        loss_weights=[1.0] + [AUXILIARY] * others if others else None,
        jit_compile=JIT[course.recipe.jit],
    )


def _epoch(course: Course, phase: Phase, progress: state.Progress) -> tuple[dict, np.ndarray]:
    """One epoch: its row of the history, and its answers `(n, k)` on validation in units of the labels."""
    start, recipe, model, number = time.perf_counter(), course.recipe, course.model, len(progress.history)
    if phase.schedule == "plateau":
        rows = [row for row in progress.history if row["phase"] == progress.phase]
        set_rate(model.optimizer, plateau([(row["val_score"], -row["val_loss"]) for row in rows], phase))
    pace = rate(model.optimizer)  # at the first step
    images = batches(
        course.store, course.train.keys, course.train.labels, batch=recipe.batch, augment=recipe.augment,
        seed=recipe.seed, epoch=number, shuffle=True, balanced=recipe.balanced, beside=course.train.beside,
        outputs=len(model.outputs),
    )  # fmt: skip
    fitted = model.fit(images, initial_epoch=number, epochs=number + 1, verbose=0, shuffle=False)
    guide, truth = course.validation, course.validation.labels
    said = answers(model, course.store, guide.keys, batch=recipe.batch, beside=guide.beside)
    target = truth if course.scale is None else course.scale.apply(truth)
    row = {
        "phase": progress.phase,
        "epoch": number + 1,
        "learning_rate": pace,
        "loss": float(fitted.history["loss"][-1]),
        "val_loss": float(np.mean(course.loss(target, said))),
        "val_score": score(course.task, truth, said),
        "seconds": round(time.perf_counter() - start, 2),
    }
    if not np.isfinite([row["loss"], row["val_loss"]]).all():
        raise BadInput(
            f"the loss is {row['loss']} (validation {row['val_loss']}) in epoch {number + 1}: lower the learning rate"
        )
    return row, said if course.scale is None else course.scale.inverse(said)


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


def _line(label: str, phase: Phase, progress: state.Progress, task: str) -> str:
    row = progress.history[-1]
    return (
        f"{label} phase {progress.phase} epoch {progress.done}/{phase.epochs}  loss {row['loss']:.4f}  validation loss "
        f"{row['val_loss']:.4f}  {score_name(task)} {row['val_score']:.3f}{' ' if progress.waited else '*'} "
        f"{row['seconds']:.1f} s"
    )
