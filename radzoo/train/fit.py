"""Training of one network: phases, frozen normalisation, early stopping on validation, best weights."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from radzoo.data import Store, batches
from radzoo.errors import BadInput
from radzoo.heads import freeze, statistics
from radzoo.losses import balanced, plain
from radzoo.metrics import auc
from radzoo.recipe import Phase, Recipe
from radzoo.train import state

HISTORY = ("phase", "epoch", "learning_rate", "loss", "val_loss", "val_auc", "seconds")
JIT = {"auto": "auto", "on": True, "off": False}


@dataclass(frozen=True)
class Part:
    """Images of one part of a split: keys into the store, and their labels `(n, k)`."""

    keys: list[str]
    labels: np.ndarray


def fit(
    model: keras.Model,
    recipe: Recipe,
    phases: tuple[Phase, ...],
    train: Part,
    validation: Part,
    store: Store,
    *,
    task: str,
    frozen_norms: bool,
    label: str = "",
    kept: Path | None = None,
) -> list[dict]:
    """Trains `model` in place, phase after phase, and leaves it with the weights of its best epoch.

    The best epoch has the highest AUC on validation (the mean over classes), and of equals the lowest loss: a network
    from scratch may answer with one constant at first, which no loss tells from chance. A phase ends after
    `phase.patience` epochs that were not better; the next begins from the best weights so far.

    Args:
        frozen_norms: keep batch normalisation in inference mode, and verify after each phase that it was.
        label: what the progress lines begin with.
        kept: file for the state after each epoch; where it exists, the training goes on from there.

    Returns:
        One row per epoch: phase, epoch, learning_rate, loss, val_loss, val_auc, seconds.

    Raises:
        BadInput: the loss is no longer finite.
    """
    loss = (balanced if recipe.class_weights else plain)(train.labels, task)
    untouched = statistics(model) if frozen_norms else {}
    progress, saved = state.load(kept) if kept else (state.Progress(), {})
    for number, phase in enumerate(phases, start=1):
        if number < progress.phase:
            continue
        learning = freeze(model, phase.freeze_below, norms=frozen_norms)
        model.compile(keras.optimizers.Adam(phase.learning_rate), loss, jit_compile=JIT[recipe.jit])
        if saved:
            say(f"{label} goes on after epoch {len(progress.history)}")
            state.restore(model, saved)
            saved = {}
        else:
            progress.phase, progress.done, progress.waited = number, 0, 0
        say(f"{label} phase {number} of {len(phases)}: {', '.join(learning)} learn")
        while progress.done < phase.epochs and progress.waited < phase.patience:
            row = _epoch(model, recipe, train, validation, store, loss, len(progress.history))
            _note(progress, model, {"phase": number, "learning_rate": phase.learning_rate, **row})
            say(_line(label, phase, progress))
            if kept:
                state.save(kept, model, progress)
        model.set_weights(progress.weights)
        _verify(model, untouched)
    return progress.history


def _note(progress: state.Progress, model: keras.Model, row: dict) -> None:
    """Adds an epoch to the progress, and its weights if it was the best."""
    progress.history.append(row)
    progress.done += 1
    reached = (row["val_auc"], -row["val_loss"])
    better = reached > tuple(progress.best)
    progress.waited = 0 if better else progress.waited + 1
    if better:
        progress.best, progress.weights = reached, model.get_weights()


def predict(model: keras.Model, store: Store, keys: list[str], batch: int) -> np.ndarray:
    """Probabilities `(len(keys), k)`; the padding of the last batch is cut off."""
    images = batches(store, keys, np.zeros((len(keys), 1)), batch=batch)
    return model.predict(images, verbose=0)[: len(keys)]


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


def _epoch(model, recipe, train, validation, store, loss, epoch) -> dict:
    start = time.perf_counter()
    images = batches(
        store, train.keys, train.labels,
        batch=recipe.batch, augment=recipe.augment, seed=recipe.seed, epoch=epoch, shuffle=True,
    )  # fmt: skip
    fitted = model.fit(images, initial_epoch=epoch, epochs=epoch + 1, verbose=0, shuffle=False)
    probability = predict(model, store, validation.keys, recipe.batch)
    row = {
        "epoch": epoch + 1,
        "loss": float(fitted.history["loss"][-1]),
        "val_loss": float(np.mean(loss(validation.labels, probability))),
        "val_auc": float(np.nanmean([auc(*pair) for pair in zip(validation.labels.T, probability.T, strict=True)])),
        "seconds": round(time.perf_counter() - start, 2),
    }
    if not np.isfinite([row["loss"], row["val_loss"]]).all():
        raise BadInput(
            f"the loss is {row['loss']} (validation {row['val_loss']}) in epoch {epoch + 1}: lower the learning rate"
        )
    return row


def _line(label: str, phase: Phase, progress: state.Progress) -> str:
    row = progress.history[-1]
    return (
        f"{label} phase {progress.phase} epoch {progress.done}/{phase.epochs}  loss {row['loss']:.4f}  validation loss "
        f"{row['val_loss']:.4f}  AUC {row['val_auc']:.3f}{' ' if progress.waited else '*'} {row['seconds']:.1f} s"
    )


def _verify(model: keras.Model, before: dict) -> None:
    """Frozen normalisation must be what it was, bit for bit."""
    after = statistics(model)
    moved = [path for path, value in before.items() if not np.array_equal(value, after[path])]
    if moved:
        raise RuntimeError(f"{len(moved)} frozen normalisation weights moved, the first is {moved[0]}")
