"""Setio's multistream networks: a candidate in nine planes through it, and three ways to bring them together.

Setio et al., Pulmonary Nodule Detection in CT Images: False Positive Reduction Using Multi-View Convolutional Networks,
IEEE TMI 2016. https://doi.org/10.1109/TMI.2016.2536809

The first axis of the image is that of the views, in the order of `images.volumes.patches.NINE`. No kernel looks across
it, so a stream is one set of weights that sees each of its views alone.
"""

from keras import layers, ops

from radzoo.errors import BadInput
from radzoo.layers import activate, conv, rank, relu
from radzoo.layers import dropout as drop
from radzoo.pooling import max_pool
from radzoo.registry import register


@register(
    multistream_late={},
    multistream_committee={"groups": ((0,), (1,), (2,), (3,), (4,), (5,), (6,), (7,), (8,))},
    multistream_mixed={"groups": ((0, 3, 4), (1, 5, 6), (2, 7, 8))},
    multistream_tiny={"filters": (4, 6), "kernels": (3, 3), "units": 4},
    kind="classification",
    year=2016,
    fidelity="paper",
    inputs={
        "multistream_late": (9, 64, 64, 1),
        "multistream_committee": (9, 64, 64, 1),
        "multistream_mixed": (9, 64, 64, 1),
    },
    parameters={
        "multistream_late": 49_394,
        "multistream_committee": 442_242,
        "multistream_mixed": 147_606,
        "multistream_tiny": 5_052,
    },
)
def multistream(image, *, filters=(24, 32, 48), kernels=(5, 3, 3), groups=None, prefix=""):
    """Streams of rectified convolutions without padding, max pooling in between.

    Args:
        image: `(batch, views, h, w, channels)`; or `(batch, h, w, channels)`, one view.
        filters, kernels: of each convolution; the first is the stem.
        groups: the views of each stream, all of them once; None is one stream for all views (late fusion). Three
            groups of planes at right angles are the mixed network, nine of one plane the committee.

    Returns:
        The map of every convolution, finest first, before the last pooling; its views in the order of the groups.
    """
    if groups is None or rank(image) == 2:
        return _stream(image, filters, kernels, prefix, "")
    if sorted(view for group in groups for view in group) != list(range(image.shape[1])):
        raise BadInput(
            f"an image of {image.shape[1]} views came, the groups {groups} are of other ones: name each once"
        )
    parts = [ops.take(image, list(group), axis=1) for group in groups]
    streams = [_stream(part, filters, kernels, prefix, f"_group{i}") for i, part in enumerate(parts, start=1)]
    return [ops.concatenate(maps, axis=1) for maps in zip(*streams, strict=True)]


@multistream.top
def multistream_top(features, *, classes=2, activation="softmax", units=16, dropout=0.5, groups=None):
    """One dense layer per stream, the same for each of its views, whose units decide together (late fusion).

    Several streams are a committee: their probabilities are multiplied and normalised, which is the sum of what enters
    their softmax or sigmoid; numbers are averaged.
    """
    parts = [("", features[-1])]
    if groups is not None and rank(features[-1]) == 3:
        ends = [sum(map(len, groups[:i])) for i in range(1, len(groups))]
        parts = [(f"_group{i}", part) for i, part in enumerate(ops.split(features[-1], ends, axis=1), start=1)]
    votes = []
    for end, part in parts:
        x = max_pool(part, _flat(part, 2), name=f"head{end}")
        x = layers.Reshape((x.shape[1] if rank(x) == 3 else 1, -1), name=f"head{end}_views")(x)
        x = relu(layers.Dense(units, name=f"head{end}_fc1_dense")(x), name=f"head{end}_fc1")
        x = layers.Flatten(name=f"head{end}_flatten")(x)
        x = drop(x, dropout, name=f"head{end}") if dropout else x
        votes.append(layers.Dense(classes, name=f"head{end}_vote" if end else "head_logits")(x))
    if len(votes) > 1:
        together = layers.Add if activation else layers.Average
        votes = [together(name="head_logits")(votes)]
    return activate(votes[0], activation)


def _stream(x, filters, kernels, prefix: str, end: str) -> list:
    features = []
    for i, (count, kernel) in enumerate(zip(filters, kernels, strict=True)):
        stage = f"{prefix}stage{i}{end}" if i else f"{prefix}stem{end}"
        if i:
            x = max_pool(x, _flat(x, 2), name=stage)
        x = relu(conv(x, count, _flat(x, kernel), padding="valid", bias=True, name=stage), name=stage)
        features.append(x)
    return features


def _flat(x, size: int):
    """A window that sees one view."""
    return (1, size, size) if rank(x) == 3 else size
