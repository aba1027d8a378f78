"""Class activation maps and Grad-CAM."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from radzoo.errors import BadInput
from radzoo.explain import graph

GAP_HEAD = {"head_pool", "head_dropout", "head_beside", "head_logits", "head_score", "head_cuts", "head"}


def grad_cam(model: keras.Model, images, output=None, *, layer: str | None = None, relu: bool = True) -> np.ndarray:
    """Grad-CAM: feature maps, each weighted by the mean gradient of one output before its sigmoid or softmax.

    Of a network of streams (`radzoo.streams`) each view has a map of its own, weighted by the gradient in that view.

    Args:
        model: of `create_model`, `build(..., top=True)` or `load`: any network whose last layer is `head`.
        images: `(n, *spatial, channels)` as the network gets them; with covariates a list in the order of the inputs,
            or a dict by their names.
        output: which output is explained, one number or one per image; None takes each image's highest.
        layer: whose feature maps are taken; None takes the last ones before the head.
        relu: leave out what lowers the output, as the paper does.

    Returns:
        float32 `(n, *spatial)` at the size of the feature maps (of streams `(n, views, h, w)`), in units of the output
        before its activation (the log odds): on a network of global average pooling and one dense layer, `relu=False`
        is `cam` over the number of places, so that its sum is the output less its bias.

    Raises:
        BadInput: no such layer or output, images that do not fit, or a network without feature maps.
    """
    logits, inputs = graph.logits(model), graph.inputs(model, images)
    features, first = graph.features(model, layer), 2 if graph.streams(model) else 1
    picked = _picked(output, len(inputs[0]), logits.shape[-1])
    look = _gradients(keras.Model(model.inputs, [features, logits]))
    found = []
    for here, part in graph.batches(inputs):
        feature, slope = look(part, lambda value, here=here: _one_hot(value, picked, here))
        places = tuple(range(first, slope.ndim - 1))
        weights = slope.mean(places, dtype="float64", keepdims=True)  # thousands of equal numbers are added
        found.append(np.einsum("n...c,n...c->n...", feature, weights))
    found = np.concatenate(found).astype("float32")
    return np.maximum(found, 0) if relu else found


def cam(model: keras.Model, images, output=None, *, weights=None) -> np.ndarray:
    """Class activation maps: feature maps, weighted as the dense layer after global average pooling weighs them.

    Args:
        model: of `create_model(..., head="pool")`; with `weights` also one that ends in its pooled features.
        images, output: as in `grad_cam`.
        weights: `(channels,)` of a linear classifier on the pooled features, instead of the network's own.

    Returns:
        float32 `(n, *spatial)` at the size of the feature maps; their mean over places is the output before its
        activation, less its bias (and less what covariates add). Negative values lower the output.

    Raises:
        BadInput: as `grad_cam`, or a network whose head is not global average pooling and one dense layer.
    """
    inputs = graph.inputs(model, images)
    pooled = next((each for each in model.layers if each.name == "head_pool"), None)
    heads = [each.name for each in model.layers if graph.stage(each) == "head"]
    if pooled is None or len(pooled.input.shape) != graph.rank(model) or not set(heads) <= GAP_HEAD:
        raise BadInput(
            f"{model.name} does not end in global average pooling and one dense layer, for which CAM is defined: "
            "use grad_cam, which asks nothing of the head"
        )
    channels = pooled.input.shape[-1]
    if weights is None:
        end, kernel = graph.logits(model), _kernel(model, channels)
        kernel = np.broadcast_to(kernel, (channels, end.shape[-1]))  # one column serves all cuts of an ordinal head
    else:
        end, kernel, output = pooled.output, np.asarray(weights, "float32").reshape(-1, 1), 0
    if len(kernel) != channels:
        raise BadInput(f"{len(kernel)} weights came, expected one for each of the {channels} pooled features")
    picked = _picked(output, len(inputs[0]), kernel.shape[1])
    maps, found = keras.Model(model.inputs, [pooled.input, end]), []
    for here, part in graph.batches(inputs):
        feature, value = maps(part, training=False)
        each = _one_hot(value[:, : kernel.shape[1]], picked, here) @ kernel.T
        found.append(np.einsum("n...c,nc->n...", _numbers(feature), each))
    return np.concatenate(found).astype("float32")


def _kernel(model: keras.Model, channels: int) -> np.ndarray:
    """`(channels, outputs)` of the dense layer after the pooling; covariates have the rows below."""
    names = {each.name for each in model.layers}
    dense = model.get_layer("head_score" if "head_score" in names else "head_logits")
    return _numbers(dense.kernel)[:channels]


def _gradients(model: keras.Model):
    """A function from inputs, and from outputs to what of them is summed, to feature maps and their gradients.

    Args:
        model: from the inputs to `[features, logits]`.
    """
    backend = keras.backend.backend()
    if backend not in ("tensorflow", "jax"):
        raise BadInput(f"the Keras backend is {backend}: gradients are taken on tensorflow and jax")
    # What lies before the features needs no gradient, so the graph is cut there. Cutting spoils the inputs of a graph
    # (Keras 3.15: the model cannot be saved any more): a copy is cut, whose layers and weights are the same.
    copy = keras.models.clone_model(model, clone_function=lambda layer: layer)
    features, logits = copy.outputs
    rest = keras.Model([features, *copy.inputs], logits)
    return _tensorflow(model, rest) if backend == "tensorflow" else _jax(model, rest)


def _tensorflow(model, rest):
    import tensorflow as tf

    def look(inputs, chosen):
        feature, logits = model(inputs, training=False)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(feature)
            again = rest([feature, *inputs], training=False)
            total = ops.sum(ops.cast(again, "float32") * chosen(logits))
        return _numbers(feature), _numbers(tape.gradient(total, feature, unconnected_gradients="zero"))

    return look


def _jax(model, rest):
    import jax

    def state(part):
        return [[each.value for each in group] for group in (part.trainable_variables, part.non_trainable_variables)]

    @jax.jit
    def forward(state, inputs):
        return model.stateless_call(*state, inputs, training=False)[0]

    @jax.jit
    @jax.grad
    def slope(feature, state, inputs, weights):
        logits = rest.stateless_call(*state, [feature, *inputs], training=False)[0]
        return ops.sum(ops.cast(logits, "float32") * weights)

    def look(inputs, chosen):
        feature, logits = forward(state(model), inputs)
        return _numbers(feature), _numbers(slope(feature, state(rest), inputs, chosen(logits)))

    return look


def _numbers(tensor) -> np.ndarray:
    """Float32, whatever the precision of the network."""
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def _picked(output, images: int, outputs: int) -> np.ndarray | None:
    """The output to explain of each image, `(images,)`; None for each image's highest."""
    if output is None:
        return None
    which = np.asarray(output)
    if which.shape not in ((), (images,)) or which.dtype.kind not in "iu" or which.min() < 0 or which.max() >= outputs:
        raise BadInput(f"output {output!r} came, expected 0 to {outputs - 1}: one number, or one for each image")
    return np.broadcast_to(which, images)


def _one_hot(value, picked: np.ndarray | None, here: slice) -> np.ndarray:
    """Float32 `(n, outputs)` of the images `here`, whose outputs are `value`."""
    which = ops.convert_to_numpy(ops.argmax(value, -1)) if picked is None else picked[here]
    return np.eye(value.shape[-1], dtype="float32")[which]
