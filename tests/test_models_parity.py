"""Whole networks against `keras.applications` with the same weights, and the counts that papers and sources print."""

import re

import keras
import numpy as np
import pytest
from facts import count, fill

import radzoo

pytestmark = pytest.mark.slow


def in_order(theirs, ours) -> dict[str, str]:
    """Where both graphs list their layers in the same order."""
    names = [[layer.name for layer in model.layers if layer.weights] for model in (theirs, ours)]
    return dict(zip(*names, strict=True))


def renamed(*rules):
    """Names of Keras to those of radzoo by regular expressions."""

    def names(theirs, ours) -> dict[str, str]:
        found = {}
        for layer in theirs.layers:
            name = layer.name
            for pattern, replacement in rules:
                name = re.sub(pattern, replacement, name)
            if layer.weights:
                found[layer.name] = name
        return found

    return names


RESNET = renamed(
    (r"^conv1_conv$", "stem_conv"),
    (r"^conv1_bn$", "stem_norm"),
    (r"^conv(\d)_", lambda found: f"stage{int(found[1]) - 1}_"),
    (r"_0_(?=conv|bn)", "_shortcut_"),
    (r"_bn$", "_norm"),
    (r"^predictions$", "head_logits"),
)
VGG = renamed(
    (r"^block(\d)_conv(\d)$", lambda found: f"stage{int(found[1]) - 1}_block{found[2]}_conv"),
    (r"^stage0", "stem"),
    (r"^fc1$", "head_fc6_dense"),
    (r"^fc2$", "head_fc7_dense"),
    (r"^predictions$", "head_logits"),
)
BLOCKS = {1: "stem_block1", **{k: f"stage{i}_block{k - first + 1}" for i, first, last in
          ((1, 2, 3), (2, 4, 5), (3, 6, 11), (4, 12, 13)) for k in range(first, last + 1)}}  # fmt: skip
MOBILENET = renamed(
    (r"^conv1$", "stem_conv"),
    (r"^conv1_bn$", "stem_norm"),
    (r"^conv_dw_(\d+)$", lambda found: f"{BLOCKS[int(found[1])]}_depthwise"),
    (r"^conv_dw_(\d+)_bn$", lambda found: f"{BLOCKS[int(found[1])]}_depthwise_norm"),
    (r"^conv_pw_(\d+)$", lambda found: f"{BLOCKS[int(found[1])]}_pointwise_conv"),
    (r"^conv_pw_(\d+)_bn$", lambda found: f"{BLOCKS[int(found[1])]}_pointwise_norm"),
    (r"^conv_preds$", "head_logits"),
)


def inception(theirs, ours) -> dict[str, str]:
    """Keras numbers its 94 convolutions; this is the order in which its source makes them."""
    a = "branch1", "branch2_1", "branch2_2", "branch3_1", "branch3_2", "branch3_3", "branch4"
    c = "branch1", *(f"branch2_{k}" for k in range(1, 4)), *(f"branch3_{k}" for k in range(1, 6)), "branch4"
    e = (
        "branch1", "branch2_1", "branch2_wide", "branch2_tall", "branch3_1", "branch3_2", "branch3_wide",
        "branch3_tall", "branch4",
    )  # fmt: skip
    names = ["stem_1", "stem_2", "stem_3", "stage1_1", "stage1_2"]
    names += [f"stage2_block{j}_{side}" for j in (1, 2, 3) for side in a]
    names += [f"stage3_reduction_{side}" for side in ("branch1", "branch2_1", "branch2_2", "branch2_3")]
    names += [f"stage3_block{j}_{side}" for j in (1, 2, 3, 4) for side in c]
    names += [f"stage4_reduction_{side}" for side in ("branch1_1", "branch1_2", *(f"branch2_{k}" for k in range(1, 5)))]
    names += [f"stage4_block{j}_{side}" for j in (1, 2) for side in e]
    found = {"predictions": "head_logits"}
    for kind, ending in (("conv2d", "conv"), ("batch_normalization", "norm")):
        own = [layer.name for layer in theirs.layers if re.fullmatch(rf"{kind}(_\d+)?", layer.name)]
        own.sort(key=lambda name: int(name.removeprefix(kind).lstrip("_") or 0))
        found |= dict(zip(own, [f"{name}_{ending}" for name in names], strict=True))
    return found


def copy(theirs: keras.Model, ours: keras.Model, names: dict[str, str]) -> None:
    """Weights of every layer by name, all of them; a 1x1 convolution of Keras' head becomes a dense layer."""
    assert set(names.values()) == {layer.name for layer in ours.layers if layer.weights}
    for source, target in names.items():
        mine, values = ours.get_layer(target), theirs.get_layer(source).get_weights()
        mine.set_weights([value.reshape(w.shape) for value, w in zip(values, mine.weights, strict=True)])


def calm(model: keras.Model) -> None:
    """Small residual branches: with 50 large ones added up, logits would leave the range of float32's squares."""
    for layer in model.layers:
        if re.search(r"_3_bn$", layer.name):
            gamma, *others = layer.get_weights()
            layer.set_weights([0.05 * gamma, *others])


KERAS = {"bias": True, "eps": 1.001e-5}
CASES = [
    ("densenet121", "DenseNet121", in_order, {"eps": 1.001e-5}, (224, 160)),
    ("mobilenet_v2", "MobileNetV2", in_order, {}, (224, 160)),
    ("mobilenet_v2_035", "MobileNetV2", in_order, {}, (224, 160)),
    ("mobilenet", "MobileNet", MOBILENET, {"padding": "end"}, (224, 200)),
    ("mobilenet_025", "MobileNet", MOBILENET, {"padding": "end"}, (224, 200)),
    ("resnet50", "ResNet50", RESNET, KERAS, (224, 200)),
    ("resnet101", "ResNet101", RESNET, KERAS, (224, 200)),
    ("resnet152", "ResNet152", RESNET, KERAS, (224, 200)),
    ("inception_v3", "InceptionV3", inception, {"scale": False, "auxiliary": False}, (299, 224)),
    ("vgg16", "VGG16", VGG, {}, (224, 100)),
    ("vgg19", "VGG19", VGG, {}, (224, 100)),
]
ALPHA = {"mobilenet_v2": 1.0, "mobilenet_v2_035": 0.35, "mobilenet": 1.0, "mobilenet_025": 0.25}


@pytest.mark.parametrize(
    ("name", "reference", "names", "overrides", "size"),
    [(*case, size) for *case, sizes in CASES for size in sizes],
    ids=[f"{case[0]}-{size}" for case in CASES for size in case[-1]],
)
def test_parity_with_keras_applications(name, reference, names, overrides, size):
    arguments = {"alpha": ALPHA[name]} if name in ALPHA else {}
    theirs = getattr(keras.applications, reference)(
        weights=None, input_shape=(size, size, 3), classifier_activation=None, **arguments
    )
    ours = radzoo.build(name, (size, size, 3), top=True, **overrides)
    calm(fill(theirs))
    copy(theirs, ours, names(theirs, ours))
    both = keras.Model(ours.input, [ours.get_layer("head").input, ours.output])
    image = np.random.RandomState(1).standard_normal((2, size, size, 3)).astype("float32")
    expected = np.array(theirs(image, training=False))
    logits, probabilities = (np.array(output) for output in both(image, training=False))
    assert np.isfinite(expected).all() and expected.std() > 0.01 * abs(expected).max()
    assert np.abs(logits - expected).max() <= 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(probabilities, keras.ops.softmax(logits), rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "shape", "arguments", "parameters"),
    [
        ("googlenet", (224, 224, 3), {"auxiliary": False}, 6_998_552),
        ("googlenet", (224, 224, 3), {"auxiliary": False, "classes": 2}, 5_975_602),
        ("googlenet", (224, 224, 3), {"classes": 2}, 10_309_430),
        ("googlenet_bn", (224, 224, 3), {"auxiliary": False}, 6_624_904),
        ("googlenet_bn", (224, 224, 3), {"auxiliary": False, "kernel": 5}, 7_005_832),
        ("inception_v3", (299, 299, 3), {"auxiliary": False}, 23_834_568),
        ("inception_v3", (299, 299, 3), {"auxiliary": False, "scale": False}, 23_817_352),  # keras.applications
        ("resnet50", (224, 224, 3), {"bias": True}, 25_583_592),
        ("resnet101", (224, 224, 3), {"bias": True}, 44_601_832),
        ("resnet152", (224, 224, 3), {"bias": True}, 60_268_520),
        ("resnet50", (224, 224, 3), {"stride_in_1x1": False}, 25_557_032),
        ("resnet18", (224, 224, 1), {"classes": 3}, 11_171_779),  # Korfiatis 2017
        ("resnet34", (224, 224, 1), {"classes": 3}, 21_279_939),
        ("resnet50", (224, 224, 1), {"classes": 3}, 23_507_907),
    ],
)
def test_counts_of_variants(name, shape, arguments, parameters):
    assert count(radzoo.build(name, shape, top=True, **arguments)) == parameters
