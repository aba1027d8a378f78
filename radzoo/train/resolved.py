"""A recipe with its overrides, checked before any image is read."""

from __future__ import annotations

import dataclasses
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd

from radzoo import registry
from radzoo.data import Index
from radzoo.data.datasets.names import absolute, is_dataset
from radzoo.errors import BadInput
from radzoo.images.augment import turns_on_laterality
from radzoo.losses import KINDS, loss_for
from radzoo.metrics import read_rule
from radzoo.physics import readings, sparse_view
from radzoo.physics.geometry import standard
from radzoo.recipe import Augment, Mask, Recipe, Restoration
from radzoo.train import optimiser
from radzoo.train.ensembles import MOST


def resolved(recipe: Recipe, overrides: dict) -> Recipe:
    """The recipe that is run; paths become absolute, so that it can be resumed from anywhere.

    Raises:
        BadInput: a value that no run can have.
    """
    if isinstance(overrides.get("data"), dict):
        overrides = {**overrides, "data": dataclasses.replace(recipe.data, **overrides["data"])}
    recipe = dataclasses.replace(recipe, **overrides)
    if not recipe.models or not recipe.ways:
        raise BadInput("a recipe needs at least one model and one way")
    for names in (recipe.models, recipe.ways):
        if len(set(names)) < len(names):
            raise BadInput(f"{', '.join(names)} came: a model or a way that is named twice would be trained twice")
    for model in recipe.models:
        registry.describe(model)
    if recipe.batch < 1 or recipe.bootstrap < 100 or recipe.seed < 0:
        raise BadInput("batch must be at least 1, bootstrap at least 100, seed at least 0")
    sides = np.atleast_1d(1 if recipe.size is None else recipe.size)
    if sides.size not in (1, 3) or sides.min() < 1:
        raise BadInput(
            f"size {recipe.size} came, expected the side of the square input in pixels, or z y x of a volume"
        )
    if recipe.spacing_mm is not None and not (isinstance(recipe.size, tuple) and min(recipe.spacing_mm) > 0):
        raise BadInput(f"spacing_mm {recipe.spacing_mm} came: it is for volumes (--size Z Y X), in positive numbers")
    read_rule(recipe.threshold)
    _check_options(recipe)
    _check_augment(recipe.augment)
    if not all(0 < phase.learning_rate < math.inf for phase in (*recipe.phases, recipe.scratch)):
        raise BadInput("each learning rate must be a number above 0")
    if min(phase.patience for phase in (*recipe.phases, recipe.scratch)) < 1:
        raise BadInput("patience must be at least 1: so many epochs that are no better end a phase")
    if not recipe.phases or min(phase.epochs for phase in (*recipe.phases, recipe.scratch)) < 1:
        raise BadInput("a recipe needs at least one phase, and each phase (scratch too) at least one epoch")
    data = dataclasses.replace(
        recipe.data, index=_absolute(recipe.data.index), test_index=_absolute(recipe.data.test_index)
    )
    return dataclasses.replace(recipe, data=data)


def check_flip(recipe: Recipe, index: Index) -> None:
    """A mirror image of a left-sided finding is a right-sided one."""
    if recipe.augment.flip and turns_on_laterality([*recipe.data.label, *index.classes]):
        raise BadInput(
            f"--augment.flip mirrors left and right, but the label ({', '.join(recipe.data.label)}) tells sides apart: "
            "leave flips off"
        )


def check_units(recipe: Recipe, index: Index) -> None:
    """A study or patient whose images show different classes has no class."""
    if index.task != "multiclass" or recipe.unit == "image":
        return
    several = pd.DataFrame(index.labels).groupby(index.table["unit"].to_numpy()).max().sum(axis=1) > 1
    if several.any():
        raise BadInput(
            f"{several.sum()} of {len(several)} {recipe.unit} units hold images of different classes: pass "
            "--unit image, or correct the labels"
        )


def check_loss(recipe: Recipe, index: Index) -> None:
    """A loss that the task does not have is said before there is a folder."""
    loss_for(
        index.task, index.labels, class_weights=recipe.class_weights, kind=recipe.loss,
        label_smoothing=recipe.label_smoothing,
    )  # fmt: skip


def _check_options(recipe: Recipe) -> None:
    """Options that contradict one another, or that no run can have."""

    def demand(holds, message: str) -> None:
        if not holds:
            raise BadInput(message)

    demand(recipe.repeats >= 1 and recipe.views >= 1, "repeats and views must be at least 1")
    demand(0 <= recipe.dropout < 1, f"dropout {recipe.dropout} came, expected a part of 1, from 0 to below 1")
    demand(0 <= recipe.label_smoothing < 1, f"label_smoothing {recipe.label_smoothing} came, expected 0 to below 1")
    for phase in (*recipe.phases, recipe.scratch):
        optimiser.check(recipe, phase)
    several = recipe.ensemble == "none" or len(recipe.models) > 1
    few = recipe.ensemble != "weights" or len(recipe.models) <= MOST
    demand(few, f"--ensemble weights takes at most {MOST} models, {len(recipe.models)} came: pass --ensemble mean")
    demand(several, f"--ensemble {recipe.ensemble} needs several models, {', '.join(recipe.models)} came")
    learnt = recipe.streams == "attention" and "features" in recipe.ways
    demand(not learnt, "--streams attention is learnt, fixed features have none: pass --streams mean, or other --ways")
    demand(not recipe.windows or recipe.window == "header", "windows and window came: give one of them")
    numbers = recipe.task == "regression"
    demand(not numbers or recipe.aggregate == "mean", "--aggregate max came, but numbers are averaged: leave it out")
    unchanged = recipe.views > 1 and recipe.augment == Augment()
    demand(not unchanged, f"--views {recipe.views} came, but nothing is augmented: all views would be the same")
    double = len(set(recipe.data.covariates)) < len(recipe.data.covariates)
    demand(not double, f"covariates {', '.join(recipe.data.covariates)} came: name each once")
    named = [name for name in (*recipe.data.image, *recipe.data.covariates) if name in recipe.data.label]
    demand(not named, f"column {', '.join(named)} is the label: it cannot be an image or a covariate, too")
    owners = {*recipe.data.image, recipe.data.patient, recipe.data.study, recipe.data.split}
    named = [name for name in recipe.data.covariates if name in owners]
    demand(not named, f"column {', '.join(named)} tells images or patients apart: it cannot be a covariate, too")
    _check_places(recipe, demand)
    if recipe.task in ("segmentation", "restoration"):
        _check_imaged(recipe, demand)
    _check_masks(recipe, demand)
    _check_restoration(recipe, demand)
    known = recipe.task == "restoration" or recipe.loss in KINDS  # of a restoration sums, too
    demand(known, f"loss {recipe.loss!r} came, expected one of {', '.join(KINDS)}")


def _check_places(recipe: Recipe, demand) -> None:
    """Places, what is seen around them, and the lesions that they hit belong together."""
    placed, patch = recipe.data.place is not None, recipe.patch
    demand(placed == (patch != "none"), f"patch={patch!r} came with data.place={recipe.data.place}: name both, or none")
    demand(patch == "none" or recipe.patch_mm, f"patch={patch!r} came without its size: pass --patch_mm, such as 50")
    deep = [model for model in recipe.models if registry.describe(model).family != "multistream"]
    mixed = patch == "planes" and recipe.streams == "none" and deep
    demand(not mixed, f"patch='planes' came for {', '.join(deep)}, whose kernels would mix planes: pass --streams late")
    lesions = recipe.data.lesion or recipe.data.reference
    demand(placed or not lesions, "data.lesion or data.reference came without data.place: name the columns x y z")
    demand(recipe.unit == "image" or not lesions, f"--unit {recipe.unit} came with lesions: each candidate is a unit")
    numbers = recipe.balanced and recipe.task == "regression"
    demand(not numbers, "balanced came for a regression, which has no classes: leave it out")


ONE_ANSWER = {  # fields that have a meaning only where an image has one answer
    "streams": "none", "ensemble": "none", "views": 1, "repeats": 1, "unit": "image", "balanced": False,
    "label_smoothing": 0.0, "aggregate": "mean", "head": "pool",
}  # fmt: skip


def _check_imaged(recipe: Recipe, demand) -> None:
    """What images as answers do not have."""
    task = recipe.task
    demand("features" not in recipe.ways, f"fixed features make no {task}: pass --ways finetune scratch (or one)")
    for name, usual in ONE_ANSWER.items():
        came = getattr(recipe, name)
        demand(came == usual, f"--{name} {came} came for a {task}, which has none: leave it out")
    for name in ("place", "test_index", "covariates", "mosaic", "metadata", "study"):
        demand(not getattr(recipe.data, name), f"--data.{name} came for a {task}, which has none: leave it out")
    overlap = (recipe.mask if task == "segmentation" else recipe.restoration).overlap
    demand(0 <= overlap < 1, f"an overlap of {overlap} came, expected a part of 1 below 1")


def _check_masks(recipe: Recipe, demand) -> None:
    """What only masks have."""
    mask = recipe.mask
    if recipe.task != "segmentation":
        came = mask != Mask() or (recipe.data.mask and recipe.task != "restoration")
        demand(not came, f"masks came for task {recipe.task!r}: pass --task segmentation, or leave --data.mask out")
        return
    demand(
        mask.patches >= 0, f"--mask.patches {mask.patches} came, expected a number of windows, or 0 for whole images"
    )
    planes = isinstance(recipe.size, tuple) and recipe.size[0] == 1
    demand(not planes or mask.patches, f"--size {recipe.size} are single planes of volumes: pass --mask.patches, too")
    demand(0 <= mask.foreground <= 1, f"--mask.foreground {mask.foreground} came, expected a part of 1")
    demand(all(each > 0 for each in mask.border), f"--mask.border {mask.border} came, expected w0 and sigma above 0")
    graph = mask.refine == "graph_cut" and mask.inside
    demand(not graph, "--mask.refine graph_cut came with --mask.inside: it takes one class, pass crf")
    both = mask.instances and (mask.inside or mask.refine != "none")
    demand(not both, "--mask.instances came with --mask.inside or --mask.refine: objects have neither")


def _check_restoration(recipe: Recipe, demand) -> None:
    """What only a restoration has."""
    how, target = recipe.restoration, recipe.data.target
    if recipe.task != "restoration":
        came = how != Restoration() or target
        demand(not came, f"targets came for task {recipe.task!r}: pass --task restoration, or leave them out")
        return
    demand(
        (how.simulate == "none") == (target is not None),
        f"--restoration.simulate {how.simulate} came with --data.target {target}: images come with targets, or are "
        "made of them; name one of both",
    )
    demand(len(recipe.data.mask) <= 1, "a restoration takes one mask beside its target: name one column")
    demand(how.patches > 0, f"--restoration.patches {how.patches} came, expected a number of windows above 0")
    oblong = isinstance(recipe.size, tuple) and recipe.size[1] != recipe.size[2]
    demand(not (how.turns and oblong), f"--size {recipe.size} came with quarter turns: pass --restoration.turns False")
    demand(0 < how.dose < 1, f"--restoration.dose {how.dose} came, expected a part of the dose between 0 and 1")
    readings.check_dose((readings.PHOTONS if how.photons is None else how.photons) * how.dose, how.electronic)
    views = how.keep >= 1 and how.views >= how.keep
    demand(views, f"every {how.keep}th of {how.views} views came, expected 1 or more, of at least as many")
    if how.simulate == "sparse_view":
        sparse_view.every(standard((2, 2), 1.0, how.views), how.keep)  # whether they cover the half circle
    demand(recipe.augment == Augment(), "--augment came for a restoration, whose noise it would blur: leave it out")
    spacing = recipe.spacing_mm is None
    demand(spacing, "--spacing_mm came for a restoration, which works on the image's own pixels: leave it out")
    same = how.simulate == "none" or how.window is None
    demand(same, "--restoration.window came for simulated images, whose targets have their window: leave it out")
    several = recipe.channels == "windows"
    demand(not several, "--channels windows came for a restoration, which is given back in one: pass one --window")


def _check_augment(augment) -> None:
    parts = {name: getattr(augment, name) for name in ("shift", "zoom", "crop", "elastic", "contrast", "erase")}
    if not all(0 <= value < 1 for value in parts.values()):
        raise BadInput(f"{augment} came: {', '.join(parts)} are parts of 1, from 0 to below 1")
    if min(augment.rotate, augment.brightness, augment.noise) < 0:
        raise BadInput(f"{augment} came: rotate, brightness and noise are limits, from 0 on")


def _absolute(index: str | None) -> str | None:
    if not index or index.startswith("phantom:"):
        return index
    if is_dataset(index):
        return absolute(index)
    return os.path.abspath(Path(index).expanduser())
