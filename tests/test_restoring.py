"""Restoration networks on whole images: against one pass over the whole, by hand, and on images they are not for."""

from functools import cache

import keras
import numpy as np
import pytest
from keras import layers

from radzoo.errors import BadInput
from radzoo.images import Input, Pixels
from radzoo.images.volumes import Volume
from radzoo.restoring import Restorer, reach, restored

WINDOW = (40.0, 400.0)


@cache
def like_rednet(shape, padding="same", rank=2):
    """Three convolutions, three transposed ones, one skip, the input added: RED-Net in small."""
    conv, up = (getattr(layers, f"{name}") for name in (f"Conv{rank}D", f"Conv{rank}DTranspose"))
    keras.utils.set_random_seed(3)
    image = keras.Input(shape)
    x = kept = conv(4, 5, padding=padding, activation="relu")(image)
    x = conv(4, 3, padding=padding, activation="relu", dilation_rate=2)(x)
    x = layers.ReLU()(layers.Add()([up(4, 3, padding=padding, dilation_rate=2)(x), kept]))
    x = up(1, 5, padding=padding)(x)
    return keras.Model(image, layers.Activation("linear", dtype="float32", name="head")(layers.Add()([x, image])))


@cache
def valid(shape):
    """Four convolutions without padding, as a U-Net that sees more than it restores."""
    keras.utils.set_random_seed(4)
    image = x = keras.Input(shape)
    for _ in range(3):
        x = layers.Conv2D(4, 3, activation="relu")(x)
    return keras.Model(image, layers.Conv2D(1, 3)(x))


@cache
def identity(shape):
    image = keras.Input(shape)
    return keras.Model(image, layers.Activation("linear", name="head")(image))


def noise(*shape):
    return np.random.default_rng(0).random(shape).astype("float32")


def restorer(model, shape, batch=3, overlap=0.5, window=WINDOW, **options):
    return Restorer(model, Input(shape=shape, window=window), batch, overlap, **options)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_windows_say_what_the_whole_image_says(padding):
    image, side = noise(75, 61, 1), 40
    found = restorer(like_rednet((side, side, 1), padding), (side, side, 1))(image)
    whole = like_rednet((75, 61, 1), padding).predict_on_batch(image[None])[0]
    far = reach(like_rednet((side, side, 1), padding))[0]
    assert far == 2 + 2 + 2 + 2
    inside = slice(far, -far)  # at the border one mirrors, the other has zeros
    np.testing.assert_allclose(found[inside, inside], whole[inside, inside], atol=1e-5)
    assert np.abs(found - whole).max() > 1e-3


def test_windows_of_a_network_that_needs_more_than_it_restores():
    image = noise(70, 50, 1)
    found = restorer(valid((32, 32, 1)), (32, 32, 1), overlap=0.25)(image)
    whole = valid((78, 58, 1)).predict_on_batch(np.pad(image, [(4, 4), (4, 4), (0, 0)], mode="reflect")[None])[0]
    np.testing.assert_allclose(found, whole, atol=1e-5)


def test_a_volume_by_windows_and_by_planes():
    volume = noise(9, 26, 30, 1)
    flat = restorer(like_rednet((24, 24, 1)), (1, 24, 24, 1), overlap=0.7)
    alone = restorer(like_rednet((24, 24, 1)), (24, 24, 1), overlap=0.7)
    found = flat(volume)
    np.testing.assert_allclose(found, np.stack([alone(plane) for plane in volume]), atol=1e-6)
    whole = like_rednet((9, 26, 30, 1), rank=3).predict_on_batch(volume[None])[0]
    found = restorer(like_rednet((9, 26, 30, 1), rank=3), (9, 26, 30, 1))(volume)
    np.testing.assert_allclose(found, whole, atol=1e-5)  # one window is the whole


@pytest.mark.parametrize("overlap", [0.5, 0.1])  # cut, and blended
def test_the_batch_changes_nothing(overlap):
    image = noise(50, 61, 1)
    one, many = (restorer(like_rednet((40, 40, 1)), (40, 40, 1), batch=n, overlap=overlap)(image) for n in (1, 3))
    np.testing.assert_allclose(many, one, atol=1e-6)


@pytest.mark.parametrize("size", [(7, 90), (16, 16), (33, 17)])
def test_any_size_comes_back(size):
    image = noise(*size, 1)
    np.testing.assert_allclose(restorer(identity((16, 16, 1)), (16, 16, 1))(image), image, atol=1e-6)


def test_stored_images_are_the_same_as_images_in_0_1():
    image = np.random.default_rng(0).integers(0, 65536, (20, 20, 1)).astype("uint16")
    found = restorer(identity((16, 16, 1)), (16, 16, 1))(image)
    np.testing.assert_allclose(found, image / 65535, atol=1e-6)


class Ramp:
    """Adds the place along x, to see what flips and turns do; a stand-in for a network."""

    def __init__(self, side):
        self.operations, self.outputs = [object()], [np.empty((1, side, side, 1))]

    def predict_on_batch(self, windows):
        return windows + np.linspace(0, 1, windows.shape[2], dtype="float32")[:, None]


def test_flips_and_turns_are_undone_and_averaged():
    image = noise(9, 9, 1)
    options = {"batch": 1, "overlap": 0.0}
    ramp = np.linspace(0, 1, 9)[None, :, None]
    once = restorer(Ramp(9), (9, 9, 1), **options)(image)
    np.testing.assert_allclose(once, image + ramp, atol=1e-6)
    turned = restorer(Ramp(9), (9, 9, 1), turns=True, **options)(image)
    np.testing.assert_allclose(turned, image + (ramp + np.rot90(np.broadcast_to(ramp, image.shape), -1)) / 2, atol=1e-6)
    both = restorer(Ramp(9), (9, 9, 1), flips=True, turns=True, **options)(image)
    np.testing.assert_allclose(both, image + 0.5, atol=1e-6)  # of all eight
    planes = restorer(Ramp(9), (1, 9, 9, 1), flips=True, turns=True, **options)(image[None])
    np.testing.assert_allclose(planes[0], both, atol=1e-6)


def test_turns_need_squares():
    with pytest.raises(BadInput, match="windows of 16 x 24 pixels came with turns, expected square ones"):
        restorer(identity((16, 24, 1)), (16, 24, 1), turns=True)


def test_how_far_networks_look():
    assert reach(valid((32, 32, 1))) == (4, 4) and reach(identity((8, 8, 1))) == (0, 0)
    image = keras.Input((16, 16, 1))
    assert reach(keras.Model(image, layers.Conv2D(1, 3, strides=2)(image))) is None
    assert reach(keras.Model(image, layers.UpSampling2D()(layers.MaxPooling2D()(image)))) is None


def scan(low=-1000, high=1500, modality="CT", applied=("rescale",)):
    values = np.random.default_rng(0).uniform(low, high, (4, 20, 24)).astype("float32")
    return Volume(values, np.diag([3.0, 1, 1, 1]), modality, applied)


def test_a_network_that_changes_nothing_gives_the_volume_back():
    volume = scan()
    found = restored(restorer(identity((16, 16, 1)), (1, 16, 16, 1)), [volume])
    np.testing.assert_allclose(found, volume.values, atol=0.01)


def test_what_the_window_cut_off_is_added_again():
    """The window -160 to 239 HU, and a network that halves."""
    values = np.full((2, 16, 16), 40.0, "float32")
    values[0, 0, :3] = (800, -1000, 239)
    image = keras.Input((16, 16, 1))
    half = keras.Model(image, layers.Rescaling(0.5, name="head")(image))
    found = restored(restorer(half, (1, 16, 16, 1)), [Volume(values, np.eye(4), "CT", ("rescale",))])
    top = -160 + 399 / 2
    np.testing.assert_allclose(found[0, 0, :4], [top + 561, -1000, top, -160 + 200 / 2], atol=0.01)
    wild = keras.Model(image, layers.Rescaling(5.0, name="head")(image))  # beyond the window, where it is cut
    found = restored(restorer(wild, (1, 16, 16, 1)), [Volume(values, np.eye(4), "CT", ("rescale",))])
    np.testing.assert_allclose(found[0, 0, :4], [800, -1000, 239, 239], atol=0.01)


def test_another_kind_of_image_has_a_window_of_its_own():
    """MR to CT: nothing of the MR is added, and 0..1 are the HU that are named."""
    volume = scan(0, 700, "MR", ())
    spec = Input(shape=(1, 16, 16, 1), window="percentile 0 100")
    found = restored(Restorer(identity((16, 16, 1)), spec, 3, 0.5), [volume], window=(-1000.0, 2000.0))
    low, high = volume.values.min(), volume.values.max()
    np.testing.assert_allclose(found, -1000 + 3000 * (volume.values - low) / (high - low), atol=0.05)
    same = restored(Restorer(identity((16, 16, 1)), spec, 3, 0.5), [volume])
    np.testing.assert_allclose(same, volume.values, atol=0.01)


def test_an_image_without_units():
    pixels = Pixels(noise(21, 30))
    found = restored(restorer(like_rednet((40, 40, 1)), (40, 40, 1), window="header"), [pixels])
    assert found.shape == (21, 30) and found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize("volume, message", [
    (scan(0, 4000, applied=()), "the series has no rescale, its values .* are no HU"),
    (scan(0, 1, None), "the voxels span 0.0.* to 0.99.*, the network knows -160 to 239: give HU"),
    (scan(500, 3000), "0 % of the voxels lie in -160 to 239"),
    (scan(modality="MR"), "the image is MR, these weights expect CT"),
])  # fmt: skip
def test_images_beyond_what_the_network_knows(volume, message):
    spec = Input(shape=(1, 16, 16, 1), window=WINDOW, modality=("CT",))
    with pytest.raises(BadInput, match=message):
        restored(Restorer(identity((16, 16, 1)), spec, 3, 0.5), [volume])


def test_networks_that_restore_no_grey_image():
    image = keras.Input((16, 16, 1))
    two = keras.Model(image, layers.Conv2D(2, 1, name="head")(image))
    with pytest.raises(BadInput, match="the network gives 2 channels, expected one"):
        restored(restorer(two, (1, 16, 16, 1)), [scan()])
    windows = Input(shape=(1, 16, 16, 2), window=((40.0, 400.0), (-600.0, 1500.0)))
    with pytest.raises(BadInput, match="2 windows came for a restored image"):
        restored(Restorer(two, windows, 2, 0.5), [scan()])
