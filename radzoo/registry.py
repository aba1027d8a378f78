"""Name -> builder, and the card of what is known about it.

Cards are read from the source of `radzoo/models/*.py` without running it, so that listing imports no Keras.
"""

from __future__ import annotations

import ast
import difflib
import fnmatch
import functools
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from radzoo.errors import BadInput

_HERE = Path(__file__).parent
_builders: dict[str, tuple[Callable, dict]] = {}


@dataclass(frozen=True)
class Card:
    """What is known about a model before it is built.

    Attributes:
        parameters: trainable parameters of the whole network, with the input and the head that its paper prints.
        fidelity: `"paper"`, or `"reconstruction"` where the paper's layer table could not be read.
        weights: tags of the manifests that radzoo ships for it.
    """

    name: str
    family: str
    title: str
    paper: str
    year: int
    kind: str
    parameters: int
    fidelity: str
    weights: tuple[str, ...]


def register(*, kind: str, year: int, fidelity: str, parameters: dict[str, int], **variants: dict):
    """Registers a builder under the names of its variants; all arguments are literals, for `describe` reads them.

    The builder takes `image` and keyword arguments and returns feature maps, finest first. `@builder.top` marks the
    function from features to the outputs of the network's own end.
    """

    def decorate(builder):
        for name, arguments in variants.items():
            if name in _builders:
                raise ValueError(f"model name {name!r} is registered twice")
            _builders[name] = (builder, arguments)
        builder.end = None

        def top(function):
            builder.end = function
            return function

        builder.top = top
        return builder

    return decorate


def list_models(pattern: str = "*", *, kind: str | None = None) -> list[str]:
    """Registered names that match a shell pattern, sorted. `kind`: classification, segmentation, restoration, text."""
    return sorted(
        name for name, card in _cards().items() if fnmatch.fnmatch(name, pattern) and kind in (None, card.kind)
    )


def describe(name: str) -> Card:
    """The card of a registered model.

    Raises:
        BadInput: the name is unknown; near matches are listed.
    """
    cards = _cards()
    if name not in cards:
        raise BadInput(f"unknown model {name!r}{suggest(name, cards)}: `radzoo list` shows all names")
    return cards[name]


def build(name: str, input_shape: tuple, *, top: bool = False, classes: int | None = None, **overrides):
    """A plain functional `keras.Model`, randomly initialised.

    Args:
        name: a registered name.
        input_shape: `(h, w, channels)` or `(z, y, x, channels)`; a size may be None where the architecture allows it.
        top: False for the feature maps, finest first; True for the paper's whole network.
        classes: outputs of the whole network; None takes the paper's.
        overrides: arguments of the builder or of its top, such as `eps` or `stride_in_1x1`.

    Returns:
        A model from `image` to a list of feature maps, or to the outputs of the whole network.

    Raises:
        BadInput: unknown name or argument, or an input shape that is not channels-last.
    """
    import keras

    image = keras.Input(checked_shape(input_shape), name="image")
    own, rest = split_overrides(name, overrides)
    features = backbone(name, image, **own)
    if not top:
        if rest:
            raise BadInput(f"{', '.join(rest)} belong to the top of {name}: pass top=True")
        return keras.Model(image, features, name=name)
    if classes is not None:
        rest["classes"] = classes
    return keras.Model(image, end(name)(features, **rest), name=name)


def backbone(name: str, image, **overrides) -> list:
    """The feature maps of `name` on the Keras tensor `image`, finest first."""
    builder, arguments = _builder(name)
    try:
        return builder(image, **{**arguments, **overrides})
    except ValueError as error:
        if "zero or negative" in str(error):  # Keras' word for a size that pooling has used up
            raise BadInput(f"an input of {tuple(image.shape[1:])} is too small for {name}: enlarge it") from None
        raise


def end(name: str) -> Callable:
    """The function from features to the outputs of the architecture's own end."""
    builder, _ = _builder(name)
    if builder.end is None:
        raise BadInput(f"{name} has no end of its own: use head='pool'")
    return builder.end


def split_overrides(name: str, overrides: dict) -> tuple[dict, dict]:
    """Overrides of the builder and overrides of its top; an argument that neither has raises."""
    builder, _ = _builder(name)
    own = set(inspect.signature(builder).parameters) - {"image"}
    top = set(inspect.signature(builder.end).parameters) - {"features"} if builder.end else set()
    for key in overrides:
        if key not in own | top:
            known = ", ".join(sorted(own | top))
            raise BadInput(f"{name} has no argument {key!r}{suggest(key, own | top)}: it takes {known}")
    return (
        {key: value for key, value in overrides.items() if key in own},
        {key: value for key, value in overrides.items() if key not in own},
    )


def checked_shape(shape: tuple) -> tuple:
    """`shape` as a tuple, after a look at its rank and at its channels."""
    import keras

    shape = tuple(shape)
    if len(shape) not in (3, 4) or not isinstance(shape[-1], int) or shape[-1] < 1:
        raise BadInput(f"input_shape {shape} came, expected (h, w, channels) or (z, y, x, channels)")
    channels_first = shape[0] in (1, 3) and shape[-1] > 16
    if channels_first or keras.config.image_data_format() != "channels_last":
        raise BadInput(f"input_shape {shape} is channels-first: radzoo is channels-last only, as (h, w, channels)")
    return shape


def suggest(name: str, known) -> str:
    """`", did you mean …?"` with the near matches of `name`, or nothing."""
    near = difflib.get_close_matches(str(name), list(known), n=3, cutoff=0.5)
    return f", did you mean {' or '.join(near)}?" if near else ""


def packaged(folder: str) -> Path:
    """The folder `recipes` or `weights`, as installed (`radzoo/_recipes`) or in a checkout (`recipes`)."""
    installed = _HERE / f"_{folder}"
    return installed if installed.is_dir() else _HERE.parent / folder


def _builder(name: str) -> tuple[Callable, dict]:
    importlib.import_module(f"radzoo.models.{describe(name).family}")
    return _builders[name]


@functools.cache
def _cards() -> dict[str, Card]:
    cards: dict[str, Card] = {}
    for path in sorted((_HERE / "models").glob("[!_]*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        title, _, rest = ast.get_docstring(module).partition("\n\n")
        paper = " ".join(rest.partition("\n\n")[0].split())
        for keywords in _registrations(module):
            fields = {key: keywords.pop(key) for key in ("kind", "year", "fidelity")}
            parameters = keywords.pop("parameters")
            for name in keywords:
                weights = tuple(p.stem for p in sorted(packaged("weights").glob(f"{name}.*.json")))
                cards[name] = Card(
                    name=name, family=path.stem, title=title, paper=paper,
                    parameters=parameters[name], weights=weights, **fields,
                )  # fmt: skip
    return cards


def _registrations(module: ast.Module):
    for node in module.body:
        for call in getattr(node, "decorator_list", ()):
            if isinstance(call, ast.Call) and getattr(call.func, "id", None) == "register":
                yield {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
