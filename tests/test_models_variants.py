"""What variants and overrides of the networks with modules change, on tiny ones; parity is in the slow tests."""

import keras
import numpy as np
import pytest
from facts import count, fill

import radzoo
from radzoo.layers import depthwise_conv
from radzoo.pooling import adaptive_pool, average_pool

SMALL = (64, 64, 3)


def image(shape, seed=0) -> np.ndarray:
    return np.random.RandomState(seed).rand(1, *shape).astype("float32")


def answer(name: str, shape=SMALL, **overrides) -> np.ndarray:
    """The coarsest feature map of a filled network."""
    return np.array(fill(radzoo.build(name, shape, **overrides))(image(shape), training=False)[-1])


@pytest.mark.parametrize(
    ("name", "size", "heads"), [("googlenet_tiny", 64, 2), ("googlenet_bn_tiny", 64, 2), ("inception_tiny", 299, 1)]
)
def test_auxiliary_heads(name, size, heads):
    """Main output first, then the auxiliary ones; each ends in a layer of its own; they are off where not wanted."""
    shape = (size, size, 1)
    whole = radzoo.build(name, shape, top=True, classes=3)
    ends = [f"head_auxiliary{i}" for i in range(1, heads + 1)]
    assert [output.shape for output in whole.outputs] == [(None, 3)] * (1 + heads)
    assert whole.output_names == ["head", *ends]
    for output in whole(image(shape), training=False):
        np.testing.assert_allclose(np.sum(output), 1, rtol=1e-5)
    alone = radzoo.build(name, shape, top=True, classes=3, auxiliary=False)
    assert alone.output_shape == (None, 3)
    own = {weight.path for weight in whole.weights} - {weight.path for weight in alone.weights}
    assert own and all(path.startswith(tuple(ends)) for path in own)
    assert [o.shape for o in radzoo.build(name, shape).outputs][-1][-1] == alone.get_layer("head_pool").output.shape[-1]


def test_auxiliary_heads_read_inner_modules():
    """The first head answers to its own module and to nothing behind it."""
    whole = fill(radzoo.build("googlenet_tiny", SMALL, top=True, classes=3))
    before = [np.array(output) for output in whole(image(SMALL), training=False)]
    layer = whole.get_layer("stage2_block2_branch1_conv")  # behind the first tap, before the second
    layer.set_weights([2 * value for value in layer.get_weights()])
    after = [np.array(output) for output in whole(image(SMALL), training=False)]
    assert [np.array_equal(a, b) for a, b in zip(before, after, strict=True)] == [False, True, False]


@pytest.mark.parametrize(
    ("name", "shape", "overrides", "message"),
    [
        ("googlenet_tiny", (32, 32, 1), {"top": True}, "at least 5 pixels a side, got .4, 4.*auxiliary=False"),
        ("inception_tiny", (224, 224, 1), {"top": True}, "at least 17 pixels a side, got .14, 14"),
        ("inception_tiny", (64, 64, 1), {"padding": "valid"}, "too small"),
        ("googlenet_tiny", SMALL, {"norm": "group"}, "norm='group' came, expected krizhevsky, caffe, batch"),
        ("inception_tiny", SMALL, {"padding": "same"}, "expected 'valid' or 'symmetric'"),
        ("inception_tiny", SMALL, {"pool_padding": "valid"}, "'same' or 'symmetric'"),
        ("mobilenet_tiny", SMALL, {"padding": "valid"}, "expected 'same' or 'end'"),
        ("mobilenet_v2_tiny", SMALL, {"padding": "end"}, "expected 'same' or 'symmetric'"),
    ],
)
def test_bad_arguments(name, shape, overrides, message):
    with pytest.raises(radzoo.BadInput, match=message):
        radzoo.build(name, shape, **overrides)


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("resnet_bottleneck_tiny", {"stride_in_1x1": False}),
        ("googlenet_tiny", {"norm": "caffe"}),
        ("googlenet_tiny", {"last_pool": 2}),
        ("inception_tiny", {"pool_padding": "symmetric"}),
        ("mobilenet_v2_tiny", {"padding": "symmetric"}),
        ("resnet_tiny", {"eps": 0.1}),
    ],
)
def test_same_weights_another_function(name, overrides):
    """No shape betrays these overrides, and the answers differ: they have to be in the manifest of the weights."""
    shape = (66, 66, 3)
    plain, other = radzoo.build(name, shape), radzoo.build(name, shape, **overrides)
    assert [w.path for w in plain.weights] == [w.path for w in other.weights]
    assert [w.shape for w in plain.weights] == [w.shape for w in other.weights]
    found, expected = answer(name, shape, **overrides), answer(name, shape)
    assert found.shape == expected.shape and not np.allclose(found, expected, rtol=1e-3)


def test_padding_of_mobilenet():
    """Keras' zero at the end is TensorFlow's on even sizes and not on odd ones."""
    np.testing.assert_array_equal(answer("mobilenet_tiny", padding="end"), answer("mobilenet_tiny"))
    assert answer("mobilenet_tiny", (50, 50, 3), padding="end").shape[1] == 6  # 25 -> 12 -> 6
    assert answer("mobilenet_tiny", (50, 50, 3)).shape[1] == 7  # 25 -> 13 -> 7


def test_biases_and_scales():
    """Keras' files: ResNet with a bias per channel of each convolution, Inception without a scale per normalisation."""
    for name, overrides, sign in (("resnet_tiny", {"bias": True}, 1), ("inception_tiny", {"scale": False}, -1)):
        plain, other = radzoo.build(name, SMALL), radzoo.build(name, SMALL, **overrides)
        channels = sum(layer.filters for layer in plain.layers if isinstance(layer, keras.layers.Conv2D))
        assert count(other) - count(plain) == sign * channels


def test_inception_sizes():
    """The grids that the paper prints for 299: 147, 71 (before pooling), 35, 17, 8."""
    sizes = [output.shape[1] for output in radzoo.build("inception_tiny", (299, 299, 3), padding="valid").outputs]
    assert sizes == [147, 71, 35, 17, 8]
    volume = radzoo.build("inception_tiny", (16, 32, 32, 1))
    kernels = {k: volume.get_layer(f"stage3_block1_branch2_{k}_conv").kernel_size for k in (2, 3)}
    assert kernels == {2: (1, 1, 7), 3: (7, 7, 1)}


def test_average_pools_by_hand():
    """A plane of ones: zeros that count leave 4/9 in the corner, zeros that do not leave 1."""
    plane = keras.Input((3, 3, 1))
    for padding, corner, edge in (("same", 1, 1), ("symmetric", 4 / 9, 6 / 9)):
        model = keras.Model(plane, average_pool(plane, 3, 1, padding=padding, name="x"))
        found = np.array(model(np.ones((1, 3, 3, 1), "float32")))[0, ..., 0]
        np.testing.assert_allclose(found, [[corner, edge, corner], [edge, 1, edge], [corner, edge, corner]], rtol=1e-6)


@pytest.mark.parametrize("size", [4, 7, 14, 15])
def test_adaptive_pool_by_hand(size):
    """Window i of n over s pixels goes from floor(i s / n) to ceil((i + 1) s / n) (torch)."""
    row = keras.Input((size, 1, 1, 1))
    volume = np.arange(size, dtype="float32").reshape(1, size, 1, 1, 1) ** 2
    found = np.array(keras.Model(row, adaptive_pool(row, 4, name="x"))(volume))[0, :, 0, 0, 0]
    windows = [(i * size // 4, -(-(i + 1) * size // 4)) for i in range(4)]
    np.testing.assert_allclose(found, [np.mean(np.arange(a, b) ** 2) for a, b in windows], rtol=1e-6)


@pytest.mark.parametrize("padding", ["valid", "symmetric"])
def test_depthwise_padding(padding):
    """Against Keras' grouped Conv3D and DepthwiseConv2D with explicit zeros."""
    border = 1 if padding == "symmetric" else 0
    for shape in ((6, 7, 4), (6, 8, 7, 4)):
        x, axes = keras.Input(shape), len(shape) - 1
        ours = fill(keras.Model(x, depthwise_conv(x, 3, stride=2, padding=padding, name="x")))
        values = image(shape, 1)
        padded = np.pad(values, [(0, 0), *[(border, border)] * axes, (0, 0)])
        kernels = [w for layer in ours.layers for w in layer.get_weights()]  # (3, 3, 4, 1), one for each z
        if axes == 2:
            expected = keras.ops.depthwise_conv(padded, kernels[0], 2, "valid")
        else:
            kernel = np.stack(kernels)  # (3, 3, 3, 4, 1): every output channel from its own input channel
            whole = np.zeros((3, 3, 3, 4, 4), "float32")
            for c in range(4):
                whole[..., c, c] = kernel[..., c, 0]
            expected = keras.ops.conv(padded, whole, 2, "valid")
        np.testing.assert_allclose(ours(values), expected, rtol=1e-5, atol=1e-6)
