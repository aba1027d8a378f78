"""FCN: VGG16 whose dense layers are convolutions, and whose coarse scores are enlarged, finer ones added on the way.

Shelhamer et al., Fully Convolutional Networks for Semantic Segmentation, TPAMI 2017. https://arxiv.org/abs/1605.06211;
layers as in https://github.com/shelhamer/fcn.berkeleyvision.org (net.py)

Without VGG16's weights training collapses, as the authors say. They train each net from the next coarser one.
"""

from keras import layers

from radzoo.anisotropy import between
from radzoo.errors import BadInput
from radzoo.layers import add, conv, pad, probabilities, relu
from radzoo.layers import dropout as drop
from radzoo.models import vgg
from radzoo.pooling import ceil_half
from radzoo.registry import register
from radzoo.upsampling import cut, fixed_bilinear


@register(
    fcn32s={"skips": 0},
    fcn16s={"skips": 1},
    fcn8s={"skips": 2},
    fcn32s_tiny={"skips": 0, "blocks": ((4,), (4,), (6,), (6,), (8,)), "units": 8, "kernel": 5, "border": 56},
    fcn8s_tiny={"skips": 2, "blocks": ((4,), (4,), (6,), (6,), (8,)), "units": 8, "kernel": 5, "border": 56},
    kind="segmentation",
    year=2017,
    fidelity="paper",
    inputs={"fcn32s": (500, 500, 3), "fcn16s": (500, 500, 3), "fcn8s": (500, 500, 3)},
    parameters={
        "fcn32s": 134_346_581,
        "fcn16s": 134_357_354,
        "fcn8s": 134_362_751,
        "fcn32s_tiny": 3_121,
        "fcn8s_tiny": 3_415,
    },
)
def fcn(
    image, *, blocks=((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)), border=100, prefix=""
):  # fmt: skip
    """VGG16's convolutions, under the same names, over an image with a wide border; pooling rounds sizes up.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D.
        border: zeros around the image that the first convolution sees, so that every size gives scores.

    Returns:
        The last map of every block, finest first, at strides 1, 2, 4, 8, 16; before the last pooling.
    """
    if len(blocks) != 5:
        raise BadInput(f"{len(blocks)} blocks came, expected 5: the scores of the last three poolings are combined")
    return vgg.convolutions(pad(image, border - 1, name=f"{prefix}stem"), blocks, ceil=True, prefix=prefix)


@fcn.top
def fcn_top(
    features, *, skips, classes=21, activation="softmax", units=4096, kernel=7, border=100, dropout=0.5
):  # fmt: skip
    """Scores at stride 32, added to those of pooling 4 and 3 (`skips` of them), enlarged to the image.

    Scores begin at zero. Enlarging is bilinear and does not learn (`radzoo.upsampling.fixed_bilinear`).

    Args:
        kernel: of the first dense layer as a convolution, without padding.
        border: as in the builder.
    """
    if None in features[0].shape[1:-1] or between(features[0], features[-1], usual=16) not in (16, (16, 16, 16)):
        raise BadInput(
            "the end of FCN needs a fixed input size, and equal strides along all axes: leave out spacing_mm"
        )
    pools = [ceil_half(x, name=f"head_pool{i}") for i, x in enumerate(features, start=1) if i >= 5 - skips]
    x = pools.pop()
    if min(x.shape[1:-1]) < kernel:
        raise BadInput(f"border={border} leaves maps of {x.shape[1:-1]} for a kernel of {kernel}: use border=100")
    for name, size in (("head_fc6", kernel), ("head_fc7", 1)):
        x = relu(conv(x, units, size, padding="valid", bias=True, name=name), name=name)
        x = drop(x, dropout, name=name) if dropout else x
    x, stride = _scores(x, classes, "head_score"), 32
    first = stride * (kernel // 2) + _centre(stride)  # where the centre of the first score lies, on the finest map
    for number in (4, 3)[:skips]:
        name, first, stride = f"head_score_pool{number}", first - stride * _centre(4) / 2, stride // 2
        x = fixed_bilinear(x, 2, name=name)
        finer = _scores(pools.pop(), classes, name)
        start = int(first - _centre(stride)) // stride
        x = add([x, _part(finer, start, x.shape[1:-1], name=name)], name=name)
    x = fixed_bilinear(x, stride, name="head")
    start = border - 1 - int(first - _centre(2 * stride))
    sizes = [n - 2 * (border - 1) for n in features[0].shape[1:-1]]
    x = _part(x, start, sizes, name="head")
    return probabilities(layers.Identity(name="head_logits")(x), activation)


def convolved(named: dict) -> dict:
    """VGG16's tensors with fc6 and fc7 as the convolutions of `fcn`: the same numbers in another shape.

    Args:
        named: by the path of their weight in `vgg16`, such as `head_fc6_dense/kernel` `(7 * 7 * 512, 4096)`.

    Returns:
        By the path of their weight in `fcn`; what VGG16 has for its classes is left out.
    """
    result = {}
    for path, array in named.items():
        if path.startswith(("head_fc6", "head_fc7")):
            path = path.replace("_dense", "_conv")
            size = 7 if path.startswith("head_fc6") else 1
            array = array.reshape(size, size, -1, array.shape[-1]) if array.ndim == 2 else array
        if not path.startswith("head_logits"):
            result[path] = array
    return result


def _scores(x, classes: int, name: str):
    return conv(x, classes, 1, bias=True, initial="zeros", name=name)


def _centre(size: int) -> float:
    """Of a window of `size` pixels that begins at 0."""
    return (size - 1) / 2


def _part(x, start: int, sizes, *, name: str):
    """`sizes` pixels of a map from `start` on, along each axis."""
    ends = [n - start - m for n, m in zip(x.shape[1:-1], sizes, strict=True)]
    if min(start, *ends) < 0:
        raise BadInput(f"maps of {x.shape[1:-1]} do not cover {tuple(sizes)} pixels from {start}: use border=100")
    return cut(x, [(start, end) for end in ends], name=name)
