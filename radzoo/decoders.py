"""A U-Net decoder on the feature maps of any backbone: from the coarsest map back to the pixels of the image.

The decoder is that of Ronneberger et al., U-Net, MICCAI 2015, https://arxiv.org/abs/1505.04597, with nearest
neighbours instead of transposed convolutions and batch normalisation; the auxiliary outputs are those of Lee et al.,
Deeply-Supervised Nets, AISTATS 2015. https://arxiv.org/abs/1409.5185
"""

from __future__ import annotations

from radzoo.errors import BadInput
from radzoo.layers import FAINT, activate, concat, conv, initializer, norm_relu, pick, residual

WIDTHS = (256, 128, 64, 32, 16)
AUXILIARY = 2  # outputs of deep supervision beside the main one


def segmenter(features, image, *, name: str, classes: int, activation: str, decoder=None, supervised: bool = False):
    """Classes of every pixel, from the stages of `decoded`.

    Args:
        features, image, name, decoder: as in `decoded`.
        classes: channels of the output, the background included.
        activation: of the output, such as `"softmax"`.
        supervised: up to two further outputs, `head_auxiliary1` from the map before the last one, `head_auxiliary2`
            from the one before that, in the size of the image.

    Returns:
        `(batch, *spatial, classes)`, the layer `head`; with `supervised` a list that begins with it.
    """
    maps, size = decoded(features, image, name, decoder), image.shape[1:-1]
    coarser = maps[-2 : -2 - AUXILIARY : -1] if supervised else []
    outputs = [_ended(maps[-1], size, classes, activation, "head")]
    outputs += [_ended(y, size, classes, activation, f"head_auxiliary{i}") for i, y in enumerate(coarser, start=1)]
    return outputs if supervised else outputs[0]


def restorer(features, image, *, name: str, channels: int, decoder=None, added=None):
    """An image of `channels` in the scale of the one that entered, from the stages of `decoded`.

    Where no map is as large as the image, the last stage is joined by the image itself: of the noise of single pixels,
    which a stride has mixed, coarser maps cannot tell.

    Args:
        features, image, name, decoder: as in `decoded`.
        added: `(batch, *spatial, channels)`, the image that the output is added to; None where the output is it all.

    Returns:
        `(batch, *spatial, channels)`, the layer `head`, linear and float32.

    Raises:
        BadInput: another number of channels than `added` has.
    """
    x = decoded(features, image, name, decoder, finest=image)[-1]
    y = pick(x, "Conv")(channels, 1, kernel_initializer=initializer(FAINT), dtype="float32", name="head_logits")(x)
    return residual(enlarged(y, image.shape[1:-1], name="head"), "linear", added)


def decoded(features, image, name: str, decoder=None, finest=None) -> list:
    """Each stage `decoder1`, `decoder2`, … goes to the next finer map, the last one to the size of the image.

    A stage enlarges by whole numbers, as many times as the encoder made smaller along that axis; so an axis that was
    not halved is not doubled. What odd sizes and valid convolutions leave over is cropped, or padded with zeros.

    Args:
        features: maps `(batch, *spatial, channels)`, finest first.
        image: `(batch, *spatial, channels)`, with fixed sizes.
        name: of the backbone, for messages.
        decoder: channels of the stages, coarsest first; None is `WIDTHS`, of which a decoder with fewer stages takes
            the last: 16 channels where maps are as large as the image, 32 at half its size.
        finest: what joins the last stage where no map is as large as the image; None for nothing.

    Returns:
        The map of every stage, coarsest first.

    Raises:
        BadInput: a backbone without maps of the image, sizes that are not fixed, or widths that do not fit.
    """
    sizes = _sizes(features, image, name)
    widths = _widths(len(sizes), decoder, name)
    skips = [*reversed(features[:-1]), finest][: len(sizes)]
    x, maps = features[-1], []
    for i, (size, width, skip) in enumerate(zip(sizes, widths, skips, strict=True), start=1):
        stage = f"decoder{i}"
        x = enlarged(x, size, name=stage)
        x = x if skip is None else concat([x, skip], name=stage)
        for k in (1, 2):
            x = norm_relu(conv(x, width, 3, name=f"{stage}_{k}"), name=f"{stage}_{k}")
        maps.append(x)
    return maps


def enlarged(x, size: tuple[int, ...], *, name: str):
    """`x` in another spatial size: repeated by the nearest whole number, then cropped or padded with zeros.

    What is missing goes to both sides, as valid convolutions took it; a single pixel to or from the end.
    """
    times = tuple(max(1, round(n / m)) for n, m in zip(size, x.shape[1:-1], strict=True))
    if set(times) != {1}:
        x = pick(x, "UpSampling")(times, name=f"{name}_up")(x)
    missing = [n - m for n, m in zip(size, x.shape[1:-1], strict=True)]
    for kind, word, amounts in (
        ("Cropping", "crop", [max(0, -n) for n in missing]),
        ("ZeroPadding", "pad", [max(0, n) for n in missing]),
    ):
        if any(amounts):
            x = pick(x, kind)(tuple((n // 2, n - n // 2) for n in amounts), name=f"{name}_{word}")(x)
    return x


def _sizes(features, image, name: str) -> list[tuple[int, ...]]:
    """The spatial size of every stage, coarsest first; the image's own is the last."""
    full = image.shape[1:-1]
    maps = [each.shape[1:-1] for each in features]
    if not maps or any(len(size) != len(full) for size in maps):
        raise BadInput(f"{name} has no feature maps that a decoder could read: take another network")
    if None in full:
        raise BadInput(f"a decoder needs a fixed input size, got {tuple(image.shape[1:])}: name all sizes")
    finer = maps[-2::-1]
    return finer if finer and finer[-1] == full else [*finer, full]


def _widths(stages: int, decoder, name: str) -> tuple[int, ...]:
    if decoder is None:
        return WIDTHS[-stages:] if stages <= len(WIDTHS) else (WIDTHS[0],) * (stages - len(WIDTHS)) + WIDTHS
    if len(decoder) != stages or any(not isinstance(width, int) or width < 1 for width in decoder):
        raise BadInput(f"decoder={decoder!r} came, expected {stages} whole numbers for the stages on {name}")
    return tuple(decoder)


def _ended(x, size, classes: int, activation: str, name: str):
    """1x1 convolution to the classes, in the size of the image; the layers `<name>_logits` and `<name>`."""
    logits = pick(x, "Conv")(classes, 1, name=f"{name}_logits")(x)
    return activate(enlarged(logits, size, name=name), activation, name=name)
