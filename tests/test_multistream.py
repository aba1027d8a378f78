"""Streams and views: what sees what, and how streams are brought together."""

import keras
import numpy as np
import pytest
from facts import fill

import radzoo
from radzoo.errors import BadInput

NINE = (9, 20, 20, 1)
SMALL = {"filters": (3, 4), "kernels": (5, 3)}
GROUPS = {
    "multistream_late": [list(range(9))],
    "multistream_mixed": [[0, 3, 4], [1, 5, 6], [2, 7, 8]],
    "multistream_committee": [[view] for view in range(9)],
}


def patches(seed=0, shape=NINE):
    return np.random.default_rng(seed).normal(size=(2, *shape)).astype("float32")


@pytest.mark.parametrize("name", GROUPS)
def test_each_stream_sees_its_views_alone(name):
    """Another picture in one view changes the features of that view and no others; equal ones give equal features."""
    model = fill(radzoo.build(name, NINE, **SMALL))
    images = patches()
    before, order = np.asarray(model(images)[-1]), [view for group in GROUPS[name] for view in group]
    for view in (0, 4, 8):
        other = images.copy()
        other[:, view] = patches(1)[:, view]
        changed = np.abs(np.asarray(model(other)[-1]) - before).max((0, 2, 3, 4)) > 1e-6
        assert [order[place] for place in np.flatnonzero(changed)] == [view]
    same = np.asarray(model(np.repeat(images[:, :1], 9, axis=1))[-1])
    for first, group in zip(np.cumsum([0, *map(len, GROUPS[name])]), GROUPS[name], strict=False):
        for place in range(first, first + len(group)):
            np.testing.assert_allclose(same[:, place], same[:, first], rtol=1e-5)


def test_the_groups_of_the_mixed_network_are_planes_at_right_angles():
    from radzoo.images.volumes.patches import NINE as DIRECTIONS

    normals = np.cross(DIRECTIONS[:, 1], DIRECTIONS[:, 0])
    for group in GROUPS["multistream_mixed"]:
        np.testing.assert_allclose(np.abs(normals[group] @ normals[group].T), np.eye(3), atol=1e-12)


def test_one_view_is_an_image():
    """The 2-D network and the stream of the nine have the same weights and the same features."""
    many, one = (
        fill(radzoo.build("multistream_late", NINE, **SMALL)),
        radzoo.build("multistream_late", NINE[1:], **SMALL),
    )
    for theirs, ours in zip(many.weights, one.weights, strict=True):
        ours.assign(np.reshape(theirs, ours.shape))  # a kernel of (1, h, w) in views is one of (h, w)
    images = patches()
    for maps, single in zip(many(images), one(images[:, 5]), strict=True):
        np.testing.assert_allclose(np.asarray(maps)[:, 5], np.asarray(single), rtol=1e-4, atol=1e-5)


def test_a_committee_multiplies_probabilities():
    """Nine networks of one plane each, cut out by hand: the normalised product of what they say."""
    model = fill(radzoo.build("multistream_committee", NINE, top=True, classes=3, **SMALL))
    votes = keras.Model(model.inputs, [layer.output for layer in model.layers if layer.name.endswith("_vote")])
    said = [np.asarray(keras.ops.softmax(vote)) for vote in votes(patches(), training=False)]
    product = np.prod(said, axis=0)
    assert len(said) == 9
    np.testing.assert_allclose(
        np.asarray(model(patches(), training=False)), product / product.sum(1, keepdims=True), rtol=1e-4
    )
    binary = fill(radzoo.build("multistream_committee", NINE, top=True, classes=1, activation="sigmoid", **SMALL))
    votes = keras.Model(binary.inputs, [layer.output for layer in binary.layers if layer.name.endswith("_vote")])
    yes = np.prod([np.asarray(keras.ops.sigmoid(vote), "float64") for vote in votes(patches(), training=False)], axis=0)
    no = np.prod([np.asarray(keras.ops.sigmoid(-vote), "float64") for vote in votes(patches(), training=False)], axis=0)
    np.testing.assert_allclose(np.asarray(binary(patches(), training=False)), yes / (yes + no), rtol=1e-4, atol=1e-6)


def test_it_learns_where_to_look():
    """The label is a bright spot in the seventh view alone."""
    rng = np.random.default_rng(0)
    images, labels = rng.normal(0, 0.3, (64, *NINE)).astype("float32"), np.arange(64) % 2
    images[labels == 1, 6, 8:12, 8:12] += 2
    keras.utils.set_random_seed(0)
    model = radzoo.create_model("multistream_late", NINE, classes=1, task="binary", head="paper", **SMALL)
    model.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy")
    model.fit(images, labels[:, None], batch_size=16, epochs=12, verbose=0)
    said = model.predict(images, verbose=0)[:, 0]
    assert ((said > 0.5) == labels).mean() > 0.9


def test_views_that_no_group_names():
    with pytest.raises(BadInput, match="an image of 8 views came"):
        radzoo.build("multistream_mixed", (8, 20, 20, 1))


def test_streams_of_views_share_nothing_and_channels_mix():
    """Views as streams: what one view shows changes only its own maps; as channels it changes all."""
    image = np.random.default_rng(0).normal(size=(1, 8, 8, 8, 3)).astype("float32")
    other = image.copy()
    other[..., 1] += 1
    for streams, untouched in ((True, [True, False, True]), (False, [False])):
        model = radzoo.build("multiview3d_tiny", (8, 8, 8, 3), streams=streams)
        for one, two in zip(model.predict(image, verbose=0), model.predict(other, verbose=0), strict=True):
            views = zip(*(np.split(each, len(untouched), axis=-1) for each in (one, two)), strict=True)
            assert [np.array_equal(a, b) for a, b in views] == untouched


def test_each_view_has_a_map_of_its_own():
    """A view's units join the others' only in a sum, so that what one view shows cannot change another's map."""
    from radzoo.explain import grad_cam

    model = fill(radzoo.build("multistream_late", NINE, top=True, **SMALL))
    image = patches()[:1]
    other = image.copy()
    other[:, 3] = np.random.default_rng(5).normal(size=other[:, 3].shape)
    one, two = (grad_cam(model, each, 1, relu=False)[0] for each in (image, other))
    changed = [not np.allclose(a, b, atol=1e-6) for a, b in zip(one, two, strict=True)]
    assert changed == [view == 3 for view in range(9)] and one.shape[0] == 9
