"""Inception v3: large kernels factorised into small and into one-sided ones, batch normalisation throughout.

Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016. https://arxiv.org/abs/1512.00567
"""

from functools import partial

from radzoo.errors import BadInput
from radzoo.layers import Features, classifier, concat, conv, norm_relu, pad, rank
from radzoo.layers import dropout as drop
from radzoo.pooling import average_pool, global_pool, max_pool
from radzoo.registry import register

POOLED = (32, 64, 64)  # pool projection of the modules on the 35 x 35 grid
LEAST = 75  # pixels that valid padding leaves one of
SEVEN = (128, 160, 160, 192)  # inner channels of the modules on the 17 x 17 grid


@register(
    inception_v3={},
    inception_tiny={"divide": 16, "pooled": (32,), "seven": (128,), "wide": 1, "padding": "symmetric"},
    kind="classification",
    year=2016,
    fidelity="paper",
    inputs={"inception_v3": (299, 299, 3), "inception_tiny": (299, 299, 3)},
    parameters={"inception_v3": 27_161_264, "inception_tiny": 226_102},
)
def inception_v3(
    image, *, pooled=POOLED, seven=SEVEN, wide=2, divide=1, padding="valid", pool_padding="same", scale=True, eps=1e-3,
    prefix="",
):  # fmt: skip
    """Stem, then modules on grids of 35, 17 and 8 pixels (for an input of 299), with reductions in between.

    The tensors are those of the authors' TensorFlow code, which torch and Keras follow.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D. In 3-D a 1xn kernel runs along x and an nx1 kernel becomes
            n x n over (z, y).
        pooled: per module of the 35 grid, channels of its pool projection.
        seven: per module of the 17 grid, channels inside its 7x7 branches.
        wide: modules of the 8 grid.
        divide: all channels by this number.
        padding: of stem and reductions: `"valid"` (the source; at least 75 pixels a side) or `"symmetric"`, which
            halves exactly and takes thin volumes and small patches.
        pool_padding: of the average pools: `"same"` (TensorFlow: zeros do not count) or `"symmetric"` (torch: they
            do).
        scale, eps: of the normalisation; the files of Keras have no scale.

    Returns:
        `layers.Features`, finest first, at strides 2, 4, 8, 16, 32, with the tap of the auxiliary head.

    Raises:
        BadInput: unknown padding, or an image too small for valid padding.
    """
    if padding not in ("valid", "symmetric") or pool_padding not in ("same", "symmetric"):
        raise BadInput(
            f"padding={padding!r}, pool_padding={pool_padding!r} came, expected 'valid' or 'symmetric', and "
            "'same' or 'symmetric'"
        )
    small = [size for size in image.shape[1:-1] if size is not None and size < LEAST]
    if padding == "valid" and small:
        raise BadInput(
            f"an input of {tuple(image.shape[1:])} is too small for inception_v3 with padding='valid', which needs "
            f"{LEAST} pixels along every axis: enlarge it, or pass padding='symmetric'"
        )
    unit = partial(_unit, divide=divide, scale=scale, eps=eps)
    edge = partial(unit, padding=padding)
    shrink = partial(_shrink, padding=padding)
    mean = partial(average_pool, size=3, stride=1, padding=pool_padding)
    stem, stage = f"{prefix}stem", f"{prefix}stage1"
    x = edge(image, 32, 3, stride=2, name=f"{stem}_1")
    x = unit(edge(x, 32, 3, name=f"{stem}_2"), 64, 3, name=f"{stem}_3")
    features = [x]
    x = edge(unit(shrink(x, name=stage), 80, 1, name=f"{stage}_1"), 192, 3, name=f"{stage}_2")
    features.append(x)
    x = shrink(x, name=f"{prefix}stage2")
    for j, channels in enumerate(pooled, start=1):
        x = _module_35(x, channels, unit, mean, f"{prefix}stage2_block{j}")
    features.append(x)
    x = _to_17(x, unit, edge, shrink, f"{prefix}stage3_reduction")
    for j, channels in enumerate(seven, start=1):
        x = _module_17(x, channels, unit, mean, f"{prefix}stage3_block{j}")
    features.append(x)
    x = _to_8(x, unit, edge, shrink, f"{prefix}stage4_reduction")
    for j in range(1, wide + 1):
        x = _module_8(x, unit, mean, f"{prefix}stage4_block{j}")
    features.append(x)
    return Features(features, {"auxiliary1": features[3]})


def _unit(x, filters, kernel, *, stride=1, padding="symmetric", divide=1, scale=True, eps=1e-3, name):
    """Convolution, normalisation, ReLU."""
    if rank(x) == 3 and isinstance(kernel, tuple):
        kernel = (kernel[0], *kernel)
    x = conv(x, filters // divide, kernel, stride=stride, padding=padding, name=name)
    return norm_relu(x, eps=eps, scale=scale, name=name)


def _shrink(x, *, padding, name):
    """Maximum pooling 3/2; padded with zeros that after ReLU never win."""
    if padding == "symmetric":
        x, padding = pad(x, 1, name=f"{name}_pool"), "valid"
    return max_pool(x, 3, 2, padding=padding, name=name)


def _chain(x, rows, unit, name):
    """Units `(filters, kernel)` one after the other, numbered."""
    for k, (filters, kernel) in enumerate(rows, start=1):
        x = unit(x, filters, kernel, name=f"{name}_{k}")
    return x


def _module_35(x, projection, unit, mean, name):
    """Figure 5: 5x5 replaced by two 3x3 in one branch."""
    sides = [
        unit(x, 64, 1, name=f"{name}_branch1"),
        _chain(x, ((48, 1), (64, 5)), unit, f"{name}_branch2"),
        _chain(x, ((64, 1), (96, 3), (96, 3)), unit, f"{name}_branch3"),
        unit(mean(x, name=f"{name}_branch4"), projection, 1, name=f"{name}_branch4"),
    ]
    return concat(sides, name=name)


def _to_17(x, unit, edge, shrink, name):
    """Figure 10: two strided branches beside the pooling."""
    y = _chain(x, ((64, 1), (96, 3)), unit, f"{name}_branch2")
    sides = [
        edge(x, 384, 3, stride=2, name=f"{name}_branch1"),
        edge(y, 96, 3, stride=2, name=f"{name}_branch2_3"),
        shrink(x, name=f"{name}_branch3"),
    ]
    return concat(sides, name=name)


def _module_17(x, c, unit, mean, name):
    """Figure 6: 7x7 as 1x7 and 7x1."""
    wide, tall = (1, 7), (7, 1)
    sides = [
        unit(x, 192, 1, name=f"{name}_branch1"),
        _chain(x, ((c, 1), (c, wide), (192, tall)), unit, f"{name}_branch2"),
        _chain(x, ((c, 1), (c, tall), (c, wide), (c, tall), (192, wide)), unit, f"{name}_branch3"),
        unit(mean(x, name=f"{name}_branch4"), 192, 1, name=f"{name}_branch4"),
    ]
    return concat(sides, name=name)


def _to_8(x, unit, edge, shrink, name):
    y = unit(x, 192, 1, name=f"{name}_branch1_1")
    z = _chain(x, ((192, 1), (192, (1, 7)), (192, (7, 1))), unit, f"{name}_branch2")
    sides = [
        edge(y, 320, 3, stride=2, name=f"{name}_branch1_2"),
        edge(z, 192, 3, stride=2, name=f"{name}_branch2_4"),
        shrink(x, name=f"{name}_branch3"),
    ]
    return concat(sides, name=name)


def _module_8(x, unit, mean, name):
    """Figure 7: 1x3 and 3x1 side by side."""
    y = unit(x, 384, 1, name=f"{name}_branch2_1")
    z = _chain(x, ((448, 1), (384, 3)), unit, f"{name}_branch3")
    sides = [
        unit(x, 320, 1, name=f"{name}_branch1"),
        unit(y, 384, (1, 3), name=f"{name}_branch2_wide"),
        unit(y, 384, (3, 1), name=f"{name}_branch2_tall"),
        unit(z, 384, (1, 3), name=f"{name}_branch3_wide"),
        unit(z, 384, (3, 1), name=f"{name}_branch3_tall"),
        unit(mean(x, name=f"{name}_branch4"), 192, 1, name=f"{name}_branch4"),
    ]
    return concat(sides, name=name)


@inception_v3.top
def inception_v3_top(
    features, *, classes=1000, activation="softmax", dropout=0.5, auxiliary=True, divide=1, scale=True, eps=1e-3
):
    """Global average pooling, dropout, one dense layer; an auxiliary head on the 17 grid (section 4).

    Args:
        auxiliary: also the auxiliary output; TF-slim and torch's tutorial train it with a loss weight of 0.4, radzoo
            trains every auxiliary head with the 0.3 of Szegedy 2015 (`train.fit.AUXILIARY`).
        divide, scale, eps: as in the builder.

    Returns:
        The main output, or `[main, auxiliary1]`.

    Raises:
        BadInput: maps too small for the auxiliary head (17 pixels a side, as a 299 input gives).
    """
    x = drop(global_pool(features[-1], name="head"), dropout, name="head")
    main = classifier(x, classes, activation)
    if not auxiliary:
        return main
    name, unit = "head_auxiliary1", partial(_unit, divide=divide, scale=scale, eps=eps)
    x = average_pool(features.tap("auxiliary1", least=17), 5, 3, name=name)
    x = unit(unit(x, 128, 1, name=f"{name}_1"), 768, 5, padding="valid", name=f"{name}_2")
    x = global_pool(x, name=f"{name}_map")
    return [main, classifier(x, classes, activation, name=name)]
