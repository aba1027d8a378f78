"""U-Net: a contracting path for context, an expanding one for place, and at every level a way across.

Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015.
https://arxiv.org/abs/1505.04597; unet_same from https://github.com/zhixuhao/unet (model.py)

The paper says nothing of a rectifier behind an up-convolution and gives no rate of dropout: the authors' released
network has both, .5 at the two deepest levels.
"""

from itertools import pairwise

from radzoo.anisotropy import between
from radzoo.errors import BadInput
from radzoo.layers import concat, conv, dropout, norm, per_axis, pixel_classifier, relu
from radzoo.pooling import ceil_half, max_pool
from radzoo.registry import register
from radzoo.upsampling import cut, cut_to, repeat, up_conv

REACH = 2  # pixels that two valid convolutions of 3 cost on each side


@register(
    unet={},
    unet_small={"width": 16},
    unet_tiny={"width": 4, "levels": 2},
    unet_same={"padding": "same", "narrow": 2, "classes": 1},
    unet_same_small={"padding": "same", "width": 16, "norm": True, "deep_dropout": 0.0},
    unet_same_tiny={"padding": "same", "width": 4, "levels": 3, "norm": True},
    kind="segmentation",
    year=2015,
    fidelity="paper",
    inputs={
        "unet": (572, 572, 1),
        "unet_small": (572, 572, 1),
        "unet_same": (256, 256, 1),
        "unet_same_small": (256, 256, 1),
    },
    parameters={
        "unet": 31_030_658,
        "unet_small": 1_940_834,
        "unet_tiny": 1_722,
        "unet_same": 31_031_685,
        "unet_same_small": 1_943_778,
        "unet_same_tiny": 7_634,
    },
)
def unet(image, *, width=64, levels=5, padding="valid", norm=False, deep_dropout=0.5, prefix=""):
    """The contracting path: pairs of rectified 3x3 convolutions, max pooling in between, twice the filters each time.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D.
        width: filters of the first level.
        padding: `"valid"`, as printed: every convolution costs a pixel on each side. With `"same"` maps keep their
            sizes, pooling rounds odd ones up, and the expanding path cuts what is too much.
        norm: batch normalisation before every rectifier of these pairs (31,042,434 parameters).
        deep_dropout: rate at the end of the contracting path, behind its two deepest levels.

    Returns:
        The map of every level, finest first, at strides 1, 2, 4, ….
    """
    filters = [(width * 2**i,) * 2 for i in range(levels)]
    return contract(image, filters, padding, "full" if norm else None, deep_dropout=deep_dropout, prefix=prefix)


@unet.top
def unet_top(features, *, classes=2, activation="softmax", padding="valid", norm=False, narrow=0):
    """The expanding path: up-convolution, the map across, two convolutions; then the classes of every pixel.

    With valid padding the map across is cut to size, 572 pixels become 388, and the margin is the same on all sides.
    With `"same"` pixels are repeated and convolved with 2x2 instead, and every size comes back as it was; an unknown
    size has to be a multiple of 16.

    Args:
        narrow: filters of one more rectified 3x3 convolution before the last (zhixuhao's has 2), at least as many as
            there are classes; 0 for none.
    """
    x = expand(features, _transposed if padding == "valid" else _repeated, padding, "full" if norm else None)
    if narrow:
        x = relu(conv(x, max(narrow, classes), 3, bias=True, name="head_narrow"), name="head_narrow")
    return pixel_classifier(x, classes, activation)


def _transposed(x, skip, stride, name):
    return relu(up_conv(x, skip.shape[-1], 2, stride, name=name), name=name)


def _repeated(x, skip, stride, name):
    x = repeat(x, stride, name=name)
    return relu(conv(x, skip.shape[-1], 2, padding="same", bias=True, name=name), name=name)


def contract(image, filters, padding: str, bn: str | None, *, deep_dropout=0.0, prefix="") -> list:
    """The contracting path of `unet` and `unet3d`.

    Args:
        filters: of the convolutions of each level, the first of which is the stem.
        bn: batch normalisation: None, `"full"`, or `"plain"`, which learns neither scale nor offset.
        deep_dropout: rate behind the two deepest levels.
    """
    if padding not in ("valid", "same"):
        raise BadInput(f"padding={padding!r} came, expected 'valid' or 'same'")
    x, features = image, []
    for i, counts in enumerate(filters):
        stage = f"{prefix}stage{i}" if i else f"{prefix}stem"
        if i:
            x = max_pool(x, 2, name=stage) if padding == "valid" else ceil_half(x, name=stage)
        x = convolutions(x, counts, padding, bn, stage)
        if deep_dropout and i >= len(filters) - 2:
            x = dropout(x, deep_dropout, name=stage)
        features.append(x)
    return features


def expand(features, up, padding: str, bn: str | None):
    """The expanding path: from the coarsest map up, joined with the map across, to one of the first level's filters.

    Args:
        up: from `(map, map across, stride, name)` to the larger map.
    """
    strides = [between(fine, coarse) for fine, coarse in pairwise(features)]
    if padding == "valid":
        _check_sizes(features[0], [per_axis(features[0], stride) for stride in strides])
    x, lost = features[-1], per_axis(features[-1], 0)
    for number, (skip, stride) in enumerate(zip(features[-2::-1], reversed(strides), strict=True), start=1):
        name = f"decoder{number}"
        x = up(x, skip, stride, f"{name}_up")
        if padding == "valid":
            across = [step * (REACH + n) for step, n in zip(per_axis(x, stride), lost, strict=True)]
            lost = [n + REACH for n in across]
            skip = cut(skip, [(n, n) for n in across], name=name)
        else:
            x = cut_to(x, skip, name=f"{name}_up")
        x = convolutions(concat([skip, x], name=name), (skip.shape[-1],) * 2, padding, bn, name)
    return x


def convolutions(x, filters, padding: str, bn: str | None, name: str):
    """Convolutions of 3, each normalised (or not) and rectified."""
    for number, count in enumerate(filters, start=1):
        block = f"{name}_block{number}"
        x = conv(x, count, 3, padding=padding, bias=True, name=block)
        x = norm(x, scale=bn == "full", center=bn == "full", name=block) if bn else x
        x = relu(x, name=block)
    return x


def _check_sizes(first, strides: list) -> None:
    """Valid convolutions and pooling without a rest suit some sizes; BadInput names the next ones."""
    sizes = [None if n is None else n + 2 * REACH for n in first.shape[1:-1]]
    axes = [[stride[axis] for stride in strides] for axis in range(len(sizes))]
    suited = [n if n is None else _suited(n, steps) for n, steps in zip(sizes, axes, strict=True)]
    if sizes != suited:
        raise BadInput(
            f"an image of {tuple(sizes)} came, but valid convolutions and halving suit {tuple(suited)}: "
            "enlarge it by mirrored borders, or pass padding='same'"
        )


def _suited(size: int, strides: list[int]) -> int:
    """The smallest size from `size` on that every stride divides and of which something is left at the end."""
    while True:
        n, lost = size, 0
        for stride in strides:
            n -= 2 * REACH
            if n % stride:
                break
            n //= stride
        else:
            for stride in reversed(strides):
                lost = stride * (REACH + lost) + REACH
            if n > 2 * REACH and size > 2 * (lost + REACH):
                return size
        size += 1
