"""AlexNet: five convolutions in two towers, three dense layers.

Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012.
https://papers.nips.cc/paper/4824; CaffeNet, which pools before it normalises, from https://github.com/BVLC/caffe
"""

from radzoo.errors import BadInput
from radzoo.layers import classifier, conv, dense, dropout, flatten, grouped_conv, pad, relu
from radzoo.pooling import ceil_pool, max_pool, thin
from radzoo.registry import register
from radzoo.responses import lrn

# Figure 2, one row for each convolution: (filters, kernel, stride, padding, groups); two groups are the two towers.
KRIZHEVSKY = ((96, 11, 4, 0, 1), (256, 5, 1, 2, 2), (384, 3, 1, 1, 1), (384, 3, 1, 1, 2), (256, 3, 1, 1, 2))
NAMES = ("stem", "stage1", "stage2_block1", "stage2_block2", "stage2_block3")


@register(
    alexnet={"response": "krizhevsky"},
    caffenet={"response": "caffe", "pool_first": True},
    alexnet_tiny={
        "response": "krizhevsky",
        "rows": ((8, 5, 2, 2, 1), (16, 3, 1, 1, 2), (16, 3, 1, 1, 1), (16, 3, 1, 1, 2), (12, 3, 1, 1, 2)),
        "units": 16,
    },
    kind="classification",
    year=2012,
    fidelity="paper",
    inputs={"alexnet": (227, 227, 3), "caffenet": (227, 227, 3)},
    parameters={"alexnet": 60_965_224, "caffenet": 60_965_224, "alexnet_tiny": 25_924},
)
def alexnet(image, *, response, pool_first=False, rows=KRIZHEVSKY, bias=1.0, prefix=""):
    """Five rectified convolutions, the first two followed by response normalisation and overlapping max pooling.

    Args:
        image: `(batch, *spatial, channels)`, 2-D or 3-D. The paper prints 224, its sizes (55, 27, 13, 6) need 227.
        response: `"krizhevsky"` or `"caffe"`, two functions with the same constants (`radzoo.responses.lrn`).
        pool_first: pool, then normalise (CaffeNet).
        bias: first value of the biases of convolutions 2, 4 and 5; .1 in Caffe's replication of AlexNet.

    Returns:
        The rectified maps of convolutions 1, 2 and 5 at strides 4, 8 and 16, before normalisation and pooling.
    """
    maps = convolutions(image, rows, response=response, pool_first=pool_first, bias=bias, prefix=prefix)
    return [maps[0], maps[1], maps[-1]]


def convolutions(
    image, rows, *, response=None, pool_first=False, ceil=True, initial=0.01, bias=0.0, prefix=""
):  # fmt: skip
    """The rectified map of every row, with normalisation and pooling after the first two where another row follows.

    Args:
        rows: the first of `KRIZHEVSKY`, or others of that form.
        ceil: pooling rounds sizes up, as the authors' code and Caffe do; torch drops the rest.
        initial: of the kernels, as in `radzoo.layers.conv`.
    """
    x, maps = image, []
    for i, row in enumerate(rows):
        if i in (1, 2):
            x = _shrink(x, response, pool_first, ceil, f"{prefix}{NAMES[i - 1]}")
        start = bias if i in (1, 3, 4) else 0.0
        x = _rectified(x, *row, initial=initial, start=start, name=f"{prefix}{NAMES[i]}")
        maps.append(x)
    return maps


def _shrink(x, response, pool_first, ceil, name):
    """Normalisation (None: without) and pooling, in either order."""
    if pool_first:
        x = pool(x, ceil, name=name)
    if response is not None:
        x = lrn(x, caffe=_is_caffe(response), name=name)
    return x if pool_first else pool(x, ceil, name=name)


def _is_caffe(response: str) -> bool:
    if response not in ("krizhevsky", "caffe"):
        raise BadInput(f"response={response!r} came, expected 'krizhevsky', 'caffe' or None")
    return response == "caffe"


def _rectified(x, filters, kernel, stride, padding, groups, *, initial, start, name):
    way = "valid"
    if padding and padding == kernel // 2:
        way = "symmetric"
    elif padding:
        x = pad(x, padding, name=name)
    options = {"stride": stride, "padding": way, "bias": True, "initial": initial, "bias_initial": start, "name": name}
    if groups > 1:
        return relu(grouped_conv(x, filters, kernel, groups, **options), name=name)
    return relu(conv(x, filters, kernel, **options), name=name)


def pool(x, ceil: bool, *, name: str):
    """Max pooling of 3 with stride 2; `ceil`: sizes are rounded up."""
    return ceil_pool(x, 3, name=name) if ceil else max_pool(x, thin(x, 3), 2, name=name)


@alexnet.top
def alexnet_top(
    features, *, classes=1000, activation="softmax", units=4096, dropout=0.5, dense_bias=1.0
):  # fmt: skip
    """The third pooling, two dense layers, each rectified and then dropped out, and the classes."""
    x = flatten(ceil_pool(features[-1], 3, name="head"), name="head")
    return dense_end(x, classes, activation, units=units, rate=dropout, bias=dense_bias)


def dense_end(x, classes: int, activation, *, units: int, rate: float, bias: float):
    """FC6, FC7 and the classes, as Krizhevsky and Caffe order them: ReLU, then dropout.

    Args:
        bias: first value of the biases of FC6 and FC7.
    """
    for name in ("head_fc6", "head_fc7"):
        x = dropout(dense(x, units, initial=0.01, bias_initial=bias, name=name), rate, name=name)
    return classifier(x, classes, activation, initial=0.01)
