"""The optimizer of a phase: decoupled weight decay, learning rates that fall with depth, and schedules."""

from __future__ import annotations

import math
import re

import keras
from keras import ops

from radzoo.errors import BadInput
from radzoo.norms import is_new, stages
from radzoo.recipe import Phase, Recipe

SCHEDULES = ("constant", "cosine", "plateau")
DROP = 0.3  # of a plateau: about half a decade; Keras' ReduceLROnPlateau calls factors of 2 to 10 useful


@keras.saving.register_keras_serializable("radzoo")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up to `rate` over the first `warmup` steps, then constant, or along half a cosine to 0 at `steps`.

    The first step has the rate `rate / warmup`: with 0 it would be lost. Cosine: Loshchilov & Hutter 2017, equation 5
    without restarts.

    Attributes:
        factor: a variable of the optimizer that multiplies the rate (`set_rate`), or None.
    """

    def __init__(self, rate: float, warmup: float = 0.0, steps: int | None = None):
        self.rate, self.warmup, self.steps = rate, warmup, steps
        self.factor = None

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rate = ops.convert_to_tensor(self.rate, "float32")
        if self.warmup:
            rate = rate * ops.minimum(1.0, (step + 1.0) / self.warmup)
        if self.steps:
            gone = ops.clip((step - self.warmup) / (self.steps - self.warmup), 0.0, 1.0)
            rate = rate * 0.5 * (1.0 + ops.cos(math.pi * gone))
        return rate if self.factor is None else rate * self.factor

    def get_config(self):
        return {"rate": self.rate, "warmup": self.warmup, "steps": self.steps}


def check(recipe: Recipe, phase: Phase) -> None:
    """Whether the numbers of an optimizer make sense.

    Raises:
        BadInput: one line for the first that does not.
    """
    if phase.schedule not in SCHEDULES:
        raise BadInput(f"schedule={phase.schedule!r} came, expected {', '.join(SCHEDULES)}")
    if not phase.learning_rate > 0:
        raise BadInput(f"learning_rate={phase.learning_rate} came, expected a number above 0")
    if not 0 <= phase.warmup < max(phase.epochs, 1):
        raise BadInput(f"warmup={phase.warmup} came, expected fewer than the {phase.epochs} epochs of its phase")
    if not 0 <= recipe.weight_decay < math.inf:
        raise BadInput(f"weight_decay={recipe.weight_decay} came, expected 0 or a positive number such as 0.01")
    if not 0 < recipe.depth_decay <= 1:
        raise BadInput(f"depth_decay={recipe.depth_decay} came, expected a factor above 0 and at most 1, such as 0.7")


def optimiser(model: keras.Model, recipe: Recipe, phase: Phase, steps: int) -> keras.optimizers.Optimizer:
    """A fresh optimizer for one phase of a model that `norms.prepare` has frozen.

    Adam, or AdamW (Loshchilov & Hutter 2019) with a weight decay, which spares normalisation and biases. With a depth
    decay (Howard & Ruder 2018, discriminative fine-tuning) the learning rate of the k-th stage below the head, counted
    over all stages of the backbone, is `phase.learning_rate * depth_decay**k`; a learned adapter of channels and a
    segmenter's decoder learn like the head.

    Args:
        steps: batches of an epoch.

    Returns:
        One optimizer, or a `MultiOptimizer` of one for each depth that learns. Its `variables` hold all state: moments,
        the step of the schedule and the factor of `set_rate`.

    Raises:
        BadInput: numbers out of range.
    """
    check(recipe, phase)
    if recipe.depth_decay == 1:
        return _single(model, recipe, phase, steps, 1.0)
    known = [stage for stage in stages(model) if not is_new(stage)]
    depth = {stage: k for k, stage in enumerate(reversed(known), start=1)}
    learn = {stage: depth.get(stage, 0) for stage in map(_stage, model.trainable_variables)}
    at = {k: _single(model, recipe, phase, steps, recipe.depth_decay**k) for k in {0, *learn.values()}}
    if len(at) == 1:
        return at[0]
    patterns = {rf"{re.escape(stage)}[_/].*": at[k] for stage, k in learn.items() if k}
    return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(at[0], patterns))


def plateau(scores: list[tuple], phase: Phase) -> float:
    """The factor of the learning rate for the next epoch of a phase; 1 unless its schedule is `plateau`.

    The rate is multiplied by 0.3 each time that half of `phase.patience` (rounded down, at least 1) epochs went by
    without a better score. Epochs of the warm-up are not waited for. It depends on nothing but the scores, so that a
    resumed training needs no more than its history.

    Args:
        scores: of the finished epochs of this phase, in their order; of two tuples the greater is better.
    """
    if phase.schedule != "plateau":
        return 1.0
    best, waited, drops = (-math.inf,), 0, 0
    for epoch, score in enumerate(scores, start=1):
        if tuple(score) > best:
            best, waited = tuple(score), 0
        elif epoch > phase.warmup:
            waited += 1
        if waited == max(phase.patience // 2, 1):
            waited, drops = 0, drops + 1
    return DROP**drops


def set_rate(optimizer: keras.optimizers.Optimizer, factor: float) -> None:
    """Multiplies all learning rates of the optimizer of a `plateau` phase by `factor` from now on, not cumulatively."""
    factors = [variable for variable in optimizer.variables if variable.name == "factor"]
    if not factors and factor != 1:
        raise ValueError(f"{optimizer.name} was not made for schedule='plateau': its rate cannot be changed")
    for variable in factors:
        variable.assign(factor)


def rate(optimizer: keras.optimizers.Optimizer) -> float:
    """The learning rate of the head in the next step, to six digits."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # mixed_float16 scales the loss around it
    rates = [float(one.learning_rate) for one in getattr(inner, "optimizers", [inner])]
    return float(f"{max(rates):.6g}")


def _single(model: keras.Model, recipe: Recipe, phase: Phase, steps: int, part: float) -> keras.optimizers.Optimizer:
    """Adam or AdamW with a part of the phase's learning rate."""
    rate = phase.learning_rate * part
    scheduled = phase.warmup or phase.schedule != "constant"
    if scheduled:
        rate = Schedule(rate, phase.warmup * steps, phase.epochs * steps if phase.schedule == "cosine" else None)
    if recipe.weight_decay:
        made = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
        made.exclude_from_weight_decay(var_list=[v for v in model.trainable_variables if not _decays(v)])
    else:
        made = keras.optimizers.Adam(rate)
    if phase.schedule == "plateau":
        rate.factor = made.add_variable(shape=(), initializer="ones", name="factor")
    return made


def _decays(variable: keras.Variable) -> bool:
    """Kernels do; scales, offsets and biases, the ordered ones of grades too, do not."""
    bias = variable.name in ("gamma", "beta", "bias") or _layer(variable) == "head_cuts"
    return len(variable.shape) > 1 and not bias


def _layer(variable: keras.Variable) -> str:
    return variable.path.partition("/")[0]


def _stage(variable: keras.Variable) -> str:
    """The stage of the layer that a variable belongs to: layer names begin with it."""
    return re.split("[_/]", variable.path)[0]
