"""One training: a model in one way on one fold. What it predicts stays in the run folder; it is never done twice."""

from __future__ import annotations

import dataclasses
import gc
import inspect
import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from radzoo import norms, registry, weights
from radzoo.atomic import replacing
from radzoo.data import Index, Store
from radzoo.data.covariates import Covariates
from radzoo.data.split import FINAL, folds, parts
from radzoo.errors import BadInput
from radzoo.features import choose, extract, extractor, save_classifier
from radzoo.heads import create_reported
from radzoo.images import Input
from radzoo.metrics import score_name
from radzoo.recipe import Recipe
from radzoo.train import fit
from radzoo.train.folder import write_json
from radzoo.views import answers


@dataclass(frozen=True)
class View:
    """The images of a run as one model sees them: `keys[i]` of the store is row i of the index."""

    spec: Input
    store: Store
    keys: np.ndarray


@dataclass(frozen=True)
class Job:
    """A model to be trained in one way: on a single split (fold 0), on fold 1, 2, … or as the `"final"` model.

    Repeat 0 has the seed of the recipe, repeat 1 the next one, …; all see the same split.
    """

    model: str
    way: str
    fold: int | str = 0
    repeat: int = 0

    @property
    def name(self) -> str:
        repeat = f"_repeat{self.repeat}" if self.repeat else ""
        return f"{self.model}_{self.way}" + (f"_{self.fold}" if self.fold else "") + repeat

    @property
    def label(self) -> str:
        """What its progress lines begin with."""
        fold = {0: "", FINAL: ", final model"}.get(self.fold, f", fold {self.fold}")
        return f"{self.model} {self.way}{fold}" + (f", repeat {self.repeat}" if self.repeat else "")

    @property
    def keeps_model(self) -> bool:
        """The models of single folds and of repeats are not kept: they would only be worse copies of the final one."""
        return self.fold in (0, FINAL) and not self.repeat


@dataclass(frozen=True)
class Outcome:
    """What is left of a finished job: `probability[part]` `(n, k)` and small facts; the model is in a folder.

    For a network that learned, `probability["epochs"]` `(epochs, n, k)` is what each epoch said of validation.
    """

    job: Job
    probability: dict[str, np.ndarray]
    facts: dict  # detail, note, history, xla, loaded, parameters


def planned(recipe: Recipe, index: Index) -> list[Job]:
    """The jobs of a run but for the final model, in their order."""
    return [
        Job(model, way, fold, repeat)
        for repeat in range(recipe.repeats)
        for fold in folds(index)
        for model in recipe.models
        for way in recipe.ways
    ]


def models_folder(folder: Path, job: Job) -> Path:
    """Where the model of a job is kept."""
    return folder / "models" / f"{job.model}_{job.way}"


def do(folder: Path, recipe: Recipe, index: Index, job: Job, view: View) -> Outcome:
    """Trains what is not trained yet; a job that was interrupted goes on after its last epoch."""
    place = folder / "jobs" / job.name
    if not (place / "done.json").is_file():
        place.mkdir(parents=True, exist_ok=True)
        _train(folder, place, recipe, index, job, view)
        (place / "state.npz").unlink(missing_ok=True)
        gc.collect()  # networks hang in cycles: the next one should find their memory free
    facts = json.loads((place / "done.json").read_text(encoding="utf-8"))
    with np.load(place / "probability.npz", allow_pickle=False) as file:
        return Outcome(job, dict(file), facts)


def network(recipe: Recipe, index: Index, model: str, spec: Input, tag: str | None, width: int = 0) -> tuple:
    """The model ready to fit, and the report of its weights (None from scratch).

    Args:
        width: how many covariates enter the head.
    """
    arguments = {"classes": len(index.classes), "task": index.task, "channels": recipe.channels, "head": recipe.head}
    overrides = weights.find(recipe.weights, model).overrides if recipe.weights else {}  # the baseline has them too
    if recipe.head == "paper" and "auxiliary" in inspect.signature(registry.end(model)).parameters:
        overrides = {"auxiliary": True} | overrides
    flat = tag is not None and len(weights.find(tag, model).input.shape) == 3
    deep = spec.volume and recipe.streams == "none"  # and not slice by slice
    made, loaded = create_reported(
        model, spec.shape, weights=tag, dropout=recipe.dropout, covariates=width, **arguments, **overrides,
        inflate=recipe.inflate if deep and flat else None, streams=recipe.streams,
        spacing_mm=spec.spacing_mm if deep else None,
    )  # fmt: skip
    last = made.get_layer("head_logits")
    if index.task == "regression" and not (isinstance(last, keras.layers.Dense) and last.compute_dtype == "float32"):
        raise BadInput(f"the end of {model} gives no number in float32: pass --head pool (or --precision float32)")
    check_phases(recipe, made)
    return made, loaded


def check_phases(recipe: Recipe, made: keras.Model) -> None:
    """Whether fine-tuning can do with this network what its phases and the policy of its norms ask for."""
    if "finetune" in recipe.ways:
        norms.check(made, recipe.norms)
        for phase in recipe.phases:
            if phase.freeze_below is not None and phase.freeze_below not in norms.stages(made):
                raise BadInput(f"freeze_below={phase.freeze_below!r}: {made.name} has {', '.join(norms.stages(made))}")


@contextmanager
def precision(recipe: Recipe):
    """Keras' dtype policy as the recipe asks for it."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def beside(index: Index, fold) -> tuple[Covariates | None, np.ndarray | None]:
    """How covariates become numbers, learnt on the training part of a fold; and these numbers for all images."""
    if not index.covariates.shape[1]:
        return None, None
    learnt = Covariates.learn(index.covariates, parts(index, fold)["train"])
    return learnt, learnt.transform(index.covariates)


def _train(folder: Path, place: Path, recipe: Recipe, index: Index, job: Job, view: View) -> None:
    """Trains one network or one classifier; validation guides it, the test part is only predicted."""
    head = "pool" if job.way == "features" else recipe.head
    recipe = dataclasses.replace(recipe, seed=recipe.seed + job.repeat, head=head)
    learnt, numbers = beside(index, job.fold)
    here = {
        part: fit.Part(list(view.keys[rows]), index.labels[rows], None if learnt is None else numbers[rows])
        for part, rows in parts(index, job.fold).items()
    }
    fit.say(f"{job.label}: {', '.join(f'{len(part.keys)} {name}' for name, part in here.items())} images")
    keras.utils.set_random_seed(recipe.seed)
    with precision(recipe):
        tag = None if job.way == "scratch" else recipe.weights
        made, loaded = network(recipe, index, job.model, view.spec, tag, learnt.width if learnt else 0)
        fit.say(str(loaded or f"{job.model}: random weights"))
        learn = _fixed_features if job.way == "features" else _learned
        made, choice, probability, facts = learn(made, recipe, index, job, view.store, here, place)
    if job.keeps_model:
        keep(models_folder(folder, job), made, choice)
    facts |= {"loaded": dataclasses.asdict(loaded) if loaded else None}
    facts |= {"parameters": sum(int(np.prod(weight.shape)) for weight in made.weights)}
    facts |= {"covariates": learnt.to_json() if learnt else None}
    with replacing(place / "probability.npz") as temporary:
        np.savez(temporary, **probability)
    write_json(place / "done.json", facts)  # last: what is named done is whole


def _learned(made, recipe: Recipe, index: Index, job: Job, store: Store, here: dict, place: Path) -> tuple:
    """Fine-tuning, or training from scratch."""
    scratch = job.way == "scratch"
    if scratch:
        recipe = dataclasses.replace(recipe, depth_decay=1.0)  # no stage knows anything that it could forget
    fitted = fit.fit(
        made, recipe, (recipe.scratch,) if scratch else recipe.phases, here["train"], here["validation"], store,
        task=index.task, policy="adapt" if scratch else recipe.norms, label=job.label, kept=place / "state.npz",
    )  # fmt: skip
    facts = {"detail": "", "note": "", "history": fitted.history, "xla": fit.xla_state(made, recipe.jit)}
    inputs = made.inputs if len(made.inputs) > 1 else made.inputs[0]
    made = keras.Model(inputs, made.outputs[0], name=job.model)  # without its optimizer and auxiliary heads
    probability = {
        part: answers(
            made, store, here[part].keys, batch=recipe.batch, beside=here[part].beside, views=recipe.views,
            augment=recipe.augment, seed=recipe.seed,
        )
        for part in here if part != "train"
    }  # fmt: skip
    return made, None, probability | {"epochs": fitted.validation}, facts


def _fixed_features(made, recipe: Recipe, index: Index, job: Job, store: Store, here: dict, place: Path) -> tuple:
    """A classifier of scikit-learn on the pooled features of a network that does not learn, and on the covariates."""
    made = extractor(made)
    features = {}
    for part, images in here.items():
        pooled = extract(made, store, images.keys, batch=recipe.batch)
        features[part] = pooled if images.beside is None else np.hstack([pooled, images.beside])
    patients = index.table["group"].to_numpy()[parts(index, job.fold)["train"]]  # tied by identical images, too
    choice = choose(
        features["train"], here["train"].labels, patients,
        task=index.task, class_weights=recipe.class_weights, seed=recipe.seed,
    )  # fmt: skip
    reached = max(score for _, score in choice.table)
    fit.say(f"{job.label}: {choice.detail} (cross-validated {score_name(index.task)} {reached:.3f})")
    facts = {"detail": choice.detail, "note": choice.note, "history": [], "xla": None}
    probability = {part: choice.probability(features[part]) for part in here if part != "train"}
    return made, choice, probability, facts


def keep(place: Path, made: keras.Model, choice=None) -> None:
    """`model.keras`, `weights.safetensors`, and for fixed features `classifier.skops`."""
    place.mkdir(parents=True, exist_ok=True)
    with replacing(place / "model.keras") as temporary:
        made.save(temporary)
    with replacing(place / "weights.safetensors") as temporary:
        weights.save(made, temporary)
    if choice is not None:
        with replacing(place / "classifier.skops") as temporary:
            save_classifier(choice, temporary)
