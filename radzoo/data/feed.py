"""Batches for a network, out of the store. The only file that needs TensorFlow."""

from __future__ import annotations

import contextlib
from dataclasses import asdict

import numpy as np

from radzoo.data.store import Store
from radzoo.images.augment import changed
from radzoo.recipe import Augment

WORKERS = 2  # batches that are made at the same time


def batches(
    store: Store,
    keys,
    labels: np.ndarray,
    *,
    batch: int,
    augment: Augment | None = None,
    seed: int = 0,
    epoch: int = 0,
    shuffle: bool = False,
    balanced: bool = False,
    beside: np.ndarray | None = None,
    outputs: int = 1,
):
    """One epoch of images and labels, a pure function of `(seed, epoch, image)`.

    Every batch is full, so that nothing is compiled twice. With `shuffle` (training) the last one is filled from the
    start of the shuffled order; without, it repeats the last image: trim predictions to `len(keys)`.

    Args:
        keys: of `store.add`.
        labels: `(n, k)`.
        augment: for training images; None leaves images as they are.
        balanced: with `shuffle`, as many images of each class in an epoch (of one column: with and without), which is
            as long as otherwise: those of rare classes come several times, of common ones others in each epoch.
        beside: covariates `(n, c)`; a batch then holds `((images, covariates), labels)`.
        outputs: of the network; each of several is given the labels.
    Returns:
        `tf.data.Dataset` of float32 `(images, labels)`: `(batch, *spatial, channels)` normalised for the network, and
        `(batch, k)`.
    """
    import tensorflow as tf

    keys, labels = list(keys), np.asarray(labels, "float32")
    order = _order(labels if balanced else labels[:, :0], batch, seed, epoch, shuffle)

    if beside is not None:
        known, places = tf.constant(beside, tf.float32), tf.constant(order)

    def make(number):
        images = np.stack([_image(store, keys[i], augment, seed, epoch) for i in order[number]])
        return store.spec.normalise(images).astype("float32"), labels[order[number]]

    def load(number):
        images, targets = tf.numpy_function(make, [number], [tf.float32, tf.float32])
        images = tf.ensure_shape(images, (batch, *store.spec.shape))
        targets = tf.ensure_shape(targets, (batch, labels.shape[1]))
        inputs = images if beside is None else (images, tf.gather(known, tf.gather(places, number)))
        return inputs, targets if outputs == 1 else (targets,) * outputs

    numbers = tf.data.Dataset.range(len(order))
    return numbers.map(load, num_parallel_calls=WORKERS, deterministic=True).prefetch(WORKERS)


def settle_threads() -> bool:
    """Lets TensorFlow run one operation at a time, so that the same seed gives the same numbers on a CPU.

    Operations that finish in another order add up gradients in another order. Each may still use all cores.

    Returns:
        Whether it holds; False with a GPU, on another backend than TensorFlow (there it is not known), or where
        TensorFlow had already started with more threads.
    """
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":  # TensorFlow only feeds: it must not take the GPU's memory
        with contextlib.suppress(RuntimeError):
            tf.config.set_visible_devices([], "GPU")
        return False
    if tf.config.list_physical_devices("GPU"):
        return False
    with contextlib.suppress(RuntimeError):  # too late
        tf.config.threading.set_inter_op_parallelism_threads(1)
    return tf.config.threading.get_inter_op_parallelism_threads() == 1


def _order(labels: np.ndarray, batch: int, seed: int, epoch: int, shuffle: bool) -> np.ndarray:
    """Positions `(steps, batch)`; the last batch wraps around (training) or repeats the last image (evaluation).

    Args:
        labels: `(n, k)`, of which all classes come equally often; no columns where images come once.
    """
    count = len(labels)
    steps = -(-count // batch)
    if not shuffle:
        return np.minimum(np.arange(steps * batch).reshape(steps, batch), count - 1)
    generator = np.random.default_rng((seed, epoch))
    if not labels.shape[1]:
        return np.resize(generator.permutation(count), (steps, batch))
    kinds = [np.flatnonzero((labels == kind).all(1)) for kind in np.unique(labels, axis=0)]
    share = -(-steps * batch // len(kinds))
    drawn = [np.concatenate([generator.permutation(kind) for _ in range(-(-share // len(kind)))]) for kind in kinds]
    mixed = np.stack([each[:share] for each in drawn], axis=1).ravel()[: steps * batch]  # each class in turn
    return mixed.reshape(steps, batch)


def _image(store: Store, key: str, augment: Augment | None, seed: int, epoch: int) -> np.ndarray:
    image = store[key]
    if augment is None:
        return image
    generator = np.random.default_rng((seed, epoch, int(key, 16)))
    return changed(image, generator, planes=store.spec.planes, **asdict(augment))
