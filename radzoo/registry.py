"""Name -> builder -> network."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from numbers import Integral, Real

from radzoo.cards import Card, describe, list_models, packaged, suggest
from radzoo.errors import BadInput

__all__ = [
    "Card", "backbone", "build", "checked_shape", "describe", "end", "list_models", "packaged", "register",
    "split_overrides", "suggest",
]  # fmt: skip
_builders: dict[str, tuple[Callable, dict]] = {}
_KINDS = {  # of arguments; a truth value is a whole number to Python, hence the order
    "true or false": bool, "a whole number": Integral, "a number": Real, "a name": str, "a list": (tuple, list),
}  # fmt: skip


def register(
    *, kind: str, year: int, fidelity: str, parameters: dict[str, int], inputs: dict[str, tuple] | None = None,
    **variants: dict,
):  # fmt: skip
    """Registers a builder under the names of its variants; all arguments are literals, for `describe` reads them.

    The builder takes `image` and keyword arguments and returns feature maps, finest first. `@builder.top` marks the
    function from features to the outputs of the network's own end. A variant's arguments are those of either.
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


def build(name: str, input_shape: tuple, *, top: bool = False, classes: int | None = None, **overrides):
    """A plain functional `keras.Model`, randomly initialised.

    Args:
        name: a registered name.
        input_shape: `(h, w, channels)` or `(z, y, x, channels)`; a size may be None where the architecture allows it.
        top: False for the feature maps, finest first; True for the paper's whole network.
        classes: outputs of the whole network; None takes the paper's.
        overrides: arguments of the builder or of its top, such as `eps` or `stride_in_1x1`; for a top that takes
            `covariates` their number, 0 for none.

    Returns:
        A model from `image` to a list of feature maps, or to the outputs of the whole network; with covariates from
        `[image, covariates]`, both by name.

    Raises:
        BadInput: unknown name or argument, or an input shape that is not channels-last.
    """
    import keras

    image = keras.Input(checked_shape(input_shape), name="image")
    own, rest = split_overrides(name, overrides)
    features = backbone(name, image, **own)
    if not top:
        surplus = [key for key in rest if key not in own]
        if surplus:
            raise BadInput(f"{', '.join(surplus)} belong to the top of {name}: pass top=True")
        return keras.Model(image, list(features), name=name)
    if classes is not None:
        rest["classes"] = classes
    number = rest.pop("covariates", _variant(name)[1].get("covariates", 0))
    if not number:
        return keras.Model(image, end(name)(features, **rest), name=name)
    covariates = keras.Input((number,), name="covariates")
    return keras.Model([image, covariates], end(name)(features, covariates=covariates, **rest), name=name)


def backbone(name: str, image, **overrides) -> list:
    """The feature maps of `name` on the Keras tensor `image`, finest first."""
    builder, _ = _builder(name)
    try:
        return builder(image, **{**_variant(name)[0], **overrides})
    except ValueError as error:
        if "zero or negative" in str(error):  # Keras' word for a size that pooling has used up
            raise BadInput(f"an input of {tuple(image.shape[1:])} is too small for {name}: enlarge it") from None
        raise


def end(name: str) -> Callable:
    """The function from features to the outputs of the architecture's own end, with the variant's arguments.

    A top that takes `covariates` is given the tensor `(batch, n)`, or None; the variant says how many the paper has.
    """
    builder, _ = _builder(name)
    if builder.end is None:
        raise BadInput(f"{name} has no end of its own: use head='pool'")
    arguments = {key: value for key, value in _variant(name)[1].items() if key != "covariates"}
    return functools.partial(builder.end, **arguments)


def split_overrides(name: str, overrides: dict) -> tuple[dict, dict]:
    """Overrides of the builder and overrides of its top (`eps` may go to both); an argument that neither has raises."""
    builder, _ = _builder(name)
    own = set(inspect.signature(builder).parameters) - {"image"}
    top = set(inspect.signature(builder.end).parameters) - {"features"} if builder.end else set()
    for key in overrides:
        if key not in own | top:
            known = ", ".join(sorted(own | top))
            raise BadInput(f"{name} has no argument {key!r}{suggest(key, own | top)}: it takes {known}")
    _check_types(name, overrides)
    return (
        {key: value for key, value in overrides.items() if key in own},
        {key: value for key, value in overrides.items() if key in top},
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


def _check_types(name: str, overrides: dict) -> None:
    """Every override is of the kind of the variant's own value or of the default; BadInput names one that is not.

    None may stand for a name (no response), and where the default is None anything goes.
    """
    builder, variant = _builder(name)
    usual = {}
    for function in filter(None, (builder.end, builder)):
        usual |= {key: each.default for key, each in inspect.signature(function).parameters.items()}
    usual |= variant
    for key, value in overrides.items():
        kind = next((words for words, types in _KINDS.items() if isinstance(usual[key], types)), None)
        if kind is None or (value is None and kind == "a name"):
            continue
        if not isinstance(value, _KINDS[kind]) or isinstance(value, bool) != isinstance(usual[key], bool):
            raise BadInput(f"{key}={value!r} came for {name}, expected {kind} such as {usual[key]!r}")


def _builder(name: str) -> tuple[Callable, dict]:
    importlib.import_module(f"radzoo.models.{describe(name).family}")
    return _builders[name]


def _variant(name: str) -> tuple[dict, dict]:
    """The registered arguments of `name`: those of its builder, and those of its top."""
    return split_overrides(name, _builder(name)[1])
