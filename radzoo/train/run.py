"""`run(recipe)`: images and weights in, an evaluated model and its report out."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from radzoo import channels as grey
from radzoo import registry, report, weights
from radzoo.data import Index, Store, assign_splits, read_index, settle_threads
from radzoo.errors import BadInput
from radzoo.features import choose, extract, extractor
from radzoo.heads import create_reported, stages
from radzoo.images import Input
from radzoo.recipe import Recipe
from radzoo.train.fit import Part, fit, predict, say, xla_state
from radzoo.train.folder import environment, naming, new_folder, write_csv, write_json
from radzoo.train.outcome import PARTS, Way, metrics, positions, save, split_table, weights_and_xla, write_tables

WITHOUT_WEIGHTS = Input(shape=(224, 224, 3), mean=(0.5,), std=(0.25,))


@dataclass(frozen=True)
class View:
    """The images of a run as one model sees them: `keys[i]` of the store is row i of the index."""

    spec: Input
    store: Store
    keys: np.ndarray


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, and the content of its `metrics.json`."""

    folder: Path
    metrics: dict

    @property
    def report(self) -> Path:
        return self.folder / "report.html"


def run(recipe: Recipe, *, name: str = "run", **overrides) -> Run:
    """Reads the index, splits it by patient, trains every model in every way, evaluates, and writes the report.

    Args:
        recipe: what to do.
        name: of the recipe, for the default folder and the report.
        overrides: fields of the recipe to replace; `data` may be a dict of fields of `Data`.

    Returns:
        The finished `Run`; its folder holds recipe, split, model, weights, predictions, metrics, figures and report.

    Raises:
        BadInput: anything that the user can mend, before the folder is made where that is possible.
    """
    start = time.perf_counter()
    recipe = _resolved(recipe, overrides)
    repeatable = settle_threads()
    index, views = _prepared(recipe)
    folder = new_folder(recipe.out, name)
    with naming(folder):
        write_json(folder / "recipe.json", {"name": name, **dataclasses.asdict(recipe), "task": index.task})
        write_csv(folder / "split.csv", split_table(index))
        ways = []
        for model in recipe.models:
            for way in recipe.ways:
                ways.append(_train(recipe, index, model, way, views[model]))
                save(folder / "models" / ways[-1].name.replace(" ", "_"), ways[-1])
        measured = metrics(recipe, index, ways)
        write_tables(folder, recipe, index, ways, measured)
        minutes = round((time.perf_counter() - start) / 60, 2)
        spent = {"repeatable": repeatable and recipe.jit != "on", "minutes": minutes}
        write_json(folder / "environment.json", environment(recipe.seed) | spent | weights_and_xla(ways))
        report.write(folder, lambda row: _picture(views[measured["best"]["model"]], index, row))
    return Run(folder, measured)


def _prepared(recipe: Recipe) -> tuple[Index, dict[str, View]]:
    """Everything that the user may have to mend, before there is a folder: files, labels, split, weights, sizes."""
    specs = {model: _spec(recipe, model) for model in recipe.models}
    if recipe.out is not None and Path(recipe.out).expanduser().exists():
        raise BadInput(f"the run folder {recipe.out} exists and is never overwritten: choose another --out")
    index = read_index(recipe.data, recipe.task)
    views = {}
    for model, spec in specs.items():
        store = Store(spec)
        views[model] = View(spec, store, np.array(store.add(index.table["path"])))
    first = views[recipe.models[0]]
    index = assign_splits(index, first.store.digests(first.keys), recipe.data, recipe.seed)
    for model, spec in specs.items():
        _network(recipe, index, model, spec, recipe.weights)
    return index, views


def _resolved(recipe: Recipe, overrides: dict) -> Recipe:
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
    if recipe.size is not None and recipe.size < 1:
        raise BadInput(f"size {recipe.size} came, expected the side of the square input in pixels")
    augment = recipe.augment
    if not (0 <= augment.zoom < 1 and 0 <= augment.shift < 1 and 0 <= augment.contrast < 1):
        raise BadInput(f"{augment} came: shift, zoom and contrast are parts of 1, from 0 to below 1")
    if min(phase.learning_rate for phase in (*recipe.phases, recipe.scratch)) <= 0:
        raise BadInput("each learning rate must be above 0")
    if not recipe.phases or min(phase.epochs for phase in (*recipe.phases, recipe.scratch)) < 1:
        raise BadInput("a recipe needs at least one phase, and each phase (scratch too) at least one epoch")
    return recipe


def _spec(recipe: Recipe, model: str) -> Input:
    """The pixels that this model gets in this run; the weights are looked for, so that they are not missed later."""
    spec = WITHOUT_WEIGHTS
    if recipe.weights is not None:
        manifest = weights.find(recipe.weights, model)
        weights.resolve(manifest)
        spec = manifest.input
    channels = grey.count(recipe.channels)
    if channels not in (1, 3):
        raise BadInput(f"channels={recipe.channels!r}: images of an index have 1 channel or 3 (rgb)")
    if spec.shape[-1] == 3:
        spec = grey.adapted_spec(spec, recipe.channels)
    elif spec.shape[-1] != channels:
        raise BadInput(f"channels={recipe.channels!r}, but these weights expect {spec.shape[-1]}")
    size = (recipe.size, recipe.size) if recipe.size else spec.shape[:-1]
    window = spec.window if recipe.window == "header" else recipe.window
    return dataclasses.replace(spec, shape=(*size, spec.shape[-1]), window=window)


def _train(recipe: Recipe, index: Index, model: str, way: str, view: View) -> Way:
    """Trains one network or one classifier; validation guides it, the test part is only predicted."""
    parts = {part: Part(list(view.keys[here]), index.labels[here]) for part, here in positions(index).items()}
    say(f"{model} {way}: {', '.join(f'{len(part.keys)} {name}' for name, part in parts.items())} images")
    keras.utils.set_random_seed(recipe.seed)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        network, loaded = _network(recipe, index, model, view.spec, None if way == "scratch" else recipe.weights)
        result = Way(model, way, view.spec, network, loaded=loaded)
        say(str(loaded or f"{model}: random weights"))
        (_fixed_features if way == "features" else _learned)(result, recipe, index, view.store, parts)
        return result
    finally:
        keras.config.set_dtype_policy(policy)


def _network(recipe: Recipe, index: Index, model: str, spec: Input, tag: str | None) -> tuple:
    """The model ready to fit, and the report of its weights (None from scratch)."""
    arguments = {"classes": len(index.classes), "task": index.task, "channels": recipe.channels}
    overrides = weights.find(recipe.weights, model).overrides if recipe.weights else {}  # the baseline has them too
    network, loaded = create_reported(model, spec.shape, weights=tag, **arguments, **overrides)
    for phase in recipe.phases:
        if phase.freeze_below is not None and phase.freeze_below not in stages(network):
            known = ", ".join(stages(network))
            raise BadInput(f"freeze_below={phase.freeze_below!r}: {model} has {known}")
    return network, loaded


def _learned(result: Way, recipe: Recipe, index: Index, store: Store, parts: dict) -> None:
    """Fine-tuning, or training from scratch."""
    scratch, network = result.way == "scratch", result.network
    result.history = fit(
        network, recipe, (recipe.scratch,) if scratch else recipe.phases, parts["train"], parts["validation"], store,
        task=index.task, frozen_norms=not scratch, label=result.name,
    )  # fmt: skip
    result.xla = xla_state(network, recipe.jit)
    for part in PARTS[1:]:
        result.probability[part] = predict(network, store, parts[part].keys, recipe.batch)
    result.network = keras.Model(network.input, network.output, name=result.model)  # without its optimizer


def _fixed_features(result: Way, recipe: Recipe, index: Index, store: Store, parts: dict) -> None:
    result.network = extractor(result.network)
    features = {p: extract(result.network, store, part.keys, batch=recipe.batch) for p, part in parts.items()}
    patients = index.table["group"].to_numpy()[positions(index)["train"]]  # tied by identical images, too
    result.choice = choose(
        features["train"], parts["train"].labels, patients,
        task=index.task, class_weights=recipe.class_weights, seed=recipe.seed,
    )  # fmt: skip
    result.detail = result.choice.detail
    say(f"{result.name}: {result.detail} (cross-validated AUC {max(result.choice.table, key=lambda r: r[1])[1]:.3f})")
    for part in PARTS[1:]:
        result.probability[part] = result.choice.probability(features[part])


def _picture(view: View, index: Index, row: int) -> np.ndarray:
    """The network's view of the image in row `row` of the index: `(h, w)` or `(h, w, 3)` in 0..1."""
    image = view.store[view.keys[int(np.flatnonzero(index.table["row"].to_numpy() == row)[0])]]
    return image[..., 0] if image.shape[-1] == 1 else image
