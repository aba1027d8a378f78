"""A recipe: the frozen value that turns images and weights into an evaluated model.

Every field can be overridden on the command line (`radzoo run NAME --field value`) and in `radzoo.run`.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from radzoo.errors import BadInput
from radzoo.registry import packaged, suggest


@dataclass(frozen=True, kw_only=True)
class Data:
    """Which images, and what the columns of their index mean.

    Attributes:
        index: a CSV with one row per image; an `.npz` with `train_images`, `train_labels`, …; `tfds:NAME`, a dataset of
            TensorFlow Datasets on this disk; or `phantom:chest`.
        test_index: another hospital's images, with the same columns: the finished model is tried on them once.
        image: column of the path, relative to the index (or absolute). Several columns are the images of one row, such
            as contrast phases or neighbouring slices: they become channels in this order.
        label: label column; several columns are one label each (multilabel).
        mask: column of the mask of each image (task `segmentation`): a label map of its size, a volume in the same
            patient, a `.seg.nrrd` or a DICOM SEG. Further columns are masks of other readers: nothing is learnt from
            them, they say how well readers agree.
        target: column of the image that a restoration should make of each image: of its size, on its grid. None where
            the image is the wanted one, and `Recipe.restoration` makes a worse one of it. A column of `mask` beside it
            holds tissues or inserts, for which it is measured.
        patient: column that tells patients apart; None when every image is a patient of its own.
        study: column that tells studies apart, where the study is the unit of analysis.
        positive: the value of a binary label that counts as positive, where it is not 0/1.
        classes: the values of a multiclass label in their order; empty means all values that occur, sorted. Of masks
            the names of the labels 1, 2, …; or with their numbers, as `liver=5` or `lungs=1+2`.
        ignore: the label of a mask whose pixels count nowhere, neither in training nor in evaluation.
        others: what becomes of labels of a mask that `classes` does not name: `refuse` or `background`.
        split: a number of folds for cross-validation; or fractions of patients for training, validation and test; or
            the column that says train, val or test. None means 5 folds below 1,000 patients (200 of a
            segmentation), and from there on the fractions .6, .2 and .2.
        test: the value of the split column that is the test set.
        where: rows to keep, such as `source contains starter_images and age >= 18`.
        metadata: columns that tell where an image comes from rather than what it shows, for the baseline that sees
            nothing else; None takes them by their names (source, site, scanner, width, …).
        mosaic: the several images of a row side by side as one wide grey image, rather than as channels; several
            volumes along x. Of one image column it is four planes of each volume in one flat image of side `size`.
        covariates: columns of numbers or categories, known before the image is read, that enter the head beside it.
        place: columns `x y z` of a place in the volume of the row, such as a candidate's; the volume is then seen
            around it (`Recipe.patch`).
        frame: what these numbers are: `lps`, `ras` (mm) or `voxel` (column, row, plane of the file, from 0); or the
            column that says so row by row.
        lesion: column of the reference lesion that a candidate lies on; empty for none.
        reference: a CSV of all reference lesions, those without a candidate included, with the columns of the index
            for series, patient and place, and `lesion` or `diameter_mm`. A row without a place is a scan without
            lesions.
    """

    index: str = ""
    test_index: str | None = None
    image: tuple[str, ...] = ("image",)
    label: tuple[str, ...] = ("label",)
    patient: str | None = None
    study: str | None = None
    positive: str | None = None
    classes: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    target: str | None = None
    ignore: int | None = None
    others: Literal["refuse", "background"] = "refuse"
    split: tuple[float, float, float] | int | str | None = None
    test: str = "test"
    where: str | None = None
    metadata: tuple[str, ...] | None = None
    mosaic: bool = False
    covariates: tuple[str, ...] = ()
    place: tuple[str, str, str] | None = None
    frame: str = "frame"
    lesion: str | None = None
    reference: str | None = None

    def __post_init__(self):
        for name in ("image", "label", "mask", "covariates"):  # one column may be written without its tuple
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, (getattr(self, name),))


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One part of the training: everything from the stage `freeze_below` on learns, what lies below is frozen.

    Attributes:
        epochs: at most.
        learning_rate: of Adam.
        freeze_below: `"head"`, a stage such as `"stage3"`, or None to train all.
        patience: epochs without a better score on validation before the phase ends.
        schedule: of the learning rate after the warm-up: `constant`, `cosine` (down to 0 at the last epoch), or
            `plateau` (lowered when half of the patience went by without a better score).
        warmup: epochs in which the learning rate rises from 0.
    """

    epochs: int
    learning_rate: float
    freeze_below: str | None = None
    patience: int = 5
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    warmup: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random changes of training images. Flips stay off unless asked for: the heart is on the left.

    Attributes:
        shift: largest shift, as a part of the image's side.
        rotate: largest rotation in degrees.
        zoom: largest relative change of size.
        crop: largest part of each side that is cut away before the rest is enlarged to the full size.
        elastic: largest smooth displacement, as a part of the image's side; below .1 nothing folds over.
        brightness: largest additive change (white is 1).
        contrast: largest relative change of contrast around the image's mean.
        noise: largest standard deviation of added Gaussian noise (white is 1).
        erase: largest area of a rectangle of noise that hides a part of the image, as a part of its area.
        flip: mirror left and right in half of the cases.
    """

    shift: float = 0.0
    rotate: float = 0.0
    zoom: float = 0.0
    crop: float = 0.0
    elastic: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0
    erase: float = 0.0
    flip: bool = False


@dataclass(frozen=True, kw_only=True)
class Mask:
    """How masks are learnt and drawn (task `segmentation`).

    Attributes:
        patches: that are drawn from each image or volume in an epoch, of the recipe's `size`, at the pixels' own size
            or at `spacing_mm`; 0 shows each as a whole, scaled into `size`.
        foreground: the part of these patches whose middle is a labelled pixel, each class equally often.
        overlap: of windows, as a part of their side, when an image is predicted.
        flips: predict mirror images (left and right) too, and average.
        border: `w0 sigma` of U-Net's weight map, which presses touching objects apart (sigma in pixels); none if empty.
        instances: each number of a mask is one object of the only class, as in a map of nuclei; objects are counted.
        membranes: the foreground are cells that membranes part: they are scored as in ISBI 2012, too.
        supervised: coarser maps of the decoder learn, too (deep supervision).
        inside: the class that holds all others, such as an organ with its lesions: a first network finds it, a second
            one looks for the others inside (Christ 2016).
        refine: what becomes of probabilities: `largest` (component of each class), `crf` (dense conditional random
            field), `graph_cut`; tried beside plain ones, and chosen on validation.
    """

    patches: int = 0
    foreground: float = 0.5
    overlap: float = 0.5
    flips: bool = False
    border: tuple[float, float] | tuple[()] = ()
    instances: bool = False
    membranes: bool = False
    supervised: bool = False
    inside: str | None = None
    refine: Literal["none", "largest", "crf", "graph_cut"] = "none"


@dataclass(frozen=True, kw_only=True)
class Restoration:
    """How images are restored (task `restoration`).

    Attributes:
        simulate: how a worse image is made of a good CT (`radzoo.physics`): `low_dose` or `sparse_view`; `none` where
            the index has a column of targets.
        photons: that reach a detector cell through air in the scan of the good image. None is 100,000 of a phantom, and
            of a real image, whose photons nobody knows, those that explain its own noise.
        dose: the part of these photons that the worse image has.
        electronic: standard deviation of the noise of the electronics, in photons.
        views: over the half circle, in the scan of the good image.
        keep: `sparse_view` keeps every so many-th of them.
        window: center and width of the target, where it is of another modality than the image.
        patches: windows that are drawn from each image in an epoch, of the recipe's `size`.
        overlap: of windows, as a part of their side, when an image is restored.
        turns: learn from mirrored windows and quarter turns too, and restore the mean of all eight.
        residual: a decoder on a backbone says what is to be added to the image, instead of the image.
    """

    simulate: Literal["none", "low_dose", "sparse_view"] = "none"
    photons: float | None = None
    dose: float = 0.25
    electronic: float = 3.2
    views: int = 1000
    keep: int = 20
    window: tuple[float, float] | None = None
    patches: int = 8
    overlap: float = 0.25
    turns: bool = True
    residual: bool = True


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Models, weights, data and training in one value.

    Attributes:
        models: registered names; each is run in every way of `ways`.
        weights: a tag (`imagenet`), `model.tag`, or None.
        channels: how grey enters an RGB network: `fold`, `repeat`, `conv1x1`, a count; `rgb` for colour images;
            `windows` (the CT windows of `windows` as channels), `phases` (the image columns as channels) or `cubes` (of
            the sizes `patch_mm` as channels).
        windows: `(center, width)` of each channel in units of the modality.
        task: `binary`, `multiclass`, `multilabel`, `ordinal` (grades in their order), `regression` (a number),
            `segmentation` (masks), `restoration` (images), or `auto` (one of the first three, from the label columns).
        ways: `features` (fixed features + scikit-learn), `finetune`, `scratch` (the baseline of the same run).
        head: `pool` (global average and one dense layer) or `paper` (the architecture's own end). A segmentation or
            restoration has the architecture's own end, or a U-Net decoder on one that has none.
        mask: how masks are learnt and drawn.
        restoration: how images are restored.
        dropout: before the dense layer of the pool head.
        phases: of fine-tuning, one after the other.
        scratch: how long and how fast the baseline learns.
        size: side of the square input in pixels; None takes what the weights expect, or without weights the paper's.
            Three numbers `z y x` make the images volumes, and the network 3-D.
        spacing_mm: `z y x` that volumes are resampled to before they are cut or padded to `size`; None scales each
            into it. Where voxels are twice as long along one axis as along another, the strides of a 3-D network wait
            for the others (`radzoo.anisotropy`).
        uneven: what becomes of tilted or unevenly spaced DICOM planes: refused, or resampled to a straight grid.
        patch: what is seen around the place of a row: `planes` (nine through it: `--size 9 64 64`) or `cubes`
            (`--size 32 32 32`); `none` where the whole volume is seen.
        patch_mm: side of the planes, or of each cube; several cubes are channels (`--channels cubes`).
        inflate: how 2-D weights enter a 3-D network (`radzoo.inflation`).
        streams: the slices of a volume, or the planes through a candidate, go one by one through a 2-D network, and
            what it says of them is brought together (`radzoo.streams`): `late` (one after the other), `mean`, `max` or
            `attention`; `none` is a 3-D network.
        window: `header`, `percentile`, or center and width in units of the modality.
        batch: images per step, the same in every step.
        precision: dtype policy of Keras while training.
        jit: compile with XLA; `auto` lets Keras decide (on for a GPU, off on a CPU, where it never pays).
        loss: `crossentropy`, or `focal`, which weighs down what is already right (Lin 2017, gamma 2); of masks also
            `dice` (V-Net), `dice_crossentropy`, `generalized_dice`, `tversky` or `focal_tversky`; of restored images a
            sum such as `mse` or `l1 + 0.5*gradient` (`losses.restoration_loss`).
        label_smoothing: the part of the truth that is spread over all classes.
        class_weights: weight classes by their inverse frequency in the training part.
        balanced: show each class equally often in an epoch instead, rare ones several times.
        weight_decay: of AdamW, decoupled from the gradient; never of normalisation or biases.
        depth_decay: the learning rate of each stage, as a part of that of the next nearer to the head.
        norms: what becomes of batch normalisation while fine-tuning: `frozen`; `affine` (statistics are held, scale
            and offset learn); `adapt` (all of it learns); `recalibrate` (statistics are estimated anew on the training
            images before the first phase, then frozen).
        repeats: trainings with the seeds `seed`, `seed + 1`, … on the same split.
        ensemble: of the models, in each way: `mean` of their probabilities, or weights chosen on validation.
        views: augmented views of each image whose answers are averaged; 1 is the image as it is.
        unit: what is counted, called and compared: each image, each study or each patient.
        aggregate: how the probabilities of a unit's images become one.
        threshold: the rule that fixes the threshold on validation: `sensitivity 0.90` (the highest threshold that finds
            at least this part), `specificity 0.90` (the lowest that passes at least this part) or `youden`.
        bootstrap: resamples of patients for each interval.
        burnt_in: show images in the report whose DICOM header does not rule out burnt-in text.
        out: the run folder; None makes a new one under `runs/`.
    """

    models: tuple[str, ...]
    weights: str | None = "imagenet"
    channels: str = "fold"
    windows: tuple[tuple[float, float], ...] = ()
    task: Literal[
        "auto", "binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation", "restoration"
    ] = "auto"
    ways: tuple[Literal["features", "finetune", "scratch"], ...] = ("features", "finetune", "scratch")
    data: Data = field(default_factory=Data)
    head: Literal["pool", "paper"] = "pool"
    mask: Mask = Mask()
    restoration: Restoration = Restoration()
    dropout: float = 0.0
    phases: tuple[Phase, ...] = (
        Phase(epochs=10, learning_rate=1e-3, freeze_below="head"),
        Phase(epochs=20, learning_rate=1e-4, freeze_below="stage3"),
    )
    scratch: Phase = Phase(epochs=40, learning_rate=1e-3, patience=12)
    augment: Augment = Augment()
    size: int | tuple[int, int, int] | None = None
    spacing_mm: tuple[float, float, float] | None = None
    uneven: Literal["refuse", "resample"] = "refuse"
    patch: Literal["none", "planes", "cubes"] = "none"
    patch_mm: tuple[float, ...] = ()
    inflate: Literal["mean", "center"] = "mean"
    streams: Literal["none", "late", "mean", "max", "attention"] = "none"
    window: Literal["header", "percentile"] | tuple[float, float] = "header"
    batch: int = 32
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    jit: Literal["auto", "on", "off"] = "auto"
    loss: str = "crossentropy"
    label_smoothing: float = 0.0
    class_weights: bool = True
    balanced: bool = False
    weight_decay: float = 0.0
    depth_decay: float = 1.0
    norms: Literal["frozen", "affine", "adapt", "recalibrate"] = "frozen"
    repeats: int = 1
    ensemble: Literal["none", "mean", "weights"] = "none"
    views: int = 1
    unit: Literal["image", "study", "patient"] = "image"
    aggregate: Literal["mean", "max"] = "mean"
    threshold: str = "sensitivity 0.90"
    bootstrap: int = 2000
    burnt_in: bool = False
    seed: int = 0
    out: str | None = None


def from_json(content: dict) -> Recipe:
    """The recipe that `dataclasses.asdict` turned into JSON: lists become tuples and nested values again.

    Raises:
        BadInput: fields that no recipe of this version has, or values that are none.
    """
    try:
        fields = _named(content)
        nested = {
            "data": Data(**_named(content["data"])),
            "phases": tuple(Phase(**phase) for phase in content["phases"]),
            "scratch": Phase(**content["scratch"]),
            "augment": Augment(**content["augment"]),
            "mask": Mask(**_named(content.get("mask", {}))),
            "restoration": Restoration(**_named(content.get("restoration", {}))),
        }
        return Recipe(**{**fields, **nested})
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"this is no recipe of this version of radzoo ({error}): run it anew") from None


def _named(values: dict) -> dict:
    return {name: _tuples(value) for name, value in values.items()}


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def recipe_names() -> list[str]:
    """The recipes that come with radzoo."""
    return sorted(path.stem for path in packaged("recipes").glob("[!_]*.py"))


def read_recipe(name: str) -> tuple[Recipe, str]:
    """The recipe of a name, or of the path of a Python file that sets `RECIPE`, and its docstring.

    Raises:
        BadInput: no such recipe (near matches are listed), or a file that does not make one.
    """
    path = Path(name) if name.endswith(".py") else packaged("recipes") / f"{name}.py"
    if not path.is_file():
        raise BadInput(f"unknown recipe {name!r}{suggest(name, recipe_names())}: `radzoo recipes` shows all names")
    space: dict = {"__name__": path.stem, "__file__": str(path)}
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), space)
    except Exception as error:  # whatever a recipe raises is for its author to mend
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = lines[-1] if lines else getattr(error, "lineno", 1)
        raise BadInput(f"{path}, line {line}: {type(error).__name__}: {error}") from None
    if not isinstance(space.get("RECIPE"), Recipe):
        raise BadInput(f"{path} sets no RECIPE: expected `RECIPE = Recipe(models=(…), …)`")
    return space["RECIPE"], space.get("__doc__") or ""
